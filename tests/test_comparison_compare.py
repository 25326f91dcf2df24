"""`conc.compare` as a whole, and everything that it refuses."""

from __future__ import annotations

import asyncio
import doctest
import math
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import conc
import conc.comparison.api
import conc.cpus
from conc.comparison.lanes import LANES

pytestmark = pytest.mark.newest  # Python on top of the C module

WIDE = 1_000_000_007


def divisions(n: int) -> int:
    """As many as the kernel of that name makes, counted the slow way."""
    return int(conc.kernels.trial_divisions(n))


async def divisions_later(n: int) -> int:
    await asyncio.sleep(0)
    return divisions(n)


def compare(fn: Callable[[Any], Any] = divisions, items: Any = range(1, 40), **options: Any) -> conc.Report:
    return conc.compare(fn, items, **{"workers": 2, "repeats": 2, **options})


@pytest.mark.main_interpreter("daemon threads, which process pools need")
def test_every_lane_runs_the_same_work() -> None:
    report = compare(native=conc.kernels.trial_divisions, coroutine=divisions_later, repeats=3)
    assert list(report.lanes) == list(LANES)
    for lane in report.lanes.values():
        assert lane.problem is None, lane
        assert len(lane.samples_s) == 3
        assert lane.startup_s is not None
        assert lane.usage.wall_s == pytest.approx(sum(lane.samples_s))
        assert lane.usage.voluntary is not None
        assert lane.memory_per_actor_bytes is not None or lane.unknown["memory_per_actor_bytes"]
        assert lane.speedup_interval is not None
    assert report.environment.start_method in ("fork", "forkserver", "spawn")
    assert report.environment.cpus.count == conc.cpu_count()
    assert report.rounds == 3
    assert not report.interrupted


def test_lanes_without_a_twin_say_so() -> None:
    report = compare(repeats=1)
    assert "no native twin" in str(report.lanes["native"].unavailable)
    assert "no coroutine twin" in str(report.lanes["asyncio"].unavailable)


def test_an_async_function_is_its_own_twin() -> None:
    report = compare(divisions_later, repeats=1)
    assert report.lanes["asyncio"].problem is None
    for name in ("sequential", "threads", "native-threads", "processes"):
        assert "async def" in str(report.lanes[name].unavailable)


def test_lanes_are_chosen_and_stand_in_their_order() -> None:
    assert list(compare(lanes=["threads", "sequential", "threads"]).lanes) == ["sequential", "threads"]


def test_a_compare_on_an_event_loop_as_in_a_notebook() -> None:
    async def cell() -> conc.Report:
        return compare(coroutine=divisions_later, lanes=["sequential", "asyncio"])

    assert asyncio.run(cell()).lanes["asyncio"].problem is None


def test_items_are_listed_once() -> None:
    listed = 0

    def items() -> Iterator[int]:
        nonlocal listed
        listed += 1
        yield from range(1, 5)

    assert compare(items=items(), lanes=["sequential", "threads"]).items == 4
    assert listed == 1


@pytest.mark.main_interpreter("daemon threads, which process pools need")
def test_nan_equals_nan_and_equal_decides() -> None:
    report = compare(lambda n: [math.nan, n], lanes=["sequential", "threads", "processes"])
    assert all(lane.problem is None for lane in report.lanes.values())
    never = compare(lambda n: n, lanes=["sequential", "threads"], equal=lambda one, other: False)
    assert "threads" in never.wrong_lanes


