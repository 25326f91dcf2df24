"""The machine and the interpreter that a comparison ran in."""

from __future__ import annotations

import os
import platform
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from conc._version import __version__
from conc.cpus import AllowedCpus, allowed_cpus
from conc.gil import gil_enabled
from conc.records import Record


@dataclass(frozen=True, slots=True)
class Environment(Record):
    """What figures depend on besides the code.

    Attributes:
        python: implementation and version.
        build: compiler and build date of the interpreter.
        gil: whether the GIL is on at this moment.
        free_threaded_build: whether the interpreter could run without one.
        cpus: what this process may use, and what limits it.
        cpu_model: as the machine names it; None where it does not.
        kernel: operating system and its version.
        load_average: 1, 5 and 15 minutes; None where the system does not tell.
        start_method: how multiprocessing starts a process here by default; None where no process lane was asked for.
        versions: of conc and of the packages that were loaded and matter.
    """

    python: str
    build: str
    gil: bool
    free_threaded_build: bool
    cpus: AllowedCpus
    cpu_model: str | None
    kernel: str
    load_average: tuple[float, float, float] | None
    start_method: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)


def describe_environment(*, start_method: str | None = None) -> Environment:
    """The record of this moment. Packages are named only if something has imported them."""
    return Environment(
        python=f"{platform.python_implementation()} {platform.python_version()}",
        build=f"{' '.join(platform.python_build())}, {platform.python_compiler()}",
        gil=gil_enabled(),
        free_threaded_build=bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        cpus=allowed_cpus(),
        cpu_model=_cpu_model(),
        kernel=f"{platform.system()} {platform.release()} {platform.machine()}",
        load_average=_load_average(),
        start_method=start_method,
        versions={"conc": __version__, **_loaded_versions(("httpx", "numpy", "numba", "torch"))},
    )


def _cpu_model() -> str | None:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or None
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "Model", "cpu model", "uarch"):
            return value.strip() or None
    return None


def _load_average() -> tuple[float, float, float] | None:
    try:
        return os.getloadavg()
    except (OSError, AttributeError):
        return None


def _loaded_versions(names: tuple[str, ...]) -> dict[str, str]:
    versions = {name: getattr(sys.modules.get(name), "__version__", None) for name in names}
    return {name: version for name, version in versions.items() if isinstance(version, str)}
