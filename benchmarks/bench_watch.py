"""What a watch costs, and how right it is about programs that know themselves what they do.

Costs are CPU time of the sampler's own thread, as the kernel counts it; the throughput of a watched program is measured
beside it unwatched, alternately.
"""

from __future__ import annotations

import ctypes
import functools
import operator
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from paired import QUICK, alone, collector_off, note, rounds_of
from results import Target

import conc
from conc import kernels
from conc.watching.records import RawTimeline, Reason, State

WATCHED_S = 0.2 if QUICK else 2.0
ROUNDS = rounds_of(7)


@contextmanager
def computing(count: int, work: Callable[[threading.Event], object]) -> Iterator[list[threading.Thread]]:
    """So many threads that do `work` until the event is set."""
    over, inside = threading.Event(), threading.Barrier(count + 1)

    def run() -> None:
        inside.wait()
        work(over)

    threads = [threading.Thread(target=run, name=f"busy {index}") for index in range(count)]
    for thread in threads:
        thread.start()
    inside.wait()
    try:
        yield threads
    finally:
        over.set()
        for thread in threads:
            thread.join()


def in_python(over: threading.Event) -> None:
    while not over.is_set():
        pass


def without_the_gil(over: threading.Event) -> None:
    while not over.is_set():
        kernels.spin(0.05)


def watched(interval: float, seconds: float = WATCHED_S) -> RawTimeline:
    with conc.watch(interval=interval) as watch:
        time.sleep(seconds)
    return watch.raw


def cpu_percent(raw: RawTimeline) -> float:
    return 100 * raw.cost_cpu_ns / (raw.end_ns - raw.begin_ns)


def total_ns(raw: RawTimeline, threads: set[int], *wanted: tuple[State, Reason]) -> int:
    rows = zip(raw.totals.thread, raw.totals.state, raw.totals.reason, raw.totals.ns, strict=True)
    return sum(
        ns for thread, state, reason, ns in rows if thread in threads and (not wanted or (state, reason) in wanted)
    )


def busy_threads(raw: RawTimeline, kind: str = "busy") -> set[int]:
    return {index for index, thread in enumerate(raw.threads) if thread.name.startswith(f"{kind} ")}


WAKING = """
#include <sys/prctl.h>
#include <time.h>

static int64_t now(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

int64_t wake_each_millisecond(int64_t times)
{
    int64_t begin = now(CLOCK_THREAD_CPUTIME_ID), due = now(CLOCK_MONOTONIC);
    prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
    for (int64_t i = 0; i < times; i++) {
        due += 1000000;
        struct timespec ts = {due / 1000000000, due % 1000000000};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
    }
    return now(CLOCK_THREAD_CPUTIME_ID) - begin;
}
"""
"""The CPU time of a thread that is woken at 1 kHz, and does nothing: no watch can cost less."""


def test_cost_of_eight_busy_threads(benchmark: Any) -> None:
    """Beside the same threads, by turns: a thread that is only woken as often."""
    wake = conc.compile_c(WAKING)
    times = round(WATCHED_S / 0.001)
    found: dict[str, tuple[list[float], list[float]]] = {"in Python code": ([], []), "in native code": ([], [])}

    def measure() -> None:
        for name, work in (("in Python code", in_python), ("in native code", without_the_gil)):
            with computing(8, work):
                found[name][0].append(cpu_percent(watched(0.001)))
                waking = conc.Thread(target=wake, args=(times,))
                waking.start()
                found[name][1].append(100 * waking.result() / (1e6 * times))

    benchmark.pedantic(measure, rounds=ROUNDS, iterations=1)
    for name, (shares, bare) in found.items():
        alone(
            benchmark,
            f"CPU time of a watch at 1 kHz over 8 busy threads {name}",
            shares,
            "% of a core",
            how=f"{ROUNDS} watches of {WATCHED_S:g} s",
            target=Target("at most", 3, "% of a core"),
        )
        alone(
            benchmark,
            f"CPU time of a thread that is woken at 1 kHz and does nothing, beside 8 busy threads {name}",
            bare,
            "% of a core",
            how=f"{ROUNDS} times {WATCHED_S:g} s",
        )


