//! The same protocol over object stores.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::stores::{Server, servers};
use crate::trial::{Place, kill};

/// A call of `run` for the store's places.
fn with<'a>(server: &Server, more: &[&'a str]) -> Vec<&'a str> {
    let mut all = vec!["run"];
    all.extend(server.places());
    all.extend(more);
    all
}

#[test]
fn a_share_and_an_output_in_a_store() {
    for server in servers() {
        share_and_output(&server, &Place::new());
    }
}

fn share_and_output(server: &Server, place: &Place) {
    server.make_places();
    for at in 0..4 {
        let key = format!("/uploads/in/case{at}/a/log.txt");
        server.put(&key, &format!("content {at}"));
    }
    server.put("/uploads/in/lone.zip", "pk");
    let first = server.run(place, &with(server, &["jobs=2"]));
    assert_eq!(
        first.code(),
        0,
        "{} {}",
        first.text(),
        String::from_utf8_lossy(&first.0.stderr)
    );
    assert_eq!(first.last()["ended"]["published"], 5);
    assert_eq!(server.keys("night/manifests/").len(), 5);
    assert_eq!(server.keys("night/timeline/month=2026-03/").len(), 5);
    assert_eq!(server.keys("night/leases/").len(), 0);
    // Hashes of uploads younger than three seconds are not kept: those are read again.
    let again = server.run(place, &with(server, &[])).last();
    let count = |pointer: &str| again.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    assert_eq!(
        count("/planned/published") + count("/ended/already"),
        5,
        "{again}"
    );
    second_writer_loses(server, place);
    damaged_manifest_is_replaced(server, place);
}

/// One worker is held up just before its conditional PUT; another publishes; the first gets 412.
fn second_writer_loses(server: &Server, place: &Place) {
    server.put("/uploads/in/race/log.txt", "race");
    let go = format!("go={}", place.path("go").display());
    let mut arguments = with(server, &["stop-at=synced"]);
    arguments.push(&go);
    let mut held = server
        .command(place, &arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(held.stdout.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("reached") {
        line.clear();
        assert!(out.read_line(&mut line).unwrap() > 0);
    }
    let other = server.run(place, &with(server, &["lease-ms=0"])).last();
    assert_eq!(other["ended"]["published"], 1, "{other}");
    std::fs::write(place.path("go"), "").unwrap();
    let rest: Vec<String> = out.lines().map(Result::unwrap).collect();
    assert!(held.wait().unwrap().success());
    assert!(
        rest.iter().any(|line| line.contains("\"status\":\"lost_race\"")),
        "{rest:?}"
    );
    assert_eq!(server.keys("night/manifests/").len(), 6);
    let data: std::collections::BTreeSet<String> = server
        .keys("night/data/")
        .iter()
        .map(|key| key.rsplit_once('/').unwrap().0.to_owned())
        .collect();
    assert_eq!(data.len(), 6, "the loser's upload is gone");
}

fn damaged_manifest_is_replaced(server: &Server, place: &Place) {
    let key = server.keys("night/manifests/").pop().unwrap();
    server.put(&format!("/results/{key}"), "{ damaged");
    let ran = server.run(place, &with(server, &[]));
    assert_eq!(ran.last()["ended"]["published"], 1, "{}", ran.text());
    let body = server.get(&format!("/results/{key}"));
    assert!(serde_json::from_str::<Value>(&body).is_ok());
}

#[test]
fn a_worker_killed_over_a_store_leaves_nothing_visible() {
    for server in servers() {
        killed_worker(&server, &Place::new());
    }
}

fn killed_worker(server: &Server, place: &Place) {
    server.make_places();
    server.put("/uploads/in/case/log.txt", "content");
    let arguments = with(server, &["stop-at=synced", "lease-ms=1000"]);
    let mut worker = server
        .command(place, &arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(worker.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert!(line.starts_with("reached"));
    kill(worker);
    assert_eq!(server.keys("night/manifests/").len(), 0);
    // The store's times have whole seconds.
    std::thread::sleep(std::time::Duration::from_millis(2500));
    let ran = server.run(place, &with(server, &["lease-ms=1000"]));
    assert_eq!(ran.last()["ended"]["published"], 1, "{}", ran.text());
    assert_eq!(server.keys("night/manifests/").len(), 1);
    let mut janitor = vec!["janitor", "older-ms=0"];
    janitor.extend(server.places());
    let said = server.run(place, &janitor).last();
    assert!(said["stages_removed"].as_u64().unwrap() > 0, "{said}");
}
