"""ThreadPoolExecutor beyond the standard pool: ranks, deadlines, context variables, stats."""

from __future__ import annotations

import concurrent.futures
import contextvars
import dataclasses
import threading
import time
from typing import Any

import pytest

import conc
from conc import kernels


def test_ranks_decide_what_begins_first(gate: threading.Event) -> None:
    order: list[str] = []
    with conc.ThreadPoolExecutor(1) as pool:
        running = threading.Event()
        pool.submit(lambda: (running.set(), gate.wait()))
        running.wait()
        pool.submit(order.append, "plain")
        pool.with_options(priority=-1).submit(order.append, "low")
        pool.with_options(priority=1).submit(order.append, "high")
        pool.with_options(deadline=600).submit(order.append, "by 600")
        pool.with_options(deadline=60).submit(order.append, "by 60")
        pool.with_options(priority=1, deadline=60).submit(order.append, "high by 60")
        pool.with_options(priority=1).submit(order.append, "high, later")
        pool.submit(order.append, "plain, later")
        gate.set()
    assert order == ["high by 60", "high", "high, later", "by 60", "by 600", "plain", "plain, later", "low"]


def test_an_urgent_task_runs_between_the_items_of_a_map(gate: threading.Event) -> None:
    order: list[object] = []
    begun = threading.Event()

    def item(number: int) -> None:
        begun.set()
        gate.wait()
        order.append(number)

    with conc.ThreadPoolExecutor(1) as pool:
        results = pool.map(item, range(3))
        begun.wait()
        urgent = pool.with_options(priority=1).submit(order.append, "urgent")
        later = pool.submit(order.append, "later")
        gate.set()
        assert list(results) == [None] * 3
        assert urgent.result() is later.result() is None
    assert order == [0, "urgent", 1, 2, "later"]


def test_a_task_that_has_not_begun_by_its_deadline_does_not_run(gate: threading.Event) -> None:
    ran: list[int] = []
    with conc.ThreadPoolExecutor(1) as pool:
        running = threading.Event()
        pool.submit(lambda: (running.set(), gate.wait()))
        running.wait()
        late = pool.with_options(deadline=0.0).submit(ran.append, 1)
        native = pool.with_options(deadline=0.0).submit(kernels.prime_factors, 12)
        in_time = pool.with_options(deadline=600.0).submit(ran.append, 2)
        while time.monotonic_ns() == time.monotonic_ns():
            pass  # the deadline is over once the clock has moved
        gate.set()
        for future in (late, native):
            with pytest.raises(TimeoutError, match="had not begun by its deadline"):
                future.result()
        assert in_time.result() is None
    assert ran == [2]


def test_a_view_is_an_executor_on_the_same_workers() -> None:
    with conc.ThreadPoolExecutor(1) as pool:
        view = pool.with_options(priority=5)
        assert isinstance(view, concurrent.futures.Executor)
        assert view.submit(threading.get_ident).result() == pool.submit(threading.get_ident).result()
        assert list(view.map(pow, [2, 3], [3, 2])) == [8, 9]
        assert view.submit(kernels.prime_factors, 12).result() == [2, 2, 3]
        view.shutdown()
        with pytest.raises(RuntimeError, match="after shutdown"):
            pool.submit(int)
        with pytest.raises(RuntimeError, match="after shutdown"):
            view.submit(int)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"priority": 1.5}, TypeError),
        ({"priority": "high"}, TypeError),
        ({"priority": 2**63}, OverflowError),
        ({"priority": -(2**63) - 1}, OverflowError),
        ({"deadline": "soon"}, TypeError),
        ({"deadline": float("nan")}, ValueError),
    ],
)
def test_wrong_options(options: dict[str, Any], error: type[Exception]) -> None:
    with conc.ThreadPoolExecutor(1) as pool, pytest.raises(error):
        pool.with_options(**options)


def test_queued_tasks_with_a_rank_are_cancelled(gate: threading.Event) -> None:
    pool = conc.ThreadPoolExecutor(1)
    running = threading.Event()
    pool.submit(lambda: (running.set(), gate.wait()))
    running.wait()
    futures = [pool.with_options(priority=n % 3 - 1).submit(int) for n in range(30)]
    assert pool.stats().queued == 30
    pool.shutdown(wait=False, cancel_futures=True)
    assert all(future.cancelled() for future in futures)
    gate.set()


def test_each_call_has_a_copy_of_the_context() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    def change() -> str:
        before = variable.get("unset")
        variable.set("changed")
        return before

    with conc.ThreadPoolExecutor(1) as pool:
        assert pool.submit(change).result() == "unset"
        assert pool.submit(change).result() == "unset"
        variable.set("ours")
        future = pool.submit(change)
        variable.set("later")
        assert future.result() == "ours"
        assert pool.with_options(priority=1).submit(change).result() == "later"
        assert contextvars.Context().run(pool.submit, change).result() == "unset"
        assert variable.get() == "later"


def test_stats(gate: threading.Event) -> None:
    with conc.ThreadPoolExecutor(2) as pool:
        stats = pool.stats()
        assert stats == conc.PoolStats(0, 0, 0, 0, 0, 0, 0, 0, 0.0)
        assert set(stats.to_dict()) == {field.name for field in dataclasses.fields(conc.PoolStats)}

        def parent() -> list[int]:
            children = [pool.submit(pow, 2, n) for n in range(5)]
            while pool.stats().stolen < 5:
                time.sleep(0)
            return [child.result() for child in children]

        assert pool.submit(parent).result() == [1, 2, 4, 8, 16]
        stats = pool.stats()
        assert stats.run == 6
        assert stats.stolen == 5
        assert stats.workers == 2
        assert stats.attaches >= 2
        assert stats.attach_wait_s >= 0
        futures = [pool.submit(gate.wait) for _ in range(5)]
        assert pool.stats().queued >= 3
        gate.set()
        assert all(future.result() for future in futures)
        while pool.stats().idle < 2:
            time.sleep(0)
        assert pool.stats().parked >= 1
