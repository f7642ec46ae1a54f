//! The tables across cases: derived, mended, compacted.

use std::fs;
use std::path::PathBuf;

use casetrace_batch::{CompactionOptions, CompactionStep, Unwatched, compact};

use crate::append::Append;
use crate::trial::{Place, kill};

const ALL: CompactionOptions = CompactionOptions {
    small_bytes: 1 << 20,
    at_least: 2,
    allow_gap: false,
    keep_replaced: std::time::Duration::from_mins(1),
    dry_run: false,
};

/// How often each case is in a table as a reader sees it.
fn cases_in(place: &Place, table: &str) -> Vec<String> {
    let mut found = Vec::new();
    for name in place.names(&format!("{table}/month=2026-03")) {
        if name.starts_with(['_', '.']) {
            continue;
        }
        let text =
            fs::read_to_string(place.path("out").join(table).join("month=2026-03").join(&name)).unwrap();
        found.extend(
            text.lines()
                .filter_map(|l| l.strip_prefix("bundle "))
                .map(str::to_owned),
        );
    }
    found.sort();
    found
}

#[test]
fn missing_and_stray_entries_are_mended_by_the_next_run() {
    let place = Place::with_cases(3);
    place.run(&["run"]);
    let month = place.path("out/timeline/month=2026-03");
    let first = place.names("timeline/month=2026-03")[0].clone();
    fs::remove_file(month.join(&first)).unwrap();
    fs::write(month.join("no-such-case-0123456789a.parquet"), "stray").unwrap();
    place.run(&["run"]);
    place.assert_whole(3);
}

#[test]
fn compaction_shows_every_case_once_before_and_after() {
    let place = Place::with_cases(6);
    place.run(&["run"]);
    let before = cases_in(&place, "timeline");
    let done = compact(&place.path("out"), &ALL, &Append, &Unwatched).unwrap();
    assert_eq!((done.partitions, done.files_joined), (2, 12));
    assert_eq!(cases_in(&place, "timeline"), before);
    assert_eq!(
        place.names("timeline/month=2026-03").len(),
        2,
        "one part and the list of what is in it"
    );
    // New cases arrive, an old one changes; mending must not bring compacted ones in a second time.
    place.put("case006/log.txt", "new");
    place.put("case000/log.txt", "changed");
    place.run(&["run"]);
    assert_eq!(cases_in(&place, "timeline").len(), 7);
    compact(&place.path("out"), &ALL, &Append, &Unwatched).unwrap();
    place.run(&["run"]);
    let after = cases_in(&place, "timeline");
    assert_eq!(after.len(), 7);
    let month = place.path("out/timeline/month=2026-03");
    let all: String = place
        .names("timeline/month=2026-03")
        .iter()
        .filter(|n| n.ends_with(".parquet"))
        .map(|n| fs::read_to_string(month.join(n)).unwrap())
        .collect();
    let newest = blake3::hash(b"changed").to_hex().to_string();
    let oldest = blake3::hash(b"content 0").to_hex().to_string();
    assert!(
        all.contains(&newest) && !all.contains(&oldest),
        "only the newest generation"
    );
}

/// A reader that lists and reads the month over and over while it is compacted sees all cases or an error, never fewer or more.
#[test]
fn a_reader_never_sees_a_case_twice_or_missing() {
    let place = Place::with_cases(8);
    place.run(&["run"]);
    let month = place.path("out/timeline/month=2026-03");
    let stop = std::sync::atomic::AtomicBool::new(false);
    let looks = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut looks = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let names: Vec<PathBuf> = match fs::read_dir(&month) {
                    Ok(listing) => listing.filter_map(Result::ok).map(|e| e.path()).collect(),
                    Err(error) => panic!("the month is gone: {error}"),
                };
                let parquet = names
                    .iter()
                    .filter(|n| n.extension().is_some_and(|e| e == "parquet"));
                let texts: Result<Vec<String>, _> = parquet.map(fs::read_to_string).collect();
                // A file that went between listing and opening is a loud error for a reader: it asks again.
                if let Ok(texts) = texts {
                    assert_eq!(texts.concat().matches("bundle ").count(), 8);
                    looks += 1;
                }
            }
            looks
        });
        for round in 0..20 {
            // Each round makes a reason to compact again: an outdated case is no reason by itself here, one small file is.
            let at = format!("case00{}", round % 8);
            place.put(&format!("{at}/log.txt"), &format!("round {round}"));
            place.run(&["run"]);
            compact(
                &place.path("out"),
                &CompactionOptions { at_least: 1, ..ALL },
                &Append,
                &Unwatched,
            )
            .unwrap();
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        reader.join().unwrap()
    });
    assert!(looks > 0);
}

