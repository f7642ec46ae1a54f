//! Whole rows: nothing secret or personal is left, everything else is.
#![expect(clippy::unwrap_used, reason = "tests")]

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use casetrace_model::{JsonObject, Row, Source, Text};
use casetrace_redact::{Identity, Mode, Redactor};
use proptest::prelude::*;

const JWT: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJodHRwczovL2NhbmFyeSJ9.c2lnbmF0dXJl";

fn redacted(mode: Mode, row: &Row) -> Row {
    let mut row = row.clone();
    Redactor::new(mode, b"case").redact_row(&mut row);
    row
}

#[test]
fn secrets_leave_every_column_in_any_encoding() {
    let canary = "CANARY9f3b2c";
    let wide: Vec<u8> = format!("client_secret={canary}")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let encodings = [
        format!("password={canary}"),
        format!("Authorization: Bearer {canary}{canary}"),
        format!("https://a/cb?code={canary}"),
        format!("ru=https%3A%2F%2Fa%2Fcb%3Fcode%3D{canary}"),
        format!("ru=https%253A%252F%252Fa%253Frefresh_token%253D{canary}"),
        format!(
            "data {} end",
            STANDARD.encode(format!("{{\"refresh_token\":\"{canary}\"}}"))
        ),
        format!(
            "data {}",
            URL_SAFE_NO_PAD.encode(format!("user=x&assertion={canary}??"))
        ),
        format!("data {}", STANDARD.encode(wide)),
        format!("<o:Password>{canary}</o:Password>"),
        format!("{{\\\"access_token\\\":\\\"{canary}\\\"}}"),
        format!("Set-Cookie: ESTSAUTHPERSISTENT={canary}; path=/"),
        format!("-----BEGIN PRIVATE KEY-----\n{canary}\n-----END PRIVATE KEY-----"),
    ];
    for text in &encodings {
        let hidden = STANDARD.encode(canary);
        let mut row = Row::new(Source::Text, "log.line", 1).message(text.clone());
        row.url = Some(Text::from(text.as_str()));
        row.fields = JsonObject::new()
            .str("text", text)
            .str("client_secret", canary)
            .str("n", "kept")
            .finish();
        let out = redacted(Mode::Secrets, &row);
        let all = format!("{out:?}");
        assert!(!all.contains(canary) && !all.contains(&hidden), "{text} -> {all}");
        assert!(
            out.fields.contains("kept") && out.message.contains("***"),
            "{all}"
        );
        assert!(serde_json::from_str::<serde_json::Value>(&out.fields).is_ok());
        assert_eq!(redacted(Mode::Secrets, &out), out, "twice");
        assert_eq!(redacted(Mode::None, &row), row);
    }
    assert_eq!(
        Redactor::new(Mode::Secrets, b"").redact_text(&format!("x {JWT} y")),
        "x *** y"
    );
}

#[test]
fn ordinary_rows_stay_as_they_are() {
    for text in [
        "AadCloudAPPlugin operation failed: 0xC000006D, correlation 6b5d8c2e-0f57-4f2c-9a42-7f6f2b1f0c11",
        "GET /common/oauth2/v2.0/authorize HTTP/1.1",
        r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\CDJ\AAD = 1",
        "ClientHello for login.microsoftonline.com",
        "C:\\Windows\\System32\\lsass.exe 10.0.19045",
        "S-1-5-18 on 127.0.0.1 to ::1 at 12:34:56",
    ] {
        let mut row = Row::new(Source::Text, "log.line", 1).message(text);
        row.fields = JsonObject::new()
            .str("Status", "0xc000006d")
            .str("text", text)
            .finish();
        assert_eq!(redacted(Mode::Secrets, &row), row, "{text}");
        assert_eq!(redacted(Mode::Identity, &row), row, "{text}");
    }
}

