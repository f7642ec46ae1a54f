//! The labelled set: labels are consistent, every rule family occurs, and every file in it is valid.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::io::{Cursor, Read};

use casetrace_synth::archive::Member;
use casetrace_synth::scenario::all;

#[test]
fn labels_cover_every_family() {
    let set = all::scenarios();
    let names: BTreeSet<&str> = set.iter().map(|b| b.name).collect();
    assert_eq!(names.len(), set.len(), "names repeat");
    let troubled = set.iter().filter(|b| !b.expected.findings.is_empty()).count();
    let quiet = set
        .iter()
        .filter(|b| b.expected.findings.is_empty() && b.expected.data_quality.is_empty())
        .count();
    assert!(
        troubled >= 40 && quiet >= 10,
        "{troubled} with findings, {quiet} without"
    );
    let rules: BTreeSet<&str> = set
        .iter()
        .flat_map(|b| &b.expected.findings)
        .map(|f| f.rule_id)
        .collect();
    for family in [
        "PRE", "DISC", "AUTH", "JOIN", "PRT", "PIN", "PXY", "TLS", "DNS", "NET", "TIME", "FW", "CLI", "WB",
    ] {
        assert!(
            rules.iter().any(|r| r.starts_with(&format!("{family}-"))),
            "{family} is missing"
        );
    }
    assert!(rules.len() >= 50, "{} rules", rules.len());
}

#[test]
fn labels_do_not_contradict_themselves() {
    for bundle in all::scenarios() {
        let e = &bundle.expected;
        assert!(!e.summary.is_empty(), "{}", bundle.name);
        let expected: BTreeSet<&str> = e.findings.iter().map(|f| f.rule_id).collect();
        let clash = e
            .absent
            .iter()
            .chain(&e.refuted)
            .find(|r| expected.contains(*r) || e.allowed.contains(r));
        assert_eq!(clash, None, "{}", bundle.name);
        let first = e.findings.iter().filter(|f| f.rank == Some(1)).count();
        assert!(first <= 1, "{}", bundle.name);
    }
}

#[test]
fn every_file_is_valid() {
    let mut seen = [0usize; 4];
    for bundle in all::scenarios() {
        for file in &bundle.files {
            check(file, &format!("{}/{}", bundle.name, file.name), &mut seen);
        }
    }
    assert!(
        seen.iter().all(|n| *n > 5),
        "{seen:?} archives, logs, captures, traces"
    );
}

fn check(file: &Member, path: &str, seen: &mut [usize; 4]) {
    match file.name.rsplit('.').next().unwrap() {
        "zip" | "saz" => {
            seen[0] += 1;
            for member in unzip(&file.data) {
                check(&member, &format!("{path}!/{}", member.name), seen);
            }
        }
        "cab" => {
            seen[0] += 1;
            for member in uncab(&file.data) {
                check(&member, &format!("{path}!/{}", member.name), seen);
            }
        }
        "evtx" => {
            seen[1] += 1;
            let mut parser = evtx::EvtxParser::from_buffer(file.data.clone())
                .unwrap()
                .with_configuration(evtx::ParserSettings::new().validate_checksums(true));
            parser.records().for_each(|r| assert!(r.is_ok(), "{path}"));
        }
        "pcapng" | "pcap" => {
            seen[2] += 1;
            let mut reader = pcap_parser::create_reader(1 << 16, Cursor::new(&file.data)).unwrap();
            let end = loop {
                match reader.next() {
                    Ok((used, _)) => reader.consume(used),
                    Err(pcap_parser::PcapError::Incomplete(_)) => reader.refill().unwrap(),
                    Err(error) => break error,
                }
            };
            assert!(matches!(end, pcap_parser::PcapError::Eof), "{path}: {end:?}");
        }
        "etl" => {
            seen[3] += 1;
            let head = file
                .data
                .get(..0x4a)
                .unwrap_or_else(|| panic!("{path} is too short"));
            assert_eq!(head[0x36], 4, "{path}: first buffer's type");
        }
        _ => {}
    }
}

fn unzip(bytes: &[u8]) -> Vec<Member> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut out = vec![];
    for index in 0..archive.len() {
        // Encrypted members open only with their password, which another test covers.
        if let Ok(mut file) = archive.by_index(index) {
            let name = file.name().unwrap().into_owned();
            let mut data = vec![];
            file.read_to_end(&mut data).unwrap();
            out.push(Member { name, data });
        }
    }
    out
}

fn uncab(bytes: &[u8]) -> Vec<Member> {
    let mut cabinet = cab::Cabinet::new(Cursor::new(bytes)).unwrap();
    let names: Vec<String> = cabinet
        .folder_entries()
        .flat_map(|f| f.file_entries())
        .map(|f| f.name().to_owned())
        .collect();
    names
        .into_iter()
        .map(|name| {
            let mut data = vec![];
            cabinet.read_file(&name).unwrap().read_to_end(&mut data).unwrap();
            Member { name, data }
        })
        .collect()
}
