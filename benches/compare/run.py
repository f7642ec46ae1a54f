#!/usr/bin/env python3
"""Runs casetrace and the tools people use today on the same files, in turn, and prints the ratios.

    python3 benches/compare/run.py [--mb 1000] [--rounds 3] [--binary PATH] [--skip-slow]

Peers: unzip, cabextract, tshark, capinfos (Debian packages of those names, plus wireshark-common; gcab makes the cabinet),
evtx_dump (crates.io package `evtx`, built once), dissect.etl and plaso (PyPI). What is missing is named and left out; --install
gets the last three into the user's cache. Inputs come from `cargo run --release -p casetrace-synth --bin large`.
Every command runs once per round, peers and casetrace alternating, so that a busy machine slows both; what takes minutes runs
in the first round only. Wall and CPU seconds and peak memory of the process with its children are taken from the kernel
(wait4). Results: a table on standard output and benches/results/DATE.json. A peer that ends with an error did not do its work:
its exit code is in the table, and no ratio is made of it.

dissect.etl runs twice: over the headers of all records, and with the values of each (`record.event.event_values()`), which is
what a timeline needs. It counts as failed if it can't give them for one record in a hundred. etl-parser reads 2,000 records
a second (benches/etl/peers.py), a quarter of an hour for this trace, and is left out.
"""

import argparse
import datetime
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "casetrace" / "peers"

# The facts casetrace takes from a capture, asked of tshark.
TSHARK_FIELDS = """frame.time_epoch ip.src ip.dst tcp.srcport tcp.dstport tls.handshake.type
tls.handshake.extensions_server_name tls.handshake.extensions_alpn_str tls.handshake.version
tls.handshake.ciphersuite tls.alert_message.desc x509sat.uTF8String x509sat.printableString http.request.method
http.request.full_uri http.response.code http.proxy_authenticate dns.qry.name dns.flags.rcode dns.a
kerberos.error_code kerberos.SNameString ldap.resultCode tcp.flags.reset""".split()
TSHARK_FILTER = "tls.handshake or tls.alert_message or http or dns or kerberos or ldap or quic or tcp.flags.syn==1 or tcp.flags.reset==1"

DISSECT_HEADERS = """
import sys
from dissect.etl.etl import ETL
with open(sys.argv[1], 'rb') as handle:
    for record in ETL(handle):
        record.header
"""

DISSECT = """
import sys
from dissect.etl.etl import ETL
records = failed = 0
with open(sys.argv[1], 'rb') as handle:
    for record in ETL(handle):
        records += 1
        try:
            event = record.event
            event.ts(), event.provider_id(), event.symbol(), event.event_values()
        except Exception:
            failed += 1
sys.exit(records == 0 or failed * 100 > records)
"""


# These take minutes, and their spread is small beside their distance.
SLOW = ["dissect.etl", "plaso winevtx"]


def run(command, stdin=None, stdout=None):
    """Wall seconds, CPU seconds, peak MiB and exit code of one command."""
    out = open(stdout or os.devnull, "wb")
    started = time.perf_counter()
    child = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL, stdin=stdin or subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    out.close()
    return {
        "wall": wall,
        "cpu": usage.ru_utime + usage.ru_stime,
        "rss_mib": usage.ru_maxrss / 1024,
        "exit": child.returncode,
    }


def install():
    """Builds evtx_dump and Python environments with dissect.etl and plaso in the user's cache."""
    CACHE.mkdir(parents=True, exist_ok=True)
    if not (CACHE / "bin" / "evtx_dump").exists():
        subprocess.run(["cargo", "install", "evtx", "--version", locked("evtx"), "--root", str(CACHE), "--locked"], check=True)
    for name, package in [("venv", "dissect.etl"), ("plaso", "plaso")]:
        if not (CACHE / name).exists():
            subprocess.run([sys.executable, "-m", "venv", str(CACHE / name)], check=True)
            subprocess.run([str(CACHE / name / "bin" / "pip"), "-q", "install", package], check=True)


def locked(package):
    """The version that this program is built with, so that both read with the same library."""
    with open(ROOT / "Cargo.lock", "rb") as handle:
        return next(found["version"] for found in tomllib.load(handle)["package"] if found["name"] == package)


