"""A memory report as text for a terminal and as one self-contained piece of HTML for a notebook."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence

from conc.memory.machine import list_text, size_text
from conc.memory.results import Bandwidth, Latency, MemoryReport, NodeMatrix

BAR_WIDTH = 30


def as_text(report: MemoryReport) -> str:
    """Tables with their units; what is weak is marked, what is missing says why."""
    blocks = [
        [f"Memory of {report.conditions.cpu_model or 'this machine'}: {_verdict_line(report)}"],
        [f"  {reason}" for reason in report.verdict.reasons],
        str(report.topology).splitlines(),
        _curve_text(report),
        _edges_text(report),
        _bandwidth_text(report),
        *([] if report.matrix is None else _matrix_text(report.matrix)),
        _conditions_text(report),
        [f"not measured: {line}" for line in report.skipped],
    ]
    return "\n".join("\n".join(block) for block in blocks if block)


def as_html(report: MemoryReport) -> str:
    """The same with a picture of the curve; no script, no file from elsewhere."""
    parts = [
        f"<h3>{html.escape(_verdict_line(report))}</h3>",
        _list_html(report.verdict.reasons),
        _curve_svg(report),
        _table_html(("working set", "median ns", "p5", "p95", "n", "page"), map(_latency_row, report.latency)),
        _list_html(_edges_text(report)[1:]),
        _table_html(("kernel", "threads", "median GB/s", "max GB/s", "n", ""), map(_bandwidth_row, report.bandwidth)),
    ]
    if report.matrix is not None:
        latency, bandwidth = _matrix_cells(report.matrix)
        parts += [_matrix_html("latency, ns", report.matrix, latency)]
        parts += [_matrix_html("read bandwidth, GB/s", report.matrix, bandwidth)]
    parts += [f"<pre>{html.escape(str(report.topology))}</pre>", _list_html(_conditions_text(report))]
    parts += [_list_html(f"not measured: {line}" for line in report.skipped)]
    return f'<div class="conc-memory">{"".join(parts)}</div>'


def _verdict_line(report: MemoryReport) -> str:
    verdict = report.verdict
    if verdict.ratio is None or verdict.interval is None:
        return verdict.kind
    low, high = verdict.interval
    return f"{verdict.kind}, remote over local latency {verdict.ratio:.2f} ({low:.2f}..{high:.2f})"


def _mark(stable: bool) -> str:
    return "" if stable else " ~"


def _curve_text(report: MemoryReport) -> list[str]:
    if not report.latency:
        return []
    first = report.latency[0]
    where = "" if first.node is None else f", memory of node {first.node}"
    lines = [f"Latency by working set, from CPU {first.cpu}{where} (median ns a load, {first.pattern}; ~ unstable)"]
    logs = [math.log(point.median_ns or 1.0) for point in report.latency]
    bottom, span = min(logs), max(max(logs) - min(logs), 1e-9)
    for point, log in zip(report.latency, logs, strict=True):
        bar = "#" * (1 + round((BAR_WIDTH - 1) * (log - bottom) / span))
        lines.append(
            f"  {size_text(point.size_bytes):>10}  {point.median_ns:8.2f}  {point.p5_ns:8.2f}..{point.p95_ns:<8.2f}"
            f" n={point.n:<4} {bar}{_mark(point.stable)}"
        )
    return lines


def _edges_text(report: MemoryReport) -> list[str]:
    if not report.edges:
        return []
    lines = ["Edges in the curve"]
    for edge in report.edges:
        told = "no cache of about this size is told of"
        if edge.told_bytes is not None:
            told = f"the system tells of L{edge.level} with {size_text(edge.told_bytes)}"
        lines.append(f"  {size_text(edge.size_bytes)}: {edge.below_ns:.2f} -> {edge.above_ns:.2f} ns; {told}")
    return lines


def _bandwidth_text(report: MemoryReport) -> list[str]:
    if not report.bandwidth:
        return []
    lines = ["Bandwidth (GB/s; 1 GB = 1e9 bytes, lines fetched for stores are not counted; ~ unstable)"]
    for cell in report.bandwidth:
        where = "each thread's own" if cell.node is None else f"node {cell.node}"
        figures = (
            f"median {cell.median_gb_s:7.2f}  max {cell.max_gb_s:7.2f}" if cell.max_gb_s else f"none: {cell.reason}"
        )
        who = f"{cell.kernel:<6} {cell.threads:>3} threads on CPUs {list_text(tuple(sorted(cell.cpus)))}, {where}"
        lines.append(f"  {who}: {figures} n={cell.n}{_mark(cell.stable)}")
        if cell.reason and cell.n:
            lines.append(f"         {cell.reason}")
    return lines


def _matrix_text(matrix: NodeMatrix) -> list[list[str]]:
    latency, bandwidth = _matrix_cells(matrix)
    head = "  CPU node \\ memory node " + "".join(f"{node:>10}" for node in matrix.memory_nodes)
    blocks = []
    for title, rows in (
        ("Latency, node by node (median ns)", latency),
        ("Read bandwidth, node by node (GB/s)", bandwidth),
    ):
        lines = [title, head]
        for node, texts in zip(matrix.cpu_nodes, rows, strict=True):
            lines.append(f"  {node:>23}" + "".join(f"{text:>10}" for text in texts))
        blocks.append(lines)
    return blocks


def _matrix_cells(matrix: NodeMatrix) -> tuple[list[list[str]], list[list[str]]]:
    return (
        [[_latency_cell(cell) for cell in cells] for cells in matrix.latency],
        [[_bandwidth_cell(cell) for cell in cells] for cells in matrix.bandwidth],
    )


def _conditions_text(report: MemoryReport) -> list[str]:
    about = report.conditions
    huge = report.latency[-1].page if report.latency else None
    return [
        f"{about.taken_at}, conc {about.conc}, {about.python}, {about.kernel}, "
        f"{'virtual machine' if about.virtual else 'no hypervisor seen'}, clock {about.clock_source or 'unknown'}",
        f"pages {huge or 'unknown'}, {report.elapsed_s:.1f} s of a budget of {report.budget_s:g} s",
    ]


def _latency_cell(cell: Latency) -> str:
    return "-" if cell.median_ns is None else f"{cell.median_ns:.1f}{_mark(cell.stable)}"


def _bandwidth_cell(cell: Bandwidth) -> str:
    return "-" if cell.median_gb_s is None else f"{cell.median_gb_s:.1f}{_mark(cell.stable)}"


def _latency_row(point: Latency) -> tuple[str, ...]:
    figures = (point.median_ns, point.p5_ns, point.p95_ns)
    return (
        size_text(point.size_bytes),
        *("-" if figure is None else f"{figure:.2f}" for figure in figures),
        str(point.n),
        (point.page or "unknown") + ("" if point.stable else ", unstable"),
    )


def _bandwidth_row(cell: Bandwidth) -> tuple[str, ...]:
    figures = (cell.median_gb_s, cell.max_gb_s)
    return (
        cell.kernel,
        str(cell.threads),
        *("-" if figure is None else f"{figure:.2f}" for figure in figures),
        str(cell.n),
        cell.reason or ("" if cell.stable else "unstable"),
    )


def _matrix_html(title: str, matrix: NodeMatrix, rows: Sequence[Sequence[str]]) -> str:
    head = (f"{title}: CPU node \\ memory node", *map(str, matrix.memory_nodes))
    return _table_html(head, [(str(node), *texts) for node, texts in zip(matrix.cpu_nodes, rows, strict=True)])


def _table_html(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    def line(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    return f"<table>{line(head, 'th')}{''.join(line(cells, 'td') for cells in rows)}</table>"


def _list_html(items: Iterable[str]) -> str:
    lines = "".join(f"<li>{html.escape(item.strip())}</li>" for item in items)
    return f"<ul>{lines}</ul>" if lines else ""


def _curve_svg(report: MemoryReport) -> str:
    """Latency over working set, both on logarithmic axes; a bar at each point from the 5th to the 95th percentile."""
    points = [p for p in report.latency if p.median_ns and p.p5_ns and p.p95_ns]
    if len(points) < 2:
        return ""
    width, height, left, bottom = 640, 300, 60, 40
    x0, x1 = math.log2(points[0].size_bytes), math.log2(points[-1].size_bytes)
    y0 = math.log10(min(p.p5_ns or 1.0 for p in points)) - 0.05
    y1 = math.log10(max(p.p95_ns or 1.0 for p in points)) + 0.05

    def x(size: float) -> float:
        return left + (math.log2(size) - x0) / (x1 - x0) * (width - left - 10)

    def y(ns: float) -> float:
        return (height - bottom) - (math.log10(ns) - y0) / (y1 - y0) * (height - bottom - 10)

    shapes = [
        f'<line x1="{x(e.size_bytes):.1f}" x2="{x(e.size_bytes):.1f}" y1="10" y2="{height - bottom}" '
        f'stroke="#999" stroke-dasharray="4"><title>edge at {size_text(e.size_bytes)}</title></line>'
        for e in report.edges
    ]
    for p in points:
        tip = f"{size_text(p.size_bytes)}: {p.median_ns:.2f} ns ({p.p5_ns:.2f}..{p.p95_ns:.2f}, n={p.n})"
        cx = x(p.size_bytes)
        shapes.append(
            f'<g stroke="#1668a8"><line x1="{cx:.1f}" x2="{cx:.1f}" y1="{y(p.p5_ns or 1.0):.1f}" '
            f'y2="{y(p.p95_ns or 1.0):.1f}"/><circle cx="{cx:.1f}" cy="{y(p.median_ns or 1.0):.1f}" r="2.5" '
            f'fill="#1668a8"><title>{html.escape(tip)}</title></circle></g>'
        )
    powers = range(math.ceil(x0), math.floor(x1) + 1, 3)
    shapes += [_label(x(2.0**power), height - bottom + 16, size_text(2**power), "middle") for power in powers]
    ticks = [step * 10.0**exponent for exponent in range(math.floor(y0), math.ceil(y1) + 1) for step in (1, 3)]
    shapes += [_label(left - 6, y(ns) + 4, f"{ns:g} ns", "end") for ns in ticks if y0 <= math.log10(ns) <= y1]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img" '
        f'aria-label="latency by working-set size">{"".join(shapes)}</svg>'
    )


def _label(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="11" text-anchor="{anchor}">{html.escape(text)}</text>'
