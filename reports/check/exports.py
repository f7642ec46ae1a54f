#!/usr/bin/env python3
"""Reads every export of one case with the tools that people open them with, and compares what they see.

    exports.py CASETRACE CASE... [--venv DIR]

Parquet: pyarrow and DuckDB (types, UTC, equal rows). CSV: DuckDB's sniffer and Python's csv. JSON lines: DuckDB. Excel: a
byte order mark, CR LF and no cell that is a formula. Timesketch: what its importer asks of JSON lines. log2timeline: its
17 columns in their order. Readers that are not installed are named and left out; with --venv they are installed into a
virtual environment of that name (once), if PyPI can be reached.
"""

import argparse
import csv
import datetime
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import venv

READERS = ["pyarrow==21.0.0", "duckdb==1.3.2", "polars==1.32.0"]
L2T = "date,time,timezone,MACB,source,sourcetype,type,user,host,short,desc,version,filename,inode,notes,format,extra"


def export(tool, case, folder, kind, *more):
    path = folder / f"rows-{kind}{'-'.join(more)}"
    subprocess.run([tool, "timeline", case, "--format", kind, "-o", path, "-q", *more], check=True)
    return path


def parquet(path, rows):
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        return "skipped, no pyarrow"
    table = pq.read_table(path)
    assert table.num_rows == len(rows), (table.num_rows, len(rows))
    ts = table.schema.field("ts").type
    assert ts == pa.timestamp("us", tz="UTC"), ts
    assert table.schema.field("event_id").type == pa.uint32(), table.schema.field("event_id").type
    first = table.column("ts").to_pylist()[0]
    assert first.tzinfo is not None and first.utcoffset() == datetime.timedelta(0)
    assert first.isoformat(timespec="microseconds")[:26] == rows[0]["ts"][:26], (first, rows[0]["ts"])
    for name in ("message", "kind", "http_status", "record"):
        assert table.column(name).to_pylist() == [row[name] for row in rows], name
    return f"{table.num_rows} rows"


def duck(query):
    import duckdb
    connection = duckdb.connect()
    connection.execute("SET TimeZone='UTC'")
    return connection.execute(query).fetchall()


def duckdb_reads(parquet_path, csv_path, jsonl_path, rows):
    try:
        import duckdb  # noqa: F401
    except ImportError:
        return "skipped, no duckdb"
    kind = duck(f"SELECT typeof(ts) FROM read_parquet('{parquet_path}') LIMIT 1")[0][0]
    assert kind == "TIMESTAMP WITH TIME ZONE", kind
    want = sorted((row["kind"], row["message"]) for row in rows)
    sources = (f"read_parquet('{parquet_path}')", f"read_csv('{csv_path}', header=true, all_varchar=true, nullstr='')",
               f"read_json('{jsonl_path}', format='newline_delimited')")
    for source in sources:
        got = sorted((kind, message or "") for kind, message in duck(f"SELECT kind, message FROM {source}"))
        assert got == want, source
    counted = duck(f"SELECT count(*) FROM read_parquet('{parquet_path}') WHERE ts >= TIMESTAMPTZ '2026-03-02 00:00:00+00'")
    assert counted[0][0] == sum((row["ts"] or "") >= "2026-03-02" for row in rows), counted
    return "parquet, csv and jsonl agree"


def polars_reads(parquet_path, rows):
    try:
        import polars
    except ImportError:
        return "skipped, no polars"
    frame = polars.read_parquet(parquet_path)
    assert frame.height == len(rows), (frame.height, len(rows))
    assert str(frame.schema["ts"]) == "Datetime(time_unit='us', time_zone='UTC')", frame.schema["ts"]
    for name in ("message", "fields", "dst_port", "keywords"):
        assert frame[name].to_list() == [row[name] for row in rows], name
    return f"{frame.height} rows"


