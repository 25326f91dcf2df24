"""conc.Thread as it is made: context, CPUs, NUMA node, stack and name, before, during and after its life."""

from __future__ import annotations

import contextvars
import ctypes
import os
import sys
import threading
from typing import Any

import pytest
from threads_support import held, started, system_name, until

import conc
from conc import kernels, memory
from conc.cpus import online_cpus

CPUS = frozenset(os.sched_getaffinity(0))
NODES = {node.id: frozenset(node.cpus) for node in memory.topology().nodes}
ABSENT = 10**6
variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="of nobody")

KINDS = pytest.mark.parametrize("kernel", [False, True], ids=["python", "kernel"])


# -- context --------------------------------------------------------------------------------------------------------


def test_the_target_runs_in_the_context_that_is_given() -> None:
    context = contextvars.copy_context()
    context.run(variable.set, "of the thread")

    def target() -> str:
        before = variable.get()
        variable.set("changed")
        return before

    assert started(target, context=context).result() == "of the thread"
    assert context[variable] == "changed"
    assert variable.get() == "of nobody"


def test_without_a_context_it_starts_as_the_interpreter_says() -> None:
    context = contextvars.copy_context()
    context.run(variable.set, "of the starter")
    inherited = context.run(lambda: started(variable.get)).result()
    inherits = getattr(sys.flags, "thread_inherit_context", 0)
    assert inherited == ("of the starter" if inherits else "of nobody")


def test_a_context_that_is_entered_elsewhere_is_an_error_of_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    context = contextvars.copy_context()
    error = context.run(lambda: started(variable.get, context=context).exception())
    assert isinstance(error, RuntimeError)
    assert "is already entered" in str(error)


def test_callbacks_see_the_context_of_nobody() -> None:
    context = contextvars.copy_context()
    context.run(variable.set, "of the thread")
    seen: list[str] = []
    thread = conc.Thread(context=context)
    thread.add_done_callback(lambda _: seen.append(variable.get()))
    thread.start()
    thread.join()
    assert seen == ["of nobody"]


