"""The CPU-bound workload: prime factors by trial division.

`prime_factors` here and `conc.kernels.prime_factors` make the very same divisions, so that a comparison of the two
compares the languages and not the algorithms.
"""

from __future__ import annotations

from random import Random


def numbers(count: int = 10_000, low: int = 20_000, high: int = 100_000_000, *, seed: int = 20_260_101) -> list[int]:
    """The numbers to factor: `count` random ints in `low`..`high`, the same for the same arguments.

    Args:
        count: how many, >= 0.
        low: the least value, >= 1.
        high: the greatest value, >= `low`.
        seed: of `random.Random`.

    Returns:
        A list of `count` ints.

    Raises:
        ValueError: `count` is negative, or the range is empty or begins below 1.

    Example:
        >>> numbers(3, 1, 9, seed=1) == numbers(3, 1, 9, seed=1)
        True
    """
    if count < 0:
        raise ValueError(f"count must be >= 0, not {count}")
    if not 1 <= low <= high:
        raise ValueError(f"low and high must be 1 <= low <= high, not {low} and {high}")
    random = Random(seed)
    return [random.randint(low, high) for _ in range(count)]


def prime_factors(n: int) -> list[int]:
    """The prime factors of `n`, ascending, by trial division: by 2, 3, 4, ...

    A divisor is tried as long as its square is at most what is left of `n`; one that divides is tried again. Written as
    one writes it: a loop over a ``range`` takes about half the time, and changes no verdict.

    Args:
        n: an int >= 1. Beyond 2**50 or so this takes minutes.

    Returns:
        A list of ints; their product is `n`. Empty for 1.

    Raises:
        ValueError: `n` is less than 1.
        TypeError: `n` is not an int.

    Example:
        >>> prime_factors(360)
        [2, 2, 2, 3, 3, 5]
    """
    if not isinstance(n, int):
        raise TypeError(f"n must be an int, not {n!r}")
    if n < 1:
        raise ValueError(f"n must be >= 1, not {n}")
    factors: list[int] = []
    divisor = 2
    while divisor * divisor <= n:
        if n % divisor:
            divisor += 1
        else:
            factors.append(divisor)
            n //= divisor
    if n > 1:
        factors.append(n)
    return factors
