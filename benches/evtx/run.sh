#!/bin/sh
# Event logs to rows beside `evtx_dump -o jsonl` of the evtx crate, in one run: benches/evtx/run.sh LARGE.evtx
#
# evtx_dump is built from crates.io into target/peers. Both read the same file with the same number of threads and
# throw their output away, turn by turn, three times; user and system seconds are of the whole process. Wants an idle
# machine; says how idle it was.
set -eu
log=$(realpath "$1")
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}
cargo build --release -p casetrace-evtx --example throughput
if [ ! -x "$target/peers/bin/evtx_dump" ]; then
    cargo install --root "$target/peers" --version '^0.15' evtx
fi
date -u +%Y-%m-%dT%H:%MZ
uptime
for turn in 1 2 3; do
    for threads in 1 2; do
        echo "turn $turn, $threads threads"
        python3 benches/evtx/timed.py "$target/release/examples/throughput" "$log" "$threads" rows
        python3 benches/evtx/timed.py "$target/peers/bin/evtx_dump" -o jsonl -t "$threads" "$log"
    done
done
uptime
