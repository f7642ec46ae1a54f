//! Tar archives: ustar headers; long names as GNU tar or pax keep them.
//!
//! Source: POSIX.1-2017 "pax" and "ustar Interchange Format"; GNU tar manual.

use super::Member;
use crate::bytes::Bytes;

const BLOCK: usize = 512;

/// How a name of over 100 bytes is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LongNames {
    /// In an entry of type `L` in front of the file.
    #[default]
    Gnu,
    /// As attribute `path` in front of the file.
    Pax,
}

/// A tar archive under construction.
#[derive(Debug, Clone, Default)]
pub struct Tar {
    members: Vec<(Member, u8)>,
    long_names: LongNames,
}

impl Tar {
    /// An empty archive.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file.
    #[must_use]
    pub fn member(self, member: Member) -> Self {
        self.typed(member, b'0')
    }

    /// Adds an entry of another type: `2` symbolic link, `5` folder, `3` device.
    #[must_use]
    pub fn typed(mut self, member: Member, kind: u8) -> Self {
        self.members.push((member, kind));
        self
    }

    /// How long names are kept.
    #[must_use]
    pub fn long_names(mut self, how: LongNames) -> Self {
        self.long_names = how;
        self
    }

    /// The archive.
    pub fn build(&self) -> Vec<u8> {
        let mut out = Bytes::new();
        for (member, kind) in &self.members {
            let name = member.name.as_bytes();
            if name.len() > 100 {
                self.long_name(&mut out, name);
            }
            entry(&mut out, name, *kind, &member.data);
        }
        out.fill(0, 2 * BLOCK);
        out.0
    }

    fn long_name(&self, out: &mut Bytes, name: &[u8]) {
        match self.long_names {
            LongNames::Gnu => entry(out, b"././@LongLink", b'L', &[name, b"\0"].concat()),
            LongNames::Pax => {
                let rest = [b" path=", name, b"\n"].concat();
                // The length counts its own digits.
                let digits = (1..)
                    .find(|n: &usize| (rest.len() + n).to_string().len() == *n)
                    .unwrap_or(1);
                let record = [(rest.len() + digits).to_string().as_bytes(), &rest].concat();
                entry(out, b"PaxHeaders/0", b'x', &record);
            }
        }
    }
}

fn entry(out: &mut Bytes, name: &[u8], kind: u8, data: &[u8]) {
    let start = out.len();
    let short = name.get(..name.len().min(100)).unwrap_or_default();
    out.raw(short).fill(0, 100 - short.len());
    out.raw(b"0000644\0").raw(b"0000000\0").raw(b"0000000\0");
    out.raw(format!("{:011o}\0", data.len()).as_bytes());
    // 2 March 2026, 10:00 UTC.
    out.raw(format!("{:011o}\0", 1_772_445_600).as_bytes());
    out.raw(b"        ").u8(kind).fill(0, 100);
    out.raw(b"ustar\x0000").fill(0, BLOCK - 265);
    let sum: u32 = out.0.iter().skip(start).map(|byte| u32::from(*byte)).sum();
    out.0
        .splice(start + 148..start + 156, format!("{sum:06o}\0 ").into_bytes());
    out.raw(data)
        .fill(0, data.len().next_multiple_of(BLOCK) - data.len());
}
