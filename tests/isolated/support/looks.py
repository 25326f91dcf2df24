"""What a watch looks at besides, by the word that cases have for it: the options of conc.watch(); and who looks."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

OPTIONS: dict[str, dict[str, bool]] = {
    "plain": {},
    "where": {"where": True},
    "children": {"children": True},
    "both": {"where": True, "children": True},
}


def attempts() -> Iterator[float]:
    """For how many seconds to watch: longer each time, since where threads queue for a CPU a sampler has few looks."""
    yield from (0.3, 0.6, 1.2, 2.4, 4.8)


def samplers() -> set[tuple[str, str]]:
    """The threads here that watch, one for each process that is watched: id, which is given anew as well, and begin."""
    found = set()
    for tid in os.listdir("/proc/self/task"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/self/task/{tid}/stat") as stat:
            name, fields = stat.read().rsplit(")", 1)
            if name.endswith("(conc-watch"):
                found.add((tid, fields.split()[19]))
    return found
