#!/usr/bin/env bash
# The batch's figures: cost of a tiny case, of a re-run with nothing to do, of `status`, and what a second core brings.
#
#     benches/batch.sh [BINARY] [TINY-CASES] [SCENARIO-FOLDER]
#
# The scenario folder is made by `cargo run -p casetrace-synth --bin fixtures FOLDER scenarios`; without one that part is
# skipped. Overhead is what a tiny case takes in a batch less what its analysis alone takes in the same child process, taken from
# a run of the same case through `batch worker`. Run it on an idle machine; the load is printed with the figures.
set -euo pipefail
binary=$(command -v "${1:-casetrace}")
count=${2:-10000}
scenarios=${3:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

now() { date +%s%N; }
ms() { echo $((($(now) - $1) / 1000000)); }
pin() { if command -v taskset > /dev/null; then taskset -c "$1" "${@:2}"; else "${@:2}"; fi; }
tiny() { printf '+--- Device State ---+\n\n             AzureAdJoined : YES\n              DomainJoined : NO\n               Device Name : PC%05d\n' "$1"; }

uptime
mkdir "$work/share"
for ((at = 0; at < count; at++)); do
    mkdir "$work/share/case$at"
    tiny "$at" > "$work/share/case$at/dsregcmd.txt"
done
# Hashes of files younger than three seconds are not kept.
sleep 4

begin=$(now)
pin 0 "$binary" -q batch run --share "$work/share" --out "$work/out" --jobs 1 --threads 1 --stable-for 0s
whole=$(ms "$begin")

requests() {
    for ((at = 0; at < 500; at++)); do
        mkdir -p "$work/stage$at" "$work/tmp"
        printf '{"bundle":"b","input":"%s","stage":"%s","work":"%s","limits":{"memory_bytes":%d,"time_ms":60000,"file_bytes":1000000000}}\n' \
            "$work/share/case$((at % count))" "$work/stage$at" "$work/tmp" $((4 << 30))
    done
}
requests > "$work/requests"
mkfifo "$work/in" "$work/answers"
pin 0 "$binary" -q batch worker --threads=1 < "$work/in" > "$work/answers" &
exec 3> "$work/in" 4< "$work/answers"
head -1 "$work/requests" >&3; read -r _ <&4
begin=$(now)
tail -n +2 "$work/requests" >&3
for ((at = 1; at < 500; at++)); do read -r _ <&4; done
alone=$(ms "$begin")
exec 3>&- 4<&-
wait
echo "tiny cases: $count in $whole ms, $(awk "BEGIN { printf \"%.2f\", $whole / $count }") ms each;" \
    "analysis alone $(awk "BEGIN { printf \"%.2f\", $alone / 499 }") ms;" \
    "overhead $(awk "BEGIN { printf \"%.2f\", $whole / $count - $alone / 499 }") ms (wanted: at most 15)"

begin=$(now)
pin 0 "$binary" -q batch run --share "$work/share" --out "$work/out" --jobs 1 --stable-for 0s
echo "run again with nothing to do: $(ms "$begin") ms (wanted: at most 5000)"
begin=$(now)
pin 0 "$binary" batch status --out "$work/out" > /dev/null
echo "status: $(ms "$begin") ms (wanted: at most 1000)"

if [ -n "$scenarios" ]; then
    printf 'cases = ["*/upload"]\n' > "$work/config.toml"
    for jobs in 1 2; do
        begin=$(now)
        pin "0-$((jobs - 1))" "$binary" -q batch run --share "$scenarios" --out "$work/scenarios$jobs" --config "$work/config.toml" \
            --jobs "$jobs" --threads 1 --stable-for 0s
        eval "took$jobs=$(ms "$begin")"
    done
    echo "scenario set: $took1 ms on one core, $took2 ms on two, ratio $(awk "BEGIN { printf \"%.2f\", $took1 / $took2 }") (wanted: at least 1.8)"
fi
uptime
