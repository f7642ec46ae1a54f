//! One cabinet folder as a stream, and the files cut out of it.

use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};

use casetrace_model::Diagnostic;

use super::layout::{CabFile, Cabinet, Folder, Place};
use super::{Source, entry_of};
use crate::case::{MemberOutcome, OpenError};
use crate::expand::{Builder, Entry};
use crate::intake::{End, Stored, Taken};
use crate::names::CodePage;

/// The blocks of a folder as their headers describe them.
#[derive(Debug, Default)]
struct Survey {
    /// Blocks that are whole in the file and hold data.
    blocks: u16,
    stored: u64,
    expanded: u64,
    /// Offsets of the block headers, from the first.
    headers: Vec<u64>,
    /// Offsets (in the expanded folder) of blocks whose checksum is wrong.
    bad: Vec<u64>,
    /// Bytes of the file that the blocks take.
    walked: u64,
    /// True if blocks are missing at the end.
    cut: bool,
}

/// Bytes of the file that folders may still be read from. Folders may claim the same data blocks, 65,535 of them
/// the whole file each: past twice the file's size that is an attack.
#[derive(Debug)]
pub(super) struct Room(u64);

impl Room {
    /// For a cabinet of this many bytes.
    pub(super) fn new(len: u64) -> Self {
        Self(len.saturating_mul(2))
    }
}

/// One folder and its files.
#[derive(Debug)]
pub(super) struct Solid<'a> {
    pub(super) cabinet: &'a Cabinet,
    pub(super) number: usize,
    pub(super) files: Vec<&'a CabFile>,
    pub(super) codec: CodePage,
}

impl Solid<'_> {
    /// Adds the files. Gives how many found no room.
    pub(super) fn extract(
        self,
        builder: &mut Builder<'_>,
        parent: usize,
        source: &mut Source,
        room: &mut Room,
    ) -> Result<u64, OpenError> {
        let Some(folder) = self.cabinet.folders.get(self.number) else {
            return Ok(0);
        };
        if self.files.is_empty() {
            return Ok(0);
        }
        if room.0 == 0 {
            return Ok(self.refuse(builder, parent));
        }
        let survey = survey(source, folder, self.cabinet.block_reserve);
        room.0 = room.0.saturating_sub(survey.walked + 8);
        report(builder, parent, self.number, folder, &survey);
        let (mut waiting, mut left_out) = (Vec::new(), 0);
        for file in &self.files {
            match file.size {
                0 => left_out += add_empty(builder, parent, entry_of(file, self.codec))?,
                _ => waiting.push(*file),
            }
        }
        // Files that overlap others get a second look at the folder; so no single lie hides its neighbours.
        for _ in 0..2 {
            let (now, later) = disjoint(waiting);
            waiting = later;
            if !now.is_empty() {
                left_out += self.pass(builder, parent, source, &survey, &now)?;
            }
        }
        Ok(left_out + overlapping(builder, parent, &waiting, self.codec))
    }

    /// Decompresses the folder once, for files that follow one another.
    fn pass(
        &self,
        builder: &mut Builder<'_>,
        parent: usize,
        source: &mut Source,
        survey: &Survey,
        files: &[&CabFile],
    ) -> Result<u64, OpenError> {
        let Some(folder) = self.cabinet.folders.get(self.number) else {
            return Ok(0);
        };
        let Ok(rebuilt) = Rebuilt::new(source, folder, self.cabinet.block_reserve, survey) else {
            return Ok(fail_all(builder, parent, files, self.codec));
        };
        let Ok(Ok(mut opened)) = guarded(|| cab::Cabinet::new(rebuilt)) else {
            return Ok(fail_all(builder, parent, files, self.codec));
        };
        let Ok(Ok(stream)) = guarded(|| opened.read_file(Rebuilt::NAME)) else {
            return Ok(fail_all(builder, parent, files, self.codec));
        };
        let mut stream = Guarded {
            inner: stream,
            dead: None,
        };
        cut_out(builder, parent, &mut stream, files, survey, self.codec)
    }

    fn refuse(&self, builder: &mut Builder<'_>, parent: usize) -> u64 {
        let text =
            "its folder claims data that other folders of the cabinet claim too, many times over; not read";
        let mut left_out = 0;
        for file in &self.files {
            let mut entry = entry_of(file, self.codec);
            entry.diagnostics.push(Diagnostic::warning("CabOverlap", text));
            let added = builder.add_absent(Some(parent), "", entry, MemberOutcome::Skipped);
            left_out += u64::from(added.is_none());
        }
        left_out
    }
}

