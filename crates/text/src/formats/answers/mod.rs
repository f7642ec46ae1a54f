//! What customers send when a report asks them to run a command: clock, name, connection and TPM checks, the service
//! connection point, `curl -v`, what directory and federation server hold. Each is a small block that may stand alone or among others in one file.

pub(crate) mod clock;
pub(crate) mod curl;
pub(crate) mod directory;
pub(crate) mod names;
pub(crate) mod reach;
pub(crate) mod scp;
pub(crate) mod tpm;

/// Pairs of one block that are kept; the longest of these commands prints thirty.
const MAX_PAIRS: usize = 64;

/// `Name   : value` as PowerShell's lists and most tools print it; both ends trimmed, a leading sign of a list left out.
fn pair(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.split_once(':').or_else(|| text.split_once('：'))?;
    let name = name.trim().trim_start_matches('-').trim_start();
    (!name.is_empty() && name.len() < 60).then(|| (name, value.trim()))
}

/// The pairs of a block, in order.
#[derive(Debug, Default)]
struct Pairs {
    line: u64,
    pairs: Vec<(String, String)>,
}

impl Pairs {
    fn push(&mut self, line: u64, name: &str, value: &str) {
        if self.pairs.is_empty() {
            self.line = line;
        }
        if self.pairs.len() < MAX_PAIRS {
            self.pairs.push((name.to_owned(), value.to_owned()));
        }
    }

    /// The first value under one of `names`, in any case; empty ones don't count.
    fn get(&self, names: &[&str]) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(name, value)| {
                !value.is_empty() && names.iter().any(|known| name.eq_ignore_ascii_case(known))
            })
            .map(|(_, value)| value.as_str())
    }

    fn is_true(&self, names: &[&str]) -> Option<bool> {
        self.get(names).map(|value| value.eq_ignore_ascii_case("true"))
    }
}
