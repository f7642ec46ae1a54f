//! A case that crashes, hangs, or eats everything costs itself only.

use crate::trial::{Place, children, read};

/// What is in the case, how it is classified, how often it is tried.
const POISONS: &[(&str, &str, u64)] = &[
    ("abort", "crash", 2),
    ("panic", "crash", 2),
    ("hang", "hang", 2),
    ("eat", "memory", 1),
    ("big", "file_size", 1),
    ("unreadable", "unreadable", 1),
];

#[test]
fn each_kind_is_told_apart_recorded_and_left_alone_afterwards() {
    let place = Place::with_cases(4);
    for (at, (poison, ..)) in POISONS.iter().enumerate() {
        place.put(&format!("bad{at}/poison"), poison);
    }
    let arguments = ["run", "jobs=2", "time-ms=1500", "memory-mb=96"];
    let first = place.run(&arguments);
    assert_eq!(first.code(), 0, "{}", first.text());
    assert_eq!(
        first.last()["ended"]["failed"],
        POISONS.len() as u64,
        "{}",
        first.text()
    );
    assert_eq!(place.published().len(), 4, "the good ones are not harmed");
    let mut records: Vec<_> = place
        .names("failed")
        .iter()
        .map(|name| read(&place.path("out/failed").join(name)))
        .collect();
    records.sort_by_key(|r| r["path"].as_str().unwrap().to_owned());
    for (record, (poison, class, attempts)) in records.iter().zip(POISONS) {
        assert_eq!(record["class"], *class, "{poison}");
        assert_eq!(
            record["attempts"].as_array().unwrap().len() as u64,
            *attempts,
            "{poison}"
        );
        assert_eq!(record["permanent"], true, "{poison}");
        assert!(!record.to_string().contains("secret"), "no content in records");
    }
    assert!(
        records[1]["reason"].as_str().unwrap().contains("batch-trial.rs:"),
        "where it panicked"
    );
    place.run(&arguments);
    let tried: usize = place
        .names("failed")
        .iter()
        .map(|name| {
            read(&place.path("out/failed").join(name))["attempts"]
                .as_array()
                .unwrap()
                .len()
        })
        .sum();
    let wanted: u64 = POISONS.iter().map(|(.., attempts)| attempts).sum();
    assert_eq!(tried as u64, wanted, "not tried for ever");
    assert!(place.stages().is_empty());
}

#[test]
fn processor_time_is_bounded_even_if_the_parent_is_frozen() {
    let place = Place::with_cases(0);
    place.put("spin/poison", "spin");
    let worker = place.until_reached(&["run", "time-ms=1000", "stop-at=leased", "go=go"]);
    std::fs::write(place.path("go"), "").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(500));
    crate::trial::signal(&worker, "STOP");
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    // Its ceiling is the time limit on every core and two seconds of rounding; loaded machines need longer for it.
    let begun = std::time::Instant::now();
    while !children(&worker).is_empty() {
        assert!(
            begun.elapsed().as_secs() < 60 * (cores + 3),
            "the kernel did not end it"
        );
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    crate::trial::signal(&worker, "CONT");
    worker.wait_with_output().unwrap();
    let record = read(&place.path("out/failed").join(&place.names("failed")[0]));
    assert!(["cpu", "hang"].contains(&record["class"].as_str().unwrap()));
}

#[test]
fn a_crash_that_does_not_come_again_is_forgotten() {
    let place = Place::with_cases(2);
    let mark = place.path("mark");
    place.put("case000/poison", &format!("once {}", mark.display()));
    let ran = place.run(&["run"]);
    assert_eq!(ran.code(), 0, "{}", ran.text());
    assert!(mark.exists());
    place.assert_whole(2);
    assert_eq!(place.names("failed"), Vec::<String>::new());
}

#[test]
fn more_memory_is_a_reason_to_try_again() {
    let place = Place::with_cases(0);
    place.put("hungry/poison", "eat");
    place.run(&["run", "memory-mb=64"]);
    let attempts = |memory: &str| {
        place.run(&["run", memory]);
        let record = read(&place.path("out/failed").join(&place.names("failed")[0]));
        record["attempts"].as_array().unwrap().len()
    };
    assert_eq!(
        attempts("memory-mb=64"),
        1,
        "not tried again under the same limit"
    );
    assert_eq!(
        attempts("memory-mb=80"),
        2,
        "tried, and failed under the larger limit too"
    );
}

#[test]
fn one_case_alone_says_how_it_ended() {
    let place = Place::with_cases(1);
    place.put("bad/poison", "unreadable");
    let plan = place.run(&["plan"]).lines();
    let name = |path: &str| {
        let line = plan.iter().find(|l| l["path"] == path).unwrap();
        format!("bundle={}", line["bundle"].as_str().unwrap())
    };
    let good = place.run(&["one", &name("case000")]);
    assert_eq!(
        (good.code(), good.last()["status"].as_str()),
        (0, Some("published"))
    );
    let again = place.run(&["one", &name("case000")]);
    assert_eq!(
        (again.code(), again.last()["status"].as_str()),
        (0, Some("already"))
    );
    for _ in 0..2 {
        let bad = place.run(&["one", &name("bad")]);
        assert_eq!((bad.code(), bad.last()["status"].as_str()), (4, Some("failed")));
        assert_eq!(bad.last()["attempt"], 1);
    }
}
