//! Archives made to break the analyst: each attack costs at most the entry it is in, and is named.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use casetrace_bundle::{Kind, MemberOutcome};
use casetrace_model::Limits;
use support::*;

const GOOD: &[u8] = b"good entry";

fn with_good(mut entries: Vec<Entry>) -> Vec<u8> {
    entries.push(stored("good.txt", GOOD));
    zip(&entries)
}

fn assert_good(case: &casetrace_bundle::Case) {
    let good = case
        .members
        .iter()
        .find(|m| m.path.ends_with("!/good.txt"))
        .unwrap();
    assert_eq!(
        (bytes_of(good).as_slice(), good.outcome),
        (GOOD, MemberOutcome::Ok)
    );
}

#[test]
fn names_that_climb_or_lie_are_labels_only() {
    let table = [
        (
            "../../../etc/cron.d/x",
            "%2E%2E/%2E%2E/%2E%2E/etc/cron.d/x",
            "BundleUnsafePath",
        ),
        ("/etc/passwd", "etc/passwd", "BundleUnsafePath"),
        ("C:\\Windows\\x.dll", "C%3A/Windows/x.dll", "BundleUnsafePath"),
        ("\\\\server\\share\\x", "server/share/x", "BundleUnsafePath"),
        ("\\\\?\\C:\\x", "?/C%3A/x", "BundleUnsafePath"),
        ("NUL", "NUL", "BundleDeviceName"),
        ("logs/com1.txt", "logs/com1.txt", "BundleDeviceName"),
        ("aux.evtx", "aux.evtx", "BundleDeviceName"),
        ("con", "con", "BundleDeviceName"),
        ("LPT9 .log", "LPT9 .log", "BundleDeviceName"),
        ("COM²", "COM²", "BundleDeviceName"),
        ("CONOUT$", "CONOUT$", "BundleDeviceName"),
        ("\\\\.\\PhysicalDrive0", "PhysicalDrive0", "BundleUnsafePath"),
        ("a/b/../../../c", "a/b/%2E%2E/%2E%2E/%2E%2E/c", "BundleUnsafePath"),
        ("a\u{202e}gpj.exe", "a%E2%80%AEgpj.exe", "BundleDeceptiveName"),
        ("a\x1b[2Jb", "a%1B[2Jb", "BundleDeceptiveName"),
        ("x.txt:stream", "x.txt%3Astream", "BundleDeceptiveName"),
        ("evil.zip!/x", "evil.zip%21/x", ""),
    ];
    for (name, path, code) in table {
        let case = open_one("u.zip", with_good(vec![stored(name, b"data")]));
        let entry = member(&case, &format!("u.zip!/{path}"));
        assert_eq!(bytes_of(entry), b"data");
        assert!(
            code.is_empty() || codes(entry).contains(&code),
            "{name}: {:?}",
            codes(entry)
        );
        assert_good(&case);
    }
}

#[test]
fn long_and_empty_names_are_kept_apart() {
    let long = "d/".repeat(20_000) + "x";
    let case = open_one(
        "u.zip",
        with_good(vec![stored(&long, b"1"), stored("", b"2"), stored("///", b"3")]),
    );
    assert_eq!(case.members.len(), 5);
    assert!(case.members.iter().all(|m| m.path.len() < 5000));
    assert_eq!(bytes_of(member(&case, "u.zip!/unnamed#2")), b"3");
    assert_good(&case);
}

#[test]
fn links_and_devices_are_not_followed() {
    for mode in [0xa1ff, 0x61ff, 0x21ff, 0x11ff] {
        let link = Entry {
            mode,
            ..stored("link", b"/etc/passwd")
        };
        let case = open_one("u.zip", with_good(vec![link]));
        assert_eq!(codes(member(&case, "u.zip!/link")), ["BundleNotRegular"]);
        assert_good(&case);
    }
}

