"""A watch's sampled stacks in speedscope's own file format (its source: src/lib/file-format-spec.ts)."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from statistics import median
from typing import Any

from conc._version import __version__
from conc.watching.labels import labels, shown
from conc.watching.records import Place, RawTimeline

SCHEMA = "https://www.speedscope.app/file-format-schema.json"

Frame = tuple[str, int, str]


def profile(raw: RawTimeline) -> dict[str, Any]:
    """The file's contents: one sampled profile for each thread that was ever seen in Python.

    A sample counts for the time until the thread's next one; the last for as long as is usual, until the thread's end.

    Raises:
        ValueError: no places were sampled.
    """
    if not raw.places:
        raise ValueError("this watch has no Python stacks to export: watch with where=True to sample them")
    by_thread: dict[int, list[Place]] = defaultdict(list)
    for place in sorted(raw.places, key=lambda place: place.time_ns):
        by_thread[place.thread].append(place)
    frames: dict[Frame, int] = {}
    names = labels(raw)
    profiles = [_profile(raw, names[thread], by_thread[thread], frames) for thread in sorted(by_thread)]
    return {
        "$schema": SCHEMA,
        "exporter": f"conc {__version__}",
        "name": shown(raw.processes[0].name) if raw.processes else "conc",
        "activeProfileIndex": 0,
        "shared": {"frames": [_frame(frame) for frame in frames]},
        "profiles": profiles,
    }


def _frame(frame: Frame) -> dict[str, Any]:
    file, line, function = frame
    shape = {"name": shown(function, 200), "file": shown(file, 1000)}
    return shape | ({"line": line} if line > 0 else {})


def _profile(raw: RawTimeline, name: str, places: list[Place], frames: dict[Frame, int]) -> dict[str, Any]:
    times = [place.time_ns for place in places]
    weights = [later - time for time, later in pairwise(times)]
    end_ns = raw.threads[places[0].thread].end_ns
    until = max(raw.end_ns if end_ns is None else end_ns, times[-1])
    usual = round(median(weights)) if weights else raw.interval_ns
    weights.append(min(usual, until - times[-1]))
    begin = times[0] - raw.begin_ns
    return {
        "type": "sampled",
        "name": name,
        "unit": "nanoseconds",
        "startValue": begin,
        "endValue": begin + sum(weights),
        "samples": [[frames.setdefault(frame, len(frames)) for frame in reversed(place.stack)] for place in places],
        "weights": weights,
    }