fn personal_row() -> Row {
    let mut row = Row::new(Source::Evtx, "event", 1);
    row.host = Some("PC042.corp.contoso.com".into());
    row.user = Some("jane.doe@contoso.com".into());
    row.user_sid = Some("S-1-5-21-11-22-33-1105".into());
    row.src_ip = Some("10.20.30.40".into());
    row.dst_ip = Some("40.126.1.2".into());
    row.server_name = Some("enterpriseregistration.contoso.com".into());
    row.proxy = Some("proxy.corp.contoso.com:8080".into());
    row.tenant_id = Some("5820fbe9-60c8-43b0-bb11-44aee233e4e7".into());
    row.cert_issuer = Some("CN=Contoso Root CA, O=Contoso Ltd".into());
    row.correlation_id = Some("6b5d8c2e-0f57-4f2c-9a42-7f6f2b1f0c11".into());
    row.url = Some("https://login.microsoftonline.com/5820fbe9-60c8-43b0-bb11-44aee233e4e7/oauth2/token?login_hint=jane.doe%40contoso.com".into());
    row.artifact = "up.zip!/PC042_260302-101500_DSregCmd.txt".into();
    row.message = "jane.doe on PC042 (10.20.30.40, fe80::1:2:3:4, 00-15-5D-0A-0B-0C) failed, correlation 6b5d8c2e-0f57-4f2c-9a42-7f6f2b1f0c11".into();
    row.fields = JsonObject::new()
        .str("TargetUserName", "jane.doe")
        .str("TargetDomainName", "CONTOSO")
        .str("Path", r"C:\Users\jane.doe\AppData")
        .str(
            "Text",
            r"account CONTOSO\jane.doe; server \\fs01\share; krbtgt/CORP.CONTOSO.COM@CORP.CONTOSO.COM",
        )
        .str("Status", "0xc000006d")
        .finish();
    row
}

#[test]
fn identities_become_consistent_pseudonyms() {
    let out = redacted(Mode::Identity, &personal_row());
    let all = format!("{out:?}").to_lowercase();
    for original in [
        "jane",
        "doe",
        "pc042",
        "contoso",
        "10.20.30.40",
        "40.126.1.2",
        "5820fbe9",
        "00-15-5d",
        "11-22-33",
        "fe80::1:2",
        "fs01",
    ] {
        assert!(!all.contains(original), "{original} is left in {out:#?}");
    }
    assert_eq!(
        out.correlation_id.as_deref(),
        Some("6b5d8c2e-0f57-4f2c-9a42-7f6f2b1f0c11")
    );
    assert!(out.message.contains("6b5d8c2e-0f57-4f2c-9a42-7f6f2b1f0c11"));
    assert!(
        out.server_name
            .as_deref()
            .unwrap()
            .starts_with("enterpriseregistration.h-")
    );
    assert!(
        out.url
            .as_deref()
            .unwrap()
            .starts_with("https://login.microsoftonline.com/ca5e")
    );
    assert!(
        out.url
            .as_deref()
            .unwrap()
            .contains(out.tenant_id.as_deref().unwrap())
    );
    let user = out.user.as_deref().unwrap().split('@').next().unwrap();
    assert!(out.message.starts_with(user) && out.message.contains(out.src_ip.as_deref().unwrap()));
    assert!(out.fields.contains(user) && out.fields.contains("0xc000006d") && out.fields.contains("krbtgt/"));
    let host = out.host.as_deref().unwrap().split('.').next().unwrap();
    assert!(out.artifact.contains(host) || out.artifact.to_lowercase().contains(&host.to_lowercase()));
    assert_eq!(redacted(Mode::Identity, &out), out, "twice");
}

#[test]
fn a_name_that_begins_inside_a_secret_goes_with_it() {
    let text = r#"accesstoken:b"passwo"passwo"passwo"\"passwo"#;
    let mut row = Row::new(Source::Text, "log.line", 1).message(text);
    row.user = Some(text.into());
    let once = redacted(Mode::Identity, &row);
    assert!(once.message.starts_with("accesstoken:***"), "{}", once.message);
    assert!(!once.message.contains("passwo"), "{}", once.message);
    assert_eq!(redacted(Mode::Identity, &once), once);
}

