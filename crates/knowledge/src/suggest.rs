//! Known names that are close to an unknown one.

/// Most suggestions given.
const MAX: usize = 5;
/// Longer words are not compared (the cost grows with the square).
const MAX_WORD: usize = 96;

/// The closest of `known` to `word`, best first, five at most: few edits apart (case is ignored), or containing it.
pub fn closest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    if word.len() < 3 || word.len() > MAX_WORD {
        return Vec::new();
    }
    let word = word.to_ascii_uppercase();
    let limit = (word.len() / 5).clamp(1, 4);
    let mut distance = Distance::default();
    let mut upper = String::new();
    let mut found: Vec<(usize, &str)> = known
        .filter(|name| !name.is_empty() && name.len() <= MAX_WORD)
        .filter_map(|name| {
            upper.clear();
            upper.push_str(name);
            upper.make_ascii_uppercase();
            let contains = word.len() >= 5 && upper.contains(&word);
            let edits = distance.of(word.as_bytes(), upper.as_bytes(), limit)?;
            Some((edits, name))
                .filter(|_| edits <= limit)
                .or(contains.then_some((limit + 1, name)))
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found.truncate(MAX);
    found.into_iter().map(|(_, name)| name).collect()
}

/// Two words of which edits are counted, and the rows of the table that this takes.
#[derive(Default)]
struct Distance {
    before: Vec<usize>,
    last: Vec<usize>,
    row: Vec<usize>,
}

impl Distance {
    /// Edits (insert, delete, replace, swap of neighbours) between two words; more than `limit` is cut to `limit + 1`.
    fn of(&mut self, a: &[u8], b: &[u8], limit: usize) -> Option<usize> {
        if a.len().abs_diff(b.len()) > limit {
            return Some(limit + 1);
        }
        let Self { before, last, row } = self;
        before.clear();
        before.resize(b.len() + 1, 0);
        last.clear();
        last.extend(0..=b.len());
        for (i, x) in a.iter().enumerate() {
            row.clear();
            row.push(i + 1);
            let mut least = i + 1;
            for (j, y) in b.iter().enumerate() {
                let replace = last.get(j)? + usize::from(x != y);
                let mut best = replace.min(last.get(j + 1)? + 1).min(row.get(j)? + 1);
                if i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x) {
                    best = best.min(before.get(j - 1)? + 1);
                }
                least = least.min(best);
                row.push(best);
            }
            // A swap reaches back two rows and costs one: from one above the limit nothing comes back below it.
            if least > limit + 1 {
                return Some(limit + 1);
            }
            std::mem::swap(before, last);
            std::mem::swap(last, row);
        }
        last.last().map(|edits| (*edits).min(limit + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_are_found() {
        let known = [
            "STATUS_LOGON_FAILURE",
            "NTE_BAD_KEYSET",
            "0x801c001d",
            "0x801c0021",
        ];
        assert_eq!(
            closest("status_logn_failure", known.into_iter()),
            ["STATUS_LOGON_FAILURE"]
        );
        assert_eq!(
            closest("0x801c00d1", known.into_iter()),
            ["0x801c001d", "0x801c0021"]
        );
        assert_eq!(closest("KEYSET", known.into_iter()), ["NTE_BAD_KEYSET"]);
        assert!(closest("zz", known.into_iter()).is_empty());
        assert!(closest(&"A".repeat(5000), known.into_iter()).is_empty());
    }

    #[test]
    fn giving_up_early_changes_no_distance() {
        let words: Vec<Vec<u8>> = (1..=6)
            .flat_map(|length| (0..1_u32 << length).map(move |bits| (length, bits)))
            .map(|(length, bits)| {
                (0..length)
                    .map(|at| b'a' + u8::from(bits >> at & 1 == 1))
                    .collect()
            })
            .collect();
        let (mut cut, mut whole) = (Distance::default(), Distance::default());
        for (a, b) in words.iter().flat_map(|a| words.iter().map(move |b| (a, b))) {
            let edits = whole.of(a, b, 100);
            for limit in 1..=4 {
                let expected = edits.map(|edits| edits.min(limit + 1));
                assert_eq!(cut.of(a, b, limit), expected, "{a:?} {b:?} {limit}");
            }
        }
    }
}