def inputs(folder, megabytes):
    """The large case as loose files, as a zip and its trace as a cab; made once."""
    case = folder / f"case-{megabytes}"
    if not case.exists():
        part = folder / f"part-{megabytes}"
        shutil.rmtree(part, ignore_errors=True)
        subprocess.run(
            ["cargo", "run", "-q", "--release", "-p", "casetrace-synth", "--bin", "large", "--", str(part), str(megabytes)],
            cwd=ROOT,
            check=True,
        )
        part.rename(case)
    archive = folder / f"case-{megabytes}.zip"
    if not archive.exists():
        part = folder / f"part-{megabytes}.zip"
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as out:
            for path in sorted(case.rglob("*")):
                if path.is_file():
                    out.write(path, path.relative_to(case))
        part.rename(archive)
    return case, archive, cabinet(folder / f"case-{megabytes}.cab", first(case, ".etl"))


def cabinet(place, trace):
    """The case's trace in an MSZIP cabinet, or None without the tool that makes it."""
    if not place.exists() and shutil.which("gcab"):
        part = place.with_suffix(".part")
        subprocess.run(["gcab", "--create", "--zip", "--nopath", str(part), trace], check=True)
        part.rename(place)
    return place if place.exists() else None


def first(case, suffix):
    return str(sorted(case.rglob(f"*{suffix}"))[0])


def peers(case, archive, cab, work):
    """name -> (stage, command); commands that can't run are left out and said."""
    venv_python = CACHE / "venv" / "bin" / "python"
    evtx_dump = shutil.which("evtx_dump") or (CACHE / "bin" / "evtx_dump")
    etl, evtx, pcap = first(case, ".etl"), first(case, ".evtx"), first(case, ".pcap")
    fields = [item for field in TSHARK_FIELDS for item in ("-e", field)]
    found = {
        "unzip": ("unpack", ["unzip", "-qq", "-o", str(archive), "-d", str(work / "unzip")]),
        "capinfos": ("read pcap", ["capinfos", "-M", pcap]),
        "tshark": ("pcap facts", ["tshark", "-n", "-r", pcap, "-Y", TSHARK_FILTER, "-T", "fields", *fields]),
        "evtx_dump jsonl": ("evtx", [str(evtx_dump), "-o", "jsonl", "--threads", "2", evtx]),
        "dissect.etl headers": ("read etl", [str(venv_python), "-c", DISSECT_HEADERS, etl]),
        "dissect.etl": ("etl", [str(venv_python), "-c", DISSECT, etl]),
        "plaso winevtx": ("evtx", plaso(evtx, work)),
        "wc -l": ("read text", ["wc", "-l", first(case, ".txt")]),
    }
    if cab:
        found["cabextract"] = ("unpack cab", ["cabextract", "-q", "-d", str(work / "cabextract"), str(cab)])
    missing = [name for name, (_, command) in found.items() if not shutil.which(command[0])]
    for name in missing:
        print(f"left out: {name} is not installed ({found.pop(name)[1][0]})", file=sys.stderr)
    return found


def plaso(evtx, work):
    """log2timeline over the event log, into its own storage, as it comes."""
    store, log = work / "plaso.store", work / "plaso.log.gz"
    store.unlink(missing_ok=True)
    quiet = ["-q", "-u", "--status_view", "none", "--logfile", str(log)]
    return [str(CACHE / "plaso" / "bin" / "log2timeline"), *quiet, "--parsers", "winevtx", "--storage_file", str(store), evtx]


def ours(binary, case, archive, cab, work):
    etl, evtx, pcap = first(case, ".etl"), first(case, ".evtx"), first(case, ".pcap")
    rows = str(work / "rows.parquet")
    unpacked = {"casetrace inspect cab": ("unpack cab", [binary, "-q", "inspect", str(cab)])} if cab else {}
    return {
        **unpacked,
        "casetrace inspect zip": ("unpack", [binary, "-q", "inspect", str(archive)]),
        "casetrace pcap": ("pcap facts", [binary, "-q", "timeline", pcap, "--format", "parquet", "-o", rows]),
        "casetrace evtx": ("evtx", [binary, "-q", "timeline", evtx, "--format", "parquet", "-o", rows]),
        "casetrace etl": ("etl", [binary, "-q", "timeline", etl, "--format", "parquet", "-o", rows]),
        "casetrace etl inspect": ("read etl", [binary, "-q", "inspect", etl]),
        "casetrace analyze zip": ("end to end", [binary, "-q", "analyze", str(archive), "-o", str(work / "case")]),
        "casetrace analyze zip, 1 job": ("end to end", [binary, "-q", "analyze", "--jobs", "1", str(archive), "-o", str(work / "case1")]),
    }


