"""The package as a whole: what importing it costs in modules, and that its names are there."""

from __future__ import annotations

import pydoc
import subprocess
import sys

import conc
from conc import _core

HEAVY = (
    "asyncio",
    "concurrent.futures",
    "ctypes",
    "json",
    "logging",
    "multiprocessing",
    "numpy",
    "subprocess",
)


def test_import_loads_nothing_heavy() -> None:
    code = f"import conc, sys; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_can_be_had_for_every_name() -> None:
    """pydoc looks at more than a call does: at the types of the objects, and at their modules."""
    for name in set(conc.__all__) - {"__version__"}:
        assert pydoc.render_doc(getattr(conc, name))


def test_every_type_of_the_core_knows_its_module() -> None:
    types = [value for value in vars(_core).values() if isinstance(value, type)]
    assert types
    exceptions = [kind for kind in types if issubclass(kind, BaseException)]
    assert {kind.__module__ for kind in exceptions} == {"conc"}  # they are shown to users
    assert {kind.__module__ for kind in types if kind not in exceptions} == {"conc._core"}