#[test]
fn words_begin_behind_japanese_characters_too() {
    let shown = |mode, text: &str| Redactor::new(mode, b"case").redact_text(text).into_owned();
    for (text, expected) in [
        ("認証Bearer AbC1234567890xyz", "認証Bearer ***"),
        (&format!("トークン{JWT}"), "トークン***"),
        ("更新0.AXoAabcdefghijklmnopqrs", "更新***"),
    ] {
        assert_eq!(shown(Mode::Secrets, text), expected);
    }
    for text in ["ユーザーUserName: bob.smith", r"所有者user CORP\bob.smith x"] {
        let out = shown(Mode::Identity, text);
        assert!(!out.contains("smith") && out.contains("user-"), "{out}");
    }
}

#[test]
fn letters_that_fold_to_others_hide_nothing() {
    let secrets = Redactor::new(Mode::Secrets, b"case");
    for (text, expected) in [
        ("Baſic AbC1234567890xyz", "Baſic ***"),
        (
            "x --federated-to\u{212a}en hunter2",
            "x --federated-to\u{212a}en ***",
        ),
        ("x -clientſecret hunter2", "x -clientſecret ***"),
    ] {
        assert_eq!(secrets.redact_text(text), expected);
    }
    let identity = Redactor::new(Mode::Identity, b"case");
    let out = identity.redact_text("Wor\u{212a}station: MYPC01");
    assert!(!out.contains("MYPC01"), "{out}");
}

#[test]
fn blanks_in_front_of_a_parameters_colon_hide_nothing() {
    let secrets = Redactor::new(Mode::Secrets, b"case");
    for blanks in ["", " ", "  ", "   ", "    ", "\t"] {
        let text = format!("code{blanks}: \"AbC1234\"");
        let expected = format!("code{blanks}: \"***\"");
        assert_eq!(secrets.redact_text(&text), expected);
        // Beside another literal the same holds.
        let beside = format!("{text} password=hunter2");
        assert_eq!(secrets.redact_text(&beside), format!("{expected} password=***"));
    }
    // No parameters: a column far away, a line of its own, an element.
    for text in [
        "code          : \"AbC1234\"",
        "code\n: \"AbC1234\"",
        "<state xmlns:x=\"y\">running</state>",
    ] {
        assert_eq!(secrets.redact_text(text), text);
        let beside = format!("{text} password=hunter2");
        assert_eq!(secrets.redact_text(&beside), format!("{text} password=***"));
    }
}

#[test]
fn labels_of_any_length_are_replaced_as_a_whole() {
    let redactor = Redactor::new(Mode::Identity, b"case");
    for length in [62, 63, 64, 65, 200, 300, 3000] {
        let text = format!("at {}.corp.contoso.com now", "a".repeat(length));
        let out = redactor.redact_text(&text).into_owned();
        assert!(out.len() < 60 && !out.contains("contoso"), "{length}: {out}");
        assert_eq!(redactor.redact_text(&out), out);
    }
}

#[test]
fn owners_of_profiles_without_an_end_settle() {
    let redactor = Redactor::new(Mode::Identity, b"case");
    let prose = "was found twice, and what is said of it goes on for longer than any name";
    let long = format!(r"C:\Users\jane.doe {prose}: jane@contoso.com");
    let once = redactor.redact_text(&long).into_owned();
    assert!(!once.contains("jane"), "{once}");
    assert!(once.contains(prose), "{once}");
    for text in [
        long,
        format!(r"\Users\{}", "\0".repeat(423)),
        format!(r"\Users\{}x", " ".repeat(80)),
        format!(r"\Users\{} b@contoso.com", "a".repeat(70)),
        format!(r"\Users\%USERNAME% {prose}"),
        format!(r"\Users\Jane Doe\Desktop\Users\Public {prose}"),
    ] {
        let once = redactor.redact_text(&text).into_owned();
        assert_eq!(redactor.redact_text(&once), once, "{text:?}");
        assert!(!once.contains("Jane") && !once.contains("contoso"), "{once}");
    }
}

