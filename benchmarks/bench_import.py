"""What ``import conc`` costs over a bare interpreter: whole processes, alternated."""

from __future__ import annotations

import statistics
import subprocess
import sys
from typing import Any

from paired import FIGURES, QUICK, quartiles, timed


def test_import(benchmark: Any) -> None:
    def run(code: str) -> float:
        return timed(lambda: subprocess.run([sys.executable, "-c", code], check=True))

    bare: list[float] = []
    extra: list[float] = []

    def with_conc() -> None:
        extra.append(run("import conc") - bare[-1])

    rounds = 2 if QUICK else 21
    benchmark.pedantic(with_conc, setup=lambda: bare.append(run("pass")), rounds=rounds, iterations=1)
    low, median, high = quartiles(extra)
    FIGURES.append(
        f"import conc over a bare interpreter: {median * 1e3:.1f} ms [{low * 1e3:.1f}..{high * 1e3:.1f}] "
        f"over {rounds} rounds (bare {statistics.median(bare) * 1e3:.1f} ms); asked: at most 20 ms"
    )
