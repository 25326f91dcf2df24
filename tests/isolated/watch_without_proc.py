"""No /proc at all: the threads that threading knows are watched by their clocks, and what is not known has a reason."""

# needs: root
# stdout: as promised
# stdout: 0

import os
import sys
import tempfile
import threading
import time

from looks import missed_by_all

import conc
from conc.watching.records import RawTimeline, Reason, State

over = threading.Event()


def compute() -> None:
    while not over.is_set():
        pass


def judge(raw: RawTimeline) -> object:
    """None: it is as promised."""
    times: dict[str, dict[tuple[int, int], int]] = {}
    for thread, state, reason, ns in zip(
        raw.totals.thread, raw.totals.state, raw.totals.reason, raw.totals.ns, strict=True
    ):
        times.setdefault(raw.threads[thread].name, {})[state, reason] = ns
    if set(times) != {"MainThread", "busy", "idle"}:
        return times
    seen = [
        {"threads", "syscall", "stat"} <= set(raw.unknown),
        "ENOENT" in raw.unknown["threads"],
        times["idle"].get((State.NOT_RUNNING, Reason.UNKNOWN), 0) > 0.8 * sum(times["idle"].values()),
        times["busy"].get((State.RUNNING, Reason.NONE), 0) > 0.01 * sum(times["busy"].values()),
        len(raw.holds.thread) > 0 or raw.processes[0].gil is False,
    ]
    return None if all(seen) else (seen, raw.unknown, times, raw.ticks, raw.late_ticks)


def missed_by(watched_s: float) -> object:
    with conc.watch() as watched:
        time.sleep(watched_s)
    return judge(watched.raw)


def watch_in(folder: str) -> None:
    os.chroot(folder)
    busy = threading.Thread(target=compute, name="busy")
    idle = threading.Thread(target=over.wait, name="idle")
    busy.start()
    idle.start()
    missed = missed_by_all(missed_by)
    over.set()
    busy.join()
    idle.join()
    print(missed or "as promised")


with conc.watch() as first:
    pass
first.raw  # noqa: B018  (all that it needs is imported)
del first
folder = tempfile.mkdtemp()
pid = os.fork()
if pid == 0:
    watch_in(folder)
    sys.stdout.flush()
    os._exit(0)
print(os.waitpid(pid, 0)[1])
os.rmdir(folder)
