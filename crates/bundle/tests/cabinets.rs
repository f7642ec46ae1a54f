//! Cabinets made to break or to hide: folders on folders, sizes that lie, windows that do not exist.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use casetrace_bundle::{Case, MemberOutcome};
use support::*;

const GOOD: &[u8] = b"good entry";

fn assert_good(case: &Case) {
    let good = member(case, "u.cab!/good.txt");
    assert_eq!(
        (bytes_of(good).as_slice(), good.outcome),
        (GOOD, MemberOutcome::Ok)
    );
}

/// The folder with one file of `size`, and a good one behind it.
fn with_good(folder: Folder, size: usize) -> Case {
    let files = [cab_file("x", size, 0, 0), cab_file("good.txt", GOOD.len(), 0, 1)];
    open_one("u.cab", cab(&[folder, stored_folder(GOOD)], &files, (None, None)))
}

#[test]
fn a_file_that_claims_the_whole_folder_hides_no_other() {
    let data = noise(9000);
    for liar in [u32::MAX as usize, 9000] {
        let files = [
            cab_file("liar", liar, 0, 0),
            cab_file("a", 3000, 0, 0),
            cab_file("b", 3000, 3000, 0),
            cab_file("empty", 0, 4000, 0),
            cab_file("c", 3000, 6000, 0),
            cab_file("third", 3000, 1000, 0),
        ];
        let case = open_one("u.cab", cab(&[mszip_folder(&data)], &files, (None, None)));
        for (name, at) in [("a", 0), ("b", 3000), ("c", 6000)] {
            let file = member(&case, &format!("u.cab!/{name}"));
            assert_eq!(bytes_of(file), data[at..at + 3000], "{name}");
        }
        assert_eq!(member(&case, "u.cab!/empty").outcome, MemberOutcome::Empty);
        // Two looks at the folder serve two layers of overlap, the third is refused.
        let refused: Vec<&str> = case
            .members
            .iter()
            .filter(|m| codes(m) == ["CabOverlap"])
            .map(|m| m.name.as_str())
            .collect();
        assert_eq!(refused, ["liar"]);
        assert_eq!(bytes_of(member(&case, "u.cab!/third")), data[1000..4000]);
    }
}

#[test]
fn folders_on_one_another_are_read_a_few_times_at_most() {
    // 4,000 folders of one name each, all on the same 200 kB: 800 MB of reading and decompressing.
    let data = noise(200_000);
    let folders = vec![stored_folder(&data); 1];
    let files: Vec<CabFile> = (0..4000)
        .map(|i| cab_file(&format!("{i:04}"), 200_000, 0, i))
        .collect();
    let one = cab(&folders, &files, (None, None));
    // The builder writes one folder entry; repeat it 4,000 times and move everything behind it.
    let (entry_at, grown) = (36, 8 * 3999_u32);
    let mut bytes = one[..entry_at].to_vec();
    let moved = |at: usize| u32::from_le_bytes(one[at..at + 4].try_into().unwrap()) + grown;
    bytes[16..20].copy_from_slice(&moved(16).to_le_bytes());
    bytes[8..12].copy_from_slice(&moved(8).to_le_bytes());
    bytes[26..28].copy_from_slice(&4000_u16.to_le_bytes());
    let folder = [&moved(entry_at).to_le_bytes(), &one[entry_at + 4..entry_at + 8]].concat();
    bytes.extend(folder.repeat(4000));
    bytes.extend_from_slice(&one[entry_at + 8..]);
    let case = open_one("u.cab", bytes);
    assert_eq!(case.members.len(), 4001);
    let read = case.members.iter().skip(1).filter(|m| m.is_readable()).count();
    assert!((1..=4).contains(&read), "{read}");
    assert_eq!(bytes_of(member(&case, "u.cab!/0000")), data);
    let refused = case.members.iter().filter(|m| codes(m) == ["CabOverlap"]);
    assert_eq!(refused.count(), 4000 - read);
}

