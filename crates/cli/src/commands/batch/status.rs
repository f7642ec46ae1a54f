//! `casetrace batch status`.

use std::io::Write;
use std::path::Path;

use casetrace_batch::{Status, status};

use super::failure;
use crate::args;
use crate::batch_args::{self, StatusFormat};
use crate::exit::Failure;

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
        Some(path) => put(path, &text),
    }
}

fn put(path: &Path, text: &str) -> Result<(), Failure> {
    let name = path.display().to_string();
    let failed = |error: &std::io::Error| Failure::io(&name, error);
    let folder = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut part = tempfile::NamedTempFile::new_in(folder).map_err(|e| failed(&e))?;
    part.write_all(text.as_bytes()).map_err(|e| failed(&e))?;
    args::readable_by_all(part.as_file()).map_err(|e| failed(&e))?;
    part.persist(path).map(drop).map_err(|e| failed(&e.error))
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
