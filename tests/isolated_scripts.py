"""Reads and runs the scripts of tests/isolated, each in a fresh interpreter; tests/test_isolated.py judges the outcome.

A script says in comments at its top what must come of it:

    # cases: one two     it runs once for each word, with the word as an argument; a second such line multiplies
    #    three            (a line that begins with four blanks goes on with the one before)
    # stdout: a line of its output, in this order; none when there is no such comment
    # stderr: a part of a line of its error output, in this order; nothing may come there without such a comment
    # status: its exit status (0 when not given)
    # needs: python3.12 | subinterpreters | http_get | gil | gevent | eventlet | root | seccomp |
    #        namespaces | 10000threads (any number)
    # alone: because it takes times, it runs while no other script of its test run does, nor another such one of others
    # outlived: by child processes, which end by themselves
    # core: one two      of its cases these alone run where a matrix runs the core of the tests; none without a word.
                         Without such a comment they are all that one line has, and of several lines as many as it
                         takes to have each word, but not each combination of them.

A directive followed by [word] holds for the cases with that word alone. A line "figure: name value unit" of a script's
output is taken out of it and shown at the end of the test run.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import functools
import importlib.util
import itertools
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "isolated"
# taken once: while scripts are started by several threads, pytest changes its own at each test
ALONE_LOCK = Path(
    os.environ.get("CONC_ALONE_LOCK") or FOLDER.parent.parent / "build" / "alone.lock"
)  # of all test runs
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(FOLDER / "support")}
LIMIT_S = 30
ABORT_S = 5
ALONE_LIMIT_S = 60
"""Of those that run alone: they take more of the machine, which others may use as well."""
PF_EXITING = 4  # include/linux/sched.h: it has called exit, and has no memory any more
DIRECTIVE = re.compile(
    r"^# (cases|stdout|stderr|status|needs|alone|outlived|core)(?:\[(\S+)\])?: ?(.*(?:\n#    .*)*)$", re.M
)


@dataclass(frozen=True)
class Case:
    """One run of a script and what the script says of it."""

    path: Path
    args: tuple[str, ...] = ()
    status: int = 0
    stdout: str = ""
    stderr: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    alone: bool = False
    outlived: bool = False
    core: bool = True

    @property
    def name(self) -> str:
        return "-".join((self.path.stem, *self.args))


def read_cases(path: Path) -> Iterator[Case]:
    """The runs that the directives of a script ask for."""
    found = [(kind, word, value) for kind, word, value in DIRECTIVE.findall(path.read_text(encoding="utf-8"))]
    matrix = [value.replace("#", " ").split() for kind, _, value in found if kind == "cases"]
    known = {word for row in matrix for word in row}
    chosen = [set(value.replace("#", " ").split()) for kind, _, value in found if kind == "core"]
    core = each_word(matrix)
    if chosen:
        words = set().union(*chosen)
        if unknown := words - known:
            raise ValueError(f"{path.name}: of the core are cases that there are not: {', '.join(sorted(unknown))}")
        core = {args for args in itertools.product(*matrix) if words and words.issuperset(args)}
    if unknown := {word for _, word, _ in found if word} - known:
        raise ValueError(f"{path.name}: directives for cases that there are not: {', '.join(sorted(unknown))}")
    for args in itertools.product(*matrix):
        said: dict[str, list[str]] = {}
        for kind, word, value in found:
            if not word or word in args:
                said.setdefault(kind, []).append(value)
        yield Case(
            path,
            args,
            int(said.get("status", ["0"])[0]),
            "".join(line + "\n" for line in said.get("stdout", [])),
            tuple(said.get("stderr", [])),
            tuple(said.get("needs", [])),
            "alone" in said,
            "outlived" in said,
            args in core,
        )


def each_word(matrix: list[list[str]]) -> set[tuple[str, ...]]:
    """Few combinations that have each word: those of the longest row in turn, the others counting up like digits."""
    longest = max(range(len(matrix)), key=lambda place: len(matrix[place]), default=0)
    combinations = set()
    for turn in range(len(matrix[longest]) if matrix else 1):
        left, words = turn, []
        for place, row in enumerate(matrix):
            words.append(row[turn] if place == longest else row[left % len(row)])
            left = left if place == longest else left // len(row)
        combinations.add(tuple(words))
    return combinations


def all_cases() -> list[Case]:
    """Those that run alone come first: none of the others has begun by then."""
    cases = [case for path in sorted(FOLDER.glob("*.py")) for case in read_cases(path)]
    return sorted(cases, key=lambda case: not case.alone)


def missing(need: str) -> str | None:
    """Why a script that needs this cannot run here, or None."""
    if version := re.fullmatch(r"python3\.(\d+)", need):
        return None if sys.version_info >= (3, int(version[1])) else f"for CPython 3.{version[1]} and later"
    if need == "subinterpreters":
        names = ("_interpreters", "_xxsubinterpreters")
        found = any(name in sys.builtin_module_names or _can_import(name) for name in names)
        return None if found else "this Python has no module for subinterpreters"
    if need == "gil":
        free = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
        return "on a free-threaded Python this comes in another order" if free else None
    if count := re.fullmatch(r"(\d+)threads", need):
        return _too_few_threads(int(count[1]))
    if need == "root":
        return None if os.geteuid() == 0 else "only root can become somebody else"
    if need == "namespaces":
        return _no_namespaces()
    if need == "seccomp":
        return _no_seccomp()
    if need == "http_get":
        from conc import _core

        return _core.http_get_unavailable()
    if need in ("gevent", "eventlet"):
        # not imported here: they look at the process that imports them
        return None if importlib.util.find_spec(need) else f"{need} is not installed: it has no binary for this Python"
    raise ValueError(f"unknown need {need!r}")


@functools.cache
def _no_namespaces() -> str | None:
    """Why a process may not have mounts and ids of processes of its own, if so."""
    code = "import ctypes; raise SystemExit(ctypes.CDLL(None).unshare(0x20020000) != 0)"  # CLONE_NEWPID | CLONE_NEWNS
    refused = subprocess.run([sys.executable, "-c", code], check=False).returncode != 0
    return "this user may make no namespaces" if refused else None


def _no_seccomp() -> str | None:
    """Why no filter can be put before system calls, if so."""
    if os.uname().machine not in ("x86_64", "aarch64"):
        return f"the numbers of system calls are not known for {os.uname().machine}"
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(22, 2, None, 0, 0)  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER: without a filter it fails for another reason
    error = ctypes.get_errno()
    return None if error in (errno.EFAULT, errno.EACCES) else f"this kernel has no seccomp ({os.strerror(error)})"


def _too_few_threads(count: int) -> str | None:
    """Which limit of this machine, user or control group forbids that many threads, if one does."""
    limits = {
        "kernel.threads-max": _number(Path("/proc/sys/kernel/threads-max")),
        "kernel.pid_max": _number(Path("/proc/sys/kernel/pid_max")),
        "vm.max_map_count": _number(Path("/proc/sys/vm/max_map_count"), each=3),  # stack, its guard, frames
        "memory": _number(Path("/proc/meminfo"), each=100, word=r"MemAvailable: +(\d+) kB"),
    }
    if os.geteuid() != 0:
        soft = resource.getrlimit(resource.RLIMIT_NPROC)[0]
        limits["ulimit -u"] = None if soft == resource.RLIM_INFINITY else soft
    for line in _read(Path("/proc/self/cgroup")).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "pids"):
            limits["pids.max"] = _number(Path("/sys/fs/cgroup", controllers, path.lstrip("/"), "pids.max"))
    small = [f"{name} allows {limit}" for name, limit in limits.items() if limit is not None and limit < count + 500]
    return f"{count} threads are too many here: {', '.join(small)}" if small else None


def _number(path: Path, each: int = 1, word: str = r"^(\d+)$") -> int | None:
    """The number in a file that is made of it or has a word before it, divided by what a thread takes of it."""
    found = re.search(word, _read(path))
    return None if found is None else int(found[1]) // each


def _can_import(name: str) -> bool:
    try:
        __import__(name)
    except ImportError:
        return False
    return True


@dataclass(frozen=True)
class Ended:
    """How a script ended."""

    status: int
    stdout: str
    stderr: str
    figures: tuple[str, ...]  # "name value unit"
    hung: str  # what its threads were doing; empty when it ended by itself
    left_processes: bool


def run(case: Case, limit_s: float = LIMIT_S) -> Ended:
    """Run a script as the leader of a session, so that whatever it leaves behind can be found."""
    with tempfile.TemporaryDirectory(prefix="conc-isolated-") as folder:
        process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", "-P", "-W", "error", str(case.path), *case.args],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env=ENVIRONMENT,
        )
        hung = ""
        try:
            stdout, stderr = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            hung = "\n".join(describe_process(pid) for pid in in_session(process.pid))
            stdout, stderr = _abort(process)
        left = _end_session(process.pid, LIMIT_S if case.outlived or hung else 0)  # aborting takes a moment
    figures = tuple(re.findall(r"^figure: (.*)$", stdout, re.M))
    return Ended(process.returncode, re.sub(r"^figure: .*\n", "", stdout, flags=re.M), stderr, figures, hung, left)


def run_alone(case: Case) -> Ended:
    """Run a script that takes times, while no other test run on this machine runs one."""
    ALONE_LOCK.parent.mkdir(exist_ok=True)
    with ALONE_LOCK.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # let go when the file is closed
        return run(case, ALONE_LIMIT_S)


def _abort(process: subprocess.Popen[str]) -> tuple[str, str]:
    """faulthandler answers SIGABRT with the stack of every Python thread, in the script and in what it forked.

    One after the other: they write to the same pipe.
    """
    for pid in list(in_session(process.pid)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGABRT)
        end = time.monotonic() + ABORT_S
        while pid in in_session(process.pid) and time.monotonic() < end:
            time.sleep(0.01)
    try:
        return process.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.communicate()


def in_session(session: int) -> Iterator[int]:
    """The processes of a session that have not ended."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = Path("/proc", name, "stat").read_bytes().rpartition(b")")[2].split()  # a name may be no text
        except OSError:
            continue  # it ended meanwhile
        ended = fields[0] in b"ZX" or int(fields[6]) & PF_EXITING
        if int(fields[3]) == session and not ended:
            yield int(name)


