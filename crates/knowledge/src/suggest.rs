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
    let mut found: Vec<(usize, &str)> = known
        .filter(|name| !name.is_empty() && name.len() <= MAX_WORD)
        .filter_map(|name| {
            let upper = name.to_ascii_uppercase();
            let contains = word.len() >= 5 && upper.contains(&word);
            let edits = distance(word.as_bytes(), upper.as_bytes(), limit)?;
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

/// Edits (insert, delete, replace, swap of neighbours) between two words; more than `limit` is cut to `limit + 1`.
fn distance(a: &[u8], b: &[u8], limit: usize) -> Option<usize> {
    if a.len().abs_diff(b.len()) > limit {
        return Some(limit + 1);
    }
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let replace = last.get(j)? + usize::from(x != y);
            let mut best = replace.min(last.get(j + 1)? + 1).min(row.get(j)? + 1);
            if i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x) {
                best = best.min(before.get(j - 1)? + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().map(|edits| (*edits).min(limit + 1))
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
}
