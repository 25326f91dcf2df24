"""Tasks at random, which raise, are cancelled, come too late, go by rank and submit others: every one is accounted for.

CONC_STRESS_TASKS says how many; `make stress` makes it ten million.
"""

from __future__ import annotations

import concurrent.futures
import os
import random
from collections import Counter
from typing import Any

import pytest
from racing import race, rounds, values

import conc

TASKS = int(os.environ.get("CONC_STRESS_TASKS", rounds(40_000)))
WORKERS = 4
SUBMITTERS = 4
WAVE = 2_000  # tasks of one submitter that are under way together
CHILDREN = 3  # of a task that submits others; their numbers follow its own
PLANNED = ("returns",) * 12 + ("raises",) * 4 + ("cancelled",) * 4 + ("late",) * 2 + ("parent",) * 2
PRIORITIES = (-5, 0, 3, 1_000)
POSSIBLE = {
    "returns": {"returned"},
    "raises": {"raised"},
    "cancelled": {"cancelled", "returned"},  # it may have begun before
    "late": {"late", "returned"},
    "parent": {"returned"},
}
LATE = "the task had not begun by its deadline"


class Planned(Exception):
    """What a task raises on purpose: its number."""


class Account:
    """One byte a task and event, changed by the one thread that the task is with at that time."""

    def __init__(self, tasks: int) -> None:
        self.submitted, self.ran, self.ended = (bytearray(tasks) for _ in range(3))

    def task(self, number: int, plan: str) -> int:
        """What a worker runs."""
        self.ran[number] += 1
        if plan == "raises":
            raise Planned(number)
        return number

    def look(self, number: int, plan: str, future: conc.Future[Any]) -> str:
        """How the task ended, which must be one of the ways that were planned."""
        self.ended[number] += 1
        outcome = outcome_of(number, future)
        assert outcome in POSSIBLE[plan], (number, plan, outcome)
        assert self.ran[number] == (outcome in ("returned", "raised")), (number, plan, outcome)
        assert outcome != "returned" or plan == "parent" or future.result() == number
        return outcome


def outcome_of(number: int, future: conc.Future[Any]) -> str:
    """Waits for the end. An exception that nobody planned is raised."""
    try:
        error = future.exception()
    except concurrent.futures.CancelledError:
        return "cancelled"
    if error is None:
        return "returned"
    if isinstance(error, Planned) and error.args == (number,):
        return "raised"
    if isinstance(error, TimeoutError) and str(error) == LATE:
        return "late"
    raise error


class Submitter:
    """Submits the tasks `begin` to `end` and looks at each of them."""

    def __init__(self, pool: conc.ThreadPoolExecutor, account: Account, begin: int, end: int) -> None:
        self._pool, self._account = pool, account
        self._begin, self._end = begin, end
        self._random = random.Random(begin)
        self._ranked = [pool.with_options(priority=priority) for priority in PRIORITIES]
        self._late = pool.with_options(deadline=0)
        self.outcomes: Counter[str] = Counter()

    def run(self) -> Counter[str]:
        for begin in range(self._begin, self._end, WAVE):
            self._wave(begin, min(begin + WAVE, self._end))
        return self.outcomes

    def _wave(self, number: int, end: int) -> None:
        under_way = []
        while number < end:
            plan = self._random.choice(PLANNED) if number + CHILDREN < end else "returns"
            under_way.append((number, plan, self._submit(number, plan)))
            number += 1 + (CHILDREN if plan == "parent" else 0)
        for number, plan, future in under_way:
            self._look(number, plan, future)
            for child, child_plan, child_future in future.result() if plan == "parent" else ():
                self._look(child, child_plan, child_future)

    def _submit(self, number: int, plan: str) -> conc.Future[Any]:
        self._account.submitted[number] += 1
        if plan == "late":
            return self._late.submit(self._account.task, number, plan)
        pool = self._random.choice(self._ranked) if self._random.random() < 0.25 else self._pool
        if plan == "parent":
            return pool.submit(self._run_parent, number, self._random.random() < 0.01)
        future = pool.submit(self._account.task, number, plan)
        if plan == "cancelled":
            future.cancel()
        return future

    def _run_parent(self, number: int, waits: bool) -> list[tuple[int, str, conc.Future[Any]]]:
        """In a worker: tasks that it submits are the worker's own, and others steal them."""
        self._account.ran[number] += 1
        children = []
        for child in range(number + 1, number + 1 + CHILDREN):
            plan = ("returns", "raises", "cancelled")[child % 3]
            self._account.submitted[child] += 1
            future = self._pool.submit(self._account.task, child, plan)
            if plan == "cancelled":
                future.cancel()
            children.append((child, plan, future))
        if waits:
            concurrent.futures.wait([future for _, _, future in children])
        return children

    def _look(self, number: int, plan: str, future: conc.Future[Any]) -> None:
        self.outcomes[self._account.look(number, plan, future)] += 1


@pytest.mark.timeout(120 + TASKS // 10_000)
def test_every_task_is_accounted_for(record_property: pytest.RecordProperty) -> None:
    account = Account(TASKS)
    bounds = [TASKS * part // SUBMITTERS for part in range(SUBMITTERS + 1)]
    with conc.ThreadPoolExecutor(WORKERS) as pool:
        submitters = [Submitter(pool, account, *bounds[part : part + 2]) for part in range(SUBMITTERS)]
        outcomes = sum(values(race(*[submitter.run for submitter in submitters])), Counter[str]())
        stats = pool.stats()
    once = bytearray(b"\1" * TASKS)
    assert account.submitted == once
    assert account.ended == once
    assert outcomes.total() == TASKS
    assert sum(account.ran) == outcomes["returned"] + outcomes["raised"]
    assert set(outcomes) == {"returned", "raised", "cancelled", "late"}
    assert stats.queued == 0
    told = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(outcomes.items()))
    record_property("tasks accounted for", f"{TASKS:,}: {told}; {stats.stolen:,} stolen")
