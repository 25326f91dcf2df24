"""What a measurement takes unless it is told: CPUs, sizes, and how much memory there is to take."""

from __future__ import annotations

from collections.abc import Sequence

from conc import _core
from conc.memory.conditions import available_bytes
from conc.memory.machine import Topology

MIB = 1 << 20
DEFAULT_LARGEST = 1024 * MIB
DEFAULT_SMALLEST = 64 * MIB
DEFAULT_WITHOUT_CACHES = 128 * MIB
DEFAULT_CACHES = 4  # times the last-level caches: it is memory that is measured


def usable_cpus(machine: Topology, node: int | None) -> tuple[int, ...]:
    """CPUs that the caller may use: the node's where it has any, else all; one of each core before its siblings."""
    allowed = set(_core.affinity()) & {cpu.id for cpu in machine.cpus}
    near = allowed & set(machine.node(node).cpus) if node is not None else set()
    chosen = near or allowed

    def order(cpu: int) -> tuple[int, int]:
        siblings = next(item.siblings for item in machine.cpus if item.id == cpu)
        return (siblings.index(cpu) if cpu in siblings else 0, cpu)

    return tuple(sorted(chosen, key=order))


def touching_cpu(machine: Topology, cpu: int, node: int | None) -> int:
    """The CPU whose first touch puts pages on `node` even where binding is refused: one of the node's, if usable."""
    if node is None:
        return cpu
    near = set(machine.node(node).cpus)
    return next((item for item in usable_cpus(machine, node) if item in near), cpu)


def largest_size(machine: Topology, node: int | None) -> int:
    """Bytes that one measurement may take: a quarter of what is available, and half of what the node has free.

    A node's own figure counts only where there are several: memory that is bound cannot come from another node.
    """
    available = available_bytes()
    limit = DEFAULT_LARGEST if available is None else available // 4
    if node is not None and len(machine.nodes) > 1:
        free = machine.node(node).memory_free_bytes
        if free is not None:
            limit = min(limit, free // 2)
    return limit


def cached_bytes(machine: Topology, cpus: Sequence[int]) -> int | None:
    """The last-level caches of these CPUs together, each once; None where no size is told."""
    sizes = {}
    for cpu in cpus:
        told = [cache for cache in machine.data_caches(cpu) if cache.size_bytes]
        if told:
            sizes[told[-1].cpus] = told[-1].size_bytes or 0
    return sum(sizes.values()) or None


def default_size(machine: Topology, cpus: Sequence[int], limit: int) -> int:
    """Four times the last-level caches of these CPUs: at least 64 MiB, at most 1 GiB and the limit, in whole MiB."""
    cached = cached_bytes(machine, cpus)
    wanted = DEFAULT_WITHOUT_CACHES if cached is None else max(DEFAULT_CACHES * cached, DEFAULT_SMALLEST)
    return max(min(wanted, limit, DEFAULT_LARGEST) // MIB * MIB, MIB)
