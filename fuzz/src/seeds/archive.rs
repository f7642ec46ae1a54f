//! Archives: plain, nested, encrypted.

use casetrace_synth::archive::{
    Cab, CabMethod, Encryption, LongNames, Member, Method, Saz, Session, SevenZip, Tar, Zip,
};
use casetrace_synth::net::http;

use super::CASE;
use crate::targets::archive::PASSWORDS;

fn text() -> Vec<u8> {
    b"some text that repeats, some text that repeats.\r\n".repeat(20)
}

fn zip() -> Zip {
    Zip::new()
        .file("Authlogs/Build.txt", text())
        .file("Authlogs/empty.txt", Vec::new())
        .comment("made for damage")
}

/// One of each container, none encrypted: a password costs thousands of hashes to try.
pub(crate) fn files() -> Vec<Vec<u8>> {
    let cab = |method| {
        Cab::new(method)
            .file("report.txt", text())
            .file("sub\\second.txt", b"second".to_vec())
    };
    let session = Session {
        at: CASE.start,
        request: http::request("GET", "http://a.example/", &[], ""),
        response: http::response(200, "OK", &[], "body"),
        process: "az:7".into(),
        took_ms: 12,
    };
    let inner = zip().file("nested.cab", cab(CabMethod::MsZip).write()).write();
    vec![
        zip().write(),
        zip().method(Method::Stored).cp932_names().write(),
        zip().method(Method::Stored).file("inner.zip", inner).write(),
        cab(CabMethod::Stored).write(),
        cab(CabMethod::MsZip).write(),
        Saz::new().session(session).write(),
        gzip(),
        tar().build(),
        tar().long_names(LongNames::Pax).build(),
        seven_zip().build(),
        seven_zip().lzma2().build(),
        CASE.nettrace_cab(&text(), None),
    ]
}

/// Archives that open with one of the target's passwords.
pub(crate) fn encrypted() -> Vec<Vec<u8>> {
    let password = PASSWORDS.last().copied().unwrap_or_default();
    let mut out: Vec<Vec<u8>> = [Encryption::ZipCrypto, Encryption::Aes256]
        .map(|encryption| zip().encrypted(encryption, password).write())
        .into();
    out.push(seven_zip().encrypted(password, 4).build());
    out
}

fn tar() -> Tar {
    Tar::new()
        .member(Member::new("Authlogs/Build.txt", text()))
        .member(Member::new(&"a-long-name/".repeat(10), text()))
        .typed(Member::new("link", ""), b'2')
}

fn seven_zip() -> SevenZip {
    SevenZip::new()
        .block([
            Member::new("Authlogs/Build.txt", text()),
            Member::new("b.txt", "b"),
        ])
        .block([Member::new("c.txt", text())])
        .empty("empty.txt")
}

/// A gzip member with a name: one stored deflate block.
fn gzip() -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 10];
    out.extend(b"log.txt\0");
    out.extend([1, 5, 0, 0xfa, 0xff]);
    out.extend(b"hello");
    out.extend([0x86, 0xa6, 0x10, 0x36, 5, 0, 0, 0]);
    out
}
