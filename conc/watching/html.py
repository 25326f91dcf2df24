"""A watch as HTML: a page of its own, and a fragment for notebooks.

No other file and no network; the script of `page.js` draws on a canvas what stands in the page as data, zooms and pans.
Everything that others named is escaped. In a notebook the picture lives in a frame of its own without rights, so that
neither can touch the other; where a notebook takes the frame away (it is not trusted), words and table are still there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from html import escape
from importlib import resources
from typing import Any

from conc.comparison.units import seconds
from conc.watching.kinds import ENDED_COLOUR, LOOKS
from conc.watching.labels import labels, shown
from conc.watching.lanes import chosen
from conc.watching.records import RawTimeline
from conc.watching.results import Summary
from conc.watching.runs import BLOCKED, HELD, Run, What, lock_runs, thinned, thread_runs
from conc.watching.text import percent, title

PAGE_THREADS, PAGE_RUNS = 200, 150_000
FRAGMENT_THREADS, FRAGMENT_RUNS = 60, 15_000
MOST_TABLE_ROWS = 200
MOST_NOTES = 20
LANE_PX, AXIS_PX = 22, 120

HEADINGS = {
    "running": "running_share",
    "GIL wait": "gil_wait_share",
    "GIL held": "gil_held_share",
    "lock, queue": "futex_wait_share",
    "I/O": "io_wait_share",
    "sleep": "sleep_share",
    "runnable": "runnable_share",
    "starting": "starting_share",
    "other": "other_wait_share",
}

HELP = (
    "Drag to pan, Ctrl and wheel or double click to zoom. Keys: arrows pan and choose a row, + and - zoom, "
    "0 shows all, comma and full stop go from one change to the next."
)


def render_page(raw: RawTimeline, summary: Summary) -> str:
    """A whole page."""
    body = f"{_words(summary)}{_chart(raw, PAGE_THREADS, PAGE_RUNS)}{_table(summary)}{_notes(summary)}"
    return _document(title(summary), body)


def render_fragment(raw: RawTimeline, summary: Summary) -> str:
    """What a notebook shows: words, the picture in a frame, and the table folded away."""
    chart = _document("watch", _chart(raw, FRAGMENT_THREADS, FRAGMENT_RUNS))
    rows = min(len(raw.threads), FRAGMENT_THREADS) + 1
    height = min(AXIS_PX + LANE_PX * rows + 60, 560)
    return (
        f'<div class="conc-watch-output">{_words(summary)}'
        f'<iframe sandbox="allow-scripts" title="picture of the watch" srcdoc="{escape(chart)}" '
        f'style="width:100%;height:{height}px;border:0"></iframe>'
        f"<details><summary>table</summary>{_table(summary)}</details>{_notes(summary)}</div>"
    )


def _document(name: str, body: str) -> str:
    style = _resource("page.css")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
        f"<title>{escape(name)}</title><style>{style}</style></head><body>{body}</body></html>\n"
    )


def _resource(name: str) -> str:
    return resources.files("conc.watching").joinpath(name).read_text(encoding="utf-8")


def _words(summary: Summary) -> str:
    lines = "".join(f"<li>{escape(shown(line, 400))}</li>" for line in summary.verdict)
    return f'<div class="conc-watch-words"><b>{escape(title(summary))}</b><ul>{lines}</ul></div>'


def _chart(raw: RawTimeline, threads: int, runs: int) -> str:
    data = chart_data(raw, threads, runs)
    left_out = "".join(f"<li>{escape(note)}</li>" for note in data.pop("notes"))
    text = json.dumps(data, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return (
        f'<div class="conc-watch" id="conc-watch"><div role="toolbar" aria-label="zoom">'
        '<button type="button" data-do="in">zoom in</button><button type="button" data-do="out">zoom out</button>'
        '<button type="button" data-do="left">◀ earlier</button><button type="button" data-do="right">later ▶</button>'
        '<button type="button" data-do="all">all</button></div>'
        f'<canvas tabindex="0" role="application" aria-label="what each thread did over time" '
        f'aria-describedby="conc-watch-help"></canvas><div class="conc-watch-tip" hidden></div>'
        f'<div class="conc-watch-live" aria-live="polite"></div><div class="conc-watch-legend">{_legend()}</div>'
        f'<div class="conc-watch-small" id="conc-watch-help">{HELP}</div><ul class="conc-watch-small">{left_out}</ul>'
        f'<script type="application/json">{text}</script><script>{_resource("page.js")}</script></div>'
    )


def chart_data(raw: RawTimeline, most_threads: int, most_runs: int) -> dict[str, Any]:
    """What the script draws: lanes of [gap, length, index of a value] in ns, the values, colours, and notes."""
    threads = chosen(raw, most_threads)
    names = labels(raw)
    locks = lock_runs(raw, names)
    wall_ns = max(raw.end_ns - raw.begin_ns, 1)
    lanes, resolution_ns = thinned([*locks.values(), *thread_runs(raw, threads)], most_runs, wall_ns)
    values: dict[What, int] = {}
    encoded = [_encoded(lane, values) for lane in lanes]
    rows = [_lock_row(raw, *key) for key in locks] + [_thread_row(raw, names, thread) for thread in threads]
    lane_of = {thread: len(locks) + number for number, thread in enumerate(threads)}
    return {
        "wall": wall_ns,
        "rows": [{**row, "runs": runs} for row, runs in zip(rows, encoded, strict=True)],
        "values": [_value(what, lane_of) for what in values],
        "kinds": [*({"c": look.colour, "h": look.hatch, "w": look.label} for look in LOOKS.values()), *_LOCK_KINDS],
        "ended": ENDED_COLOUR,
        "notes": [*_left_out(raw, len(threads), resolution_ns)],
    }


_LOCK_KINDS = (
    {"c": None, "h": None, "w": "held"},
    {"c": "#D55E00", "h": "cross", "w": "held during a blocking call"},
)


def _encoded(lane: Sequence[Run], values: dict[What, int]) -> list[int]:
    flat: list[int] = []
    at = 0
    for run in lane:
        flat += (run.begin_ns - at, run.end_ns - run.begin_ns, values.setdefault(run.what, len(values)))
        at = run.end_ns
    return flat


def _value(what: What, lane_of: dict[int, int]) -> dict[str, Any]:
    value: dict[str, Any] = {"p": what.parts}
    if what.words:
        value["w"] = what.words
    if what.holder in lane_of:
        value["t"] = lane_of[what.holder]
    return value


def _lock_row(raw: RawTimeline, process: int, interpreter: int) -> dict[str, Any]:
    many = len(raw.processes) > 1 or interpreter > 0
    return {"n": f"GIL {raw.processes[process].pid}/{interpreter}" if many else "GIL", "lock": 1}


def _thread_row(raw: RawTimeline, names: Sequence[str], thread: int) -> dict[str, Any]:
    end_ns = raw.threads[thread].end_ns
    row: dict[str, Any] = {"n": names[thread], "id": raw.threads[thread].tid}
    return row if end_ns is None else {**row, "e": end_ns - raw.begin_ns}


def _left_out(raw: RawTimeline, drawn: int, resolution_ns: int) -> Iterator[str]:
    if drawn < len(raw.threads):
        yield f"{len(raw.threads) - drawn:,} more threads, which did less, are not drawn"
    if resolution_ns:
        yield f"what lasted less than {seconds(resolution_ns / 1e9)} is drawn as a mixture, to keep the page small"
    if raw.resolution_ns > raw.interval_ns:
        yield f"thinned by the watch: nothing shorter than {seconds(raw.resolution_ns / 1e9)} was kept"


def _legend() -> str:
    entries = [*((int(kind), look.label) for kind, look in LOOKS.items())]
    entries += [(HELD, "holds the GIL"), (BLOCKED, "GIL held during a blocking call")]
    return "".join(f'<span><i data-kind="{kind}"></i>{escape(label)}</span>' for kind, label in entries)


def _table(summary: Summary) -> str:
    head = "".join(f"<th>{escape(heading)} %</th>" for heading in HEADINGS)
    rows = [(f"{shown(thread.name)} ({thread.native_id})", thread.cpu_s, thread) for thread in summary.threads]
    body = "".join(
        f"<tr><td>{escape(name)}</td><td>{seconds(cpu_s)}</td>"
        + "".join(f"<td>{percent(getattr(shares, field))}</td>" for field in HEADINGS.values())
        + "</tr>"
        for name, cpu_s, shares in rows[:MOST_TABLE_ROWS]
    )
    more = len(rows) - MOST_TABLE_ROWS
    rest = f"<div>{more:,} more threads are not in this table</div>" if more > 0 else ""
    return (
        '<div class="conc-watch-table"><table><thead><tr><th>thread</th><th>CPU</th>'
        f"{head}</tr></thead><tbody>{body}</tbody></table>{rest}</div>"
    )


def _notes(summary: Summary) -> str:
    notes = [shown(note, 400) for note in summary.notes]
    notes += [f"not known: {shown(what)}: {shown(why, 400)}" for what, why in summary.unknown.items()]
    return f"<ul>{''.join(f'<li>{escape(note)}</li>' for note in notes[:MOST_NOTES])}</ul>" if notes else ""
