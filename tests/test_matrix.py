"""What a matrix runs where (tools/matrix.py): nothing is left out everywhere, and what is left out is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.once

TOOLS = Path(__file__).resolve().parent.parent / "tools"
sys.path.insert(0, str(TOOLS))
try:
    import matrix
finally:
    sys.path.pop(0)


def interpreter(name: str, version: str, **facts: Any) -> dict[str, Any]:
    there = {"path": f"/python{version}", "origin": "made up", "free_threaded": False, "debug": False}
    return {"name": name, "version": version, **there, **facts}


ALL = [
    interpreter("3.11", "3.11.7"),
    interpreter("3.12", "3.12.1"),
    interpreter("3.13", "3.13.0"),
    interpreter("3.14", "3.14.10"),
    interpreter("3.15", "3.15.2"),
    interpreter("free-threaded", "3.13.5", free_threaded=True),
    interpreter("debug", "3.16.0", debug=True),
]


def suites(interpreters: list[dict[str, Any]], full: bool = False, whole: str = "", done: str = "") -> dict[str, Any]:
    """By interpreter: the suites that run, the last of them inside a subinterpreter if there are two."""
    ends = matrix.Ends.of(interpreters)
    return {
        entry["name"]: [
            planned.how.partition(",")[0]
            for planned in matrix.plan(entry, ends, full=full, whole=whole == entry["name"], done=done == entry["name"])
            if isinstance(planned, matrix.Run)
        ]
        for entry in interpreters
    }


def test_the_ends_have_more_than_what_is_between() -> None:
    assert suites(ALL, done="3.11") == {
        "3.11": [],
        "3.12": ["core"],
        "3.13": ["core", "core"],
        "3.14": ["core"],
        "3.15": ["quick", "quick"],
        "free-threaded": ["quick", "core"],
        "debug": ["core"],
    }


def test_full_leaves_nothing_out() -> None:
    found = suites(ALL, full=True, whole="3.14")
    assert found.pop("3.14") == ["whole", "quick"]
    assert {suite for ran in found.values() for suite in ran} == {"quick"}
    assert [name for name, ran in found.items() if len(ran) == 2] == ["3.13", "3.15", "free-threaded"]


def test_the_newest_is_one_that_is_there() -> None:
    missing = interpreter("3.15", "-", path=None)
    assert suites([*ALL[:4], missing])["3.14"] == ["quick", "quick"]
    assert suites([missing, ALL[2]]) == {"3.15": [], "3.13": ["quick", "quick"]}
    assert suites([missing]) == {"3.15": []}


def test_what_is_left_out_has_a_reason() -> None:
    ends = matrix.Ends.of(ALL)
    (skipped,) = [
        cell for cell in matrix.plan(ALL[3], ends, full=False, whole=False, done=False) if isinstance(cell, matrix.Cell)
    ]
    assert (skipped.outcome, skipped.detail) == ("skipped", "between others that have it: with --full")


def test_a_command_with_short_slices_is_itself() -> None:
    command = [sys.executable, "-c", "import sys; print(sys.argv[1:]); raise SystemExit(3)", "a", "-b"]
    done = subprocess.run(
        [sys.executable, str(TOOLS / "short_slices.py"), *command], stdout=subprocess.PIPE, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (3, "['a', '-b']\n")
