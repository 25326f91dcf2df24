"""Native loops of conc.ThreadPoolExecutor(2), against oneTBB and libgomp with two threads, and itself.

The peers are compiled here (c/loops.cpp); oneTBB comes from PyPI: ``pip install tbb tbb-devel``.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from paired import paired
from results import Target

import conc

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
try:
    from sources import core_sources
finally:
    sys.path.pop(0)

PREFIX = Path(sys.prefix)
HAS_TBB = (PREFIX / "include" / "oneapi" / "tbb" / "parallel_for.h").exists()

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++ for the peers")
needs_tbb = pytest.mark.skipif(not HAS_TBB, reason="oneTBB's headers are missing: pip install tbb tbb-devel")

BODIES = """
void empty(int64_t begin, int64_t end, void *data) { (void)begin, (void)end, (void)data; }
/* an addition each, which the compiler leaves in place; in memory, its speed would hang on the stack's address */
static void turn(int64_t turns) { for (int64_t i = 0; i < turns; i++) __asm__ volatile("" : "+r"(i)); }
/* data: turns per microsecond */
void even(int64_t begin, int64_t end, void *data)
{
    for (int64_t i = begin; i < end; i++)
        turn(*(int64_t *)data);
}
/* 1 us on average: 0 at the beginning, 2 us at the end of 20,000 */
void skewed(int64_t begin, int64_t end, void *data)
{
    for (int64_t i = begin; i < end; i++)
        turn(*(int64_t *)data * i / 10000);
}
double microsecond(double turns) { turn((int64_t)turns); return turns; }
"""

COUNT = 20_000

SETTLE_S = 0.02
"""libgomp's threads spin for 5 to 8 ms after a loop, oneTBB's and conc's for less."""


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Any:
    target = tmp_path_factory.mktemp("peers") / "loops.so"
    source = Path(__file__).parent / "c" / "loops.cpp"
    command = ["g++", "-O2", "-std=c++17", "-shared", "-fPIC", "-fopenmp", str(source), "-o", str(target)]
    command += [f"-I{PREFIX}/include", f"-L{PREFIX}/lib", f"-Wl,-rpath,{PREFIX}/lib", "-ltbb"]
    subprocess.run(command, check=True)
    library = ctypes.CDLL(str(target))
    for name in ("tbb_simple", "tbb_auto", "omp_static"):
        getattr(library, name).argtypes = [ctypes.c_void_p, *[ctypes.c_int64] * 3, ctypes.c_void_p]
        getattr(library, name).restype = None
    library.tbb_fib.argtypes, library.tbb_fib.restype = [ctypes.c_uint], ctypes.c_uint64
    return library


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The core without Python, with c/fib.c."""
    folder = tmp_path_factory.mktemp("core")
    own = [path for path in core_sources(ROOT, sys.platform) if path.parts[1] != "python"]
    command = [
        "gcc",
        "-O2",
        "-std=c11",
        "-D_GNU_SOURCE",
        "-shared",
        "-fPIC",
        "-pthread",
        "-Icsrc",
        "benchmarks/c/fib.c",
    ]
    subprocess.run([*command, *map(str, own), "-o", str(folder / "core.so"), "-ldl", "-lm"], cwd=ROOT, check=True)
    library = ctypes.CDLL(str(folder / "core.so"))
    library.bench_pool.argtypes, library.bench_pool.restype = [ctypes.c_uint], ctypes.c_void_p
    library.bench_fib.argtypes, library.bench_fib.restype = [ctypes.c_void_p, ctypes.c_uint], ctypes.c_uint64
    return library


@pytest.fixture(scope="module")
def turns() -> int:
    """How many turns of the bodies' loop take a microsecond."""
    import time

    one = conc.compile_c(BODIES, "microsecond")
    best = min(_timed(lambda: one(1e6), time.perf_counter) for _ in range(5))
    return max(1, round(1.0 / best))


def _timed(call: Callable[[], object], clock: Callable[[], float]) -> float:
    begin = clock()
    call()
    return clock() - begin


@pytest.fixture
def pool() -> Iterator[conc.ThreadPoolExecutor]:
    with conc.ThreadPoolExecutor(2) as made:
        yield made


def address(name: str) -> int:
    """Of one of the bodies: what conc's kernel of it calls."""
    from conc import natives

    library = ctypes.CDLL(str(natives._build(f"#include <stdint.h>\n#line 1\n{BODIES}\n", ())))
    found = ctypes.cast(getattr(library, name), ctypes.c_void_p).value
    assert found is not None
    return found


@needs_tbb
def test_empty_body_of_grain_1(benchmark: Any, pool: conc.ThreadPoolExecutor, peers: Any) -> None:
    body, count = conc.compile_c(BODIES, "empty"), 2_000_000
    pointer = address("empty")
    paired(
        benchmark,
        "parallel_for, grain 1, empty body, 2,000,000",
        lambda: pool.parallel_for(body, 0, count, 1),
        lambda: peers.tbb_simple(pointer, 0, count, 1, None),
        against="oneTBB simple_partitioner",
        target=Target("at least", 10, "x"),
        settle_s=SETTLE_S,
    )


@needs_tbb
@pytest.mark.parametrize("peer", ["tbb_auto", "omp_static"])
@pytest.mark.parametrize("kind", ["even", "skewed"])
def test_bodies_of_a_microsecond(
    benchmark: Any, pool: conc.ThreadPoolExecutor, peers: Any, turns: int, kind: str, peer: str
) -> None:
    body, pointer, data = conc.compile_c(BODIES, kind), address(kind), ctypes.c_int64(turns)
    paired(
        benchmark,
        f"parallel_for, bodies of 1 us, {kind}, {COUNT:,}",
        lambda: pool.parallel_for(body, 0, COUNT, None, data),
        lambda: getattr(peers, peer)(pointer, 0, COUNT, 1, ctypes.addressof(data)),
        against={"tbb_auto": "oneTBB auto_partitioner", "omp_static": "libgomp static"}[peer],
        target=Target("at least", 1, "x"),
        settle_s=SETTLE_S,
    )


@needs_tbb
def test_fork_join(benchmark: Any, core: Any, peers: Any) -> None:
    pool = core.bench_pool(2)
    assert core.bench_fib(pool, 25) == peers.tbb_fib(25) == 75025
    paired(
        benchmark,
        "fork-join fib(25)",
        lambda: core.bench_fib(pool, 25),
        lambda: peers.tbb_fib(25),
        against="oneTBB task_group",
        target=Target("at least", 3, "x"),
        settle_s=SETTLE_S,
    )


def test_two_workers_over_one(benchmark: Any, turns: int) -> None:
    function = conc.compile_c(BODIES, "microsecond")
    items = [float(turns)] * COUNT
    with conc.ThreadPoolExecutor(1) as one, conc.ThreadPoolExecutor(2) as two:
        paired(
            benchmark,
            f"kernel map, {COUNT:,} items of 1 us, two workers",
            lambda: list(two.map(function, items)),
            lambda: list(one.map(function, items)),
            against="itself with one",
            target=Target("at least", 1.8, "x"),
        )
