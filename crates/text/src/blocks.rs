//! Readers that go line by line, and the switch between them inside one file.
//!
//! Collectors append the output of several tools to one file (TSS writes two dsregcmd runs, envinfo.txt holds
//! ipconfig, WinHTTP and routes) and users paste whole console sessions. So a line that starts another tool's
//! block hands over to that tool's reader.

use crate::format::{Reader, SPECS, Spec};
use crate::lines::{Line, Lines};
use crate::output::Output;
use casetrace_model::Diagnostic;

/// Takes the lines of one block.
pub(crate) trait Machine {
    /// Takes one line.
    fn line(&mut self, line: &Line<'_>, out: &mut Output<'_>);
    /// True if the next line is this block's whatever it looks like.
    fn holds(&self, _text: &str) -> bool {
        false
    }
    /// The block is over.
    fn end(&mut self, out: &mut Output<'_>);
}

/// Feeds all lines to the machine of `spec`, changing machines where another block starts.
pub(crate) fn drive(lines: &mut Lines<'_>, spec: &'static Spec, out: &mut Output<'_>) {
    let mut current = spec;
    let Some(mut machine) = spec.machine() else { return };
    while let Some(line) = lines.next() {
        if line.cut_bytes > 0 {
            out.diagnostic(long_line(&line));
        }
        if spec.switches()
            && !machine.holds(line.text)
            && let Some(next) = starting(&line, current)
        {
            machine.end(out);
            if let Some(started) = next.machine() {
                (current, machine) = (next, started);
                out.format = next.name;
            }
        }
        machine.line(&line, out);
        if line.number % 4096 == 0 {
            out.progress(line.offset);
        }
    }
    out.encoding = lines.pieces.seen.name();
    machine.end(out);
    out.format = spec.name;
}

/// The format whose block starts at this line, unless it is the one being read.
fn starting(line: &Line<'_>, current: &'static Spec) -> Option<&'static Spec> {
    let text = line.text;
    if text.len() < 4 {
        return None;
    }
    SPECS
        .iter()
        .find(|spec| match spec.reader {
            Reader::Block { starts, .. } => starts(text),
            _ => false,
        })
        .filter(|spec| spec.name != current.name)
}

fn long_line(line: &Line<'_>) -> Diagnostic {
    let message = format!(
        "Line {} is longer than the limit; its end was not looked at.",
        line.number
    );
    Diagnostic::warning("TextLineCut", message)
        .at(line.offset)
        .lost(line.cut_bytes)
}

/// The command after a console prompt (`PS C:\x> cmd`, `C:\x>cmd`, `user@host:~$ cmd`).
pub(crate) fn prompt_command(text: &str) -> Option<&str> {
    let trimmed = text.trim_start();
    if let Some(rest) = trimmed.strip_prefix("PS ") {
        return rest
            .split_once('>')
            .filter(|(path, _)| is_path(path))
            .map(|(_, command)| command.trim());
    }
    let bytes = trimmed.as_bytes();
    if bytes.get(1) == Some(&b':') && bytes.get(2) == Some(&b'\\') && bytes.first()?.is_ascii_alphabetic() {
        return trimmed.split_once('>').map(|(_, command)| command.trim());
    }
    let at = memchr::memchr_iter(b'$', bytes).find(|at| bytes.get(at + 1) == Some(&b' '))?;
    let (place, command) = (trimmed.get(..at)?, trimmed.get(at..)?.strip_prefix("$ ")?);
    (place.contains('@') && place.len() < 120 && !place.contains(' ')).then(|| command.trim())
}

fn is_path(text: &str) -> bool {
    text.contains(":\\") || text.starts_with('/') || text.starts_with('~') || text.contains("::")
}

#[cfg(test)]
mod tests {
    use super::prompt_command;

    #[test]
    fn prompts_give_their_command() {
        assert_eq!(
            prompt_command("PS C:\\x> az login --debug"),
            Some("az login --debug")
        );
        assert_eq!(
            prompt_command("C:\\Windows\\system32>dsregcmd /join /debug    "),
            Some("dsregcmd /join /debug")
        );
        assert_eq!(prompt_command("user@host:~$ az login"), Some("az login"));
        assert_eq!(prompt_command("PSComputerName > x"), None);
    }
}
