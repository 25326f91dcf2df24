"""CPython's own cases about Thread and Timer, with conc's in their place: cpython_cases.py says how.

The cases are not marked as slow or once, since each interpreter of a matrix has others.
"""

from __future__ import annotations

import re
import sys
import sysconfig
from collections.abc import Callable
from importlib.util import find_spec

import pytest
from cpython_cases import (
    FOLDER,
    LIMIT_S,
    MOST_DEATHS,
    NOT_ABOUT_THREAD,
    THE_END,
    Exclusion,
    Outcome,
    exclusions_here,
    judge,
    list_cases,
    run_cases,
    to_measure,
)


def carries_tests() -> bool:
    try:
        return find_spec("test.test_threading") is not None
    except ModuleNotFoundError:
        return False


pytestmark = pytest.mark.skipif(not carries_tests(), reason="this interpreter comes without its own tests")


@pytest.mark.timeout((2 * MOST_DEATHS + 2) * LIMIT_S)
def test_cases_of_cpython(record_property: Callable[[str, object], None]) -> None:
    excluded = exclusions_here(sys.version_info[:3])
    listed = list_cases()
    with_conc = run_cases([case for case in listed if case not in NOT_ABOUT_THREAD], with_conc=True)
    plain = run_cases(to_measure(with_conc, excluded), with_conc=False)
    verdict = judge(with_conc, plain, excluded)
    build = sys.version.split()[0] + (sysconfig.get_config_var("ABIFLAGS") or "")
    record_property("cpython cases", f"{verdict} ({build})")
    others = {case: reason for case, reason in NOT_ABOUT_THREAD.items() if case in listed}
    for case, reason in (verdict.excluded | verdict.left_out | others).items():
        record_property("cpython case left out", f"{case}: {reason}")
    assert not verdict.problems, "\n\n".join(verdict.problems)
    assert len(verdict.passed) >= 55  # there were 64 on 3.11, and each version has more


def test_the_list_has_what_is_about_threads() -> None:
    cases = list_cases()
    assert len(cases) == len(set(cases))
    assert {
        "test.test_threading.ThreadTests.test_no_refcycle_through_target",
        "test.test_threading.ExceptHookTests.test_excepthook",
        "test.test_threading.SubinterpThreadingTests.test_threads_join",
        "test.test_threading.TimerTests.test_init_immutable_default_args",
        "test.test_threading_local.PyThreadingLocalTest.test_threading_local",
        "test.test_context.ContextTest.test_context_threads_1",
    } <= set(cases)
    assert not [case for case in cases if ".LockTests." in case]


# -- the harness, tried with cases of which is known what should come of them ------------------------------------------

NAMES = [
    f"harness_cases.{test_class}.{name}"
    for test_class, body in re.findall(
        r"^class (\w+)\(unittest\.TestCase\):\n((?:(?:    .*)?\n)+)",
        (FOLDER / "harness_cases.py").read_text(encoding="utf-8"),
        re.M,
    )
    for name in re.findall(r"^    def (test_\w+)", body, re.M)
]
HANGING = "harness_cases.HarnessTests.test_dies_by_hanging_on_a_process"
ENDING = "harness_cases.EndTests.test_passes_and_ends_the_interpreter"
OTHERS = [name for name in NAMES if name not in (HANGING, ENDING)]


@pytest.fixture(scope="module")
def tried() -> dict[str, Outcome]:
    return run_cases(OTHERS, with_conc=True)


@pytest.mark.parametrize("name", OTHERS)
def test_harness(name: str, tried: dict[str, Outcome]) -> None:
    outcome = tried[name]
    first_word = name.rpartition(".test_")[2].partition("_")[0]
    assert outcome.word == {"passes": "passed", "fails": "failed", "is": "skipped", "dies": "died"}[first_word], outcome
    assert (outcome.not_in_force() is not None) is ("without_conc" in name), outcome
    assert outcome.about_thread is ("asking_for" in name), outcome


@pytest.mark.once
def test_a_hanging_case_shows_its_stacks_and_ends() -> None:
    after = "harness_cases.HarnessTests.test_passes_after_the_deaths"
    tried = run_cases([HANGING, after], with_conc=True, limit_s=3)
    assert tried[HANGING].word == "died"
    assert "in wait_for_a_child" in tried[HANGING].detail
    assert re.search(r"process \d+: name, state", tried[HANGING].detail)
    assert tried[after].word == "passed"


def test_the_end_of_the_interpreter_is_judged() -> None:
    tried = run_cases([ENDING], with_conc=True)
    assert {case: outcome.word for case, outcome in tried.items()} == {ENDING: "passed", THE_END: "died"}
    assert "exit status 3" in tried[THE_END].detail


