"""Placed memory and the two kinds of cells that are measured on it, visit by visit.

A cell may be visited many times, in turns with others, so that a drift of the machine hits all alike; its samples add
up. `latency()` and `bandwidth()` visit one cell once, `conc.probe()` visits many in rounds.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Sequence

from conc import _core
from conc.memory.machine import size_text
from conc.memory.results import Bandwidth, Latency, Placement

CYCLE_SLOTS = 8  # words in a cache line: each can carry a cycle
SHARE_NEEDED = 0.99  # of the pages on the node asked for
ENOUGH_CACHES = 2  # times the caches: from there on a pass finds next to nothing of the one before
FEWEST_QUIET = 5  # undisturbed samples, for a figure to rest on those alone
LATENCY_TOLERANCE = 0.03
BANDWIDTH_TOLERANCE = 0.05

SLOW_LOAD_S = 150e-9  # a load that misses all caches, until one was measured
PLACING_S_PER_BYTE = 1.5e-9  # page faults
SLOW_BYTES_S = 4e9  # a slow stream, the same
SAMPLE_S = 0.012  # the longest sample of a chase

RawSample = tuple[float, int, int]
_Summary = tuple[float, float, float, float, float, float, float, float, float, float]


class Region:
    """Memory on a node, placed and verified when it is first needed; or a reason why it is not to be used.

    Args:
        size: bytes.
        node: that the pages are bound to; None: whoever touches them first decides.
        touch_cpu: that touches all of it; None: the threads of a measurement will, each its slice.
        huge: ask for huge pages.

    Raises:
        ValueError: this process may not use the node's memory.
        OSError: the memory cannot be had.
    """

    def __init__(self, size: int, node: int | None, touch_cpu: int | None, *, huge: bool) -> None:
        self.node = node
        self.reason: str | None = None
        self.placement: Placement | None = None
        self.page: str | None = None
        self._touch_cpu = touch_cpu
        self._cycles: dict[int, int] = {}  # size -> slot
        try:
            self.arena = _core.Arena(size, -1 if node is None else node, huge)
        except OSError as error:
            if error.errno == errno.EINVAL and node is not None:
                raise ValueError(f"this process may not use the memory of node {node}") from None
            raise

    @property
    def placing_s(self) -> float:
        """Seconds that placing what is not yet placed should take."""
        return 0.0 if self.placement is not None else self.arena.size * PLACING_S_PER_BYTE

    def place(self, timeout_s: float) -> None:
        """Touch and verify, once. What a time limit left untouched is done by the next call.

        Raises:
            TimeoutError: it takes longer than `timeout_s`.
        """
        if self.placement is None and self._touch_cpu is not None:
            self.arena.touch(self._touch_cpu, timeout_s)
            self.verify()

    def verify(self) -> None:
        """Ask where the pages are, and set `reason` if they are not where they should be."""
        pages, asked, absent, verified_by, huge_bytes = self.arena.placement()
        self.placement = Placement(
            shares={node: count / asked for node, count in pages.items()} if asked else {},
            pages=asked,
            verified_by=verified_by,
        )
        self.page = _page_text(huge_bytes, self.arena.size)
        if self.node is None or verified_by == "unverified":
            return
        share = self.placement.shares.get(self.node, 0.0)
        if share < SHARE_NEEDED:
            refused = f" (binding was refused: errno {self.arena.bind_errno})" if self.arena.bind_errno else ""
            self.reason = (
                f"only {share:.1%} of the pages are on node {self.node}, {SHARE_NEEDED:.0%} are needed{refused}; "
                f"{absent} of {asked} are not present"
            )

    def cycle(self, size: int, cpu: int, timeout_s: float) -> int:
        """The slot of the cycle through the first `size` bytes, linked by `cpu` when it is first asked for.

        Raises:
            TimeoutError: linking takes longer than `timeout_s`.
        """
        if size not in self._cycles:
            slot = len(self._cycles)
            self.arena.build(slot, size, size, cpu, timeout_s)
            self._cycles[size] = slot
        return self._cycles[size]

    def close(self) -> None:
        """Give the memory back."""
        self.arena.close()


class LatencyCell:
    """One working set in a region, chased from one CPU."""

    def __init__(self, region: Region, size: int, cpu: int) -> None:
        self.region = region
        self.size = size
        self.cpu = cpu
        self.cost_s: float | None = None  # of the last visit
        self._raw: list[RawSample] = []
        self._reason: str | None = None

    @property
    def visited(self) -> bool:
        """Whether a visit has ended: what the next one takes is then known."""
        return self.cost_s is not None

    def expected_s(self) -> float:
        """Seconds that a visit should take: the last one's, or a guess on the slow side."""
        guess = 2 * self.size / 64 * SLOW_LOAD_S + 6 * SAMPLE_S
        return self.region.placing_s + (guess if self.cost_s is None else self.cost_s)

    @property
    def label(self) -> str:
        """What it is, for a message."""
        where = "" if self.region.node is None else f" on node {self.region.node}"
        return f"latency of {size_text(self.size)}{where} from CPU {self.cpu}"

    def visit(self, wanted: int, most: int, timeout_s: float, *, whole_lap: bool = False) -> None:
        """Take samples: `wanted` undisturbed ones, or as many as make a lap if that is more; the first visit links."""
        if self.region.reason is not None:
            return
        deadline = time.monotonic() + timeout_s
        try:
            self.region.place(timeout_s)
            if self.region.reason is not None:
                return
            slot = self.region.cycle(self.size, self.cpu, _until(deadline))
        except TimeoutError:
            self._reason = f"placing {size_text(self.region.arena.size)} and linking took longer than {timeout_s:.3g} s"
            return
        start = time.monotonic()
        taken = self.region.arena.chase(slot, self.cpu, wanted, most, whole_lap, _until(deadline))
        self._raw += taken
        self._reason = _late(self._raw, len(taken), wanted, most)
        self.cost_s = time.monotonic() - start

    def result(self) -> Latency:
        """The figures of all visits so far."""
        values, discarded, note = _settle(self._raw)
        low = _summary(values)
        return Latency(
            median_ns=low and low[3],
            min_ns=low and low[0],
            p5_ns=low and low[1],
            p95_ns=low and low[5],
            mad_ns=low and low[7],
            interval_ns=low and (low[8], low[9]),
            n=len(values),
            discarded=discarded,
            stable=note is None and _is_stable(values, LATENCY_TOLERANCE),
            samples=tuple(values),
            placement=self.region.placement,
            page=self.region.page,
            size_bytes=self.size,
            cpu=self.cpu,
            node=self.region.node,
            reason=self.region.reason or _joined(self._reason, note),
        )


