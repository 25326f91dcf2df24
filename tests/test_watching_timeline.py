"""`conc.Timeline`: its text, its pictures, its page, and the way to JSON and back."""

from __future__ import annotations

import html
import html.parser
import json
import random
import re
import shutil
import subprocess
import sys
from array import array
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raw_timelines import HOSTILE, MS, Builder, one_of_everything, raw_timelines, running, unhurried, waiting

import conc
from conc.watching import text as watch_text
from conc.watching.html import FRAGMENT_RUNS, FRAGMENT_THREADS, chart_data
from conc.watching.kinds import LOOKS, Kind
from conc.watching.labels import labels, shown
from conc.watching.lanes import KINDS, MOST_LOCKS, Grid, chosen, lock_lanes, thread_lanes, whole
from conc.watching.plot import MOST_MARKS, ticks
from conc.watching.records import RawTimeline, Reason, State, Totals
from conc.watching.runs import PARTS, lock_runs, thinned, thread_runs
from conc.watching.text import render_text
from conc.watching.timeline import Timeline

pytestmark = pytest.mark.once  # plain Python

widths = st.integers(60, 160)


@pytest.fixture
def timeline() -> Timeline:
    return Timeline(one_of_everything().raw())


@pytest.fixture(scope="module")
def huge() -> RawTimeline:
    """Thousands of threads and hundreds of thousands of segments; the last 100 threads did most."""
    chance = random.Random(1)
    made = Builder(10_000)
    for number in range(3000):
        changes = sorted(chance.sample(range(10_000), 20 if number < 2900 else 400))
        spans = pairwise(changes)
        busy = number >= 2900
        rows = [
            running(a, b) if busy and i % 2 else waiting(a, b, chance.choice([Reason.SOCKET, Reason.SLEEP]))
            for i, (a, b) in enumerate(spans)
        ]
        made.thread(f"worker {number}", *rows)
    for ms in range(9_999):
        made.hold(ms, ms + 1, 2900 + ms % 100)
    return made.raw()


def test_it_is_public() -> None:
    assert conc.Timeline is Timeline


@unhurried
@given(raw_timelines(), widths)
def test_text_fits_the_terminal(raw: RawTimeline, width: int) -> None:
    text = render_text(Timeline(raw).summary(), raw, width)
    assert max(map(len, text.splitlines())) <= width
    assert text.isprintable() or set(text) - {"\n"} <= set(filter(str.isprintable, text))


@pytest.mark.parametrize("width", range(20, 60))
def test_no_line_begins_with_a_unit(width: int) -> None:
    words = "'Thread-3 (work)' waited 120 ms of 0.373 s, 37 % of it; held 97 % of the time, at 7.1 µs and 5 of 2 CPUs"
    lines = watch_text._wrapped(words, width)
    assert " ".join(line.strip() for line in lines) == words
    assert not [line for line in lines if line.split()[0].strip(",;") in ("ms", "s", "%", "µs")]


def test_text_has_a_row_for_each_thread_and_bars_where_there_is_room(timeline: Timeline) -> None:
    wide = render_text(timeline.summary(), timeline.raw, 160)
    rows = {line.split()[0]: line for line in wide.splitlines() if line[:1].isalpha()}
    assert re.fullmatch("G{20,}i{30,}", rows["receiver"].split()[-1])
    assert "bars: R running" in " ".join(wide.split())
    narrow = render_text(timeline.summary(), timeline.raw, 80)
    assert "bars:" not in narrow
    assert "GILwait%" in narrow
    assert "contention 1.00" in narrow


