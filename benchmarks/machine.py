"""The machine and the interpreter that figures were taken on. What is not known is None, and `unknown` says why.

Nothing here names a host, a user or a folder: the record is made to be committed.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class Unknown(Exception):
    """Why something is not known."""


@dataclass(frozen=True)
class Machine:
    """What a figure depends on besides the code of conc, and which code that was.

    Attributes:
        cpu_model, cpu_stepping: as /proc/cpuinfo names it; family, model and stepping with dots between.
        cpus_online, affinity: CPUs of the machine that are on; numbers of those that the run might use.
        governor, frequency_mhz, frequency_max_mhz: of the first CPU, before the run.
        virtualisation: of the machine ("kvm"), or "none"; "hypervisor" when only the CPU says that there is one.
        gil: whether it was on; `free_threaded_build`: whether it could have been off.
        build_flags: what the interpreter was compiled and configured with, without paths.
        revision, dirty: the commit, and whether tracked files differed from it.
        unknown: for each field that is None, why.
    """

    system: str
    kernel: str
    architecture: str
    libc: str | None
    cpu_model: str | None
    cpu_stepping: str | None
    cpus_online: int | None
    affinity: tuple[int, ...] | None
    governor: str | None
    frequency_mhz: float | None
    frequency_max_mhz: float | None
    virtualisation: str | None
    implementation: str
    python: str
    gil: bool
    free_threaded_build: bool
    compiler: str | None
    build_flags: str | None
    conc: str
    revision: str | None
    dirty: bool | None
    unknown: Mapping[str, str]

    @property
    def kind(self) -> dict[str, object]:
        """What must be equal for two runs' figures to be compared: the hardware and the interpreter, not the code."""
        return {
            "system": self.system,
            "architecture": self.architecture,
            "CPU": " ".join(filter(None, (self.cpu_model, self.cpu_stepping))) or None,
            "usable CPUs": None if self.affinity is None else len(self.affinity),
            "virtual": self._virtual,
            "interpreter": f"{self.implementation} {'.'.join(self.python.split('.')[:2])}",
            "GIL": "on" if self.gil else "off",
            "free-threaded build": self.free_threaded_build,
        }

    @property
    def slug(self) -> str:
        """The kind as a file name: the figures of two kinds never share a file."""
        kind = self.kind
        words = [
            str(kind["system"]),
            str(kind["architecture"]),
            str(kind["CPU"] or "unknown CPU"),
            f"{kind['usable CPUs'] or 'unknown'} CPUs",
            {True: "virtual", False: "bare", None: "virtual or not"}[self._virtual],
            str(kind["interpreter"]),
            *(["free-threaded"] if self.free_threaded_build else []),
            f"GIL {kind['GIL']}",
        ]
        return "-".join(re.sub(r"[^a-z0-9._]+", "-", word.lower()).strip("-") for word in words)

    @property
    def _virtual(self) -> bool | None:
        return None if self.virtualisation is None else self.virtualisation != "none"


def describe_machine(root: str | Path = "/") -> Machine:
    """The record of this moment; `root` is where /proc and /sys are found."""
    known: dict[str, object] = {}
    unknown: dict[str, str] = {}
    for name, ask in _questions(Path(root)).items():
        try:
            known[name] = ask()
        except Unknown as reason:
            known[name] = None
            unknown[name] = str(reason)
    return Machine(**known, unknown=unknown)  # type: ignore[arg-type]


def load_average() -> tuple[float, ...]:
    """Of 1, 5 and 15 minutes.

    Raises:
        Unknown: the system does not tell.
    """
    try:
        return tuple(round(value, 2) for value in os.getloadavg())
    except (OSError, AttributeError) as error:
        raise Unknown(f"os.getloadavg: {error}") from None


def _questions(root: Path) -> dict[str, Callable[[], object]]:
    """For each field of Machine, what answers it or raises Unknown."""
    cpufreq = root / "sys/devices/system/cpu/cpu0/cpufreq"
    return {
        "system": platform.system,
        "kernel": platform.release,
        "architecture": platform.machine,
        "libc": _libc,
        "cpu_model": lambda: _cpuinfo(root, "model name"),
        "cpu_stepping": lambda: ".".join(_cpuinfo(root, name) for name in ("cpu family", "model", "stepping")),
        "cpus_online": _cpus_online,
        "affinity": _affinity,
        "governor": lambda: _text(cpufreq / "scaling_governor", root),
        "frequency_mhz": lambda: round(float(_cpuinfo(root, "cpu MHz")), 1),
        "frequency_max_mhz": lambda: float(_text(cpufreq / "cpuinfo_max_freq", root)) / 1000,
        "virtualisation": lambda: _virtualisation(root),
        "implementation": platform.python_implementation,
        "python": platform.python_version,
        "gil": lambda: bool(getattr(sys, "_is_gil_enabled", lambda: True)()),
        "free_threaded_build": lambda: bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        "compiler": lambda: _told(platform.python_compiler(), "platform.python_compiler() is empty"),
        "build_flags": _build_flags,
        "conc": _conc_version,
        "revision": lambda: _git("rev-parse", "HEAD"),
        "dirty": lambda: _git("status", "--porcelain", "--untracked-files=no") != "",
    }


def _told(text: str | None, otherwise: str) -> str:
    if not text:
        raise Unknown(otherwise)
    return text


def _text(path: Path, root: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError as error:
        raise Unknown(f"/{path.relative_to(root)}: {error.strerror}") from None


def _cpuinfo(root: Path, name: str) -> str:
    for line in _text(root / "proc/cpuinfo", root).splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name and value.strip():
            return value.strip()
    raise Unknown(f"/proc/cpuinfo has no line {name!r}")


def _libc() -> str:
    try:
        return _told(os.confstr("CS_GNU_LIBC_VERSION"), "the C library does not tell its version")
    except (AttributeError, ValueError, OSError):
        raise Unknown("confstr(3) knows no version of the C library") from None


def _cpus_online() -> int:
    count = os.cpu_count()
    if count is None:
        raise Unknown("os.cpu_count() is None")
    return count


def _affinity() -> tuple[int, ...]:
    if not hasattr(os, "sched_getaffinity"):
        raise Unknown("this system has no sched_getaffinity(2)")
    return tuple(sorted(os.sched_getaffinity(0)))


def _virtualisation(root: Path) -> str:
    detect = shutil.which("systemd-detect-virt") if root == Path("/") else None
    if detect is not None:
        done = subprocess.run([detect, "--vm"], capture_output=True, text=True, check=False)
        if done.stdout.strip():
            return done.stdout.strip()
    if platform.machine() not in ("x86_64", "AMD64", "i686"):
        raise Unknown("there is no systemd-detect-virt, and only x86 tells by a flag of its CPUs")
    return "hypervisor" if "hypervisor" in _cpuinfo(root, "flags").split() else "none"


def _build_flags() -> str:
    """Compiler flags and configure options. Whatever holds a path goes: it says where, not how."""
    words = f"{sysconfig.get_config_var('CFLAGS') or ''} {sysconfig.get_config_var('CONFIG_ARGS') or ''}".split()
    kept = [word.strip("'") for word in words if "/" not in word]
    return _told(" ".join(kept), "sysconfig has neither CFLAGS nor CONFIG_ARGS")


def _conc_version() -> str:
    from conc import __version__

    return str(__version__)


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    except OSError as error:
        raise Unknown(f"git: {error.strerror}") from None
    if done.returncode != 0:
        raise Unknown("this folder is no git checkout")
    return done.stdout.strip()
