"""What the samples show: a pure function of the records, without a clock, a system call or a random number.

The rules, in their order, with `cpu` for the sequential lane's CPU seconds a second of wall time, not counting the time
in which it could have run but other programs had the CPU:

1.  No lane finished, or a run is too short to tell: inconclusive (or overhead, see below).
2.  cpu <= 0.2: the work waits. "io" where waiting overlaps on some concurrent lane or none was tried; "lock" where
    processes overlap it and threads do not.
3.  0.2 < cpu < 0.8: "mixed".
4.  cpu >= 0.8: the work computes. "cpu-native" where it uses several CPUs by itself, or threads speed it up although
    there is a GIL; "cpu-python" where processes speed it up and threads do not, or threads do and there is no GIL;
    "cpu-python", too, where the native twin alone takes a small part of the time;
    "unbalanced" where one process computed all the time and the others hardly; "lock" where threads do not speed it up
    without a GIL, and processes do; "overhead" where no lane of Python workers gains, and an item costs less than
    handing it over.
5.  Whatever needs a speed-up needs an interval, and so three rounds: else inconclusive.

"memory" is for a later probe: nothing here could show it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from statistics import median

from conc.comparison.records import Comparison, Run
from conc.comparison.stats import MIN_ROUNDS, Ratio, busy_share, cpu_share, run_delay_share, speedup, user_share, walls
from conc.records import Record

WAITS, COMPUTES, SEVERAL_CPUS = 0.2, 0.8, 1.3
GAIN = 1.25  # a speed-up that counts: the interval must lie above
FLAT = 1.15  # no speed-up: the interval must lie below
EQUAL = 1.05  # two lanes are as good as each other within this
CHEAP_ITEM_S = 200e-6
CROWDED = 0.25
GIL_WAIT = 0.1  # a share of a thread's time that is worth a word

SIMPLEST_FIRST = ("sequential", "threads", "native-threads", "asyncio", "processes", "native")


@dataclass(frozen=True, slots=True)
class Verdict(Record):
    """What the work is bound by, and the lane to use.

    Attributes:
        kind: "io", "cpu-python", "cpu-native", "memory", "lock", "overhead", "unbalanced", "mixed" or "inconclusive".
        shares: parts of the sequential lane's wall time: "user" and "system" (on a CPU), "queued" (for a CPU that
            others had) and "waiting" (for anything else), together 1 unless several CPUs worked at a time; empty where
            that lane did not finish, or its runs are too short to tell.
        best_lane: the simplest lane among those that are not shown to be slower than the fastest; None: no lane ran.
        reasons: sentences with the figures that say so.
    """

    kind: str
    shares: Mapping[str, float] = field(default_factory=dict)
    best_lane: str | None = None
    reasons: tuple[str, ...] = ()


def judge(comparison: Comparison) -> Verdict:
    """The verdict on a comparison."""
    runs = {name: run for name, run in comparison.runs.items() if run.finished}
    if not runs:
        return Verdict("inconclusive", reasons=("No lane finished a run with right results.",))
    case = _Case(comparison, runs)
    kind, reasons = _kind(case)
    best = best_lane(runs)
    return Verdict(
        kind, _shares(case), best, (*reasons, *_gil_waits(case), *_gil_words(case, kind), *_advice(case, best))
    )


def best_lane(runs: Mapping[str, Run]) -> str | None:
    """The fastest lane; a simpler one in its place unless that is shown to be slower."""
    if not runs:
        return None
    fastest = min(runs, key=lambda name: median(walls(runs[name])))
    for name in sorted(runs, key=_simplicity):
        if name == fastest:
            break
        slower = speedup(runs[fastest], over=runs[name])
        if slower is None:
            continue
        if slower.value < EQUAL or (slower.low is not None and slower.low <= 1.0):
            return name
    return fastest


def _simplicity(name: str) -> int:
    return SIMPLEST_FIRST.index(name) if name in SIMPLEST_FIRST else len(SIMPLEST_FIRST)


class _Case:
    """The records with what the rules ask of them."""

    def __init__(self, comparison: Comparison, runs: Mapping[str, Run]) -> None:
        self.comparison = comparison
        self.runs = runs
        self.sequential = runs.get("sequential")
        self.gil = comparison.environment.gil
        self.width = min(comparison.workers, comparison.environment.cpus.count)
        self.cpu = None if self.sequential is None else busy_share(self.sequential)
        self.speedups: dict[str, Ratio] = {}
        if self.sequential is not None:
            for name, run in runs.items():
                ratio = speedup(run, over=self.sequential)
                if name != "sequential" and ratio is not None:
                    self.speedups[name] = ratio

    @property
    def python_lanes(self) -> dict[str, Ratio]:
        """The concurrent lanes that run the Python function itself."""
        return {
            name: self.speedups[name] for name in ("threads", "native-threads", "processes") if name in self.speedups
        }

    @property
    def threads(self) -> dict[str, Ratio]:
        """Those of them that stay in this process."""
        return {name: ratio for name, ratio in self.python_lanes.items() if name != "processes"}

    @property
    def item_s(self) -> float:
        """Seconds an item on the sequential lane."""
        assert self.sequential is not None
        return median(walls(self.sequential)) / max(self.comparison.items_run, 1)


def _kind(case: _Case) -> tuple[str, tuple[str, ...]]:
    if case.sequential is None:
        return _without_sequential(case)
    if case.cpu is None:
        return _too_short(case)
    wall = f"The sequential lane used {case.cpu:.2f} CPU seconds a second{_crowd_words(case.sequential)}"
    if case.cpu <= WAITS:
        return _waiting(case, f"{wall}: {_percent(1 - case.cpu)} of its time it waited.")
    if case.cpu < COMPUTES:
        return "mixed", (f"{wall}: it computes and waits by turns.",)
    return _computing(case, f"{wall}: it computes all the time.")


def _without_sequential(case: _Case) -> tuple[str, tuple[str, ...]]:
    """Without a baseline only waiting can be shown: where even concurrent work leaves the CPU idle."""
    for name, run in case.runs.items():
        cpu = busy_share(run)
        if cpu is not None and cpu <= WAITS:
            return "io", (f"The lane {name} used {cpu:.2f} CPU seconds a second: the work waits.",)
    asked = "sequential" in case.comparison.runs
    why = "did not finish" if asked else "was not among the lanes asked for"
    return "inconclusive", (f"The sequential lane {why}: there is nothing to measure the others against.",)


def _too_short(case: _Case) -> tuple[str, tuple[str, ...]]:
    """Runs of less than a millisecond: their times can be compared, what they are bound by cannot be told."""
    found = _too_small(case)
    if found is not None:
        return found[0], found[1:]
    wall = f"A run of the sequential lane takes {_micro(case.item_s * max(case.comparison.items_run, 1))}"
    return "inconclusive", (f"{wall}: too short to tell what it is bound by. Give it more items.",)


def _waiting(case: _Case, reason: str) -> tuple[str, tuple[str, ...]]:
    overlapping = {name: ratio for name, ratio in case.speedups.items() if ratio.surely_above(GAIN)}
    threads = case.threads
    if "processes" in overlapping and threads and all(ratio.surely_below(FLAT) for ratio in threads.values()):
        return "lock", (
            reason,
            f"Threads do not overlap the waiting ({_words(threads)}), processes do "
            f"({_words({'processes': overlapping['processes']})}): the threads wait for each other, as for a lock.",
        )
    if overlapping:
        return "io", (reason, f"Waiting overlaps: {_words(overlapping)}.")
    tried = {name: ratio for name, ratio in case.speedups.items() if ratio.surely_below(FLAT)}
    if tried and case.comparison.workers > 1:
        return "io", (
            reason,
            f"No lane overlaps it ({_words(tried)}): what it waits for serves one at a time.",
        )
    if case.speedups and case.width > 1 and case.comparison.rounds < MIN_ROUNDS:
        return "inconclusive", (reason, *_why_unclear(case))
    return "io", (reason,)


def _computing(case: _Case, reason: str) -> tuple[str, tuple[str, ...]]:
    assert case.cpu is not None
    if case.cpu >= SEVERAL_CPUS:
        return "cpu-native", (reason, "More than one second a second: the function uses several CPUs by itself.")
    for rule in (_threads_gain, _processes_gain, _native_gains, _uneven, _too_small):
        found = rule(case)
        if found is not None:
            return found[0], (reason, *found[1:])
    return "inconclusive", (reason, *_why_unclear(case))


def _threads_gain(case: _Case) -> tuple[str, ...] | None:
    gaining = {name: ratio for name, ratio in case.threads.items() if ratio.surely_above(GAIN)}
    if not gaining:
        return None
    if case.gil:
        return (
            "cpu-native",
            f"Threads speed it up although there is a GIL ({_words(gaining)}): the function releases it.",
        )
    return "cpu-python", f"The GIL is off, and threads compute at the same time: {_words(gaining)}."


def _processes_gain(case: _Case) -> tuple[str, ...] | None:
    processes, threads = case.speedups.get("processes"), case.threads
    if processes is None or not processes.surely_above(GAIN):
        return None
    if not threads or not all(ratio.surely_below(GAIN) for ratio in threads.values()):
        return None
    words = f"({_words(threads)}), processes do ({_words({'processes': processes})})"
    if case.gil:
        return "cpu-python", f"Threads do not speed it up {words}: the GIL is held while it computes."
    return "lock", f"Threads do not speed it up though the GIL is off {words}: they contend for something they share."


def _native_gains(case: _Case) -> tuple[str, ...] | None:
    """More than parallel work could explain: what the twin saves is the interpreter's part."""
    native = case.speedups.get("native")
    if native is None or not native.surely_above(2.0 * case.width):
        return None
    return (
        "cpu-python",
        f"Nearly all of it is the interpreter's own work: the native twin is {ratio_words(native)} as fast.",
    )


