"""What stands out in a watch, in words. A pure function: whoever has the figures can work it out anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from conc.comparison.units import seconds
from conc.watching.results import GilSummary, Hold, Summary

# Less than this is not worth a word.
FEW_WAITING_THREADS = 0.05
SMALL_SHARE = 0.01
STARVED_SHARE = 0.1
NAMED_HOLDERS = 3


def judge(facts: Summary) -> Summary:
    """`facts` with its verdict."""
    return replace(facts, verdict=tuple(_lines(facts)))


def _lines(facts: Summary) -> Iterator[str]:
    if facts.wall_s <= 0 or not facts.threads:
        yield "Nothing was seen: the watch was too short."
        return
    for gil in facts.gils:
        yield from _gil_lines(facts, gil)
    if not facts.gils:
        yield f"GIL: {facts.unknown.get('gil', 'not seen')}."
    yield from _cpu_lines(facts)
    yield from _wait_line(facts)


def percent(share: float) -> str:
    """A share as a sentence has it."""
    return f"{share * 100:.0f} %" if share >= 0.0095 or share == 0 else f"{share * 100:.1g} %"


def _gil_lines(facts: Summary, gil: GilSummary) -> Iterator[str]:
    whose = "one GIL" if len(facts.gils) == 1 else f"the GIL of process {gil.pid}, interpreter {gil.interpreter}"
    users = {hold.native_id for hold in gil.holders if hold.native_id is not None}
    users |= {wait.native_id for wait in gil.waiters}
    count = f"{len(users)} thread{'' if len(users) == 1 else 's'}"
    held = "" if gil.held_share is None else f"; held {percent(gil.held_share)} of the time{_by_whom(gil)}"
    if gil.waiting_threads >= FEW_WAITING_THREADS:
        yield f"{count}, {whose}: {gil.waiting_threads:.1f} threads waited for it on average{held}."
    else:
        yield f"{count}, {whose}: hardly anybody waited for it{held}."
    yield from _blocked_line(facts, gil)
    for pair in gil.starved[:1]:
        if pair.holder_id is not None and pair.wait_s >= STARVED_SHARE * facts.wall_s:
            yield f"{pair.waiter!r} waited {seconds(pair.wait_s)} of {seconds(facts.wall_s)} for {pair.holder!r}."


def _by_whom(gil: GilSummary) -> str:
    known = [hold for hold in gil.holders if hold.native_id is not None]
    if not known:
        return ""
    if len(known) == 1 or known[0].held_share >= 1 - SMALL_SHARE:
        return f" by {known[0].name!r}"
    named = ", ".join(_holder(hold) for hold in known[:NAMED_HOLDERS])
    rest = len(known) - NAMED_HOLDERS
    return f", by {named}" + (f" and {rest} more" if rest > 0 else "")


def _holder(hold: Hold) -> str:
    return f"{hold.name!r} {percent(hold.held_share)}"


def _blocked_line(facts: Summary, gil: GilSummary) -> Iterator[str]:
    if not gil.blocked or gil.blocked_s is None or gil.blocked_s < SMALL_SHARE * facts.wall_s:
        return
    worst = gil.blocked[0]
    call = "a system call" if worst.syscall is None else worst.syscall
    yield (
        f"Held for {seconds(gil.blocked_s)} during blocking calls, in which nobody could run Python: "
        f"{worst.name!r} in {call}, {seconds(worst.seconds)}."
    )


def _cpu_lines(facts: Summary) -> Iterator[str]:
    if facts.cores_busy is not None:
        of = "" if facts.cpus is None else f" of {facts.cpus}"
        one = facts.cpus is None and f"{facts.cores_busy:.2f}" == "1.00"
        yield f"{facts.cores_busy:.2f}{of} CPU{'' if one or facts.cpus == 1 else 's'} kept busy."
    queueing = (facts.total.runnable_share or 0.0) * facts.total.seen_s / facts.wall_s
    if queueing >= FEW_WAITING_THREADS:
        yield f"{queueing:.1f} threads waited for a CPU on average: more could run than there were CPUs for them."


def _wait_line(facts: Summary) -> Iterator[str]:
    shares = {
        "I/O": facts.total.io_wait_share or 0.0,
        "locks, queues, each other or work": facts.total.futex_wait_share or 0.0,
        "time to pass": facts.total.sleep_share or 0.0,
    }
    what = max(shares, key=shares.__getitem__)
    if shares[what] >= 0.5:
        yield f"Threads spent {percent(shares[what])} of their time waiting for {what}."
