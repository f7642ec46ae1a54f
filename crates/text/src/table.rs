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

/// Labels of one command's output, by their key.
pub(crate) struct Labels(std::collections::HashMap<String, &'static str>);

impl Labels {
    /// The labels of `format` in `pipelines/text/labels.tsv`.
    pub(crate) fn of(format: &str) -> Self {
        let table = include_str!("../../../pipelines/text/labels.tsv");
        Self(
            rows::<3>(table)
                .filter(|row| row[0] == format)
                .map(|row| (bare(row[2]), row[1]))
                .collect(),
        )
    }

    /// The name of a label as printed.
    pub(crate) fn name(&self, label: &str) -> Option<&'static str> {
        // Every line of a file's head is asked about by several formats: most are in ASCII and need no memory of their own.
        let mut place = [0; PLACE];
        match bare_ascii(label, &mut place) {
            Some(label) => self.0.get(label).copied(),
            None => self.0.get(&bare(label)).copied(),
        }
    }

    /// Splits `label . . . : value` where the label is known.
    pub(crate) fn field<'a>(&self, text: &'a str) -> Option<(&'static str, &'a str)> {
        // Longest label first: some contain a colon-free part that is another label.
        text.char_indices()
            .filter(|(_, c)| matches!(c, ':' | '：' | '='))
            .take(4)
            .find_map(|(at, c)| {
                let name = self.name(text.get(..at)?)?;
                Some((name, text.get(at + c.len_utf8()..)?.trim()))
            })
    }
}

/// A label without blanks, leader dots, case and a trailing colon.
fn bare(label: &str) -> String {
    key(label).replace('.', "").trim_end_matches(':').to_owned()
}

/// Bytes that a label may have left for [`bare_ascii`].
const PLACE: usize = 96;

/// The same in `place`; `None` if the label is not in ASCII or too long for it.
fn bare_ascii<'a>(label: &str, place: &'a mut [u8; PLACE]) -> Option<&'a str> {
    let mut length = 0;
    for byte in label.bytes() {
        match byte {
            // Those of `char::is_whitespace`.
            b'\t'..=b'\r' | b' ' | b'.' => {}
            0x80.. => return None,
            _ => {
                *place.get_mut(length)? = byte.to_ascii_lowercase();
                length += 1;
            }
        }
    }
    let bare = std::str::from_utf8(place.get(..length)?).ok()?;
    Some(bare.trim_end_matches(':'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn labels_in_ascii_are_bared_alike(label in "[\\x00-\\x7f]{0,120}|[A-Za-z. :\t\u{b}]{0,60}|[a.あ ]{0,9}") {
            let mut place = [0; PLACE];
            match bare_ascii(&label, &mut place) {
                Some(short) => prop_assert_eq!(short, bare(&label)),
                None => prop_assert!(!label.is_ascii() || label.len() > PLACE),
            }
        }
    }
}
