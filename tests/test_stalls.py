"""conc.stall_guard: what is told of, when, to whom; and what is not."""

from __future__ import annotations

import asyncio
import ctypes
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from threads_support import HAS_GIL

import conc
from conc import _core
from conc.stalls import StallReport

LIMIT_S = 0.15
QUIET_LIMIT_S = 0.5  # where nothing may be told of, on a busy machine either
PATIENCE_S = 60
KEEPS_THE_GIL = ctypes.PyDLL(None)

needs_gil = pytest.mark.skipif(not HAS_GIL, reason="without the GIL nobody can hold it")
is_main = _core.interpreter_id() == 0


class Reports:
    """A callback that keeps what it is told, and tells when it was."""

    def __init__(self) -> None:
        self.queue: queue.Queue[StallReport] = queue.Queue()

    def __call__(self, report: StallReport) -> None:
        self.queue.put(report)

    def next(self) -> StallReport:
        return self.queue.get(timeout=PATIENCE_S)


@pytest.fixture
def reports() -> Reports:
    return Reports()


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "stalls.txt"


def keep_the_gil(guard: conc.StallGuard, times: int = 1) -> None:
    """In C, for several times the limit: each a stall by itself.

    Again when nothing is told: of a machine that stands still for so long, or gives the guard no CPU, it sees no stall.
    """
    for _ in range(times):
        before = len(guard.stalls)
        while len(guard.stalls) == before:
            KEEPS_THE_GIL.usleep(int(LIMIT_S * 3e6))
            end = time.monotonic() + PATIENCE_S
            while len(guard.stalls) == before and time.monotonic() < end:
                time.sleep(0.001)  # its thread comes in and tells


def spin_until(done: Callable[[], bool]) -> None:
    while not done():
        pass


# -- the GIL -----------------------------------------------------------------------------------------------------------


@needs_gil
def test_who_keeps_the_gil_in_c_is_named_with_all_stacks(reports: Reports, output: Path) -> None:
    with conc.stall_guard(LIMIT_S, file=output, callback=reports) as guard:
        keep_the_gil(guard)
    report = reports.next()
    assert guard.stalls == (report,)
    assert report.kind == "gil"
    assert report.duration_s is not None
    assert report.duration_s >= LIMIT_S
    assert report.begin_unix_s <= time.time()
    text = output.read_text()
    assert "conc.stall_guard: the GIL was let go of after" in text
    if report.native_id is not None:
        assert report.native_id == threading.get_native_id()
        assert f"thread {report.native_id} has held the GIL" in text
        assert report.thread_name == threading.current_thread().name
        holder = next(row for row in report.threads if row.native_id == report.native_id)
        assert holder.holds_gil
        assert holder.state is conc.ThreadState.NOT_RUNNING
    else:
        assert "native_id" in report.unknown
    if is_main:
        assert "in keep_the_gil" in report.stacks
        assert report.stacks in text
    else:
        assert "main interpreter" in report.unknown["stacks"]


@needs_gil
def test_it_is_written_while_the_gil_is_kept() -> None:
    """The holder sits in C, in a read from a pipe, until the report itself has come out of it."""
    read_end, write_end = os.pipe()
    first = ctypes.create_string_buffer(16)
    reader = KEEPS_THE_GIL.read
    with os.fdopen(write_end, "w") as file, conc.stall_guard(LIMIT_S, file=file) as guard:
        count = reader(read_end, first, 16)
        assert first.raw[:count] == b"conc.stall_guard"
        keep_the_gil(guard)
        assert guard.stalls[0].kind == "gil"
    os.close(read_end)


@needs_gil
def test_each_stall_is_reported_once(reports: Reports, output: Path) -> None:
    with conc.stall_guard(LIMIT_S, file=output, callback=reports) as guard:
        keep_the_gil(guard, times=3)
    assert [report.kind for report in guard.stalls] == ["gil"] * 3
    assert output.read_text().count("Python stacks") == 3


