"""The machine as its operating system tells it: NUMA nodes, CPUs and caches."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from conc import _core
from conc.records import Record


@dataclass(frozen=True, slots=True)
class Node(Record):
    """A NUMA node. It may have no CPUs (memory only) or no memory (CPUs only).

    Attributes:
        id: the system's number; numbers may have holes.
        cpus: its online CPUs, rising.
        memory_total_bytes: None where not told; 0 without memory.
        memory_free_bytes: at the moment of reading.
        distances: to each of ``Topology.nodes``, in order, as the firmware says (10 is local); None where not told.
    """

    id: int
    cpus: tuple[int, ...]
    memory_total_bytes: int | None
    memory_free_bytes: int | None
    distances: tuple[int | None, ...]

    @property
    def has_memory(self) -> bool:
        """False only where the system says that it has none."""
        return self.memory_total_bytes != 0


@dataclass(frozen=True, slots=True)
class Cpu(Record):
    """A CPU (hardware thread) that is online.

    Attributes:
        id: the system's number.
        package: its socket; None where not told.
        core: its core, unique within the package; None where not told.
        siblings: the hardware threads of the same core, itself too; empty where not told.
    """

    id: int
    package: int | None
    core: int | None
    siblings: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Cache(Record):
    """One physical cache.

    Attributes:
        level: 1 is nearest to the core.
        type: "data", "instruction" or "unified".
        size_bytes: None where not told, as each of the following.
        line_bytes: bytes a line.
        ways: associativity; 0 is fully associative.
        cpus: that share it, rising.
    """

    level: int
    type: str
    size_bytes: int | None
    line_bytes: int | None
    ways: int | None
    cpus: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Topology(Record):
    """Nodes, CPUs and caches of a machine.

    Attributes:
        nodes: by id, rising; at least one.
        cpus: online ones, by id, rising.
        caches: each physical cache once, in order of its first CPU.
        root: the folder that it was read from.
        source: who says so.
        unknown: field name -> why it is not known or only assumed.
    """

    nodes: tuple[Node, ...]
    cpus: tuple[Cpu, ...]
    caches: tuple[Cache, ...]
    root: str
    source: str
    unknown: Mapping[str, str] = field(default_factory=dict)

    def node(self, node_id: int) -> Node:
        """The node with this id.

        Raises:
            ValueError: there is none; the message names those that there are.
        """
        for node in self.nodes:
            if node.id == node_id:
                return node
        raise ValueError(f"there is no node {node_id}; this machine has {_names('node', [n.id for n in self.nodes])}")

    def node_of(self, cpu: int) -> int | None:
        """The id of the node that a CPU belongs to; None when the system does not say."""
        return next((node.id for node in self.nodes if cpu in node.cpus), None)

    def distance(self, source: int, target: int) -> int | None:
        """The firmware's distance between two nodes by id (10 is local); None where not told.

        Raises:
            ValueError: there is no such node.
        """
        target_index = self.nodes.index(self.node(target))
        return self.node(source).distances[target_index]

    def data_caches(self, cpu: int) -> tuple[Cache, ...]:
        """The caches that hold data for a CPU, nearest first."""
        mine = [cache for cache in self.caches if cpu in cache.cpus and cache.type != "instruction"]
        return tuple(sorted(mine, key=lambda cache: cache.level))

    def last_level_bytes(self, cpu: int) -> int | None:
        """The size of the largest cache that holds data for a CPU; None where no size is told."""
        return max((cache.size_bytes for cache in self.data_caches(cpu) if cache.size_bytes), default=None)

    def __str__(self) -> str:
        lines = [f"{len(self.cpus)} CPUs, {_names('node', [node.id for node in self.nodes])} ({self.source})"]
        for node in self.nodes:
            memory = "memory not told" if node.memory_total_bytes is None else size_text(node.memory_total_bytes)
            cpus = f"CPUs {list_text(node.cpus)}" if node.cpus else "no CPUs"
            distances = " ".join("?" if value is None else str(value) for value in node.distances)
            lines.append(f"  node {node.id}: {cpus}, {memory}, distances {distances}")
        kinds: dict[tuple[int, str, int | None], int] = {}
        for cache in self.caches:
            key = (cache.level, cache.type, cache.size_bytes)
            kinds[key] = kinds.get(key, 0) + 1
        for (level, kind, size), count in sorted(kinds.items(), key=lambda item: item[0][:2]):
            lines.append(f"  L{level} {kind}: {count} of {'unknown size' if size is None else size_text(size)}")
        lines += [f"  {name}: {reason}" for name, reason in self.unknown.items()]
        return "\n".join(lines)


def topology(root: str | os.PathLike[str] = "/") -> Topology:
    """Read the machine's NUMA nodes, CPUs and caches.

    Args:
        root: the folder that holds ``sys/``: "/" is this machine; a recorded tree is another one.

    Returns:
        Topology. Without NUMA support in the kernel it has one node 0 with every CPU, and ``unknown["nodes"]`` says so.

    Raises:
        OSError: there is no such root, no CPU is listed, or a file cannot be understood; ``filename`` names it.

    Source: /sys/devices/system/node and /sys/devices/system/cpu (Linux).

    Example:
        >>> import conc
        >>> len(conc.memory.topology().nodes) >= 1
        True
    """
    listed, nodes, cpus, caches = _core.topology_read(root)
    unknown = {}
    if not listed:
        unknown["nodes"] = "the system lists no NUMA nodes; one node 0 with every CPU is assumed"
    if not any(size for _, _, size, *_ in caches):
        unknown["caches"] = "the system tells no cache sizes"
    return Topology(
        nodes=tuple(
            Node(id, tuple(members), total, free, tuple(distances)) for id, members, total, free, distances in nodes
        ),
        cpus=tuple(Cpu(id, package, core, tuple(siblings)) for id, package, core, siblings in cpus),
        caches=tuple(
            Cache(level, kind, size, line, ways, tuple(shared)) for level, kind, size, line, ways, shared in caches
        ),
        root=os.fspath(root),
        source="sysfs" if os.fspath(root) == "/" else f"sysfs recorded in {os.fspath(root)}",
        unknown=unknown,
    )


def size_text(size: int) -> str:
    """A number of bytes in binary units: 1536 -> "1.5 KiB"."""
    value, unit = float(size), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            break
        value /= 1024
    return f"{value:.4g} {unit}"


def list_text(numbers: tuple[int, ...]) -> str:
    """Rising numbers in the kernel's list format: (0, 1, 2, 8) -> "0-2,8"."""
    parts: list[str] = []
    start = previous = None
    for number in [*numbers, None]:
        if start is not None and (number is None or number != (previous or 0) + 1):
            parts.append(f"{start}" if start == previous else f"{start}-{previous}")
            start = None
        if start is None:
            start = number
        previous = number
    return ",".join(parts)


def _names(kind: str, ids: list[int]) -> str:
    return f"{kind} {ids[0]}" if len(ids) == 1 else f"{kind}s {list_text(tuple(ids))}"
