"""A watch as a trace for ui.perfetto.dev, in Perfetto's own protobuf.

Of its two forms the JSON of Chrome is legacy: it counts in microseconds, has no tracks but those of threads, and
viewers disagree about slices that touch. The protobuf keeps nanoseconds and has tracks for locks and counters. The few
messages that are needed are written here by hand, so that no package is. Field numbers are those of Perfetto's
protos/perfetto/trace (trace.proto, trace_packet.proto, track_event/track_event.proto and track_descriptor.proto); the
tests decode what is written with Perfetto's own schema.

Slices of one track follow each other and never overlap; the end of one stands before the beginning of the next, which
readers that sort by time keep.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import lru_cache

from conc.watching.gil_account import gil_of_waiters, hold_rows
from conc.watching.kinds import doing
from conc.watching.labels import labels, shown
from conc.watching.records import RawTimeline, Reason, State

Fields = Mapping[int, int | str | bytes]
Details = Mapping[str, int | str | None]

# Field numbers, by message.
PACKET = 1  # Trace
TIMESTAMP, SEQUENCE_ID, SEQUENCE_FLAGS = 8, 10, 13  # TracePacket
CLOCK_SNAPSHOT, TRACK_EVENT, INTERNED_DATA, TRACK_DESCRIPTOR = 6, 11, 12, 60  # TracePacket
CLEARED, NEEDED = 1, 2  # TracePacket.SequenceFlags
UUID, TRACK_NAME, PROCESS, THREAD, PARENT_UUID, COUNTER = 1, 2, 3, 4, 5, 8  # TrackDescriptor
CHILD_ORDERING, RANK = 11, 12  # TrackDescriptor
EXPLICIT = 3  # TrackDescriptor.ChildTracksOrdering
PID, PROCESS_NAME = 1, 6  # ProcessDescriptor
THREAD_PID, TID, THREAD_NAME = 1, 2, 5  # ThreadDescriptor
UNIT, COUNT = 3, 2  # CounterDescriptor, its Unit
EVENT_NAME_IID, DEBUG_ANNOTATIONS, TYPE, TRACK_UUID, COUNTER_VALUE = 10, 4, 9, 11, 30  # TrackEvent
SLICE_BEGIN, SLICE_END, COUNTER_TYPE = 1, 2, 4  # TrackEvent.Type
INTERNED_EVENT_NAMES, INTERNED_ANNOTATION_NAMES = 2, 3  # InternedData
IID, NAME = 1, 2  # EventName, DebugAnnotationName
ANNOTATION_NAME_IID, INT_VALUE, STRING_VALUE = 1, 4, 6  # DebugAnnotation
CLOCKS, CLOCK_ID, CLOCK_TIME = 1, 1, 2  # ClockSnapshot
REALTIME, BOOTTIME = 1, 6  # BuiltinClock; packets without a clock of their own count in BOOTTIME

SEQUENCE = 1
ANNOTATIONS = ("system call", "descriptor", "cpu")


def varint(value: int) -> bytes:
    """Seven bits a byte, lowest first; a negative number as its two's complement of 64 bits."""
    value %= 1 << 64
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def field(number: int, value: int | str | bytes) -> bytes:
    """One field: whole numbers as varints, text and messages by their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def message(fields: Fields) -> bytes:
    """The fields, one after the other."""
    return b"".join(field(number, value) for number, value in fields.items())


_SHORT = tuple(varint(value) for value in range(1024))
_BEFORE_TIME = varint(TIMESTAMP << 3)
_BEFORE_PACKET = varint(PACKET << 3 | 2)


@lru_cache(maxsize=16)
def _long_part(value: int) -> bytes:
    return varint(value)


def time_varint(ns: int) -> bytes:
    """varint() of what is mostly near to what was encoded before: the last three bytes at once, the others as then."""
    if ns >> 21 <= 0:
        return varint(ns)
    low = ns & 0x7F | (ns & 0x3F80) << 1 | (ns & 0x1FC000) << 2 | 0x808080
    return low.to_bytes(3, "little") + _long_part(ns >> 21)


def timed_packet(at_ns: int, rest: bytes) -> bytes:
    """A packet of the trace that begins with its time; `rest` are its other fields."""
    content = _BEFORE_TIME + time_varint(at_ns) + rest
    length = len(content)
    return _BEFORE_PACKET + (_SHORT[length] if length < len(_SHORT) else varint(length)) + content


def packets(raw: RawTimeline) -> Iterator[bytes]:
    """The file, piece by piece."""
    writer = _Writer(raw)
    yield writer.clock()
    yield from writer.tracks()
    yield from writer.thread_slices()
    yield from writer.lock_slices()
    yield from writer.counters()


def _of_sequence(flags: int) -> bytes:
    return message({SEQUENCE_ID: SEQUENCE, SEQUENCE_FLAGS: flags})


class _Writer:
    """One sequence of packets. Names are interned: each is written once, where it is first used.

    There are many slices and few kinds of them: all but the time of a packet is made once for each kind.
    """

    def __init__(self, raw: RawTimeline) -> None:
        self._raw = raw
        self._names: dict[str, int] = {}
        self._locks = self._lock_keys()

    def clock(self) -> bytes:
        """When it was by the wall clock; and the sequence starts with no names known."""
        raw = self._raw
        clocks = [message({CLOCK_ID: BOOTTIME, CLOCK_TIME: raw.begin_ns})]
        clocks.append(message({CLOCK_ID: REALTIME, CLOCK_TIME: raw.begin_unix_ns}))
        snapshot = b"".join(field(CLOCKS, clock) for clock in clocks)
        return self._packet({TIMESTAMP: raw.begin_ns, CLOCK_SNAPSHOT: snapshot}, CLEARED)

    def tracks(self) -> Iterator[bytes]:
        """Every process and thread, every lock, and two counters for each process."""
        raw = self._raw
        for index, process in enumerate(raw.processes):
            about = message({PID: process.pid, PROCESS_NAME: shown(process.name)})
            yield self._track({UUID: self._process(index), PROCESS: about, CHILD_ORDERING: EXPLICIT})
            count = message({UNIT: COUNT})
            for rank, name in enumerate(("cores busy", "threads that wait for the GIL")):
                uuid = self._counter(index, rank)
                parent = self._process(index)
                yield self._track({UUID: uuid, PARENT_UUID: parent, TRACK_NAME: name, COUNTER: count, RANK: rank})
        for rank, key in enumerate(self._locks):
            name = f"GIL of interpreter {key[1]}: held by"
            parent = self._process(key[0])
            yield self._track({UUID: self._lock(key), PARENT_UUID: parent, TRACK_NAME: name, RANK: 2 + rank})
        for index, (thread, label) in enumerate(zip(raw.threads, labels(raw), strict=True)):
            pid = raw.processes[thread.process].pid
            about = message({THREAD_PID: pid, TID: thread.tid, THREAD_NAME: label})
            yield self._track({UUID: self._thread(index), PARENT_UUID: self._process(thread.process), THREAD: about})

    def thread_slices(self) -> Iterator[bytes]:
        """What each thread did."""
        columns = self._raw.segments
        over: dict[int, int] = {}
        begins: dict[tuple[int, ...], bytes] = {}
        ends = [self._slice_end(self._thread(index)) for index in range(len(self._raw.threads))]
        for begin, end, thread, *what in zip(
            columns.begin_ns,
            columns.end_ns,
            columns.thread,
            columns.state,
            columns.reason,
            columns.cpu,
            columns.syscall,
            columns.descriptor,
            strict=True,
        ):
            begin = max(begin, over.get(thread, begin))
            if what[0] == State.ENDED or end <= begin:
                continue
            over[thread] = end
            new_name, key = b"", (thread, *what)
            rest = begins.get(key)
            if rest is None:
                name, details = self._words(*what)
                new_name = self._intern(name)
                rest = begins[key] = self._slice_begin(self._thread(thread), name, details)
            yield timed_packet(begin, new_name + rest)
            yield timed_packet(end, ends[thread])

    def _words(self, state: int, reason: int, cpu: int, call: int, descriptor: int) -> tuple[str, Details]:
        return doing(state, reason), {
            "system call": self._raw.syscalls.get(call, str(call)) if call >= 0 else None,
            "descriptor": descriptor if descriptor >= 0 else None,
            "cpu": cpu if cpu >= 0 else None,
        }

    def lock_slices(self) -> Iterator[bytes]:
        """Who held each GIL."""
        names = labels(self._raw)
        over: dict[tuple[int, int], int] = {}
        begins: dict[tuple[tuple[int, int], str], bytes] = {}
        ends = {key: self._slice_end(self._lock(key)) for key in self._locks}
        for key, (begin, end, thread), blocked in hold_rows(self._raw):
            begin = max(begin, over.get(key, begin))
            if end > begin:
                over[key] = end
                name = (names[thread] if thread >= 0 else "not known") + (", in a blocking call" if blocked else "")
                new_name, rest = b"", begins.get((key, name))
                if rest is None:
                    new_name = self._intern(name)
                    rest = begins[key, name] = self._slice_begin(self._lock(key), name, {})
                yield timed_packet(begin, new_name + rest)
                yield timed_packet(end, ends[key])

    def counters(self) -> Iterator[bytes]:
        """How many threads of each process ran, and how many waited for a GIL."""
        changes: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        columns = self._raw.segments
        for begin, end, thread, state, reason in zip(
            columns.begin_ns, columns.end_ns, columns.thread, columns.state, columns.reason, strict=True
        ):
            which = 0 if state == State.RUNNING else 1 if reason == Reason.GIL and state == State.NOT_RUNNING else None
            if which is not None and end > begin:
                track = changes[self._counter(self._raw.threads[thread].process, which)]
                track[begin] += 1
                track[end] -= 1
        for uuid, track in changes.items():
            value = 0
            rests: dict[int, bytes] = {}
            for at, change in sorted(track.items()):
                value += change
                if not change:
                    continue
                if value not in rests:
                    rests[value] = self._event({TYPE: COUNTER_TYPE, TRACK_UUID: uuid, COUNTER_VALUE: value})
                yield timed_packet(at, rests[value])

    def _slice_begin(self, track: int, name: str, details: Details) -> bytes:
        """The packet that begins a slice, but for its time."""
        event = message({TYPE: SLICE_BEGIN, TRACK_UUID: track, EVENT_NAME_IID: self._names[name]})
        for number, key in enumerate(ANNOTATIONS, start=1):
            value = details.get(key)
            if value is not None:
                kind = STRING_VALUE if isinstance(value, str) else INT_VALUE
                event += field(DEBUG_ANNOTATIONS, message({ANNOTATION_NAME_IID: number, kind: value}))
        return field(TRACK_EVENT, event) + _of_sequence(NEEDED)

    def _slice_end(self, track: int) -> bytes:
        return self._event({TYPE: SLICE_END, TRACK_UUID: track})

    @staticmethod
    def _event(fields: Fields) -> bytes:
        return field(TRACK_EVENT, message(fields)) + _of_sequence(NEEDED)

    def _intern(self, name: str) -> bytes:
        """What a packet has to say of the name that it uses first; with the first one of the annotations, too."""
        if name in self._names:
            return b""
        data = b""
        if not self._names:
            for number, key in enumerate(ANNOTATIONS, start=1):
                data += field(INTERNED_ANNOTATION_NAMES, message({IID: number, NAME: key}))
        self._names[name] = len(self._names) + 1
        return field(INTERNED_DATA, data + field(INTERNED_EVENT_NAMES, message({IID: self._names[name], NAME: name})))

    def _track(self, fields: Fields) -> bytes:
        return self._packet({TRACK_DESCRIPTOR: message(fields)}, NEEDED)

    @staticmethod
    def _packet(fields: Fields, flags: int) -> bytes:
        return field(PACKET, message(fields) + _of_sequence(flags))

    def _lock_keys(self) -> list[tuple[int, int]]:
        keys = {key for key, _, _ in hold_rows(self._raw)}
        waiters = gil_of_waiters(self._raw).items()
        return sorted(keys | {(self._raw.threads[waiter].process, interpreter) for waiter, interpreter in waiters})

    # Tracks are told apart by numbers that mean nothing else: processes first, then what belongs to each kind.

    @staticmethod
    def _process(index: int) -> int:
        return 1 << 40 | index

    @staticmethod
    def _thread(index: int) -> int:
        return 2 << 40 | index

    @staticmethod
    def _counter(process: int, which: int) -> int:
        return 3 << 40 | process << 1 | which

    def _lock(self, key: tuple[int, int]) -> int:
        return 4 << 40 | self._locks.index(key)
