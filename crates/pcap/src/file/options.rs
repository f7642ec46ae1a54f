//! Options of pcapng blocks: of packets by hand, of described blocks as `pcap-parser` lists them.

use casetrace_model::Text;
use pcap_parser::pcapng::PcapNGOption;

use super::u16_at;

/// Walks the options behind a packet; stops at the end mark or at the first length that lies.
pub(super) struct Options<'a> {
    pub(super) rest: &'a [u8],
    pub(super) big: bool,
}

impl<'a> Iterator for Options<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let code = u16_at(self.rest, 0, self.big)?;
        let len = usize::from(u16_at(self.rest, 2, self.big)?);
        if code == 0 {
            return None;
        }
        let value = self.rest.get(4..4 + len)?;
        self.rest = self.rest.get(4 + len.next_multiple_of(4)..).unwrap_or_default();
        Some((code, value))
    }
}

pub(super) fn text_option(options: &[PcapNGOption<'_>], code: u16) -> Option<Text> {
    let value = options.iter().find(|o| o.code.0 == code)?.as_bytes().ok()?;
    let text = String::from_utf8_lossy(value);
    let text = text.trim_end_matches('\0');
    Some(text.chars().take(256).collect())
}

pub(super) fn number(option: &PcapNGOption<'_>, big: bool) -> Option<i64> {
    let bytes = *option.value().first_chunk::<8>()?;
    Some(if big {
        i64::from_be_bytes(bytes)
    } else {
        i64::from_le_bytes(bytes)
    })
}

/// `PID=1234`, as conversion tools for Windows traces write into packet comments.
pub(super) fn pid_of(comment: &str) -> Option<u32> {
    let digits = comment.split_once("PID=")?.1;
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits.get(..end)?.parse().ok()
}
