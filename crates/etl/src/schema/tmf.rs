//! TMF files: the texts and argument types of WPP messages.
//!
//! Source: etl-format §6.1 (read in public sources, not met in a real trace). Arguments are packed without alignment in the
//! order of the item lines. Limits: [`MAX_MESSAGES`] messages, [`MAX_ITEMS`] arguments of one.

use std::collections::HashMap;

use super::{Count, Field, FieldKind, In, Length, Origin, Out, Schema, ValueType};
use crate::Guid;
use crate::value::Values;

const MAX_MESSAGES: usize = 1 << 20;
const MAX_ITEMS: usize = 128;

/// All messages of the given files by message GUID and number.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tmf {
    messages: HashMap<(Guid, u16), Message>,
}

/// One message.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// Layout of the arguments.
    pub(crate) schema: Schema,
    /// Component (usually the driver or DLL).
    pub(crate) component: String,
    pub(crate) level: Option<u8>,
    pub(crate) function: String,
    /// Number of the argument each field fills (`%10` is the first).
    arguments: Vec<u16>,
    format: String,
}

impl Tmf {
    /// Reads one file or several concatenated.
    pub(crate) fn add(&mut self, text: &str) {
        let mut group: Option<(Guid, String)> = None;
        let mut open: Option<(u16, Message)> = None;
        for line in text.lines().map(str::trim) {
            if let Some(rest) = line.strip_prefix("#typev") {
                self.close(&group, &mut open);
                open = group.as_ref().and_then(|(_, component)| message(rest, component));
            } else if line == "}" {
                self.close(&group, &mut open);
            } else if let Some((_, message)) = &mut open {
                if let Some((field, argument)) = item(line)
                    && message.arguments.len() < MAX_ITEMS
                {
                    message.schema.fields.push(field);
                    message.arguments.push(argument);
                }
            } else if let Some(guid) = line.split_whitespace().next().and_then(Guid::parse) {
                let component = line.split_whitespace().nth(1).unwrap_or_default().to_owned();
                group = Some((guid, component));
            }
        }
        self.close(&group, &mut open);
    }

    fn close(&mut self, group: &Option<(Guid, String)>, open: &mut Option<(u16, Message)>) {
        if let (Some((guid, _)), Some((number, mut message))) = (group, open.take())
            && self.messages.len() < MAX_MESSAGES
        {
            message.schema.top_level = message.schema.fields.len();
            message.schema = message.schema.finish();
            self.messages.insert((*guid, number), message);
        }
    }

    /// All messages, in no order.
    pub(crate) fn messages(&self) -> impl Iterator<Item = &Message> {
        self.messages.values()
    }

    pub(crate) fn find(&self, guid: Guid, number: u16) -> Option<&Message> {
        self.messages.get(&(guid, number))
    }
}

/// `file_cpp123 10 "%0text %10!s!" // LEVEL=… FLAGS=… FUNC=…`
fn message(line: &str, component: &str) -> Option<(u16, Message)> {
    let (head, rest) = line.split_once('"')?;
    let (format, tail) = rest.rsplit_once('"')?;
    let number = head.split_whitespace().nth(1)?.parse().ok()?;
    let tag = |name: &str| {
        let at = tail.find(name)?;
        tail.get(at + name.len()..)?
            .split_whitespace()
            .next()
            .map(str::to_owned)
    };
    let message = Message {
        schema: Schema::empty(Origin::Manifest),
        component: component.to_owned(),
        level: tag("LEVEL=").and_then(|level| level_number(&level)),
        function: tag("FUNC=").unwrap_or_default(),
        arguments: Vec::new(),
        format: format.to_owned(),
    };
    Some((number, message))
}

fn level_number(name: &str) -> Option<u8> {
    Some(match name.rsplit('_').next()?.to_ascii_uppercase().as_str() {
        "FATAL" | "CRITICAL" => 1,
        "ERROR" => 2,
        "WARNING" | "WARN" => 3,
        "INFORMATION" | "INFO" => 4,
        "VERBOSE" => 5,
        other => other.parse().ok()?,
    })
}

