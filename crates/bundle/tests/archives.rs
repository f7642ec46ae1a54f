//! Good archives of every sort come out whole, in one order, wherever their bytes end up.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::io::{Seek, SeekFrom};
use std::path::PathBuf;

use casetrace_bundle::{Collection, Encryption, Kind, MemberOutcome, Modified, Options, detect, open};
use casetrace_model::Limits;
use casetrace_synth::archive::{Encryption as Cipher, Zip};
use support::*;

#[test]
fn cabinets_of_every_method_give_their_files_across_blocks() {
    let data: Vec<u8> = (0..200_000_u32)
        .flat_map(|i| (i / 7).to_le_bytes())
        .take(150_001)
        .collect();
    let files = [
        cab_file("a.txt", 40_000, 0, 0),
        cab_file("empty.txt", 0, 40_000, 0),
        cab_file("dir\\b.bin", 110_001, 40_000, 0),
    ];
    for (folder, method) in [
        (stored_folder(&data), "stored"),
        (mszip_folder(&data), "MSZIP"),
        (lzx_folder(&data), "LZX:21"),
    ] {
        let case = open_one("x.cab", cab(&[folder], &files, (None, None)));
        let root = member(&case, "x.cab");
        assert_eq!(
            (root.kind, root.outcome),
            (Kind::Cab, MemberOutcome::Ok),
            "{method}: {:?}",
            root.diagnostics
        );
        assert_eq!(root.container.as_ref().unwrap().methods, [method]);
        assert_eq!(
            bytes_of(member(&case, "x.cab!/a.txt")),
            data[..40_000],
            "{method}"
        );
        assert_eq!(
            bytes_of(member(&case, "x.cab!/dir/b.bin")),
            data[40_000..],
            "{method}"
        );
        assert_eq!(member(&case, "x.cab!/empty.txt").outcome, MemberOutcome::Empty);
    }
}

#[test]
fn reserved_areas_of_any_size_do_not_disturb() {
    let data = noise(50_001);
    for reserve in [0, 1, 4, 10, 255] {
        let bytes = cab_with(
            &[mszip_folder(&data)],
            &[cab_file("a", data.len(), 0, 0)],
            (None, None),
            Some(reserve),
        );
        let case = open_one("x.cab", bytes);
        assert!(codes(&case.members[0]).is_empty(), "{reserve}");
        assert!(bytes_of(member(&case, "x.cab!/a")) == data);
    }
}

#[test]
fn nesting_is_spelled_in_the_path_and_parents_come_first() {
    let etl = noise(5000);
    let cab = cab(
        &[stored_folder(&etl)],
        &[cab_file("report.etl", 5000, 0, 0)],
        (None, None),
    );
    let saz = Zip::new()
        .file("raw/1_c.txt", *b"GET / HTTP/1.1\r\n\r\n")
        .file("raw/1_s.txt", *b"HTTP/1.1 200 OK\r\n\r\n")
        .comment("Fiddler")
        .write();
    let inner = zip(&[stored("NetTrace.cab", &cab), deflated("web.saz", &saz)]);
    let upload = zip(&[
        deflated("Authlogs/x.zip", &inner),
        stored("Authlogs/log.txt.gz", &gzip(b"hello")),
    ]);
    let case = open_one("upload.zip", upload);
    assert_eq!(
        paths(&case),
        [
            "upload.zip",
            "upload.zip!/Authlogs/log.txt.gz",
            "upload.zip!/Authlogs/log.txt.gz!/log.txt",
            "upload.zip!/Authlogs/x.zip",
            "upload.zip!/Authlogs/x.zip!/NetTrace.cab",
            "upload.zip!/Authlogs/x.zip!/NetTrace.cab!/report.etl",
            "upload.zip!/Authlogs/x.zip!/web.saz",
            "upload.zip!/Authlogs/x.zip!/web.saz!/raw/1_c.txt",
            "upload.zip!/Authlogs/x.zip!/web.saz!/raw/1_s.txt",
        ]
    );
    for (i, member) in case.members.iter().enumerate() {
        assert!(
            member
                .parent
                .is_none_or(|p| p < i && member.path.starts_with(&format!("{}!/", case.members[p].path)))
        );
        assert_eq!(member.outcome, MemberOutcome::Ok, "{}", member.path);
    }
    let saz = member(&case, "upload.zip!/Authlogs/x.zip!/web.saz");
    assert_eq!(
        (saz.kind, saz.container.as_ref().unwrap().comment.as_deref()),
        (Kind::Saz, Some("Fiddler"))
    );
    assert_eq!(
        bytes_of(member(&case, "upload.zip!/Authlogs/log.txt.gz!/log.txt")),
        b"hello"
    );
}

