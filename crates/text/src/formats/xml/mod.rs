//! XML files of a bundle: WFP net events and state, and the result files of support diagnostics (events as XML: `events`). All are read as a stream of leaves (path, text), so a file of one line and any size is fine.

pub(crate) mod leaves;
mod sdp;
mod wfp;

use casetrace_model::{JsonObject, Row, Source};

use crate::format::{Head, score};
use crate::lines::Utf8;
use crate::output::Output;
use leaves::{Leaves, Step};

pub(crate) use sdp::{detect as detect_sdp, read as read_sdp};
pub(crate) use wfp::{detect as detect_wfp, read as read_wfp};

/// Any other XML.
pub(crate) fn detect(head: &Head) -> u8 {
    let start = head.start(64);
    let plain = start.starts_with("<?xml")
        || (start.starts_with('<') && start.contains('>') && !start.starts_with("<!["));
    if plain && !start.to_ascii_lowercase().starts_with("<!doctype html") && !start.starts_with("<html") {
        score::WEAK
    } else {
        score::NO
    }
}

/// One row that names the root and says how much is below it.
pub(crate) fn read(text: &mut Utf8<'_>, out: &mut Output<'_>) {
    let mut leaves = Leaves::new(text);
    let (mut root, mut count) = (String::new(), 0_u64);
    while let Some(step) = leaves.next(out) {
        if root.is_empty()
            && let Some(first) = leaves.path().first()
        {
            root.clone_from(first);
        }
        count += u64::from(matches!(step, Step::Leaf(_)));
    }
    let mut row = Row::new(Source::Text, "text.unknown", 1);
    row.message = format!("XML with root {root}, {count} values");
    row.fields = JsonObject::new()
        .str("root", &root)
        .num("values", count)
        .str("format", "xml")
        .finish();
    out.row(row);
}
