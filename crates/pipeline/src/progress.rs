//! How a run tells what it is doing, without knowing terminals.

/// A step of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Unpacking and hashing.
    Ingest,
    /// Decoding members.
    Decode,
    /// Sorting and joining rows.
    Timeline,
    /// Evaluating rules.
    Rules,
    /// Writing results.
    Report,
}

impl Stage {
    /// For people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Ingest => "Unpacking",
            Self::Decode => "Decoding",
            Self::Timeline => "Building timeline",
            Self::Rules => "Correlating",
            Self::Report => "Writing results",
        }
    }
}

/// Takes progress; called from several threads.
pub trait Progress: Sync {
    /// A stage begins with this many units of work (bytes in [`Stage::Decode`], members in [`Stage::Ingest`]);
    /// 0 if unknown.
    fn stage(&self, stage: Stage, total: u64) {
        let _ = (stage, total);
    }
    /// So many units more are done.
    fn advance(&self, units: u64) {
        let _ = units;
    }
    /// The member at this logical path is about to be taken apart or decoded; what happens until [`end`](Self::end)
    /// is its doing. Called from several threads, with different paths.
    fn begin(&self, path: &str) {
        let _ = path;
    }
    /// The member has done no harm.
    fn end(&self, path: &str) {
        let _ = path;
    }
    /// What is being worked on.
    fn detail(&self, name: &str) {
        let _ = name;
    }
}

/// Says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {}
