"""The verdict on records that are made by hand: one for each kind."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from conc.comparison.environment import Environment
from conc.comparison.records import Comparison, Difference, ItemError, Run, Sample
from conc.comparison.verdict import best_lane, judge
from conc.cpus import AllowedCpus
from conc.usage import Usage

NOISE = (1.0, 1.01, 0.99, 1.005, 0.995)


def run(
    lane: str,
    wall_s: float,
    cpu: float = 1.0,
    *,
    noise: Sequence[float] = NOISE,
    system: float = 0.0,
    delay: float = 0.0,
    actors: tuple[float, ...] = (),
) -> Run:
    """A lane whose runs take `wall_s`, with `cpu` CPU seconds a second; `actors` are those of each actor."""
    samples = []
    for number, factor in enumerate(noise):
        wall = wall_s * factor
        usage = Usage(wall_s=wall, user_s=wall * (cpu - system), system_s=wall * system, run_delay_s=wall * delay)
        samples.append(Sample(number, wall, usage, tuple(wall * share for share in actors)))
    return Run(lane, tuple(samples))


def comparison(
    *runs: Run, gil: bool = True, cpus: int = 4, workers: int = 4, items: int = 1000, rounds: int = 5
) -> Comparison:
    allowed = AllowedCpus(cpus, cpus, tuple(range(cpus)), None, None, "affinity")
    return Comparison(
        workload="test",
        items=items,
        items_run=items,
        workers=workers,
        rounds=rounds,
        repeats=5,
        budget_s=30.0,
        elapsed_s=10.0,
        interrupted=False,
        environment=Environment("CPython 3.13.0", "", gil, not gil, allowed, None, "Linux", None),
        runs={each.lane: each for each in runs},
    )


def test_io() -> None:
    verdict = judge(comparison(run("sequential", 1.0, 0.05), run("threads", 0.26, 0.2), run("processes", 0.3, 0.4)))
    assert verdict.kind == "io"
    assert verdict.best_lane == "threads"
    assert verdict.shares["waiting"] == pytest.approx(0.95)
    assert any("threads 3.85x" in reason for reason in verdict.reasons)


def test_io_from_one_round() -> None:
    verdict = judge(comparison(run("sequential", 9.0, 0.02, noise=(1.0,)), rounds=1))
    assert verdict.kind == "io"
    assert verdict.best_lane == "sequential"


def test_io_that_nothing_overlaps() -> None:
    verdict = judge(comparison(run("sequential", 1.0, 0.05), run("threads", 1.0, 0.05), run("processes", 1.0, 0.05)))
    assert verdict.kind == "io"
    assert "one at a time" in " ".join(verdict.reasons)
    assert verdict.best_lane == "sequential"


def test_io_without_a_sequential_lane() -> None:
    verdict = judge(comparison(run("asyncio", 0.2, 0.1)))
    assert verdict.kind == "io"
    assert (verdict.best_lane, dict(verdict.shares)) == ("asyncio", {})


def test_lock() -> None:
    verdict = judge(comparison(run("sequential", 1.0, 0.05), run("threads", 1.0, 0.05), run("processes", 0.3, 0.1)))
    assert verdict.kind == "lock"
    assert verdict.best_lane == "processes"


def test_lock_without_a_gil() -> None:
    runs = run("sequential", 1.0), run("threads", 1.1, 3.0, system=1.5), run("processes", 0.3, 4.0)
    assert judge(comparison(*runs, gil=False)).kind == "lock"


def test_cpu_python_says_that_native_threads_gain_nothing() -> None:
    verdict = judge(
        comparison(
            run("sequential", 1.0),
            run("threads", 1.02),
            run("native-threads", 1.01),
            run("native", 0.01, 4.0),
            run("processes", 0.27, 4.0),
        )
    )
    assert verdict.kind == "cpu-python"
    assert verdict.best_lane == "native"
    words = " ".join(verdict.reasons)
    assert "native-threads 0.99x" in words
    assert "gain nothing at CPU work" in words


def test_cpu_python_without_a_gil() -> None:
    verdict = judge(comparison(run("sequential", 1.0), run("threads", 0.27, 4.0), gil=False))
    assert verdict.kind == "cpu-python"
    assert "gain nothing" not in " ".join(verdict.reasons)


def test_cpu_python_by_the_native_twin_alone() -> None:
    verdict = judge(comparison(run("sequential", 1.0), run("native", 0.02), cpus=1, workers=1))
    assert (verdict.kind, verdict.best_lane) == ("cpu-python", "native")


def test_a_native_twin_that_gains_by_parallel_work_alone_shows_nothing() -> None:
    assert judge(comparison(run("sequential", 1.0), run("native", 0.25, 4.0))).kind == "inconclusive"


def test_cpu_native_releases_the_gil() -> None:
    verdict = judge(comparison(run("sequential", 1.0), run("threads", 0.27, 4.0), run("processes", 0.35, 4.0)))
    assert (verdict.kind, verdict.best_lane) == ("cpu-native", "threads")


def test_cpu_native_on_several_cpus_by_itself() -> None:
    assert judge(comparison(run("sequential", 1.0, 3.5), run("threads", 1.0, 3.6))).kind == "cpu-native"


def test_overhead() -> None:
    runs = run("sequential", 0.002), run("threads", 0.02, 1.2), run("processes", 0.004, 1.5)
    verdict = judge(comparison(*runs))
    assert (verdict.kind, verdict.best_lane) == ("overhead", "sequential")
    assert "2 µs" in " ".join(verdict.reasons)


def test_runs_too_short_to_tell() -> None:
    runs = run("sequential", 18e-6, 1.7), run("threads", 900e-6), run("processes", 400e-6)
    verdict = judge(comparison(*runs))
    assert (verdict.kind, verdict.best_lane, dict(verdict.shares)) == ("overhead", "sequential", {})
    verdict = judge(comparison(run("sequential", 18e-6, 1.7), run("threads", 9e-6)))
    assert (verdict.kind, verdict.best_lane) == ("inconclusive", "threads")
    assert "takes 18 µs: too short to tell" in verdict.reasons[0]


def test_unbalanced() -> None:
    runs = run("sequential", 1.0), run("threads", 1.0), run("processes", 0.97, 1.1, actors=(0.98, 0.05, 0.04, 0.03))
    assert judge(comparison(*runs)).kind == "unbalanced"


def test_mixed() -> None:
    verdict = judge(comparison(run("sequential", 1.0, 0.5, system=0.1), run("threads", 0.6, 0.8)))
    assert verdict.kind == "mixed"
    assert dict(verdict.shares) == pytest.approx({"user": 0.4, "system": 0.1, "queued": 0.0, "waiting": 0.5})


def test_waiting_for_a_cpu_is_not_waiting() -> None:
    runs = run("sequential", 1.0, 0.6, delay=0.4), run("threads", 1.0, 0.6), run("processes", 0.3, 3.0)
    verdict = judge(comparison(*runs))
    assert verdict.kind == "cpu-python"
    assert verdict.shares["queued"] == pytest.approx(0.4)
    assert "40% of its time in which other programs had the CPU" in verdict.reasons[0]


def test_too_few_rounds() -> None:
    two = (1.0, 1.01)
    runs = run("sequential", 1.0, noise=two), run("threads", 1.0, noise=two), run("processes", 0.3, noise=two)
    verdict = judge(comparison(*runs, rounds=2))
    assert (verdict.kind, verdict.best_lane) == ("inconclusive", "processes")
    assert "2 rounds" in " ".join(verdict.reasons)


def test_too_noisy() -> None:
    wild = (0.4, 2.5, 1.0, 0.3, 2.0)
    verdict = judge(
        comparison(run("sequential", 1.0), run("threads", 1.0, noise=wild), run("processes", 1.0, noise=wild))
    )
    assert verdict.kind == "inconclusive"


def test_one_worker_shows_nothing_of_parallel_work() -> None:
    verdict = judge(comparison(run("sequential", 1.0), run("threads", 1.0), run("processes", 1.0), workers=1))
    assert verdict.kind == "inconclusive"
    assert "one worker" in " ".join(verdict.reasons)


def test_nothing_finished() -> None:
    failed = Run("sequential", error=ItemError(3, "ValueError", "no"))
    verdict = judge(comparison(failed, Run("processes", unavailable="why")))
    assert (verdict.kind, verdict.best_lane) == ("inconclusive", None)


def test_a_wrong_lane_is_never_the_best() -> None:
    fast = run("native", 0.001)
    wrong = Run("native", fast.samples, wrong=Difference(0, "1", "2", "sequential"))
    assert judge(comparison(run("sequential", 1.0), wrong)).best_lane == "sequential"


def test_the_simplest_of_equals_is_the_best() -> None:
    runs = {each.lane: each for each in (run("sequential", 1.0), run("threads", 0.252), run("native", 0.25))}
    assert best_lane(runs) == "threads"
    runs["native"] = run("native", 0.2)
    assert best_lane(runs) == "native"
    assert best_lane({}) is None


def test_the_same_records_give_the_same_verdict() -> None:
    records = comparison(run("sequential", 1.0), run("threads", 1.3), run("processes", 0.4))
    assert judge(records) == judge(records)
