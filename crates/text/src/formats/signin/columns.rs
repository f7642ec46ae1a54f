//! The columns of sign-in exports under one name each, from `pipelines/text/signin.tsv`.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::table::{key, rows};

static COLUMNS: LazyLock<HashMap<String, &'static str>> = LazyLock::new(|| {
    let mut columns = HashMap::new();
    for row in rows::<4>(include_str!("../../../../../pipelines/text/signin.tsv")) {
        let [name, spellings @ ..] = row;
        columns.insert(key(name), name);
        for spelling in spellings
            .into_iter()
            .flat_map(|cell| cell.split('|'))
            .filter(|text| !text.trim().is_empty())
        {
            columns.entry(key(spelling)).or_insert(name);
        }
    }
    columns
});

/// The normalised English name of a header or JSON path; unknown ones are `None`.
pub(super) fn name(header: &str) -> Option<&'static str> {
    COLUMNS.get(&key(header.trim_start_matches('\u{feff}'))).copied()
}
