"""A watch in a sandbox that refuses the CPU clocks of other threads: no thread is taken for one that has ended.

Their CPU time is schedstat's then. Where the files of /proc are refused as well, it is not known, and says why.
"""

# cases: EPERM ENOSYS unlisted
# needs: seccomp
# stdout[EPERM]: each thread once, with its CPU time, and why it is no clock's
# stdout[ENOSYS]: each thread once, with its CPU time, and why it is no clock's
# stdout[unlisted]: each thread once, and why its CPU time is not known

import errno
import sys
import threading
import time

import seccomp
from looks import missed_by_all

import conc
from conc.watching.records import RawThread, RawTimeline, State

[case] = sys.argv[1:]
over = threading.Event()
used_s: dict[str, float] = {}


def compute() -> None:
    while not over.is_set():
        pass
    used_s[threading.current_thread().name] = time.thread_time()


def judge(raw: RawTimeline) -> dict[str, bool]:
    """What a watch of two threads that compute, one that waits, and some that come and go must have seen here."""
    rows: dict[str, list[RawThread]] = {}
    for thread in raw.threads:
        rows.setdefault(thread.name, []).append(thread)
    names = {"MainThread", "busy 0", "busy 1", "idle", "leaver"} | ({"late"} if case != "unlisted" else set())
    seen = {"each once": set(rows) == names and all(len(found) == 1 for found in rows.values())}
    if not seen["each once"]:
        return seen
    running: dict[str, int] = {}
    for thread, state, ns in zip(raw.totals.thread, raw.totals.state, raw.totals.ns, strict=True):
        name = raw.threads[thread].name
        running[name] = running.get(name, 0) + (ns if state == State.RUNNING else 0)
    one = {name: found[0] for name, found in rows.items()}
    seen |= {
        "who was there": all(one[name].born_before == (name != "late") for name in one),
        "who has ended": {name for name in one if one[name].end_ns is not None} == names & {"leaver", "late"},
        "why": case.replace("unlisted", "EPERM") in raw.unknown["clock"],
    }
    summary = {thread.name: thread for thread in conc.Timeline(raw).summary().threads}
    if case == "unlisted":
        unknown = all(thread.cpu_s is None and "CPU" in thread.unknown["cpu_s"] for thread in summary.values())
        return seen | {"no CPU time": unknown, "nobody runs": not any(running.values())}
    used = {name: one[name].cpu_ns for name in used_s}
    return seen | {
        "CPU time": all(0 < (used[name] or 0) <= 1e9 * used_s[name] for name in used_s),
        "that they run": all(running[name] > 0 for name in used_s),
        "no more is lost": not {"cpu_ns", "syscall", "stat"} & set(raw.unknown),
    }


def watch(watched_s: float) -> RawTimeline:
    """While one thread ends that was there before, and another begins and ends."""
    leave = threading.Event()
    leaver = threading.Thread(target=leave.wait, name="leaver")
    leaver.start()
    with conc.watch() as watched:
        late = threading.Thread(target=time.sleep, args=(0.1,), name="late")
        late.start()
        late.join()
        leave.set()
        leaver.join()
        time.sleep(watched_s)
    return watched.raw


def missed_by(watched_s: float) -> object:
    """None: a watch for so long has seen all. Else what it has not, and what it has."""
    over.clear()
    threads = [threading.Thread(target=compute, name=f"busy {index}") for index in range(2)]
    threads.append(threading.Thread(target=over.wait, name="idle"))
    for thread in threads:
        thread.start()
    raw = watch(watched_s)
    over.set()
    for thread in threads:
        thread.join()
    missed = [what for what, so in judge(raw).items() if not so]
    return (missed, raw.unknown, raw.ticks, raw.late_ticks, raw.threads) if missed else None


def main() -> None:
    seccomp.refuse_clocks_of_threads(errno.EPERM if case == "unlisted" else getattr(errno, case))
    if case == "unlisted":
        seccomp.refuse(errno.EPERM, "openat")
    missed = missed_by_all(missed_by)
    told = {
        "unlisted": "each thread once, and why its CPU time is not known",
    }
    as_told = told.get(case, "each thread once, with its CPU time, and why it is no clock's")
    print(f"missed: {missed}" if missed else as_told)


with conc.watch() as first:
    pass  # all that it needs is imported
first.summary()
del first
main()
