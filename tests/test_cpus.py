"""How many CPUs a process may use, on machines recorded as files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import conc
from conc.cpus import allowed_cpus

V2_MOUNT = "31 24 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
V1_MOUNTS = (
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "34 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
)
V1_GROUPS = "4:cpuset:/job\n3:cpu,cpuacct:/job\n1:name=systemd:/init.scope\n0::/init.scope\n"


def machine(root: Path, files: dict[str, str]) -> Path:
    """A machine with eight CPUs, all of them allowed, and these files besides."""
    base = {
        "proc/self/status": "Name:\tpython\nCpus_allowed:\tff\nCpus_allowed_list:\t0-7\n",
        "sys/devices/system/cpu/online": "0-7\n",
    }
    for name, text in {**base, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def v2(limits: dict[str, str], group: str = "/system.slice/job.service") -> dict[str, str]:
    """The files of a process in a group of cgroup v2; `limits` are files below the mount."""
    return {
        "proc/self/cgroup": f"0::{group}\n",
        "proc/self/mountinfo": V2_MOUNT,
        "sys/fs/cgroup/system.slice/job.service/cgroup.procs": "1\n",
        **{f"sys/fs/cgroup/{name}": text for name, text in limits.items()},
    }


def test_no_limit_is_the_affinity(tmp_path: Path) -> None:
    found = allowed_cpus(machine(tmp_path, {}))
    assert (found.count, found.online, found.quota_cpus, found.cpuset) == (8, 8, None, None)
    assert found.affinity == tuple(range(8))
    assert found.source == "affinity"


def test_affinity_with_holes(tmp_path: Path) -> None:
    found = allowed_cpus(machine(tmp_path, {"proc/self/status": "Cpus_allowed_list:\t0-1,4,6-7\n"}))
    assert found.affinity == (0, 1, 4, 6, 7)
    assert found.count == 5


@pytest.mark.parametrize(
    ("quota", "count"),
    [
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        ("50000 100000\n", 1),
        ("1600000 100000\n", 8),
        ("max 100000\n", 8),
        ("", 8),
        ("\n", 8),
        ("200000\n", 8),
        ("200000 0\n", 8),
        ("what is this\n", 8),
    ],
)
def test_quota_of_v2(tmp_path: Path, quota: str, count: int) -> None:
    assert allowed_cpus(machine(tmp_path, v2({"system.slice/job.service/cpu.max": quota}))).count == count


def test_the_smallest_quota_of_the_path_counts(tmp_path: Path) -> None:
    limits = {"system.slice/job.service/cpu.max": "600000 100000\n", "system.slice/cpu.max": "300000 100000\n"}
    found = allowed_cpus(machine(tmp_path, v2(limits)))
    assert (found.count, found.quota_cpus) == (3, 3.0)
    assert found.source == "affinity, cgroup quota"


def test_container_that_sees_its_group_as_the_root(tmp_path: Path) -> None:
    assert allowed_cpus(machine(tmp_path, v2({"cpu.max": "250000 100000\n"}, group="/"))).count == 3


def test_group_outside_of_the_mount_counts_as_the_mount(tmp_path: Path) -> None:
    assert allowed_cpus(machine(tmp_path, v2({"cpu.max": "250000 100000\n"}, group="/../other"))).count == 3


def test_mount_of_a_part_of_the_tree(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "3:cpu,cpuacct:/docker/abc/inner\n",
        "proc/self/mountinfo": "32 31 0:29 /docker/abc /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
        "sys/fs/cgroup/cpu/inner/cpu.cfs_quota_us": "400000\n",
        "sys/fs/cgroup/cpu/inner/cpu.cfs_period_us": "100000\n",
    }
    assert allowed_cpus(machine(tmp_path, files)).count == 4


def test_cpuset_of_v2(tmp_path: Path) -> None:
    found = allowed_cpus(machine(tmp_path, v2({"system.slice/job.service/cpuset.cpus.effective": "2-4\n"})))
    assert (found.count, found.cpuset) == (3, (2, 3, 4))


@pytest.mark.parametrize(("quota", "count"), [("300000\n", 3), ("-1\n", 6), ("", 6), ("0\n", 6)])
def test_quota_and_cpuset_of_v1(tmp_path: Path, quota: str, count: int) -> None:
    files = {
        "proc/self/cgroup": V1_GROUPS,
        "proc/self/mountinfo": V1_MOUNTS,
        "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": quota,
        "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/cpuset/job/cpuset.cpus": "0-5\n",
    }
    assert allowed_cpus(machine(tmp_path, files)).count == count


def test_absent_files_leave_a_count(tmp_path: Path) -> None:
    found = allowed_cpus(tmp_path)
    assert found.count == (os.cpu_count() or 1)
    assert (found.affinity, found.online, found.source) == (None, None, "os.cpu_count()")


def test_nonsense_in_the_files_is_no_limit(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "no colons\n0::/\n",
        "proc/self/mountinfo": "short - cgroup2\nwithout a separator\n",
        "proc/self/status": "Cpus_allowed_list:\tx-y,,3-\n",
    }
    assert allowed_cpus(machine(tmp_path, files)).count >= 1


def test_this_machine_agrees_with_the_scheduler() -> None:
    found = allowed_cpus()
    assert found.affinity == tuple(sorted(os.sched_getaffinity(0)))
    assert 1 <= conc.cpu_count() == found.count <= len(found.affinity)


def test_affinity_of_the_caller_is_heeded() -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert conc.cpu_count() == 1
    finally:
        os.sched_setaffinity(0, before)
