"""What the memory measurements return: plain frozen records with their raw samples, units in the names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from conc.memory.conditions import Conditions
from conc.memory.machine import Topology
from conc.records import Record


@dataclass(frozen=True, slots=True)
class Placement(Record):
    """Where the pages of a buffer are.

    Attributes:
        shares: node id -> share of the pages asked, 0..1; empty where nobody tells.
        pages: base pages asked about.
        verified_by: "move_pages" (every page), "get_mempolicy" (a sample of at most 64), or "unverified".
    """

    shares: Mapping[int, float]
    pages: int
    verified_by: str


@dataclass(frozen=True, slots=True)
class Latency(Record):
    """Load-to-use latency of one working set. A figure is None where none could be taken; `reason` says why.

    Attributes:
        median_ns: median of the samples; the headline.
        min_ns: the best sample, which other tools report.
        p5_ns: 5th percentile.
        p95_ns: 95th percentile.
        mad_ns: median absolute deviation from the median, not scaled.
        interval_ns: 95 % confidence interval of the median, from order statistics.
        n: samples that the figures are made of.
        discarded: further samples that were disturbed (steal time, involuntary switches) and left out.
        stable: the quartiles lie within 3 % of the median of each other, and the halves of the samples agree as well.
        samples: nanoseconds a load, in the order taken.
        placement: where the pages are, verified after the touch; None where it was not asked.
        page: the size of the pages: "4 KiB", "2 MiB", or both with their shares.
        size_bytes: of the working set.
        cpu: that the measuring thread was pinned to.
        node: that the memory was bound to; None where it was the CPU's first touch alone that decided.
        pattern: "random": one cycle through every 64-byte line in random order over the whole buffer.
        reason: why figures are missing or weak; None where there is nothing to say.
        source: what measured.
    """

    median_ns: float | None
    min_ns: float | None
    p5_ns: float | None
    p95_ns: float | None
    mad_ns: float | None
    interval_ns: tuple[float, float] | None
    n: int
    discarded: int
    stable: bool
    samples: tuple[float, ...]
    placement: Placement | None
    page: str | None
    size_bytes: int
    cpu: int
    node: int | None
    pattern: str = "random"
    reason: str | None = None
    source: str = "pointer chase"


@dataclass(frozen=True, slots=True)
class Bandwidth(Record):
    """Bytes a second that threads move together; 1 GB is 1e9 bytes. None where no figure could be taken: see `reason`.

    Attributes:
        median_gb_s: median of the samples; the headline.
        max_gb_s: the best sample, which other tools report.
        min_gb_s: the worst sample.
        p5_gb_s: 5th percentile.
        p95_gb_s: 95th percentile.
        mad_gb_s: median absolute deviation from the median, not scaled.
        interval_gb_s: 95 % confidence interval of the median, from order statistics.
        n: samples that the figures are made of.
        discarded: further samples that were disturbed and left out.
        stable: as in Latency, within 5 %.
        samples: GB/s, in the order taken.
        placement: where the pages are, verified; None where it was not asked.
        page: the size of the pages.
        kernel: "read" or "triad" (a[i] = b[i] + s * c[i]).
        variant: the instructions of the kernel that ran.
        threads: how many, each on a CPU of its own.
        cpus: those CPUs, in order of the slices.
        node: that the memory was bound to; None: each thread touched its own slice first.
        size_bytes: of all arrays of all threads together.
        counted_bytes: per element, as the figures count them.
        bus_bytes: per element with the lines that ordinary stores fetch before they write: what the memory moves.
        reason: why figures are missing or weak.
        source: what measured.
    """

    median_gb_s: float | None
    max_gb_s: float | None
    min_gb_s: float | None
    p5_gb_s: float | None
    p95_gb_s: float | None
    mad_gb_s: float | None
    interval_gb_s: tuple[float, float] | None
    n: int
    discarded: int
    stable: bool
    samples: tuple[float, ...]
    placement: Placement | None
    page: str | None
    kernel: str
    variant: str
    threads: int
    cpus: tuple[int, ...]
    node: int | None
    size_bytes: int
    counted_bytes: int
    bus_bytes: int
    reason: str | None = None
    source: str = "stream kernel"


@dataclass(frozen=True, slots=True)
class Edge(Record):
    """A step in latency by working-set size: where a cache ends.

    Attributes:
        size_bytes: the size at which latency crosses the geometric mean of the two plateaus.
        below_ns: the plateau before.
        above_ns: the plateau after.
        level: of the cache that the system tells of nearest to it; None where none is within a factor of two.
        told_bytes: that cache's size.
    """

    size_bytes: int
    below_ns: float
    above_ns: float
    level: int | None
    told_bytes: int | None


@dataclass(frozen=True, slots=True)
class NodeMatrix(Record):
    """Every CPU node against every memory node.

    Attributes:
        cpu_nodes: ids of the rows: nodes with a CPU that this process may use.
        memory_nodes: ids of the columns: nodes with memory.
        latency: shape (cpu_nodes, memory_nodes).
        bandwidth: the same shape; kernel "read" with one thread on every usable CPU of the row's node.
    """

    cpu_nodes: tuple[int, ...]
    memory_nodes: tuple[int, ...]
    latency: tuple[tuple[Latency, ...], ...]
    bandwidth: tuple[tuple[Bandwidth, ...], ...]


@dataclass(frozen=True, slots=True)
class Verdict(Record):
    """Whether memory is equally near from everywhere.

    Attributes:
        kind: "UMA", "NUMA" or "inconclusive".
        ratio: the largest remote over local latency; None where there is no pair to compare.
        interval: of that ratio, at least 95 %.
        reasons: what it rests on, with figures.
    """

    kind: str
    ratio: float | None
    interval: tuple[float, float] | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MemoryReport(Record):
    """All that `conc.probe()` found. ``print(report)`` is a table; a notebook shows a picture.

    Attributes:
        topology: the machine as the system tells it.
        latency: by working-set size, rising, from one CPU to its own memory.
        edges: the caches' ends that the curve shows.
        bandwidth: by kernel and number of threads.
        matrix: node by node; None on a machine with one node.
        verdict: a function of the topology and the matrix alone.
        conditions: what the figures depend on besides the memory.
        budget_s: seconds that were allowed.
        elapsed_s: seconds that it took.
        skipped: what was not measured, with the reason.
    """

    topology: Topology
    latency: tuple[Latency, ...]
    edges: tuple[Edge, ...]
    bandwidth: tuple[Bandwidth, ...]
    matrix: NodeMatrix | None
    verdict: Verdict
    conditions: Conditions
    budget_s: float
    elapsed_s: float
    skipped: tuple[str, ...] = field(default_factory=tuple)

    def __str__(self) -> str:
        from conc.memory.rendering import as_text

        return as_text(self)

    def _repr_html_(self) -> str:
        from conc.memory.rendering import as_html

        return as_html(self)
