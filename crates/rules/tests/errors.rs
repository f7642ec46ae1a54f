//! Broken rule files: clear words, the right place, and the other rules go on.
#![expect(clippy::unwrap_used, reason = "tests")]

use casetrace_model::{Row, Source};
use casetrace_rules::{Context, InventoryMember, RulePack, import_sigma};
use casetrace_timeline::TimelineBuilder;

const GOOD: &str = r#"
[[rule]]
id = "A-1"
title = "t"
severity = "high"
[[rule.evidence]]
id = "a"
role = "decisive"
where = "kind = 'event'"
"#;

fn check(text: &str) -> String {
    let errors = RulePack::check("own.toml", text);
    errors
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n---\n")
}

fn file(body: &str) -> String {
    format!("schema_version = 1\nphase = \"net\"\n{body}")
}

#[test]
fn faults_are_told_with_line_and_caret() {
    let wrong_column = file(&GOOD.replace("kind = 'event'", "kind = 'event' AND sever_name = 'x'"));
    let shown = check(&wrong_column);
    assert!(
        shown.starts_with("own.toml:11:29: A-1: There is no column `sever_name`."),
        "{shown}"
    );
    assert!(shown.contains("\n 11 | where = \"kind = 'event' AND sever_name = 'x'\"\n    |                             ^\n  hint: did you mean `server_name`?"), "{shown}");
    for (body, part) in [
        (GOOD.replace("severity", "severety"), "unknown field `severety`"),
        (GOOD.replace("\"high\"", "\"huge\""), "unknown variant `huge`"),
        (
            GOOD.replace("role = \"decisive\"", "role = \"weak\"\nindirect = true"),
            "Only decisive evidence can be `indirect`.",
        ),
        (
            GOOD.replace("title = \"t\"", "title = \"{nope}\""),
            "nothing is called `{nope}`",
        ),
        (
            GOOD.replace("title = \"t\"", "title = \"{host\""),
            "a `{` is never closed",
        ),
        (
            GOOD.replace("severity", "about = \"hots\"\nseverity"),
            "There is no column `hots`.",
        ),
        (
            GOOD.replace("severity", "within = \"soon\"\nseverity"),
            "`soon` is not a duration",
        ),
        (GOOD.replace("kind = 'event'", "kind = 'event' AND"), "Expected"),
        (
            GOOD.replace("kind = 'event'", "PX407(@nowhere)"),
            "Nothing named `@nowhere` is defined.",
        ),
        (
            GOOD.replace("kind = 'event'", "PX407()"),
            "PX407() takes 1 arguments, not 0.",
        ),
        (
            GOOD.replace("kind = 'event'", "kind = 'event' OR read_csv('/etc/passwd') = 1"),
            "There is no function `read_csv`",
        ),
        (
            GOOD.replace("kind = 'event'", "kind = (SELECT 1)"),
            "Subqueries are not possible",
        ),
        (GOOD.replace("where", "absent"), "`absent` needs `covered_by`."),
        (
            GOOD.replace("\"decisive\"", "\"refuting\""),
            "Nothing can make this rule fire.",
        ),
        (format!("{GOOD}{GOOD}"), "This id occurs twice"),
        (
            format!(
                "{GOOD}[[case]]\nname = \"c\"\nexpect = {{}}\nrows = [{{ kind = \"event\", pid = \"x\" }}]"
            ),
            "`pid` is of type u32.",
        ),
        (
            format!("{GOOD}[[case]]\nname = \"c\"\nexpect = {{}}\nrows = [{{ kind = \"event\", exit = 1 }}]"),
            "There is no column `exit`",
        ),
        (
            GOOD.replace("severity", "explains = [\"NOPE-1\"]\nseverity"),
            "`explains` names `NOPE-1`",
        ),
    ] {
        let shown = check(&file(&body));
        assert!(shown.contains(part), "{part}:\n{shown}");
    }
    assert!(check("schema_version = 7").contains("not 7"));
    assert!(check("nonsense").contains("own.toml:1:"));
    assert_eq!(check(&file(GOOD)), "");
}

#[test]
fn other_rules_go_on_and_own_rules_replace() {
    let bad = file(&GOOD.replace("kind = 'event'", "kind ="));
    let both = file(&format!(
        "{}\n{}",
        GOOD.replace("A-1", "PXY-01"),
        GOOD.replace("kind = 'event'", "kind =")
    ));
    let loaded = RulePack::load(&[
        ("a.toml".into(), bad),
        ("b.toml".into(), both),
        ("c.toml".into(), "[".into()),
    ]);
    assert_eq!(loaded.errors.len(), 3);
    assert_eq!(loaded.pack.rule("PXY-01").unwrap().file, "b.toml");
    assert!(loaded.pack.rule("DISC-01").is_some());
    assert!(
        loaded
            .pack
            .evaluate(&TimelineBuilder::new().finish(), &Context::default())
            .rule_errors
            .is_empty()
    );
    assert_ne!(loaded.pack.version(), RulePack::builtin().pack.version());
}

#[test]
fn own_definitions_are_settings() {
    let own = "schema_version = 1\n[define]\nentra_hosts = [\"only.example\"]\n".to_owned();
    let pack = RulePack::load(&[("own.toml".into(), own)]).pack;
    let plan = pack.plan(pack.rule("PXY-01").unwrap());
    assert!(
        plan.contains("'only.example'") && !plan.contains("login.microsoftonline.com"),
        "{plan}"
    );
}

