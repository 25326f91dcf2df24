"""What the test of the driver needs: operations that do wrong."""

from __future__ import annotations

import contextlib
import os
import signal

from outcomes import Steps

import conc


def crash_on_the_third() -> Steps:
    """Dies when its third allocation fails."""

    def call() -> None:
        for i in range(5):
            try:
                conc.Thread()
            except MemoryError:
                if i == 2:
                    os.kill(os.getpid(), signal.SIGSEGV)

    yield call


KEPT: list[object] = []


def lose_a_block() -> Steps:
    """Keeps a handle for good."""

    def call() -> None:
        with contextlib.suppress(MemoryError):
            KEPT.append(conc.Thread())

    yield call


DELIBERATE = {"crash_on_the_third": crash_on_the_third, "lose_a_block": lose_a_block}
