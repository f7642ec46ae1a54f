//! Damaged, hostile and huge inputs: no panic, bounded memory, and everything that is whole still comes out.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::io::Read as _;

use casetrace_model::CountOnly;
use casetrace_text::{Options, decode};
use common::{cp932, field, read, wide};

/// A line of every format, so that flips reach every reader.
const SAMPLES: &[(&str, &str)] = &[
    (
        "d.txt",
        "+----------------------------------------------------------------------+\n| SSO State                                                            |\n+----------------------------------------------------------------------+\n AzureAdPrt : NO\n AcquirePrtDiagnostics : PRESENT\n Attempt Status : 0xc000006d\n HTTP status : 400\n Previous Prt Attempt : 2026-03-01 20:10:33.789 UTC\n",
    ),
    (
        "a.txt",
        "cli.knack.cli: x\nurllib3.connectionpool: https://a.b:443 \"GET /c HTTP/1.1\" 200 1\nazure.core.pipeline.policies.http_logging_policy: Request URL: 'https://a.b/c'\nTraceback (most recent call last):\nx.Error: HTTPSConnectionPool(host='a', port=443): Max retries exceeded with url: / (Caused by ProxyError('x'))\n",
    ),
    (
        "p.txt",
        "DEBUG: a\nDEBUG: ============================ HTTP RESPONSE ============================\n\nStatus Code:\nOK\n\nHeaders:\nDate                          : Mon, 02 Mar 2026 01:16:11 GMT\n\nBody:\n{}\nDEBUG: False MSAL 4.3 X [09/13 05:23:13.97 - f46dc1ff-09d0-4e43-9aa7-262fadf283db] x\n",
    ),
    (
        "r.reg",
        "Windows Registry Editor Version 5.00\n\n[HKEY_LOCAL_MACHINE\\X\\Internet Settings\\Connections]\n\"WinHttpSettings\"=hex:28,00,00,00,00,00,00,00,03,00,00,00,0a,00,00,00,70,\\\n  78\n",
    ),
    (
        "s.csv",
        "Date (UTC),Request ID,Correlation ID,Username,Status,Sign-in error code,Application,IP address,User ID\n2026-03-02T01:16:11Z,\"a\"\"b\",c,d,Failure,50126,x,y,z\n",
    ),
    (
        "s.json",
        "{\"value\":[{\"createdDateTime\":\"2026-03-02T01:16:11Z\",\"userPrincipalName\":\"u\",\"correlationId\":\"x\",\"status\":{\"errorCode\":1}}]}",
    ),
    (
        "n.xml",
        "<netEvents><item><header><timeStamp>2026-03-02T01:16:11Z</timeStamp><localPort>1</localPort></header><type>DROP</type></item></netEvents>",
    ),
    (
        "e.xml",
        "<Event xmlns='x'><System><Provider Name='P'/><EventID>1</EventID></System><EventData><Data Name='a'>&#x41;b</Data></EventData></Event>",
    ),
    (
        "c.txt",
        "MY \"x\"\n================ Certificate 0 ================\nIssuer:\n    CN=a\n NotAfter: 3/2/2036 10:45 AM\nCertUtil: -store ok\n",
    ),
    (
        "k.txt",
        "Current LogonId is 0:0x3e7\nCached Tickets: (1)\n#0>\tClient: a @ B\n\tStart Time: 3/2/2026 10:15:04 (local)\n",
    ),
    (
        "t.txt",
        "Image Name                     PID Services\n========================= ======== ====\nlsass.exe                      712 日本語\n",
    ),
    (
        "l.log",
        "03/02/2026 10:15:04:617 NetpX: status: 0x54b\n03/02/2026 10:15:04:618 NetpDoDomainJoin: status: 5\n12/31 23:59:59 [MISC] [1] x\n",
    ),
    (
        "m.log",
        "<![LOG[x]LOG]!><time=\"10:15:04.123-540\" date=\"03-02-2026\" component=\"c\" type=\"3\" thread=\"1\">\n",
    ),
    (
        "v.txt",
        "Windows IP 構成\n    a.b\n    ----------------------------------------\n    名前は存在しません。\n",
    ),
    (
        "w.txt",
        "現在の WinHTTP プロキシ設定:\n    プロキシ サーバー:  p:1\nUSER INFORMATION\n",
    ),
];

/// A small generator, so that runs repeat.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % below.max(1)
    }
}

#[test]
fn flips_and_cuts_never_panic() {
    let mut dice = Dice(42);
    for (name, text) in SAMPLES {
        for bytes in [text.as_bytes().to_vec(), wide(text), cp932(text)] {
            for _ in 0..60 {
                let mut bytes = bytes.clone();
                for _ in 0..=dice.roll(4) {
                    let at = dice.roll(bytes.len());
                    bytes[at] = u8::try_from(dice.roll(256)).unwrap();
                }
                bytes.truncate(bytes.len() - dice.roll(bytes.len() / 2));
                let read = read(name, &bytes);
                for row in &read.rows {
                    assert!(
                        serde_json::from_str::<serde_json::Value>(&row.fields).is_ok(),
                        "{}",
                        row.fields
                    );
                    assert!(row.record > 0);
                }
            }
        }
    }
}