@needs_gil
def test_computing_in_python_is_no_stall(output: Path) -> None:
    """One thread, and then two: whoever asks for the GIL gets it."""
    ticks: list[int] = []
    with conc.stall_guard(QUIET_LIMIT_S, file=output, callback=lambda _: None) as guard:
        end = time.monotonic() + 3 * QUIET_LIMIT_S
        spin_until(lambda: time.monotonic() > end)
        thread = threading.Thread(target=spin_until, args=(lambda: len(ticks) == 1,))
        thread.start()
        end = time.monotonic() + 3 * QUIET_LIMIT_S
        spin_until(lambda: time.monotonic() > end)
        ticks.append(1)
        thread.join()
    assert guard.stalls == ()
    assert output.read_text() == ""


@needs_gil
def test_no_layout_still_a_report(monkeypatch: pytest.MonkeyPatch, output: Path) -> None:
    """Where the GIL cannot be read a thread that cannot get it tells of the stall, and not of who holds it."""

    class Blind:
        def __init__(self, *args: Any) -> None:
            self._real = real(*args)

        def __getattr__(self, name: str) -> Any:
            return "made up" if name == "gil_unknown" else getattr(self._real, name)

        def next(self) -> Any:
            event = self._real.next()
            return event if event is None or event[0] != "gil" else (*event[:3], None, *event[4:])

    real = _core.StallWatch
    monkeypatch.setattr(_core, "StallWatch", Blind)
    with conc.stall_guard(LIMIT_S, file=output) as guard:
        keep_the_gil(guard)
    assert guard.stalls[0].native_id is None
    assert guard.stalls[0].unknown["native_id"] == "made up"


# -- loops -------------------------------------------------------------------------------------------------------------


def loops() -> Iterator[Any]:
    yield pytest.param(asyncio.new_event_loop, id="asyncio")
    try:
        import uvloop
    except ImportError:
        return
    yield pytest.param(uvloop.new_event_loop, id="uvloop")


def sleep_in_it(reported: Callable[[], bool]) -> None:
    while not reported():
        time.sleep(LIMIT_S / 10)


@pytest.mark.parametrize("block", [sleep_in_it, spin_until])
@pytest.mark.parametrize("new_loop", list(loops()))
def test_a_blocked_loop(new_loop: Any, block: Any, reports: Reports, output: Path) -> None:
    async def main() -> None:
        with conc.stall_guard(LIMIT_S, file=output, callback=reports) as guard:
            await asyncio.sleep(0)
            block(lambda: len(guard.stalls) == 1)
            assert guard.stalls[0].duration_s is None
            while guard.stalls[0].duration_s is None:
                await asyncio.sleep(0.001)
            (report,) = guard.stalls
            assert report.duration_s is not None
            assert report.duration_s >= LIMIT_S

    loop = new_loop()
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()
    report = reports.next()
    assert report.kind == "loop"
    assert report.native_id == threading.get_native_id()
    assert report.thread_name == threading.current_thread().name
    if is_main or HAS_GIL:
        assert f"in {block.__name__}" in report.stacks
    assert any(row.native_id == report.native_id for row in report.threads)
    text = output.read_text()
    assert "the event loop has not turned for" in text
    assert "the event loop turned again after" in text


def test_a_healthy_loop_is_never_reported(output: Path) -> None:
    async def main() -> None:
        with conc.stall_guard(QUIET_LIMIT_S, file=output) as guard:
            await asyncio.sleep(3 * QUIET_LIMIT_S)  # idle
            end = time.monotonic() + 3 * QUIET_LIMIT_S
            while time.monotonic() < end:
                await asyncio.sleep(0)  # busy
        assert guard.stalls == ()

    asyncio.run(main())
    assert output.read_text() == ""


