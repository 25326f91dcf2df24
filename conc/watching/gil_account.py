"""Who held and who waited for each GIL: pure functions from raw records to `GilSummary`."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from conc.watching.records import RawTimeline, Reason, State
from conc.watching.results import Blocked, GilSummary, Hold, Longest, Starved, Wait

NOT_KNOWN = "not known"

Key = tuple[int, int]
"""Index of a process, id of an interpreter in it."""

Span = tuple[int, int, int]
"""(begin_ns, end_ns, index of a thread or -1)"""


@dataclass(slots=True)
class Account:
    """What belongs to one GIL."""

    held_ns: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    blocked_ns: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    longest_ns: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    wait_ns: dict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))
    holds: list[Span] = field(default_factory=list)
    blocked: list[Span] = field(default_factory=list)
    waits: list[Span] = field(default_factory=list)


def summarize_gils(raw: RawTimeline) -> tuple[GilSummary, ...]:
    """One for each lock that anybody was seen to hold or to wait for, the first process's first interpreter first."""
    accounts = _accounts(raw)
    return tuple(_summary(raw, key, account) for key, account in sorted(accounts.items()))


def held_by_thread(raw: RawTimeline) -> dict[int, int]:
    """Index of a thread -> ns for which it held any GIL."""
    held: dict[int, int] = defaultdict(int)
    for account in _hold_accounts(raw).values():
        for thread, ns in account.held_ns.items():
            held[thread] += ns
    return held


def gil_of_waiters(raw: RawTimeline) -> dict[int, int]:
    """Index of a thread -> the interpreter whose lock it waited for; of several the one for which it waited longest.

    Segments do not say it, since hardly any thread waits for more than one.
    """
    waited: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for waiter, interpreter, ns in zip(raw.waits.waiter, raw.waits.interpreter, raw.waits.wait_ns, strict=True):
        waited[waiter][interpreter] += ns
    return {waiter: max(by, key=by.__getitem__) for waiter, by in waited.items()}


def overlap(one: Sequence[tuple[int, int]], other: Sequence[tuple[int, int]]) -> int:
    """For how long two series of spans coincide; each in order and without overlaps of its own."""
    total = i = j = 0
    while i < len(one) and j < len(other):
        total += max(0, min(one[i][1], other[j][1]) - max(one[i][0], other[j][0]))
        if one[i][1] <= other[j][1]:
            i += 1
        else:
            j += 1
    return total


def union(spans: Iterable[Span]) -> list[tuple[int, int]]:
    """The time that any of the spans covers, as spans in order without overlaps."""
    merged: list[tuple[int, int]] = []
    for begin, end, _ in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        elif end > begin:
            merged.append((begin, end))
    return merged


def hold_rows(raw: RawTimeline) -> Iterator[tuple[Key, Span, bool]]:
    """Each row of `RawTimeline.holds`: whose lock, the span, whether the holder sat in a system call."""
    holds = raw.holds
    processes = holds.process or [0] * len(holds.begin_ns)
    for row in zip(
        processes, holds.interpreter, holds.begin_ns, holds.end_ns, holds.thread, holds.blocked, strict=True
    ):
        process, interpreter, begin, end, thread, blocked = row
        yield (process, interpreter), (begin, end, thread), bool(blocked)


def _hold_accounts(raw: RawTimeline) -> dict[Key, Account]:
    accounts: dict[Key, Account] = defaultdict(Account)
    exact = raw.held
    for key, span, blocked in hold_rows(raw):
        account = accounts[key]
        account.holds.append(span)
        if blocked:
            account.blocked.append(span)
        if not exact.thread:
            begin, end, thread = span
            account.held_ns[thread] += end - begin
            account.blocked_ns[thread] += (end - begin) if blocked else 0
            account.longest_ns[thread] = max(account.longest_ns[thread], end - begin)
    processes = exact.process or [0] * len(exact.thread)
    for process, interpreter, holder, held, blocked_ns, longest in zip(
        processes, exact.interpreter, exact.thread, exact.held_ns, exact.blocked_ns, exact.longest_ns, strict=True
    ):
        account = accounts[process, interpreter]
        account.held_ns[holder] += held
        account.blocked_ns[holder] += blocked_ns
        account.longest_ns[holder] = max(account.longest_ns[holder], longest)
    return accounts


def _accounts(raw: RawTimeline) -> dict[Key, Account]:
    accounts = _hold_accounts(raw)
    waits = raw.waits
    for waiter, holder, interpreter, ns in zip(
        waits.waiter, waits.holder, waits.interpreter, waits.wait_ns, strict=True
    ):
        accounts[raw.threads[waiter].process, interpreter].wait_ns[waiter, holder] += ns
    interpreter_of = gil_of_waiters(raw)
    columns = raw.segments
    for begin, end, thread, state, reason in zip(
        columns.begin_ns, columns.end_ns, columns.thread, columns.state, columns.reason, strict=True
    ):
        if reason == Reason.GIL and state == State.NOT_RUNNING:
            key = (raw.threads[thread].process, interpreter_of.get(thread, 0))
            accounts[key].waits.append((begin, end, thread))
    return accounts


