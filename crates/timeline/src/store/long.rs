//! A column of mostly different texts (`message`, `fields`): compressed blocks, of which only those that are read are unpacked.
//!
//! These two columns are nine tenths of a timeline's bytes and pack to a tenth. Blocks may also lie in an unnamed temporary
//! file ([`Spill`]), so that a case of any size fits into memory.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use std::{fmt, io};

use super::spill::Spill;

/// Bytes of text in one block, before compression.
const BLOCK_BYTES: usize = 64 << 10;

/// Zstandard's fastest regular level; higher ones gain a few percent here.
const LEVEL: i32 = 1;

/// A run of rows' texts back to back, and where each ends.
#[derive(Debug, Clone, Default)]
struct Plain {
    text: String,
    ends: Vec<u32>,
}

impl Plain {
    fn get(&self, at: usize) -> &str {
        let end = self.ends.get(at).copied().unwrap_or(0) as usize;
        let start = at
            .checked_sub(1)
            .and_then(|at| self.ends.get(at))
            .copied()
            .unwrap_or(0) as usize;
        self.text.get(start..end).unwrap_or("")
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(self.text.len() as u32);
    }

    fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    /// Unpacks into the memory of this one.
    fn refill(mut self, packed: &[u8], block: &Block, zstd: &mut Zstd) -> io::Result<Self> {
        let mut raw = std::mem::take(&mut self.text).into_bytes();
        raw.clear();
        raw.reserve(block.bytes + block.rows * 4);
        zstd.unpack(packed, &mut raw)?;
        let ends = raw.get(block.bytes..).unwrap_or_default().chunks_exact(4);
        self.ends.clear();
        self.ends
            .extend(ends.map(|e| e.try_into().map_or(0, u32::from_le_bytes)));
        raw.truncate(block.bytes);
        self.text = String::from_utf8(raw).map_err(io::Error::other)?;
        Ok(self)
    }
}

/// What packing needs, kept from block to block: making it anew takes longer than a block.
#[derive(Default)]
struct Packer {
    zstd: Option<zstd::bulk::Compressor<'static>>,
    raw: Vec<u8>,
    packed: Vec<u8>,
}

thread_local! {
    /// One for all columns that a thread fills; they are many where a member comes in parts.
    static PACKER: RefCell<Packer> = RefCell::default();
}

impl Packer {
    fn pack(&mut self, plain: &Plain) -> io::Result<Box<[u8]>> {
        self.raw.clear();
        self.raw.extend_from_slice(plain.text.as_bytes());
        plain
            .ends
            .iter()
            .for_each(|end| self.raw.extend_from_slice(&end.to_le_bytes()));
        self.packed.clear();
        self.packed
            .reserve(zstd::zstd_safe::compress_bound(self.raw.len()));
        let zstd = match &mut self.zstd {
            Some(zstd) => zstd,
            none => none.insert(zstd::bulk::Compressor::new(LEVEL)?),
        };
        zstd.compress_to_buffer(&self.raw, &mut self.packed)?;
        Ok(self.packed.as_slice().into())
    }
}

/// What unpacking needs, kept from block to block.
#[derive(Default)]
struct Zstd(Option<zstd::bulk::Decompressor<'static>>);

impl Zstd {
    fn unpack(&mut self, packed: &[u8], into: &mut Vec<u8>) -> io::Result<usize> {
        let zstd = match &mut self.0 {
            Some(zstd) => zstd,
            none => none.insert(zstd::bulk::Decompressor::new()?),
        };
        zstd.decompress_to_buffer(packed, into)
    }
}

impl fmt::Debug for Zstd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Zstd")
    }
}

#[derive(Debug, Clone)]
enum Packed {
    Memory(Box<[u8]>),
    File {
        spill: Arc<Spill>,
        offset: u64,
        len: usize,
    },
}

#[derive(Debug, Clone)]
struct Block {
    packed: Packed,
    rows: usize,
    bytes: usize,
    /// For those who read single cells; they read few.
    plain: OnceLock<Box<Plain>>,
}

