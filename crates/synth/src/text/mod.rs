//! Text artefacts of Windows tools in the encodings they really come in.

pub mod authlogs;
pub mod cli;
mod dsregcmd;
pub mod events;
pub mod signin;
pub mod windows;

pub use dsregcmd::Dsregcmd;

/// An encoding of a text file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-16LE with byte order mark: PowerShell's `>` and `Out-File`.
    Utf16Le,
    /// CP932, Japanese ANSI and OEM: `Add-Content` and cmd on a Japanese system.
    Cp932,
    /// CP1252: the same on a Western system.
    Cp1252,
    /// UTF-8 without mark.
    Utf8,
    /// UTF-8 with mark.
    Utf8Bom,
}

impl Encoding {
    /// Encodes text whose lines end in LF as a Windows file with CR LF.
    pub fn encode(self, text: &str) -> Vec<u8> {
        let text = text.replace('\n', "\r\n");
        match self {
            Self::Utf16Le => {
                let mut out = vec![0xff, 0xfe];
                out.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
                out
            }
            Self::Cp932 => encoding_rs::SHIFT_JIS.encode(&text).0.into_owned(),
            Self::Cp1252 => encoding_rs::WINDOWS_1252.encode(&text).0.into_owned(),
            Self::Utf8 => text.into_bytes(),
            Self::Utf8Bom => [b"\xef\xbb\xbf", text.as_bytes()].concat(),
        }
    }
}