#[cfg(unix)]
#[test]
fn links_in_a_folder_are_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("secret"), "outside").unwrap();
    let root = dir.path().join("in");
    std::fs::create_dir(&root).unwrap();
    std::os::unix::fs::symlink(dir.path().join("secret"), root.join("link")).unwrap();
    std::os::unix::fs::symlink(&root, root.join("loop")).unwrap();
    let options = casetrace_bundle::Options {
        limits: Limits::default(),
        passwords: vec![],
        work_dir: dir.path().join("w"),
        threads: 1,
    };
    let case = casetrace_bundle::open(&[root], &options, &mut |_| {}).unwrap();
    assert_eq!(paths(&case), ["in/link", "in/loop"]);
    assert!(
        case.members
            .iter()
            .all(|m| codes(m) == ["BundleNotRegular"] && !m.is_readable())
    );
}

#[test]
fn equal_and_colliding_names_are_all_kept() {
    let entries = vec![
        stored("a.txt", b"1"),
        stored("a.txt", b"2"),
        stored("A.TXT", b"3"),
        stored("e\u{301}", b"4"),
        stored("é", b"5"),
        stored("a.txt#2", b"6"),
    ];
    let case = open_one("u.zip", with_good(entries));
    let contents: std::collections::BTreeSet<Vec<u8>> = case.members.iter().skip(1).map(bytes_of).collect();
    assert_eq!(contents.len(), 7, "{:?}", paths(&case));
    assert_eq!(codes(member(&case, "u.zip!/a.txt#2")), ["BundleDuplicateName"]);
    assert_eq!(codes(member(&case, "u.zip!/A.TXT")), ["BundleNameCollision"]);
    assert_good(&case);
}

#[test]
fn overlapping_entries_are_read_once() {
    let kernel = deflated("kernel", &vec![0; 1 << 20]);
    let copies = (0..50).map(|i| Entry {
        name: format!("copy{i}").into_bytes(),
        header_at: Some(0),
        local: false,
        ..kernel.clone()
    });
    let mut entries = vec![kernel.clone()];
    entries.extend(copies);
    let case = open_one("u.zip", with_good(entries));
    let read = case
        .members
        .iter()
        .filter(|m| m.size == 1 << 20 && m.is_readable())
        .count();
    assert_eq!(read, 1);
    assert_eq!(
        case.members
            .iter()
            .filter(|m| codes(m).contains(&"ZipOverlap"))
            .count(),
        50
    );
    assert_good(&case);
}

#[test]
fn bombs_are_cut_and_say_so() {
    let limits = Limits {
        max_ratio: 100,
        ..Limits::default()
    };
    let bomb = deflated("bomb.bin", &vec![0; 80 << 20]);
    let case = open_files(&[("u.zip", with_good(vec![bomb]))], limits, &[]);
    let entry = member(&case, "u.zip!/bomb.bin");
    assert_eq!(
        (entry.outcome, codes(entry)),
        (MemberOutcome::Partial, vec!["BundleSizeLimit"])
    );
    assert!(entry.size >= 64 << 20 && entry.size < 66 << 20);
    assert_good(&case);
    let folder = cab(
        &[mszip_folder(&vec![0; 80 << 20])],
        &[
            cab_file("a", 40 << 20, 0, 0),
            cab_file("b", 40 << 20, 40 << 20, 0),
        ],
        (None, None),
    );
    let case = open_files(&[("u.cab", folder)], limits, &[]);
    assert_eq!(member(&case, "u.cab!/a").outcome, MemberOutcome::Ok);
    assert_eq!(codes(member(&case, "u.cab!/b")), ["BundleSizeLimit"]);
    let case = open_files(&[("u.gz", gzip(&vec![0; 80 << 20]))], limits, &[]);
    assert_eq!(member(&case, "u.gz!/u").outcome, MemberOutcome::Partial);
}