#[test]
fn every_sample_under_every_other_name_and_every_cut_is_read() {
    for (name, text) in SAMPLES {
        let bytes = wide(text);
        for cut in 0..bytes.len().min(160) {
            read(name, &bytes[cut..]);
            read("", &bytes[..cut]);
        }
    }
}

/// Repeats a pattern without holding it.
struct Endless<'a> {
    pattern: &'a [u8],
    at: usize,
    left: u64,
}

impl std::io::Read for Endless<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let n = usize::try_from(self.left.min(out.len() as u64)).unwrap();
        for byte in &mut out[..n] {
            *byte = self.pattern[self.at % self.pattern.len()];
            self.at += 1;
        }
        self.left -= n as u64;
        Ok(n)
    }
}

/// Bytes this process holds at most, from the kernel's books.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap_or_default();
    line.split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse().ok())
        .unwrap_or(0)
}

#[test]
fn long_lines_of_any_format_stay_in_bounds() {
    let before = peak_kib();
    let heads: &[(&[u8], &[u8])] = &[
        (b"", b"aaaaaaaaaaaaaaaa"),
        (b"cli.knack.cli: x\n", b"msal.x: y "),
        (b"[{\"createdDateTime\":\"x\",\"userPrincipalName\":\"u\",\"correlationId\":\"", b"abcdefgh"),
        (b"<netEvents><item><header><x>", b"abcdefgh"),
        (b"<netEvents>", b"<item>"),
        (b"Date (UTC),Request ID,Correlation ID,Username,Status,Application,IP address,User ID,Resource\n\"", b"abc,def "),
        (b"HKEY_LOCAL_MACHINE\\X\n\"a\"=hex:\\\n", b"00,\\\n"),
        (b"<![LOG[", b"a\nb"),
        (b"2026-03-02 10:15:04 x\n2026-03-02 10:15:04 x\n", b"abc\ndef"),
        (b"#0>\nCurrent LogonId is 0:0x3e7\n#1>", b"a: b\n"),
    ];
    for (head, pattern) in heads {
        // Many short lines cost time, one long line could cost memory.
        let size = if pattern.contains(&b'\n') {
            2 << 20
        } else {
            40 << 20
        };
        let mut input = head.chain(Endless {
            pattern,
            at: 0,
            left: size,
        });
        let mut sink = CountOnly::default();
        let result = decode(&mut input, &Options::default(), &mut sink);
        assert!(sink.diagnostics.len() <= 201, "{}", result.format.name());
    }
    let grown = peak_kib().saturating_sub(before);
    assert!(grown < 96 << 10, "grew by {grown} KiB");
}

#[test]
fn an_input_that_breaks_off_is_said() {
    struct Broken(u32);
    impl std::io::Read for Broken {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            self.0 += 1;
            if self.0 > 1 {
                return Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
            }
            out[..11].copy_from_slice(b"line one\nli");
            Ok(11)
        }
    }
    let mut sink = casetrace_model::Collected::default();
    let result = decode(&mut Broken(0), &Options::default(), &mut sink);
    assert_eq!(result.lines, 2);
    assert!(sink.diagnostics.iter().any(|d| d.code == "TextReadFailed"));
    assert_eq!(field(&sink.rows[0], "lines"), "2");
}

#[test]
fn any_chunking_gives_the_same_rows() {
    struct Slow<'a>(&'a [u8]);
    impl std::io::Read for Slow<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let n = self.0.len().min(1).min(out.len());
            out[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }
    for (name, text) in SAMPLES {
        let bytes = wide(text);
        let whole = read(name, &bytes);
        let mut sink = casetrace_model::Collected::default();
        decode(
            &mut Slow(&bytes),
            &Options {
                name: (*name).to_owned(),
                ..Options::default()
            },
            &mut sink,
        );
        assert_eq!(whole.rows, sink.rows, "{name}");
    }
}

#[test]
fn damaged_markup_is_told_at_its_place_in_the_file() {
    let lines = "<netEvents>\n<item><type>DROP</type></item>\n".repeat(20) + "<item><";
    let all = [lines.clone().into_bytes(), wide(&lines)];
    for (file, width) in all.into_iter().zip([1, 2]) {
        let mut sink = CountOnly::default();
        let options = Options {
            name: "n.xml".into(),
            ..Options::default()
        };
        decode(&mut file.as_slice(), &options, &mut sink);
        let damage = sink.diagnostics.iter().find(|d| d.code == "XmlDamaged").unwrap();
        let at = damage.offset.unwrap();
        let last_line = (lines.len() - "<item><".len()) as u64 * width;
        assert!(
            (last_line..=file.len() as u64).contains(&at),
            "{at} of {}",
            file.len()
        );
    }
}
