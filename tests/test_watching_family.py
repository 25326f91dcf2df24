"""Which processes are found, which of their parts are kept, and what is said of the rest."""

from __future__ import annotations

import errno
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from threads_support import until

from conc.watching.family import MOST_PROCESSES, Family
from conc.watching.records import Holds, RawProcess, RawThread, RawTimeline, Segments, Totals, Waits

MS = 1_000_000


def timeline(pid: int, begin_ns: int) -> RawTimeline:
    return RawTimeline(
        begin_ns=begin_ns,
        end_ns=begin_ns,
        begin_unix_ns=0,
        interval_ns=1,
        rates=((0, 1),),
        ticks=0,
        late_ticks=0,
        cost_cpu_ns=0,
        resolution_ns=1,
        processes=(RawProcess(pid, "p", None),),
        threads=(RawThread(0, pid, "p", begin_ns, None, True, None, None, None, None),),
        segments=Segments([], [], [], [], [], [], [], []),
        holds=Holds([], [], [], [], []),
        waits=Waits([], [], [], []),
        totals=Totals([], [], [], []),
    )


@dataclass
class Machine:
    """Processes as the system would tell of them."""

    children: dict[int, list[int]] = field(default_factory=dict)
    ticks: dict[int, int] = field(default_factory=dict)
    images: dict[int, object] = field(default_factory=dict)
    begun: list[int] = field(default_factory=list)
    refused: set[int] = field(default_factory=set)
    executes_meanwhile: set[int] = field(default_factory=set)
    replaced_meanwhile: dict[int, int] = field(default_factory=dict)
    """By what begins next: number -> when the next process with it began."""
    clock: itertools.count[int] = field(default_factory=lambda: itertools.count(0, MS))
    look_s: float = 0.0
    """What each look for children costs."""

    def start(self, pid: int, parent: int, ticks: int = 1) -> None:
        self.children.setdefault(parent, []).append(pid)
        self.ticks[pid] = ticks

    def end(self, pid: int) -> None:
        del self.ticks[pid]

    def family(
        self,
        *,
        most: int = MOST_PROCESSES,
        begin: Callable[[int, int], Part | None] | None = None,
        children_of: Callable[[int], list[int]] | None = None,
    ) -> Family:
        cost = itertools.count(0)  # read before and after each look
        return Family(
            1,
            begin or self.begin,
            period_s=0.001,
            most=most,
            children_of=children_of or (lambda pid: self.children.get(pid, [])),
            start_ticks_of=self.ticks.get,
            thread_time=lambda: next(cost) * self.look_s,
        )

    def begin(self, pid: int, count: int) -> Part | None:
        if pid in self.refused:
            return None
        self.begun.append(pid)
        part = Part(self, pid, next(self.clock), count, self.images.get(pid, "first"))
        if pid in self.executes_meanwhile:
            self.images[pid] = "program"
        if pid in self.replaced_meanwhile:
            self.ticks[pid] = self.replaced_meanwhile.pop(pid)
        return part


@dataclass
class Part:
    machine: Machine
    pid: int
    begin_ns: int
    count: int
    first_image: object

    @property
    def watcher_id(self) -> int:
        return 1000 + self.pid

    def image(self) -> object:
        return self.machine.images.get(self.pid, "first") if self.pid in self.machine.ticks else None

    def end(self) -> RawTimeline:
        return timeline(self.pid, self.begin_ns)


def pids(family: Family) -> list[int]:
    return [raw.processes[0].pid for raw in family.stop()[0]]


def test_children_and_theirs_are_found_whenever_they_come() -> None:
    machine = Machine()
    machine.start(2, parent=1)
    machine.start(3, parent=2)
    family = machine.family()
    family.start()
    assert machine.begun == [2, 3]
    machine.start(4, parent=3)
    until(lambda: family.watchers == {1002, 1003, 1004}, "the new one is found and watched")
    assert 4 in machine.begun
    assert pids(family) == [2, 3, 4]


def test_one_that_ends_is_kept_and_its_number_may_be_anothers() -> None:
    machine = Machine()
    machine.start(2, parent=1)
    family = machine.family()
    family._look()
    machine.end(2)
    family._look()
    machine.ticks[2] = 9
    family._look()
    assert machine.begun == [2, 2]
    assert pids(family) == [2, 2]


def test_a_program_that_is_executed_while_the_watch_begins_is_watched_anew() -> None:
    machine = Machine()
    machine.start(2, parent=1)
    machine.executes_meanwhile.add(2)
    family = machine.family()
    for _ in range(3):
        family._look()
    assert machine.begun == [2, 2]
    assert pids(family) == [2]


def test_a_watch_that_began_with_the_next_one_of_its_number_is_not_its() -> None:
    machine = Machine()
    machine.start(2, parent=1)
    machine.replaced_meanwhile[2] = 9
    family = machine.family()
    family._look()
    assert pids(family) == []
    family._look()
    assert machine.begun == [2, 2]
    [raw] = family.stop()[0]
    assert [thread.end_ns for thread in raw.threads] == [None]


