//! The public sample bundles, if they are there.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests; they say when they are skipped"
)]

use std::path::PathBuf;

use casetrace_bundle::{Case, Collection, Encryption, Kind, MemberOutcome, Options, Secret, detect, open};
use casetrace_model::Limits;

fn corpus() -> Option<PathBuf> {
    let named = std::env::var_os("CASETRACE_CORPUS").map(PathBuf::from);
    let dir =
        named.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus"));
    dir.join("bundles").is_dir().then_some(dir)
}

fn load(name: &str, passwords: &[&str]) -> Option<Case> {
    let Some(corpus) = corpus() else {
        println!("skipped: no corpus");
        return None;
    };
    let work = tempfile::tempdir().unwrap();
    let options = Options {
        limits: Limits::default(),
        passwords: passwords.iter().map(|p| Secret::new((*p).to_owned())).collect(),
        work_dir: work.path().to_path_buf(),
        threads: 2,
    };
    Some(open(&[corpus.join("bundles").join(name)], &options, &mut |_| {}).unwrap())
}

fn read(case: &Case, path: &str) -> Vec<u8> {
    let member = case.members.iter().find(|m| m.path == path).unwrap();
    let mut out = Vec::new();
    member.open().unwrap().read_to_end(&mut out).unwrap();
    out
}

#[test]
fn a_minimal_saz_is_fiddler() {
    let Some(case) = load("fiddler-simple.saz", &[]) else {
        return;
    };
    assert_eq!(case.members[0].kind, Kind::Saz);
    assert_eq!(case.members.len(), 4);
    assert!(read(&case, "fiddler-simple.saz!/raw/1_c.txt").len() == 105);
    assert_eq!(
        detect(&case).into_iter().collect::<Vec<_>>(),
        [("fiddler-simple.saz".into(), Collection::Fiddler)]
    );
}

#[test]
fn encrypted_saz_opens_with_its_password_only() {
    for (name, encryption, readable) in [
        ("recon-fiddler-aes256.saz", Encryption::WinZipAes(256), 0),
        ("recon-fiddler-zipcrypto.saz", Encryption::ZipCrypto, 0),
    ] {
        for passwords in [&[][..], &["wrong"]] {
            let Some(case) = load(name, passwords) else { return };
            let facts = case.members[0].container.as_ref().unwrap();
            assert_eq!(
                (facts.entries, facts.encrypted, facts.locked),
                (9, 9, 9),
                "{name}"
            );
            assert_eq!(
                case.members.iter().skip(1).filter(|m| m.is_readable()).count(),
                readable
            );
            assert!(
                case.members
                    .iter()
                    .skip(1)
                    .all(|m| m.encryption == Some(encryption))
            );
            assert!(case.members.iter().any(|m| m.outcome == MemberOutcome::Skipped));
        }
        let Some(case) = load(name, &["wrong", "Passw0rd!"]) else {
            return;
        };
        assert!(
            case.members.iter().all(|m| m.outcome == MemberOutcome::Ok),
            "{name}"
        );
        assert!(read(&case, &format!("{name}!/raw/4_s.txt")).starts_with(b"HTTP/1.1"));
    }
}

#[test]
fn a_japanese_authlogs_zip_is_recognised() {
    let Some(case) = load("recon-Authlogs-v6-ja.zip", &[]) else {
        return;
    };
    let found = detect(&case);
    assert_eq!(
        found.into_iter().collect::<Vec<_>>(),
        [("recon-Authlogs-v6-ja.zip!/Authlogs".into(), Collection::Authlogs)]
    );
    assert_eq!(case.members.len(), 8);
    assert_eq!(
        case.members.iter().filter(|m| m.duplicate_of.is_some()).count(),
        1
    );
}

#[test]
fn an_mszip_nettrace_cabinet_gives_its_trace() {
    let Some(case) = load("recon-nettrace-ja-mszip.cab", &[]) else {
        return;
    };
    assert_eq!(
        detect(&case).into_values().collect::<Vec<_>>(),
        [Collection::NettraceCab]
    );
    let trace = read(&case, "recon-nettrace-ja-mszip.cab!/report.etl");
    let original = std::fs::read(corpus().unwrap().join("bundles/lxcore_kernel.etl")).unwrap();
    assert!(trace == original);
    assert_eq!(case.members.iter().filter(|m| m.kind == Kind::Etl).count(), 1);
    assert!(case.members.iter().all(|m| m.outcome == MemberOutcome::Ok));
}

#[test]
fn the_whole_corpus_opens_as_one_case() {
    let Some(corpus) = corpus() else {
        println!("skipped: no corpus");
        return;
    };
    let work = tempfile::tempdir().unwrap();
    let options = Options {
        limits: Limits::default(),
        passwords: Vec::new(),
        work_dir: work.path().to_path_buf(),
        threads: 2,
    };
    let case = open(&[corpus], &options, &mut |_| {}).unwrap();
    assert!(case.members.len() > 100);
    assert!(case.members.windows(2).all(|w| w[0].path < w[1].path));
    assert!(
        case.members
            .iter()
            .all(|m| m.parent.is_none_or(|p| case.members[p].path.len() < m.path.len()))
    );
}
