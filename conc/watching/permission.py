"""Why the system does not let one process look into another one, and what to do about it.

What a thread waits in (/proc/<pid>/task/<tid>/syscall) and the memory in which the GIL stands are open to who may trace
the process (ptrace(2), "Ptrace access mode checking"). The kernel answers no or yes; the cause is found out here.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path

PROC = Path("/proc")

_CAP_SYS_PTRACE = 1 << 19
_CURE = "run this as root, or give it CAP_SYS_PTRACE"
_YAMA = {
    1: "only what started a process may trace it: start it with conc watch -- SCRIPT, set that to 0, or give this "
    "process CAP_SYS_PTRACE",
    2: f"tracing takes CAP_SYS_PTRACE: {_CURE}, or set that to 0",
    3: "nobody may trace anything until the system is started anew with another setting",
}


def missing_process(pid: int, proc: Path = PROC) -> str:
    """Why nothing is told of process `pid`: there is no such process, it has ended, or it is hidden."""
    if (proc / str(pid)).exists():
        return f"process {pid} has ended"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return f"there is no process {pid}"
    except PermissionError:
        pass  # it is there
    if not (proc / "self").exists():
        return f"{proc} is not mounted: nothing is told of any process"
    return f"process {pid} is hidden ({proc} is mounted with hidepid): {_CURE}, or join the group that its gid= names"


def trace_refusal(pid: int, proc: Path = PROC) -> str:
    """Why process `pid` may not be traced by this one, and the cure: its user, Yama, its own wish, or a sandbox."""
    try:
        own, other = _status(proc / "self"), _status(proc / str(pid))
    except PermissionError as error:
        return (
            f"{error.filename} may not be read: {proc} is mounted with hidepid, or a sandbox (seccomp, a security "
            f"module, a container) refuses it: {_CURE}"
        )
    if other is None:
        return missing_process(pid, proc)
    mine = os.geteuid() if own is None else int(own["Uid"][1])
    if own is not None and int(own["CapEff"][0], 16) & _CAP_SYS_PTRACE:
        return (
            f"process {pid} may not be traced although this one has CAP_SYS_PTRACE: a sandbox (seccomp, a security "
            "module) refuses it, or the process belongs to another user namespace"
        )
    if any(int(user) != mine for user in other["Uid"][:3]):
        users = f"process {pid} runs as {_user(int(other['Uid'][0]))}, and this one as {_user(mine)}"
        return f"{users}: run this as that user or as root, or give it CAP_SYS_PTRACE"
    scope = _yama(proc)
    if scope in _YAMA:
        return f"kernel.yama.ptrace_scope is {scope}: {_YAMA[scope]}"
    if (proc / str(pid) / "status").stat().st_uid != mine:  # the files of one that protects itself are root's
        return f"process {pid} was made undumpable (PR_SET_DUMPABLE, or a program with privileges): {_CURE}"
    return f"a sandbox (seccomp, a security module, a container) refuses to have process {pid} traced: {_CURE}"


def _status(folder: Path) -> dict[str, list[str]] | None:
    """The lines of a process's status, each as its fields; None when it is not there."""
    try:
        lines = (folder / "status").read_text(encoding="utf-8", errors="replace").splitlines()
    except PermissionError:
        raise
    except OSError:
        return None
    return {name: value.split() for name, _, value in (line.partition(":") for line in lines)}


def _yama(proc: Path) -> int | None:
    try:
        return int((proc / "sys/kernel/yama/ptrace_scope").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _user(uid: int) -> str:
    try:
        return f"user {pwd.getpwuid(uid).pw_name} ({uid})"
    except KeyError:
        return f"user {uid}"