#[test]
fn large_members_are_spooled_and_read_alike() {
    let big = noise(9 << 20);
    let case = open_one(
        "x.zip",
        zip(&[
            deflated("big.bin", &big),
            stored("small.bin", &big[..100]),
            stored("big2.bin", &big[1..]),
        ]),
    );
    let member = member(&case, "x.zip!/big.bin");
    assert!(member.in_memory().is_none());
    assert_eq!(member.head().unwrap(), &big[..64 << 10]);
    let (mut a, mut b) = (member.open().unwrap(), member.open().unwrap());
    a.seek(SeekFrom::End(-5)).unwrap();
    let mut tail = Vec::new();
    std::io::Read::read_to_end(&mut a, &mut tail).unwrap();
    assert_eq!(tail, big[big.len() - 5..]);
    let mut whole = Vec::new();
    std::io::Read::read_to_end(&mut b, &mut whole).unwrap();
    assert!(whole == big);
    assert!(bytes_of(support::member(&case, "x.zip!/big2.bin")) == big[1..]);
}

#[test]
fn a_folder_and_its_zip_hold_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("Authlogs");
    std::fs::create_dir_all(root.join("PreTraceLogs")).unwrap();
    let files = [
        ("script-info.txt", "x"),
        ("Dsregcmd.txt", "y"),
        ("PreTraceLogs/netstat.txt", "z"),
    ];
    let mut entries = Vec::new();
    for (name, text) in files {
        std::fs::write(root.join(name), text).unwrap();
        entries.push(stored(&format!("Authlogs/{name}"), text.as_bytes()));
    }
    let options = Options {
        limits: Limits::default(),
        passwords: vec![],
        work_dir: dir.path().join("work"),
        threads: 1,
    };
    let folder = open(std::slice::from_ref(&root), &options, &mut |_| {}).unwrap();
    assert!(!dir.path().join("work").exists());
    let zipped = open_one("u.zip", zip(&entries));
    let leaves = |case: &casetrace_bundle::Case, prefix: &str| -> Vec<(String, String)> {
        let leaf = |m: &&casetrace_bundle::Member| !m.kind.is_container();
        let key = |m: &casetrace_bundle::Member| {
            (
                m.path.trim_start_matches(prefix).to_owned(),
                m.sha256.clone().unwrap(),
            )
        };
        case.members.iter().filter(leaf).map(key).collect()
    };
    assert_eq!(leaves(&folder, ""), leaves(&zipped, "u.zip!/"));
    assert_eq!(
        detect(&folder).into_iter().next(),
        Some(("Authlogs".into(), Collection::Authlogs))
    );
    assert_eq!(
        detect(&zipped).into_iter().next(),
        Some(("u.zip!/Authlogs".into(), Collection::Authlogs))
    );
}

#[test]
fn several_inputs_are_one_case_and_duplicates_are_marked() {
    let case = open_files(
        &[
            ("b.txt", b"same".to_vec()),
            ("a.txt", b"same".to_vec()),
            ("c.zip", zip(&[stored("d.txt", b"same")])),
        ],
        Limits::default(),
        &[],
    );
    assert_eq!(paths(&case), ["a.txt", "b.txt", "c.zip", "c.zip!/d.txt"]);
    let first = member(&case, "b.txt");
    assert_eq!(first.duplicate_of, None);
    for path in ["a.txt", "c.zip!/d.txt"] {
        assert_eq!(
            case.members[member(&case, path).duplicate_of.unwrap()].path,
            "b.txt"
        );
    }
}

