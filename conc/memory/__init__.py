"""Memory, measured: topology, latency and bandwidth, with pages whose place is verified.

``conc.probe()`` runs all of it within a time budget and gives one report.
"""

from conc.memory.machine import Cache, Cpu, Node, Topology, topology
from conc.memory.measure import bandwidth, kernels, latency
from conc.memory.results import Bandwidth, Edge, Latency, MemoryReport, NodeMatrix, Placement, Verdict

__all__ = [
    "Bandwidth",
    "Cache",
    "Cpu",
    "Edge",
    "Latency",
    "MemoryReport",
    "Node",
    "NodeMatrix",
    "Placement",
    "Topology",
    "Verdict",
    "bandwidth",
    "kernels",
    "latency",
    "topology",
]
