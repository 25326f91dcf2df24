"""conc.memory: topology, latency and bandwidth. Figures are not judged: the machine is shared."""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import conc
from conc import _core
from conc.memory.machine import list_text, size_text

TREES = Path(__file__).parent / "data" / "sysfs"
GIB = 1 << 30


def tree(name: str) -> conc.memory.Topology:
    return conc.memory.topology(TREES / name)


# topology -------------------------------------------------------------------------------------------------------------


def test_this_machine_has_the_cpus_that_the_interpreter_sees() -> None:
    machine = conc.memory.topology()
    assert os.sched_getaffinity(0) <= {cpu.id for cpu in machine.cpus}
    assert len(machine.cpus) == os.cpu_count()
    assert json.loads(machine.to_json())["nodes"][0]["id"] == machine.nodes[0].id
    assert str(len(machine.cpus)) in str(machine)


def test_two_nodes() -> None:
    machine = tree("two-node")
    assert [node.cpus for node in machine.nodes] == [(0, 2), (1, 3)]
    assert [node.memory_total_bytes for node in machine.nodes] == [16 * GIB, 16 * GIB]
    assert machine.distance(0, 1) == 21
    assert machine.node_of(3) == 1
    assert machine.node_of(99) is None
    assert [cpu.siblings for cpu in machine.cpus] == [(0, 2), (1, 3), (0, 2), (1, 3)]
    assert [(cache.level, cache.size_bytes) for cache in machine.data_caches(2)] == [
        (1, 32 << 10),
        (2, 512 << 10),
        (3, 16 << 20),
    ]
    assert machine.last_level_bytes(0) == 16 << 20
    assert machine.unknown == {}


def test_node_ids_with_holes() -> None:
    machine = tree("four-node-holes")
    assert [node.id for node in machine.nodes] == [0, 8, 16, 17]
    assert machine.distance(16, 17) == 20
    assert machine.distance(0, 17) == 40
    with pytest.raises(ValueError, match=r"there is no node 1; this machine has nodes 0,8,16-17"):
        machine.node(1)


def test_nodes_without_cpus_or_without_memory() -> None:
    memory_only = tree("memory-only").node(1)
    assert memory_only.cpus == ()
    assert memory_only.has_memory
    cpu_only = tree("cpu-only").node(1)
    assert cpu_only.cpus == (2, 3)
    assert cpu_only.memory_total_bytes == 0
    assert not cpu_only.has_memory


def test_distances_need_not_be_symmetric() -> None:
    machine = tree("asymmetric")
    assert (machine.distance(0, 1), machine.distance(1, 0)) == (20, 31)


def test_a_kernel_without_nodes_is_one_node_and_says_so() -> None:
    machine = tree("no-nodes-no-caches")
    (node,) = machine.nodes
    assert node.id == 0
    assert node.cpus == (0, 1, 3)
    assert node.memory_total_bytes is None
    assert node.distances == (None,)
    assert set(machine.unknown) == {"nodes", "caches"}
    assert machine.last_level_bytes(0) is None


@pytest.mark.parametrize("name", sorted(path.name for path in TREES.iterdir() if path.is_dir()))
def test_every_recorded_machine_is_consistent(name: str) -> None:
    machine = tree(name)
    cpus = {cpu.id for cpu in machine.cpus}
    assert {cpu for node in machine.nodes for cpu in node.cpus} == cpus
    assert all(len(node.distances) == len(machine.nodes) for node in machine.nodes)
    assert all(set(cache.cpus) <= cpus for cache in machine.caches)
    for cpu in cpus:
        levels = [cache.level for cache in machine.data_caches(cpu)]
        assert levels == sorted(set(levels))
    assert machine.source.endswith(name)
    assert str(machine).splitlines()[0].startswith(f"{len(cpus)} CPUs")


def test_root_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        conc.memory.topology(tmp_path / "none")
    assert caught.value.filename == str(tmp_path / "none")


def test_damaged_file_is_named(tmp_path: Path) -> None:
    online = tmp_path / "sys/devices/system/cpu/online"
    online.parent.mkdir(parents=True)
    online.write_text("0-x\n")
    with pytest.raises(OSError, match="read the topology") as caught:
        conc.memory.topology(tmp_path)
    assert caught.value.filename == str(online)


# lists of CPUs --------------------------------------------------------------------------------------------------------


def model_of_cpulist(text: str) -> list[int] | None:
    """The format, said once more and plainly; None where it is not in it."""
    text = text.removesuffix("\n")
    if text == "":
        return []
    members: set[int] = set()
    for item in text.split(","):
        ends = item.split("-")
        if len(ends) > 2 or not all(end.isascii() and end.isdigit() for end in ends):
            return None
        first, last = int(ends[0]), int(ends[-1])
        if last < first or last >= 65536:
            return None
        members |= set(range(first, last + 1))
    return sorted(members)


