"""UMA or NUMA: a pure function of what was recorded, so that it can be computed again from a stored report."""

from __future__ import annotations

from dataclasses import dataclass

from conc.memory.machine import Topology, size_text
from conc.memory.results import Latency, NodeMatrix, Verdict

LEAST_DIFFERENCE = 0.05  # remote over local - 1 that counts as a difference at all
JITTERS = 3  # a difference must also exceed this many times the scatter of the cells
CACHES = 2  # times the last-level cache: a smaller working set is in part the cache's latency, equal for all nodes
FEWEST_SAMPLES = 6  # below, an order statistic has no 95 % interval


@dataclass(frozen=True)
class _Pair:
    cpu_node: int
    memory_node: int
    ratio: float
    low: float
    high: float

    def differs(self, threshold: float) -> bool:
        """The whole interval lies outside the threshold: farther, or nearer, than local memory."""
        return self.low > 1 + threshold or self.high < 1 / (1 + threshold)

    def agrees(self, threshold: float) -> bool:
        """The whole interval lies within it."""
        return self.low >= 1 / (1 + threshold) and self.high <= 1 + threshold

    def __str__(self) -> str:
        return (
            f"from node {self.cpu_node} to node {self.memory_node}: {self.ratio:.3f} times local latency "
            f"({self.low:.3f}..{self.high:.3f})"
        )


def judge(topology: Topology, matrix: NodeMatrix | None) -> Verdict:
    """Whether memory is equally near from every CPU.

    Every remote cell is set against the local one of its row; the interval of their ratio is the conservative one (the
    ends of the two medians' 95 % intervals against each other). NUMA: some interval lies wholly beyond the threshold.
    UMA: all lie wholly within it. The threshold is the larger of 5 % and three times the scatter of the cells.

    Args:
        topology: the machine.
        matrix: latency node by node; None where there was nothing to compare.

    Returns:
        Verdict; "inconclusive" whenever the data do not support one of the two.
    """
    with_memory = [node for node in topology.nodes if node.has_memory]
    if len(with_memory) < 2:
        return _one_node(topology)
    if matrix is None:
        return Verdict("inconclusive", None, None, (f"{len(with_memory)} nodes with memory, none measured",))
    pairs, gaps, jitter = _compare(topology, matrix)
    threshold = max(LEAST_DIFFERENCE, JITTERS * jitter)
    rule = (
        f"threshold {threshold:.1%}: the larger of {LEAST_DIFFERENCE:.0%} and {JITTERS} times a scatter of {jitter:.1%}"
    )
    if not pairs:
        return Verdict("inconclusive", None, None, ("no remote cell can be compared with a local one", *gaps))
    worst = max(pairs, key=_difference)
    far = [pair for pair in pairs if pair.differs(threshold)]
    if far:
        clearest = max(far, key=_difference)
        return Verdict("NUMA", clearest.ratio, (clearest.low, clearest.high), (*map(str, far), rule, *gaps))
    unclear = [pair for pair in pairs if not pair.agrees(threshold)]
    if unclear or gaps:
        return Verdict("inconclusive", worst.ratio, (worst.low, worst.high), (*map(str, unclear), rule, *gaps))
    return Verdict("UMA", worst.ratio, (worst.low, worst.high), (f"all pairs alike; the largest {worst}", rule))


def _one_node(topology: Topology) -> Verdict:
    if "nodes" in topology.unknown:
        return Verdict("inconclusive", None, None, (topology.unknown["nodes"],))
    return Verdict(
        "UMA",
        None,
        None,
        (
            "one node with memory: UMA as seen by this operating system",
            "a virtual machine, or firmware that interleaves sockets, can hide NUMA below it; this cannot be excluded",
        ),
    )


def _compare(topology: Topology, matrix: NodeMatrix) -> tuple[list[_Pair], list[str], float]:
    """The pairs that can be judged, what stands in the way of the others, and the largest scatter of a cell used."""
    pairs: list[_Pair] = []
    gaps: list[str] = []
    jitter = 0.0
    for cpu_node, row in zip(matrix.cpu_nodes, matrix.latency, strict=True):
        cells = dict(zip(matrix.memory_nodes, row, strict=True))
        local = cells.get(cpu_node)
        if local is None:
            gaps.append(f"node {cpu_node} has no memory of its own: nothing to compare its row with")
            continue
        flaws = {node: flaw for node, cell in cells.items() if (flaw := _flaw(topology, cell)) is not None}
        gaps += [f"from node {cpu_node} to node {node}: {flaw}" for node, flaw in flaws.items()]
        for node, cell in cells.items():
            if node == cpu_node or node in flaws or cpu_node in flaws:
                continue
            jitter = max(jitter, _scatter(local), _scatter(cell))
            pairs.append(_pair(cpu_node, node, local, cell))
    return pairs, gaps, jitter


def _flaw(topology: Topology, cell: Latency) -> str | None:
    """Why a cell cannot carry a verdict; None if it can."""
    if cell.median_ns is None or cell.interval_ns is None:
        return cell.reason or "not measured"
    if cell.placement is None or cell.placement.verified_by == "unverified":
        return "where its pages are could not be verified"
    cache = topology.last_level_bytes(cell.cpu)
    if cache is not None and cell.size_bytes < CACHES * cache:
        return (
            f"a working set of {size_text(cell.size_bytes)} is less than {CACHES} times the cache, {size_text(cache)}"
        )
    if cell.n < FEWEST_SAMPLES:
        return f"only {cell.n} samples, {FEWEST_SAMPLES} are needed"
    return None


def _difference(pair: _Pair) -> float:
    return max(pair.ratio, 1 / pair.ratio)


def _scatter(cell: Latency) -> float:
    return (cell.mad_ns or 0.0) / (cell.median_ns or 1.0)


def _pair(cpu_node: int, memory_node: int, local: Latency, remote: Latency) -> _Pair:
    near_low, near_high = local.interval_ns or (0.0, 0.0)
    far_low, far_high = remote.interval_ns or (0.0, 0.0)
    ratio = (remote.median_ns or 0.0) / (local.median_ns or 1.0)
    return _Pair(cpu_node, memory_node, ratio, far_low / near_high, far_high / near_low)
