"""Perfetto's traces read in three ways: by a decoder of our own, by Perfetto's schema, by its trace processor."""

from __future__ import annotations

import csv
import io
import os
import shutil
import subprocess
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

Message = dict[int, list[Any]]


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


def trace_processor() -> str:
    """Perfetto's program that answers SQL about a trace; skips where it is not to be had."""
    cache = Path(os.environ.get("CONC_CACHE", "~/.cache/conc")).expanduser()
    for candidate in ("trace_processor_shell", "trace_processor", str(cache / "perfetto" / "trace_processor_shell")):
        program = shutil.which(candidate)
        if program is not None:
            return program
    pytest.skip(f"no trace_processor_shell here, neither on PATH nor in {cache / 'perfetto'}")


def queried(program: str, path: Path, query: str) -> list[list[str]]:
    """The rows of the answer, without the heading."""
    done = subprocess.run([program, "-Q", query, str(path)], capture_output=True, text=True, timeout=60, check=True)
    return [*csv.reader(io.StringIO(done.stdout.strip()))][1:]