def test_a_loop_that_does_not_run_is_not_stalled(output: Path, reports: Reports) -> None:
    loop = asyncio.new_event_loop()
    with conc.stall_guard(LIMIT_S, loop, file=output, callback=reports) as guard:
        time.sleep(3 * LIMIT_S)
        loop.run_until_complete(asyncio.sleep(2 * LIMIT_S))
        time.sleep(3 * LIMIT_S)
        assert guard.stalls == ()

        async def block() -> None:
            await asyncio.sleep(LIMIT_S)
            sleep_in_it(lambda: len(guard.stalls) == 1)

        loop.run_until_complete(block())
    assert reports.next().kind == "loop"
    loop.close()


def test_a_loop_in_another_thread(output: Path, reports: Reports) -> None:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="the loop's")
    thread.start()
    with conc.stall_guard(LIMIT_S, loop, file=output, callback=reports) as guard:
        loop.call_soon_threadsafe(sleep_in_it, lambda: len(guard.stalls) == 1)
        report = reports.next()
    assert report.native_id == thread.native_id
    assert report.thread_name == "the loop's"
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_a_stopped_guard_leaves_nothing_in_the_loop() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with conc.stall_guard(LIMIT_S):
            await asyncio.sleep(0.001)
        assert [handle for handle in loop._scheduled if not handle.cancelled()] == []  # type: ignore[attr-defined]

    asyncio.run(main())


def test_a_closed_loop_is_refused_and_one_closed_meanwhile_forgotten(output: Path) -> None:
    loop = asyncio.new_event_loop()
    guard = conc.stall_guard(LIMIT_S, loop, file=output)
    guard.start()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    guard.stop()
    descriptors = len(os.listdir("/proc/self/fd"))
    with pytest.raises(RuntimeError, match="closed"):
        guard.start()
    assert not guard.armed
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_guards_of_several_loops(output: Path) -> None:
    guards = []

    async def main() -> None:
        with (
            conc.stall_guard(LIMIT_S, file=output) as inner,
            conc.stall_guard(3600, file=output) as outer,
            conc.stall_guard(LIMIT_S, other, file=output) as idle,
        ):
            await asyncio.sleep(0)
            sleep_in_it(lambda: len(inner.stalls) == 1)
            guards.extend([inner, outer, idle])

    other = asyncio.new_event_loop()
    asyncio.run(main())
    other.close()
    assert [len(guard.stalls) for guard in guards] == [1, 0, 0]


# -- callbacks, files, life --------------------------------------------------------------------------------------------


def test_what_a_callback_raises_is_told_and_the_guard_goes_on(monkeypatch: pytest.MonkeyPatch, output: Path) -> None:
    told: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", told.append)

    def fail(report: StallReport) -> None:
        raise SystemExit(report.kind)

    async def main() -> None:
        with conc.stall_guard(LIMIT_S, file=output, callback=fail) as guard:
            for count in (1, 2):
                await asyncio.sleep(LIMIT_S)
                sleep_in_it(lambda count=count: len(guard.stalls) == count)

    asyncio.run(main())
    assert [each.exc_type for each in told] == [SystemExit, SystemExit]


def test_a_callback_may_stop_its_guard(output: Path) -> None:
    stopped = threading.Event()

    async def main() -> None:
        def stop(report: StallReport) -> None:
            guard.stop()
            stopped.set()

        with conc.stall_guard(LIMIT_S, file=output, callback=stop) as guard:
            await asyncio.sleep(0)
            sleep_in_it(stopped.is_set)
        assert not guard.armed

    asyncio.run(main())


def test_a_guard_may_be_stopped_in_a_stall_and_started_again(output: Path) -> None:
    async def main() -> None:
        guard = conc.stall_guard(LIMIT_S, file=output)
        for count in (1, 2):
            guard.start()
            with pytest.raises(RuntimeError, match="watches already"):
                guard.start()
            await asyncio.sleep(0)
            sleep_in_it(lambda count=count: len(guard.stalls) == count)
            guard.stop()
            guard.stop()
        assert [report.duration_s for report in guard.stalls] == [None, None]

    asyncio.run(main())


