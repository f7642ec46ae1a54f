//! The embedded tables, and questions as support engineers type them.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::HashSet;

use casetrace_knowledge::{Kind, Knowledge, Lang};

const SEED_CODES: &str = include_str!("data/seed-codes.tsv");

fn first(question: &str) -> casetrace_knowledge::Entry {
    Knowledge::builtin().explain(question).into_iter().next().unwrap()
}

#[test]
fn every_code_of_the_source_documents_is_answered_in_both_languages() {
    let mut silent = Vec::new();
    let mut english_only = Vec::new();
    for line in SEED_CODES.lines().filter(|line| !line.starts_with('#')) {
        let (document, code) = line.split_once('\t').unwrap();
        let entries = Knowledge::builtin().explain(code);
        if entries.iter().all(|entry| entry.kind == Kind::Unknown) {
            silent.push(format!("{document} {code}"));
        } else if entries.iter().all(|entry| entry.meaning.ja.is_empty()) {
            english_only.push(format!("{document} {code}"));
        }
    }
    assert!(silent.is_empty(), "unanswered: {silent:?}");
    assert!(english_only.is_empty(), "no Japanese: {english_only:?}");
}

#[test]
fn every_row_has_a_meaning_and_a_source() {
    let facts = Knowledge::builtin().facts();
    let codes = facts.iter().filter(|fact| !fact.is_event).count();
    assert!(codes >= 1_500, "{codes} code rows");
    let mut seen = HashSet::new();
    for fact in facts {
        assert!(
            !fact.meaning.en.is_empty() && !fact.source.is_empty(),
            "{} {}",
            fact.namespace,
            fact.code
        );
        assert!(
            seen.insert((&fact.namespace, &fact.code, &fact.phase, &fact.meaning.en)),
            "{} twice",
            fact.code
        );
    }
}

#[test]
fn one_failure_in_four_spellings() {
    for question in [
        "12007",
        "0x80072ee7",
        "-2147012889",
        "0xcaa82ee7",
        "WININET_E_NAME_NOT_RESOLVED",
        "winhttp 12007",
    ] {
        let entries = Knowledge::builtin().explain(question);
        assert!(
            entries
                .iter()
                .any(|entry| entry.namespace == "winhttp" && entry.code == "12007"),
            "{question}"
        );
    }
    assert_eq!(
        first("0x800484c1").symbol,
        "AAD_CLOUDAP_E_WSTRUST_SAML_TOKENS_ARE_EMPTY"
    );
    assert_eq!(
        first("--1073445695").symbol,
        "AAD_CLOUDAP_E_WSTRUST_SAML_TOKENS_ARE_EMPTY"
    );
    assert_eq!(first("0xcaa30193").code, "0xcaa30193");
    assert_eq!(first("0xcaa301f6").symbol, "Bad Gateway");
    assert_eq!(first("0x80070525").symbol, "ERROR_NO_SUCH_USER");
    assert_eq!(first("hr=80230402").code, "0x80230402");
    assert_eq!(first("80230402").code, "0x80230402");
}

#[test]
fn events_are_found_by_name_alias_and_number() {
    assert_eq!(first("Microsoft-Windows-AAD/1088").phase, "prt");
    assert_eq!(first("UDR 304").code, "304");
    assert!(
        Knowledge::builtin()
            .explain("event 304")
            .iter()
            .any(|e| e.namespace.contains("User Device Registration"))
    );
    assert_eq!(
        first("PasswordResetService 31034").symbol,
        "ServiceBusListenerError"
    );
    assert_eq!(
        Knowledge::builtin().event("ADSync", 6800).unwrap().phase,
        "writeback"
    );
    assert_eq!(first("UDR 9").kind, Kind::Unknown);
}

