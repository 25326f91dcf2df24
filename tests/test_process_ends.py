"""How a child of conc.spawn ends: killed, waited for, dropped, reaped by others, without a pidfd."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from processes_support import (
    nothing_left,  # noqa: F401 - a fixture that each test uses
    parked_child,
)

import conc
from conc import _core


class TestEnd:
    def test_many_threads_wait_for_one_child(self) -> None:
        child = parked_child()
        about_to_wait = threading.Barrier(9)

        def wait() -> int:
            about_to_wait.wait()
            return child.wait(timeout=60)

        with ThreadPoolExecutor(8) as pool:
            codes = [pool.submit(wait) for _ in range(8)]
            about_to_wait.wait()
            child.terminate()
            assert [code.result() for code in codes] == [-signal.SIGTERM] * 8

    def test_kill_after_the_end_hits_nobody(self) -> None:
        child = conc.spawn(["true"])
        assert child.wait() == 0
        for _ in range(3):
            child.kill()
        assert child.returncode == 0

    def test_ended_and_not_waited_for_takes_signals_without_effect(self) -> None:
        child = conc.spawn(["true"])
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        child.kill()
        assert child.wait() == 0

    @pytest.mark.parametrize("without_pidfd", [False, True])
    def test_status_taken_elsewhere(self, without_pidfd: bool) -> None:
        child = child_without_pidfd("exit 3") if without_pidfd else conc.spawn(["sh", "-c", "exit 3"])
        assert os.waitpid(child.pid, 0) == (child.pid, 3 << 8)
        known = not without_pidfd and kernel_keeps_status()
        if known:
            assert child.wait(timeout=60) == 3
        else:
            for look in (child.wait, child.poll):
                with pytest.raises(ChildProcessError, match="taken elsewhere") as caught:
                    look()
                assert caught.value.errno == errno.ECHILD
        assert child.returncode == (3 if known else None)
        assert child.communicate() == (None, None)
        assert child.usage.user_s is None
        assert "elsewhere" in child.usage.unknown["user_s"]
        child.kill()

    def test_sigchld_ignored(self) -> None:
        script = (
            "import signal, conc; signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
            "try: print(conc.run(['sh', '-c', 'exit 3']).returncode)\n"
            "except ChildProcessError as error: print('lost' if 'SIGCHLD' in str(error) else error)\n"
            "try: conc.run(['/no/such/program'])\n"
            "except FileNotFoundError: print('told')\n"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert done.stdout.split() == (["3"] if kernel_keeps_status() else ["lost"]) + ["told"]

    def test_dropped_while_running(self) -> None:
        pid = parked_child_dropped()
        os.kill(pid, signal.SIGKILL)  # left to run
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        conc.run(["true"])  # reaps it
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

    def test_interpreter_exit_leaves_it_running(self) -> None:
        script = (
            "import conc, warnings; warnings.simplefilter('ignore')\n"
            "child = conc.spawn(['sleep', '1000'], stdout=conc.DEVNULL, stderr=conc.DEVNULL)\n"
            "print(child.pid)\n"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        os.kill(int(done.stdout), signal.SIGKILL)

    @pytest.mark.main_interpreter("fork")
    def test_in_a_forked_process_it_is_not_ours(self) -> None:
        with parked_child() as child:
            reads, writes = os.pipe()
            with quiet_fork() as pid:
                if pid == 0:
                    os.write(writes, b"".join(foreign_answers(child)))
                    os._exit(0)
            os.close(writes)
            with open(reads, "rb") as answers:
                assert answers.read() == b"ECHILD " * 4
            os.waitpid(pid, 0)
            assert child.poll() is None
            child.kill()

    def test_context_manager_waits_also_when_a_pipe_cannot_be_closed(self) -> None:
        child = conc.spawn(["sleep", "0.1"], stdin=conc.PIPE)
        assert child.stdin is not None
        os.set_blocking(child.stdin.fileno(), False)
        os.write(child.stdin.fileno(), b"x" * (1 << 16))  # as much as a pipe holds
        child.stdin.write(b"y")
        with pytest.raises(BlockingIOError):
            child.__exit__(None, None, None)
        assert child.returncode == 0

    def test_context_manager_waits(self) -> None:
        with conc.spawn(["cat"], stdin=conc.PIPE) as child:
            pass
        assert child.returncode == 0

    def test_repr_shows_state(self) -> None:
        with conc.spawn(["true"]) as child:
            assert repr(child) == f"<Child: pid: {child.pid} returncode: None args: ['true']>"


def kernel_keeps_status() -> bool:
    """Linux 6.15 and later tell the status of a process that somebody else has reaped."""
    major, minor = os.uname().release.split(".")[:2]
    return (int(major), int(minor.split("-")[0])) >= (6, 15)


def child_without_pidfd(script: str) -> conc.Child:
    """A child as on a kernel that has no pidfds: only the native layer differs."""
    child = conc.spawn(["true"])
    child.wait()
    child._handle = _core.spawn(
        [b"sh", b"-c", os.fsencode(script)], [b"/bin/sh"], None, None, (-1, -1, -1), ("sh", None), without=1
    )
    return child


def parked_child_dropped() -> int:
    child = parked_child()
    pid = child.pid
    with pytest.warns(ResourceWarning, match=f"child {pid} was dropped"):
        del child
    return pid


@contextlib.contextmanager
def quiet_fork() -> Iterator[int]:
    """os.fork without 3.12's warning about threads: the child only answers and exits."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    yield pid


def foreign_answers(child: conc.Child) -> Iterator[bytes]:
    calls: list[Callable[[], object]] = [child.poll, lambda: child.wait(0), child.kill, lambda: child.usage]
    for call in calls:
        try:
            call()
        except ChildProcessError:
            yield b"ECHILD "
        else:
            yield b"answered "
