//! The formats there are, and how one is chosen.

use crate::blocks::Machine;
use crate::formats as f;
use crate::lines::{Lines, Utf8, floor_boundary};
use crate::output::Output;

/// A text format this crate reads; [`Format::name`] is stable.
#[derive(Clone, Copy)]
pub struct Format(pub(crate) &'static Spec);

impl Format {
    /// `dsregcmd`, `az`, `netsetup`, `signin_csv`, …, `unknown`, `binary`.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// False for text nobody recognised.
    pub fn is_known(self) -> bool {
        !matches!(self.name(), "unknown" | "binary")
    }
}

impl PartialEq for Format {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}
impl Eq for Format {}

impl std::fmt::Debug for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Format({})", self.name())
    }
}

/// How sure a format is of a file. Name and content are added up; the highest sum reads the file.
pub(crate) mod score {
    pub(crate) const NO: u8 = 0;
    /// Only the name speaks for it.
    pub(crate) const NAME: u8 = 10;
    /// Could be.
    pub(crate) const WEAK: u8 = 30;
    /// Typical lines are there.
    pub(crate) const LIKELY: u8 = 60;
    /// Nothing else looks like this.
    pub(crate) const CERTAIN: u8 = 90;
}

/// How a format reads a file.
#[derive(Clone, Copy)]
pub(crate) enum Reader {
    /// Line by line; blocks of other tools may start inside, and its own inside others.
    Block {
        make: fn() -> Box<dyn Machine>,
        starts: fn(&str) -> bool,
    },
    /// Line by line, the whole file.
    Lines { make: fn() -> Box<dyn Machine> },
    /// As one stream of UTF-8.
    Stream(fn(&mut Utf8<'_>, &mut Output<'_>)),
    /// Not as text.
    Binary,
}

/// One entry of the registry.
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    pub(crate) detect: fn(&Head) -> u8,
    pub(crate) reader: Reader,
}

impl Spec {
    /// A fresh machine, for formats read by line.
    pub(crate) fn machine(&self) -> Option<Box<dyn Machine>> {
        match self.reader {
            Reader::Block { make, .. } | Reader::Lines { make } => Some(make()),
            Reader::Stream(_) | Reader::Binary => None,
        }
    }

    /// True if other tools' blocks may start inside.
    pub(crate) fn switches(&self) -> bool {
        matches!(self.reader, Reader::Block { .. })
    }
}

/// What is known of a file before it is read.
pub(crate) struct Head {
    /// First lines, each cut.
    pub(crate) lines: Vec<String>,
    /// The same as one text.
    pub(crate) text: String,
    /// Lower-case file name without folders.
    pub(crate) name: String,
    /// True if it does not look like text.
    pub(crate) binary: bool,
}

/// Lines of the head that detection looks at, and bytes of each.
const HEAD_LINES: usize = 600;
const HEAD_LINE_BYTES: usize = 2000;

impl Head {
    pub(crate) fn new(head: &[u8], name: &str) -> Self {
        let mut input = head;
        let mut lines = Lines::new(&mut input, HEAD_LINE_BYTES);
        let mut kept = Vec::new();
        while kept.len() < HEAD_LINES
            && let Some(line) = lines.next()
        {
            kept.push(line.text.to_owned());
        }
        let text = kept.join("\n");
        let control = text
            .chars()
            .filter(|c| c.is_control() && !matches!(c, '\n' | '\t' | '\r' | '\u{1b}' | '\u{c}'));
        let odd = control.count() + text.matches('\u{fffd}').count();
        let total = text.chars().count();
        let file = name.rsplit(['/', '\\', '!']).next().unwrap_or(name);
        let binary = odd * 10 > total && odd > 8;
        Self {
            lines: kept,
            text,
            name: file.to_lowercase(),
            binary,
        }
    }

    /// True if the name contains `part` (lower case).
    pub(crate) fn named(&self, part: &str) -> bool {
        self.name.contains(part)
    }

    /// The first non-empty lines, trimmed.
    pub(crate) fn first(&self, n: usize) -> impl Iterator<Item = &str> {
        self.lines
            .iter()
            .map(|line| line.trim())
            .filter(|line| !line.is_empty())
            .take(n)
    }

