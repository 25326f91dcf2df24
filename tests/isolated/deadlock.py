"""Threads that wait for each other for ever: told of once, with the waits of the cycle."""

# cases: join std-join lock join-and-lock mixed
# needs[std-join]: gil
# needs[lock]: gil
# needs[join-and-lock]: gil
# needs[mixed]: gil
# stdout[join]: 3 waits: end end end
# stdout[std-join]: 3 waits: end end end
# stdout[lock]: 2 waits: RLock RLock
# stdout[join-and-lock]: 2 waits: RLock end
# stdout[mixed]: 3 waits: RLock end end
# stdout: once, lasting
# stderr: conc.stall_guard: deadlock: each of these threads waits for the next
# stderr: waits for the
# stderr: Threads:
# stderr: Python stacks

import queue
import sys
import threading
import time
from typing import Any

import conc

case = sys.argv[1]
reports: queue.Queue[Any] = queue.Queue()
threads: list[Any] = []
ready = threading.Event()


def joins(kind: Any) -> None:
    def run(other: int) -> None:
        ready.wait()
        threads[other].join()

    threads.extend(kind(target=run, args=(other,), daemon=True) for other in (1, 2, 0))


def locks(first: Any, second: Any) -> None:
    both = threading.Barrier(2)

    def take(one: Any, other: Any) -> None:
        ready.wait()
        with one:
            both.wait()
            with other:
                print("impossible")

    threads.extend(
        threading.Thread(target=take, args=order, daemon=True) for order in ((first, second), (second, first))
    )


def join_and_lock(*, further: bool) -> None:
    """One wants a lock that the other holds while it joins the first; or a third that joins it."""
    lock = threading.RLock()
    held = threading.Event()

    def want() -> None:
        held.wait()
        lock.acquire()

    def join_last() -> None:
        ready.wait()
        threads[0].join()

    def join() -> None:
        ready.wait()
        with lock:
            held.set()
            threads[-1 if further else 0].join()

    threads.append(threading.Thread(target=want, daemon=True))
    threads.append(conc.Thread(target=join, daemon=True))
    if further:
        threads.append(threading.Thread(target=join_last, daemon=True))


match case:
    case "join":
        joins(conc.Thread)
    case "std-join":
        joins(threading.Thread)
    case "lock":
        locks(threading.RLock(), threading.RLock())
    case "join-and-lock":
        join_and_lock(further=False)
    case _:
        join_and_lock(further=True)

with conc.stall_guard(0.2, callback=reports.put) as guard:
    for thread in threads:
        thread.start()
    ready.set()
    report = reports.get()
    looks = guard._watch.deadlocks  # type: ignore[union-attr]
    last = looks._last  # type: ignore[union-attr]
    while looks._last is last:  # type: ignore[union-attr]
        time.sleep(0.01)  # one more look

whats = sorted(line.split(" waits for the ")[1].split()[0] for line in report.waits)
print(f"{len(report.waits)} waits: {' '.join(whats)}")
print("once, lasting" if [each.duration_s for each in guard.stalls] == [None] else guard.stalls)
