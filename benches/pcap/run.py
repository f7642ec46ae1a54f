#!/usr/bin/env python3
"""Packets to facts beside its peers, in one run: prints a table and the ratios the project promises.

usage: benches/pcap/run.py [--capture FILE | --corpus DIR --size MB] [--rounds N] [--bin DIR] [--skip NAME]...

Without --capture one large capture is made (once) out of the corpus with its `make-big-pcap`. Every round runs every
program once, in turn, so that a load of other work hits all of them alike. CPU seconds are user + system of the whole
process; wall seconds need an idle machine. Needs tshark and ndpiReader (Debian: tshark, libndpi-bin); what is not
installed is left out and said so.
"""
import argparse
import datetime
import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GROUPS = "large-- http-- tls quic-- dns-- kerberos-- ldap-- proxy-- lab-- http-auth--".split()
FIELDS = """frame.number frame.time_epoch ip.src ip.dst tcp.srcport tcp.dstport
    tls.handshake.extensions_server_name tls.handshake.ja3 tls.handshake.ciphersuite tls.alert_message.desc
    http.request.method http.request.full_uri http.response.code
    dns.qry.name dns.a dns.aaaa dns.flags.rcode kerberos.error_code""".split()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--capture", help="measure on this file")
    parser.add_argument("--corpus", default=os.environ.get("CASETRACE_CORPUS", os.path.join(ROOT, "../shared/corpus")))
    parser.add_argument("--size", type=int, default=500, help="megabytes of the capture that is made")
    parser.add_argument("--work", default=os.path.join(tempfile.gettempdir(), "casetrace-bench"), help="where it is made")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bin", help="folder with pcap_speed and pcap_floor; built in release if not given")
    parser.add_argument("--published", help="program of benches/pcap/published; built in release if not given")
    parser.add_argument("--skip", action="append", default=[], metavar="NAME", help="leave a program of the table out")
    return parser.parse_args()


def make_capture(args):
    if args.capture:
        return args.capture
    os.makedirs(args.work, exist_ok=True)
    out = os.path.join(args.work, f"big-{args.size}.pcap")
    if not os.path.exists(out):
        folder = os.path.join(args.corpus, "pcap")
        if not os.path.isdir(folder):
            sys.exit(f"no corpus at {args.corpus}: give --corpus or --capture")
        names = os.listdir(folder)
        sources = [os.path.join(folder, n) for group in GROUPS for n in sorted(names) if n.startswith(group)]
        tool = os.path.join(args.corpus, "../tools/make-big-pcap")
        subprocess.run([sys.executable, tool, out + ".part", str(args.size), *sources], check=True)
        os.rename(out + ".part", out)
    return out


def build(args):
    if args.bin:
        return args.bin
    command = "cargo build -q --release -p casetrace-pcap --example pcap_speed --example pcap_floor".split()
    subprocess.run(command, cwd=ROOT, check=True)
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
    return os.path.join(target, "release/examples")


def build_published(args):
    """The published parsers' program; its crates come from the registry, so it may be missing."""
    if args.published:
        return args.published
    folder = os.path.join(ROOT, "benches/pcap/published")
    target = os.path.join(args.work, "published")
    command = ["cargo", "build", "-q", "--release", "--manifest-path", os.path.join(folder, "Cargo.toml"), "--target-dir", target]
    subprocess.run(command, check=False)
    return os.path.join(target, "release/published-parsers")


def programs(folder, published, capture):
    fields = [word for field in FIELDS for word in ("-e", field)]
    return {
        "read only": ["cat", capture],
        "floor: slices": [os.path.join(folder, "pcap_floor"), capture, "slices"],
        "floor: probe": [os.path.join(folder, "pcap_floor"), capture, "probe"],
        "published parsers": [published, capture],
        "casetrace, 1 thread": [os.path.join(folder, "pcap_speed"), capture, "1"],
        "casetrace, 2 threads": [os.path.join(folder, "pcap_speed"), capture, "2"],
        "ndpiReader -q": ["ndpiReader", "-q", "-i", capture],
        "tshark -T fields": ["tshark", "-n", "-r", capture, "-T", "fields", *fields],
    }


