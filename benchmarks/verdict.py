"""Whether a figure was lost: the ratios of two runs, and the noise between them. Pure functions of recorded results.

Everything is done on logarithms, where twice as fast and half as fast are equally far from no change. README.md says
why the noise is what it is.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from results import Figure, Results, Rounds

Word = Literal["kept", "lost", "gained", "unsure", "new", "gone"]
WORDS: tuple[Word, ...] = ("kept", "gained", "lost", "unsure", "new", "gone")

WIDTH = 3.0
"""A change counts beyond so many standard errors."""

LEAST_SCATTER = 0.01
"""From pass to pass no figure is taken to be steadier than one percent: three passes may agree by chance."""

UNSURE = math.log(2)
"""A figure whose noise is wider than a halving guards nothing."""

RESAMPLES = 400


@dataclass(frozen=True)
class Row:
    """One figure of two runs.

    Attributes:
        then, now: ratio to the peer; None where that run has no such figure.
        noise: how far apart the logarithms of two runs of the same code may be; None where one is missing.
        again: the ratio when a suspected loss was measured once more.
    """

    key: str
    then: float | None
    now: float | None
    noise: float | None
    word: Word
    again: float | None = None


def judge(then: Results, now: Results, again: Results | None = None) -> list[Row]:
    """Every figure of both runs, in the order of `now`, those that are gone at the end.

    Args:
        then: the results to hold on to.
        now: this run.
        again: the suspects of this run, measured once more: lost is only what is lost in both.
    """
    before = {figure.key: figure for figure in then.figures}
    repeated = {figure.key: figure for figure in again.figures} if again is not None else {}
    usual = typical_scatter(then.figures)
    rows = []
    for figure in now.figures:
        old = before.pop(figure.key, None)
        if old is None:
            rows.append(Row(figure.key, None, ratio_of(figure), None, "new"))
            continue
        row = judge_figure(old, figure, usual)
        if row.word == "lost" and figure.key in repeated:
            second = judge_figure(old, repeated[figure.key], usual)
            word: Word = "kept" if second.word != "lost" else "lost"
            row = Row(row.key, row.then, row.now, row.noise, word, second.now)
        rows.append(row)
    return rows + [Row(figure.key, ratio_of(figure), None, None, "gone") for figure in before.values()]


def judge_figure(then: Figure, now: Figure, usual_scatter: float) -> Row:
    """One figure; `usual_scatter` is what figures of that machine scatter from pass to pass (typical_scatter())."""
    noise = noise_between(then, now, usual_scatter)
    change = math.log(ratio_of(now)) - math.log(ratio_of(then))
    word: Word = "lost" if change < -noise else "gained" if change > noise else "unsure" if noise > UNSURE else "kept"
    return Row(now.key, ratio_of(then), ratio_of(now), noise, word)


def ratio_of(figure: Figure) -> float:
    """The geometric mean of its passes' medians: each pass counts once, whatever its rounds."""
    return math.exp(statistics.fmean(log_medians(figure)))


def noise_between(then: Figure, now: Figure, usual_scatter: float) -> float:
    """How far the logarithm of the ratio may move although nothing has changed, > 0.

    WIDTH standard errors of the difference. Each side's variance is what passes scatter by, which rounds of one pass
    cannot show, and what the rounds of its passes scatter by, over the number of passes.
    """
    scatter = max(pass_scatter(then) or 0.0, pass_scatter(now) or 0.0, usual_scatter, LEAST_SCATTER)
    return WIDTH * math.sqrt(_variance(then, scatter) + _variance(now, scatter))


def _variance(figure: Figure, scatter: float) -> float:
    within = statistics.fmean(median_error(rounds) ** 2 for rounds in figure.passes)
    return (scatter**2 + within) / len(figure.passes)


def log_medians(figure: Figure) -> list[float]:
    """The logarithm of each pass's median ratio."""
    return [math.log(statistics.median(rounds.ratios)) for rounds in figure.passes]


def pass_scatter(figure: Figure) -> float | None:
    """Standard deviation of the passes' medians, as logarithms; None of a single pass."""
    return statistics.stdev(log_medians(figure)) if len(figure.passes) > 1 else None


def typical_scatter(figures: Iterable[Figure]) -> float:
    """The median of the figures' scatter, or LEAST_SCATTER where none has two passes.

    A deviation of three numbers is hardly known itself; that of thirty figures together is.
    """
    known = [scatter for scatter in map(pass_scatter, figures) if scatter is not None]
    return statistics.median(known) if known else LEAST_SCATTER


def median_error(rounds: Rounds) -> float:
    """The standard error of one pass's median, as a logarithm: a bootstrap over its rounds with a fixed seed."""
    logs = [math.log(ratio) for ratio in rounds.ratios]
    draw = random.Random(len(logs))
    return statistics.pstdev(statistics.median(draw.choices(logs, k=len(logs))) for _ in range(RESAMPLES))


def suspects(rows: Iterable[Row], now: Results) -> list[str]:
    """The benchmarks that measure again what seems lost, each once."""
    lost = {row.key for row in rows if row.word == "lost"}
    return list(dict.fromkeys(figure.test for figure in now.figures if figure.key in lost))


def table(rows: Sequence[Row]) -> str:
    """Figure, then, now, change, noise, verdict; and how many there are of each."""
    cells = [("figure", "then", "now", "change", "noise", "verdict")]
    cells += [
        (
            row.key,
            _ratio(row.then),
            _ratio(row.now),
            _percent(row.now / row.then - 1) if row.now is not None and row.then is not None else "",
            f"-{1 - math.exp(-row.noise):.1%}" if row.noise is not None else "",
            row.word if row.again is None else f"{row.word} (again: {_ratio(row.again)})",
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if column in (0, len(widths) - 1) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]
    counts = ", ".join(f"{sum(row.word == word for row in rows)} {word}" for word in WORDS)
    return "\n".join([*lines, counts])


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}x"


def _percent(share: float) -> str:
    return f"{share:+.1%}"