/// Files that are hashed beside the rest are what they are on one thread.
#[test]
fn threads_change_nothing_of_large_files() {
    let dir = tempfile::tempdir().unwrap();
    let large = |seed: u8| -> Vec<u8> { (0..17 << 20).map(|at: u32| (at >> 7) as u8 ^ seed).collect() };
    let nested = zip(&[stored("copy.bin", &large(1)), stored("other.bin", b"x")]);
    let files = [
        ("a.bin", large(1)),
        ("b.zip", nested.clone()),
        ("c.bin", large(3)),
        ("d.zip", nested),
        ("e.bin", [large(5), vec![0]].concat()),
        ("f.bin", [large(6), vec![0, 0]].concat()),
        ("g.bin", [large(7), vec![0, 0, 0]].concat()),
        ("h.txt", b"small".to_vec()),
    ];
    let inputs = files.map(|(name, bytes)| {
        std::fs::write(dir.path().join(name), bytes).unwrap();
        dir.path().join(name)
    });
    let told = |threads| {
        let options = Options {
            limits: Limits::default(),
            passwords: vec![],
            work_dir: dir.path().join("work"),
            threads,
        };
        let case = open(&inputs, &options, &mut |_| {}).unwrap();
        case.members
            .iter()
            .for_each(|m| assert!(m.sha256.is_some(), "{}", m.path));
        format!(
            "{:?}",
            case.members
                .iter()
                .map(|m| (
                    &m.path,
                    m.size,
                    &m.sha256,
                    m.duplicate_of,
                    m.outcome,
                    &m.diagnostics
                ))
                .collect::<Vec<_>>()
        )
    };
    let one = told(1);
    assert!(one.contains("BundleDuplicateArchive"), "{one}");
    assert_eq!(told(2), one);
    assert_eq!(told(3), one);
}

#[test]
fn encrypted_entries_open_with_any_of_the_given_passwords() {
    for (cipher, expected) in [
        (Cipher::ZipCrypto, Encryption::ZipCrypto),
        (Cipher::Aes128, Encryption::WinZipAes(128)),
        (Cipher::Aes256, Encryption::WinZipAes(256)),
    ] {
        let bytes = Zip::new()
            .file("raw/1_c.txt", *b"GET / HTTP/1.1\r\n\r\n")
            .encrypted(cipher, "pässwort")
            .write();
        let case = open_files(&[("x.saz", bytes.clone())], Limits::default(), &[]);
        let entry = member(&case, "x.saz!/raw/1_c.txt");
        assert_eq!(
            (entry.encryption, entry.outcome),
            (Some(expected), MemberOutcome::Skipped)
        );
        assert_eq!(codes(member(&case, "x.saz")), ["ZipEncrypted"]);
        assert_eq!(member(&case, "x.saz").kind, Kind::Saz);
        let case = open_files(&[("x.saz", bytes)], Limits::default(), &["a", "b", "pässwort"]);
        assert_eq!(
            bytes_of(member(&case, "x.saz!/raw/1_c.txt")),
            b"GET / HTTP/1.1\r\n\r\n"
        );
        assert_eq!(member(&case, "x.saz").outcome, MemberOutcome::Ok);
    }
}

#[test]
fn names_in_any_encoding_are_read() {
    let japanese = Zip::new().file("収集/結果ログ.txt", *b"x").cp932_names().write();
    assert_eq!(paths(&open_one("j.zip", japanese))[1], "j.zip!/収集/結果ログ.txt");
    let mut western = stored("", b"x");
    western.name = b"\x9abersicht f\x81r K\x94ln.txt".to_vec();
    assert_eq!(
        paths(&open_one("w.zip", zip(&[western])))[1],
        "w.zip!/Übersicht für Köln.txt"
    );
    let mut cabinet = cab_file("", 1, 0, 0);
    cabinet.name = "結果.txt".as_bytes().to_vec();
    cabinet.attributes = 0xa0;
    assert_eq!(
        paths(&open_one(
            "c.cab",
            cab(&[stored_folder(b"x")], &[cabinet], (None, None))
        ))[1],
        "c.cab!/結果.txt"
    );
}

#[test]
fn times_come_from_the_archive() {
    let case = open_one("x.zip", zip(&[stored("a", b"x")]));
    assert_eq!(
        member(&case, "x.zip!/a").modified,
        Some(Modified::Local("2025-03-02T10:10:00".into()))
    );
    assert_eq!(member(&case, "x.zip").modified, None);
}

#[test]
fn missing_inputs_are_an_error_and_the_rest_is_not_touched() {
    let options = Options {
        limits: Limits::default(),
        passwords: vec![],
        work_dir: PathBuf::from("/nonexistent/work"),
        threads: 1,
    };
    assert!(open(&[PathBuf::from("/nonexistent/input")], &options, &mut |_| {}).is_err());
}
