"""Runs one operation of conc with its first, second, third ... allocation failing; tests/test_no_memory.py starts it.

    python driver.py LIBRARY OPERATION KIND

LIBRARY is what tools/faulty_core.py built. KIND is what is made to fail, each call alone and with those that follow:
"python", the interpreter's allocations, in whichever thread they come; "memory", the core's; "system", the core's
requests to the system. Says on stdout where it is before each attempt, so that whoever reads the output of a crash
knows what it was; ends with "ok".
"""

from __future__ import annotations

import faulthandler
import gc
import importlib.machinery
import importlib.util
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

MOST = 60  # attempts of one kind: of more calls, so many are taken at even distances

# How many calls fail one after the other where it lasts. Not all that follow for the interpreter's own: an exception
# handler that cannot have its int for the place of the error is entered again for that, for ever (ceval.c).
LASTING = 1 << 40
LASTING_IN_PYTHON = 40


def load(name: str, library: str) -> Any:
    """The module `name` of the shared library."""
    loader = importlib.machinery.ExtensionFileLoader(name, library)
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


faults = load("_faults", sys.argv[1])
core = sys.modules["conc._core"] = load("conc._core", sys.argv[1])

import operations  # noqa: E402, F401 - registers them
from operations_deliberate import DELIBERATE  # noqa: E402
from outcomes import CPYTHON_KEEPS, CPYTHON_SAYS, DEADLINE_S, OPERATIONS, Outcome  # noqa: E402

import conc.threads  # noqa: E402, F401  (with the core above)


def holdings() -> tuple[int, int, int, int]:
    """Descriptors, threads, and the core's blocks and mapped bytes."""
    return (len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task")), *faults.held())


def settle(before: tuple[int, ...]) -> tuple[int, ...]:
    """The holdings, once they are no more than `before` or have had their time."""
    gc.collect()  # an error holds its frames, which may hold the error
    core.join_threads()
    end = time.monotonic() + (0.05 if sys.argv[2] in CPYTHON_KEEPS else DEADLINE_S)
    while any(now > then for now, then in zip(holdings(), before, strict=True)) and time.monotonic() < end:
        time.sleep(0.001)
    return holdings()


def attempt(operation: Callable[[], Any], kind: int, first: int, last: int) -> None:
    """One turn of the operation: its preparation, the armed call, and its own checks of what came of it."""
    steps = operation()
    call = next(steps)
    arm, disarm = faults.arm, faults.disarm
    value = error = None
    arm(kind, first, last)
    try:
        value = call()
    except BaseException as raised:
        disarm()
        error = raised
    else:
        disarm()
    outcome = Outcome(value, error, faults.injected())
    del value, call, error
    try:
        steps.send(outcome)
    except StopIteration:
        pass
    else:
        raise AssertionError("the operation did not end")


def try_all(operation: Callable[[], Any], kind: int, after: bool, baseline: tuple[int, ...]) -> int:
    """Fail each call of the kind, or as many as are tried; how many that were."""
    attempt(operation, kind, 0, 0)
    seen = faults.seen()
    lasting = LASTING_IN_PYTHON if kind == faults.PYTHON else LASTING
    numbers = range(1, seen + 1) if seen <= MOST else [1 + i * (seen - 1) // (MOST - 1) for i in range(MOST)]
    for n in numbers:
        os.write(1, f"{sys.argv[3]} call {n}{' and on' if after else ''} of {seen}\n".encode())
        attempt(operation, kind, n, n + lasting if after else n)
        left = settle(baseline)
        if sys.argv[2] in CPYTHON_KEEPS:
            left = (*left[:2], *baseline[2:])
        assert all(now <= then for now, then in zip(left, baseline, strict=True)), f"left {left}, before {baseline}"
    return len(numbers)


def main() -> None:
    """Every kind of failure for the operation that is named."""
    faulthandler.dump_traceback_later(80, exit=True)
    operation = {**OPERATIONS, **DELIBERATE}[sys.argv[2]]
    unraisable: list[str] = []
    sys.unraisablehook = lambda hint: unraisable.append(f"{hint.exc_type.__name__}: {hint.exc_value}")
    threading.excepthook = lambda args: unraisable.append(f"{args.exc_type.__name__}: {args.exc_value}")
    for _ in range(3):  # what is made once, by us and by the interpreter, is there from now on
        attempt(operation, faults.PYTHON, 0, 0)
    baseline = settle(holdings())
    kind = {"python": faults.PYTHON, "memory": faults.MEMORY, "system": faults.SYSTEM}[sys.argv[3]]
    # A standard library's `threading.Thread(target=pow)` alone crashes when ten allocations in a row fail: 3.12.1 does.
    lasting = kind != faults.PYTHON or sys.version_info < (3, 12)
    failed = sum(try_all(operation, kind, after, baseline) for after in ((False, True) if lasting else (False,)))
    said = [f"{kind.__name__}: {text}" for kind, texts in CPYTHON_SAYS.items() for text in texts]
    wrong = [text for text in unraisable if not text.startswith(("MemoryError", "RuntimeError: can't start", *said))]
    assert not wrong, wrong
    print(f"ok: {failed} failed")


if __name__ == "__main__":
    main()
