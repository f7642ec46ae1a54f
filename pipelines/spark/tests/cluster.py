"""The fan-out on a real cluster: a master and two workers on 127.0.0.1, one of which is killed with everything under it.

    python cluster.py --casetrace target/debug/casetrace --bundles SCENARIOS --questions pipelines/questions --work DIR

DIR gets the share, the results and the logs. Besides good bundles the share holds one that nobody can read and one whose first try dies
by SIGKILL. Checked: every good bundle is published once, the unreadable one is a row and a record, the dead worker's bundles were taken
over, a second run finds nothing to do, and Spark and `casetrace query` give the same answers.
"""

import argparse
import collections
import glob
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
JOBS = os.path.dirname(HERE)
GOOD = 25
TRANSIENT = "transient"
POISON = "poison"
LEASE_SECONDS = 10
# No console progress: it writes over the log lines.
QUIET = ["--conf", "spark.ui.enabled=false", "--conf", "spark.ui.showConsoleProgress=false"]


class Cluster:
    """Daemons in the foreground, as children of this process; all addresses are loopback."""

    def __init__(self, work):
        import pyspark

        self.home = os.path.dirname(pyspark.__file__)
        self.work = work
        self.env = dict(os.environ)
        self.env.update(
            SPARK_HOME=self.home,
            SPARK_LOCAL_IP="127.0.0.1",
            SPARK_LOCAL_HOSTNAME="localhost",
            SPARK_DAEMON_MEMORY="256m",
            SPARK_LOCAL_DIRS=os.path.join(work, "scratch"),
            SPARK_CONF_DIR=os.path.join(work, "conf"),
            PYSPARK_PYTHON=sys.executable,
            PYSPARK_DRIVER_PYTHON=sys.executable,
            # The virtual machines live for a minute: compiling well costs more than it brings.
            JDK_JAVA_OPTIONS="-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        )
        for folder in ("scratch", "conf", "logs"):
            os.makedirs(os.path.join(work, folder), exist_ok=True)
        self.url = f"spark://127.0.0.1:{free_port()}"
        self.daemons = []

    def start(self):
        port = self.url.rsplit(":", 1)[1]
        self.daemon("master", "master.Master", "--host", "127.0.0.1", "--port", port, "--webui-port", "0")
        wait_for(lambda: listens(int(port)), 150, "the master to listen")
        for name in ("worker-1", "worker-2"):
            folder = os.path.join(self.work, name)
            size = ["--cores", "1", "--memory", "1g", "--work-dir", folder]
            self.daemon(name, "worker.Worker", self.url, "--host", "127.0.0.1", "--webui-port", "0", *size)
        registered = "Registering worker 127.0.0.1"
        wait_for(lambda: self.log("master").count(registered) == 2, 150, "both workers to register")

    def daemon(self, name, kind, *arguments):
        log = open(os.path.join(self.work, "logs", name), "wb")
        command = [os.path.join(self.home, "bin", "spark-class"), f"org.apache.spark.deploy.{kind}", *arguments]
        process = subprocess.Popen(command, env=self.env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.daemons.append((name, process))

    def log(self, name):
        with open(os.path.join(self.work, "logs", name), encoding="utf-8", errors="replace") as file:
            return file.read()

    def submit(self, name, script, *arguments):
        """Starts a job; its output goes to logs/NAME."""
        log = open(os.path.join(self.work, "logs", name), "wb")
        options = ["--master", self.url, "--driver-memory", "512m", "--executor-memory", "640m", *QUIET]
        options += ["--conf", "spark.driver.bindAddress=127.0.0.1", "--conf", "spark.driver.host=127.0.0.1"]
        # The default of 200 parts is for tables that are not these.
        options += ["--conf", "spark.sql.shuffle.partitions=2"]
        command = [os.path.join(self.home, "bin", "spark-submit"), *options, os.path.join(JOBS, script), *arguments]
        return subprocess.Popen(command, env=self.env, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.work)

    def lose_worker(self):
        """SIGKILL to a worker and all that runs under it, as when a machine loses power; while it works on a bundle."""

        def victim():
            for name, process in self.daemons:
                below = descendants(process.pid) if name.startswith("worker") else {}
                if any("run-one" in words for words in below.values()):
                    return name, process, below
            return None

        name, process, below = wait_for(victim, 60, "a worker to work on a bundle")
        for pid in [process.pid, *below]:
            end(pid)
        process.wait()
        self.daemons = [(n, p) for n, p in self.daemons if p is not process]
        return name, [words for words in below.values() if "run-one" in words]

    def stop(self):
        for _, process in self.daemons:
            for pid in [process.pid, *descendants(process.pid)]:
                end(pid)
            process.wait()
        self.daemons = []


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(condition, seconds, what, pause=0.05):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = condition()
        if found:
            return found
        time.sleep(pause)
    raise SystemExit(f"waited {seconds} s for {what}")


def descendants(root):
    """Processes below `root` with their command lines."""
    parents, words = {}, {}
    for folder in glob.glob("/proc/[0-9]*"):
        try:
            with open(f"{folder}/stat", encoding="utf-8", errors="replace") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            with open(f"{folder}/cmdline", encoding="utf-8", errors="replace") as file:
                command = file.read().split("\0")
        except OSError:
            continue
        pid = int(os.path.basename(folder))
        parents[pid], words[pid] = int(fields[1]), command
    found, open_pids = {}, [root]
    while open_pids:
        parent = open_pids.pop()
        for pid, of in parents.items():
            if of == parent and pid not in found:
                found[pid] = words[pid]
                open_pids.append(pid)
    return found


def end(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def make_share(share, bundles):
    """Good bundles by name, one that can't be read, one whose first try will die."""
    names = sorted(name for name in os.listdir(bundles) if not os.path.exists(os.path.join(bundles, name, "passwords.txt")))[:GOOD]
    for name in names:
        shutil.copytree(os.path.join(bundles, name, "upload"), os.path.join(share, name))
    shutil.copytree(os.path.join(bundles, names[0], "upload"), os.path.join(share, TRANSIENT))
    os.makedirs(os.path.join(share, POISON))
    with open(os.path.join(share, POISON, "upload.zip"), "wb") as file:
        file.write(b"PK\x03\x04" + bytes(200))
    return sorted([*names, TRANSIENT])


def make_wrapper(work, binary):
    """Notes every start; the first of TRANSIENT ends in SIGKILL."""
    path = os.path.join(work, "casetrace")
    with open(path, "w", encoding="utf-8") as file:
        file.write(
            f"""#!/bin/sh
for word in "$@"; do
    case "$word" in
    --bundle=*) echo "${{word#--bundle=}}" >>'{work}/starts' ;;
    esac
    case "$word" in
    --bundle={TRANSIENT}*) if mkdir '{work}/died' 2>/dev/null; then kill -9 $$; fi ;;
    esac
done
exec '{binary}' "$@"
"""
        )
    os.chmod(path, 0o755)
    return path


def name_of(bundle):
    """The folder in the share a bundle's id was made of: its name and eleven hex digits."""
    return re.sub(r"-[0-9a-f]{11}$", "", bundle)


def published(out):
    found = glob.glob(os.path.join(glob.escape(out), "cases", "bundle=*"))
    return sorted(name_of(os.path.basename(path).removeprefix("bundle=")) for path in found)


def check(what, found, wanted):
    if found != wanted:
        raise SystemExit(f"FAILED {what}:\n  found  {found}\n  wanted {wanted}")
    print(f"ok: {what}")


def rows_of(folder):
    rows = []
    for path in sorted(glob.glob(os.path.join(folder, "part-*"))):
        with open(path, encoding="utf-8") as file:
            rows += [json.loads(line) for line in file]
    return rows


def fan_out(cluster, args, share, out, wrapper):
    """The run with the loss; gives its exit code, seconds, and the bundles the dead worker was at."""
    status = os.path.join(args.work, "status")
    begin = time.monotonic()
    options = ["--share", share, "--out", out, "--casetrace", wrapper, "--status", status, "--group-bytes", "200000", "--group-most", "3"]
    job = cluster.submit("fanout", "casetrace_fanout.py", *options, "--", f"--lease-time={LEASE_SECONDS}s")
    ended = lambda: job.poll() is not None or len(published(out)) >= 4  # noqa: E731
    wait_for(ended, 240, "four bundles to be published")
    check("the job goes on while a worker is lost", job.poll(), None)
    name, running = cluster.lose_worker()
    lost = sorted(name_of(word.removeprefix("--bundle=")) for words in running for word in words if word.startswith("--bundle="))
    before = len(published(out))
    print(f"killed {name} after {before} bundles, while it worked on {', '.join(lost)}", flush=True)
    code = job.wait(timeout=300)
    return code, time.monotonic() - begin, before, lost, status


def check_run(args, out, good, code, lost, status):
    check("the job's exit code", code, 0)
    rows = rows_of(status)
    check("one row a bundle", sorted(name_of(row["bundle"]) for row in rows), sorted([*good, POISON]))
    by_status = collections.Counter("good" if row["status"] in ("published", "already", "lost_race") else row["status"] for row in rows)
    check("how bundles ended", dict(by_status), {"good": len(good), "failed": 1})
    check("published cases", published(out), good)
    manifests = [json.load(open(path, encoding="utf-8")) for path in glob.glob(os.path.join(out, "cases", "*", "_manifest.json"))]
    check("their manifests", sorted(manifest["path"] for manifest in manifests), good)
    check("failure records", len(glob.glob(os.path.join(out, "failed", "*.json"))), 1)
    with open(os.path.join(args.work, "starts"), encoding="utf-8") as file:
        starts = collections.Counter(name_of(line) for line in file.read().split())
    check("the crashed bundle was started again", starts[TRANSIENT] >= 2, True)
    check("what the dead worker was at was started again", [name for name in lost if starts[name] < 2], [])
    check("the unreadable bundle was started once", starts[POISON] == 1 or POISON in lost, True)
    tried = {name_of(row["bundle"]): row["attempt"] for row in rows}
    print(f"starts: {sum(starts.values())} for {len(rows)} bundles; attempts of {TRANSIENT}: {tried[TRANSIENT]}")


def check_answers(cluster, args, out):
    """The questions by Spark and by polars."""
    files = sorted(glob.glob(os.path.join(args.questions, "*.sql")))
    results = os.path.join(args.work, "answers")
    job = cluster.submit("questions", "casetrace_questions.py", "--out", out, "--results", results, "--sql", *files)
    check("the questions' exit code", job.wait(timeout=300), 0)
    for path in files:
        name = os.path.splitext(os.path.basename(path))[0]
        with open(path, encoding="utf-8") as file:
            command = [args.casetrace, "query", out, file.read(), "--format", "jsonl"]
        polars = [json.loads(line) for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()]
        with open(os.path.join(results, f"{name}.jsonl"), encoding="utf-8") as file:
            spark = [json.loads(line) for line in file]
        check(f"{name}: {len(spark)} rows, the same from Spark and polars", spark == polars and bool(spark), True)


def main():
    parser = argparse.ArgumentParser()
    for name in ("casetrace", "bundles", "questions", "work"):
        parser.add_argument(f"--{name}", required=True, type=os.path.abspath)
    args = parser.parse_args()
    share, out = os.path.join(args.work, "share"), os.path.join(args.work, "results")
    os.makedirs(share)
    os.makedirs(out)
    good = make_share(share, args.bundles)
    with open(os.path.join(share, "casetrace-batch.toml"), "w", encoding="utf-8") as file:
        file.write("# Nobody uploads here any more.\nstable_for = '0s'\n")
    wrapper = make_wrapper(args.work, args.casetrace)
    cluster = Cluster(args.work)
    try:
        cluster.start()
        code, seconds, before, lost, status = fan_out(cluster, args, share, out, wrapper)
        check_run(args, out, good, code, lost, status)
        check("the worker died before the end", before < len(good), True)
        # Where nothing is to be done the job ends before it needs Spark.
        again = [sys.executable, os.path.join(JOBS, "casetrace_fanout.py"), "--share", share, "--out", out, "--casetrace", wrapper]
        check("a second run has nothing to do", (subprocess.run(again).returncode, len(published(out))), (0, len(good)))
        check_answers(cluster, args, out)
    except BaseException:
        for name in ("fanout", "questions"):
            if os.path.exists(os.path.join(args.work, "logs", name)):
                print(f"--- end of logs/{name}\n" + cluster.log(name)[-6000:], file=sys.stderr)
        raise
    finally:
        cluster.stop()
    print(f"{len(good)} bundles fanned out in {seconds:.0f} s with the loss of a worker")


if __name__ == "__main__":
    main()
