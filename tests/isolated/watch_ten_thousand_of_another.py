"""Ten thousand threads of another process: each is seen, with no more descriptors and time than a watch may take."""

# needs: 10000threads
# core:
# alone: it takes more of the machine than any other
# stdout: all seen asleep
# stdout: descriptors: within bounds
# stdout: looks: fewer, and it is said

import os
import subprocess
import sys
import time

import conc
from conc.watching.records import Reason, State

COUNT = 10_000
MOST_DESCRIPTORS = 1024
PROGRAM = f"""
import conc
from conc import kernels

threads = [conc.Thread(target=kernels.sleep, args=(3600,)) for _ in range({COUNT})]
for thread in threads:
    thread.start()
print("all started", flush=True)
input()
for thread in threads:
    thread.stop(0)
"""

with subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
    assert process.stdout is not None
    assert process.stdout.readline() == b"all started\n"
    before = len(os.listdir("/proc/self/fd"))
    with conc.watch(process.pid) as watched:
        time.sleep(3)
        taken = len(os.listdir("/proc/self/fd")) - before
    process.communicate(b"\n")
raw = watched.raw
totals = zip(raw.totals.thread, raw.totals.state, raw.totals.reason, raw.totals.ns, strict=True)
asleep = {thread for thread, *what, ns in totals if what == [State.NOT_RUNNING, Reason.SLEEP] and ns > 0}
print("all seen asleep" if len(asleep) >= COUNT else f"seen asleep: {len(asleep)} of {len(raw.threads)}")
print("descriptors:", "within bounds" if taken <= MOST_DESCRIPTORS + 16 else taken)
slower = raw.rates[-1][1] > raw.interval_ns and any("an eighth of a CPU" in note for note in raw.notes)
print("looks:", "fewer, and it is said" if slower else (raw.rates, raw.notes))
