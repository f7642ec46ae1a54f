//! Records of a CSV file: quoted fields may hold line ends, the separator is the header's.

use std::io::BufRead;

use crate::lines::Utf8;

/// What was read.
pub(crate) enum Step {
    /// A record and the line it starts in.
    Record(Vec<String>, u64),
    /// A record from this line on that had no end within the limit, and how many bytes were dropped.
    TooLong(u64, u64),
}

/// Bytes of one record; a quote that never closes must not swallow the file.
const RECORD_LIMIT: usize = 1 << 20;

/// Hands all records of `text` to `deliver`. Columns are separated by commas until [`Parser::separate`] says otherwise.
pub(crate) fn read(text: &mut Utf8<'_>, mut deliver: impl FnMut(Step, &mut Parser)) {
    let mut parser = Parser::default();
    let (mut first_line, mut line) = (1, 1);
    while let Ok(block) = text.fill_buf()
        && !block.is_empty()
    {
        let length = block.len();
        for byte in block.iter().copied() {
            line += u64::from(byte == b'\n');
            if parser.take(byte) {
                let fields = parser.finish();
                deliver(Step::Record(fields, first_line), &mut parser);
                first_line = line;
            } else if parser.size() > RECORD_LIMIT {
                let lost = parser.size() as u64;
                deliver(Step::TooLong(first_line, lost), &mut parser);
                parser.reset();
            }
        }
        text.consume(length);
    }
    if parser.size() > 0 {
        let fields = parser.finish();
        deliver(Step::Record(fields, first_line), &mut parser);
    }
}

/// Puts a record together, byte by byte.
pub(crate) struct Parser {
    separator: u8,
    record: Vec<u8>,
    fields: Vec<Vec<u8>>,
    /// Bytes in `fields`.
    held: usize,
    quoted: bool,
    after_quote: bool,
}

impl Default for Parser {
    fn default() -> Self {
        Self {
            separator: b',',
            record: Vec::new(),
            fields: Vec::new(),
            held: 0,
            quoted: false,
            after_quote: false,
        }
    }
}

impl Parser {
    /// Takes a header that was read with commas apart at `;` or tabs, and what follows it too, if there is but one column.
    pub(crate) fn separate(&mut self, header: Vec<String>) -> Vec<String> {
        let [only] = header.as_slice() else { return header };
        let Some(separator) = [b';', b'\t']
            .into_iter()
            .find(|separator| only.contains(char::from(*separator)))
        else {
            return header;
        };
        self.separator = separator;
        only.split(char::from(separator))
            .map(|cell| cell.trim_matches('"').to_owned())
            .collect()
    }

    /// Takes a byte; true at the end of a record.
    fn take(&mut self, byte: u8) -> bool {
        if self.quoted {
            match (byte, self.after_quote) {
                (b'"', true) => {
                    self.record.push(b'"');
                    self.after_quote = false;
                    return false;
                }
                (b'"', false) => {
                    self.after_quote = true;
                    return false;
                }
                (_, false) => {
                    self.record.push(byte);
                    return false;
                }
                (_, true) => {
                    self.quoted = false;
                    self.after_quote = false;
                }
            }
        }
        match byte {
            b'"' if self.record.is_empty() => self.quoted = true,
            b'\n' => return self.size() > 0,
            b'\r' => {}
            byte if byte == self.separator => {
                // An empty field costs memory too.
                self.held += self.record.len() + size_of::<Vec<u8>>();
                self.fields.push(std::mem::take(&mut self.record));
            }
            byte => self.record.push(byte),
        }
        false
    }

    fn size(&self) -> usize {
        self.record.len() + self.held
    }

    fn reset(&mut self) {
        self.record.clear();
        self.fields.clear();
        self.held = 0;
        (self.quoted, self.after_quote) = (false, false);
    }

    fn finish(&mut self) -> Vec<String> {
        self.fields.push(std::mem::take(&mut self.record));
        let fields = std::mem::take(&mut self.fields);
        self.reset();
        fields
            .into_iter()
            .map(|field| String::from_utf8_lossy(&field).into_owned())
            .collect()
    }
}
