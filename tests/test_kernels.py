"""Native kernels: what they compute, refuse, and how they behave as objects and under signals."""

from __future__ import annotations

import copy
import doctest
import gc
import inspect
import math
import pickle
import subprocess
import sys
import threading
from typing import Any

import cloudpickle
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import conc
from conc import kernels
from conc.kernels import Kernel
from conc.workloads import calc

ALL = [kernels.prime_factors, kernels.trial_divisions, kernels.spin, kernels.sleep, kernels.http_get]

# -- what they compute -------------------------------------------------------------------------------------------------

# Trial division takes time in the second largest prime factor: products of small ones reach all of 64 bits cheaply.
SMALL_PRIMES = [p for p in range(2, 300) if all(p % d for d in range(2, p))]


@st.composite
def smooth_numbers(draw: st.DrawFn) -> int:
    """Numbers up to 2**64-1 whose prime factors are below 300, but for one below 2**32."""
    n = draw(st.integers(1, 2**32 - 1))
    for prime in draw(st.lists(st.sampled_from(SMALL_PRIMES), max_size=63)):
        if n * prime >= 2**64:
            break
        n *= prime
    return n


class Counted(int):
    """An int that counts how often it, or what is left of it, is divided for the remainder."""

    count = 0

    def __mod__(self, other: int) -> int:
        Counted.count += 1
        return int(self) % other

    def __floordiv__(self, other: int) -> Counted:
        return Counted(int(self) // other)


def is_prime(n: int) -> bool:
    """Miller and Rabin's test with the bases that decide for all n < 2**64 (Sorenson and Webster)."""
    if n < 2:
        return False
    bases = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)
    if n in bases:
        return True
    d, s = n - 1, 0
    while d % 2 == 0:
        d, s = d // 2, s + 1
    for base in bases:
        x = pow(base, d, n)
        if x in (0, 1, n - 1):
            continue
        if not any((x := x * x % n) == n - 1 for _ in range(s - 1)):
            return False
    return True


@given(st.one_of(st.integers(1, 2**34), smooth_numbers()))
@example(2**32)
@example(65_521**2)
def test_factors_are_primes_and_their_product_is_n(n: int) -> None:
    factors = kernels.prime_factors(n)
    assert math.prod(factors) == n
    assert factors == sorted(factors)
    assert all(map(is_prime, factors))


@given(st.one_of(st.integers(1, 2**24), smooth_numbers()))
def test_the_same_divisions_as_in_python(n: int) -> None:
    Counted.count = 0
    factors = calc.prime_factors(Counted(n))
    assert kernels.prime_factors(n) == factors
    assert kernels.trial_divisions(n) == Counted.count


def test_the_same_divisions_for_the_workload() -> None:
    numbers = calc.numbers(200)
    Counted.count = 0
    factors = [calc.prime_factors(Counted(n)) for n in numbers]
    assert list(map(kernels.prime_factors, numbers)) == factors
    assert sum(map(kernels.trial_divisions, numbers)) == Counted.count


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


@given(st.one_of(st.integers(max_value=0), st.integers(min_value=2**64), st.just(False)))
def test_prime_factors_out_of_range(n: int) -> None:
    for kernel in (kernels.prime_factors, kernels.trial_divisions):
        with pytest.raises(ValueError, match=r"n must be in 1\.\.2\*\*64-1, not "):
            kernel(n)


@pytest.mark.parametrize("n", [1.0, "7", None, [7]])
def test_prime_factors_of_something_else(n: object) -> None:
    with pytest.raises(TypeError, match="n must be an int, not "):
        kernels.prime_factors(n)  # type: ignore[arg-type]


def test_bools_are_ints() -> None:
    assert kernels.prime_factors(True) == []


def test_sleep_and_spin() -> None:
    assert kernels.sleep(0) is None  # type: ignore[func-returns-value]
    assert kernels.spin(0) >= 0.0
    used = kernels.spin(0.01)
    assert isinstance(used, float)
    assert used > 0.0


@pytest.mark.parametrize("kernel", [kernels.sleep, kernels.spin])
def test_seconds(kernel: Kernel[[Any], object]) -> None:
    for wrong in (-1, -0.001, math.nan, -math.inf):
        with pytest.raises(ValueError, match="seconds must be a number of seconds >= 0"):
            kernel(wrong)
    for wrong in ("1", None):
        with pytest.raises(TypeError, match="seconds must be a number of seconds"):
            kernel(wrong)


@pytest.mark.parametrize("kernel", ALL[:-1], ids=str)
def test_one_positional_argument(kernel: Kernel[..., object]) -> None:
    for arguments in ((), (1, 2)):
        with pytest.raises(TypeError, match=rf"{kernel.__name__}\(\) takes 1 argument \({len(arguments)} given\)"):
            kernel(*arguments)
    with pytest.raises(TypeError, match="takes no keyword arguments"):
        kernel(1, n=1)


