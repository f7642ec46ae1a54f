"""Runs `casetrace batch run-one` for every open bundle of a share, spread over a Spark cluster.

    spark-submit --master spark://head:7077 casetrace_fanout.py --share /mnt/cases --out /mnt/results

Spark only schedules: the binary reads the bundle and publishes by the commit protocol of `casetrace batch`, so a task that
runs twice (lost executor, speculation, retry) publishes once. What this file adds is the mapping of exit codes:

    0, 4, or a status in the JSON line   a row of the result table; 4 is a bundle that nobody can read, recorded as data
    75, a signal, a time-out             raised, so that Spark tries the task again elsewhere; on its last attempt a row

so one poison bundle never fails the job of the others. requirements.txt beside this file says what driver and workers need.

Exit code: 0 every bundle is published or recorded as unreadable, 75 some must be tried again later, 2 usage, 1 anything else.
"""

import argparse
import collections
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

TRY_AGAIN = 75
USAGE = 2
SETTLED = {"published", "already", "lost_race", "failed"}
STDERR_TAIL = 64 << 10
STDOUT_MOST = 1 << 20

# The result table: name, Spark type. Order is the order of the columns.
COLUMNS = (
    ("bundle", "string"),
    ("job_key", "string"),
    ("status", "string"),
    ("exit", "int"),
    ("reason", "string"),
    ("attempt", "int"),
    ("rows", "bigint"),
    ("findings", "bigint"),
    ("ms", "bigint"),
    ("peak_rss_bytes", "bigint"),
    ("bytes", "bigint"),
    ("worker", "string"),
    ("stderr_tail", "string"),
)
SCHEMA = ", ".join(f"`{name}` {kind}" for name, kind in COLUMNS)

Job = collections.namedtuple("Job", "bundle job_key bytes")
Settings = collections.namedtuple("Settings", "binary share out extra timeout lease_wait max_attempts")


class TryAgain(RuntimeError):
    """Carries nothing but the sentence Spark prints for the failed attempt."""


def plan(binary, share, out, extra):
    """The open jobs, largest first, and how many there are in each state."""
    command = [binary, "batch", "plan", "--share", share, "--out", out, "--format", "jsonl", *extra]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=None, check=False)
    if done.returncode != 0:
        raise SystemExit(done.returncode if done.returncode in (USAGE, TRY_AGAIN) else 1)
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.strip()]
    states = collections.Counter(row["state"] for row in rows)
    # A leased bundle may belong to a worker that died; its task waits for the lease to end.
    wanted = [Job(r["bundle"], r["job_key"], int(r["bytes"])) for r in rows if r["state"] in ("new", "leased")]
    wanted.sort(key=lambda job: (-job.bytes, job.bundle))
    return wanted, states


def groups(jobs, group_bytes, group_most):
    """One bundle a group, except that small neighbours share one until it holds `group_bytes` or `group_most`.

    Largest first in, largest first out: the long tasks start early.
    """
    out, held = [], 0
    for job in jobs:
        fits = out and held + job.bytes <= group_bytes and len(out[-1]) < group_most
        if fits:
            out[-1].append(job)
            held += job.bytes
        else:
            out.append([job])
            held = job.bytes
    return out


