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
from gil_truth import Watch, truth

STEPS = 100_000
"""Of work, some 0.1 ms."""


class Program:
    """The threads, what they did, and what it took."""

    def __init__(self) -> None:
        self.stop = False
        self.done: dict[str, int] = {}
        self.held_ns: dict[str, int] = {}
        self.tids: dict[int, str] = {}
        self._known = truth()

    def _run(self, name: str, turn: Callable[[], int]) -> None:
        self.tids[threading.get_native_id()] = name
        done = held_ns = 0
        while not self.stop:
            held_ns += turn()
            done += 1
        self.done[name], self.held_ns[name] = done, held_ns

    def steady(self) -> int:
        return self._known.work(2 * STEPS)

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
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        self.stop = True
        for thread in threads:
            thread.join()
        return 2 * self.done["steady"] + 40 * self.done["pausing"] + 5 * self.done["short"]

    def shares(self) -> dict[str, float]:
        """Of the GIL."""
        whole = sum(self.held_ns.values())
        return {name: held_ns / whole for name, held_ns in self.held_ns.items()}


def observed_by_conc(program: Program, seconds: float, interval_s: float) -> dict[str, Any]:
    """The reader in a thread that never has the GIL while it observes."""
    seen, known = Watch(), truth()
    observer = threading.Thread(target=known.watch, args=(int(interval_s * 1e9), seen))
    observer.start()
    done = program.run(seconds)
    seen.stop = 1
    observer.join()
    held = {program.tids[row.tid]: row.samples for row in seen.holders if row.tid in program.tids}
    return {
        "done": done,
        "seen": {name: count / sum(held.values()) for name, count in held.items()},
        "samples": seen.samples,
        "held": seen.locked / seen.samples,
        "cpu_share": seen.cpu_ns / 1e9 / seconds,
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
    print(json.dumps({**answer, "truth": program.shares()}), flush=True)
    os._exit(0)  # gilknocker's thread may abort a process that ends in order


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]))