#[test]
fn limits_on_size_count_and_depth_hold_at_the_limit_and_not_below() {
    let entries: Vec<Entry> = (0..10).map(|i| stored(&format!("f{i}"), &[i; 1000])).collect();
    let bytes = zip(&entries);
    let open_with = |limits| open_files(&[("u.zip", bytes.clone())], limits, &[]);
    let whole = |case: &casetrace_bundle::Case| case.members.iter().all(|m| m.outcome == MemberOutcome::Ok);
    assert!(whole(&open_with(Limits {
        max_members: 11,
        max_total_bytes: 10_000,
        max_member_bytes: 1000,
        ..Limits::default()
    })));
    let case = open_with(Limits {
        max_members: 10,
        ..Limits::default()
    });
    assert_eq!(
        (case.members.len(), codes(&case.members[0])),
        (10, vec!["BundleMemberLimit"])
    );
    let case = open_with(Limits {
        max_total_bytes: 9_999,
        ..Limits::default()
    });
    assert_eq!(case.members.iter().skip(1).map(|m| m.size).sum::<u64>(), 9_999);
    assert!(codes(&case.members[10]).contains(&"BundleSizeLimit"));
    let case = open_with(Limits {
        max_total_bytes: 4_000,
        ..Limits::default()
    });
    assert_eq!(
        case.members
            .iter()
            .filter(|m| m.outcome == MemberOutcome::Skipped)
            .count(),
        6
    );
    let case = open_with(Limits {
        max_member_bytes: 999,
        ..Limits::default()
    });
    assert!(
        case.members
            .iter()
            .skip(1)
            .all(|m| m.size == 999 && codes(m) == ["BundleSizeLimit"])
    );
    let nested = (0..5).fold(stored("x", b"x"), |inner, i| {
        stored(&format!("{i}.zip"), &zip(&[inner]))
    });
    let nested = zip(&[nested]);
    let at = |max_depth| {
        open_files(
            &[("u.zip", nested.clone())],
            Limits {
                max_depth,
                ..Limits::default()
            },
            &[],
        )
    };
    assert_eq!(at(6).members.len(), 7);
    let case = at(5);
    assert_eq!(
        (case.members.len(), codes(&case.members[5])),
        (6, vec!["BundleDepthLimit"])
    );
}

#[test]
fn repeated_archives_are_taken_apart_once() {
    // 16 times 16 times … the same archive is how 42.zip gets to petabytes.
    let mut inner = zip(&[deflated("0.bin", &vec![0; 100_000])]);
    for _ in 0..5 {
        let copies: Vec<Entry> = (0..16)
            .map(|i| stored(&format!("lib{i:02}.zip"), &inner))
            .collect();
        inner = zip(&copies);
    }
    let case = open_one("u.zip", inner);
    assert_eq!(case.members.len(), 1 + 5 * 16 + 1);
    assert_eq!(
        case.members
            .iter()
            .filter(|m| codes(m).contains(&"BundleDuplicateArchive"))
            .count(),
        5 * 15
    );
}

#[test]
fn directory_and_data_that_disagree_are_told() {
    let renamed = Entry {
        local_name: Some(b"innocent.txt".to_vec()),
        ..stored("evil.exe", b"data")
    };
    let case = open_one("u.zip", with_good(vec![renamed]));
    assert_eq!(codes(member(&case, "u.zip!/evil.exe")), ["ZipHeaderMismatch"]);
    assert_good(&case);
    let nowhere = Entry {
        header_at: Some(7),
        local: false,
        ..stored("gone", b"data")
    };
    let case = open_one("u.zip", with_good(vec![nowhere]));
    assert_eq!(codes(member(&case, "u.zip!/gone")), ["ZipNoLocalHeader"]);
    assert_good(&case);
    let liar = Entry {
        size: 3,
        ..deflated("liar", &[b'x'; 5000])
    };
    let case = open_one("u.zip", with_good(vec![liar]));
    assert_eq!(member(&case, "u.zip!/liar").outcome, MemberOutcome::Failed);
    assert_good(&case);
    let wrong_crc = Entry {
        crc: 1,
        ..stored("crc", b"data")
    };
    let case = open_one("u.zip", with_good(vec![wrong_crc]));
    assert_eq!(
        (
            bytes_of(member(&case, "u.zip!/crc")).as_slice(),
            codes(member(&case, "u.zip!/crc"))
        ),
        (b"data".as_slice(), vec!["BundleDamagedEntry"])
    );
    assert_good(&case);
    let case = open_one("u.zip", zip_with(b"", &[stored("good.txt", GOOD)], b"", 5));
    assert_eq!(codes(&case.members[0]), ["ZipCountMismatch"]);
    assert_good(&case);
}

