"""How the stress tests race: many threads released at once, and every outcome accounted for."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# More rounds for a machine with time: CONC_STRESS_SCALE=20 on a free-threaded build, or under a sanitizer less than 1.
SCALE = float(os.environ.get("CONC_STRESS_SCALE", "1"))
THREADS = 8


def rounds(count: int) -> int:
    """`count` rounds at scale 1."""
    return max(1, round(count * SCALE))


@dataclass(frozen=True)
class Outcome:
    """What one racer's call gave: a value or an exception."""

    value: Any = None
    error: BaseException | None = None


def race(*calls: Callable[[], object]) -> list[Outcome]:
    """Run each call in a thread of its own, all released at the same moment; their outcomes in order."""
    barrier = threading.Barrier(len(calls))
    outcomes: list[Outcome] = [Outcome()] * len(calls)

    def run(index: int, call: Callable[[], object]) -> None:
        barrier.wait()
        try:
            outcomes[index] = Outcome(value=call())
        except BaseException as error:
            outcomes[index] = Outcome(error=error)

    threads = [threading.Thread(target=run, args=item) for item in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def race_alike(call: Callable[[], object], threads: int = THREADS) -> list[Outcome]:
    """The same call in many threads."""
    return race(*[call] * threads)


def values(outcomes: list[Outcome]) -> list[Any]:
    """The values of calls that must not fail; the first error is raised."""
    for outcome in outcomes:
        if outcome.error is not None:
            raise outcome.error
    return [outcome.value for outcome in outcomes]


def errors(outcomes: list[Outcome]) -> list[BaseException]:
    """What was raised."""
    return [outcome.error for outcome in outcomes if outcome.error is not None]
