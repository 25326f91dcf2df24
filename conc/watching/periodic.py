"""A thread of Python's that looks at something again and again while a watch is on, for a small part of the time."""

from __future__ import annotations

import os
import threading
import time

from conc._threading_shim import daemon_threads_allowed, threads_are_native
from conc.threads import Thread
from conc.watching.locked import call_locked

SHARE = 0.01
"""Of the time, that looking may cost."""

_SCARCITY_S = 0.001
"""For so long nothing is tried when there is no memory even to wait."""

# No fork falls into a look: the child would keep what is open at that moment. A signal handler that forks may interrupt
# one in its own thread.
_looking = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_looking.acquire, after_in_parent=_looking.release, after_in_child=_looking.release)


class PeriodicLooker:
    """Calls `_look()`, which is the subclass's, each `_period_s` seconds, until it is told to end.

    It needs no memory to begin, to wait or to end: a new thread of threading's that finds none is waited for for ever,
    and so is an event whose set() finds none half way.
    """

    def __init__(self, name: str, period_s: float) -> None:
        self._asked_s = self._period_s = period_s
        self._go_on = threading.Lock()  # released when it is to end
        self._go_on.acquire()
        self._failed = 0
        self._ran = False
        self._starter_id: int | None = None
        kind = Thread if threads_are_native() else threading.Thread
        self._thread = kind(target=self._run, name=name, daemon=daemon_threads_allowed())

    @property
    def native_id(self) -> int | None:
        """Of the thread that looks; None before it has begun, and where it has none of its own (gevent)."""
        native_id = self._thread.native_id
        return None if native_id == self._starter_id else native_id

    def start(self) -> None:
        """Begin. Who starts it has to stop it before the interpreter ends."""
        self._starter_id = threading.get_native_id()
        self._thread.start()

    def abandon(self) -> None:
        """Nobody wants to know any more what was seen. The thread ends by itself."""
        if self._go_on.locked():
            self._go_on.release()

    def _join(self) -> None:
        """The last look is over. For any number of calls, and when nothing was started."""
        self.abandon()
        if self._thread.ident is not None:
            self._thread.join()
            self._failed += not self._ran  # it found no memory to begin with
            self._ran = True

    def _run(self) -> None:
        self._ran = True
        while True:
            try:
                if self._go_on.acquire(True, self._period_s):
                    return
                self._look_between_forks()
            except (MemoryError, SystemError):  # SystemError: where CPython itself has lost its MemoryError
                time.sleep(_SCARCITY_S)

    def _look_between_forks(self) -> None:
        call_locked(_looking, self._look)

    def _look(self) -> None:
        raise NotImplementedError
