"""Which change of a figure is a loss (benchmarks/verdict.py)."""

from __future__ import annotations

import math
import random
import statistics

import pytest
from figures_support import a_figure, a_run, results, verdict
from hypothesis import given, settings
from hypothesis import strategies as st

Passes = list[list[float]]

unhurried = settings(max_examples=60)  # a bootstrap takes its time, and longer on a busy machine

ratios = st.floats(min_value=0.01, max_value=1000)
any_passes = st.lists(st.lists(ratios, min_size=2, max_size=9), min_size=1, max_size=4)

pytestmark = pytest.mark.once


@st.composite
def steady_passes(draw: st.DrawFn) -> Passes:
    """Rounds within 10 % of a ratio, in passes that differ by 2 % at most: what a figure looks like."""
    middle = draw(ratios)
    shifts = draw(st.lists(st.floats(0.98, 1.02), min_size=1, max_size=4))
    return [
        [middle * shift * spread for spread in draw(st.lists(st.floats(0.9, 1.1), min_size=5, max_size=15))]
        for shift in shifts
    ]


def words(then: Passes, now: Passes, usual: float = 0.0) -> verdict.Word:
    return verdict.judge_figure(a_figure(*then), a_figure(*now), usual).word


def times(passes: Passes, factor: float) -> Passes:
    return [[ratio * factor for ratio in ratios] for ratios in passes]


@unhurried
@given(any_passes)
def test_the_same_samples_are_never_a_change(passes: Passes) -> None:
    assert words(passes, passes) in ("kept", "unsure")


@unhurried
@given(steady_passes())
def test_half_of_a_steady_figure_is_always_lost_and_twice_always_gained(passes: Passes) -> None:
    assert words(passes, times(passes, 0.5)) == "lost"
    assert words(passes, times(passes, 2.0)) == "gained"


@unhurried
@given(any_passes)
def test_half_of_any_figure_is_lost_or_known_to_be_unguarded(passes: Passes) -> None:
    """What is called kept would have shown a halving."""
    assert words(passes, times(passes, 0.499)) in ("lost", "unsure")


@unhurried
@given(any_passes, any_passes, st.floats(0.2, 5))
def test_only_the_ratio_of_the_two_runs_counts(then: Passes, now: Passes, factor: float) -> None:
    """Both runs on a machine whose peer is so much slower: the same noise."""
    plain = verdict.noise_between(a_figure(*then), a_figure(*now), 0.0)
    scaled = verdict.noise_between(a_figure(*times(then, factor)), a_figure(*times(now, factor)), 0.0)
    assert scaled == pytest.approx(plain, rel=1e-6)


@unhurried
@given(any_passes, any_passes, st.floats(0, 1), st.floats(0.001, 1))
def test_noise_is_above_zero_and_widens_with_the_usual_scatter(
    then: Passes, now: Passes, usual: float, more: float
) -> None:
    noise = verdict.noise_between(a_figure(*then), a_figure(*now), usual)
    assert 0 < noise <= verdict.noise_between(a_figure(*then), a_figure(*now), usual + more)


def spread(width: float, count: int = 15) -> list[float]:
    """Ratios around 1, evenly apart on the logarithm, in a shuffled order."""
    steps = [math.exp(width * (2 * index / (count - 1) - 1)) for index in range(count)]
    random.Random(1).shuffle(steps)
    return steps


def test_noise_widens_with_the_rounds_and_with_the_passes() -> None:
    noises = [verdict.noise_between(a_figure(spread(w)), a_figure(spread(w)), 0.0) for w in (0.01, 0.1, 0.5)]
    assert noises == sorted(noises)
    assert noises[2] > 3 * noises[0]
    apart = [verdict.noise_between(a_figure([1, 1], [d, d], [1, 1]), a_figure([1, 1]), 0.0) for d in (1.0, 1.1, 1.5)]
    assert apart == sorted(apart)
    assert apart[2] > 3 * apart[0]


def test_noise_narrows_with_more_rounds_and_more_passes() -> None:
    def between(count: int, passes: int) -> float:
        return verdict.noise_between(a_figure(*[spread(0.3, count)] * passes), a_figure(spread(0.3, count)), 0.0)

    assert between(45, 1) < between(5, 1)
    assert between(15, 4) < between(15, 1)


def test_a_steady_figure_still_has_the_least_noise() -> None:
    """One pass against one that never moved: the floor alone, of both sides."""
    noise = verdict.noise_between(a_figure([2.0] * 15), a_figure([2.0] * 15), 0.0)
    assert noise == pytest.approx(verdict.WIDTH * verdict.LEAST_SCATTER * math.sqrt(2))
    assert words([[2.0] * 15], [[1.95] * 15]) == "kept"
    assert words([[2.0] * 15], [[1.85] * 15]) == "lost"


