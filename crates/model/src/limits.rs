//! Ceilings on everything the input could otherwise decide.

/// One set of limits for a whole run; each field names what it bounds. Defaults suit a 24 GB machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Members in all archives together.
    pub max_members: usize,
    /// Archives within archives.
    pub max_depth: usize,
    /// Expanded bytes of one member.
    pub max_member_bytes: u64,
    /// Expanded bytes of the whole case.
    pub max_total_bytes: u64,
    /// Expanded bytes for one stored byte, once a member is past 64 MiB.
    pub max_ratio: u64,
    /// Bytes of one text line that are looked at.
    pub max_line_bytes: usize,
    /// Bytes kept of one value in `fields` or `message`; longer ones end in `…`.
    pub max_value_bytes: usize,
    /// Connections that are followed at a time.
    pub max_flows: usize,
    /// Bytes that all streams together may hold back for reassembly.
    pub max_stream_bytes: usize,
    /// Diagnostics kept for one artifact; the rest is counted.
    pub max_diagnostics: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_members: 200_000,
            max_depth: 8,
            max_member_bytes: 64 << 30,
            max_total_bytes: 256 << 30,
            max_ratio: 400,
            max_line_bytes: 1 << 20,
            max_value_bytes: 16 << 10,
            max_flows: 200_000,
            max_stream_bytes: 128 << 20,
            max_diagnostics: 200,
        }
    }
}
