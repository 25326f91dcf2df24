"""When results count as the same."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conc.comparison.equality import first_difference, same_value

numpy = pytest.importorskip("numpy", exc_type=ImportError, reason="numpy does not load in a subinterpreter")

pytestmark = pytest.mark.once
NAN = math.nan
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)


def rebuilt(value: Any) -> Any:
    """An equal value that shares no object with `value` where that can be, NaN least of all."""
    if isinstance(value, float):
        return float(repr(value))
    if isinstance(value, (list, tuple)):
        return type(value)(map(rebuilt, value))
    if isinstance(value, dict):
        return {key: rebuilt(item) for key, item in value.items()}
    return value


@given(VALUES)
def test_every_value_is_the_same_as_its_copy(value: Any) -> None:
    assert same_value(value, rebuilt(value))
    assert first_difference([value, 1], [rebuilt(value), 1], "sequential") is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 2),
        (NAN, 0.0),
        ([NAN, 1], [NAN, 2]),
        ({"a": NAN}, {"b": NAN}),
        ([1], [1, 2]),
        ([1, NAN], (1, float("nan"))),
        (numpy.array([1.0, NAN]), numpy.array([1.0, 2.0])),
        (numpy.array([1, 2]), numpy.array([1.0, 2.0])),
        (numpy.array([1, 2]), numpy.array([[1, 2]])),
        (numpy.array([1, 2]), [1, 2]),
        (numpy.array([NAN, {}], dtype=object), numpy.array([NAN, 1], dtype=object)),
    ],
)
def test_different_values(one: Any, other: Any) -> None:
    assert not same_value(one, other)


@pytest.mark.parametrize(
    "make",
    [
        lambda: numpy.array([1.0, NAN]),
        lambda: numpy.array(["a", "b"]),
        lambda: numpy.array([complex(NAN, 1)]),
        lambda: numpy.array([{"a": float("nan")}], dtype=object),
        lambda: {"x": [numpy.array([NAN]), (float("nan"), 3)]},
        lambda: numpy.float64("nan"),
    ],
)
def test_same_values(make: Callable[[], Any]) -> None:
    assert same_value(make(), make())
    assert first_difference([make()], [make()], "sequential") is None


def test_the_first_difference_is_named_with_both_values() -> None:
    found = first_difference([1, 2, 3, 4], [1, 2, 30, 40], "threads")
    assert found is not None
    assert (found.index, found.expected, found.got, found.reference) == (2, "3", "30", "threads")
    assert str(found) == "item 2: 30 where threads gives 3"


def test_long_values_are_cut() -> None:
    found = first_difference(["x" * 1000], ["y"], "sequential")
    assert found is not None
    assert len(found.expected) <= 60


def test_another_number_of_results() -> None:
    found = first_difference([1, 2], [1], "sequential")
    assert found is not None
    assert (found.index, found.got) == (None, "1 results")


def test_equal_decides_alone() -> None:
    close = first_difference([1.0], [1.0001], "sequential", lambda one, other: abs(one - other) < 0.01)
    assert close is None
    never = first_difference([1.0], [1.0], "sequential", lambda one, other: False)
    assert never is not None


def test_equal_that_raises_is_a_difference_that_says_so() -> None:
    found = first_difference([1.0], [1.0], "sequential", lambda one, other: one.nothing)
    assert found is not None
    assert "AttributeError" in found.got


class Hostile:
    """A result whose repr fails."""

    def __repr__(self) -> str:
        raise ValueError("no")


def test_values_without_a_repr_are_named_by_type() -> None:
    found = first_difference([Hostile()], [Hostile()], "sequential")
    assert found is not None
    assert "Hostile" in found.got
