"""conc.run against subprocess.run and a bare os.posix_spawn: a program that does nothing, run to its end.

``CONC_BENCH_RESIDENT_MIB`` (512) is what the parent holds resident in the second figure of each pair: a child that is
made by copying its parent would pay for it, and subprocess copies wherever it may not use vfork.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from paired import QUICK, paired

import conc

RESIDENT_MIB = int(os.environ.get("CONC_BENCH_RESIDENT_MIB", "512"))
PROGRAM = "/bin/true"
CALLS = 5 if QUICK else 100


@pytest.fixture(params=[0, 16 if QUICK else RESIDENT_MIB], ids=lambda mib: f"{mib}MiB")
def resident_mib(request: pytest.FixtureRequest) -> Iterator[int]:
    """So much more memory, touched page by page."""
    memory = bytearray(request.param << 20)
    memory[::4096] = b"x" * len(memory[::4096])
    yield request.param
    del memory


def posix_spawn_and_wait() -> None:
    pid = os.posix_spawn(PROGRAM, [PROGRAM], os.environ)
    assert os.waitpid(pid, 0) == (pid, 0)


def repeat(call: Any) -> None:
    for _ in range(CALLS):
        call()


def test_against_subprocess(benchmark: Any, resident_mib: int) -> None:
    paired(
        benchmark,
        f"run of {PROGRAM} x{CALLS}, parent +{resident_mib} MiB",
        lambda: repeat(lambda: conc.run([PROGRAM])),
        lambda: repeat(lambda: subprocess.run([PROGRAM])),
        against="subprocess.run",
    )


def test_against_posix_spawn(benchmark: Any, resident_mib: int) -> None:
    paired(
        benchmark,
        f"run of {PROGRAM} x{CALLS}, parent +{resident_mib} MiB",
        lambda: repeat(lambda: conc.run([PROGRAM])),
        lambda: repeat(posix_spawn_and_wait),
        against="os.posix_spawn and waitpid",
    )


def test_captured_output(benchmark: Any) -> None:
    """8 MiB out of a child: what the pipe and the buffers cost."""
    command = ["head", "-c", str(8 << 20), "/dev/zero"]
    paired(
        benchmark,
        "8 MiB captured from a child, both pipes open",
        lambda: conc.run(command, capture_output=True),
        lambda: subprocess.run(command, capture_output=True),
        against="subprocess.run",
    )


def test_large_input(benchmark: Any) -> None:
    """8 MiB through `cat`: both ways at once."""
    data = bytes(8 << 20)
    paired(
        benchmark,
        "8 MiB through cat and back",
        lambda: conc.run(["cat"], input=data, capture_output=True),
        lambda: subprocess.run(["cat"], input=data, capture_output=True),
        against="subprocess.run",
    )