class BandwidthCell:
    """One kernel over a whole region, by threads on given CPUs whose caches hold `cached` bytes together."""

    def __init__(self, region: Region, kernel: str, cpus: Sequence[int], cached: int | None) -> None:
        self.region = region
        self.kernel = kernel
        self.cpus = tuple(cpus)
        self.cost_s: float | None = None
        self._raw: list[RawSample] = []
        self._reason: str | None = None
        self._note = _cache_note(region.arena.size, cached)
        self._row = next(row for row in _core.stream_kernels() if row[0] == kernel)

    @property
    def visited(self) -> bool:
        """Whether a visit has ended: what the next one takes is then known."""
        return self.cost_s is not None

    def expected_s(self) -> float:
        """Seconds that a visit should take: the last one's, or a guess on the slow side."""
        guess = 10 * self.region.arena.size / SLOW_BYTES_S
        return self.region.placing_s + (guess if self.cost_s is None else self.cost_s)

    @property
    def label(self) -> str:
        """What it is, for a message."""
        where = "" if self.region.node is None else f" on node {self.region.node}"
        return f"{self.kernel} bandwidth of {len(self.cpus)} threads{where}"

    def visit(self, wanted: int, most: int, timeout_s: float) -> None:
        """Take samples; the first visit to a region that nobody touched places its pages."""
        if self.region.reason is not None:
            return
        deadline = time.monotonic() + timeout_s
        try:
            self.region.place(timeout_s)
        except TimeoutError:
            return
        if self.region.reason is not None:
            return
        start = time.monotonic()
        taken = self.region.arena.stream(self.kernel, self.cpus, wanted, most, _until(deadline))
        self._raw += taken
        self._reason = _late(self._raw, len(taken), wanted, most)
        if self.region.placement is None and self._raw:
            self.region.verify()
        self.cost_s = time.monotonic() - start

    def result(self) -> Bandwidth:
        """The figures of all visits so far."""
        values, discarded, note = _settle([] if self.region.reason else self._raw)
        low = _summary(values)
        _, variant, _, read, written, _ = self._row
        return Bandwidth(
            median_gb_s=low and low[3],
            max_gb_s=low and low[6],
            min_gb_s=low and low[0],
            p5_gb_s=low and low[1],
            p95_gb_s=low and low[5],
            mad_gb_s=low and low[7],
            interval_gb_s=low and (low[8], low[9]),
            n=len(values),
            discarded=discarded,
            stable=note is None and _is_stable(values, BANDWIDTH_TOLERANCE),
            samples=tuple(values),
            placement=self.region.placement,
            page=self.region.page,
            kernel=self.kernel,
            variant=variant,
            threads=len(self.cpus),
            cpus=self.cpus,
            node=self.region.node,
            size_bytes=self.region.arena.size,
            counted_bytes=read + written,
            bus_bytes=read + 2 * written,
            reason=self.region.reason or _joined(self._reason, note, self._note),
        )


