"""The kernels: prime_factors against the same divisions in Python, and what a call of a kernel costs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from paired import alone, paired
from results import Target

from conc import kernels
from conc.workloads import calc

NUMBERS = calc.numbers()
CALLS = range(100_000)


def prime_factors_by_range(n: int) -> list[int]:
    """The same divisions in the fastest loop that Python has for them."""
    factors: list[int] = []
    limit, divisor = math.isqrt(n), 2
    while divisor <= limit:
        for divisor in range(divisor, limit + 1):  # noqa: B020 - the next search begins where this one ends
            if not n % divisor:
                break
        else:
            break
        factors.append(divisor)
        n //= divisor
        limit = math.isqrt(n)
    return [*factors, n] if n > 1 else factors


def test_prime_factors(benchmark: Any) -> None:
    paired(
        benchmark,
        "prime_factors of the 10,000 numbers of calc, one thread",
        lambda: [kernels.prime_factors(n) for n in NUMBERS],
        lambda: [calc.prime_factors(n) for n in NUMBERS],
        against="the same divisions in Python",
        target=Target("at least", 25, "x"),
        rounds=9,
    )


def test_prime_factors_by_range(benchmark: Any) -> None:
    assert [prime_factors_by_range(n) for n in NUMBERS[:100]] == [calc.prime_factors(n) for n in NUMBERS[:100]]
    paired(
        benchmark,
        "prime_factors of the 10,000 numbers of calc, one thread",
        lambda: [kernels.prime_factors(n) for n in NUMBERS],
        lambda: [prime_factors_by_range(n) for n in NUMBERS],
        against="the fastest Python loop, one over a range",
        rounds=9,
    )


def test_divisions_below_and_above_2_32(benchmark: Any) -> None:
    """Squares of the primes around 2**16: the same number of divisions, by the narrow and the wide instruction."""
    below, above = 65_521**2, 65_537**2
    divisions = kernels.trial_divisions(below)
    assert below < 2**32 < above
    assert abs(kernels.trial_divisions(above) - divisions) < 20
    taken = paired(
        benchmark,
        f"{100 * divisions:,} divisions of 32 bits (n < 2**32)",
        lambda: [kernels.prime_factors(below) for _ in range(100)],
        lambda: [kernels.prime_factors(above) for _ in range(100)],
        against="as many of 64 bits",
        rounds=9,
    )
    for where, seconds in (("below", taken.ours_s), ("above", taken.peer_s)):
        samples_ns = [1e9 * sample / (100 * divisions) for sample in seconds]
        alone(benchmark, f"a trial division {where} 2**32", samples_ns, "ns", how=f"{len(samples_ns)} rounds")


def test_call(benchmark: Any) -> None:
    """What a kernel adds to a C function that keeps the GIL: letting it go and taking it back."""

    def calls(function: Callable[[int], object]) -> None:
        for _ in CALLS:
            function(2)

    paired(
        benchmark,
        "100,000 calls of the smallest kernel run (trial_divisions(2))",
        lambda: calls(kernels.trial_divisions),
        lambda: calls(math.isqrt),
        against="math.isqrt(2), which keeps the GIL",
        rounds=9,
    )