def test_the_measure_is_the_plain_thread() -> None:
    name = "harness_cases.HarnessTests.test_passes_asking_for_thread"
    outcome = run_cases([name], with_conc=False)[name]
    assert outcome.word == "failed"
    assert "assert threading.Thread is conc.Thread" in outcome.detail


def test_cases_that_cannot_be_imported_died() -> None:
    tried = run_cases(["harness_cases.NoSuch.test", "no_such_module.Tests.test"], with_conc=True)
    assert {outcome.word for outcome in tried.values()} == {"died"}
    assert all("No module named 'no_such_module'" in outcome.detail for outcome in tried.values())


# -- the verdict -------------------------------------------------------------------------------------------------------


def outcomes(word: str, *cases: str, told: tuple[str, ...] = ("7 asked",)) -> dict[str, Outcome]:
    return {
        f"test.test_threading.{case}": Outcome(f"test.test_threading.{case}", word, word, told, 7) for case in cases
    }


MANY = outcomes("passed", *(f"ThreadTests.test_{number}" for number in range(40)))
SOME = {"test.test_threading.T.a": "of a reason"}


def test_what_passes_is_counted_if_it_is_about_thread() -> None:
    verdict = judge(MANY | outcomes("passed", "T.a", told=()), {}, {})
    assert (str(verdict), verdict.problems) == ("40 passed, 0 excluded of 40", [])


@pytest.mark.parametrize("word", ["failed", "died", "skipped", "not run"])
def test_what_only_threading_passes_is_a_problem(word: str) -> None:
    verdict = judge(MANY | outcomes(word, "T.a"), outcomes("passed", "T.a"), {})
    assert str(verdict) == "40 passed, 0 excluded of 41"
    assert verdict.problems == [f"test.test_threading.T.a {word} with conc's types alone\n{word}"]


@pytest.mark.parametrize("word", ["failed", "died", "skipped"])
def test_what_threading_does_not_pass_says_nothing(word: str) -> None:
    verdict = judge(MANY | outcomes("failed", "T.a"), outcomes(word, "T.a"), {})
    assert verdict.left_out == {"test.test_threading.T.a": f"{word} with threading.Thread too: {word}"}
    assert (str(verdict), verdict.problems) == ("40 passed, 0 excluded of 40", [])


def test_an_exclusion_is_counted() -> None:
    with_conc = MANY | outcomes("failed", "T.a")
    assert to_measure(with_conc, SOME) == ["test.test_threading.T.a"]
    verdict = judge(with_conc, outcomes("passed", "T.a"), SOME)
    assert (verdict.excluded, verdict.problems) == (SOME, [])
    assert str(verdict) == "40 passed, 1 excluded of 41"


def test_an_exclusion_must_be_needed() -> None:
    passes = MANY | outcomes("passed", "T.a")
    assert to_measure(passes, SOME) == ["test.test_threading.T.a"]
    assert judge(passes, outcomes("passed", "T.a"), SOME).problems == [
        "test.test_threading.T.a is excluded, and passes"
    ]
    assert "no such case" in judge(MANY, {}, SOME).problems[0]
    without_need = judge(MANY | outcomes("failed", "T.a"), outcomes("failed", "T.a"), SOME)
    assert "either" in without_need.problems[0]


def test_few_may_be_excluded() -> None:
    names = ("T.a", "T.b", "T.c")
    verdict = judge(
        MANY | outcomes("failed", *names), outcomes("passed", *names), dict.fromkeys(outcomes("failed", *names), "?")
    )
    assert verdict.problems == ["3 cases are excluded, more than 5% of the 43 about Thread in test_threading"]


def test_what_ran_without_conc_does_not_count() -> None:
    verdict = judge(outcomes("passed", "T.a", told=("7 asked", "7 plain Worker")), {}, {})
    assert verdict.passed == []
    assert verdict.problems == [
        "test.test_threading.T.a ran without conc's types: threading itself started threads of Worker"
    ]


def test_an_interpreter_that_dies_at_its_end_is_a_problem() -> None:
    with_conc = MANY | {THE_END: Outcome(THE_END, "died", "hung")}
    assert to_measure(with_conc, {}) == []
    assert judge(with_conc, {}, {}).problems == [f"{THE_END} died with conc's types alone\nhung"]


def test_exclusions_are_for_versions() -> None:
    entries = [Exclusion("a", "always"), Exclusion("b", "once", since=(3, 12), until=(3, 12, 2))]
    assert exclusions_here((3, 11, 9), entries) == {"a": "always"}
    assert exclusions_here((3, 12, 1), entries) == {"a": "always", "b": "once"}
    assert exclusions_here((3, 12, 2), entries) == {"a": "always"}