#[test]
fn names_with_several_at_signs_settle() {
    let redactor = Redactor::new(Mode::Identity, b"case");
    for text in [
        "UserIdentity:@t@o.co",
        "user: a@b@c.contoso.com",
        "upn=x@y@z@contoso.com;",
        "see a@b@contoso.com there",
        r"user name: CORP\a@b@c.local",
    ] {
        let out = redactor.redact_text(text).into_owned();
        assert!(out.contains("user-") && !out.contains("contoso"), "{out}");
        assert_eq!(redactor.redact_text(&out), out, "{text}");
    }
}

#[test]
fn longer_runs_of_pairs_end_with_a_hardware_address() {
    let redactor = Redactor::new(Mode::Identity, b"case");
    let mac = redactor.redact_text("00-0C-29-AB-CD-EF").into_owned();
    assert!(mac.starts_with("02-CA-5E-"), "{mac}");
    for (text, expected) in [
        (
            "DUID: 00-01-00-01-1C-2B-3D-4E-00-0C-29-AB-CD-EF",
            format!("DUID: 00-01-00-01-1C-2B-3D-4E-{mac}"),
        ),
        ("00-0C-29-AB-CD-EF-00-0C-29-AB-CD-EF", format!("{mac}-{mac}")),
        ("00:01:00:0c:29:ab:cd:ef:01 x", "00:01:00:".to_owned()),
        ("\u{fffd}48-48-48-48-48-48-48%12", "02-ca-5e-".to_owned()),
        ("48-48-48-48-48-48-48%41", "02-ca-5e-".to_owned()),
    ] {
        let out = redactor.redact_text(text).into_owned();
        assert!(out.contains(&expected) && out != text, "{out}");
        assert_eq!(redactor.redact_text(&out), out, "{text}");
    }
}

#[test]
fn what_stands_behind_an_address_stays() {
    let redactor = Redactor::new(Mode::Identity, b"case");
    for address in ["2a01:111:1:2:3:4:5:6", "fe80:0:0:0:1:2:3:4"] {
        let out = redactor
            .redact_text(&format!("from {address}:443 on"))
            .into_owned();
        assert!(!out.contains(address) && out.ends_with(":443 on"), "{out}");
        assert_eq!(redactor.redact_text(&out), out);
        for behind in [":443:", ":12:30", ":"] {
            let out = redactor
                .redact_text(&format!("{address}{behind} on"))
                .into_owned();
            assert!(
                !out.contains(address) && out.ends_with(&format!("{behind} on")),
                "{out}"
            );
            assert_eq!(redactor.redact_text(&out), out);
        }
    }
    let mut row = Row::new(Source::Text, "log.line", 1).message("x");
    for host in ["2a01:111:1:2:3:4:5:6:443", "fe80:::0", "[fe80::1:2]:443"] {
        row.host = Some(host.into());
        let once = redacted(Mode::Identity, &row);
        assert_ne!(once.host, row.host);
        assert_eq!(redacted(Mode::Identity, &once), once);
    }
    for text in ["fe80::0:0:0:0:0:0:0:0:0:0:0:8", "d@d.ep$@b.lo", "$@b.lo"] {
        let out = redactor.redact_text(text).into_owned();
        assert_eq!(redactor.redact_text(&out), out, "{text}");
        assert!(out.len() < 64, "{out}");
    }
}

