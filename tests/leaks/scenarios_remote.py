"""Leak scenarios: watches of other processes, of children, and of lines of Python."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from leak_table import covers, refused

import conc
import conc.cli
from conc import _core
from conc.watching.places import places_unavailable

GONE = 2**22 + 1  # no kernel numbers so far


@covers(
    "conc._core.thread_places",
    "conc._core.process_children",
    "conc._core.process_start_ticks",
    "conc._core.check_traceable",
    "conc._core.task_run_delay",
    "conc._core.task_lives",
    "conc._core.task_count",
)
def what_a_watch_asks_for() -> None:
    gate = threading.Event()
    thread = threading.Thread(target=gate.wait)
    thread.start()
    if places_unavailable() is None:
        assert len(_core.thread_places(8)[2]) >= 1
    refused(ValueError, _core.thread_places, 0)
    refused(TypeError, _core.thread_places, "1")
    gate.set()
    thread.join()
    with cat() as pid:
        assert pid in _core.process_children(os.getpid())
        assert _core.process_start_ticks(pid) is not None
        _core.check_traceable(pid)
    assert _core.process_children(GONE) == []
    assert _core.process_start_ticks(GONE) is None
    refused(OSError, _core.check_traceable, GONE)
    refused(ValueError, _core.process_children, 0)
    own = threading.get_native_id()
    assert _core.task_lives(own)
    assert (_core.task_count() or 0) >= 1
    assert (_core.task_run_delay(own) or 0) >= 0
    assert _core.task_run_delay(GONE) is None
    refused(ValueError, _core.task_lives, 0)


@contextlib.contextmanager
def cat() -> Iterator[int]:
    """The id of a program that waits for its input."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(b"\n")
        child.stdin.flush()
        child.stdout.readline()
        yield child.pid


@covers("conc.watch", "conc.Watch")
def watch_of_others() -> None:
    with cat() as pid:
        with conc.watch(pid, interval=0.01) as seen:
            pass
        with conc.watch(interval=0.01, children=True, where=places_unavailable() is None) as own:
            pass
    assert [process.name for process in seen.raw.processes] == ["cat"]
    assert pid in [process.pid for process in own.raw.processes]
    refused(ProcessLookupError, conc.watch(GONE).__enter__)


@covers("conc.Watch.*")
def watch_is_a_timeline() -> None:
    with cat() as pid, conc.watch(pid, interval=0.01) as seen:
        refused(RuntimeError, seen.summary)
    path = Path(tempfile.gettempdir(), "watch")
    assert seen.raw.threads
    assert seen.summary().threads
    assert seen.plot()
    for write in (seen.to_html, seen.to_perfetto, seen.to_json):
        write(path)
    assert conc.Watch.from_json(path).to_dict() == seen.to_dict()
    assert conc.Watch.from_dict(seen.to_dict()).raw.ticks == seen.raw.ticks
    path.unlink()
    refused(ValueError, seen.to_speedscope, path)
    if importlib.util.find_spec("pandas") is None:
        refused(ImportError, seen.to_dataframe)
    else:
        assert len(seen.to_dataframe()) == len(seen.raw.segments.begin_ns)


@covers("conc.cli.watch.run", passengers=(20, "argparse's parsers and actions point to each other"))
def command_watch() -> None:
    out, errors = io.StringIO(), io.StringIO()
    with (
        cat() as pid,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
    ):
        assert conc.cli.main(["watch", "--pid", str(pid), "--duration", "0.01"]) == 0
        assert conc.cli.main(["watch", "--pid", str(GONE)]) == 1
        assert conc.cli.main(["watch"]) == 2
    assert "Watch of 1 thread" in out.getvalue()
    assert "there is no process" in errors.getvalue()