def _cache_note(size: int, cached: int | None) -> str | None:
    if cached is None or size >= ENOUGH_CACHES * cached:
        return None
    return (
        f"the arrays, {size_text(size)}, are less than {ENOUGH_CACHES} times the caches of these CPUs, "
        f"{size_text(cached)}: caches answer a part"
    )


def _until(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0.0)


def _quiet(raw: list[RawSample]) -> list[float]:
    return [value for value, involuntary, steal in raw if involuntary <= 0 and steal <= 0]


def _late(raw: list[RawSample], taken: int, wanted: int, most: int) -> str | None:
    """Why there are fewer than `wanted`, when the last visit had to end before it had `taken` as many as it may."""
    if not raw or taken == most or len(_quiet(raw)) >= wanted:
        return None
    return f"the time was over after {len(raw)} samples"


def _joined(*notes: str | None) -> str | None:
    return "; ".join(note for note in notes if note) or None


def _settle(raw: list[RawSample]) -> tuple[list[float], int, str | None]:
    """The samples to use, how many disturbed ones are left out, and what is weak about that."""
    if not raw:
        return [], 0, "no sample could be taken in time"
    quiet = _quiet(raw)
    if len(quiet) >= FEWEST_QUIET or len(quiet) == len(raw):
        return quiet, len(raw) - len(quiet), None
    note = f"{len(raw) - len(quiet)} of {len(raw)} samples were disturbed and are kept: too few were not"
    return [value for value, _, _ in raw], 0, note


def _summary(values: list[float]) -> _Summary | None:
    return _core.statistics(values) if values else None


def _is_stable(values: list[float], tolerance: float) -> bool:
    """Quartiles near each other, and no drift from the first half to the second."""
    if len(values) < FEWEST_QUIET:
        return False
    _, _, p25, median, p75, *_ = _core.statistics(values)
    first, second = values[: len(values) // 2], values[len(values) // 2 :]
    drift = abs(_core.statistics(first)[3] - _core.statistics(second)[3])
    return p75 - p25 <= tolerance * median and drift <= tolerance * median


def _page_text(huge_bytes: int | None, size: int) -> str | None:
    base, huge = map(size_text, _core.page_sizes())
    if huge_bytes is None:
        return None
    if huge_bytes == 0:
        return base
    return huge if huge_bytes >= size else f"{huge} ({huge_bytes / size:.0%}) and {base}"
