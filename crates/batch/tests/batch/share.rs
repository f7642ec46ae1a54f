//! What is a case, when it is complete, and what happens when it changes.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use crate::trial::Place;

#[test]
fn a_folder_is_a_case_and_a_lone_file_is_one() {
    let place = Place::with_cases(1);
    place.put("case000/sub/more.txt", "more");
    place.put("upload.zip", "pk");
    place.put(".hidden/x", "no");
    place.put("_notes/x", "no");
    fs::create_dir(place.path("share/empty")).unwrap();
    let plan = place.run(&["plan"]).lines();
    let paths: Vec<&str> = plan.iter().map(|l| l["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["case000", "upload.zip"]);
    assert_eq!(plan[0]["inputs"].as_array().unwrap().len(), 2);
}

#[test]
fn the_share_says_what_its_cases_are() {
    let place = Place::new();
    place.put("casetrace-batch.toml", "cases = ['inbox/*', 'customers/*/*']");
    for name in [
        "inbox/a.zip",
        "customers/contoso/42/x.txt",
        "customers/contoso/43/y.txt",
        "other/z.txt",
    ] {
        place.put(name, "x");
    }
    let plan = place.run(&["plan"]).lines();
    let paths: Vec<&str> = plan.iter().map(|l| l["path"].as_str().unwrap()).collect();
    assert_eq!(
        paths,
        ["customers/contoso/42", "customers/contoso/43", "inbox/a.zip"]
    );
}

#[cfg(unix)]
#[test]
fn links_out_of_the_share_are_not_followed() {
    let place = Place::with_cases(1);
    fs::write(place.path("secret"), "not an upload").unwrap();
    std::os::unix::fs::symlink(place.path("secret"), place.path("share/case000/link")).unwrap();
    std::os::unix::fs::symlink(place.path("secret"), place.path("share/link")).unwrap();
    let plan = place.run(&["plan"]).lines();
    assert_eq!(plan.len(), 1);
    assert_eq!(plan[0]["inputs"].as_array().unwrap().len(), 1);
}

#[test]
fn an_upload_that_goes_on_is_left_alone_until_it_is_still() {
    let place = Place::with_cases(1);
    place.put("growing/log.txt", "first");
    let worker = place
        .command(&["run", "stable-ms=1200"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut text = String::from("first");
    for _ in 0..12 {
        std::thread::sleep(Duration::from_millis(200));
        text.push_str(" more");
        place.put("growing/log.txt", &text);
        let names = place.published();
        assert!(
            !names.iter().any(|n| n.contains("growing")),
            "taken while it grew"
        );
    }
    assert!(worker.wait_with_output().unwrap().status.success());
    place.assert_whole(2);
}

#[test]
fn a_name_that_says_uploading_is_believed() {
    let place = Place::with_cases(1);
    place.put("case000/trace.etl.part", "half");
    assert_eq!(place.run(&["plan"]).last()["state"], "unstable");
    fs::rename(
        place.path("share/case000/trace.etl.part"),
        place.path("share/case000/trace.etl"),
    )
    .unwrap();
    assert_eq!(place.run(&["plan"]).last()["state"], "new");
}

#[test]
fn with_a_finishing_file_a_folder_waits_for_it() {
    let place = Place::with_cases(1);
    place.put("casetrace-batch.toml", "finished_by = 'done'");
    assert_eq!(place.run(&["plan"]).last()["state"], "unstable");
    place.put("case000/done", "");
    assert_eq!(place.run(&["plan"]).last()["state"], "new");
}

#[test]
fn a_case_that_changes_while_it_is_read_is_not_published_half() {
    let place = Place::with_cases(1);
    place.put("case000/poison", "wait 800");
    let worker = place.command(&["run"]).stdout(Stdio::piped()).spawn().unwrap();
    while place.stages().is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(100));
    place.put("case000/late.txt", "late");
    assert!(worker.wait_with_output().unwrap().status.success());
    place.assert_whole(1);
    let name = place.published().pop().unwrap();
    let report = fs::read_to_string(place.path("out/cases").join(name).join("report.md")).unwrap();
    assert!(report.contains("late.txt"), "{report}");
}

#[test]
fn changed_content_or_tool_makes_a_new_generation_and_never_touches_the_old() {
    let place = Place::with_cases(1);
    place.run(&["run"]);
    let first = place.published().pop().unwrap();
    let old = fs::read(place.path("out/cases").join(&first).join("report.md")).unwrap();
    place.put("case000/log.txt", "changed");
    place.run(&["run"]);
    place.run(&["run", "tool=2"]);
    let names = place.published();
    assert_eq!(
        names,
        [first.clone(), format!("{first},gen=2"), format!("{first},gen=3")]
    );
    assert_eq!(
        fs::read(place.path("out/cases").join(&first).join("report.md")).unwrap(),
        old
    );
    let tables = place.names("timeline/month=2026-03");
    assert_eq!(tables.len(), 1, "the table shows the newest only");
    let shown = fs::read(place.path("out/timeline/month=2026-03").join(&tables[0])).unwrap();
    let newest = place
        .path("out/cases")
        .join(format!("{first},gen=3/timeline.parquet"));
    assert_eq!(shown, fs::read(newest).unwrap());
    let back = place.run(&["run"]).last();
    assert_eq!(back["ended"]["already"], 1, "an older tool finds its own results");
}

/// Unchanged files are not read again: here they can't be.
#[test]
fn planning_again_reads_nothing() {
    let place = Place::with_cases(3);
    place.run(&["run"]);
    // The hash is kept only once the files have been quiet for a moment.
    std::thread::sleep(Duration::from_millis(3200));
    place.run(&["plan"]);
    let memory = place.names("_cache");
    assert_eq!(memory.len(), 1);
    let text = fs::read_to_string(place.path("out/_cache").join(&memory[0])).unwrap();
    assert_eq!(text.matches("\"c\":").count(), 3, "{text}");
    place.put("case001/log.txt", "content X");
    let plan = place.run(&["plan"]).lines();
    let states: Vec<&str> = plan.iter().map(|l| l["state"].as_str().unwrap()).collect();
    assert_eq!(
        states,
        ["published", "new", "published"],
        "same size, other content"
    );
}

#[test]
fn shards_cover_everything_exactly_once() {
    let place = Place::with_cases(30);
    for shard in ["shard=0/3", "shard=1/3", "shard=2/3"] {
        let ran = place.run(&["run", shard]).last();
        assert!(ran["found"].as_u64().unwrap() < 30);
    }
    place.assert_whole(30);
}
