"""No public name leaks: each is used over and over by a scenario, and the process holds no more after it."""

from __future__ import annotations

import dataclasses

import pytest
import scenarios_actors  # noqa: F401 - it fills the table
import scenarios_gil  # noqa: F401 - it fills the table
import scenarios_pools
import scenarios_processes  # noqa: F401 - it fills the table
import scenarios_remote  # noqa: F401 - it fills the table
import scenarios_results  # noqa: F401 - it fills the table
import scenarios_stalls  # noqa: F401 - it fills the table
import scenarios_watch  # noqa: F401 - it fills the table
import scenarios_watching  # noqa: F401 - it fills the table
from leak_actors import WITNESSES
from leak_meter import Growth
from leak_names import PublicNames, public_names
from leak_table import TABLE, Scenario, Table
from leak_trace import UNSEEN, touched

import conc

SCENARIOS = list(TABLE)

# seconds a round on slow builds, in processes of multiprocessing's and in the C core alone
ALIKE_ON_ALL = dict.fromkeys(("comparison_of_processes", "memory_is_probed"), pytest.mark.once)
# seconds a round everywhere; Python that uses what other scenarios repeat by itself
ON_TOP = dict.fromkeys(
    (
        *("comparison_of_an_event_loop", "comparison_of_threads", "comparison_fails", "comparison_is_interrupted"),
        "commands_run",
    ),
    pytest.mark.newest,
)
MARKS = ALIKE_ON_ALL | ON_TOP
REPEATED = [
    pytest.param(scenario, id=scenario.name, marks=[MARKS[scenario.name]] if scenario.name in MARKS else [])
    for scenario in SCENARIOS
]


def untouched(scenario: Scenario, names: PublicNames) -> set[str]:
    """What it claims and does not use, as far as that can be seen."""
    with touched(names) as seen:
        scenario.run()
    return scenario.covers(names) - seen - UNSEEN.keys()


@pytest.mark.parametrize("scenario", REPEATED)
def test_nothing_is_left(scenario: Scenario) -> None:
    growth = Growth(scenario.run, WITNESSES)
    leaks = growth.leaks()
    if scenario.passengers[0] and leaks.get("blocks", 3) <= 2:
        del leaks[
            "blocks"
        ]  # where argparse builds its parsers anew each time, 3.13 and later may keep two blocks a round
    assert leaks == {}, f"a round of {scenario.name} leaves this behind (least of several windows)"
    most, _ = scenario.passengers
    assert growth.cycles.total() <= most * growth.rounds, f"in cycles: {growth.cycles}, {growth.rounds} rounds"


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[scenario.name for scenario in SCENARIOS])
def test_the_scenario_touches_what_it_claims(scenario: Scenario) -> None:
    assert untouched(scenario, public_names()) == set()


def test_every_public_name_has_a_scenario(record_property: pytest.RecordProperty) -> None:
    names = list(public_names())
    uncovered = TABLE.uncovered(names)
    record_property("names_covered_by_leak_tests", f"{len(names) - len(uncovered)} of {len(names)}")
    assert uncovered == [], "write a scenario for these names in tests/leaks/scenarios_*.py"


def test_marked_scenarios_exist() -> None:
    assert MARKS.keys() <= {scenario.name for scenario in SCENARIOS}


def test_a_name_without_a_scenario_is_reported() -> None:
    names = public_names()
    more = dataclasses.replace(names, core_functions=(*names.core_functions, "made_up"))
    assert TABLE.uncovered(more) == ["conc._core.made_up"]


def test_a_new_method_of_a_public_class_is_a_public_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conc.Child, "made_up", lambda self: None, raising=False)
    assert "conc.Child.made_up" in set(public_names.__wrapped__())


def test_a_claim_with_a_star_does_not_cover_what_is_never_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conc.Future, "made_up", lambda self: None, raising=False)
    claiming = next(scenario for scenario in SCENARIOS if scenario.run is scenarios_pools.future_lives)
    assert untouched(claiming, public_names.__wrapped__()) == {"conc.Future.made_up"}


def test_a_new_export_is_a_public_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conc, "__all__", [*conc.__all__, "made_up"])
    monkeypatch.setattr(conc, "made_up", 1, raising=False)
    assert Table().uncovered(public_names.__wrapped__()) != []
    assert TABLE.uncovered(public_names.__wrapped__()) == ["conc.made_up"]


def test_no_claim_is_idle() -> None:
    assert TABLE.idle_claims(public_names()) == []


def test_a_claim_that_is_not_true_is_found() -> None:
    with touched(public_names()) as seen:
        conc.Future().done()
    assert {"conc.Future", "conc.Future.done", "conc._core.FutureState.done"} <= seen
    assert not {"conc.Future.cancel", "conc._core.FutureState.cancel", "conc.Thread"} & seen
