//! Archives: the bytes as an uploaded file.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use casetrace_bundle::{Case, Options, Secret};
use tempfile::TempDir;

use crate::{properties, shown};

/// Passwords that the encrypted seeds were made with are among these.
pub(crate) const PASSWORDS: [&str; 2] = ["wrong", "fuzz"];

/// The upload lies in memory where the system has such a folder: thousands a second are written.
static FOLDER: LazyLock<Option<TempDir>> = LazyLock::new(|| {
    let memory = Path::new("/dev/shm");
    tempfile::Builder::new()
        .prefix("casetrace-fuzz")
        .tempdir_in(memory)
        .or_else(|_| tempfile::tempdir())
        .ok()
});

/// Removes the folder that [`open`] writes uploads to; statics are not dropped at the end of a process.
pub(crate) fn clean() {
    if let Some(folder) = LazyLock::force(&FOLDER) {
        let _ = std::fs::remove_dir_all(folder.path());
    }
}

fn options(work_dir: PathBuf) -> Options {
    let mut options = Options {
        limits: casetrace_model::Limits::default(),
        passwords: PASSWORDS.iter().map(|p| Secret::new((*p).to_owned())).collect(),
        work_dir,
        threads: 1,
    };
    options.limits.max_members = 500;
    options.limits.max_depth = 4;
    options.limits.max_member_bytes = 4 << 20;
    options.limits.max_total_bytes = 16 << 20;
    options
}

/// A 7z archive with right sums over its header: what is damaged behind a wrong one, nobody would see.
fn sealed(data: &[u8]) -> Cow<'_, [u8]> {
    const START: usize = 32;
    let number = |at: usize| {
        let bytes = data.get(at..at + 8)?.try_into().ok()?;
        usize::try_from(u64::from_le_bytes(bytes)).ok()
    };
    let header = || {
        let from = number(12)?.checked_add(START)?;
        data.get(from..from.checked_add(number(20)?)?)
    };
    let Some(header) = data.starts_with(b"7z\xbc\xaf\x27\x1c").then(header).flatten() else {
        return Cow::Borrowed(data);
    };
    let mut out = data.to_vec();
    if let Some(sum) = out.get_mut(28..START) {
        sum.copy_from_slice(&crc32fast::hash(header).to_le_bytes());
    }
    let start = out.get(12..START).map(crc32fast::hash).unwrap_or_default();
    if let Some(sum) = out.get_mut(8..12) {
        sum.copy_from_slice(&start.to_le_bytes());
    }
    Cow::Owned(out)
}

/// Members are distinct, stay in their archive and in the limits, give the bytes they promise, and are the same twice.
pub(crate) fn open(data: &[u8]) {
    let data = &*sealed(data);
    // Threads of one test binary must not write to one another's upload.
    let Some(folder) = LazyLock::force(&FOLDER) else {
        return;
    };
    let own = folder.path().join(format!("{:?}", std::thread::current().id()));
    let (upload, work) = (own.join("upload.bin"), own.join("work"));
    let written = std::fs::create_dir_all(&work).and_then(|()| std::fs::write(&upload, data));
    assert!(written.is_ok(), "the temporary folder takes the upload");
    let options = options(work.clone());
    let run = || casetrace_bundle::open(std::slice::from_ref(&upload), &options, &mut |_| ()).ok();
    let case = run();
    assert!(case.is_some(), "damage is no error of a case");
    let left = std::fs::read_dir(&work).map_or(0, Iterator::count);
    assert_eq!(left, 0, "nothing with a name is left in the work folder");
    let (Some(case), Some(again)) = (case, run()) else {
        return;
    };
    holds(&case, &options, data.len() as u64);
    properties::equal(&summary(&case), &summary(&again), "members");
}

fn holds(case: &Case, options: &Options, input: u64) {
    let (mut paths, mut total) = (HashSet::new(), 0);
    shown::count("members", "", case.members.len());
    assert!(
        case.members.len() <= options.limits.max_members + 1,
        "{} members",
        case.members.len()
    );
    for (index, member) in case.members.iter().enumerate() {
        assert!(paths.insert(&member.path), "two members have one path");
        assert!(
            member.parent.is_none_or(|parent| parent < index),
            "archives come before their members"
        );
        assert!(
            member.path.split(['/', '\\']).all(|part| part != ".."),
            "a path leads out of its archive"
        );
        assert!(
            member.diagnostics.len() <= 1000 + options.limits.max_diagnostics,
            "{} diagnostics of one member",
            member.diagnostics.len()
        );
        shown::note(
            "outcome",
            member.outcome.as_str(),
            u64::from(member.encryption.is_some()),
        );
        for diagnostic in &member.diagnostics {
            shown::note("diagnostic", diagnostic.code, u64::from(member.parent.is_some()));
        }
        if !member.is_readable() {
            continue;
        }
        let mut length = 0;
        if let Ok(reader) = member.open() {
            length = std::io::copy(&mut reader.take(1 << 30), &mut std::io::sink()).unwrap_or(0);
        }
        assert_eq!(length, member.size, "a member gives as many bytes as it says");
        if member.parent.is_some() {
            assert!(
                length <= options.limits.max_member_bytes,
                "a member over the limit"
            );
            total += length;
        }
    }
    assert!(
        total <= options.limits.max_total_bytes + input,
        "{total} bytes expanded"
    );
}

type Summary<'a> = Vec<(&'a str, u64, Option<&'a str>, &'static str, usize)>;

fn summary(case: &Case) -> Summary<'_> {
    case.members
        .iter()
        .map(|m| {
            (
                m.path.as_str(),
                m.size,
                m.sha256.as_deref(),
                m.outcome.as_str(),
                m.diagnostics.len(),
            )
        })
        .collect()
}

/// What the bytes are does not change between two looks, whatever the name.
pub(crate) fn probe(data: &[u8]) {
    for name in [
        "", "a.zip", "a.etl", "a.evtx", "a.cab", "a.txt", "a.har", "a.json", "a.pcap",
    ] {
        let look = || casetrace_bundle::probe(data, name);
        let kind = look();
        properties::equal(&kind, &look(), "kinds");
        shown::note("kind", kind.as_str(), u64::from(name.is_empty()));
    }
}
