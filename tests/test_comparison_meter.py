"""What actors have used, and the machine they ran on."""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import time
from pathlib import Path

import pytest
from threads_support import held

import conc
from conc import _core
from conc.comparison import environment
from conc.comparison.meter import (
    Counters,
    anonymous_bytes,
    own_counters,
    proportional_bytes,
    thread_count,
    usage_between,
)

ME = (threading.get_native_id(),)


def test_work_is_counted() -> None:
    before = own_counters(ME)
    deadline = time.process_time() + 0.05
    while time.process_time() < deadline:
        pass
    time.sleep(0.001)
    usage = usage_between(before, own_counters(ME), 0.1)
    assert usage.wall_s == 0.1
    assert usage.cpu_s is not None
    assert usage.cpu_s >= 0.045
    assert usage.voluntary is not None
    assert usage.voluntary >= 1
    assert usage.run_delay_s is not None
    assert usage.gil_wait_s is None
    assert "gil_wait_s" in usage.unknown


def test_a_thread_that_ended_makes_the_time_in_queue_unknown() -> None:
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
    gone = thread.native_id
    assert gone is not None
    deadline = time.monotonic() + 60
    while os.path.exists(f"/proc/self/task/{gone}") and time.monotonic() < deadline:
        os.sched_yield()
    after = own_counters((gone,))
    assert after.run_delay_s is None
    usage = usage_between(own_counters(ME), after, 1.0)
    assert usage.run_delay_s is None
    assert "run_delay_s" in usage.unknown


def test_counters_add_up_field_by_field() -> None:
    one, other = Counters(1, 2, 3, 4, 5, 6, 7.0), Counters(10, 20, 30, 40, 50, 60, 70.0)
    assert one.plus(other) == Counters(11, 22, 33, 44, 55, 66, 77.0)
    assert one.plus(other._replace(run_delay_s=None)).run_delay_s is None
    assert one.cpu_s == 3


def test_memory_of_a_process() -> None:
    resident, share = anonymous_bytes(), proportional_bytes(os.getpid())
    assert resident is not None
    assert share is not None
    assert share > 1_000_000
    assert resident > 1_000_000
    assert proportional_bytes(0) is None


def test_native_threads_are_counted() -> None:
    with held(kernel=True), held(kernel=True), held(kernel=True):
        found = thread_count()
    assert found is not None
    assert found >= 4  # with the calling one; others of earlier tests may be about to end


def test_the_environment_names_what_figures_depend_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)  # type: ignore[arg-type]
    found = environment.describe_environment(start_method="spawn")
    assert found.python.endswith(".".join(map(str, sys.version_info[:3])))
    assert found.gil is getattr(sys, "_is_gil_enabled", lambda: True)()
    assert found.cpus.count == conc.cpu_count()
    assert found.start_method == "spawn"
    assert found.versions["conc"] == conc.__version__
    assert "httpx" not in found.versions
    assert json.loads(found.to_json())["cpus"]["count"] == found.cpus.count


def test_single_facts_of_threads() -> None:
    own = threading.get_native_id()
    assert _core.task_lives(own)
    assert not _core.task_lives(2**22 + 1)
    assert _core.task_run_delay(2**22 + 1) is None
    for function in (_core.task_lives, _core.task_run_delay):
        with pytest.raises(ValueError, match="a native id must be at least 1 and fit into an int, not 0"):
            function(0)
        with pytest.raises(TypeError):
            function("1")  # type: ignore[arg-type]


def test_python_reads_no_files_of_threads() -> None:
    """All of them are read by the core, which knows their formats and what the system may refuse."""
    package = Path(conc.__file__).parent
    opened = re.compile(r"(open|Path|listdir|scandir|exists)\(f?[\"']/proc/[^\"']*/task")
    texts = {path.name: path.read_text(encoding="utf-8") for path in package.rglob("*.py")}
    assert [name for name, text in texts.items() if opened.search(text)] == []
    assert opened.search('os.open(f"/proc/self/task/{thread}/schedstat")')
