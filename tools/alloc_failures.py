"""Runs each test program of the C core once for each allocation it makes, which then fails.

    python tools/ctest.py --fail-allocations [--sanitizer none|address] [NAME ...]

A program is run undisturbed first, which counts its allocations; then for n = 1, 2, ... with the n-th failing, and with
the n-th and all that follow failing (tests/c/faults.h). A run is clean when the program

    ended      was told -ENOMEM or NULL by the very call inside which the allocation failed, through a macro of
               tests/c/check.h, and ended there;
    absorbed   came to its normal end although one failed;
    escaped    came to its normal end before the n-th allocation: threads do not always allocate equally often.

Anything else has failed: a CHECK, a signal, a sanitizer's report, a hang. Stress loops take few turns (SCALE); where a
program still makes more than MOST allocations, that many of them are taken at even distances, and the output says so.
"""

from __future__ import annotations

import os
import struct
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import ctest
import faults

SCALE = 1000
MOST = 80
TIMEOUT_S = 20


@dataclass(frozen=True)
class Run:
    """One run of a program: where it failed ("7", "7+" or "0" for nowhere), how it ended, and what it counted."""

    at: str
    outcome: ctest.Outcome
    seen: int
    injected: int

    @property
    def word(self) -> str:
        """The outcome as the module's first lines name it."""
        if self.outcome.status == faults.ENDED and self.injected > 0:
            return "ended"
        if self.outcome.status == 0:
            return "absorbed" if self.injected > 0 else "escaped"
        return "FAILED"


def run(name: str, program: Path, sanitizer: str, at: str) -> Run:
    """Run a program with the allocation `at` failing."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report"
        environment = {"CONC_FAULTS_AT": at, "CONC_FAULTS_REPORT": str(report)}
        outcome = ctest.run(name, program, sanitizer, environment, TIMEOUT_S)
        seen, injected = struct.unpack_from("@ll", report.read_bytes())
    return Run(at, outcome, seen, injected)


def chosen(count: int) -> list[int]:
    """All of 1..count, or MOST of them at even distances, the first and the last among them."""
    if count <= MOST:
        return list(range(1, count + 1))
    return [1 + i * (count - 1) // (MOST - 1) for i in range(MOST)]


def arms_itself(name: str) -> bool:
    """Whether the program is itself a test of failing allocations, so that one run is all."""
    return '#include "attempts.h"' in (ctest.ROOT / "tests" / "c" / f"{name}.c").read_text(encoding="utf-8")


def show(name: str, program: Path, failed: Run) -> None:
    """Print a run that was not clean and how to repeat it."""
    command = f"CONC_FAULTS_AT={failed.at} {program.relative_to(ctest.ROOT)}"
    print(f"  {name} FAILED (status {failed.outcome.status}): {command}")
    print("    " + failed.outcome.output.strip().replace("\n", "\n    "))


def try_program(name: str, program: Path, sanitizer: str, pool: ThreadPoolExecutor) -> Counter[str]:
    """Run it undisturbed and with each allocation failing; print its line, and how often each word was the outcome."""
    undisturbed = run(name, program, sanitizer, "0")
    if undisturbed.outcome.status == ctest.SKIPPED:
        print(f"{name} [{sanitizer}]: skipped\n{undisturbed.outcome.output}")
        return Counter(["skipped"])
    if undisturbed.outcome.status != 0:
        show(name, program, undisturbed)
        return Counter(["FAILED"])
    if undisturbed.seen == 0 or arms_itself(name):
        print(f"{name} [{sanitizer}]: {'fails each by itself' if undisturbed.seen else 'makes no allocation'}")
        return Counter()
    numbers = chosen(undisturbed.seen)
    runs = list(pool.map(partial(run, name, program, sanitizer), [f"{n}{plus}" for n in numbers for plus in ("", "+")]))
    for each in runs:
        if each.word == "FAILED":
            show(name, program, each)
    words = Counter(each.word for each in runs)
    tried = f"{len(numbers)} of them" if len(numbers) < undisturbed.seen else "each"
    counts = ", ".join(f"{words[word]} {word}" for word in sorted(words))
    print(f"{name} [{sanitizer}]: {undisturbed.seen} allocations; {tried} failed, alone and with all after: {counts}")
    return words


def main(names: list[str], sanitizer: str) -> int:
    """Build, run, print the sums and the plain closing line; 1 when any run was not clean."""
    start = time.monotonic()
    programs = ctest.build(names, sanitizer, SCALE)
    results = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, program in programs.items():
            results.append(try_program(name, program, sanitizer, pool))
            sys.stdout.flush()
    words = sum(results, Counter[str]())
    failed = sum(result["FAILED"] > 0 for result in results)
    skipped = words.pop("skipped", 0)
    counts = ", ".join(f"{words[word]} {word}" for word in ("ended", "absorbed", "escaped", "FAILED"))
    seconds = time.monotonic() - start
    print(
        f"allocations failed in the core: {words.total()} runs of {len(programs)} programs, {seconds:.0f} s: {counts}"
    )
    print(f"{len(results) - failed - skipped} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or len(results) == skipped else 0
