//! Public parsers accept what the builders write, and read back what was put in.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{Cursor, Read};

use casetrace_synth::archive::{Cab, CabMethod, Encryption, Method, Saz, Session, Zip};
use casetrace_synth::bytes::noise;
use casetrace_synth::event::{Element, Event, Provider, Value};
use casetrace_synth::evtx::Evtx;
use casetrace_synth::moment::Moment;
use casetrace_synth::net::{Tcp, Wire, http, tls};
use casetrace_synth::pcap::{Pcap, PcapNg};
use casetrace_synth::scenario::large;
use casetrace_synth::x509::Certificate;

const T: &str = "2026-03-02T01:00:00.1234567Z";
const AAD: Provider = Provider {
    name: "Microsoft-Windows-AAD",
    guid: "4de9bc9c-b27a-43c9-8994-0915f1a5e24f",
    channel: "Microsoft-Windows-AAD/Operational",
};
const CLASSIC: Provider = Provider {
    name: "PasswordResetService",
    guid: "",
    channel: "Application",
};

fn event(n: i64) -> Event {
    Event::new(AAD, 1081, Moment::at(T).plus_s(n))
        .level(2)
        .activity("00112233-4455-6677-8899-aabbccddeeff")
        .user("S-1-5-18")
        .field("Error", "invalid_grant")
        .field(
            "ErrorDescription",
            format!("AADSTS50126: number {n} & <text> ログ"),
        )
        .field("Status", Value::Hex32(0xc000_006d))
        .field("Result", -2_145_648_509)
}

fn records(bytes: Vec<u8>) -> Vec<(u64, String)> {
    let mut parser = evtx::EvtxParser::from_buffer(bytes)
        .unwrap()
        .with_configuration(evtx::ParserSettings::new().validate_checksums(true).indent(false));
    parser
        .records()
        .map(Result::unwrap)
        .map(|r| (r.event_record_id, r.data))
        .collect()
}

#[test]
fn the_evtx_crate_reads_every_record() {
    let log = Evtx::new("PC042.corp.contoso.com")
        .first_record(700)
        .events((0..500).map(event))
        .write();
    assert!(log.len() > 4096 + 65_536);
    let got = records(log);
    assert_eq!(got.len(), 500);
    assert_eq!(got[0].0, 700);
    assert!(
        got[499]
            .1
            .contains("AADSTS50126: number 499 &amp; &lt;text&gt; ログ"),
        "{}",
        got[499].1
    );
    assert!(
        got[0].1.contains("SystemTime=\"2026-03-02T01:00:00.1234567Z\""),
        "{}",
        got[0].1
    );
    assert!(got[0].1.contains("0xc000006d") && got[0].1.contains("-2145648509"));
    assert!(got[0].1.contains("UserID=\"S-1-5-18\""));
}

#[test]
fn classic_events_and_user_data_keep_their_shape() {
    let classic = Event::new(CLASSIC, 32002, Moment::at(T))
        .level(2)
        .data("TrackingId: 1");
    let tree = Element::new("CertGetCertificateChain")
        .child(
            Element::new("Certificate")
                .attr("fileRef", "A.cer")
                .attr("subjectName", "login.microsoftonline.com"),
        )
        .child(
            Element::new("Result")
                .attr("value", "800B0109")
                .text("A certificate chain…"),
        );
    let log = Evtx::new("PC")
        .event(classic)
        .event(event(0).user_data(tree))
        .write();
    let got = records(log);
    assert!(
        got[0].1.contains("<Data>TrackingId: 1</Data>") && got[0].1.contains("Qualifiers"),
        "{}",
        got[0].1
    );
    assert!(got[1].1.contains("<Result value=\"800B0109\">"), "{}", got[1].1);
}

