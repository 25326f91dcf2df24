"""What a thread that the kernel sees on a futex waits for, told from the line of Python in which it stands.

The kernel knows a futex and nothing else. Where the standard library's own code waits, the function says what for;
where a function in C waits, its name stands in the line that calls it.
"""

from __future__ import annotations

import linecache
import os
import re
import threading
from array import array
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from conc.watching.records import Place, RawTimeline, Reason, Segments, State, Totals

Stack = Sequence[tuple[str, int, str]]
"""(file, line, function), innermost first."""

_LIBRARY = os.path.dirname(threading.__file__) + os.sep

_INNERMOST: dict[tuple[str, str], Reason] = {
    ("threading.py", "Condition.wait"): Reason.CONDITION,
    ("threading.py", "Thread.join"): Reason.JOIN,
    ("threading.py", "Thread._wait_for_tstate_lock"): Reason.JOIN,
    ("threading.py", "_shutdown"): Reason.JOIN,
    ("threading.py", "_RLock.acquire"): Reason.LOCK,
    ("concurrent/futures/thread.py", "_worker"): Reason.IDLE,
    ("multiprocessing/pool.py", "worker"): Reason.IDLE,
    ("multiprocessing/synchronize.py", "SemLock.__enter__"): Reason.LOCK,
    ("multiprocessing/synchronize.py", "Condition.wait"): Reason.CONDITION,
    ("multiprocessing/queues.py", "Queue.get"): Reason.CONDITION,
    ("multiprocessing/queues.py", "Queue.put"): Reason.CONDITION,
    ("multiprocessing/queues.py", "SimpleQueue.get"): Reason.CONDITION,
    ("multiprocessing/queues.py", "SimpleQueue.put"): Reason.CONDITION,
}
"""(file of the standard library, function): what its wait is for."""

_AROUND: dict[tuple[str, str], Reason] = {
    ("concurrent/futures/_base.py", "Future.result"): Reason.JOIN,
    ("concurrent/futures/_base.py", "Future.exception"): Reason.JOIN,
    ("concurrent/futures/_base.py", "wait"): Reason.JOIN,
    ("concurrent/futures/_base.py", "as_completed"): Reason.JOIN,
    ("multiprocessing/pool.py", "ApplyResult.wait"): Reason.JOIN,
}
"""The same for functions that wait on a condition for somebody's end."""

_IN_THE_LINE: tuple[tuple[re.Pattern[str], Reason], ...] = (
    (re.compile(r"^\s*(with\b|.*\.acquire\()"), Reason.LOCK),
    (re.compile(r"\.(join|result|exception)\("), Reason.JOIN),
    (re.compile(r"\.(wait|wait_for|get|put)\("), Reason.CONDITION),
)


def reason_of(stack: Stack, source_line: Callable[[str, int], str] = linecache.getline) -> Reason:
    """What a thread on a futex waits for whose Python stands at `stack`; FUTEX where that does not tell.

    Args:
        stack: (file, line, function), innermost first, as `Place.stack`.
        source_line: gives the text of a line of a file, "" when it is not known.
    """
    if not stack:
        return Reason.FUTEX
    file, line, function = stack[0]
    reason = _INNERMOST.get((_in_library(file), function))
    if reason is None:
        return _reason_in(source_line(file, line))
    if reason is Reason.CONDITION:
        return _reason_around(stack[1:])
    return reason


def _in_library(file: str) -> str:
    """The file as the standard library knows it; "" for any other."""
    return file[len(_LIBRARY) :].replace(os.sep, "/") if file.startswith(_LIBRARY) else ""


def _reason_around(callers: Stack) -> Reason:
    """What a wait on a condition is for: the library's callers are asked, outwards up to the first of somebody else."""
    for file, _, function in callers:
        name = _in_library(file)
        if not name:
            break
        if (name, function) in _AROUND:
            return _AROUND[name, function]
    return Reason.CONDITION


def _reason_in(text: str) -> Reason:
    found = {reason for pattern, reason in _IN_THE_LINE if pattern.search(text)}
    return found.pop() if len(found) == 1 else Reason.FUTEX


def refine(raw: RawTimeline, source_line: Callable[[str, int], str] = linecache.getline) -> RawTimeline:
    """The same timeline, with FUTEX made LOCK, CONDITION, JOIN or IDLE wherever a place lies in a wait and tells.

    A thread that has not run since stands where it stood, so one place says what the whole of a wait was for. Waits
    without a place, and those whose places disagree, stay what they are.
    """
    reasons = _reasons_of_waits(raw, source_line)
    if not reasons:
        return raw
    column = array("B", raw.segments.reason)
    moved: defaultdict[tuple[int, Reason], int] = defaultdict(int)
    for row, reason in reasons.items():
        column[row] = reason
        moved[raw.segments.thread[row], reason] += raw.segments.end_ns[row] - raw.segments.begin_ns[row]
    segments = replace(raw.segments, reason=column)
    return replace(raw, segments=segments, totals=_moved(raw.totals, moved))


def _reasons_of_waits(raw: RawTimeline, source_line: Callable[[str, int], str]) -> dict[int, Reason]:
    """Row of a wait on a futex -> what it was for, where that is known."""
    rows = _futex_rows(raw.segments, {place.thread for place in raw.places})
    known: dict[tuple[tuple[str, int, str], ...], Reason] = {}
    votes: defaultdict[int, set[Reason]] = defaultdict(set)
    for place in raw.places:
        row = _row_at(raw.segments, rows[place.thread], place)
        if row is not None:
            if place.stack not in known:
                known[place.stack] = reason_of(place.stack, source_line)
            votes[row].add(known[place.stack])
    return {row: reasons.pop() for row, reasons in votes.items() if len(reasons) == 1 and Reason.FUTEX not in reasons}


def _futex_rows(segments: Segments, threads: Iterable[int]) -> dict[int, list[int]]:
    rows: dict[int, list[int]] = {thread: [] for thread in threads}
    for row, thread in enumerate(segments.thread):
        if segments.reason[row] == Reason.FUTEX and thread in rows:
            rows[thread].append(row)
    return rows


def _row_at(segments: Segments, rows: Sequence[int], place: Place) -> int | None:
    after = bisect_right(rows, place.time_ns, key=segments.begin_ns.__getitem__)
    return rows[after - 1] if after > 0 and place.time_ns < segments.end_ns[rows[after - 1]] else None


def _moved(totals: Totals, moved: dict[tuple[int, Reason], int]) -> Totals:
    """Totals with time taken from FUTEX, as much as there is: segments may be coarser than sums."""
    ns: dict[tuple[int, int, int], int] = {}
    for row, spent in enumerate(totals.ns):
        key = (totals.thread[row], totals.state[row], totals.reason[row])
        ns[key] = ns.get(key, 0) + spent
    for (thread, reason), asked in moved.items():
        source = (thread, int(State.NOT_RUNNING), int(Reason.FUTEX))
        taken = min(asked, ns.get(source, 0))
        if taken > 0:
            target = (thread, int(State.NOT_RUNNING), int(reason))
            ns[source] -= taken
            ns[target] = ns.get(target, 0) + taken
    kept = sorted((key, spent) for key, spent in ns.items() if spent > 0)
    return Totals(
        thread=[key[0] for key, _ in kept],
        state=[key[1] for key, _ in kept],
        reason=[key[2] for key, _ in kept],
        ns=[spent for _, spent in kept],
    )