def plain_csv(path, rows):
    """What Python's own reader makes of the CSV is what JSON lines say; nothing is changed for a spreadsheet's sake."""
    table = list(csv.DictReader(path.open(newline="", encoding="utf-8")))
    assert len(table) == len(rows), (len(table), len(rows))
    for name in ("kind", "message", "artifact", "user", "http_status", "ts"):
        assert [line[name] for line in table] == ["" if row[name] is None else str(row[name]) for row in rows], name
    return f"{len(table)} rows"


def excel(path, rows):
    data = path.read_bytes()
    assert data.startswith(b"\xef\xbb\xbf") and data.endswith(b"\r\n")
    table = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert len(table) == len(rows) + 1 and all(len(line) == len(table[0]) for line in table)
    formulas = [cell for line in table for cell in line if cell.lstrip().startswith(("=", "+", "-", "@"))]
    assert not formulas, formulas[:3]
    return f"{len(table) - 1} rows"


def timesketch(path, rows):
    """https://timesketch.org/guides/user/import-from-json-csv/ asks for these three; the importer also takes timestamp."""
    count = 0
    for line in path.read_text("utf-8").splitlines():
        event = json.loads(line)
        assert event["message"] and event["timestamp_desc"], event
        when = datetime.datetime.fromisoformat(event["datetime"][:26] + "+00:00")
        micros = (when - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)) // datetime.timedelta(microseconds=1)
        assert micros == event["timestamp"], event
        count += 1
    assert count == sum(row["ts"] is not None for row in rows)
    return f"{count} events"


def l2tcsv(path, rows):
    table = list(csv.reader(path.open(newline="", encoding="utf-8")))
    assert ",".join(table[0]) == L2T, table[0]
    assert len(table) == len(rows) + 1 and all(len(line) == 17 for line in table)
    timed = [line for line in table[1:] if line[0] != "00/00/0000"]
    for line in timed:
        datetime.datetime.strptime(f"{line[0]} {line[1]}", "%m/%d/%Y %H:%M:%S")
        assert line[2] == "UTC" and line[3] == "....", line[:4]
    return f"{len(table) - 1} rows"


def ecs(path, rows):
    events = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert len(events) == len(rows) and "@timestamp" in events[0] and "event.action" in events[0]
    return f"{len(events[0])} fields"


def check(tool, case):
    with tempfile.TemporaryDirectory() as work:
        folder = pathlib.Path(work)
        make = lambda kind, *more: export(tool, case, folder, kind, *more)
        jsonl, parquet_path, csv_path = make("jsonl"), make("parquet"), make("csv")
        rows = [json.loads(line) for line in jsonl.read_text("utf-8").splitlines()]
        results = {
            "csv": plain_csv(csv_path, rows),
            "pyarrow": parquet(parquet_path, rows),
            "polars": polars_reads(parquet_path, rows),
            "duckdb": duckdb_reads(parquet_path, csv_path, jsonl, rows),
            "excel": excel(make("excel"), rows),
            "timesketch": timesketch(make("timesketch"), rows),
            "l2tcsv": l2tcsv(make("l2tcsv"), rows),
            "ecs": ecs(make("jsonl", "--naming", "ecs"), rows),
        }
    print(f"{case}: " + "; ".join(f"{name}: {said}" for name, said in results.items()))


def install(folder):
    """The readers' Python; None if they can't be installed here."""
    python = folder / "bin" / "python"
    done = folder / ("readers-" + "-".join(READERS).replace("==", "-"))
    if not done.exists():
        try:
            venv.create(folder, with_pip=True)
            subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--retries", "1",
                            "--timeout", "15", *READERS], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"skipped: no readers from PyPI here ({error})")
            return None
        done.touch()
    return python


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("tool")
    parser.add_argument("cases", nargs="+")
    parser.add_argument("--venv", type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.venv and (python := install(arguments.venv)):
        os.execv(python, [str(python), __file__, arguments.tool, *arguments.cases])
    for case in arguments.cases:
        check(arguments.tool, case)


if __name__ == "__main__":
    main()
