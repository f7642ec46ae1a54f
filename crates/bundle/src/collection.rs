//! What collected the upload: recognised by the names in it, never by the name of the upload itself.
//!
//! Source: the start/stop-auth scripts' and TSS output names, the Japanese Entra diagnostic script, netsh and SDP cabinets;
//! all matched without regard to case, depth, or a computer-name prefix.

use std::collections::BTreeMap;

use crate::case::Case;
use crate::probe::Kind;

/// A known collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Collection {
    /// start-auth / stop-auth.
    Authlogs,
    /// TSS / TSSv2 `ADS_Auth`.
    Tss,
    /// The `AAD_Logs` script of Japanese Entra support.
    AadDeviceDiagnostic,
    /// `netsh trace` with report.
    NettraceCab,
    /// MSDT / icesdptool.
    Sdp,
    /// A Fiddler archive.
    Fiddler,
    /// None of these.
    Plain,
}

impl Collection {
    /// The spelling in the inventory.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authlogs => "authlogs",
            Self::Tss => "tss",
            Self::AadDeviceDiagnostic => "aad_device_diagnostic",
            Self::NettraceCab => "nettrace_cab",
            Self::Sdp => "sdp",
            Self::Fiddler => "fiddler",
            Self::Plain => "plain",
        }
    }
}

/// Names of which three in one place mean Authlogs.
const AUTHLOGS: &[&str] = &[
    "script-info.txt",
    "started.txt",
    "dsregcmd.txt",
    "dsregcmddebug.txt",
    "ngc.etl",
    "webauth.etl",
    "kerberos.etl",
    "ntlm_credssp.etl",
    "aad_oper.evtx",
    "aad_analytic.evtx",
    "usrdevicereg_adm.evtx",
    "usrdevicereg_dbg.evtx",
    "hfb_oper.evtx",
    "kerb_oper.evtx",
    "capi2_oper.evtx",
    "webauthn_oper.evtx",
    "build.txt",
    "cdj-aad.txt",
    "tickets-localsystem.txt",
    "klist-cloud-debug.txt",
    "running-etl-sessions.txt",
    "lsa.etl",
];

/// Folders of the `AAD_Logs\<COMPUTER>` tree.
const AAD_FOLDERS: &[&str] = &["event_logs", "registry", "certificates", "network", "wam", "etw"];

/// What one folder (or archive level) holds.
#[derive(Debug, Default)]
struct Level {
    authlogs: usize,
    tss: usize,
    trace_report: (bool, bool),
    sdp: bool,
    aad_folders: Vec<&'static str>,
}

/// Finds the collections in a case: logical path of their root → what they are, in path order.
///
/// A root is the folder or archive that holds the tell-tale names, e.g. `upload.zip!/Authlogs`. If nothing is
/// recognised, the result is empty; callers treat the case as [`Collection::Plain`].
pub fn detect(case: &Case) -> BTreeMap<String, Collection> {
    let mut levels: BTreeMap<String, Level> = BTreeMap::new();
    let mut found = BTreeMap::new();
    for member in &case.members {
        if member.kind == Kind::Saz {
            found.insert(member.path.clone(), Collection::Fiddler);
        }
        let Some((root, name)) = split(&member.path) else {
            continue;
        };
        note(levels.entry(root.to_owned()).or_default(), &name.to_lowercase());
        if let Some(authlogs) = named_folder(root, "authlogs") {
            found.insert(authlogs, Collection::Authlogs);
        }
        note_aad(&mut levels, root);
    }
    for (root, level) in levels {
        if let Some(collection) = level.verdict() {
            found.entry(root).or_insert(collection);
        }
    }
    without_pretrace(found)
}

impl Level {
    fn verdict(&self) -> Option<Collection> {
        if self.aad_folders.len() >= 3 {
            Some(Collection::AadDeviceDiagnostic)
        } else if self.sdp {
            Some(Collection::Sdp)
        } else if self.trace_report == (true, true) {
            Some(Collection::NettraceCab)
        } else if self.authlogs >= 3 {
            Some(Collection::Authlogs)
        } else {
            (self.tss >= 3).then_some(Collection::Tss)
        }
    }
}

fn note(level: &mut Level, name: &str) {
    level.authlogs += usize::from(AUTHLOGS.contains(&name) || name.ends_with("-key.txt"));
    level.trace_report.0 |=
        name == "report.etl" || (name.starts_with("ndfsession") && name.ends_with(".etl"));
    level.trace_report.1 |= matches!(
        name,
        "report.html" | "osinfo.txt" | "envinfo.txt" | "adapterinfo.txt"
    );
    let debug = name
        .strip_suffix(".xml")
        .is_some_and(|n| n.ends_with("resultreport") || n.ends_with("debugreport"));
    level.sdp |= name == "results.xml" || debug;
    level.tss += usize::from(is_tss(name));
}

/// `<COMPUTER>_<yyMMdd-HHmmss>_<stem>`: the stamp is what tells it from an SDP name.
fn is_tss(name: &str) -> bool {
    let stamp = |part: &str| {
        part.split_once('-').is_some_and(|(date, time)| {
            date.len() == 6
                && time.len() >= 4
                && (date.bytes().chain(time.bytes())).all(|b| b.is_ascii_digit())
        })
    };
    let stem = ["dsregcmd", "reg_", "klist", "proxy", "nltest", "env", "credman"];
    let stamped = name.split('_').skip(1).any(stamp);
    stamped || (stem.iter().any(|s| name.contains(&format!("_{s}"))) && name.starts_with("reg_"))
}

fn note_aad(levels: &mut BTreeMap<String, Level>, root: &str) {
    let Some((parent, folder)) = root.rsplit_once('/') else {
        return;
    };
    let folder = folder.to_lowercase();
    if let Some(known) = AAD_FOLDERS.iter().find(|f| **f == folder) {
        let level = levels.entry(parent.trim_end_matches('!').to_owned()).or_default();
        if !level.aad_folders.contains(known) {
            level.aad_folders.push(known);
        }
    }
}

/// Root and file name; the root of `a.zip!/x` is `a.zip`, of `dir/x` it is `dir`, of a lone file there is none.
fn split(path: &str) -> Option<(&str, &str)> {
    let (root, name) = path.rsplit_once('/')?;
    Some((root.strip_suffix('!').unwrap_or(root), name))
}

/// The part of `root` up to a folder with this name, if there is one.
fn named_folder(root: &str, folder: &str) -> Option<String> {
    let mut end = 0;
    for part in root.split('/') {
        end += part.len();
        if part.trim_end_matches('!').eq_ignore_ascii_case(folder) && !part.ends_with('!') {
            return root.get(..end).map(str::to_owned);
        }
        end += 1;
    }
    None
}

/// `PreTraceLogs` and other folders below a root belong to it.
fn without_pretrace(found: BTreeMap<String, Collection>) -> BTreeMap<String, Collection> {
    let inside = |path: &str, collection: Collection| {
        found.iter().any(|(root, other)| {
            *other == collection
                && path
                    .strip_prefix(root.as_str())
                    .is_some_and(|rest| rest.starts_with('/'))
        })
    };
    found
        .iter()
        .filter(|(path, collection)| !inside(path, **collection))
        .map(|(p, c)| (p.clone(), *c))
        .collect()
}
