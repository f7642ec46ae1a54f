"""Checks every file beside this one with the tool of its kind and runs each command line in it on a small share.

A missing tool is skipped by name; a file that fails ends the check with 1. Paths of an installation are replaced by those of the test.
"""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
KUBERNETES = "1.33"


def text(*parts):
    with open(os.path.join(HERE, *parts), encoding="utf-8") as file:
        return file.read()


def need(condition, message):
    if not condition:
        sys.exit(f"FAILED {message}")


class Check:
    def __init__(self, args):
        self.casetrace, self.share, self.work = args.casetrace, args.share, args.work
        self.env = {**os.environ, "CASETRACE_SHARE": self.share, "CASETRACE_JOBS": "2", "CASETRACE_MEMORY": "2G"}
        self.bin = os.path.join(self.work, "bin")
        os.makedirs(self.bin)
        os.symlink(self.casetrace, os.path.join(self.bin, "casetrace"))
        # The parts of Slurm a script calls: srun runs, scontrol notes what it was told.
        self.program("srun", 'exec "$@"')
        self.program("scontrol", f'echo "$@" >>"{self.work}/scontrol"')
        self.env["PATH"] = self.bin + os.pathsep + self.env["PATH"]

    def program(self, name, line):
        path = os.path.join(self.bin, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\n{line}\n")
        os.chmod(path, 0o755)

    def run(self, what, command, out, env=None, code=0):
        env = {**self.env, "CASETRACE_OUT": out, **(env or {})}
        done = subprocess.run(command, env=env, capture_output=True, text=True)
        need(done.returncode == code, f"{what}: exit code {done.returncode}\n{done.stdout}{done.stderr}")

    def out(self, name):
        folder = os.path.join(self.work, "out-" + name)
        os.makedirs(folder)
        return folder

    def published(self, what, out, wanted):
        cases = os.path.join(out, "cases")
        found = len([n for n in os.listdir(cases) if n.startswith("bundle=")]) if os.path.isdir(cases) else 0
        need(found == wanted, f"{what}: {found} cases instead of {wanted}")
        print(f"ok: {what}: {found} cases published")


def systemd(check):
    out = check.out("systemd")
    unit = text("systemd", "casetrace-batch.service")
    if shutil.which("systemd-analyze"):
        folder = os.path.join(check.work, "units")
        os.makedirs(folder)
        with open(os.path.join(folder, "casetrace-batch.service"), "w", encoding="utf-8") as file:
            file.write(unit.replace("/usr/local/bin/casetrace", check.casetrace))
        shutil.copy(os.path.join(HERE, "systemd", "casetrace-batch.timer"), folder)
        names = [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", *names], capture_output=True, text=True)
        # systemd also talks about other units of the machine; only ours count.
        ours = [line for line in done.stderr.splitlines() if "casetrace" in line]
        need(done.returncode == 0 and not ours, "systemd-analyze verify:\n" + done.stderr)
        calendar = re.search(r"^OnCalendar=(.*)$", text("systemd", "casetrace-batch.timer"), re.M).group(1)
        subprocess.run(["systemd-analyze", "calendar", calendar], check=True, stdout=subprocess.DEVNULL)
        print("ok: systemd-analyze verify, calendar")
    else:
        print("skipped: systemd-analyze is not installed")
    for key in ("ExecStart", "ExecStartPost"):
        line = re.search(rf"^{key}=(.*)$", unit, re.M).group(1).replace("/usr/local/bin/casetrace", check.casetrace)
        values = {**check.env, "CASETRACE_OUT": out}
        command = [re.sub(r"\$\{(\w+)\}", lambda m: values[m.group(1)], word) for word in shlex.split(line)]
        check.run(f"systemd {key}", command, out)
    check.published("systemd", out, 3)
    need(os.path.getsize(os.path.join(out, "_fleet.html")) > 1000, "systemd: no fleet report")


def cron(check):
    out = check.out("cron")
    lines = [line for line in text("cron", "casetrace").splitlines() if re.match(r"[\d*]", line)]
    need(len(lines) == 2, "cron: two lines")
    for line in lines:
        fields = line.split(None, 6)
        need(fields[5] == "casetrace", f"cron: the user of {line!r}")
        command = fields[6].replace("/srv/casetrace/.cron.lock", os.path.join(check.work, "cron.lock"))
        need("%" not in command, "cron: % ends a command")
        if not shutil.which("flock"):
            print("skipped: flock is not installed; the line is run without it")
            command = re.sub(r"^flock -n \S+ ", "", command)
        check.run("cron", ["/bin/sh", "-c", command], out)
    check.published("cron", out, 3)
    try:
        from cronsim import CronSim
    except ImportError:
        print("skipped: cronsim is not installed")
        return
    from datetime import datetime

    for line in lines:
        following = CronSim(" ".join(line.split()[:5]), datetime(2026, 3, 2))
        print(f"ok: cron: {line.split(None, 5)[:5]} comes next at {next(following)} and {next(following)}")


def kubernetes(check):
    try:
        import kubernetes_validate
        import yaml
    except ImportError:
        print("skipped: kubernetes-validate is not installed")
        return
    for name in ("cronjob", "indexed-job"):
        document = yaml.safe_load(text("kubernetes", f"{name}.yaml"))
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
        print(f"ok: kubernetes {name}.yaml fits the strict schema of {KUBERNETES}")
        job = document["spec"]["jobTemplate"]["spec"] if name == "cronjob" else document["spec"]
        container = job["template"]["spec"]["containers"][0]
        claims = {volume["name"]: volume for volume in job["template"]["spec"]["volumes"]}
        need(set(claims) == {mount["name"] for mount in container["volumeMounts"]}, f"{name}: volumes and mounts")
        out = check.out(name)
        shards = job.get("completions", 1)
        for index in range(shards):
            words = [word.replace("$(JOB_COMPLETION_INDEX)", str(index)) for word in container["command"] + container["args"]]
            words = [{"/cases": check.share, "/results": out}.get(word, word) for word in words]
            need(name == "cronjob" or f"{index}/{shards}" in words, f"{name}: --shard and completions differ")
            check.run(name, words, out)
        check.published(name, out, 3)


def slurm(check):
    path = os.path.join(HERE, "slurm", "casetrace-array.sbatch")
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", "--shell=bash", path], check=True)
        print("ok: shellcheck")
    else:
        print("skipped: shellcheck is not installed")
    out = check.out("slurm")
    array = {"SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "1"}
    for index in (1, 2, 3):
        check.run("slurm", ["bash", path], out, {**array, "SLURM_ARRAY_TASK_ID": str(index)})
    check.published("slurm", out, 3)
    # The share is away: 75, and the task goes back to the queue, but not for ever.
    check.program("srun", "exit 75")
    for restart, wanted in ((0, ["requeue 7_2"]), (4, [])):
        noted = os.path.join(check.work, "scontrol")
        if os.path.exists(noted):
            os.remove(noted)
        again = {**array, "SLURM_ARRAY_TASK_ID": "2", "SLURM_RESTART_COUNT": str(restart)}
        check.run("slurm", ["bash", path], out, again, code=75)
        found = open(noted, encoding="utf-8").read().splitlines() if os.path.exists(noted) else []
        need(found == wanted, f"slurm: requeue after {restart} restarts: {found}")
    print("ok: slurm: exit code 75 is requeued, at most four times")


def azure(check):
    """The command line of the notes in docs/schedulers.md."""
    with open(os.path.join(HERE, "..", "..", "docs", "schedulers.md"), encoding="utf-8") as file:
        line = re.search(r"^    commandLine: (.*)$", file.read(), re.M).group(1)
    out = check.out("azure")
    check.run("azure", shlex.split(line), out, {"CASETRACE_SHARD": "0/1"})
    check.published("azure", out, 3)


def main():
    parser = argparse.ArgumentParser()
    for name in ("casetrace", "share", "work"):
        parser.add_argument(f"--{name}", required=True, type=os.path.abspath)
    check = Check(parser.parse_args())
    for part in (systemd, cron, kubernetes, slurm, azure):
        part(check)


if __name__ == "__main__":
    main()
