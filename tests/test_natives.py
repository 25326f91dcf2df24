"""Native functions of one's own: where they come from, their signatures, loops over ranges and buffers, C as text."""

from __future__ import annotations

import array
import ctypes
import ctypes.util
import doctest
import importlib.util
import os
import pickle
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import conc
from conc import _core, natives

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")

SOURCE = """
#include <math.h>
#include <time.h>
static double helper(double x) { return x * x; }
double square(double x) { return helper(x); }
int64_t next(int64_t n) { return n + 1; }
int wrong(int n) { return n; }
void count(int64_t begin, int64_t end, void *data)
{
    for (int64_t i = begin; i < end; i++)
        ((int64_t *)data)[i] += i;
}
void calls(int64_t begin, int64_t end, void *data)
{
    __atomic_fetch_add((int64_t *)data, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add((int64_t *)data + 1, end - begin, __ATOMIC_RELAXED);
}
void nothing(int64_t begin, int64_t end, void *data) { (void)begin, (void)end; if (data) *(int *)data = 1; }
void slow(int64_t begin, int64_t end, void *data)
{
    struct timespec pause = {0, 1000000};
    for (int64_t i = begin; i < end; i++) {
        __atomic_fetch_add((int64_t *)data, 1, __ATOMIC_RELAXED);
        nanosleep(&pause, 0);
    }
}
"""


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONC_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield natives._cache()


@pytest.fixture(scope="module")
def square() -> Any:
    return conc.compile_c(SOURCE, "square")


@pytest.fixture(scope="module")
def successor() -> Any:
    return conc.compile_c(SOURCE, "next")


@pytest.fixture
def pool() -> Iterator[conc.ThreadPoolExecutor]:
    with conc.ThreadPoolExecutor(2) as made:
        yield made


# -- calls -----------------------------------------------------------------------------------------------------------


def test_a_function_is_a_kernel(square: Any, successor: Any, pool: conc.ThreadPoolExecutor) -> None:
    assert isinstance(square, _core.Kernel)
    assert repr(square) == "<native function square, double(double)>"
    assert (square.__name__, square.__module__) == ("square", "conc.natives")
    assert square(3) == 9.0
    assert successor(2**63 - 2) == 2**63 - 1
    assert pool.submit(square, 1.5).result() == 2.25
    assert list(pool.map(square, range(100))) == [float(n * n) for n in range(100)]
    assert list(pool.map(successor, [1, 2])) == [2, 3]
    thread = conc.Thread(target=successor, args=(41,))
    thread.start()
    assert thread.result() == 42
    with pytest.raises(TypeError, match="cannot pickle"):
        pickle.dumps(square)


def test_wrong_arguments(square: Any, successor: Any, pool: conc.ThreadPoolExecutor) -> None:
    for call, error in [
        (lambda: square(), TypeError),
        (lambda: square("1"), TypeError),
        (lambda: square(1, 2), TypeError),
        (lambda: square(x=1), TypeError),
        (lambda: successor(1.0), TypeError),
        (lambda: successor(2**63), OverflowError),
        (lambda: pool.submit(successor, "1").result(), TypeError),
        (lambda: list(pool.map(successor, [1, None])), TypeError),
    ]:
        with pytest.raises(error):
            call()


def test_a_dropped_map_outlives_no_code(pool: conc.ThreadPoolExecutor) -> None:
    for _ in range(20):
        function = conc.compile_c(SOURCE, "square")
        assert next(iter(pool.map(function, range(10_000)))) == 0.0
        del function


# -- where functions come from ---------------------------------------------------------------------------------------


def test_ctypes() -> None:
    library: Any = ctypes.CDLL(ctypes.util.find_library("m"))
    function = library.cbrt
    with pytest.raises(TypeError, match="does not say what its signature is"):
        conc.native(function)
    assert conc.native(function, "double(double)")(8.0) == 2.0
    function.argtypes, function.restype = [ctypes.c_double], ctypes.c_double
    assert conc.native(function)(8.0) == 2.0
    with pytest.raises(TypeError, match=r"has the signature double\(double\), not int64\(int64\)"):
        conc.native(function, "int64(int64)")
    absolute = ctypes.CDLL(None).abs
    absolute.argtypes, absolute.restype = [ctypes.c_int], ctypes.c_int
    with pytest.raises(TypeError, match=r"has the signature int\(int\), not int64\(int64\), double\(double\) or void"):
        conc.native(absolute)


