"""A reentrant lock that is let go of also where no memory is left."""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own is a module more, in the way of a watch that begins
if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from typing import Any, TypeVar

    _Result = TypeVar("_Result")


def call_locked(lock: threading.RLock, function: Callable[..., _Result], *arguments: Any) -> _Result:
    """`function(*arguments)` under the lock.

    A `with` is the one way to hold a lock that no signal handler's exception comes in between. But its end takes
    memory, and without any the lock stays held.
    """
    reentrant: Any = lock
    if reentrant._is_owned():
        return function(*arguments)  # in a signal handler, in the middle of another call
    try:
        with lock:
            return function(*arguments)
    except BaseException:
        if reentrant._is_owned():
            lock.release()
        raise
