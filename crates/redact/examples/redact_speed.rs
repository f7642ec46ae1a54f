//! Rows a second, for each kind of redaction, over made-up rows as members of a bundle give them.
//!
//! `cargo run --release -p casetrace-redact --example redact_speed -- [ROWS]`

#![expect(clippy::print_stdout, reason = "a measuring tool")]

use std::time::Instant;

use casetrace_model::{JsonObject, Row, Source};
use casetrace_redact::{Identity, Mode, Redactor};

/// A row of an event log, a trace's packet, a trace's event, a debug log, or an HTTP message, by turns.
fn row(n: u64) -> Row {
    let guid = format!("{n:08x}-0f57-4f2c-9a42-{:012x}", n * 7919);
    let (host, user) = (n % 7, n % 40);
    match n % 5 {
        0 => {
            let mut row = Row::new(Source::Evtx, "event", n);
            row.host = Some(format!("PC{host:03}.corp.contoso.com").into());
            row.user_sid = Some(format!("S-1-5-21-11-22-33-{}", 1100 + user).into());
            row.correlation_id = Some(guid.as_str().into());
            row.message = format!(
                "AadCloudAPPlugin operation failed with 0xC000006D for user{user}@contoso.com, correlation {guid}"
            );
            row.fields = JsonObject::new()
                .str("TargetUserName", &format!("user{user}"))
                .str("TargetDomainName", "CONTOSO")
                .str("IpAddress", &format!("10.1.{host}.{}", n % 250))
                .str("Status", "0xc000006d")
                .str("ProcessName", r"C:\Windows\System32\lsass.exe")
                .str("LogonGuid", &guid)
                .str(
                    "Time",
                    &format!(
                        "2026-03-02T01:{:02}:{:02}.{:07}Z",
                        n / 60 % 60,
                        n % 60,
                        n % 10_000_000
                    ),
                )
                .finish();
            row
        }
        1 => {
            let mut row = Row::new(Source::Etl, "tcp.connect", n);
            row.src_ip = Some(format!("10.1.{host}.5").into());
            row.dst_ip = Some(format!("40.126.{}.{}", n % 50, n % 9).into());
            row.message = format!("Connected to 40.126.{}.{}:443", n % 50, n % 9);
            row.fields = JsonObject::new().num("rtt_us", n % 9000).num("syn", 1).finish();
            row
        }
        2 => {
            let mut row = Row::new(Source::Etl, "event", n);
            row.provider = Some("Microsoft-Windows-WebIO".into());
            row.activity_id = Some(guid.as_str().into());
            row.message = format!(
                "Microsoft-Windows-WebIO/{}: ApiObject=0x{n:016x} Length={} State=2",
                n % 60,
                n % 4000
            );
            row.fields = JsonObject::new()
                .str("ApiObject", &format!("0x{n:016x}"))
                .num("Length", n % 4000)
                .str("State", "2")
                .finish();
            row
        }
        3 => {
            let mut row = Row::new(Source::Text, "log.line", n);
            row.message = format!(
                "2026-03-02 01:{:02}:{:02}.123 urllib3.connectionpool: https://login.microsoftonline.com:443 \"POST /organizations/oauth2/v2.0/token HTTP/1.1\" 200 {n} C:\\Users\\user{user}\\.azure\\msal_token_cache.bin",
                n / 60 % 60,
                n % 60
            );
            row.fields = JsonObject::new().str("module", "urllib3.connectionpool").finish();
            row
        }
        _ => {
            let mut row = Row::new(Source::Saz, "http.request", n);
            row.server_name = Some("sts.contoso.com".into());
            row.url = Some(format!("https://sts.contoso.com/adfs/ls/?wa=wsignin1.0&username=user{user}%40contoso.com&client-request-id={guid}").into());
            row.message = format!(
                "GET https://sts.contoso.com/adfs/ls/?wa=wsignin1.0&username=user{user}%40contoso.com&client-request-id={guid}"
            );
            row.fields = JsonObject::new()
                .str(
                    "User-Agent",
                    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Edge/18.26100",
                )
                .str("Host", "sts.contoso.com")
                .finish();
            row
        }
    }
}

fn main() {
    let rows = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(100_000);
    for mode in [Mode::None, Mode::Secrets, Mode::Identity] {
        let mut redactor = Redactor::new(mode, b"speed");
        (0..7).for_each(|n| redactor.learn(Identity::Host, &format!("PC{n:03}")));
        let made: Vec<Row> = (0..rows).map(row).collect();
        let begin = Instant::now();
        let mut bytes = 0;
        for mut row in made {
            redactor.redact_row(&mut row);
            bytes += row.message.len();
        }
        let seconds = begin.elapsed().as_secs_f64();
        println!(
            "{}: {rows} rows in {seconds:.2} s, {:.1} us a row ({bytes} bytes of messages)",
            mode.as_str(),
            seconds * 1e6 / rows as f64
        );
    }
}
