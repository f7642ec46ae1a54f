#!/usr/bin/env python3
"""Runs a command with its output thrown away and says how long it took: timed.py COMMAND..."""
import resource
import subprocess
import sys
import time

started = time.monotonic()
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
wall = time.monotonic() - started
used = resource.getrusage(resource.RUSAGE_CHILDREN)
name = sys.argv[1].rsplit("/", 1)[-1]
print(f"  {name:12} wall {wall:7.2f} s   user {used.ru_utime:7.2f} s   system {used.ru_stime:6.2f} s")