    /// True if any line satisfies `test`.
    pub(crate) fn any(&self, test: impl Fn(&str) -> bool) -> bool {
        self.lines.iter().any(|line| test(line))
    }

    /// `score` if any line satisfies `test`.
    pub(crate) fn if_any(&self, test: impl Fn(&str) -> bool, score: u8) -> u8 {
        if self.any(test) { score } else { score::NO }
    }

    /// How many lines satisfy `test`.
    pub(crate) fn count(&self, test: impl Fn(&str) -> bool) -> usize {
        self.lines.iter().filter(|line| test(line)).count()
    }

    /// The start of the text, for formats that open with a mark-up tag.
    pub(crate) fn start(&self, bytes: usize) -> &str {
        let text = self.text.trim_start();
        text.get(..floor_boundary(text, bytes)).unwrap_or_default()
    }
}

/// A spec for a format whose blocks may stand in other files.
const fn block(
    name: &'static str,
    detect: fn(&Head) -> u8,
    make: fn() -> Box<dyn Machine>,
    starts: fn(&str) -> bool,
) -> Spec {
    Spec {
        name,
        detect,
        reader: Reader::Block { make, starts },
    }
}

/// A spec for a format that owns its file.
const fn whole(name: &'static str, detect: fn(&Head) -> u8, make: fn() -> Box<dyn Machine>) -> Spec {
    Spec {
        name,
        detect,
        reader: Reader::Lines { make },
    }
}

const fn stream(
    name: &'static str,
    detect: fn(&Head) -> u8,
    read: fn(&mut Utf8<'_>, &mut Output<'_>),
) -> Spec {
    Spec {
        name,
        detect,
        reader: Reader::Stream(read),
    }
}