def assert_agrees_with_model(text: str) -> None:
    expected = model_of_cpulist(text)
    if expected is None:
        with pytest.raises(ValueError, match="is not a list of CPUs"):
            _core.cpulist_parse(text)
    else:
        assert _core.cpulist_parse(text) == expected


@pytest.mark.once
@given(st.text(alphabet="0123456789,-\n x", max_size=20))
def test_cpulist_near_misses(text: str) -> None:
    assert_agrees_with_model(text)


@pytest.mark.once
@given(st.text(max_size=20))
def test_cpulist_any_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        with pytest.raises(UnicodeEncodeError):
            _core.cpulist_parse(text)
    else:
        assert_agrees_with_model(text)


@pytest.mark.once
@given(st.sets(st.integers(0, 65535), max_size=50))
def test_cpulist_reads_what_list_text_writes(members: set[int]) -> None:
    assert _core.cpulist_parse(list_text(tuple(sorted(members)))) == sorted(members)


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (64, "64 B"), (1536, "1.5 KiB"), (32 << 20, "32 MiB"), (3 << 40, "3 TiB")]
)
def test_size_text(size: int, text: str) -> None:
    assert size_text(size) == text


# statistics -----------------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=60))
def test_statistics_are_order_statistics(values: list[float]) -> None:
    low, p5, p25, median, p75, p95, high, mad, ci_low, ci_high = _core.statistics(values)
    assert (low, high) == (min(values), max(values))
    assert low <= p5 <= p25 <= median <= p75 <= p95 <= high
    assert low <= ci_low <= median <= ci_high <= high
    assert {ci_low, ci_high} <= set(values)
    assert 0 <= mad <= high - low


def test_statistics_refuse_what_has_none() -> None:
    with pytest.raises(ValueError, match="empty"):
        _core.statistics([])
    with pytest.raises(ValueError, match="nan"):
        _core.statistics([1.0, math.nan])
    with pytest.raises(TypeError):
        _core.statistics(["1"])  # type: ignore[list-item]


# latency and bandwidth ------------------------------------------------------------------------------------------------


def test_latency_has_its_samples_and_its_place() -> None:
    before = os.sched_getaffinity(0)
    cpu = min(before)
    figure = conc.memory.latency(size=64 << 10, cpu=cpu, samples=7)
    assert os.sched_getaffinity(0) == before
    assert figure.cpu == cpu
    assert figure.size_bytes == 64 << 10
    assert figure.n == len(figure.samples) >= 5
    assert figure.n + figure.discarded <= 3 * 7
    assert figure.median_ns is not None
    assert figure.interval_ns is not None
    assert min(figure.samples) == figure.min_ns <= figure.interval_ns[0] <= figure.median_ns <= figure.interval_ns[1]
    assert figure.placement is not None
    if figure.placement.verified_by != "unverified":
        assert math.isclose(sum(figure.placement.shares.values()), 1.0)
    assert figure.pattern == "random"
    assert json.loads(figure.to_json())["size_bytes"] == 64 << 10


def test_latency_on_a_node_is_verified_page_by_page() -> None:
    machine = conc.memory.topology()
    node = next(node.id for node in machine.nodes if node.has_memory)
    figure = conc.memory.latency(size=4 << 20, node=node, samples=3)
    assert figure.node == node
    assert figure.placement is not None
    if figure.placement.verified_by == "move_pages":
        assert figure.placement.shares[node] >= 0.99
        assert figure.placement.pages * _core.page_sizes()[0] >= 4 << 20


@pytest.mark.parametrize("kernel", ["read", "triad"])
def test_bandwidth_counts_what_the_kernel_declares(kernel: str) -> None:
    before = os.sched_getaffinity(0)
    figure = conc.memory.bandwidth(kernel, threads=1, size=4 << 20, samples=5)
    assert os.sched_getaffinity(0) == before
    assert figure.kernel == kernel
    assert figure.threads == len(figure.cpus) == 1
    assert (figure.counted_bytes, figure.bus_bytes) == {"read": (8, 8), "triad": (24, 32)}[kernel]
    assert figure.median_gb_s is not None
    assert figure.max_gb_s == max(figure.samples) >= figure.median_gb_s > 0
    cache = conc.memory.topology().last_level_bytes(figure.cpus[0])
    if cache is not None and cache > 4 << 20:
        assert "caches answer a part" in (figure.reason or "")
    assert figure.placement is not None


def test_bandwidth_by_all_cpus() -> None:
    figure = conc.memory.bandwidth("read", samples=3)
    assert set(figure.cpus) == os.sched_getaffinity(0)
    late = "the time was over" in (figure.reason or "") or "in time" in (figure.reason or "")
    assert late or figure.n >= 3 or figure.discarded
    assert figure.n + figure.discarded <= 6


