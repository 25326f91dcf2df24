"""Medians, spreads and the interval of a speed-up: what the verdict and the report compute from samples."""

from __future__ import annotations

import random
from collections.abc import Sequence
from statistics import median, quantiles
from typing import NamedTuple

from conc.comparison.records import Run

MIN_ROUNDS = 3
MIN_SHARE_S = 0.001  # of wall time, below which reading the counters would be much of what they count
_RESAMPLES = 2000
_SEED = 20_000


class Ratio(NamedTuple):
    """How many times faster one lane is than another.

    Attributes:
        value: ratio of the medians.
        low, high: 95 % interval of it; None with fewer than `MIN_ROUNDS` common rounds.
    """

    value: float
    low: float | None
    high: float | None

    def surely_above(self, limit: float) -> bool:
        """Whether the whole interval lies above; False without an interval."""
        return self.low is not None and self.low > limit

    def surely_below(self, limit: float) -> bool:
        """Whether the whole interval lies below; False without an interval."""
        return self.high is not None and self.high < limit


def walls(run: Run) -> list[float]:
    """The wall seconds of a lane's samples."""
    return [sample.wall_s for sample in run.samples]


def speedup(of: Run, over: Run) -> Ratio | None:
    """How many times faster `of` is than `over`; None where one of them has no sample.

    The interval is a bootstrap over rounds: the samples of a round were taken next to each other, so a round is drawn
    as a whole. Seeded: the same records give the same interval.
    """
    if not of.samples or not over.samples:
        return None
    by_round = {sample.round: sample.wall_s for sample in over.samples}
    pairs = [(by_round[sample.round], sample.wall_s) for sample in of.samples if sample.round in by_round]
    value = median(walls(over)) / max(median(walls(of)), 1e-9)
    if len(pairs) < MIN_ROUNDS:
        return Ratio(value, None, None)
    draw = random.Random(_SEED).choices
    ratios = sorted(_ratio(draw(pairs, k=len(pairs))) for _ in range(_RESAMPLES))
    tail = round(_RESAMPLES * 0.025)
    return Ratio(value, ratios[tail], ratios[-1 - tail])


def _ratio(pairs: Sequence[tuple[float, float]]) -> float:
    return median(pair[0] for pair in pairs) / max(median(pair[1] for pair in pairs), 1e-9)


def spread(values: Sequence[float]) -> float | None:
    """Half the distance between the quartiles, as a share of the median; None with fewer than three values."""
    if len(values) < MIN_ROUNDS:
        return None
    low, middle, high = quantiles(values, n=4, method="inclusive")
    return (high - low) / 2 / middle if middle > 0 else None


def cpu_share(run: Run) -> float | None:
    """CPU seconds a second of wall time, the median of the samples; above 1 where several CPUs worked at a time.

    None where the samples are shorter than `MIN_SHARE_S`.
    """
    return _median_share(run, "cpu_s")


def busy_share(run: Run) -> float | None:
    """CPU seconds a second in which the lane had, or needed, no CPU that others held: near 0 for work that waits.

    Waiting for a CPU is not waiting for anything that the work asks for, so on a crowded machine that time is left out.
    """
    cpu, delay = cpu_share(run), run_delay_share(run)
    if cpu is None or delay is None or cpu >= 1.0 or delay >= 1.0:
        return cpu
    return min(cpu / (1.0 - delay), 1.0)


def user_share(run: Run) -> float | None:
    """The same for CPU seconds in user mode."""
    return _median_share(run, "user_s")


def run_delay_share(run: Run) -> float | None:
    """The same for the seconds in which an actor could have run but got no CPU."""
    return _median_share(run, "run_delay_s")


def _median_share(run: Run, field: str) -> float | None:
    shares = [
        value / sample.wall_s
        for sample in run.samples
        if (value := getattr(sample.usage, field)) is not None and sample.wall_s >= MIN_SHARE_S
    ]
    return median(shares) if shares else None
