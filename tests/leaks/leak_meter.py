"""What a process holds, and whether repeating something makes it hold more.

A leak grows with every window of rounds; noise does not. So the growth of a figure is the least that any window showed,
and it is a leak when that comes to one unit a round.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import sysconfig
import tempfile
import time
import types
from collections import Counter
from collections.abc import Callable
from pathlib import Path

WARM_UP_ROUNDS = 3
FEWEST_WINDOWS, MOST_WINDOWS = 2, 24
FEWEST_ROUNDS, MOST_ROUNDS = 4, 60
WINDOW_S = 0.06
SETTLING_S = 5.0

# What one round must leave behind at least to be called a leak. malloc's smallest block has 32 bytes.
UNITS = {"native_bytes": 32}
# Without the GIL, and in every 3.12, an interned string is immortal, and pathlib interns the names in paths such as
# /proc/<pid>: its blocks grow with each new name, whoever uses it.
INTERNED_FOR_EVER = bool(sysconfig.get_config_var("Py_GIL_DISABLED")) or sys.version_info[:2] == (3, 12)
OURS = ("conc.", "leak_", "scenarios_")

Reading = dict[str, int]


_MALLINFO_FIELDS = (
    *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
    *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
)


class _MallInfo(ctypes.Structure):
    """struct mallinfo2 of mallinfo(3)."""

    _fields_ = [(name, ctypes.c_size_t) for name in _MALLINFO_FIELDS]


def _mallinfo2() -> Callable[[], _MallInfo] | None:
    function = getattr(ctypes.CDLL(None), "mallinfo2", None)  # glibc 2.33 and later
    if function is not None:
        function.restype = _MallInfo
    return function


_mallinfo = _mallinfo2()


def threads() -> int:
    """Of this process, as the kernel counts them."""
    return len(os.listdir("/proc/self/task"))


def children() -> int:
    """Processes that this one has to wait for, zombies too."""
    return sum(len(path.read_text().split()) for path in Path("/proc/self/task").glob("*/children"))


def files() -> int:
    """In the folder of temporary files; the tests give the process one of its own."""
    return sum(len(folders) + len(names) for _, folders, names in os.walk(tempfile.gettempdir()))


# The interpreter's cache of attributes keeps a reference to each name that was looked up, one made for a call from C
# too: up to some thousands of strings that come and go with where their addresses fall.
_clear_caches: Callable[[], object] = getattr(sys, "_clear_internal_caches", None) or sys._clear_type_cache


def read(witnesses: tuple[object, ...] = ()) -> Reading:
    """All figures at this moment; garbage in cycles has been collected."""
    _clear_caches()
    reading = {
        "objects": len(gc.get_objects()),
        "references_to_witnesses": sum(map(sys.getrefcount, witnesses)),
        "mapped_regions": Path("/proc/self/maps").read_bytes().count(b"\n"),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": threads(),
        "children": children(),
        "files": files(),
    }
    if not INTERNED_FOR_EVER:
        reading["blocks"] = sys.getallocatedblocks()
    if _mallinfo is not None:
        info = _mallinfo()
        reading["native_bytes"] = info.uordblks + info.hblkhd
    total = getattr(sys, "gettotalrefcount", None)  # debug builds
    if total is not None:
        reading["all_references"] = total()
    return reading


def settle(before: Reading, patience_s: float = SETTLING_S) -> None:
    """Wait until the threads and children that have been told to end are gone, but not for long: they may be leaked.

    The kernel has no event for either; a thread that was joined is listed for some microseconds more.
    """
    deadline = time.monotonic() + patience_s
    while threads() > before["threads"] or children() > before["children"]:
        if time.monotonic() > deadline:
            return
        os.sched_yield()


def cyclic_garbage() -> Counter[str]:
    """Collect what only the collector can free, and tell the objects among it that are ours by their types."""
    flags = gc.get_debug()
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    ours = Counter(_type_name(item) for item in gc.garbage if _is_ours(item))
    gc.garbage.clear()
    gc.set_debug(flags)
    gc.collect()
    return ours


def _type_name(item: object) -> str:
    return f"{type(item).__module__}.{type(item).__qualname__}"


def _is_ours(item: object) -> bool:
    if isinstance(item, types.FrameType):
        return "/conc/" in item.f_code.co_filename
    return not isinstance(item, type) and type(item).__module__.startswith(OURS)


class Growth:
    """How much more is held after each round, over windows of rounds."""

    def __init__(
        self,
        scenario: Callable[[], object],
        witnesses: tuple[object, ...] = (),
        *,
        most_rounds: int = MOST_ROUNDS,
        most_windows: int = MOST_WINDOWS,
        patience_s: float = SETTLING_S,
    ) -> None:
        self.least: Reading = {}
        self.cycles: Counter[str] = Counter()
        self.rounds = 0
        self._scenario = scenario
        self._witnesses = witnesses
        self._last: Reading = {}
        self._most_rounds, self._most_windows, self._patience_s = most_rounds, most_windows, patience_s

    def leaks(self) -> dict[str, float]:
        """What leaks, and how much of it a round."""
        self._warm_up()
        gc.collect()
        gc.freeze()  # what was there before is none of ours, and need not be looked through each time
        return self._measure()

    def _measure(self) -> dict[str, float]:
        self._last = read(self._witnesses)
        for window in range(self._most_windows):
            self._window()
            found = {
                name: growth / self.rounds
                for name, growth in self.least.items()
                if growth >= self.rounds * UNITS.get(name, 1)
            }
            if not found and window + 1 >= FEWEST_WINDOWS:
                break
        return found

    def _warm_up(self) -> None:
        start = time.perf_counter()
        for _ in range(WARM_UP_ROUNDS):
            self._scenario()
        once = (time.perf_counter() - start) / WARM_UP_ROUNDS
        self.rounds = min(max(int(WINDOW_S / once), FEWEST_ROUNDS), self._most_rounds)

    def _window(self) -> None:
        enabled = gc.isenabled()
        gc.disable()
        try:
            for _ in range(self.rounds):
                self._scenario()
            settle(self._last, self._patience_s)
            cycles = cyclic_garbage()
        finally:
            if enabled:
                gc.enable()
        if not self.least or cycles.total() < self.cycles.total():
            self.cycles = cycles
        now = read(self._witnesses)
        for name, value in now.items():
            growth = value - self._last[name]
            self.least[name] = min(self.least.get(name, growth), growth)
        self._last = now
