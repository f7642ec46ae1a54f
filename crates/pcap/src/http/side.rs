//! One direction of an HTTP connection: heads put together, and where the body ends.

use super::Next;
use super::body::Body;
use super::head;
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

/// What became of bytes that should be a head.
pub(super) enum Taken {
    /// So many bytes were taken, more are needed.
    More(usize),
    /// A head lies in the first so many bytes.
    Here(usize),
    /// A head lies in these bytes, of which so many came last.
    Joined(Vec<u8>, usize),
}

impl Side {
    /// Collects a head.
    pub(super) fn head(&mut self, data: &[u8], seen: Seen, is_request: bool) -> Result<Taken, Next> {
        if self.buf.is_empty() {
            let blank = data.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
            if blank > 0 {
                return Ok(Taken::More(blank));
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
                return Ok(Taken::Here(end));
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
            return Ok(Taken::More(data.len()));
        };
        let mut buf = std::mem::take(&mut self.buf);
        buf.truncate(end);
        Ok(Taken::Joined(buf, end.saturating_sub(before)))
    }

    fn not_http(&mut self) -> Result<Taken, Next> {
        self.failures += 1;
        self.resync = true;
        if self.failures > 1000 {
            return Err(Next::Lost);
        }
        // The rest of this segment can't be framed; the next one may start a message.
        Ok(Taken::More(usize::MAX))
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
