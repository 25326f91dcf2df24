"""What may come of a call that met a failing allocation, and the register of operations."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Generator
from typing import Any

import conc
from conc import kernels

DEADLINE_S = 5


class Outcome:
    """What came of the call that met the failure: its value, or its error; and how many allocations failed."""

    def __init__(self, value: Any, error: BaseException | None, injected: int) -> None:
        self.value = value
        self.error = error
        self.injected = injected


# What CPython itself makes of missing memory, and no code of ours can change: open() and stat() of a Path, _thread,
# _io. The last comes of no code of ours either: a function whose body is chr(-1) raises it likewise under
# _testcapi.set_nomemory().
CPYTHON_SAYS: dict[type[BaseException], tuple[str, ...]] = {
    TypeError: (
        "expected str, bytes or os.PathLike object, not PosixPath",
        "stat: path should be string, bytes, os.PathLike or integer, not PosixPath",
    ),
    RuntimeError: ("can't allocate lock", "can't allocate read lock"),
    SystemError: ("error return without exception set",),
}

Steps = Generator[Callable[[], Any], Outcome, None]

# Where CPython loses a frame and what that held: in an async function with variables that an inner function uses, whose
# arguments it loses when there is no memory for the cells (3.11). Their blocks are not counted.
CPYTHON_KEEPS = {"thread_await"}

OPERATIONS: dict[str, Callable[[], Steps]] = {}


def operation(function: Callable[[], Steps]) -> Callable[[], Steps]:
    """Register under its name."""
    OPERATIONS[function.__name__] = function
    return function


def expect(outcome: Outcome, *also: type[BaseException]) -> bool:
    """Whether it succeeded; an error must be MemoryError, or one of `also` when something failed on purpose."""
    if outcome.error is None:
        return True
    assert outcome.injected > 0, outcome.error
    if str(outcome.error) in CPYTHON_SAYS.get(type(outcome.error), ()):
        return False
    if not isinstance(outcome.error, (MemoryError, *also)):
        raise AssertionError(f"not a documented error: {outcome.error!r}") from outcome.error
    return False


def no_more_threads(outcome: Outcome, *also: type[BaseException]) -> bool:
    """Like expect(), for what starts a thread: RuntimeError is what threading raises when there is none to be had."""
    if isinstance(outcome.error, RuntimeError):
        assert str(outcome.error).startswith(("can't start", *CPYTHON_SAYS[RuntimeError])), outcome.error
    return expect(outcome, RuntimeError, *also)


def comes_to_its_end(future: concurrent.futures.Future[Any], value: Any) -> None:
    """An accepted task gives its value or a MemoryError; it is never lost."""
    error = future.exception(DEADLINE_S)
    assert error is None or isinstance(error, MemoryError), repr(error)
    assert error is not None or future.result() == value


def works(pool: conc.ThreadPoolExecutor) -> None:
    """The pool takes work and ends."""
    assert pool.submit(pow, 2, 10).result(DEADLINE_S) == 1024
    assert [list(each) for each in pool.map(kernels.prime_factors, [12, 35])] == [[2, 2, 3], [5, 7]]
    pool.shutdown()
