"""The two ready workloads, lane against lane, steady state: actors made, connections open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from paired import QUICK, paired, timed
from results import Target

from conc.comparison import ready
from conc.comparison.testing import LaneRunner
from conc.comparison.workload import Workload

SAMPLE_S = 0.05 if QUICK else 0.5
DOWNLOAD_WORKERS = 10


@contextmanager
def runner(name: str) -> Iterator[LaneRunner]:
    lane = LaneRunner(name, pytest.skip)
    try:
        yield lane
    finally:
        lane.close()


def scaled(lane: LaneRunner, workers: int) -> tuple[Workload, int]:
    """calc with as many numbers as a sample of SAMPLE_S needs on this lane; and the number."""
    count = 1_000
    while True:
        workload = ready.calc_workload(count)
        lane.run_workload(workload, workers=workers)
        seconds = timed(partial(lane.run_workload, workload, workers=workers))
        if seconds >= SAMPLE_S:
            return workload, count
        count = int(count * min(10.0, 1.3 * SAMPLE_S / max(seconds, 1e-6))) + 1


def test_calc_native_against_sequential(benchmark: Any) -> None:
    with runner("native") as native, runner("sequential") as sequential:
        ours, our_count = scaled(native, 1)
        peer, peer_count = scaled(sequential, 1)
        paired(
            benchmark,
            "calc, an item on native with 1 worker",
            lambda: native.run_workload(ours, workers=1),
            lambda: sequential.run_workload(peer, workers=1),
            against="sequential",
            detail=f"{our_count:,} numbers, {peer_count:,} sequentially",
            target=Target("at least", 25, "x"),
            rounds=9,
            scale=our_count / peer_count,
        )


def test_calc_native_on_two_workers(benchmark: Any) -> None:
    with runner("native") as two, runner("native") as one:
        workload, count = scaled(two, 2)
        paired(
            benchmark,
            "calc, native with 2 workers",
            lambda: two.run_workload(workload, workers=2),
            lambda: one.run_workload(workload, workers=1),
            against="native with 1",
            detail=f"{count:,} numbers",
            target=Target("at least", 1.8, "x", "on two cores"),
            rounds=9,
        )


@pytest.fixture(scope="module")
def download() -> Iterator[Workload]:
    with ready.download_workload(files=20, latency_s=0.05) as workload:
        yield workload


def test_download(lane: LaneRunner, download: Workload, benchmark: Any) -> None:
    """Every concurrent lane; `lane` skips the one whose client is missing."""
    if lane.name == "sequential":
        pytest.skip("the lane that the others are measured against")
    with runner("sequential") as sequential:
        paired(
            benchmark,
            f"download of 20 files, 50 ms, 10 workers: {lane.name}",
            lambda: lane.run_workload(download, workers=DOWNLOAD_WORKERS),
            lambda: sequential.run_workload(download),
            against="sequential",
            target=Target("at least", 8, "x"),
            rounds=7,
        )