/// SIGKILL at every step: a reader sees each case once, at that very moment, after the next run, and after the next compaction.
#[test]
fn a_compaction_killed_after_every_step() {
    for step in CompactionStep::ALL {
        for table in ["timeline", "findings"] {
            let place = Place::with_cases(5);
            place.run(&["run"]);
            let before = cases_in(&place, table);
            assert_eq!(before.len(), 5);
            let at = format!("stop-at={}-{table}", step.as_str());
            kill(place.until_reached(&["compact", &at]));
            let told = |when: &str| format!("{table}, killed after {}, {when}", step.as_str());
            assert_eq!(cases_in(&place, table), before, "{}", told("at once"));
            // A case that comes before anybody has cleared up.
            place.put("late/log.txt", "late");
            place.run(&["run"]);
            let with_late = cases_in(&place, table);
            assert_eq!(with_late.len(), 6, "{}", told("after a run"));
            assert_eq!(place.run(&["compact"]).code(), 0);
            assert_eq!(cases_in(&place, table), with_late, "{}", told("compacted again"));
            place.run(&["run"]);
            assert_eq!(
                cases_in(&place, table),
                with_late,
                "{}",
                told("after another run")
            );
            assert!(!place.path("out").join(table).join("_compacting.json").exists());
        }
    }
}

/// Where names can't be exchanged and a month may be absent for a moment, it comes back.
#[test]
fn a_month_that_was_away_when_its_compactor_died_comes_back() {
    let place = Place::with_cases(4);
    place.run(&["run"]);
    let before = cases_in(&place, "timeline");
    kill(place.until_reached(&["compact", "stop-at=noted-timeline"]));
    let table = place.path("out/timeline");
    fs::rename(table.join("month=2026-03"), table.join(".compact-old-dead")).unwrap();
    compact(&place.path("out"), &ALL, &Append, &Unwatched).unwrap();
    assert_eq!(cases_in(&place, "timeline"), before);
    assert_eq!(place.names("timeline/month=2026-03").len(), 2, "the joined one");
    // The same, mended by a run.
    let place = Place::with_cases(4);
    place.run(&["run"]);
    kill(place.until_reached(&["compact", "stop-at=noted-timeline"]));
    let table = place.path("out/timeline");
    fs::rename(table.join("month=2026-03"), table.join(".compact-old-dead")).unwrap();
    place.run(&["run"]);
    assert_eq!(cases_in(&place, "timeline"), before);
    compact(&place.path("out"), &ALL, &Append, &Unwatched).unwrap();
    assert_eq!(cases_in(&place, "timeline"), before);
}

#[test]
fn an_interrupted_compaction_is_brought_to_its_end() {
    let place = Place::with_cases(4);
    place.run(&["run"]);
    let table = place.path("out/timeline");
    // Died before the exchange: the folder beside is incomplete or complete, but nowhere in use.
    fs::create_dir(table.join(".compact-month=2026-03-dead")).unwrap();
    fs::write(
        table.join(".compact-month=2026-03-dead/part_x.parquet"),
        "bundle x\n\n",
    )
    .unwrap();
    let journal =
        r#"{"partition":"month=2026-03","beside":".compact-month=2026-03-dead","part":"part_x.parquet"}"#;
    fs::write(table.join("_compacting.json"), journal).unwrap();
    let done = compact(&place.path("out"), &ALL, &Append, &Unwatched).unwrap();
    assert_eq!(done.mended, 1);
    assert_eq!(cases_in(&place, "timeline").len(), 4);
    // Died after the exchange, before a late arrival was taken over.
    let part = place
        .names("timeline/month=2026-03")
        .into_iter()
        .find(|n| n.starts_with("part_"))
        .unwrap();
    let late = "late-0123456789a";
    fs::create_dir(table.join(".compact-month=2026-03-dead")).unwrap();
    fs::write(
        table.join(format!(".compact-month=2026-03-dead/{late}.parquet")),
        format!("bundle {late}\n"),
    )
    .unwrap();
    let journal = journal.replace("part_x.parquet", &part);
    fs::write(table.join("_compacting.json"), journal).unwrap();
    compact(
        &place.path("out"),
        &CompactionOptions { at_least: 99, ..ALL },
        &Append,
        &Unwatched,
    )
    .unwrap();
    assert!(cases_in(&place, "timeline").contains(&late.to_owned()));
    assert!(!table.join("_compacting.json").exists());
}
