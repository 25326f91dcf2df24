"""The report: names, figures, text, HTML and JSON."""

from __future__ import annotations

import html.parser
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from test_comparison_verdict import comparison, run

from conc.comparison import units
from conc.comparison.records import Comparison, Difference, ItemError, Run, one_line
from conc.comparison.report import Report, make_report
from conc.comparison.stats import speedup, spread


def records() -> Comparison:
    """Every kind of lane: finished, wrong, failed, unavailable."""
    wrong = Run("native", run("native", 0.01).samples, wrong=Difference(3, "[2]", "<b>", "sequential"))
    return comparison(
        replace(run("sequential", 1.0), startup_s=5e-5, memory_note="no actor but the calling thread"),
        replace(run("threads", 0.26, 4.0), startup_s=0.002, memory_per_actor_bytes=20480, notes=("a note",)),
        Run("native-threads", error=ItemError(7, "ValueError", "bad & worse", "7")),
        wrong,
        Run("processes", unavailable="item 3 cannot be pickled: " + "because of a long reason " * 8),
        Run("asyncio", unavailable="fn has no coroutine twin (coroutine=...)"),
    )


@pytest.fixture
def report() -> Report:
    return make_report(records())


def test_the_names_that_others_rely_on(report: Report) -> None:
    lane = report.lanes["threads"]
    assert lane.median_s == pytest.approx(0.26)
    assert len(lane.samples_s) == 5
    assert lane.speedup == pytest.approx(1 / 0.26)
    assert lane.speedup_interval is not None
    assert lane.speedup_interval[0] <= lane.speedup <= lane.speedup_interval[1]
    assert lane.usage.cpu_s == pytest.approx(5 * 0.26 * 4)
    assert (lane.startup_s, lane.memory_per_actor_bytes, lane.unavailable) == (0.002, 20480, None)
    assert report.verdict.kind == "cpu-native"
    assert report.verdict.best_lane == "threads"
    assert report.verdict.shares
    assert report.verdict.reasons
    assert report.wrong_lanes == ("native",)


def test_unknown_figures_have_a_reason(report: Report) -> None:
    lane = report.lanes["sequential"]
    assert lane.memory_per_actor_bytes is None
    assert lane.unknown["memory_per_actor_bytes"] == "no actor but the calling thread"
    assert report.lanes["processes"].median_s is None
    assert "median_s" in report.lanes["processes"].unknown
    alone = make_report(comparison(run("threads", 1.0, noise=(1.0,)))).lanes["threads"]
    assert (alone.speedup, alone.speedup_interval) == (None, None)
    assert {"speedup", "speedup_interval"} <= alone.unknown.keys()


def test_text_fits_and_says_everything(report: Report) -> None:
    text = str(report)
    assert all(len(line) <= 100 for line in text.splitlines())
    words = " ".join(text.split())
    assert "* threads" in words
    assert "failed at item 7 (7): ValueError: bad & worse" in words
    assert "wrong result, item 3: <b> where sequential gives [2]" in words
    assert "cannot run: fn has no coroutine twin" in words
    assert "a note" in words
    assert "Verdict: cpu-native." in words
    assert "GIL on" in words
    assert "3.85x [" in words


def test_every_lane_has_a_row(report: Report) -> None:
    starts = [line[2:].split(" ")[0] for line in str(report).splitlines()]
    assert all(name in starts for name in report.lanes)


class Pages(html.parser.HTMLParser):
    """Collects what a page is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        if tag not in ("meta", "br", "rect", "line"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_html_is_whole_and_of_itself(report: Report, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    page = report.to_html(path)
    assert path.read_text(encoding="utf-8") == page
    assert report._repr_html_() in page
    pages = Pages()
    pages.feed(page)
    assert pages.open == []
    assert {"table", "svg", "style"} <= set(pages.tags)
    assert "script" not in pages.tags
    assert not {"src", "href", "onclick", "onload"} & set(pages.attributes)
    assert "&lt;b&gt;" in page
    assert "bad &amp; worse" in page


def test_html_has_no_colour_that_a_theme_could_hide() -> None:
    from conc.comparison.html import STYLE

    assert "background: none" in STYLE
    assert "color: inherit" in STYLE
    assert "background: #" not in STYLE


def test_json_holds_every_sample(report: Report, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    text = report.to_json(path)
    data = json.loads(text)
    assert json.loads(path.read_text(encoding="utf-8")) == data == report.to_dict()
    assert data["lanes"]["threads"]["samples_s"] == list(report.lanes["threads"].samples_s)
    assert data["lanes"]["native"]["wrong"]["index"] == 3
    assert data["environment"]["gil"] is True
    assert len(data["comparison"]["runs"]["threads"]["samples"]) == 5


def test_a_data_frame_needs_pandas(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        report.to_dataframe()


def test_a_report_of_nothing_can_be_shown() -> None:
    report = make_report(replace(comparison(), interrupted=True, rounds=0))
    assert "interrupted" in str(report)
    assert "table" in report._repr_html_()


def test_partial_rounds_and_items_are_told() -> None:
    report = make_report(replace(records(), rounds=2, items_run=100))
    words = " ".join(str(report).split())
    assert "the first 100 of 1,000 items (as many as the budget allows)" in words
    assert "2 of 5 rounds" in words


def test_speedup_is_paired_by_round_and_repeatable() -> None:
    drift = (1.0, 2.0, 4.0, 8.0, 16.0)
    ratio = speedup(run("threads", 0.5, noise=drift), over=run("sequential", 1.0, noise=drift))
    assert ratio is not None
    assert ratio == (pytest.approx(2.0), pytest.approx(2.0), pytest.approx(2.0))
    noisy = run("threads", 0.5, noise=(1.0, 1.3, 0.8, 1.1, 0.7))
    assert speedup(noisy, over=run("sequential", 1.0)) == speedup(noisy, over=run("sequential", 1.0))


def test_no_interval_with_fewer_than_three_common_rounds() -> None:
    ratio = speedup(run("threads", 0.5, noise=(1.0, 1.0)), over=run("sequential", 1.0))
    assert ratio is not None
    assert (ratio.value, ratio.low, ratio.high) == (pytest.approx(2.0), None, None)
    assert speedup(Run("threads"), over=run("sequential", 1.0)) is None


def test_spread() -> None:
    assert spread([1.0, 1.0, 1.0]) == 0.0
    assert spread([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(1 / 3)
    assert spread([1.0, 2.0]) is None


@pytest.mark.parametrize(
    ("value", "words"),
    [(None, "-"), (12.345, "12.3 s"), (1.0, "1.00 s"), (0.9999, "1.00 s"), (0.0123, "12.3 ms"), (4.5e-6, "4.50 µs")],
)
def test_seconds(value: float | None, words: str) -> None:
    assert units.seconds(value) == words


@pytest.mark.parametrize(
    ("value", "words"), [(None, "-"), (0, "0 B"), (1023, "1023 B"), (20480, "20.0 KiB"), (3 << 30, "3.00 GiB")]
)
def test_sizes(value: int | None, words: str) -> None:
    assert units.size(value) == words


def test_one_line_is_one_line() -> None:
    assert one_line("a\n" * 100, 20) == "'a\\na\\na\\na\\na\\na..."
    assert "\n" not in one_line(type("X", (), {"__repr__": lambda _: "a\nb"})())
