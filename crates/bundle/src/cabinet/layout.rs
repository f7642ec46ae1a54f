//! Header, folder and file tables of a cabinet ([MS-CAB] 2).

use std::io::{self, Read, Seek, SeekFrom};

use casetrace_model::Diagnostic;

use super::Source;
use crate::case::Modified;

const FLAG_PREVIOUS: u16 = 1;
const FLAG_NEXT: u16 = 2;
const FLAG_RESERVE: u16 = 4;
const NAME_IS_UTF8: u16 = 0x80;
const MAX_STRING: usize = 4096;

/// One folder: a run of data blocks compressed as one stream.
#[derive(Debug, Clone, Default)]
pub(super) struct Folder {
    pub(super) first_block: u32,
    pub(super) blocks: u16,
    pub(super) method: u16,
}

impl Folder {
    pub(super) fn method_name(&self) -> String {
        match self.method & 15 {
            0 => "stored".to_owned(),
            1 => "MSZIP".to_owned(),
            2 => "Quantum".to_owned(),
            3 => format!("LZX:{}", self.method >> 8 & 31),
            other => format!("method {other}"),
        }
    }

    pub(super) fn is_stored(&self) -> bool {
        self.method & 15 == 0
    }
}

/// Where a file's data begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In this folder; `continues` if its end is in the next cabinet.
    Folder { number: usize, continues: bool },
    /// In an earlier cabinet, or nowhere.
    Elsewhere,
}

/// One file of the table.
#[derive(Debug, Clone)]
pub(super) struct CabFile {
    pub(super) raw_name: Vec<u8>,
    pub(super) utf8: bool,
    pub(super) size: u32,
    /// Offset in the expanded folder.
    pub(super) offset: u32,
    pub(super) place: Place,
    pub(super) modified: Option<Modified>,
}

/// What the tables say.
#[derive(Debug, Default)]
pub(super) struct Cabinet {
    pub(super) folders: Vec<Folder>,
    pub(super) files: Vec<CabFile>,
    pub(super) block_reserve: u8,
    /// Name of the cabinet before this one in its set.
    pub(super) previous: Option<Vec<u8>>,
    pub(super) diagnostics: Vec<Diagnostic>,
}

/// Reads the tables as far as they go.
pub(super) fn read(source: &mut Source) -> Cabinet {
    let mut cabinet = Cabinet::default();
    if read_into(source, &mut cabinet).is_err() {
        let text = format!(
            "the cabinet's tables are cut or damaged; {} files could be listed",
            cabinet.files.len()
        );
        cabinet.diagnostics.push(Diagnostic::error("CabTables", text));
    }
    cabinet
}

fn read_into(source: &mut Source, cabinet: &mut Cabinet) -> io::Result<()> {
    let len = source.seek(SeekFrom::End(0))?;
    source.rewind()?;
    let fixed: [u8; 36] = bytes(source)?;
    let u16_at = |at: usize| u16::from_le_bytes([fixed[at], fixed[at + 1]]);
    let u32_at = |at: usize| u32::from(u16_at(at)) | u32::from(u16_at(at + 2)) << 16;
    let (total, files_at) = (u32_at(8), u32_at(16));
    let (folders, files, flags) = (u16_at(26), u16_at(28), u16_at(30));
    if u64::from(total) > len {
        let text = "the file is shorter than the cabinet it announces; files at its end are cut";
        cabinet.diagnostics.push(
            Diagnostic::warning("CabTruncated", text)
                .at(len)
                .lost(u64::from(total) - len),
        );
    }
    let mut folder_reserve = 0;
    if flags & FLAG_RESERVE != 0 {
        let reserve: [u8; 4] = bytes(source)?;
        folder_reserve = reserve[2];
        cabinet.block_reserve = reserve[3];
        source.seek_relative(i64::from(u16::from_le_bytes([reserve[0], reserve[1]])))?;
    }
    if flags & FLAG_PREVIOUS != 0 {
        cabinet.previous = Some(string(source)?);
        string(source)?;
    }
    if flags & FLAG_NEXT != 0 {
        string(source)?;
        string(source)?;
    }
    for _ in 0..folders {
        let raw: [u8; 8] = bytes(source)?;
        cabinet.folders.push(Folder {
            first_block: u32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]]),
            blocks: u16::from_le_bytes([raw[4], raw[5]]),
            method: u16::from_le_bytes([raw[6], raw[7]]),
        });
        source.seek_relative(i64::from(folder_reserve))?;
    }
    source.seek(SeekFrom::Start(u64::from(files_at)))?;
    for _ in 0..files {
        let file = read_file(source, cabinet.folders.len(), flags & FLAG_PREVIOUS != 0)?;
        cabinet.files.push(file);
    }
    Ok(())
}

fn read_file(source: &mut Source, folders: usize, has_previous: bool) -> io::Result<CabFile> {
    let raw: [u8; 16] = bytes(source)?;
    let u16_at = |at: usize| u16::from_le_bytes([raw[at], raw[at + 1]]);
    let u32_at = |at: usize| u32::from(u16_at(at)) | u32::from(u16_at(at + 2)) << 16;
    let raw_name = string(source)?;
    let place = match u16_at(8) {
        0xfffd | 0xffff => Place::Elsewhere,
        // The first folder of a continuing cabinet starts in the middle of a compressed block.
        0 if has_previous => Place::Elsewhere,
        0xfffe if folders > 0 => Place::Folder {
            number: folders - 1,
            continues: true,
        },
        number if usize::from(number) < folders => Place::Folder {
            number: usize::from(number),
            continues: false,
        },
        _ => Place::Elsewhere,
    };
    Ok(CabFile {
        raw_name,
        utf8: u16_at(14) & NAME_IS_UTF8 != 0,
        size: u32_at(0),
        offset: u32_at(4),
        place,
        modified: crate::zip::dos_modified(u16_at(10), u16_at(12)),
    })
}

fn bytes<const N: usize>(source: &mut Source) -> io::Result<[u8; N]> {
    let mut out = [0; N];
    source.read_exact(&mut out)?;
    Ok(out)
}

/// A NUL-terminated string.
fn string(source: &mut Source) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    loop {
        match bytes::<1>(source)? {
            [0] => return Ok(out),
            _ if out.len() >= MAX_STRING => return Err(io::ErrorKind::InvalidData.into()),
            [byte] => out.push(byte),
        }
    }
}
