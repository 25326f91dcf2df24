"""A lock that is let go of whatever comes: of its users, a signal handler, or for want of memory."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from conc.watching.locked import call_locked


class _WithoutMemory:
    """A reentrant lock whose `with` finds no memory at its end, as CPython's may not."""

    def __init__(self) -> None:
        self.lock: Any = threading.RLock()
        self.release = self.lock.release
        self._is_owned = self.lock._is_owned

    def __enter__(self) -> None:
        self.lock.acquire()

    def __exit__(self, *_: object) -> None:
        raise MemoryError


def is_free(lock: Any) -> bool:
    """Whether another thread could have it."""
    free: list[bool] = []
    thread = threading.Thread(target=lambda: free.append(lock.acquire(blocking=False)))
    thread.start()
    thread.join()
    return free == [True]


def test_the_value_is_the_functions() -> None:
    lock: Any = threading.RLock()
    assert call_locked(lock, lambda: (not is_free(lock), lock._is_owned())) == (True, True)
    assert is_free(lock)


def test_an_error_leaves_it_free() -> None:
    lock = threading.RLock()
    with pytest.raises(ZeroDivisionError):
        call_locked(lock, lambda: 1 // 0)
    assert is_free(lock)


def test_no_memory_at_the_end_leaves_it_free() -> None:
    lock: Any = _WithoutMemory()
    with pytest.raises(MemoryError):
        call_locked(lock, lambda: None)
    assert is_free(lock.lock)


def test_a_call_within_a_call_leaves_it_held() -> None:
    lock: Any = threading.RLock()
    assert call_locked(lock, lambda: (call_locked(lock, lambda: 1), is_free(lock))) == (1, False)

    def fail_within() -> None:
        with pytest.raises(ZeroDivisionError):
            call_locked(lock, lambda: 1 // 0)
        assert lock._is_owned()

    call_locked(lock, fail_within)
    assert is_free(lock)
