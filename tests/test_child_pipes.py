"""Our end of a pipe to a child: who owns its descriptor, at whatever line a signal handler comes between."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from conc import child_setup
from conc.child_setup import Pipe

LINES = 40  # more than the methods of a pipe have


class Raised(Exception):
    """By the handler."""


def at_line(number: int, act: Callable[[], object]) -> Callable[[FrameType, str, Any], Any]:
    """A trace function that acts once, as a signal handler would, before the n-th line in a pipe's methods."""
    left = number

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if frame.f_code.co_filename != child_setup.__file__:
            return None
        if event == "line":
            left -= 1
            if left == 0:
                sys.settrace(None)
                act()
        return trace

    return trace


def traced(number: int, act: Callable[[], object], call: Callable[[], object]) -> None:
    before = sys.gettrace()
    sys.settrace(at_line(number, act))
    try:
        call()
    finally:
        sys.settrace(before)


def pipe_with_data() -> tuple[Pipe, int]:
    """A pipe from which b"data" can be read, and its descriptor."""
    reads, writes = os.pipe()
    os.write(writes, b"data")
    os.close(writes)
    pipe = Pipe("r")
    pipe.give(reads)
    return pipe, reads


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def closes_once(pipe: Pipe, fd: int) -> None:
    """After close() the descriptor's number is somebody else's, whatever becomes of the pipe."""
    pipe.close()
    assert not is_open(fd)
    other = os.open(os.devnull, os.O_RDONLY)
    assert other == fd
    pipe.close()
    del pipe
    gc.collect()
    assert is_open(other)
    os.close(other)


@pytest.mark.parametrize("number", range(1, LINES))
def test_a_handler_asks_for_the_file_meanwhile(number: int) -> None:
    pipe, fd = pipe_with_data()
    traced(number, lambda: pipe.file, lambda: pipe.file)
    gc.collect()  # what nobody uses must not close it
    assert is_open(fd)
    assert pipe.fd == fd
    assert pipe.file is pipe.file
    assert pipe.file.read() == b"data"  # type: ignore[union-attr]
    closes_once(pipe, fd)


@pytest.mark.parametrize("number", range(1, LINES))
def test_a_handler_raises_meanwhile(number: int) -> None:
    def throw() -> None:
        raise Raised

    pipe, fd = pipe_with_data()
    with contextlib.suppress(Raised):
        traced(number, throw, lambda: pipe.file)
    gc.collect()
    assert is_open(fd)
    assert pipe.file.read() == b"data"  # type: ignore[union-attr]
    closes_once(pipe, fd)


@pytest.mark.parametrize("number", range(1, LINES))
def test_a_handler_closes_it_meanwhile(number: int) -> None:
    pipe, fd = pipe_with_data()
    with contextlib.suppress(ValueError):  # a buffered file of a closed one
        traced(number, pipe.close, lambda: pipe.file)
    gc.collect()
    pipe.close()
    assert not is_open(fd)
    assert pipe.file.closed


def test_dropped_while_open_it_warns_and_closes() -> None:
    pipes = [pipe_with_data()]
    fd = pipes[0][1]
    with pytest.warns(ResourceWarning, match=f"unclosed pipe to a child .descriptor {fd}."):
        pipes.clear()
    assert not is_open(fd)
