"""Where caches end, found in a curve of latency by working-set size. A pure function of the recorded figures."""

from __future__ import annotations

import math
from collections.abc import Sequence

from conc.memory.machine import Cache
from conc.memory.results import Edge

MOST_PLATEAUS_UNTOLD = 4  # three levels of cache and memory
FEWEST_POINTS = 2  # of a plateau
LEAST_STEP = 1.25  # ratio of neighbouring plateaus
PLATEAU_COST = 0.02  # of one more plateau, in squared log latency: what noise alone may gain


def find_edges(points: Sequence[tuple[int, float]], told: Sequence[Cache] = ()) -> tuple[Edge, ...]:
    """The steps of a latency curve.

    Latency can only rise with the size, so the curve is first made rising (isotonic regression on log latency), then
    cut into plateaus (least squares, dynamic programming). An edge is where it crosses the geometric mean of two.

    Args:
        points: (bytes, ns), rising in bytes.
        told: caches that the system tells of: they bound the number of plateaus and name the edges, and nothing else.

    Returns:
        Edges, rising; none where there are fewer than four points.
    """
    if len(points) < 2 * FEWEST_POINTS:
        return ()
    sizes = [size for size, _ in points]
    logs = rising([math.log(ns) for _, ns in points])
    known = [cache for cache in told if cache.size_bytes]
    most = len(known) + 1 if known else MOST_PLATEAUS_UNTOLD
    cuts = _merge_small_steps(logs, _best_cuts(logs, most))
    edges = []
    for start, middle, end in zip(cuts, cuts[1:], cuts[2:], strict=False):
        below, above = _mean(logs[start:middle]), _mean(logs[middle:end])
        edges.append(_edge(sizes, logs, below, above, known))
    return tuple(edges)


def rising(values: Sequence[float]) -> list[float]:
    """The nearest sequence that never falls (least squares): pool adjacent violators."""
    pools: list[tuple[float, int]] = []
    for value in values:
        mean, count = value, 1
        while pools and pools[-1][0] > mean:
            other, weight = pools.pop()
            mean, count = (mean * count + other * weight) / (count + weight), count + weight
        pools.append((mean, count))
    return [mean for mean, count in pools for _ in range(count)]


def _best_cuts(values: Sequence[float], most: int) -> list[int]:
    """Indices [0, ..., len] that cut `values` into at most `most` plateaus, each dearer than what it gains."""
    n = len(values)
    sums, squares = [0.0], [0.0]
    for value in values:
        sums.append(sums[-1] + value)
        squares.append(squares[-1] + value * value)

    def error(start: int, end: int) -> float:
        total = sums[end] - sums[start]
        return max(squares[end] - squares[start] - total * total / (end - start), 0.0)

    # best[k][end]: least error of the first `end` values in k plateaus, and the start of the last one
    best: list[dict[int, tuple[float, int]]] = [{0: (0.0, 0)}]
    for _ in range(most):
        row: dict[int, tuple[float, int]] = {}
        for end in range(FEWEST_POINTS, n + 1):
            options = [
                (cost + error(start, end), start)
                for start, (cost, _) in best[-1].items()
                if end - start >= FEWEST_POINTS
            ]
            if options:
                row[end] = min(options)
        best.append(row)
    reachable = [k for k in range(1, len(best)) if n in best[k]]
    plateaus = min(reachable, key=lambda k: best[k][n][0] + PLATEAU_COST * k)
    cuts = [n]
    for k in range(plateaus, 0, -1):
        cuts.append(best[k][cuts[-1]][1])
    return cuts[::-1]


def _merge_small_steps(values: Sequence[float], cuts: list[int]) -> list[int]:
    """Drop cuts between plateaus that hardly differ."""
    cuts = list(cuts)
    index = 1
    while index < len(cuts) - 1:
        step = _mean(values[cuts[index] : cuts[index + 1]]) - _mean(values[cuts[index - 1] : cuts[index]])
        if step < math.log(LEAST_STEP):
            del cuts[index]
            index = 1
        else:
            index += 1
    return cuts


def _edge(sizes: Sequence[int], logs: Sequence[float], below: float, above: float, told: Sequence[Cache]) -> Edge:
    middle = (below + above) / 2
    after = next(i for i, value in enumerate(logs) if value >= middle)
    before = max(after - 1, 0)
    rise = logs[after] - logs[before]
    part = (middle - logs[before]) / rise if rise > 0 else 0.0
    size = round(math.exp((1 - part) * math.log(sizes[before]) + part * math.log(sizes[after])))
    near = [cache for cache in told if cache.size_bytes and size / 2 <= cache.size_bytes <= size * 2]
    match = min(near, key=lambda cache: abs(math.log((cache.size_bytes or 1) / size)), default=None)
    return Edge(
        size_bytes=size,
        below_ns=math.exp(below),
        above_ns=math.exp(above),
        level=match.level if match else None,
        told_bytes=match.size_bytes if match else None,
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