/// `name, ItemLong -- 10`
fn item(line: &str) -> Option<(Field, u16)> {
    let (declaration, argument) = line.rsplit_once("--")?;
    let (name, kind) = declaration.split_once(',')?;
    let kind = kind.trim();
    let bare = kind.split('(').next().unwrap_or(kind);
    let (input, output) = storage(bare)?;
    let kind = FieldKind::Value(ValueType {
        input,
        output,
        length: if input == In::Binary {
            Length::Fixed(6)
        } else {
            Length::None
        },
        map: None,
    });
    Some((
        Field {
            name: name.trim().into(),
            kind,
            count: Count::One,
        },
        argument.trim().parse().ok()?,
    ))
}

fn storage(item: &str) -> Option<(In, Out)> {
    Some(match item {
        "ItemString" | "ItemRString" => (In::Ansi, Out::Default),
        "ItemWString" | "ItemRWString" => (In::Utf16, Out::Default),
        "ItemPString" => (In::CountedAnsi, Out::Default),
        "ItemPWString" => (In::CountedUtf16, Out::Default),
        "ItemChar" => (In::I8, Out::Default),
        "ItemUChar" | "ItemListByte" | "ItemSetByte" => (In::U8, Out::Default),
        "ItemShort" => (In::I16, Out::Default),
        "ItemUShort" | "ItemListShort" | "ItemSetShort" => (In::U16, Out::Default),
        "ItemLong" => (In::I32, Out::Default),
        "ItemULong" | "ItemListLong" | "ItemSetLong" | "ItemEnum" | "ItemFlagsEnum" => {
            (In::U32, Out::Default)
        }
        "ItemULongX" => (In::U32, Out::Hex),
        "ItemLongLong" => (In::I64, Out::Default),
        "ItemULongLong" => (In::U64, Out::Default),
        "ItemLongLongX" | "ItemULongLongX" | "ItemLongLongXX" => (In::U64, Out::Hex),
        "ItemLongLongO" => (In::U64, Out::Default),
        "ItemPtr" | "ItemPVoid" | "ItemHandle" => (In::Pointer, Out::Default),
        "ItemDouble" => (In::F64, Out::Default),
        "ItemFloat" => (In::F32, Out::Default),
        "ItemGuid" | "ItemCLSID" | "ItemIID" | "ItemLIBID" => (In::Guid, Out::Default),
        "ItemHRESULT" | "ItemHResult" => (In::U32, Out::HResult),
        "ItemNTSTATUS" => (In::U32, Out::NtStatus),
        "ItemNTerror" | "ItemWINERROR" | "ItemWin32Error" | "ItemNDIS_STATUS" => (In::U32, Out::Win32),
        "ItemTimestamp" | "ItemTimeDelta" | "ItemWaitTime" => (In::FileTime, Out::Default),
        "ItemBool" | "ItemBOOL" => (In::Bool32, Out::Default),
        "ItemBoolean" | "ItemBOOLEAN" => (In::U8, Out::Boolean),
        "ItemIPAddr" => (In::U32, Out::Ipv4),
        "ItemPort" => (In::U16, Out::Port),
        "ItemMACAddr" => (In::Binary, Out::Default),
        "ItemSid" | "ItemSID" => (In::Sid, Out::Default),
        "ItemHEXDump" | "ItemCHexDump" => (In::CountedBinary, Out::Default),
        _ => return None,
    })
}

impl Message {
    /// The message with its arguments put in.
    pub(crate) fn render(&self, values: &Values) -> String {
        let mut out = String::with_capacity(self.format.len() + 32);
        let mut rest = self.format.as_str();
        while let Some((plain, after)) = rest.split_once('%') {
            out.push_str(plain);
            rest = self.place(after, values, &mut out);
        }
        out.push_str(rest);
        out.trim().to_owned()
    }

