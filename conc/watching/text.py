"""A summary as text, as wide as the terminal."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from conc.comparison.units import seconds
from conc.watching.kinds import LOOKS
from conc.watching.labels import shown
from conc.watching.lanes import chosen, thread_lanes, whole

if TYPE_CHECKING:
    from conc.watching.records import RawTimeline
    from conc.watching.results import GilSummary, Shares, Summary, ThreadSummary

MOST_ROWS = 40
MOST_GILS = 8
NARROWEST, WIDEST = 60, 160
NAME_WIDTH = 24
LEAST_BAR = 20

# heading -> the field; those that stand last are left out first where the terminal is narrow
COLUMNS = {
    "run%": "running_share",
    "GILwait%": "gil_wait_share",
    "GILheld%": "gil_held_share",
    "lock%": "futex_wait_share",
    "I/O%": "io_wait_share",
    "sleep%": "sleep_share",
    "runnable%": "runnable_share",
    "start%": "starting_share",
    "other%": "other_wait_share",
}


def terminal_width() -> int:
    """Of the terminal that this is printed to, within reason."""
    return max(NARROWEST, min(shutil.get_terminal_size((100, 24)).columns - 1, WIDEST))


def render_text(summary: Summary, raw: RawTimeline | None = None, width: int | None = None) -> str:
    """Title, verdict, a table of the threads (with a bar each where `raw` is given and there is room), and notes."""
    width = terminal_width() if width is None else width
    lines = [title(summary), *(f"  {line}" for line in summary.verdict), ""]
    text = [part for line in lines for part in _wrapped(line, width)]
    text += _table(summary, raw, width)
    text += [part for line in _notes(summary) for part in _wrapped(line, width)]
    return "\n".join(text)


def title(summary: Summary) -> str:
    """What was watched and how, in a line."""
    count = len(summary.threads)
    threads = f"{count:,} thread{'' if count == 1 else 's'}"
    processes = "" if len(summary.processes) <= 1 else f" of {len(summary.processes):,} processes"
    cost = "" if summary.overhead_share is None else f", which cost {summary.overhead_share * 100:.1f} % of a CPU"
    looks = f"{summary.ticks:,} looks, one in {seconds(summary.interval_s)}{cost}"
    return f"Watch of {threads}{processes} for {seconds(summary.wall_s)}: {looks}"


def percent(share: float | None) -> str:
    """A cell."""
    return "-" if share is None else f"{share * 100:.0f}" if share >= 0.0995 or share == 0 else f"{share * 100:.1f}"


def _table(summary: Summary, raw: RawTimeline | None, width: int) -> Iterator[str]:
    threads = [*range(len(summary.threads))] if raw is None else chosen(raw, MOST_ROWS)
    threads = threads[:MOST_ROWS]
    name_width = max([len("thread"), len("all"), *(len(_name(summary.threads[index])) for index in threads)])
    columns, room = _fitting(summary, threads, width - name_width - 2 - 9)
    bars = _bars(raw, threads, room - 2) if raw is not None and room - 2 >= LEAST_BAR else {}
    head = "".join(f"{heading:>{len(heading) + 1}}" for heading in columns)
    yield f"{'thread':<{name_width}}  {'CPU':>8} {head}"
    for index in threads:
        thread = summary.threads[index]
        start = f"{_name(thread):<{name_width}}  {seconds(thread.cpu_s):>8} "
        yield (start + _cells(thread, columns) + bars.get(index, "")).rstrip()
    cpu = [thread.cpu_s for thread in summary.threads]
    known = [value for value in cpu if value is not None]
    together = sum(known) if len(known) == len(cpu) else None
    yield f"{'all':<{name_width}}  {seconds(together):>8} " + _cells(summary.total, columns)
    if bars:
        yield ""
        yield from _wrapped("bars: " + ", ".join(f"{look.letter} {look.label}" for look in LOOKS.values()), width)
    if len(threads) < len(summary.threads):
        yield f"({len(summary.threads) - len(threads):,} more threads, which did less, are not shown)"


def _name(thread: ThreadSummary) -> str:
    return f"{shown(thread.name, NAME_WIDTH - 8)} {thread.native_id}".strip()


def _fitting(summary: Summary, threads: Sequence[int], room: int) -> tuple[list[str], int]:
    """The columns that say anything, as many as there is room for, and the room that is left."""
    shares = [summary.total, *(summary.threads[index] for index in threads)]
    columns = []
    for heading, field in COLUMNS.items():
        if not any(getattr(share, field) for share in shares) and heading not in ("run%", "GILwait%"):
            continue
        if room < len(heading) + 1:
            break
        room -= len(heading) + 1
        columns.append(heading)
    return columns, room


def _cells(shares: Shares, columns: Sequence[str]) -> str:
    return "".join(f"{percent(getattr(shares, COLUMNS[heading])):>{len(heading) + 1}}" for heading in columns)


def _bars(raw: RawTimeline, threads: Sequence[int], width: int) -> dict[int, str]:
    bars = {}
    for lane in thread_lanes(raw, threads, whole(raw, width)):
        kinds = [lane.busiest(column) for column in range(width)]
        bars[lane.thread] = "  " + "".join(" " if kind is None else LOOKS[kind].letter for kind in kinds)
    return bars


def _notes(summary: Summary) -> Iterator[str]:
    yield ""
    for gil in summary.gils[:MOST_GILS]:
        yield _gil_words(gil)
    for note in summary.notes:
        yield f"note: {shown(note, 400)}"
    for what, why in summary.unknown.items():
        yield f"not known: {shown(what)}: {shown(why, 400)}"


def _gil_words(gil: GilSummary) -> str:
    contention = "-" if gil.contention is None else f"{gil.contention:.2f}"
    words = [f"GIL of process {gil.pid}, interpreter {gil.interpreter}: contention {contention}"]
    for what, longest in (("hold", gil.longest_hold), ("wait", gil.longest_wait)):
        if longest is not None:
            words.append(
                f"longest {what} {seconds(longest.seconds)} ({shown(longest.name)}, at {longest.begin_s:.3f} s)"
            )
    return ", ".join(words)


_BEFORE_UNIT = re.compile(r"(?<=\d) (?=%|(s|ms|µs)\b)")


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width`; a number stays with its unit."""
    indent = " " * (len(text) - len(text.lstrip()))
    bound = _BEFORE_UNIT.sub("\u00a0", text)  # at which nothing is broken
    lines = textwrap.wrap(bound, width, subsequent_indent=f"{indent}  ", break_on_hyphens=False) or [""]
    return [line.replace("\u00a0", " ") for line in lines]
