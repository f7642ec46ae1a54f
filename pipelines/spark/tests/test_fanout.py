"""The parts of casetrace_fanout.py that need no Spark: grouping, exit codes, time-outs, leases, the last attempt."""

import json
import os
import stat
import sys
import tempfile
import textwrap
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import casetrace_fanout as fanout  # noqa: E402


class Groups(unittest.TestCase):
    def test_large_bundles_stay_alone_and_small_ones_share(self):
        jobs = [fanout.Job(name, name, size) for name, size in [("a", 90), ("b", 60), ("c", 5), ("d", 5), ("e", 5), ("f", 0)]]
        names = [[job.bundle for job in group] for group in fanout.groups(jobs, 12, 3)]
        self.assertEqual(names, [["a"], ["b"], ["c", "d"], ["e", "f"]])
        self.assertEqual([len(g) for g in fanout.groups(jobs, 1000, 2)], [2, 2, 2])
        self.assertEqual(fanout.groups([], 10, 3), [])


class Runs(unittest.TestCase):
    """Against a stand-in for the binary that does what its bundle is called."""

    SCRIPT = """
        import json, os, signal, sys, time
        options = dict(a[2:].split("=", 1) for a in sys.argv if a.startswith("--") and "=" in a)
        bundle, folder = options["bundle"], os.path.dirname(os.path.abspath(__file__))
        def say(status, code):
            print(json.dumps({"job_key": options["job-key"], "bundle": bundle, "status": status, "exit": code, "rows": 7}))
            sys.exit(code)
        if bundle == "crash": os.kill(os.getpid(), signal.SIGKILL)
        if bundle == "hang": time.sleep(60)
        if bundle == "mute": sys.stderr.write("\\x1b[31mno answer\\n"); sys.exit(1)
        if bundle == "failed": sys.stderr.write("x" * 100000 + "end\\n"); say("failed", 4)
        if bundle == "leased":
            with open(os.path.join(folder, "tries"), "a") as tries: tries.write("x")
            size = os.path.getsize(os.path.join(folder, "tries"))
            say("already", 0) if size > 2 else say("leased", 75)
        say("published", 0)
    """

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.binary = os.path.join(self.folder.name, "casetrace")
        with open(self.binary, "w", encoding="utf-8") as file:
            file.write(f"#!{sys.executable}\n" + textwrap.dedent(self.SCRIPT))
        os.chmod(self.binary, os.stat(self.binary).st_mode | stat.S_IXUSR)

    def tearDown(self):
        self.folder.cleanup()

    def settings(self, **changes):
        given = dict(binary=self.binary, share="S", out="O", extra=(), timeout=20.0, lease_wait=20.0, max_attempts=4)
        return fanout.Settings(**{**given, **changes})

    def group(self, *names, attempt=1, **changes):
        jobs = [fanout.Job(name, "k-" + name, 1) for name in names]
        return fanout.run_group(self.settings(**changes), self.binary, jobs, attempt)

    def test_success_and_permanent_failure_are_rows(self):
        good, bad = self.group("good", "failed")
        self.assertEqual((good["status"], good["exit"], good["rows"], good["stderr_tail"]), ("published", 0, 7, None))
        self.assertEqual((bad["status"], bad["exit"]), ("failed", 4))
        self.assertTrue(bad["stderr_tail"].endswith("end\n"))
        self.assertLessEqual(len(bad["stderr_tail"]), fanout.STDERR_TAIL)

    def test_a_crash_is_raised_after_the_other_bundles_ran(self):
        with self.assertRaisesRegex(fanout.TryAgain, "crash: ended by SIGKILL"):
            self.group("crash", "good")

    def test_the_last_attempt_gives_a_row_instead(self):
        crash, mute, good = self.group("crash", "mute", "good", attempt=4)
        self.assertEqual((crash["status"], crash["exit"]), ("crashed", -9))
        self.assertEqual((mute["status"], mute["reason"]), ("retry", "exit code 1 without an answer"))
        self.assertEqual(mute["stderr_tail"], "\ufffd[31mno answer\n")
        self.assertEqual(good["status"], "published")
        self.assertEqual(fanout.exit_code({"crashed": 1, "published": 2}), 75)
        self.assertEqual(fanout.exit_code({"failed": 1, "published": 2}), 0)

    def test_a_hanging_process_is_ended(self):
        (row,) = self.group("hang", attempt=4, timeout=0.5)
        self.assertEqual((row["status"], row["exit"], row["reason"]), ("crashed", -9, "no end after 0 s"))

    def test_a_lease_is_waited_for(self):
        (row,) = self.group("leased")
        self.assertEqual(row["status"], "already")
        with self.assertRaises(fanout.TryAgain):
            os.remove(os.path.join(self.folder.name, "tries"))
            self.group("leased", lease_wait=0.0)

    def test_only_the_line_of_the_bundle_counts(self):
        lines = ["noise", json.dumps({"bundle": "a", "status": "published"}), json.dumps({"bundle": "b"}), "[1]"]
        self.assertEqual(fanout.answer("\n".join(lines), "a"), {"bundle": "a", "status": "published"})
        self.assertEqual(fanout.answer("", "a"), {})


if __name__ == "__main__":
    unittest.main()