def test_a_program_whose_number_is_anothers_when_it_is_watched_anew_has_ended() -> None:
    machine = Machine()
    machine.start(2, parent=1)
    family = machine.family()
    family._look()
    machine.images[2] = "program"
    machine.replaced_meanwhile[2] = 9
    family._look()
    [raw] = family.stop()[0]
    assert machine.begun == [2, 2]
    assert [thread.end_ns for thread in raw.threads] == [raw.end_ns]


def test_what_it_was_before_it_executed_its_program_is_no_row() -> None:
    machine = Machine()
    machine.start(2, parent=1)
    family = machine.family()
    family._look()
    machine.images[2] = "program"
    family._look()
    family._look()
    assert machine.begun == [2, 2]
    assert pids(family) == [2]


def test_one_that_did_something_else_for_long_is_two_rows() -> None:
    machine = Machine()
    machine.start(2, parent=1)
    family = machine.family()
    family._look()
    machine.clock = itertools.count(60 * MS, MS)
    machine.images[2] = "program"
    family._look()
    assert pids(family) == [2, 2]


def test_a_program_that_could_not_be_watched_at_once_is_watched_by_the_next_look() -> None:
    machine = Machine()
    machine.start(2, parent=1)
    errors: list[Exception] = []

    def begin(pid: int, count: int) -> Part | None:
        if errors:
            raise errors.pop()
        return machine.begin(pid, count)

    family = machine.family(begin=begin)
    family._look()
    machine.images[2] = "program"
    errors.append(MemoryError())
    family._look()
    assert machine.begun == [2]
    family._look()
    family._look()
    assert machine.begun == [2, 2]
    assert pids(family) == [2]


def test_one_that_is_gone_before_it_is_watched_is_looked_for_again() -> None:
    machine = Machine()
    machine.start(2, parent=1)
    machine.refused.add(2)
    family = machine.family()
    family._look()
    machine.refused.clear()
    family._look()
    assert pids(family) == [2]
    assert family.stop()[2] == []


def test_one_that_is_gone_before_it_is_watched_is_told_of() -> None:
    machine = Machine()
    machine.start(2, parent=1)
    machine.refused.add(2)
    family = machine.family()
    family._look()
    machine.end(2)
    family._look()
    assert family.stop() == ([], {}, ["processes that ended before they were watched, or could not be: 1"])


def test_there_is_a_bound_and_it_is_said() -> None:
    machine = Machine()
    for pid in range(2, 7):
        machine.start(pid, parent=1)
    family = machine.family(most=3)
    family._look()
    family._look()
    raws, unknown, notes = family.stop()
    assert len(raws) == 3
    assert unknown == {}
    assert notes == ["2 processes were not watched: 3 are the most"]


def test_those_above_the_bound_are_counted_and_not_kept() -> None:
    machine = Machine()
    family = machine.family(most=0)
    for pid in range(2, 102):
        machine.start(pid, parent=1)
        family._look()
        family._look()
        assert family._left_out == {(pid, 1)}
        machine.end(pid)
    assert family.stop()[2] == ["100 processes were not watched: 0 are the most"]


def test_where_children_are_not_listed_it_is_said() -> None:
    def refuse(_pid: int) -> list[int]:
        raise OSError(38, "Function not implemented")

    family = Machine().family(children_of=refuse)
    family.start()
    assert family.stop() == ([], {"children": "children cannot be listed here: Function not implemented"}, [])


@pytest.mark.parametrize(
    "error", [OSError(errno.EMFILE, "Too many open files"), MemoryError(), RuntimeError("can't allocate lock")]
)
def test_a_look_that_fails_is_made_up_for(error: Exception) -> None:
    machine = Machine()
    machine.start(2, parent=1)
    errors = [error]

    def children_of(pid: int) -> list[int]:
        if errors:
            raise errors.pop()
        return machine.children.get(pid, [])

    family = machine.family(children_of=children_of)
    family.start()
    until(lambda: family.watchers == {1002}, "the next look finds it")
    raws, unknown, notes = family.stop()
    assert ([raw.processes[0].pid for raw in raws], unknown) == ([2], {})
    [note] = notes
    assert note == "1 looks for children failed: memory, threads or descriptors were lacking"


def test_looking_that_takes_long_becomes_rare() -> None:
    family = Machine(look_s=0.1).family()
    family._look()
    assert family._period_s == pytest.approx(10.0)
    [note] = family.stop()[2]
    assert "each 10 s at times" in note


def test_who_ends_after_the_last_look_has_ended() -> None:
    machine = Machine()
    machine.start(2, parent=1)
    family = machine.family()
    family._look()
    machine.end(2)
    [raw] = family.stop()[0]
    assert [thread.end_ns for thread in raw.threads] == [raw.end_ns]


def test_who_is_gone_has_ended_although_no_look_of_its_watch_saw_the_end() -> None:
    machine = Machine()
    machine.start(2, parent=1)
    machine.start(3, parent=1)
    family = machine.family()
    family._look()
    machine.end(2)
    family._look()
    gone, alive = sorted(family.stop()[0], key=lambda raw: raw.processes[0].pid)
    assert [thread.end_ns for thread in gone.threads] == [gone.end_ns]
    assert [thread.end_ns for thread in alive.threads] == [None]
