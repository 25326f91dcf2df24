"""conc.probe and what it is made of: edges, verdict, report; and the command."""

from __future__ import annotations

import itertools
import json
import math
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import conc
from conc.cli import main
from conc.memory import Cache, Latency, NodeMatrix, Placement, Topology
from conc.memory.curve import find_edges, rising
from conc.memory.verdict import judge

pytestmark = pytest.mark.newest  # Python on top of the C module

TREES = Path(__file__).parent / "data" / "sysfs"


def cell(median: float, *, spread: float = 0.005, n: int = 20, verified_by: str = "move_pages") -> Latency:
    """A latency as `probe` records one, around `median`."""
    return Latency(
        median_ns=median,
        min_ns=median * (1 - 2 * spread),
        p5_ns=median * (1 - spread),
        p95_ns=median * (1 + spread),
        mad_ns=median * spread / 2,
        interval_ns=(median * (1 - spread), median * (1 + spread)),
        n=n,
        discarded=0,
        stable=True,
        samples=(median,) * n,
        placement=Placement({0: 1.0}, 1000, verified_by),
        page="2 MiB",
        size_bytes=1 << 26,
        cpu=0,
        node=0,
    )


MISSING = replace(cell(1.0), median_ns=None, interval_ns=None, n=0, samples=(), reason="the budget ended before it")


def matrix(rows: list[list[Latency]], columns: tuple[int, ...] = (0, 1)) -> NodeMatrix:
    return NodeMatrix(columns[: len(rows)], columns, tuple(map(tuple, rows)), ())


@pytest.fixture(scope="module")
def two_nodes() -> Topology:
    return conc.memory.topology(TREES / "two-node")


# verdict --------------------------------------------------------------------------------------------------------------


def test_one_node_is_uma_as_seen_from_here() -> None:
    verdict = judge(conc.memory.topology(TREES / "epyc-2cpu"), None)
    assert (verdict.kind, verdict.ratio, verdict.interval) == ("UMA", None, None)
    assert "as seen by this operating system" in verdict.reasons[0]


def test_a_node_without_memory_does_not_make_numa() -> None:
    assert judge(conc.memory.topology(TREES / "cpu-only"), None).kind == "UMA"


def test_a_kernel_that_lists_no_nodes_supports_no_verdict() -> None:
    verdict = judge(conc.memory.topology(TREES / "no-nodes-no-caches"), None)
    assert verdict.kind == "inconclusive"
    assert "assumed" in verdict.reasons[0]


def test_remote_memory_that_is_farther_is_numa(two_nodes: Topology) -> None:
    verdict = judge(two_nodes, matrix([[cell(100), cell(140)], [cell(150), cell(100)]]))
    assert verdict.kind == "NUMA"
    assert verdict.ratio == pytest.approx(1.5)
    assert verdict.interval is not None
    assert verdict.interval[0] < 1.5 < verdict.interval[1]
    assert any("from node 1 to node 0" in reason for reason in verdict.reasons)


def test_remote_memory_that_is_nearer_is_not_uniform_either(two_nodes: Topology) -> None:
    verdict = judge(two_nodes, matrix([[cell(100), cell(100)], [cell(70), cell(100)]]))
    assert verdict.kind == "NUMA"
    assert verdict.ratio == pytest.approx(0.7)


def test_nodes_that_are_equally_near_are_uma(two_nodes: Topology) -> None:
    verdict = judge(two_nodes, matrix([[cell(100), cell(101)], [cell(99), cell(100)]]))
    assert verdict.kind == "UMA"
    assert verdict.ratio is not None
    assert abs(verdict.ratio - 1) < 0.02


@pytest.mark.parametrize(
    ("remote", "reason"),
    [
        (cell(106, spread=0.03), "times local latency"),  # the interval straddles the threshold
        (MISSING, "the budget ended before it"),
        (cell(150, verified_by="unverified"), "could not be verified"),
        (cell(150, n=3), "only 3 samples"),
        (replace(cell(150), size_bytes=16 << 20), "less than 2 times the cache, 16 MiB"),
    ],
)
def test_weak_data_are_inconclusive(two_nodes: Topology, remote: Latency, reason: str) -> None:
    verdict = judge(two_nodes, matrix([[cell(100), remote], [cell(100), cell(100)]]))
    assert verdict.kind == "inconclusive"
    assert any(reason in line for line in verdict.reasons)


def test_scatter_raises_the_threshold(two_nodes: Topology) -> None:
    """A difference of 9 % counts when cells scatter by half a percent, and not when they scatter by four."""
    sharp = [[cell(100), cell(109)], [cell(109), cell(100)]]
    assert judge(two_nodes, matrix(sharp)).kind == "NUMA"
    vague = [[replace(item, mad_ns=4.0) for item in row] for row in sharp]
    assert judge(two_nodes, matrix(vague)).kind == "UMA"