/// As many files as possible that follow one another without overlap, and the others.
fn disjoint(mut files: Vec<&CabFile>) -> (Vec<&CabFile>, Vec<&CabFile>) {
    let end = |file: &CabFile| u64::from(file.offset) + u64::from(file.size);
    files.sort_by_key(|file| (end(file), file.offset));
    let mut at = 0;
    files.into_iter().partition(|file| {
        let fits = u64::from(file.offset) >= at;
        if fits {
            at = end(file);
        }
        fits
    })
}

fn overlapping(builder: &mut Builder<'_>, parent: usize, files: &[&CabFile], codec: CodePage) -> u64 {
    let mut left_out = 0;
    for file in files {
        let mut entry = entry_of(file, codec);
        let text = "its data overlaps that of two other files in the cabinet; not read";
        entry.diagnostics.push(Diagnostic::warning("CabOverlap", text));
        let added = builder.add_absent(Some(parent), "", entry, MemberOutcome::Skipped);
        left_out += u64::from(added.is_none());
    }
    left_out
}

fn add_empty(builder: &mut Builder<'_>, parent: usize, entry: Entry) -> Result<u64, OpenError> {
    let taken = builder.take(&mut io::empty(), Stored::default())?;
    Ok(u64::from(builder.add_taken(parent, entry, taken).is_none()))
}

/// Reads the files one after the other from the folder's stream.
fn cut_out(
    builder: &mut Builder<'_>,
    parent: usize,
    stream: &mut Guarded<impl Read>,
    files: &[&CabFile],
    survey: &Survey,
    codec: CodePage,
) -> Result<u64, OpenError> {
    let mut at = 0_u64;
    let mut left_out = 0;
    for file in files {
        let mut entry = entry_of(file, codec);
        let start = u64::from(file.offset);
        if builder.intake.exhausted() || builder.full() {
            let text = "the case expands beyond max_total_bytes; this file was not read";
            entry
                .diagnostics
                .push(Diagnostic::warning("BundleSizeLimit", text));
            left_out += u64::from(
                builder
                    .add_absent(Some(parent), "", entry, MemberOutcome::Skipped)
                    .is_none(),
            );
            continue;
        }
        at += skip(stream, start.saturating_sub(at));
        let mut taken = take_file(builder, stream, file, survey, at)?;
        at += taken.size;
        if at < start || taken.size < u64::from(file.size) {
            taken.end = match taken.end {
                End::Complete => End::Broken(stream.reason()),
                other => other,
            };
        }
        entry.diagnostics.extend(remarks(file, survey, taken.size));
        left_out += u64::from(match taken.size {
            0 => builder
                .add_absent(Some(parent), "", lost(entry), MemberOutcome::Failed)
                .is_none(),
            _ => builder.add_taken(parent, entry, taken).is_none(),
        });
    }
    Ok(left_out)
}

fn take_file(
    builder: &mut Builder<'_>,
    stream: &mut Guarded<impl Read>,
    file: &CabFile,
    survey: &Survey,
    expanded: u64,
) -> Result<Taken, OpenError> {
    let stored = Stored {
        bytes: survey.stored,
        expanded,
    };
    let mut window = stream.take(u64::from(file.size));
    builder.take(&mut window, stored)
}

fn skip(stream: &mut impl Read, bytes: u64) -> u64 {
    io::copy(&mut stream.take(bytes), &mut io::sink()).unwrap_or(0)
}

fn lost(mut entry: Entry) -> Entry {
    let text = "the cabinet's data ends or is damaged before this file; nothing of it could be read";
    entry
        .diagnostics
        .push(Diagnostic::error("CabFileLost", text).lost(entry.declared_size));
    entry
}

fn remarks(file: &CabFile, survey: &Survey, size: u64) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    let (start, end) = (u64::from(file.offset), u64::from(file.offset) + size);
    if let Some(bad) = survey
        .bad
        .iter()
        .find(|bad| **bad < end && **bad + 0x8000 > start)
    {
        let text = "a block of this file fails its checksum; its content is wrong from there on";
        out.push(Diagnostic::warning("CabChecksum", text).at(bad.saturating_sub(start)));
    }
    if matches!(file.place, Place::Folder { continues: true, .. }) {
        let text = "the file continues in the next cabinet of this set; upload all parts to get the rest";
        out.push(Diagnostic::warning("CabOtherPart", text).at(size));
    }
    out
}

