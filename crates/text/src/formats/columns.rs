//! Outputs that are columns under a ruler of `=`: `whoami /all`, `tasklist /svc`, `schtasks /query /v`.
//!
//! Columns are cut by display width, because Japanese letters take two cells and the rulers count cells.

/// Start and width of each column, in cells.
pub(crate) fn ruler(text: &str) -> Option<Vec<(usize, usize)>> {
    let text = text.trim_end();
    if text.len() < 4 || !text.bytes().all(|b| matches!(b, b'=' | b' ')) || !text.starts_with("===") {
        return None;
    }
    let mut columns = Vec::new();
    let mut at = 0;
    for part in text.split(' ') {
        if !part.is_empty() && columns.len() < 64 {
            columns.push((at, part.len()));
        }
        at += part.len() + 1;
    }
    Some(columns)
}

/// The cells of one line; the last column takes the rest.
pub(crate) fn cells<'a>(text: &'a str, columns: &[(usize, usize)]) -> Vec<&'a str> {
    let mut starts = Vec::with_capacity(columns.len() + 1);
    let mut cell = 0;
    let mut next = columns.iter().map(|(start, _)| *start).peekable();
    for (at, c) in text.char_indices() {
        while next.peek().is_some_and(|start| cell >= *start) {
            starts.push(at);
            next.next();
        }
        cell += if c as u32 >= 0x1100 && !matches!(c, '\u{ff61}'..='\u{ff9f}') {
            2
        } else {
            1
        };
    }
    starts.push(text.len());
    starts
        .windows(2)
        .map(|pair| text.get(pair[0]..pair[1]).unwrap_or_default().trim())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_cells() {
        let columns = ruler("===== ==== ===").unwrap_or_default();
        assert_eq!(columns, [(0, 5), (6, 4), (11, 3)]);
        assert_eq!(cells("ab    cd   efghij", &columns), ["ab", "cd", "efghij"]);
        assert_eq!(cells("日本  cd   e", &columns), ["日本", "cd", "e"]);
        assert_eq!(cells("ab", &columns), ["ab"]);
        assert!(ruler("= a").is_none());
    }
}
