//! What callers can decide.

use casetrace_model::Limits;

/// Settings of [`decode`](crate::decode).
#[derive(Debug, Clone)]
pub struct Options {
    /// Ceilings on what the input may demand.
    pub limits: Limits,
    /// Texts of provider manifests (`.man` XML as `wevtutil` or PerfView write it).
    pub manifests: Vec<String>,
    /// Texts of TMF files, which describe WPP messages; one message file or many concatenated.
    pub tmf: Vec<String>,
    /// Hide passwords, cookies, tokens and authorization values in rows. Off only on explicit request.
    pub mask_secrets: bool,
    /// Threads to expand and decode with; 1 uses the calling thread only. Rows are the same for any number.
    pub threads: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            manifests: Vec::new(),
            tmf: Vec::new(),
            mask_secrets: true,
            threads: 1,
        }
    }
}