def _uneven(case: _Case) -> tuple[str, ...] | None:
    """One process that computes all the time while the others idle: an item, or a chunk, is most of the work."""
    run = case.runs.get("processes")
    if run is None or case.width < 2:
        return None
    busiest, others = [], []
    for sample in run.samples:
        if len(sample.actor_cpu_s) < 2:
            return None
        ordered = sorted(sample.actor_cpu_s)
        busiest.append(ordered[-1] / sample.wall_s)
        others.append(sum(ordered[:-1]) / (len(ordered) - 1) / sample.wall_s)
    if len(busiest) < MIN_ROUNDS or median(busiest) < 0.8 or median(others) > 0.4:
        return None
    return "unbalanced", (
        f"One of the processes computed {_percent(median(busiest))} of the time, the others "
        f"{_percent(median(others))}: a few items are most of the work."
    )


def _too_small(case: _Case) -> tuple[str, ...] | None:
    lanes = case.python_lanes
    losing = {name: ratio for name, ratio in lanes.items() if ratio.surely_below(1.0)}
    if not lanes or losing != lanes or "processes" not in lanes or case.item_s > CHEAP_ITEM_S or case.width < 2:
        return None
    return "overhead", (
        f"An item takes {_micro(case.item_s)}, and every lane of Python workers is slower than a plain loop "
        f"({_words(losing)}): handing an item over costs more than the item."
    )


