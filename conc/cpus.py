"""How many CPUs this process may really use: affinity, cpuset and cgroup quota together."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from conc.records import Record


@dataclass(frozen=True, slots=True)
class AllowedCpus(Record):
    """What limits the CPUs of this process. A field is None where nothing limits it or the system does not tell.

    Attributes:
        count: CPUs' worth of work that can run at a time, at least 1; a fraction of a quota is rounded up.
        online: CPUs of the machine that are switched on.
        affinity: numbers of the CPUs that the calling thread may run on.
        cpuset: numbers of the CPUs that the control group allows.
        quota_cpus: CPU seconds a second that the control groups allow; the smallest of the whole path.
        source: the files and calls that limited the count.
    """

    count: int
    online: int | None
    affinity: tuple[int, ...] | None
    cpuset: tuple[int, ...] | None
    quota_cpus: float | None
    source: str


def cpu_count() -> int:
    """The number of CPUs that this process may use, at least 1.

    Unlike ``os.cpu_count()`` it heeds CPU affinity, cpusets and the CPU quota of cgroup v1 and v2, so that a container
    that is given two CPUs of a machine with 64 gets the answer 2.

    Returns:
        The smaller of the CPUs allowed and the quota, where a fraction of a CPU counts as one.

    Source: sched_getaffinity(2); cpu.max and cpuset.cpus.effective (cgroup v2); cpu.cfs_quota_us, cpu.cfs_period_us and
    cpuset.cpus (cgroup v1), found through /proc/self/cgroup and /proc/self/mountinfo.

    Example:
        >>> import conc
        >>> conc.cpu_count() >= 1
        True
    """
    return allowed_cpus().count


def allowed_cpus(root: str | Path = "/") -> AllowedCpus:
    """`cpu_count` with its reasons.

    Args:
        root: where /proc and /sys are found: another folder is a machine recorded as files.
    """
    root = Path(root)
    affinity = _affinity(root)
    cpuset: frozenset[int] | None = None
    quota: float | None = None
    sources: list[str] = []
    for controllers, folders in _cgroups(root):
        if not controllers or "cpuset" in controllers:
            found = _cpuset(folders[0])
            if found:
                cpuset = found if cpuset is None else cpuset & found
        if not controllers or "cpu" in controllers:
            for folder in folders:
                limit = _quota(folder)
                if limit is not None and (quota is None or limit < quota):
                    quota = limit
    online = online_cpus(root)
    usable: frozenset[int] | None = affinity
    if affinity is not None:
        sources.append("affinity")
    if cpuset is not None:
        sources.append("cpuset")
        usable = cpuset if usable is None else (usable & cpuset or usable)
    if usable is None:
        usable = online
    count = len(usable) if usable else (os.cpu_count() or 1)
    if quota is not None:
        sources.append("cgroup quota")
        count = min(count, math.ceil(quota))
    return AllowedCpus(
        count=max(count, 1),
        online=len(online) if online else None,
        affinity=None if affinity is None else tuple(sorted(affinity)),
        cpuset=None if cpuset is None else tuple(sorted(cpuset)),
        quota_cpus=quota,
        source=", ".join(sources) or "os.cpu_count()",
    )


def online_cpus(root: str | Path = "/") -> frozenset[int]:
    """The numbers of the CPUs of this machine that are switched on; empty where the system does not tell."""
    return _cpulist(_text(Path(root) / "sys/devices/system/cpu/online"))


def _text(path: Path) -> str:
    """The content of a small file, empty where it cannot be read: /proc and /sys differ from machine to machine."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _cpulist(text: str) -> frozenset[int]:
    """The kernel's list format, as in ``0-3,8``; empty for an empty or unreadable list."""
    cpus: set[int] = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        if not first.strip().isdigit() or (last and not last.strip().isdigit()):
            continue
        cpus.update(range(int(first), int(last or first) + 1))
    return frozenset(cpus)


def _affinity(root: Path) -> frozenset[int] | None:
    if root == Path("/") and hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    for line in _text(root / "proc/self/status").splitlines():
        if line.startswith("Cpus_allowed_list:"):
            return _cpulist(line.partition(":")[2]) or None
    return None


def _cgroups(root: Path) -> Iterator[tuple[frozenset[str], list[Path]]]:
    """For each hierarchy its controllers (none: v2, which has them all) and its folders, this process's own first."""
    mounts = list(_mounts(root))
    for line in _text(root / "proc/self/cgroup").splitlines():
        fields = line.split(":", 2)
        if len(fields) != 3:
            continue
        controllers = frozenset(filter(None, fields[1].split(",")))
        for mount_root, mount_point, mount_controllers in mounts:
            if (controllers & mount_controllers) if controllers else (mount_controllers == frozenset()):
                yield controllers, _folders(root, fields[2], mount_root, mount_point)
                break


def _mounts(root: Path) -> Iterator[tuple[str, str, frozenset[str]]]:
    """Root, mount point and controllers of each cgroup mount, as proc(5) describes mountinfo."""
    for line in _text(root / "proc/self/mountinfo").splitlines():
        before, separator, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if not separator or len(fields) < 5 or len(kind) < 3 or kind[0] not in ("cgroup", "cgroup2"):
            continue
        yield fields[3], fields[4], frozenset() if kind[0] == "cgroup2" else frozenset(kind[2].split(","))


def _folders(root: Path, group: str, mount_root: str, mount_point: str) -> list[Path]:
    """The group's folder and those above it up to the mount; the mount alone where the group lies outside of it."""
    top = root / mount_point.lstrip("/")
    if mount_root != "/" and (group == mount_root or group.startswith(mount_root + "/")):
        group = group[len(mount_root) :]
    parts = [part for part in group.split("/") if part]
    if ".." in parts or not top.joinpath(*parts).is_dir():
        return [top]
    return [top.joinpath(*parts[:depth]) for depth in range(len(parts), -1, -1)]


def _cpuset(folder: Path) -> frozenset[int]:
    for name in ("cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus"):
        cpus = _cpulist(_text(folder / name))
        if cpus:
            return cpus
    return frozenset()


def _quota(folder: Path) -> float | None:
    """CPUs that the quota of one group allows; None for ``max``, -1, an empty or an absent file."""
    fields = _text(folder / "cpu.max").split()
    if not fields:
        fields = [*_text(folder / "cpu.cfs_quota_us").split(), *_text(folder / "cpu.cfs_period_us").split()]
    if len(fields) != 2 or not all(field.isdigit() for field in fields):
        return None
    quota_us, period_us = map(int, fields)
    return quota_us / period_us if quota_us > 0 and period_us > 0 else None
