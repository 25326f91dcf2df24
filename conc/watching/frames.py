"""Results as data frames. pandas is imported when one is asked for.

Whole numbers that may be unknown are of pandas' own kind, Int64, in which they stay whole beside what is not known.
"""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any

from conc.watching.records import RawTimeline, Reason, State
from conc.watching.results import Summary

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped]

WHOLE = "Int64"


def _pandas() -> ModuleType:
    try:
        import pandas
    except ImportError as error:
        raise ImportError("to_dataframe() needs pandas: pip install pandas") from error
    module: ModuleType = pandas
    return module


def thread_frame(summary: Summary) -> pandas.DataFrame:
    """One row for each thread."""
    rows: list[dict[str, Any]] = []
    for thread in summary.threads:
        row = thread.to_dict()
        for nested in ("reasons", "unknown"):
            row.pop(nested)
        rows.append({"name": row.pop("name"), "native_id": row.pop("native_id"), **row})
    return _pandas().DataFrame(rows).astype(dict.fromkeys(("voluntary", "involuntary"), WHOLE) if rows else {})


def segment_frame(raw: RawTimeline) -> pandas.DataFrame:
    """One row for each segment."""
    columns = raw.segments
    threads = [raw.threads[index] for index in columns.thread]
    frame = _pandas().DataFrame(
        {
            "thread": [thread.name for thread in threads],
            "native_id": [thread.tid for thread in threads],
            "pid": [raw.processes[thread.process].pid for thread in threads],
            "begin_s": [(begin - raw.begin_ns) / 1e9 for begin in columns.begin_ns],
            "end_s": [(end - raw.begin_ns) / 1e9 for end in columns.end_ns],
            "state": [State(state).name for state in columns.state],
            "reason": [Reason(reason).name if reason else None for reason in columns.reason],
            "syscall": [None if call < 0 else raw.syscalls.get(call, str(call)) for call in columns.syscall],
            "descriptor": [None if descriptor < 0 else descriptor for descriptor in columns.descriptor],
            "cpu": [None if cpu < 0 else cpu for cpu in columns.cpu],
        }
    )
    return frame.astype({"descriptor": WHOLE, "cpu": WHOLE})