#[test]
fn damaged_logs_are_damaged_where_asked() {
    let log = || Evtx::new("PC").events((0..700).map(event));
    let clean = log().write();
    let bad = log().dirty().bad_chunk(1).write();
    assert_eq!(clean.len(), bad.len());
    let mut parser = evtx::EvtxParser::from_buffer(bad).unwrap();
    let (good, errors): (Vec<_>, Vec<_>) = parser.records().partition(Result::is_ok);
    assert!(!errors.is_empty() && !good.is_empty() && good.len() < 700);
}

#[test]
fn certificates_are_x509() {
    let der = Certificate::new(
        "CN=login.microsoftonline.com",
        "CN=Contoso Proxy CA, O=Contoso, C=US",
    )
    .san(&["login.microsoftonline.com", "login.windows.net"])
    .der();
    let (rest, cert) = x509_parser::parse_x509_certificate(&der).unwrap();
    assert!(rest.is_empty());
    assert_eq!(cert.subject().to_string(), "CN=login.microsoftonline.com");
    assert_eq!(cert.issuer().to_string(), "C=US, O=Contoso, CN=Contoso Proxy CA");
    assert_eq!(
        cert.subject_alternative_name()
            .unwrap()
            .unwrap()
            .value
            .general_names
            .len(),
        2
    );
    assert_eq!(cert.validity().not_before.timestamp(), 1_764_547_200);
}

#[test]
fn tls_messages_parse_to_the_end() {
    let chain = [
        Certificate::new("CN=a", "CN=b").der(),
        Certificate::new("CN=b", "CN=b").authority().der(),
    ];
    let hello = tls::ClientHello::new("login.microsoftonline.com")
        .alpn(&["h2", "http/1.1"])
        .grease()
        .pad_to(1900);
    assert!(hello.record().len() > 1900);
    let flight = [
        tls::server_hello(tls::TLS12, 0xc030, Some("h2")),
        tls::certificate(&chain),
        tls::server_hello_done(),
    ];
    let records = [
        hello.record(),
        tls::record(22, tls::TLS12, &flight.concat()),
        tls::record(22, tls::TLS12, &tls::server_hello13(0x1302, 0x11ec)),
        tls::alert(2, tls::UNKNOWN_CA),
    ];
    for record in &records {
        let (rest, plain) = tls_parser::parse_tls_plaintext(record).unwrap();
        assert!(rest.is_empty() && !plain.msg.is_empty(), "{record:02x?}");
    }
}

fn wire() -> Wire {
    let mut wire = Wire::new();
    let (client, server) = (
        "192.0.2.10:50000".parse().unwrap(),
        "203.0.113.8:8080".parse().unwrap(),
    );
    let mut tcp = Tcp::new(&mut wire, Moment::at(T), client, server);
    tcp.handshake()
        .client(&http::connect("login.microsoftonline.com:443", "x", &[]));
    tcp.server(&http::proxy_auth_required(&["Negotiate", "NTLM"], "proxy"))
        .server_close();
    wire
}

#[test]
fn captures_have_all_frames_in_every_flavour() {
    use pcap_parser::traits::PcapReaderIterator;
    let wire = wire();
    for (nanos, big_endian) in [(false, false), (true, false), (false, true), (true, true)] {
        let bytes = Pcap {
            nanos,
            big_endian,
            ..Pcap::default()
        }
        .write(&wire);
        let mut reader = pcap_parser::LegacyPcapReader::new(65_536, Cursor::new(bytes)).unwrap();
        let mut n = 0;
        while let Ok((used, block)) = reader.next() {
            n += usize::from(matches!(block, pcap_parser::PcapBlockOwned::Legacy(_)));
            reader.consume(used);
        }
        assert_eq!(n, wire.frames.len());
    }
    let bytes = PcapNg::default().write(&wire);
    let mut reader = pcap_parser::PcapNGReader::new(65_536, Cursor::new(bytes)).unwrap();
    let mut n = 0;
    while let Ok((used, _)) = reader.next() {
        n += 1;
        reader.consume(used);
    }
    assert_eq!(n, wire.frames.len() + 2);
}

