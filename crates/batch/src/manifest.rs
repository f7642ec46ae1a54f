//! `_manifest.json`: the last file of a case's results. A folder without one, or with a damaged one, is not a result.

use serde::{Deserialize, Serialize};

use crate::bundle::BundleId;
use crate::key::{JobKey, Versions};

/// File name; readers of Parquet folders skip names that begin with an underscore.
pub const MANIFEST: &str = "_manifest.json";

/// Layout version.
const SCHEMA_VERSION: u32 = 1;

/// One file of the results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultFile {
    /// Name in the folder.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// BLAKE3 of the bytes.
    pub blake3: String,
}

/// What the work itself reports.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Rows of the timeline.
    pub rows: u64,
    /// Findings that stand.
    pub findings: u64,
    /// Month of the last row, `2026-03`; `unknown` without a time.
    pub month: String,
    /// Tables that go into the dataset: table name and file name.
    pub tables: Vec<(String, String)>,
}

/// The whole file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Layout version.
    pub schema_version: u32,
    /// The case.
    pub bundle: BundleId,
    /// Its path below the share.
    pub path: String,
    /// The work.
    pub job_key: JobKey,
    /// Hash of the inputs' names and bytes.
    pub content: String,
    /// Bytes of the inputs.
    pub input_bytes: u64,
    /// Files of the inputs.
    pub input_files: u64,
    /// What it was done with.
    pub versions: Versions,
    /// Which attempt this was.
    pub attempt: u32,
    /// Which staging folder became this.
    pub uuid: String,
    /// RFC 3339; the only clock in the results.
    pub sealed_at: String,
    /// Where the files are; only in an object store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// What came out.
    pub summary: Summary,
    /// All files but this one.
    pub files: Vec<ResultFile>,
    /// BLAKE3 of this document with an empty seal.
    pub seal: String,
}

/// What is needed to make a manifest.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) bundle: BundleId,
    pub(crate) path: String,
    pub(crate) job_key: JobKey,
    pub(crate) content: String,
    pub(crate) input_bytes: u64,
    pub(crate) input_files: u64,
    pub(crate) versions: Versions,
    pub(crate) attempt: u32,
}

impl Manifest {
    pub(crate) fn new(draft: Draft, uuid: &str, summary: Summary, files: Vec<ResultFile>) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            bundle: draft.bundle,
            path: draft.path,
            job_key: draft.job_key,
            content: draft.content,
            input_bytes: draft.input_bytes,
            input_files: draft.input_files,
            versions: draft.versions,
            attempt: draft.attempt,
            uuid: uuid.to_owned(),
            sealed_at: jiff::Timestamp::now().to_string(),
            data: None,
            summary,
            files,
            seal: String::new(),
        }
    }

    /// The bytes to write.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut sealed = self.clone();
        sealed.seal = sealed.expected_seal();
        let mut bytes = serde_json::to_vec_pretty(&sealed).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Reads and checks; `None` if a single byte that matters is wrong.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let manifest: Self = serde_json::from_slice(bytes).ok()?;
        (manifest.schema_version == SCHEMA_VERSION && manifest.seal == manifest.expected_seal())
            .then_some(manifest)
    }

    fn expected_seal(&self) -> String {
        let mut open = self.clone();
        open.seal.clear();
        let bytes = serde_json::to_vec(&open).unwrap_or_default();
        blake3::hash(&bytes).to_hex().to_string()
    }

    /// The file of a table, if the results have it.
    pub fn table(&self, table: &str) -> Option<&str> {
        let mut tables = self.summary.tables.iter();
        tables
            .find(|(name, _)| name == table)
            .map(|(_, file)| file.as_str())
    }
}
