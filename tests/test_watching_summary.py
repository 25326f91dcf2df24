"""What a watch adds up to: shares, the GIL's account, and the words about them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from raw_timelines import (
    BEGIN_NS,
    FUTEX,
    MS,
    RECVFROM,
    Builder,
    one_of_everything,
    raw_timelines,
    running,
    unhurried,
    waiting,
)

from conc.watching.gil_account import overlap, union
from conc.watching.kinds import LOOKS, doing
from conc.watching.records import Held, RawProcess, RawTimeline, Reason, State, Totals
from conc.watching.results import Blocked, Longest, Shares
from conc.watching.summary import NEVER_SEEN, NO_GIL, summarize

pytestmark = pytest.mark.once  # plain Python

PARTS = [look.share for look in LOOKS.values()]


@unhurried
@given(raw_timelines())
def test_shares_lie_between_0_and_1_and_add_to_1(raw: RawTimeline) -> None:
    summary = summarize(raw)
    for shares in (summary.total, *summary.threads):
        known = [getattr(shares, name) for name in PARTS]
        assert all(share is None or 0 <= share <= 1 for share in [*known, shares.gil_held_share])
        assert sum(share for share in known if share is not None) == pytest.approx(1 if shares.seen_s else 0)
        assert sum(shares.reasons.values()) <= 1 + 1e-9


@unhurried
@given(raw_timelines())
def test_what_is_not_known_has_a_reason(raw: RawTimeline) -> None:
    summary = summarize(raw)
    for record in (summary.total, *summary.threads, *summary.gils):
        names = [name for name, value in record.to_dict().items() if value is None]
        assert set(names) <= record.unknown.keys()
        assert all(record.to_dict()[name] is None for name in record.unknown)
    assert summary.cores_busy is not None or "cores_busy" in summary.unknown
    assert summary.gil is not None or summary.unknown["gil"]


@unhurried
@given(raw_timelines())
def test_the_gils_account_stays_within_the_watch(raw: RawTimeline) -> None:
    for gil in summarize(raw).gils:
        assert gil.contention is not None
        assert 0 <= gil.contention <= 1
        assert gil.held_share is None or 0 <= gil.held_share <= 1
        assert [hold.held_s for hold in gil.holders] == sorted((hold.held_s for hold in gil.holders), reverse=True)
        assert [pair.wait_s for pair in gil.starved] == sorted((pair.wait_s for pair in gil.starved), reverse=True)


@unhurried
@given(raw_timelines())
def test_a_summary_is_plain_data_and_words(raw: RawTimeline) -> None:
    summary = summarize(raw)
    assert json.loads(summary.to_json()) == summary.to_dict()
    assert summary.verdict
    assert all(line.endswith(".") for line in summary.verdict)


def test_the_names_that_others_rely_on() -> None:
    a, b, receiver, rest = summarize(one_of_everything().raw()).threads
    assert (a.name, a.native_id, a.pid) == ("A", 1000, 100)
    assert (a.running_share, a.gil_wait_share, a.gil_held_share) == (0.2, 0.8, 0.2)
    assert (receiver.io_wait_share, receiver.gil_held_share, receiver.gil_wait_share) == (0.6, 0.6, 0.4)
    assert b.switches == 5
    assert rest.ended
    assert rest.wall_s == pytest.approx(0.6)
    assert rest.futex_wait_share == pytest.approx(150 / 500)
    assert rest.io_wait_share == pytest.approx(150 / 500)
    assert rest.sleep_share == pytest.approx(30 / 500)
    assert rest.runnable_share == pytest.approx(40 / 500)
    assert rest.starting_share == pytest.approx(10 / 500)
    assert rest.other_wait_share == pytest.approx(120 / 500)
    assert rest.reasons["page_fault"] == pytest.approx(30 / 500)


def test_the_gils_account() -> None:
    gil = summarize(one_of_everything().raw()).gil
    assert gil is not None
    assert gil.held_share == 1.0
    assert gil.contention == 1.0
    assert gil.waiting_threads == pytest.approx(2.0)
    assert [(hold.name, hold.held_s, hold.longest_s, hold.blocked_s) for hold in gil.holders] == [
        ("receiver", 0.6, 0.6, 0.6),
        ("A", 0.2, 0.1, 0.0),
        ("B", 0.2, 0.1, 0.0),
    ]
    assert sum(hold.held_share for hold in gil.holders) == pytest.approx(1)
    assert gil.longest_hold == Longest("receiver", 1002, 0.6, 0.4)
    assert gil.longest_wait == Longest("A", 1000, 0.7, 0.3)
    assert gil.blocked == (Blocked("receiver", 1002, "recvfrom", 0.6),)
    assert gil.blocked_s == 0.6
    assert [(pair.waiter, pair.holder, pair.wait_s) for pair in gil.starved[:2]] == [
        ("A", "receiver", 0.6),
        ("B", "receiver", 0.6),
    ]
    assert {wait.name: wait.wait_s for wait in gil.waiters} == {"A": 0.8, "B": 0.8, "receiver": 0.4}


def test_contention_counts_only_while_another_holds() -> None:
    made = Builder(100)
    waiter = made.thread("waiter", waiting(0, 50, Reason.GIL), running(50, 100))
    holder = made.thread("holder", running(0, 100))
    made.hold(0, 30, holder)
    made.wait(waiter, holder, 30)
    gil = summarize(made.raw()).gil
    assert gil is not None
    assert gil.contention == pytest.approx(0.3)
    assert gil.held_share == pytest.approx(0.3)


def test_contention_without_holders_is_the_time_in_which_anybody_waits() -> None:
    made = Builder(100)
    waiter = made.thread("waiter", waiting(0, 50, Reason.GIL), running(50, 100))
    made.wait(waiter, -1, 50)
    gil = summarize(made.raw(unknown={"gil_holder": "no layout"})).gil
    assert gil is not None
    assert gil.contention == pytest.approx(0.5)
    assert (gil.held_share, gil.longest_hold, gil.blocked_s) == (None, None, None)
    assert gil.unknown["held_share"] == "no layout"
    assert gil.starved[0].holder_id is None


def test_a_hold_is_blocked_in_the_system_call_that_its_holder_sits_in() -> None:
    made = Builder(100)
    thread = made.thread(
        "t", waiting(0, 20, Reason.SOCKET, RECVFROM), waiting(20, 30, Reason.FUTEX, FUTEX), running(30, 100)
    )
    made.hold(0, 40, thread, blocked=True)
    gil = summarize(made.raw()).gil
    assert gil is not None
    assert [(row.syscall, row.seconds) for row in gil.blocked] == [("recvfrom", 0.02), ("futex", 0.01), (None, 0.01)]


def test_exact_sums_count_more_than_a_thinned_series() -> None:
    made = Builder(100)
    thread = made.thread("t", running(0, 100))
    made.hold(0, 100, thread)
    sums = Held([thread], [0], [70 * MS], [5 * MS], [20 * MS])
    gil = summarize(made.raw(held=sums)).gil
    assert gil is not None
    hold = gil.holders[0]
    assert (hold.held_s, hold.blocked_s, hold.longest_s) == (0.07, 0.005, 0.02)
    totals = Totals([thread] * 2, [State.RUNNING, State.NOT_RUNNING], [Reason.NONE, Reason.SLEEP], [MS, 3 * MS])
    assert summarize(made.raw(totals=totals)).threads[0].sleep_share == 0.75


def test_a_hold_that_thinning_cut_is_one() -> None:
    made = Builder(100)
    thread = made.thread("t", running(0, 100))
    made.hold(10, 20, thread)
    made.hold(20, 50, thread, blocked=True)
    gil = summarize(made.raw()).gil
    assert gil is not None
    assert gil.longest_hold == Longest("t", 1000, 0.04, 0.01)


def test_interpreters_and_processes_have_locks_of_their_own() -> None:
    made = Builder(100)
    a = made.thread("a", running(0, 100))
    b = made.thread("b", waiting(0, 100, Reason.GIL))
    c = made.thread("c", waiting(0, 100, Reason.GIL), process=1)
    made.hold(0, 100, a)
    made.hold(0, 100, a, interpreter=1)
    made.wait(b, a, 100, interpreter=1)
    made.wait(c, -1, 100)
    raw = made.raw(processes=(made.process, RawProcess(200, "child", True)))
    gils = {(gil.pid, gil.interpreter): gil for gil in summarize(raw).gils}
    assert list(gils) == [(100, 0), (100, 1), (200, 0)]
    assert [gil.contention for gil in gils.values()] == [0.0, 1.0, 1.0]
    assert gils[200, 0].holders == ()
    assert summarize(raw).processes[1].threads == 1


def test_a_thread_too_short_to_be_seen_has_no_shares() -> None:
    made = Builder(100)
    made.thread("flash")
    thread = summarize(made.raw()).threads[0]
    assert (thread.seen_s, thread.running_share, thread.gil_held_share) == (0.0, None, None)
    assert thread.unknown["running_share"] == NEVER_SEEN


def test_a_build_without_a_gil_says_so() -> None:
    made = Builder(100, process=RawProcess(1, "python", False, "3.13.0t"))
    made.thread("t", running(0, 100))
    summary = summarize(made.raw())
    assert summary.gil is None
    assert summary.unknown["gil"] == NO_GIL
    assert summary.threads[0].gil_wait_share == 0
    assert any(NO_GIL in line for line in summary.verdict)


def test_a_gil_that_cannot_be_read_is_not_0() -> None:
    made = Builder(100)
    made.thread("t", running(0, 100))
    thread = summarize(made.raw(unknown={"gil": "an unknown version"})).threads[0]
    assert (thread.gil_wait_share, thread.gil_held_share) == (None, None)
    assert thread.unknown["gil_wait_share"] == "an unknown version"


def test_cores_busy_take_the_clocks_where_they_are_known() -> None:
    made = Builder(100)
    made.thread("exact", running(0, 100), cpu_ns=50 * MS)
    made.thread("sampled", running(0, 100), cpu_ns=None)
    summary = summarize(made.raw())
    assert summary.cores_busy == pytest.approx(1.5)
    assert summary.threads[1].cpu_s is None
    assert summary.processes[0].cpu_s is None


def test_the_verdict_names_who_waits_for_whom() -> None:
    words = " ".join(summarize(one_of_everything().raw()).verdict)
    assert "3 threads, one GIL: 2.0 threads waited for it on average" in words
    assert "held 100 % of the time, by 'receiver' 60 %, 'A' 20 %, 'B' 20 %." in words
    assert "nobody could run Python: 'receiver' in recvfrom, 600 ms." in words
    assert "'A' waited 600 ms of 1.00 s for 'receiver'." in words
    assert "0.40 of 2 CPUs kept busy." in words


def test_the_verdict_of_quiet_threads() -> None:
    made = Builder(100)
    made.thread("t", waiting(0, 100, Reason.SOCKET, RECVFROM))
    made.thread("u", (0, 100, State.RUNNABLE, Reason.NONE, -1))
    words = " ".join(summarize(made.raw()).verdict)
    assert "1.0 threads waited for a CPU" in words
    assert "50 % of their time waiting for I/O" in words
    assert "nobody was seen" in words
    empty = replace(made.raw(), end_ns=BEGIN_NS)
    assert summarize(empty).verdict == ("Nothing was seen: the watch was too short.",)


def test_every_moment_has_words() -> None:
    assert doing(State.RUNNING, Reason.NONE) == "running"
    assert all(doing(State.NOT_RUNNING, reason) for reason in Reason)


def test_union_and_overlap() -> None:
    assert union([(5, 7, 0), (0, 2, 1), (1, 3, 2), (9, 9, 0)]) == [(0, 3), (5, 7)]
    assert overlap([(0, 3), (5, 7)], [(2, 6), (6, 10)]) == 3
    assert overlap([], [(0, 1)]) == 0


def test_shares_are_a_record() -> None:
    assert Shares(seen_s=1.0).to_dict()["seen_s"] == 1.0