def test_the_terminal_decides_how_wide(timeline: Timeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    assert max(map(len, str(timeline).splitlines())) <= 69
    monkeypatch.setenv("COLUMNS", "150")
    assert max(map(len, str(timeline).splitlines())) > 100
    assert str(timeline.summary()).splitlines()[0] == str(timeline).splitlines()[0]


def test_text_says_how_many_threads_are_left_out(huge: RawTimeline) -> None:
    text = str(Timeline(huge))
    assert len(text.splitlines()) < 80
    assert "2,960 more threads" in text
    assert len(re.findall(r"worker 29\d\d \d+", text)) == 40


def test_notes_and_gaps_are_told() -> None:
    raw = one_of_everything().raw(
        notes=("thinned twice",), unknown={"syscall": "refused"}, rates=((0, MS), (5, 4 * MS))
    )
    assert Timeline(raw).summary().slowest_interval_s == 0.004
    words = " ".join(str(Timeline(raw)).split())
    assert "note: thinned twice" in words
    assert "not known: syscall: refused" in words


def test_repr_is_one_line(timeline: Timeline) -> None:
    assert repr(timeline) == "<conc.Timeline of 4 threads, 1.00 s, 1,000 looks>"


@unhurried
@given(raw_timelines())
def test_json_comes_back_as_it_went(raw: RawTimeline) -> None:
    timeline = Timeline(raw)
    text = timeline.to_json()
    again = Timeline.from_dict(json.loads(text))
    assert again.to_dict() == timeline.to_dict()
    assert again.to_json() == text
    assert again.summary() == timeline.summary()


def test_json_by_file(timeline: Timeline, tmp_path: Path) -> None:
    path = tmp_path / "watch.json"
    timeline.to_json(path)
    assert Timeline.from_json(path).to_dict() == timeline.to_dict()


def test_columns_of_the_sampler_are_plain_data() -> None:
    raw = one_of_everything().raw()
    columns = {name: memoryview(array("q", getattr(raw.totals, name))) for name in ("thread", "state", "reason", "ns")}
    viewed = replace(raw, totals=Totals(**columns))
    assert Timeline(viewed).to_dict() == Timeline(raw).to_dict()


def damaged(change: Any) -> dict[str, Any]:
    data = json.loads(Timeline(one_of_everything().raw()).to_json())
    change(data["raw"])
    return dict(data)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda raw: raw.pop("ticks"), "ticks"),
        (lambda raw: raw.update(ticks="many"), "ticks is 'many'"),
        (lambda raw: raw["segments"]["thread"].append(0), "has"),
        (lambda raw: raw["segments"]["thread"].__setitem__(0, 99), "thread of a segment lies outside 0..3"),
        (lambda raw: raw["segments"]["state"].__setitem__(0, 9), "state lies outside"),
        (lambda raw: raw["waits"]["holder"].__setitem__(0, -2), "waited for lies outside -1..3"),
        (lambda raw: raw["totals"]["ns"].__setitem__(0, "long"), "TypeError"),
        (lambda raw: raw["totals"]["ns"].__setitem__(0, 1 << 70), "OverflowError"),
        (lambda raw: raw["threads"][0].update(more=1), "more"),
        (lambda raw: raw.update(places=[{"stack": [["a", 1]], "time_ns": 0, "thread": 0}]), "unpack"),
    ],
)
def test_a_damaged_file_is_refused_with_words(change: Any, words: str) -> None:
    with pytest.raises(ValueError, match="damaged timeline") as raised:
        Timeline.from_dict(damaged(change))
    assert words in str(raised.value)


@pytest.mark.parametrize("data", [{}, {"format": "other-2"}, [], None, "text"])
def test_what_is_no_timeline_is_refused(data: object) -> None:
    with pytest.raises(ValueError, match="not a timeline"):
        Timeline.from_dict(data)


def test_a_data_frame_has_a_row_for_each_segment(timeline: Timeline) -> None:
    pandas: Any = pytest.importorskip("pandas", reason="pandas is not installed here")
    frame = timeline.to_dataframe()
    assert len(frame) == len(timeline.raw.segments.begin_ns)
    [row] = frame[frame["descriptor"] == 3].to_dict("records")
    assert pandas.isna(row.pop("cpu"))
    assert row == {
        "thread": "receiver",
        "native_id": 1002,
        "pid": 100,
        "begin_s": 0.4,
        "end_s": 1.0,
        "state": "NOT_RUNNING",
        "reason": "SOCKET",
        "syscall": "recvfrom",
        "descriptor": 3,
    }
    assert (str(frame.dtypes["cpu"]), str(frame.dtypes["descriptor"])) == ("Int64", "Int64")
    assert frame["cpu"].isna().tolist() == [cpu < 0 for cpu in timeline.raw.segments.cpu]