fn report(builder: &mut Builder<'_>, parent: usize, number: usize, folder: &Folder, survey: &Survey) {
    if folder.method & 15 > 3 || folder.method & 15 == 2 {
        let text = format!(
            "folder {number} is compressed with {}, which is not supported",
            folder.method_name()
        );
        builder.partial(parent, Diagnostic::error("CabMethodUnsupported", text));
    }
    if !survey.bad.is_empty() {
        let text = format!(
            "{} data blocks of folder {number} fail their checksum",
            survey.bad.len()
        );
        builder.partial(parent, Diagnostic::warning("CabChecksum", text));
    }
    if survey.cut {
        let text = format!("folder {number} lacks data blocks at its end; its last files are cut or lost");
        builder.partial(parent, Diagnostic::warning("CabFolderCut", text));
    }
}

fn fail_all(builder: &mut Builder<'_>, parent: usize, files: &[&CabFile], codec: CodePage) -> u64 {
    let mut left_out = 0;
    for file in files {
        let entry = lost(entry_of(file, codec));
        let added = builder.add_absent(Some(parent), "", entry, MemberOutcome::Failed);
        left_out += u64::from(added.is_none());
    }
    left_out
}

/// Walks the block headers of a folder and checks the sums.
fn survey(source: &mut Source, folder: &Folder, reserve: u8) -> Survey {
    let mut survey = Survey::default();
    if source
        .seek(SeekFrom::Start(u64::from(folder.first_block)))
        .is_err()
    {
        survey.cut = true;
        return survey;
    }
    let mut at = 0;
    for _ in 0..folder.blocks {
        match survey_block(source, reserve, folder.is_stored()) {
            Ok((stored, expanded, good)) => {
                // A block that expands to nothing is the first half of one split over two cabinets.
                if expanded == 0 {
                    survey.cut = true;
                    break;
                }
                if !good {
                    survey.bad.push(survey.expanded);
                }
                survey.blocks += 1;
                survey.headers.push(at);
                at += 8 + u64::from(reserve) + u64::from(stored);
                survey.walked = at;
                survey.stored += u64::from(stored);
                survey.expanded += u64::from(expanded);
            }
            Err(_) => {
                survey.cut = true;
                break;
            }
        }
    }
    survey
}

fn survey_block(source: &mut Source, reserve: u8, stored_method: bool) -> io::Result<(u16, u16, bool)> {
    let mut head = [0; 8];
    source.read_exact(&mut head)?;
    let sum = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
    let (stored, expanded) = (
        u16::from_le_bytes([head[4], head[5]]),
        u16::from_le_bytes([head[6], head[7]]),
    );
    let mut data = vec![0; usize::from(reserve) + usize::from(stored)];
    source.read_exact(&mut data)?;
    if stored_method && stored != expanded && expanded != 0 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    // The data is summed on its own, then the two sizes with the reserved bytes behind them.
    let (reserved, packed) = data.split_at(usize::from(reserve));
    let sizes = u32::from(stored) | u32::from(expanded) << 16;
    let actual = checksum(packed) ^ checksum(reserved) ^ sizes;
    Ok((stored, expanded, sum == 0 || actual == sum))
}

/// XOR of little-endian words; the last one to three bytes count from the most significant end.
fn checksum(data: &[u8]) -> u32 {
    let words = data.chunks_exact(4);
    let tail = words
        .remainder()
        .iter()
        .fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte));
    words.fold(tail, |sum, word| match word.try_into() {
        Ok(word) => sum ^ u32::from_le_bytes(word),
        Err(_) => sum,
    })
}

/// A cabinet with one folder holding one file that spans it: new tables in front of the old data blocks.
struct Rebuilt<'a> {
    tables: Cursor<Vec<u8>>,
    source: &'a mut Source,
    data_at: u64,
    at: u64,
    /// Offsets of the block headers, whose checksums are blanked while reading past them: they were checked
    /// before, and the crate sums reserved bytes differently.
    headers: Vec<u64>,
}

