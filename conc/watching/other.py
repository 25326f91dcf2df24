"""The watch of another process: who it is, what it runs, and what of it may be seen."""

from __future__ import annotations

import contextlib
import os
import re
import time
from dataclasses import replace

from conc import _core
from conc.watching import permission, reading
from conc.watching.layouts import ProcessLayout, UnknownLayout, find_layout
from conc.watching.names import ThreadNames
from conc.watching.proc_file import content
from conc.watching.records import RawProcess, RawTimeline

_SECOND_LOOK_NS = 40_000_000
"""A program that has just begun may not have mapped its interpreter yet: it is looked for once more after that."""

_PYTHON = re.compile(r"python[\d.]*t?(-.*|\.exe)?", re.IGNORECASE)


def check_may_be_watched(pid: int) -> None:
    """Nothing, when the threads of process `pid` may be seen by this one.

    Raises:
        ProcessLookupError: it is not there, or hidden.
        PermissionError: that takes the right to trace it (ptrace); the message says what is missing.
    """
    try:
        gone = _core.process_start_ticks(pid) is None
        if not gone:
            _core.check_traceable(pid)
    except PermissionError as error:
        raise PermissionError(
            error.errno, f"watching takes the right to trace: {permission.trace_refusal(pid)}"
        ) from None
    except OSError:
        # Not gone, it is of a kernel that does not tell of system calls: the rest is seen.
        gone = _core.process_start_ticks(pid) is None
    if gone:
        raise ProcessLookupError(f"cannot watch process {pid}: {permission.missing_process(pid)}")


class OtherProcess:
    """One other process, watched from the moment at which this is made until stop(), as far as the system lets us."""

    def __init__(self, pid: int, interval_ns: int, descriptors: int) -> None:
        """Begin.

        Raises:
            ProcessLookupError: it has ended.
            OSError: no thread is to be had to watch it.
        """
        ticks = _core.process_start_ticks(pid)
        if ticks is None:
            raise ProcessLookupError(f"process {pid} has ended")
        self.pid = pid
        self.first_image: object = (_program_identity(pid), False)
        """image() before anything else was asked of the process: it may execute another program meanwhile."""
        self.begin_ns = time.monotonic_ns()
        self._start_ticks = ticks
        self._name = program_name(pid)
        self._cpus = _cpus_of(pid)
        self._gil_is_on: bool | None = None
        self._looked_again = self._found_late = False
        self._layout, self._blind = _layout_of(pid)
        layout = None if self._layout is None else self._layout.layout
        if self._layout is not None:
            self._gil_is_on = _gil_is_on(self._layout)
        self._watcher = _core.Watcher(interval_ns, (), descriptors, layout, pid=pid)

    @property
    def version(self) -> str | None:
        """Of its interpreter; None: not known."""
        return None if self._layout is None else self._layout.version

    @property
    def watcher_id(self) -> int:
        """Native id of the thread of ours that watches it."""
        return self._watcher.native_id

    def has_ended(self) -> bool:
        """Whether it is gone, or a zombie."""
        return _core.process_start_ticks(self.pid) != self._start_ticks

    def image(self) -> object:
        """Equal as long as the process runs the same program, and no more could be known of it. None: it has ended."""
        if self.has_ended():
            return None
        is_late = time.monotonic_ns() - self.begin_ns > _SECOND_LOOK_NS
        if self._layout is None and is_late and not self._looked_again:
            self._looked_again = True
            self._found_late = _layout_of(self.pid)[0] is not None
        return _program_identity(self.pid), self._found_late

    def abandon(self) -> None:
        """Nobody wants to know any more what was seen. The sampler ends with this object."""

    def stop(self) -> None:
        """End the watch."""
        self._seen = self.end()

    def timeline(self) -> RawTimeline:
        """What was seen, of one that was stopped."""
        return self._seen

    def end(self) -> RawTimeline:
        """End the watch: what was seen."""
        self._watcher.stop()
        if not self.has_ended():
            self._name = program_name(self.pid)
        process = RawProcess(self.pid, self._name, self._gil_is_on, self.version)
        blind = {} if self._blind is None else {"gil": self._blind}
        raw = reading.timeline_of(self._watcher.take(), ThreadNames(), process, blind, self._cpus)
        unknown = dict(raw.unknown)
        if self._blind is None and self.has_ended():
            unknown.pop("gil", None)  # it could not be read any more
        if "syscall" in unknown:
            # What the system refused is its own word; what can be done about it is ours.
            unknown["syscall"] += f": {permission.trace_refusal(self.pid)}"
        return replace(raw, unknown=unknown)


def _cpus_of(pid: int) -> int | None:
    try:
        return len(os.sched_getaffinity(pid))
    except OSError:
        return None


def _layout_of(pid: int) -> tuple[ProcessLayout | None, str | None]:
    """Where it keeps its GIL, or why that is not known."""
    try:
        return find_layout(pid), None
    except UnknownLayout as error:
        return None, str(error)
    except PermissionError:
        return None, permission.trace_refusal(pid)
    except OSError as error:
        return None, f"its interpreter was not found: {error.strerror or error}"


def _gil_is_on(layout: ProcessLayout) -> bool | None:
    if not layout.free_threaded:
        return True
    with contextlib.suppress(OSError):
        for _, enabled, _, _, _ in _core.GilReader(layout.pid, layout.layout).read():
            return bool(enabled)
    return None


def _program_identity(pid: int) -> object:
    """What differs when a process executes another program: the addresses that the kernel gives to each anew."""
    try:
        return content(f"/proc/{pid}/auxv")
    except OSError:
        return None


def program_name(pid: int) -> str:
    """What a process is called: its script or module when it is a Python, else its program."""
    try:
        words = content(f"/proc/{pid}/cmdline").decode(errors="replace").split("\0")
    except OSError:
        words = [""]
    program = os.path.basename(words[0])
    if not _PYTHON.fullmatch(program):
        return program or f"process {pid}"
    return _script_in(words[1:]) or program


def _script_in(words: list[str]) -> str | None:
    """The script or module of a Python's command line; None for -c, standard input and what is not understood."""
    words = [word for word in words if word]
    while words:
        word = words.pop(0)
        if word in ("-X", "-W", "--check-hash-based-pycs"):
            del words[:1]
        elif re.fullmatch(r"-[a-zA-Z]*m", word):
            return words[0] if words else None
        elif not word.startswith("-"):
            return os.path.basename(word)
        elif re.fullmatch(r"-[a-zA-Z]*c|-", word):
            return None
    return None
