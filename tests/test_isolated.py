"""Scripts that need an interpreter of their own (tests/isolated): what happens at exit, fork, Ctrl-C, in others.

A script says in its first comments what must come of it:

    # stdout: a line of its output, in this order; none when there is no such comment
    # status: its exit status (0 when not given)
    # needs: python3.12 | subinterpreters

A script that hangs is killed after all its stacks were written, and one that leaves a process behind has failed.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent / "isolated"
LIMIT_S = 20


@dataclass(frozen=True)
class Case:
    """One script and what it says of itself."""

    path: Path
    status: int
    stdout: str
    needs: tuple[str, ...]


def read_case(path: Path) -> Case:
    """The directives at the top of a script."""
    said: dict[str, list[str]] = {"stdout": [], "status": [], "needs": []}
    for key, value in re.findall(r"^# (stdout|status|needs): ?(.*)$", path.read_text(encoding="utf-8"), re.M):
        said[key].append(value)
    stdout = "".join(line + "\n" for line in said["stdout"])
    return Case(path, int(said["status"][0]) if said["status"] else 0, stdout, tuple(said["needs"]))


def missing(need: str) -> str | None:
    """Why a script that needs this cannot run here, or None."""
    if version := re.fullmatch(r"python3\.(\d+)", need):
        return None if sys.version_info >= (3, int(version[1])) else f"for CPython 3.{version[1]} and later"
    if need == "subinterpreters":
        names = ("_interpreters", "_xxsubinterpreters")
        found = any(name in sys.builtin_module_names or _can_import(name) for name in names)
        return None if found else "this Python has no module for subinterpreters"
    raise ValueError(f"unknown need {need!r}")


def _can_import(name: str) -> bool:
    try:
        __import__(name)
    except ImportError:
        return False
    return True


@dataclass(frozen=True)
class Ended:
    """How a script ended; `hung` holds its stacks if it did not by itself."""

    status: int
    stdout: str
    stderr: str
    hung: bool
    left_processes: bool


def run(path: Path, limit_s: float, cwd: Path) -> Ended:
    """Run a script in a fresh interpreter that leads a session, so that whatever it leaves behind can be found."""
    command = [sys.executable, "-X", "faulthandler", "-P", "-W", "error", str(path)]
    process = subprocess.Popen(
        command,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(FOLDER / "support")},
    )
    hung = False
    try:
        stdout, stderr = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        hung = True
        process.send_signal(signal.SIGABRT)  # faulthandler writes every thread's stack
        try:
            stdout, stderr = process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            stdout, stderr = process.communicate()
    left = kill_session(process.pid)
    return Ended(process.returncode, stdout, stderr, hung, left)


def kill_session(leader: int) -> bool:
    """End what is left of the leader's process group; whether there was anything."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


CASES = [read_case(path) for path in sorted(FOLDER.glob("*.py"))]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.path.stem)
def test_script(case: Case, tmp_path: Path) -> None:
    for need in case.needs:
        if (reason := missing(need)) is not None:
            pytest.skip(reason)
    ended = run(case.path, LIMIT_S, tmp_path)
    told = f"\n--- stdout\n{ended.stdout}\n--- stderr\n{ended.stderr}"
    assert not ended.hung, f"{case.path.name} hung for {LIMIT_S} s{told}"
    assert ended.status == case.status, f"exit status {ended.status}{told}"
    assert ended.stdout == case.stdout, told
    assert ended.stderr == "", told
    assert not ended.left_processes, f"{case.path.name} left a process behind{told}"


def test_there_are_cases() -> None:
    assert len(CASES) >= 10


def test_a_hanging_script_shows_its_stacks_and_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "hang.py"
    script.write_text("import threading\ndef wait_for_nothing():\n    threading.Event().wait()\nwait_for_nothing()\n")
    ended = run(script, 2, tmp_path)
    assert ended.hung
    assert ended.status == -signal.SIGABRT
    assert "in wait_for_nothing" in ended.stderr


def test_a_process_left_behind_is_found_and_ended(tmp_path: Path) -> None:
    script = tmp_path / "leave.py"
    script.write_text(
        "import subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'],\n"
        "                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode = 0\n"
    )
    ended = run(script, LIMIT_S, tmp_path)
    assert not ended.hung
    assert ended.left_processes


def test_directives_are_read(tmp_path: Path) -> None:
    script = tmp_path / "case.py"
    script.write_text("# status: 3\n# stdout: one\n# stdout: two\n# needs: python3.99\nprint('one')\n")
    assert read_case(script) == Case(script, 3, "one\ntwo\n", ("python3.99",))
    assert missing("python3.99") == "for CPython 3.99 and later"
    assert missing("python3.11") is None
    with pytest.raises(ValueError, match="nonsense"):
        missing("nonsense")