def _why_unclear(case: _Case) -> Iterator[str]:
    if case.width < 2:
        what = "worker" if case.comparison.workers < 2 else "CPU allowed"
        yield f"With one {what} no lane can show whether it computes at the same time as another."
    elif case.comparison.rounds < MIN_ROUNDS:
        rounds = f"{case.comparison.rounds} round{'' if case.comparison.rounds == 1 else 's'}"
        yield f"{rounds} gave no interval for the speed-ups: {MIN_ROUNDS} are needed (raise budget_s or repeats)."
    elif not case.python_lanes:
        yield "No concurrent lane ran the Python function."
    else:
        yield f"The concurrent lanes do not tell: {_words(case.python_lanes)}."
    delay = None if case.sequential is None else run_delay_share(case.sequential)
    if delay is not None and delay > CROWDED:
        yield "The machine is too busy with other programs for a comparison: let it rest, and compare again."


def _gil_waits(case: _Case) -> Iterator[str]:
    """What was seen, beside what follows from the times."""
    shares = {
        name: case.runs[name].gil_wait.share or 0.0
        for name in ("threads", "native-threads", "native")
        if name in case.runs
    }
    waiting = [f"{name} {_percent(share)}" for name, share in shares.items() if share >= GIL_WAIT]
    if waiting:
        yield f"Threads were seen to wait for the GIL for this much of their time: {', '.join(waiting)}."


def _gil_words(case: _Case, kind: str) -> Iterator[str]:
    ratio = case.speedups.get("native-threads")
    if ratio is None or not case.gil or kind not in ("cpu-python", "overhead", "unbalanced", "inconclusive"):
        return
    if case.cpu is not None and case.cpu >= COMPUTES and not ratio.surely_above(GAIN):
        yield (
            "Native threads that run a Python callable gain nothing at CPU work while there is a GIL: "
            f"{_words({'native-threads': ratio})}. Only a native kernel computes without it."
        )


def _advice(case: _Case, best: str | None) -> Iterator[str]:
    if best is None:
        return
    if best == "sequential":
        if len(case.runs) > 1:
            yield "Use a plain loop: no other lane is shown to be faster."
        return
    ratio = case.speedups.get(best)
    gain = "the fastest lane that ran" if ratio is None else f"{ratio_words(ratio)} the speed of a plain loop"
    yield f"Use {best}: {gain}."


def _shares(case: _Case) -> dict[str, float]:
    cpu = None if case.sequential is None else cpu_share(case.sequential)
    if case.sequential is None or cpu is None:
        return {}
    user = min(user_share(case.sequential) or 0.0, cpu)
    queued = min(run_delay_share(case.sequential) or 0.0, max(1.0 - cpu, 0.0))
    return {"user": user, "system": cpu - user, "queued": queued, "waiting": max(1.0 - cpu - queued, 0.0)}


def _crowd_words(run: Run) -> str:
    """What was left out of the share, where it was much."""
    delay = run_delay_share(run)
    if delay is None or delay < 0.05:
        return ""
    return f" (without the {_percent(delay)} of its time in which other programs had the CPU)"


def _words(ratios: Mapping[str, Ratio]) -> str:
    """Speed-ups for a sentence: ``threads 0.98x [0.95, 1.01]``."""
    return ", ".join(f"{name} {ratio_words(ratio)}" for name, ratio in ratios.items())


def ratio_words(ratio: Ratio) -> str:
    """``1.92x [1.90, 1.95]``, without the interval where there is none."""
    if ratio.low is None or ratio.high is None:
        return f"{ratio.value:.2f}x"
    return f"{ratio.value:.2f}x [{ratio.low:.2f}, {ratio.high:.2f}]"


def _percent(share: float) -> str:
    return f"{share:.0%}"


def _micro(seconds: float) -> str:
    return f"{seconds * 1e6:.3g} µs"