impl Block {
    fn unpack(&self, spare: Plain, zstd: &mut Zstd) -> Plain {
        let plain = match &self.packed {
            Packed::Memory(bytes) => spare.refill(bytes, self, zstd),
            Packed::File { spill, offset, len } => spill
                .read(*offset, *len)
                .and_then(|bytes| spare.refill(&bytes, self, zstd)),
        };
        plain.unwrap_or_else(|error| self.lost(&error))
    }

    /// Only a failing disk or someone else's write into our private file leads here; a report without these texts is better
    /// than none, and says so in their place.
    fn lost(&self, error: &io::Error) -> Plain {
        let mut plain = Plain::default();
        for _ in 0..self.rows {
            plain.push(&format!("[text lost: {error}]"));
        }
        plain
    }
}

/// Long texts by row.
#[derive(Debug, Clone, Default)]
pub(crate) struct LongStore {
    blocks: Vec<Block>,
    /// First row of each block.
    first: Vec<u32>,
    packed_rows: usize,
    open: Plain,
    spill: Option<Arc<Spill>>,
}

impl LongStore {
    pub(super) fn with_spill(spill: Option<Arc<Spill>>) -> Self {
        Self {
            spill,
            ..Self::default()
        }
    }

    pub(crate) fn push(&mut self, text: &str) {
        if !self.open.ends.is_empty() && self.open.text.len() + text.len() > BLOCK_BYTES {
            self.close();
        }
        self.open.push(text);
    }

    /// Rows so far.
    fn len(&self) -> usize {
        self.packed_rows + self.open.ends.len()
    }

    fn close(&mut self) {
        if self.open.ends.is_empty() {
            return;
        }
        let (rows, bytes) = (self.open.ends.len(), self.open.text.len());
        let cell = OnceLock::new();
        let packed = match PACKER.with_borrow_mut(|packer| packer.pack(&self.open)) {
            Ok(packed) => self.place(packed),
            Err(_) => {
                // Out of memory inside the compressor: keep the text as it is.
                let _ = cell.set(Box::new(std::mem::take(&mut self.open)));
                Packed::Memory(Box::default())
            }
        };
        // The next block is begun in the same memory.
        self.open.clear();
        self.first.push(self.packed_rows as u32);
        self.packed_rows += rows;
        self.blocks.push(Block {
            packed,
            rows,
            bytes,
            plain: cell,
        });
    }

    fn place(&self, packed: Box<[u8]>) -> Packed {
        let place = self
            .spill
            .as_ref()
            .and_then(|spill| spill.write(&packed).map(|offset| (spill, offset)));
        match place {
            Some((spill, offset)) => Packed::File {
                spill: Arc::clone(spill),
                offset,
                len: packed.len(),
            },
            None => Packed::Memory(packed),
        }
    }

    fn place_of(&self, row: usize) -> Option<(usize, usize)> {
        if row >= self.packed_rows {
            return None;
        }
        let block = self
            .first
            .partition_point(|first| *first as usize <= row)
            .checked_sub(1)?;
        Some((block, row - *self.first.get(block)? as usize))
    }

    /// The text of one row. The block it is in stays unpacked, so this is for reading a few; see [`LongReader`].
    pub(crate) fn text(&self, row: usize) -> &str {
        match self
            .place_of(row)
            .and_then(|(block, at)| Some((self.blocks.get(block)?, at)))
        {
            Some((block, at)) => {
                let unpack = || Box::new(block.unpack(Plain::default(), &mut Zstd::default()));
                block.plain.get_or_init(unpack).get(at)
            }
            None => self.open.get(row.saturating_sub(self.packed_rows)),
        }
    }

    pub(super) fn append(&mut self, mut other: Self) {
        other.close();
        self.close();
        let rows = self.packed_rows as u32;
        self.first.extend(other.first.iter().map(|first| first + rows));
        self.blocks.append(&mut other.blocks);
        self.packed_rows += other.packed_rows;
    }

    pub(super) fn finish(&mut self) {
        self.close();
        self.open = Plain::default();
    }

