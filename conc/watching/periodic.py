"""A thread of Python's that looks at something again and again while a watch is on, for a small part of the time."""

from __future__ import annotations

import os
import threading

from conc._threading_shim import daemon_threads_allowed

SHARE = 0.01
"""Of the time, that looking may cost."""


# No fork falls into a look: the child would keep what is open at that moment. A signal handler that forks may interrupt
# one in its own thread.
_looking = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_looking.acquire, after_in_parent=_looking.release, after_in_child=_looking.release)


class PeriodicLooker:
    """Calls `_look()`, which is the subclass's, each `_period_s` seconds, until it is told to end."""

    def __init__(self, name: str, period_s: float) -> None:
        self._asked_s = self._period_s = period_s
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=daemon_threads_allowed())

    @property
    def native_id(self) -> int | None:
        """Of the thread that looks; None before it has begun."""
        return self._thread.native_id

    def start(self) -> None:
        """Begin. Who starts it has to stop it before the interpreter ends."""
        self._thread.start()

    def abandon(self) -> None:
        """Nobody wants to know any more what was seen. The thread ends by itself."""
        self._end.set()

    def _join(self) -> None:
        """The last look is over. For any number of calls, and when nothing was started."""
        self._end.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(self._period_s):
            self._look_between_forks()

    def _look_between_forks(self) -> None:
        with _looking:
            self._look()

    def _look(self) -> None:
        raise NotImplementedError
