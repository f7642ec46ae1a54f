//! Compares the decoder with tshark over the corpus: `cargo run -p casetrace-pcap --example oracle [NAME…] [-v]`.
//!
//! Prints, per sort of fact, how many are equal, missing and extra, and with `-v` every difference.
#![expect(clippy::print_stdout, reason = "a program that prints")]
#![allow(missing_docs, reason = "a program, not a library")]

mod compare;

use std::collections::BTreeMap;

fn main() {
    let (flags, names): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|a| a.starts_with('-'));
    let verbose = flags.iter().any(|f| f == "-v");
    let tsv = flags.iter().any(|f| f == "--tsv");
    let Some(corpus) = compare::corpus() else {
        println!("No corpus: set CASETRACE_CORPUS.");
        return;
    };
    let mut totals: BTreeMap<&str, (usize, usize, usize)> = BTreeMap::new();
    for (name, path) in compare::captures(&corpus) {
        if !names.is_empty() && !names.iter().any(|n| name.contains(n.as_str())) {
            continue;
        }
        let (found, _) = compare::decoded(&path, 1);
        for (sort, difference) in compare::compare(&compare::expected(&corpus, &name), &found) {
            let total = totals.entry(sort).or_default();
            total.0 += difference.equal;
            total.1 += difference.missing.len();
            total.2 += difference.extra.len();
            if tsv && difference.missing.len() + difference.extra.len() > 0 {
                println!(
                    "{name}\t{sort}\t{}\t{}",
                    difference.missing.len(),
                    difference.extra.len()
                );
            }
            if verbose {
                difference
                    .missing
                    .iter()
                    .for_each(|fact| println!("{name}: missing {sort} {fact}"));
                difference
                    .extra
                    .iter()
                    .for_each(|fact| println!("{name}: extra   {sort} {fact}"));
            }
        }
    }
    println!("{:<20} {:>7} {:>7} {:>7}", "fact", "equal", "missing", "extra");
    for (sort, (equal, missing, extra)) in totals {
        println!("{sort:<20} {equal:>7} {missing:>7} {extra:>7}");
    }
}
