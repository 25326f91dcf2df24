"""What ``ThreadPoolExecutor.stats()`` tells."""

from __future__ import annotations

from dataclasses import dataclass

from conc.records import Record


@dataclass(frozen=True)
class PoolStats(Record):
    """What a pool's workers are doing, at one moment, and have done since it was made.

    Attributes:
        workers: threads alive.
        idle: of those, parked for want of work.
        queued: tasks that no worker has begun.
        run: tasks begun; a map counts once for each worker that took part.
        stolen: of those, taken from another worker's deque.
        parked: times a worker went to sleep.
        split: parts of loops over a range that another thread took over.
        attaches: times a worker took the interpreter.
        attach_wait_s: seconds that all of them together waited for it.
    """

    workers: int
    idle: int
    queued: int
    run: int
    stolen: int
    parked: int
    split: int
    attaches: int
    attach_wait_s: float
