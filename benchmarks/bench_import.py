"""What ``import conc`` costs over a bare interpreter: whole processes, alternated."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from paired import alone, paired
from results import Target


def test_import(benchmark: Any) -> None:
    def run(code: str) -> None:
        subprocess.run([sys.executable, "-c", code], check=True)

    taken = paired(
        benchmark,
        "start of an interpreter that imports conc",
        lambda: run("import conc"),
        lambda: run("pass"),
        against="a bare one",
        rounds=21,
    )
    extra_ms = [1e3 * (ours - bare) for ours, bare in zip(taken.ours_s, taken.peer_s, strict=True)]
    alone(
        benchmark,
        "import conc over a bare interpreter",
        extra_ms,
        "ms",
        how=f"{len(extra_ms)} rounds",
        target=Target("at most", 20, "ms"),
    )