/// All formats; of equal scores the earlier wins, and blocks are looked for in this order.
pub(crate) static SPECS: &[Spec] = &[
    block(
        "dsregcmd",
        f::dsregcmd::detect,
        f::dsregcmd::make,
        f::dsregcmd::starts,
    ),
    block("az", f::az::detect, f::az::make, f::az::starts),
    block(
        "mggraph",
        f::azps::detect_mggraph,
        f::azps::make_mggraph,
        f::azps::starts_mggraph,
    ),
    block(
        "azps",
        f::azps::detect_azps,
        f::azps::make_azps,
        f::azps::starts_azps,
    ),
    block(
        "event_text",
        f::events::viewer::detect,
        f::events::viewer::make,
        f::events::viewer::starts,
    ),
    block(
        "event_list",
        f::events::list::detect,
        f::events::list::make,
        f::events::list::starts,
    ),
    block(
        "event_table",
        f::events::table::detect,
        f::events::table::make,
        f::events::table::starts,
    ),
    block(
        "pasted_events",
        f::events::pasted::detect,
        f::events::pasted::make,
        f::events::pasted::starts,
    ),
    block(
        "winhttp",
        f::winhttp::detect,
        f::winhttp::make,
        f::winhttp::starts,
    ),
    block(
        "ipconfig",
        f::ipconfig::detect,
        f::ipconfig::make,
        f::ipconfig::starts,
    ),
    block("klist", f::klist::detect, f::klist::make, f::klist::starts),
    block(
        "w32tm",
        f::answers::clock::detect,
        f::answers::clock::make,
        f::answers::clock::starts,
    ),
    block(
        "dns_lookup",
        f::answers::names::detect,
        f::answers::names::make,
        f::answers::names::starts,
    ),
    block(
        "net_test",
        f::answers::reach::detect,
        f::answers::reach::make,
        f::answers::reach::starts,
    ),
    block(
        "tpm",
        f::answers::tpm::detect,
        f::answers::tpm::make,
        f::answers::tpm::starts,
    ),
    block(
        "scp",
        f::answers::scp::detect,
        f::answers::scp::make,
        f::answers::scp::starts,
    ),
    block(
        "curl",
        f::answers::curl::detect,
        f::answers::curl::make,
        f::answers::curl::starts,
    ),
    block(
        "http_text",
        f::http::raw::detect,
        f::http::raw::make,
        f::http::raw::starts,
    ),
    block(
        "directory",
        f::answers::directory::detect,
        f::answers::directory::make,
        f::answers::directory::starts,
    ),
    block("nltest", f::nltest::detect, f::nltest::make, f::nltest::starts),
    block(
        "certutil",
        f::certutil::detect,
        f::certutil::make,
        f::certutil::starts,
    ),
    block(
        "registry",
        f::registry::detect,
        f::registry::make,
        f::registry::starts,
    ),
    block(
        "systeminfo",
        f::systeminfo::detect,
        f::systeminfo::make,
        f::systeminfo::starts,
    ),
    block(
        "netstat",
        f::machine::detect_netstat,
        f::machine::make_netstat,
        f::machine::starts_netstat,
    ),
    block(
        "error_page",
        f::error_page::detect,
        f::error_page::make,
        f::error_page::starts,
    ),
    whole(
        "script_info",
        f::collection::detect_info,
        f::collection::make_info,
    ),
    whole(
        "started",
        f::collection::detect_started,
        f::collection::make_started,
    ),
    whole("build", f::collection::detect_build, f::collection::make_build),
    whole("displaydns", f::displaydns::detect, f::displaydns::make),
    whole("hosts", f::machine::detect_hosts, f::machine::make_hosts),
    whole("whoami", f::machine::detect_whoami, f::machine::make_whoami),
    whole("tasklist", f::machine::detect_tasklist, f::machine::make_tasklist),
    whole("services", f::machine::detect_services, f::machine::make_services),
    whole("filters", f::machine::detect_filters, f::machine::make_filters),
    whole("schtasks", f::machine::detect_tasks, f::machine::make_tasks),
    whole("connectivity", f::connectivity::detect, f::connectivity::make),
    whole("environment", f::environment::detect, f::environment::make),
    whole("wlan", f::netsh::detect_wlan, f::netsh::make_wlan),
    whole("firewall", f::netsh::detect_firewall, f::netsh::make_firewall),
    whole("entra_connect", f::logs::detect_connect, f::logs::make_connect),
    whole("netsetup", f::logs::detect_netsetup, f::logs::make_netsetup),
    whole("netlogon", f::logs::detect_netlogon, f::logs::make_netlogon),
    whole("gpsvc", f::logs::detect_gpsvc, f::logs::make_gpsvc),
    whole("lsa", f::logs::detect_lsa, f::logs::make_lsa),
    whole("cmtrace", f::logs::detect_cmtrace, f::logs::make_cmtrace),
    stream("event_csv", f::events::sheet::detect, f::events::sheet::read),
    stream("signin_csv", f::signin::detect_csv, f::signin::read_csv),
    stream("signin_json", f::signin::detect_json, f::signin::read_json),
    stream("events_xml", f::events::xml::detect, f::events::xml::read),
    stream("wfp", f::xml::detect_wfp, f::xml::read_wfp),
    stream("sdp", f::xml::detect_sdp, f::xml::read_sdp),
    stream("xml", f::xml::detect, f::xml::read),
    whole("log", f::logs::detect_generic, f::logs::make_generic),
    block(
        "unknown",
        f::unknown::detect,
        f::unknown::make,
        f::unknown::starts,
    ),
    Spec {
        name: "binary",
        detect: f::unknown::detect_binary,
        reader: Reader::Binary,
    },
];

/// The format of a file from its first block; `name` decides only where content does not.
pub fn detect(head: &[u8], name: &str) -> Format {
    choose(&Head::new(head, name))
}

pub(crate) fn choose(head: &Head) -> Format {
    let mut best: Option<(&'static Spec, u8)> = None;
    for spec in SPECS {
        let score = (spec.detect)(head);
        if score > best.map_or(score::NO, |(_, other)| other) {
            best = Some((spec, score));
        }
    }
    Format(best.map_or(&UNKNOWN, |(spec, _)| spec))
}

static UNKNOWN: Spec = block(
    "unknown",
    f::unknown::detect,
    f::unknown::make,
    f::unknown::starts,
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = SPECS.iter().map(|spec| spec.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SPECS.len());
    }
}
