//! The command line as types; parsing has no side effects.

use std::path::PathBuf;

pub(crate) use casetrace_knowledge::Lang;
use casetrace_pipeline::Mode;
use clap::{Args, Parser, Subcommand, ValueEnum};

/// What `--version` prints; `-V` keeps to the number.
const LONG_VERSION: &str = if cfg!(windows) {
    concat!(
        env!("CARGO_PKG_VERSION"),
        "\nTrace backends: portable, os (providers registered on this PC)"
    )
} else {
    concat!(
        env!("CARGO_PKG_VERSION"),
        "\nTrace backends: portable (os: on Windows only)"
    )
};

/// From an uploaded Windows diagnostic bundle to a timeline, a verdict and an escalation report.
#[derive(Debug, Parser)]
#[command(
    name = "casetrace",
    version,
    arg_required_else_help = true,
    propagate_version = true,
    long_version = LONG_VERSION,
    after_help = "Examples:\n  casetrace demo                          write a made-up upload and analyse it\n  casetrace analyze upload.zip            report in ./upload.zip.casetrace/\n  casetrace inspect NetTrace.etl          what is in this file?\n  casetrace explain 0x801c03f2 AADSTS50126\n\nExit codes: 0 done, 1 internal error, 2 usage, 3 findings at or above --fail-on,\n4 input unreadable, 5 partial (with --strict), 75 try again later."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// Options every verb understands.
#[derive(Debug, Clone, Args)]
pub(crate) struct Common {
    /// Say less: no progress, errors only
    #[arg(short, long, global = true, help_heading = "Output")]
    pub(crate) quiet: bool,
    /// Say more (twice: everything)
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Output")]
    pub(crate) verbose: u8,
    /// Colours on the terminal
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, help_heading = "Output")]
    pub(crate) color: Color,
    /// Language of texts: en or ja
    #[arg(long, global = true, value_parser = lang, default_value = "en", help_heading = "Output")]
    pub(crate) lang: Lang,
    /// Folder with own rules, on top of the built-in ones
    #[arg(long, value_name = "DIR", global = true, help_heading = "Rules")]
    pub(crate) rules: Option<PathBuf>,
    /// Work in this process, without the protection of a second one (for debuggers and profilers)
    #[arg(long, global = true, hide = true)]
    pub(crate) in_process: bool,
}

