//! `casetrace explain`: codes and event ids in plain words.

use std::io::Write;

use casetrace_knowledge::{Entry, Knowledge};

use crate::args::{Common, Explain, TextFormat};
use crate::exit::Failure;

/// Explains every argument; unknown ones are said to be unknown, with what can be derived.
pub(crate) fn run(args: &Explain, common: &Common, out: &mut dyn Write) -> Result<(), Failure> {
    let knowledge = Knowledge::builtin();
    let entries: Vec<Entry> = args
        .codes
        .iter()
        .flat_map(|code| knowledge.explain(code))
        .collect();
    if args.format == TextFormat::Json {
        serde_json::to_writer_pretty(&mut *out, &entries)?;
        writeln!(out)?;
        return Ok(());
    }
    let lang = common.lang;
    for (at, entry) in entries.iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        writeln!(out, "{}", entry.to_text(lang))?;
    }
    Ok(())
}
