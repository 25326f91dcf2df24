"""A fork while a watch is on: it goes on in the parent, and in the child it has ended at the fork.

The child's own watches work.
"""

# cases: main thread nested
# cases: plain where children both
# stdout: child: as promised
# stdout: parent: 0 as promised

import os
import sys
import threading
import time
import warnings

from looks import OPTIONS, samplers

import conc

warnings.simplefilter("ignore", DeprecationWarning)  # Python's own word on forking with threads
kind, looks = sys.argv[1:]
options = OPTIONS[looks]


def descriptors_of_tasks() -> list[str]:
    """Open files of threads' folders: the parent's, in a child."""
    found = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            path = os.readlink(f"/proc/self/fd/{fd}")
        except FileNotFoundError:
            continue
        if "/task" in path:
            found.append(path)
    return found


def judge_child(watch: conc.Watch) -> bool:
    seen = [len(samplers()) == 0, not descriptors_of_tasks()]
    with conc.watch(**options) as own:
        time.sleep(0.02)
        seen.append(len(samplers()) == 1)
    seen.append(any(thread.tid == os.getpid() for thread in own.raw.threads))
    watch.__exit__(None, None, None)
    seen += [
        watch.raw.end_ns <= own.raw.begin_ns,
        any(thread.name == "MainThread" for thread in watch.raw.threads),
        sum(watch.raw.totals.ns) > 0,
    ]
    if not all(seen):
        print("child:", seen, descriptors_of_tasks(), flush=True)
    return all(seen)


def fork_and_judge() -> None:
    with conc.watch(interval=0.0005, **options) as watch:
        time.sleep(0.02)
        pid = os.fork()
        if pid == 0:
            print("child:", "as promised" if judge_child(watch) else "not", flush=True)
            os._exit(0)
        status = os.waitpid(pid, 0)[1]
        on = len(samplers()) >= 1
        time.sleep(0.02)
    left = len(samplers()) >= 1 if kind == "nested" else len(samplers()) == 0  # or one more, of the child
    words = "as promised" if on and watch.raw.ticks > 0 and left else "not"
    print("parent:", status, words, flush=True)


if kind == "main":
    fork_and_judge()
elif kind == "nested":
    with conc.watch(**options):
        # The outer one ends in the child as well; its entry there is dropped with the process.
        fork_and_judge()
else:
    forker = threading.Thread(target=fork_and_judge)
    forker.start()
    forker.join()
