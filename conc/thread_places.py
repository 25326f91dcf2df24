"""Where a thread runs and where its memory comes from: what ``affinity=`` and ``node=`` of conc.Thread mean."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import NamedTuple

from conc.cpus import online_cpus
from conc.memory import topology
from conc.memory.machine import list_text


class Place(NamedTuple):
    """What is asked for, as the core applies it. Its order is the core's."""

    cpus: tuple[int, ...] | None
    """CPUs that the thread may run on, rising; None: as its starter's."""
    memory: str
    """Where pages come from that it touches first: "local" (its CPU's node), "bind" (`bind_node`), "default" (as its
    starter's)."""
    bind_node: int
    """0 and without a meaning unless `memory` is "bind"."""
    node: int | None
    """The node that was asked for."""

    @property
    def binding(self) -> int | None:
        """The node that memory is bound to, which only a thread itself can change; None: none."""
        return self.bind_node if self.memory == "bind" else None


def resolve_place(affinity: Iterable[int] | None, node: int | None) -> Place | None:
    """What to apply for these arguments; None for nothing.

    A node with CPUs means these CPUs and memory from wherever the thread runs, so that both move when it is moved. One
    without CPUs (memory alone, as CXL) means that its memory is bound there, and so do CPUs outside of the node.

    Raises:
        ValueError: a CPU that is not online, no CPU at all, or a node that is not there.
        TypeError: something that is no whole number.
    """
    if affinity is None and node is None:
        return None
    cpus = None if affinity is None else _checked_cpus(affinity)
    if node is None:
        return Place(cpus, "default", 0, None)
    number = operator.index(node)
    nodes = {found.id: found for found in topology().nodes}
    if number not in nodes:
        raise ValueError(f"node must be one of this machine's NUMA nodes ({list_text(tuple(nodes))}), not {node!r}")
    own = nodes[number].cpus
    if own and (cpus is None or set(cpus) <= set(own)):
        return Place(cpus or own, "local", 0, number)
    return Place(cpus, "bind", number, number)


def _checked_cpus(affinity: Iterable[int]) -> tuple[int, ...]:
    try:
        cpus = tuple(sorted({operator.index(cpu) for cpu in affinity}))
    except TypeError:
        raise TypeError(f"affinity must be a set of CPU numbers, not {affinity!r}") from None
    if not cpus:
        raise ValueError("affinity must name at least one CPU (None leaves it as the starter's)")
    online = online_cpus()
    missing = [cpu for cpu in cpus if cpu < 0 or (online and cpu not in online)]
    if missing:
        there = list_text(tuple(sorted(online)))
        raise ValueError(f"affinity names CPU {missing[0]}, which is not online on this machine ({there} are)")
    return cpus
