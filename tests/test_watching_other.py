"""Another process is watched: its threads, its GIL, what may not be seen of it, and its end."""

from __future__ import annotations

import errno
import gc
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from threads_support import HAS_GIL, until

from conc import _core
from conc.watching import other
from conc.watching.api import Watch, watch
from conc.watching.layouts import UnknownLayout
from conc.watching.records import RawTimeline, Reason, State

PROGRAM = """
import os, sys, threading, time
lock = threading.Lock()
lock.acquire()
reading, writing = os.pipe()
def named(name, function, *args):
    def run():
        tids[name] = threading.get_native_id()
        function(*args)
    threading.Thread(target=run, daemon=True).start()
def spin():
    while True:
        pass
tids = {"main": threading.get_native_id()}
named("lock", lock.acquire)
named("pipe", os.read, reading, 1)
named("sleep", time.sleep, 1000)
for number in range(int(sys.argv[1])):
    named(f"spin{number}", spin)
while len(tids) < 4 + int(sys.argv[1]):
    time.sleep(0.001)
print(*(f"{name}={tid}" for name, tid in tids.items()), flush=True)
sys.stdin.read()
"""

STAYS = "import sys; print(flush=True); sys.stdin.read()"


@contextmanager
def program(spinning: int = 0) -> Iterator[tuple[subprocess.Popen[str], dict[str, int]]]:
    """A process with one thread of each kind: name -> native id."""
    command = [sys.executable, "-c", PROGRAM, str(spinning)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            pairs = (word.split("=") for word in process.stdout.readline().split())
            yield process, {name: int(tid) for name, tid in pairs}
        finally:
            process.kill()


def watched_for(watching: Watch, looks: int) -> RawTimeline:
    """What is seen in so many looks at least, however long they take."""
    rounds = 0
    with watching as seen:
        waiter = threading.Event()
        while rounds < looks:
            waiter.wait(0.001)
            rounds += 1
    return seen.raw


def did(raw: RawTimeline, tid: int) -> set[tuple[State, Reason]]:
    """What the thread was seen to do."""
    totals = zip(raw.totals.thread, raw.totals.state, raw.totals.reason, raw.totals.ns, strict=True)
    return {
        (State(state), Reason(reason))
        for thread, state, reason, ns in totals
        if raw.threads[thread].tid == tid and ns > 0
    }


def mostly(raw: RawTimeline, tid: int) -> tuple[State, Reason]:
    """What it did for longest: it may have been seen on its way there."""
    totals = zip(raw.totals.ns, raw.totals.state, raw.totals.reason, raw.totals.thread, strict=True)
    _, state, reason = max(
        (ns, state, reason) for ns, state, reason, thread in totals if raw.threads[thread].tid == tid
    )
    return State(state), Reason(reason)


def test_what_each_thread_waits_for() -> None:
    with program() as (process, tids):
        raw = watched_for(watch(process.pid), 50)
    assert mostly(raw, tids["lock"]) == (State.NOT_RUNNING, Reason.FUTEX)
    assert mostly(raw, tids["pipe"]) == (State.NOT_RUNNING, Reason.PIPE)
    assert mostly(raw, tids["sleep"]) == (State.NOT_RUNNING, Reason.SLEEP)
    assert mostly(raw, tids["main"]) == (State.NOT_RUNNING, Reason.PIPE)
    [own] = raw.processes
    assert own.pid == process.pid
    assert own.python == sys.version.split()[0]
    assert {thread.tid for thread in raw.threads} == set(tids.values())
    assert raw.unknown == {}


@pytest.mark.skipif(not HAS_GIL, reason="there is no GIL to hold")
def test_who_holds_its_gil_and_who_waits_for_it() -> None:
    with program(spinning=3) as (process, tids):
        raw = watched_for(watch(process.pid), 300)
    spinning = {tids[f"spin{number}"] for number in range(3)}
    for tid in spinning:
        assert (State.NOT_RUNNING, Reason.GIL) in did(raw, tid)
        assert (State.RUNNING, Reason.NONE) in did(raw, tid)
    holders = {raw.threads[index].tid for index in raw.held.thread if index >= 0}
    assert holders <= spinning | {tids["main"]}
    assert holders & spinning
    assert {raw.threads[index].tid for index in raw.waits.waiter} <= spinning | {tids["main"]}
    assert raw.processes[0].gil is True


def letter_of(pid: int) -> str:
    """What the kernel says that a process does."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return file.read().rpartition(")")[2].split()[0]


def test_one_that_is_no_python_has_no_gil_and_all_the_rest() -> None:
    with subprocess.Popen(["sleep", "1000"]) as process:
        try:
            until(lambda: letter_of(process.pid) == "S", "it sleeps, and is loaded no more")
            raw = watched_for(watch(process.pid), 20)
        finally:
            process.kill()
    assert did(raw, process.pid) == {(State.NOT_RUNNING, Reason.SLEEP)}
    assert raw.processes[0].name == "sleep"
    assert raw.processes[0].gil is None
    assert raw.processes[0].python is None
    assert "no CPython" in raw.unknown["gil"]


def test_one_of_an_unknown_version_is_seen_but_for_its_gil(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_pid: int) -> None:
        raise UnknownLayout("CPython 3.99.0: where this version keeps its GIL is not known")

    monkeypatch.setattr(other, "find_layout", unknown)
    with program() as (process, tids):
        raw = watched_for(watch(process.pid), 20)
    assert mostly(raw, tids["sleep"]) == (State.NOT_RUNNING, Reason.SLEEP)
    assert raw.unknown["gil"] == "CPython 3.99.0: where this version keeps its GIL is not known"
    assert raw.processes[0].gil is None


def test_one_that_ends_meanwhile() -> None:
    with program() as (process, tids), watch(process.pid) as seen:
        process.kill()
        process.wait()
        threading.Event().wait(0.01)
    raw = seen.raw
    assert {thread.tid for thread in raw.threads} == set(tids.values())
    assert all(thread.end_ns is not None for thread in raw.threads)
    assert "gil" not in raw.unknown


def test_one_that_has_ended() -> None:
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises(ProcessLookupError, match=f"process {process.pid} has ended"), watch(process.pid):
        pass  # a zombie
    process.wait()
    with pytest.raises(ProcessLookupError, match=f"there is no process {process.pid}"), watch(process.pid):
        pass


def test_one_that_is_stopped() -> None:
    with program() as (process, tids):
        process.send_signal(signal.SIGSTOP)
        until(lambda: letter(process.pid) == "T", "it has stopped")
        raw = watched_for(watch(process.pid), 20)
    assert did(raw, tids["main"]) <= {(State.NOT_RUNNING, Reason.STOPPED), (State.NOT_RUNNING, Reason.PIPE)}


def letter(pid: int) -> str:
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        return file.read().rpartition(")")[2].split()[0]


def test_our_own_number_is_our_own_process() -> None:
    raw = watched_for(watch(os.getpid()), 5)
    assert "MainThread" in {thread.name for thread in raw.threads}


@pytest.mark.parametrize(
    ("pid", "error", "words"),
    [
        (0, ValueError, "pid must be at least 1"),
        (-1, ValueError, "pid must be at least 1"),
        (1 << 31, ValueError, "below 2"),
        (0.001, TypeError, "the interval is given by name: interval=0.001"),
        (True, TypeError, "pid must be a process's number"),
        ("7", TypeError, "pid must be a process's number, not '7'"),
    ],
)
def test_what_is_no_process(pid: int, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        watch(pid)


def test_tracing_that_is_refused_is_an_error_that_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_pid: int) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(_core, "check_traceable", refuse)
    with program() as (process, _), pytest.raises(PermissionError, match="the right to trace"), watch(process.pid):
        pass
    assert "conc-watch" not in {thread.name for thread in threading.enumerate()}


def test_a_kernel_that_does_not_tell_of_system_calls_is_not_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(_pid: int) -> None:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    monkeypatch.setattr(_core, "check_traceable", absent)
    with program() as (process, _):
        other.check_may_be_watched(process.pid)
        assert watched_for(watch(process.pid), 5).threads


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["python3", "work.py", "x"], "work.py"),
        (["/usr/bin/python3.13t", "-X", "dev", "-W", "error", "/a/work.py"], "work.py"),
        (["python", "-m", "package.module", "x"], "package.module"),
        (["python", "-Im", "module"], "module"),
        (["python", "-c", "pass", "x.py"], "python"),
        (["python", "-uc", "pass"], "python"),
        (["python", "-"], "python"),
        (["python"], "python"),
        (["python", "-X"], "python"),
        (["/usr/sbin/nginx", "-g", "x"], "nginx"),
        (["pythonic", "x"], "pythonic"),
    ],
)
def test_what_a_process_is_called(monkeypatch: pytest.MonkeyPatch, words: list[str], name: str) -> None:
    line = "\0".join(words).encode() + b"\0"
    monkeypatch.setattr(other, "content", lambda _path: line)
    assert other.program_name(7) == name


def test_one_whose_command_line_is_hidden_is_called_by_its_number() -> None:
    assert other.program_name(2**22 + 1) == f"process {2**22 + 1}"


@contextmanager
def python_that_stays() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", STAYS], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield process
        finally:
            process.kill()


def test_the_image_changes_with_the_program() -> None:
    script = "import os, sys; print(flush=True); sys.stdin.readline(); os.execvp('sleep', ['sleep', '1000'])"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdin is not None
            process.stdout.readline()
            part = other.OtherProcess(process.pid, 1_000_000, 64)
            first = part.image()
            assert first == part.image()
            process.stdin.write(b"\n")
            process.stdin.flush()
            until(lambda: part.image() != first, "it runs another program")
            process.kill()
            process.wait()
            assert part.image() is None
            assert part.has_ended()
            assert part.end().threads
        finally:
            process.kill()


def as_child(seen: Watch, pid: int) -> Any:
    """What the watch knows of the child by now; None: nothing."""
    assert seen._seen is not None
    assert seen._seen._family is not None
    return next((child for key, child in list(seen._seen._family._alive.items()) if key[0] == pid), None)


def python_is_seen(seen: Watch, pid: int) -> bool:
    child = as_child(seen, pid)
    return child is not None and child.part is not None and child.part._layout is not None


def program_is_seen(seen: Watch, pid: int) -> bool:
    """The one that it runs now."""
    child = as_child(seen, pid)
    return child is not None and child.image is not None and child.image[0] == other._program_identity(pid)


def test_children_are_rows_from_begin_to_end() -> None:
    with watch(children=True) as seen:
        with python_that_stays() as process:
            until(lambda: python_is_seen(seen, process.pid), "it is a child that runs Python")
        with subprocess.Popen(["sleep", "1000"]) as brief:
            name = Path(f"/proc/{brief.pid}/comm")
            until(lambda: name.read_text(encoding="ascii") == "sleep\n", "it has executed its program")
            until(lambda: program_is_seen(seen, brief.pid), "that is seen")
            brief.kill()
    raw = seen.raw
    by_pid = {own.pid: index for index, own in enumerate(raw.processes)}
    assert raw.processes[0].pid == os.getpid()
    assert process.pid in by_pid
    assert "sleep" in {own.name for own in raw.processes}
    [python] = [own for own in raw.processes if own.pid == process.pid]
    assert python.python == sys.version.split()[0]
    of_child = [thread for thread in raw.threads if raw.processes[thread.process].pid == process.pid]
    assert [thread.tid for thread in of_child] == [process.pid]
    assert of_child[0].end_ns is not None
    assert not {"conc-children", "conc-watch"} & {thread.name for thread in raw.threads}


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="here the lines of another process can be seen")
def test_lines_of_another_process_take_a_newer_python() -> None:
    with (
        program() as (process, _),
        pytest.raises(ValueError, match=r"no lines of Python of process .* CPython 3\.14 or later"),
        watch(process.pid, where=True),
    ):
        pass


@pytest.mark.skipif(sys.version_info < (3, 14), reason="CPython 3.14 and later can read them")
def test_lines_of_another_process_are_seen() -> None:
    with program() as (process, tids), watch(process.pid, where=True) as seen:
        until(lambda: len(seen._seen._places._rounds) >= 2, "it has looked twice")  # type: ignore[union-attr]
    raw = seen.raw
    found = {raw.threads[place.thread].tid: place.stack for place in raw.places}
    assert found.keys() <= set(tids.values())
    assert "<module>" in [function for _, _, function in found[tids["main"]]]
    assert raw.places_cost_ns == 0


def test_lines_of_our_own_refine_what_futexes_are_for() -> None:
    event = threading.Event()
    thread = threading.Thread(target=event.wait, name="waits")
    thread.start()
    with watch(where=True) as seen:
        until(lambda: len(seen._seen._places._rounds) >= 2, "it has looked twice")  # type: ignore[union-attr]
    event.set()
    thread.join()
    raw = seen.raw
    assert thread.native_id is not None
    waits = {reason for state, reason in did(raw, thread.native_id) if state is State.NOT_RUNNING}
    assert waits == {Reason.CONDITION}  # it may have been on its way there at first
    assert raw.places_cost_ns > 0
    assert "conc-places" not in {one.name for one in raw.threads}


def test_a_watch_that_is_dropped_leaves_no_thread() -> None:
    dropped = watch(children=True, where=True)
    dropped.__enter__()
    names = {thread.name for thread in threading.enumerate()}
    assert "conc-children" in names
    del dropped

    def they_end() -> bool:
        gc.collect()  # without a GIL an object may be let go of by the collector alone
        return not [thread for thread in threading.enumerate() if thread.name.startswith("conc-")]

    until(they_end, "they end")


def test_a_watch_is_a_timeline_and_says_what_it_is() -> None:
    seen = watch(interval=0.01)
    assert repr(seen) == "<conc.Watch every 10 ms: not begun>"
    with seen:
        assert repr(seen) == "<conc.Watch every 10 ms: on>"
        with pytest.raises(RuntimeError, match="when its block has ended"):
            seen.summary()
    assert repr(seen).startswith("<conc.Timeline of ")
    assert [thread.name for thread in seen.summary().threads if thread.name == "MainThread"] == ["MainThread"]
    assert str(seen).startswith("Watch of ")
