"""Who has the GIL: how often it is named right, what a read costs, and what looking at it does to a program, beside
py-spy's and gilknocker's ways of doing so."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from paired import QUICK, alone, rounds_of
from results import Target

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from gil_truth import Holders, Tally, switching_every, truth  # noqa: E402

pytestmark = pytest.mark.skipif(
    not getattr(sys, "_is_gil_enabled", lambda: True)(), reason="nobody has a GIL that is off"
)

INTERVAL_S = 0.001
SLOWER_S = 0.005
"""gilknocker, asked to knock each millisecond, waits for the GIL for most of five of them, and then knocks again."""
SECONDS = 0.5 if QUICK else 1.0
PROGRAM = str(ROOT / "benchmarks" / "gil_program.py")


@pytest.mark.parametrize("interval_s", [5e-3, 1e-4, 1e-5])
def test_named_right(benchmark: Any, interval_s: float) -> None:
    """Three threads that have the GIL for 1 to 140 us at a time, in C, and know it."""
    known, turns = truth(), iter(range(1 << 40))
    counted = unsure = 0
    shares: list[float] = []

    def sample() -> None:
        nonlocal counted, unsure

        def take() -> Tally:
            with Holders(3, lambda: known.hold(1000 + next(turns) % 8 * 20_000)):
                return known.sample(1000 if QUICK else 20_000, 10_000)

        tally = switching_every(interval_s)(take)
        judged = tally.right + tally.wrong + tally.unknown + tally.free
        counted, unsure = counted + judged, unsure + tally.uncounted
        shares.append(100 * tally.right / judged)

    benchmark.pedantic(sample, rounds=rounds_of(7), iterations=1)
    alone(
        benchmark,
        f"samples in which the GIL's holder is named right, switch interval {interval_s * 1e6:g} us",
        shares,
        "%",
        how=f"{len(shares)} runs, {counted:,} samples; {unsure:,} more came while it changed hands",
        target=Target("at least", 99, "%"),
    )


def test_cost(benchmark: Any) -> None:
    """Of one read of one GIL: while this thread has it, and while others take turns."""
    known, count = truth(), 1000 if QUICK else 50_000
    quiet: list[float] = []
    contended: list[float] = []

    def once() -> None:
        quiet.append(known.cost_ns(count))
        with Holders(2, lambda: known.hold(20_000)):
            contended.append(known.cost_ns(count))

    benchmark.pedantic(once, rounds=rounds_of(9), iterations=1)
    alone(benchmark, "a read of who has the GIL, nobody", quiet, "ns", how=f"{len(quiet)} runs of {count:,} reads")
    alone(benchmark, "a read of who has the GIL, two take turns", contended, "ns", how=f"as many, {count:,} reads each")


def observed(observer: str, interval_s: float = INTERVAL_S) -> dict[str, Any]:
    """One run of the program."""
    command = [sys.executable, PROGRAM, observer, str(SECONDS), str(interval_s)]
    answer: dict[str, Any] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return answer


def observed_by_py_spy() -> dict[str, Any]:
    """It attaches from outside, and stops the program for each sample. Its samples of a thread are its share."""
    names = ("steady", "pausing", "short")
    program = [sys.executable, PROGRAM, "waits", str(SECONDS), str(INTERVAL_S)]
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw"
        with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdout.readline()
            spy = [
                *("py-spy", "record", "--gil", "--threads", "--format", "raw", "--output", str(raw)),
                *(
                    "--rate",
                    str(round(1 / INTERVAL_S)),
                    "--duration",
                    str(round(SECONDS + 2)),
                    "--pid",
                    str(process.pid),
                ),
            ]
            with subprocess.Popen(spy, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as watcher:
                assert watcher.stdout is not None
                while "Sampling" not in (line := watcher.stdout.readline()):
                    assert line, "py-spy ended without sampling"
                process.stdin.write("\n")
                process.stdin.flush()
                answer: dict[str, Any] = json.loads(process.stdout.readline())
                watcher.stdout.read()
        lines = raw.read_text(encoding="utf-8").splitlines()
    counts = {name: sum(int(line.split()[-1]) for line in lines if f"Program.{name} " in line) for name in names}
    return {**answer, "seen": {name: count / sum(counts.values()) for name, count in counts.items()}}


def worst_points(run: dict[str, Any]) -> float:
    """By how many points the share of the thread that is told worst is wrong."""
    return 100 * max(abs(run["seen"].get(name, 0.0) - share) for name, share in run["truth"].items())


def held_points(run: dict[str, Any]) -> float:
    """By how many points the share of the time in which somebody has the GIL is wrong. gilknocker's metric is the share
    of its own time that it waits for the GIL, which is the same where the GIL is always held or always free."""
    return 100 * abs(run["held"] - run["truly_held"])


def observers() -> dict[str, Callable[[], dict[str, Any]]]:
    """What is there of them, by how they are called in the figures."""
    found = {
        "conc.watch at 1 kHz": lambda: observed("conc"),
        "conc.watch at 200 Hz": lambda: observed("conc", SLOWER_S),
    }
    if importlib.util.find_spec("gilknocker"):
        found["gilknocker at 1 kHz"] = lambda: observed("gilknocker")
    beside_python = str(Path(sys.executable).parent)
    os.environ["PATH"] = f"{beside_python}{os.pathsep}{os.environ['PATH']}"
    if shutil.which("py-spy"):
        found["py-spy --gil at 1 kHz"] = observed_by_py_spy
    return found


FIGURES = {
    "work": ("work that a GIL-bound program does under {}, of what it does alone", "x", None),
    "cpu": ("time that its threads are on a CPU under {}, of that alone", "x", Target("at least", 0.99, "x")),
    "shares": ("worst share of the GIL told by {}, wrong by", "points", Target("at most", 3, "points")),
    "held": ("share of time in which the GIL is held, by {}, wrong by", "points", Target("at most", 3, "points")),
}
"""What is told of an observer, its unit, and what is asked of conc's."""


def test_disturbance_and_agreement(benchmark: Any) -> None:
    """A GIL-bound program alone and with each observer, in turns: the work it does, and who is said to have the GIL."""
    samples: dict[tuple[str, str], list[float]] = {}
    found = observers()

    def once() -> None:
        for name, run in found.items():
            bare, seen = observed("none"), run()
            samples.setdefault(("work", name), []).append(seen["done"] / bare["done"])
            samples.setdefault(("cpu", name), []).append(seen["cpu_share"] / bare["cpu_share"])
            if "seen" in seen:
                samples.setdefault(("shares", name), []).append(worst_points(seen))
            if "held" in seen:
                samples.setdefault(("held", name), []).append(held_points(seen))

    benchmark.pedantic(once, rounds=rounds_of(7), iterations=1)
    assert threading.active_count() == 1
    for figure, (what, unit, target) in FIGURES.items():
        for name in found:
            if kept := samples.get((figure, name)):
                asked = target if name.startswith("conc") else None
                alone(benchmark, what.format(name), kept, unit, how=f"{len(kept)} runs", target=asked)