#[test]
fn what_a_pseudonym_makes_of_a_secrets_value_is_judged_at_once() {
    // Quotes alone are not worth masking; as a user's name they become a word that is.
    let mut row = Row::new(Source::Text, "log.line", 1);
    row.user = Some(r#"""""#.into());
    row.fields = JsonObject::new().str("Password", r#"""""#).finish();
    let once = redacted(Mode::Identity, &row);
    assert_eq!(once.fields, r#"{"Password":"***"}"#);
    assert_eq!(redacted(Mode::Identity, &once), once);
}

#[test]
fn learned_names_are_found_in_any_text_and_the_map_tells_them() {
    let mut redactor = Redactor::new(Mode::Identity, b"case");
    redactor.learn(Identity::Host, "PC042");
    let text = redactor.redact_text("ping pc042 but not PC0421").into_owned();
    assert!(
        !text.contains("ping pc042") && text.ends_with("not PC0421"),
        "{text}"
    );
    assert!(redactor.mapping()["PC042"].starts_with("H-"));
    let mut row = personal_row();
    redactor.redact_row(&mut row);
    assert_eq!(redactor.mapping()["jane.doe@contoso.com"], row.user.unwrap());
}

/// Fragments of what the patterns look for, to be glued in any order.
fn piece() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "password",
        "access_token",
        "code",
        "Authorization",
        "Cookie",
        "state",
        "sig",
        "=",
        ":",
        ": ",
        "\"",
        "\":\"",
        "\\\"",
        "%3D",
        "%26",
        "&",
        "?",
        ";",
        " ",
        "\n",
        "<",
        ">",
        "</",
        "Bearer ",
        "Basic ",
        "NTLM ",
        "abcDEF123456",
        "eyJhbGciOiJIUzI1NiJ9.e30.abc",
        "https://",
        "@",
        "user",
        "User Name",
        "UPN",
        "host",
        "tid",
        "CONTOSO",
        "\\",
        "\\Users\\",
        "jane.doe",
        "contoso.com",
        "pc01.corp.local",
        "10.1.2.3",
        "fe80::1",
        ".",
        "-",
        "/",
        "00-15-5d-01-02-03",
        "S-1-5-21-1-2-3-1104",
        "5820fbe9-60c8-43b0-bb11-44aee233e4e7",
        "tenant ",
        "cGFzc3dvcmQ9aHVudGVyMjIy",
        "***",
        "-----BEGIN PRIVATE KEY-----",
        "<saml:Assertion>",
        "</saml:Assertion>",
        "CN=",
        "version ",
        "%2540",
        "--password ",
        "login.microsoftonline.com",
    ])
    .prop_map(str::to_owned)
}

proptest! {
    #[test]
    fn redacting_twice_changes_nothing(
        pieces in prop::collection::vec(prop_oneof![piece(), "[ -~]{0,6}"], 1..12),
        mode in prop_oneof![Just(Mode::Secrets), Just(Mode::Identity)],
    ) {
        let redactor = Redactor::new(mode, b"k");
        let text = pieces.concat();
        let once = redactor.redact_text(&text).into_owned();
        prop_assert_eq!(redactor.redact_text(&once).into_owned(), once, "{}", text);
    }

    #[test]
    fn one_name_is_one_pseudonym_and_never_itself(user in "[a-z]{4,12}", host in "[a-z]{3,8}[0-9]{2}", domain in "[a-z]{5,10}") {
        let redactor = Redactor::new(Mode::Identity, b"k");
        let text = format!("user {domain}\\{user} ({user}@{domain}.com) on {host}.{domain}.com and {host}.{domain}.com");
        let out = redactor.redact_text(&text).into_owned();
        for name in [&user, &host, &domain] {
            let well_known = ["public", "default", "everyone", "proxy", "guest"].contains(&name.as_str());
            prop_assert!(well_known || !out.split(|c: char| !c.is_alphanumeric()).any(|word| word == name), "{} in {}", name, out);
        }
        let hosts: Vec<&str> = out.split(' ').filter(|word| word.starts_with("h-") && word.contains('.')).collect();
        prop_assert_eq!(hosts.len(), 2);
        prop_assert_eq!(hosts[0], hosts[1]);
    }

    #[test]
    fn addresses_stay_distinct(a in any::<[u8; 2]>(), b in any::<[u8; 2]>()) {
        let redactor = Redactor::new(Mode::Identity, b"k");
        let show = |x: [u8; 2]| redactor.redact_text(&format!("to 10.1.{}.{} now", x[0], x[1])).into_owned();
        prop_assert_eq!(show(a) == show(b), a == b);
        prop_assert!(!show(a).contains("10.1."));
    }

    #[test]
    fn fields_stay_json(value in "\\PC{0,60}", secret in "[A-Za-z0-9]{8,20}") {
        let mut row = Row::new(Source::Text, "log.line", 1);
        row.fields = JsonObject::new().str("Text", &value).str("password", &secret).finish();
        for mode in [Mode::Secrets, Mode::Identity] {
            let out = redacted(mode, &row);
            let json: serde_json::Value = serde_json::from_str(&out.fields).unwrap();
            prop_assert_eq!(&json["password"], "***");
        }
    }
}

