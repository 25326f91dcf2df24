"""conc.memory: what a probe costs and how far its figures scatter on this machine, in one run."""

from __future__ import annotations

import statistics
from typing import Any

import pytest
from paired import FIGURES, QUICK, quartiles

import conc

KIB, MIB = 1 << 10, 1 << 20
REPEATS = 2 if QUICK else 7


def describe(values: list[float], unit: str) -> str:
    low, median, high = quartiles(values)
    return f"{median:.2f} {unit} [{low:.2f}..{high:.2f}] over {len(values)} runs"


@pytest.mark.parametrize("size", [16 * KIB, 256 * KIB, 8 * MIB, None])
def test_latency(benchmark: Any, size: int | None) -> None:
    figures: list[conc.memory.Latency] = []
    benchmark.pedantic(
        lambda: figures.append(conc.memory.latency(size=size, samples=5 if QUICK else 21)), rounds=REPEATS, iterations=1
    )
    medians = [figure.median_ns for figure in figures if figure.median_ns is not None]
    name = f"{figures[0].size_bytes / KIB:.0f} KiB on {figures[0].page} pages"
    FIGURES.append(f"random latency of {name}: {describe(medians, 'ns')}")


@pytest.mark.parametrize("kernel", conc.memory.kernels())
@pytest.mark.parametrize("threads", [1, None])
def test_bandwidth(benchmark: Any, kernel: str, threads: int | None) -> None:
    figures: list[conc.memory.Bandwidth] = []
    benchmark.pedantic(
        lambda: figures.append(conc.memory.bandwidth(kernel, threads=threads, samples=5 if QUICK else 11)),
        rounds=REPEATS,
        iterations=1,
    )
    medians = [figure.median_gb_s for figure in figures if figure.median_gb_s is not None]
    FIGURES.append(f"{kernel} bandwidth of {figures[0].threads} threads: {describe(medians, 'GB/s')}")


def test_probe(benchmark: Any) -> None:
    budget = 0.5 if QUICK else 5.0
    reports: list[conc.memory.MemoryReport] = []
    benchmark.pedantic(lambda: reports.append(conc.probe(budget)), rounds=2 if QUICK else 3, iterations=1)
    over = [report.elapsed_s / budget - 1 for report in reports]
    kinds = sorted({report.verdict.kind for report in reports})
    FIGURES.append(
        f"probe of {budget:g} s: ends {max(over):+.1%} off its budget at most, "
        f"{statistics.median(len(report.latency) for report in reports):.0f} working sets, verdict {'/'.join(kinds)}"
    )
