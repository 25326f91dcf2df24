"""How the runner takes turns, keeps time and goes on after a lane fails: with lanes that are made for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from conc.comparison.lanes.base import CannotRun, ItemFailed, Lane, OutOfTime
from conc.comparison.records import Comparison
from conc.comparison.runner import compare_lanes
from conc.comparison.workload import Workload

Act = Callable[[int, list[Any]], list[Any]]


class Scripted(Lane):
    """A lane whose runs are a function of the run's number; it writes down what happens to it."""

    def __init__(self, name: str, act: Act | None = None, log: list[str] | None = None, reason: str = "") -> None:
        super().__init__(Workload("scripted", id, []), 2)
        self.name = name  # type: ignore[misc] - each instance is another lane
        self.act = act or (lambda _, items: [item * 2 for item in items])
        self.log = log if log is not None else []
        self.reason = reason
        self.runs = 0
        self.warm = False
        self.patience: list[float | None] = []

    def unavailable(self) -> str | None:
        return self.reason or None

    @property
    def warmup_items(self) -> int:
        return 0

    def start(self, timeout_s: float) -> None:
        assert timeout_s > 0
        self.log.append(f"start {self.name}")

    def run(self, items: list[Any], timeout_s: float) -> list[Any]:
        assert timeout_s > 0
        if not items:
            self.warm = True
            return []
        self.log.append(self.name)
        self.runs += 1
        return self.act(self.runs - 1, items)

    def stop(self, patience_s: float | None = None) -> int:
        self.patience.append(patience_s)
        return 0


def outcome(*lanes: Lane, items: Any = (1, 2, 3), repeats: int = 3, budget_s: float = 60.0) -> Comparison:
    work = Workload("scripted", id, list(items))
    return compare_lanes(work, lanes, workers=2, repeats=repeats, budget_s=budget_s).comparison


def raising(error: BaseException, at: int = 0) -> Act:
    def act(number: int, items: list[Any]) -> list[Any]:
        if number == at:
            raise error
        return [item * 2 for item in items]

    return act


def test_lanes_take_turns_in_a_changing_order() -> None:
    log: list[str] = []
    names = ["sequential", "threads", "native", "asyncio"]
    records = outcome(*(Scripted(name, log=log) for name in names), repeats=6)
    assert log[:4] == [f"start {name}" for name in names]
    rounds = [log[4 + 4 * number : 8 + 4 * number] for number in range(6)]
    assert rounds[0] == names
    assert all(sorted(each) == sorted(names) for each in rounds)
    assert len({tuple(each) for each in rounds}) > 2
    assert records.rounds == 6
    assert all([sample.round for sample in run.samples] == list(range(6)) for run in records.runs.values())


def test_the_lane_that_may_fork_starts_first() -> None:
    log: list[str] = []
    outcome(*(Scripted(name, log=log) for name in ("sequential", "threads", "processes")), repeats=1)
    assert log[0] == "start processes"
    assert log[3:] == ["sequential", "threads", "processes"]


def test_a_lane_that_fails_leaves_and_the_others_go_on() -> None:
    failing = Scripted("threads", raising(ItemFailed(1, "ValueError", "no"), at=1))
    records = outcome(Scripted("sequential"), failing)
    assert (failing.runs, records.rounds) == (2, 3)
    assert len(records.runs["sequential"].samples) == 3
    run = records.runs["threads"]
    assert not run.finished
    assert str(run.error) == "item 1 (2): ValueError: no"
    assert failing.patience[0] is not None


def test_a_lane_that_breaks_down_is_unavailable() -> None:
    records = outcome(Scripted("sequential"), Scripted("processes", raising(CannotRun("died"))))
    assert records.runs["processes"].unavailable == "died"
    assert records.runs["sequential"].finished


def test_a_lane_that_cannot_run_is_never_started() -> None:
    lane = Scripted("native", reason="no twin")
    records = outcome(Scripted("sequential"), lane)
    assert lane.log == []
    assert records.runs["native"].unavailable == "no twin"


def test_a_wrong_result_in_any_round_marks_the_lane() -> None:
    def wrong_later(number: int, items: list[Any]) -> list[Any]:
        return [item * 2 for item in items[:-1]] + [-1 if number == 2 else items[-1] * 2]

    records = outcome(Scripted("sequential"), Scripted("threads", wrong_later), repeats=5)
    wrong = records.runs["threads"].wrong
    assert wrong is not None
    assert (wrong.index, wrong.expected, wrong.got, wrong.reference) == (2, "6", "-1", "sequential")
    assert len(records.runs["threads"].samples) == 3
    assert records.runs["sequential"].finished


