"""The pytest plugin: a test that takes `lane` runs once for each lane."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.slow

LANES = ["sequential", "threads", "native-threads", "native", "processes", "asyncio"]

TESTS = """
import pytest

def double(n):
    return 2 * n

def test_doubles(lane):
    assert lane.run(double, range(50), workers=2) == [2 * n for n in range(50)]

def test_without_a_lane():
    pass
"""


@pytest.fixture
def run(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(TESTS)
    return pytester


def start(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    """A pytest of its own, with every warning an error."""
    return pytester.runpytest_subprocess("-W", "error", "-p", "no:cacheprovider", "-rs", *options)


def test_once_for_each_lane_and_skipped_where_it_cannot_run(run: pytest.Pytester) -> None:
    result = start(run, "-v")
    result.assert_outcomes(passed=5, skipped=2)
    for name in LANES:
        result.stdout.fnmatch_lines([f"*::test_doubles[[]{name}[]]*"])
    result.stdout.fnmatch_lines(["*native cannot run: fn has no native twin*", "*asyncio cannot run: *coroutine twin*"])


def test_lanes_can_be_chosen(run: pytest.Pytester) -> None:
    start(run, "--conc-lanes", "threads, sequential").assert_outcomes(passed=3, deselected=4)


def test_an_unknown_lane_is_refused(run: pytest.Pytester) -> None:
    result = start(run, "--conc-lanes", "fibres")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*no lane 'fibres'; the lanes are sequential, *"])


def test_with_the_benchmark_fixture(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import asyncio
        import conc

        async def later(n):
            await asyncio.sleep(0)
            return conc.kernels.trial_divisions(n)

        def divisions(n):
            return conc.kernels.trial_divisions(n)

        def test_speed(lane, benchmark):
            results = benchmark(
                lane.run, divisions, range(1, 20), native=conc.kernels.trial_divisions, coroutine=later, workers=2
            )
            assert results == list(map(divisions, range(1, 20)))
            assert lane.unavailable is None
        """
    )
    start(pytester, "--benchmark-min-rounds=2", "--benchmark-max-time=0.01").assert_outcomes(passed=6)


def test_actors_stay_within_a_test_and_end_with_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import multiprocessing
        import os
        import time

        def pid(_):
            time.sleep(0.001)
            return os.getpid()

        def other(n):
            return n

        def test_warm(lane):
            if lane.name != "processes":
                assert lane.run(pid, [1, 2], workers=2) == [os.getpid()] * 2
                return
            first = {child.pid for child in multiprocessing.active_children()}
            assert first == set()
            lane.run(pid, range(50), workers=2)
            workers = {child.pid for child in multiprocessing.active_children()}
            assert set(lane.run(pid, range(50), workers=2)) <= workers
            assert lane.run(other, [3]) == [3]
            assert not workers & {child.pid for child in multiprocessing.active_children()}

        def test_after():
            assert multiprocessing.active_children() == []
        """
    )
    start(pytester, "--conc-lanes", "sequential,threads,processes").assert_outcomes(passed=4, deselected=3)


def test_failures_name_the_item(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import threading
        import pytest

        def fails(n):
            raise ValueError(f"bad {n}")

        def refuse():
            raise OSError("not here")

        def test_item(lane):
            with pytest.raises(RuntimeError, match="item 0: ValueError: bad 4"):
                lane.run(fails, [4, 5], workers=1)

        def test_setup(lane):
            with pytest.raises(RuntimeError, match="setup: OSError: not here"):
                lane.run(fails, [4, 5], workers=1, setup=refuse)

        def test_unpicklable(lane):
            lock = threading.Lock()
            lane.run(lambda n: lock.locked(), [1])
        """
    )
    result = start(pytester, "--conc-lanes", "sequential,threads,native-threads,processes")
    result.assert_outcomes(passed=11, skipped=1, deselected=6)
    result.stdout.fnmatch_lines(["*processes cannot run: the function cannot be pickled*"])


def test_another_fixture_of_that_name_is_left_alone(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture(params=["left", "right"])
        def lane(request):
            return request.param

        def test_mine(lane):
            assert lane in ("left", "right")

        @pytest.mark.parametrize("lane", [1, 2, 3])
        def test_parametrised(lane):
            assert lane < 4
        """
    )
    start(pytester).assert_outcomes(passed=5)
    start(pytester, "--conc-lanes", "threads").assert_outcomes(passed=5)


def test_loading_it_costs_next_to_nothing() -> None:
    code = """
import sys
import pytest
before = set(sys.modules)
import conc.pytest_plugin
print(sorted(name for name in set(sys.modules) - before if not name.startswith("conc")))
print("conc._core" in sys.modules, "conc.comparison.runner" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\nFalse False\n"


def test_help_names_the_option(pytester: pytest.Pytester) -> None:
    start(pytester, "--help").stdout.fnmatch_lines(["*--conc-lanes=*"])