#[test]
fn zips_open_with_and_without_password() {
    let text = b"hello hello hello hello ".repeat(50);
    for method in [Method::Stored, Method::Deflated] {
        for encryption in [None, Some(Encryption::Aes128), Some(Encryption::Aes256)] {
            let mut zip = Zip::new()
                .method(method)
                .file("a/ログ.txt", text.clone())
                .file("empty", vec![]);
            if let Some(kind) = encryption {
                zip = zip.encrypted(kind, "Passw0rd!");
            }
            let mut archive = zip::ZipArchive::new(Cursor::new(zip.write())).unwrap();
            let mut got = vec![];
            let mut file = match encryption {
                None => archive.by_index(0).unwrap(),
                Some(_) => archive.by_index_decrypt(0, b"Passw0rd!").unwrap(),
            };
            assert_eq!(file.name().unwrap(), "a/ログ.txt");
            file.read_to_end(&mut got).unwrap();
            assert_eq!(got, text);
        }
    }
    let bytes = Zip::new()
        .file("x", text.clone())
        .encrypted(Encryption::ZipCrypto, "pw")
        .write();
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut got = vec![];
    archive
        .by_index_decrypt(0, b"pw")
        .unwrap()
        .read_to_end(&mut got)
        .unwrap();
    assert_eq!(got, text);
}

#[test]
fn cabinets_open() {
    let big: Vec<u8> = (0..100_000u32).flat_map(u32::to_le_bytes).collect();
    for method in [CabMethod::Stored, CabMethod::MsZip, CabMethod::Lzx] {
        let bytes = Cab::new(method)
            .file("config/osinfo.txt", "x")
            .file("report.etl", big.clone())
            .write();
        let mut cabinet = cab::Cabinet::new(Cursor::new(bytes)).unwrap();
        let mut got = vec![];
        cabinet
            .read_file("report.etl")
            .unwrap()
            .read_to_end(&mut got)
            .unwrap();
        assert!(got == big);
        cabinet.read_file("config\\osinfo.txt").unwrap();
    }
}

#[test]
fn lzx_keeps_what_repeats_near_and_far() {
    let (text, other) = (large::debug_log(0, 300_000), noise("lzx", 2_500_000));
    let far = [&text[..], &other, &text, &vec![0; 70_000], &text[..999]].concat();
    let file = Cab::new(CabMethod::Lzx)
        .file("all.bin", far.clone())
        .copies(3)
        .write();
    assert!(file.len() < far.len() * 3 - text.len(), "nothing was packed");
    let mut cabinet = cab::Cabinet::new(Cursor::new(file)).unwrap();
    for copy in 0..3 {
        let mut got = vec![];
        cabinet
            .read_file(&format!("copy{copy:04}\\all.bin"))
            .unwrap()
            .read_to_end(&mut got)
            .unwrap();
        assert!(got == far, "copy {copy}");
    }
}

#[test]
fn copies_of_a_zip_have_names_of_their_own() {
    let bytes = Zip::new()
        .file("a.txt", "a")
        .file("b.txt", "bb")
        .copies(2)
        .write();
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    assert_eq!(archive.len(), 4);
    let mut got = String::new();
    archive
        .by_name("copy0001/b.txt")
        .unwrap()
        .read_to_string(&mut got)
        .unwrap();
    assert_eq!(got, "bb");
}

#[test]
fn fiddler_archives_hold_pairs() {
    let session = Session {
        at: Moment::at(T),
        request: http::request("GET", "/", &["Host: a"], ""),
        response: http::response(200, "OK", &[], "x"),
        process: "az:4711".into(),
        took_ms: 40,
    };
    let bytes = Saz::new().zone(540).sessions(vec![session; 11]).write();
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut meta = String::new();
    archive
        .by_name("raw/01_m.xml")
        .unwrap()
        .read_to_string(&mut meta)
        .unwrap();
    assert!(
        meta.contains("ClientBeginRequest=\"2026-03-02T10:00:00.1234560+09:00\""),
        "{meta}"
    );
    assert!(archive.by_name("raw/11_c.txt").is_ok());
}