#[test]
fn unknown_methods_and_ciphers_are_named() {
    let case = open_one(
        "u.zip",
        with_good(vec![
            Entry {
                method: 6,
                ..stored("implode", b"x")
            },
            Entry {
                flags: 0x41,
                ..stored("strong", b"x")
            },
        ]),
    );
    assert_eq!(codes(member(&case, "u.zip!/implode")), ["ZipMethodUnsupported"]);
    assert_eq!(
        codes(member(&case, "u.zip!/strong")),
        ["ZipEncryptionUnsupported"]
    );
    assert_good(&case);
}

#[test]
fn a_prefix_before_the_archive_does_not_hide_it() {
    let case = open_one(
        "setup.zip",
        zip_with(
            b"MZ\x90\0 self extractor",
            &[stored("good.txt", GOOD)],
            b"comment",
            1,
        ),
    );
    assert_eq!(case.members[0].kind, Kind::Executable);
    let case = open_one(
        "mail.zip",
        zip_with(b"\0\x01\x02\x03\x04", &[stored("good.txt", GOOD)], b"comment", 1),
    );
    assert_good(&case);
    assert_eq!(
        case.members[0].container.as_ref().unwrap().comment.as_deref(),
        Some("comment")
    );
}

#[test]
fn a_cut_zip_gives_the_entries_before_the_cut() {
    let entries = vec![
        stored("a.txt", b"first"),
        Entry {
            flags: 8,
            ..deflated("streamed.txt", &noise(3000))
        },
        stored("good.txt", GOOD),
        deflated("last.bin", &noise(10_000)),
    ];
    let bytes = zip(&entries);
    let directory = bytes.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    for cut in [directory, directory + 20, bytes.len() - 10, directory - 4000] {
        let case = open_one("u.zip", bytes[..cut].to_vec());
        assert_eq!(codes(&case.members[0]), ["ZipDirectoryLost"], "{cut}");
        assert_eq!(bytes_of(member(&case, "u.zip!/a.txt")), b"first");
        assert_eq!(bytes_of(member(&case, "u.zip!/streamed.txt")), noise(3000));
        assert_good(&case);
    }
    let case = open_one("u.zip", bytes[..directory - 4000].to_vec());
    let last = member(&case, "u.zip!/last.bin");
    assert_eq!(last.outcome, MemberOutcome::Partial);
    assert!(last.size > 1000 && noise(10_000).starts_with(&bytes_of(last)));
}

#[test]
fn damaged_folders_cost_only_their_own_files() {
    let data = noise(100_000);
    let mut broken = mszip_folder(&data);
    broken.blocks[1].0.iter_mut().skip(2).for_each(|b| *b = 0xff);
    let files = [
        cab_file("before", 30_000, 0, 0),
        cab_file("across", 40_000, 30_000, 0),
        cab_file("after", 30_000, 70_000, 0),
        cab_file("good.txt", GOOD.len(), 0, 1),
    ];
    let case = open_one("u.cab", cab(&[broken, stored_folder(GOOD)], &files, (None, None)));
    assert_eq!(bytes_of(member(&case, "u.cab!/before")), data[..30_000]);
    let across = member(&case, "u.cab!/across");
    assert_eq!((across.outcome, across.size), (MemberOutcome::Partial, 2768));
    assert_eq!(codes(member(&case, "u.cab!/after")), ["CabFileLost"]);
    assert_good(&case);
}

#[test]
fn a_wrong_checksum_is_told_and_the_bytes_are_kept() {
    let data = noise(100_000);
    for mut folder in [stored_folder(&data), mszip_folder(&data), lzx_folder(&data)] {
        folder.bad_sum = Some(1);
        let files = [cab_file("a", 20_000, 0, 0), cab_file("b", 80_000, 20_000, 0)];
        let case = open_one("u.cab", cab(&[folder], &files, (None, None)));
        assert_eq!(codes(&case.members[0]), ["CabChecksum"]);
        assert!(codes(member(&case, "u.cab!/a")).is_empty());
        assert_eq!(codes(member(&case, "u.cab!/b")), ["CabChecksum"]);
        assert!(bytes_of(member(&case, "u.cab!/b")) == data[20_000..]);
    }
}