fn lang(text: &str) -> Result<Lang, String> {
    Lang::parse(text).ok_or_else(|| "en or ja".to_owned())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Redact {
    /// Mask tokens, cookies, passwords and keys
    Secrets,
    /// Also replace users, hosts, addresses and ids, consistently
    Identity,
    /// Change nothing
    None,
}

impl Redact {
    /// As the pipeline names it.
    pub(crate) fn mode(self) -> Mode {
        match self {
            Self::Secrets => Mode::Secrets,
            Self::Identity => Mode::Identity,
            Self::None => Mode::None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    Possible,
    Likely,
    Proved,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TextFormat {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RowFormat {
    Jsonl,
    Csv,
    Parquet,
    Timesketch,
    L2tcsv,
    Excel,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RowNaming {
    /// As in `casetrace schema`
    Casetrace,
    /// Elastic Common Schema; what it has no field for is `casetrace.NAME`
    Ecs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum QueryFormat {
    Table,
    Csv,
    Jsonl,
    Parquet,
}

/// Who describes the events of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EtlBackend {
    /// The trace itself, --manifests, --tmf and the built-in tables: equal on every computer
    Portable,
    /// Also the providers registered on this PC (Windows only)
    Os,
}

/// What helps reading, and what is hidden: options that decide over results, for one case as for a batch.
#[derive(Debug, Clone, Args)]
pub(crate) struct Sources {
    /// File with passwords for encrypted SAZ and ZIP members, one a line
    #[arg(long, value_name = "FILE", help_heading = "Reading")]
    pub(crate) password_file: Option<PathBuf>,
    /// Folder with TMF files, to decode WPP messages
    #[arg(long, value_name = "DIR", help_heading = "Reading")]
    pub(crate) tmf: Option<PathBuf>,
    /// Folder with provider manifests (.man, .xml)
    #[arg(long, value_name = "DIR", help_heading = "Reading")]
    pub(crate) manifests: Option<PathBuf>,
    /// What to hide in every output
    #[arg(long, value_enum, default_value_t = Redact::Secrets, help_heading = "Reading")]
    pub(crate) redact: Redact,
    /// Most bytes that may be expanded from a case's archives, e.g. 20G
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = "Reading")]
    pub(crate) max_total: Option<u64>,
}

/// What goes in and how it is read.
#[derive(Debug, Clone, Args)]
pub(crate) struct Reading {
    #[command(flatten)]
    pub(crate) sources: Sources,
    /// Who describes the events of a trace
    #[arg(long, value_enum, default_value_t = EtlBackend::Portable, help_heading = "Reading")]
    pub(crate) etl_backend: EtlBackend,
    /// Write what was replaced by what to a new private file; it undoes --redact identity
    #[arg(long, value_name = "FILE", help_heading = "Reading")]
    pub(crate) redaction_map: Option<PathBuf>,
    /// Threads to use [default: one per core]
    #[arg(long, value_name = "N", help_heading = "Reading")]
    pub(crate) jobs: Option<usize>,
    /// Memory that decoded rows and open streams may take, e.g. 2G; what goes beyond is counted and reported, not kept
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = "Reading")]
    pub(crate) memory_limit: Option<u64>,
}

/// Which rows.
#[derive(Debug, Clone, Args, Default)]
pub(crate) struct Filter {
    /// Only rows at or after this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = parse_time, help_heading = "Rows")]
    pub(crate) since: Option<i64>,
    /// Only rows before this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = parse_time, help_heading = "Rows")]
    pub(crate) until: Option<i64>,
    /// Only rows of this computer
    #[arg(long, value_name = "NAME", help_heading = "Rows")]
    pub(crate) host: Option<String>,
    /// Only rows for which this SQL predicate is true
    #[arg(long = "where", value_name = "SQL", help_heading = "Rows")]
    pub(crate) predicate: Option<String>,
    /// Only these columns, comma separated (see `casetrace schema`)
    #[arg(long, value_name = "LIST", value_delimiter = ',', help_heading = "Rows")]
    pub(crate) columns: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Unpack, decode, correlate, report: the main job
    #[command(
        after_help = "Examples:\n  casetrace analyze upload.zip\n  casetrace analyze NetTrace.etl dsregcmd.txt -o case42 --lang ja\n  casetrace analyze upload.zip --password-file saz.txt --fail-on likely"
    )]
    Analyze(Analyze),
    /// Write a made-up upload and analyse it
    #[command(
        after_help = "Examples:\n  casetrace demo                     the join that fails at a proxy, in ./casetrace-demo/hybrid-join-407/\n  casetrace demo tls-inspection --lang ja\n  casetrace demo --list"
    )]
    Demo(Demo),
    /// What is this file: container facts, counts, clocks, losses
    #[command(
        after_help = "Examples:\n  casetrace inspect NetTrace.etl\n  casetrace inspect upload.zip --format json"
    )]
    Inspect(Inspect),
    /// Decoded rows, from any input or from a finished case folder
    #[command(
        after_help = "Examples:\n  casetrace timeline trace.pcapng --where \"kind = 'http.response' AND http_status >= 400\"\n  casetrace timeline upload.zip.casetrace --format csv -o rows.csv"
    )]
    Timeline(TimelineArgs),
    /// SQL over the tables timeline, findings, inventory, attempts and attempt_rows of finished cases
    #[command(
        after_help = "Example:\n  casetrace query upload.zip.casetrace \"SELECT kind, COUNT(*) AS n FROM timeline GROUP BY kind ORDER BY n DESC\""
    )]
    Query(Query),
    /// Every case of a share, once, night after night
    #[command(arg_required_else_help = true)]
    Batch(crate::batch_args::Batch),
    /// Packets of a netsh or pktmon trace as pcapng
    #[command(after_help = "Example:\n  casetrace convert NetTrace.etl -o NetTrace.pcapng")]
    Convert(Convert),
    /// What an error code or event id means and what to do
    #[command(
        after_help = "Examples:\n  casetrace explain 0x801c03f2\n  casetrace explain -2145648607 AADSTS50126 12007 \"UDR 304\""
    )]
    Explain(Explain),
    /// The rule pack: list, show, check, test
    #[command(
        after_help = "Examples:\n  casetrace rules list\n  casetrace rules show PXY-01\n  casetrace rules check my-rules.toml\n  casetrace rules test"
    )]
    Rules(Rules),
    /// Render the report of a finished case folder again
    #[command(
        after_help = "Examples:\n  casetrace report upload.zip.casetrace --lang ja\n  casetrace report upload.zip.casetrace --redact identity -o to-send   a whole case without names"
    )]
    Report(ReportArgs),
    /// What got better, worse or new between two captures of one computer
    #[command(
        after_help = "Examples:\n  casetrace diff before.casetrace after.casetrace\n  casetrace diff before.casetrace after.casetrace --format html -o change.html --redact identity"
    )]
    Diff(DiffArgs),
    /// The columns of the timeline
    #[command(after_help = "Examples:\n  casetrace schema\n  casetrace schema --format json")]
    Schema(Schema),
    /// Completions for a shell
    #[command(
        after_help = "Examples:\n  casetrace completions bash > ~/.local/share/bash-completion/completions/casetrace\n  casetrace completions powershell >> $PROFILE"
    )]
    Completions { shell: clap_complete::Shell },
    /// Manual pages
    #[command(
        after_help = "Examples:\n  casetrace man | man -l -\n  casetrace man analyze\n  casetrace man --all man1"
    )]
    Man(Man),
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Which upload; see --list
    #[arg(value_name = "NAME", default_value = "hybrid-join-407")]
    pub(crate) name: String,
    /// Folder for the upload and its results [default: ./casetrace-demo/NAME]
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Say what there is, write nothing
    #[arg(long)]
    pub(crate) list: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Verbs, as in `rules list`; none for the whole command
    #[arg(value_name = "VERB")]
    pub(crate) verb: Vec<String>,
    /// Write the pages of all verbs into this folder
    #[arg(long, value_name = "DIR", conflicts_with = "verb")]
    pub(crate) all: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Analyze {
    /// Files or folders; several inputs are one case
    #[arg(required = true, value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,
    /// Folder for the results [default: ./<input name>.casetrace]
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) reading: Reading,
    #[command(flatten)]
    pub(crate) shape: Shape,
    /// Exit with 3 if a finding has at least this confidence
    #[arg(long, value_enum, help_heading = "Rules")]
    pub(crate) fail_on: Option<FailOn>,
    /// Exit with 5 if a file could not be read to its end
    #[arg(long, help_heading = "Rules")]
    pub(crate) strict: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// File or folder
    pub(crate) input: PathBuf,
    #[arg(long, value_enum, default_value_t = TextFormat::Text)]
    pub(crate) format: TextFormat,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(Debug, Args)]
