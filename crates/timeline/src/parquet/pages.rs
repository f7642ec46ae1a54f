//! Pages of a column, compressed.
//!
//! One compressor serves many pages: making one takes longer than most pages of a timeline, whose columns mostly say little.

use std::io;
use std::sync::{Mutex, PoisonError};

use polars_arrow::bitmap::Bitmap;
use polars_parquet::parquet::CowBuffer;
use polars_parquet::parquet::compression::Compression;
use polars_parquet::parquet::encoding::Encoding;
use polars_parquet::parquet::encoding::hybrid_rle::{self, Encoder};
use polars_parquet::parquet::encoding::uleb128;
use polars_parquet::parquet::metadata::Descriptor;
use polars_parquet::parquet::page::{CompressedDictPage, DataPageHeader, DataPageHeaderV1};
use polars_parquet::parquet::schema::types::PrimitiveType;
use polars_parquet::parquet::statistics::ParquetStatistics;
use polars_parquet::write::{CompressedDataPage, CompressedPage, Page};

use crate::error::TimelineError;

/// The different texts of a row group get no smaller by zstd's default level of 3 (those of the large case of `benches` even larger).
const LEVEL: i32 = 1;

/// Pages of one column in one row group.
pub(super) type Pages = Vec<CompressedPage>;

/// Compresses pages, on one thread at a time.
pub(super) struct Packer {
    zstd: zstd::bulk::Compressor<'static>,
    packed: Vec<u8>,
}

/// Packers that nobody uses at the moment.
#[derive(Default)]
pub(super) struct Packers(Mutex<Vec<Packer>>);

impl Packers {
    /// Lends one.
    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&mut Packer) -> Result<T, TimelineError>,
    ) -> Result<T, TimelineError> {
        let idle = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let spare = idle().pop();
        let mut packer = match spare {
            Some(packer) => packer,
            None => Packer::new().map_err(TimelineError::io("compress"))?,
        };
        let done = work(&mut packer);
        idle().push(packer);
        done
    }
}

impl Packer {
    fn new() -> io::Result<Self> {
        Ok(Self {
            zstd: zstd::bulk::Compressor::new(LEVEL)?,
            packed: Vec::new(),
        })
    }

    fn pack(&mut self, plain: &[u8]) -> Result<CowBuffer, TimelineError> {
        self.packed.clear();
        self.packed.reserve(zstd::zstd_safe::compress_bound(plain.len()));
        self.zstd
            .compress_to_buffer(plain, &mut self.packed)
            .map_err(TimelineError::io("compress"))?;
        Ok(CowBuffer::Owned(self.packed.as_slice().to_vec()))
    }

    /// A dictionary page of so many values in plain encoding.
    pub(super) fn dictionary(
        &mut self,
        plain: &[u8],
        values: usize,
    ) -> Result<CompressedPage, TimelineError> {
        let packed = self.pack(plain)?;
        let page = CompressedDictPage::new(packed, Compression::Zstd, plain.len(), values, false);
        Ok(CompressedPage::Dict(page))
    }

    /// A data page of so many rows.
    pub(super) fn data(
        &mut self,
        plain: &[u8],
        rows: usize,
        encoding: Encoding,
        statistics: ParquetStatistics,
        of: &PrimitiveType,
    ) -> Result<CompressedPage, TimelineError> {
        let header = DataPageHeader::V1(DataPageHeaderV1 {
            num_values: rows as i32,
            encoding: encoding.into(),
            definition_level_encoding: Encoding::Rle.into(),
            repetition_level_encoding: Encoding::Rle.into(),
            statistics: Some(statistics),
        });
        let descriptor = Descriptor {
            primitive_type: of.clone(),
            max_def_level: 0,
            max_rep_level: 0,
        };
        self.packed_data(header, plain, descriptor, rows)
    }

    /// A page that polars made.
    pub(super) fn page(&mut self, page: Page) -> Result<CompressedPage, TimelineError> {
        match page {
            Page::Dict(page) => self.dictionary(&page.buffer, page.num_values),
            Page::Data(page) => {
                let rows = page.num_rows.unwrap_or_else(|| page.num_values());
                let header = page.header().clone();
                self.packed_data(header, page.buffer(), page.descriptor.clone(), rows)
            }
        }
    }

    fn packed_data(
        &mut self,
        header: DataPageHeader,
        plain: &[u8],
        descriptor: Descriptor,
        rows: usize,
    ) -> Result<CompressedPage, TimelineError> {
        let packed = self.pack(plain)?;
        let (codec, size) = (Compression::Zstd, plain.len());
        let page = CompressedDataPage::new(header, packed, codec, size, descriptor, rows);
        Ok(CompressedPage::Data(page))
    }
}

/// Which rows of a page have a value.
#[derive(Clone, Copy)]
pub(super) enum Present<'a> {
    All,
    None,
    Some(&'a Bitmap),
}

/// Begins a data page with which of its rows have a value.
pub(super) fn begin(page: &mut Vec<u8>, present: Present<'_>, rows: usize) -> Result<(), TimelineError> {
    page.clear();
    // Their length in bytes, which is known behind them.
    page.extend_from_slice(&[0; 4]);
    match present {
        Present::All => repeated(page, true, rows)?,
        Present::None => repeated(page, false, rows)?,
        Present::Some(bits) => match bits.as_slice() {
            // As Parquet has them in one run, which compresses as well as many do.
            (bytes, 0, _) => {
                let run = (rows.div_ceil(8) as u64) << 1 | 1;
                let mut head = [0; 10];
                let used = uleb128::encode(run, &mut head);
                page.extend_from_slice(head.get(..used).unwrap_or_default());
                page.extend_from_slice(bytes.get(..rows.div_ceil(8)).unwrap_or_default());
            }
            _ => hybrid_rle::encode(page, bits.iter(), 1).map_err(TimelineError::io("write Parquet of"))?,
        },
    }
    let length = page.len() as u32 - 4;
    if let Some(slot) = page.get_mut(..4) {
        slot.copy_from_slice(&length.to_le_bytes());
    }
    Ok(())
}

fn repeated(page: &mut Vec<u8>, present: bool, rows: usize) -> Result<(), TimelineError> {
    <bool as Encoder<bool>>::run_length_encode(page, rows, present, 1)
        .map_err(TimelineError::io("write Parquet of"))
}

/// Adds places in a dictionary of so many values; of a dictionary of one, as often as there are places.
pub(super) fn keys(page: &mut Vec<u8>, keys: &[u32], values: usize) -> Result<(), TimelineError> {
    let bits = usize::BITS - values.saturating_sub(1).leading_zeros();
    page.push(bits as u8);
    match values {
        1 => <u32 as Encoder<u32>>::run_length_encode(page, keys.len(), 0, bits),
        _ => hybrid_rle::encode(page, keys.iter().copied(), bits),
    }
    .map_err(TimelineError::io("write Parquet of"))
}
