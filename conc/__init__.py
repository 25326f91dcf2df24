"""conc: the concurrency workbench for Python.

Names only: nothing is imported before it is used, so that ``import conc`` costs next to nothing.
"""

from __future__ import annotations

import importlib

from conc._version import __version__

TYPE_CHECKING = False  # typing's own costs more to import than the rest of this file; type checkers know the name
if TYPE_CHECKING:
    from types import ModuleType

    from conc import kernels, memory
    from conc.comparison.api import Interrupted, compare
    from conc.comparison.report import Report
    from conc.cpus import cpu_count
    from conc.executors import Future, ThreadPoolExecutor
    from conc.gil import GilStatus, gil_status
    from conc.joblib_backend import register_joblib_backend
    from conc.memory.probing import probe
    from conc.natives import CompileError, compile_c, native
    from conc.pool_stats import PoolStats
    from conc.processes import DEVNULL, PIPE, STDOUT, Child, CompletedProcess, run, spawn
    from conc.stalls import StalledThread, StallGuard, StallReport, stall_guard
    from conc.threads import (
        StopReport,
        Thread,
        ThreadEnd,
        ThreadState,
        ThreadStopped,
        Timer,
        shield,
        stop_requested,
    )
    from conc.usage import Usage
    from conc.watching.api import Watch, watch
    from conc.watching.timeline import Timeline

# public name -> (module, name in it; None for the module itself)
_HOMES: dict[str, tuple[str, str | None]] = {
    "Child": ("conc.processes", "Child"),
    "CompileError": ("conc.natives", "CompileError"),
    "CompletedProcess": ("conc.processes", "CompletedProcess"),
    "DEVNULL": ("conc.processes", "DEVNULL"),
    "Future": ("conc.executors", "Future"),
    "GilStatus": ("conc.gil", "GilStatus"),
    "Interrupted": ("conc.comparison.api", "Interrupted"),
    "PIPE": ("conc.processes", "PIPE"),
    "PoolStats": ("conc.pool_stats", "PoolStats"),
    "STDOUT": ("conc.processes", "STDOUT"),
    "Report": ("conc.comparison.report", "Report"),
    "StallGuard": ("conc.stalls", "StallGuard"),
    "StallReport": ("conc.stalls", "StallReport"),
    "StalledThread": ("conc.stalls", "StalledThread"),
    "StopReport": ("conc.threads", "StopReport"),
    "Thread": ("conc.threads", "Thread"),
    "ThreadEnd": ("conc.threads", "ThreadEnd"),
    "ThreadPoolExecutor": ("conc.executors", "ThreadPoolExecutor"),
    "ThreadState": ("conc.threads", "ThreadState"),
    "ThreadStopped": ("conc.threads", "ThreadStopped"),
    "Timeline": ("conc.watching.timeline", "Timeline"),
    "Timer": ("conc.threads", "Timer"),
    "Usage": ("conc.usage", "Usage"),
    "Watch": ("conc.watching.api", "Watch"),
    "compare": ("conc.comparison.api", "compare"),
    "compile_c": ("conc.natives", "compile_c"),
    "cpu_count": ("conc.cpus", "cpu_count"),
    "gil_status": ("conc.gil", "gil_status"),
    "kernels": ("conc.kernels", None),
    "memory": ("conc.memory", None),
    "native": ("conc.natives", "native"),
    "probe": ("conc.memory.probing", "probe"),
    "register_joblib_backend": ("conc.joblib_backend", "register_joblib_backend"),
    "run": ("conc.processes", "run"),
    "shield": ("conc.threads", "shield"),
    "spawn": ("conc.processes", "spawn"),
    "stall_guard": ("conc.stalls", "stall_guard"),
    "stop_requested": ("conc.threads", "stop_requested"),
    "watch": ("conc.watching.api", "watch"),
}

__all__ = [
    "DEVNULL",
    "PIPE",
    "STDOUT",
    "Child",
    "CompileError",
    "CompletedProcess",
    "Future",
    "GilStatus",
    "Interrupted",
    "PoolStats",
    "Report",
    "StallGuard",
    "StallReport",
    "StalledThread",
    "StopReport",
    "Thread",
    "ThreadEnd",
    "ThreadPoolExecutor",
    "ThreadState",
    "ThreadStopped",
    "Timeline",
    "Timer",
    "Usage",
    "Watch",
    "__version__",
    "compare",
    "compile_c",
    "cpu_count",
    "gil_status",
    "kernels",
    "memory",
    "native",
    "probe",
    "register_joblib_backend",
    "run",
    "shield",
    "spawn",
    "stall_guard",
    "stop_requested",
    "watch",
]


def _import(home: str) -> ModuleType:
    """The module, with its package loaded to the end before it.

    importlib takes a module out of sys.modules and puts it back as the last step of loading it. Whoever asks for a
    submodule by its full name then, while another thread loads the package, may get KeyError with the package's name;
    asked for by itself, the package is waited for.
    """
    package = home.rpartition(".")[0]
    if package != __name__:
        importlib.import_module(package)
    return importlib.import_module(home)


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'conc' has no attribute {name!r}")
    module = _import(home[0])
    value: object = module if home[1] is None else getattr(module, home[1])
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
