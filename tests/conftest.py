"""Which tests run where, since not every interpreter has everything that a test needs; and figures at the end."""

from __future__ import annotations

import gc
import sys
import sysconfig
import threading
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import HealthCheck, given, settings, strategies

from conc._threading_shim import daemon_threads_allowed

# How long an example takes is the machine's matter: a debug build beside other programs is half a minute at the table
# of all characters alone.
settings.register_profile("any machine", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

LEFT_OUT = pytest.StashKey[Counter[str]]()


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """An event that tasks wait for; opened at the latest when the test ends."""
    event = threading.Event()
    yield event
    event.set()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with its reason, what an isolated subinterpreter (tools/in_subinterpreter.py) cannot do."""
    if daemon_threads_allowed():
        return
    for item in items:
        for marker in item.iter_markers("main_interpreter"):
            item.add_marker(pytest.mark.skip(reason=f"an isolated subinterpreter has no {marker.args[0]}"))


@settings(max_examples=1, database=None)
@given(strategies.none())
def _use_hypothesis(nothing: None) -> None:
    """It asks the collector who refers to its generator, once: of what is frozen that does not tell."""


def pytest_collection_finish(session: pytest.Session) -> None:
    """What the runner and all modules hold stays: a test that collects garbage need not look through it each time."""
    _use_hypothesis()
    gc.collect()
    gc.freeze()


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Keep which tests are left out because this is not the newest interpreter of a matrix (tools/matrix.py)."""
    for item in items:
        if "not newest" not in item.config.getoption("markexpr"):
            return  # they were left out for another reason
        marks = {marker.name for marker in item.iter_markers()}
        if "newest" in marks and not marks & {"once", "slow"}:
            item.config.stash.setdefault(LEFT_OUT, Counter())[item.path.stem] += 1


def pytest_sessionfinish(session: pytest.Session) -> None:
    """On a free-threaded build no import may have brought the GIL back: the tests would prove nothing about it."""
    if sysconfig.get_config_var("Py_GIL_DISABLED") and sys._is_gil_enabled():  # type: ignore[attr-defined]
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        session.config.get_terminal_writer().line("the GIL is on: PYTHON_GIL, or an extension without free threading")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the tests told: isolated scripts and what they measured, cases of CPython's, allocations that failed.

    And which tests were left to other interpreters.
    """
    reports = [
        report
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        if report.when == "call"
    ]
    if left_out := terminalreporter.config.stash.get(LEFT_OUT, None):
        files = ", ".join(f"{name} {count}" for name, count in sorted(left_out.items()))
        build = sys.version.split()[0] + (sysconfig.get_config_var("ABIFLAGS") or "")
        terminalreporter.write_line(f"left to the newest interpreters by {build}: {left_out.total()} tests: {files}")
    told = [(name, value) for report in reports for name, value in report.user_properties]
    for name, value in told:
        if name in ("isolated figure", "cpython cases", "cpython case left out", "tasks accounted for"):
            terminalreporter.write_line(f"{name}: {value}")
    if cases := sum(name == "isolated case" for name, _ in told):
        terminalreporter.write_line(f"isolated cases: {cases}")
    if failed := sum(value for name, value in told if name == "allocations failed"):
        terminalreporter.write_line(f"allocations failed in the binding: {failed}")
