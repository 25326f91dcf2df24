"""The watch of this process: its threads with the names that Python gives them, and its GIL."""

from __future__ import annotations

import os
import sys
import time

from conc import _core
from conc.watching.names import ThreadNames, want_names, want_names_no_more

TYPE_CHECKING = False  # typing's own is a module more, in the way of a watch that begins
if TYPE_CHECKING:
    from conc.watching.records import RawTimeline


class OwnProcess:
    """This process, watched from the moment at which this is made until stop()."""

    def __init__(self, interval_ns: int, descriptors: int) -> None:
        """Begin.

        Raises:
            OSError: no thread is to be had to watch it.
        """
        self.pid = os.getpid()
        self._names = ThreadNames()
        want_names(self._names)
        try:
            tids = self._names.note_living(time.monotonic_ns())
            layout, self._blind = _gil_layout()
            self._watcher = _core.Watcher(interval_ns, tids, descriptors, layout)
        except BaseException:
            want_names_no_more(self._names)
            raise

    def abandon(self) -> None:
        """Nobody wants to know any more what was seen. The sampler ends with this object."""
        want_names_no_more(self._names)

    def stop(self) -> None:
        """End the watch."""
        want_names_no_more(self._names)
        self._names.note_living(time.monotonic_ns())
        self._watcher.stop()
        self._process = os.getpid(), _program_name(), _gil_is_on()

    def timeline(self) -> RawTimeline:
        """What was seen, of one that was stopped."""
        from conc.cpus import cpu_count
        from conc.watching import reading
        from conc.watching.records import RawProcess

        pid, name, gil = self._process
        process = RawProcess(pid=pid, name=name, gil=gil, python=sys.version.split()[0])
        return reading.timeline_of(self._watcher.take(), self._names.copy(), process, self._blind, cpu_count())


def _gil_layout() -> tuple[bytes | None, dict[str, str]]:
    """Where the GIL is to be read, and what of it cannot be (as in `RawTimeline.unknown`)."""
    layout = _core.gil_layout()
    if isinstance(layout, bytes):
        return layout, {}
    learned = _core.learned_gil_layout()
    if isinstance(learned, bytes):
        return learned, {"gil_holder": f"{layout}; who waits for the GIL is seen, and not who has it"}
    return None, {"gil": f"{layout}; and where threads wait for it could not be seen either: {learned}"}


def _program_name() -> str:
    program = os.path.basename(sys.argv[0]) if getattr(sys, "argv", None) else ""
    return program if program not in ("", "-c", "-m") else "python"


def _gil_is_on() -> bool:
    """What conc.gil.gil_enabled() says, whose module takes more to import than a watch to end."""
    ask = getattr(sys, "_is_gil_enabled", None)
    return ask is None or bool(ask())
