//! Every stage on 4 MB under divan, with allocations: `cargo bench -p casetrace-benches`.

use std::path::PathBuf;
use std::sync::LazyLock;

use casetrace_benches::{Given, STAGES, find};
use divan::counter::{BytesCount, ItemsCount};
use divan::{AllocProfiler, Bencher};

#[global_allocator]
static ALLOCATOR: AllocProfiler<mimalloc::MiMalloc> = AllocProfiler::new(mimalloc::MiMalloc);

const BYTES: u64 = 4_000_000;

/// Where inputs lie; removed by the system's own means, as statics are never dropped.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| std::env::temp_dir().join("casetrace-stages"));

fn main() {
    divan::main();
}

#[divan::bench(args = STAGES.iter().map(|stage| stage.name))]
fn stage(bencher: Bencher<'_, '_>, name: &str) {
    let stage = find(name).expect("a name of the list");
    std::fs::create_dir_all(&*FOLDER).expect("a folder");
    let given = Given::new(stage, FOLDER.join(format!("{name}.bin")), BYTES);
    stage.input.write(&given.path, BYTES).expect("an input");
    let mut ready = (stage.prepare)(&given).expect("a stage that can run");
    let work = ready().expect("a stage that runs");
    bencher
        .counter(BytesCount::new(work.bytes))
        .counter(ItemsCount::new(work.items))
        .bench_local(|| ready().expect("a stage that runs"));
    let _ = std::fs::remove_file(&given.path);
}