const SIGMA: &str = r"
title: Certificate {chain} failed
id: 12345678-aaaa-bbbb-cccc-000000000000
description: A chain could not be built.
level: high
logsource: { product: windows, service: capi2 }
detection:
  selection:
    EventID: [11, 30]
    Result|contains|all: ['800B', '0109']
  filter_a:
    SubjectName: '*.contoso.com'
  filter_b:
    Computer|endswith: '-TEST'
  condition: selection and not 1 of filter_*
falsepositives: [Lab machines]
";

#[test]
fn a_sigma_rule_becomes_a_rule_file_that_works() {
    let imported = import_sigma(SIGMA).unwrap();
    assert!(imported.notes.is_empty());
    let cases = r#"
[[case]]
name = "fires"
expect = { SIGMA-12345678 = "proved" }
rows = [{ kind = "event", channel = "Microsoft-Windows-CAPI2/Operational", event_id = 30, host = "PC1", fields = { Result = "0x800b0109" } }]
[[case]]
name = "filtered"
expect = { SIGMA-12345678 = "nothing" }
rows = [
  { kind = "event", channel = "Microsoft-Windows-CAPI2/Operational", event_id = 30, fields = { Result = "0x800b0109", SubjectName = "WWW.Contoso.com" } },
  { kind = "event", channel = "Microsoft-Windows-CAPI2/Operational", event_id = 30, host = "PC-test", fields = { Result = "0x800b0109" } },
  { kind = "event", channel = "Microsoft-Windows-CAPI2/Operational", event_id = 12, fields = { Result = "0x800b0109" } },
]
"#;
    let text = format!("{}{cases}", imported.toml);
    assert_eq!(check(&text), "", "{text}");
    for result in RulePack::only(&[("s.toml".into(), text)]).pack.test() {
        assert!(result.failures.is_empty(), "{result:?}\n{}", imported.toml);
    }
}

#[test]
fn quotes_in_sigma_values_stay_in_their_text() {
    for value in ["it's", "it's*", r"*\'s", "''", "?''"] {
        let quoted = value.replace('\'', "''");
        let sigma = format!(
            "title: t\nlogsource: {{service: aad}}\ndetection: {{a: {{Name: '{quoted}'}}, condition: a}}"
        );
        let imported = import_sigma(&sigma).unwrap();
        assert_eq!(check(&imported.toml), "", "{value}: {}", imported.toml);
    }
}

#[test]
fn numbers_in_sigma_values_are_ones_that_conditions_know() {
    for (value, written) in [
        ("'+5'", "= 5"),
        ("1e3", "= 1000"),
        ("2.5", "= 2.5"),
        ("-1", "= -1"),
        ("9223372036854775807", "= 9223372036854775807"),
        ("-9223372036854775807", "= -9223372036854775807"),
    ] {
        let sigma = format!(
            "title: t\nlogsource: {{service: aad}}\ndetection: {{a: {{EventID: {value}}}, condition: a}}"
        );
        let imported = import_sigma(&sigma).unwrap();
        assert!(imported.toml.contains(written), "{}", imported.toml);
        assert_eq!(check(&imported.toml), "", "{value}: {}", imported.toml);
    }
}

#[test]
fn sigma_that_has_no_counterpart_is_refused_by_name() {
    for (from, to, part) in [
        (
            "selection and not 1 of filter_*",
            "selection | count() > 5",
            "Aggregations",
        ),
        (
            "selection and not 1 of filter_*",
            "selection and nothing",
            "There is no selection `nothing`.",
        ),
        ("selection and not 1 of filter_*", "(selection", "`)` is missing"),
        ("selection and not 1 of filter_*", "1 of x_*", "No selection fits"),
        ("Result|contains|all", "Result|base64", "modifier `base64`"),
        ("EventID: [11, 30]", "EventID: [eleven]", "is no number"),
        ("EventID: [11, 30]", "EventID: ['nan']", "is no number"),
        (
            "EventID: [11, 30]",
            "EventID: 9999999999999999991",
            "is no number",
        ),
        ("title: ", "title: [", "This is no Sigma rule"),
    ] {
        let error = import_sigma(&SIGMA.replace(from, to)).unwrap_err();
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn a_remark_that_cannot_be_asked_is_told_and_not_made() {
    let quality = |id: &str, from: &str, absent: &str| {
        format!(
            "[[quality]]\nid = \"{id}\"\ntitle = \"t\"\nseverity = \"low\"\nfrom = \"{from}\"\nabsent = \"{absent}\"\n\
             summary = \"s\"\nwhat_is_lost = \"w\"\n"
        )
    };
    let own = file(
        &[
            quality("Q-1", "inventory", "CAST(path AS INTEGER) = 1"),
            quality("Q-2", "timeline", "CAST(message AS INTEGER) = 1"),
            quality("Q-3", "inventory", "kind = 'nothing of this name'"),
        ]
        .concat(),
    );
    let loaded = RulePack::load(&[("own.toml".into(), own)]);
    assert!(loaded.errors.is_empty(), "{:?}", loaded.errors);
    let mut timeline = TimelineBuilder::new();
    let mut row = Row::new(Source::Pcap, "event", 0);
    row.message = "no number".into();
    timeline.push("a", None, &row);
    let members = [InventoryMember {
        path: "no number".into(),
        ..InventoryMember::default()
    }];
    let context = Context {
        members: &members,
        ..Context::default()
    };
    let out = loaded.pack.evaluate(&timeline.finish(), &context);
    let told: Vec<&str> = out.rule_errors.iter().filter_map(|e| e.item.as_deref()).collect();
    assert_eq!(told, ["Q-1", "Q-2"]);
    let made: Vec<&str> = out
        .data_quality
        .iter()
        .map(|q| q.id.as_str())
        .filter(|id| id.starts_with("Q-"))
        .collect();
    assert_eq!(made, ["Q-3"]);
}
