//! Recorded HTTP exchanges.

use casetrace_model::{Collected, Inspection};
use casetrace_saz::{Options, Session, decode_har, decode_session, group};

use super::head;
use crate::{properties, shown};

/// Lengths of request and response, then request, response and metadata.
pub(crate) fn session(data: &[u8]) {
    let ([a, b, c, d], rest) = head::<4>(data);
    let length = |low, high, of: &[u8]| usize::from(u16::from_le_bytes([low, high])).min(of.len());
    let (client, rest) = rest.split_at(length(a, b, rest));
    let (server, meta) = rest.split_at(length(c, d, rest));
    let run = || {
        let session = Session {
            id: 1,
            client,
            server,
            meta: (!meta.is_empty()).then_some(meta),
        };
        let mut out = Collected::default();
        decode_session(&session, &Options::default(), &mut out);
        out
    };
    let (one, other) = (run(), run());
    properties::hold(&one, data, 5);
    properties::equal(&one.rows, &other.rows, "rows");
}

/// Names, one a line: every position is used once at most, and points into the list.
pub(crate) fn names(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let count = text.lines().count();
    let mut used = vec![false; count];
    let groups = group(text.lines());
    shown::count("groups", "", groups.len());
    for group in groups {
        for at in [group.client, group.server, group.meta, group.websocket]
            .into_iter()
            .flatten()
        {
            let slot = used
                .get_mut(at)
                .is_some_and(|slot| !std::mem::replace(slot, true));
            assert!(slot, "position {at} of {count} is used twice or not there");
        }
    }
}

fn har_rows(data: &[u8]) -> (Collected, Inspection) {
    let mut out = Collected::default();
    let inspection = decode_har(&mut &*data, &Options::default(), &mut out);
    (out, inspection)
}

/// An HTTP archive.
pub(crate) fn har(data: &[u8]) {
    let (out, inspection) = har_rows(data);
    properties::hold(&out, data, 2 * data.len());
    let (again, inspection_again) = har_rows(data);
    properties::equal(&out.rows, &again.rows, "rows");
    properties::equal(&inspection, &inspection_again, "inspections");
}
