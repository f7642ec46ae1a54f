//! What a process has used so far, as Linux tells; nothing elsewhere.

use std::fs;

/// Linux counts in these on every architecture it runs on today.
const TICKS_PER_S: f64 = 100.0;

/// CPU seconds of all threads of this process.
pub fn cpu_s() -> Option<f64> {
    cpu_s_of("self")
}

/// CPU seconds of all threads of the process with this number.
pub fn cpu_s_of(process: &str) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in parentheses may hold blanks; the 12th and 13th fields behind it are user and system time.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_PER_S)
}

/// Largest resident size of this process since the last [`forget_peak`], in MiB.
pub fn peak_mib() -> Option<u64> {
    peak_mib_of("self")
}

/// Largest resident size of the process with this number, in MiB.
pub fn peak_mib_of(process: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? >> 10)
}

/// Starts a new measurement of the peak, where the system allows it.
pub fn forget_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}
