//! `casetrace timeline`: rows of an input or of a finished case, in the formats other tools read.
//!
//! Rows pass through in parts, so memory does not grow with their number. A finished case is sorted by time from
//! beginning to end. An input is written as it is decoded: sorted as a whole if it fits into one part, otherwise part by part,
//! which is said on standard error.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::path::Path;

use casetrace_pipeline::{Hider, stream};
use casetrace_timeline::{
    ColumnId, Condition, Export, Filter, Naming, ParquetExport, TextFormat, Timeline, TimelineError, Written,
    read_parquet_parts,
};

use crate::args::{self, Common, RowFormat, RowNaming, TimelineArgs};
use crate::exit::{Failure, UNREADABLE};
use crate::map_file::{self, MapFile};
use crate::progress::Display;
use crate::{input, output};

/// Reads or decodes, filters, writes.
pub(crate) fn run(args: &TimelineArgs, common: &Common, out: &mut dyn Write) -> Result<(), Failure> {
    let columns = ColumnId::resolve(&args.filter.columns).map_err(refused)?;
    let filter = filter(&args.filter)?;
    let naming = naming(args)?;
    match (&args.output, text_format(args.format)) {
        (None, None) => Err(Failure::Usage(
            "Parquet is not for the terminal; name a file with -o FILE".to_owned(),
        )),
        (None, Some(format)) => {
            let export = Export::new(format, columns, naming).with_bom(args.bom);
            // Rows are decoded on other threads, which can't write to a locked standard output.
            let mut stdout = BufWriter::with_capacity(1 << 16, std::io::stdout());
            out.flush()?;
            write_text(args, common, &filter, &export, &mut stdout)?;
            Ok(stdout.flush()?)
        }
        (Some(path), Some(format)) => {
            let export = Export::new(format, columns, naming).with_bom(args.bom);
            output::to_file(path, |file| write_text(args, common, &filter, &export, file))
        }
        (Some(path), None) => output::to_file(path, |file| {
            let mut export = ParquetExport::new(file, columns, naming).map_err(refused)?;
            parts(args, common, &mut |part| {
                export
                    .rows(&part.filter(&filter).map_err(refused)?)
                    .map_err(refused)
            })?;
            export.finish().map(drop).map_err(refused)
        }),
    }
}

fn text_format(format: RowFormat) -> Option<TextFormat> {
    Some(match format {
        RowFormat::Jsonl => TextFormat::Jsonl,
        RowFormat::Csv => TextFormat::Csv,
        RowFormat::Excel => TextFormat::Excel,
        RowFormat::Timesketch => TextFormat::Timesketch,
        RowFormat::L2tcsv => TextFormat::L2tcsv,
        RowFormat::Parquet => return None,
    })
}

fn naming(args: &TimelineArgs) -> Result<Naming, Failure> {
    match (args.naming, args.format) {
        (RowNaming::Casetrace, _) => Ok(Naming::Columns),
        (RowNaming::Ecs, RowFormat::L2tcsv) => Err(Failure::Usage(
            "l2tcsv has fixed column names; --naming ecs is for jsonl, csv, excel, parquet and timesketch"
                .to_owned(),
        )),
        (RowNaming::Ecs, _) => Ok(Naming::Ecs),
    }
}

fn write_text(
    args: &TimelineArgs,
    common: &Common,
    filter: &Filter,
    export: &Export,
    out: &mut (dyn Write + Send),
) -> Result<(), Failure> {
    export.begin(out)?;
    let mut written = Written::default();
    parts(args, common, &mut |part| {
        let done = export.rows(&part.filter(filter).map_err(refused)?, out)?;
        written.rows += done.rows;
        written.left_out += done.left_out;
        Ok(())
    })?;
    if written.left_out > 0 {
        tracing::warn!(
            rows = written.left_out,
            "Rows without a time were left out; this format needs one."
        );
    }
    Ok(())
}

/// Hands all rows to `take`, part by part.
fn parts(
    args: &TimelineArgs,
    common: &Common,
    take: &mut (dyn FnMut(Timeline) -> Result<(), Failure> + Send),
) -> Result<(), Failure> {
    let finished = args.input.join("timeline.parquet");
    let map = map_file::open(args.reading.redaction_map.as_deref(), args.reading.sources.redact)?;
    if finished.is_file() {
        return finished_parts(args, &finished, map, take);
    }
    let settings = input::settings(&args.reading)?;
    let display = Display::new(common.quiet, args.output.is_none());
    let mut failure = None;
    let mut hand_over = |part: Timeline| match take(part) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            failure = Some(error);
            ControlFlow::Break(())
        }
    };
    let inputs = std::slice::from_ref(&args.input);
    let (case, parts) = stream(inputs, &settings, &display, &mut hand_over).map_err(input::failure)?;
    display.finish();
    if let Some(map) = map {
        map.write(&case.pseudonyms)?;
    }
    if let Some(failure) = failure {
        return Err(failure);
    }
    if parts > 1 {
        tracing::warn!(
            parts,
            "Rows are sorted by time within each part only; analyze the input and read its case folder for one order."
        );
    }
    for member in case.members.iter().filter(|m| !m.diagnostics.is_empty()) {
        tracing::warn!(
            artifact = member.path,
            outcome = member.outcome.as_str(),
            "Not everything was read; see inspect."
        );
    }
    if !case.any_decoded() {
        return Err(Failure::Code(UNREADABLE));
    }
    Ok(())
}

/// The rows of a finished case, hidden as asked for.
fn finished_parts(
    args: &TimelineArgs,
    finished: &Path,
    map: Option<MapFile>,
    take: &mut dyn FnMut(Timeline) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let hider = Hider::new(&args.input, args.reading.sources.redact.mode()).map_err(input::failure)?;
    let hidden = |part: Timeline| match &hider {
        Some(hider) => hider.rows(&part),
        None => part,
    };
    read_parquet_parts::<Refused>(finished, |part| take(hidden(part)).map_err(Refused))
        .map_err(|refused| refused.0)?;
    match (map, hider) {
        (Some(map), Some(hider)) => map.write(&hider.pseudonyms()),
        (Some(map), None) => map.write(&BTreeMap::new()),
        _ => Ok(()),
    }
}

/// A failure that can come from reading a timeline file.
struct Refused(Failure);

impl From<TimelineError> for Refused {
    fn from(error: TimelineError) -> Self {
        Self(refused(error))
    }
}

fn filter(args: &args::Filter) -> Result<Filter, Failure> {
    let condition = args.predicate.as_deref().map(Condition::parse).transpose();
    let condition = condition.map_err(|error| Failure::Usage(format!("--where: {error}")))?;
    Ok(Filter {
        since_ns: args.since,
        until_ns: args.until,
        host: args.host.clone(),
        condition,
    })
}

/// Timeline errors are the caller's text in nearly every case; the cause is part of the message.
pub(crate) fn refused(error: TimelineError) -> Failure {
    match &error {
        TimelineError::Io { source, .. } => Failure::io(&error.to_string(), source),
        TimelineError::Frame { source, .. } => Failure::Usage(format!("{error} {source}")),
        _ => Failure::Usage(error.to_string()),
    }
}
