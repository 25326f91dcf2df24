"""Runs in a guest: prints as JSON what conc says of a machine with several nodes. The host judges it."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess

import conc
from conc import memory

KIB, MIB = 1 << 10, 1 << 20


def refusal(call: object) -> str:
    try:
        call()  # type: ignore[operator]
    except (ValueError, OSError) as error:
        return f"{type(error).__name__}: {error}"
    return "none"


machine = memory.topology()
ids = [node.id for node in machine.nodes]
cpus = sorted(os.sched_getaffinity(0))

latencies = [
    memory.latency(size=256 * KIB, node=node, cpu=cpu, samples=1, timeout=60, huge=huge).to_dict()
    for node in ids
    for cpu, huge in ((cpus[0], True), (cpus[-1], False))
]
bandwidths = [
    memory.bandwidth("read", threads=1, node=node, size=2 * MIB, samples=1, timeout=60).to_dict() for node in ids
]
local = memory.bandwidth("triad", size=8 * MIB, samples=1, timeout=60).to_dict()
unasked = memory.latency(size=256 * KIB, cpu=cpus[-1], samples=1, timeout=60).to_dict()

# a process whose policy is another node's memory must still get the node that it asked for
libc = ctypes.CDLL(None, use_errno=True)
MPOL_BIND, SET_MEMPOLICY = 2, 238
libc.syscall(SET_MEMPOLICY, MPOL_BIND, ctypes.byref(ctypes.c_ulong(1 << ids[1])), 64)
against_policy = memory.latency(size=256 * KIB, node=ids[0], cpu=cpus[0], samples=1, timeout=60).to_dict()
libc.syscall(SET_MEMPOLICY, 0, None, 0)

policies = subprocess.run(["/job/test_memory_policy"], capture_output=True, text=True, check=False)

report = conc.probe(10.0)
print(
    json.dumps(
        {
            "topology": machine.to_dict(),
            "affinity": sorted(os.sched_getaffinity(0)),
            "latencies": latencies,
            "bandwidths": bandwidths,
            "local": local,
            "unasked": unasked,
            "against_policy": against_policy,
            "policies": {"status": policies.returncode, "output": policies.stdout, "errors": policies.stderr},
            "refusals": {
                "absent": refusal(lambda: memory.latency(node=99)),
                "large": refusal(lambda: memory.latency(node=ids[-1], size=512 * MIB)),
            },
            "report": report.to_dict(),
            "text": str(report),
        }
    )
)
