"""Raw timelines made by hand, and at random: what a sampler could have seen."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from conc.watching.records import (
    Held,
    Holds,
    Place,
    RawProcess,
    RawThread,
    RawTimeline,
    Reason,
    Segments,
    State,
    Totals,
    Waits,
)

BEGIN_NS = 5_000_000_000
MS = 1_000_000

RECVFROM, FUTEX = 45, 202
SYSCALLS = {RECVFROM: "recvfrom", FUTEX: "futex"}

Row = tuple[int, int, State, Reason, int]
"""begin and end in ms since the watch began, what, system call."""


@dataclass
class Builder:
    """A watch of `wall_ms`, thread by thread."""

    wall_ms: int = 1000
    threads: list[RawThread] = field(default_factory=list)
    segments: list[tuple[int, int, int, int, int, int, int, int]] = field(default_factory=list)
    holds: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    waits: list[tuple[int, int, int, int]] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    process: RawProcess = field(default_factory=lambda: RawProcess(100, "python", True, "3.11.7"))

    def thread(self, name: str, *rows: Row, **fields: Any) -> int:
        """A thread that did this; its index."""
        index = len(self.threads)
        born = min((row[0] for row in rows), default=0)
        ran = sum(end - begin for begin, end, state, _, _ in rows if state is State.RUNNING)
        known: dict[str, Any] = {
            "process": 0,
            "tid": 1000 + index,
            "name": name,
            "begin_ns": BEGIN_NS + born * MS,
            "end_ns": None,
            "born_before": born == 0,
            "cpu_ns": ran * MS,
            "run_delay_ns": 0,
            "voluntary": len(rows),
            "involuntary": 0,
            "is_python": True,
        }
        self.threads.append(RawThread(**known | fields))
        for begin, end, state, reason, syscall in rows:
            cpu = 0 if state is State.RUNNING else -1
            descriptor = 3 if syscall == RECVFROM else -1
            self.segments.append(
                (
                    BEGIN_NS + begin * MS,
                    BEGIN_NS + end * MS,
                    index,
                    state,
                    reason,
                    cpu,
                    syscall,
                    descriptor,
                )
            )
        return index

    def hold(self, begin: int, end: int, thread: int, blocked: bool = False, interpreter: int = 0) -> None:
        self.holds.append((BEGIN_NS + begin * MS, BEGIN_NS + end * MS, interpreter, thread, int(blocked)))

    def wait(self, waiter: int, holder: int, ms: int, interpreter: int = 0) -> None:
        self.waits.append((waiter, holder, interpreter, ms * MS))

    def place(self, ms: int, thread: int, *stack: tuple[str, int, str]) -> None:
        self.places.append(Place(BEGIN_NS + ms * MS, thread, stack))

    def raw(self, **fields: Any) -> RawTimeline:
        """What it adds up to; `fields` replace."""
        sums: dict[tuple[int, int, int], int] = {}
        for begin, end, thread, state, reason, *_ in self.segments:
            sums[thread, state, reason] = sums.get((thread, state, reason), 0) + end - begin
        made = RawTimeline(
            begin_ns=BEGIN_NS,
            end_ns=BEGIN_NS + self.wall_ms * MS,
            begin_unix_ns=1_700_000_000_000_000_000,
            interval_ns=MS,
            rates=((BEGIN_NS, MS),),
            ticks=self.wall_ms,
            late_ticks=0,
            cost_cpu_ns=self.wall_ms * 10_000,
            resolution_ns=MS,
            processes=(self.process,),
            threads=tuple(self.threads),
            segments=Segments(*columns(sorted(self.segments), 8)),
            holds=Holds(*columns(sorted(self.holds), 5)),
            waits=Waits(*columns(self.waits, 4)),
            totals=Totals(*columns([(*what, ns) for what, ns in sums.items()], 4)),
            places=tuple(self.places),
            syscalls=SYSCALLS,
            cpus=2,
        )
        return replace(made, **fields)


def columns(rows: list[Any], count: int) -> list[list[int]]:
    return [list(map(int, column)) for column in zip(*rows, strict=True)] or [[] for _ in range(count)]


def running(begin: int, end: int) -> Row:
    return begin, end, State.RUNNING, Reason.NONE, -1


def waiting(begin: int, end: int, reason: Reason, syscall: int = FUTEX) -> Row:
    return begin, end, State.NOT_RUNNING, reason, syscall


def one_of_everything() -> Builder:
    """Two threads that take turns with the GIL, one that holds it while it receives, and one of every other kind."""
    made = Builder(1000)
    a = made.thread("A", *_turns(0, 400), waiting(400, 1000, Reason.GIL))
    b = made.thread("B", *_turns(1, 400), waiting(400, 1000, Reason.GIL))
    bad = made.thread("receiver", waiting(0, 400, Reason.GIL), waiting(400, 1000, Reason.SOCKET, RECVFROM))
    made.thread(
        "rest <&\"'>",
        (200, 210, State.STARTING, Reason.NONE, -1),
        (210, 250, State.RUNNABLE, Reason.NONE, -1),
        *[waiting(250 + 30 * i, 280 + 30 * i, reason, -1) for i, reason in enumerate(list(Reason)[2:])],
        end_ns=BEGIN_NS + 800 * MS,
    )
    for turn in range(4):
        made.hold(100 * turn, 100 * turn + 100, (a, b)[turn % 2])
    made.hold(400, 1000, bad, blocked=True)
    for waiter, holder, ms in ((a, b, 200), (b, a, 200), (bad, a, 200), (bad, b, 200), (a, bad, 600), (b, bad, 600)):
        made.wait(waiter, holder, ms)
    for ms in range(0, 1000, 100):
        made.place(ms, a, ("app.py", 10 + ms // 100, "inner"), ("app.py", 3, "<module>"))
    return made


def _turns(first: int, until: int) -> list[Row]:
    return [
        running(ms, ms + 100) if (ms // 100) % 2 == first else waiting(ms, ms + 100, Reason.GIL)
        for ms in range(0, until, 100)
    ]


unhurried = settings(max_examples=30)  # a busy machine takes its time

HOSTILE = "</script><script>alert(1)</script>"
NAMES = st.text(max_size=12) | st.sampled_from([HOSTILE, "a\x00b", "\ud800", "]]>", "&amp;"])
REASONS = NAMES.filter(len)


@st.composite
def raw_timelines(draw: st.DrawFn) -> RawTimeline:
    """Any watch that a sampler could hand over, thinned or not, with and without a GIL."""
    made = Builder(draw(st.integers(0, 300)))
    made.process = RawProcess(draw(st.integers(1, 1 << 22)), draw(NAMES), draw(st.sampled_from([True, False, None])))
    for _ in range(draw(st.integers(0, 5))):
        made.thread(draw(NAMES), *draw(_rows(made.wall_ms)), **draw(_unknowns()))
    threads = st.integers(-1, len(made.threads) - 1)
    at = 0
    for length in draw(st.lists(st.integers(0, 60), max_size=6)):
        if at + length <= made.wall_ms:
            made.hold(at, at + length, draw(threads), draw(st.booleans()))
            at += length
    if made.threads:
        pairs = st.tuples(st.integers(0, len(made.threads) - 1), threads)
        for (waiter, holder), ms in draw(st.dictionaries(pairs, st.integers(0, 300), max_size=6)).items():
            made.wait(waiter, holder, ms)
        for thread in draw(st.lists(st.integers(0, len(made.threads) - 1), max_size=5)):
            made.place(
                len(made.places), thread, *draw(st.lists(st.tuples(NAMES, st.integers(0, 9), NAMES), max_size=3))
            )
    raw = made.raw(
        unknown=draw(st.dictionaries(st.sampled_from(["gil", "gil_holder", "syscall", "cpu_ns"]), REASONS, max_size=2)),
        notes=tuple(draw(st.lists(NAMES, max_size=2))),
    )
    if draw(st.booleans()):
        ns = 7 * MS
        sums = Held([-1], [0], [ns], [ns // 2], [ns]) if not made.threads else Held([0], [0], [ns], [0], [ns])
        raw = replace(raw, held=sums)
    return raw


@st.composite
def _rows(draw: st.DrawFn, wall_ms: int) -> list[Row]:
    rows: list[Row] = []
    at = draw(st.integers(0, wall_ms))
    for length in draw(st.lists(st.integers(0, 80), max_size=8)):
        if at + length > wall_ms:
            break
        state = draw(st.sampled_from(State))
        reason = draw(st.sampled_from(Reason)) if state is State.NOT_RUNNING else Reason.NONE
        rows.append((at, at + length, state, reason, draw(st.sampled_from([-1, RECVFROM, FUTEX, 999]))))
        at += length
    return rows


def _unknowns() -> st.SearchStrategy[dict[str, Any]]:
    fields = st.sampled_from(["cpu_ns", "run_delay_ns", "voluntary", "involuntary", "is_python"])
    return st.sets(fields, max_size=5).map(lambda names: dict.fromkeys(names))
