"""Ctrl-C at any time: in a process of its own, in a session of its own, so that what it leaves behind can be seen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.newest  # Python on top of the C module

LONG_S = 100
TIMEOUT_S = 50

WORK = f"""
import asyncio, os, time

def mark():
    with open("marks", "a") as marks:
        marks.write("x")

def nap(n):
    mark()
    time.sleep({LONG_S} if n else 0)
    return n

async def nap_later(n):
    mark()
    await asyncio.sleep({LONG_S} if n else 0)
    return n

def spin(n):
    mark()
    deadline = time.monotonic() + ({LONG_S} if n else 0)
    while time.monotonic() < deadline:
        pass
    return n

def slow_setup():
    mark()
    time.sleep({LONG_S})
"""

SCRIPT = """
import sys
import conc, work

def main():
    try:
        conc.compare(work.nap, [0, 0, 1, 1], coroutine=work.nap_later, lanes=["sequential", "processes"], workers=2)
    except KeyboardInterrupt as interrupt:
        print(type(interrupt).__name__, interrupt.report.interrupted, flush=True)
        print(interrupt)

if __name__ == "__main__":
    main()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "work.py").write_text(WORK, encoding="utf-8")
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    (tmp_path / "items.json").write_text("[0, 0, 1, 1]", encoding="utf-8")
    return tmp_path