def test_runs_of_the_same_code_are_rarely_a_loss() -> None:
    """Normal noise of 3 % from pass to pass and 10 % from round to round: at most 2 of 400 simulated checks."""
    draw = random.Random(20)

    def run(passes: int) -> results.Figure:
        shifts = [draw.gauss(0, 0.03) for _ in range(passes)]
        return a_figure(*[[math.exp(shift + draw.gauss(0, 0.1)) for _ in range(15)] for shift in shifts])

    found = [verdict.judge_figure(run(3), run(1), 0.03).word for _ in range(400)]
    assert found.count("lost") <= 2
    assert found.count("kept") >= 395


def test_a_loss_of_a_third_is_found_in_the_same_noise() -> None:
    draw = random.Random(21)

    def run(passes: int, level: float) -> results.Figure:
        shifts = [draw.gauss(0, 0.03) for _ in range(passes)]
        return a_figure(*[[level * math.exp(shift + draw.gauss(0, 0.1)) for _ in range(15)] for shift in shifts])

    found = [verdict.judge_figure(run(3, 1.0), run(1, 0.67), 0.03).word for _ in range(200)]
    assert found.count("lost") >= 196


def test_the_usual_scatter_is_the_median_of_the_figures() -> None:
    figures = [a_figure([1, 1], [1 + d, 1 + d], name=str(d)) for d in (0.0, 0.1, 0.9)]
    expected = statistics.stdev([0.0, math.log(1.1)])
    assert verdict.typical_scatter(figures) == pytest.approx(expected)
    assert verdict.typical_scatter([a_figure([1, 2, 3])]) == verdict.LEAST_SCATTER


STEADY = [[2.0, 2.02, 1.98, 2.01, 1.99]] * 3


def test_figures_that_come_and_go() -> None:
    then = a_run(a_figure(*STEADY, name="old"), a_figure(*STEADY, name="both"))
    now = a_run(a_figure(*STEADY, name="both"), a_figure(*STEADY, name="young"))
    rows = verdict.judge(then, now)
    assert [(row.key, row.word) for row in rows] == [
        ("both, against a peer", "kept"),
        ("young, against a peer", "new"),
        ("old, against a peer", "gone"),
    ]


def test_a_loss_must_show_twice() -> None:
    then = a_run(a_figure(*STEADY))
    slow, quick = a_run(a_figure([1.0] * 5)), a_run(a_figure([2.0] * 5))
    assert [row.word for row in verdict.judge(then, slow)] == ["lost"]
    (confirmed,) = verdict.judge(then, slow, slow)
    (refuted,) = verdict.judge(then, slow, quick)
    assert (confirmed.word, confirmed.again) == ("lost", pytest.approx(1.0))
    assert (refuted.word, refuted.again) == ("kept", pytest.approx(2.0))
    assert [row.word for row in verdict.judge(then, slow, a_run())] == ["lost"]


def test_the_suspects_are_the_lost_ones_each_once() -> None:
    slow = a_run(
        a_figure([1.0] * 5, name="a", test="file.py::one"),
        a_figure([1.0] * 5, name="b", test="file.py::one"),
        a_figure([2.0] * 5, name="c", test="file.py::two"),
    )
    then = a_run(*[a_figure(*STEADY, name=name) for name in "abc"])
    assert verdict.suspects(verdict.judge(then, slow), slow) == ["file.py::one"]


def test_the_table_says_it_all() -> None:
    then = a_run(a_figure(*STEADY, name="a"), a_figure(*STEADY, name="b"), a_figure(*STEADY, name="gone"))
    now = a_run(a_figure([1.0] * 5, name="a"), a_figure([2.0] * 5, name="b"), a_figure([1.0, 3.0], name="new"))
    lines = verdict.table(verdict.judge(then, now, a_run(a_figure([1.1] * 5, name="a")))).splitlines()
    assert lines[0].split() == ["figure", "then", "now", "change", "noise", "verdict"]
    assert lines[1].startswith("a, against a peer ")
    assert lines[1].split()[4:] == ["2.00x", "1.00x", "-50.0%", lines[1].split()[7], "lost", "(again:", "1.10x)"]
    assert -10 < float(lines[1].split()[7].rstrip("%")) < -2
    assert lines[2].endswith(" kept")
    assert lines[3].split()[4:] == ["2.00x", "new"] or lines[3].endswith(" new")
    assert lines[4].endswith(" gone")
    assert lines[5] == "1 kept, 0 gained, 1 lost, 0 unsure, 1 new, 1 gone"