def run_one(settings, binary, job, attempt):
    """One process for one bundle: its row, and whether the bundle is settled."""
    command = [binary, "batch", "run-one", "--share", settings.share, "--out", settings.out]
    command += [f"--bundle={job.bundle}", f"--job-key={job.job_key}", f"--attempt={attempt}", *settings.extra]
    started = time.monotonic()
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        # A process group of its own, so that a time-out also ends what the binary started.
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, start_new_session=True)
        reason = None
        try:
            code = process.wait(timeout=settings.timeout)
        except subprocess.TimeoutExpired:
            end_group(process)
            code, reason = process.wait(), f"no end after {settings.timeout:.0f} s"
        except BaseException:
            end_group(process)
            process.wait()
            raise
        said, heard = head(stdout, STDOUT_MOST), tail(stderr, STDERR_TAIL)
    row = {name: None for name, _ in COLUMNS}
    row.update(bundle=job.bundle, job_key=job.job_key, bytes=job.bytes, exit=code, attempt=attempt, worker=socket.gethostname())
    row["ms"] = int((time.monotonic() - started) * 1000)
    row.update({key: value for key, value in answer(said, job.bundle).items() if key in row and value is not None})
    settled = code in (0, 4) and row["status"] in SETTLED
    if not settled:
        row["status"] = row["status"] if code == TRY_AGAIN and row["status"] else "crashed" if code < 0 else "retry"
        row["reason"] = reason or row["reason"] or outcome(code)
    row["exit"] = code
    if not settled or row["status"] == "failed":
        row["stderr_tail"] = heard
    return row, settled


def answer(said, bundle):
    """The JSON line of this bundle; nothing where the process died before or said something else."""
    for line in reversed(said.splitlines()):
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict) and found.get("bundle") == bundle:
            return found
    return {}


def outcome(code):
    """What an exit code without a reason says."""
    if code < 0:
        try:
            return f"ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"ended by signal {-code}"
    return f"exit code {code} without an answer"


def end_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def head(file, most):
    file.seek(0)
    return file.read(most).decode("utf-8", "replace")


def tail(file, most):
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - most))
    text = file.read().decode("utf-8", "replace")
    return "".join(ch if ch == "\n" or ch.isprintable() else "\ufffd" for ch in text) or None


def run_with_lease(settings, binary, job, attempt):
    """Waits while somebody else holds the bundle: mostly a worker that died, whose lease runs out by itself."""
    until, pause = time.monotonic() + settings.lease_wait, 1.0
    while True:
        row, settled = run_one(settings, binary, job, attempt)
        if settled or row["status"] != "leased" or time.monotonic() + pause > until:
            return row, settled
        time.sleep(pause)
        pause = min(pause * 1.5, 15.0)


def run_group(settings, binary, jobs, attempt):
    """All rows of a group; raises after the last bundle if one of them has to be tried again and may be."""
    rows, open_rows = [], []
    for job in jobs:
        row, settled = run_with_lease(settings, binary, job, attempt)
        rows.append(row)
        if not settled:
            open_rows.append(row)
    if open_rows and attempt < settings.max_attempts:
        names = "; ".join(f"{row['bundle']}: {row['reason']}" for row in open_rows[:5])
        raise TryAgain(f"attempt {attempt} of {settings.max_attempts}: {names}")
    return rows


def find_binary(name):
    """A path as it is, else the file that was shipped with the job, else a program of the worker."""
    if os.path.sep in name:
        return name
    from pyspark import SparkFiles

    shipped = SparkFiles.get(name)
    return shipped if os.path.exists(shipped) else shutil.which(name) or name


def arrow_type(kind):
    import pyarrow

    return {"string": pyarrow.string(), "int": pyarrow.int32(), "bigint": pyarrow.int64()}[kind]


def task(settings, all_groups):
    """The function Spark calls with the numbers of groups, one a partition."""

    def run(batches):
        import pyarrow
        from pyspark import TaskContext

        schema = pyarrow.schema([(name, arrow_type(kind)) for name, kind in COLUMNS])
        context = TaskContext.get()
        attempt = (context.attemptNumber() if context else 0) + 1
        binary = find_binary(settings.binary)
        for batch in batches:
            for number in batch.column(0).to_pylist():
                rows = run_group(settings, binary, all_groups[number], attempt)
                yield pyarrow.RecordBatch.from_pylist(rows, schema=schema)

    return run


def fan_out(spark, settings, all_groups, status):
    """Runs everything and writes the result table to `status`, once: reading it back costs no second run."""
    numbers = spark.range(0, len(all_groups), 1, numPartitions=len(all_groups))
    rows = numbers.mapInArrow(task(settings, all_groups), SCHEMA)
    rows.write.mode("error").json(status)
    return spark.read.schema(SCHEMA).json(status)