def _summary(raw: RawTimeline, key: Key, account: Account) -> GilSummary:
    process, interpreter = key
    wall_ns = max(raw.end_ns - raw.begin_ns, 1)
    holder_why = raw.unknown.get("gil_holder") or raw.unknown.get("gil")
    known = bool(account.held_ns) or holder_why is None
    held_ns = sum(account.held_ns.values())
    waiting = union(account.waits)
    contended_ns = overlap(waiting, union(account.holds)) if account.holds else overlap(waiting, waiting)
    unknown = {}
    if not known and holder_why is not None:
        unknown = dict.fromkeys(("held_share", "longest_hold", "blocked_s"), holder_why)
    if not account.holds:
        unknown.setdefault("longest_hold", "single holds were not kept" if account.held_ns else "nobody held it")
    if not account.waits:
        unknown["longest_wait"] = "nobody waited for it"
    return GilSummary(
        pid=raw.processes[process].pid,
        interpreter=interpreter,
        held_share=min(held_ns / wall_ns, 1.0) if known else None,
        holders=_holders(raw, account, held_ns),
        waiters=_waiters(raw, account),
        waiting_threads=_waited_ns(account) / wall_ns,
        contention=min(contended_ns / wall_ns, 1.0),
        longest_hold=_longest(raw, account.holds),
        longest_wait=_longest(raw, account.waits),
        blocked_s=sum(account.blocked_ns.values()) / 1e9 if known else None,
        blocked=_blocked(raw, account),
        starved=_starved(raw, account),
        unknown=unknown,
    )


def _name(raw: RawTimeline, thread: int) -> tuple[str, int | None]:
    return (NOT_KNOWN, None) if thread < 0 else (raw.threads[thread].name, raw.threads[thread].tid)


def _waited_ns(account: Account) -> int:
    if account.wait_ns:
        return sum(account.wait_ns.values())
    return sum(end - begin for begin, end, _ in account.waits)


def _holders(raw: RawTimeline, account: Account, all_ns: int) -> tuple[Hold, ...]:
    rows = sorted(account.held_ns.items(), key=lambda row: -row[1])
    return tuple(
        Hold(
            *_name(raw, thread),
            held_s=ns / 1e9,
            held_share=ns / all_ns if all_ns else 0.0,
            blocked_s=account.blocked_ns[thread] / 1e9,
            longest_s=account.longest_ns[thread] / 1e9,
        )
        for thread, ns in rows
    )


def _waiters(raw: RawTimeline, account: Account) -> tuple[Wait, ...]:
    by_waiter: dict[int, int] = defaultdict(int)
    for (waiter, _), ns in account.wait_ns.items():
        by_waiter[waiter] += ns
    if not by_waiter:
        for begin, end, waiter in account.waits:
            by_waiter[waiter] += end - begin
    rows = sorted(by_waiter.items(), key=lambda row: -row[1])
    return tuple(Wait(raw.threads[waiter].name, raw.threads[waiter].tid, ns / 1e9) for waiter, ns in rows)


def _starved(raw: RawTimeline, account: Account) -> tuple[Starved, ...]:
    rows = sorted(account.wait_ns.items(), key=lambda row: -row[1])
    return tuple(
        Starved(raw.threads[waiter].name, raw.threads[waiter].tid, *_name(raw, holder), wait_s=ns / 1e9)
        for (waiter, holder), ns in rows
    )


def _longest(raw: RawTimeline, spans: list[Span]) -> Longest | None:
    """Of spans that follow each other without a gap in one thread the sum counts: thinning may have cut them."""
    best: Span | None = None
    running: dict[int, Span] = {}
    for begin, end, thread in spans:
        before = running.get(thread)
        joined = (before[0], end, thread) if before is not None and before[1] == begin else (begin, end, thread)
        running[thread] = joined
        if best is None or joined[1] - joined[0] > best[1] - best[0]:
            best = joined
    if best is None:
        return None
    name, native_id = _name(raw, best[2])
    return Longest(name, native_id, (best[1] - best[0]) / 1e9, (best[0] - raw.begin_ns) / 1e9)


def _blocked(raw: RawTimeline, account: Account) -> tuple[Blocked, ...]:
    """Which system call the holder sat in is told by what its own segments say of that time."""
    holders = {thread for _, _, thread in account.blocked}
    calls = _calls_of(raw, holders)
    sums: dict[tuple[int, str | None], int] = defaultdict(int)
    for begin, end, thread in account.blocked:
        told = 0
        for call_begin, call_end, name in _between(calls.get(thread, []), begin, end):
            sums[thread, name] += min(call_end, end) - max(call_begin, begin)
            told += min(call_end, end) - max(call_begin, begin)
        if told < end - begin:
            sums[thread, None] += end - begin - told
    rows = sorted(sums.items(), key=lambda row: -row[1])
    return tuple(Blocked(*_name(raw, thread), syscall=name, seconds=ns / 1e9) for (thread, name), ns in rows)


Call = tuple[int, int, str]


def _calls_of(raw: RawTimeline, threads: set[int]) -> Mapping[int, list[Call]]:
    calls: dict[int, list[Call]] = defaultdict(list)
    columns = raw.segments
    for begin, end, thread, number in zip(
        columns.begin_ns, columns.end_ns, columns.thread, columns.syscall, strict=True
    ):
        if number >= 0 and thread in threads:
            calls[thread].append((begin, end, raw.syscalls.get(number, f"system call {number}")))
    return calls


def _between(calls: list[Call], begin: int, end: int) -> Iterator[Call]:
    for index in range(max(0, bisect_right(calls, (begin,)) - 1), len(calls)):
        if calls[index][0] >= end:
            return
        if calls[index][1] > begin:
            yield calls[index]
