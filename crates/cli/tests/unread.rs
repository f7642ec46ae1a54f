//! What nobody read, and what no rule knows, is said: an upload without a finding is not called healthy for it.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::path::Path;

use common::{json, run, stdout};
use serde_json::Value;

/// Verdict, ids of remarks, the whole report, and what the terminal shows, of an upload of these files.
fn report(files: &[(&str, &[u8])]) -> (String, Vec<String>, String, String) {
    let work = tempfile::tempdir().unwrap();
    let upload = work.path().join("upload");
    fs::create_dir(&upload).unwrap();
    for (name, bytes) in files {
        fs::write(upload.join(name), bytes).unwrap();
    }
    let output = run(work.path(), &["analyze", "upload", "-o", "case"]);
    let shown = stdout(&output);
    assert!(shown.contains("Report: "), "{shown}");
    assert!(!shown.contains("No failure"), "{shown}");
    let case = work.path().join("case");
    let markdown = fs::read_to_string(case.join("report.md")).unwrap();
    let verdict = section(&markdown, "Verdict").unwrap();
    (verdict, remarks(&case), markdown, shown)
}

fn remarks(case: &Path) -> Vec<String> {
    let findings = json(&case.join("findings.json"));
    let all = findings["data_quality"].as_array().unwrap();
    all.iter()
        .map(|remark| remark["id"].as_str().unwrap().to_owned())
        .collect()
}

fn section(markdown: &str, title: &str) -> Option<String> {
    let (_, rest) = markdown.split_once(&format!("## {title}\n"))?;
    Some(rest.split("\n## ").next()?.trim().to_owned())
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
const OUTLOOK: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0\0\0\0\0\0\0";
const RAR: &[u8] = b"Rar!\x1a\x07\x01\0\x33\x92\xb5\xe5\x0a\x01\x05\x06\0\x05\x01\x01\x80\x80\0";
/// An event as the Event Viewer copies it, with the clock of the computer that shows it.
fn event(id: u32, text: &str) -> String {
    format!(
        "Log Name:      Microsoft-Windows-User Device Registration/Admin\r\n\
         Source:        Microsoft-Windows-User Device Registration\r\nDate:          3/23/2026 10:00:00 AM\r\n\
         Event ID:      {id}\r\nTask Category: None\r\nLevel:         Error\r\nKeywords:      \r\nUser:          SYSTEM\r\n\
         Computer:      PC042\r\nDescription:\r\n{text}\r\n\r\n"
    )
}

const JOINED: &[u8] = b"\r\n+----------------------------------------------------------------------+\r\n\
| Device State                                                         |\r\n\
+----------------------------------------------------------------------+\r\n\r\n\
             AzureAdJoined : YES\r\n          EnterpriseJoined : NO\r\n              DomainJoined : NO\r\n\
               Device Name : PC042\r\n\r\n";

#[test]
fn an_upload_of_pictures_and_mails_says_nothing_about_failures() {
    let (verdict, remarks, ..) = report(&[("error.png", PNG), ("case.msg", OUTLOOK)]);
    assert!(verdict.starts_with("No record of a known form"), "{verdict}");
    assert!(remarks.contains(&"DQ-22".to_owned()), "{remarks:?}");
}

#[test]
fn an_archive_nobody_opens_limits_a_healthy_verdict() {
    let (verdict, remarks, ..) = report(&[("dsregcmd.txt", JOINED), ("logs.rar", RAR)]);
    assert!(
        verdict.starts_with("No failure of device registration"),
        "{verdict}"
    );
    assert!(
        verdict.contains("The data limits what this says: An archive could not be read (DQ-19)"),
        "{verdict}"
    );
    assert!(remarks.contains(&"DQ-19".to_owned()), "{remarks:?}");
}

#[test]
fn a_failure_without_a_rule_is_listed_and_explained() {
    // A token of the on-premises registration service: no rule knows its codes.
    let failed = event(
        304,
        "Automatic registration failed at authentication phase.  Unable to acquire access token. Exit code: Unknown HResult Error code: 0x801c0515.",
    );
    let (verdict, _, markdown, shown) = report(&[("events.txt", failed.repeat(2).as_bytes())]);
    assert!(
        shown.contains("One kind of failure is recorded that no finding explains"),
        "{shown}"
    );
    assert!(verdict.starts_with("No rule found a cause, but"), "{verdict}");
    let listed = section(&markdown, "Failures that no finding explains").unwrap();
    assert!(
        listed.contains("| 2 |") && listed.contains("`0x801c0515`"),
        "{listed}"
    );
    let codes = section(&markdown, "Codes in this case").unwrap();
    assert!(codes.contains("access token"), "{codes}");
}

#[test]
fn a_healthy_device_has_no_such_section() {
    let (verdict, _, markdown, _) = report(&[("dsregcmd.txt", JOINED)]);
    assert_eq!(
        verdict,
        "No failure of device registration, sign-in or command-line access is visible in the material."
    );
    assert_eq!(section(&markdown, "Failures that no finding explains"), None);
}

#[test]
fn a_time_without_a_zone_is_shown_as_the_clock_did() {
    let log = event(
        304,
        "Automatic registration failed at join phase.  Exit code: Unknown HResult Error code: 0x801c03f2. Server error: The device object by the given id (5820fbe9-60c8-43b0-bb11-44aee233e4e7) is not found.",
    );
    let work = tempfile::tempdir().unwrap();
    fs::write(work.path().join("event.txt"), log).unwrap();
    run(work.path(), &["analyze", "event.txt", "-o", "case", "-q"]);
    let findings = json(&work.path().join("case/findings.json"));
    let items: Vec<&Value> = findings["findings"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|finding| finding["evidence"].as_array().unwrap())
        .collect();
    assert!(
        items
            .iter()
            .any(|item| item["local_time"] == "2026-03-23T10:00:00"),
        "{findings:#}"
    );
    let markdown = fs::read_to_string(work.path().join("case/report.md")).unwrap();
    assert!(markdown.contains("| 2026-03-23 10:00:00 (local) |"), "{markdown}");
}
