"""The stack of a conc.Thread goes to a later one: no two share one, few are kept, and they hold little memory."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import conc

KEPT = 16
KEPT_BYTES = 128 << 10
SMAPS = Path("/proc/self/smaps")
MAPPING = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) (\S+) .*$", re.M)

PR_GET_TID_ADDRESS = 40


def end_is_told() -> bool:
    """Whether the kernel's word on a thread's end is the thread's id until then: it is in glibc 2.36, not in 2.43."""
    address = ctypes.c_void_p()
    if sys.platform != "linux" or ctypes.CDLL(None).prctl(PR_GET_TID_ADDRESS, ctypes.byref(address), 0, 0, 0) != 0:
        return False
    return address.value is not None and ctypes.c_uint32.from_address(address.value).value == threading.get_native_id()


pytestmark = pytest.mark.skipif(
    not end_is_told(), reason="this system does not tell when a thread is gone: stacks are the C library's"
)


def mapping_of(address: int) -> tuple[range, int]:
    """The mapping that holds an address, and its resident bytes."""
    parts = MAPPING.split(SMAPS.read_text(encoding="utf-8"))
    for first, last, details in zip(parts[1::4], parts[2::4], parts[4::4], strict=True):
        found = range(int(first, 16), int(last, 16))
        if address in found:
            return found, int(re.search(r"^Rss: +(\d+) kB", details, re.M)[1]) << 10  # type: ignore[index]
    raise LookupError(f"nothing is mapped at {address:#x}")


def guards() -> int:
    """How many mappings may not be touched: one below each stack."""
    return sum(permissions == "---p" for _, _, permissions in MAPPING.findall(SMAPS.read_text(encoding="utf-8")))


def nest(depth: int) -> int:
    """Each step is a call by C code, on the C stack."""
    return 0 if depth == 0 else len(sorted([depth - 1], key=nest))


def run(thread: conc.Thread) -> conc.Thread:
    thread.start()
    thread.join()
    return thread


def test_the_next_thread_has_the_stack_of_the_last() -> None:
    first = run(conc.Thread(target=int))
    second = run(conc.Thread(target=int))
    assert first.ident == second.ident
    assert first.ident is not None
    stack, resident = mapping_of(first.ident)  # still there, and with some of its pages
    assert 0 < resident <= KEPT_BYTES
    assert len(stack) > KEPT_BYTES


def test_two_that_live_have_one_each() -> None:
    go, inside = threading.Event(), threading.Barrier(5)

    def wait() -> range:
        inside.wait()
        go.wait()
        return mapping_of(threading.get_ident())[0]

    threads = [conc.Thread(target=wait) for _ in range(4)]
    for thread in threads:
        thread.start()
    inside.wait()
    assert len({thread.ident for thread in threads}) == 4
    go.set()
    assert all(thread.ident in thread.result() for thread in threads)


def test_few_are_kept() -> None:
    before = guards()
    go = threading.Event()
    threads = [conc.Thread(target=go.wait) for _ in range(200)]
    for thread in threads:
        thread.start()
    assert guards() >= before + 200 - KEPT
    go.set()
    for thread in threads:
        thread.join()
    assert guards() <= before + KEPT + 8  # what the C library keeps of its own is among them


def test_few_are_left_by_threads_that_nobody_joins() -> None:
    before = guards()
    ended = threading.Semaphore(0)
    for _ in range(1000):
        conc.Thread(target=ended.release).start()
    for _ in range(1000):
        ended.acquire()
    for _ in range(KEPT + 4):  # each finds what has become free
        run(conc.Thread(target=int))
    assert guards() <= before + KEPT + 8


def test_what_a_deep_thread_used_is_given_back() -> None:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(5000)
    try:
        sizes: list[int] = []

        def deep() -> None:
            nest(250)  # CPython 3.12 allows some 800 calls of C functions within each other
            sizes.append(mapping_of(threading.get_ident())[1])

        thread = run(conc.Thread(target=deep))
        thread.result()
    finally:
        sys.setrecursionlimit(limit)
    assert thread.ident is not None
    assert sizes[0] > KEPT_BYTES
    assert mapping_of(thread.ident)[1] <= KEPT_BYTES
    assert run(conc.Thread(target=int)).ident == thread.ident


def test_recursion_without_end_is_an_error_as_elsewhere() -> None:
    def endless(_: int = 0) -> int:
        return len(sorted([0], key=endless))

    def fall() -> type[BaseException] | None:
        try:
            endless()
        except RecursionError as error:
            return type(error)
        return None

    for _ in range(3):
        assert run(conc.Thread(target=fall)).result() is RecursionError
    assert run(conc.Thread(target=pow, args=(2, 5))).result() == 32


def test_a_placed_thread_and_one_of_a_size_of_its_own_do_not_share() -> None:
    ident = run(conc.Thread(target=int)).ident
    assert ident is not None
    stack = mapping_of(ident)[0]
    placed = run(conc.Thread(target=int, affinity=os.sched_getaffinity(0)))
    sized = run(conc.Thread(target=int, stack_size=1 << 20))
    assert placed.ident not in stack
    assert sized.ident not in stack


GUARD = """
import ctypes, threading, conc
def fall():
    ident = threading.get_ident()
    for line in open("/proc/self/maps"):
        first, last = (int(part, 16) for part in line.split()[0].split("-"))
        if first <= ident < last:
            ctypes.memset(first, 1, 1)
            print("on the stack", flush=True)
            ctypes.memset(first - 1, 1, 1)
for target in (int, fall):
    thread = conc.Thread(target=target)
    thread.start()
    thread.join()
print("went on")
"""


def test_below_the_stack_is_a_fault() -> None:
    command = [sys.executable, "-X", "faulthandler", "-c", GUARD]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGSEGV
    assert done.stdout == "on the stack\n"
    assert "Segmentation fault" in done.stderr
