"""conc.native with the functions of numba, SciPy and Cython themselves: each signature, and each way to be wrong."""

from __future__ import annotations

import array
import importlib.machinery
import importlib.util
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

import conc
from conc import natives

CYTHON = """
from libc.stdint cimport int64_t
cdef api double half(double x) noexcept nogil:
    return x / 2
cdef api int64_t successor(int64_t n) noexcept nogil:
    return n + 1
cdef api void fill(int64_t begin, int64_t end, void *data) noexcept nogil:
    cdef int64_t i
    for i in range(begin, end):
        (<double *>data)[i] = i / 2.0
cdef api float single(float x) noexcept nogil:
    return x
cdef api double with_data(double x, void *data) noexcept nogil:
    return x
"""

Maker = Callable[[str], Any]
"""Gives the function of that name in the way of one library."""


@pytest.fixture
def pool() -> Iterator[conc.ThreadPoolExecutor]:
    with conc.ThreadPoolExecutor(2) as made:
        yield made


@pytest.fixture(scope="module")
def cython_module(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """CYTHON, compiled here."""
    pytest.importorskip("Cython", reason="Cython is not installed here")
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler")
    folder = tmp_path_factory.mktemp("cython")
    source = folder / "foreign.pyx"
    source.write_text(CYTHON)
    subprocess.run([sys.executable, "-m", "cython", "-3", source.name], cwd=folder, check=True)
    target = folder / f"foreign{importlib.machinery.EXTENSION_SUFFIXES[0]}"
    include = f"-I{sysconfig.get_path('include')}"
    subprocess.run(["cc", "-shared", "-fPIC", "-w", include, "foreign.c", "-o", target.name], cwd=folder, check=True)
    spec = importlib.util.spec_from_file_location("foreign", target)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def numba_function(name: str) -> Any:
    numba = pytest.importorskip("numba", reason="numba is not installed here")
    types = numba.types

    def fill(begin: Any, end: Any, data: Any) -> None:
        values = numba.carray(data, end, numba.float64)
        for i in range(begin, end):
            values[i] = i / 2.0

    signature, function = {
        "half": (types.double(types.double), lambda x: x / 2),
        "successor": (types.int64(types.int64), lambda n: n + 1),
        "fill": (types.void(types.int64, types.int64, types.voidptr), fill),
        "single": (types.float32(types.float32), lambda x: x),
        "with_data": (types.double(types.double, types.voidptr), lambda x, data: x),
    }[name]
    return numba.cfunc(signature)(function)


@pytest.fixture(params=["numba", "Cython", "SciPy of Cython", "SciPy of numba"])
def make(request: pytest.FixtureRequest) -> Maker:
    if request.param == "numba":
        return numba_function
    if request.param == "Cython":
        module = request.getfixturevalue("cython_module")
        return lambda name: module.__pyx_capi__[name]
    scipy: Any = pytest.importorskip("scipy", reason="SciPy is not installed here")
    if request.param == "SciPy of numba":
        return lambda name: scipy.LowLevelCallable(numba_function(name).ctypes)
    module = request.getfixturevalue("cython_module")
    return lambda name: scipy.LowLevelCallable.from_cython(module, name)


def test_a_function_of_doubles(make: Maker, pool: conc.ThreadPoolExecutor) -> None:
    half = conc.native(make("half"))
    assert half(3.0) == 1.5
    assert list(pool.map(half, range(100))) == [n / 2 for n in range(100)]
    out = array.array("d", bytes(8 * 100))
    pool.map_into(out, half, array.array("d", range(100)))
    assert list(out) == [n / 2 for n in range(100)]
    assert conc.native(make("half"), natives.DOUBLE)(1) == 0.5


def test_a_function_of_ints(make: Maker, pool: conc.ThreadPoolExecutor) -> None:
    successor = conc.native(make("successor"))
    assert successor(2**62) == 2**62 + 1
    assert [pool.submit(successor, n).result() for n in range(5)] == [1, 2, 3, 4, 5]
    with pytest.raises(OverflowError):
        successor(2**63)


def test_a_body_of_a_loop(make: Maker, pool: conc.ThreadPoolExecutor) -> None:
    values = array.array("d", bytes(8 * 1000))
    pool.parallel_for(conc.native(make("fill")), 0, 1000, 7, values)
    assert list(values) == [n / 2 for n in range(1000)]


@pytest.mark.parametrize(
    ("name", "own", "asked"),
    [
        ("half", r"(double|float64) ?\((double|float64)\)", natives.INT64),
        ("successor", r"(int64_t|int64|long) ?\((int64_t|int64|long)\)", natives.DOUBLE),
        ("fill", r"void ?\((int64_t|int64|long), (int64_t|int64|long), void ?\*\)", natives.DOUBLE),
        ("single", r"float ?\(float\)", natives.DOUBLE),
        ("single", r"float ?\(float\)", None),
        ("with_data", r"double ?\(double, void ?\*\)", None),
    ],
)
def test_a_wrong_signature_names_both(make: Maker, name: str, own: str, asked: str | None) -> None:
    with pytest.raises(TypeError) as refused:
        conc.native(make(name), asked)
    wanted = asked if asked is not None else f"{natives.INT64}, {natives.DOUBLE} or {natives.RANGE}"
    before, _, after = str(refused.value).partition(" has the signature ")
    told, _, meant = after.partition(", not ")
    assert before
    assert meant == wanted
    assert re.fullmatch(own, told), told


def test_the_function_lives_as_long_as_the_kernel(make: Maker) -> None:
    kernels = [conc.native(make("half")) for _ in range(3)]
    assert [kernel(5.0) for kernel in kernels] == [2.5, 2.5, 2.5]
