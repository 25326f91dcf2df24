"""The whole probe: every cell in turns within a time budget, and one report."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

from conc.memory.choices import (
    DEFAULT_LARGEST,
    cached_bytes,
    default_size,
    largest_size,
    touching_cpu,
    usable_cpus,
)
from conc.memory.conditions import describe_conditions
from conc.memory.curve import find_edges
from conc.memory.machine import Node, Topology, size_text, topology
from conc.memory.measure import SMALLEST_SLICE, kernels
from conc.memory.regions import CYCLE_SLOTS, SLOW_LOAD_S, BandwidthCell, LatencyCell, Region
from conc.memory.results import MemoryReport, NodeMatrix
from conc.memory.verdict import judge

MIB = 1 << 20
SMALLEST_POINT = 4096
DENSE_BELOW = 16 * MIB  # working sets below are cheap: many points an octave
DENSE_POINTS = 4
SPARSE_POINTS = 2
SLICE_SHARE = 0.04  # of the budget: the least time a visit may take
LARGEST_SLICE_SHARE = 0.2  # of the budget: the most
SLICE_EXPECTED = 3  # times what it should take, in between
LARGEST_LAP_SHARE = 0.15  # of the budget: two laps of the largest working set
STREAM_SHARE = 0.2  # of the budget: placing memory for bandwidth and a first visit to its cells
STREAM_S_PER_BYTE = 5e-9  # what that takes
WANTED, MOST = 6, 12  # samples a visit: undisturbed ones, and at all
END_SHARE = 0.03  # of the budget: kept for giving memory back and for the report
LEAST_BUDGET_S = 0.2
MOST_BUDGET_S = 3600.0
ROUNDS = 50  # more add nothing

Cell = LatencyCell | BandwidthCell


def probe(budget_s: float = 5.0) -> MemoryReport:
    """Measure this machine's memory: latency by working-set size, bandwidth by threads, node by node, and a verdict.

    All cells are measured in rounds, in a new random order each, so that a drift of the machine hits all alike. Memory
    is taken once: at most 1 GiB and never more than a quarter of what is available. The GIL is released while it
    measures; the caller's affinity is not touched.

    Args:
        budget_s: seconds it may take, 0.2..3600. More time gives more samples; what did not fit is in ``skipped``.

    Returns:
        MemoryReport. Its verdict is "UMA", "NUMA", or "inconclusive" with the reason.

    Raises:
        TypeError, ValueError: a budget that is no number or out of range.
        OSError: the machine cannot be read (not Linux), or memory or threads cannot be had.
        KeyboardInterrupt: Ctrl-C; it ends within some milliseconds and gives all memory back.

    Source: see docs/method.md.

    Example:
        >>> import conc
        >>> conc.probe(0.5).verdict.kind in {"UMA", "NUMA", "inconclusive"}
        True
    """
    if isinstance(budget_s, bool) or not isinstance(budget_s, (int, float)):
        raise TypeError(f"budget_s must be a number of seconds, not {budget_s!r}")
    if not LEAST_BUDGET_S <= budget_s <= MOST_BUDGET_S:
        raise ValueError(f"budget_s must be in {LEAST_BUDGET_S}..{MOST_BUDGET_S:.0f} seconds, not {budget_s!r}")
    start = time.monotonic()
    deadline = start + budget_s * (1 - END_SHARE)
    machine = topology()
    conditions = describe_conditions()
    with ExitStack() as regions:
        plan = _plan(machine, budget_s, regions)
        _run(plan, budget_s, deadline)
        curve = [cell.result() for cell in plan.curve]
        bandwidths = tuple(cell.result() for cell in plan.bandwidth)
        matrix = _matrix(plan)
    measured = tuple(point for point in curve if point.median_ns is not None)
    cpu = usable_cpus(machine, None)[0]
    return MemoryReport(
        topology=machine,
        latency=measured,
        edges=find_edges([(p.size_bytes, p.median_ns) for p in measured if p.median_ns], machine.data_caches(cpu)),
        bandwidth=bandwidths,
        matrix=matrix,
        verdict=judge(machine, matrix),
        conditions=conditions,
        budget_s=float(budget_s),
        elapsed_s=time.monotonic() - start,
        skipped=tuple(_skipped(plan)),
    )


@dataclass
class _Plan:
    """The cells, by the part of the report that they are for."""

    curve: list[LatencyCell] = field(default_factory=list)
    bandwidth: list[BandwidthCell] = field(default_factory=list)
    matrix_latency: dict[tuple[int, int], LatencyCell] = field(default_factory=dict)
    matrix_bandwidth: dict[tuple[int, int], BandwidthCell] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def cells(self) -> Iterator[Cell]:
        yield from self.matrix_latency.values()
        yield from self.matrix_bandwidth.values()
        yield from self.bandwidth
        yield from _coarse_to_fine(self.curve)


@dataclass(frozen=True)
class _Shares:
    """How the parts share the memory allowed, on a machine with several nodes; together they are at most all of it."""

    curve: float = 0.15  # the largest working set; smaller ones take a third of it besides
    stream: float = 0.075  # bandwidth on the first CPU's node
    spread: float = 0.075  # bandwidth of all CPUs
    chase: float = 0.45  # latency node by node, all nodes: it must be more than the caches hold
    streams: float = 0.2  # bandwidth node by node, all nodes


def _plan(machine: Topology, budget_s: float, regions: ExitStack) -> _Plan:
    """Map the memory and lay out the cells; pages are placed when a cell is first visited."""
    plan = _Plan()
    cpu = usable_cpus(machine, None)[0]
    home = machine.node_of(cpu) if "nodes" not in machine.unknown else None
    if home is not None and not machine.node(home).has_memory:
        home = None
    memory_nodes = [node for node in machine.nodes if node.has_memory]
    allowance = min(largest_size(machine, None), DEFAULT_LARGEST)
    share = _Shares() if len(memory_nodes) > 1 else _Shares(curve=0.25, stream=0.25, spread=0.0)
    largest = _largest_working_set(machine, cpu, home, int(share.curve * allowance), budget_s, plan)

    def region(size: int, node: int | None, touch_cpu: int | None) -> Region:
        made = Region(size, node, touch_cpu, huge=True)
        regions.callback(made.close)
        return made

    if len(memory_nodes) > 1:
        per_node = allowance / len(memory_nodes)
        wanted = default_size(machine, (cpu,), allowance)
        chase, stream = min(wanted, int(share.chase * per_node)), min(wanted, int(share.streams * per_node))
        _plan_matrix(machine, memory_nodes, max(chase, MIB), max(stream, MIB), region, plan)
    in_time = int(STREAM_SHARE * budget_s / STREAM_S_PER_BYTE)
    room = min(int(share.stream * allowance), largest_size(machine, home) // 2, in_time)
    streamed = default_size(machine, usable_cpus(machine, home), room)
    _plan_bandwidth(machine, home, cpu, streamed, int(share.spread * allowance), region, plan)
    sizes = list(_grid(largest))
    while sizes:
        group, sizes = sizes[-CYCLE_SLOTS:], sizes[:-CYCLE_SLOTS]
        place = region(group[-1], home, cpu)
        plan.curve[:0] = [LatencyCell(place, size, cpu) for size in group]
    return plan


def _largest_working_set(
    machine: Topology, cpu: int, home: int | None, allowance: int, budget_s: float, plan: _Plan
) -> int:
    wanted = default_size(machine, (cpu,), largest_size(machine, home))
    in_time = int(LARGEST_LAP_SHARE * budget_s / SLOW_LOAD_S / 2) * 64
    largest = max(min(wanted, allowance, in_time), 2 * SMALLEST_POINT)
    if largest < wanted:
        why = "memory" if allowance < in_time else "budget"
        plan.notes.append(
            f"working sets above {size_text(largest)}, of {size_text(wanted)} wanted: the {why} allows no more"
        )
    return largest


def _grid(largest: int) -> list[int]:
    """Working-set sizes on a log2 grid, rising, whole cache lines; the largest one is always there."""
    sizes = {largest // 64 * 64}
    octaves = math.log2(largest / SMALLEST_POINT)
    for step in range(int(octaves * DENSE_POINTS) + 1):
        size = int(SMALLEST_POINT * 2 ** (step / DENSE_POINTS)) // 64 * 64
        if size <= DENSE_BELOW or step % (DENSE_POINTS // SPARSE_POINTS) == 0:
            sizes.add(size)
    return sorted(sizes)


def _coarse_to_fine(curve: list[LatencyCell]) -> list[LatencyCell]:
    """The largest working set, then every eighth one, every fourth, every second, and the rest."""

    def place(index: int) -> int:
        return 0 if index == len(curve) - 1 else next(k for k in (1, 2, 3, 4) if index % (16 >> k) == 0)

    return [curve[index] for index in sorted(range(len(curve)), key=place)]


def _plan_bandwidth(
    machine: Topology, home: int | None, cpu: int, size: int, spread: int, region: Callable[..., Region], plan: _Plan
) -> None:
    """Each kernel by number of threads, on the first CPU's own node; where there are more nodes, all CPUs besides."""
    cpus = usable_cpus(machine, home)
    counts = sorted({1, len(cpus), *(1 << k for k in range(len(cpus).bit_length()) if 1 << k < len(cpus))})
    near = region(max(size, SMALLEST_SLICE * len(cpus)), home, cpu)
    for kernel in kernels():
        plan.bandwidth += [BandwidthCell(near, kernel, cpus[:n], cached_bytes(machine, cpus[:n])) for n in counts]
    everyone = usable_cpus(machine, None)
    if len(everyone) > len(cpus):
        apart = region(max(spread, SMALLEST_SLICE * len(everyone)), None, None)
        plan.bandwidth += [BandwidthCell(apart, name, everyone, cached_bytes(machine, everyone)) for name in kernels()]


