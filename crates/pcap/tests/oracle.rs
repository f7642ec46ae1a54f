//! The decoder against tshark over the corpus; skipped where the corpus is not there.
//!
//! Every difference must be listed, with its number and reason, in `oracle-differences.tsv`.
#![expect(clippy::print_stdout, reason = "says that it was skipped")]

#[path = "../examples/oracle/compare.rs"]
mod compare;

use std::collections::BTreeMap;

type Counts = BTreeMap<(String, String), (usize, usize)>;

fn known() -> Counts {
    let table = include_str!("oracle-differences.tsv");
    let lines = table
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .filter_map(|line| {
            let mut columns = line.split('\t');
            let key = (columns.next()?.to_owned(), columns.next()?.to_owned());
            let counts = (columns.next()?.parse().ok()?, columns.next()?.parse().ok()?);
            // A reason is not optional.
            columns
                .next()
                .filter(|reason| !reason.is_empty())
                .map(|_| (key, counts))
        })
        .collect()
}

#[test]
fn facts_equal_those_of_the_oracle_but_for_the_listed_ones() {
    let Some(corpus) = compare::corpus() else {
        println!("skipped: no corpus");
        return;
    };
    let mut found = Counts::new();
    for (name, path) in compare::captures(&corpus) {
        let (facts, rows) = compare::decoded(&path, 1);
        assert!(
            compare::decoded(&path, 2).1.rows == rows.rows,
            "{name}: two threads, other rows"
        );
        for (sort, difference) in compare::compare(&compare::expected(&corpus, &name), &facts) {
            let counts = (difference.missing.len(), difference.extra.len());
            if counts != (0, 0) {
                found.insert((name.clone(), sort.to_owned()), counts);
            }
        }
    }
    let known = known();
    let new: Vec<_> = found
        .iter()
        .filter(|(key, counts)| known.get(*key) != Some(*counts))
        .collect();
    let gone: Vec<_> = known.keys().filter(|key| !found.contains_key(*key)).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "unlisted differences: {new:#?}\nlisted but equal: {gone:#?}"
    );
}