pub(crate) struct TimelineArgs {
    /// File, folder, or finished case folder
    pub(crate) input: PathBuf,
    #[arg(long, value_enum, default_value_t = RowFormat::Jsonl)]
    pub(crate) format: RowFormat,
    /// What columns are called
    #[arg(long, value_enum, default_value_t = RowNaming::Casetrace)]
    pub(crate) naming: RowNaming,
    /// Byte order mark in front of text (Excel's format always has one)
    #[arg(long)]
    pub(crate) bom: bool,
    /// File instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) filter: Filter,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(Debug, Args)]
pub(crate) struct Query {
    /// Finished case folders, or one batch output (folder, s3://…, az://…), then the SQL
    #[arg(required = true, num_args = 2.., value_name = "CASE… SQL")]
    pub(crate) cases_and_sql: Vec<String>,
    #[arg(long, value_enum, default_value_t = QueryFormat::Table)]
    pub(crate) format: QueryFormat,
    /// File instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Convert {
    /// The trace
    pub(crate) input: PathBuf,
    /// The capture file to write
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// Codes: hex, signed or unsigned decimal, AADSTS…, symbols, event ids
    #[arg(required = true, value_name = "CODE", allow_hyphen_values = true)]
    pub(crate) codes: Vec<String>,
    #[arg(long, value_enum, default_value_t = TextFormat::Text)]
    pub(crate) format: TextFormat,
}

#[derive(Debug, Args)]
pub(crate) struct Rules {
    #[command(subcommand)]
    pub(crate) command: RulesCommand,
    #[arg(long, value_enum, default_value_t = TextFormat::Text, global = true)]
    pub(crate) format: TextFormat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// All rules, a line each
    #[command(after_help = "Example:\n  casetrace rules list --format json")]
    List,
    /// One rule: what proves it, what refutes it
    #[command(after_help = "Example:\n  casetrace rules show PXY-01")]
    Show { id: String },
    /// Check rule files; errors point at line and column
    #[command(
        after_help = "Examples:\n  casetrace rules check my-rules.toml\n  casetrace rules check --import-sigma sigma.yml > my-rules.toml"
    )]
    Check {
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// The files are single-event Sigma rules: print them as rules of this language
        #[arg(long)]
        import_sigma: bool,
    },
    /// Run the cases that come with the rules
    #[command(
        after_help = "Examples:\n  casetrace rules test --rules my-rules\n  casetrace rules test PXY-01 \"TLS-*\""
    )]
    Test {
        /// Only cases about these rules; PXY-* is a family
        #[arg(value_name = "RULE")]
        about: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Finished case folder
    pub(crate) case: PathBuf,
    /// A report (.md or .html), or a folder for a whole case [default: the case's own report.md and report.html]
    #[arg(short, long, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,
    /// What to hide in every output
    #[arg(long, value_enum, default_value_t = Redact::Secrets, help_heading = "Report")]
    pub(crate) redact: Redact,
    /// Write what was replaced by what to a new private file; it undoes --redact identity
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub(crate) redaction_map: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) shape: Shape,
}

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// Finished case folder of the first capture
    pub(crate) before: PathBuf,
    /// Finished case folder of the second capture
    pub(crate) after: PathBuf,
    #[arg(long, value_enum, default_value_t = DiffFormat::Md)]
    pub(crate) format: DiffFormat,
    /// File instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// What to hide; names that both captures have keep one pseudonym
    #[arg(long, value_enum, default_value_t = Redact::Secrets, help_heading = "Report")]
    pub(crate) redact: Redact,
    #[command(flatten)]
    pub(crate) shape: Shape,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiffFormat {
    Md,
    Html,
    Json,
}

