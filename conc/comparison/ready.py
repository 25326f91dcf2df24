"""The ready workloads `calc` and `download`, with all their twins: the one place that builds them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import conc
from conc.comparison.workload import Workload
from conc.workloads import calc, download


def calc_workload(count: int = 10_000, *, seed: int | None = None) -> Workload:
    """Prime factors of `count` random numbers: CPU-bound.

    Raises:
        ValueError: `count` is negative.
    """
    numbers = calc.numbers(count) if seed is None else calc.numbers(count, seed=seed)
    return Workload(
        f"calc (prime factors of {count:,} numbers)",
        calc.prime_factors,
        numbers,
        native=conc.kernels.prime_factors,
        missing={"asyncio": "computing has nothing to await: no coroutine twin"},
    )


@contextmanager
def download_workload(
    *, files: int = 20, size_bytes: int = 65536, latency_s: float = 0.05, urls: list[str] | None = None
) -> Iterator[Workload]:
    """Fetch files over HTTP: I/O-bound. From `urls`, or from a server that runs while the context does.

    Raises:
        OSError: the server did not start.
        ValueError: an argument is out of range.
    """
    if urls is not None:
        yield _fetching(f"download ({len(urls):,} URLs)", urls)
        return
    with download.Server(files, size_bytes, latency_s) as server:
        name = f"download ({files:,} files of {size_bytes:,} bytes, {latency_s * 1e3:g} ms latency)"
        yield _fetching(name, server.urls)


def _fetching(name: str, urls: list[str]) -> Workload:
    """The workload on these URLs, with the reason for each lane whose client is missing here."""
    no_asyncio, no_native = download.fetch_async_unavailable(), conc.kernels.http_get_unavailable()
    missing = {"asyncio": no_asyncio, "native": no_native}
    return Workload(
        name,
        download.fetch,
        urls,
        native=conc.kernels.http_get if no_native is None else None,
        coroutine=download.fetch_async if no_asyncio is None else None,
        session=download.shared_clients if no_asyncio is None else None,
        equal=download.equal,
        missing={lane: reason for lane, reason in missing.items() if reason is not None},
    )