def summary(name, stage, runs):
    walls = [r["wall"] for r in runs]
    return {
        "name": name,
        "stage": stage,
        "wall": [min(walls), statistics.median(walls), max(walls)],
        "cpu": statistics.median(r["cpu"] for r in runs),
        "rss_mib": max(r["rss_mib"] for r in runs),
        "exit": sorted({r["exit"] for r in runs}),
    }


def table(rows):
    print("| stage | command | wall s min / median / max | CPU s | peak MiB | exit |\n|---|---|---|---|---|---|")
    for row in sorted(rows, key=lambda r: (r["stage"], r["name"])):
        low, mid, high = row["wall"]
        print(
            f"| {row['stage']} | {row['name']} | {low:.2f} / {mid:.2f} / {high:.2f} | {row['cpu']:.2f} "
            f"| {row['rss_mib']:.0f} | {row['exit']} |"
        )


def ratios(rows):
    """The questions of benches/README.md, answered from medians."""
    median = {row["name"]: row["wall"][1] for row in rows if row["exit"] == [0]}

    def ratio(text, parts, whole):
        if all(part in median for part in parts) and whole in median:
            total = sum(median[part] for part in parts)
            print(f"- {text}: {total:.2f} s against {median[whole]:.2f} s = {total / median[whole]:.2f}×")

    print()
    ratio("tshark / casetrace, pcap facts", ["tshark"], "casetrace pcap")
    ratio("evtx_dump jsonl / casetrace, EVTX", ["evtx_dump jsonl"], "casetrace evtx")
    ratio("plaso / casetrace, EVTX", ["plaso winevtx"], "casetrace evtx")
    ratio("dissect.etl / casetrace, ETL", ["dissect.etl"], "casetrace etl")
    decoding = ["unzip", "tshark", "evtx_dump jsonl"]
    ratio("cabextract / casetrace inspect, cabinet", ["cabextract"], "casetrace inspect cab")
    ratio("sum of the peers / analyze", [*decoding, "dissect.etl"], "casetrace analyze zip")
    ratio("the same, the trace's headers only", [*decoding, "dissect.etl headers"], "casetrace analyze zip")
    ratio(
        "unzip and one native read of each / analyze (its inverse is the overhead)",
        ["unzip", "capinfos", "evtx_dump jsonl", "casetrace etl inspect", "wc -l"],
        "casetrace analyze zip",
    )
    ratio("one job / two jobs", ["casetrace analyze zip, 1 job"], "casetrace analyze zip")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mb", type=int, default=1000, help="size of the case before compression")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--binary", default=shutil.which("casetrace") or "casetrace", help="a release build")
    parser.add_argument("--folder", type=Path, default=CACHE / "inputs", help="where large inputs are kept")
    parser.add_argument("--skip-slow", action="store_true", help=f"leave out what takes minutes: {', '.join(SLOW)}")
    parser.add_argument("--only", help="names that contain this")
    parser.add_argument("--install", action="store_true", help="get evtx_dump, dissect.etl and plaso into the cache first")
    arguments = parser.parse_args()
    if arguments.install:
        install()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    case, archive, cab = inputs(arguments.folder, arguments.mb)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        work = Path(name)
        tasks = {**peers(case, archive, cab, work), **ours(arguments.binary, case, archive, cab, work)}
        if arguments.skip_slow:
            tasks = {k: v for k, v in tasks.items() if k not in SLOW}
        if arguments.only:
            tasks = {k: v for k, v in tasks.items() if arguments.only in k}
        runs = {task: [] for task in tasks}
        for turn in range(arguments.rounds):
            for task, (_, command) in tasks.items():
                if turn and task in SLOW:
                    continue
                runs[task].append(run(command))
                print(f"{task}: {runs[task][-1]['wall']:.2f} s", file=sys.stderr)
    rows = [summary(task, tasks[task][0], runs[task]) for task in tasks]
    files = {str(path.relative_to(case)): path.stat().st_size for path in sorted(case.rglob("*")) if path.is_file()}
    machine = {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "load_at_end": os.getloadavg()[0],
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        "system": platform.platform(),
    }
    print(f"{machine}\nzip {archive.stat().st_size} bytes of {files}\n")
    table(rows)
    ratios(rows)
    today = datetime.date.today().isoformat()
    place = ROOT / "benches" / "results" / f"{today}-{arguments.mb}mb.json"
    place.parent.mkdir(exist_ok=True)
    place.write_text(json.dumps({"date": today, "machine": machine, "files": files, "runs": rows}, indent=1) + "\n")


def cpu_name():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


if __name__ == "__main__":
    main()
