"""Leak scenarios: what a watch has seen, and every way to look at it."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import tempfile
from pathlib import Path
from typing import Any

from leak_table import covers, refused
from raw_timelines import Builder, one_of_everything
from scenarios_results import read_everything

import conc
from conc.watching.records import Held, RawProcess, RawTimeline

NOWHERE = "/nonexistent/watch"


def read_fields(record: Any) -> None:
    """Every field of raw records, down to their columns."""
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        for item in value if isinstance(value, tuple) else (value,):
            if dataclasses.is_dataclass(item):
                read_fields(item)


@covers("conc.Timeline", "conc.Timeline.raw", "conc.watching.records.*")
def timeline_is_shown() -> None:
    timeline = conc.Timeline(one_of_everything().raw())
    read_fields(timeline.raw)
    assert str(timeline)
    assert repr(timeline)
    assert timeline._repr_html_()


@covers(
    "conc.Timeline.to_html", "conc.Timeline.to_perfetto", "conc.Timeline.to_speedscope", "conc.Timeline.to_dataframe"
)
def timeline_is_exported() -> None:
    timeline = conc.Timeline(one_of_everything().raw())
    path = Path(tempfile.gettempdir(), "watch")
    for write in (timeline.to_html, timeline.to_perfetto, timeline.to_speedscope):
        write(path)
        refused(OSError, write, NOWHERE)
    path.unlink()
    if importlib.util.find_spec("pandas") is None:
        refused(ImportError, timeline.to_dataframe)
    else:
        assert len(timeline.to_dataframe()) == len(timeline.raw.segments.begin_ns)


@covers("conc.Timeline.to_json", "conc.Timeline.to_dict", "conc.Timeline.from_json", "conc.Timeline.from_dict")
def timeline_comes_back() -> None:
    timeline = conc.Timeline(one_of_everything().raw())
    path = Path(tempfile.gettempdir(), "watch.json")
    text = timeline.to_json(path)
    assert conc.Timeline.from_json(path).to_dict() == timeline.to_dict()
    assert conc.Timeline.from_dict(json.loads(text)).summary() == timeline.summary()
    path.unlink()
    refused(OSError, timeline.to_json, NOWHERE)
    refused(OSError, conc.Timeline.from_json, NOWHERE)
    refused(ValueError, conc.Timeline.from_dict, {})
    refused(ValueError, conc.Timeline.from_dict, {**timeline.to_dict(), "raw": {}})


@covers("conc.Timeline.plot", "conc.watching.plot.Picture.*")
def timeline_is_drawn() -> None:
    timeline = conc.Timeline(one_of_everything().raw())
    picture = timeline.plot(width=600, threads=2)
    path = Path(tempfile.gettempdir(), "watch.svg")
    assert picture.to_svg(path) == picture._repr_svg_()
    path.unlink()
    refused(OSError, picture.to_svg, NOWHERE)
    refused(ValueError, timeline.plot, width=1)


@covers("conc.Timeline.summary", "conc.watching.results.*")
def timeline_is_summed_up() -> None:
    summary = conc.Timeline(one_of_everything().raw()).summary()
    read_everything(summary)
    assert summary.gil is not None
    if importlib.util.find_spec("pandas") is None:
        refused(ImportError, summary.to_dataframe)
    else:
        assert len(summary.to_dataframe()) == len(summary.threads)


@covers("conc.Timeline.summary", "conc.Timeline.to_speedscope")
def timeline_of_nothing() -> None:
    nothing: RawTimeline = Builder(0, process=RawProcess(1, "", False)).raw(held=Held())
    timeline = conc.Timeline(nothing)
    assert timeline.summary().gil is None
    refused(ValueError, timeline.to_speedscope, NOWHERE)
    assert str(timeline)
