"""The package as a whole: what importing it costs in modules, and that its names are there."""

from __future__ import annotations

import subprocess
import sys

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
