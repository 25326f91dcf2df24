"""Runs in a guest: prints as JSON what conc says of a machine with several nodes. The host judges it."""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import subprocess
import threading

import conc
from conc import memory

KIB, MIB = 1 << 10, 1 << 20


def refusal(call: object) -> str:
    try:
        call()  # type: ignore[operator]
    except (ValueError, RuntimeError, OSError) as error:
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

# -- threads -------------------------------------------------------------------------------------------------------

PAGES = 64
MOVE_PAGES = 279


def nodes_of_new_memory() -> list[int]:
    """Touches fresh pages, and asks the kernel where they are: move_pages(2)."""
    with mmap.mmap(-1, PAGES * mmap.PAGESIZE) as area:
        for page in range(PAGES):
            area[page * mmap.PAGESIZE] = 1
        start = ctypes.addressof(anchor := ctypes.c_char.from_buffer(area))
        addresses = (ctypes.c_void_p * PAGES)(*[start + page * mmap.PAGESIZE for page in range(PAGES)])
        found = (ctypes.c_int * PAGES)()
        failed = libc.syscall(MOVE_PAGES, 0, ctypes.c_ulong(PAGES), addresses, None, found, 0)
        del anchor
    return sorted(set(found)) if failed == 0 else [-ctypes.get_errno()]


def seen() -> dict[str, object]:
    return {"cpus": sorted(os.sched_getaffinity(0)), "memory": nodes_of_new_memory()}


def of_thread(**options: object) -> dict[str, object]:
    thread = conc.Thread(target=seen, **options)  # type: ignore[arg-type]
    thread.start()
    return {**thread.result(), "node": thread.node}


def moved() -> list[dict[str, object]]:
    """Where a thread is, and gets memory, on one node after the other; the last move is its own."""
    steps: list[dict[str, object]] = []
    go_on, done = threading.Semaphore(0), threading.Semaphore(0)

    def follow() -> None:
        for _ in range(2):
            go_on.acquire()
            steps.append(seen())
            done.release()
        threading.current_thread().node = ids[-1]  # type: ignore[attr-defined]
        steps.append(seen())
        done.release()
        go_on.acquire()

    thread = conc.Thread(target=follow, node=ids[0])
    thread.start()
    for node in ids[1:3]:
        thread.node = node
        go_on.release()
        done.acquire()
    done.acquire()
    refusals["unbind"] = refusal(lambda: setattr(thread, "node", ids[0]))
    thread.affinity = {cpus[0]}  # its memory stays bound
    steps.append({"cpus": sorted(thread.affinity or ()), "node": thread.node})
    go_on.release()
    thread.join()
    return steps


refusals: dict[str, str] = {}
kernel_thread = conc.Thread(target=conc.kernels.sleep, args=(3600,), node=ids[1])
kernel_thread.start()
threads = {
    "on_node": {node: of_thread(node=node) for node in ids},
    "on_cpu_of_node": of_thread(node=ids[0], affinity={cpus[1]}),
    "on_cpus_elsewhere": of_thread(node=ids[0], affinity={cpus[-1]}),
    "unasked": of_thread(),
    "moved": moved(),
    "kernel": sorted(kernel_thread.affinity or ()),
    "refusals": refusals,
}
kernel_thread.stop(10)
refusals["absent"] = refusal(lambda: conc.Thread(node=99))
running = conc.Thread(target=threading.Event().wait, args=(1.0,))
running.start()
refusals["bind a running one"] = refusal(lambda: setattr(running, "node", ids[-1]))
running.join()

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
            "threads": threads,
            "report": report.to_dict(),
            "text": str(report),
        }
    )
)
