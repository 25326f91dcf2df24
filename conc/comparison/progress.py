"""What a waiting user sees on a terminal or in a notebook while lanes run; it is updated between runs only."""

from __future__ import annotations

import sys
import threading
import warnings
from types import TracebackType
from typing import Any, Protocol, Self, TextIO


class Progress(Protocol):
    """Something that shows how far a comparison has come."""

    def show(self, done: int, total: int, what: str) -> None:
        """`done` of `total` runs are over; `what` is next."""

    def close(self) -> None:
        """Take the display away."""


class Silent:
    """Nobody watches."""

    def show(self, done: int, total: int, what: str) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Line:
    """One line of a terminal, written over and over."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._width = 0

    def show(self, done: int, total: int, what: str) -> None:
        """As Progress says."""
        self._write(f"comparing: run {done + 1} of {total}, {what}" if done < total else "")

    def close(self) -> None:
        """As Progress says."""
        self._write("")

    def _write(self, text: str) -> None:
        self._stream.write("\r" + text.ljust(self._width) + ("\r" if not text else ""))
        self._stream.flush()
        self._width = len(text)


class Bar:
    """tqdm's bar, without the monitor thread and the process lock that it makes by default: processes fork later."""

    def __init__(self, tqdm: Any) -> None:
        quiet: Any = type("ComparisonBar", (tqdm,), {"monitor_interval": 0})
        quiet.set_lock(threading.RLock())
        self._bar = quiet(desc="comparing", unit="run", leave=False, disable=None)

    def show(self, done: int, total: int, what: str) -> None:
        """As Progress says."""
        self._bar.total = total
        self._bar.n = done
        self._bar.set_postfix_str(what, refresh=False)
        self._bar.refresh()

    def close(self) -> None:
        """As Progress says."""
        self._bar.close()


class Shown:
    """The right display for where this runs, as a context manager."""

    def __init__(self, progress: bool | None = None) -> None:
        self._wanted = progress
        self._progress: Progress = Silent()

    def __enter__(self) -> Self:
        terminal = sys.stderr is not None and sys.stderr.isatty()
        if self._wanted is not False and (terminal or in_notebook()):
            bar = _tqdm()
            if bar is not None:
                self._progress = Bar(bar)
            elif terminal:
                self._progress = Line(sys.stderr)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.close()

    def show(self, done: int, total: int, what: str) -> None:
        """As Progress says."""
        self._progress.show(done, total, what)


def in_notebook() -> bool:
    """Whether this is a notebook's kernel: an IPython shell that is not a terminal's."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and type(shell).__name__ != "TerminalInteractiveShell"


def _tqdm() -> Any | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tqdm.auto warns where a notebook lacks ipywidgets
            from tqdm.auto import tqdm  # type: ignore[import-untyped]
    except ImportError:
        return None
    return tqdm
