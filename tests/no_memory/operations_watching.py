"""Watches and stall guards with failing allocations."""

from __future__ import annotations

import os
import time

from outcomes import Steps, expect, no_more_threads, operation

import conc
from conc import _core


@operation
def stall_guard_start() -> Steps:
    """All of it or nothing: a refused start leaves no thread, descriptor or handler, and the next one works."""
    free = _core.free_signal()
    with open(os.devnull, "w") as file:
        guard = conc.stall_guard(60.0, file=file)
        outcome = yield guard.start
        if not no_more_threads(outcome):
            assert not guard.armed
            assert _core.free_signal() == free
            guard.start()
        guard.stop()
    assert _core.free_signal() == free
    assert guard.stalls == ()


@operation
def watch() -> Steps:
    def look() -> conc.Watch:
        with conc.watch(interval=0.001) as watched:
            time.sleep(0.005)
        return watched

    outcome = yield look
    # Without memory for the sampler's thread there is none to be had.
    if expect(outcome, BlockingIOError):
        assert outcome.value.raw.end_ns > outcome.value.raw.begin_ns
    assert len(look().raw.threads) >= 1
