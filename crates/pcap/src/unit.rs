//! One packet on its way to the shard that owns its conversation.

use crate::emit::Seen;
use crate::net::Unreachable;
use crate::net::addr::{Addr, FlowKey};

/// One transport packet on its way to its shard; the payload travels beside it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unit {
    pub(crate) seen: Seen,
    /// Its conversation.
    pub(crate) key: FlowKey,
    /// Which end sent it: the lower one of the key or the other.
    pub(crate) from_low: bool,
    pub(crate) pid: Option<u32>,
    pub(crate) what: What,
    pub(crate) shard: u8,
}

/// What a unit is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum What {
    Tcp {
        seq: u32,
        ack: u32,
        flags: u8,
        window: u16,
        wire_len: u32,
    },
    Udp,
    /// Endpoints of the unit are those of the packet complained about.
    Unreachable {
        complaint: Unreachable,
        reporter: Addr,
    },
    /// Time has come to this; every shard looks for what expired.
    Tick,
    /// No packets come behind this: the shard writes a slice of what is open.
    End,
}

impl Unit {
    /// Who sent it.
    pub(crate) fn src(&self) -> (Addr, u16) {
        let [low, high] = self.key.ends();
        if self.from_low { low } else { high }
    }

    /// Whom it was sent to.
    pub(crate) fn dst(&self) -> (Addr, u16) {
        let [low, high] = self.key.ends();
        if self.from_low { high } else { low }
    }

    /// The time is `now_ns`.
    pub(crate) fn tick(seen: Seen) -> Self {
        Self {
            seen,
            key: FlowKey::default(),
            from_low: true,
            pid: None,
            what: What::Tick,
            shard: 0,
        }
    }

    /// No packets come behind this for the shard; the time is `now_ns`.
    pub(crate) fn end(shard: u8, now_ns: i64) -> Self {
        let seen = Seen {
            ts_ns: now_ns,
            record: 0,
        };
        Self {
            what: What::End,
            shard,
            ..Self::tick(seen)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_stay_small() {
        assert!(std::mem::size_of::<Unit>() <= 104);
    }
}
