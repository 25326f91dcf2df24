"""The C core's own tests (tests/c), each program a test: built with the C compiler alone, run without a sanitizer."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
try:
    import ctest
finally:
    sys.path.pop(0)

pytestmark = [pytest.mark.once, pytest.mark.timeout(2 * ctest.TIMEOUT_S)]


@pytest.fixture(scope="module")
def programs() -> dict[str, Path]:
    """All programs, built together."""
    return ctest.build(ctest.all_names(), "none")


def test_there_are_programs() -> None:
    assert len(ctest.all_names()) > 10


@pytest.mark.parametrize("name", ctest.all_names())
def test_program(name: str, programs: dict[str, Path]) -> None:
    outcome = ctest.run(name, programs[name], "none")
    if outcome.status == ctest.SKIPPED:
        pytest.skip(outcome.output.strip())
    assert outcome.status == 0, outcome.output
