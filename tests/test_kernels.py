"""Native kernels: what they compute, refuse, and how they behave as objects and under signals."""

from __future__ import annotations

import copy
import inspect
import pickle

import cloudpickle
import pytest

from conc import kernels
from conc.kernels import Kernel

ALL = [kernels.prime_factors, kernels.trial_divisions, kernels.spin, kernels.sleep]


@pytest.mark.parametrize(
    ("n", "factors"),
    [
        (1, []),
        (2, [2]),
        (3, [3]),
        (4, [2, 2]),
        (360, [2, 2, 2, 3, 3, 5]),
        (2**52 - 1, [3, 5, 53, 157, 1613, 2731, 8191]),
        (2**52, [2] * 52),
        (2**52 + 1, [17, 858001, 308761441]),
        (2**63, [2] * 63),
        (3**40, [3] * 40),
        (2**64 - 1, [3, 5, 17, 257, 641, 65537, 6700417]),
    ],
)
def test_prime_factors(n: int, factors: list[int]) -> None:
    assert kernels.prime_factors(n) == factors


@pytest.mark.parametrize("n", [0, -1, 2**64, -(2**64), False])
def test_prime_factors_out_of_range(n: int) -> None:
    with pytest.raises(ValueError, match=r"n must be in 1\.\.2\*\*64-1, not "):
        kernels.prime_factors(n)


@pytest.mark.parametrize("n", [1.0, "7", None, [7]])
def test_prime_factors_of_something_else(n: object) -> None:
    with pytest.raises(TypeError, match="n must be an int, not "):
        kernels.prime_factors(n)  # type: ignore[arg-type]


@pytest.mark.parametrize("kernel", ALL, ids=str)
def test_a_kernel_is_one_object_however_it_travels(kernel: Kernel[[object], object]) -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(kernel, protocol)) is kernel
    assert cloudpickle.loads(cloudpickle.dumps(kernel)) is kernel
    assert copy.copy(kernel) is kernel
    assert copy.deepcopy(kernel) is kernel


@pytest.mark.parametrize("kernel", ALL, ids=str)
def test_a_kernel_describes_itself(kernel: Kernel[[object], object]) -> None:
    assert getattr(kernels, kernel.__name__) is kernel
    assert kernel.__qualname__ == kernel.__name__
    assert kernel.__module__ == "conc.kernels"
    assert repr(kernel) == f"<native kernel {kernel.__name__}>"
    (parameter,) = inspect.signature(kernel).parameters.values()
    assert parameter.kind is inspect.Parameter.POSITIONAL_ONLY
    doc = inspect.getdoc(kernel)
    assert doc is not None
    for part in ("Args:", "Returns:", "Raises:", "Example:"):
        assert part in doc


def test_kernels_cannot_be_made() -> None:
    with pytest.raises(TypeError, match=r"cannot create 'conc\._core\.Kernel' instances"):
        Kernel()
