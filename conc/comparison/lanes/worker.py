"""What runs inside a worker process of the lane `processes`. Imports little: a spawned worker pays for each of them."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cloudpickle  # type: ignore[import-untyped]

from conc.comparison.meter import Counters, own_counters

if TYPE_CHECKING:
    from multiprocessing.synchronize import Barrier


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong in a worker, in words: the exception itself may not survive the way back.

    Attributes:
        broken: the lane broke down (something cannot be pickled), as against the function raised.
        index: position in the chunk, or None.
    """

    broken: bool
    index: int | None
    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A worker's answer: pickled results, or the problem; and what the process has used by now."""

    pid: int
    results: bytes
    problem: Problem | None
    counters: Counters


class _Work:
    """What this worker process was given to do."""

    fn: Callable[[Any], Any]
    barrier: Barrier
    timeout_s: float
    problem: Problem | None = None


_work = _Work()


def _end_with_parent() -> None:
    """A worker whose parent was killed has nobody to work for, and nobody who would end it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def initialize(payload: bytes, barrier: Barrier, timeout_s: float) -> None:
    """Make a new worker ready. It outlives Ctrl-C, which the terminal sends to it as well: its parent ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, name="conc-parent", daemon=True).start()
    _work.barrier, _work.timeout_s = barrier, timeout_s
    try:
        _work.fn, setup = pickle.loads(payload)
    except BaseException as error:
        _work.problem = _problem(error, broken=True, index=None)
        return
    if setup is not None:
        try:
            setup()
        except BaseException as error:
            _work.problem = _problem(error, broken=False, index=None)


def meet() -> Answer:
    """The first task: returns once each of the workers runs one."""
    try:
        _work.barrier.wait(_work.timeout_s)
    except threading.BrokenBarrierError as error:
        return _answer(b"", _problem(error, broken=True, index=None))
    return _answer(b"", _work.problem)


def run_chunk(payload: bytes) -> Answer:
    """The results for a pickled list of items."""
    try:
        items = pickle.loads(payload)
    except BaseException as error:
        return _answer(b"", _problem(error, broken=True, index=None))
    results: list[Any] = []
    try:
        results.extend(map(_work.fn, items))
    except BaseException as error:
        return _answer(b"", _problem(error, broken=False, index=len(results)))
    if len(results) < len(items):
        return _answer(b"", Problem(False, len(results), "StopIteration", "raised by the function"))
    try:
        return _answer(cloudpickle.dumps(results), None)
    except BaseException as error:
        return _answer(b"", _problem(error, broken=True, index=first_unpicklable(results)))


def first_unpicklable(values: list[Any]) -> int | None:
    """Position of the first value that cannot be pickled by itself."""
    for index, value in enumerate(values):
        try:
            cloudpickle.dumps(value)
        except Exception:
            return index
    return None


def _answer(results: bytes, problem: Problem | None) -> Answer:
    return Answer(os.getpid(), results, problem, own_counters((threading.get_native_id(),)))


def _problem(error: BaseException, *, broken: bool, index: int | None) -> Problem:
    return Problem(broken, index, type(error).__name__, " ".join(str(error).split()))
