//! Archives whose tables lie about themselves: every lie is told, and what is true is still read.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeSet;

use casetrace_bundle::{Case, Kind, MemberOutcome};
use casetrace_model::Limits;
use support::*;

const GOOD: &[u8] = b"good entry";

fn assert_good(case: &Case) {
    let good = member(case, "u.zip!/good.txt");
    assert_eq!(
        (bytes_of(good).as_slice(), good.outcome),
        (GOOD, MemberOutcome::Ok)
    );
}

/// The entry, then a good one.
fn with_good(entry: Entry) -> Case {
    open_one("u.zip", zip(&[entry, stored("good.txt", GOOD)]))
}

#[test]
fn every_field_in_which_the_headers_disagree_is_named() {
    let table: [(&str, Entry); 5] = [
        (
            "name",
            Entry {
                local_name: Some(b"other".to_vec()),
                ..stored("x", b"data")
            },
        ),
        (
            "name",
            Entry {
                flags: 0x800,
                local_name: Some("結果.txt".into()),
                ..stored("結論.txt", b"data")
            },
        ),
        (
            "method",
            Entry {
                local_method: Some(8),
                ..stored("x", b"data")
            },
        ),
        (
            "size",
            Entry {
                local_size: Some(1 << 30),
                ..stored("x", b"data")
            },
        ),
        (
            "encryption",
            Entry {
                local_flags: Some(1),
                ..stored("x", b"data")
            },
        ),
    ];
    for (what, entry) in table {
        let name = String::from_utf8(entry.name.clone()).unwrap();
        let case = with_good(entry);
        let told = member(&case, &format!("u.zip!/{name}"));
        assert_eq!(codes(told), ["ZipHeaderMismatch"], "{what}");
        assert!(told.diagnostics[0].message.contains(what), "{what}");
        assert_eq!(bytes_of(told), b"data", "the directory is believed");
        assert!(codes(&case.members[0]).contains(&"ZipHeaderMismatch"));
        assert_good(&case);
    }
}

#[test]
fn a_directory_that_claims_encryption_costs_that_entry_only() {
    let case = with_good(Entry {
        flags: 1,
        local_flags: Some(0),
        ..stored("x", b"data")
    });
    let locked = member(&case, "u.zip!/x");
    assert_eq!(codes(locked), ["ZipHeaderMismatch", "ZipEntryEncrypted"]);
    assert_good(&case);
}

#[test]
fn one_entry_that_claims_the_whole_file_hides_nothing() {
    let entries: Vec<Entry> = (0..20)
        .map(|i| stored(&format!("f{i}.txt"), &noise(500 + i)))
        .collect();
    let mut all = vec![Entry {
        stored: Some(u32::MAX - 1),
        ..deflated("liar", &[b'x'; 5000])
    }];
    all.extend(entries);
    all.push(stored("good.txt", GOOD));
    let case = open_one("u.zip", zip(&all));
    for i in 0..20 {
        assert_eq!(
            bytes_of(member(&case, &format!("u.zip!/f{i}.txt"))),
            noise(500 + i)
        );
    }
    assert_eq!(bytes_of(member(&case, "u.zip!/liar")), [b'x'; 5000]);
    assert!(codes(member(&case, "u.zip!/liar")).contains(&"ZipTruncated"));
    assert!(codes(member(&case, "u.zip!/f0.txt")).contains(&"ZipOverlap"));
    assert_good(&case);
}

#[test]
fn a_quoting_bomb_counts_its_kernel_twice_at_most() {
    // Every entry's data is one stored deflate block that quotes the next header, then the next entry's data.
    let kernel = deflated("kernel", &vec![0; 1 << 20]);
    let mut tail = zip_open(b"", std::slice::from_ref(&kernel)).0;
    tail.truncate(30 + 6 + kernel.packed.len());
    let mut starts = Vec::new();
    for i in 0..30 {
        let header = tail.get(..30 + if i == 0 { 6 } else { 3 }).unwrap().to_vec();
        let mut packed = vec![0];
        packed.extend_from_slice(&(header.len() as u16).to_le_bytes());
        packed.extend_from_slice(&(!(header.len() as u16)).to_le_bytes());
        packed.extend_from_slice(&tail);
        let entry = Entry {
            packed,
            ..deflated(&format!("q{i:02}"), b"")
        };
        starts.push(entry.clone());
        let mut out = zip_open(b"", std::slice::from_ref(&entry)).0;
        out.truncate(33 + entry.packed.len());
        tail = out;
    }
    let len = tail.len();
    let mut directory = Vec::new();
    for entry in &starts {
        let at = len - 33 - entry.packed.len();
        let record = Entry {
            header_at: Some(at as u32),
            local: false,
            ..entry.clone()
        };
        directory.push(record);
    }
    directory.push(Entry {
        header_at: Some((len - 36 - kernel.packed.len()) as u32),
        local: false,
        ..kernel
    });
    let (records, _, records_len) = zip_open(b"", &directory);
    let end = end_record(0, 31, records_len, len as u32, b"");
    let case = open_one("u.zip", [tail, records, end].concat());
    let expanded: u64 = case.members.iter().skip(1).map(|m| m.size).sum();
    assert!(
        expanded <= 3 << 20,
        "{expanded} bytes out of 31 entries over one megabyte"
    );
    let refused = case
        .members
        .iter()
        .filter(|m| m.outcome == MemberOutcome::Skipped && codes(m).contains(&"ZipOverlap"));
    assert!(refused.count() >= 25);
    assert!(case.members.iter().any(|m| m.size == 1 << 20));
}