def test_a_figure_says_when_its_time_was_over_before_its_samples_were_taken() -> None:
    figure = conc.memory.bandwidth("read", threads=1, size=4 << 20, samples=100_000, timeout=1.0)
    assert 0 < figure.n + figure.discarded < 100_000
    assert f"the time was over after {figure.n + figure.discarded} samples" in (figure.reason or "")


def test_deadline_without_a_sample_gives_a_reason_and_no_figure() -> None:
    figure = conc.memory.latency(size=32 << 20, samples=3, timeout=1e-6)
    assert figure.median_ns is None
    assert figure.samples == ()
    assert figure.reason is not None
    assert "took longer" in figure.reason or "in time" in figure.reason


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"size": 100}, ValueError, "size must be in 4096"),
        ({"size": 1 << 60}, ValueError, "a quarter of the memory available"),
        ({"size": 4096.0}, TypeError, "size must be an int"),
        ({"size": math.nan}, TypeError, "size must be an int"),
        ({"size": True}, TypeError, "size must be an int"),
        ({"cpu": 4096}, ValueError, "CPU 4096 is not allowed for this thread; allowed are"),
        ({"cpu": -1}, ValueError, "CPU -1 is not allowed"),
        ({"cpu": "0"}, TypeError, "cpu must be an int"),
        ({"node": 999}, ValueError, "there is no node 999; this machine has node"),
        ({"node": 0.0}, TypeError, "node must be an int"),
        ({"samples": 0}, ValueError, "samples must be in 1"),
        ({"samples": 1.5}, TypeError, "samples must be an int"),
        ({"timeout": math.nan}, ValueError, "timeout must be a number of seconds > 0"),
        ({"timeout": 0}, ValueError, "timeout must be a number of seconds > 0"),
        ({"timeout": "1"}, TypeError, "timeout must be a number"),
    ],
)
def test_latency_refuses(arguments: dict[str, object], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        conc.memory.latency(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"kernel": "write"}, ValueError, "unknown kernel 'write'; there are 'read', 'triad'"),
        ({"threads": 0}, ValueError, "threads must be in 1"),
        ({"threads": 5000}, ValueError, "threads must be at most"),
        ({"threads": 1.0}, TypeError, "threads must be an int"),
        ({"node": 999}, ValueError, "there is no node 999"),
        ({"size": 4096, "threads": 1}, ValueError, "size must be in"),
        ({"timeout": math.nan}, ValueError, "timeout must be"),
    ],
)
def test_bandwidth_refuses(arguments: dict[str, object], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        conc.memory.bandwidth(**arguments)  # type: ignore[arg-type]


def test_a_cpu_outside_the_callers_affinity_is_refused() -> None:
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        pytest.skip("needs two CPUs to leave one out")
    refusals: list[str] = []

    def confined() -> None:
        os.sched_setaffinity(0, {allowed[0]})
        try:
            conc.memory.latency(size=4096, cpu=allowed[1])
        except ValueError as error:
            refusals.append(str(error))

    thread = threading.Thread(target=confined)
    thread.start()
    thread.join()
    assert refusals == [f"CPU {allowed[1]} is not allowed for this thread; allowed are {allowed[0]}"]


def test_the_gil_is_free_while_it_measures() -> None:
    """Another Python thread goes on during one measurement, while nothing but letting go of the GIL hands it over."""
    cpu = min(os.sched_getaffinity(0))
    arena = _core.Arena(1 << 20)
    arena.touch(cpu, 10.0)
    arena.build(0, 1 << 20, 1, cpu, 10.0)
    turns = 0
    meanwhile = 0
    ended = threading.Event()

    def measure() -> None:
        nonlocal meanwhile
        deadline = time.monotonic() + 60
        while meanwhile == 0 and time.monotonic() < deadline:
            before = turns
            arena.chase(0, cpu, 50, 50, True, 10.0)
            meanwhile = turns - before
        ended.set()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    try:
        thread = threading.Thread(target=measure)
        thread.start()
        while not ended.is_set():
            turns += 1
            time.sleep(0)  # lets go of the GIL, which the interval does not end
        thread.join()
    finally:
        sys.setswitchinterval(interval)
        arena.close()
    assert meanwhile > 0


def test_one_measurement_at_a_time_on_an_arena() -> None:
    cpu = min(os.sched_getaffinity(0))
    arena = _core.Arena(1 << 20)
    arena.touch(cpu, 10.0)
    arena.build(0, 1 << 20, 1, cpu, 10.0)
    refused = threading.Event()

    def measure() -> None:
        while not refused.is_set():
            with contextlib.suppress(RuntimeError):  # here it is this thread that comes second
                arena.chase(0, cpu, 200, 200, True, 10.0)

    thread = threading.Thread(target=measure)
    thread.start()
    while not refused.is_set():
        try:
            arena.placement()
        except RuntimeError as error:
            assert "in use by another thread" in str(error)  # noqa: PT017
            refused.set()
    thread.join()
    arena.close()
    arena.close()
    with pytest.raises(ValueError, match="closed"):
        arena.placement()


def test_arena_refuses() -> None:
    with pytest.raises(ValueError, match="cannot be"):
        _core.Arena(0)
    with pytest.raises(ValueError, match="cannot be"):
        _core.Arena(4096, -2)
    with pytest.raises(OverflowError):
        _core.Arena(1 << 70)
    arena = _core.Arena(4096, huge=False)
    with pytest.raises(ValueError, match="slot"):
        arena.build(8, 4096, 1, 0, 1.0)
    with pytest.raises(ValueError, match="does not fit"):
        arena.build(0, 1 << 30, 1, 0, 1.0)
    with pytest.raises(ValueError, match="timeout"):
        arena.touch(0, math.nan)
    with pytest.raises(OSError, match="measure latency"):
        arena.chase(0, 0, 1, 1, False, 1.0)  # nothing is built
    with pytest.raises(OSError, match="touch placed memory"):
        arena.touch(100_000, 1.0)
    with pytest.raises(ValueError, match="no stream kernel"):
        arena.stream("none", [0], 1, 1, 1.0)
    with pytest.raises(ValueError, match="at least one CPU"):
        arena.stream("read", [], 1, 1, 1.0)
    arena.close()


def test_nothing_is_left_behind() -> None:
    conc.memory.bandwidth(size=4 << 20, samples=1)
    files, threads = len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))
    for _ in range(5):
        conc.memory.latency(size=4096, samples=1)
        conc.memory.bandwidth(size=4 << 20, samples=1)
        with pytest.raises(ValueError, match="no node 999"):
            conc.memory.latency(node=999)
    assert len(os.listdir("/proc/self/fd")) == files
    while len(os.listdir("/proc/self/task")) > threads:  # a thread that has reported its end is a moment in ending
        pass


