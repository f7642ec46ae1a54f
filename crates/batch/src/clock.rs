//! Clocks, host name, and names that occur once.

use std::hash::{BuildHasher, Hasher};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What [`shift_clock`] was told, in seconds.
static SHIFT: AtomicI64 = AtomicI64::new(0);

/// Makes this process believe that it is so many seconds later. For tests: no promise may depend on a clock being right.
pub fn shift_clock(seconds: i64) {
    SHIFT.store(seconds, Ordering::Relaxed);
}

/// Now, nanoseconds since 1970.
pub(crate) fn now_ns() -> i64 {
    let shift = SHIFT.load(Ordering::Relaxed).saturating_mul(1_000_000_000);
    unix_ns(SystemTime::now()).saturating_add(shift)
}

/// A time as nanoseconds since 1970.
pub(crate) fn unix_ns(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// How long ago `ns` was by our clock; `None` if it lies ahead.
pub(crate) fn age(ns: i64) -> Option<Duration> {
    u64::try_from(now_ns().saturating_sub(ns))
        .ok()
        .map(Duration::from_nanos)
}

/// This machine's name, for records that people read.
pub(crate) fn host() -> &'static str {
    static HOST: OnceLock<String> = OnceLock::new();
    HOST.get_or_init(|| {
        let file = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
        let name = file
            .or_else(|| std::env::var("COMPUTERNAME").ok())
            .or_else(|| std::env::var("HOSTNAME").ok());
        name.map_or_else(|| "unknown".to_owned(), |name| name.trim().to_owned())
    })
}

/// Sixteen hex digits that no other process or call gets: random keys of the system, time, process, counter.
pub(crate) fn unique() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let mut hash = blake3::Hasher::new();
    for _ in 0..2 {
        let random = std::hash::RandomState::new().build_hasher().finish();
        hash.update(&random.to_le_bytes());
    }
    hash.update(&now_ns().to_le_bytes());
    hash.update(&std::process::id().to_le_bytes());
    hash.update(&COUNTER.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    hash.update(host().as_bytes());
    hash.finalize()
        .to_hex()
        .as_str()
        .get(..16)
        .unwrap_or_default()
        .to_owned()
}
