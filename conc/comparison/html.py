"""The report as HTML: a fragment for notebooks, and a page of its own. No script, no other file, readable in dark and
light, since every colour is a shade of the text's own."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

from conc.comparison.text import HEADINGS, cells, environment_words, title

if TYPE_CHECKING:
    from conc.comparison.report import LaneReport, Report

STYLE = """
.conc-report { font: 14px/1.45 system-ui, sans-serif; color: inherit; max-width: 64em; }
.conc-report table { border-collapse: collapse; margin: .5em 0; font-variant-numeric: tabular-nums; }
.conc-report th, .conc-report td { padding: .25em .8em; text-align: right; background: none; color: inherit; }
.conc-report th:first-child, .conc-report td:first-child, .conc-report td.conc-words { text-align: left; }
.conc-report thead th { border-bottom: 1px solid currentColor; font-weight: 600; }
.conc-report tr.conc-best td { font-weight: 700; }
.conc-report td.conc-words, .conc-report .conc-small { font-size: 12px; opacity: .75; text-align: left; }
.conc-report svg { display: block; margin: .5em 0; max-width: 100%; height: auto; }
.conc-report svg text { fill: currentColor; font: 12px system-ui, sans-serif; }
.conc-report svg .conc-bar { fill: #5b8def; } .conc-report svg .conc-bar-best { fill: #2fa36b; }
.conc-report svg .conc-tick, .conc-report svg .conc-base { stroke: currentColor; }
.conc-report svg .conc-base { stroke-dasharray: 3 3; opacity: .6; }
"""

_LABEL, _WIDTH, _ROW = 130, 640, 24


def render_html(report: Report) -> str:
    """A fragment with its own style."""
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in report.verdict.reasons)
    return (
        f'<div class="conc-report"><style>{STYLE}</style>'
        f"<div><b>{escape(title(report))}</b></div>"
        f"{_table(report)}{_bars(report)}"
        f"<div><b>Verdict: {escape(report.verdict.kind)}</b></div><ul>{reasons}</ul>"
        f'<div class="conc-small">{escape(environment_words(report.environment))}</div></div>'
    )


def render_page(report: Report) -> str:
    """The same as a whole page."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
        f"<title>{escape(title(report))}</title></head><body>{render_html(report)}</body></html>\n"
    )


def _table(report: Report) -> str:
    head = "".join(f"<th>{escape(heading)}</th>" for heading in HEADINGS)
    body = "".join(row for lane in report.lanes.values() for row in _rows(lane, report.verdict.best_lane))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _rows(lane: LaneReport, best: str | None) -> Iterator[str]:
    words = [lane.problem] if lane.problem is not None else []
    words += lane.notes
    if lane.samples_s:
        mark = ' class="conc-best"' if lane.name == best else ""
        yield f"<tr{mark}>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells(lane)) + "</tr>"
        name = ""
    else:
        name = escape(lane.name)
    for text in words:
        yield f'<tr><td>{name}</td><td class="conc-words" colspan="{len(HEADINGS) - 1}">{escape(text)}</td></tr>'
        name = ""


def _bars(report: Report) -> str:
    """Speed-ups as bars with their intervals; the dashed line is the sequential lane."""
    lanes = [lane for lane in report.lanes.values() if lane.speedup is not None and lane.problem is None]
    if len(lanes) < 2:
        return ""
    most = max(lane.speedup_interval[1] if lane.speedup_interval else lane.speedup or 0.0 for lane in lanes)
    scale = (_WIDTH - _LABEL - 60) / max(most, 1.0)
    rows = "".join(_bar(lane, number, scale, report.verdict.best_lane) for number, lane in enumerate(lanes))
    height = _ROW * len(lanes) + 4
    base = _LABEL + scale
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" role="img" aria-label="speed-up of each lane">{rows}'
        f'<line class="conc-base" x1="{base:.1f}" y1="0" x2="{base:.1f}" y2="{height}"/></svg>'
    )


def _bar(lane: LaneReport, number: int, scale: float, best: str | None) -> str:
    value = lane.speedup or 0.0
    top, middle = number * _ROW + 4, number * _ROW + _ROW / 2 + 2
    end = _LABEL + value * scale
    tick = ""
    if lane.speedup_interval is not None:
        low, high = (_LABEL + bound * scale for bound in lane.speedup_interval)
        tick = f'<line class="conc-tick" x1="{low:.1f}" y1="{middle}" x2="{high:.1f}" y2="{middle}"/>'
        end = max(end, high)
    kind = "conc-bar-best" if lane.name == best else "conc-bar"
    return (
        f'<text x="{_LABEL - 8}" y="{middle + 4}" text-anchor="end">{escape(lane.name)}</text>'
        f'<rect class="{kind}" x="{_LABEL}" y="{top}" width="{value * scale:.1f}" height="{_ROW - 6}" rx="2"/>{tick}'
        f'<text x="{end + 6:.1f}" y="{middle + 4}">{value:.2f}x</text>'
    )
