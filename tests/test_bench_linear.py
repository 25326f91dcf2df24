"""What benchmarks/linear_cost.py makes of its measurements, and the results that are kept."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
_before = sys.path[:]
sys.path.insert(0, str(ROOT / "benchmarks"))
try:
    import linear_cost
    import linear_plot
    from decode import decode
finally:
    sys.path[:] = _before

pytestmark = pytest.mark.once

SVG = "{http://www.w3.org/2000/svg}"


def test_sizes_go_from_a_thousand_to_the_most() -> None:
    assert linear_cost.sizes(100_000) == [1_000, 3_162, 10_000, 31_623, 100_000]


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_the_exponent_tells_linear_from_quadratic(power: float) -> None:
    seconds = [1e-9 * tasks**power for tasks in linear_cost.sizes(1_000_000)]
    series = linear_cost.make_series("some", [seconds, seconds])
    assert series.exponent == pytest.approx(power, abs=1e-3)
    assert series.points[0].tasks == 1_000
    assert series.points[-1].tasks == 1_000_000


def test_the_plot_has_each_line_with_its_name_and_points() -> None:
    drawn = ElementTree.fromstring(
        linear_plot.plot({"one & two": [(1_000, 5.0), (10_000, 7.0)], "three": [(1_000, 90.0)]})
    )
    lines = [line.attrib["points"].split() for line in drawn.iter(f"{SVG}polyline")]
    assert [len(line) for line in lines] == [2, 1]
    assert {"one & two", "three", "1,000", "10,000"} <= {text.text for text in drawn.iter(f"{SVG}text")}
    heights = [float(point.partition(",")[2]) for line in lines for point in line]
    assert heights[2] < heights[1] < heights[0], "what costs more stands higher"


@pytest.mark.parametrize("lines", [{}, {"empty": []}, {str(number): [(1, 1.0)] for number in range(6)}])
def test_the_plot_refuses_what_it_cannot_draw(lines: dict[str, list[tuple[int, float]]]) -> None:
    with pytest.raises(ValueError, match="lines with points are wanted"):
        linear_plot.plot(lines)


def test_kept_results_are_of_this_schema_and_have_their_picture() -> None:
    kept = sorted(linear_cost.FOLDER.glob("*.json"))
    assert kept != []
    for path in kept:
        cost = decode(linear_cost.LinearCost, json.loads(path.read_text(encoding="utf-8")))
        assert cost.schema == linear_cost.SCHEMA
        assert path.stem == cost.machine.slug
        names = {text.text for text in ElementTree.parse(path.with_suffix(".svg")).iter(f"{SVG}text")}
        assert {series.name for series in cost.series} <= names