    /// Writes what stands behind a percent sign; the text behind that.
    fn place<'t>(&self, text: &'t str, values: &Values, out: &mut String) -> &'t str {
        if let Some(rest) = text.strip_prefix('%') {
            out.push('%');
            return rest;
        }
        if let Some((name, rest)) = text.strip_prefix('!').and_then(|t| t.split_once('!')) {
            if name == "FUNC" {
                out.push_str(&self.function);
            }
            return rest;
        }
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = text.split_at(digits);
        let (spec, rest) = match rest.strip_prefix('!').and_then(|r| r.split_once('!')) {
            Some((spec, rest)) => (spec, rest),
            None => ("", rest),
        };
        let Ok(number) = number.parse::<u16>() else {
            out.push('%');
            return text;
        };
        let field = self.arguments.iter().position(|argument| *argument == number);
        if let Some(value) = field.and_then(|at| values.at(at)) {
            push_as(out, value, spec);
        } else if number >= 10 {
            out.push('?');
        }
        rest
    }
}

/// Numbers in hex and with a minimum width where the format asks for it.
fn push_as(out: &mut String, value: &str, spec: &str) {
    let hex = spec.ends_with(['x', 'X']) && !value.starts_with("0x");
    let shown = match value.parse::<i64>() {
        Ok(number) if hex && spec.ends_with('X') => format!("{number:X}"),
        Ok(number) if hex => format!("{number:x}"),
        _ => value
            .trim_start_matches(if spec.ends_with(['x', 'X']) { "0x" } else { "" })
            .to_owned(),
    };
    let width = spec
        .trim_start_matches(['-', '#', '+'])
        .bytes()
        .take_while(u8::is_ascii_digit)
        .fold(0_usize, |n, d| {
            n.saturating_mul(10).saturating_add(usize::from(d - b'0'))
        });
    let fill = if spec.trim_start_matches('#').starts_with('0') {
        '0'
    } else {
        ' '
    };
    out.extend(std::iter::repeat_n(
        fill,
        width.min(64).saturating_sub(shown.chars().count()),
    ));
    out.push_str(&shown);
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::value::{Settings, read};

    const SAMPLE: &str = "// PDB:  x.pdb\n11111111-2222-3333-4444-555555555555 comp.dll // SRC=a.cpp MJ= MN=\n\
        #typev a_cpp42 12 \"%0[%!FUNC!] opened %10!s! with %11!08X! (%12!d!%%)\" //   LEVEL=TRACE_LEVEL_ERROR FLAGS=A FUNC=Open\n\
        {\nname, ItemWString -- 10\nstatus, ItemHRESULT -- 11\nleft, ItemLong -- 12\n}\n";

    #[test]
    fn messages_are_rendered() {
        let mut tmf = Tmf::default();
        tmf.add(SAMPLE);
        let message = tmf
            .find(Guid::parse("11111111-2222-3333-4444-555555555555").unwrap(), 12)
            .unwrap();
        assert_eq!(message.level, Some(2));
        assert_eq!(message.component, "comp.dll");
        let mut values = Values::default();
        read(
            &message.schema,
            b"a\0b\0\0\0\x02\x40\x00\x80\xfb\xff\xff\xff",
            Settings {
                pointer: 8,
                max_value: 100,
            },
            &mut values,
        );
        assert_eq!(message.render(&values), "[Open] opened ab with 80004002 (-5%)");
    }

    #[test]
    fn nonsense_is_no_message() {
        let mut tmf = Tmf::default();
        tmf.add("#typev x 1 \"a\"\n{\nz, ItemLong -- 10\n}\n#typev\n}}}\n11111111-2222-3333-4444-555555555555 c\n#typev q 1 \"");
        assert!(tmf.messages.is_empty());
    }
}
