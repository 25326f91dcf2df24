"""Awaiting a ``conc.Future``: completions reach a running loop in batches, one wake-up for many."""

from __future__ import annotations

import asyncio
import threading
import time
import weakref
from collections import deque
from typing import Any


class _Bridge:
    """From the threads that complete futures to one event loop.

    Who completes puts the waiter into a queue, and wakes the loop only if it found no wake-up under way.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = weakref.ref(loop)
        self._ended: deque[asyncio.Future[None]] = deque()
        self._woken = False
        self._lock = threading.Lock()

    def put(self, waiter: asyncio.Future[None]) -> None:
        """In any thread: the waiter's future is done."""
        with self._lock:
            self._ended.append(waiter)
            if self._woken:
                return
            self._woken = True
        while (loop := self.loop()) is not None:
            try:
                loop.call_soon_threadsafe(self._drain)
            except MemoryError:  # all who await in this loop count on it: it is tried again until there is some
                time.sleep(0.001)
            except RuntimeError:  # the loop is closed: nobody waits any more
                with self._lock:
                    self._woken = False
                    self._ended.clear()
                return
            else:
                return

    def _drain(self) -> None:
        """In the loop."""
        with self._lock:
            self._woken = False
            ended, self._ended = self._ended, deque()
        for waiter in ended:
            if not waiter.done():  # cancelled meanwhile
                waiter.set_result(None)


_bridges: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Bridge] = weakref.WeakKeyDictionary()


class _Latest(threading.local):
    """The bridge that a thread used last, since a look into a weak dictionary costs more than all the rest."""

    bridge: _Bridge | None = None


_latest = _Latest()


def _bridge_of(loop: asyncio.AbstractEventLoop) -> _Bridge:
    bridge = _latest.bridge
    if bridge is None or bridge.loop() is not loop:
        bridge = _latest.bridge = _bridges.setdefault(loop, _Bridge(loop))
    return bridge


class Waiter:
    """The done callback of an await: it lets go of its loop once the await is over."""

    __slots__ = ("_bridge", "_waiter")

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._bridge: _Bridge | None = _bridge_of(loop)
        self._waiter: asyncio.Future[None] | None = loop.create_future()

    def __call__(self, _: object) -> None:
        """In the thread that completes the future."""
        bridge, waiter = self._bridge, self._waiter
        if bridge is not None and waiter is not None:
            bridge.put(waiter)

    def __iter__(self) -> Any:
        """Suspend the task until the future is done."""
        assert self._waiter is not None
        try:
            yield from self._waiter
        finally:
            self._bridge = self._waiter = None
