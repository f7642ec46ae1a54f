//! Writes a large case: `cargo run --release -p casetrace-synth --bin large -- OUT-DIR MB`.
//!
//! Of its bytes 40 % are network traces, 30 % event logs, 10 % a packet capture and 20 % debug text, in files of at most 400 MB, as
//! collection tools leave them. Deterministic. At most one file is in memory.
#![expect(clippy::print_stderr, reason = "a command-line tool")]

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use casetrace_synth::scenario::large;

/// Circular traces and logs end at a size; a bigger case has more of them.
const LARGEST: usize = 400_000_000;

type Maker = fn(u32, usize) -> Vec<u8>;

const KINDS: [(&str, &str, usize, Maker); 4] = [
    ("NetTrace", "etl", 40, large::trace),
    ("Security", "evtx", 30, large::log),
    ("capture", "pcap", 10, large::capture),
    ("az-debug", "txt", 20, large::debug_log),
];

fn write(folder: &Path, megabytes: usize) -> std::io::Result<()> {
    for (name, extension, percent, make) in KINDS {
        let total = megabytes * 1_000_000 / 100 * percent;
        let files = total.div_ceil(LARGEST).max(1);
        for part in 0..files {
            let place = folder.join(format!("pc{part:02}"));
            fs::create_dir_all(&place)?;
            fs::write(
                place.join(format!("{name}.{extension}")),
                make(part as u32, total / files),
            )?;
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, size] = arguments.as_slice() else {
        eprintln!("usage: large OUT-DIR MEGABYTES");
        return ExitCode::from(2);
    };
    let Ok(megabytes) = size.parse::<usize>() else {
        eprintln!("large: {size} is no number of megabytes");
        return ExitCode::from(2);
    };
    match write(Path::new(folder), megabytes) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("large: {folder}: {error}");
            ExitCode::FAILURE
        }
    }
}