#[test]
fn hidden_entries_and_second_directories_are_told() {
    // An entry that only the data knows.
    let (hidden, ..) = zip_open(b"", &[stored("hidden.exe", b"data")]);
    let local_len = 30 + 10 + 4;
    let case = open_one(
        "u.zip",
        zip_with(&hidden[..local_len], &[stored("good.txt", GOOD)], b"", 1),
    );
    assert_eq!(codes(&case.members[0]), ["ZipUnlisted"]);
    assert_eq!(case.members[0].diagnostics[0].offset, Some(0));
    assert_good(&case);
    // A whole other archive in the comment's place: which of the two is read depends on the tool.
    let first = zip(&[stored("first.txt", b"1")]);
    let case = open_one("u.zip", zip_with(&first, &[stored("good.txt", GOOD)], b"", 1));
    let told = codes(&case.members[0]);
    assert!(
        told.contains(&"ZipSecondDirectory") && told.contains(&"ZipUnlisted"),
        "{told:?}"
    );
    assert_good(&case);
}

#[test]
fn parts_of_a_split_zip_say_so_and_what_is_here_is_read() {
    let elsewhere = Entry {
        disk: 0,
        header_at: Some(0x00ff_0000),
        local: false,
        ..stored("early.etl", &noise(900))
    };
    let here = Entry {
        disk: 2,
        ..stored("good.txt", GOOD)
    };
    let (mut last, at, len) = zip_open(b"", &[elsewhere, here]);
    last.extend_from_slice(&end_record(2, 2, len, at, b""));
    let case = open_one("u.zip", last);
    assert!(codes(&case.members[0]).contains(&"ZipOtherPart"));
    let early = member(&case, "u.zip!/early.etl");
    assert_eq!(
        (early.outcome, codes(early)),
        (MemberOutcome::Missing, vec!["ZipOtherPart"])
    );
    assert_good(&case);
    // The first part: signature, entries, no directory.
    let (first, at, _) = zip_open(b"", &[stored("good.txt", GOOD), stored("cut.bin", &noise(5000))]);
    let part = [b"PK\x07\x08", &first[..at as usize - 4000]].concat();
    let case = open_one("u.zip", part);
    assert_eq!(case.members[0].kind, Kind::Zip);
    assert_eq!(codes(&case.members[0]), ["ZipDirectoryLost", "ZipOtherPart"]);
    assert_eq!(member(&case, "u.zip!/cut.bin").outcome, MemberOutcome::Partial);
    assert_good(&case);
    // A disk number alone hides nothing: the data is here, under this name.
    let case = open_one(
        "u.zip",
        zip(&[Entry {
            disk: 7,
            ..stored("good.txt", GOOD)
        }]),
    );
    assert_good(&case);
}

