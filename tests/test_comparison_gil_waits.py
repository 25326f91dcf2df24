"""What a comparison says of waits for the GIL: from runs that are watched, beside those that are timed."""

from __future__ import annotations

import json
import threading
from typing import Any, NoReturn

import pytest
from raw_timelines import Builder, running, waiting
from test_comparison_runner import Scripted, outcome, raising
from test_comparison_verdict import comparison, run

import conc
import conc.comparison.gil_waits
from conc.comparison.gil_waits import gil_wait, watch_lane
from conc.comparison.lanes.base import ItemFailed, OutOfTime
from conc.comparison.records import GilWait, Run
from conc.comparison.report import make_report
from conc.comparison.verdict import judge
from conc.gil import gil_enabled
from conc.watching.records import Reason
from conc.watching.summary import summarize

pytestmark = pytest.mark.newest  # Python on top of the C module

needs_gil = pytest.mark.skipif(not gil_enabled(), reason="nobody waits for a GIL that is off")


class OfThisProcess(Scripted):
    """A scripted lane whose items the calling thread runs."""

    def item_threads(self) -> tuple[int, ...]:
        return (threading.get_native_id(),)


def computed(n: int) -> int:
    """Python's own work, a millisecond or so."""
    return sum(number & n for number in range(20_000))


def watched(lane: Scripted, items: Any = range(1000), **times: float) -> GilWait:
    return watch_lane(lane, list(items), **{"wall_s": 1.0, "budget_s": 30.0, "left_s": 20.0, **times})


@needs_gil
def test_threads_that_compute_in_python_wait_for_it() -> None:
    lanes = ["sequential", "threads", "native-threads", "native"]
    report = conc.compare(
        computed, range(1, 60), native=conc.kernels.trial_divisions, equal=lambda *_: True, workers=3, lanes=lanes
    )
    for name in ("threads", "native-threads"):
        share = report.lanes[name].gil_wait_share
        assert share is not None
        assert share > 0.3  # two of three wait at any time
        held_by = report.lanes[name].gil_held_by
        assert sum(held_by.values()) == pytest.approx(1)
        assert max(held_by, key=held_by.__getitem__) == "workers"
    assert report.lanes["native"].gil_wait_share == pytest.approx(0, abs=0.02)
    assert all(len(lane.samples_s) == 5 for lane in report.lanes.values())
    assert "Threads were seen to wait for the GIL" in " ".join(str(report).split())


@pytest.mark.main_interpreter("process pools")
@pytest.mark.parametrize(("lane", "why"), [("processes", "in other processes"), ("threads", "there is no GIL")])
def test_what_cannot_be_known_has_a_reason(lane: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conc.comparison.gil_waits, "gil_enabled", lambda: False)
    report = conc.compare(abs, range(8), workers=2, repeats=1, lanes=[lane])
    assert report.lanes[lane].gil_wait_share is None
    assert why in report.lanes[lane].unknown["gil_wait_share"]


@needs_gil
def test_as_many_items_as_can_be_watched_in_a_fifth_of_a_second() -> None:
    counts: list[int] = []

    def act(_: int, items: list[Any]) -> list[Any]:
        counts.append(len(items))
        return items

    assert watched(OfThisProcess("one", act), wall_s=1.0).share is not None
    assert watched(OfThisProcess("one", act), wall_s=0.001).share is not None
    assert watched(OfThisProcess("one", act), wall_s=1.0, budget_s=1.0).share is not None
    assert [min(counts), max(counts)] == [20, 1000]
    assert set(counts) == {200, 1000, 20}


@needs_gil
@pytest.mark.parametrize("times", [{"wall_s": 31.0, "budget_s": 3.0}, {"left_s": 0.01}])
def test_no_run_is_watched_that_does_not_fit_into_the_budget(times: dict[str, float]) -> None:
    lane = OfThisProcess("one")
    found = watched(lane, items=range(10), **times)
    assert (found.share, lane.runs) == (None, 0)
    assert "no time for a run that is watched" in found.unknown


@needs_gil
def test_a_run_that_takes_longer_than_before_is_given_up() -> None:
    found = watched(OfThisProcess("one", raising(OutOfTime([]))))
    assert found.share is None
    assert "ended while it was watched" in found.unknown


@needs_gil
def test_a_watch_that_cannot_begin_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> NoReturn:
        raise OSError(11, "no thread to be had")

    monkeypatch.setattr(conc.comparison.gil_waits, "watch", refuse)
    assert "no thread to be had" in watched(OfThisProcess("one")).unknown


@needs_gil
def test_watched_runs_are_no_samples_and_their_failures_are_failures() -> None:
    lane = OfThisProcess("one", raising(ItemFailed(1, "ValueError", "late"), at=1))
    found = outcome(lane)
    assert lane.patience
    assert str(found.runs["one"].error) == "item 1 (2): ValueError: late"
    assert len(found.runs["one"].samples) == 1
    quiet = outcome(OfThisProcess("one"), repeats=2).runs["one"]
    assert len(quiet.samples) == 2
    assert quiet.gil_wait.watched_s > 0


def test_what_others_wait_for_is_not_the_lanes() -> None:
    seen = Builder()
    first = seen.thread("first", running(0, 500), waiting(500, 1000, Reason.GIL))
    second = seen.thread("second", running(0, 1000))
    caller = seen.thread("caller", waiting(0, 1000, Reason.GIL))
    for waiter, holder, ms in ((first, second, 300), (first, caller, 200), (caller, first, 1000)):
        seen.wait(waiter, holder, ms)
    summary = summarize(seen.raw())
    found = gil_wait(summary, [1000, 1001])
    assert found.share == pytest.approx(0.25)
    assert found.held_by == {"workers": pytest.approx(0.6), "caller": pytest.approx(0.4)}
    assert gil_wait(summary, [7]).unknown == "its threads were not seen"


def test_an_unknown_gil_is_unknown() -> None:
    seen = Builder()
    seen.thread("first", running(0, 1000))
    found = gil_wait(summarize(seen.raw(unknown={"gil": "a version that is not known"})), [1000])
    assert (found.share, found.unknown) == (None, "a version that is not known")


def test_the_report_shows_it() -> None:
    waiting_run = Run("threads", run("threads", 1.0).samples, gil_wait=GilWait(0.48, {"workers": 1.0}, 0.2))
    records = comparison(run("sequential", 1.0), waiting_run)
    report = make_report(records)
    assert "48.0%" in str(report)
    assert "48.0%" in report.to_html()
    assert "Threads were seen to wait for the GIL for this much of their time: threads 48%." in judge(records).reasons
    told = json.loads(report.to_json())["lanes"]["threads"]
    assert (told["gil_wait_share"], told["gil_held_by"]) == (0.48, {"workers": 1.0})
    assert report.lanes["sequential"].unknown["gil_wait_share"] == "the lane was not watched"


def test_a_data_frame_has_it_as_a_column() -> None:
    pytest.importorskip("pandas")
    waiting_run = Run("threads", run("threads", 1.0).samples, gil_wait=GilWait(0.48, {"workers": 1.0}, 0.2))
    frame = make_report(comparison(waiting_run)).to_dataframe()
    assert frame.loc["threads", "gil_wait_share"] == 0.48
    assert "gil_held_by" not in frame
