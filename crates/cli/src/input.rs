//! From arguments to settings: reads password, manifest and TMF files, checks that inputs exist.

use std::fs;
use std::path::{Path, PathBuf};

use casetrace_pipeline::{Backend, RenderError, RunError, Secret, Settings, Templates};
use zeroize::Zeroizing;

use crate::args::{EtlBackend, Reading, Shape};
use crate::exit::Failure;

/// Largest manifest or TMF file that is read.
const MAX_SCHEMA_FILE: u64 = 64 << 20;

/// Settings of a run.
pub(crate) fn settings(reading: &Reading) -> Result<Settings, Failure> {
    let mut settings = Settings::new().map_err(Failure::Internal)?;
    let sources = &reading.sources;
    settings.redact = sources.redact.mode();
    if let Some(jobs) = reading.jobs {
        settings.jobs = jobs.clamp(1, 256);
    }
    if let Some(total) = sources.max_total {
        settings.limits.max_total_bytes = total;
    }
    settings.memory_limit = reading.memory_limit.map(memory_limit).transpose()?;
    settings.etl_backend = backend(reading.etl_backend)?;
    if let Some(path) = &sources.password_file {
        settings.passwords = passwords(path)?;
    }
    if let Some(folder) = &sources.manifests {
        settings.manifests = texts(folder, &["man", "xml"])?;
    }
    if let Some(folder) = &sources.tmf {
        settings.tmf = texts(folder, &["tmf"])?;
    }
    Ok(settings)
}

/// Below this nothing useful comes out.
const MIN_MEMORY: u64 = 64 << 20;

fn memory_limit(bytes: u64) -> Result<u64, Failure> {
    if bytes < MIN_MEMORY {
        return Err(Failure::Usage(
            "--memory-limit: give at least 64M; rules and tables alone need that".to_owned(),
        ));
    }
    Ok(bytes)
}

fn backend(wanted: EtlBackend) -> Result<Backend, Failure> {
    match wanted {
        EtlBackend::Portable => Ok(Backend::Portable),
        EtlBackend::Os if cfg!(windows) => Ok(Backend::Os),
        EtlBackend::Os => Err(Failure::Usage(
            "--etl-backend os asks Windows for its registered providers, and this is no Windows; leave it out, \
             or give the manifests with --manifests DIR"
                .to_owned(),
        )),
    }
}

/// Own templates, or the built-in ones.
pub(crate) fn templates(shape: &Shape) -> Result<Templates, Failure> {
    let Some(folder) = &shape.templates else {
        return Ok(Templates::builtin());
    };
    let mut files = Vec::new();
    for path in listed(folder, &["j2", "css", "js"])? {
        let text =
            fs::read_to_string(&path).map_err(|error| Failure::io(&path.display().to_string(), &error))?;
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        files.push((name, text));
    }
    Templates::new(files).map_err(template)
}

/// A template is the caller's text.
#[expect(clippy::needless_pass_by_value, reason = "used as a map_err function")]
pub(crate) fn template(error: RenderError) -> Failure {
    Failure::Usage(error.to_string())
}

fn passwords(path: &Path) -> Result<Vec<Secret>, Failure> {
    let text = fs::read_to_string(path).map_err(|error| Failure::io(&path.display().to_string(), &error))?;
    let text = Zeroizing::new(text);
    Ok(text
        .lines()
        .map(|line| line.trim_end_matches('\r'))
        .filter(|line| !line.is_empty())
        .map(|line| Secret::new(line.to_owned()))
        .collect())
}

/// All files of the wanted endings in `folder`, decoded, in name order.
fn texts(folder: &Path, endings: &[&str]) -> Result<Vec<String>, Failure> {
    listed(folder, endings)?
        .iter()
        .map(|path| {
            let bytes = fs::read(path).map_err(|error| Failure::io(&path.display().to_string(), &error))?;
            Ok(decode_text(&bytes))
        })
        .collect()
}

/// Paths of the files of the wanted endings in `folder`, in name order; at least one.
fn listed(folder: &Path, endings: &[&str]) -> Result<Vec<PathBuf>, Failure> {
    let listing = fs::read_dir(folder).map_err(|error| Failure::io(&folder.display().to_string(), &error))?;
    let mut files: Vec<PathBuf> = listing
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| {
            let ending = path
                .extension()
                .map(|e| e.to_string_lossy().to_ascii_lowercase())
                .unwrap_or_default();
            endings.contains(&ending.as_str())
        })
        .filter(|path| {
            path.metadata()
                .is_ok_and(|m| m.is_file() && m.len() <= MAX_SCHEMA_FILE)
        })
        .collect();
    files.sort();
    if files.is_empty() {
        return Err(Failure::Usage(format!(
            "{}: no .{} files in this folder",
            folder.display(),
            endings.join(" or .")
        )));
    }
    Ok(files)
}

/// Manifests and TMF files are UTF-8 or UTF-16 with BOM.
fn decode_text(bytes: &[u8]) -> String {
    match bytes {
        [0xff, 0xfe, rest @ ..] => {
            let units: Vec<u16> = rest
                .chunks_exact(2)
                .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
                .collect();
            String::from_utf16_lossy(&units)
        }
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// Sorts a run's failure into the exit codes.
pub(crate) fn failure(error: RunError) -> Failure {
    let with_source = |text: String, source: &std::io::Error| format!("{text}: {source}");
    match &error {
        RunError::Input { source, .. } | RunError::Output { source, .. } | RunError::Work { source, .. } => {
            let kind = std::io::Error::from(source.kind());
            match Failure::io("", &kind) {
                Failure::TryAgain(_) => Failure::TryAgain(with_source(error.to_string(), source)),
                Failure::Usage(_) => Failure::Usage(with_source(error.to_string(), source)),
                Failure::BrokenPipe => Failure::BrokenPipe,
                _ => Failure::Internal(with_source(error.to_string(), source)),
            }
        }
        RunError::Case { .. } | RunError::Pair { .. } | RunError::Timeline(_) | RunError::Template(_) => {
            Failure::Usage(error.to_string())
        }
        _ => Failure::Internal(error.to_string()),
    }
}