#[test]
fn zip64_lies_lead_nowhere() {
    let entries = [stored("a.txt", b"first"), stored("good.txt", GOOD)];
    let (data, at, len) = zip_open(b"", &entries);
    let whole = |count: u64, size: u64, offset: u64| {
        let mut out = data.clone();
        out.extend_from_slice(&zip64_end(data.len() as u64, count, size, offset));
        out.extend_from_slice(&end_record(0, 2, len, at, b""));
        open_one("u.zip", out)
    };
    // True: no word about it.
    let case = whole(2, u64::from(len), u64::from(at));
    assert!(
        codes(&case.members[0]).is_empty(),
        "{:?}",
        codes(&case.members[0])
    );
    assert_good(&case);
    for (count, size, offset) in [
        (u64::MAX, u64::from(len), u64::from(at)),
        (2, u64::MAX, u64::from(at)),
        (2, u64::MAX, u64::MAX),
        (0, 0, 0),
        (1 << 40, 1 << 50, 3),
    ] {
        let case = whole(count, size, offset);
        let told = codes(&case.members[0]);
        assert!(
            told.contains(&"ZipCountMismatch"),
            "{count} {size} {offset}: {told:?}"
        );
        assert_good(&case);
    }
    // Saturated fields without, or with a short or impossible, zip64 field.
    let wide = [u64::MAX.to_le_bytes(), (1_u64 << 60).to_le_bytes()].concat();
    for extra in [
        vec![],
        extra(1, &[1, 2, 3]),
        extra(1, &wide),
        vec![1, 0, 0xff, 0xff],
    ] {
        let liar = Entry {
            extra,
            stored: Some(u32::MAX),
            size: u32::MAX,
            ..deflated("liar", b"data")
        };
        let case = with_good(liar);
        let told = codes(member(&case, "u.zip!/liar"));
        assert!(told.contains(&"ZipTruncated"), "{told:?}");
        assert_good(&case);
    }
}

#[test]
fn names_that_lie_about_their_encoding_are_read_and_told() {
    let name = |raw: &[u8], flags| Entry {
        name: raw.to_vec(),
        flags,
        ..stored("", b"data")
    };
    let path = |case: &Case| case.members[2].path.clone();
    // Flagged as UTF-8, but in CP932 and in CP437.
    let japanese = encoding_rs::SHIFT_JIS.encode("収集ログ/結果.txt").0.into_owned();
    let case = with_good(name(&japanese, 0x800));
    assert_eq!(path(&case), "u.zip!/収集ログ/結果.txt");
    assert_eq!(codes(&case.members[2]), ["BundleNameEncoding"]);
    assert_good(&case);
    // The overlong form of `../`, which is no UTF-8, leads nowhere.
    let case = with_good(name(b"x\xc0\xae\xc0\xae/up", 0x800));
    assert!(!path(&case).contains(".."));
    assert_eq!(codes(&case.members[2]), ["BundleNameEncoding"]);
    // Not flagged, but UTF-8.
    let case = with_good(name("結果.txt".as_bytes(), 0));
    assert_eq!(path(&case), "u.zip!/結果.txt");
    assert!(codes(&case.members[2]).is_empty());
}

#[test]
fn unicode_name_fields_count_only_for_the_name_they_were_made_for() {
    let with = |plain: &str, sum: u32, unicode: &[u8]| {
        let body = [&[1], sum.to_le_bytes().as_slice(), unicode].concat();
        let case = with_good(Entry {
            extra: extra(0x7075, &body),
            ..stored(plain, b"data")
        });
        assert_good(&case);
        let found = case.members.iter().find(|m| m.size == 4).unwrap();
        (
            found.path.clone(),
            codes(found).into_iter().map(str::to_owned).collect::<Vec<_>>(),
        )
    };
    let path = |name: &str| format!("u.zip!/{name}");
    let honest = with(
        "\u{f6}".repeat(3).as_str(),
        crc("ööö".as_bytes()),
        "ööö".as_bytes(),
    );
    assert_eq!(honest, (path("ööö"), vec![]));
    // Another entry's sum, broken UTF-8, nothing: the plain name stays.
    for (sum, unicode) in [
        (1, b"evil.exe".as_slice()),
        (crc(b"a.txt"), b"\xff\xfe"),
        (crc(b"a.txt"), b""),
    ] {
        assert_eq!(with("a.txt", sum, unicode), (path("a.txt"), vec![]));
    }
    // A plain name that needs no such field, and another one in it.
    let (shown, told) = with("a.txt", crc(b"a.txt"), b"../evil.exe");
    assert_eq!(shown, path("%2E%2E/evil.exe"));
    assert_eq!(told, ["ZipHeaderMismatch", "BundleUnsafePath"]);
}

#[test]
fn collisions_of_case_and_form_are_told_whatever_the_alphabet() {
    let pairs = [
        ("Ä.txt", "ä.txt"),
        ("ガ.txt", "カ\u{3099}.txt"),
        ("a.txt", "a.txt."),
        ("a.txt", "a.txt "),
        ("dir/A", "DIR/a"),
        ("Ω", "\u{2126}"),
    ];
    for (one, other) in pairs {
        let case = open_one("u.zip", zip(&[stored(one, b"1"), stored(other, b"2")]));
        assert_eq!(case.members.len(), 3, "{one} {other}");
        let told: Vec<&str> = case.members.iter().flat_map(codes).collect();
        assert!(told.contains(&"BundleNameCollision"), "{one} {other}: {told:?}");
    }
}

