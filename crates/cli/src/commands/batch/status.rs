//! `casetrace batch status`.

use std::io::Write;

use casetrace_batch::{Status, status};

use super::failure;
use crate::batch_args::{self, StatusFormat};
use crate::exit::Failure;
use crate::output;

/// Prints the state of an output, or puts it into a file whole (node_exporter may read at any time).
pub(crate) fn run(args: &batch_args::Status, out: &mut dyn Write) -> Result<(), Failure> {
    let status = status(&args.out, &std::env::temp_dir()).map_err(failure)?;
    let text = match args.format {
        StatusFormat::Text => text(&status),
        StatusFormat::Json => format!("{}\n", serde_json::to_string_pretty(&status)?),
        StatusFormat::Prometheus => status.prometheus(),
    };
    match &args.output {
        None => Ok(out.write_all(text.as_bytes())?),
        Some(path) => output::to_file(path, |file| Ok(file.write_all(text.as_bytes())?)),
    }
}

fn text(status: &Status) -> String {
    let mut text = format!(
        "published  {}\nfailed     {}\nretrying   {}\nleases     {}\nstaging    {}\n",
        status.published, status.failed, status.retrying, status.leases, status.staging
    );
    if status.generations > status.published {
        text.push_str(&format!(
            "           {} results of earlier content, tool or rules are kept\n",
            status.generations - status.published
        ));
    }
    for failure in &status.failures {
        text.push_str(&format!(
            "  {} {} ({} attempts): {}\n",
            failure.class.as_str(),
            failure.bundle,
            failure.attempts,
            failure.reason
        ));
    }
    match &status.last_run {
        Some(last) => {
            let ended = last.get("ended").and_then(|v| v.as_str()).unwrap_or_default();
            text.push_str(&format!("last run   ended {ended}\n"));
        }
        None => text.push_str("last run   has not ended, or there was none\n"),
    }
    text
}
