"""A watch in a sandbox that refuses system calls: what can be seen is seen, the rest has a reason, nothing stays open.

Refused are the copying of memory, the opening of files (and so all of /proc), both, or the making of threads.
"""

# cases: memory files both threads another
# needs: seccomp
# stdout[memory]: the GIL is read from a file
# stdout[files]: who holds the GIL and who runs is seen, and why no more
# stdout[both]: who runs is seen, and why no more
# stdout[threads]: PermissionError: start the watch's thread: Operation not permitted
# stdout[another]: PermissionError: a sandbox
# stdout: nothing is left open

import errno
import os
import sys
import threading
import time

import seccomp
from looks import missed_by_all

import conc
import conc.watching.other  # by which another process is watched, and which could not be read any more
from conc.gil import gil_enabled
from conc.watching.records import RawTimeline, Reason, State

REFUSED = {
    "memory": ("process_vm_readv",),
    "files": ("openat",),
    "both": ("openat", "process_vm_readv"),
    "threads": ("clone", "clone3"),
    "another": ("openat",),
}
[case] = sys.argv[1:]
over = threading.Event()


def compute() -> None:
    while not over.is_set():
        pass


def descriptors() -> set[int]:
    """Without opening anything."""
    found = set()
    for descriptor in range(256):
        try:
            os.fstat(descriptor)
        except OSError:
            continue
        found.add(descriptor)
    return found


def judge(raw: RawTimeline) -> dict[str, bool]:
    """What a watch of two threads that compute and one that waits must have seen here."""
    spent: dict[tuple[str, int], int] = {}
    waits = set()
    for thread, state, reason, ns in zip(
        raw.totals.thread, raw.totals.state, raw.totals.reason, raw.totals.ns, strict=True
    ):
        name = raw.threads[thread].name
        spent[name, state] = spent.get((name, state), 0) + ns
        waits |= {(name, reason)} if ns > 0 else set()
    names = {"MainThread", "busy 0", "busy 1", "idle"}
    holders = {raw.threads[thread].name for thread in raw.held.thread if thread >= 0}
    held = not gil_enabled() or {"busy 0", "busy 1"} <= holders
    waited = not gil_enabled() or {("busy 0", Reason.GIL), ("busy 1", Reason.GIL)} <= waits
    seen = {
        "all threads": {thread.name for thread in raw.threads} == names,
        "that they run": all(spent.get((f"busy {index}", State.RUNNING), 0) > 0 for index in range(2)),
        "that one waits": spent.get(("idle", State.NOT_RUNNING), 0) > 0,
    }
    if case == "memory":
        return seen | {"who holds the GIL": held, "who waits for it": waited, "all of it": not raw.unknown}
    reasons = all("EPERM" in raw.unknown[what] for what in ("threads", "syscall", "schedstat", "stat", "status"))
    if case == "files":
        return seen | {"why no more": reasons, "who holds the GIL": held}
    blind = not gil_enabled() or "process_vm_readv" in raw.unknown["gil"]
    return seen | {"why no more": reasons, "why no GIL": blind, "no holder": not holders}


def missed_by(watched_s: float) -> object:
    with conc.watch() as watched:
        time.sleep(watched_s)
    raw = watched.raw
    missed = [what for what, so in judge(raw).items() if not so]
    return (missed, raw.unknown, raw.ticks, raw.late_ticks, raw.notes) if missed else None


def watch_threads() -> None:
    threads = [threading.Thread(target=compute, name=f"busy {index}") for index in range(2)]
    threads.append(threading.Thread(target=over.wait, name="idle"))
    for thread in threads:
        thread.start()
    seccomp.refuse(errno.EPERM, *REFUSED[case])
    missed = missed_by_all(missed_by)
    over.set()
    for thread in threads:
        thread.join()
    told = {
        "memory": "the GIL is read from a file",
        "files": "who holds the GIL and who runs is seen, and why no more",
        "both": "who runs is seen, and why no more",
    }
    print(f"missed: {missed}" if missed else told[case])


with conc.watch() as first:
    pass  # all that it needs is imported
first.summary()
del first
before = descriptors()
if case in ("threads", "another"):
    seccomp.refuse(errno.EPERM, *REFUSED[case])
    try:
        with conc.watch(os.getppid() if case == "another" else None):
            print("watched")
    except OSError as error:
        told = "a sandbox" if case == "another" and "a sandbox" in str(error) else error.strerror
        print(f"{type(error).__name__}: {told}")
else:
    watch_threads()
print("nothing is left open" if descriptors() <= before else descriptors() - before)