def _end_session(session: int, patience_s: float) -> bool:
    """End what is left of a session once the patience is over; whether there was anything."""
    begin = time.monotonic()
    while left := list(in_session(session)):
        # multiprocessing's resource tracker ends a moment after it sees that nobody is left
        patience = LIMIT_S if all(map(_tracks_resources, left)) else patience_s
        if time.monotonic() < begin + patience:
            time.sleep(0.005)
            continue
        for pid in left:
            _kill(pid)
        return True
    return False


def _tracks_resources(pid: int) -> bool:
    return "multiprocessing.resource_tracker" in _read(Path(f"/proc/{pid}/cmdline"))


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it ended by itself
        os.kill(pid, signal.SIGKILL)


def describe_process(pid: int) -> str:
    """Every thread of a process, those without Python too, as the kernel and, where it is there, gdb see them."""
    lines = [f"process {pid}: name, state, CPU ticks, kernel function, system call and arguments of its threads"]
    for task in sorted(Path(f"/proc/{pid}/task").glob("*"), key=lambda path: int(path.name)):
        stat = _read(task / "stat").rpartition(")")[2].split()
        state, ticks = (stat[0], int(stat[11]) + int(stat[12])) if len(stat) > 12 else ("ended meanwhile", 0)
        facts = (_read(task / "comm"), state, ticks, _read(task / "wchan"), _read(task / "syscall"))
        lines.append(f"  thread {task.name}: " + ", ".join(map(str, facts)))
    if (gdb := shutil.which("gdb")) is not None:
        lines.append(_native_stacks(gdb, pid))
    return "\n".join(lines)


def _native_stacks(gdb: str, pid: int) -> str:
    command = [gdb, "-nx", "-batch", "-iex", "set auto-load no", "-p", str(pid), "-ex", "thread apply all backtrace 16"]
    try:
        told = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False
        )
    except subprocess.TimeoutExpired:
        return "gdb gave no answer within 30 s"
    return told.stdout or told.stderr


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError as error:
        return error.strerror or "unreadable"
