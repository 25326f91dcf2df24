"""Every public name of conc, found by introspection: what the leak tests must cover.

A name is a dotted path: what the public modules export, every public attribute of every class that is exported or that
an annotation of an exported thing leads to (fields of dataclasses, return values), the functions of ``conc._core`` and
the methods of its types, the commands, and the pytest fixture. Members of enums and what Python's own types bring along
are values without state of conc's; they are left out.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import importlib
import inspect
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conc import _core

EXPORTING = ("conc", "conc.kernels", "conc.memory")

# What annotations name that is imported when it is used: by conc.watching.timeline, which a watch begins with.
LATE = {"Picture": "plot", "RawTimeline": "records", "Summary": "results"}


@dataclass
class PublicNames:
    """The names, and where each kind of them can be watched.

    Attributes:
        modules: module -> the names it exports.
        classes: Python class -> (its dotted path, its public attributes).
        core_functions: of ``conc._core``.
        core_types: type of ``conc._core`` -> its public methods.
        functions: dotted path -> a function that is not in a watched module.
    """

    modules: dict[types.ModuleType, tuple[str, ...]] = field(default_factory=dict)
    classes: dict[type, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    core_functions: tuple[str, ...] = ()
    core_types: dict[type, tuple[str, ...]] = field(default_factory=dict)
    functions: dict[str, types.FunctionType] = field(default_factory=dict)

    def __iter__(self) -> Iterator[str]:
        for module, exported in self.modules.items():
            yield from (f"{module.__name__}.{name}" for name in exported)
        for path, attributes in self.classes.values():
            yield from (f"{path}.{name}" for name in attributes)
        yield from (f"conc._core.{name}" for name in self.core_functions)
        for core_type, methods in self.core_types.items():
            yield f"conc._core.{core_type.__name__}"
            yield from (f"conc._core.{core_type.__name__}.{name}" for name in methods)
        yield from self.functions


@functools.cache
def public_names() -> PublicNames:
    """Read anew from the modules; nothing here is a list kept by hand."""
    found = PublicNames()
    pending: list[tuple[str, type]] = []
    for module_name in EXPORTING:
        module = importlib.import_module(module_name)
        found.modules[module] = tuple(module.__all__)
        for name in module.__all__:
            value = getattr(module, name)
            if isinstance(value, type):
                pending.append((f"{module_name}.{name}", value))
            elif inspect.isfunction(value):
                pending += _led_to(value)
    plugin = importlib.import_module("conc.pytest_plugin")
    found.modules[plugin] = ("lane",)
    pending.append(
        ("conc.comparison.testing.LaneRunner", importlib.import_module("conc.comparison.testing").LaneRunner)
    )
    _close_over(pending, found)
    _add_core(found)
    _add_commands(found)
    return found


def _close_over(pending: list[tuple[str, type]], found: PublicNames) -> None:
    """Add the classes, and those that their annotations lead to."""
    while pending:
        path, cls = pending.pop(0)
        if cls in found.classes or issubclass(cls, enum.Enum) or cls.__module__ == "conc._core":
            continue
        attributes = _public_attributes(cls)
        found.classes[cls] = (path, attributes)
        pending += _led_to(cls)
        for name in attributes:
            value = inspect.getattr_static(cls, name, None)
            function = value.fget if isinstance(value, property) else value
            if inspect.isfunction(function) and function.__module__.startswith("conc."):
                pending += _led_to(function)


def _public_attributes(cls: type) -> tuple[str, ...]:
    """Methods, properties and annotated fields without an underscore, own and inherited.

    Nothing of Python's built-in types, and of what else is inherited from outside of conc only what an instance is used
    by: methods and properties, no constants and no class methods.
    """
    names = set(inspect.get_annotations(cls))
    for name in dir(cls):
        home = next(base for base in cls.__mro__ if name in vars(base))
        of_instances = inspect.isfunction(vars(home)[name]) or inspect.isdatadescriptor(vars(home)[name])
        if home.__module__.startswith("conc.") or (of_instances and home.__module__ != "builtins"):
            names.add(name)
    return tuple(sorted(name for name in names if not name.startswith("_")))


def _led_to(annotated: object) -> list[tuple[str, type]]:
    """The classes of conc that the annotations of a class, or the return annotation of a function, name."""
    if isinstance(annotated, type) and not dataclasses.is_dataclass(annotated):
        return []
    optional: dict[str, Any] = {"pandas": types.SimpleNamespace(DataFrame=object), "Any": Any, "Path": Path}
    optional |= {name: getattr(importlib.import_module(f"conc.watching.{home}"), name) for name, home in LATE.items()}
    hints = typing.get_type_hints(annotated, localns=optional)
    wanted = list(hints.values()) if isinstance(annotated, type) else [hints.get("return")]
    classes = []
    while wanted:
        hint = wanted.pop()
        wanted += typing.get_args(hint)
        if isinstance(hint, type) and hint.__module__.startswith("conc."):
            classes.append((f"{hint.__module__}.{hint.__qualname__}", hint))
    return classes


def _add_core(found: PublicNames) -> None:
    values = {name: value for name, value in vars(_core).items() if not name.startswith("_")}
    found.core_functions = tuple(name for name, value in values.items() if inspect.isbuiltin(value))
    for value in values.values():
        if isinstance(value, type):
            methods = (name for name in vars(value) if not name.startswith("_"))
            found.core_types[value] = tuple(
                name for name in methods if isinstance(inspect.getattr_static(value, name), types.MethodDescriptorType)
            )


def _add_commands(found: PublicNames) -> None:
    cli = importlib.import_module("conc.cli")
    found.functions["conc.cli.main"] = cli.main
    for command in cli.COMMANDS:
        found.functions[f"conc.cli.{command}.run"] = importlib.import_module(f"conc.cli.{command}").run