def _plan_matrix(
    machine: Topology, memory_nodes: list[Node], chase: int, stream: int, region: Callable[..., Region], plan: _Plan
) -> None:
    allowed = set(usable_cpus(machine, None))
    rows = [node for node in machine.nodes if allowed & set(node.cpus)]
    most = max(len(allowed & set(row.cpus)) for row in rows)
    for target in memory_nodes:
        room = max(chase + stream if target.memory_free_bytes is None else target.memory_free_bytes // 3, 2 * MIB)
        touch = touching_cpu(machine, min(allowed), target.id)
        try:
            chased = region(min(chase, room), target.id, touch)
            streamed = region(max(min(stream, room // 2), SMALLEST_SLICE * most), target.id, touch)
        except (ValueError, OSError) as error:
            plan.notes.append(f"node {target.id} as a target: {error}")
            continue
        for row in rows:
            cpus = usable_cpus(machine, row.id)
            plan.matrix_latency[row.id, target.id] = LatencyCell(chased, chased.arena.size, cpus[0])
            plan.matrix_bandwidth[row.id, target.id] = BandwidthCell(
                streamed, "read", cpus, cached_bytes(machine, cpus)
            )


def _run(plan: _Plan, budget_s: float, deadline: float) -> None:
    """Visit the cells round by round until the time is used; the first round goes from what matters most to the least.

    A visit has a slice of time, so that a cell which others disturb cannot use up what all need.
    """
    order = random.Random(1)
    cells = list(plan.cells())
    for number in range(ROUNDS):
        if number > 0:
            order.shuffle(cells)
        visited = False
        for cell in cells:
            left = deadline - time.monotonic()
            expected = cell.expected_s()
            if left <= 0:
                return
            if expected > left and cell.visited:
                continue
            usual = min(SLICE_EXPECTED * expected, LARGEST_SLICE_SHARE * budget_s)
            cell.visit(WANTED, MOST, min(left, max(usual, SLICE_SHARE * budget_s)))
            visited = visited or cell.region.reason is None
        if not visited:
            return


def _matrix(plan: _Plan) -> NodeMatrix | None:
    if not plan.matrix_latency:
        return None
    rows = tuple(sorted({row for row, _ in plan.matrix_latency}))
    columns = tuple(sorted({column for _, column in plan.matrix_latency}))
    return NodeMatrix(
        cpu_nodes=rows,
        memory_nodes=columns,
        latency=tuple(tuple(plan.matrix_latency[row, column].result() for column in columns) for row in rows),
        bandwidth=tuple(tuple(plan.matrix_bandwidth[row, column].result() for column in columns) for row in rows),
    )


def _skipped(plan: _Plan) -> Iterator[str]:
    yield from plan.notes
    missing: dict[str | None, list[str]] = {}
    for point in (cell.result() for cell in plan.curve):
        if point.n == 0:
            missing.setdefault(point.reason, []).append(size_text(point.size_bytes))
    for reason, sizes in missing.items():
        yield f"latency of {len(sizes)} of {len(plan.curve)} working sets ({sizes[0]}..{sizes[-1]}): {reason}"
    others: list[Cell] = [*plan.matrix_latency.values(), *plan.matrix_bandwidth.values(), *plan.bandwidth]
    for cell in others:
        result = cell.result()
        if result.n == 0:
            yield f"{cell.label}: {result.reason}"
