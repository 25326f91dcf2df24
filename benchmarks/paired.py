"""Ours against a peer, alternated in one run: the only way in which a figure of conc is a ratio.

A round runs the peer, then ours; a figure is the median of the rounds' ratios with their quartiles, so that a machine
whose speed drifts moves both sides alike.
"""

from __future__ import annotations

import gc
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from results import Figure, Rounds, Target, Value, make_figure, make_value

QUICK = bool(os.environ.get("CONC_BENCH_QUICK"))
"""Two rounds of less work, to see that everything runs: nothing is a figure then."""

MOST_ROUNDS = int(os.environ.get("CONC_BENCH_ROUNDS", "1000"))
"""No figure takes more: the same work, known less well."""

FIGURES: list[Figure] = []
VALUES: list[Value] = []
LINES: list[str] = []
"""What the run found, and the lines that it ends with (conftest.py)."""


def rounds_of(asked: int) -> int:
    """How many rounds a figure takes that asks for so many; at least 2."""
    return 2 if QUICK else max(2, min(asked, MOST_ROUNDS))


def readable(seconds: float) -> str:
    """Seconds with a unit that leaves few zeros."""
    for factor, unit in ((1.0, "s"), (1e3, "ms"), (1e6, "us")):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


@contextmanager
def collector_off() -> Iterator[None]:
    """With the garbage collector off, as timeit has it: when it comes is chance."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def timed(function: Callable[[], object]) -> float:
    """Wall seconds of one call, with the garbage collector off.

    What the call returns is freed after the time is taken, as a user frees results after they have been used.
    """
    with collector_off():
        begin = time.perf_counter()
        kept = function()
        seconds = time.perf_counter() - begin
        del kept
        return seconds


def paired(
    benchmark: Any,
    name: str,
    ours: Callable[[], object],
    peer: Callable[[], object],
    *,
    against: str,
    detail: str = "",
    target: Target | None = None,
    rounds: int = 15,
    scale: float = 1.0,
    prepare: Callable[[], object] = lambda: None,
    settle_s: float = 0.0,
) -> Rounds:
    """Run `peer` and `ours` alternately and note how many times faster ours is: peer seconds / our seconds.

    Args:
        benchmark: pytest-benchmark's fixture; it keeps our samples, and the peer's in ``extra_info``.
        name: of the figure. It is known by this and `against` from run to run, so neither may hold what varies.
        ours, peer: the same work, each timed as one call.
        against: what the peer is.
        detail: what this run chose, for the printed line.
        target: what the figure should be.
        rounds: pairs after one that is not counted; >= 2.
        scale: how many times the peer's work ours does, where ours would be too short to time.
        prepare: called before each call of `ours`, outside of its time.
        settle_s: seconds before each call, so that idle threads of the other side that spin before they sleep take no
            CPU from it.
    """
    peer_samples: list[float] = []
    our_samples: list[float] = []
    timed(peer)
    prepare()
    timed(ours)

    def run_peer() -> None:
        time.sleep(settle_s)
        peer_samples.append(timed(peer))
        prepare()
        time.sleep(settle_s)

    def run_ours() -> None:
        our_samples.append(timed(ours))

    benchmark.pedantic(run_ours, setup=run_peer, rounds=rounds_of(rounds), warmup_rounds=0, iterations=1)
    return note(benchmark, name, our_samples, peer_samples, against=against, detail=detail, target=target, scale=scale)


def note(
    benchmark: Any,
    name: str,
    our_samples: Sequence[float],
    peer_samples: Sequence[float],
    *,
    against: str,
    detail: str = "",
    target: Target | None = None,
    scale: float = 1.0,
) -> Rounds:
    """Note pairs of seconds that were taken alternately, here or in another process; the rest as paired() has it."""
    taken = Rounds(nanoseconds(our_samples), nanoseconds(peer_samples), scale, detail)
    figure = make_figure(name, against, benchmark.fullname, target, [taken])
    benchmark.extra_info.update(peer_samples_s=taken.peer_s, our_samples_s=taken.ours_s, ratio=figure.ratio.median)
    FIGURES.append(figure)
    LINES.append(figure_line(figure))
    return taken


def alone(
    benchmark: Any, name: str, samples: Sequence[float], unit: str, *, how: str, target: Target | None = None
) -> None:
    """Note a measurement that has no peer: `samples` (at least two) in `unit`, and `how` many of what they were."""
    value = make_value(name, unit, benchmark.fullname, target, [[float(f"{sample:.6g}") for sample in samples]])
    VALUES.append(value)
    LINES.append(f"{value_line(value)} over {how}{asked(target)}")


def nanoseconds(seconds: Sequence[float]) -> tuple[float, ...]:
    """Rounded to what the clock can tell."""
    return tuple(round(sample, 9) for sample in seconds)


def asked(target: Target | None) -> str:
    """The end of a line."""
    return "" if target is None else f"; asked: {target}"


def figure_line(figure: Figure) -> str:
    """A figure over all its passes."""
    ours = statistics.median(sample for rounds in figure.passes for sample in rounds.ours_s)
    peer = statistics.median(sample for rounds in figure.passes for sample in rounds.peer_s)
    details = [rounds.detail for rounds in figure.passes if rounds.detail]
    chosen = f" ({details[0]})" if details else ""
    return (
        f"{figure.key}{chosen}: {figure.ratio.median:.2f}x [{figure.ratio.low:.2f}..{figure.ratio.high:.2f}] over "
        f"{figure.rounds} rounds (ours {readable(ours)}, peer {readable(peer)}){asked(figure.target)}"
    )


def value_line(value: Value) -> str:
    """A value over all its passes."""
    found = value.value
    return f"{value.name}: {found.median:.4g} {value.unit} [{found.low:.4g}..{found.high:.4g}]"
