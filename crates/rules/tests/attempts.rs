//! Rows of several sources become one story; what only looks shared keeps stories apart.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use casetrace_model::{Context as Whose, JsonObject, Outcome, Row, Source};
use casetrace_rules::{Attempt, AttemptLink, AttemptOutcome, Attempts, Context, RulePack};
use casetrace_timeline::TimelineBuilder;

const A: &str = "6f6a1a3e-1111-4222-8333-444455556666";
const B: &str = "0a0b0c0d-9999-4888-8777-666655554444";
const SECOND: i64 = 1_000_000_000;

struct Case(TimelineBuilder, u64);

impl Case {
    fn new() -> Self {
        Self(TimelineBuilder::new(), 0)
    }

    fn add(&mut self, artifact: &str, second: f64, mut row: Row) -> u64 {
        self.1 += 1;
        row.record = self.1;
        let ns = (second * SECOND as f64) as i64;
        self.0
            .push(artifact, Some("PC1"), row.at(1_772_414_000 * SECOND + ns));
        self.1
    }

    fn attempts(self) -> Attempts {
        let pack = RulePack::builtin();
        assert!(pack.errors.is_empty(), "{:?}", pack.errors);
        pack.pack.judge(&self.0.finish(), &Context::default()).attempts
    }
}

fn aad(id: u32, correlation: Option<&str>) -> Row {
    let mut row = Row::new(Source::Evtx, "event", 0);
    row.provider = Some("Microsoft-Windows-AAD".into());
    row.event_id = Some(id);
    row.pid = Some(712);
    row.tid = Some(900);
    row.correlation_id = correlation.map(Into::into);
    row
}

fn udr(id: u32, outcome: Option<Outcome>) -> Row {
    let mut row = Row::new(Source::Evtx, "event", 0);
    row.provider = Some("Microsoft-Windows-User Device Registration".into());
    row.event_id = Some(id);
    row.pid = Some(6124);
    row.outcome = outcome;
    row
}

fn packet(kind: &'static str, host: &'static str, flow: u64, pid: Option<u32>) -> Row {
    let mut row = Row::new(Source::Pcap, kind, 0);
    row.server_name = Some(host.into());
    row.flow_id = Some(flow);
    row.pid = pid;
    row.context = Some(Whose::System);
    row
}

fn of_kind<'a>(attempts: &'a Attempts, kind: &str) -> Vec<&'a Attempt> {
    attempts.attempts.iter().filter(|a| a.kind == kind).collect()
}

fn records(attempt: &Attempt) -> BTreeSet<u64> {
    attempt.steps.iter().map(|s| s.record).collect()
}

#[test]
fn one_id_in_four_sources_is_one_attempt() {
    let mut case = Case::new();
    let begin = case.add("Aad.evtx", 0.0, aad(1006, None));
    let named = case.add("Aad.evtx", 0.1, aad(1018, Some(A)));
    let mut refused = aad(1081, Some(A));
    refused.error_code = Some("AADSTS50126".into());
    refused.outcome = Some(Outcome::Failure);
    let refused = case.add("Aad.evtx", 0.4, refused);
    let mut end = aad(1007, None);
    end.outcome = Some(Outcome::Failure);
    end.error_code = Some("0xc000006d".into());
    let end = case.add("Aad.evtx", 0.5, end);
    let mut printed = Row::new(Source::Text, "dsregcmd.section", 0);
    printed.correlation_id = Some(A.into());
    printed.user = Some("user1@contoso.com".into());
    printed.fields = JsonObject::new().str("section", "PRT Diagnostics").finish();
    let printed = case.add("dsregcmd.txt", 1.0, printed);
    let mut logged = Row::new(Source::Signin, "signin.row", 0);
    logged.correlation_id = Some(A.into());
    let logged = case.add("signins.csv", 0.0, logged);
    let mut answer = packet("http.response", "login.microsoftonline.com", 7, None);
    answer.correlation_id = Some(A.into());
    let answer = case.add("trace.saz", 0.3, answer);

    let attempts = case.attempts();
    let [attempt] = attempts.attempts.as_slice() else {
        panic!("{attempts:#?}")
    };
    assert_eq!(attempt.attempt_id, "prt-1");
    assert_eq!(attempt.outcome, AttemptOutcome::Failure);
    assert_eq!(attempt.error_code.as_deref(), Some("AADSTS50126"));
    assert_eq!(attempt.user.as_deref(), Some("user1@contoso.com"));
    assert_eq!(attempt.correlation_ids, [A]);
    assert_eq!(
        records(attempt),
        BTreeSet::from([begin, named, refused, end, printed, logged, answer])
    );
    assert!(
        attempt.summary.contains("failed") && attempt.summary.contains("AADSTS50126"),
        "{}",
        attempt.summary
    );
}

