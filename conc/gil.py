"""The GIL of the interpreter that asks: whether there is one, why, whose it is, and whether conc can see who has it."""

from __future__ import annotations

import importlib.machinery
import os
import sys
import sysconfig
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Literal

from conc import _core
from conc.records import Record


@dataclass(frozen=True, slots=True)
class GilStatus(Record):
    """What is so of the GIL at the moment of asking. A field is None where it is not known; `unknown` says why.

    Attributes:
        python: version of the interpreter, such as "3.13.5".
        free_threaded_build: this build of CPython can do without a GIL.
        enabled: there is a GIL now.
        enabled_because: "build": every interpreter of this build has one; "option": ``-X gil=1`` or ``PYTHON_GIL=1``;
            "import": an extension module turned it on. None when it is off.
        reenabled_by: the module whose import turned it on, where `enabled_because` is "import"; None when none did.
        undeclared_modules: the loaded extension modules that have not declared that they need no GIL, in the order of
            ``sys.modules``; each of them alone would have turned it on. Empty on a build with a GIL, where nothing
            depends on it.
        switch_interval_s: how long a thread waits for the GIL before it asks who has it to let go
            (``sys.setswitchinterval``).
        interpreter: id of the interpreter that asks; the main one's is 0.
        own_gil: the GIL is this interpreter's own; False: it is that of an older interpreter, as before 3.12 always.
        holder_readable: conc can tell who has it at any moment without taking it.
        source: where this comes from.
        unknown: field name -> why it is None, or False for `holder_readable`.
    """

    python: str
    free_threaded_build: bool
    enabled: bool
    enabled_because: Literal["build", "option", "import"] | None
    reenabled_by: str | None
    undeclared_modules: tuple[str, ...]
    switch_interval_s: float
    interpreter: int
    own_gil: bool | None
    holder_readable: bool
    source: str = "sys, the modules' declarations, and the interpreter's structures in memory"
    unknown: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        build = "free-threaded build" if self.free_threaded_build else "build with a GIL"
        if self.enabled_because == "import":
            state = f"GIL on: turned on by the import of {self.reenabled_by or 'a module that is not known'}"
        elif self.enabled_because == "option":
            state = "GIL on: asked for by -X gil=1 or PYTHON_GIL=1"
        elif self.enabled:
            state = f"GIL on, switch interval {self.switch_interval_s * 1000:g} ms"
        else:
            state = "GIL off"
        return f"CPython {self.python}, {build}; {state}"


def gil_status() -> GilStatus:
    """The GIL of the calling thread's interpreter.

    Takes some 10 µs; on a free-threaded build it also looks at every loaded module.

    Returns:
        GilStatus, frozen; ``str()`` of it is one line.

    Source: ``sys._is_gil_enabled()``, ``sys.flags``, what extension modules have declared (``Py_mod_gil``,
    ``PyUnstable_Module_SetGIL``), and the interpreter's own structures, read from memory.

    Example:
        >>> import conc
        >>> status = conc.gil_status()
        >>> status.enabled or status.free_threaded_build
        True
    """
    unknown: dict[str, str] = {}
    free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    enabled = gil_enabled()
    undeclared = _undeclared_modules() if free_threaded else ()
    because = _because(free_threaded, enabled)
    reenabled_by = None
    if because == "import":
        reenabled_by = next(iter(undeclared), None)
        if reenabled_by is None:
            unknown["reenabled_by"] = (
                "every loaded extension module has declared that it needs no GIL: the one that turned it on has been "
                "removed from sys.modules, or was imported by another interpreter that shares this GIL"
            )
    interpreter = _core.interpreter_id()
    layout = _core.gil_layout()
    if isinstance(layout, str):
        unknown["holder_readable"] = unknown["own_gil"] = layout
        own = None
    else:
        owner = _owner(layout)
        own = None if owner is None else owner == interpreter
        if own is None:
            unknown["own_gil"] = "who has the GIL was not to be seen at that moment" if enabled else "the GIL is off"
    return GilStatus(
        python=sys.version.split()[0],
        free_threaded_build=free_threaded,
        enabled=enabled,
        enabled_because=because,
        reenabled_by=reenabled_by,
        undeclared_modules=undeclared,
        switch_interval_s=sys.getswitchinterval(),
        interpreter=interpreter,
        own_gil=own,
        holder_readable=not isinstance(layout, str),
        unknown=unknown,
    )


def gil_enabled() -> bool:
    """Whether the GIL is on now: another module may have turned it on again on a free-threaded build."""
    ask = getattr(sys, "_is_gil_enabled", None)  # sys tells since 3.13
    return ask is None or bool(ask())


def _because(free_threaded: bool, enabled: bool) -> Literal["build", "option", "import"] | None:
    if not free_threaded:
        return "build"
    if not enabled:
        return None
    return "option" if _asked_for() else "import"


def _asked_for() -> bool:
    """Whether the GIL was asked for when the interpreter started. sys.flags tells since 3.13.1."""
    flag = getattr(sys.flags, "gil", None)
    if flag is not None:
        return bool(flag == 1)
    option = sys._xoptions.get("gil")
    if option is None and not sys.flags.ignore_environment:
        option = os.environ.get("PYTHON_GIL")
    return option == "1"


def _undeclared_modules() -> tuple[str, ...]:
    suffixes = tuple(importlib.machinery.EXTENSION_SUFFIXES)
    names = []
    for name, module in list(sys.modules.items()):
        # not getattr(): a module may import on being asked for what it does not have
        file = vars(module).get("__file__") if isinstance(module, ModuleType) else None
        if isinstance(file, str) and file.endswith(suffixes) and _core.module_needs_gil(module):
            names.append(name)
    return tuple(names)


def _owner(layout: bytes) -> int | None:
    """The oldest interpreter that uses the GIL that the calling thread has."""
    self = threading.get_native_id()
    for interpreter, _, _, holder, _ in _core.GilReader(0, layout).read():
        if holder == self:
            return interpreter
    return None