#[test]
fn the_unknown_is_said_to_be_unknown() {
    let entry = first("0x801c0ead");
    assert_eq!(entry.kind, Kind::Unknown);
    assert!(
        entry.meaning.en.contains("facility 28 (device registration"),
        "{}",
        entry.meaning.en
    );
    assert!(
        entry.suggestions.iter().any(|s| s.starts_with("0x801c03")),
        "{:?}",
        entry.suggestions
    );
    assert_eq!(first("50126").code, "AADSTS50126");
    let entry = first("AADSTS123456789");
    assert!(
        entry
            .meaning
            .get(Lang::Ja)
            .contains("https://login.microsoftonline.com/error?code=123456789")
    );
    let entry = first("DSREG_AUTOJOIN_DISK_FAILED");
    assert!(
        entry
            .suggestions
            .iter()
            .any(|s| s == "DSREG_AUTOJOIN_DISC_FAILED"),
        "{:?}",
        entry.suggestions
    );
    for odd in [
        "",
        "0x",
        "-",
        "エラー",
        "event",
        "\u{0}",
        "0x1ffffffff",
        "99999999999999999999",
    ] {
        assert_eq!(first(odd).kind, Kind::Unknown, "{odd:?}");
    }
}

#[test]
fn symbols_for_the_timeline() {
    let knowledge = Knowledge::builtin();
    assert_eq!(knowledge.symbol("0x801c03f2"), Some("DSREG_E_DIRECTORY_FAILURE"));
    assert_eq!(
        knowledge.symbol("0x80072ee7"),
        Some("ERROR_WINHTTP_NAME_NOT_RESOLVED")
    );
    assert_eq!(knowledge.symbol("0xc000006d"), Some("STATUS_LOGON_FAILURE"));
    assert_eq!(knowledge.symbol("AADSTS50126"), Some("InvalidUserNameOrPassword"));
    assert_eq!(
        knowledge.symbol("KDC_ERR_PREAUTH_FAILED"),
        Some("KDC_ERR_PREAUTH_FAILED")
    );
    assert_eq!(knowledge.symbol("nonsense"), None);
}

#[test]
fn hosts_belong_to_endpoints() {
    let knowledge = Knowledge::builtin();
    assert!(
        knowledge
            .endpoint("Device.Login.MicrosoftOnline.com.")
            .unwrap()
            .must_not_inspect
    );
    assert_eq!(
        knowledge.endpoint("x.y.servicebus.windows.net").unwrap().pattern,
        "*.servicebus.windows.net"
    );
    assert_eq!(
        knowledge
            .endpoint("ssprdedicatedsbprodncu.servicebus.windows.net")
            .unwrap()
            .pattern,
        "ssprdedicatedsbprodncu.servicebus.windows.net"
    );
    assert_eq!(knowledge.endpoint("servicebus.windows.net.evil.example"), None);
    assert_eq!(first("management.azure.com").kind, Kind::Endpoint);
}

#[test]
fn an_own_table_comes_first() {
    let mut knowledge = Knowledge::builtin().clone();
    let header = "namespace\tcode\tsymbol\tmeaning_en\tmeaning_ja\tphase\tcauses_en\tcauses_ja\taction_en\taction_ja\tsource";
    let own = format!("{header}\ndsreg\t0x801c03f2\t\tOurs\t\tjoin\t\t\t\t\there\n");
    assert_eq!(knowledge.extend(&own, false), Ok(1));
    assert_eq!(knowledge.explain("0x801c03f2")[0].meaning.en, "Ours");
    assert!(knowledge.extend("a\tb\n", false).is_err());
}

#[test]
fn answers_are_readable_text_and_json() {
    let entry = first("0x801c001d");
    let text = entry.to_text(Lang::Ja);
    assert!(
        text.contains("サービス接続ポイント") && text.contains("-2145648611"),
        "{text}"
    );
    let json = serde_json::to_value(&entry).unwrap();
    assert_eq!(json["kind"], "code");
    assert_eq!(json["symbol"], "DSREG_AUTOJOIN_ADCONFIG_READ_FAILED");
}
