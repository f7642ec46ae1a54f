//! Deaths, races, full disks, lost shares, damaged manifests, wrong clocks, signals.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use casetrace_batch::Step;

use crate::trial::{Place, children, kill, signal};

/// Three cases; the first worker dies by SIGKILL at each step of the protocol in turn, the second finishes everything.
#[test]
fn killed_after_every_step() {
    for step in Step::ALL {
        let place = Place::with_cases(3);
        let stop = format!("stop-at={}", step.as_str());
        kill(place.until_reached(&["run", "lease-ms=150", &stop]));
        let visible_early = place.published().len();
        let committed = matches!(step, Step::Committed | Step::Indexed | Step::Released);
        assert_eq!(visible_early > 0, committed, "{step:?}");
        std::thread::sleep(Duration::from_millis(200));
        let again = place.run(&["run", "lease-ms=150"]);
        assert_eq!(again.code(), 0, "{step:?}: {}", again.text());
        place.run(&["janitor", "older-ms=0"]);
        place.assert_whole(3);
        let third = place.run(&["run"]).last();
        assert_eq!(
            third["ended"]["published"],
            serde_json::Value::Null,
            "{step:?}: nothing is done twice"
        );
    }
}

#[test]
fn two_workers_on_one_key_publish_once() {
    let place = Place::with_cases(1);
    // The first one is past its lease in the eyes of the second (0 ms), and is held up just before its commit.
    let go = place.path("go");
    let go_argument = format!("go={}", go.display());
    let first = place.until_reached(&["run", "stop-at=synced", &go_argument]);
    let second = place.run(&["run", "lease-ms=0"]).last();
    assert_eq!(second["ended"]["published"], 1);
    fs::write(&go, "").unwrap();
    let first = first.wait_with_output().unwrap();
    assert!(first.status.success(), "losing a race is a success");
    let log = place.names("runs");
    assert_eq!(log.len(), 2);
    let logs: String = log
        .iter()
        .map(|name| fs::read_to_string(place.path("out/runs").join(name)).unwrap())
        .collect();
    assert_eq!(logs.matches("\"status\":\"lost_race\"").count(), 1);
    place.assert_whole(1);
}

