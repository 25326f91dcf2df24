"""A GIL-bound program that is observed: how much it got done, and who had the GIL, by itself and by the observer.

    python gil_program.py none|conc|gilknocker|waits SECONDS INTERVAL_S

"waits": an observer comes from outside. Three threads work in C with the GIL, and note for how long; two of them pause
now and then. The answer is one line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from gil_truth import truth

import conc

STEPS = 100_000
"""Of work, some 0.03 to 0.1 ms. The Python code between two turns holds the GIL, too, some 5 us that nobody notes."""


class Program:
    """The threads, what they did, and what it took."""

    def __init__(self) -> None:
        self.stop = False
        self.done: dict[str, int] = {}
        self.held_ns: dict[str, int] = {}
        self.cpu_ns: dict[str, int] = {}
        self.wall_ns = 0
        self.tids: dict[int, str] = {}
        self._known = truth()

    def _run(self, name: str, turn: Callable[[], int]) -> None:
        self.tids[threading.get_native_id()] = name
        done = held_ns = 0
        while not self.stop:
            held_ns += turn()
            done += 1
        self.done[name], self.held_ns[name], self.cpu_ns[name] = done, held_ns, time.thread_time_ns()

    def steady(self) -> int:
        return self._known.work(20 * STEPS)

    def pausing(self) -> int:
        time.sleep(0.004)
        return self._known.work(40 * STEPS)

    def short(self) -> int:
        time.sleep(0.001)
        return self._known.work(5 * STEPS)

    def run(self, seconds: float) -> float:
        """How much work it did."""
        turns = {"steady": self.steady, "pausing": self.pausing, "short": self.short}
        threads = [threading.Thread(target=self._run, args=item, name=item[0]) for item in turns.items()]
        begin_ns = time.monotonic_ns()
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        self.stop = True
        for thread in threads:
            thread.join()
        self.wall_ns = time.monotonic_ns() - begin_ns
        return 20 * self.done["steady"] + 40 * self.done["pausing"] + 5 * self.done["short"]

    def shares(self) -> dict[str, float]:
        """Of the GIL."""
        whole = sum(self.held_ns.values())
        return {name: held_ns / whole for name, held_ns in self.held_ns.items()}

    def held_share(self) -> float:
        """Of the time, in which one of them has the GIL."""
        return sum(self.held_ns.values()) / self.wall_ns

    def cpu_share(self) -> float:
        """Of the time, in which one of them is on a CPU."""
        return sum(self.cpu_ns.values()) / self.wall_ns


def observed_by_conc(program: Program, seconds: float, interval_s: float) -> dict[str, Any]:
    """A watch, and the holders in its summary."""
    with conc.watch(interval=interval_s) as watched:
        done = program.run(seconds)
    gil = watched.summary().gil
    of_its_threads = [hold for hold in gil.holders if hold.native_id in program.tids]
    whole_s = sum(hold.held_s for hold in of_its_threads)
    return {
        "done": done,
        "seen": {program.tids[hold.native_id]: hold.held_s / whole_s for hold in of_its_threads},
        "held": gil.held_share,
    }


def observed_by_gilknocker(program: Program, seconds: float, interval_s: float) -> dict[str, Any]:
    """It takes the GIL now and then, and tells how long that took."""
    from gilknocker import KnockKnock

    interval_us = int(interval_s * 1e6)
    knocker = KnockKnock(interval_us, sampling_interval_micros=interval_us, sleeping_interval_micros=interval_us)
    knocker.start()
    done = program.run(seconds)
    metric = knocker.contention_metric
    knocker.stop()
    return {"done": done, "held": metric}


def main(observer: str, seconds: float, interval_s: float) -> None:
    program = Program()
    if observer == "conc":
        answer = observed_by_conc(program, seconds, interval_s)
    elif observer == "gilknocker":
        answer = observed_by_gilknocker(program, seconds, interval_s)
    else:
        if observer == "waits":
            print("ready", flush=True)
            sys.stdin.readline()
        answer = {"done": program.run(seconds)}
    answer |= {"truth": program.shares(), "truly_held": program.held_share(), "cpu_share": program.cpu_share()}
    print(json.dumps(answer), flush=True)
    os._exit(0)  # gilknocker's thread may abort a process that ends in order


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]))