# -- bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"fn": 3}, TypeError, "fn must be callable, not 3"),
        ({"items": 5}, TypeError, "items must be iterable, not int"),
        ({"items": []}, ValueError, "items is empty"),
        ({"native": len}, TypeError, "native must be a native kernel"),
        ({"coroutine": "x"}, TypeError, "coroutine must be callable"),
        ({"setup": 1}, TypeError, "setup must be callable"),
        ({"equal": True}, TypeError, "equal must be callable"),
        ({"workers": 0}, ValueError, "workers must be at least 1, not 0"),
        ({"workers": -2}, ValueError, "workers must be at least 1, not -2"),
        ({"workers": 1.5}, TypeError, "workers must be an int"),
        ({"workers": True}, TypeError, "workers must be an int"),
        ({"lanes": ["threads", "fibres"]}, ValueError, "no lane 'fibres'; the lanes are sequential, threads"),
        ({"lanes": []}, ValueError, "lanes is empty"),
        ({"lanes": "threads"}, TypeError, "iterable of names"),
        ({"repeats": 0}, ValueError, "repeats must be at least 1"),
        ({"budget_s": 0}, ValueError, "budget_s must be"),
        ({"budget_s": -1.0}, ValueError, "budget_s must be"),
        ({"budget_s": math.nan}, ValueError, "budget_s must be"),
        ({"budget_s": math.inf}, ValueError, "budget_s must be"),
        ({"budget_s": "30"}, TypeError, "budget_s must be a number"),
    ],
)
def test_wrong_arguments(options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        compare(**options)


def fail_at_five(n: int) -> int:
    if n == 5:
        raise KeyError("five")
    return n


@pytest.mark.main_interpreter("daemon threads, which process pools need")
def test_a_function_that_raises_on_an_item() -> None:
    report = compare(fail_at_five, range(20), native=conc.kernels.trial_divisions)
    for name in ("sequential", "threads", "native-threads", "processes"):
        error = report.lanes[name].error
        assert error is not None, name
        assert (error.index, error.type, error.message) == (5, "KeyError", "'five'")
        assert "failed at item 5 (5): KeyError: 'five'" in str(report)
    assert report.verdict.best_lane is None


def test_the_others_go_on_when_one_lane_raises() -> None:
    main = threading.get_ident()

    def fails_on_a_pool(n: int) -> int:
        if threading.get_ident() != main and n == 7:
            raise OSError("only here")
        return n

    report = compare(fails_on_a_pool, range(20), lanes=["sequential", "threads"])
    assert report.lanes["sequential"].problem is None
    assert report.lanes["threads"].error is not None
    assert report.verdict.best_lane == "sequential"


@pytest.mark.main_interpreter("daemon threads, which process pools need")
def test_what_cannot_be_pickled_is_a_reason() -> None:
    lock = threading.Lock()
    report = compare(lambda n: (lock.locked(), n), lanes=["sequential", "processes"])
    assert "cannot be pickled" in str(report.lanes["processes"].unavailable)
    assert "cannot run: the function cannot be pickled" in " ".join(str(report).split())
    report = compare(type, [1, lock], lanes=["sequential", "processes"])
    assert "item 1 cannot be pickled" in str(report.lanes["processes"].unavailable)


def test_a_wrong_lane_is_marked_and_never_the_best() -> None:
    main = threading.get_ident()
    report = compare(
        lambda n: n if threading.get_ident() == main or n < 3 else -n, range(10), lanes=["sequential", "threads"]
    )
    wrong = report.lanes["threads"].wrong
    assert wrong is not None
    assert (wrong.index, wrong.expected, wrong.got) == (3, "3", "-3")
    assert report.wrong_lanes == ("threads",)
    assert report.verdict.best_lane == "sequential"


def test_a_budget_that_is_too_small_gives_what_there_is() -> None:
    report = compare(conc.kernels.sleep, [0.05] * 40, lanes=["sequential", "threads"], budget_s=4.0, repeats=1)
    assert report.items_run < 40
    assert report.lanes["sequential"].samples_s


def test_the_examples_of_the_docstrings() -> None:
    for module in (conc.comparison.api, conc.cpus):
        results = doctest.testmod(module)
        assert results.attempted
        assert not results.failed


SCRIPT = """
import conc

def square(n):
    return n * n

{guard}report = conc.compare(square, range(10), lanes=["sequential", "processes"], workers=2, repeats=1)
{guard}print("processes:", report.lanes["processes"].problem)
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_functions_of_a_script_reach_the_processes(tmp_path: Path, method: str) -> None:
    script = tmp_path / "script.py"
    start = f"import multiprocessing\n{{guard}}multiprocessing.set_start_method({method!r})\n" + SCRIPT
    script.write_text(start.format(guard='if __name__ == "__main__": '), encoding="utf-8")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=100, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("processes: None\n", "", 0)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_script_without_a_guard_gets_advice(tmp_path: Path, method: str) -> None:
    script = tmp_path / "script.py"
    start = f"import multiprocessing\nmultiprocessing.set_start_method({method!r}, force=True)\n" + SCRIPT
    script.write_text(start.format(guard=""), encoding="utf-8")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert "must guard its start" in done.stdout
    assert "guard the call with if __name__" in done.stderr


def test_functions_of_an_interactive_session_reach_the_processes() -> None:
    code = SCRIPT.format(guard="")  # -c: as in a session, __main__ has no file that a worker could import
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False)
    assert (done.stdout, done.stderr) == ("processes: None\n", "")
