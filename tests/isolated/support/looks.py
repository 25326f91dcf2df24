"""What a watch looks at besides, by the word that cases have for it: the options of conc.watch(); and who looks."""

from __future__ import annotations

import contextlib
import os

OPTIONS: dict[str, dict[str, bool]] = {
    "plain": {},
    "where": {"where": True},
    "children": {"children": True},
    "both": {"where": True, "children": True},
}


def samplers() -> set[tuple[str, str]]:
    """The threads here that watch, one for each process that is watched: id, which is given anew as well, and begin."""
    found = set()
    for tid in os.listdir("/proc/self/task"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/self/task/{tid}/stat") as stat:
            name, fields = stat.read().rsplit(")", 1)
            if name.endswith("(conc-watch"):
                found.add((tid, fields.split()[19]))
    return found
