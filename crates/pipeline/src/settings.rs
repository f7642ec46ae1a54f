//! What a run may do and how; resolved by the caller, nothing is read from the environment here.

use std::path::PathBuf;

use casetrace_bundle::Secret;
use casetrace_model::Limits;
use casetrace_redact::Mode;
use casetrace_report::Templates;

use crate::definition::Definition;

/// Who describes the events of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backend {
    /// The trace, the given manifests and the built-in tables: equal on every computer.
    #[default]
    Portable,
    /// Also the providers registered with the Windows this runs on. Elsewhere it is the same as
    /// [`Portable`](Self::Portable); a command should refuse it there.
    Os,
}

/// Settings of one run.
#[derive(Debug)]
pub struct Settings {
    /// Ceilings on everything the input could decide.
    pub limits: Limits,
    /// Passwords for encrypted archives.
    pub passwords: Vec<Secret>,
    /// What is hidden in every output.
    pub redact: Mode,
    /// Texts of provider manifests.
    pub manifests: Vec<String>,
    /// Texts of TMF files.
    pub tmf: Vec<String>,
    /// Who describes the events of a trace.
    pub etl_backend: Backend,
    /// Bytes that decoded rows and open streams may take; what goes beyond is counted and reported, not kept.
    pub memory_limit: Option<u64>,
    /// Shapes of the report.
    pub templates: Templates,
    /// Threads.
    pub jobs: usize,
    /// Private temporary files go below this folder.
    pub work_dir: PathBuf,
    /// Kinds to decoders.
    pub definition: Definition,
    /// What an earlier attempt at the same inputs has taught.
    pub care: Care,
}

/// Members that ended the process of an earlier attempt, or may have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Care {
    /// Logical paths that are listed, but neither taken apart nor decoded, with the reason.
    pub leave_out: Vec<(String, String)>,
    /// Logical paths that are decoded last and one at a time, so that the next end tells which it was.
    pub one_by_one: Vec<String>,
}

impl Settings {
    /// Defaults: secrets masked, one thread per core, the system's temporary folder.
    ///
    /// Errors: only if the built-in pipeline definition is broken.
    pub fn new() -> Result<Self, String> {
        Ok(Self {
            limits: Limits::default(),
            passwords: Vec::new(),
            redact: Mode::Secrets,
            manifests: Vec::new(),
            tmf: Vec::new(),
            etl_backend: Backend::Portable,
            memory_limit: None,
            templates: Templates::builtin(),
            jobs: std::thread::available_parallelism().map_or(1, usize::from),
            work_dir: std::env::temp_dir(),
            definition: Definition::builtin()?,
            care: Care::default(),
        })
    }
}
