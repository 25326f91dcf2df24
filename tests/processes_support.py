"""What the tests of child processes share: what is left of one, and one that waits."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import conc


def open_descriptors() -> dict[str, str]:
    """Descriptor -> what it is open on, without the one that lists them."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            found[name] = os.readlink(f"/proc/self/fd/{name}")
    return found


def children() -> set[int]:
    """The pids of this process's children, zombies included."""
    found = set()
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):  # one that ended meanwhile
            parent = Path("/proc", name, "stat").read_text().rpartition(")")[2].split()[1]
            if int(parent) == os.getpid():
                found.add(int(name))
    return found


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No test may leave a descriptor or a child, running or zombie."""
    gc.collect()  # what earlier tests left to it
    before = open_descriptors(), children()
    yield
    gc.collect()
    assert (open_descriptors(), children()) == before


def parked_child(**options: Any) -> conc.Child:
    """A child that runs until it is killed."""
    return conc.spawn(["sleep", "1000"], **options)
