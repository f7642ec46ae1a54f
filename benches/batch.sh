#!/usr/bin/env bash
# The batch's figures: cost of a tiny case, of a re-run with nothing to do, of `status`, and what a second core brings.
#
#     benches/batch.sh BINARY [TINY-CASES] [SCENARIO-FOLDER]
#     PARTS="make tiny" WORK=/fast/disk/trial benches/batch.sh BINARY        # some parts only, in a folder that stays
#
# The scenario folder is made by `cargo run -p casetrace-synth --bin fixtures FOLDER scenarios`; without one that part is
# skipped. Overhead is what a tiny case takes in a batch less what its analysis alone takes in the same child process, taken from
# a run of the same case through `batch worker`. Run it on an idle machine; the load is printed with the figures.
#
# What a second core can bring at all is the machine's matter: `ceiling` gives two children the whole scenario set each, one on
# each core, with no batch around them. Where cores share caches and memory with others it changes from minute to minute, so it
# is taken before and after.
#
# Parts: make (the share), tiny, alone, again, status, ceiling, scenarios.
set -euo pipefail
binary=$(command -v "${1:-casetrace}")
count=${2:-10000}
scenarios=${3:-}
parts=${PARTS:-make tiny alone again status ceiling scenarios ceiling}
if [ -n "${WORK:-}" ]; then
    work=$WORK
    mkdir -p "$work"
else
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
fi
# Requests whose analysis alone is timed, after a first one that warms the child up.
sample=$((count < 500 ? count : 500))

now() { date +%s%N; }
ms() { echo $((($(now) - $1) / 1000000)); }
calc() { awk "BEGIN { printf \"%.2f\", $1 }"; }
pin() { if command -v taskset > /dev/null; then taskset -c "$1" "${@:2}"; else "${@:2}"; fi; }
text() { printf '+--- Device State ---+\n\n             AzureAdJoined : YES\n              DomainJoined : NO\n               Device Name : PC%05d\n' "$1"; }
wrong() { echo "benches/batch.sh: $1" >&2; exit 1; }
run_all() { pin 0 "$binary" -q batch run --share "$work/share" --out "$work/out" --jobs 1 --threads 1 --stable-for 0s; }

make() {
    rm -rf "$work/share" "$work/out"
    mkdir "$work/share"
    for ((at = 0; at < count; at++)); do
        mkdir "$work/share/case$at"
        text "$at" > "$work/share/case$at/dsregcmd.txt"
    done
    # Hashes of files younger than three seconds are not kept.
    sleep 4
}

tiny() {
    local begin took
    begin=$(now)
    run_all
    took=$(ms "$begin")
    [ "$(find "$work/out/cases" -maxdepth 1 -name 'bundle=*' | wc -l)" -eq "$count" ] || wrong "not all tiny cases were published"
    calc "$took / $count" > "$work/each"
    echo "tiny cases: $count in $took ms, $(cat "$work/each") ms each"
}

requests() {
    for ((at = 0; at <= sample; at++)); do
        mkdir -p "$work/alone/stage$at"
        printf '{"bundle":"b","input":"%s","stage":"%s","work":"%s","limits":{"memory_bytes":%d,"time_ms":60000,"file_bytes":1000000000}}\n' \
            "$work/share/case$((at % count))" "$work/alone/stage$at" "$work/alone/tmp" $((4 << 30))
    done
}

alone() {
    local begin took each
    rm -rf "$work/alone"
    mkdir -p "$work/alone/tmp"
    requests > "$work/alone/requests"
    mkfifo "$work/alone/in" "$work/alone/out"
    pin 0 "$binary" -q batch worker --threads=1 < "$work/alone/in" > "$work/alone/out" &
    exec 3> "$work/alone/in" 4< "$work/alone/out"
    head -1 "$work/alone/requests" >&3
    read -r _ <&4
    begin=$(now)
    tail -n +2 "$work/alone/requests" >&3 &
    for ((at = 0; at < sample; at++)); do
        read -r answer <&4
        case $answer in *'"done"'*) ;; *) wrong "the analysis alone: $answer" ;; esac
    done
    took=$(ms "$begin")
    exec 3>&- 4<&-
    wait
    each=$(calc "$took / $sample")
    echo "their analysis alone: $each ms each"
    if [ -f "$work/each" ]; then
        echo "overhead: $(calc "$(cat "$work/each") - $each") ms each (wanted: at most 15)"
    fi
}

again() {
    local begin
    begin=$(now)
    run_all
    echo "run again with nothing to do: $(ms "$begin") ms (wanted: at most 5000)"
}

status() {
    local begin
    begin=$(now)
    pin 0 "$binary" batch status --out "$work/out" > /dev/null
    echo "status: $(ms "$begin") ms (wanted: at most 1000)"
}

# One child on a core of its own works off the scenario set; says how long the cases took after the first.
worker_on() {
    local core=$1 of="$work/ceiling$1" at=0 folder begin
    rm -rf "$of"
    mkdir -p "$of/tmp"
    mkfifo "$of/in" "$of/out"
    for folder in "$scenarios"/*/upload; do
        mkdir "$of/stage$at"
        printf '{"bundle":"b","input":"%s","stage":"%s","work":"%s","limits":{"memory_bytes":%d,"time_ms":60000,"file_bytes":1000000000}}\n' \
            "$folder" "$of/stage$at" "$of/tmp" $((4 << 30))
        at=$((at + 1))
    done > "$of/requests"
    RAYON_NUM_THREADS=1 POLARS_MAX_THREADS=1 \
        pin "$core" "$binary" -q batch worker --threads=1 < "$of/in" > "$of/out" &
    exec 3> "$of/in" 4< "$of/out"
    head -1 "$of/requests" >&3
    read -r _ <&4
    begin=$(now)
    tail -n +2 "$of/requests" >&3 &
    for ((; at > 1; at--)); do read -r _ <&4; done
    ms "$begin" > "$of/ms"
    exec 3>&- 4<&-
    wait
}

ceiling() {
    [ -n "$scenarios" ] || { echo "ceiling: skipped, no folder was named"; return; }
    local one two
    worker_on 0
    one=$(cat "$work/ceiling0/ms")
    worker_on 1
    one=$((one + $(cat "$work/ceiling1/ms")))
    (worker_on 0) &
    (worker_on 1) &
    wait
    two=$(($(cat "$work/ceiling0/ms") + $(cat "$work/ceiling1/ms")))
    echo "ceiling: two children without a batch get $(calc "2 * $one / $two") of one"
}

scenarios() {
    [ -n "$scenarios" ] || { echo "scenario set: skipped, no folder was named"; return; }
    local begin jobs
    printf 'cases = ["*/upload"]\n' > "$work/config.toml"
    for jobs in 1 2; do
        rm -rf "$work/scenarios$jobs"
        begin=$(now)
        pin "0-$((jobs - 1))" "$binary" -q batch run --share "$scenarios" --out "$work/scenarios$jobs" --config "$work/config.toml" \
            --jobs "$jobs" --threads 1 --stable-for 0s
        eval "took$jobs=$(ms "$begin")"
    done
    echo "scenario set: $took1 ms on one core, $took2 ms on two, ratio $(calc "$took1 / $took2") (wanted: at least 1.8)"
}

uptime
for part in $parts; do "$part"; done
uptime