def test_nodes_that_were_not_measured_are_inconclusive(two_nodes: Topology) -> None:
    assert judge(two_nodes, None).kind == "inconclusive"
    nothing = judge(two_nodes, matrix([[MISSING, MISSING], [MISSING, MISSING]]))
    assert (nothing.kind, nothing.ratio) == ("inconclusive", None)


def test_a_row_without_memory_of_its_own_has_nothing_to_compare_with() -> None:
    topology = conc.memory.topology(TREES / "four-node-holes")
    rows = NodeMatrix((8,), (0, 16), ((cell(100), cell(150)),), ())
    verdict = judge(topology, rows)
    assert verdict.kind == "inconclusive"
    assert any("node 8 has no memory of its own" in reason for reason in verdict.reasons)


@pytest.mark.once
@given(st.floats(1.0, 3.0), st.floats(0.0, 0.1))
def test_the_verdict_never_contradicts_its_interval(ratio: float, spread: float) -> None:
    topology = conc.memory.topology(TREES / "two-node")
    near, far = cell(100, spread=spread), cell(100 * ratio, spread=spread)
    verdict = judge(topology, matrix([[near, far], [far, near]]))
    assert verdict.interval is not None
    low, high = verdict.interval
    if verdict.kind == "NUMA":
        assert low > 1.05
    elif verdict.kind == "UMA":
        assert high <= 1 + max(0.05, 3 * spread / 2) + 1e-9
    else:
        assert low <= 1 + max(0.05, 3 * spread / 2) < high + 1e-9


# edges ----------------------------------------------------------------------------------------------------------------


def steps(*plateaus: tuple[int, float], points: int = 4) -> list[tuple[int, float]]:
    """A curve from 4 KiB up with `points` an octave: each plateau is (largest size it holds for, ns)."""
    curve, size = [], 4096.0
    while size <= plateaus[-1][0]:
        curve.append((int(size), next(ns for end, ns in plateaus if size <= end)))
        size *= 2 ** (1 / points)
    return curve


TOLD = tuple(Cache(level, "unified", size, 64, 8, (0,)) for level, size in ((1, 32 << 10), (2, 1 << 20), (3, 32 << 20)))


def test_edges_of_a_clean_curve_are_the_caches() -> None:
    curve = steps((32 << 10, 1.3), (1 << 20, 4.2), (32 << 20, 18.0), (256 << 20, 120.0))
    edges = find_edges(curve, TOLD)
    assert [edge.level for edge in edges] == [1, 2, 3]
    for edge, cache in zip(edges, TOLD, strict=True):
        assert cache.size_bytes is not None
        assert edge.told_bytes == cache.size_bytes
        assert cache.size_bytes <= edge.size_bytes <= cache.size_bytes * 2**0.25
    assert edges[0].below_ns == pytest.approx(1.3)
    assert edges[2].above_ns == pytest.approx(120)


def test_edges_are_found_without_being_told_of() -> None:
    edges = find_edges(steps((32 << 10, 1.3), (1 << 20, 4.2), (32 << 20, 18.0), (256 << 20, 120.0)))
    assert [(edge.level, edge.told_bytes) for edge in edges] == [(None, None)] * 3


def test_an_edge_that_no_cache_explains_is_not_named() -> None:
    (edge,) = find_edges(steps((4 << 20, 4.0), (256 << 20, 120.0)), TOLD)
    assert (edge.level, edge.told_bytes) == (None, None)


def test_flat_and_short_curves_have_no_edges() -> None:
    assert find_edges(steps((1 << 20, 5.0)), TOLD) == ()
    assert find_edges([(4096, 1.0), (8192, 9.0)], TOLD) == ()
    assert find_edges([]) == ()


def test_noise_makes_no_edges() -> None:
    curve = [(size, ns * (1 + 0.03 * math.sin(7 * i))) for i, (size, ns) in enumerate(steps((16 << 20, 5.0)))]
    assert find_edges(curve, TOLD) == ()


@pytest.mark.once
@given(st.lists(st.floats(0.1, 1000.0), max_size=40))
def test_rising_is_the_nearest_sequence_that_never_falls(values: list[float]) -> None:
    fitted = rising(values)
    assert len(fitted) == len(values)
    assert all(a <= b + 1e-9 for a, b in itertools.pairwise(fitted))
    assert sum(fitted) == pytest.approx(sum(values))
    assert rising(fitted) == pytest.approx(fitted)


@pytest.mark.once
@given(st.lists(st.floats(0.5, 500.0), min_size=0, max_size=40))
def test_edges_rise_whatever_the_curve(latencies: list[float]) -> None:
    curve = [(4096 * (i + 1), ns) for i, ns in enumerate(latencies)]
    edges = find_edges(curve)
    sizes = [edge.size_bytes for edge in edges]
    assert sizes == sorted(sizes)
    assert all(edge.below_ns < edge.above_ns for edge in edges)


