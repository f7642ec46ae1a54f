//! Event logs and text logs.

use casetrace_synth::evtx::Evtx;
use casetrace_synth::text::cli::{self, AzLogin};
use casetrace_synth::text::events::{Told, connect_trace};
use casetrace_synth::text::signin::{SignIn, export};
use casetrace_synth::text::{Dsregcmd, Encoding, authlogs, windows};

use super::CASE;

/// A log of one chunk with several templates, and variants of it.
pub(crate) fn evtx() -> Vec<Vec<u8>> {
    let log = || {
        Evtx::new("PC042.corp.contoso.com")
            .first_record(4100)
            .events(CASE.logs.clone())
    };
    vec![
        log().write(),
        log().dirty().write(),
        log().bad_checksum(0).write(),
    ]
}

/// The start of a companion file: nobody but Windows writes them, so the magic is all there is to start from.
pub(crate) fn companion() -> Vec<Vec<u8>> {
    vec![[&b"MTAF"[..], &[0; 124]].concat(), vec![0; 64]]
}

/// Every text that the builders can write, in the encodings that tools use.
pub(crate) fn text() -> Vec<Vec<u8>> {
    let (id, at) = (&CASE.id, CASE.start);
    let status = Dsregcmd::hybrid(id, at);
    let arm = "management.azure.com";
    let az =
        AzLogin::new(id, at)
            .authority_ok()
            .signed_in()
            .fails(arm, "/tenants", &cli::connect_timeout(arm));
    let texts = vec![
        status.text(),
        status.old_text(),
        az.text(),
        cli::connect_az(id, at, arm),
        cli::connect_az_refused(id, at, "actively refused"),
        cli::connect_mg(at, "done"),
        cli::az_response("401 Unauthorized", at, "{\"error\":\"invalid_grant\"}"),
        authlogs::script_info(id, &["vAuth"], at, Some(CASE.stop)),
        authlogs::build(id),
        authlogs::tasklist(id, &[("lsass.exe", 700, "KeyIso, SamSs")]),
        authlogs::display_dns(id, &[("a.example", Some("192.0.2.1")), ("b.example", None)]),
        authlogs::ipconfig(id, "192.0.2.42", "192.0.2.10"),
        authlogs::reg_query(&[(r"HKEY_LOCAL_MACHINE\SOFTWARE\X", &[("A", "REG_DWORD", "0x1")])]),
        authlogs::whoami(id),
        authlogs::netsetup(id, at),
        windows::winhttp_proxy(id, Some("proxy:8080")),
        windows::systeminfo(id),
        windows::sdp_results("ICE", "name"),
        windows::sdp_report(id, &[("cause", "text")]),
    ];
    let texts: Vec<String> = texts.into_iter().chain(events()).collect();
    let mut out: Vec<Vec<u8>> = texts.iter().map(|text| Encoding::Utf8.encode(text)).collect();
    out.extend(texts.iter().step_by(3).map(|text| Encoding::Utf16Le.encode(text)));
    out.push(Encoding::Cp932.encode(&authlogs::ipconfig(
        &id.clone().japanese(),
        "192.0.2.42",
        "192.0.2.10",
    )));
    out.push(export(&[
        SignIn::new(at, id, "0000").failed(50_126, "Invalid username or password.")
    ]));
    out
}

/// Events in every form, and a trace whose times depend on its start.
fn events() -> Vec<String> {
    let told = Told {
        channel: "Microsoft-Windows-AAD/Operational",
        provider: "Microsoft-Windows-AAD",
        id: 1098,
        at: CASE.start,
        computer: "PC042",
        message: "Error: 0xCAA2000C The request requires user interaction.\nDescription: AADSTS50076: more is needed\nLogged at a.cpp, line: 449.",
    };
    let mut all = told.in_every_form();
    all.push(connect_trace(
        CASE.start,
        540,
        "The remote server returned an error: (407) x",
    ));
    all.push("Request Id: 0f3c8c4d-54a8-4b0d-8d2f-1d2f4a3b0100\nTimestamp: 2026-03-02T00:15:02Z\nMessage: AADSTS53003: no\nServer error code: 801c0003\nServer message: no\n".into());
    all.push("CONNECT a.example:443 HTTP/1.1\nHost: a.example:443\n\nHTTP/1.1 407 No\nProxy-Authenticate: NTLM\nVia: x\n\n{\"error\":\"AADSTS50126\"}\n".into());
    all
}