impl<'a> Rebuilt<'a> {
    const NAME: &'static str = "folder";

    fn new(source: &'a mut Source, folder: &Folder, reserve: u8, survey: &Survey) -> io::Result<Self> {
        if survey.blocks == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut out = b"MSCF\0\0\0\0".to_vec();
        let tables_len = 36 + 4 + 8 + 16 + Self::NAME.len() as u32 + 1;
        let expanded = u32::try_from(survey.expanded).map_err(|_| io::ErrorKind::InvalidData)?;
        for word in [tables_len, 0, 36 + 4 + 8, 0] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(&[3, 1]);
        for half in [1_u16, 1, 4, 0, 0, 0] {
            out.extend_from_slice(&half.to_le_bytes());
        }
        out.extend_from_slice(&[0, reserve]);
        out.extend_from_slice(&tables_len.to_le_bytes());
        for half in [survey.blocks, folder.method] {
            out.extend_from_slice(&half.to_le_bytes());
        }
        out.extend_from_slice(&expanded.to_le_bytes());
        out.extend_from_slice(&[0; 12]);
        out.extend_from_slice(Self::NAME.as_bytes());
        out.push(0);
        let data_at = u64::from(folder.first_block);
        Ok(Self {
            tables: Cursor::new(out),
            source,
            data_at,
            at: 0,
            headers: survey.headers.clone(),
        })
    }

    fn tables_len(&self) -> u64 {
        self.tables.get_ref().len() as u64
    }

    /// Blanks checksum bytes within `buf`, which was read from data offset `from`: a block with a wrong sum is still
    /// worth decompressing, and was reported.
    fn blank_sums(&self, buf: &mut [u8], from: u64) {
        let first = self.headers.partition_point(|block| block + 4 <= from);
        let end = from + buf.len() as u64;
        for block in self.headers.iter().skip(first).take_while(|block| **block < end) {
            for byte in *block..*block + 4 {
                let at = byte.checked_sub(from).and_then(|at| usize::try_from(at).ok());
                if let Some(slot) = at.and_then(|at| buf.get_mut(at)) {
                    *slot = 0;
                }
            }
        }
    }
}

impl Read for Rebuilt<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = match self.at.checked_sub(self.tables_len()) {
            None => {
                self.tables.set_position(self.at);
                self.tables.read(buf)?
            }
            Some(from) => {
                let n = self.source.read(buf)?;
                let read = buf.get_mut(..n).unwrap_or_default();
                self.blank_sums(read, from);
                n
            }
        };
        self.at += n as u64;
        // Crossing from the tables into the data leaves the inner reader where the tables were read from.
        if self.at == self.tables_len() && n > 0 {
            self.source.seek(SeekFrom::Start(self.data_at))?;
        }
        Ok(n)
    }
}

impl Seek for Rebuilt<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(0) => return Ok(self.at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(_) => None,
        };
        let target = target.ok_or(io::ErrorKind::InvalidInput)?;
        if let Some(from) = target.checked_sub(self.tables_len()) {
            let wanted = self.data_at.saturating_add(from);
            let here = self.source.stream_position()?;
            let by = i64::try_from(i128::from(wanted) - i128::from(here))
                .map_err(|_| io::ErrorKind::InvalidInput)?;
            self.source.seek_relative(by)?;
        }
        self.at = target;
        Ok(target)
    }
}

/// Runs decompressor code, whose asserts on damaged data must not end the run.
fn guarded<T>(f: impl FnOnce() -> T) -> std::thread::Result<T> {
    catch_unwind(AssertUnwindSafe(f))
}

/// Stops for good at the first error; a panic in a decompressor counts as damage, too.
struct Guarded<R> {
    inner: R,
    dead: Option<io::ErrorKind>,
}

impl<R> Guarded<R> {
    fn reason(&self) -> io::Error {
        self.dead.unwrap_or(io::ErrorKind::UnexpectedEof).into()
    }
}

impl<R: Read> Read for Guarded<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.dead.is_some() {
            return Ok(0);
        }
        match guarded(|| self.inner.read(buf)) {
            Ok(Ok(n)) => Ok(n),
            Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Ok(Err(error)) => {
                self.dead = Some(error.kind());
                Ok(0)
            }
            Err(_) => {
                self.dead = Some(io::ErrorKind::InvalidData);
                Ok(0)
            }
        }
    }
}
