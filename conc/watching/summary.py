"""From what the sampler saw to what it adds up to: one pure function.

Shares come from `RawTimeline.totals`, exact sums of the samples however long the watch was; what is told by time (the
longest hold, contention) comes from the segments, at their resolution.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from conc.watching.gil_account import held_by_thread, summarize_gils
from conc.watching.kinds import KIND_OF, LOOKS, Kind
from conc.watching.records import RawThread, RawTimeline, Reason, State
from conc.watching.results import ProcessSummary, Shares, Summary, ThreadSummary
from conc.watching.verdict import judge

Times = Mapping[tuple[int, int], int]
"""(state, reason) -> ns."""

NEVER_SEEN = "it was too short to be seen in any state"
NO_GIL = "there is no GIL: a free-threaded build whose GIL is off"


def summarize(raw: RawTimeline) -> Summary:
    """What `raw` adds up to."""
    by_thread = _times(raw)
    held = held_by_thread(raw)
    threads = tuple(
        _thread(raw, thread, by_thread.get(index, {}), held.get(index, 0)) for index, thread in enumerate(raw.threads)
    )
    total = Shares(**_shares(_together(by_thread.values()), sum(held.values()), raw))
    gils = summarize_gils(raw)
    cores = _cores_busy(raw, by_thread)
    wall_s = (raw.end_ns - raw.begin_ns) / 1e9
    unknown = dict(raw.unknown)
    if cores is None:
        unknown["cores_busy"] = "the watch was too short"
    if not gils and _no_gil(raw):
        unknown["gil"] = NO_GIL
    elif not gils:
        unknown.setdefault("gil", "nobody was seen to hold it or to wait for it")
    facts = Summary(
        verdict=(),
        wall_s=wall_s,
        cores_busy=cores,
        cpus=raw.cpus,
        total=total,
        threads=threads,
        gils=gils,
        processes=_processes(raw),
        interval_s=raw.interval_ns / 1e9,
        slowest_interval_s=max([raw.interval_ns, *(interval for _, interval in raw.rates)]) / 1e9,
        resolution_s=raw.resolution_ns / 1e9,
        ticks=raw.ticks,
        late_ticks=raw.late_ticks,
        overhead_share=raw.cost_cpu_ns / 1e9 / wall_s if wall_s > 0 else None,
        notes=raw.notes,
        unknown=unknown,
    )
    return judge(facts)


def gil_gap(raw: RawTimeline) -> dict[str, str]:
    """Which of a thread's figures about the GIL are not known, and why."""
    if _no_gil(raw):
        return {}
    if "gil" in raw.unknown:
        return dict.fromkeys(("gil_wait_share", "gil_held_share"), raw.unknown["gil"])
    if "gil_holder" in raw.unknown:
        return {"gil_held_share": raw.unknown["gil_holder"]}
    return {}


def _no_gil(raw: RawTimeline) -> bool:
    return bool(raw.processes) and all(process.gil is False for process in raw.processes)


def _times(raw: RawTimeline) -> dict[int, dict[tuple[int, int], int]]:
    times: dict[int, dict[tuple[int, int], int]] = defaultdict(lambda: defaultdict(int))
    totals = raw.totals
    for thread, state, reason, ns in zip(totals.thread, totals.state, totals.reason, totals.ns, strict=True):
        if state != State.ENDED:
            times[thread][state, reason] += ns
    return times


def _together(all_times: Iterable[Times]) -> Times:
    sums: dict[tuple[int, int], int] = defaultdict(int)
    for times in all_times:
        for what, ns in times.items():
            sums[what] += ns
    return sums


