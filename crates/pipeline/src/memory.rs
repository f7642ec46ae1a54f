//! How a memory limit is shared out.
//!
//! Half of the limit is for decoded rows, divided among the members by size before anything is decoded: so which rows are
//! kept depends on the input and the limit, never on threads or timing. An eighth is for streams that wait for their missing
//! parts, shared by the members that are decoded at a time. The rest is left to what is proportional to neither: tables,
//! rules, the frames a rule looks at, the report. It is a budget, not a wall: the allocator and polars are not asked.

use casetrace_model::{Limits, Row, Value};

/// Rows a member may always keep, in bytes: small texts are worth more than their size.
const FLOOR: u64 = 256 << 10;

/// Memory of one connection that is followed.
const FLOW_BYTES: u64 = 2 << 10;

/// A limit, ready to be asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    rows: u64,
    total_size: u64,
}

impl Budget {
    /// `total_size` is that of all members to be decoded.
    pub(crate) fn new(limit: Option<u64>, total_size: u64) -> Self {
        Self {
            rows: limit.map_or(u64::MAX, |limit| limit / 2),
            total_size: total_size.max(1),
        }
    }

    /// Bytes of rows a member of this size may keep; `None` without a limit.
    pub(crate) fn for_member(&self, size: u64) -> Option<u64> {
        if self.rows == u64::MAX {
            return None;
        }
        let share = u128::from(self.rows) * u128::from(size) / u128::from(self.total_size);
        Some(u64::try_from(share).unwrap_or(u64::MAX).max(FLOOR))
    }
}

/// Ceilings on open streams under a memory limit.
pub(crate) fn limits(given: Limits, limit: Option<u64>, jobs: usize) -> Limits {
    let Some(limit) = limit else { return given };
    let share = (limit / 8) / jobs.max(1) as u64;
    let share_bytes = usize::try_from(share).unwrap_or(usize::MAX);
    let flows = usize::try_from(share / FLOW_BYTES).unwrap_or(usize::MAX);
    Limits {
        max_stream_bytes: given.max_stream_bytes.min(share_bytes),
        max_flows: given.max_flows.min(flows.max(1000)),
        ..given
    }
}

/// Bytes a row takes in the timeline, from above: a text that is repeated is stored once, but counted each time.
pub(crate) fn row_bytes(row: &Row) -> u64 {
    let mut bytes = 0_u64;
    row.for_each(|_, value| {
        bytes += match value {
            Value::Null => 0,
            Value::Str(text) => text.len() as u64 + 4,
            _ => 8,
        };
    });
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_size_and_have_a_floor() {
        let budget = Budget::new(Some(1 << 30), 1000);
        assert_eq!(budget.for_member(500), Some(1 << 28));
        assert_eq!(budget.for_member(0), Some(FLOOR));
        assert_eq!(Budget::new(None, 1000).for_member(500), None);
    }

    #[test]
    fn streams_get_an_eighth_at_most() {
        let limits = limits(Limits::default(), Some(128 << 20), 2);
        assert_eq!(limits.max_stream_bytes, 8 << 20);
        assert_eq!(limits.max_flows, 4096);
        assert_eq!(super::limits(Limits::default(), None, 2), Limits::default());
    }
}
