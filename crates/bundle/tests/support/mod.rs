//! Archives written byte by byte, so that every field can lie. Shares no layout code with the reader.
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod quine;

use std::path::PathBuf;

use casetrace_bundle::{Case, Member, Options, Secret, open};
use casetrace_model::Limits;

/// Opens archives given as (file name, bytes) as one case.
pub(crate) fn open_files(files: &[(&str, Vec<u8>)], limits: Limits, passwords: &[&str]) -> Case {
    let dir = tempfile::tempdir().unwrap();
    let work = tempfile::tempdir().unwrap();
    let inputs: Vec<PathBuf> = files
        .iter()
        .map(|(name, bytes)| {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        })
        .collect();
    let options = Options {
        limits,
        passwords: passwords.iter().map(|p| Secret::new((*p).to_owned())).collect(),
        work_dir: work.path().join("private"),
        threads: 2,
    };
    let case = open(&inputs, &options, &mut |_| {}).unwrap();
    // Nothing but the unnamed spool file is ever written.
    let left: Vec<_> = std::fs::read_dir(work.path().join("private"))
        .into_iter()
        .flatten()
        .collect();
    assert!(left.is_empty());
    case
}

pub(crate) fn open_one(name: &str, bytes: Vec<u8>) -> Case {
    open_files(&[(name, bytes)], Limits::default(), &[])
}

pub(crate) fn member<'a>(case: &'a Case, path: &str) -> &'a Member {
    let found = case.members.iter().find(|m| m.path == path);
    found.unwrap_or_else(|| panic!("{path} is not in {:?}", paths(case)))
}

pub(crate) fn paths(case: &Case) -> Vec<&str> {
    case.members.iter().map(|m| m.path.as_str()).collect()
}

pub(crate) fn bytes_of(member: &Member) -> Vec<u8> {
    let mut out = Vec::new();
    std::io::Read::read_to_end(&mut member.open().unwrap(), &mut out).unwrap();
    out
}

pub(crate) fn codes(member: &Member) -> Vec<&str> {
    member.diagnostics.iter().map(|d| d.code).collect()
}

/// One zip entry; every field can be set to something else than the truth.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) local_name: Option<Vec<u8>>,
    pub(crate) flags: u16,
    pub(crate) method: u16,
    pub(crate) packed: Vec<u8>,
    pub(crate) size: u32,
    pub(crate) crc: u32,
    pub(crate) stored: Option<u32>,
    pub(crate) header_at: Option<u32>,
    pub(crate) mode: u16,
    pub(crate) local: bool,
    /// Extra fields, in both headers.
    pub(crate) extra: Vec<u8>,
    /// File of a split archive the directory puts it in.
    pub(crate) disk: u16,
    pub(crate) local_flags: Option<u16>,
    pub(crate) local_method: Option<u16>,
    pub(crate) local_size: Option<u32>,
}

pub(crate) fn stored(name: &str, data: &[u8]) -> Entry {
    Entry {
        name: name.as_bytes().to_vec(),
        local_name: None,
        flags: 0,
        method: 0,
        packed: data.to_vec(),
        size: data.len() as u32,
        crc: crc(data),
        stored: None,
        header_at: None,
        mode: 0,
        local: true,
        extra: Vec::new(),
        disk: 0,
        local_flags: None,
        local_method: None,
        local_size: None,
    }
}

pub(crate) fn deflated(name: &str, data: &[u8]) -> Entry {
    use std::io::Write;
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(data).unwrap();
    Entry {
        method: 8,
        packed: encoder.finish().unwrap(),
        ..stored(name, data)
    }
}

pub(crate) fn crc(data: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(data);
    crc.sum()
}

/// A zip of these entries.
pub(crate) fn zip(entries: &[Entry]) -> Vec<u8> {
    zip_with(b"", entries, b"", entries.len())
}