#[test]
fn a_step_that_begins_again_begins_another_attempt() {
    let mut case = Case::new();
    for (start, outcome) in [(0.0, Outcome::Failure), (30.0, Outcome::Success)] {
        case.add("Udr.evtx", start, udr(331, None));
        case.add("Udr.evtx", start + 0.1, udr(100, Some(Outcome::Success)));
        case.add(
            "Udr.evtx",
            start + 1.0,
            udr(if outcome == Outcome::Success { 104 } else { 204 }, Some(outcome)),
        );
        case.add(
            "Udr.evtx",
            start + 1.1,
            udr(if outcome == Outcome::Success { 306 } else { 304 }, Some(outcome)),
        );
    }
    let attempts = case.attempts();
    let joins = of_kind(&attempts, "join");
    let outcomes: Vec<AttemptOutcome> = joins.iter().map(|a| a.outcome).collect();
    assert_eq!(outcomes, [AttemptOutcome::Failure, AttemptOutcome::Success]);
    assert!(joins.iter().all(|a| a.rows == 4), "{joins:#?}");
}

#[test]
fn interleaved_ids_stay_apart() {
    let mut case = Case::new();
    for (second, id) in [(0.0, A), (0.1, B), (0.2, A), (0.3, B)] {
        case.add("Aad.evtx", second, aad(1081, Some(id)));
    }
    let attempts = case.attempts();
    let ids: Vec<&[String]> = attempts
        .attempts
        .iter()
        .map(|a| a.correlation_ids.as_slice())
        .collect();
    assert_eq!(ids, [&[A.to_owned()][..], &[B.to_owned()][..]]);
}

#[test]
fn an_id_that_comes_back_hours_later_is_another_attempt() {
    let mut case = Case::new();
    case.add("Aad.evtx", 0.0, aad(1081, Some(A)));
    case.add("Aad.evtx", 7_200.0, aad(1081, Some(A)));
    assert_eq!(of_kind(&case.attempts(), "prt").len(), 2);
}

#[test]
fn a_shared_proxy_connection_does_not_join_attempts() {
    let mut case = Case::new();
    let mut own = Vec::new();
    for start in [0.0, 300.0] {
        case.add("Udr.evtx", start, udr(100, Some(Outcome::Success)));
        own.push(case.add(
            "t.etl",
            start + 0.2,
            packet(
                "http.response",
                "enterpriseregistration.windows.net",
                9,
                Some(6124),
            ),
        ));
        case.add(
            "t.etl",
            start + 0.3,
            packet("http.response", "cdn.example.net", 9, Some(4)),
        );
        case.add("Udr.evtx", start + 1.0, udr(304, Some(Outcome::Failure)));
    }
    let attempts = case.attempts();
    let joins = of_kind(&attempts, "join");
    assert_eq!(joins.len(), 2);
    for (join, own) in joins.iter().zip(own) {
        assert_eq!(join.rows, 3, "{join:#?}");
        let packet = join.steps.iter().find(|s| s.record == own).unwrap();
        assert_eq!(packet.link, AttemptLink::Process);
    }
}

#[test]
fn rows_of_other_computers_and_times_are_left_alone() {
    let mut case = Case::new();
    case.add("Udr.evtx", 0.0, udr(100, Some(Outcome::Success)));
    case.add("Udr.evtx", 1.0, udr(304, Some(Outcome::Failure)));
    let mut other = packet("dns.response", "enterpriseregistration.windows.net", 1, None);
    other.host = Some("PC2".into());
    case.add("other.etl", 0.5, other);
    case.add(
        "t.etl",
        60.0,
        packet("dns.response", "enterpriseregistration.windows.net", 2, None),
    );
    let near = case.add(
        "t.etl",
        0.5,
        packet("dns.response", "enterpriseregistration.windows.net", 3, None),
    );
    let attempts = case.attempts();
    let joins = of_kind(&attempts, "join");
    assert_eq!(joins.len(), 1);
    assert!(records(joins[0]).contains(&near));
    assert_eq!(joins[0].rows, 3);
}

#[test]
fn a_tool_s_run_is_told_in_the_order_of_its_log() {
    let mut builder = TimelineBuilder::new();
    let text = |kind: &'static str, record: u64, outcome: Outcome| {
        let mut row = Row::new(Source::Text, kind, record);
        row.outcome = Some(outcome);
        row
    };
    for (artifact, end) in [("one.txt", Outcome::Success), ("two.txt", Outcome::Failure)] {
        builder.push(artifact, Some("PC1"), text("cli.run", 1, end));
        builder.push(artifact, Some("PC1"), text("cli.phase", 5, Outcome::Success));
        builder.push(artifact, Some("PC1"), text("cli.phase", 9, end));
    }
    let pack = RulePack::builtin().pack;
    let attempts = pack.judge(&builder.finish(), &Context::default()).attempts;
    let runs = of_kind(&attempts, "cli");
    let told: Vec<(u64, AttemptOutcome)> = runs.iter().map(|a| (a.rows, a.outcome)).collect();
    assert_eq!(told, [(3, AttemptOutcome::Success), (3, AttemptOutcome::Failure)]);
}

#[test]
fn faults_in_a_kind_are_shown_with_their_place() {
    let text = "schema_version = 1\n\n[[attempt]]\nkind = \"x\"\ntitle = \"X\"\n\n[[attempt.step]]\nid = \"a\"\nrole = \"start\"\nwhere = \"knd = 'event'\"\n";
    let errors = RulePack::check("own.toml", text);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!((errors[0].line, errors[0].column), (10, 10));
    let attempts = RulePack::load(&[("own.toml".to_owned(), text.to_owned())]);
    assert!(attempts.pack.attempt_kinds().any(|k| k == "join"));
}