# the probe ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def report() -> conc.memory.MemoryReport:
    return conc.probe(1.0)


def test_probe_reports(report: conc.memory.MemoryReport) -> None:
    assert report.verdict.kind in {"UMA", "NUMA", "inconclusive"}
    if len(report.topology.nodes) == 1 and not report.topology.unknown.get("nodes"):
        assert report.verdict.kind == "UMA"
        assert report.matrix is None
    sizes = [point.size_bytes for point in report.latency]
    assert sizes == sorted(set(sizes))
    assert all(point.n == len(point.samples) > 0 for point in report.latency)
    assert {cell.kernel for cell in report.bandwidth} == {"read", "triad"}
    assert report.budget_s == 1.0
    assert report.conditions.cpus_allowed == tuple(sorted(os.sched_getaffinity(0)))


def test_the_verdict_can_be_computed_again(report: conc.memory.MemoryReport) -> None:
    assert judge(report.topology, report.matrix) == report.verdict


def test_report_as_text(report: conc.memory.MemoryReport) -> None:
    text = str(report)
    assert report.verdict.kind in text.splitlines()[0]
    assert "Bandwidth (GB/s" in text
    for point in report.latency:
        assert f"{point.median_ns:8.2f}" in text
    assert all(line in text for line in report.skipped)


def test_report_as_html_needs_nothing_else(report: conc.memory.MemoryReport) -> None:
    page = report._repr_html_()
    assert page.startswith("<div")
    assert page.endswith("</div>")
    assert "<script" not in page
    assert "src=" not in page
    assert "href=" not in page
    if len(report.latency) >= 2:
        assert page.count("<circle") == len(report.latency)


def test_report_with_a_matrix_shows_it(report: conc.memory.MemoryReport, two_nodes: Topology) -> None:
    rows = [[cell(100), cell(147)], [MISSING, cell(101)]]
    speed = report.bandwidth[0]
    full = NodeMatrix((0, 1), (0, 1), tuple(map(tuple, rows)), ((speed, speed), (speed, speed)))
    shown = replace(report, topology=two_nodes, matrix=full, verdict=judge(two_nodes, full))
    text = str(shown)
    assert "NUMA, remote over local latency 1.47" in text.splitlines()[0]
    line = next(line for line in text.splitlines() if line.split()[:2] == ["0", "100.0"])
    assert line.split() == ["0", "100.0", "147.0"]
    assert "147.0" in shown._repr_html_()
    assert json.loads(shown.to_json())["matrix"]["latency"][1][0]["median_ns"] is None


@pytest.mark.parametrize("budget", [0, -1, math.nan, math.inf, 1e9])
def test_probe_refuses_a_budget(budget: float) -> None:
    with pytest.raises(ValueError, match="budget_s must be in"):
        conc.probe(budget)


def test_probe_refuses_what_is_no_number() -> None:
    with pytest.raises(TypeError, match="budget_s must be a number"):
        conc.probe("5")  # type: ignore[arg-type]


# the command ----------------------------------------------------------------------------------------------------------


def test_command_prints_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "report.json"
    assert main(["probe", "--budget", "0.5", "--json", str(path)]) == 0
    out = capsys.readouterr().out
    data = json.loads(path.read_text())
    assert data["verdict"]["kind"] in out.splitlines()[0]
    assert data["budget_s"] == 0.5


def test_command_on_a_recorded_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["probe", "--root", str(TREES / "four-node-holes"), "--json", "-"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert [node["id"] for node in data["nodes"]] == [0, 8, 16, 17]
    assert main(["probe", "--root", str(TREES / "memory-only")]) == 0
    assert "node 1: no CPUs" in capsys.readouterr().out


def test_ctrl_c_ends_the_command() -> None:
    command = [sys.executable, "-m", "conc", "probe", "--budget", "600"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        while len(os.listdir(f"/proc/{child.pid}/task")) < 2:  # its measuring thread
            assert child.poll() is None
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
    assert (out, err, child.returncode) == ("", "conc probe: interrupted\n", 130)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--budget", "nan"], "budget_s must be in"),
        (["--budget", "x"], "argument --budget"),
        (["--root", "/nowhere"], "cannot read a topology at /nowhere: read the topology: No such file or directory"),
        (["--root", str(TREES / "two-node"), "--quick"], "nothing is measured"),
        (["--budget", "1", "--quick"], "not allowed with"),
        (["--root", str(TREES / "two-node"), "--json", "/nowhere/x"], "cannot write /nowhere/x"),
        (["extra"], "unrecognized arguments"),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], text: str) -> None:
    done = subprocess.run([sys.executable, "-m", "conc", "probe", *arguments], capture_output=True, text=True)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert text in done.stderr
