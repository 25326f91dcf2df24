"""Threads change places as often as they can, and get the time that their rounds take."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from racing import SCALE

HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """More rounds take more time: a test's limit grows with them, if it has none of its own."""
    limit_s = float(config.getini("timeout")) * max(1.0, SCALE)
    for item in items:
        if HERE in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(limit_s))


@pytest.fixture(autouse=True)
def shortest_switch_interval() -> Iterator[None]:
    """With the GIL, another thread gets its turn after a microsecond; without it, this changes nothing."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)
