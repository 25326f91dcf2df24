"""Leak scenarios: watches."""

from __future__ import annotations

import dataclasses
import importlib.util
import tempfile
import threading
from pathlib import Path
from typing import Any

from leak_table import covers, refused

import conc
from conc import _core
from conc.watching.records import Place


@covers("conc.watch", "conc.Watch", "conc.Watch.raw", "conc._core.Watcher", "conc._core.Watcher.*")
def watch() -> None:
    refused(ValueError, conc.watch, 0)  # no process has that number
    refused(TypeError, conc.watch, interval="1")
    watched = conc.watch(interval=0.001)
    refused(RuntimeError, getattr, watched, "raw")
    with watched, conc.watch(interval=0.002):
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
    refused(RuntimeError, watched.__enter__)
    assert isinstance(watched, conc.Watch)
    assert len(watched.raw.threads) > 0
    look_at_all_of(watched)
    watcher = _core.Watcher(1_000_000, [threading.get_native_id()], 16)
    refused(RuntimeError, watcher.take)
    assert not watcher.ended
    watcher.stop()
    assert watcher.ended
    assert watcher.take()["threads"] != []
    refused(TypeError, _core.Watcher, 1_000_000, ["x"], 16)
    refused(ValueError, _core.Watcher, 1_000_000, [], 16, b"")
    _core.Watcher(1_000_000, [], 16)  # dropped while it looks


def look_at_all_of(timeline: conc.Timeline) -> None:
    """Whatever a watch has in common with every timeline."""
    path = Path(tempfile.gettempdir(), "watch")
    for write in (timeline.to_html, timeline.to_json, timeline.to_perfetto):
        write(path)
    path.unlink()
    refused(ValueError, timeline.to_speedscope, path)
    assert timeline.summary().threads
    assert timeline.plot()
    assert type(timeline).from_dict(timeline.to_dict()).raw.threads == timeline.raw.threads
    refused(OSError, type(timeline).from_json, path)
    if importlib.util.find_spec("pandas") is None:
        refused(ImportError, timeline.to_dataframe)
    else:
        assert len(timeline.to_dataframe()) > 0


def touch(record: Any) -> None:
    """Read every field of raw records, and of those inside."""
    if isinstance(record, tuple):
        for item in record:
            touch(item)
    if dataclasses.is_dataclass(record):
        for field in dataclasses.fields(record):
            touch(getattr(record, field.name))


@covers("conc.watching.records.*")
def records_of_a_watch() -> None:
    with conc.watch(interval=0.001) as watched:
        pass
    touch(watched.raw)
    touch(Place(0, 0, ()))