def test_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        conc.stall_guard(1.0, file=tmp_path / "none" / "file").start()
    target = tmp_path / "file"
    target.write_text("before\n")

    async def main() -> None:
        for file in (target, target.open("a"), str(target)):
            with conc.stall_guard(LIMIT_S, file=file) as guard:
                if not isinstance(file, (str, Path)):
                    file.close()  # ours stays open
                await asyncio.sleep(0)
                sleep_in_it(lambda guard=guard: len(guard.stalls) == 1)

    asyncio.run(main())
    text = target.read_text()
    assert text.startswith("before\nconc.stall_guard")
    assert text.count("has not turned") == 3


def test_an_output_that_cannot_be_written_to_is_told_of() -> None:
    async def main() -> None:
        with Path("/dev/full").open("w") as full, conc.stall_guard(LIMIT_S, file=full) as guard:
            await asyncio.sleep(0)
            sleep_in_it(lambda: len(guard.stalls) == 1)
        assert guard.stalls[0].unknown["output"] == "No space left on device"
        assert guard.stalls[0].threads

    asyncio.run(main())


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"seconds": 0}, ValueError, "at least 0.01, not 0"),
        ({"seconds": -1.0}, ValueError, "-1.0"),
        ({"seconds": float("nan")}, ValueError, "nan"),
        ({"seconds": float("inf")}, ValueError, "inf"),
        ({"seconds": "1"}, TypeError, "a number, not '1'"),
        ({"seconds": True}, TypeError, "True"),
        ({"seconds": 1, "loop": 5}, TypeError, "event loop"),
        ({"seconds": 1, "callback": 5}, TypeError, "callback must be callable"),
        ({"seconds": 1, "file": 5}, TypeError, "file must be a path"),
    ],
)
def test_bad_arguments(arguments: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        conc.stall_guard(**arguments)


def test_an_armed_guard_says_so(output: Path) -> None:
    guard = conc.stall_guard(1e12, file=output)
    assert repr(guard) == "<StallGuard of 1000000000000.0 s, not armed, 0 stalls>"
    with guard as same:
        assert same is guard
        assert guard.armed
        assert "armed, 0" in repr(guard)
    assert not guard.armed


@pytest.mark.skipif(not is_main, reason="signal handlers are the main interpreter's")
def test_the_signal_is_given_back_and_faulthandlers_own_left_alone(output: Path, tmp_path: Path) -> None:
    """The user's signal of faulthandler, and its timer, which test runners use."""
    import faulthandler  # which no subinterpreter loads

    used = signal.SIGRTMAX
    free = _core.free_signal()
    with (tmp_path / "dump").open("w") as file:
        faulthandler.register(used, file=file)
        with conc.stall_guard(LIMIT_S, file=output), conc.stall_guard(LIMIT_S, file=output):
            assert _core.free_signal() not in (used, free, None)
            signal.raise_signal(used)
        assert faulthandler.unregister(used)
    assert "in test_the_signal" in (tmp_path / "dump").read_text()
    assert _core.free_signal() == free
    assert output.read_text() == ""


@needs_gil
@pytest.mark.skipif(not is_main, reason="signal handlers are the main interpreter's")
def test_a_signal_that_somebody_else_takes_is_not_sent(output: Path) -> None:
    import faulthandler  # which no subinterpreter loads

    number = _core.free_signal()
    assert number is not None
    before = signal.getsignal(number)
    with conc.stall_guard(LIMIT_S, file=output) as guard:
        faulthandler.unregister(number)  # its default would end the process
        keep_the_gil(guard)
    assert signal.getsignal(number) is before
    assert guard.stalls[0].stacks == ""
    assert "taken by others" in guard.stalls[0].unknown["stacks"]


def test_reports_are_plain_data(output: Path) -> None:
    async def main() -> None:
        with conc.stall_guard(LIMIT_S, file=output) as guard:
            await asyncio.sleep(0)
            sleep_in_it(lambda: len(guard.stalls) == 1)
        data = guard.stalls[0].to_dict()
        assert data["kind"] == "loop"
        assert {"native_id", "name", "state", "system_call", "cpu_s"} <= set(data["threads"][0])

    asyncio.run(main())