#[test]
fn many_workers_on_one_share_publish_each_case_once() {
    let place = Place::with_cases(12);
    let workers: Vec<_> = (0..4)
        .map(|_| {
            place
                .command(&["run", "jobs=2", "lease-ms=5"])
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let ended: Vec<_> = workers
        .into_iter()
        .map(|w| w.wait_with_output().unwrap())
        .collect();
    let said: String = ended
        .iter()
        .map(|o| String::from_utf8_lossy(&o.stdout).into_owned())
        .collect();
    let lines = said.lines().filter(|line| line.contains("\"job_key\""));
    let published = lines
        .filter(|line| line.contains("\"status\":\"published\""))
        .count();
    assert_eq!(published, 12, "{said}");
    place.run(&["janitor", "older-ms=0"]);
    place.assert_whole(12);
}

/// Frozen (SIGSTOP) with results ready, past its lease; somebody else publishes; it wakes up and must lose.
#[test]
fn a_frozen_worker_loses() {
    let place = Place::with_cases(1);
    let go = place.path("go");
    let go_argument = format!("go={}", go.display());
    let frozen = place.until_reached(&["run", "lease-ms=200", "stop-at=sealed", &go_argument]);
    signal(&frozen, "STOP");
    let early = place.run(&["run", "lease-ms=60000", "once=1"]).last();
    assert_eq!(
        early["planned"]["leased"]
            .as_u64()
            .or(early["ended"]["leased"].as_u64()),
        Some(1)
    );
    std::thread::sleep(Duration::from_millis(300));
    let second = place.run(&["run", "lease-ms=200"]).last();
    assert_eq!(second["ended"]["published"], 1);
    let before = manifest_uuid(&place);
    fs::write(&go, "").unwrap();
    signal(&frozen, "CONT");
    assert!(frozen.wait_with_output().unwrap().status.success());
    assert_eq!(manifest_uuid(&place), before, "the later one replaced nothing");
    place.assert_whole(1);
}

fn manifest_uuid(place: &Place) -> String {
    let name = place.published().pop().unwrap();
    let manifest = crate::trial::read(&place.path("out/cases").join(name).join("_manifest.json"));
    manifest["uuid"].as_str().unwrap().to_owned()
}

/// The same at each step, as an error the disk gives.
#[test]
fn a_full_disk_at_every_step_loses_nothing() {
    for step in Step::ALL {
        let place = Place::with_cases(2);
        let fail = format!("fail-at={}", step.as_str());
        let full = place.run(&["run", &fail]);
        let late = matches!(step, Step::Committed | Step::Indexed | Step::Released);
        assert_eq!(
            full.code(),
            if late { 0 } else { 75 },
            "{step:?}: {}",
            full.text()
        );
        assert_eq!(
            place.stages(),
            Vec::<String>::new(),
            "{step:?}: the disk is not filled further"
        );
        assert_eq!(
            place.names("failed"),
            Vec::<String>::new(),
            "{step:?}: not the case's fault"
        );
        assert_eq!(place.run(&["run"]).code(), 0);
        place.assert_whole(2);
    }
}

/// A file system of 512 KiB that is really full, where we may mount one.
#[test]
fn a_disk_that_is_really_full() {
    let place = Place::with_cases(1);
    place.put("case000/poison", "fill");
    let out = place.path("out");
    fs::create_dir(&out).unwrap();
    let mount = |options: &str| {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(&out)
            .stderr(Stdio::null())
            .status();
        mounted.is_ok_and(|status| status.success())
    };
    if !mount("size=512k") {
        println!("skipped: no right to mount a small file system");
        return;
    }
    let full = place.run(&["run"]);
    let left = place.stages();
    let mounted_larger = mount("remount,size=16m");
    let again = place.run(&["run"]);
    let published = place.published().len();
    let unmounted = Command::new("umount").arg(&out).status();
    assert!(unmounted.unwrap().success() && mounted_larger);
    assert_eq!(full.code(), 75, "{}", full.text());
    assert_eq!(left, Vec::<String>::new());
    assert_eq!((again.code(), published), (0, 1), "{}", again.text());
}

#[test]
fn a_share_that_goes_and_comes_back() {
    let place = Place::with_cases(3);
    let go = place.path("go");
    let go_argument = format!("go={}", go.display());
    let worker = place.until_reached(&["run", "stop-at=leased", &go_argument]);
    fs::rename(place.path("share"), place.path("away")).unwrap();
    fs::write(&go, "").unwrap();
    let ended = worker.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(75));
    assert_eq!(
        place.run(&["run"]).code(),
        75,
        "a missing share is no empty share"
    );
    assert_eq!(place.names("failed"), Vec::<String>::new(), "no case is blamed");
    fs::rename(place.path("away"), place.path("share")).unwrap();
    assert_eq!(place.run(&["run"]).code(), 0);
    place.assert_whole(3);
}

#[test]
fn an_output_that_goes_before_the_commit() {
    let place = Place::with_cases(1);
    let go = place.path("go");
    let go_argument = format!("go={}", go.display());
    let worker = place.until_reached(&["run", "stop-at=synced", "attempts=1", &go_argument]);
    fs::rename(place.path("out"), place.path("away")).unwrap();
    fs::write(&go, "").unwrap();
    assert_eq!(worker.wait_with_output().unwrap().status.code(), Some(75));
    fs::rename(place.path("away"), place.path("out")).unwrap();
    assert_eq!(place.published().len(), 0);
    assert_eq!(place.run(&["run", "lease-ms=0"]).code(), 0);
    place.run(&["janitor", "older-ms=0"]);
    place.assert_whole(1);
}

#[test]
fn a_damaged_manifest_is_no_result() {
    let place = Place::with_cases(2);
    place.run(&["run"]);
    let damaged = place
        .path("out/cases")
        .join(&place.published()[0])
        .join("_manifest.json");
    for damage in ["", "{", "flip"] {
        let mut bytes = fs::read(&damaged).unwrap();
        match damage {
            "flip" => {
                let at = bytes.windows(8).position(|w| w == b"\"rows\": ").unwrap() + 8;
                bytes[at] ^= 1;
            }
            other => bytes = other.as_bytes().to_vec(),
        }
        fs::write(&damaged, bytes).unwrap();
        let again = place.run(&["run"]).last();
        assert_eq!(again["ended"]["published"], 1, "{damage:?}: done again");
        let mut aside = place.names("cases");
        aside.retain(|name| name.starts_with(".damaged-"));
        assert!(!aside.is_empty(), "kept for somebody to look at");
        place.assert_whole(2);
    }
}

#[test]
fn a_result_file_that_rots_is_found() {
    let place = Place::with_cases(2);
    place.run(&["run"]);
    let case = place.path("out/cases").join(&place.published()[1]);
    fs::write(case.join("report.md"), "rotten").unwrap();
    let said = place.run(&["janitor", "verify=1"]).last();
    let corrupt = said["corrupt"].as_array().unwrap();
    assert_eq!(corrupt.len(), 1);
    assert!(corrupt[0].as_str().unwrap().ends_with("/report.md"));
}

/// Workers whose clocks are an hour ahead and an hour behind: the lease holds while it is renewed, and ends when its holder is gone.
#[test]
fn clocks_an_hour_off() {
    let place = Place::with_cases(1);
    let ahead = place.until_reached(&["run", "clock-hours=1", "lease-ms=600", "stop-at=staged"]);
    std::thread::sleep(Duration::from_millis(900));
    for hours in ["clock-hours=-1", "clock-hours=1", "clock-hours=0"] {
        let other = place.run(&["run", hours, "lease-ms=600", "once=1"]).last();
        assert_eq!(place.published().len(), 0, "{hours}: {other}");
    }
    kill(ahead);
    std::thread::sleep(Duration::from_millis(700));
    let behind = place.run(&["run", "clock-hours=-1", "lease-ms=600"]).last();
    assert_eq!(behind["ended"]["published"], 1);
    place.run(&["janitor", "older-ms=0"]);
    place.assert_whole(1);
}

#[test]
fn a_fresh_upload_does_not_look_old_to_a_clock_an_hour_ahead() {
    let place = Place::with_cases(1);
    let plan = place.run(&["plan", "clock-hours=1", "stable-ms=60000"]).last();
    assert_eq!(plan["state"], "unstable");
    let plan = place.run(&["plan", "clock-hours=3", "stable-ms=60000"]).last();
    assert_eq!(plan["state"], "new");
}

#[test]
fn asked_to_end_it_finishes_or_cleans_up_within_ten_seconds() {
    let place = Place::with_cases(2);
    place.put("case000/poison", "hang");
    let worker = place
        .command(&["run", "jobs=1"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while place.stages().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(20), "did not start");
        std::thread::sleep(Duration::from_millis(10));
    }
    let asked = Instant::now();
    signal(&worker, "TERM");
    let ended = worker.wait_with_output().unwrap();
    assert!(asked.elapsed() < Duration::from_secs(10));
    assert_eq!(ended.status.code(), Some(75), "something is left");
    assert_eq!(place.stages(), Vec::<String>::new());
    assert_eq!(place.names("leases"), Vec::<String>::new());
    assert_eq!(
        place.names("failed"),
        Vec::<String>::new(),
        "being stopped is no fault"
    );
}

/// The child must not go on alone when its parent is killed.
#[test]
fn a_child_ends_with_its_parent() {
    let place = Place::with_cases(1);
    place.put("case000/poison", "hang");
    let worker = place.command(&["run"]).stdout(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    let child = loop {
        if let Some(id) = children(&worker).first() {
            break *id;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "no child");
        std::thread::sleep(Duration::from_millis(10));
    };
    kill(worker);
    let begun = Instant::now();
    while std::path::Path::new(&format!("/proc/{child}")).exists() {
        assert!(begun.elapsed() < Duration::from_secs(5), "the child goes on");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_same_key_gives_the_same_bytes() {
    let (a, b) = (Place::with_cases(1), Place::with_cases(1));
    for place in [&a, &b] {
        place.run(&["run"]);
    }
    let files = |place: &Place| {
        let name = place.published().pop().unwrap();
        let manifest = crate::trial::read(&place.path("out/cases").join(name).join("_manifest.json"));
        (manifest["job_key"].clone(), manifest["files"].clone())
    };
    assert_eq!(files(&a), files(&b));
}
