"""What memory figures depend on besides the memory: the record that goes with every report."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path

from conc import _core
from conc._version import __version__
from conc.records import Record


@dataclass(frozen=True, slots=True)
class Conditions(Record):
    """The machine's state around a probe. A field is None where the system does not tell.

    Attributes:
        taken_at: UTC, ISO 8601.
        conc: version.
        python: implementation and version.
        kernel: operating system and its version.
        cpu_model: as the machine names it.
        virtual: whether the CPU says that a hypervisor is below; its host's topology is then hidden.
        cpus_allowed: CPUs that the caller may run on.
        transparent_huge_pages: the system's setting.
        clock_source: what the monotonic clock is made of.
        memory_available_bytes: what this process could still take before the probe.
        load_average: 1, 5 and 15 minutes, before the probe.
    """

    taken_at: str
    conc: str
    python: str
    kernel: str
    cpu_model: str | None
    virtual: bool | None
    cpus_allowed: tuple[int, ...]
    transparent_huge_pages: str | None
    clock_source: str | None
    memory_available_bytes: int | None
    load_average: tuple[float, float, float] | None


def describe_conditions() -> Conditions:
    """The record of this moment."""
    cpuinfo = _text("/proc/cpuinfo")
    return Conditions(
        taken_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        conc=__version__,
        python=f"{platform.python_implementation()} {platform.python_version()}",
        kernel=f"{platform.system()} {platform.release()} {platform.machine()}",
        cpu_model=_field(cpuinfo, "model name"),
        virtual=_virtual(cpuinfo),
        cpus_allowed=tuple(_core.affinity()),
        transparent_huge_pages=_chosen(_text("/sys/kernel/mm/transparent_hugepage/enabled")),
        clock_source=(_text("/sys/devices/system/clocksource/clocksource0/current_clocksource") or "").strip() or None,
        memory_available_bytes=available_bytes(),
        load_average=_load_average(),
    )


def available_bytes() -> int | None:
    """Bytes that this process may still take; None where the system does not tell."""
    try:
        return _core.memory_available()
    except OSError:
        return None


def _text(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def _field(text: str | None, name: str) -> str | None:
    for line in (text or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip() or None
    return None


def _virtual(cpuinfo: str | None) -> bool | None:
    """x86 alone says so, by a flag."""
    flags = _field(cpuinfo, "flags")
    return None if flags is None else "hypervisor" in flags.split()


def _chosen(text: str | None) -> str | None:
    """The word in brackets: "always [madvise] never" -> "madvise"."""
    _, bracket, rest = (text or "").partition("[")
    return rest.partition("]")[0] if bracket else None


def _load_average() -> tuple[float, float, float] | None:
    try:
        return os.getloadavg()
    except (OSError, AttributeError):
        return None
