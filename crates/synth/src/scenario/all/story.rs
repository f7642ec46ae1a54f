//! A bundle in the making: a case, its dsregcmd output, further files, and the label.

use crate::archive::{Member, Zip};
use crate::event::Event;
use crate::identity::Identity;
use crate::moment::Moment;
use crate::pcap::PcapNg;
use crate::scenario::events::system_noise;
use crate::scenario::world::SYSTEM;
use crate::scenario::{Bundle, Case, Confidence, Expected, Finding};
use crate::text::Dsregcmd;

pub(super) use Confidence::{Likely, Proved};

/// HRESULTs the stories use.
pub(super) mod code {
    /// Discovery failed in general.
    pub(crate) const DISCOVERY: u32 = 0x801c_0021;
    /// WinHTTP: timeout.
    pub(crate) const TIMEOUT: u32 = 0x8007_2ee2;
    /// WinHTTP: name not resolved.
    pub(crate) const NAME: u32 = 0x8007_2ee7;
    /// WinHTTP: connection reset.
    pub(crate) const RESET: u32 = 0x8007_2efe;
}

/// A bundle under construction.
pub(super) struct Story {
    name: &'static str,
    pub(super) case: Case,
    pub(super) dsregcmd: Dsregcmd,
    extra: Vec<Member>,
    expected: Expected,
}

impl Story {
    /// A healthy hybrid joined device with everyday noise; the story adds what goes wrong.
    pub(super) fn joined(name: &'static str, summary: &str) -> Self {
        Self::of(name, summary, Identity::default())
    }

    /// The same for a chosen computer.
    pub(super) fn of(name: &'static str, summary: &str, id: Identity) -> Self {
        let mut case = Case::new(id);
        case.noise();
        case.logs.extend(system_noise(case.start));
        let dsregcmd = Dsregcmd::hybrid(&case.id, case.stop);
        Self {
            name,
            case,
            dsregcmd,
            extra: vec![],
            expected: Expected::new(summary),
        }
    }

    /// A domain joined device that isn't registered: results of the tests and the error fields of the last try.
    pub(super) fn unjoined(
        name: &'static str,
        summary: &str,
        tests: &[(&str, &str)],
        errors: &[(&str, &str)],
    ) -> Self {
        let mut story = Self::joined(name, summary);
        let last = story.case.at(ATTEMPT).dsregcmd();
        let mut fields = vec![("Previous Registration", last.as_str())];
        fields.extend_from_slice(errors);
        story.dsregcmd = Dsregcmd::not_registered(&story.case.id, story.case.stop, tests, &fields);
        story
    }

    /// Seconds after the start every story has.
    pub(super) fn clock(seconds: i64) -> Moment {
        Case::new(Identity::default()).at(seconds)
    }

    /// Changes the case.
    pub(super) fn with(mut self, change: impl FnOnce(&mut Case)) -> Self {
        change(&mut self.case);
        self
    }

    /// Changes the dsregcmd output.
    pub(super) fn dsreg(mut self, change: impl FnOnce(Dsregcmd) -> Dsregcmd) -> Self {
        self.dsregcmd = change(std::mem::take(&mut self.dsregcmd));
        self
    }

    /// Adds log records.
    pub(super) fn logs(mut self, events: impl IntoIterator<Item = Event>) -> Self {
        self.case.logs.extend(events);
        self
    }

    /// Adds an uploaded file beside the main one.
    pub(super) fn beside(mut self, name: &str, data: Vec<u8>) -> Self {
        self.extra.push(Member::new(name, data));
        self
    }

    /// Labels: the root cause, proved, at rank 1.
    pub(super) fn root(mut self, rule: &'static str) -> Self {
        self.expected = self.expected.finding(Finding::root(rule));
        self
    }

    /// Labels: evidence of the finding added last.
    pub(super) fn from(mut self, artifact: &'static str, source: &'static str, kind: &'static str) -> Self {
        if let Some(finding) = self.expected.findings.pop() {
            self.expected.findings.push(finding.from(artifact, source, kind));
        }
        self
    }

    /// Labels: a further finding with its confidence.
    pub(super) fn also(mut self, rule: &'static str, confidence: Confidence) -> Self {
        self.expected = self.expected.finding(Finding::new(rule, confidence));
        self
    }

    /// Labels: a finding at rank 1 that isn't proved.
    pub(super) fn first(mut self, rule: &'static str, confidence: Confidence) -> Self {
        self.expected = self.expected.finding(Finding::new(rule, confidence).rank(1));
        self
    }

    /// Labels: a finding closed by a later success.
    pub(super) fn resolved(mut self, rule: &'static str) -> Self {
        self.expected = self.expected.finding(Finding::new(rule, Proved).resolved());
        self
    }

    /// Labels: may appear.
    pub(super) fn allow(mut self, rules: &[&'static str]) -> Self {
        self.expected = self.expected.allow(rules);
        self
    }

    /// Labels: must be refuted.
    pub(super) fn refute(mut self, rules: &[&'static str]) -> Self {
        self.expected = self.expected.refute(rules);
        self
    }

    /// Labels: must not be active.
    pub(super) fn absent(mut self, rules: &[&'static str]) -> Self {
        self.expected = self.expected.absent(rules);
        self
    }

    /// Labels: data-quality ids.
    pub(super) fn quality(mut self, ids: &[&'static str]) -> Self {
        self.expected = self.expected.quality(ids);
        self
    }

    fn bundle(self, mut files: Vec<Member>) -> Bundle {
        files.extend(self.extra);
        Bundle {
            name: self.name,
            files,
            passwords: None,
            expected: self.expected,
        }
    }

    /// As a zipped Authlogs folder.
    pub(super) fn authlogs(self) -> Bundle {
        let zip = self.case.authlogs_zip(&self.dsregcmd);
        self.bundle(vec![Member::new("Authlogs.zip", zip)])
    }

    /// As `NetTrace.etl` and its cabinet.
    pub(super) fn nettrace(self) -> Bundle {
        let trace = self.case.nettrace();
        let cab = self.case.nettrace_cab(&trace, None);
        self.bundle(vec![
            Member::new("NetTrace.etl", trace),
            Member::new("nettrace.cab", cab),
        ])
    }

    /// As a pcapng and a text in one zip.
    pub(super) fn capture_and(self, text_name: &str, text: Vec<u8>) -> Bundle {
        let zip = Zip::new()
            .dated(self.case.stop, self.case.id.zone_min)
            .file("capture.pcapng", PcapNg::default().write(&self.case.wire))
            .file(text_name, text);
        self.bundle(vec![Member::new("upload.zip", zip.write())])
    }

    /// As the files added with [`Story::beside`] alone.
    pub(super) fn only_files(self) -> Bundle {
        self.bundle(vec![])
    }
}

/// When the registration attempts of the stories happen, in seconds after the start.
pub(super) const ATTEMPT: i64 = 300;

/// An event of SYSTEM's registration attempt at `at`, with the records around every attempt.
pub(super) fn attempt(at: Moment, inner: Vec<Event>) -> Vec<Event> {
    let precheck =
        "preCheckResult: Join\r\nisJoined: NO\r\nisDcAvailable: YES\r\nisSystem: YES\r\nresultCode: 0x0\r\n";
    let udr = crate::scenario::events::UDR;
    let mut out = vec![
        Event::new(udr, 4096, at.plus_ms(-900))
            .user(SYSTEM)
            .process(6124, 6140),
        Event::new(udr, 331, at.plus_ms(-100))
            .user(SYSTEM)
            .process(6124, 6140)
            .field("DebugOutput", precheck),
    ];
    out.extend(inner);
    out
}
