"""A watch in other tools' formats: Perfetto by its own schema, speedscope by its format's rules."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from perfetto_support import Trace, decoded, official_schema, trace_processor
from raw_timelines import BEGIN_NS, MS, Builder, one_of_everything, raw_timelines, running, unhurried, waiting

from conc.watching.kinds import doing
from conc.watching.perfetto import packets, time_varint, varint
from conc.watching.records import RawTimeline, Reason, State
from conc.watching.speedscope import SCHEMA, profile
from conc.watching.timeline import Timeline

pytestmark = pytest.mark.once  # plain Python


def trace_of(raw: RawTimeline) -> Trace:
    return decoded(b"".join(packets(raw)))


@unhurried
@given(raw_timelines())
def test_slices_of_a_track_follow_each_other(raw: RawTimeline) -> None:
    trace = trace_of(raw)
    for slices in trace.slices.values():
        for one, other in pairwise(slices):
            assert one.begin < one.end <= other.begin
    assert all(uuid in trace.tracks for uuid in [*trace.slices, *trace.counters])
    for values in trace.counters.values():
        assert values == sorted(values)
        assert min(value for _, value in values) == values[-1][1] == 0


@unhurried
@given(raw_timelines())
def test_every_segment_is_a_slice(raw: RawTimeline) -> None:
    trace = trace_of(raw)
    seen: dict[str, int] = defaultdict(int)
    for begin, end, state, reason in zip(
        raw.segments.begin_ns, raw.segments.end_ns, raw.segments.state, raw.segments.reason, strict=True
    ):
        if state != State.ENDED:
            seen[doing(state, reason)] += end - begin
    written: dict[str, int] = defaultdict(int)
    for uuid, slices in trace.slices.items():
        if "thread" in trace.tracks[uuid]:
            for one in slices:
                written[one.name] += one.end - one.begin
    assert written == {name: ns for name, ns in seen.items() if ns}


def test_tracks_are_named_and_belong_together() -> None:
    made = one_of_everything()
    tracks = trace_of(made.raw()).tracks
    process = next(uuid for uuid, track in tracks.items() if "process" in track)
    assert tracks[process]["process"] == {"pid": 100, "name": "python"}
    assert {track["parent"] for uuid, track in tracks.items() if uuid != process} == {process}
    assert [track["thread"]["name"] for track in tracks.values() if "thread" in track] == [
        thread.name for thread in made.threads
    ]
    assert [track["name"] for track in tracks.values() if "name" in track] == [
        "cores busy",
        "threads that wait for the GIL",
        "GIL of interpreter 0: held by",
    ]


def test_details_and_counters() -> None:
    trace = trace_of(one_of_everything().raw())
    receiving = [one for slices in trace.slices.values() for one in slices if one.name == "waits for a socket"]
    assert receiving[0].details == {"system call": "recvfrom", "descriptor": 3}
    assert [one.details for one in trace.of_thread("A") if one.name == "running"] == [{"cpu": 0}] * 2
    by_name = {trace.tracks[uuid]["name"]: values for uuid, values in trace.counters.items()}
    assert by_name["cores busy"] == [(BEGIN_NS, 1), (BEGIN_NS + 400 * MS, 0)]
    assert [value for _, value in by_name["threads that wait for the GIL"]] == [2, 0]
    holders = [one.name for one in trace.of_track("GIL of interpreter 0: held by")]
    assert holders == ["A", "B", "A", "B", "receiver, in a blocking call"]


def test_overlaps_are_cut_so_that_slices_nest() -> None:
    made = Builder(100)
    made.thread("t", running(0, 60), waiting(50, 100, Reason.SLEEP), running(55, 58))
    slices = trace_of(made.raw()).of_thread("t")
    assert [(one.begin - BEGIN_NS, one.end - BEGIN_NS) for one in slices] == [(0, 60 * MS), (60 * MS, 100 * MS)]


def test_varints() -> None:
    assert varint(0) == b"\x00"
    assert varint(300) == b"\xac\x02"
    assert varint(-1) == b"\xff" * 9 + b"\x01"


@given(st.integers(0, (1 << 63) - 1), st.integers(0, 1 << 22))
def test_times_are_varints_like_any(time_ns: int, later_ns: int) -> None:
    assert time_varint(time_ns) == varint(time_ns)
    assert time_varint(time_ns + later_ns) == varint(time_ns + later_ns)


@unhurried
@given(raw_timelines())
def test_the_trace_is_valid_by_perfettos_own_schema(raw: RawTimeline) -> None:
    schema = official_schema()
    trace = schema.Trace()
    data = b"".join(packets(raw))
    assert trace.ParseFromString(data) == len(data)
    assert trace.IsInitialized()
    for packet in trace.packet:
        assert not _unknown_fields(packet)
        assert packet.trusted_packet_sequence_id == 1
    threads = [packet.track_descriptor.thread for packet in trace.packet if packet.track_descriptor.HasField("thread")]
    assert [thread.tid for thread in threads] == [thread.tid for thread in raw.threads]
    assert trace.packet[0].clock_snapshot.clocks[1].timestamp == raw.begin_unix_ns


def _unknown_fields(packet: Any) -> bool:
    """What the schema does not know is kept aside and lost by this."""
    before = packet.ByteSize()
    packet.DiscardUnknownFields()
    return bool(before != packet.ByteSize())


ASKED = {
    "threads": "select name from thread where tid >= 1000 order by tid limit 3",
    "times": "select slice.name, sum(dur) from slice join thread_track on track_id = thread_track.id "
    "where slice.name in ('running', 'waits for the GIL') group by slice.name order by slice.name",
    "the GIL": "select slice.name, sum(dur) from slice join track on track_id = track.id "
    "where track.name like 'GIL of%' group by slice.name order by slice.name",
    "counters": "select track.name, ts, cast(value as int) from counter join track on track_id = track.id "
    "where track.name like 'threads that wait%' order by ts",
    "details": "select string_value from args where key = 'debug.system call' order by string_value",
    "depth": "select max(depth) from slice",
    "errors": "select sum(value) from stats where severity in ('error', 'data_loss')",
}


@pytest.mark.slow
def test_perfettos_trace_processor_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "watch.pftrace"
    raw = one_of_everything().raw()
    Timeline(raw).to_perfetto(path)
    answers = trace_processor()(path, [*ASKED.values()])
    assert dict(zip(ASKED, answers, strict=True)) == {
        "threads": [["A"], ["B"], ["receiver"]],
        "times": [["running", str(400 * MS)], ["waits for the GIL", str(2000 * MS)]],
        "the GIL": [["A", str(200 * MS)], ["B", str(200 * MS)], ["receiver, in a blocking call", str(600 * MS)]],
        "counters": [
            ["threads that wait for the GIL", str(raw.begin_ns), "2"],
            ["threads that wait for the GIL", str(raw.end_ns), "0"],
        ],
        "details": [["futex"], ["recvfrom"]],
        "depth": [["0"]],
        "errors": [["0"]],
    }


@unhurried
@given(raw_timelines())
def test_speedscopes_file_follows_its_format(raw: RawTimeline) -> None:
    if not raw.places:
        with pytest.raises(ValueError, match="where=True"):
            profile(raw)
        return
    file = json.loads(json.dumps(profile(raw)))
    check_speedscope(file)
    assert sum(len(one["samples"]) for one in file["profiles"]) == len(raw.places)


def test_a_sample_counts_until_the_next(tmp_path: Path) -> None:
    path = tmp_path / "watch.speedscope.json"
    Timeline(one_of_everything().raw()).to_speedscope(path)
    file = json.loads(path.read_text(encoding="utf-8"))
    check_speedscope(file)
    only = file["profiles"][0]
    assert (only["name"], only["startValue"], only["endValue"]) == ("A", 0, 1000 * MS)
    assert only["weights"] == [100 * MS] * 10
    frames = file["shared"]["frames"]
    assert frames[only["samples"][0][0]] == {"name": "<module>", "file": "app.py", "line": 3}
    assert frames[only["samples"][4][1]] == {"name": "inner", "file": "app.py", "line": 14}


def test_without_places_the_error_says_how_to_get_them(tmp_path: Path) -> None:
    made = Builder(10)
    made.thread("t", running(0, 10))
    path = tmp_path / "none.json"
    with pytest.raises(ValueError, match="where=True"):
        Timeline(made.raw()).to_speedscope(path)
    assert not path.exists()


# What src/lib/file-format-spec.ts of speedscope asks for: key -> (type, needed).
FILE = {"$schema": (str, True), "shared": (dict, True), "profiles": (list, True), "name": (str, False),
        "activeProfileIndex": (int, False), "exporter": (str, False)}  # fmt: skip
FRAME = {"name": (str, True), "file": (str, False), "line": (int, False), "col": (int, False)}
SAMPLED = {"type": (str, True), "name": (str, True), "unit": (str, True), "startValue": (int, True),
           "endValue": (int, True), "samples": (list, True), "weights": (list, True)}  # fmt: skip
UNITS = {"none", "nanoseconds", "microseconds", "milliseconds", "seconds", "bytes"}


def check_speedscope(file: Mapping[str, Any]) -> None:
    """The schema, and the rules that stand beside it in prose."""
    check_shape(file, FILE)
    assert file["$schema"] == SCHEMA
    assert 0 <= file["activeProfileIndex"] < len(file["profiles"])
    for frame in file["shared"]["frames"]:
        check_shape(frame, FRAME)
    for one in file["profiles"]:
        check_shape(one, SAMPLED)
        assert one["type"] == "sampled"
        assert one["unit"] in UNITS
        assert one["endValue"] >= one["startValue"]
        assert len(one["samples"]) == len(one["weights"])
        assert all(weight >= 0 for weight in one["weights"])
        assert sum(one["weights"]) == one["endValue"] - one["startValue"]
        frames = {frame for sample in one["samples"] for frame in sample}
        assert frames <= set(range(len(file["shared"]["frames"])))


def check_shape(value: Mapping[str, Any], shape: Mapping[str, tuple[type, bool]]) -> None:
    assert value.keys() <= shape.keys()
    for key, (kind, needed) in shape.items():
        assert isinstance(value[key], kind) if key in value else not needed
