//! IP fragments put together again, in bounded memory.
//!
//! Source: RFC 791 and 8200. The first copy of a byte wins. A datagram that misses a piece is dropped when it is
//! the oldest of too many, so a flood of fragments can't grow the table.

use super::addr::Addr;

const MAX_OPEN: usize = 64;
const MAX_PIECES: usize = 64;
const MAX_DATAGRAM: usize = 65_535;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FragmentKey {
    pub(crate) src: Addr,
    pub(crate) dst: Addr,
    pub(crate) id: u32,
    pub(crate) protocol: u8,
}

struct Open {
    key: FragmentKey,
    pieces: Vec<(usize, Vec<u8>)>,
    total: Option<usize>,
}

/// Datagrams of which some fragments were seen, oldest first.
#[derive(Default)]
pub(crate) struct Defragmenter {
    open: Vec<Open>,
    /// Datagrams given up for lack of a piece.
    pub(crate) dropped: u64,
}

impl Defragmenter {
    /// Takes one fragment; returns the datagram if this was the last piece missing.
    pub(crate) fn add(
        &mut self,
        key: FragmentKey,
        offset: usize,
        more: bool,
        data: &[u8],
    ) -> Option<Vec<u8>> {
        if offset + data.len() > MAX_DATAGRAM {
            return None;
        }
        let at = self.find_or_open(key);
        let entry = self.open.get_mut(at)?;
        if !more {
            entry.total.get_or_insert(offset + data.len());
        }
        if entry.pieces.len() < MAX_PIECES {
            entry.pieces.push((offset, data.to_vec()));
        }
        let whole = entry.join()?;
        self.open.remove(at);
        Some(whole)
    }

    fn find_or_open(&mut self, key: FragmentKey) -> usize {
        if let Some(at) = self.open.iter().position(|o| o.key == key) {
            return at;
        }
        if self.open.len() >= MAX_OPEN {
            self.open.remove(0);
            self.dropped += 1;
        }
        self.open.push(Open {
            key,
            pieces: Vec::new(),
            total: None,
        });
        self.open.len() - 1
    }

    /// Datagrams still open at the end.
    pub(crate) fn unfinished(&self) -> u64 {
        self.dropped + self.open.len() as u64
    }
}

impl Open {
    fn join(&self) -> Option<Vec<u8>> {
        let total = self.total?;
        let mut order: Vec<_> = self.pieces.iter().collect();
        // Stable: of two pieces for one place the one seen first stays first.
        order.sort_by_key(|(offset, _)| *offset);
        let mut out = Vec::with_capacity(total);
        for (offset, data) in order {
            if *offset > out.len() {
                return None;
            }
            out.extend_from_slice(data.get(out.len() - offset..).unwrap_or_default());
        }
        out.truncate(total);
        (out.len() == total).then_some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u32) -> FragmentKey {
        FragmentKey {
            src: Addr::v4([10, 0, 0, 1]),
            dst: Addr::v4([10, 0, 0, 2]),
            id,
            protocol: 17,
        }
    }

    #[test]
    fn pieces_join_in_any_order_and_the_first_copy_wins() {
        let mut pool = Defragmenter::default();
        assert_eq!(pool.add(key(1), 8, true, b"BBBBBBBB"), None);
        assert_eq!(pool.add(key(1), 16, false, b"CC"), None);
        assert_eq!(pool.add(key(1), 8, true, b"xxxxxxxx"), None);
        assert_eq!(
            pool.add(key(1), 0, true, b"AAAAAAAA").as_deref(),
            Some(&b"AAAAAAAABBBBBBBBCC"[..])
        );
        assert_eq!(pool.unfinished(), 0);
    }

    #[test]
    fn a_flood_of_open_datagrams_stays_bounded() {
        let mut pool = Defragmenter::default();
        for id in 0..1000 {
            assert_eq!(pool.add(key(id), 8, true, &[0; 8]), None);
        }
        assert_eq!(pool.open.len(), MAX_OPEN);
        assert_eq!(pool.unfinished(), 1000);
    }
}