def _shares(times: Times, held_ns: int, raw: RawTimeline) -> dict[str, Any]:
    gap, syscall_gap = gil_gap(raw), raw.unknown.get("syscall")
    seen_ns = sum(times.values())
    unknown = dict(gap)
    if seen_ns == 0:
        unknown |= dict.fromkeys([*(look.share for look in LOOKS.values()), "gil_held_share"], NEVER_SEEN)
        return {"seen_s": 0.0, "unknown": unknown}
    by_kind = dict.fromkeys(Kind, 0)
    reasons: dict[str, float] = {}
    for (state, reason), ns in sorted(times.items()):
        kind = KIND_OF[state][reason]
        if kind is not None:
            by_kind[kind] += ns
        if state == State.NOT_RUNNING:
            reasons[Reason(reason).name.lower()] = ns / seen_ns
    figures: dict[str, Any] = {LOOKS[kind].share: ns / seen_ns for kind, ns in by_kind.items()}
    figures["gil_held_share"] = min(held_ns / seen_ns, 1.0)
    if syscall_gap is not None and "unknown" in reasons:
        waits = (Kind.GIL, Kind.FUTEX, Kind.IO, Kind.SLEEP)
        unknown = dict.fromkeys((LOOKS[kind].share for kind in waits), syscall_gap) | unknown
    for name in [*unknown]:
        if not figures[name]:
            figures[name] = None
        else:
            del unknown[name]
    return {"seen_s": seen_ns / 1e9, "reasons": reasons, "unknown": unknown, **figures}


def _thread(raw: RawTimeline, thread: RawThread, times: Times, held_ns: int) -> ThreadSummary:
    figures = _shares(times, held_ns, raw)
    for field, value in (
        ("cpu_s", thread.cpu_ns),
        ("run_delay_s", thread.run_delay_ns),
        ("voluntary", thread.voluntary),
        ("involuntary", thread.involuntary),
        ("is_python", thread.is_python),
    ):
        if value is None:
            figures["unknown"][field] = _why(raw, field)
    end_ns = raw.end_ns if thread.end_ns is None else thread.end_ns
    return ThreadSummary(
        **figures,
        name=thread.name,
        native_id=thread.tid,
        pid=raw.processes[thread.process].pid,
        is_python=thread.is_python,
        born_before=thread.born_before,
        ended=thread.end_ns is not None,
        begin_s=(thread.begin_ns - raw.begin_ns) / 1e9,
        wall_s=(end_ns - thread.begin_ns) / 1e9,
        cpu_s=_seconds(thread.cpu_ns),
        run_delay_s=_seconds(thread.run_delay_ns),
        voluntary=thread.voluntary,
        involuntary=thread.involuntary,
    )


_SOURCES = {
    "cpu_s": ("cpu_ns",),
    "run_delay_s": ("run_delay_ns", "schedstat"),
    "voluntary": ("voluntary", "status"),
    "involuntary": ("involuntary", "status"),
    "is_python": ("is_python",),
}
"""Field -> under which names `RawTimeline.unknown` may say why it is not known."""


def _why(raw: RawTimeline, field: str) -> str:
    told = [raw.unknown[name] for name in _SOURCES[field] if name in raw.unknown]
    return told[0] if told else "the system did not tell"


def _seconds(ns: int | None) -> float | None:
    return None if ns is None else ns / 1e9


def _cores_busy(raw: RawTimeline, by_thread: Mapping[int, Times]) -> float | None:
    wall_ns = raw.end_ns - raw.begin_ns
    if wall_ns <= 0:
        return None
    busy_ns = 0
    for index, thread in enumerate(raw.threads):
        running_ns = by_thread.get(index, {}).get((State.RUNNING, Reason.NONE), 0)
        busy_ns += running_ns if thread.cpu_ns is None else thread.cpu_ns
    return busy_ns / wall_ns


def _processes(raw: RawTimeline) -> tuple[ProcessSummary, ...]:
    members: dict[int, list[int | None]] = defaultdict(list)
    for thread in raw.threads:
        members[thread.process].append(thread.cpu_ns)
    return tuple(
        ProcessSummary(
            pid=process.pid,
            name=process.name,
            gil=process.gil,
            python=process.python,
            threads=len(members[index]),
            cpu_s=_sum_s(members[index]),
        )
        for index, process in enumerate(raw.processes)
    )


def _sum_s(all_ns: list[int | None]) -> float | None:
    known = [ns for ns in all_ns if ns is not None]
    return sum(known) / 1e9 if len(known) == len(all_ns) else None