def in_session(session: int) -> Iterator[int]:
    """The processes of a session that have not ended."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = Path("/proc", name, "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] not in "ZX":
            yield int(name)


def until_empty(session: int) -> None:
    """Wait for the end of a session's last process: multiprocessing's resource tracker sees a moment later that nobody
    is left."""
    deadline = time.monotonic() + TIMEOUT_S
    while left := list(in_session(session)):
        assert time.monotonic() < deadline, f"processes {left} stayed"
        time.sleep(0.01)


def marks(folder: Path) -> int:
    path = folder / "marks"
    return path.stat().st_size if path.exists() else 0


def wait_for(folder: Path, count: int, child: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while marks(folder) < count:
        assert child.poll() is None, child.communicate()
        assert time.monotonic() < deadline, "the work did not begin"
        time.sleep(0.01)


def interrupted(folder: Path, command: list[str], after: int, *, to_group: bool = True) -> tuple[int, str, str]:
    """Run the command, send it Ctrl-C when `after` items have begun, and see it end with nothing left."""
    environment = {**os.environ, "PYTHONFAULTHANDLER": "1"}
    child = subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        wait_for(folder, after, child)
        (os.killpg if to_group else os.kill)(child.pid, signal.SIGINT)
        out, err = child.communicate(timeout=TIMEOUT_S)
        until_empty(child.pid)
    finally:
        for pid in in_session(child.pid):
            os.kill(pid, signal.SIGKILL)
        child.wait()
    return child.returncode, out, err


def test_worker_processes_end_with_a_parent_that_is_killed(folder: Path) -> None:
    command = ["-m", "conc", "compare", "work:nap", "--items", "items.json", "--lanes", "processes", "--workers", "2"]
    child = subprocess.Popen(
        [sys.executable, *command, "--budget", "1000"], cwd=folder, text=True, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        wait_for(folder, BEGUN["processes"], child)
        assert len(list(in_session(child.pid))) >= 3
        child.kill()
        child.wait()
        deadline = time.monotonic() + TIMEOUT_S
        while list(in_session(child.pid)):
            assert time.monotonic() < deadline, "the workers go on without their parent"
            os.sched_yield()
    finally:
        for pid in in_session(child.pid):
            os.kill(pid, signal.SIGKILL)


# lane -> how many items have begun when it is in its long ones: one to warm up and two short ones, or two and two
BEGUN = {"sequential": 4, "threads": 5, "native-threads": 5, "processes": 5, "asyncio": 5}


@pytest.mark.parametrize("to_group", [True, False])
@pytest.mark.parametrize("lane", BEGUN)
def test_the_command_shows_what_it_has(folder: Path, lane: str, to_group: bool) -> None:
    command = ["-m", "conc", "compare", "work:nap", "--items", "items.json", "--coroutine", "work:nap_later"]
    command += ["--lanes", lane, "--workers", "2", "--budget", "1000"]
    status, out, err = interrupted(folder, command, BEGUN[lane], to_group=to_group)
    assert (status, err) == (130, "")
    assert "interrupted" in out.splitlines()[0] + out.splitlines()[1]
    assert lane in out


@pytest.mark.parametrize("lane", ["sequential", "threads", "processes"])
def test_while_items_compute(folder: Path, lane: str) -> None:
    command = ["-m", "conc", "compare", "work:spin", "--items", "items.json"]
    command += ["--lanes", lane, "--workers", "2", "--budget", "1000"]
    status, out, err = interrupted(folder, command, BEGUN[lane])
    assert (status, err) == (130, "")
    assert "interrupted" in out


def test_while_a_kernel_runs(folder: Path) -> None:
    items = folder / "sleeps.json"
    items.write_text(f"[0, 0, {LONG_S}, {LONG_S}]", encoding="utf-8")
    (folder / "work.py").write_text(WORK + "\n\ndef nothing(n):\n    mark()\n", encoding="utf-8")
    command = ["-m", "conc", "compare", "work:nothing", "--items", str(items), "--native", "conc.kernels:sleep"]
    command += ["--lanes", "sequential,native", "--workers", "2", "--budget", "1000"]
    status, out, err = interrupted(folder, command, 5)
    assert (status, err) == (130, "")
    assert "sequential" in out


def test_partial_results_are_those_of_finished_lanes(folder: Path) -> None:
    (folder / "work.py").write_text(
        WORK + "\nimport threading\n\ndef main_is_fast(n):\n    mark()\n"
        f"    time.sleep(0 if threading.current_thread() is threading.main_thread() or not n else {LONG_S})\n",
        encoding="utf-8",
    )
    command = ["-m", "conc", "compare", "work:main_is_fast", "--items", "items.json"]
    command += ["--lanes", "sequential,threads", "--workers", "2", "--budget", "1000", "--json", "report.json"]
    status, out, err = interrupted(folder, command, 1 + 2 + 4 + 3)
    assert (status, err) == (130, "")
    row = next(line for line in out.splitlines() if "sequential" in line)
    assert "µs" in row or "ms" in row
    assert "interrupted before its first run" in " ".join(out.split())
    assert '"interrupted": true' in (folder / "report.json").read_text(encoding="utf-8")


def test_while_workers_are_set_up(folder: Path) -> None:
    (folder / "setup_script.py").write_text(
        "import conc, work\n"
        "if __name__ == '__main__':\n"
        "    try:\n"
        "        conc.compare(work.nap, [0], setup=work.slow_setup, lanes=['processes'], workers=2, budget_s=1000)\n"
        "    except KeyboardInterrupt as interrupt:\n"
        "        print(interrupt.report.lanes['processes'].unavailable)\n",
        encoding="utf-8",
    )
    status, out, err = interrupted(folder, ["setup_script.py"], 2)
    assert (status, out, err) == (0, "interrupted before its first run\n", "")


def test_compare_raises_with_the_report(folder: Path) -> None:
    status, out, err = interrupted(folder, ["script.py"], 1 + 3)
    assert (status, err) == (0, "")
    assert out.startswith("Interrupted True\n")
    assert "comparison interrupted; what was measured:" in out


def test_while_files_are_fetched_the_server_ends_too(folder: Path) -> None:
    command = ["-X", "importtime", "-m", "conc", "compare", "download", "--latency-ms", "100000"]
    command += ["--lanes", "sequential", "--budget", "1000", "--files", "2", "--size", "1"]
    child = subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert child.stderr is not None
        for line in child.stderr:  # http.client is imported by the first fetch
            if line.rstrip().endswith(" http.client"):
                break
        os.kill(child.pid, signal.SIGINT)
        out, _ = child.communicate(timeout=TIMEOUT_S)
        assert child.returncode == 130
        assert "interrupted" in out
        assert list(in_session(child.pid)) == []
    finally:
        for pid in in_session(child.pid):
            os.kill(pid, signal.SIGKILL)
        child.wait()
