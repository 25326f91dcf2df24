"""Which public names a piece of code really touches.

Three watchers, each for what the others cannot see: the public modules record every attribute that is asked of them,
the public Python classes get descriptors that record and pass on, and the profiler sees calls into ``conc._core``.
"""

from __future__ import annotations

import inspect
import sys
import threading
import types
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from leak_names import PublicNames

# Never seen by any watcher, with the reason; a scenario that claims one asserts it itself.
UNSEEN = {
    "conc._core.Kernel": "its calls are slots, which the profiler does not report; conc.kernels.Kernel is seen",
    "conc._core.ThreadStopped": "an exception, which is raised and not called; conc.ThreadStopped is seen",
    "conc._core.close_threads": "it shuts the interpreter's door for good, as each exit of tests/isolated does",
    "conc._core.CallBatch": "it has no methods, only the slots of an iterator",
    "conc._core.Batch": "it has no methods, only the slots of an iterator",
}

_MISSING = object()


@contextmanager
def touched(names: PublicNames) -> Iterator[set[str]]:
    """The public names that the block touches, in any thread; filled when it ends."""
    seen: set[str] = set()
    with ExitStack() as undo:
        for module, exported in names.modules.items():
            undo.callback(_watch_module(module, exported, seen))
        for cls, (path, attributes) in names.classes.items():
            for attribute in attributes:
                undo.callback(_watch_attribute(cls, path, attribute, seen))
        undo.callback(_watch_calls(names, seen))
        yield seen


def _watch_module(module: types.ModuleType, exported: tuple[str, ...], seen: set[str]) -> Any:
    plain = module.__class__
    wanted = {name: f"{module.__name__}.{name}" for name in exported}

    class Watched(plain):  # type: ignore[misc,valid-type]
        def __getattribute__(self, name: str) -> object:
            if name in wanted:
                seen.add(wanted[name])
            return super().__getattribute__(name)

    module.__class__ = Watched
    return lambda: setattr(module, "__class__", plain)


class _Method:
    """Stands for a function of a class: hands it out and remembers. Its use is a use of the class as well."""

    def __init__(self, path: str, attribute: str, original: Any, seen: set[str]) -> None:
        self.names = (path, f"{path}.{attribute}")
        self.attribute, self.original, self.seen = attribute, original, seen
        inherited = original if isinstance(original, _Method) else None  # its class is watched as well
        self.of_class = inherited.of_class if inherited else isinstance(original, (staticmethod, classmethod))

    def __get__(self, instance: object, owner: type) -> object:
        if instance is not None or self.of_class:
            self.seen.update(self.names)
        return self.original.__get__(instance, owner)


class _Field(_Method):
    """Stands for a property, a slot, or an attribute of the instance."""

    def __get__(self, instance: object, owner: type) -> object:
        if self.original is not _MISSING:
            return super().__get__(instance, owner)
        self.seen.update(self.names)
        return instance.__dict__[self.attribute]

    def __set__(self, instance: object, value: object) -> None:
        if self.original is _MISSING:
            instance.__dict__[self.attribute] = value
        else:
            self.original.__set__(instance, value)


def _watch_attribute(cls: type, path: str, attribute: str, seen: set[str]) -> Any:
    original = inspect.getattr_static(cls, attribute, _MISSING)
    own = attribute in vars(cls)
    while isinstance(original, _Method) and not own:  # inherited from a class that is watched already
        original = original.original
    if original is _MISSING or hasattr(type(original), "__set__"):
        setattr(cls, attribute, _Field(path, attribute, original, seen))
    else:
        setattr(cls, attribute, _Method(path, attribute, original, seen))
    return (lambda: setattr(cls, attribute, original)) if own else (lambda: delattr(cls, attribute))


def _watch_calls(names: PublicNames, seen: set[str]) -> Any:
    codes = {function.__code__: path for path, function in names.functions.items()}

    def watch(frame: types.FrameType, event: str, argument: Any) -> None:
        if event == "call" and frame.f_code in codes:
            seen.add(codes[frame.f_code])
        if event != "c_call":
            return
        owner = getattr(argument, "__self__", None)
        if isinstance(owner, types.ModuleType):
            seen.add(f"{owner.__name__}.{argument.__name__}")
        for base in type(owner).__mro__:
            if base in names.core_types:
                seen.update((f"conc._core.{base.__name__}", f"conc._core.{base.__name__}.{argument.__name__}"))

    before = sys.getprofile()
    threading.setprofile(watch)
    sys.setprofile(watch)

    def undo() -> None:
        sys.setprofile(before)
        threading.setprofile(before)

    return undo
