"""The pytest plugin of conc: the fixture `lane`, which runs a test once for each way to run the same work.

It is loaded in every pytest run of its users, so it imports next to nothing until a test asks for a lane.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from conc.comparison.lanes import LANES

if TYPE_CHECKING:
    from conc.comparison.testing import LaneRunner

OPTION = "--conc-lanes"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--conc-lanes``."""
    parser.getgroup("conc").addoption(
        OPTION, metavar="A,B", help="run tests that take the fixture `lane` on these lanes only"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse an unknown lane before anything runs."""
    unknown = [name for name in _wanted(config) or () if name not in LANES]
    if unknown:
        raise pytest.UsageError(f"{OPTION}: there is no lane {unknown[0]!r}; the lanes are {', '.join(LANES)}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of the lanes that were asked for, and every test that takes no lane."""
    wanted = _wanted(config)
    if wanted is None:
        return
    left_out = [item for item in items if _lane_of(item) not in (None, *wanted)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def _wanted(config: pytest.Config) -> list[str] | None:
    option = config.getoption(OPTION)
    return None if option is None else [name.strip() for name in option.split(",") if name.strip()]


def _lane_of(item: pytest.Item) -> str | None:
    """The name of the lane that a test runs on; None where it takes none, or a fixture `lane` that is not this one."""
    spec = getattr(item, "callspec", None)
    name = None if spec is None else spec.params.get("lane")
    return name if isinstance(name, str) and name in LANES else None


@pytest.fixture(params=list(LANES))
def lane(request: pytest.FixtureRequest) -> Iterator[LaneRunner]:
    """One lane: ``lane.run(fn, items)`` gives the results. A test that takes it runs once for each lane.

    With pytest-benchmark: ``benchmark(lane.run, fn, items)``. The lane's actors are made by the first `run` of a
    function, stay ready for the next ones, and are ended with the test. A lane that cannot run the work skips the test
    with its reason.
    """
    from conc.comparison.testing import LaneRunner

    runner = LaneRunner(request.param, pytest.skip)
    try:
        yield runner
    finally:
        runner.close()
