"""Several processes, watched one by one, as one timeline; and a timeline without some of its threads."""

from __future__ import annotations

import dataclasses
from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from conc.watching.records import RawProcess, RawThread, RawTimeline, column_format

_Columns = TypeVar("_Columns")

_THREADS = ("thread", "waiter", "holder")
_SORTED = "begin_ns"


def merge(first: RawTimeline, others: Sequence[RawTimeline]) -> RawTimeline:
    """One timeline of the processes of all: `first` says when it began and ended, at which interval, and how well.

    Threads and processes are numbered anew, in the order of the arguments.
    """
    if not others:
        return first
    every = [first, *others]
    threads: list[RawThread] = []
    processes: list[RawProcess] = []
    shifts: list[tuple[int, int]] = []
    for raw in every:
        shifts.append((len(threads), len(processes)))
        threads += [replace(thread, process=thread.process + len(processes)) for thread in raw.threads]
        processes += raw.processes
    places = [
        replace(place, thread=place.thread + shift)
        for raw, (shift, _) in zip(every, shifts, strict=True)
        for place in raw.places
    ]
    return replace(
        first,
        cost_cpu_ns=sum(raw.cost_cpu_ns for raw in every),
        resolution_ns=max(raw.resolution_ns for raw in every),
        processes=tuple(processes),
        threads=tuple(threads),
        places=tuple(sorted(places, key=lambda place: place.time_ns)),
        syscalls={number: name for raw in reversed(every) for number, name in raw.syscalls.items()},
        unknown=_unknown(every),
        notes=_notes(every),
        **{name: _merged([getattr(raw, name) for raw in every], shifts) for name in _COLUMNS},
    )


_COLUMNS = ("segments", "holds", "held", "waits", "totals")


def without(raw: RawTimeline, tids: Collection[int]) -> RawTimeline:
    """The same without the threads that had these ids: what they held, nobody is known to have held."""
    kept = [index for index, thread in enumerate(raw.threads) if thread.tid not in tids]
    if len(kept) == len(raw.threads):
        return raw
    numbers = {old: new for new, old in enumerate(kept)}
    return replace(
        raw,
        threads=tuple(raw.threads[index] for index in kept),
        places=tuple(replace(place, thread=numbers[place.thread]) for place in raw.places if place.thread in numbers),
        segments=_renumbered(raw.segments, numbers, "thread"),
        totals=_renumbered(raw.totals, numbers, "thread"),
        waits=_renumbered(raw.waits, numbers, "waiter"),
        holds=_renumbered(raw.holds, numbers),
        held=_renumbered(raw.held, numbers),
    )


def _renumbered(part: _Columns, numbers: Mapping[int, int], owner: str | None = None) -> _Columns:
    """Columns whose threads are numbered anew; rows of an `owner` that is gone are gone, other threads become -1."""
    names = [field.name for field in dataclasses.fields(part)]  # type: ignore[arg-type]
    rows = range(max(len(getattr(part, name)) for name in names))
    if owner is not None:
        rows_of = getattr(part, owner)
        rows = [row for row in rows if rows_of[row] in numbers]  # type: ignore[assignment]
    columns: dict[str, array[int]] = {}
    for name in names:
        column = getattr(part, name)
        values = (column[row] for row in rows) if len(column) > 0 else ()
        if name in _THREADS:
            values = (numbers.get(value, -1) for value in values)
        columns[name] = array(column_format(name), values)
    kind: Any = type(part)
    renumbered: _Columns = kind(**columns)
    return renumbered


def _merged(parts: Sequence[_Columns], shifts: Iterable[tuple[int, int]]) -> _Columns:
    """The columns of all parts, one after the other; in the order of time where they have one."""
    columns: dict[str, array[int]] = {}
    for part, (thread_shift, process_shift) in zip(parts, shifts, strict=True):
        names = [field.name for field in dataclasses.fields(part)]  # type: ignore[arg-type]
        rows = max(len(getattr(part, name)) for name in names)
        for name in names:
            column = columns.setdefault(name, array(column_format(name)))
            if name == "process":
                column.extend(index + process_shift for index in getattr(part, name) or [0] * rows)
            elif name in _THREADS:
                column.extend(index + thread_shift if index >= 0 else index for index in getattr(part, name))
            else:
                column.extend(getattr(part, name))
    if _SORTED in columns:
        order = sorted(range(len(columns[_SORTED])), key=columns[_SORTED].__getitem__)
        columns = {name: array(column.typecode, [column[row] for row in order]) for name, column in columns.items()}
    kind: Any = type(parts[0])
    merged: _Columns = kind(**columns)
    return merged


def _of_process(raw: RawTimeline) -> str:
    return f"process {raw.processes[0].pid} ({raw.processes[0].name})"


def _unknown(every: Sequence[RawTimeline]) -> dict[str, str]:
    """What is not known of any process, once for each cause."""
    found: dict[str, dict[str, list[str]]] = {}
    for raw in every:
        for what, why in raw.unknown.items():
            found.setdefault(what, {}).setdefault(why, []).append(_of_process(raw))
    return {
        what: "; ".join(why if len(of) == len(every) else f"{_some(of)}: {why}" for why, of in reasons.items())
        for what, reasons in found.items()
    }


def _some(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _notes(every: Sequence[RawTimeline]) -> tuple[str, ...]:
    found: dict[str, list[str]] = {}
    for raw in every[1:]:
        for note in raw.notes:
            found.setdefault(note, []).append(_of_process(raw))
    return (*every[0].notes, *(f"{_some(of)}: {note}" for note, of in found.items()))
