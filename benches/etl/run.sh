#!/bin/sh
# All speed figures of the trace reader in one run: benches/etl/run.sh [FILE.etl...]
#
# Stages on generated traces (cargo bench), then large generated traces with one and two threads, then the given files
# beside the Python readers that are installed, then peak memory. Wants an idle machine; says how idle it was.
set -eu
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
target=${CARGO_TARGET_DIR:-target}
date -u +%Y-%m-%dT%H:%MZ
uptime
cargo build --release -p casetrace-etl --examples
cargo bench -p casetrace-etl
for kind in dns tcp small compressed; do
    "$target/release/examples/sample" "$kind" "$work/$kind.etl" 400000
    echo "$kind, 400,000 events"
    "$target/release/examples/speed" "$work/$kind.etl"
done
if [ $# -gt 0 ]; then
    python3 benches/etl/peers.py "$target/release/examples/speed" "$@"
fi
cargo test --release -p casetrace-etl --test memory -- --ignored --nocapture
uptime