#[test]
fn parts_of_a_set_say_which_part_is_missing() {
    let data = noise(40_000);
    let files = [
        cab_file("good.txt", GOOD.len(), 0, 0),
        cab_file("tail", 100_000, GOOD.len(), 0xfffe),
    ];
    let first = cab(
        &[stored_folder(&[GOOD, &data].concat())],
        &files,
        (None, Some("two.cab")),
    );
    let case = open_one("u.cab", first);
    assert_good(&case);
    let tail = member(&case, "u.cab!/tail");
    assert_eq!(
        (tail.outcome, bytes_of(tail) == data),
        (MemberOutcome::Partial, true)
    );
    assert!(codes(tail).contains(&"CabOtherPart"));
    let second = cab(
        &[stored_folder(&data), stored_folder(GOOD)],
        &[
            cab_file("tail", 9, 0, 0xfffd),
            cab_file("good.txt", GOOD.len(), 0, 1),
        ],
        (Some("one.cab"), None),
    );
    let case = open_one("u.cab", second);
    assert_good(&case);
    assert_eq!(
        (
            member(&case, "u.cab!/tail").outcome,
            codes(member(&case, "u.cab!/tail"))
        ),
        (MemberOutcome::Missing, vec!["CabOtherPart"])
    );
}

#[test]
fn cabinet_tricks_are_harmless() {
    let files = [
        cab_file("good.txt", GOOD.len(), 0, 0),
        cab_file("beyond", 10, 0x7fff_0000, 0),
        cab_file("huge", 0xffff_ffff, 3, 0),
        cab_file("same", GOOD.len(), 0, 0),
        cab_file("nowhere", 5, 0, 9),
        cab_file("..\\..\\up", 0, 0, 0),
    ];
    let case = open_one("u.cab", cab(&[stored_folder(GOOD)], &files, (None, None)));
    assert_good(&case);
    assert_eq!(case.members.len(), 7);
    assert_eq!(codes(member(&case, "u.cab!/nowhere")), ["CabOtherPart"]);
    let no_blocks = cab(
        &[Folder {
            method: 1,
            blocks: vec![],
            bad_sum: None,
        }],
        &[cab_file("x", 5, 0, 0)],
        (None, None),
    );
    assert_eq!(
        open_one("u.cab", no_blocks).members[1].outcome,
        MemberOutcome::Failed
    );
    let quantum = cab(
        &[Folder {
            method: 0x1472,
            ..stored_folder(GOOD)
        }],
        &[cab_file("x", 5, 0, 0)],
        (None, None),
    );
    assert_eq!(
        codes(&open_one("u.cab", quantum).members[0]),
        ["CabMethodUnsupported"]
    );
}

#[test]
fn every_cut_and_every_flipped_byte_is_survived() {
    let data = noise(700);
    let text = b"some text that compresses, compresses, compresses".repeat(20);
    let samples = [
        (
            "u.zip",
            zip(&[
                deflated("a", &text),
                Entry {
                    flags: 8,
                    ..deflated("b", &data)
                },
                stored("c", &data),
            ]),
        ),
        (
            "u.cab",
            cab(
                &[
                    mszip_folder(&text),
                    Folder {
                        method: 0x0f03,
                        ..lzx_folder(&data)
                    },
                    stored_folder(&data),
                ],
                &[
                    cab_file("a", text.len(), 0, 0),
                    cab_file("b", 700, 0, 1),
                    cab_file("c", 700, 0, 2),
                ],
                (None, None),
            ),
        ),
        ("u.gz", gzip(&text)),
    ];
    for (name, bytes) in samples {
        for at in (0..bytes.len()).step_by(5) {
            open_one(name, bytes[..at].to_vec());
            for flip in [0xff, 0x01] {
                let mut damaged = bytes.clone();
                damaged[at] ^= flip;
                open_one(name, damaged);
            }
        }
    }
}
