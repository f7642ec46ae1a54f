//! One direction of an HTTP connection: heads put together, and where the body ends.

use super::Next;
use super::body::Body;
use super::head::{self, Head};
use crate::emit::Seen;

/// One direction.
#[derive(Default)]
pub(super) struct Side {
    pub(super) buf: Vec<u8>,
    pub(super) seen: Seen,
    searched: usize,
    pub(super) body: Body,
    /// After a gap or nonsense: wait for a segment that starts with a start line.
    resync: bool,
    failures: u32,
}

impl Side {
    /// Collects a head. `Ok((None, n))`: took `n` bytes, more are needed.
    pub(super) fn head(
        &mut self,
        data: &[u8],
        seen: Seen,
        is_request: bool,
    ) -> Result<(Option<(Head, Seen)>, usize), Next> {
        if self.buf.is_empty() {
            let blank = data.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
            if blank > 0 {
                return Ok((None, blank));
            }
            let starts = if is_request {
                head::starts_request(data)
            } else {
                head::starts_response(data)
            };
            if !starts {
                return self.not_http();
            }
            self.resync = false;
            self.seen = seen;
            self.searched = 0;
            if let Some(end) = head::end_of_head(data, 0) {
                return Ok((self.parsed(data.get(..end).unwrap_or_default(), is_request), end));
            }
        }
        let before = self.buf.len();
        self.buf.extend_from_slice(data);
        let Some(end) = head::end_of_head(&self.buf, self.searched) else {
            self.searched = self.buf.len();
            if self.buf.len() > head::MAX_HEAD {
                self.buf = Vec::new();
                return self.not_http();
            }
            return Ok((None, data.len()));
        };
        let buf = std::mem::take(&mut self.buf);
        let found = self.parsed(buf.get(..end).unwrap_or_default(), is_request);
        Ok((found, end.saturating_sub(before)))
    }

    fn parsed(&mut self, bytes: &[u8], is_request: bool) -> Option<(Head, Seen)> {
        head::parse(bytes, is_request).map(|head| (head, self.seen))
    }

    fn not_http(&mut self) -> Result<(Option<(Head, Seen)>, usize), Next> {
        self.failures += 1;
        self.resync = true;
        if self.failures > 1000 {
            return Err(Next::Lost);
        }
        // The rest of this segment can't be framed; the next one may start a message.
        Ok((None, usize::MAX))
    }

    pub(super) fn gap(&mut self, lost: u64) {
        self.buf = Vec::new();
        match &mut self.body {
            Body::Length(left) if *left >= lost => *left -= lost,
            Body::UntilClose => {}
            _ => {
                self.body = Body::None;
                self.resync = true;
            }
        }
    }
}
