"""One figure at a time: latency and bandwidth of a buffer whose place is known."""

from __future__ import annotations

import math

from conc import _core
from conc.memory.choices import cached_bytes, default_size, largest_size, touching_cpu, usable_cpus
from conc.memory.machine import Topology, list_text, size_text, topology
from conc.memory.regions import BandwidthCell, LatencyCell, Region
from conc.memory.results import Bandwidth, Latency

SMALLEST_WORKING_SET = 4096
SMALLEST_SLICE = 1 << 20


def kernels() -> tuple[str, ...]:
    """The names that `bandwidth` takes."""
    return tuple(row[0] for row in _core.stream_kernels())


def latency(
    *,
    size: int | None = None,
    cpu: int | None = None,
    node: int | None = None,
    samples: int = 21,
    huge: bool = True,
    timeout: float = 10.0,
) -> Latency:
    """Measure the load-to-use latency of memory by a random pointer chase.

    A thread of conc's own, pinned to `cpu`, follows one cycle through all cache lines of the buffer; each load needs
    the one before. The GIL is released meanwhile, and the caller's affinity is not touched.

    Args:
        size: bytes of the working set, 4096 up to a quarter of the memory that is available. Default: four times the
            last-level cache, so that it is memory that is measured, at most 1 GiB.
        cpu: that loads. Default: the first CPU allowed of `node`, or of all.
        node: whose memory is loaded from; its pages are bound before the first touch and verified. Default: the CPU's.
        samples: undisturbed samples wanted, 1..100000; up to three times as many are taken.
        huge: ask for huge pages, so that the cost of address translation stays out; `page` says what was got.
        timeout: seconds after which it ends with the samples that there are.

    Returns:
        Latency. `median_ns` is None, with the `reason`, where the pages did not come to lie on the node.

    Raises:
        ValueError: no such node or CPU, or a size out of range.
        OSError: the memory or a thread cannot be had.
        KeyboardInterrupt: Ctrl-C; it ends within some milliseconds.

    Source: Sattolo's single cycle; move_pages(2) for the place of every page. See docs/method.md.

    Example:
        >>> import conc
        >>> figure = conc.memory.latency(size=16384, samples=5)
        >>> figure.median_ns < 100
        True
    """
    machine = topology()
    _check_count("samples", samples)
    _check_seconds("timeout", timeout)
    cpu = _choose_cpu(machine, cpu, node)
    node = _choose_node(machine, cpu, node)
    limit = largest_size(machine, node)
    size = default_size(machine, (cpu,), limit) if size is None else _check_size(size, SMALLEST_WORKING_SET, limit)
    region = Region(size, node, touching_cpu(machine, cpu, node), huge=huge)
    try:
        cell = LatencyCell(region, size, cpu)
        cell.visit(samples, 3 * samples, timeout, whole_lap=True)
        return cell.result()
    finally:
        region.close()


def bandwidth(
    kernel: str = "read",
    *,
    threads: int | None = None,
    node: int | None = None,
    size: int | None = None,
    samples: int = 11,
    huge: bool = True,
    timeout: float = 10.0,
) -> Bandwidth:
    """Measure how many bytes a second threads move together.

    Each thread is pinned to a CPU of its own and touches its slice first; they start together at a spinning barrier,
    and a sample ends when the first is through. The GIL is released meanwhile.

    Args:
        kernel: "read" (loads alone) or "triad" (a[i] = b[i] + s * c[i]; the lines that its stores fetch first are not
            counted, `bus_bytes` says what they add).
        threads: how many, 1..the CPUs usable. Default: one on each usable CPU of `node`, or of all.
        node: whose memory is used; bound and verified. Default: none is bound, each slice lies where its thread runs.
        size: bytes of all arrays together. Default: four times the last-level caches of the CPUs, 64 MiB to 1 GiB.
        samples: undisturbed samples wanted, 1..100000; up to twice as many are taken.
        huge: ask for huge pages.
        timeout: seconds after which it ends with the samples that there are.

    Returns:
        Bandwidth, in 1e9 bytes a second.

    Raises:
        ValueError: unknown kernel, no such node, more threads than CPUs, or a size out of range.
        OSError: the memory or a thread cannot be had.
        KeyboardInterrupt: Ctrl-C.

    Source: STREAM's triad and rules of counting (McCalpin 1995). See docs/method.md.

    Example:
        >>> import conc
        >>> conc.memory.bandwidth("read", threads=1, samples=3).threads
        1
    """
    if kernel not in kernels():
        raise ValueError(f"unknown kernel {kernel!r}; there are {', '.join(map(repr, kernels()))}")
    machine = topology()
    _check_count("samples", samples)
    _check_seconds("timeout", timeout)
    if node is not None:
        _check_node(machine, node)
    cpus = usable_cpus(machine, node)
    if threads is not None:
        _check_count("threads", threads)
        if threads > len(cpus):
            raise ValueError(f"threads must be at most {len(cpus)}, one for each usable CPU, not {threads}")
        cpus = cpus[:threads]
    limit = largest_size(machine, node)
    smallest = SMALLEST_SLICE * len(cpus)
    size = default_size(machine, cpus, limit) if size is None else _check_size(size, smallest, limit)
    region = Region(max(size, smallest), node, None, huge=huge)
    try:
        cell = BandwidthCell(region, kernel, cpus, cached_bytes(machine, cpus))
        cell.visit(samples, 2 * samples, timeout)
        return cell.result()
    finally:
        region.close()


def _choose_cpu(machine: Topology, cpu: int | None, node: int | None) -> int:
    if node is not None:
        _check_node(machine, node)
    if cpu is None:
        return usable_cpus(machine, node)[0]
    allowed = tuple(sorted(usable_cpus(machine, None)))
    if isinstance(cpu, bool) or not isinstance(cpu, int):
        raise TypeError(f"cpu must be an int, not {cpu!r}")
    if cpu not in allowed:
        raise ValueError(f"CPU {cpu} is not allowed for this thread; allowed are {list_text(allowed)}")
    return cpu


def _choose_node(machine: Topology, cpu: int, node: int | None) -> int | None:
    """The node to bind to: the one asked for, or the CPU's own where it is known to have memory."""
    if node is not None or "nodes" in machine.unknown:
        return node
    own = machine.node_of(cpu)
    return own if own is not None and machine.node(own).has_memory else None


def _check_node(machine: Topology, node: int) -> None:
    if isinstance(node, bool) or not isinstance(node, int):
        raise TypeError(f"node must be an int, not {node!r}")
    if not machine.node(node).has_memory:
        raise ValueError(f"node {node} has no memory")


def _check_size(size: int, smallest: int, largest: int) -> int:
    if isinstance(size, bool) or not isinstance(size, int):
        raise TypeError(f"size must be an int, a number of bytes, not {size!r}")
    if not smallest <= size <= largest:
        raise ValueError(
            f"size must be in {smallest}..{largest} ({size_text(smallest)} up to a quarter of the memory available, "
            f"{size_text(largest)}), not {size}"
        )
    return size


def _check_count(name: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, not {value!r}")
    if not 1 <= value <= 100_000:
        raise ValueError(f"{name} must be in 1..100000, not {value}")


def _check_seconds(name: str, value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, not {value!r}")
    if not value > 0 or math.isnan(value):
        raise ValueError(f"{name} must be a number of seconds > 0, not {value!r}")