def test_a_callback_of_ctypes_is_kept_alive(pool: conc.ThreadPoolExecutor) -> None:
    kind = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)
    function = conc.native(kind(lambda n: 2 * n))
    assert [function(n) for n in range(5)] == [0, 2, 4, 6, 8]
    assert list(pool.map(function, range(50))) == [2 * n for n in range(50)]


def test_an_address(successor: Any) -> None:
    library = ctypes.CDLL(None)
    address = ctypes.cast(library.llabs, ctypes.c_void_p).value
    assert address is not None
    assert conc.native(address, "int64(int64)")(-5) == 5
    with pytest.raises(TypeError, match="does not say"):
        conc.native(address)
    with pytest.raises(ValueError, match="not 0"):
        conc.native(0, "int64(int64)")


@pytest.mark.skipif(importlib.util.find_spec("cffi") is None, reason="cffi is not installed here")
def test_cffi() -> None:
    ffi = importlib.import_module("cffi").FFI()
    ffi.cdef("double cbrt(double x); int abs(int n); typedef double (*pointer)(double);")
    library = ffi.dlopen(ctypes.util.find_library("m"))
    assert conc.native(library.cbrt)(8.0) == 2.0
    assert conc.native(ffi.cast("pointer", library.cbrt), "double(double)")(8.0) == 2.0
    with pytest.raises(TypeError, match=r"int\(int\)"):
        conc.native(library.abs)
    with pytest.raises(TypeError, match="is no function"):
        conc.native(ffi.new("int *"))


def test_a_capsule() -> None:
    new: Any = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    function = ctypes.CDLL(None).llabs
    name = b"int64_t (int64_t)"
    capsule = new(ctypes.cast(function, ctypes.c_void_p).value, name, None)
    assert conc.native(capsule)(-3) == 3

    class LowLevelCallable(tuple):  # as SciPy's
        __slots__ = ()

        def __getitem__(self, index: object) -> Any:
            raise ValueError

    assert conc.native(LowLevelCallable((capsule, None, None)))(-4) == 4
    with pytest.raises(TypeError, match="not double"):
        conc.native(capsule, "double(double)")


def test_numba() -> None:
    """Its object has an address and a ctypes function with the types; numba itself is not needed for that."""
    kind = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)
    compiled = kind(lambda x: x + 0.5)

    class CFunc:
        address = ctypes.cast(compiled, ctypes.c_void_p).value
        ctypes = compiled
        __name__ = "half_more"

    function = conc.native(CFunc())
    assert function(1.0) == 1.5
    assert function.__name__ == "half_more"


@pytest.mark.parametrize("thing", [len, "double", None, True, object(), 1.5])
def test_no_native_function(thing: object) -> None:
    with pytest.raises(TypeError, match="is no native function"):
        conc.native(thing, "double(double)")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("double (double x)", natives.DOUBLE),
        ("float64(float64)", natives.DOUBLE),
        ("int64_t (*)(int64_t)", natives.INT64),
        ("long long(long long)", natives.INT64),
        ("void (int64_t, int64_t, void *)", natives.RANGE),
        ("void(int64 begin, int64 end, void* data)", natives.RANGE),
        ("float(float)", None),
        ("double(double, double)", None),
        ("double()", None),
        ("void(int64, int64, double*)", None),
        ("nonsense", None),
    ],
)
def test_spellings(text: str, meant: str | None) -> None:
    assert natives._canonical(text) == meant
    if meant is None:
        with pytest.raises(ValueError, match="signature must be"):
            conc.native(1, text)