def test_a_data_frame_has_a_row_for_each_thread(timeline: Timeline) -> None:
    pytest.importorskip("pandas", reason="pandas is not installed here")
    frame = timeline.summary().to_dataframe()
    assert frame["name"].tolist() == ["A", "B", "receiver", "rest <&\"'>"]
    assert frame["gil_wait_share"][0] == 0.8
    assert str(frame.dtypes["voluntary"]) == "Int64"
    assert not any(isinstance(value, (dict, list)) for row in frame.to_dict("records") for value in row.values())


@unhurried
@given(raw_timelines())
def test_any_timeline_makes_data_frames(raw: RawTimeline) -> None:
    pytest.importorskip("pandas", reason="pandas is not installed here")
    timeline = Timeline(raw)
    assert len(timeline.to_dataframe()) == len(raw.segments.begin_ns)
    frame = timeline.summary().to_dataframe()
    unknown = [thread.voluntary is None for thread in timeline.summary().threads]
    assert len(frame) == len(unknown)
    assert not unknown or frame["voluntary"].isna().tolist() == unknown


def test_without_pandas_the_error_says_what_to_do(timeline: Timeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    for result in (timeline, timeline.summary()):
        with pytest.raises(ImportError, match="pip install pandas"):
            result.to_dataframe()


def test_nothing_heavy_is_imported() -> None:
    heavy = "matplotlib pandas numpy"
    code = (
        "import sys, conc; conc.Timeline; import conc.watching.html, conc.watching.plot, conc.watching.perfetto;"
        f"print([name for name in '{heavy}'.split() if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


# the static picture


@unhurried
@given(raw_timelines(), st.integers(300, 1500), st.integers(1, 8))
def test_the_picture_is_well_formed(raw: RawTimeline, width: int, threads: int) -> None:
    svg = ElementTree.fromstring(Timeline(raw).plot(width, threads).to_svg())
    assert svg.get("width") == str(width)
    drawn = min(threads, len(raw.threads))
    groups = [group for group in svg if group.tag.endswith("}g")]
    assert len(groups) == drawn + len(lock_lanes(raw, whole(raw, 1)))


def test_colours_are_those_of_okabe_and_ito_and_reasons_are_hatched(timeline: Timeline) -> None:
    svg = timeline.plot().to_svg()
    states = {look.colour for look in LOOKS.values()}
    assert states < {"#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7"}
    assert len(states) == 4
    assert all(colour in svg for colour in states)
    hatches = [look.hatch for look in LOOKS.values() if look.hatch is not None]
    assert len(set(hatches)) == len(hatches) == 5
    assert all(f'id="conc-{hatch}"' in svg for hatch in hatches)
    assert all(look.label in svg for look in LOOKS.values())


def test_bars_tell_shares(timeline: Timeline) -> None:
    titles = re.findall("<title>(.*?)</title>", timeline.plot().to_svg())
    assert "A, id 1000: running 20 %, waits for the GIL 80 %" in titles
    assert any("&lt;" in title for title in titles)


def test_a_picture_is_an_object_that_notebooks_show(timeline: Timeline, tmp_path: Path) -> None:
    picture = timeline.plot()
    path = tmp_path / "watch.svg"
    assert picture.to_svg(path) == picture._repr_svg_() == path.read_text(encoding="utf-8")
    assert repr(picture).startswith("<picture of a watch")


@pytest.mark.parametrize("options", [{"width": 10}, {"width": 100_000}, {"threads": 0}])
def test_what_makes_no_picture_is_refused(timeline: Timeline, options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=str(next(iter(options.values())))):
        timeline.plot(**options)


def test_a_huge_watch_makes_a_bounded_picture_that_says_what_is_left_out(huge: RawTimeline) -> None:
    svg = Timeline(huge).plot(width=1600, threads=200).to_svg()
    assert svg.count("M") <= 2 * MOST_MARKS
    assert len(svg) < 2_000_000
    assert "2,800 more threads, which did less, are not drawn" in svg
    assert "more detail would make the picture too large" in svg
    assert "worker 2950" in svg


def test_of_many_processes_the_locks_are_bounded_too() -> None:
    made = Builder(100)
    for process in range(40):
        made.hold(process, process + 1, made.thread(f"t{process}", running(0, 100), process=process))
    raw = made.raw(processes=tuple(replace(made.process, pid=100 + number) for number in range(40)))
    raw = replace(raw, holds=replace(raw.holds, process=list(range(40))))
    timeline = Timeline(raw)
    assert len(timeline.summary().gils) == 40
    assert "24 more GILs are not drawn" in timeline.plot().to_svg()
    data = chart_data(raw, 200, 1000)
    assert sum("lock" in row for row in data["rows"]) == MOST_LOCKS
    assert any("24 more GILs" in note for note in data["notes"])
    assert sum("interpreter" in line for line in timeline.summary().verdict) == 3
    assert "37 more GILs" in " ".join(timeline.summary().verdict)
    assert str(timeline).count("contention") == 8


@pytest.mark.parametrize(("span", "most"), [(1.0, 5), (37.2, 8), (999.0, 3), (0.004, 10), (2e6, 7)])
def test_ticks_are_round_and_not_too_many(span: float, most: int) -> None:
    values = ticks(span, most)
    assert values[0] == 0
    assert 2 <= len(values) <= most + 1
    assert values[-1] <= span
    assert f"{values[1]:e}"[0] in "125"


# columns and runs


@unhurried
@given(raw_timelines(), st.integers(1, 50))
def test_columns_lose_no_time(raw: RawTimeline, columns: int) -> None:
    grid = whole(raw, columns)
    lanes = thread_lanes(raw, range(len(raw.threads)), grid)
    for lane in lanes:
        spent = sum(
            end - begin
            for begin, end, thread, state in zip(
                raw.segments.begin_ns, raw.segments.end_ns, raw.segments.thread, raw.segments.state, strict=True
            )
            if thread == lane.thread and state != State.ENDED
        )
        assert sum(lane.by_kind) == spent
        assert len(lane.by_kind) == columns * KINDS


def test_a_column_has_what_is_in_it() -> None:
    grid = Grid(0, 100, 4)
    sums = [0] * 4
    grid.spread(sums, 1, 0, -10, 30)
    grid.spread(sums, 1, 0, 60, 1000)
    assert sums == [25, 5, 15, 25]


def test_those_that_did_most_are_shown(huge: RawTimeline) -> None:
    assert chosen(huge, 100) == list(range(2900, 3000))
    with pytest.raises(ValueError, match="at least 1"):
        chosen(huge, 0)


@unhurried
@given(raw_timelines(), st.integers(1, 30))
def test_thinned_runs_keep_order_and_time(raw: RawTimeline, most: int) -> None:
    lanes = [*lock_runs(raw, labels(raw)).values(), *thread_runs(raw, range(len(raw.threads)))]
    kept, resolution = thinned(lanes, most, raw.end_ns - raw.begin_ns)
    assert sum(map(len, kept)) <= max(most, 3 * len(lanes))
    for before, after in zip(lanes, kept, strict=True):
        assert sum(ns for run in before for _, ns in run.times()) == sum(ns for run in after for _, ns in run.times())
        assert all(one.end_ns <= other.begin_ns for one, other in pairwise(after))
        assert all(0 < sum(part for _, part in run.what.parts) <= PARTS + KINDS for run in after)
        if not resolution:
            assert after == before


def test_long_runs_stay_exact_when_short_ones_become_a_mixture() -> None:
    made = Builder(1000)
    short = [running(ms, ms + 1) if ms % 2 else waiting(ms, ms + 1, Reason.GIL) for ms in range(400)]
    made.thread("t", *short, waiting(400, 1000, Reason.SLEEP))
    raw = made.raw()
    (kept,), resolution = thinned(thread_runs(raw, [0]), 20, 1000 * MS)
    assert resolution > 0
    assert kept[-1].what.words.startswith("sleeps")
    assert (kept[-1].begin_ns, kept[-1].end_ns) == (400 * MS, 1000 * MS)
    assert dict(kept[0].what.parts) == {Kind.RUNNING: PARTS // 2, Kind.GIL: PARTS // 2}


# the page


class Page(html.parser.HTMLParser):
    """What a page is made of: its tags in their order, attributes, and what stands in scripts."""

    VOID = ("meta", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: dict[str, list[str]] = {}
        self.scripts: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, []).append(value or "")
        if tag == "script":
            self.scripts.append("")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data

    @property
    def data(self) -> dict[str, Any]:
        return dict(json.loads(self.scripts[0]))


@unhurried
@given(raw_timelines())
def test_the_page_is_whole_and_of_itself(raw: RawTimeline) -> None:
    text = Timeline(raw).to_html()
    page = Page(text)
    assert page.tags.count("script") == 2
    assert not {"src", "href", "onclick", "onload", "onerror"} & page.attributes.keys()
    assert not re.search(r"https?://|url\((?!\")|@import", text)
    assert HOSTILE not in text
    assert "alert(1)" not in page.scripts[1]
    text.encode("utf-8")
    names = [row["n"] for row in page.data["rows"] if "lock" not in row]
    assert names == [labels(raw)[thread] for thread in chosen(raw, 200)]


@unhurried
@given(raw_timelines())
def test_the_notebooks_fragment_keeps_the_picture_in_a_frame(raw: RawTimeline) -> None:
    text = Timeline(raw)._repr_html_()
    outer = Page(text)
    assert "script" not in outer.tags
    assert outer.attributes["sandbox"] == ["allow-scripts"]
    assert HOSTILE not in text
    inner = Page(outer.attributes["srcdoc"][0])
    assert inner.tags.count("script") == 2
    assert "canvas" in inner.tags


def test_the_page_has_what_was_seen(timeline: Timeline, tmp_path: Path) -> None:
    path = tmp_path / "watch.html"
    assert timeline.to_html(path) == path.read_text(encoding="utf-8")
    data = Page(timeline.to_html()).data
    assert data["wall"] == 1000 * MS
    lock, a, *_ = data["rows"]
    assert lock["n"] == "GIL"
    assert (a["n"], a["id"]) == ("A", 1000)
    assert [data["values"][value] for value in a["runs"][2::3]][:2] == [
        {"p": [[Kind.RUNNING, PARTS]], "w": "running"},
        {"p": [[Kind.GIL, PARTS]], "w": "waits for the GIL (futex)"},
    ]
    assert sum(a["runs"][0::3]) + sum(a["runs"][1::3]) == 1000 * MS
    held = data["values"][lock["runs"][-1]]
    assert held["w"] == "held by receiver, who sits in a system call"
    assert data["rows"][held["t"]]["n"] == "receiver"
    assert data["rows"][4]["e"] == 800 * MS


def test_the_page_can_be_used_with_keys_and_read_aloud(timeline: Timeline) -> None:
    page = Page(timeline.to_html())
    assert page.attributes["tabindex"] == ["0"]
    assert page.attributes["aria-live"] == ["polite"]
    assert "table" in page.tags
    for key in ("ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", '"+"', '"-"', '"0"'):
        assert key in page.scripts[1]


def test_a_huge_watch_makes_bounded_pages_that_say_what_is_left_out(huge: RawTimeline) -> None:
    timeline = Timeline(huge)
    fragment, page = timeline._repr_html_(), timeline.to_html()
    assert len(fragment) < 1_000_000
    assert len(page) < 5_000_000
    data = chart_data(huge, FRAGMENT_THREADS, FRAGMENT_RUNS)
    assert sum(len(row["runs"]) for row in data["rows"]) <= 3 * FRAGMENT_RUNS
    assert any("2,940 more threads" in note for note in data["notes"])
    assert any("drawn as a mixture" in note for note in data["notes"])


@pytest.mark.skipif(shutil.which("node") is None, reason="no node to read JavaScript with")
def test_the_script_is_javascript(tmp_path: Path) -> None:
    path = tmp_path / "page.js"
    path.write_text(Page(Timeline(one_of_everything().raw()).to_html()).scripts[1], encoding="utf-8")
    assert subprocess.run(["node", "--check", path], capture_output=True, text=True, check=False).stderr == ""


# names


def test_names_are_made_fit_for_a_page() -> None:
    assert shown("a\x00b\ud800") == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"
    assert shown("x" * 100) == "x" * 59 + "…"
    made = Builder(10)
    for name in ("same", "same", "", "other"):
        made.thread(name)
    assert labels(made.raw()) == ["same (1000)", "same (1001)", "(1002)", "other"]