class Threads(threading.Thread):
    """Follows how long each thread of a process was on a CPU."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.seconds, self.stop = pid, {}, False

    def run(self):
        while not self.stop:
            try:
                for task in os.listdir(f"/proc/{self.pid}/task"):
                    with open(f"/proc/{self.pid}/task/{task}/schedstat") as stat:
                        self.seconds[task] = int(stat.read().split()[0]) / 1e9
            except OSError:
                pass
            time.sleep(0.01)


def measure(command):
    """(CPU seconds, wall seconds, peak MB, CPU seconds of each thread)"""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    threads = Threads(process.pid)
    threads.start()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - start
    threads.stop = True
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        print(f"{command[0]} ended with {process.returncode}", file=sys.stderr)
    return usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024, sorted(threads.seconds.values(), reverse=True)


def describe(capture):
    digest = hashlib.sha256()
    with open(capture, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    print(f"{datetime.datetime.now():%Y-%m-%d %H:%M}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"{capture}: {os.path.getsize(capture):,} bytes, SHA-256 {digest.hexdigest()}\n")


def table(runs, size):
    print(f"{'program':<22} {'CPU s min':>9} {'median':>7} {'max':>7}   {'wall s min':>10} {'median':>7}"
          f" {'max':>7}   {'MB/s CPU':>8} {'peak MB':>7}")
    for name, results in runs.items():
        cpu, wall = sorted(r[0] for r in results), sorted(r[1] for r in results)
        middle = statistics.median
        print(f"{name:<22} {cpu[0]:9.2f} {middle(cpu):7.2f} {cpu[-1]:7.2f}   {wall[0]:10.2f} {middle(wall):7.2f}"
              f" {wall[-1]:7.2f}   {size / middle(cpu):8.0f} {max(r[2] for r in results):7.0f}")


def ratios(runs):
    def over(a, b, what=0):
        """The ratio of medians, and of minima."""
        if a not in runs or b not in runs:
            return None
        x, y = [r[what] for r in runs[a]], [r[what] for r in runs[b]]
        return statistics.median(x) / statistics.median(y), min(x) / min(y)

    one, two = "casetrace, 1 thread", "casetrace, 2 threads"
    lines = [
        ("times tshark -T fields (CPU)", over("tshark -T fields", one), "25 wanted"),
        ("times ndpiReader -q (CPU)", over("ndpiReader -q", one), "1.5 wanted"),
        ("of the speed of published parsers (CPU)", over("published parsers", one), "0.5 wanted"),
        ("of the speed of our own stateless probing", over("floor: probe", one), "for comparison"),
        ("of the speed of slicing alone (CPU)", over("floor: slices", one), "for comparison"),
        ("two threads against one (wall)", over(one, two, 1), "1.6 wanted, on idle cores"),
    ]
    print(f"\n{'ratio of':<44} {'medians':>8} {'minima':>8}")
    for name, pair, wanted in lines:
        if pair:
            print(f"{name:<44} {pair[0]:8.2f} {pair[1]:8.2f}   {wanted}")
    if one in runs and two in runs:
        cpu = min(r[0] for r in runs[one])
        best = min(runs[two], key=lambda r: r[0])
        busiest = max([best[0] / 2, *best[3]])
        shares = ", ".join(f"{s:.2f}" for s in best[3] if s >= 0.01)
        print(f"\nthreads of the 2-thread run with least CPU: {shares} s; on two idle cores it can take no less than"
              f"\n{busiest:.2f} s (the busiest thread, or half of all), {cpu / busiest:.2f} times as fast as one thread")


def main():
    args = arguments()
    capture, folder, published = make_capture(args), build(args), build_published(args)
    describe(capture)
    runs = {}
    for _ in range(args.rounds):
        for name, command in programs(folder, published, capture).items():
            if name in args.skip:
                continue
            if not shutil.which(command[0]):
                print(f"left out: {command[0]} is not installed")
                args.skip.append(name)
                continue
            runs.setdefault(name, []).append(measure(command))
    table(runs, os.path.getsize(capture) / 1e6)
    ratios(runs)


if __name__ == "__main__":
    main()
