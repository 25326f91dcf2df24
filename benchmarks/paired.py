"""Ours against a peer, alternated in one run: the only way in which a figure of conc is a ratio.

A round runs the peer, then ours; a figure is the median of the rounds' ratios with their quartiles, so that a machine
whose speed drifts moves both sides alike.
"""

from __future__ import annotations

import gc
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One measured figure beside what it should be."""

    name: str
    ratio: float
    low: float
    high: float
    rounds: int
    ours_s: float
    peer_s: float
    target: str

    def __str__(self) -> str:
        target = f"; asked: {self.target}" if self.target else ""
        return (
            f"{self.name}: {self.ratio:.2f}x [{self.low:.2f}..{self.high:.2f}] over {self.rounds} rounds "
            f"(ours {readable(self.ours_s)}, peer {readable(self.peer_s)}){target}"
        )


QUICK = bool(os.environ.get("CONC_BENCH_QUICK"))
"""Few rounds, to see that everything runs: the lines are no figures then."""

FIGURES: list[str] = []
"""The lines that the run ends with (conftest.py)."""


def readable(seconds: float) -> str:
    """Seconds with a unit that leaves few zeros."""
    for factor, unit in ((1.0, "s"), (1e3, "ms"), (1e6, "us")):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def quartiles(samples: list[float]) -> tuple[float, float, float]:
    """(p25, median, p75) of at least two samples."""
    low, median, high = statistics.quantiles(samples, n=4, method="inclusive")
    return low, median, high


def timed(function: Callable[[], object]) -> float:
    """Wall seconds of one call, with the garbage collector off as timeit has it: when it comes is chance.

    What the call returns is freed after the time is taken, as a user frees results after they have been used.
    """
    gc.collect()
    gc.disable()
    try:
        begin = time.perf_counter()
        kept = function()
        seconds = time.perf_counter() - begin
        del kept
        return seconds
    finally:
        gc.enable()


def paired(
    benchmark: Any,
    name: str,
    ours: Callable[[], object],
    peer: Callable[[], object],
    *,
    target: str = "",
    rounds: int = 15,
    scale: float = 1.0,
) -> Figure:
    """Run `peer` and `ours` alternately and note how many times faster ours is: peer seconds / our seconds.

    Args:
        benchmark: pytest-benchmark's fixture; it keeps our samples, and the peer's in ``extra_info``.
        name: of the figure, with its peer.
        ours, peer: the same work, each timed as one call.
        target: what the figure should be, for the printed line.
        rounds: pairs after one that is not counted; >= 2.
        scale: how many times the peer's work ours does, where ours would be too short to time.
    """
    rounds = 2 if QUICK else rounds
    peer_samples: list[float] = []
    our_samples: list[float] = []
    timed(peer)
    timed(ours)

    def run_peer() -> None:
        peer_samples.append(timed(peer))

    def run_ours() -> None:
        our_samples.append(timed(ours))

    benchmark.pedantic(run_ours, setup=run_peer, rounds=rounds, warmup_rounds=0, iterations=1)
    ratios = [scale * theirs / mine for theirs, mine in zip(peer_samples, our_samples, strict=True)]
    low, median, high = quartiles(ratios)
    figure = Figure(
        name, median, low, high, rounds, statistics.median(our_samples), statistics.median(peer_samples), target
    )
    benchmark.extra_info.update(peer_samples_s=peer_samples, our_samples_s=our_samples, ratio=median, target=target)
    FIGURES.append(str(figure))
    return figure
