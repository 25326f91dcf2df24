"""What a watch looks at besides, by the word that cases have for it: the options of conc.watch(); and who looks."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

OPTIONS: dict[str, dict[str, bool]] = {
    "plain": {},
    "where": {"where": True},
    "children": {"children": True},
    "both": {"where": True, "children": True},
}


ATTEMPTS_S = (0.3, 0.6, 1.2, 2.4, 4.8)
"""For so long to watch, one after the other: where threads queue for a CPU a sampler has few looks."""


def missed_by_all(missed_by: Callable[[float], object]) -> list[object]:
    """What each attempt missed, as `missed_by` a watch for so many seconds says; nothing when one has seen all."""
    missed = []
    for watched_s in ATTEMPTS_S:
        missed.append(missed_by(watched_s))
        if not missed[-1]:
            return []
    return missed


def samplers() -> set[tuple[str, str]]:
    """The threads here that watch, one for each process that is watched: id, which is given anew as well, and begin."""
    found = set()
    for tid in os.listdir("/proc/self/task"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/self/task/{tid}/stat") as stat:
            name, fields = stat.read().rsplit(")", 1)
            if name.endswith("(conc-watch"):
                found.add((tid, fields.split()[19]))
    return found
