"""The picture of linear_cost.py: nanoseconds a task over the number of tasks, both on logarithmic scales, as an SVG."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 860, 460
LEFT, RIGHT, TOP, BOTTOM = 70, 280, 30, 55
COLOURS = ("#4477aa", "#66ccee", "#aa3377", "#ee6677", "#228833")
"""Paul Tol's bright scheme, which the colour-blind can tell apart."""

Line = Sequence[tuple[int, float]]
"""(tasks, nanoseconds a task), both above 0."""


class Axis:
    """Powers of ten that hold all values, laid along `length` pixels from `start`."""

    def __init__(self, values: Sequence[float], start: float, length: float) -> None:
        self._low = math.floor(math.log10(min(values)) + 1e-9)
        self._high = max(self._low + 1, math.ceil(math.log10(max(values)) - 1e-9))
        self._start, self._length = start, length

    def at(self, value: float) -> float:
        """The pixel of a value."""
        return self._start + self._length * (math.log10(value) - self._low) / (self._high - self._low)

    def ticks(self) -> list[float]:
        return [10.0**power for power in range(self._low, self._high + 1)]


def plot(lines: Mapping[str, Line]) -> str:
    """The SVG; a flat line is linear cost.

    Raises:
        ValueError: there is nothing to draw, or more lines than colours.
    """
    points = [point for line in lines.values() for point in line]
    if not points or len(lines) > len(COLOURS):
        raise ValueError(f"one to {len(COLOURS)} lines with points are wanted, not {len(lines)} with {len(points)}")
    across = Axis([tasks for tasks, _ in points], LEFT, WIDTH - LEFT - RIGHT)
    up = Axis([cost for _, cost in points], HEIGHT - BOTTOM, TOP + BOTTOM - HEIGHT)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">',
        "<style>text { font: 13px sans-serif }</style>",
        "<title>nanoseconds a task, by number of tasks</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        *_grid(across, up),
        *(part for index, name in enumerate(lines) for part in _line(name, lines[name], index, across, up)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _grid(across: Axis, up: Axis) -> Iterator[str]:
    for value in across.ticks():
        x = across.at(value)
        yield f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#dddddd"/>'
        yield f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{value:,.0f}</text>'
    for value in up.ticks():
        y = up.at(value)
        yield f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#dddddd"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:,.0f}</text>'
    yield f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 12}" text-anchor="middle">tasks</text>'
    yield f'<text x="{LEFT}" y="{TOP - 12}">ns a task</text>'


def _line(name: str, line: Line, index: int, across: Axis, up: Axis) -> Iterator[str]:
    colour = COLOURS[index]
    placed = [(across.at(tasks), up.at(cost)) for tasks, cost in line]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
    yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
    for x, y in placed:
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>'
    y = TOP + 20 + 22 * index
    yield f'<path d="M{WIDTH - RIGHT + 14} {y - 4}h18" stroke="{colour}" stroke-width="3"/>'
    yield f'<text x="{WIDTH - RIGHT + 38}" y="{y}">{escape(name)}</text>'
