"""Prints the figures at the end of the run."""

from __future__ import annotations

import os
import platform
import sys
from typing import Any

import pytest
from paired import FIGURES


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The figures, each a line, with the machine they were taken on."""
    if not FIGURES:
        return
    gil = "on" if getattr(sys, "_is_gil_enabled", lambda: True)() else "off"
    terminalreporter.section("figures")
    terminalreporter.line(
        f"{platform.python_implementation()} {platform.python_version()}, GIL {gil}, {platform.system()} "
        f"{platform.release()} {platform.machine()}, {len(os.sched_getaffinity(0))} CPUs, "
        f"load {os.getloadavg()[0]:.2f}"
    )
    for line in FIGURES:
        terminalreporter.line(line)
