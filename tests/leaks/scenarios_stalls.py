"""Leak scenarios: guards against stalls, and what they ask the core for."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path
from typing import TextIO

from leak_table import covers, refused

import conc
from conc import _core

LIMIT_S = 0.01


def nowhere() -> TextIO:
    """A file for reports that nobody reads."""
    return Path(os.devnull).open("w")


@covers(
    *("conc.stall_guard", "conc.StallGuard", "conc.StallGuard.*", "conc.StallReport", "conc.StallReport.*"),
    *("conc.StalledThread", "conc.StalledThread.*"),
)
def guards_tell_of_loops() -> None:
    told = []

    async def main() -> None:
        with nowhere() as file, conc.stall_guard(LIMIT_S, file=file, callback=told.append) as guard:
            await asyncio.sleep(0)
            while not any(report.kind == "loop" for report in guard.stalls):  # on a busy machine others come, too
                time.sleep(LIMIT_S / 10)
            while any(report.duration_s is None for report in guard.stalls):
                await asyncio.sleep(0)
            assert guard.armed
            refused(RuntimeError, guard.start)
            guard.stop()
            guard.start()

    loop = asyncio.new_event_loop()  # asyncio.run() tries signals' names, which fill CPython's cache of attributes
    loop.run_until_complete(main())
    loop.close()
    report = next(report for report in told if report.kind == "loop")
    assert report.to_dict()["kind"] == report.kind == "loop"
    assert report.to_json()
    assert report.begin_unix_s > 0
    assert (report.duration_s, report.waits, report.unknown.get("output")) == (None, (), None)
    assert report.native_id == threading.get_native_id()
    assert report.thread_name
    assert report.stacks
    assert report.source
    row = next(row for row in report.threads if row.native_id == report.native_id)
    assert row.to_dict()["name"] == row.name
    assert row.to_json()
    assert row.state is not None
    assert {row.holds_gil, row.waits_for_gil} <= {True, False, None}
    assert row.system_call is None or row.cpu_s is not None
    refused(ValueError, conc.stall_guard, 0)
    refused(OSError, conc.stall_guard(1.0, file="/nonexistent/file").start)


@covers("conc._core.want_waits", "conc.Thread.join", "conc.Future.result")
def waits_are_listed() -> None:
    go_on = threading.Event()
    waits = _core.want_waits(1)
    slow = conc.Thread(target=go_on.wait)
    slow.start()
    with conc.ThreadPoolExecutor(1) as pool:
        task = pool.submit(go_on.wait)
        waiters = [conc.Thread(target=slow.join), conc.Thread(target=task.result)]
        for waiter in waiters:
            waiter.start()
        while len(waits) < len(waiters):
            time.sleep(0)
        go_on.set()
        for waiter in waiters:
            waiter.join()
    slow.join()
    assert waits == _core.want_waits(-1) == {}


@covers(
    *("conc._core.StallWatch", "conc._core.StallWatch.*", "conc._core.free_signal", "conc._core.thread_cpu_ns"),
    *("conc._core.thread_in_futex", "conc._core.other_frames"),
)
def the_core_watches() -> None:
    number, native_id = _core.free_signal(), threading.get_native_id()
    assert number is None or number > 0
    assert _core.thread_cpu_ns(native_id)
    assert not _core.thread_in_futex(native_id)
    assert threading.get_ident() not in _core.other_frames()
    with nowhere() as file:
        watch = _core.StallWatch(LIMIT_S, LIMIT_S, 0.0, False, file.fileno(), 0, 0)
        assert watch.gil_unknown is None
        watch.beat()
        assert watch.next() == ("loop",)
        assert watch.loop_is_late()
        watch.judge_loop(True)
        assert watch.loop_times()[1] is None
        assert watch.write(b"text") == 0
        assert watch.threads()
        watch.beat()
        while watch.next() != ("loop ended",):
            pass
        watch.stop()
        while watch.next() is not None:
            pass  # it is late once more
        del watch
        _core.StallWatch(LIMIT_S, 0.0, 0.0, True, file.fileno(), 0, 0)
    refused(ValueError, _core.StallWatch, -1.0, 0.0, 0.0, True, 2, 0, 0)
