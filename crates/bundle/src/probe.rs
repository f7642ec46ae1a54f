//! What a member is, decided by its first bytes; the name only breaks ties.

/// Kinds of content. Text formats (dsregcmd, NetSetup…) are told apart by the text decoder, not here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// Zip archive.
    Zip,
    /// Zip archive with Fiddler sessions in it.
    Saz,
    /// An office document, package or Outlook mail, as a zip archive or a compound file; not taken apart.
    OfficeDocument,
    /// Microsoft cabinet.
    Cab,
    /// gzip stream.
    Gzip,
    /// xz stream.
    Xz,
    /// zstd stream.
    Zstd,
    /// Tar archive (ustar, GNU, pax).
    Tar,
    /// 7z archive.
    SevenZip,
    /// An archive kind nobody here opens (rar, bzip2, WIM, ARJ, LHA): [`unread_archive`] has its name.
    OtherArchive,
    /// Event trace log.
    Etl,
    /// Event log.
    Evtx,
    /// Event log of Windows before Vista.
    EvtLegacy,
    /// Packet capture, libpcap format.
    Pcap,
    /// Packet capture, pcapng format.
    Pcapng,
    /// Microsoft Network Monitor capture.
    NetMon,
    /// Event message metadata (`LocaleMetaData/*.MTA`).
    Mta,
    /// Text without markup.
    Text,
    /// XML.
    Xml,
    /// HTML.
    Html,
    /// JSON.
    Json,
    /// HTTP archive (JSON with a top-level `log`).
    Har,
    /// Comma- or tab-separated table, by name.
    Csv,
    /// `.reg` export.
    RegistryExport,
    /// Registry hive file.
    RegistryHive,
    /// MIME HTML (Problem Steps Recorder).
    Mht,
    /// Picture.
    Image,
    /// Program or library.
    Executable,
    /// Memory dump.
    Dump,
    /// Certificate, key or certificate store in PEM, DER or PKCS#7/12.
    Certificate,
    /// PDF document.
    Pdf,
    /// SQLite or ESE database.
    Database,
    /// No bytes.
    Empty,
    /// Anything else.
    Unknown,
}

impl Kind {
    /// The spelling in the inventory.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Zip => "zip",
            Self::Saz => "saz",
            Self::OfficeDocument => "office",
            Self::Cab => "cab",
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
            Self::Tar => "tar",
            Self::SevenZip => "7z",
            Self::OtherArchive => "archive",
            Self::Etl => "etl",
            Self::Evtx => "evtx",
            Self::EvtLegacy => "evt",
            Self::Pcap => "pcap",
            Self::Pcapng => "pcapng",
            Self::NetMon => "netmon",
            Self::Mta => "mta",
            Self::Text => "text",
            Self::Xml => "xml",
            Self::Html => "html",
            Self::Json => "json",
            Self::Har => "har",
            Self::Csv => "csv",
            Self::RegistryExport => "reg",
            Self::RegistryHive => "hive",
            Self::Mht => "mht",
            Self::Image => "image",
            Self::Executable => "executable",
            Self::Dump => "dump",
            Self::Certificate => "certificate",
            Self::Pdf => "pdf",
            Self::Database => "database",
            Self::Empty => "empty",
            Self::Unknown => "unknown",
        }
    }

    /// True for kinds this crate takes apart.
    pub const fn is_container(self) -> bool {
        matches!(
            self,
            Self::Zip
                | Self::Saz
                | Self::Cab
                | Self::Gzip
                | Self::Xz
                | Self::Zstd
                | Self::Tar
                | Self::SevenZip
        )
    }

    /// True for kinds that are decoded as text of some sort.
    pub const fn is_text(self) -> bool {
        matches!(
            self,
            Self::Text
                | Self::Xml
                | Self::Html
                | Self::Json
                | Self::Har
                | Self::Csv
                | Self::RegistryExport
                | Self::Mht
        )
    }
}

