//! Where a member's bytes are: in memory, in place on disk, or in the case's one spool file.
//!
//! All spooled members share a single unnamed temporary file and are ranges of it. So nothing from an archive
//! ever names a file of ours, the number of open files does not grow with the case, and the bytes are gone
//! when the process ends, however it ends.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use casetrace_model::ReadSeek;

/// A readable byte range that can be opened any number of times.
#[derive(Debug, Clone)]
pub(crate) enum Bytes {
    /// Small members.
    Memory(Arc<[u8]>),
    /// An input file, read in place.
    Disk(Arc<Path>),
    /// A range of the spool file.
    Spool { file: Arc<File>, start: u64, len: u64 },
    /// Never read (encrypted, over a limit, not a regular file…).
    Absent,
}

impl Bytes {
    pub(crate) fn open(&self) -> io::Result<Box<dyn ReadSeek + Send>> {
        Ok(match self {
            Self::Memory(bytes) => Box::new(Cursor::new(Arc::clone(bytes))),
            Self::Disk(path) => Box::new(File::open(path)?),
            Self::Spool { file, start, len } => Box::new(SpoolReader {
                file: Arc::clone(file),
                start: *start,
                len: *len,
                at: 0,
            }),
            Self::Absent => {
                return Err(io::Error::new(
                    io::ErrorKind::NotFound,
                    "the member was not extracted",
                ));
            }
        })
    }
}

/// An independent cursor over a range of the spool file.
struct SpoolReader {
    file: Arc<File>,
    start: u64,
    len: u64,
    at: u64,
}

impl Read for SpoolReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = self.len.saturating_sub(self.at);
        let want = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
        let Some(buf) = buf.get_mut(..want) else {
            return Ok(0);
        };
        let n = read_at(&self.file, buf, self.start + self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl Seek for SpoolReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.len.checked_add_signed(by),
        };
        self.at =
            target.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "seek before the start"))?;
        Ok(self.at)
    }
}

/// The append side of the spool file, created at the first large member.
#[derive(Debug)]
pub(crate) struct Spool {
    dir: PathBuf,
    file: Option<Arc<File>>,
    end: u64,
}

impl Spool {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            file: None,
            end: 0,
        }
    }

    /// Where the next byte goes.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let file = match &self.file {
            Some(file) => file,
            None => {
                make_private_dir(&self.dir)?;
                self.file.insert(Arc::new(tempfile::tempfile_in(&self.dir)?))
            }
        };
        write_all_at(file, bytes, self.end)?;
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Forgets everything from `to` on; it is overwritten next.
    pub(crate) fn rewind(&mut self, to: u64) {
        self.end = self.end.min(to);
    }

    /// The range from `start` to the end.
    pub(crate) fn range_from(&self, start: u64) -> Bytes {
        match &self.file {
            Some(file) => Bytes::Spool {
                file: Arc::clone(file),
                start,
                len: self.end.saturating_sub(start),
            },
            None => Bytes::Absent,
        }
    }
}

fn make_private_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

#[cfg(unix)]
fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buf, offset)
}

#[cfg(windows)]
fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buf, offset)
}

#[cfg(unix)]
fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(windows)]
fn write_all_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let n = std::os::windows::fs::FileExt::seek_write(file, bytes, offset)?;
        if n == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = bytes.get(n..).unwrap_or_default();
        offset += n as u64;
    }
    Ok(())
}
