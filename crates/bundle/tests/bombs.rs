//! Archives that grow: into themselves, into each other, into numbers.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use casetrace_bundle::MemberOutcome;
use casetrace_model::Limits;
use support::*;

#[test]
fn a_quine_is_taken_apart_once() {
    let bytes = quine::gzip();
    let mut inner = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(bytes.as_slice()), &mut inner).unwrap();
    assert_eq!(inner, bytes, "the file is a true quine");
    let case = open_one("q.gz", bytes.clone());
    assert_eq!(paths(&case), ["q.gz", "q.gz!/q.gz"]);
    let itself = member(&case, "q.gz!/q.gz");
    assert_eq!(codes(itself), ["BundleQuine"]);
    assert_eq!(bytes_of(itself), bytes);
    // Among others, deeper down.
    let upload = zip(&[stored("logs/q.gz", &bytes), stored("good.txt", b"good")]);
    let case = open_one("u.zip", upload);
    assert_eq!(
        paths(&case),
        [
            "u.zip",
            "u.zip!/good.txt",
            "u.zip!/logs/q.gz",
            "u.zip!/logs/q.gz!/q.gz"
        ]
    );
    assert_eq!(bytes_of(member(&case, "u.zip!/good.txt")), b"good");
}

#[test]
fn the_same_archive_below_another_name_is_taken_apart_once() {
    let inner = zip(&[stored("x", b"x")]);
    let case = open_files(
        &[
            ("a.zip", inner.clone()),
            ("b.zip", zip(&[stored("a.zip", &inner)])),
        ],
        Limits::default(),
        &[],
    );
    assert_eq!(codes(member(&case, "b.zip!/a.zip")), ["BundleDuplicateArchive"]);
}

#[test]
fn nested_bombs_that_differ_everywhere_stop_at_the_case_limit() {
    // 42.zip repeats one archive; these are all different, so only the sum of what came out stops them.
    let level = |children: Vec<Vec<u8>>, salt: usize| {
        let mut entries: Vec<Entry> = children
            .iter()
            .enumerate()
            .map(|(i, child)| stored(&format!("{i}.zip"), child))
            .collect();
        entries.push(stored("salt", &salt.to_le_bytes()));
        zip(&entries)
    };
    let mut salt = 0;
    let mut layer: Vec<Vec<u8>> = (0_u8..16)
        .map(|i| zip(&[deflated("0.bin", &vec![i; 4 << 20])]))
        .collect();
    while layer.len() > 1 {
        layer = layer
            .chunks(4)
            .map(|children| {
                salt += 1;
                level(children.to_vec(), salt)
            })
            .collect();
    }
    let upload = zip(&[stored("a-good.txt", b"good"), stored("bomb.zip", &layer[0])]);
    let limits = Limits {
        max_total_bytes: 10 << 20,
        ..Limits::default()
    };
    let case = open_files(&[("u.zip", upload)], limits, &[]);
    let expanded: u64 = case.members.iter().skip(1).map(|m| m.size).sum();
    let declared: u64 = case
        .members
        .iter()
        .filter(|m| m.is_readable())
        .skip(1)
        .map(|m| m.size)
        .sum();
    assert!(declared <= 10 << 20, "{declared} bytes kept of {expanded}");
    assert!(case.members.iter().any(|m| codes(m).contains(&"BundleSizeLimit")));
    assert_eq!(bytes_of(member(&case, "u.zip!/a-good.txt")), b"good");
}

#[test]
fn a_million_entries_are_listed_up_to_the_limit_in_bounded_time() {
    let count = 1_000_000_usize;
    let mut out = Vec::with_capacity(count * 90);
    let mut directory = Vec::with_capacity(count * 54);
    for i in 0..count {
        let at = out.len() as u32;
        let name = format!("{i:07}");
        out.extend_from_slice(b"PK\x03\x04\x14\0\0\0\0\0\x40\x51\x62\x5a\0\0\0\0\0\0\0\0\0\0\0\0\x07\0\0\0");
        out.extend_from_slice(name.as_bytes());
        directory.extend_from_slice(
            b"PK\x01\x02\x14\0\x14\0\0\0\0\0\x40\x51\x62\x5a\0\0\0\0\0\0\0\0\0\0\0\0\x07\0",
        );
        directory.extend_from_slice(&[0; 12]);
        directory.extend_from_slice(&at.to_le_bytes());
        directory.extend_from_slice(name.as_bytes());
    }
    let at = out.len();
    out.extend_from_slice(&directory);
    let end = out.len() as u64;
    out.extend_from_slice(&zip64_end(end, count as u64, directory.len() as u64, at as u64));
    out.extend_from_slice(&end_record(0, u16::MAX, directory.len() as u32, at as u32, b""));
    let limits = Limits {
        max_members: 50_000,
        ..Limits::default()
    };
    let started = std::time::Instant::now();
    let case = open_files(&[("u.zip", out.clone())], limits, &[]);
    assert_eq!(case.members.len(), 50_000);
    assert!(codes(&case.members[0]).contains(&"BundleMemberLimit"));
    let left_out = case.members[0]
        .diagnostics
        .iter()
        .any(|d| d.message.contains("950001"));
    assert!(left_out, "{:?}", case.members[0].diagnostics);
    // Without a directory they have to be looked for.
    let lost = open_files(&[("u.zip", out[..at].to_vec())], limits, &[]);
    assert_eq!(lost.members.len(), 50_000);
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

#[test]
fn many_equal_names_stay_apart_in_linear_time() {
    let entries: Vec<Entry> = (0..30_000).map(|_| stored("same", b"")).collect();
    let started = std::time::Instant::now();
    let case = open_one("u.zip", zip(&entries));
    assert_eq!(case.members.len(), 30_001);
    assert_eq!(member(&case, "u.zip!/same#30000").outcome, MemberOutcome::Empty);
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}
