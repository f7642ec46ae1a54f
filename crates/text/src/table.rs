//! Tab-separated data tables under `pipelines/text`: `#` starts a remark, empty lines don't count.

/// The rows of a table, split at tabs; missing cells are empty.
pub(crate) fn rows<const N: usize>(table: &'static str) -> impl Iterator<Item = [&'static str; N]> {
    table
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let mut cells = [""; N];
            for (cell, text) in cells.iter_mut().zip(line.split('\t')) {
                *cell = text.trim();
            }
            cells
        })
}

/// A label without blanks and case, as tables are searched by.
pub(crate) fn key(label: &str) -> String {
    label
        .chars()
        .filter(|c| !c.is_whitespace())
        .flat_map(char::to_lowercase)
        .collect()
}