    pub(super) fn map(&self, f: &mut dyn FnMut(&str) -> Option<String>) -> Self {
        let mut out = Self::with_spill(self.spill.clone());
        let mut reader = LongReader::new(self);
        for row in 0..self.len() {
            let old = reader.text(row);
            match f(old) {
                Some(new) => out.push(&new),
                None => out.push(old),
            }
        }
        out.finish();
        out
    }
}

/// Blocks a reader keeps unpacked: as many members can be interleaved by time without unpacking again and again.
const KEPT: usize = 32;

/// Reads many rows, mostly neighbours, in bounded memory.
#[derive(Debug)]
pub(crate) struct LongReader<'a> {
    store: &'a LongStore,
    /// Last used first.
    kept: Vec<Kept>,
    zstd: Zstd,
}

/// An unpacked block and its rows.
#[derive(Debug)]
struct Kept {
    rows: Range<usize>,
    plain: Plain,
}

impl<'a> LongReader<'a> {
    pub(crate) fn new(store: &'a LongStore) -> Self {
        Self {
            store,
            kept: Vec::new(),
            zstd: Zstd::default(),
        }
    }

    /// The text of one row.
    pub(crate) fn text(&mut self, row: usize) -> &str {
        match self.kept.iter().position(|kept| kept.rows.contains(&row)) {
            Some(0) => {}
            Some(place) => self.kept[..=place].rotate_right(1),
            None => {
                let Some((number, at)) = self.store.place_of(row) else {
                    return self.store.text(row);
                };
                let Some(block) = self.store.blocks.get(number) else {
                    return "";
                };
                if let Some(plain) = block.plain.get() {
                    return plain.get(at);
                }
                let spare = match self.kept.len() < KEPT {
                    true => None,
                    false => self.kept.pop(),
                };
                let spare = spare.map(|kept| kept.plain).unwrap_or_default();
                let kept = Kept {
                    rows: row - at..row - at + block.rows,
                    plain: block.unpack(spare, &mut self.zstd),
                };
                self.kept.insert(0, kept);
            }
        }
        let kept = self.kept.first();
        kept.map_or("", |kept| kept.plain.get(row - kept.rows.start))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn filled(spill: Option<Arc<Spill>>) -> LongStore {
        let mut store = LongStore::with_spill(spill);
        let mut other = LongStore::default();
        for row in 0..5_000 {
            store.push(&format!("row {row} é {}", "x".repeat(row % 300)));
        }
        for row in 5_000..9_000 {
            other.push(&format!("row {row} é {}", "x".repeat(row % 300)));
        }
        other.push("");
        store.append(other);
        store
    }

    fn check(store: &LongStore) {
        let mut reader = LongReader::new(store);
        for row in (0..9_000).rev().chain([0, 4_999, 5_000, 8_999]) {
            let expected = format!("row {row} é {}", "x".repeat(row % 300));
            assert_eq!(reader.text(row), expected);
            if row % 1_000 == 0 {
                assert_eq!(store.text(row), expected);
            }
        }
        assert_eq!(reader.text(9_000), "");
        assert_eq!(reader.text(9_001), "");
    }

    #[test]
    fn texts_survive_packing_and_appends() {
        let mut store = filled(None);
        check(&store);
        store.finish();
        check(&store);
    }

    #[test]
    fn texts_survive_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let spill = Spill::new(folder.path(), 0);
        let mut store = filled(Some(Arc::clone(&spill)));
        store.finish();
        assert!(spill.written() > 0);
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            0,
            "the file has no name"
        );
        check(&store);
    }

    #[test]
    fn a_text_larger_than_a_block_is_kept_whole() {
        let mut store = LongStore::default();
        store.push("before");
        store.push(&"y".repeat(3 * BLOCK_BYTES));
        store.push("after");
        store.finish();
        assert_eq!(store.text(1).len(), 3 * BLOCK_BYTES);
        assert_eq!(store.text(2), "after");
    }

    #[test]
    fn a_reader_keeps_few_blocks() {
        let store = filled(None);
        let mut reader = LongReader::new(&store);
        (0..9_000).for_each(|row| {
            reader.text(row);
        });
        assert!(reader.kept.len() <= KEPT);
    }
}
