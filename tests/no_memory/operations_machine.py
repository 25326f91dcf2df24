"""What is asked of the machine and of the interpreter, with failing allocations."""

from __future__ import annotations

import importlib.util
import sys

from outcomes import Steps, expect, operation

import conc
from conc import _core


@operation
def memory_topology() -> Steps:
    outcome = yield lambda: conc.memory.topology()
    if expect(outcome, OSError):
        assert outcome.value.nodes


@operation
def cpu_count() -> Steps:
    outcome = yield lambda: conc.cpu_count()
    if isinstance(outcome.error, TypeError):
        # os.stat() and os.fspath() take any failure to look up __fspath__ for a path of a wrong type.
        assert any(text in str(outcome.error) for text in ("path should be string", "not PosixPath")), outcome.error
    elif expect(outcome, OSError):
        assert outcome.value >= 1


@operation
def gil_status() -> Steps:
    outcome = yield conc.gil_status
    if expect(outcome):
        assert outcome.value.python == sys.version.split()[0]


@operation
def gil_reader() -> Steps:
    layout = _core.gil_layout()
    assert isinstance(layout, bytes)
    outcome = yield lambda: _core.GilReader(0, layout).read()
    if expect(outcome):
        assert len(outcome.value) >= 1
    assert len(_core.GilReader(0, layout).read()) >= 1


@operation
def gil_layout() -> Steps:
    outcome = yield _core.gil_layout
    if expect(outcome):
        assert outcome.value == _core.gil_layout()


@operation
def learned_gil_layout() -> Steps:
    """A thread that cannot be had is a reason, not an error."""
    outcome = yield _core.learned_gil_layout
    expect(outcome)
    assert isinstance(_core.learned_gil_layout(), bytes) or "builds with a GIL" in str(_core.learned_gil_layout())


@operation
def arena() -> Steps:
    def call() -> None:
        made = _core.Arena(1 << 20)
        cpu = _core.affinity()[0]
        made.touch(cpu, 1.0)
        made.build(0, 4096, 1, cpu, 1.0)
        made.chase(0, cpu, 1, 1, False, 0.001)
        made.stream("read", [cpu], 1, 1, 0.001)
        made.placement()
        made.close()

    outcome = yield call
    expect(outcome, OSError)


@operation
def statistics() -> Steps:
    def call() -> None:
        _core.statistics([1.0, 2.0, 3.0])
        _core.cpulist_parse("0-3,200")
        _core.memory_available()
        _core.stream_kernels()
        _core.page_sizes()
        _core.affinity()

    outcome = yield call
    expect(outcome, OSError)


@operation
def module_exec() -> Steps:
    def call() -> None:
        spec = importlib.util.spec_from_file_location("conc._core", sys.argv[1])
        assert spec is not None
        assert spec.loader is not None
        spec.loader.exec_module(importlib.util.module_from_spec(spec))

    outcome = yield call
    expect(outcome, OSError, ImportError)
