//! Remembers the last few milliseconds of frames, to tell copies of one packet where the trace does not number them.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use casetrace_model::Direction;

/// Copies of a packet follow each other within this time.
const WINDOW_NS: i64 = 5_000_000;
const MAX_REMEMBERED: usize = 65_536;

/// Frames of the last milliseconds by hash of their bytes.
///
/// A sender may really repeat a frame (duplicate acknowledgements are equal to the byte), so the n-th sighting at one
/// place is a copy only if another place saw the frame n times already.
#[derive(Debug, Default)]
pub(super) struct RecentFrames {
    order: VecDeque<(i64, u64, u32)>,
    seen: HashMap<u64, Vec<(u32, u32)>>,
}

impl RecentFrames {
    /// Notes a frame seen at `place`; true if it is a copy of one seen elsewhere within the window.
    pub(super) fn is_copy(
        &mut self,
        place: u32,
        ts_ns: i64,
        direction: Option<Direction>,
        frame: &[u8],
    ) -> bool {
        self.forget(ts_ns);
        let mut hasher = DefaultHasher::new();
        direction.map(|d| d == Direction::Out).hash(&mut hasher);
        frame.hash(&mut hasher);
        let hash = hasher.finish();
        self.order.push_back((ts_ns, hash, place));
        let places = self.seen.entry(hash).or_default();
        let mine = match places.iter_mut().find(|(at, _)| *at == place) {
            Some((_, n)) => {
                *n += 1;
                *n
            }
            None => {
                places.push((place, 1));
                1
            }
        };
        places.iter().any(|(at, n)| *at != place && *n >= mine)
    }

    fn forget(&mut self, ts_ns: i64) {
        while let Some((seen, hash, place)) = self.order.front().copied() {
            if ts_ns.saturating_sub(seen) <= WINDOW_NS && self.order.len() < MAX_REMEMBERED {
                break;
            }
            self.order.pop_front();
            let Some(places) = self.seen.get_mut(&hash) else {
                continue;
            };
            if let Some((_, n)) = places.iter_mut().find(|(at, _)| *at == place) {
                *n = n.saturating_sub(1);
            }
            places.retain(|(_, n)| *n > 0);
            if places.is_empty() {
                self.seen.remove(&hash);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_at_one_place_are_no_copies() {
        let mut recent = RecentFrames::default();
        assert!(!recent.is_copy(1, 0, None, b"ack"));
        assert!(!recent.is_copy(1, 10, None, b"ack"));
        assert!(recent.is_copy(2, 20, None, b"ack"));
        assert!(recent.is_copy(2, 30, None, b"ack"));
        assert!(!recent.is_copy(2, 40, None, b"ack"));
        assert!(!recent.is_copy(2, 50, Some(Direction::Out), b"ack"));
        assert!(!recent.is_copy(1, WINDOW_NS * 3, None, b"ack"));
        assert_eq!(recent.seen.len(), 1);
    }
}
