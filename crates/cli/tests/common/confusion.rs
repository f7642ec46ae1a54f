//! Expected against found over a set of labelled bundles, as a table.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

const FOUND: [&str; 6] = ["proved", "likely", "possible", "resolved", "refuted", "nothing"];
const EXPECTED: [&str; 7] = [
    "proved", "likely", "possible", "resolved", "refuted", "allowed", "nothing",
];

/// How often a finding of one kind was expected and another was found.
#[derive(Default)]
pub(crate) struct Confusion {
    cells: BTreeMap<(&'static str, &'static str), usize>,
}

/// A finding in one word: its confidence, or what took that away.
fn verdict(finding: &Value) -> &'static str {
    let word = match finding["status"].as_str() {
        Some("active") | None => finding["confidence"].as_str(),
        status => status,
    };
    FOUND
        .into_iter()
        .find(|known| Some(*known) == word)
        .unwrap_or("nothing")
}

impl Confusion {
    /// Counts one bundle: what the label wants, and what else of some weight was found.
    pub(crate) fn count(&mut self, expected: &Value, findings: &Value) {
        let found: Vec<&Value> = findings["findings"].as_array().into_iter().flatten().collect();
        let mut known = Vec::new();
        for wanted in expected["findings"].as_array().into_iter().flatten() {
            let (row, id) = (verdict(wanted), wanted["rule_id"].as_str().unwrap_or_default());
            let got = found.iter().filter(|f| f["rule_id"] == id).map(|f| verdict(f));
            let got: Vec<_> = got.collect();
            let best = got.iter().find(|v| **v == row).or(got.first());
            self.add(row, best.copied().unwrap_or("nothing"));
            known.push(id);
        }
        for id in expected["refuted"].as_array().into_iter().flatten() {
            let refuted = |f: &&&Value| f["rule_id"] == *id && f["status"] == "refuted";
            let got = found.iter().find(refuted).map_or("nothing", |_| "refuted");
            self.add("refuted", got);
            known.extend(id.as_str());
        }
        let others = found
            .iter()
            .filter(|f| f["severity"] != "info" && !known.iter().any(|id| f["rule_id"] == *id));
        for other in others {
            let mut allowed = expected["allowed"].as_array().into_iter().flatten();
            let row = if allowed.any(|id| other["rule_id"] == *id) {
                "allowed"
            } else {
                "nothing"
            };
            self.add(row, verdict(other));
        }
    }

    fn add(&mut self, row: &'static str, column: &'static str) {
        *self.cells.entry((row, column)).or_default() += 1;
    }
}

impl fmt::Display for Confusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>20}", "expected \\ found")?;
        for column in FOUND {
            write!(f, "{column:>10}")?;
        }
        writeln!(f)?;
        for row in EXPECTED {
            write!(f, "{row:>20}")?;
            for column in FOUND {
                write!(f, "{:>10}", self.cells.get(&(row, column)).unwrap_or(&0))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
