"""A piece of work to compare: what to call, on which items, and how to tell a right result."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from conc import _core


@dataclass(frozen=True, slots=True)
class Workload:
    """One piece of work, and its twins for the lanes that cannot run a Python function.

    Attributes:
        name: as reports show it.
        fn: called with one item; may be an ``async def``, which is then its own coroutine twin.
        items: one call each.
        native: a native kernel that gives the same result for an item.
        coroutine: a function that gives an awaitable of the same result.
        setup: called without arguments once on every worker before its first item.
        session: gives an asynchronous context manager that encloses everything the coroutine twin does: what its
            items share, such as an HTTP client.
        equal: whether two results are the same; None: ``==``, with NaN equal to NaN.
        missing: lane name -> why this workload has nothing for that lane here (a package to install, say).
    """

    name: str
    fn: Callable[[Any], Any]
    items: list[Any]
    native: Callable[[Any], Any] | None = None
    coroutine: Callable[[Any], Any] | None = None
    setup: Callable[[], object] | None = None
    session: Callable[[], AbstractAsyncContextManager[object]] | None = None
    equal: Callable[[Any, Any], bool] | None = None
    missing: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for what in ("fn", "coroutine", "setup", "session", "equal"):
            value = getattr(self, what)
            if not callable(value) and (what == "fn" or value is not None):
                raise TypeError(f"{what} must be callable, not {value!r}")
        if self.native is not None and not isinstance(self.native, _core.Kernel):
            raise TypeError(
                f"native must be a native kernel such as conc.kernels.prime_factors, not {self.native!r}: "
                "the native lane never runs Python code"
            )

    @property
    def is_async(self) -> bool:
        """Whether `fn` itself is a coroutine function."""
        call = getattr(type(self.fn), "__call__", None)  # noqa: B004 - an object's own call may be async
        return inspect.iscoroutinefunction(self.fn) or inspect.iscoroutinefunction(call)

    @property
    def coroutine_twin(self) -> Callable[[Any], Any] | None:
        """What the event loop lane calls, or None."""
        if self.coroutine is not None:
            return self.coroutine
        return self.fn if self.is_async else None


def callable_name(fn: object) -> str:
    """The name of a function for people: ``module.qualname``, or the repr of an object without one."""
    name = getattr(fn, "__qualname__", None) or getattr(fn, "__name__", None)
    module = getattr(fn, "__module__", None)
    if not isinstance(name, str):
        return repr(fn)
    return f"{module}.{name}" if isinstance(module, str) and module not in ("__main__", "builtins") else name
