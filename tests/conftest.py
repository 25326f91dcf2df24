"""Which tests run where, since not every interpreter has everything that a test needs; and figures at the end."""

from __future__ import annotations

import sys
import sysconfig
import threading
from collections.abc import Iterator

import pytest

from conc._threading_shim import daemon_threads_allowed


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


def pytest_sessionfinish(session: pytest.Session) -> None:
    """On a free-threaded build no import may have brought the GIL back: the tests would prove nothing about it."""
    if sysconfig.get_config_var("Py_GIL_DISABLED") and sys._is_gil_enabled():  # type: ignore[attr-defined]
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        session.config.get_terminal_writer().line("the GIL is on: PYTHON_GIL, or an extension without free threading")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many isolated scripts ran, and what they measured; how many cases of CPython's; allocations that failed."""
    reports = [
        report
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        if report.when == "call"
    ]
    told = [(name, value) for report in reports for name, value in report.user_properties]
    for name, value in told:
        if name in ("isolated figure", "cpython cases", "cpython case left out", "tasks accounted for"):
            terminalreporter.write_line(f"{name}: {value}")
    if cases := sum(name == "isolated case" for name, _ in told):
        terminalreporter.write_line(f"isolated cases: {cases}")
    if failed := sum(value for name, value in told if name == "allocations failed"):
        terminalreporter.write_line(f"allocations failed in the binding: {failed}")
