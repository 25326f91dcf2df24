"""A watch as a static picture: SVG, without any library, however long the watch and however many its threads were.

Time is cut into columns. In each, a thread's bar is filled from the bottom by what it did, in proportion, so that a
thread that takes turns with others within one column shows as such and not as the one state that it had most often.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from conc.comparison.units import seconds
from conc.watching.kinds import ENDED_COLOUR, LOOKS, Kind
from conc.watching.labels import labels, shown
from conc.watching.lanes import KINDS, Grid, Lane, LockLane, chosen, lock_lanes, thread_lanes, whole
from conc.watching.records import RawTimeline

MOST_THREADS = 60
MOST_MARKS = 30_000
"""Rectangles in a picture; columns are joined two by two until there are no more."""
LABEL, RIGHT, ROW, BAR, STRIP, TOP = 170, 26, 24, 16, 3, 34
LABEL_LETTERS = 24
NARROWEST, WIDEST = LABEL + 130, 4000
LEGEND_COLUMN, LEGEND_ROW = 280, 20

PATTERNS = {
    "rising": '<path d="M-2 8L8-2M-2 2L2-2M4 8L8 4" stroke="#000" stroke-width="1.6"/>',
    "falling": '<path d="M-2-2L8 8M4-2L8 2M-2 4L2 8" stroke="#000" stroke-width=".6"/>',
    "level": '<path d="M0 3H6" stroke="#000" stroke-width="1"/>',
    "dots": '<circle cx="3" cy="3" r=".9" fill="#000"/>',
    "cross": '<path d="M3 0V6M0 3H6" stroke="#000" stroke-width=".5"/>',
}


class Picture:
    """An SVG: a notebook shows it, and `to_svg` writes it."""

    __slots__ = ("_svg",)

    def __init__(self, svg: str) -> None:
        self._svg = svg

    def __repr__(self) -> str:
        return f"<picture of a watch, {len(self._svg):,} characters of SVG>"

    def _repr_svg_(self) -> str:
        return self._svg

    def to_svg(self, path: str | Path | None = None) -> str:
        """The SVG, also written to `path` when one is given.

        Raises:
            OSError: the file cannot be written.
        """
        if path is not None:
            Path(path).write_text(self._svg, encoding="utf-8")
        return self._svg


@dataclass(frozen=True, slots=True)
class Row:
    """One bar: its label, what a pointer over it tells, and its paths as (class, d)."""

    label: str
    tip: str
    paths: list[tuple[str, str]]
    ended_px: int | None = None


def draw(raw: RawTimeline, width: int, threads: int) -> Picture:
    """A picture `width` pixels wide of at most so many threads.

    Raises:
        ValueError: width or threads make no picture.
    """
    if not NARROWEST <= width <= WIDEST:
        raise ValueError(f"a width of {width} pixels: {NARROWEST} to {WIDEST} can be drawn")
    everybody = chosen(raw, threads)
    step, rows = _rows(raw, everybody, width - LABEL - RIGHT)
    notes = [*_notes(raw, len(everybody), step, whole(raw, (width - LABEL - RIGHT) // step))]
    return Picture("".join(_svg(raw, rows, notes, width)))


def _rows(raw: RawTimeline, threads: Sequence[int], columns: int) -> tuple[int, list[Row]]:
    """How many pixels one column takes, and the bars."""
    names = labels(raw)
    step = 1
    while True:
        grid = whole(raw, columns // step)
        rows = [_lock_row(raw, lane, grid, step) for lane in lock_lanes(raw, grid)]
        rows += [_thread_row(raw, names, lane, grid, step) for lane in thread_lanes(raw, threads, grid)]
        marks = sum(path.count("M") for row in rows for _, path in row.paths)
        if marks <= MOST_MARKS or grid.columns == 1:
            return step, rows
        step *= 2


def _thread_row(raw: RawTimeline, names: Sequence[str], lane: Lane, grid: Grid, step: int) -> Row:
    thread = raw.threads[lane.thread]
    layers = _layers(lane.by_kind, grid)
    paths = [(f"k{kind}", _path(layers[kind], step)) for kind in Kind]
    held = [(0, STRIP) if 2 * ns >= grid.column_ns() else None for ns in lane.held]
    paths.append(("held", _path(held, step, BAR)))
    ended = None
    if thread.end_ns is not None:
        ended = min(int((thread.end_ns - grid.begin_ns) / grid.column_ns()), grid.columns) * step
    totals = [sum(lane.by_kind[kind::KINDS]) for kind in Kind]
    seen = max(sum(totals), 1)
    parts = [f"{LOOKS[kind].label} {ns / seen * 100:.0f} %" for kind, ns in zip(Kind, totals, strict=True) if ns]
    tip = f"{names[lane.thread]}, id {thread.tid}: {', '.join(parts) or 'too short to be seen'}"
    return Row(names[lane.thread], tip, [path for path in paths if path[1]], ended)


def _lock_row(raw: RawTimeline, lane: LockLane, grid: Grid, step: int) -> Row:
    heights = [round(min(ns / grid.column_ns(), 1.0) * BAR) for ns in lane.held]
    blocked = [round(min(ns / grid.column_ns(), 1.0) * BAR) for ns in lane.blocked]
    paths = [
        ("held", _path([(0, height) if height else None for height in heights], step)),
        ("blocked", _path([(0, height) if height else None for height in blocked], step)),
    ]
    many = len(raw.processes) > 1 or lane.interpreter > 0
    which = f" {raw.processes[lane.process].pid}/{lane.interpreter}" if many else ""
    return Row(f"GIL{which}: held", f"GIL{which}", [path for path in paths if path[1]])


Piece = tuple[int, int] | None
"""(bottom, top) in pixels from the bar's bottom."""


