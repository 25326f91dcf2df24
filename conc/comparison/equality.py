"""When two lanes' results are the same."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from conc.comparison.records import Difference, one_line


def first_difference(
    expected: list[Any], got: list[Any], reference: str, equal: Callable[[Any, Any], bool] | None = None
) -> Difference | None:
    """The first result that differs from the `reference` lane's, or None.

    Without `equal` two values are the same if ``==`` says so, or both are NaN; inside lists, tuples and dicts too, and
    in NumPy arrays of the same shape and type.
    """
    if equal is None and _plainly_equal(expected, got):
        return None
    if len(expected) != len(got):
        return Difference(None, f"{len(expected)} results", f"{len(got)} results", reference)
    same = same_value if equal is None else equal
    for index, (one, other) in enumerate(zip(expected, got, strict=True)):
        try:
            differs = not same(one, other)
        except Exception as error:
            words = f"{one_line(other)} (comparing raised {type(error).__name__}: {error})"
            return Difference(index, one_line(one), words, reference)
        if differs:
            return Difference(index, one_line(one), one_line(other), reference)
    return None


def same_value(one: Any, other: Any) -> bool:
    """Whether two results are the same; NaN is the same as NaN."""
    if one is other:
        return True
    numpy = sys.modules.get("numpy")
    if numpy is not None and (isinstance(one, numpy.ndarray) or isinstance(other, numpy.ndarray)):
        return _same_array(numpy, one, other)
    if type(one) is type(other):
        if isinstance(one, (list, tuple)):
            return len(one) == len(other) and all(map(same_value, one, other))
        if isinstance(one, Mapping):
            return one.keys() == other.keys() and all(same_value(one[key], other[key]) for key in one)
    return bool(one == other) or bool(one != one and other != other)


def _plainly_equal(expected: list[Any], got: list[Any]) -> bool:
    """The fast path; what has no plain truth value (arrays) goes the long way."""
    try:
        return bool(expected == got)
    except Exception:
        return False


def _same_array(numpy: Any, one: Any, other: Any) -> bool:
    if type(one) is not type(other) or one.shape != other.shape or one.dtype != other.dtype:
        return False
    if one.dtype.kind in "fcmM":
        return bool(numpy.array_equal(one, other, equal_nan=True))
    if one.dtype.kind == "O":
        return all(map(same_value, one.ravel(), other.ravel()))
    return bool(numpy.array_equal(one, other))