#[test]
fn a_file_and_a_folder_of_one_name_are_both_kept() {
    let case = open_one(
        "u.zip",
        zip(&[
            stored("x", b"file"),
            stored("x/y", b"below"),
            stored("x!/y", b"mark"),
        ]),
    );
    assert_eq!(bytes_of(member(&case, "u.zip!/x")), b"file");
    assert_eq!(bytes_of(member(&case, "u.zip!/x/y")), b"below");
    assert_eq!(bytes_of(member(&case, "u.zip!/x%21/y")), b"mark");
}

#[test]
fn a_cut_at_every_byte_of_the_directory_keeps_all_entries() {
    let entries = [stored("a.txt", b"first"), stored("good.txt", GOOD)];
    let bytes = zip(&entries);
    let directory = bytes.len() - 22 - 2 * 46 - 5 - 8;
    assert!(bytes[directory..].starts_with(b"PK\x01\x02"));
    for cut in directory..bytes.len() {
        let case = open_one("u.zip", bytes[..cut].to_vec());
        assert_eq!(bytes_of(member(&case, "u.zip!/a.txt")), b"first", "{cut}");
        assert_good(&case);
        assert_eq!(codes(&case.members[0]), ["ZipDirectoryLost"], "{cut}");
    }
}

#[test]
fn noise_in_the_directory_costs_no_data() {
    let entries: Vec<Entry> = (0..6)
        .map(|number| deflated(&format!("folder/{number}.txt"), &noise(300 + number)))
        .collect();
    let bytes = zip(&entries);
    let end = bytes.len() - 22;
    let start = end - 6 * (46 + 12);
    assert!(bytes[start..].starts_with(b"PK\x01\x02"));
    let contents = |case: &Case| -> BTreeSet<Vec<u8>> {
        let files = case.members.iter().filter(|m| m.parent.is_some());
        files.filter(|m| m.is_readable()).map(bytes_of).collect()
    };
    let all: BTreeSet<Vec<u8>> = (0..6).map(|number| noise(300 + number)).collect();
    assert_eq!(contents(&open_one("u.zip", bytes.clone())), all);
    for at in start..end {
        for (to, most) in [(end, 0), (at + 1, 1), ((at + 9).min(end), 2)] {
            let mut damaged = bytes.clone();
            for (byte, noise) in damaged[at..to].iter_mut().zip(noise(at + 4096).split_off(at)) {
                *byte ^= noise | 1;
            }
            let case = open_one("u.zip", damaged);
            let kept = contents(&case).intersection(&all).count();
            assert!(
                kept + most >= 6,
                "{kept} of 6 with noise in {at}..{to}: {:?}",
                codes(&case.members[0])
            );
            assert!(kept == 6 || case.members.iter().any(|m| !m.diagnostics.is_empty()));
        }
    }
}

#[test]
fn false_headers_side_by_side_take_linear_time() {
    // 400,000 local headers, each announcing the longest name and extra field: 26 GB, were all of it read.
    let one = [
        b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0".as_slice(),
        &4096_u16.to_le_bytes(),
        &u16::MAX.to_le_bytes(),
    ]
    .concat();
    let bytes = one.repeat(400_000);
    let started = std::time::Instant::now();
    let case = open_files(&[("u.zip", bytes)], Limits::default(), &[]);
    assert_eq!(case.members[0].outcome, MemberOutcome::Failed);
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

#[test]
fn damage_inside_a_compressed_entry_keeps_what_is_in_front_of_it() {
    let text: Vec<u8> = (0..6000)
        .flat_map(|i| format!("line {i} of a log\n").into_bytes())
        .collect();
    let entry = deflated("a.log", &text);
    let half = entry.packed.len() / 2;
    let mut broken = entry.clone();
    broken.packed[half..half + 40].fill(0xff);
    let case = with_good(broken);
    let member = member(&case, "u.zip!/a.log");
    assert_eq!(
        (member.outcome, codes(member)),
        (MemberOutcome::Partial, vec!["BundleDamagedEntry"])
    );
    let kept = bytes_of(member);
    assert!(kept.len() > text.len() / 3, "{} of {}", kept.len(), text.len());
    let same = kept.iter().zip(&text).take_while(|(a, b)| a == b).count();
    assert!(same > text.len() / 3, "{same} of {}", text.len());
    assert_good(&case);
    let mut packed = gzip(&text);
    let half = packed.len() / 2;
    packed[half..half + 40].fill(0xff);
    let case = open_one("a.log.gz", packed);
    assert!(
        case.members[1].size > text.len() as u64 / 3,
        "{}",
        case.members[1].size
    );
}
