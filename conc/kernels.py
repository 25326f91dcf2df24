"""Native kernels: C functions that come with conc and run without the GIL.

A kernel is callable like any function, and then runs on the calling thread with the GIL released; Ctrl-C ends it there
within 50 ms. It is also a target of every actor (`conc.Thread`, `conc.ThreadPoolExecutor`), where it runs on a native
thread that never attaches to the interpreter. Kernels are pickled by reference, as functions are.

Their arguments are positional.
"""

from __future__ import annotations

from conc._core import Kernel, http_get, http_get_unavailable, prime_factors, sleep, spin, trial_divisions

__all__ = [
    "Kernel",
    "http_get",
    "http_get_unavailable",
    "prime_factors",
    "sleep",
    "spin",
    "trial_divisions",
]
