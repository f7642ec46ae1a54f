#!/usr/bin/env python3
"""Times the Python readers of .etl and ours on the same files, in one run.

usage: peers.py SPEED_BINARY FILE.etl...

SPEED_BINARY is `cargo build --release -p casetrace-etl --example speed`. The Python packages are `dissect.etl` and
`etl-parser`; one that is not installed is left out. Ours prints its own line; theirs are timed by CPU seconds of one pass.
"""
import subprocess
import sys
import time


def dissect(path):
    from dissect.etl.etl import ETL
    with open(path, "rb") as file:
        return sum(1 for _ in ETL(file))


def etl_parser(path):
    from etl.etl import IEtlFileObserver, build_from_stream

    class Count(IEtlFileObserver):
        n = 0

        def count(self, *_):
            self.n += 1

        on_system_trace = on_perfinfo_trace = on_trace_record = on_event_record = on_win_trace = count

    counter = Count()
    with open(path, "rb") as file:
        build_from_stream(file.read()).parse(counter)
    return counter.n


def measure(name, read, path):
    started = time.process_time()
    try:
        records = read(path)
    except ImportError:
        return
    except Exception as error:  # a peer that fails is a result
        print(f"  {name:12} failed: {type(error).__name__}")
        return
    seconds = time.process_time() - started
    print(f"  {name:12} {records:9} records {seconds:8.3f} s {records / max(seconds, 1e-9):14,.0f} records/s")


def main():
    speed, paths = sys.argv[1], sys.argv[2:]
    for path in paths:
        print(path.rsplit("/", 1)[-1], flush=True)
        subprocess.run([speed, path], check=True)
        measure("dissect.etl", dissect, path)
        measure("etl-parser", etl_parser, path)


main()