def test_the_first_lane_that_ends_is_the_reference() -> None:
    failing = Scripted("sequential", raising(ItemFailed(0, "ValueError", "no")))
    records = outcome(failing, Scripted("threads"), Scripted("native", lambda _, items: list(items)))
    wrong = records.runs["native"].wrong
    assert wrong is not None
    assert wrong.reference == "threads"


def test_a_sequential_lane_that_takes_too_long_leaves_fewer_items_for_all() -> None:
    seen: list[int] = []

    def slow(number: int, items: list[Any]) -> list[Any]:
        if number == 0:
            raise OutOfTime([item * 2 for item in items[:40]])
        return [item * 2 for item in items]

    def count(_: int, items: list[Any]) -> list[Any]:
        seen.append(len(items))
        return [item * 2 for item in items]

    records = outcome(Scripted("sequential", slow), Scripted("threads", count), items=range(100))
    assert (records.items, records.items_run) == (100, 40)
    assert set(seen) == {40}
    assert all(run.finished for run in records.runs.values())


def test_another_lane_that_takes_too_long_is_unavailable() -> None:
    records = outcome(Scripted("sequential"), Scripted("threads", raising(OutOfTime([]))))
    assert "the budget of 60 s ended" in str(records.runs["threads"].unavailable)


class Slow(Scripted):
    """A lane whose start uses up the budget, as the runner sees it."""

    def start(self, timeout_s: float) -> None:
        self.log.append(f"start with {timeout_s:.3f}")
        raise CannotRun("not ready")


def test_a_budget_that_is_over_leaves_partial_results() -> None:
    ticks = iter([True])

    def slow_once(number: int, items: list[Any]) -> list[Any]:
        import time

        if next(ticks, False):
            time.sleep(0.06)
        return [item * 2 for item in items]

    lanes = Scripted("sequential", slow_once), Scripted("threads")
    records = outcome(*lanes, budget_s=0.05)
    assert records.rounds == 0
    assert len(records.runs["sequential"].samples) == 1
    assert "ended before its first run" in str(records.runs["threads"].unavailable)


def test_another_round_begins_only_if_it_fits() -> None:
    import time

    def act(_: int, items: list[Any]) -> list[Any]:
        time.sleep(0.2)
        return list(items)

    records = outcome(Scripted("sequential", act), repeats=100, budget_s=0.5)
    assert 1 <= records.rounds <= 2
    assert records.runs["sequential"].finished


def test_a_start_that_fails() -> None:
    records = outcome(Scripted("sequential"), Slow("processes"))
    assert records.runs["processes"].unavailable == "not ready"


@pytest.mark.main_interpreter("signal handlers")
def test_ctrl_c_keeps_what_was_measured_and_ends_every_lane() -> None:
    lanes = [Scripted("sequential"), Scripted("threads", raising(KeyboardInterrupt(), at=1)), Scripted("native")]
    records = outcome(*lanes)
    assert records.interrupted
    assert len(records.runs["threads"].samples) == 1
    assert records.runs["sequential"].finished
    assert [lane.patience for lane in lanes] == [[pytest.approx(0.1)]] * len(lanes)


@pytest.mark.main_interpreter("signal handlers")
def test_ctrl_c_before_the_first_run() -> None:
    class Interrupting(Scripted):
        def start(self, timeout_s: float) -> None:
            raise KeyboardInterrupt

    lanes = [Scripted("sequential"), Interrupting("threads")]
    records = outcome(*lanes)
    assert records.interrupted
    assert records.runs["sequential"].unavailable == "interrupted before its first run"
    assert all(lane.patience for lane in lanes)


def test_a_defect_of_a_lane_ends_the_others_first() -> None:
    healthy = Scripted("sequential")
    with pytest.raises(ZeroDivisionError):
        outcome(healthy, Scripted("threads", raising(ZeroDivisionError())))
    assert healthy.patience


def test_every_lane_is_warm_before_the_first_sample() -> None:
    lanes = [Scripted("sequential"), Scripted("threads")]
    records = outcome(*lanes, repeats=1)
    assert all(lane.warm for lane in lanes)
    assert all(len(run.samples) == 1 and run.warmup_s is not None for run in records.runs.values())


def test_an_item_that_fails_while_warming_up_ends_the_lane() -> None:
    class Cold(Scripted):
        def run(self, items: list[Any], timeout_s: float) -> list[Any]:
            raise ItemFailed(0, "ValueError", "cold")

    records = outcome(Scripted("sequential"), Cold("threads"))
    assert str(records.runs["threads"].error) == "item 0 (1): ValueError: cold"
    assert records.runs["sequential"].finished
