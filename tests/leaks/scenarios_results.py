"""Leak scenarios: measurements, comparisons, their records, the commands and the pytest fixture."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import io
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from leak_table import covers, refused

import conc
import conc.cli
import conc.pytest_plugin
from conc import _core
from conc.comparison.report import make_report
from conc.comparison.workload import Workload
from conc.cpus import allowed_cpus
from conc.memory.results import Edge, MemoryReport, NodeMatrix, Verdict
from conc.memory.verdict import judge

MACHINES = Path(__file__).parent.parent / "data" / "sysfs"


def read_everything(record: Any) -> None:
    """Ask a result, and the results inside of it, for everything that they have."""
    if isinstance(record, dict):
        record = tuple(record.values())
    if isinstance(record, (tuple, list)):
        for item in record:
            read_everything(item)
    if not dataclasses.is_dataclass(record):
        return
    for name in dir(record):
        if name.startswith("_") or name == "to_dataframe":
            continue
        value = getattr(record, name)
        if not callable(value):
            read_everything(value)
    assert str(record)
    assert record.to_dict().keys() == {field.name for field in dataclasses.fields(record)}
    path = Path(
        tempfile.gettempdir(), "record.json"
    )  # always the same: pathlib interns names, and some builds for ever
    record.to_json(path)
    path.unlink()
    refused(OSError, record.to_json, "/nonexistent/record.json")


def square(item: int) -> int:
    return item * item


async def square_slowly(item: int) -> int:
    return item * item


def fail_at_two(item: int) -> int:
    if item == 2:
        raise ValueError("two")
    return item


def in_lanes(*lanes: str, **options: Any) -> conc.Report:
    options = {"workers": 2, "repeats": 1, "budget_s": 20.0, **options}
    return conc.compare(options.pop("fn", square), range(2, 6), lanes=lanes, **options)


@covers(
    "conc.compare",
    "conc.Report",
    "conc.Report.*",
    "conc.Usage.*",
    "conc.comparison.report.*",
    "conc.comparison.records.Comparison.*",
    "conc.comparison.records.Run.*",
    "conc.comparison.records.GilWait.*",
    "conc.comparison.records.Sample.*",
    "conc.comparison.verdict.*",
    "conc.comparison.environment.*",
    "conc.cpus.*",
)
def comparison_of_threads() -> None:
    report = in_lanes("sequential", "threads", "native-threads")
    read_everything(report)
    assert isinstance(report, conc.Report)
    assert report._repr_html_()
    path = Path(tempfile.gettempdir(), "report.html")
    assert report.to_html(path)
    path.unlink()
    refused(OSError, report.to_html, "/nonexistent/report.html")
    if importlib.util.find_spec("pandas") is None:
        refused(ImportError, report.to_dataframe)
    else:
        assert len(report.to_dataframe()) == len(report.lanes)
    read_everything(allowed_cpus())


@covers(
    "conc.compare",
    "conc.comparison.records.Difference.*",
    "conc.comparison.records.ItemError.*",
    passengers=(
        100,
        "the frame of contextlib's __exit__, which some 3.13 keep, holds the exception that it was handed",
    ),
)
def comparison_fails() -> None:
    failing = in_lanes("sequential", "threads", "native-threads", fn=fail_at_two)
    read_everything(failing)
    wrong = in_lanes("sequential", "native", fn=lambda item: item, native=conc.kernels.prime_factors)
    read_everything(wrong)
    refused(ValueError, conc.compare, square, [])
    refused(ValueError, conc.compare, square, [1], lanes=["nonexistent"])
    refused(TypeError, conc.compare, square, [1], workers="2")


@covers("conc.compare")
def comparison_of_an_event_loop() -> None:
    in_lanes("sequential", "asyncio", coroutine=square_slowly)


@covers("conc.compare")
def comparison_of_processes() -> None:
    in_lanes("sequential", "processes")


@covers("conc.Interrupted")
def comparison_is_interrupted() -> None:
    report = in_lanes("sequential")
    assert str(conc.Interrupted(make_report(dataclasses.replace(report.comparison, interrupted=True)), ()))


@covers(
    "conc.memory",
    "conc.memory.latency",
    "conc.memory.Latency",
    "conc.memory.Latency.*",
    "conc.memory.Placement",
    "conc.memory.Placement.*",
)
def latency_is_measured() -> None:
    figure = conc.memory.latency(size=4096, samples=2)
    assert isinstance(figure, conc.memory.Latency)
    assert isinstance(figure.placement, conc.memory.Placement)
    read_everything(figure)
    refused(ValueError, conc.memory.latency, size=1)
    refused(ValueError, conc.memory.latency, cpu=100_000)
    refused(ValueError, conc.memory.latency, node=100_000)
    refused(TypeError, conc.memory.latency, samples="2")


@covers("conc.memory.bandwidth", "conc.memory.Bandwidth", "conc.memory.Bandwidth.*", "conc.memory.kernels")
def bandwidth_is_measured() -> None:
    for kernel in conc.memory.kernels():
        figure = conc.memory.bandwidth(kernel, threads=1, size=1 << 20, samples=2)
        assert isinstance(figure, conc.memory.Bandwidth)
        read_everything(figure)
    refused(ValueError, conc.memory.bandwidth, "nonexistent")
    refused(ValueError, conc.memory.bandwidth, threads=100_000)


@covers(
    "conc.memory.topology",
    "conc.memory.Topology",
    "conc.memory.Topology.*",
    "conc.memory.Node",
    "conc.memory.Node.*",
    "conc.memory.Cpu",
    "conc.memory.Cpu.*",
    "conc.memory.Cache",
    "conc.memory.Cache.*",
)
def topology_is_read() -> None:
    machine = conc.memory.topology(MACHINES / "two-node")
    assert isinstance(machine, conc.memory.Topology)
    assert isinstance(machine.nodes[0], conc.memory.Node)
    assert isinstance(machine.cpus[0], conc.memory.Cpu)
    assert isinstance(machine.caches[0], conc.memory.Cache)
    read_everything(machine)
    assert machine.node(0).has_memory
    assert machine.node_of(0) == 0
    assert machine.distance(0, 1) is not None
    assert machine.data_caches(0)
    assert machine.last_level_bytes(0)
    refused(ValueError, machine.node, 100_000)
    refused(OSError, conc.memory.topology, "/nonexistent")


@covers("conc.probe", "conc.memory.MemoryReport", "conc.memory.results.MemoryReport.*", "conc.memory.conditions.*")
def memory_is_probed() -> None:
    report = conc.probe(0.2)
    assert isinstance(report, conc.memory.MemoryReport)
    read_everything(report)
    assert report._repr_html_()
    refused(ValueError, conc.probe, 0)


@covers(
    "conc.memory.Edge",
    "conc.memory.Edge.*",
    "conc.memory.NodeMatrix",
    "conc.memory.NodeMatrix.*",
    "conc.memory.Verdict",
    "conc.memory.Verdict.*",
)
def memory_records_are_made() -> None:
    machine = conc.memory.topology(MACHINES / "two-node")
    matrix = conc.memory.NodeMatrix((0, 1), (0, 1), ((), ()), ((), ()))
    edge = conc.memory.Edge(32 << 10, 1.0, 4.0, level=1, told_bytes=32 << 10)
    verdict = judge(machine, None)
    assert isinstance(verdict, conc.memory.Verdict)
    read_everything((matrix, edge, verdict, conc.memory.Verdict("UMA", None, None, ())))
    assert (Edge, MemoryReport, NodeMatrix, Verdict) == (
        conc.memory.Edge,
        conc.memory.MemoryReport,
        conc.memory.NodeMatrix,
        conc.memory.Verdict,
    )


@covers("conc.cpu_count", "conc.__version__", "conc.kernels", "conc.memory")
def small_things() -> None:
    assert conc.cpu_count() >= 1
    assert conc.__version__
    assert conc.kernels.__name__ != conc.memory.__name__


@covers("conc._core.Arena", "conc._core.Arena.*")
def core_arena() -> None:
    cpu = _core.affinity()[0]
    arena = _core.Arena(1 << 20)
    arena.touch(cpu, 10.0)
    arena.build(0, 4096, 1, cpu, 10.0)
    assert arena.chase(0, cpu, 1, 2, True, 10.0)
    assert arena.stream("read", [cpu], 1, 2, 10.0)
    assert arena.placement()
    refused(OSError, arena.chase, 1, cpu, 1, 2, True, 10.0)
    refused(ValueError, arena.build, 99, 4096, 1, cpu, 10.0)
    refused(ValueError, arena.stream, "nonexistent", [cpu], 1, 2, 10.0)
    refused(OSError, arena.touch, 100_000, 10.0)
    arena.close()
    refused(ValueError, arena.placement)
    refused(ValueError, _core.Arena, 0)
    refused((OSError, MemoryError), _core.Arena, 1 << 60)
    _core.Arena(1 << 20).touch(cpu, 10.0)  # dropped without close()


@covers(
    "conc._core.affinity",
    "conc._core.cpulist_parse",
    "conc._core.memory_available",
    "conc._core.page_sizes",
    "conc._core.statistics",
    "conc._core.stream_kernels",
    "conc._core.topology_read",
    "conc._core.http_get_unavailable",
)
def core_functions() -> None:
    assert _core.affinity()
    assert _core.cpulist_parse("0-3,8") == [0, 1, 2, 3, 8]
    refused(ValueError, _core.cpulist_parse, "nonsense")
    assert _core.memory_available() > 0
    assert len(_core.page_sizes()) == 2
    assert len(_core.statistics([1.0, 2.0, 3.0])) == 10
    refused(ValueError, _core.statistics, [])
    refused(TypeError, _core.statistics, [1.0, "2"])
    assert _core.stream_kernels()
    assert _core.topology_read(MACHINES / "memory-only")
    refused(OSError, _core.topology_read, "/nonexistent")
    _core.http_get_unavailable()


@covers("conc.cli.*", passengers=(20, "argparse's parsers and actions point to each other"))
def commands_run() -> None:
    with contextlib.redirect_stdout(io.StringIO()) as output, contextlib.redirect_stderr(io.StringIO()):
        assert conc.cli.main(["probe", "--root", str(MACHINES / "two-node")]) == 0
        assert conc.cli.main(["probe", "--root", "/nonexistent"]) == 2
        assert conc.cli.main(["compare", "math:isqrt", "--range", "4", "--lanes", "sequential", "--repeats", "1"]) == 0
        assert conc.cli.main(["compare", "math:nonexistent", "--range", "4"]) == 2
        assert conc.cli.main(["watch"]) == 2
        refused(SystemExit, conc.cli.main, ["nonexistent"])
    assert output.getvalue()


@covers("conc.pytest_plugin.lane", "conc.comparison.testing.LaneRunner.*")
def fixture_gives_lanes() -> None:
    fixture = conc.pytest_plugin.lane
    function = fixture._get_wrapped_function() if hasattr(fixture, "_get_wrapped_function") else fixture.__wrapped__
    for name in ("sequential", "threads", "native-threads"):
        lifetime = function(SimpleNamespace(param=name))
        lane = next(lifetime)
        assert lane.run(square, [1, 2], workers=2) == [1, 4]
        assert lane.run_workload(Workload("square", square, [3])) == [9]
        refused(RuntimeError, lane.run, fail_at_two, [1, 2], workers=2)
        lane.close()
        assert next(lifetime, None) is None
    lifetime = function(SimpleNamespace(param="native"))
    refused(pytest.skip.Exception, next(lifetime).run, square, [1])
    lifetime.close()