# -- arguments that are wrong ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"context": 3}, TypeError, r"context must be a contextvars\.Context or None, not 3"),
        ({"affinity": 3}, TypeError, "affinity must be a set of CPU numbers, not 3"),
        ({"affinity": ["x"]}, TypeError, "affinity must be a set of CPU numbers"),
        ({"affinity": []}, ValueError, "affinity must name at least one CPU"),
        ({"affinity": {ABSENT}}, ValueError, f"affinity names CPU {ABSENT}, which is not online"),
        ({"affinity": {-1}}, ValueError, "affinity names CPU -1"),
        ({"node": ABSENT}, ValueError, f"node must be one of this machine's NUMA nodes .*, not {ABSENT}"),
        ({"node": -1}, ValueError, "NUMA nodes"),
        ({"node": "x"}, TypeError, "str"),
        ({"stack_size": 32767}, ValueError, "stack_size must be at least 32768 bytes"),
        ({"stack_size": 0}, ValueError, "stack_size must be at least 32768 bytes"),
        ({"stack_size": -1}, ValueError, "stack_size must be at least 32768 bytes"),
        ({"stack_size": 1e6}, TypeError, "float"),
        ({"stack_size": 1 << 70}, OverflowError, "int"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        conc.Thread(**arguments)


@KINDS
def test_a_stack_that_there_is_no_memory_for_fails_the_start_alone(kernel: bool) -> None:
    tasks = len(os.listdir("/proc/self/task"))
    thread = conc.Thread(target=kernels.sleep if kernel else int, args=(0,), stack_size=1 << 46)
    for _ in range(2):
        with pytest.raises((RuntimeError, OSError, MemoryError)):
            thread.start()
        assert (thread.ident, thread.is_alive(), thread.state) == (None, False, None)
        assert thread not in threading.enumerate()
    assert len(os.listdir("/proc/self/task")) <= tasks


# -- stack ----------------------------------------------------------------------------------------------------------


def stack_bytes() -> int:
    """Of the calling thread, as the C library mapped it: pthread_getattr_np(3)."""
    libc = ctypes.CDLL(None)
    libc.pthread_self.restype = ctypes.c_void_p
    attributes, size = ctypes.create_string_buffer(256), ctypes.c_size_t()
    assert libc.pthread_getattr_np(ctypes.c_void_p(libc.pthread_self()), attributes) == 0
    assert libc.pthread_attr_getstacksize(attributes, ctypes.byref(size)) == 0
    libc.pthread_attr_destroy(attributes)
    return size.value


def at_least(size: int) -> range:
    """The C library gives a thread the stack of one that has ended if it is large enough, up to four times as large."""
    return range(size, 4 * size + (64 << 10))


@pytest.mark.parametrize("size", [256 << 10, 1 << 20, 64 << 20])
def test_stack_size(size: int) -> None:
    assert started(stack_bytes, stack_size=size).result() in at_least(size)


def test_the_default_stack_size_is_threadings() -> None:
    before = threading.stack_size(48 << 20)
    try:
        assert started(stack_bytes).result() in at_least(48 << 20)
        assert started(stack_bytes, stack_size=1 << 20).result() in at_least(1 << 20)
    finally:
        threading.stack_size(before)


# -- CPUs -----------------------------------------------------------------------------------------------------------


@KINDS
def test_affinity_in_each_part_of_a_life(kernel: bool) -> None:
    first = frozenset({min(CPUS)})
    target, args = (kernels.sleep, (0,)) if kernel else (os.sched_getaffinity, (0,))
    unasked = conc.Thread(target=target, args=args)
    assert unasked.affinity is None
    unasked.affinity = first
    assert unasked.affinity == first
    unasked.start()
    assert unasked.result() == (None if kernel else first)
    assert unasked.affinity == first
    with held(kernel, affinity=first) as thread:
        assert thread.affinity == os.sched_getaffinity(thread.native_id or -1) == first
        thread.affinity = CPUS
        assert thread.affinity == os.sched_getaffinity(thread.native_id or -1) == CPUS
        with pytest.raises(ValueError, match="not online"):
            thread.affinity = {ABSENT}
        with pytest.raises(TypeError, match="can be changed, not taken back"):
            thread.affinity = None  # type: ignore[assignment]
        assert thread.affinity == CPUS
    assert thread.affinity == CPUS
    with pytest.raises(RuntimeError, match="has ended: it runs nowhere"):
        thread.affinity = first
    assert os.sched_getaffinity(0) == CPUS


def test_affinity_without_a_wish_is_the_starters() -> None:
    with held() as thread:
        assert thread.affinity == CPUS
    assert thread.affinity is None


def test_a_thread_moves_itself() -> None:
    first = frozenset({min(CPUS)})

    def target() -> Any:
        threading.current_thread().affinity = first  # type: ignore[attr-defined]
        return os.sched_getaffinity(0)

    assert started(target).result() == first


def test_cpus_that_are_online_and_forbidden_are_an_error_of_the_start() -> None:
    forbidden = frozenset(online_cpus()) - CPUS
    if not forbidden:
        pytest.skip("this process may run on every CPU that is online")
    thread = conc.Thread(affinity=forbidden)
    with pytest.raises(OSError, match="start a native thread"):
        thread.start()
    assert (thread.ident, thread.state) == (None, None)
    thread.affinity = CPUS
    thread.start()
    thread.join()


# -- NUMA nodes -----------------------------------------------------------------------------------------------------


@KINDS
def test_node_in_each_part_of_a_life(kernel: bool) -> None:
    node, cpus = next((node, cpus & CPUS) for node, cpus in NODES.items() if cpus & CPUS)
    thread = conc.Thread(target=kernels.sleep if kernel else int, args=(0,))
    assert thread.node is None
    thread.node = node
    assert thread.node == node
    thread.start()
    thread.join()
    assert thread.node == node
    with held(kernel, node=node) as thread:
        assert thread.node == node
        assert thread.affinity == cpus
        thread.affinity = {min(cpus)}
        assert (thread.node, thread.affinity) == (node, {min(cpus)})
        thread.node = node
        assert thread.affinity == cpus
        with pytest.raises(ValueError, match="NUMA nodes"):
            thread.node = ABSENT
        with pytest.raises(TypeError, match="not taken back"):
            thread.node = None  # type: ignore[assignment]
    with pytest.raises(RuntimeError, match="has ended"):
        thread.node = node


def test_a_node_and_cpus_of_it() -> None:
    node, cpus = next((node, cpus & CPUS) for node, cpus in NODES.items() if cpus & CPUS)
    with held(node=node, affinity={max(cpus)}) as thread:
        assert (thread.node, thread.affinity) == (node, {max(cpus)})


# -- names ----------------------------------------------------------------------------------------------------------


@KINDS
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("short", b"short"),
        ("fifteen bytes-x", b"fifteen bytes-x"),
        ("longer than fifteen bytes", b"longer than fif"),
        ("12345678901234é", b"12345678901234\xc3"),  # its last character is cut in two, as by CPython
        ("1234567890123é", "1234567890123é".encode()),
        ("日本語日本語", "日本語日本".encode()),
        ("half \udc80 pair", b"half ? pair"),
        ("\ud83d", b"?"),
        (" ", b" "),
    ],
)
def test_the_system_shows_the_name(kernel: bool, name: str, shown: bytes) -> None:
    with held(kernel, name=name) as thread:
        until(lambda: system_name(thread.native_id) == shown, f"the name {name!r}")
        assert thread.name == name
        thread.name = "another"
        assert (thread.name, system_name(thread.native_id)) == ("another", b"another")
        thread.name = name
        assert system_name(thread.native_id) == shown


@KINDS
def test_a_name_set_before_the_start_is_shown_after_it(kernel: bool) -> None:
    thread = conc.Thread(target=kernels.sleep if kernel else threading.Event().wait, args=(0.0,), name="made so")
    thread.name = "renamed"
    assert thread.name == "renamed"
    thread.start()
    thread.join()
    thread.name = "after its end"
    assert thread.name == "after its end"


@KINDS
def test_a_name_set_right_after_the_start_stays(kernel: bool) -> None:
    for number in range(100):
        with held(kernel, name="as it was started") as thread:
            thread.name = f"later {number}"
            until(lambda thread=thread: thread.state is conc.ThreadState.NOT_RUNNING, "the thread is in its target")
            assert system_name(thread.native_id) == thread.name.encode()


def test_a_name_is_there_when_the_target_begins() -> None:
    assert started(lambda: system_name(threading.get_native_id()), name="from the first").result() == b"from the first"


def test_default_names_say_what_runs() -> None:
    def work() -> None:
        """A target with a name."""

    assert conc.Thread(target=work).name.endswith(" (work)")
    assert conc.Thread(target=kernels.sleep).name.endswith(" (sleep)")
    assert conc.Thread(target=contextvars.copy_context().run).name.endswith(" (run)")
    named = conc.Thread(name=3)  # type: ignore[arg-type]
    assert named.name == "3"
    with pytest.raises(TypeError, match="must be a str"):
        conc.Thread()._name = 3


def test_renaming_the_calling_thread() -> None:
    def target() -> bytes:
        threading.current_thread().name = "renamed by me"
        return system_name(threading.get_native_id())

    assert started(target, name="before").result() == b"renamed by me"
