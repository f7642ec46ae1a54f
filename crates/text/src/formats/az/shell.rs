//! What Windows PowerShell makes of output that it redirects: it takes each line on standard error for an error of its own, puts
//! the command's name in front of the first, adds where the command stands, and breaks lines at the width of the window.

/// Columns of the narrowest window that breaks lines.
const NARROWEST: usize = 79;

/// Levels and loggers with which a line of az begins.
const BEGINNINGS: [&str; 6] = ["DEBUG: ", "INFO: ", "WARNING: ", "ERROR: ", "CRITICAL: ", "cli."];

/// The last line of what PowerShell adds to the first error.
const ERROR_ID: &str = "    + FullyQualifiedErrorId : NativeCommandError";

/// State of a file while it is read.
#[derive(Debug, Default)]
pub(super) struct Shell {
    redirected: bool,
    widest: usize,
    /// The line before has the width of the widest.
    full: bool,
}

impl Shell {
    /// Takes a line, and gives what az wrote of it.
    pub(super) fn line<'t>(&mut self, text: &'t str) -> &'t str {
        let own = without_name(text);
        self.redirected |= own.is_some() || text.starts_with(ERROR_ID);
        if self.redirected {
            let width = text.chars().count();
            self.widest = self.widest.max(width);
            self.full = width >= NARROWEST && width == self.widest;
        }
        own.unwrap_or(text)
    }

    /// True if the line taken last may go on in the next one.
    pub(super) fn goes_on(&self) -> bool {
        self.full
    }

    /// Gives `text` the blanks back that end `line` if the line may go on.
    pub(super) fn keep_end(&self, text: &mut String, line: &str) {
        if self.full {
            text.push_str(line.get(line.trim_end().len()..).unwrap_or_default());
        }
    }
}

/// `az : DEBUG: text` without the command's name.
fn without_name(text: &str) -> Option<&str> {
    if !text.get(..2)?.eq_ignore_ascii_case("az") {
        return None;
    }
    let (name, rest) = text.split_once(" : ")?;
    let is_az = ["az", "az.cmd", "az.exe", "az.bat", "az.ps1"]
        .iter()
        .any(|az| name.eq_ignore_ascii_case(az));
    (is_az && BEGINNINGS.iter().any(|start| rest.starts_with(start))).then_some(rest)
}

/// A line that PowerShell adds: where the command stands, and what kind of error it takes its output for.
pub(super) fn is_place(text: &str) -> bool {
    ["At ", "発生場所 "].iter().any(|start| text.starts_with(start)) || text.trim_start().starts_with("+ ")
}

/// The command in the line with which PowerShell shows where it stands.
pub(super) fn shown_command(text: &str) -> Option<&str> {
    let command = text.strip_prefix("+ ")?;
    command.starts_with("az").then(|| command.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_az_is_taken_away() {
        assert_eq!(
            without_name("az : DEBUG: cli.knack.cli: x"),
            Some("DEBUG: cli.knack.cli: x")
        );
        assert_eq!(without_name("az.cmd : ERROR: x"), Some("ERROR: x"));
        assert_eq!(without_name("az : x"), None);
        assert_eq!(without_name("jaz : ERROR: x"), None);
    }

    #[test]
    fn lines_go_on_only_in_redirected_files() {
        let long = "a".repeat(119);
        let mut shell = Shell::default();
        shell.line(&long);
        assert!(!shell.goes_on());
        shell.line("    + FullyQualifiedErrorId : NativeCommandError");
        assert!(!shell.goes_on());
        shell.line(&long);
        assert!(shell.goes_on());
        shell.line("end");
        assert!(!shell.goes_on());
    }
}
