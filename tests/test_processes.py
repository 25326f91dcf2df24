"""conc.run and conc.spawn beyond subprocess's shape: usage, honest ends, nothing left behind, threads, Ctrl-C."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from processes_support import (
    nothing_left,  # noqa: F401 - a fixture that each test uses
    parked_child,
)

import conc
from conc import _core


class TestErrors:
    """Each names its step; the autouse fixture sees that nothing is left."""

    @pytest.mark.parametrize(
        ("options", "errno_", "step"),
        [
            ({"args": ["/no/such/program"]}, errno.ENOENT, "execute program"),
            ({"args": ["/dev/null"]}, errno.EACCES, "execute program"),
            ({"args": ["true"], "cwd": "/no/such/folder"}, errno.ENOENT, "change directory"),
            ({"args": ["true"], "stdin": 900}, errno.EBADF, "set stdin"),
            ({"args": ["true"], "stdout": 900}, errno.EBADF, "set stdout"),
            ({"args": ["true"], "stderr": 900}, errno.EBADF, "set stderr"),
            ({"args": ["true", "x" * (1 << 18)]}, errno.E2BIG, "execute program"),
        ],
    )
    def test_step_in_the_child(self, options: dict[str, Any], errno_: int, step: str) -> None:
        pipes = {name: conc.PIPE for name in ("stdin", "stdout", "stderr") if name not in options}
        with pytest.raises(OSError, match=step) as caught:
            conc.spawn(**options, **pipes)
        assert caught.value.errno == errno_

    def test_first_error_that_is_not_absence_is_told(self, tmp_path: Path) -> None:
        garbage = tmp_path / "tool"
        garbage.write_bytes(b"\1\2\3")
        garbage.chmod(0o755)
        with pytest.raises(OSError, match="execute program") as caught:
            conc.run(["tool"], env={"PATH": f"/nowhere:{tmp_path}:/dev/null"})
        assert caught.value.errno == errno.ENOEXEC
        assert caught.value.filename == "tool"

    def test_no_descriptors_left_for_pipes(self) -> None:
        import resource

        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        with contextlib.ExitStack() as held:
            held.callback(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, limits[1]))
            with contextlib.suppress(OSError):
                while True:
                    held.callback(os.close, os.dup(0))
            with pytest.raises(OSError, match="Too many open files"):
                conc.run(["true"], capture_output=True)

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"args": []}, ValueError, "must not be empty: give the program"),
            ({"args": 5}, TypeError, "args must be .* not int"),
            ({"args": ["echo", 5]}, TypeError, r"args\[1\] must be .* not int"),
            ({"args": ["echo", "a", "\0"]}, ValueError, r"args\[2\] must not hold a NUL"),
            ({"args": ["true"], "cwd": 3}, TypeError, "cwd must be .* not int"),
            ({"args": ["true"], "env": ["A=1"]}, TypeError, "env must be a mapping"),
            ({"args": ["true"], "env": {"A": 1}}, TypeError, r"env\['A'\] must be .* not int"),
            ({"args": ["true"], "env": {1: "A"}}, TypeError, "env name 1 must be"),
            ({"args": ["true"], "env": {"A=": "1"}}, ValueError, "must not hold '='"),
            ({"args": ["true"], "stdout": "file"}, TypeError, "stdout must be .* not str"),
            ({"args": ["true"], "stdin": conc.STDOUT}, ValueError, "only stderr can be STDOUT"),
            ({"args": ["true"], "stdout": -7}, ValueError, "stdout must be a descriptor .* not -7"),
            ({"args": ["cat"], "input": "text"}, TypeError, "no text mode, encode it"),
            ({"args": ["cat"], "input": 5}, TypeError, "input must be .* not int"),
            ({"args": ["true"], "timeout": float("nan")}, ValueError, "nan"),
            ({"args": ["true"], "timeout": "1"}, TypeError, "timeout must be a number of seconds"),
        ],
    )
    def test_bad_arguments_start_nothing(self, options: dict[str, Any], error: type[Exception], message: str) -> None:
        with pytest.raises(error, match=message):
            conc.run(**options)

    def test_input_without_a_pipe(self) -> None:
        with conc.spawn(["true"]) as child, pytest.raises(ValueError, match="give stdin=PIPE"):
            child.communicate(b"lost")

    def test_no_such_signal(self) -> None:
        with parked_child() as child:
            for number in (-1, 1000, 1 << 40):
                with pytest.raises(OSError, match="signal child process") as caught:
                    child.send_signal(number)
                assert caught.value.errno == errno.EINVAL
            child.kill()

    def test_constructor_that_raised(self) -> None:
        child = conc.Child.__new__(conc.Child)
        with pytest.raises(FileNotFoundError):
            child.__init__(["/no/such/program"])  # type: ignore[misc]
        assert "not started" in repr(child)
        with pytest.raises(ValueError, match="never started"):
            child.poll()


class TestUsage:
    def test_at_the_end(self) -> None:
        code = "x = bytearray(64 << 20)\nfor i in range(0, 64 << 20, 4096): x[i] = 1"
        with conc.spawn([sys.executable, "-I", "-S", "-c", code]) as child:
            child.wait()
        usage = child.usage
        assert usage.cpu_s is not None
        assert usage.wall_s is not None
        assert usage.cpu_s > 0
        assert usage.wall_s > 0
        assert usage.minor_faults is not None
        assert usage.minor_faults > 0
        assert usage.voluntary is not None
        assert usage.involuntary is not None
        assert usage.major_faults is not None
        assert usage.source.startswith("waitid(2)")
        assert child.usage == usage  # kept

    def test_peak_memory_is_the_childs_or_unknown(self) -> None:
        own = conc.run(["true"]).usage
        assert own.max_rss_bytes is None
        assert "memory of its parent" in own.unknown["max_rss_bytes"]
        script = (
            "import conc, sys\n"
            "code = 'x = b\"x\" * (256 << 20)'\n"
            "print(conc.run([sys.executable, '-I', '-S', '-c', code]).usage.max_rss_bytes)\n"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
        assert int(done.stdout) > 256 << 20

    def test_while_it_runs(self) -> None:
        with conc.spawn(["sh", "-c", "while :; do :; done"]) as child:
            usage = child.usage
            while not usage.cpu_s:  # the clock behind it ticks every 10 ms of its work
                usage = child.usage
            assert usage.source.startswith("/proc")
            assert usage.max_rss_bytes is not None
            assert 0 < usage.max_rss_bytes < 64 << 20
            assert usage.voluntary is None
            assert usage.wall_s is not None
            child.kill()

    def test_every_unknown_has_a_reason(self) -> None:
        usages = [conc.run(["true"]).usage]
        with parked_child() as child:
            usages.append(child.usage)
            child.kill()
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
            usages.append(child.usage)  # ended, not yet reaped
        for usage in usages:
            data = usage.to_dict()
            missing = {name for name, value in data.items() if value is None}
            assert missing == set(data["unknown"])

    def test_wall_is_unknown_when_nobody_watched(self) -> None:
        reads, writes = os.pipe()
        child = conc.spawn(["sh", "-c", "sleep 0.1"], stdout=writes)
        os.close(writes)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        os.close(reads)
        child.wait()
        assert child.usage.wall_s is None
        assert "nobody was waiting" in child.usage.unknown["wall_s"]

    def test_completed_process_is_a_record_of_it(self) -> None:
        done = conc.run(["true"])
        assert isinstance(done, conc.CompletedProcess)
        assert done.usage.to_dict()["user_s"] == done.usage.user_s


class TestCommunicate:
    def test_input_goes_on_after_a_timeout(self) -> None:
        gate_read, gate_write = os.pipe()
        data = b"y" * (1 << 20)
        with conc.spawn(["sh", "-c", "read go <&2; cat"], stdin=conc.PIPE, stdout=conc.PIPE, stderr=gate_read) as child:
            os.close(gate_read)
            with pytest.raises(subprocess.TimeoutExpired) as caught:
                child.communicate(data, timeout=0.01)
            assert caught.value.output is None
            os.write(gate_write, b"go\n")
            os.close(gate_write)
            assert child.communicate() == (data, None)
            assert child.communicate() == (data, None)  # and again

    def test_what_the_user_read_before_is_not_lost(self) -> None:
        script = "printf 'first\\nsecond\\n'; cat"
        with conc.spawn(["sh", "-c", script], stdin=conc.PIPE, stdout=conc.PIPE) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            assert child.stdout.readline() == b"first\n"  # "second" may be in the file's buffer by now
            child.stdin.write(b"third ")
            assert child.communicate(b"fourth") == (b"second\nthird fourth", None)

    def test_pipes_closed_by_the_user(self) -> None:
        with conc.spawn(["cat"], stdin=conc.PIPE, stdout=conc.PIPE, stderr=conc.PIPE) as child:
            assert child.stdin is not None
            assert child.stderr is not None
            child.stdin.close()
            child.stderr.close()
            assert child.communicate() == (b"", b"")

    def test_two_threads_at_once_are_refused(self) -> None:
        with conc.spawn(["cat"], stdin=conc.PIPE, stdout=conc.PIPE, stderr=conc.PIPE) as child:
            with pytest.raises(subprocess.TimeoutExpired):
                child.communicate(b"x" * (1 << 20), timeout=0)
            child.send_signal(signal.SIGSTOP)

            def communicate() -> None:
                while child.poll() is None:
                    with contextlib.suppress(RuntimeError):  # the other one was inside
                        child.communicate()

            first = threading.Thread(target=communicate)
            first.start()
            refused = False
            while not refused and first.is_alive():
                try:
                    child.communicate(timeout=0)
                except RuntimeError as error:
                    refused = "another thread" in str(error)
                except subprocess.TimeoutExpired:
                    continue  # the first has not begun
            child.send_signal(signal.SIGCONT)
            first.join()
        assert refused

    @settings(max_examples=25)
    @given(data=st.binary(max_size=200_000), chunk=st.integers(1, 100_000))
    def test_any_bytes_come_back(self, data: bytes, chunk: int) -> None:
        script = f"import os, sys\nwhile b := os.read(0, {chunk}): os.write(2, b); os.write(1, b)"
        done = conc.run([sys.executable, "-I", "-S", "-c", script], input=data, capture_output=True)
        assert done.stdout == done.stderr == data


class TestNative:
    """What the binding itself refuses; conc/processes.py never asks it."""

    def test_spawn_arguments(self) -> None:
        good: dict[str, Any] = {
            "argv": [b"true"], "candidates": [b"/bin/true"], "env": None, "cwd": None,
            "stdio": (-1, -1, -1), "names": ("true", None),
        }  # fmt: skip
        for wrong in (
            {"argv": []},
            {"candidates": []},
            {"names": ()},
            {"env": ()},
            {"argv": [b"a\0b"]},
            {"cwd": b"\0"},
        ):
            with pytest.raises(ValueError):  # noqa: PT011 - any
                _core.spawn(**good | wrong)
        for wrong in ({"argv": ["true"]}, {"env": [1]}, {"cwd": "/"}, {"stdio": (1, 2)}, {"names": []}):
            with pytest.raises(TypeError):
                _core.spawn(**good | wrong)

    def test_handle_is_made_by_spawn_alone(self) -> None:
        with pytest.raises(TypeError, match="cannot create"):
            _core.ChildHandle()

    def test_relay_arguments(self) -> None:
        with pytest.raises(TypeError):
            _core.Relay(-1, -1, -1, "text")  # type: ignore[arg-type]
        relay = _core.Relay(-1, -1, -1)
        assert relay.run(_core.deadline(None)) == 0
        for stream in (0, 3):
            with pytest.raises(ValueError, match="stream must be 1 or 2"):
                relay.text(stream)
        with pytest.raises(OSError, match="communicate with child process"):
            _core.Relay(-1, 900, -1).run(_core.deadline(None))

    def test_kill_on_drop(self) -> None:
        handle = _core.spawn(
            [b"sleep", b"1000"], [b"/bin/sleep"], None, None, (-1, -1, -1), ("sleep", None), kill_on_drop=True
        )
        pid = handle.pid
        del handle
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


class TestManyAtOnce:
    def test_five_hundred_from_eight_threads(self) -> None:
        def one(number: int) -> tuple[int, bytes | None]:
            done = conc.run(["sh", "-c", f"echo {number}; exit {number % 256}"], stdout=conc.PIPE)
            return done.returncode, done.stdout

        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(one, range(500)))
        assert results == [(number % 256, b"%d\n" % number) for number in range(500)]

    def test_failures_and_successes_mixed(self) -> None:
        def one(number: int) -> str:
            try:
                conc.run(["true" if number % 2 else "/no/such/program"], capture_output=True)
            except FileNotFoundError:
                return "missing"
            return "ran"

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(one, range(100))) == ["missing", "ran"] * 50

    def test_forks_meanwhile(self) -> None:
        """A process forked while others spawn can spawn as well. (Not while they import: that is Python's own trap.)"""
        script = (
            "import os, threading, warnings, conc\n"
            "warnings.simplefilter('ignore')\n"
            "conc.run(['true'])\n"
            "stop = threading.Event()\n"
            "def spawn_on():\n"
            "    while not stop.is_set():\n"
            "        assert conc.run(['true']).returncode == 0\n"
            "threads = [threading.Thread(target=spawn_on) for _ in range(3)]\n"
            "for thread in threads: thread.start()\n"
            "codes = []\n"
            "for _ in range(20):\n"
            "    pid = os.fork()\n"
            "    if pid == 0:\n"
            "        os._exit(conc.run(['sh', '-c', 'exit 6']).returncode)\n"
            "    codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
            "stop.set()\n"
            "for thread in threads: thread.join()\n"
            "print(set(codes))\n"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=100)
        assert done.stdout == "{6}\n"

    def test_the_gil_is_free_while_waiting(self) -> None:
        """A thread that waits for a child lets this one release that child."""
        with conc.spawn(["cat"], stdin=conc.PIPE) as child:
            waiter = threading.Thread(target=child.wait)
            waiter.start()
            assert child.stdin is not None
            child.stdin.close()
            waiter.join()
            assert child.returncode == 0


class TestInterrupt:
    """SIGINT in a fresh interpreter: KeyboardInterrupt, and the child is gone before it leaves."""

    CASES: dict[str, str] = {  # noqa: RUF012
        "run": "conc.run(['sh', '-c', 'echo $$; exec sleep 1000'])",
        "run with pipes": "conc.run(['sh', '-c', 'echo $$ >&2; exec sleep 1000'], input=b'x', stdout=conc.PIPE)",
        "wait": "child = conc.spawn(['sleep', '1000']); end = child.kill; print(child.pid, flush=True); child.wait()",
        "communicate": (
            "child = conc.spawn(['sleep', '1000'], stdout=conc.PIPE); end = child.kill; print(child.pid, flush=True); "
            "child.communicate()"  # the pipe stays the user's, who closes it
        ),
    }

    @pytest.mark.parametrize("to", ["main thread", "another thread"])
    @pytest.mark.parametrize("case", CASES)
    def test_ctrl_c(self, case: str, to: str) -> None:
        script = (
            "import conc, os, signal, threading\n"
            "end = lambda: None\n"
            "wake = threading.Event()\n"
            "other = threading.Thread(target=wake.wait); other.start()\n"
            + ("signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])\n" if to == "another thread" else "")
            + f"try: {self.CASES[case]}\n"
            "except KeyboardInterrupt:\n"
            "    end()\n"
            "    if 'child' in globals():\n"
            "        child.wait()\n"
            "        if child.stdout: child.stdout.close()\n"
            "    try: os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)\n"
            "    except ChildProcessError: print('interrupted, no child left')\n"
            "wake.set()\n"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert process.stdout is not None
        with process:
            pid = int(process.stdout.readline())  # the child runs
            process.send_signal(signal.SIGINT)
            assert process.stdout.read() == "interrupted, no child left\n"
        assert process.returncode == 0
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_files_that_communicate_closed_are_told_as_closed() -> None:
    child = conc.spawn(["cat"], stdin=conc.PIPE, stdout=conc.PIPE, stderr=conc.PIPE)
    assert child.communicate() == (b"", b"")
    assert [file is not None and file.closed for file in (child.stdin, child.stdout, child.stderr)] == [True] * 3


def test_a_child_started_by_an_ending_thread_lives_on() -> None:
    children: list[conc.Child] = []
    thread = threading.Thread(target=lambda: children.append(parked_child()))
    thread.start()
    thread.join()
    with children[0] as child:
        assert child.poll() is None
        child.kill()


def test_mask_is_the_callers() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    try:
        done = conc.run(["grep", "SigBlk", "/proc/self/status"], stdout=conc.PIPE)
        assert signal.SIGUSR1 in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert done.stdout is not None
    assert int(done.stdout.split()[1], 16) & 1 << (signal.SIGUSR1 - 1)


def test_audit_event_is_subprocesss() -> None:
    script = (
        "import sys, conc, conc.processes\n"
        "sys.addaudithook(lambda name, args: print(args) if name == 'subprocess.Popen' else None)\n"
        "conc.run(['true', 'x'], cwd='/', env={'PATH': '/bin:/usr/bin'})\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "('true', ['true', 'x'], '/', {'PATH': '/bin:/usr/bin'})\n"


def test_standard_descriptors_closed_in_the_parent() -> None:
    """Pipes then get the numbers 0, 1 and 2 themselves."""
    script = (
        "import os, conc\n"
        "keep = os.dup(1)\n"
        "for fd in (0, 1, 2): os.close(fd)\n"
        "done = conc.run(['sh', '-c', 'cat; echo err >&2'], input=b'in ', capture_output=True)\n"
        "os.write(keep, repr((done.stdout, done.stderr)).encode())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == "(b'in ', b'err\\n')"


def test_no_instance_keeps_its_type_or_module_alive() -> None:
    """Reference counts of the native types are where they were after many children."""
    counts = []
    for _ in range(3):
        for _ in range(5):
            conc.run(["true"], capture_output=True)
        gc.collect()
        counts.append((sys.getrefcount(_core.ChildHandle), sys.getrefcount(_core.Relay)))
    assert counts[1] == counts[2]


def test_examples() -> None:
    import doctest

    import conc.processes

    assert doctest.testmod(conc.processes).failed == 0
    assert doctest.testmod(conc.processes).attempted > 0
