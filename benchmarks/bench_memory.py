"""conc.memory: what a probe costs and how far its figures scatter on this machine, in one run."""

from __future__ import annotations

from typing import Any

import pytest
from paired import QUICK, alone

import conc

KIB, MIB = 1 << 10, 1 << 20
REPEATS = 2 if QUICK else 7


@pytest.mark.parametrize("size", [16 * KIB, 256 * KIB, 8 * MIB, None])
def test_latency(benchmark: Any, size: int | None) -> None:
    figures: list[conc.memory.Latency] = []
    benchmark.pedantic(
        lambda: figures.append(conc.memory.latency(size=size, samples=5 if QUICK else 21)), rounds=REPEATS, iterations=1
    )
    medians = [figure.median_ns for figure in figures if figure.median_ns is not None]
    name = f"{figures[0].size_bytes / KIB:.0f} KiB on {figures[0].page} pages"
    alone(benchmark, f"random latency of {name}", medians, "ns", how=f"{len(medians)} runs")


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
    name = f"{kernel} bandwidth of {figures[0].threads} threads"
    alone(benchmark, name, medians, "GB/s", how=f"{len(medians)} runs")


def test_probe(benchmark: Any) -> None:
    budget = 0.5 if QUICK else 5.0
    reports: list[conc.memory.MemoryReport] = []
    benchmark.pedantic(lambda: reports.append(conc.probe(budget)), rounds=2 if QUICK else 3, iterations=1)
    over = [100 * (report.elapsed_s / budget - 1) for report in reports]
    sizes = [float(len(report.latency)) for report in reports]
    kinds = "/".join(sorted({report.verdict.kind for report in reports}))
    alone(benchmark, f"probe of {budget:g} s, off its budget", over, "%", how=f"{len(over)} runs, verdict {kinds}")
    alone(benchmark, f"probe of {budget:g} s, working sets", sizes, "sizes", how=f"{len(sizes)} runs")