/// Signatures at a fixed offset.
const MAGIC: &[(usize, &[u8], Kind)] = &[
    (0, b"PK\x03\x04", Kind::Zip),
    (0, b"PK\x05\x06", Kind::Zip),
    (0, b"PK00PK\x03\x04", Kind::Zip),
    (0, b"PK\x07\x08PK\x03\x04", Kind::Zip),
    (0, b"MSCF", Kind::Cab),
    (0, b"\x1f\x8b\x08", Kind::Gzip),
    (0, b"ElfFile\0", Kind::Evtx),
    (4, b"LfLe", Kind::EvtLegacy),
    (0, b"\xd4\xc3\xb2\xa1", Kind::Pcap),
    (0, b"\xa1\xb2\xc3\xd4", Kind::Pcap),
    (0, b"\x4d\x3c\xb2\xa1", Kind::Pcap),
    (0, b"\xa1\xb2\x3c\x4d", Kind::Pcap),
    (0, b"\x0a\x0d\x0d\x0a", Kind::Pcapng),
    (0, b"GMBU", Kind::NetMon),
    (0, b"regf", Kind::RegistryHive),
    (0, b"MZ", Kind::Executable),
    (0, b"\x7fELF", Kind::Executable),
    (0, b"\x89PNG\r\n\x1a\n", Kind::Image),
    (0, b"\xff\xd8\xff", Kind::Image),
    (0, b"GIF8", Kind::Image),
    (0, b"BM", Kind::Image),
    (0, b"MDMP", Kind::Dump),
    (0, b"PAGEDU", Kind::Dump),
    (0, b"7z\xbc\xaf\x27\x1c", Kind::SevenZip),
    (0, b"\xfd7zXZ\0", Kind::Xz),
    (0, b"\x28\xb5\x2f\xfd", Kind::Zstd),
    (257, b"ustar", Kind::Tar),
    (0, b"%PDF-", Kind::Pdf),
    // A compound file: a mail of Outlook, a document of Word or Excel before 2007, an installer.
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Kind::OfficeDocument),
    (0, b"SQLite format 3\0", Kind::Database),
    (4, b"\xef\xcd\xab\x89", Kind::Database),
    (0, b"-----BEGIN ", Kind::Certificate),
];

/// Signatures of archives that nobody here opens, with the name people know them by.
const UNREAD: &[(usize, &[u8], &str)] = &[
    (0, b"Rar!\x1a\x07", "RAR"),
    (0, b"BZh", "bzip2"),
    (0, b"MSWIM\0\0\0", "WIM"),
    (0, b"\x60\xea", "ARJ"),
    (2, b"-lh", "LHA"),
    (7, b"**ACE**", "ACE"),
];

/// The name of an archive format that nobody here opens, if the content begins as one.
pub fn unread_archive(head: &[u8]) -> Option<&'static str> {
    let found =
        |(at, magic, _): &&(usize, &[u8], &str)| head.get(*at..).is_some_and(|rest| rest.starts_with(magic));
    let (_, magic, name) = UNREAD.iter().find(found)?;
    // Short signatures also begin texts: these state a block size, and a method between dashes.
    let sure = match *magic {
        b"BZh" => {
            head.get(3).is_some_and(|level| (b'1'..=b'9').contains(level))
                && head.get(4..10) == Some(b"1AY&SY")
        }
        b"-lh" => head.get(6) == Some(&b'-'),
        b"\x60\xea" => head
            .get(2..4)
            .is_some_and(|size| (10..=2600).contains(&u16::from_le_bytes([size[0], size[1]]))),
        _ => true,
    };
    sure.then_some(*name)
}

/// Decides the kind from up to 64 KiB of content and the member's name.
pub fn probe(head: &[u8], name_hint: &str) -> Kind {
    if head.is_empty() {
        return Kind::Empty;
    }
    // First, as a trace with 64 KiB buffers starts with the signature of an icon.
    if is_etl(head) {
        return Kind::Etl;
    }
    if let Some(kind) = by_magic(head) {
        return kind;
    }
    if unread_archive(head).is_some() {
        return Kind::OtherArchive;
    }
    let extension = name_hint
        .rsplit_once('.')
        .map(|(_, ext)| ext.to_ascii_lowercase())
        .unwrap_or_default();
    if extension == "mta" {
        return Kind::Mta;
    }
    let text = Utf::decode(head).or_else(|| Utf::damaged(head, &extension));
    match text {
        Some(text) => text_kind(&text, &extension),
        None if matches!(extension.as_str(), "zip" | "saz") => Kind::Zip,
        None if is_der(head)
            && matches!(
                extension.as_str(),
                "cer" | "crt" | "der" | "pfx" | "p12" | "p7b" | "sst"
            ) =>
        {
            Kind::Certificate
        }
        None => by_extension(&extension),
    }
}

