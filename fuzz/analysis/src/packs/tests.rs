use casetrace_fuzz::session::Watch;

use super::*;

fn read(name: &str, data: &[u8], rows: usize) -> Read {
    let member = MemberRows {
        path: name.to_owned(),
        bytes: data.len() as u64,
        rows,
        diagnostics: 0,
        twin: None,
    };
    Read {
        variant: Variant {
            file: 0,
            name: name.to_owned(),
            at: 3,
            what: "cut",
            data: data.to_vec(),
        },
        members: vec![member],
    }
}

fn settings(log: &Path) -> Settings {
    Settings {
        variants: 8,
        seed: 1,
        watch: Watch::default(),
        log: log.to_owned(),
    }
}

/// For tests that ask nothing.
fn nobody() -> Worker {
    Worker::new(PathBuf::from("nobody"), &[])
}

#[test]
fn a_member_with_other_rows_is_told_and_kept() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = settings(&folder.path().join("log.tsv"));
    fs::write(folder.path().join("a.txt"), b"undamaged").expect("it can be written");
    let plan = Plan::new(&[folder.path().to_owned()], 8, 1).expect("the folder is there");
    let mut packs = Packs::new(&plan, &settings, nobody()).expect("a temporary folder");
    let reads = [read("a.txt", b"one", 3), read("a.txt", b"two", 5)];
    let line = |path: &str, rows| crate::upload::MemberLine {
        path: path.to_owned(),
        rows,
        reason: None,
    };
    let answer = Answer {
        members: vec![line("pack/0/a.txt", 3), line("pack/1/a.txt", 4)],
        ..Answer::default()
    };
    assert!(!packs.compare(&reads, &answer).expect("it can be told"));
    assert_eq!(packs.line.failures, 1);
    let told = fs::read_to_string(folder.path().join("log.failures.tsv")).expect("it was told");
    assert!(told.contains("4 rows, 5 alone: a.txt"), "{told}");
    let kept = folder.path().join("log.kept/0-0-3-cut/a.txt");
    assert_eq!(fs::read(kept).ok().as_deref(), Some(&b"two"[..]));
}

#[test]
fn the_decoders_rows_in_front_of_the_damage_are_compared() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = settings(&folder.path().join("log.tsv"));
    let log = "2026-07-01T10:00:00Z AADSTS50126: Error validating credentials.\n".repeat(40);
    fs::write(folder.path().join("az.txt"), &log).expect("it can be written");
    let plan = Plan::new(&[folder.path().to_owned()], 8, 1).expect("the folder is there");
    let mut packs = Packs::new(&plan, &settings, nobody()).expect("a temporary folder");
    let variant = |what, data: &str| Variant {
        file: 0,
        name: "az.txt".to_owned(),
        at: log.len() / 2,
        what,
        data: data.as_bytes().to_vec(),
    };
    let half = log.get(..log.len() / 2).expect("it is ASCII");
    let mut reads = Vec::new();
    packs
        .place(vec![variant("cut", half), variant("bit", &log)], &mut reads)
        .expect("it can be read");
    assert_eq!((reads.len(), packs.line.losses), (2, 0));
    assert!(reads.iter().all(|read| read.rows() > 0));
    packs
        .place(vec![variant("cut", half), variant("bit", "")], &mut reads)
        .expect("it can be read");
    assert_eq!(packs.line.losses, 1);
    let kept = format!("log.kept/0-0-{}-bit/az.txt", log.len() / 2);
    assert!(folder.path().join(kept).is_file());
}

/// Ends, panics or takes its time as the upload says, else finds no rows.
#[cfg(unix)]
const ANSWERS: &str = r#"
while read -r question; do
    upload=$(printf %s "$question" | sed 's/.*"upload":"\([^"]*\)".*/\1/')
    answer='"cpu_s":0.5,"peak_mib":9,"rows":0,"members":[]}'
    if grep -rq ENDS "$upload"; then exit 7; fi
    if grep -rq PANICS "$upload"; then answer="{\"error\":\"told\",$answer"; else answer="{\"error\":null,$answer"; fi
    if grep -rq SLOW "$upload"; then answer=$(printf %s "$answer" | sed 's/0.5/10.5/'); fi
    printf '%s\n' "$answer"
done"#;

#[cfg(unix)]
#[test]
fn a_pack_that_fails_is_split_until_the_variants_are_found() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = settings(&folder.path().join("log.tsv"));
    fs::write(folder.path().join("a.txt"), b"undamaged").expect("it can be written");
    let plan = Plan::new(&[folder.path().to_owned()], 8, 1).expect("the folder is there");
    let shell = Worker::new(PathBuf::from("sh"), &["-c", ANSWERS]);
    let mut packs = Packs::new(&plan, &settings, shell).expect("a temporary folder");
    let texts = ["a", "b", "ENDS", "c", "d", "PANICS", "e", "SLOW", "f"];
    let reads: Vec<Read> = texts
        .iter()
        .zip(0..)
        .map(|(text, at)| {
            let mut read = read("a.txt", text.as_bytes(), 0);
            read.variant.at = at;
            read
        })
        .collect();
    assert!(!packs.settle(&reads).expect("the shell runs"));
    assert_eq!(packs.line.failures, 3);
    let told = fs::read_to_string(folder.path().join("log.failures.tsv")).expect("it was told");
    for (at, why) in [(2, "exit status: 7"), (5, "told"), (7, "10.5 CPU seconds")] {
        assert!(
            told.lines()
                .any(|line| line.contains(&format!("\t{at}\t")) && line.contains(why)),
            "{told}"
        );
        let kept = folder.path().join(format!("log.kept/0-0-{at}-cut/a.txt"));
        assert_eq!(
            fs::read(kept).ok().as_deref(),
            texts.get(at).map(|t| t.as_bytes())
        );
    }
    let healthy = &reads[..2];
    assert!(packs.settle(healthy).expect("the shell runs"));
    assert_eq!(packs.line.failures, 3);
}