#[test]
fn blocks_that_lie_about_their_expanded_size_cost_their_own_folder() {
    for size in [1_u16, 0x7fff, 0x8001, u16::MAX] {
        let mut folder = mszip_folder(&noise(20_000));
        folder.blocks[0].1 = size;
        let case = with_good(folder, 20_000);
        let file = member(&case, "u.cab!/x");
        assert_ne!(file.outcome, MemberOutcome::Ok, "{size}");
        assert!(!file.diagnostics.is_empty(), "{size}");
        assert_good(&case);
    }
    // Nothing announced: the first half of a block that continues in another cabinet.
    let mut folder = mszip_folder(&noise(20_000));
    folder.blocks[0].1 = 0;
    let case = with_good(folder, 20_000);
    assert!(codes(&case.members[0]).contains(&"CabFolderCut"));
    assert_good(&case);
}

#[test]
fn windows_that_do_not_exist_cost_their_own_folder() {
    for window in [0_u16, 1, 14, 26, 31, 0xff] {
        let folder = Folder {
            method: window << 8 | 3,
            ..lzx_folder(&noise(5000))
        };
        let case = with_good(folder, 5000);
        let file = member(&case, "u.cab!/x");
        assert!(
            file.outcome == MemberOutcome::Failed || file.outcome == MemberOutcome::Partial,
            "{window}: {:?}",
            file.outcome
        );
        assert!(!file.diagnostics.is_empty());
        assert_good(&case);
    }
}

#[test]
fn continuation_marks_without_another_cabinet_keep_what_is_here() {
    let data = [GOOD, &noise(900)].concat();
    for mark in [0xfffd_u16, 0xfffe, 0xffff] {
        let files = [
            cab_file("good.txt", GOOD.len(), 0, 0),
            cab_file("x", 900, GOOD.len(), mark),
        ];
        let case = open_one("u.cab", cab(&[stored_folder(&data)], &files, (None, None)));
        assert_good(&case);
        assert!(
            codes(member(&case, "u.cab!/x")).contains(&"CabOtherPart"),
            "{mark:x}"
        );
    }
}

#[test]
fn tables_that_announce_more_than_there_is_give_what_there_is() {
    let files = [cab_file("good.txt", GOOD.len(), 0, 0)];
    let good = cab(&[stored_folder(GOOD)], &files, (None, None));
    let table: [(usize, &[u8], &str); 4] = [
        (28, &[0xff, 0xff], "CabTables"),
        (8, &[0xff, 0xff, 0xff, 0x7f], "CabTruncated"),
        (40, &[0xff, 0xff], "CabFolderCut"),
        (32, &[0xaa, 0xaa], ""),
    ];
    for (at, lie, code) in table {
        let mut bytes = good.clone();
        bytes[at..at + lie.len()].copy_from_slice(lie);
        let case = open_one("u.cab", bytes);
        let told: Vec<&str> = case.members.iter().flat_map(codes).collect();
        assert!(code.is_empty() || told.contains(&code), "{at}: {told:?}");
        let found = case.members.iter().find(|m| m.path == "u.cab!/good.txt").unwrap();
        assert_eq!(bytes_of(found), GOOD, "{at}");
    }
}

#[test]
fn names_in_a_cabinet_are_labels_only() {
    let table = [
        ("..\\..\\up", "%2E%2E/%2E%2E/up", "BundleUnsafePath"),
        ("C:\\Windows\\x", "C%3A/Windows/x", "BundleUnsafePath"),
        ("\\\\server\\x", "server/x", "BundleUnsafePath"),
        ("LPT1", "LPT1", "BundleDeviceName"),
        ("a\u{202e}b", "a%E2%80%AEb", "BundleDeceptiveName"),
    ];
    for (name, path, code) in table {
        let files = [cab_file(name, 4, 0, 0), cab_file("good.txt", GOOD.len(), 4, 0)];
        let data = [b"data", GOOD].concat();
        let case = open_one("u.cab", cab(&[stored_folder(&data)], &files, (None, None)));
        let file = member(&case, &format!("u.cab!/{path}"));
        assert_eq!(bytes_of(file), b"data");
        assert!(codes(file).contains(&code), "{name}");
        assert_good(&case);
    }
}

#[test]
fn the_most_files_and_folders_a_cabinet_can_announce_take_bounded_time() {
    let folders = vec![stored_folder(b"x"); 60_000];
    let files: Vec<CabFile> = (0..60_000).map(|i| cab_file(&format!("{i}"), 1, 0, i)).collect();
    let started = std::time::Instant::now();
    let case = open_one("u.cab", cab(&folders, &files, (None, None)));
    assert_eq!(case.members.len(), 60_001);
    assert_eq!(bytes_of(member(&case, "u.cab!/59999")), b"x");
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}
