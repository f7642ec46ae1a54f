//! Random access to the file: a slice that is lent out, or anything that reads and seeks.

use std::io::SeekFrom;

use casetrace_model::ReadSeek;

/// Where the bytes of a trace come from.
pub(crate) enum Input<'a> {
    /// The whole file in memory or mapped.
    Slice(&'a [u8]),
    /// A file or an archive member.
    Reader(&'a mut dyn ReadSeek, u64),
}

impl<'a> Input<'a> {
    pub(crate) fn reader(reader: &'a mut dyn ReadSeek) -> std::io::Result<Self> {
        let len = reader.seek(SeekFrom::End(0))?;
        Ok(Self::Reader(reader, len))
    }

    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Slice(bytes) => bytes.len() as u64,
            Self::Reader(_, len) => *len,
        }
    }

    /// Replaces `out` by up to `len` bytes from `at`; fewer at the end of the file.
    pub(crate) fn read_into(&mut self, at: u64, len: usize, out: &mut Vec<u8>) -> std::io::Result<()> {
        match self {
            Self::Slice(bytes) => {
                out.clear();
                out.extend_from_slice(part(bytes, at, len));
                Ok(())
            }
            Self::Reader(reader, size) => {
                let len = usize::try_from(size.saturating_sub(at))
                    .unwrap_or(usize::MAX)
                    .min(len);
                reader.seek(SeekFrom::Start(at))?;
                read_up_to(reader, len, out)
            }
        }
    }
}

fn read_up_to(reader: &mut dyn ReadSeek, len: usize, out: &mut Vec<u8>) -> std::io::Result<()> {
    out.resize(len, 0);
    let mut have = 0;
    while let Some(space) = out.get_mut(have..).filter(|space| !space.is_empty()) {
        match reader.read(space) {
            Ok(0) => break,
            Ok(n) => have += n,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => {
                out.truncate(have);
                return Err(error);
            }
        }
    }
    out.truncate(have);
    Ok(())
}

/// The part of `bytes` from `at`, at most `len` long.
pub(crate) fn part(bytes: &[u8], at: u64, len: usize) -> &[u8] {
    let rest = usize::try_from(at)
        .ok()
        .and_then(|at| bytes.get(at..))
        .unwrap_or_default();
    rest.get(..len).unwrap_or(rest)
}