# A container without CAP_SYS_NICE refuses these system calls; here a seccomp filter does.
DENIED = """
import ctypes, struct, sys
NUMBERS = {"mbind": 237, "move_pages": 279, "get_mempolicy": 239}  # x86-64
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, REFUSE_WITH_EPERM = 0x7FFF0000, 0x00050001
program = struct.pack("HBBI", LOAD, 0, 0, 0)
for name in sys.argv[1:]:
    program += struct.pack("HBBI", JUMP_IF_EQUAL, 0, 1, NUMBERS[name])
    program += struct.pack("HBBI", RETURN, 0, 0, REFUSE_WITH_EPERM)
program += struct.pack("HBBI", RETURN, 0, 0, ALLOW)
text = ctypes.create_string_buffer(program, len(program))
header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(text)))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(22, 2, header, 0, 0) != 0:
    print("no seccomp")
    sys.exit()
import conc
node = next(node.id for node in conc.memory.topology().nodes if node.has_memory)
figure = conc.memory.latency(size=1 << 20, node=node, samples=3)
arena = conc._core.Arena(4096, node)
print(arena.bind_errno, figure.placement.verified_by, figure.placement.shares == {node: 1.0}, figure.placement.pages,
      figure.median_ns is not None)
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the filter has x86-64's system call numbers")
@pytest.mark.parametrize(
    ("denied", "expected"),
    [
        (["mbind"], "1 move_pages True 512 True"),
        (["mbind", "move_pages"], "1 get_mempolicy True 64 True"),
        (["move_pages", "get_mempolicy"], "0 unverified False 0 True"),
        (["mbind", "move_pages", "get_mempolicy"], "1 unverified False 0 True"),
    ],
)
def test_refused_system_calls_are_made_up_for_or_said(denied: list[str], expected: str) -> None:
    done = subprocess.run([sys.executable, "-c", DENIED, *denied], capture_output=True, text=True, check=True)
    if done.stdout == "no seccomp\n":
        pytest.skip("this kernel has no seccomp filters")
    assert done.stdout.strip() == expected


INTERRUPTED = """
import threading, conc
print("ready", flush=True)
try:
    conc.memory.latency(samples=100_000, timeout=100)
except KeyboardInterrupt:
    print("interrupted", threading.active_count())
"""


def test_ctrl_c_ends_a_measurement() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        while len(os.listdir(f"/proc/{child.pid}/task")) < 2:  # its measuring thread
            assert child.poll() is None
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
    assert (out, err, child.returncode) == ("interrupted 1\n", "", 0)
