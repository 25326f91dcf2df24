"""An event loop's heartbeat: a callback that the loop runs again and again, by which others see that it turns."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable


class Heart:
    """Beats in a loop (asyncio's, uvloop's, ...), from the first turn on in which it runs.

    Args:
        loop: the event loop.
        interval_s: seconds between two beats.
        beat: what to call at each.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, interval_s: float, beat: Callable[[], object]) -> None:
        self.loop = loop
        self._interval_s = interval_s
        self._count = beat
        self._handle: asyncio.TimerHandle | None = None
        self._alive = False
        self.ident: int | None = None  # of the thread in which it beat last, by threading

    def _in_its_thread(self) -> bool:
        return asyncio._get_running_loop() is self.loop

    def start(self) -> None:
        """From any thread.

        Raises:
            RuntimeError: the loop is closed.
        """
        self._alive = True
        if self._in_its_thread():
            self._beat()
        else:
            self.loop.call_soon_threadsafe(self._beat)

    def _beat(self) -> None:
        if self._alive:
            self.ident = threading.get_ident()
            self._count()
            self._handle = self.loop.call_later(self._interval_s, self._beat)

    def _cancel(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.cancel()

    def stop(self) -> None:
        """Leave nothing in the loop; from any thread, also when the loop is closed."""
        if not self._alive:
            return
        self._alive = False
        if self._in_its_thread():
            self._cancel()
            return
        try:
            self.loop.call_soon_threadsafe(self._cancel)
        except RuntimeError:
            self._handle = None  # the loop is closed, and forgot its callbacks

    def forget(self) -> None:
        """In the child of a fork: beat no more, and touch nothing of the loop, whose descriptors are the parent's."""
        self._alive = False
        self._cancel()
