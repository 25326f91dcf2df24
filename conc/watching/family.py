"""The processes that a watched one starts, and those that they start: found while they come, each watched by itself.

A thread of Python's looks now and then which children there are (the kernel lists them for each thread). A process that
begins and ends between two looks is not seen. One that executes another program is watched anew from then on.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol

from conc import _core
from conc.watching.periodic import SHARE, PeriodicLooker
from conc.watching.records import RawTimeline

THREAD_NAME = "conc-children"
PERIOD_S = 0.02
MOST_PROCESSES = 256

_LACKING = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
"""Errors after which the next look may see what this one did not."""

_STUB_NS = 50_000_000
"""What a process did before it executed its program is left out when it took no longer."""

_SETTLING_S = 1.0
"""For so long a process is looked at anew: its program may just begin."""


class Part(Protocol):
    """The watch of one process."""

    @property
    def begin_ns(self) -> int:
        """When it began."""

    @property
    def watcher_id(self) -> int:
        """Native id of the thread of ours that watches it."""

    @property
    def first_image(self) -> object:
        """image() when it began, or before."""

    def image(self) -> object:
        """What the process runs now: equal as long as it is the same program. None: it has ended."""

    def end(self) -> RawTimeline:
        """End it."""


class _Child:
    """One process, and the watches of the programs that it executed one after the other."""

    def __init__(self, part: Part, image: object, now_s: float) -> None:
        self.part: Part | None = part
        self.image = image
        self.began_s = now_s
        self.begins_anew = False
        self.done: list[tuple[int, RawTimeline]] = []

    def finish_part(self) -> None:
        if self.part is not None:
            self.done.append((self.part.begin_ns, self.part.end()))
            self.part = None

    def has_ended(self) -> None:
        """The process is gone, and with it what its watch saw last: the end may come between two looks of the watch."""
        self.finish_part()
        begin_ns, raw = self.done[-1]
        ended = (replace(one, end_ns=raw.end_ns) if one.end_ns is None else one for one in raw.threads)
        self.done[-1] = (begin_ns, replace(raw, threads=tuple(ended)))

    def timelines(self) -> list[RawTimeline]:
        """What it did before it executed its program is no row of its own, unless it took long."""
        kept = []
        for index, (begin_ns, raw) in enumerate(self.done):
            is_last = index + 1 == len(self.done)
            if is_last or self.done[index + 1][0] - begin_ns > _STUB_NS:
                kept.append(raw)
        return kept


class Family(PeriodicLooker):
    """The descendants of process `root`, from start() to stop()."""

    def __init__(
        self,
        root: int,
        begin: Callable[[int, int], Part | None],
        *,
        period_s: float = PERIOD_S,
        most: int = MOST_PROCESSES,
        children_of: Callable[[int], Iterable[int]] = _core.process_children,
        start_ticks_of: Callable[[int], int | None] = _core.process_start_ticks,
        thread_time: Callable[[], float] = time.thread_time,
    ) -> None:
        """`begin(pid, count)` begins to watch a process, when `count` others are watched; None: it is gone.

        `thread_time` is what looking costs, in seconds of CPU.
        """
        super().__init__(THREAD_NAME, period_s)
        self._root = root
        self._begin = begin
        self._slowest_s = period_s
        self._most = most
        self._children_of, self._start_ticks_of = children_of, start_ticks_of
        self._thread_time = thread_time
        self.watchers: set[int] = set()
        """Native ids of the threads of ours that watch them, or did."""
        self._alive: dict[tuple[int, int], _Child] = {}
        self._ended: list[_Child] = []
        self._left_out: set[tuple[int, int]] = set()  # more than may be watched, and there at the last look
        self._not_watched = 0  # how many of those there have been
        self._missed: set[tuple[int, int]] = set()  # not watched, and there at the last look
        self._lost = 0  # of those, how many had ended by the next
        self._unknown: str | None = None

    def start(self) -> None:
        """Watch those that there are, and go on in a thread."""
        self._look_between_forks()
        super().start()

    def stop(self) -> tuple[list[RawTimeline], dict[str, str], list[str]]:
        """End: what each process did, what is not known and why, and notes."""
        self._join()
        for key, child in self._alive.items():
            if self._is_gone(key):
                child.has_ended()  # since the last look
            else:
                child.finish_part()
        family = [*self._ended, *self._alive.values()]
        self._alive.clear()
        unknown = {} if self._unknown is None else {"children": self._unknown}
        raws = [raw for child in family for raw in child.timelines()]
        return sorted(raws, key=lambda raw: raw.begin_ns), unknown, self._notes()

    def _look(self) -> None:
        try:
            self._look_for_all()
        except (MemoryError, OSError, RuntimeError):  # RuntimeError: no memory for a lock
            self._failed += 1  # one look less; the next one finds what this one has missed

    def _look_for_all(self) -> None:
        now_s, began_s = time.monotonic(), self._thread_time()
        found = self._descendants()
        self._period_s = max(self._asked_s, (self._thread_time() - began_s) / SHARE)
        self._slowest_s = max(self._slowest_s, self._period_s)
        self._lost += len(self._missed - found)
        self._missed &= found
        self._left_out &= found
        for key, child in list(self._alive.items()):
            if key not in found:
                child.has_ended()
                self._ended.append(child)
                del self._alive[key]
            elif now_s - child.began_s < _SETTLING_S:
                self._look_at_image(key, child)
        for key in sorted(found - self._alive.keys() - self._left_out, key=lambda key: (key[1], key[0])):
            self._add(key, now_s)

    def _descendants(self) -> set[tuple[int, int]]:
        """(pid, when it began) of each that lives: an id is given anew."""
        found: set[tuple[int, int]] = set()
        parents = [self._root]
        while parents and self._unknown is None:
            try:
                for pid in self._children_of(parents.pop()):
                    ticks = self._start_ticks_of(pid)
                    if ticks is not None and (pid, ticks) not in found:
                        found.add((pid, ticks))
                        parents.append(pid)
            except OSError as error:
                if error.errno in _LACKING:
                    raise
                self._unknown = f"children cannot be listed here: {error.strerror}"
        return found

    def _add(self, key: tuple[int, int], now_s: float) -> None:
        if len(self._alive) + len(self._ended) >= self._most:
            self._left_out.add(key)
            self._not_watched += 1
            return
        part = self._begin_part(key)
        if part is None:
            self._missed.add(key)
        else:
            self._missed.discard(key)
            self._alive[key] = _Child(part, part.first_image, now_s)

    def _begin_part(self, key: tuple[int, int]) -> Part | None:
        """None: it is gone, and perhaps another one has its id by now."""
        pid, ticks = key
        part = self._begin(pid, len(self._alive))
        if part is None:
            return None
        self.watchers.add(part.watcher_id)
        if self._start_ticks_of(pid) in (ticks, None):
            return part
        part.end()  # what it has seen is the other one's, which the next look finds
        return None

    def _is_gone(self, key: tuple[int, int]) -> bool:
        pid, ticks = key
        try:
            return self._start_ticks_of(pid) != ticks
        except OSError:
            return False  # not known

    def _look_at_image(self, key: tuple[int, int], child: _Child) -> None:
        if child.part is not None:
            image = child.part.image()
            if image is None or image == child.image:
                return
            child.finish_part()
            child.begins_anew = True
        if child.begins_anew:
            child.part = self._begin_part(key)
            child.begins_anew = False  # unless that failed: the next look tries it again
            child.image = None if child.part is None else child.part.first_image

    def _notes(self) -> list[str]:
        notes = []
        if self._failed:
            notes.append(f"{self._failed} looks for children failed: memory, threads or descriptors were lacking")
        if missed := self._lost + len(self._missed):
            notes.append(f"processes that ended before they were watched, or could not be: {missed}")
        if self._not_watched:
            notes.append(f"{self._not_watched} processes were not watched: {self._most} are the most")
        if self._slowest_s > 2 * self._asked_s:
            notes.append(
                f"children were looked for each {self._slowest_s:.3g} s at times, since a look takes long: "
                "those that lived shorter may be missing"
            )
        return notes
