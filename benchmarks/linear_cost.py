"""What a task costs with a thousand and with ten million of them: the time must grow as their number does.

    python benchmarks/linear_cost.py [--most N]         (make bench-linear)

Writes results/linear/<kind of machine>.json, with every sample and the machine, and the picture beside it. A round
measures each series in a process of its own, from few tasks to many. The pools have two workers and are warm, the
garbage collector is off, and all futures of a measurement live until its end. The standard pool stops at a million,
since ten would take 20 GB; it has no parallel_for.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import functools
import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import linear_plot
from machine import Machine, describe_machine, load_average
from paired import timed

SCHEMA = "conc-linear-cost/1"
FOLDER = Path(__file__).resolve().parent / "results" / "linear"
ROUNDS = 3
LEAST, MOST, MOST_STANDARD = 1_000, 10_000_000, 1_000_000
STEPS = 2
"""Measurements for each power of ten."""

BEGIN_SERIES = 10_000
"""Tasks from which on a series is judged: below, one wake-up is much of the time."""


@dataclass(frozen=True)
class Point:
    """Wall seconds of so many tasks together, one a round."""

    tasks: int
    seconds: tuple[float, ...]

    @property
    def ns_per_task(self) -> float:
        """By the median of the rounds."""
        return statistics.median(self.seconds) / self.tasks * 1e9


@dataclass(frozen=True)
class Series:
    """One way to run tasks, from few to many."""

    name: str
    points: tuple[Point, ...]

    @property
    def exponent(self) -> float:
        """The slope of log(seconds) over log(tasks): 1 is linear, 2 quadratic; less where a run's own cost counts."""
        many = [point for point in self.points if point.tasks >= BEGIN_SERIES]
        tasks = [math.log(point.tasks) for point in many]
        seconds = [math.log(statistics.median(point.seconds)) for point in many]
        return statistics.linear_regression(tasks, seconds).slope


@dataclass(frozen=True)
class LinearCost:
    """What is kept. `elapsed_s` of all rounds; the loads are of 1, 5 and 15 minutes."""

    schema: str
    started_at: str
    elapsed_s: float
    load_before: tuple[float, ...]
    load_after: tuple[float, ...]
    machine: Machine
    series: tuple[Series, ...]


def nothing(_: object = None) -> None:
    pass


def submit_all(pool: concurrent.futures.Executor, tasks: int) -> list[object]:
    """Returns the futures, so that they are freed after the time is taken."""
    futures: list[Any] = [pool.submit(nothing) for _ in range(tasks)]
    for future in futures:
        future.result()
    return futures


def map_all(pool: concurrent.futures.Executor, tasks: int) -> None:
    for _ in pool.map(nothing, range(tasks)):
        pass


def conc_pool() -> Any:
    import conc

    return conc.ThreadPoolExecutor(2)


@functools.cache
def empty_body() -> Any:
    import conc

    return conc.compile_c("void empty(int64_t begin, int64_t end, void *data) { (void)begin, (void)end, (void)data; }")


def loop_all(pool: Any, tasks: int) -> None:
    """Bodies of grain 1 that do nothing."""
    pool.parallel_for(empty_body(), 0, tasks, 1)


def standard_pool() -> concurrent.futures.Executor:
    return concurrent.futures.ThreadPoolExecutor(2)


SERIES: dict[str, tuple[Callable[[], Any], Callable[[Any, int], object], int]] = {
    "submit and result, concurrent.futures": (standard_pool, submit_all, MOST_STANDARD),
    "map, concurrent.futures": (standard_pool, map_all, MOST_STANDARD),
    "submit and result, conc": (conc_pool, submit_all, MOST),
    "map, conc": (conc_pool, map_all, MOST),
    "parallel_for of grain 1, conc": (conc_pool, loop_all, MOST),
}


def sizes(most: int) -> list[int]:
    """From LEAST to `most`, evenly on a logarithmic scale."""
    count = round(math.log10(most / LEAST) * STEPS)
    return [round(LEAST * 10 ** (step / STEPS)) for step in range(count + 1)]


def measure_here(name: str, most: int) -> list[float]:
    """Seconds for each of the sizes."""
    make, run, limit = SERIES[name]
    with make() as pool:
        run(pool, LEAST)
        return [timed(lambda tasks=tasks: run(pool, tasks)) for tasks in sizes(min(most, limit))]


def measure(most: int) -> LinearCost:
    """All rounds of all series, each in its own process.

    Raises:
        subprocess.CalledProcessError: one failed.
    """
    started, before = time.time(), load_average()
    found: dict[str, list[list[float]]] = {name: [] for name in SERIES}
    for _ in range(ROUNDS):
        for name, rounds in found.items():
            command = [sys.executable, str(Path(__file__).resolve()), "--one", name, "--most", str(most)]
            rounds.append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout))
    return LinearCost(
        SCHEMA,
        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
        round(time.time() - started, 1),
        before,
        load_average(),
        describe_machine(),
        tuple(make_series(name, rounds) for name, rounds in found.items()),
    )


def make_series(name: str, rounds: Sequence[Sequence[float]]) -> Series:
    """Of each round the seconds for each of the sizes."""
    most = LEAST * 10 ** ((len(rounds[0]) - 1) / STEPS)
    points = zip(sizes(round(most)), zip(*rounds, strict=True), strict=True)
    return Series(name, tuple(Point(tasks, tuple(round(one, 9) for one in seconds)) for tasks, seconds in points))


def summary(series: Series) -> str:
    """A line: what a task costs at both ends, and how the time grows."""
    low, high = ((f"{point.ns_per_task:,.0f}", f"{point.tasks:,}") for point in (series.points[0], series.points[-1]))
    return f"{series.name}: {low[0]} ns a task of {low[1]}, {high[0]} of {high[1]}; grows as n^{series.exponent:.3f}"


def main(argv: Sequence[str]) -> int:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--most", type=int, default=MOST, help="tasks of the largest measurement (default: %(default)s)"
    )
    parser.add_argument("--one", choices=SERIES, help="measure one series here and print its seconds as JSON")
    options = parser.parse_args(argv)
    if options.most < 10 * BEGIN_SERIES:
        parser.error(f"--most must be at least {10 * BEGIN_SERIES}, not {options.most}")
    if options.one:
        print(json.dumps(measure_here(options.one, options.most)))
        return 0
    cost = measure(options.most)
    FOLDER.mkdir(parents=True, exist_ok=True)
    target = FOLDER / f"{cost.machine.slug}.json"
    target.write_text(json.dumps(dataclasses.asdict(cost), indent=1) + "\n", encoding="utf-8")
    lines = {series.name: [(point.tasks, point.ns_per_task) for point in series.points] for series in cost.series}
    target.with_suffix(".svg").write_text(linear_plot.plot(lines), encoding="utf-8")
    print(*map(summary, cost.series), f"written to {target} and its picture", sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