/// With a prefix, a comment, and an announced count.
pub(crate) fn zip_with(prefix: &[u8], entries: &[Entry], comment: &[u8], count: usize) -> Vec<u8> {
    let (mut out, directory_at, directory_len) = zip_open(prefix, entries);
    out.extend_from_slice(&end_record(0, count as u16, directory_len, directory_at, comment));
    out
}

/// Data and directory without an end record; where the directory begins (behind the prefix), and its length.
pub(crate) fn zip_open(prefix: &[u8], entries: &[Entry]) -> (Vec<u8>, u32, u32) {
    let mut out = prefix.to_vec();
    let mut at = Vec::new();
    for entry in entries {
        at.push((out.len() - prefix.len()) as u32);
        if entry.local {
            out.extend_from_slice(&local(entry));
        }
    }
    let directory_at = out.len() - prefix.len();
    for (entry, at) in entries.iter().zip(at) {
        out.extend_from_slice(&central(entry, entry.header_at.unwrap_or(at)));
    }
    let directory_len = out.len() - prefix.len() - directory_at;
    (out, directory_at as u32, directory_len as u32)
}

/// An end record that says this.
pub(crate) fn end_record(disk: u16, count: u16, size: u32, offset: u32, comment: &[u8]) -> Vec<u8> {
    let mut out = b"PK\x05\x06".to_vec();
    for n in [disk, disk, count, count] {
        out.extend_from_slice(&n.to_le_bytes());
    }
    for n in [size, offset] {
        out.extend_from_slice(&n.to_le_bytes());
    }
    out.extend_from_slice(&(comment.len() as u16).to_le_bytes());
    out.extend_from_slice(comment);
    out
}