/// Binary content without a known signature: a damaged header. The decoder named by the extension may resync.
fn by_extension(extension: &str) -> Kind {
    match extension {
        "etl" => Kind::Etl,
        "evtx" => Kind::Evtx,
        "cab" => Kind::Cab,
        "pcap" | "cap" => Kind::Pcap,
        "pcapng" => Kind::Pcapng,
        _ => Kind::Unknown,
    }
}

fn by_magic(head: &[u8]) -> Option<Kind> {
    let found = MAGIC
        .iter()
        .find(|(at, magic, _)| head.get(*at..).is_some_and(|rest| rest.starts_with(magic)))?;
    match found.2 {
        // Two letters are not proof: `BM` must state a plausible header, `MZ` a binary one.
        Kind::Image if found.1 == b"BM" => (le_u32(head, 6) == Some(0)).then_some(Kind::Image),
        Kind::Executable if found.1 == b"MZ" => {
            head.iter().take(256).any(|b| *b == 0).then_some(Kind::Executable)
        }
        kind => Some(kind),
    }
}

/// An ETW buffer header (0x48 bytes, buffer size first) followed by the trace header event, whose marker is
/// `0xc001_0002` (32-bit) or `0xc002_0002` (64-bit).
fn is_etl(head: &[u8]) -> bool {
    let (Some(size), Some(marker)) = (le_u32(head, 0), le_u32(head, 0x48)) else {
        return false;
    };
    let plausible = (0x400..=0x0400_0000).contains(&size) && size.is_multiple_of(8);
    plausible && matches!(marker >> 16, 0xc001 | 0xc002)
}

fn is_der(head: &[u8]) -> bool {
    head.starts_with(b"\x30\x82") || head.starts_with(b"\x30\x80") || head.starts_with(b"\x30\x83")
}

fn le_u32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

/// The head as text in whatever encoding, good enough to look at markup.
struct Utf;

impl Utf {
    fn decode(head: &[u8]) -> Option<String> {
        let head = head.get(..head.len().min(4096)).unwrap_or_default();
        if let Some(rest) = head.strip_prefix(b"\xff\xfe") {
            return Some(
                encoding_rs::UTF_16LE
                    .decode_without_bom_handling(rest)
                    .0
                    .into_owned(),
            );
        }
        if let Some(rest) = head.strip_prefix(b"\xfe\xff") {
            return Some(
                encoding_rs::UTF_16BE
                    .decode_without_bom_handling(rest)
                    .0
                    .into_owned(),
            );
        }
        let zeros = |parity: usize| head.iter().skip(parity).step_by(2).filter(|b| **b == 0).count();
        let pairs = (head.len() / 2).max(1);
        if head.len() >= 4 && zeros(1) * 10 > pairs * 3 && zeros(0) == 0 {
            return Some(
                encoding_rs::UTF_16LE
                    .decode_without_bom_handling(head)
                    .0
                    .into_owned(),
            );
        }
        // Binary if more than a stray control character; a few NULs occur in logs cut by a crash.
        let control = head
            .iter()
            .filter(|b| matches!(**b, 0..=8 | 14..=26 | 28..=31))
            .count();
        (control * 50 <= head.len()).then(|| String::from_utf8_lossy(head).into_owned())
    }

    /// A text by its name that also begins as one, with a patch of something else in it: a bad sector costs its own
    /// lines only. Binary files under such a name (database logs) show it in their first bytes.
    fn damaged(head: &[u8], extension: &str) -> Option<String> {
        const CLEAN: usize = 128;
        let named = matches!(
            extension,
            "txt" | "log" | "csv" | "tsv" | "json" | "xml" | "reg" | "har" | "htm" | "html" | "ini"
        );
        let begins = head.get(..CLEAN)?;
        let clean = begins.iter().all(|b| !matches!(*b, 0..=8 | 14..=31 | 127));
        (named && clean).then(|| String::from_utf8_lossy(begins).into_owned())
    }
}

fn text_kind(text: &str, extension: &str) -> Kind {
    let start = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    let lower: String = start.chars().take(512).collect::<String>().to_ascii_lowercase();
    if lower.starts_with("windows registry editor version") || lower.starts_with("regedit4") {
        return Kind::RegistryExport;
    }
    if lower.starts_with("-----begin ") {
        return Kind::Certificate;
    }
    if lower.starts_with("<!doctype html") || lower.starts_with("<html") || lower.contains("<html") {
        return if lower.contains("mime-version:") {
            Kind::Mht
        } else {
            Kind::Html
        };
    }
    if lower.starts_with("<?xml")
        || (lower.starts_with('<') && lower.contains('>') && !lower.starts_with("<!--#"))
    {
        return if extension.starts_with("htm") {
            Kind::Html
        } else {
            Kind::Xml
        };
    }
    if lower.contains("mime-version:") && lower.contains("content-type: multipart/related") {
        return Kind::Mht;
    }
    if is_json(start) {
        return if extension == "har" || is_har(start) {
            Kind::Har
        } else {
            Kind::Json
        };
    }
    if matches!(extension, "csv" | "tsv") {
        return Kind::Csv;
    }
    Kind::Text
}