# -- loops -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("grain", [None, 1, 7, 1000])
@pytest.mark.parametrize("count", [0, 1, 5, 1000])
def test_parallel_for(pool: conc.ThreadPoolExecutor, count: int, grain: int | None) -> None:
    values = array.array("q", [1] * count)
    pool.parallel_for(conc.compile_c(SOURCE, "count"), 0, count, grain, values)
    assert list(values) == [n + 1 for n in range(count)]
    counts = array.array("q", [0, 0])
    pool.parallel_for(conc.compile_c(SOURCE, "calls"), -count, 0, grain, counts)
    assert counts[1] == count
    assert grain is None or counts[0] == -(-count // grain)


def test_parallel_for_takes_any_buffer_or_none(pool: conc.ThreadPoolExecutor) -> None:
    nothing = conc.compile_c(SOURCE, "nothing")
    pool.parallel_for(nothing, 0, 10)
    for data in (bytearray(8), memoryview(bytearray(8)), array.array("d", [1.0])):
        pool.parallel_for(nothing, 0, 10, data=data)
        assert memoryview(data).tobytes()[0] == 1


def test_parallel_for_refuses(pool: conc.ThreadPoolExecutor, square: Any) -> None:
    body = conc.compile_c(SOURCE, "calls")
    for arguments, error in [
        ((square, 0, 1), TypeError),
        ((len, 0, 1), TypeError),
        ((body, 1, 0), ValueError),
        ((body, -(2**63), 2**63 - 1), ValueError),
        ((body, 0, 1, 0), ValueError),
        ((body, 0, 1, -1), ValueError),
        ((body, 0, 1, 1.5), TypeError),
        ((body, 0, 2**63), OverflowError),
        ((body, "0", 1), TypeError),
        ((body, 0, 1, None, "text"), TypeError),
        ((body, 0, 1, None, memoryview(bytearray(8))[::2]), BufferError),
    ]:
        with pytest.raises(error):
            pool.parallel_for(*arguments)
    with pytest.raises(TypeError, match=r"is run by ThreadPoolExecutor\.parallel_for"):
        body(0, 1, None)
    with pytest.raises(TypeError, match="is run by"):
        pool.submit(body, 0, 1).result()
    pool.shutdown()
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.parallel_for(body, 0, 1)


def test_loops_inside_of_tasks(square: Any) -> None:
    with conc.ThreadPoolExecutor(1) as pool:

        def task() -> list[float]:
            out = array.array("d", bytes(80))
            pool.map_into(out, square, array.array("d", range(10)))
            return list(out)

        assert pool.submit(task).result() == [float(n * n) for n in range(10)]


def test_a_loop_does_not_wait_for_busy_workers() -> None:
    """The calling thread does it all while the only worker is at something else."""
    pool = conc.ThreadPoolExecutor(1)
    gate, begun = threading.Event(), threading.Event()
    busy = pool.submit(lambda: (begun.set(), gate.wait()))
    begun.wait()
    counts = array.array("q", [0, 0])
    pool.parallel_for(conc.compile_c(SOURCE, "calls"), 0, 10, 1, counts)
    assert list(counts) == [10, 10]
    assert not busy.done()
    pool.shutdown(wait=False, cancel_futures=True)
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.parallel_for(conc.compile_c(SOURCE, "calls"), 0, 10, 1, counts)
    gate.set()
    assert busy.result() == (None, True)
    assert list(counts) == [10, 10]


WHO = """
#define _GNU_SOURCE
#include <unistd.h>
void who(int64_t begin, int64_t end, void *ids) {
    for (int64_t i = begin; i < end; i++) ((int64_t *)ids)[i] = gettid();
}
"""


def test_the_calling_thread_is_one_of_the_threads() -> None:
    """No more of them than workers: of one, no worker is started."""
    ids = array.array("q", bytes(8 * 100))
    with conc.ThreadPoolExecutor(1) as pool:
        pool.parallel_for(conc.compile_c(WHO, "who"), 0, 100, 1, ids)
        assert pool.stats().workers == 0
    assert set(ids) == {threading.get_native_id()}


def test_the_buffer_is_held(pool: conc.ThreadPoolExecutor) -> None:
    counter = bytearray(8)
    loop = conc.Thread(target=pool.parallel_for, args=(conc.compile_c(SOURCE, "slow"), 0, 60, 1, counter))
    loop.start()
    while counter[0] == 0:
        os.sched_yield()
    with pytest.raises(BufferError):
        counter.clear()
    loop.result()
    assert counter[0] == 60
    counter.clear()


def test_ctrl_c_ends_a_loop() -> None:
    script = """
import _thread, array, threading, conc
body = conc.compile_c('''
#include <time.h>
void slow(int64_t begin, int64_t end, void *data) {
    struct timespec pause = {0, 1000000};
    for (int64_t i = begin; i < end; i++) { __atomic_fetch_add((int64_t *)data, 1, 0); nanosleep(&pause, 0); }
}''')
counter = array.array("q", [0])
def interrupt():
    while counter[0] < 5:
        pass
    _thread.interrupt_main()
with conc.ThreadPoolExecutor(2) as pool:
    threading.Thread(target=interrupt).start()
    try:
        pool.parallel_for(body, 0, 10**9, 1, counter)
    except KeyboardInterrupt:
        counter.append(0)  # nobody uses it any more
        print("interrupted")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "interrupted\n"), done.stderr


@pytest.mark.parametrize("count", [0, 1, 7, 5000])
def test_map_into(pool: conc.ThreadPoolExecutor, square: Any, successor: Any, count: int) -> None:
    source = array.array("d", [n / 3 for n in range(count)])
    out = array.array("d", bytes(8 * count))
    pool.map_into(out, square, source)
    assert out.tobytes() == array.array("d", [square(x) for x in source]).tobytes()
    pool.map_into(source, square, source)
    assert source == out
    numbers = array.array("q", range(count))
    pool.map_into(memoryview(numbers), successor, numbers)
    assert list(numbers) == list(range(1, count + 1))


@pytest.mark.main_interpreter("NumPy")
def test_map_into_numpy(pool: conc.ThreadPoolExecutor, square: Any, successor: Any) -> None:
    numpy = pytest.importorskip("numpy", reason="NumPy is not installed here")
    source = numpy.linspace(-1, 1, 60_000).reshape(300, 200)
    out = numpy.empty_like(source)
    pool.map_into(out, square, source)
    assert (out == source * source).all()
    with pytest.raises(TypeError, match="must hold double"):
        pool.map_into(out.astype("f4"), square, source)
    with pytest.raises((BufferError, ValueError)):
        pool.map_into(out[:, ::2], square, source[:, ::2])
    swapped = source.astype(">f8")
    with pytest.raises(TypeError, match="must hold double"):
        pool.map_into(out, square, swapped)
    numbers = numpy.arange(10)
    pool.map_into(numbers, successor, numbers)
    assert numbers.tolist() == list(range(1, 11))


def test_map_into_refuses(pool: conc.ThreadPoolExecutor, square: Any, successor: Any) -> None:
    three, four, whole = array.array("d", [0] * 3), array.array("d", [0] * 4), array.array("q", [0] * 3)
    room = memoryview(bytearray(8 * 10))
    for arguments, error, match in [
        ((three, square, four), ValueError, "3 elements and the input 4"),
        ((three, square, whole), TypeError, "input must hold double, not format 'q'"),
        ((whole, square, three), TypeError, "out must hold double"),
        ((whole, successor, three), TypeError, "input must hold int64"),
        ((three, conc.compile_c(SOURCE, "calls"), three), TypeError, "takes a native function"),
        ((three, abs, three), TypeError, None),
        ((bytes(24), square, three), BufferError, None),
        ((three, square, 3), TypeError, None),
        ((three, square), TypeError, "one argument, and there are 0"),
        ((three, square, three, three), TypeError, "one argument, and there are 2"),
        ((room[:64].cast("d"), square, room[8:72].cast("d")), ValueError, "overlap"),
        ((room[1:9].cast("d"), square, room[16:24].cast("d")), ValueError, "multiples of 8"),
    ]:
        with pytest.raises(error, match=match):
            pool.map_into(*arguments)


# -- C from a string -------------------------------------------------------------------------------------------------


def test_compiled_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "int64_t twice(int64_t n) { return 2 * n; } // test_compiled_once"
    assert conc.compile_c(source)(21) == 42
    kept = {path: path.stat().st_mtime_ns for path in cache.iterdir()}
    assert conc.compile_c(source)(4) == 8
    assert {path: path.stat().st_mtime_ns for path in cache.iterdir()} == kept
    assert conc.compile_c(source, flags=["-O0"])(4) == 8
    assert len(list(cache.iterdir())) == len(kept) + 1


def test_the_compilers_own_message() -> None:
    with pytest.raises(conc.CompileError, match=r"<stdin>:2:\d+: error"):
        conc.compile_c("double f(double x)\n{ return y; }")
    with pytest.raises(ValueError, match="unrecognized"):
        conc.compile_c("double f(double x) { return x; }", flags=["--no-such-flag"])


def test_which_function(monkeypatch: pytest.MonkeyPatch) -> None:
    assert conc.compile_c(SOURCE).__name__ == "slow"
    with pytest.raises(TypeError, match=r"wrong has the signature int\(int n\), not int64"):
        conc.compile_c(SOURCE, "wrong")
    for name in ("helper", "missing"):
        with pytest.raises(ValueError, match=f"no function {name}"):
            conc.compile_c(SOURCE, name)
    with pytest.raises(ValueError, match="no function definition"):
        conc.compile_c("int x;")
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(FileNotFoundError, match="no C compiler is here"):
        conc.compile_c(SOURCE)


def test_examples() -> None:
    results = doctest.testmod(natives)
    assert results.failed == 0
    assert results.attempted > 4
    results = doctest.testmod(conc.executors)
    assert results.failed == 0
    assert results.attempted > 10