/// A zip64 end record that lies at `at`, and its locator.
pub(crate) fn zip64_end(at: u64, count: u64, size: u64, offset: u64) -> Vec<u8> {
    let mut out = b"PK\x06\x06".to_vec();
    out.extend_from_slice(&44_u64.to_le_bytes());
    out.extend_from_slice(&[45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for n in [count, count, size, offset] {
        out.extend_from_slice(&n.to_le_bytes());
    }
    out.extend_from_slice(b"PK\x06\x07\0\0\0\0");
    out.extend_from_slice(&at.to_le_bytes());
    out.extend_from_slice(&1_u32.to_le_bytes());
    out
}

/// One extra field.
pub(crate) fn extra(id: u16, body: &[u8]) -> Vec<u8> {
    [&id.to_le_bytes(), &(body.len() as u16).to_le_bytes(), body].concat()
}

fn local(entry: &Entry) -> Vec<u8> {
    let name = entry.local_name.as_ref().unwrap_or(&entry.name);
    let streamed = entry.flags & 8 != 0;
    let mut out = b"PK\x03\x04\x14\0".to_vec();
    let flags = entry.local_flags.unwrap_or(entry.flags);
    let method = entry.local_method.unwrap_or(entry.method);
    for n in [flags, method, 0x5140, 0x5a62] {
        out.extend_from_slice(&n.to_le_bytes());
    }
    let size = entry.local_size.unwrap_or(entry.size);
    let known = if streamed {
        [0; 3]
    } else {
        [entry.crc, entry.packed.len() as u32, size]
    };
    for n in known {
        out.extend_from_slice(&n.to_le_bytes());
    }
    out.extend_from_slice(&(name.len() as u16).to_le_bytes());
    out.extend_from_slice(&(entry.extra.len() as u16).to_le_bytes());
    out.extend_from_slice(name);
    out.extend_from_slice(&entry.extra);
    out.extend_from_slice(&entry.packed);
    if streamed {
        out.extend_from_slice(b"PK\x07\x08");
        for n in [entry.crc, entry.packed.len() as u32, entry.size] {
            out.extend_from_slice(&n.to_le_bytes());
        }
    }
    out
}

fn central(entry: &Entry, header_at: u32) -> Vec<u8> {
    let mut out = b"PK\x01\x02\x14\x03\x14\0".to_vec();
    for n in [entry.flags, entry.method, 0x5140, 0x5a62] {
        out.extend_from_slice(&n.to_le_bytes());
    }
    for n in [
        entry.crc,
        entry.stored.unwrap_or(entry.packed.len() as u32),
        entry.size,
    ] {
        out.extend_from_slice(&n.to_le_bytes());
    }
    for n in [
        entry.name.len() as u16,
        entry.extra.len() as u16,
        0,
        entry.disk,
        0,
    ] {
        out.extend_from_slice(&n.to_le_bytes());
    }
    out.extend_from_slice(&(u32::from(entry.mode) << 16).to_le_bytes());
    out.extend_from_slice(&header_at.to_le_bytes());
    out.extend_from_slice(&entry.name);
    out.extend_from_slice(&entry.extra);
    out
}

/// One cabinet folder: its method, its blocks as packed and plain length.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    pub(crate) method: u16,
    pub(crate) blocks: Vec<(Vec<u8>, u16)>,
    pub(crate) bad_sum: Option<usize>,
}

#[derive(Debug, Clone)]
pub(crate) struct CabFile {
    pub(crate) name: Vec<u8>,
    pub(crate) size: u32,
    pub(crate) offset: u32,
    pub(crate) folder: u16,
    pub(crate) attributes: u16,
}

pub(crate) fn cab_file(name: &str, size: usize, offset: usize, folder: u16) -> CabFile {
    CabFile {
        name: name.as_bytes().to_vec(),
        size: size as u32,
        offset: offset as u32,
        folder,
        attributes: 0x20,
    }
}

pub(crate) fn stored_folder(data: &[u8]) -> Folder {
    Folder {
        method: 0,
        blocks: data
            .chunks(0x8000)
            .map(|c| (c.to_vec(), c.len() as u16))
            .collect(),
        bad_sum: None,
    }
}

/// MSZIP with the history of the block before, as makecab writes it.
pub(crate) fn mszip_folder(data: &[u8]) -> Folder {
    let mut blocks = Vec::new();
    let mut history: &[u8] = &[];
    for chunk in data.chunks(0x8000) {
        let mut deflate = flate2::Compress::new(flate2::Compression::best(), false);
        if !history.is_empty() {
            deflate.set_dictionary(history).unwrap();
        }
        let mut packed = Vec::with_capacity(0x10000);
        packed.extend_from_slice(b"CK");
        deflate
            .compress_vec(chunk, &mut packed, flate2::FlushCompress::Finish)
            .unwrap();
        blocks.push((packed, chunk.len() as u16));
        history = chunk;
    }
    Folder {
        method: 1,
        blocks,
        bad_sum: None,
    }
}

/// LZX with uncompressed blocks only, window 2^21: the container and the bit stream are real, the compression is not.
pub(crate) fn lzx_folder(data: &[u8]) -> Folder {
    let blocks = data.chunks(0x8000).enumerate().map(|(i, chunk)| {
        // First frame: one bit "no E8 translation". Each: three bits of type 3, 24 bits of length, padding to a word.
        let bits = if i == 0 {
            3_u32 << 28 | (chunk.len() as u32) << 4
        } else {
            3_u32 << 29 | (chunk.len() as u32) << 5
        };
        let mut packed = Vec::new();
        for word in [(bits >> 16) as u16, bits as u16] {
            packed.extend_from_slice(&word.to_le_bytes());
        }
        for repeat in [1_u32, 1, 1] {
            packed.extend_from_slice(&repeat.to_le_bytes());
        }
        packed.extend_from_slice(chunk);
        if chunk.len() % 2 == 1 {
            packed.push(0);
        }
        (packed, chunk.len() as u16)
    });
    Folder {
        method: 0x1503,
        blocks: blocks.collect(),
        bad_sum: None,
    }
}

/// A cabinet; `sets` are the names of the previous and next cabinet.
pub(crate) fn cab(folders: &[Folder], files: &[CabFile], sets: (Option<&str>, Option<&str>)) -> Vec<u8> {
    cab_with(folders, files, sets, None)
}

/// With reserved bytes in header, folders and (as many as given) data blocks.
pub(crate) fn cab_with(
    folders: &[Folder],
    files: &[CabFile],
    sets: (Option<&str>, Option<&str>),
    reserve: Option<u8>,
) -> Vec<u8> {
    let mut links = Vec::new();
    if let Some(reserve) = reserve {
        links.extend_from_slice(&[3, 0, 2, reserve, 0xaa, 0xaa, 0xaa]);
    }
    for name in [sets.0, sets.1].into_iter().flatten() {
        links.extend_from_slice(name.as_bytes());
        links.extend_from_slice(b"\0disk\0");
    }
    let files_at = 36 + links.len() + folders.len() * if reserve.is_some() { 10 } else { 8 };
    let mut file_table = Vec::new();
    for file in files {
        file_table.extend_from_slice(&file.size.to_le_bytes());
        file_table.extend_from_slice(&file.offset.to_le_bytes());
        for n in [file.folder, 0x5a62, 0x5140, file.attributes] {
            file_table.extend_from_slice(&n.to_le_bytes());
        }
        file_table.extend_from_slice(&file.name);
        file_table.push(0);
    }
    let mut data = Vec::new();
    let mut starts = Vec::new();
    for folder in folders {
        starts.push(files_at + file_table.len() + data.len());
        for (i, (packed, plain)) in folder.blocks.iter().enumerate() {
            let bad = folder.bad_sum == Some(i);
            let reserved = vec![0x77; usize::from(reserve.unwrap_or(0))];
            let sum = sum_of(packed)
                ^ sum_of(&reserved)
                ^ u32::from(*plain) << 16
                ^ packed.len() as u32
                ^ u32::from(bad);
            data.extend_from_slice(&sum.to_le_bytes());
            data.extend_from_slice(&(packed.len() as u16).to_le_bytes());
            data.extend_from_slice(&plain.to_le_bytes());
            data.extend_from_slice(&reserved);
            data.extend_from_slice(packed);
        }
    }
    let total = files_at + file_table.len() + data.len();
    let mut out = b"MSCF\0\0\0\0".to_vec();
    for n in [total as u32, 0, files_at as u32, 0] {
        out.extend_from_slice(&n.to_le_bytes());
    }
    out.extend_from_slice(&[3, 1]);
    let flags =
        u16::from(sets.0.is_some()) | u16::from(sets.1.is_some()) << 1 | u16::from(reserve.is_some()) << 2;
    for n in [folders.len() as u16, files.len() as u16, flags, 7, 0] {
        out.extend_from_slice(&n.to_le_bytes());
    }
    out.extend_from_slice(&links);
    for (folder, start) in folders.iter().zip(starts) {
        out.extend_from_slice(&(start as u32).to_le_bytes());
        out.extend_from_slice(&(folder.blocks.len() as u16).to_le_bytes());
        out.extend_from_slice(&folder.method.to_le_bytes());
        if reserve.is_some() {
            out.extend_from_slice(&[0xbb, 0xbb]);
        }
    }
    out.extend_from_slice(&file_table);
    out.extend_from_slice(&data);
    out
}

fn sum_of(packed: &[u8]) -> u32 {
    let mut sum = 0;
    let mut chunks = packed.chunks_exact(4);
    for word in &mut chunks {
        sum ^= u32::from_le_bytes(word.try_into().unwrap());
    }
    let mut tail = 0_u32;
    for byte in chunks.remainder() {
        tail = tail << 8 | u32::from(*byte);
    }
    sum ^ tail
}

pub(crate) fn gzip(data: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// Bytes that do not compress, the same in every run.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(|_| next()).collect()
}
