//! Whether a stage's work grows as its input does, told from counts and not from clocks.

use crate::one::Measured;
use crate::{Memory, Stage};

/// Counts may grow by so much more than the input.
const COUNTS: f64 = 1.10;
/// At small sizes, by so much more: a buffer that doubles while it grows has asked for up to twice its bytes, and a download more or
/// less changes how many events a megabyte has.
const SMALL: f64 = 1.35;
/// Inputs below this are small.
const SMALL_BYTES: u64 = 50_000_000;
/// Processor time may grow by so much more: wide enough for a restless machine, narrow enough for a loop in a loop.
const TIME: f64 = 1.5;
/// Flat memory may grow by this factor and these KiB, whatever the input does.
const FLAT: (f64, u64) = (1.25, 24 << 10);

/// What grew too fast between the smaller and the larger input, one sentence each.
pub fn faults(stage: &Stage, small: &Measured, large: &Measured) -> Vec<String> {
    let size = large.bytes as f64 / small.bytes as f64;
    let mut out = Vec::new();
    let mut hold = |what: &str, before: f64, now: f64, allowed: f64| {
        if now > before * size * allowed {
            let factor = now / before;
            out.push(format!(
                "{}: {what} grow {factor:.2} times from {before:.0} to {now:.0}, the input {size:.2} times",
                stage.name
            ));
        }
    };
    let loose = match small.bytes < SMALL_BYTES {
        true => SMALL,
        false => COUNTS,
    };
    hold(stage.items, small.items as f64, large.items as f64, loose);
    hold("bytes read", small.read as f64, large.read as f64, COUNTS);
    if let (Some(before), Some(now)) = (small.allocations, large.allocations) {
        hold("allocations", before.count as f64, now.count as f64, COUNTS);
        hold("allocated bytes", before.bytes as f64, now.bytes as f64, loose);
    }
    out
}

/// The same of processor time and memory, which are measured and not counted: for inputs large enough to tell.
pub fn measured_faults(stage: &Stage, small: &Measured, large: &Measured) -> Vec<String> {
    let size = large.bytes as f64 / small.bytes as f64;
    let mut out = Vec::new();
    // A tenth of a second more, as time comes in hundredths.
    let time = (small.cpu_seconds + 0.1) * size * TIME;
    if large.cpu_seconds > time {
        out.push(format!(
            "{}: {:.2} CPU s for {} bytes, {:.2} for {}",
            stage.name, small.cpu_seconds, small.bytes, large.cpu_seconds, large.bytes
        ));
    }
    let allowed = match stage.memory {
        Memory::Flat => small.peak_kib as f64 * FLAT.0 + FLAT.1 as f64,
        Memory::Listed => small.peak_kib as f64 * size * COUNTS,
    };
    if large.peak_kib as f64 > allowed {
        out.push(format!(
            "{}: a peak of {} MiB for {} bytes, {} MiB for {}",
            stage.name,
            small.peak_kib >> 10,
            small.bytes,
            large.peak_kib >> 10,
            large.bytes
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::STAGES;
    use crate::one::Allocations;

    fn run(bytes: u64, count: u64) -> Measured {
        Measured {
            bytes,
            items: count,
            read: count,
            seconds: 1.0,
            cpu_seconds: count as f64 / 1e6,
            peak_kib: count / 100,
            allocations: Some(Allocations {
                count,
                bytes: count * 100,
            }),
        }
    }

    #[test]
    fn linear_growth_passes_and_more_is_named() {
        let stage = &STAGES[0];
        let small = run(100_000_000, 1_000_000);
        assert_eq!(
            faults(stage, &small, &run(400_000_000, 4_300_000)),
            Vec::<String>::new()
        );
        let faults = faults(stage, &small, &run(400_000_000, 4_500_000));
        assert_eq!(faults.len(), 4, "{faults:?}");
    }

    #[test]
    fn quadratic_time_and_memory_of_a_flat_stage_are_named() {
        let stage = &STAGES[0];
        let small = run(100_000_000, 10_000_000);
        let faults = measured_faults(stage, &small, &run(1_000_000_000, 1_000_000_000));
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert_eq!(measured_faults(stage, &small, &small), Vec::<String>::new());
    }
}