def _layers(by_kind: Sequence[int], grid: Grid) -> list[list[Piece]]:
    """For each kind its piece of each column. Bounds are rounded, so that pieces neither overlap nor leave gaps."""
    layers: list[list[Piece]] = [[None] * grid.columns for _ in range(KINDS)]
    scale = BAR / grid.column_ns()
    for column in range(grid.columns):
        total, bottom = 0, 0
        for kind in range(KINDS):
            ns = by_kind[column * KINDS + kind]
            if ns:
                total += ns
                top = min(round(total * scale), BAR)
                if top > bottom:
                    layers[kind][column] = (bottom, top)
                bottom = top
    return layers


def _path(pieces: Sequence[Piece], step: int, below: int = 0) -> str:
    """Rectangles, neighbours of one height joined, as one path of the bar; `below`: so far under its top."""
    parts = []
    first = 0
    current: Piece = None
    for column, piece in enumerate([*pieces, None]):
        if piece == current:
            continue
        if current is not None:
            bottom, top = current
            across = (column - first) * step
            y = below if below else BAR - top
            parts.append(f"M{first * step} {y}h{across}v{top - bottom}h-{across}z")
        first, current = column, piece
    return "".join(parts)


def _svg(raw: RawTimeline, rows: Sequence[Row], notes: Sequence[str], width: int) -> Iterator[str]:
    chart = TOP + len(rows) * ROW
    per_row = max(1, (width - 20) // LEGEND_COLUMN)
    legend_rows = -(-(len(LOOKS) + 3) // per_row)
    height = chart + 14 + legend_rows * LEGEND_ROW + 16 * len(notes) + 6
    name = f"{shown(raw.processes[0].name)}, " if raw.processes else ""
    wall_s = (raw.end_ns - raw.begin_ns) / 1e9
    title = f"{name}{len(raw.threads):,} threads in {seconds(wall_s)}"
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" font-family="system-ui,sans-serif" font-size="12"><title>{escape(title)}</title>'
        f'<rect width="{width}" height="{height}" fill="#fff"/>{_definitions()}'
    )
    yield from _axis(wall_s, width - LABEL - RIGHT, chart)
    for number, row in enumerate(rows):
        yield _row(row, TOP + number * ROW, width)
    yield from _legend(chart + 14, per_row)
    for number, note in enumerate(notes):
        y = chart + 14 + legend_rows * LEGEND_ROW + 16 * number + 10
        yield f'<text x="10" y="{y}" fill="#555">{escape(note)}</text>'
    yield "</svg>"


def _definitions() -> str:
    """Patterns, and the styles that name them. The names carry a prefix: a page may hold several pictures."""
    patterns = "".join(
        f'<pattern id="conc-{name}" width="6" height="6" patternUnits="userSpaceOnUse">{marks}</pattern>'
        for name, marks in PATTERNS.items()
    )
    return f"<defs>{patterns}</defs>"


def _fills(kind: str) -> Iterator[str]:
    """How the paths of a class are filled: colour first, hatch over it."""
    if kind == "held":
        yield "#000"
    elif kind == "blocked":
        yield "#D55E00"
        yield "url(#conc-cross)"
    else:
        look = LOOKS[Kind(int(kind[1:]))]
        yield look.colour
        if look.hatch is not None:
            yield f"url(#conc-{look.hatch})"


def _row(row: Row, y: int, width: int) -> str:
    drawn = "".join(f'<path d="{path}" fill="{fill}"/>' for kind, path in row.paths for fill in _fills(kind))
    if row.ended_px is not None:
        end = width - LABEL - RIGHT
        drawn += f'<path d="M{row.ended_px} {BAR // 2}H{end}" stroke="{ENDED_COLOUR}" stroke-width="2"/>'
    label = escape(shown(row.label, LABEL_LETTERS))
    return (
        f'<g><title>{escape(row.tip)}</title><text x="{LABEL - 8}" y="{y + 12}" text-anchor="end">{label}</text>'
        f'<g transform="translate({LABEL} {y})">{drawn}</g></g>'
    )


def _axis(wall_s: float, across: int, bottom: int) -> Iterator[str]:
    unit, scale = ("s", 1.0) if wall_s >= 2 else ("ms", 1e3) if wall_s >= 0.002 else ("µs", 1e6)
    span = max(wall_s * scale, 1e-9)
    for value in ticks(span, max(2, across // 90)):
        x = LABEL + value / span * across
        yield f'<path d="M{x:.1f} {TOP - 6}V{bottom}" stroke="#ccc"/>'
        label = f"{value:g} {unit}" if value == 0 else f"{value:g}"
        yield f'<text x="{x:.1f}" y="{TOP - 12}" text-anchor="middle">{label}</text>'


def ticks(span: float, most: int) -> list[float]:
    """Round values from 0 to `span`: steps of 1, 2 or 5 times a power of ten, at most `most` steps."""
    step = 10.0**-12
    while span / step > most:
        step *= 10
    for finer in (5, 2):
        if span / (step / finer) <= most:
            step /= finer
            break
    return [round(step * number, 12) for number in range(int(span / step + 1e-9) + 1)]


def _legend(y: int, per_row: int) -> Iterator[str]:
    entries = [(f"k{kind}", look.label, BAR) for kind, look in ((int(kind), look) for kind, look in LOOKS.items())]
    entries += [("held", "holds the GIL", STRIP), ("blocked", "GIL held during a blocking call", BAR)]
    for number, (kind, label, height) in enumerate(entries):
        x, top = 10 + number % per_row * LEGEND_COLUMN, y + number // per_row * LEGEND_ROW
        marks = "".join(
            f'<rect x="{x}" y="{top + (BAR - height)}" width="22" height="{height}" fill="{fill}"/>'
            for fill in _fills(kind)
        )
        yield f'{marks}<text x="{x + 28}" y="{top + 12}">{label}</text>'
    number = len(entries)
    x, top = 10 + number % per_row * LEGEND_COLUMN, y + number // per_row * LEGEND_ROW + BAR // 2
    yield f'<path d="M{x} {top}h22" stroke="{ENDED_COLOUR}" stroke-width="2"/>'
    yield f'<text x="{x + 28}" y="{top + 4}">ended</text>'


def _notes(raw: RawTimeline, drawn: int, step: int, grid: Grid) -> Iterator[str]:
    if drawn < len(raw.threads):
        yield f"{len(raw.threads) - drawn:,} more threads, which did less, are not drawn"
    if step > 1:
        yield f"one column is {seconds(grid.column_ns() / 1e9)}: more detail would make the picture too large"
    if raw.resolution_ns > raw.interval_ns:
        yield f"thinned: nothing shorter than {seconds(raw.resolution_ns / 1e9)} was kept"
    yield from (shown(note, 200) for note in raw.notes)