def test_cost_of_a_thousand_sleepers(benchmark: Any) -> None:
    shares: list[float] = []
    threads = [conc.Thread(target=kernels.sleep, args=(3600,)) for _ in range(1000)]
    for thread in threads:
        thread.start()
    benchmark.pedantic(lambda: shares.append(cpu_percent(watched(0.01))), rounds=ROUNDS, iterations=1)
    for thread in threads:
        thread.stop(0)
    for thread in threads:
        thread.join()
    alone(
        benchmark,
        "CPU time of a watch at 100 Hz over 1,000 sleeping threads",
        shares,
        "% of a core",
        how=f"{ROUNDS} watches of {WATCHED_S:g} s",
        target=Target("at most", 15, "% of a core"),
    )


def compute(threads: int, turns: int) -> tuple[float, float]:
    """So many threads in Python code, so many turns each: seconds, and seconds that they were on a CPU."""
    used_s: list[float] = []

    def count() -> None:
        for _ in range(turns):
            pass
        used_s.append(time.thread_time())

    counting = [threading.Thread(target=count) for _ in range(threads)]
    begin = time.perf_counter()
    for thread in counting:
        thread.start()
    for thread in counting:
        thread.join()
    return time.perf_counter() - begin, sum(used_s)


def test_throughput_of_a_watched_program(benchmark: Any) -> None:
    """Four threads in Python code, a fixed amount of work each, inside of a watch that goes on and without one.

    The work is short, its rounds are many and each goes there and back, so that a machine whose speed drifts moves both
    sides alike. What the watch's begin and end take stands by itself.
    """
    turns = 20_000 if QUICK else 2_000_000
    unwatched_s: list[float] = []
    watched_s: list[float] = []
    kept: list[float] = []
    begins_ms: list[float] = []
    ends_ms: list[float] = []

    def measure() -> None:
        before = compute(4, turns)
        begin = time.perf_counter()
        with conc.watch():
            inside = time.perf_counter()
            runs = compute(4, turns), compute(4, turns)
            end = time.perf_counter()
        ends_ms.append(1e3 * (time.perf_counter() - end))
        begins_ms.append(1e3 * (inside - begin))
        after = compute(4, turns)
        unwatched_s.append(before[0] + after[0])
        watched_s.append(runs[0][0] + runs[1][0])
        kept.append((runs[0][1] + runs[1][1]) / watched_s[-1] / ((before[1] + after[1]) / unwatched_s[-1]))

    with conc.watch():
        compute(4, turns)
    rounds = rounds_of(101)
    with collector_off():
        benchmark.pedantic(measure, rounds=rounds, iterations=1)
    note(
        benchmark,
        "four threads in Python code inside of a watch at 1 kHz",
        watched_s,
        unwatched_s,
        against="unwatched",
        target=Target("at least", 0.99, "x"),
    )
    name = "share of the time that four threads in Python code are on a CPU, inside of a watch at 1 kHz"
    alone(
        benchmark, name, kept, "of unwatched", how=f"{rounds} rounds", target=Target("at least", 0.99, "of unwatched")
    )
    alone(benchmark, "a watch's begin", begins_ms, "ms", how=f"{rounds} watches")
    alone(benchmark, "a watch's end", ends_ms, "ms", how=f"{rounds} watches of {unwatched_s[0]:.2g} s")


FIRST_WATCH = """
import threading, time
import conc
over = False
def compute():
    while not over:
        pass
threads = [threading.Thread(target=compute) for _ in range(8)]
for thread in threads:
    thread.start()
for _ in range(2):
    before = time.perf_counter()
    with conc.watch():
        inside = time.perf_counter()
        time.sleep(0.1)
        end = time.perf_counter()
    print(1e3 * (inside - before), 1e3 * (time.perf_counter() - end))
over = True
"""


def test_a_first_watch_beside_threads_that_want_the_gil(benchmark: Any) -> None:
    """A fresh process each: what the first watch imports, and how often it gives up the GIL. Then the second watch."""
    taken: list[list[float]] = []

    def measure() -> None:
        done = subprocess.run([sys.executable, "-c", FIRST_WATCH], check=True, stdout=subprocess.PIPE)
        taken.append([float(word) for word in done.stdout.split()])

    benchmark.pedantic(measure, rounds=ROUNDS, iterations=1)
    names = [
        f"{which} watch beside 8 GIL-bound threads: {what}"
        for which in ("first", "second")
        for what in ("begin", "end")
    ]
    for name, values in zip(names, zip(*taken, strict=True), strict=True):
        alone(benchmark, name, list(values), "ms", how=f"{ROUNDS} fresh processes")