# -- what they are as objects ------------------------------------------------------------------------------------------


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
    assert inspect.isroutine(kernel)
    for parameter in inspect.signature(kernel).parameters.values():
        assert parameter.kind is inspect.Parameter.POSITIONAL_ONLY
    doc = inspect.getdoc(kernel)
    assert doc is not None
    for part in ("Args:", "Returns:", "Raises:", "Example:"):
        assert part in doc


def test_kernels_cannot_be_made() -> None:
    with pytest.raises(TypeError, match=r"cannot create 'conc\._core\.Kernel' instances"):
        Kernel()


def test_kernels_are_found_and_described() -> None:
    assert conc.kernels is kernels
    assert set(kernels.__all__) == {kernel.__name__ for kernel in ALL} | {"Kernel", "http_get_unavailable"}
    results = doctest.testmod(kernels, extraglobs={name: getattr(kernels, name) for name in kernels.__all__})
    assert results.failed == 0
    assert results.attempted >= len(ALL)


def test_a_kernel_does_not_bind() -> None:
    class Holder:
        factor = kernels.prime_factors

    assert Holder().factor is kernels.prime_factors
    assert Holder().factor(6) == [2, 3]


def test_kernel_types_can_be_written() -> None:
    alias = Kernel[[int], list[int]]
    assert alias.__origin__ is Kernel
    assert alias.__args__ == ([int], list[int])


def test_calls_leak_nothing() -> None:
    def use_all() -> None:
        kernels.prime_factors(2**63)
        kernels.trial_divisions(97)
        kernels.spin(0)
        kernels.sleep(0)
        for wrong in (0, None, 2**70):
            with pytest.raises((TypeError, ValueError)):
                kernels.prime_factors(wrong)  # type: ignore[arg-type]
        with pytest.raises(OSError, match=r"GET http://127\.0\.0\.1:1/: "):
            kernels.http_get("http://127.0.0.1:1/")

    use_all()
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(20):
        use_all()
    gc.collect()
    assert len(gc.get_objects()) - before < 20


# -- signals and the GIL -----------------------------------------------------------------------------------------------

# Each runs in an interpreter of its own: what they prove would otherwise hang this one when it is not so.
RUNS_FOR_EVER = [
    "kernels.sleep(float('inf'))",
    "kernels.spin(float('inf'))",
    "kernels.prime_factors(2**64 - 59)",
    "kernels.trial_divisions(2**64 - 59)",
    "kernels.http_get(silent)",
]

# Python switches threads by itself only after an hour here, so the other thread gets its turn when the kernel has let
# the GIL go, and not before: that it can send the signal proves that it was released.
OTHER_THREAD_ACTS = """
import os, signal, socket, sys, threading
from conc import kernels

listener = socket.create_server(("127.0.0.1", 0))
silent = f"http://127.0.0.1:{listener.getsockname()[1]}/"
go = threading.Event()

def act():
    go.wait()
    os.kill(os.getpid(), signal.SIGINT)

thread = threading.Thread(target=act)
sys.setswitchinterval(3600)
thread.start()
"""


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20)
    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout.strip()


@pytest.mark.parametrize("call", RUNS_FOR_EVER)
def test_the_gil_is_released_and_ctrl_c_ends_it(call: str) -> None:
    code = f"""{OTHER_THREAD_ACTS}
go.set()
try:
    {call}
except KeyboardInterrupt:
    print("interrupted")
thread.join()
listener.close()
"""
    assert run_python(code) == "interrupted"


@pytest.mark.parametrize("call", RUNS_FOR_EVER)
def test_what_a_signal_handler_raises_comes_out(call: str) -> None:
    """The first signal's handler only notes it and the kernel goes on; the second one's raises."""
    code = f"""{OTHER_THREAD_ACTS}
handled = []

def handler(number, frame):
    handled.append(number)
    if len(handled) == 2:
        raise LookupError("from the handler")
    signal.raise_signal(signal.SIGINT)

signal.signal(signal.SIGINT, handler)
go.set()
try:
    {call}
except LookupError as error:
    print(error, len(handled))
thread.join()
listener.close()
"""
    assert run_python(code) == "from the handler 2"


def test_a_kernel_in_another_thread_is_not_interrupted() -> None:
    """The signal ends the main thread's kernel; the other thread's runs to its end, past several looks at signals."""
    code = f"""{OTHER_THREAD_ACTS}
results = []
other = threading.Thread(target=lambda: results.append(kernels.spin(0.1)))
other.start()
go.set()
try:
    kernels.sleep(float("inf"))
except KeyboardInterrupt:
    print("interrupted")
other.join()
thread.join()
listener.close()
print(len(results))
"""
    assert run_python(code).split() == ["interrupted", "1"]


def test_kernels_run_side_by_side_in_threads() -> None:
    numbers = calc.numbers(300, seed=5)
    expected = [calc.prime_factors(n) for n in numbers]
    results: list[list[list[int]]] = [[] for _ in range(4)]

    def work(mine: list[list[int]]) -> None:
        mine.extend(map(kernels.prime_factors, numbers))

    threads = [threading.Thread(target=work, args=(mine,)) for mine in results]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(mine == expected for mine in results)
