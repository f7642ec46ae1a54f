//! `casetrace timeline`: rows of an input or of a finished case, in the formats other tools read.

use std::io::Write;
use std::path::Path;

use casetrace_pipeline::{read, replace};
use casetrace_timeline::{
    ColumnId, Condition, Filter, Timeline, TimelineError, read_parquet, write_csv, write_excel, write_jsonl,
    write_l2tcsv, write_parquet, write_timesketch,
};

use crate::args::{self, Common, RowFormat, TimelineArgs};
use crate::exit::{Failure, UNREADABLE};
use crate::input;
use crate::progress::Display;

/// Decodes or loads, filters, writes.
pub(crate) fn run(args: &TimelineArgs, common: &Common, out: &mut dyn Write) -> Result<(), Failure> {
    let columns = ColumnId::resolve(&args.filter.columns).map_err(refused)?;
    let filter = filter(&args.filter)?;
    if args.format == RowFormat::Parquet && args.output.is_none() {
        return Err(Failure::Usage(
            "Parquet is not for the terminal; name a file with -o FILE".to_owned(),
        ));
    }
    let timeline = load(args, common)?.filter(&filter).map_err(refused)?;
    match &args.output {
        None => write(&timeline, &columns, args.format, out),
        Some(path) => to_file(&timeline, &columns, args.format, path),
    }
}

fn load(args: &TimelineArgs, common: &Common) -> Result<Timeline, Failure> {
    let finished = args.input.join("timeline.parquet");
    if finished.is_file() {
        return read_parquet(&finished).map_err(refused);
    }
    let settings = input::settings(&args.reading)?;
    let display = Display::new(common.quiet, args.output.is_none());
    let case = read(std::slice::from_ref(&args.input), &settings, true, &display).map_err(input::failure)?;
    display.finish();
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
    Ok(case.timeline)
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

fn to_file(timeline: &Timeline, columns: &[ColumnId], format: RowFormat, path: &Path) -> Result<(), Failure> {
    let failed = |error| Failure::io(&path.display().to_string(), &error);
    replace(path, failed, |out| match format {
        RowFormat::Parquet => write_parquet(timeline, out).map(drop).map_err(refused),
        _ => write(timeline, columns, format, out),
    })
}

fn write(
    timeline: &Timeline,
    columns: &[ColumnId],
    format: RowFormat,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let written = match format {
        RowFormat::Jsonl => write_jsonl(timeline, columns, out)?,
        RowFormat::Csv => write_csv(timeline, columns, out)?,
        RowFormat::Excel => write_excel(timeline, columns, out)?,
        RowFormat::Timesketch => write_timesketch(timeline, columns, out)?,
        RowFormat::L2tcsv => write_l2tcsv(timeline, out)?,
        RowFormat::Parquet => return Ok(()),
    };
    if written.left_out > 0 {
        tracing::warn!(
            rows = written.left_out,
            "Rows without a time were left out; this format needs one."
        );
    }
    Ok(())
}

/// Timeline errors are the caller's text in nearly every case; the cause is part of the message.
pub(crate) fn refused(error: TimelineError) -> Failure {
    match &error {
        TimelineError::Io { source, .. } => Failure::io(&error.to_string(), source),
        TimelineError::Frame { source, .. } => Failure::Usage(format!("{error} {source}")),
        _ => Failure::Usage(error.to_string()),
    }
}