def share_of_gil_waits(raw: RawTimeline, kind: str) -> float:
    """Percent of the time of the threads of that kind."""
    threads = busy_threads(raw, kind)
    return 100 * total_ns(raw, threads, (State.NOT_RUNNING, Reason.GIL)) / total_ns(raw, threads)


def test_share_of_waiting_for_the_gil(benchmark: Any) -> None:
    """(n - 1) / n for n threads in Python code; 0 for threads that let go of the GIL, also beside those."""
    errors: dict[str, list[float]] = {}

    @contextmanager
    def spinning(count: int) -> Iterator[None]:
        """So many threads that never come back for the GIL."""
        threads = [conc.Thread(target=kernels.spin, args=(3600,), name=f"native {index}") for index in range(count)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            for thread in threads:
                thread.stop(0)
            for thread in threads:
                thread.join()

    def judge(name: str, share: float, truth: float) -> None:
        errors.setdefault(name, []).append(abs(share - truth))

    def measure() -> None:
        for count in (1, 2, 4, 8):
            with computing(count, in_python):
                raw = watched(0.001)
            judge(f"{count} threads in Python code", share_of_gil_waits(raw, "busy"), 100 * (count - 1) / count)
        with computing(2, without_the_gil):
            raw = watched(0.001)
        judge("2 threads in native code", share_of_gil_waits(raw, "busy"), 0)
        with computing(4, in_python), spinning(2):
            raw = watched(0.001)
        judge("4 threads in Python code beside 2 in native code", share_of_gil_waits(raw, "busy"), 75)
        judge("2 threads in native code beside 4 in Python code", share_of_gil_waits(raw, "native"), 0)

    benchmark.pedantic(measure, rounds=ROUNDS, iterations=1)
    for name, points in errors.items():
        alone(
            benchmark,
            f"error of the share of time that threads wait for the GIL: {name}",
            points,
            "points",
            how=f"{ROUNDS} watches of {WATCHED_S:g} s",
            target=Target("at most", 3, "points"),
        )


def test_the_holder_is_named(benchmark: Any) -> None:
    """Threads that keep the GIL in C for 5 ms at a time, and write down when."""
    usleep = ctypes.PyDLL(None).usleep
    shares: list[float] = []

    def measure() -> None:
        kept: dict[str, list[tuple[int, int]]] = {}

        def keep(over: threading.Event) -> None:
            mine = kept.setdefault(threading.current_thread().name, [])
            # One call of C functions alone: nobody else has the GIL between the two times.
            steps = (time.monotonic_ns, functools.partial(usleep, 5000), time.monotonic_ns)
            while not over.is_set():
                begin, _, end = tuple(map(operator.call, steps))
                mine.append((begin, end))

        with computing(3, keep):
            raw = watched(0.001)
        shares.append(100 * named_share(raw, kept))

    benchmark.pedantic(measure, rounds=ROUNDS, iterations=1)
    alone(
        benchmark,
        "looks at which the holder of the GIL was named right",
        shares,
        "%",
        how=f"{ROUNDS} watches of {WATCHED_S:g} s",
        target=Target("at least", 99, "%"),
    )


def named_share(raw: RawTimeline, kept: dict[str, list[tuple[int, int]]]) -> float:
    """Of the looks that fell into a time in which a thread knows that it had the GIL: those that say so.

    A hold ends with the look that saw it last.
    """
    truth = sorted((begin, end, name) for name, times in kept.items() for begin, end in times)
    right = wrong = at = 0
    for end_ns, thread in sorted(zip(raw.holds.end_ns, raw.holds.thread, strict=True)):
        while at < len(truth) and truth[at][1] < end_ns:
            at += 1
        if at == len(truth):
            break
        begin, _, name = truth[at]
        if begin <= end_ns:
            said = raw.threads[thread].name if thread >= 0 else None
            right, wrong = right + (said == name), wrong + (said != name)
    return right / (right + wrong)
