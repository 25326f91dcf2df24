"""What is shown while lanes run: on a terminal, in a notebook, and nowhere else."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import termios
import types

import pytest

from conc.comparison.progress import Line, Shown

pytestmark = pytest.mark.newest  # Python on top of the C module

WATCH = """
import sys, threading
import conc, conc.comparison.progress as progress
if {without_tqdm}:
    sys.modules["tqdm"] = sys.modules["tqdm.auto"] = None
report = conc.compare(abs, range(10), lanes=["sequential", "processes"], workers=2, repeats=3)
print([thread.name for thread in threading.enumerate()], report.lanes["processes"].notes)
"""


def on_a_terminal(code: str) -> tuple[str, str]:
    """Standard output, and what a terminal shows of standard error."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    try:
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=theirs, text=True)
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # EIO: the other side is closed
                break
            if not part:
                break
            shown += part
        out, _ = child.communicate()
        assert child.returncode == 0
    finally:
        os.close(ours)
    return out, shown.decode()


@pytest.mark.parametrize("without_tqdm", [False, True])
def test_a_terminal_sees_the_lanes_go_by(without_tqdm: bool) -> None:
    out, shown = on_a_terminal(WATCH.format(without_tqdm=without_tqdm))
    assert "comparing" in shown
    assert "starting processes" in shown
    assert "sequential" in shown
    assert out == "['MainThread'] ()\n", "no thread may be made before the processes fork, and none may stay"


def test_nobody_watches_a_file() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WATCH.format(without_tqdm=False)], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""


def test_the_line_is_taken_away() -> None:
    stream = io.StringIO()
    line = Line(stream)
    line.show(0, 2, "sequential")
    line.show(1, 2, "x")
    line.close()
    assert "run 1 of 2, sequential" in stream.getvalue()
    last = stream.getvalue().split("\r")[-2]
    assert last.strip() == ""


class NotebookShell:
    """Stands for the shell of a notebook's kernel."""


class TerminalInteractiveShell:
    """Stands for IPython on a terminal, which has this name."""


@pytest.mark.parametrize(
    ("shell", "shown"), [(NotebookShell(), True), (TerminalInteractiveShell(), False), (None, False)]
)
def test_a_notebook_sees_it_too(shell: object, shown: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    ipython = types.SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", ipython)  # type: ignore[arg-type]
    bars: list[str] = []

    class Bar:
        total = n = 0

        def __init__(self, **options: object) -> None:
            bars.append(str(options["desc"]))

        @classmethod
        def set_lock(cls, lock: object) -> None:
            assert lock is not None

        def set_postfix_str(self, text: str, refresh: bool) -> None:
            assert not refresh
            bars.append(text)

        def refresh(self) -> None:
            bars.append(f"{self.n}/{self.total}")

        def close(self) -> None:
            bars.append("closed")

    auto = types.SimpleNamespace(tqdm=Bar)
    monkeypatch.setitem(sys.modules, "tqdm.auto", auto)  # type: ignore[arg-type]
    with Shown() as progress:
        progress.show(1, 4, "threads")
    assert bars == (["comparing", "threads", "1/4", "closed"] if shown else [])
    assert stream.getvalue() == ""
