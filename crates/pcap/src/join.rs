//! Joins the bytes of one direction until a whole message is there.

use crate::emit::Seen;

/// Room that is taken at once for a message that says how long it is.
const MAX_RESERVED: usize = 4 << 10;

/// What a message reader makes of the bytes so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// This many bytes were one message (or can be forgotten).
    Used(usize),
    /// The message is not complete.
    More,
    /// It is not complete until there are so many bytes of it.
    Need(usize),
    /// These bytes are not of this protocol; stop.
    Stop,
}

/// Unfinished bytes and where the first of them was seen.
#[derive(Debug, Default)]
pub(crate) struct Joiner {
    buf: Vec<u8>,
    seen: Seen,
}

impl Joiner {
    /// Offers old and new bytes to `step` until it wants more; false if it said stop or a message passed `limit`.
    ///
    /// Nothing is copied while messages end where segments do.
    pub(crate) fn feed(
        &mut self,
        data: &[u8],
        seen: Seen,
        limit: usize,
        mut step: impl FnMut(&[u8], Seen) -> Step,
    ) -> bool {
        if self.buf.is_empty() {
            let Some((used, need)) = run(data, seen, &mut step) else {
                return false;
            };
            self.keep(data, used, need, seen, limit)
        } else {
            // All but the first message in the joined bytes begin in the new segment, or close to it.
            let old = self.seen;
            let mut buf = std::mem::take(&mut self.buf);
            buf.extend_from_slice(data);
            let mut used = 0;
            loop {
                let at = if used == 0 { old } else { seen };
                match step(buf.get(used..).unwrap_or_default(), at) {
                    Step::Used(n) if n > 0 => used = (used + n).min(buf.len()),
                    Step::Used(_) | Step::More | Step::Need(_) => break,
                    Step::Stop => return false,
                }
                if used == buf.len() {
                    break;
                }
            }
            self.seen = if used == 0 { old } else { seen };
            buf.drain(..used);
            // An empty buffer goes back at once: thousands of open conversations would keep one each.
            if !buf.is_empty() {
                self.buf = buf;
            }
            self.buf.len() <= limit
        }
    }

    fn keep(&mut self, data: &[u8], used: usize, need: usize, seen: Seen, limit: usize) -> bool {
        let rest = data.get(used..).unwrap_or_default();
        if rest.len() > limit {
            return false;
        }
        // Once for most messages; a longer one may never come.
        self.buf.reserve_exact(need.min(MAX_RESERVED).max(rest.len()));
        self.buf.extend_from_slice(rest);
        self.seen = seen;
        true
    }

    /// What is left, for a last look when nothing more will come.
    pub(crate) fn rest(&self) -> (&[u8], Seen) {
        (&self.buf, self.seen)
    }

    pub(crate) fn held(&self) -> usize {
        self.buf.capacity()
    }

    pub(crate) fn clear(&mut self) {
        self.buf = Vec::new();
    }
}

/// Bytes used, and how many the message behind them needs, if that is known.
fn run(data: &[u8], seen: Seen, step: &mut impl FnMut(&[u8], Seen) -> Step) -> Option<(usize, usize)> {
    let (mut used, mut need) = (0, 0);
    while used < data.len() {
        match step(data.get(used..).unwrap_or_default(), seen) {
            Step::Used(n) if n > 0 => used = (used + n).min(data.len()),
            Step::Need(bytes) => {
                need = bytes;
                break;
            }
            Step::Used(_) | Step::More => break,
            Step::Stop => return None,
        }
    }
    Some((used, need))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_whole_however_they_are_cut() {
        let wire = b"\x03abc\x02de\x01f";
        for cut in 1..wire.len() {
            let (mut joiner, mut out) = (Joiner::default(), Vec::new());
            for (i, piece) in wire.chunks(cut).enumerate() {
                let seen = Seen {
                    ts_ns: 0,
                    record: i as u64,
                };
                assert!(joiner.feed(piece, seen, 100, |bytes, _| {
                    let len = usize::from(bytes[0]);
                    let Some(body) = bytes.get(1..=len) else {
                        return Step::More;
                    };
                    out.push(body.to_vec());
                    Step::Used(len + 1)
                }));
            }
            assert_eq!(out, [b"abc".to_vec(), b"de".to_vec(), b"f".to_vec()], "cut {cut}");
        }
    }

    #[test]
    fn nothing_is_kept_between_messages() {
        let mut joiner = Joiner::default();
        let whole = |bytes: &[u8], _: Seen| {
            if bytes.len() < 8 {
                Step::More
            } else {
                Step::Used(8)
            }
        };
        assert!(joiner.feed(&[1; 5], Seen::default(), 100, whole));
        assert!(joiner.held() >= 5);
        assert!(joiner.feed(&[1; 3], Seen::default(), 100, whole));
        assert_eq!(joiner.held(), 0);
    }

    #[test]
    fn a_message_over_the_limit_stops_the_reader() {
        let mut joiner = Joiner::default();
        assert!(joiner.feed(&[1; 8], Seen::default(), 10, |_, _| Step::More));
        assert!(!joiner.feed(&[1; 8], Seen::default(), 10, |_, _| Step::More));
    }
}
