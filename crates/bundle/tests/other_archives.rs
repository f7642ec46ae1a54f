//! Tar, 7z, xz and zstd: whole, damaged, encrypted, hostile; and archives nobody here opens.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::io::Write;

use casetrace_bundle::{Encryption, Kind, MemberOutcome, Modified};
use casetrace_model::Limits;
use casetrace_synth::archive::{LongNames, Member, SevenZip, Tar};
use support::*;

/// 2 March 2026, 10:00 UTC, as the builders say.
const MADE: i64 = 1_772_445_600_000_000_000;

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let options = lzma_rust2::XzOptions::with_preset(1);
    let mut out = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn zst(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn lines(n: usize) -> Vec<u8> {
    (0..n)
        .flat_map(|i| format!("line {i} of a log\r\n").into_bytes())
        .collect()
}

fn small_tar() -> Tar {
    Tar::new()
        .typed(Member::new("Authlogs/", ""), b'5')
        .member(Member::new("Authlogs/Dsregcmd.txt", "AzureAdJoined : NO\r\n"))
        .member(Member::new("Authlogs/big.log", lines(3000)))
        .member(Member::new("Authlogs/empty.txt", ""))
        .member(Member::new("last.txt", "the end"))
}

#[test]
fn a_tar_in_any_compression_gives_its_files() {
    for (name, inner, bytes) in [
        ("logs.tar", "logs.tar!/", small_tar().build()),
        ("logs.tar.gz", "logs.tar.gz!/logs.tar!/", gz(&small_tar().build())),
        ("logs.tgz", "logs.tgz!/logs.tar!/", gz(&small_tar().build())),
        ("logs.tar.xz", "logs.tar.xz!/logs.tar!/", xz(&small_tar().build())),
        ("logs.tzst", "logs.tzst!/logs.tar!/", zst(&small_tar().build())),
    ] {
        let case = open_one(name, bytes);
        let of = |path: &str| member(&case, &format!("{inner}{path}"));
        assert_eq!(bytes_of(of("Authlogs/big.log")), lines(3000), "{name}");
        assert_eq!(of("Authlogs/Dsregcmd.txt").modified, Some(Modified::Utc(MADE)));
        assert_eq!(of("Authlogs/empty.txt").outcome, MemberOutcome::Empty);
        assert_eq!(bytes_of(of("last.txt")), b"the end");
        let archive = member(&case, inner.trim_end_matches("!/"));
        assert_eq!(
            (archive.kind, archive.outcome),
            (Kind::Tar, MemberOutcome::Ok),
            "{:?}",
            archive.diagnostics
        );
        assert_eq!(archive.container.as_ref().unwrap().entries, 4);
    }
}

#[test]
fn long_names_of_both_sorts_and_names_that_climb() {
    let long = format!("{}/log.txt", vec!["0123456789"; 20].join("/"));
    for how in [LongNames::Gnu, LongNames::Pax] {
        let tar = Tar::new()
            .long_names(how)
            .member(Member::new(&long, "1"))
            .member(Member::new("../../etc/passwd", "2"))
            .typed(Member::new("link", ""), b'2')
            .member(Member::new("日本語.txt", "3"));
        let case = open_one("a.tar", tar.build());
        assert_eq!(
            bytes_of(member(&case, &format!("a.tar!/{long}"))),
            b"1",
            "{how:?}"
        );
        assert_eq!(bytes_of(member(&case, "a.tar!/日本語.txt")), b"3");
        assert_eq!(codes(member(&case, "a.tar!/link")), ["BundleNotRegular"]);
        let climbing = case.members.iter().find(|m| m.name == "passwd").unwrap();
        assert_eq!(
            (codes(climbing), climbing.path.contains("..")),
            (vec!["BundleUnsafePath"], false)
        );
        assert_eq!(member(&case, "a.tar").outcome, MemberOutcome::Ok);
    }
}

#[test]
fn a_damaged_tar_header_costs_its_own_file() {
    let mut bytes = small_tar().build();
    // The header of big.log stands behind a folder, a header and a block.
    bytes[3 * 512 + 10] ^= 0xff;
    let case = open_one("a.tar", bytes.clone());
    let root = member(&case, "a.tar");
    assert_eq!(
        (root.outcome, codes(root)),
        (MemberOutcome::Partial, vec!["TarDamagedHeader"])
    );
    assert_eq!(root.diagnostics[0].offset, Some(3 * 512));
    let kept = [
        "a.tar",
        "a.tar!/Authlogs/Dsregcmd.txt",
        "a.tar!/Authlogs/empty.txt",
        "a.tar!/last.txt",
    ];
    assert_eq!(paths(&case), kept);

    let whole = small_tar().build();
    let case = open_one("a.tar", whole[..20_000].to_vec());
    let cut = member(&case, "a.tar!/Authlogs/big.log");
    assert_eq!(
        (cut.outcome, codes(cut)),
        (MemberOutcome::Partial, vec!["BundleDamagedEntry"])
    );
    assert_eq!(bytes_of(cut), lines(3000)[..20_000 - 4 * 512]);
}

#[test]
fn a_name_of_megabytes_is_not_read() {
    let tar = Tar::new()
        .typed(Member::new("././@LongLink", vec![b'a'; 3 << 20]), b'L')
        .member(Member::new("short.txt", "1"))
        .member(Member::new("next.txt", "2"));
    let case = open_one("a.tar", tar.build());
    assert_eq!(case.members.len(), 3);
    assert!(case.members.iter().all(|m| m.path.len() < 5000));
    assert_eq!(bytes_of(member(&case, "a.tar!/next.txt")), b"2");
}

fn two_blocks() -> SevenZip {
    SevenZip::new()
        .block([
            Member::new("Authlogs/a.txt", "first"),
            Member::new("Authlogs/b.log", lines(9000)),
        ])
        .block([Member::new("c.txt", "third")])
        .empty("nothing.txt")
}

#[test]
fn seven_zip_blocks_give_their_files() {
    for (what, archive, method) in [
        ("stored", two_blocks(), "COPY"),
        ("LZMA2", two_blocks().lzma2(), "LZMA2"),
    ] {
        let case = open_one("x.7z", archive.build());
        let root = member(&case, "x.7z");
        assert_eq!(
            (root.kind, root.outcome),
            (Kind::SevenZip, MemberOutcome::Ok),
            "{what}: {:?}",
            root.diagnostics
        );
        let facts = root.container.as_ref().unwrap();
        assert_eq!(
            (facts.entries, facts.methods.as_slice()),
            (4, [method.to_owned()].as_slice())
        );
        assert_eq!(
            bytes_of(member(&case, "x.7z!/Authlogs/a.txt")),
            b"first",
            "{what}"
        );
        assert_eq!(
            bytes_of(member(&case, "x.7z!/Authlogs/b.log")),
            lines(9000),
            "{what}"
        );
        assert_eq!(bytes_of(member(&case, "x.7z!/c.txt")), b"third", "{what}");
        assert_eq!(member(&case, "x.7z!/nothing.txt").outcome, MemberOutcome::Empty);
        assert_eq!(member(&case, "x.7z!/c.txt").modified, Some(Modified::Utc(MADE)));
    }
}

#[test]
fn an_encrypted_seven_zip_needs_its_password() {
    let bytes = two_blocks().encrypted("Pässw0rd!", 6).build();
    let open = |passwords: &[&str]| open_files(&[("x.7z", bytes.clone())], Limits::default(), passwords);

    let case = open(&["wrong", "Pässw0rd!"]);
    let b = member(&case, "x.7z!/Authlogs/b.log");
    assert_eq!(
        (b.outcome, b.encryption),
        (MemberOutcome::Ok, Some(Encryption::SevenZipAes)),
        "{:?}",
        b.diagnostics
    );
    assert_eq!(bytes_of(b), lines(9000));
    assert_eq!(member(&case, "x.7z").outcome, MemberOutcome::Ok);

    for (passwords, text) in [
        (&[][..], "Ask for the password"),
        (&["wrong"][..], "none of the given"),
    ] {
        let case = open(passwords);
        let root = member(&case, "x.7z");
        assert_eq!(
            (root.outcome, codes(root)),
            (MemberOutcome::Partial, vec!["SevenZipEncrypted"])
        );
        assert!(root.diagnostics[0].message.contains(text));
        assert_eq!(root.container.as_ref().unwrap().locked, 3);
        let b = member(&case, "x.7z!/Authlogs/b.log");
        assert_eq!((b.outcome, b.is_readable()), (MemberOutcome::Skipped, false));
    }
}

/// Puts a byte into the header, and the right sums over it.
fn with_byte(mut archive: Vec<u8>, at: usize, byte: u8) -> Vec<u8> {
    archive[at] = byte;
    let header = u64::from_le_bytes(archive[12..20].try_into().unwrap()) as usize + 32;
    let sum = crc32(&archive[header..]);
    archive[28..32].copy_from_slice(&sum.to_le_bytes());
    let sum = crc32(&archive[12..32]);
    archive[8..12].copy_from_slice(&sum.to_le_bytes());
    archive
}

#[test]
fn keys_that_take_ages_are_not_derived() {
    let bytes = SevenZip::new()
        .block([Member::new("a.txt", "1")])
        .encrypted("x", 0)
        .build();
    // The power stands in the lower six bits of the property in front of the vector's length.
    let at = bytes.windows(2).rposition(|pair| pair == [0x40, 0x0f]).unwrap();
    let case = open_files(
        &[("x.7z", with_byte(bytes, at, 0x40 | 40))],
        Limits::default(),
        &["x"],
    );
    let file = member(&case, "x.7z!/a.txt");
    assert_eq!(
        (file.outcome, codes(file)),
        (MemberOutcome::Skipped, vec!["SevenZipEntryEncrypted"])
    );
}

#[test]
fn dictionaries_of_gigabytes_are_not_allocated() {
    let bytes = SevenZip::new().block([Member::new("a.txt", "1")]).lzma2().build();
    let at = bytes
        .windows(4)
        .rposition(|coder| coder == [0x21, 0x21, 1, 8])
        .unwrap()
        + 3;
    let case = open_one("x.7z", with_byte(bytes, at, 39));
    let file = member(&case, "x.7z!/a.txt");
    assert_eq!(
        (file.outcome, codes(file)),
        (MemberOutcome::Failed, vec!["SevenZipMethodUnsupported"])
    );
}

#[test]
fn damage_in_a_block_leaves_the_other_blocks() {
    for archive in [two_blocks(), two_blocks().lzma2()] {
        let mut bytes = archive.build();
        bytes[32 + 70_000] ^= 1;
        let case = open_one("x.7z", bytes);
        assert_eq!(bytes_of(member(&case, "x.7z!/Authlogs/a.txt")), b"first");
        assert_eq!(bytes_of(member(&case, "x.7z!/c.txt")), b"third");
        let b = member(&case, "x.7z!/Authlogs/b.log");
        assert_eq!(b.outcome, MemberOutcome::Partial, "{:?}", b.diagnostics);
        assert!(bytes_of(b).starts_with(&lines(2000)));
        assert_eq!(member(&case, "x.7z").outcome, MemberOutcome::Partial);
    }
}

#[test]
fn a_seven_zip_without_its_end_is_said_to_be_cut() {
    let bytes = two_blocks().build();
    for len in [9, 31, 40, bytes.len() - 1] {
        let case = open_one("x.7z", bytes[..len].to_vec());
        let root = member(&case, "x.7z");
        assert_eq!(
            (root.outcome, codes(root)),
            (MemberOutcome::Failed, vec!["SevenZipUnreadable"]),
            "{len}"
        );
    }
}

#[test]
fn zeros_that_expand_too_far_are_cut_in_every_format() {
    let limits = Limits {
        max_ratio: 10,
        ..Limits::default()
    };
    let zeros = vec![0; 80 << 20];
    let mut seven_zip = sevenz_rust2::ArchiveWriter::new(std::io::Cursor::new(Vec::new())).unwrap();
    // One block, as 7-Zip makes it.
    let entries = ["a", "b"].map(sevenz_rust2::ArchiveEntry::new_file);
    let contents = [zeros.as_slice(), b"behind"].map(sevenz_rust2::SourceReader::new);
    seven_zip
        .push_archive_entries(entries.to_vec(), contents.into_iter().collect())
        .unwrap();
    let case = open_files(&[("a.7z", seven_zip.finish().unwrap().into_inner())], limits, &[]);
    let inner = member(&case, "a.7z!/a");
    assert_eq!(
        (inner.outcome, codes(inner)),
        (MemberOutcome::Partial, vec!["BundleSizeLimit"])
    );
    let behind = member(&case, "a.7z!/b");
    assert_eq!(
        (behind.outcome, codes(behind)),
        (MemberOutcome::Skipped, vec!["BundleSizeLimit"])
    );

    for (name, bytes) in [("a.xz", xz(&zeros)), ("a.zst", zst(&zeros))] {
        let case = open_files(&[(name, bytes)], limits, &[]);
        let inner = member(&case, &format!("{name}!/a"));
        assert_eq!(
            (inner.outcome, codes(inner)),
            (MemberOutcome::Partial, vec!["BundleSizeLimit"]),
            "{name}"
        );
    }
}

#[test]
fn streams_cut_short_keep_what_came_before() {
    let plain = noise(600_000);
    for (name, bytes) in [("a.txt.xz", xz(&plain)), ("a.txt.zst", zst(&plain))] {
        let case = open_one(name, bytes[..bytes.len() / 2].to_vec());
        let inner = member(&case, &format!("{name}!/a.txt"));
        assert_eq!(inner.outcome, MemberOutcome::Partial, "{name}");
        let got = bytes_of(inner);
        assert!(
            got.len() > 100_000 && plain.starts_with(&got),
            "{name}: {}",
            got.len()
        );
    }
}

#[test]
fn archives_nobody_opens_are_named_with_what_to_do() {
    for (name, bytes, format) in [
        ("logs.rar", b"Rar!\x1a\x07\x01\0rest".as_slice(), "RAR"),
        ("logs.tar.bz2", b"BZh91AY&SYrest", "bzip2"),
        ("boot.wim", b"MSWIM\0\0\0rest", "WIM"),
    ] {
        let case = open_one(name, bytes.to_vec());
        let root = member(&case, name);
        assert_eq!(
            (root.kind, root.outcome),
            (Kind::OtherArchive, MemberOutcome::Skipped),
            "{name}"
        );
        assert_eq!(codes(root), ["BundleArchiveUnread"]);
        assert!(
            root.diagnostics[0].message.contains(format),
            "{}",
            root.diagnostics[0].message
        );
    }
}
