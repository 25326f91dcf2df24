"""Child processes with failing allocations."""

from __future__ import annotations

import contextlib
import gc
import os
import subprocess

from outcomes import DEADLINE_S, Outcome, Steps, expect, operation

import conc


@operation
def process_run() -> Steps:
    outcome = yield lambda: conc.run(["/bin/true"])
    if expect(outcome, OSError):
        assert outcome.value.returncode == 0
    no_child_is_left(outcome)


@operation
def process_run_cat() -> Steps:
    said = b"conc" * 50000
    outcome = yield lambda: conc.run(["/bin/cat"], input=said, capture_output=True)
    if expect(outcome, OSError):
        assert outcome.value.stdout == said
    no_child_is_left(outcome)


@operation
def process_run_timeout() -> Steps:
    def call() -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            conc.run(["/bin/sleep", "100"], timeout=0.01)

    outcome = yield call
    expect(outcome, OSError, subprocess.TimeoutExpired)
    no_child_is_left(outcome)


@operation
def process_spawn() -> Steps:
    outcome = yield lambda: conc.spawn(["/bin/cat"], stdin=conc.PIPE, stdout=conc.PIPE)
    if expect(outcome, OSError):
        assert outcome.value.communicate(b"x", DEADLINE_S) == (b"x", None)
    outcome.value = None
    no_child_is_left(outcome)


@operation
def process_communicate() -> Steps:
    child = conc.spawn(["/bin/cat"], stdin=conc.PIPE, stdout=conc.PIPE)
    outcome = yield lambda: (child.communicate(b"x" * 100000, DEADLINE_S), child.usage, child.poll())
    if expect(outcome):
        assert outcome.value[0] == (b"x" * 100000, None)
    else:  # it goes on where it was, and nothing is lost
        rest = b"x" * 100000 if child._relay is None else None
        assert child.communicate(rest, DEADLINE_S) == (b"x" * 100000, None)
    assert child.wait(DEADLINE_S) == 0
    no_child_is_left(outcome)


def no_child_is_left(outcome: Outcome) -> None:
    """Nobody is left to be waited for, neither running nor ended, once the caller has forgotten the error."""
    outcome.error = outcome.value = None
    gc.collect()
    try:
        pid, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return
    raise AssertionError(f"a child was left: pid {pid}, status {status}")
