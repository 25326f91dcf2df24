"""The report as text, at most 100 columns wide."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from conc.comparison.units import percent, seconds, size

if TYPE_CHECKING:
    from conc.comparison.environment import Environment
    from conc.comparison.report import LaneReport, Report

WIDTH = 100
HEADINGS = ("lane", "median", "spread", "speed-up [95 %]", "CPU/wall", "GIL wait", "mem/actor", "start-up")


def render_text(report: Report) -> str:
    """Title, table, verdict and environment."""
    parts = [_wrapped(title(report)), "", *_table(report), ""]
    verdict = report.verdict
    parts.append(_wrapped(f"Verdict: {verdict.kind}. " + " ".join(verdict.reasons)))
    parts += ["", _wrapped(environment_words(report.environment), indent="")]
    return "\n".join(parts)


def title(report: Report) -> str:
    """One sentence: what was compared, and how completely."""
    items = f"{report.items:,} item{'' if report.items == 1 else 's'}"
    if report.items_run < report.items:
        items = f"the first {report.items_run:,} of {items} (as many as the budget allows)"
    of = f" of {report.repeats}" if report.rounds < report.repeats else ""
    rounds = f"{report.rounds}{of} round{'' if report.repeats == 1 else 's'}"
    end = ", interrupted" if report.interrupted else ""
    return f"{report.workload}: {items}, {report.workers} workers, {rounds} in {seconds(report.elapsed_s)}{end}"


def environment_words(environment: Environment) -> str:
    """The circumstances in a line or two."""
    cpus = environment.cpus
    limit = "" if cpus.online is None or cpus.online == cpus.count else f" of {cpus.online}"
    words = [
        f"{environment.python}, GIL {'on' if environment.gil else 'off'}",
        f"{cpus.count}{limit} CPUs ({cpus.source})",
    ]
    if environment.load_average is not None:
        words.append(f"load {environment.load_average[0]:.2f}")
    if environment.cpu_model is not None:
        words.append(environment.cpu_model)
    words.append(environment.kernel)
    if environment.start_method is not None:
        words.append(f"processes by {environment.start_method}")
    words += [f"{name} {version}" for name, version in environment.versions.items()]
    return ", ".join(words)


def cells(lane: LaneReport) -> tuple[str, ...]:
    """The figures of one lane, in the order of HEADINGS."""
    if lane.speedup is None:
        speed = "-"
    elif lane.speedup_interval is None or lane.speedup_interval == (1.0, 1.0):
        speed = f"{lane.speedup:.2f}x"
    else:
        low, high = lane.speedup_interval
        speed = f"{lane.speedup:.2f}x [{low:.2f}, {high:.2f}]"
    return (
        lane.name,
        seconds(lane.median_s),
        "-" if lane.spread is None else f"±{percent(lane.spread)}",
        speed,
        "-" if lane.cpu_per_wall is None else f"{lane.cpu_per_wall:.2f}",
        percent(lane.gil_wait_share),
        size(lane.memory_per_actor_bytes),
        seconds(lane.startup_s),
    )


def _table(report: Report) -> Iterator[str]:
    rows = {name: cells(lane) for name, lane in report.lanes.items() if lane.samples_s}
    widths = [max(map(len, column)) for column in zip(HEADINGS, *rows.values(), strict=True)]
    widths[0] = max(widths[0], *(len(name) for name in report.lanes)) if report.lanes else widths[0]
    yield _row(HEADINGS, widths, " ")
    yield "  " + "-" * (sum(widths) + 2 * (len(widths) - 1))
    for name, lane in report.lanes.items():
        mark = "*" if name == report.verdict.best_lane else " "
        if name in rows:
            yield _row(rows[name], widths, mark)
            if lane.problem is not None:
                yield _note("", lane.problem, widths[0])
        elif lane.problem is not None:
            yield _note(name, lane.problem, widths[0])
        for note in lane.notes:
            yield _note("", note, widths[0])


def _row(values: tuple[str, ...], widths: list[int], mark: str) -> str:
    first = values[0].ljust(widths[0])
    rest = [value.rjust(width) for value, width in zip(values[1:], widths[1:], strict=True)]
    return f"{mark} " + "  ".join((first, *rest))


def _note(name: str, text: str, width: int) -> str:
    indent = " " * (width + 4)
    first = f"  {name.ljust(width)}  "
    return textwrap.fill(text, WIDTH, initial_indent=first, subsequent_indent=indent, break_on_hyphens=False)


def _wrapped(text: str, indent: str = "  ") -> str:
    return textwrap.fill(text, WIDTH, subsequent_indent=indent, break_on_hyphens=False)
