"""Prints the figures at the end of the run, and writes them where ``--conc-results`` says."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from machine import Machine, Unknown, describe_machine, load_average
from paired import FIGURES, LINES, QUICK, VALUES
from results import SCHEMA, Pass, Results, to_json

_STARTED = time.time()
_BEFORE: list[Machine] = []
_LOADS: dict[str, tuple[float, ...] | None] = {}
_UNKNOWN: dict[str, str] = {}


def note_load(name: str) -> None:
    """The load average now, or why it is not known."""
    try:
        _LOADS[name] = load_average()
    except Unknown as reason:
        _LOADS[name] = None
        _UNKNOWN[name] = str(reason)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The file is for tools/bench.py, which merges the passes."""
    parser.addoption("--conc-results", metavar="FILE", help="write figures, samples and the machine to this file")


def pytest_sessionstart() -> None:
    """The machine as it is before anything has been measured."""
    _BEFORE.append(describe_machine())
    note_load("load_before")


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The figures, each a line, with the machine they were taken on."""
    if not LINES:
        return
    machine = _BEFORE[0]
    note_load("load_after")
    terminalreporter.section("figures")
    terminalreporter.line(
        f"{machine.implementation} {machine.python}, GIL {machine.kind['GIL']}, {machine.system} {machine.kernel} "
        f"{machine.architecture}, {machine.kind['usable CPUs']} CPUs, load {_LOADS['load_before']} before, "
        f"{_LOADS['load_after']} after"
    )
    for line in LINES:
        terminalreporter.line(line)
    if target := config.getoption("--conc-results"):
        Path(target).write_text(to_json(_results(machine)), encoding="utf-8")


def _results(machine: Machine) -> Results:
    """This session as one pass."""
    one = Pass(
        started_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(_STARTED)),
        elapsed_s=round(time.time() - _STARTED, 1),
        load_before=_LOADS["load_before"],
        load_after=_LOADS["load_after"],
        unknown=_UNKNOWN,
    )
    return Results(SCHEMA, QUICK, machine, (one,), tuple(FIGURES), tuple(VALUES))
