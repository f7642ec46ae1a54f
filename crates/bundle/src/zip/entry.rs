//! One entry's bytes through crate `zip`.
//!
//! The crate gets a local header rebuilt from the trusted facts of our listing, followed by the entry's own data.
//! So it works the same for listed and for recovered entries, and a lying header in the file has no say.

use std::io::{Cursor, Read};

use casetrace_model::Diagnostic;
use zip::read::{ZipReadOptions, read_zipfile_from_stream_with_options};
use zip::result::ZipError;

use super::fields::{BIT_DESCRIPTOR, BIT_ENCRYPTED, Listed};
use super::{Source, seek_to};

/// Code of the diagnostic for a password that does not fit.
pub(super) const WRONG_PASSWORD: &str = "ZipWrongPassword";

/// Calls `f` with the entry's plain bytes.
pub(super) fn with_reader<T>(
    source: &mut Source,
    listed: &Listed,
    password: Option<&[u8]>,
    f: impl FnOnce(&mut dyn Read) -> T,
) -> Result<T, Diagnostic> {
    seek_to(source, listed.data_at).map_err(|e| unreadable(listed, &e.kind().to_string()))?;
    let mut stream = Cursor::new(local_header(listed)).chain(source.by_ref().take(listed.stored));
    let mut options = ZipReadOptions::new()
        .password(password)
        .override_compressed_size(listed.stored)
        .ignore_crc32(!listed.sizes_known);
    if listed.sizes_known {
        options = options
            .override_uncompressed_size(listed.size)
            .override_crc(listed.crc);
    }
    match read_zipfile_from_stream_with_options(&mut stream, options) {
        Ok(Some(mut file)) => Ok(f(&mut file)),
        Ok(None) => Err(unreadable(listed, "it has no local header")),
        Err(error) => Err(refused(listed, &error)),
    }
}

fn refused(listed: &Listed, error: &ZipError) -> Diagnostic {
    match error {
        ZipError::InvalidPassword => Diagnostic::warning(WRONG_PASSWORD, "the password does not fit"),
        ZipError::UnsupportedArchive(_) | ZipError::CompressionMethodNotSupported(_) => unsupported(listed),
        _ => unreadable(listed, "its header is damaged"),
    }
}

pub(super) fn unsupported(listed: &Listed) -> Diagnostic {
    let text = format!(
        "compressed with {}, which is not supported; the entry was not read",
        listed.method_name()
    );
    Diagnostic::error("ZipMethodUnsupported", text)
        .at(listed.header_at)
        .lost(listed.stored)
}

fn unreadable(listed: &Listed, reason: &str) -> Diagnostic {
    let text = format!("the entry cannot be read: {reason}");
    Diagnostic::error("ZipEntryUnreadable", text)
        .at(listed.header_at)
        .lost(listed.stored)
}

/// A nameless local header that says what the listing says.
fn local_header(listed: &Listed) -> Vec<u8> {
    let mut extra = Vec::new();
    if let Some(aes) = &listed.aes {
        extra.extend_from_slice(&0x9901_u16.to_le_bytes());
        extra.extend_from_slice(&7_u16.to_le_bytes());
        extra.extend_from_slice(aes);
    }
    let small = |n: u64| u32::try_from(n).ok().filter(|n| *n != u32::MAX);
    let (stored32, size32) = match (small(listed.stored), small(listed.size)) {
        (Some(stored), Some(size)) => (stored, size),
        _ => {
            extra.extend_from_slice(&1_u16.to_le_bytes());
            extra.extend_from_slice(&16_u16.to_le_bytes());
            extra.extend_from_slice(&listed.size.to_le_bytes());
            extra.extend_from_slice(&listed.stored.to_le_bytes());
            (u32::MAX, u32::MAX)
        }
    };
    let mut flags = listed.flags & (BIT_ENCRYPTED | BIT_DESCRIPTOR);
    if !listed.sizes_known {
        flags |= BIT_DESCRIPTOR;
    }
    let mut out = b"PK\x03\x04\x33\0".to_vec();
    for field in [flags, listed.method, listed.dos_time, listed.dos_date] {
        out.extend_from_slice(&field.to_le_bytes());
    }
    for field in [listed.crc, stored32, size32] {
        out.extend_from_slice(&field.to_le_bytes());
    }
    out.extend_from_slice(&0_u16.to_le_bytes());
    out.extend_from_slice(&u16::try_from(extra.len()).unwrap_or_default().to_le_bytes());
    out.extend_from_slice(&extra);
    out
}