#[test]
fn an_address_that_a_message_cuts_is_hidden_as_a_whole() {
    let url = "https://a.example/cb?login_hint=anna.meier%40fabrikam-secret.com&x=1";
    for cut in 8..url.len() {
        let mut row = Row::new(Source::Pcap, "http.request", 1);
        row.message = format!("GET {}", &url[..cut]);
        row.url = Some(Text::from(url));
        let out = redacted(Mode::Identity, &row);
        let leaks = ["anna", "fabrikam"].iter().any(|part| out.message.contains(part));
        assert!(!leaks, "{}", out.message);
        assert!(out.message.starts_with("GET https://"), "{}", out.message);
    }
}

#[test]
fn a_text_in_which_each_pass_finds_more_is_masked_as_a_whole() {
    for repeats in [1, 6, 7, 8, 9, 40] {
        let text = format!("accesstoken:b{}\u{fffd}e\\\"passwo", "\"passwo".repeat(repeats));
        let mut row = Row::new(Source::Text, "log.line", 1).message(&*text);
        row.user = Some(Text::from(text.as_str()));
        let redactor = Redactor::new(Mode::Identity, b"case");
        redactor.redact_row(&mut row);
        let once = row.clone();
        redactor.redact_row(&mut row);
        assert_eq!(once, row, "{repeats}");
    }
}

#[test]
fn names_of_directory_objects_are_replaced_part_by_part() {
    let text = "read CN=62a0ff2e-97b9-4513-943f-0d221bd30080,CN=Device Registration Configuration,CN=Services,CN=Configuration,DC=corp,DC=fabrikam,DC=com and CN=User One,OU=Sales\\, West,DC=corp,DC=fabrikam,DC=com; then CN=Fabrikam Root CA,O=Fabrikam.";
    let redactor = Redactor::new(Mode::Identity, b"case");
    let once = redactor.redact_text(text).into_owned();
    for gone in ["corp", "DC=fabrikam", "User One", "Sales"] {
        assert!(!once.contains(gone), "{gone}: {once}");
    }
    for kept in [
        "CN=62a0ff2e-97b9-4513-943f-0d221bd30080,CN=Device Registration Configuration,CN=Services,CN=Configuration,DC=h-",
        ",DC=com",
        "; then CN=Fabrikam Root CA,O=Fabrikam.",
    ] {
        assert!(once.contains(kept), "{kept}: {once}");
    }
    assert_eq!(redactor.redact_text(&once), once, "twice is once");
    // The labels are those that the domain's name has elsewhere.
    let host = redactor.redact_text("corp.fabrikam.com").into_owned();
    let domain = host
        .split('.')
        .map(|label| format!("DC={label}"))
        .collect::<Vec<_>>()
        .join(",");
    assert!(once.contains(&domain), "{domain}: {once}");
}

/// In `password=[https://…` what looks like the cut address is a part of the secret.
#[test]
fn an_address_within_a_secret_goes_with_it() {
    for text in [
        "https://%70assword%3D[https://",
        "er2 and https://%70assword%3D[er2 and https://",
        "x https://password=(https://",
    ] {
        for redactor in [
            Redactor::new(Mode::Secrets, b""),
            Redactor::new(Mode::Identity, b"key"),
        ] {
            let mut row = Row::new(Source::Text, "log.line", 1).message(text);
            row.url = Some(text.trim_start_matches("x ").into());
            redactor.redact_row(&mut row);
            let once = row.clone();
            redactor.redact_row(&mut row);
            assert_eq!(once, row, "{text}");
        }
    }
}
