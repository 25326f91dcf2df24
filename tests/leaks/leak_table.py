"""The table of the leak tests: which scenario covers which public names."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Scenario:
    """A use of public names that leaves nothing behind.

    Attributes:
        run: one round; it is called many times in one process.
        claims: the names that it covers; a ``*`` stands for any characters.
        passengers: how many objects of conc's types a round may leave in a reference cycle, and why (a cycle that is
            made outside of conc carries them along); the collector takes them.
    """

    run: Callable[[], object]
    claims: tuple[str, ...]
    passengers: tuple[int, str] = (0, "")

    @property
    def name(self) -> str:
        return self.run.__name__

    def covers(self, names: Iterable[str]) -> set[str]:
        return {name for name in names if any(fnmatch.fnmatchcase(name, claim) for claim in self.claims)}


class Table:
    """Scenarios in the order of their definition."""

    def __init__(self) -> None:
        self._scenarios: list[Scenario] = []

    def __iter__(self) -> Iterator[Scenario]:
        return iter(self._scenarios)

    def covers(self, *claims: str, passengers: tuple[int, str] = (0, "")) -> Callable[[Callable[[], object]], object]:
        """Add the decorated function as a scenario."""

        def add(run: Callable[[], object]) -> Callable[[], object]:
            self._scenarios.append(Scenario(run, claims, passengers))
            return run

        return add

    def uncovered(self, names: Iterable[str]) -> list[str]:
        """The names that no scenario claims."""
        names = list(names)
        covered = set().union(*(scenario.covers(names) for scenario in self))
        return [name for name in names if name not in covered]

    def idle_claims(self, names: Iterable[str]) -> list[str]:
        """Claims that stand for no name: of something renamed or gone."""
        names = list(names)
        return [claim for scenario in self for claim in scenario.claims if not fnmatch.filter(names, claim)]


TABLE = Table()
covers = TABLE.covers


def refused(
    kind: type[BaseException] | tuple[type[BaseException], ...],
    call: Callable[..., object],
    *args: object,
    **kwargs: object,
) -> None:
    """Assert that the call raises, and keep nothing of the exception.

    A future or a thread keeps its exception, whose traceback keeps this frame: it must not hold what was called.
    """
    what = repr(call)
    try:
        call(*args, **kwargs)
    except kind:
        return
    finally:
        del call, args, kwargs
    raise AssertionError(f"{what} did not raise {kind}")