/// What the report looks like.
#[derive(Debug, Clone, Args, Default)]
pub(crate) struct Shape {
    /// Folder with own report templates, in place of the built-in ones of the same name
    #[arg(long, value_name = "DIR", help_heading = "Report")]
    pub(crate) templates: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Schema {
    #[arg(long, value_enum, default_value_t = TextFormat::Text)]
    pub(crate) format: TextFormat,
}

/// `512M`, `20G`, `1000` to bytes.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let (digits, shift) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (&text[..at], 10),
        Some((at, 'm' | 'M')) => (&text[..at], 20),
        Some((at, 'g' | 'G')) => (&text[..at], 30),
        Some((at, 't' | 'T')) => (&text[..at], 40),
        _ => (text, 0),
    };
    let number: u64 = digits
        .trim()
        .parse()
        .map_err(|_| format!("{text:?} is no size; write 512M or 20G"))?;
    number
        .checked_shl(shift)
        .filter(|bytes| bytes >> shift == number)
        .ok_or_else(|| format!("{text} is too large"))
}

pub(crate) fn parse_time(text: &str) -> Result<i64, String> {
    casetrace_model::time::from_rfc3339(text)
        .ok_or_else(|| format!("{text:?} is no RFC 3339 time; write 2026-03-02T01:16:11Z"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn sizes_are_read() {
        assert_eq!(parse_size("512M"), Ok(512 << 20));
        assert_eq!(parse_size("7"), Ok(7));
        assert!(parse_size("99999999T").is_err());
        assert!(parse_size("G").is_err());
    }
}