def summary(table):
    """Count per status, and what a person has to look at."""
    counts = {row["status"]: row["n"] for row in table.groupBy("status").count().withColumnRenamed("count", "n").collect()}
    columns = ["bundle", "status", "exit", "reason", "attempt"]
    bad = table.where("status NOT IN ('published', 'already', 'lost_race')").orderBy("bundle").select(*columns)
    return counts, [row.asDict() for row in bad.limit(100).collect()]


def exit_code(counts):
    return 0 if set(counts) <= SETTLED else TRY_AGAIN


class Beat(threading.Thread):
    """A line on standard error every few seconds, from Spark's own status tracker."""

    def __init__(self, spark, total, every=15.0):
        super().__init__(daemon=True)
        self.tracker, self.total, self.every, self.done = spark.sparkContext.statusTracker(), total, every, threading.Event()

    def run(self):
        while not self.done.wait(self.every):
            for stage in self.tracker.getActiveStageIds():
                info = self.tracker.getStageInfo(stage)
                if info and info.numTasks == self.total:
                    log("progress", done=info.numCompletedTasks, running=info.numActiveTasks, failed=info.numFailedTasks, tasks=self.total)


def log(message, **values):
    print(json.dumps({"message": message, **values}), file=sys.stderr, flush=True)


def arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--share", required=True, help="folder or URI with the bundles, as every worker sees it")
    parser.add_argument("--out", required=True, help="folder or URI of the results, as every worker sees it")
    parser.add_argument("--casetrace", default="casetrace", help="the binary: a path, or a name that was shipped with --files")
    parser.add_argument("--status", help="where to write the result table [default: OUT/_runs/APPLICATION]")
    parser.add_argument("--group-bytes", type=int, default=8 << 20, help="small bundles share a task up to this size [8 MiB]")
    parser.add_argument("--group-most", type=int, default=16, help="most bundles of one task [16]")
    parser.add_argument("--timeout", type=float, default=4 * 3600, help="seconds one bundle may take [4 h]")
    parser.add_argument("--lease-wait", type=float, default=900, help="seconds to wait for somebody else's lease [900]")
    parser.add_argument("extra", nargs="*", help="after --: options for `casetrace batch`, e.g. -- --rules DIR")
    return parser.parse_args(argv)


def main(argv):
    args = arguments(argv)
    jobs, states = plan(find_local(args.casetrace), args.share, args.out, args.extra)
    log("planned", open=len(jobs), **states)
    if not jobs:
        return 0
    from pyspark.sql import SparkSession

    # Publishing is first-wins, so a second copy of a slow task is harmless; off unless the caller sets it.
    spark = SparkSession.builder.appName("casetrace fan-out").getOrCreate()
    all_groups = groups(jobs, args.group_bytes, args.group_most)
    most = int(spark.sparkContext.getConf().get("spark.task.maxFailures", "4"))
    if spark.sparkContext.master.startswith("local") and "," not in spark.sparkContext.master:
        most = 1
    extra = tuple(args.extra)
    if not any(word.startswith("--threads") for word in extra):
        extra += (f"--threads={spark.sparkContext.getConf().get('spark.task.cpus', '1')}",)
    settings = Settings(args.casetrace, args.share, args.out, extra, args.timeout, args.lease_wait, most)
    status = args.status or f"{args.out.rstrip('/')}/_runs/{spark.sparkContext.applicationId}"
    beat = Beat(spark, len(all_groups))
    beat.start()
    try:
        counts, bad = summary(fan_out(spark, settings, all_groups, status))
    finally:
        beat.done.set()
    for row in bad:
        log("not published", **row)
    log("finished", tasks=len(all_groups), status=status, **counts)
    spark.stop()
    return exit_code(counts)


def find_local(name):
    """The binary on the driver, where a shipped file lies in the working folder."""
    return name if os.path.sep in name else os.path.abspath(name) if os.path.exists(name) else name


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
