"""The way back: a raw timeline from the plain data that `Timeline.to_json` writes."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from conc.watching.records import (
    Held,
    Holds,
    Place,
    RawProcess,
    RawThread,
    RawTimeline,
    Reason,
    Segments,
    State,
    Totals,
    Waits,
)

FORMAT = "conc-timeline-1"

T = TypeVar("T")


def restore(data: object) -> RawTimeline:
    """The timeline whose `to_dict()` this is.

    Raises:
        ValueError: it is not one; the message says what is wrong.
    """
    if not isinstance(data, Mapping) or data.get("format") != FORMAT:
        found = data.get("format") if isinstance(data, Mapping) else type(data).__name__
        raise ValueError(f"not a timeline: its format is {found!r}, and {FORMAT!r} is what can be read")
    try:
        raw = _timeline(data["raw"])
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise ValueError(f"a damaged timeline: {type(error).__name__}: {error}") from error
    _check(raw)
    return raw


def _timeline(data: Mapping[str, Any]) -> RawTimeline:
    nested: dict[str, Any] = {
        "rates": tuple((int(begin), int(interval)) for begin, interval in data["rates"]),
        "processes": tuple(RawProcess(**process) for process in data["processes"]),
        "threads": tuple(RawThread(**thread) for thread in data["threads"]),
        "segments": _columns(Segments, data["segments"]),
        "holds": _columns(Holds, data["holds"]),
        "waits": _columns(Waits, data["waits"]),
        "totals": _columns(Totals, data["totals"]),
        "held": _columns(Held, data["held"]),
        "places": tuple(_place(place) for place in data["places"]),
        "syscalls": {int(number): str(name) for number, name in data["syscalls"].items()},
        "unknown": dict(data["unknown"]),
        "notes": tuple(map(str, data["notes"])),
    }
    plain = {name: data[name] for name in _names(RawTimeline) - nested.keys()}
    for name, value in plain.items():
        if not isinstance(value, int) and not (name == "cpus" and value is None):
            raise TypeError(f"{name} is {value!r}, not a whole number")
    return RawTimeline(**nested, **plain)


def _names(record: type) -> set[str]:
    return {field.name for field in fields(record)}


def _columns(record: type[T], data: Mapping[str, Any]) -> T:
    columns = {field.name: array("q", data[field.name]) for field in fields(record)}  # type: ignore[arg-type]
    length = max(map(len, columns.values()))
    for name, column in columns.items():
        if len(column) != length and (column or name != "process"):
            raise ValueError(f"column {name} of {record.__name__} has {len(column)} rows, others have {length}")
    return record(**columns)


def _place(data: Mapping[str, Any]) -> Place:
    stack = tuple((str(file), int(line), str(function)) for file, line, function in data["stack"])
    return Place(int(data["time_ns"]), int(data["thread"]), stack)


def _check(raw: RawTimeline) -> None:
    """Every number that points somewhere does."""
    threads, processes = len(raw.threads), len(raw.processes)
    bounds = (
        ("process of a thread", [thread.process for thread in raw.threads], 0, processes),
        ("thread of a segment", raw.segments.thread, 0, threads),
        ("state", raw.segments.state, 0, len(State)),
        ("reason", raw.segments.reason, 0, len(Reason)),
        ("thread of a hold", raw.holds.thread, -1, threads),
        ("process of a hold", raw.holds.process, 0, processes),
        ("holder", raw.held.thread, -1, threads),
        ("process of a holder", raw.held.process, 0, processes),
        ("waiter", raw.waits.waiter, 0, threads),
        ("holder that was waited for", raw.waits.holder, -1, threads),
        ("thread of a total", raw.totals.thread, 0, threads),
        ("state of a total", raw.totals.state, 0, len(State)),
        ("reason of a total", raw.totals.reason, 0, len(Reason)),
        ("thread of a place", [place.thread for place in raw.places], 0, threads),
    )
    for what, values, low, end in bounds:
        if len(values) and not low <= min(values) <= max(values) < end:
            raise ValueError(f"a damaged timeline: a {what} lies outside {low}..{end - 1}")
