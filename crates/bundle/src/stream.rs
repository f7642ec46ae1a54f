//! One file, compressed by itself: gzip (RFC 1952), xz, zstd (RFC 8878). Concatenated streams are one file.

use std::io::{self, BufReader};

use casetrace_model::Diagnostic;
use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;

use crate::case::{ContainerFacts, Modified, OpenError};
use crate::expand::{Builder, Entry, Source};
use crate::intake::{End, Stored};
use crate::names::{self, CodePage};
use crate::probe::Kind;

/// Largest dictionary of an xz or 7z stream that memory is given to, in KiB: 7-Zip's largest setting, and its own needs.
pub(crate) const MAX_DICTIONARY_KIB: u32 = (256 + 16) << 10;
/// Largest window of a zstd stream, as a power of two.
const MAX_WINDOW_LOG: u32 = 27;

/// Adds what is in the stream.
pub(crate) fn expand(builder: &mut Builder<'_>, index: usize, kind: Kind) -> Result<(), OpenError> {
    let Some((stored, outer)) = builder.member_mut(index).map(|m| (m.size, m.name.clone())) else {
        return Ok(());
    };
    let mut decoder = match Decoder::open(builder, index, kind) {
        Ok(decoder) => decoder,
        Err(error) => {
            let text = format!("cannot be opened: {}", error.kind());
            builder.partial(index, Diagnostic::error("BundleUnreadable", text));
            return Ok(());
        }
    };
    let (named, modified) = decoder.header();
    let stored = Stored {
        bytes: stored,
        expanded: 0,
    };
    let mut taken = builder.take(&mut decoder, stored)?;
    if matches!(taken.end, End::Broken(_))
        && let Ok(mut decoder) = Decoder::open(builder, index, kind)
    {
        taken = builder.take_again(taken, &mut decoder, stored)?;
    }
    let entry = Entry {
        name: named.unwrap_or_else(|| stem(&outer)),
        modified,
        ..Entry::default()
    };
    if builder.add_taken(index, entry, taken).is_none() {
        let text = "the case has more members than max_members; the content was left out";
        builder.partial(index, Diagnostic::warning("BundleMemberLimit", text));
    }
    if let Some(member) = builder.member_mut(index) {
        member.container = Some(ContainerFacts {
            entries: 1,
            methods: vec![method(kind).to_owned()],
            ..ContainerFacts::default()
        });
    }
    Ok(())
}

fn method(kind: Kind) -> &'static str {
    match kind {
        Kind::Gzip => "deflate",
        Kind::Xz => "LZMA2",
        _ => "zstd",
    }
}

enum Decoder {
    Gzip(Box<MultiGzDecoder<Source>>),
    Xz(Box<XzReader<Source>>),
    Zstd(zstd::stream::read::Decoder<'static, Source>),
}

impl Decoder {
    fn open(builder: &Builder<'_>, index: usize, kind: Kind) -> io::Result<Self> {
        let source = BufReader::with_capacity(128 << 10, builder.open_member(index)?);
        Ok(match kind {
            Kind::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(source))),
            Kind::Xz => Self::Xz(Box::new(XzReader::new_mem_limit(
                source,
                true,
                MAX_DICTIONARY_KIB,
            ))),
            _ => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(source)?;
                decoder.window_log_max(MAX_WINDOW_LOG)?;
                Self::Zstd(decoder)
            }
        })
    }

    /// Name and time of the file, where the stream says them.
    fn header(&self) -> (Option<String>, Option<Modified>) {
        let Self::Gzip(decoder) = self else {
            return (None, None);
        };
        let header = decoder.header();
        let named = header
            .and_then(|h| h.filename())
            .map(|raw| names::decode(raw, false, CodePage::guess([raw])));
        let modified = header
            .filter(|h| h.mtime() != 0)
            .map(|h| Modified::Utc(i64::from(h.mtime()) * 1_000_000_000));
        (named.filter(|name| !name.is_empty()), modified)
    }
}

impl io::Read for Decoder {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            // Trailing junk after the first stream (padding of tape and upload tools) is the end, not damage.
            Self::Gzip(inner) => match inner.read(buf) {
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(0),
                other => other,
            },
            Self::Xz(inner) => inner.read(buf),
            Self::Zstd(inner) => inner.read(buf),
        }
    }
}

/// Endings of compressed files, and what is behind them.
const ENDINGS: &[(&str, &str)] = &[
    (".gz", ""),
    (".gzip", ""),
    (".xz", ""),
    (".zst", ""),
    (".tgz", ".tar"),
    (".txz", ".tar"),
    (".tzst", ".tar"),
];

fn stem(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let ending = ENDINGS.iter().find(|(ending, _)| lower.ends_with(ending));
    let stem = ending.and_then(|(ending, instead)| {
        let stem = name.get(..name.len() - ending.len())?;
        (!stem.is_empty()).then(|| format!("{stem}{instead}"))
    });
    stem.unwrap_or_else(|| format!("{name}.content"))
}