/// `{` followed by a quoted key, or `[` followed by a value; a log line such as `[12:00:01] …` is neither.
fn is_json(start: &str) -> bool {
    let mut chars = start.chars().filter(|c| !c.is_whitespace());
    match (chars.next(), chars.next()) {
        (Some('{'), Some(next)) => next == '"' || next == '}',
        (Some('['), Some(next)) => next == '{' || next == '[' || next == '"' || next == ']',
        _ => false,
    }
}

fn is_har(start: &str) -> bool {
    let compact: String = start.chars().filter(|c| !c.is_whitespace()).take(200).collect();
    compact.starts_with("{\"log\":{")
        && ["\"version\"", "\"creator\"", "\"entries\"", "\"pages\""]
            .iter()
            .any(|key| compact.contains(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_with_a_damaged_patch_stays_a_text() {
        let noise: Vec<u8> = (0..700_u32).map(|i| ((i * i) >> 3) as u8).collect();
        let log = [
            b"2026-03-02 10:11:12 a line of a log\r\n".repeat(5),
            noise.clone(),
        ]
        .concat();
        assert_eq!(probe(&log, "a.log"), Kind::Text);
        assert_eq!(probe(&log, "a.bin"), Kind::Unknown);
        assert_eq!(probe(&noise, "edb.log"), Kind::Unknown);
    }

    fn utf16(text: &str) -> Vec<u8> {
        [0xff, 0xfe]
            .into_iter()
            .chain(text.encode_utf16().flat_map(u16::to_le_bytes))
            .collect()
    }

    #[test]
    fn content_decides_and_the_name_only_breaks_ties() {
        let mut etl = vec![0_u8; 0x60];
        etl[..4].copy_from_slice(&0x1_0000_u32.to_le_bytes());
        etl[0x48..0x4c].copy_from_slice(&0xc002_0002_u32.to_le_bytes());
        let table: &[(&[u8], &str, Kind)] = &[
            (b"", "x.evtx", Kind::Empty),
            (b"PK\x03\x04rest", "upload.txt", Kind::Zip),
            (b"MSCF\0\0", "nettrace.zip", Kind::Cab),
            (b"7z\xbc\xaf\x27\x1c\0\x04", "logs.zip", Kind::SevenZip),
            (b"Rar!\x1a\x07\x01\0", "logs.zip", Kind::OtherArchive),
            (b"BZh91AY&SY\0", "a.tbz", Kind::OtherArchive),
            (b"BZh is a text", "a.txt", Kind::Text),
            (b"a -lh5 text", "a.txt", Kind::Text),
            (b"ElfFile\0", "a", Kind::Evtx),
            (&etl, "renamed.bin", Kind::Etl),
            (b"hello world\r\n", "a.etl", Kind::Text),
            (b"a,b\n1,2\n", "SignIns.CSV", Kind::Csv),
            (b"{ \"log\": { \"version\": \"1.2\"", "x", Kind::Har),
            (b"[{\"id\":1}]", "x.txt", Kind::Json),
            (b"[12:00:01] start", "x.log", Kind::Text),
            (
                b"<Event xmlns='x'><System/>",
                "CertificateServicesClientLog.xml",
                Kind::Xml,
            ),
            (b"<!DOCTYPE html><html>", "report", Kind::Html),
            (
                b"From: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=1",
                "p.mht",
                Kind::Mht,
            ),
            (
                &utf16("Windows Registry Editor Version 5.00\r\n"),
                "x.txt",
                Kind::RegistryExport,
            ),
            (b"\x95\xf1\x8d\x90\x8f\x91 cp932 text", "ja.txt", Kind::Text),
            (b"\x01\x02\x03\x04\x05\0\0\0", "x.zip", Kind::Zip),
            (b"\x01\x02\x03\x04\x05\0\0\0", "x", Kind::Unknown),
        ];
        for (head, name, kind) in table {
            assert_eq!(probe(head, name), *kind, "{name}");
        }
    }
}
