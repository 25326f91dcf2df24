"""Threads change places as often as they can."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def shortest_switch_interval() -> Iterator[None]:
    """With the GIL, another thread gets its turn after a microsecond; without it, this changes nothing."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)
