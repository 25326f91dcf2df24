"""Threads straight from the C library (c/raw_threads.c), compiled for this process and called through ctypes.

The library is a ctypes.CDLL, which lets go of the GIL while a call runs: the calls start and join threads that never
touch Python, and a PyDLL would keep the GIL over the joins. Letting go of it is paid once a call, which is for many
threads.
"""

from __future__ import annotations

import ctypes
import functools
import os
import subprocess
import tempfile
from pathlib import Path

SOURCE = Path(__file__).resolve().parent / "c" / "raw_threads.c"
FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-pthread"]


@functools.cache
def library() -> ctypes.CDLL:
    """The library, compiled by the compiler that CC names; its file is gone once it is loaded.

    Raises:
        subprocess.CalledProcessError: it does not compile.
    """
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / "raw_threads.so"
        subprocess.run([os.environ.get("CC", "gcc"), *FLAGS, str(SOURCE), "-o", str(built)], check=True)
        loaded = ctypes.CDLL(str(built))
    loaded.raw_start_join.argtypes = [ctypes.c_int]
    loaded.raw_park.argtypes = [ctypes.c_int, ctypes.POINTER(ctypes.c_void_p)]
    loaded.raw_release.argtypes = [ctypes.c_void_p]
    return loaded


def _check(error: int) -> None:
    if error != 0:
        raise OSError(error, os.strerror(error))


def start_and_join(count: int) -> None:
    """Start and join `count` threads that do nothing, one after the other.

    Raises:
        OSError: a thread could not be started.
    """
    _check(library().raw_start_join(count))


def park(count: int) -> ctypes.c_void_p:
    """Start `count` threads that sleep on a futex until release() is called with the result.

    Raises:
        OSError: a thread could not be started; then none is left.
    """
    parked = ctypes.c_void_p()
    _check(library().raw_park(count, ctypes.byref(parked)))
    return parked


def release(parked: ctypes.c_void_p) -> None:
    """Wake and join the threads of one park()."""
    _check(library().raw_release(parked))
