"""Programs as child processes: :func:`run` and :func:`spawn` in the shape of :mod:`subprocess`.

The mechanism is native (``csrc/os/spawn.h``, ``csrc/ipc/child.h``): a child is made without copying this process's
memory and waited for through its pidfd, with the GIL released. Here are the defaults, the pipes and the exceptions,
which are subprocess's own. Everything is bytes: there is no text mode. See ``docs/processes.md``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterable
from types import TracebackType
from typing import IO, Any

from conc import _core
from conc.child_setup import (
    DEVNULL,
    PIPE,
    STDOUT,
    Args,
    Buffer,
    Env,
    Stdio,
    Stream,
    StrPath,
    candidates_for,
    encoded,
    encoded_args,
    encoded_env,
    input_view,
)
from conc.usage import Usage

__all__ = ["DEVNULL", "PIPE", "STDOUT", "Child", "CompletedProcess", "run", "spawn"]

_SIGKILL = 9
_SIGTERM = 15

# Ctrl-C on a terminal reaches the child as well: what it may take to end by itself. Less than
# subprocess gives (0.25 s), since the caller is to be back within 200 ms.
_SIGINT_GRACE_S = 0.1

# An end is taken for the moment at which it was noticed when it cannot have been earlier by more than this.
_END_TOLERANCE_NS = 1_000_000
_END_TOLERANCE_SHARE = 0.01

# The kernel counts resident pages on each CPU and adds them up late, so two readings of one memory differ a little.
_RSS_SLACK_BYTES = 1 << 20

_LOST = (
    "the status of child {pid} was taken elsewhere (a call of os.wait() for any child, or SIGCHLD is ignored) and this "
    "kernel does not keep it: Linux 6.15 and later do"
)


class CompletedProcess(subprocess.CompletedProcess[bytes]):
    """What :func:`run` returns: a ``subprocess.CompletedProcess`` that also knows its usage.

    Attributes:
        args: the program and its arguments, as given.
        returncode: the exit status, or minus the number of the signal that ended it.
        stdout: what it wrote, or None where it was not captured.
        stderr: the same of its standard error.
        usage: a :class:`conc.Usage`; what the system does not tell is None, with the reason in ``usage.unknown``.
    """

    usage: Usage

    def __init__(
        self, args: Any, returncode: int, stdout: bytes | None = None, stderr: bytes | None = None, *, usage: Usage
    ) -> None:
        super().__init__(args, returncode, stdout, stderr)
        self.usage = usage


class Child:
    """A running or ended child process: ``subprocess.Popen``'s shape for what is here, plus :attr:`usage`.

    Any number of threads may wait for, poll and signal the same child at once. Signals cannot hit another process that
    got the child's number after its end: they go through its pidfd. Used as a context manager it closes its pipes and
    waits for the end. A child dropped while it runs is left to run (with a ResourceWarning) and is reaped later; a
    child of a parent process, seen after a fork, raises ChildProcessError.

    Attributes:
        args: the program and its arguments, as given.
        pid: the process id. It means this child until its status has been taken by poll, wait or communicate.
    """

    _handle: _core.ChildHandle | None = None
    _kills_on_drop = False  # of run(): Ctrl-C may come between the start and its first look

    def __init__(
        self,
        args: Args,
        *,
        stdin: Stream = None,
        stdout: Stream = None,
        stderr: Stream = None,
        cwd: StrPath | None = None,
        env: Env | None = None,
    ) -> None:
        self._start(args, stdin, stdout, stderr, cwd, env, kill_on_drop=False)

    def _start(
        self,
        args: Args,
        stdin: Stream,
        stdout: Stream,
        stderr: Stream,
        cwd: StrPath | None,
        env: Env | None,
        *,
        kill_on_drop: bool,
    ) -> None:
        if not isinstance(args, (str, bytes, os.PathLike)) and isinstance(args, Iterable):
            args = list(args)
        self.args = args
        argv = encoded_args(args)
        folder = None if cwd is None else encoded(cwd, "cwd")
        variables = None if env is None else encoded_env(env)
        candidates = candidates_for(argv[0], os.environb if variables is None else variables)
        program = args[0] if isinstance(args, list) else args
        sys.audit("subprocess.Popen", program, args if isinstance(args, list) else [args], cwd, env)

        self._kills_on_drop = kill_on_drop
        self._relay: _core.Relay | None = None
        self._ended = 0  # the streams that the relay is done with, as bits
        self._communicating = threading.Lock()
        self._read_before = [b"", b"", b""]
        stdio = Stdio(stdin, stdout, stderr)
        try:
            self._pipes = stdio.pipes
            self._handle = _core.spawn(
                argv,
                candidates,
                None if variables is None else [name + b"=" + value for name, value in variables.items()],
                folder,
                (stdio.fds[0], stdio.fds[1], stdio.fds[2]),
                (program, cwd),
                kill_on_drop=kill_on_drop,
            )
        except BaseException:
            stdio.close_ours()
            raise
        finally:
            stdio.close_theirs()

    @property
    def _started(self) -> _core.ChildHandle:
        if self._handle is None:
            raise ValueError("this child was never started: its constructor raised")
        return self._handle

    @property
    def pid(self) -> int:
        """The process id."""
        return self._started.pid

    @property
    def returncode(self) -> int | None:
        """The exit status, or minus the number of the signal that ended it. None until poll, wait or communicate has
        found the end, and for good where the status was taken elsewhere (see :meth:`wait`)."""
        return self._started.code

    @property
    def stdin(self) -> IO[bytes] | None:
        """The file that writes to the child, where stdin=PIPE was given."""
        return self._file(0)

    @property
    def stdout(self) -> IO[bytes] | None:
        """The file that reads from the child, where stdout=PIPE was given."""
        return self._file(1)

    @property
    def stderr(self) -> IO[bytes] | None:
        """The file that reads from the child's standard error, where stderr=PIPE was given."""
        return self._file(2)

    def _file(self, number: int) -> IO[bytes] | None:
        pipe = self._pipes[number]
        return None if pipe is None else pipe.file

    def _code(self) -> int:
        """The code of the ended child; ChildProcessError when it cannot be known."""
        code = self._started.code
        if code is None:
            raise ChildProcessError(errno.ECHILD, _LOST.format(pid=self.pid))
        return code

    def poll(self) -> int | None:
        """Look whether the child has ended, without waiting.

        Returns:
            The return code, or None while it runs.

        Raises:
            ChildProcessError: as :meth:`wait`.
        """
        return self._code() if self._started.poll() else None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; the GIL is released, and Ctrl-C is answered at once.

        Args:
            timeout: seconds; None waits for ever, a negative value counts as 0.

        Returns:
            The exit status, or minus the number of the signal that ended it.

        Raises:
            subprocess.TimeoutExpired: the child still runs.
            ChildProcessError: it has ended, and its status cannot be known: other code of this process took it
                (``os.wait()`` for any child, or SIGCHLD ignored) and the kernel, before Linux 6.15, does not keep it.
                subprocess answers 0 there, which is a guess; ``returncode`` stays None. Also raised for a child of a
                parent process.
            ValueError: `timeout` is nan.
        """
        if not self._started.wait(_core.deadline(timeout)):
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        return self._code()

    def send_signal(self, sig: int) -> None:
        """Send a signal; nothing happens when the child has ended.

        Raises:
            OSError: EINVAL: no such signal; EPERM: the program has changed its user.
        """
        self._started.signal(sig)

    def terminate(self) -> None:
        """Ask the child to end (SIGTERM)."""
        self.send_signal(_SIGTERM)

    def kill(self) -> None:
        """End the child (SIGKILL); :meth:`wait` tells when it is gone."""
        self.send_signal(_SIGKILL)

    def communicate(
        self, input: Buffer | None = None, timeout: float | None = None
    ) -> tuple[bytes | None, bytes | None]:
        """Send `input`, collect all output, and wait for the end; natively and all at once, so that nothing blocks.

        Args:
            input: bytes for the child, which had ``stdin=PIPE``. A child that stops reading is no error.
            timeout: seconds; None waits for ever, a negative value counts as 0.

        Returns:
            What came from stdout and from stderr; None for one that is not a pipe. A status that was taken elsewhere
            does not lose them: ``returncode`` is None then.

        Raises:
            subprocess.TimeoutExpired: with the output until then; communicate may be called again and loses nothing.
            ValueError: input when the child has no open stdin pipe, or on a later call.
            RuntimeError: another thread is communicating with this child.
        """
        deadline = _core.deadline(timeout)
        if not self._communicating.acquire(blocking=False):
            raise RuntimeError("another thread is communicating with this child")
        try:
            return self._communicate(input, timeout, deadline)
        finally:
            self._communicating.release()

    def _communicate(
        self, input: Buffer | None, timeout: float | None, deadline: int
    ) -> tuple[bytes | None, bytes | None]:
        if self._relay is None:
            self._relay = self._make_relay(input)
        elif input:
            raise ValueError("Cannot send input after starting communication")
        self._close_ended()
        while ended := self._relay.run(deadline):
            self._ended |= ended
            self._close_ended()
        if ended is None or not self._started.wait(deadline):
            output, errors = self._said(1), self._said(2)
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0, output or None, errors or None)
        return self._said(1), self._said(2)

    def _close_ended(self) -> None:
        """Close the pipes whose stream has ended; what an error kept from being closed is closed at the next call."""
        for number, pipe in enumerate(self._pipes):
            if pipe is not None and self._ended >> number & 1 and pipe.fd >= 0:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    def _make_relay(self, data: Buffer | None) -> _core.Relay:
        view = input_view(data)
        stdin, stdout, stderr = self._pipes
        if view and (stdin is None or stdin.fd < 0):
            raise ValueError("input needs an open pipe to the child: give stdin=PIPE, and do not close it")
        if stdin is not None and stdin.fd >= 0:
            stdin.flush()
        for number, pipe in ((1, stdout), (2, stderr)):
            if pipe is not None and pipe.fd >= 0:
                self._read_before[number] = pipe.take_buffered()
        fds = [-1 if pipe is None else pipe.fd for pipe in self._pipes]
        return _core.Relay(fds[0], fds[1], fds[2], view)

    def _said(self, number: int) -> bytes | None:
        if self._pipes[number] is None or self._relay is None:
            return None
        return self._read_before[number] + self._relay.text(number)

    @property
    def usage(self) -> Usage:
        """What the child has used of the machine: until now while it runs, in all once its end is known.

        The figures at the end are the kernel's (``waitid(2)``) and include the children that it waited for. They stay.
        """
        try:
            return self._read_usage()
        except ProcessLookupError:  # reaped elsewhere between two looks
            self._started.poll()
            return self._read_usage()

    def _read_usage(self) -> Usage:
        handle = self._started
        final, user, system, voluntary, involuntary, minor, major, max_rss = handle.usage()
        unknown = {"gil_wait_s": "a program that has no GIL, or one that conc cannot see"}
        unknown["run_delay_s"] = "the kernel tells it for each thread and forgets it with the thread"
        if not final:
            unknown["voluntary"] = unknown["involuntary"] = "told at the end only"
        if max_rss is None and not final:
            unknown["max_rss_bytes"] = "the child is ending: it has no memory any more"
        if final and user is None:
            reason = "the status was taken elsewhere, and the usage with it: os.wait(), or SIGCHLD is ignored"
            for name in ("user_s", "system_s", "voluntary", "involuntary", "minor_faults", "major_faults"):
                unknown[name] = reason
            unknown["max_rss_bytes"] = reason
        before = handle.parent_max_rss_bytes
        if final and max_rss is not None and (before is None or max_rss <= before + _RSS_SLACK_BYTES):
            unknown["max_rss_bytes"] = (
                f"at most {max_rss}: until it executes a child counts the memory of its parent, which had that much"
            )
            max_rss = None
        wall, reason = self._wall_s(handle)
        if wall is None:
            unknown["wall_s"] = reason
        return Usage(
            wall_s=wall,
            user_s=None if user is None else user / 1e9,
            system_s=None if system is None else system / 1e9,
            voluntary=voluntary,
            involuntary=involuntary,
            minor_faults=minor,
            major_faults=major,
            max_rss_bytes=max_rss,
            source="waitid(2), at the end" if final else "/proc/<pid>/stat and status, until now",
            unknown=unknown,
        )

    @staticmethod
    def _wall_s(handle: _core.ChildHandle) -> tuple[float | None, str]:
        """Seconds from start to end; None, and why, when nobody was there to see the end."""
        start, window = handle.started_ns, handle.end_between_ns
        if window is None:
            return (time.monotonic_ns() - start) / 1e9, ""
        alive, noticed = window
        if noticed - alive <= max(_END_TOLERANCE_NS, _END_TOLERANCE_SHARE * (noticed - start)):
            return (noticed - start) / 1e9, ""
        return None, (
            f"nobody was waiting when it ended, between {(alive - start) / 1e9:.6f} and {(noticed - start) / 1e9:.6f} "
            "seconds after its start"
        )

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        patience_s = _SIGINT_GRACE_S if exc_type is not None and issubclass(exc_type, KeyboardInterrupt) else None
        try:
            for number in (1, 2, 0):  # stdin last: it alone may have something to send, and fail at it
                pipe = self._pipes[number]
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()
        except KeyboardInterrupt:
            patience_s = _SIGINT_GRACE_S
            raise
        finally:
            self._started.wait(_core.deadline(patience_s))

    def __del__(self, _warn: Any = warnings.warn) -> None:
        handle = self._handle
        if handle is None or handle.ended or self._kills_on_drop:
            return
        try:
            handle.poll()
        except ChildProcessError:  # a copy, in a process forked from the parent
            return
        _warn(f"child {handle.pid} was dropped before its end was waited for", ResourceWarning, source=self)

    def __repr__(self) -> str:
        state = "not started" if self._handle is None else f"pid: {self.pid} returncode: {self.returncode}"
        return f"<{type(self).__name__}: {state} args: {getattr(self, 'args', None)!r}>"


def spawn(
    args: Args,
    *,
    stdin: Stream = None,
    stdout: Stream = None,
    stderr: Stream = None,
    cwd: StrPath | None = None,
    env: Env | None = None,
) -> Child:
    """Start a program and return at once, with the :class:`Child`.

    The child is made without copying this process's memory, so the cost does not grow with it. It gets descriptors 0,
    1 and 2 and no other, the calling thread's signal mask, and default handlers.

    Args:
        args: the program and its arguments; a plain str, bytes or path is a program without arguments. Without a "/"
            it is looked for in the folders of PATH (of `env`, if given).
        stdin: None (this process's), PIPE, DEVNULL, a file or a descriptor.
        stdout: the same.
        stderr: the same, or STDOUT: where stdout goes.
        cwd: the folder to start in; a relative program is looked for from there.
        env: the whole environment; None: this process's.

    Raises:
        FileNotFoundError, PermissionError, NotADirectoryError, OSError: the step that failed, and its file: the
            program ("execute program"), `cwd` ("change directory of new process"), a descriptor, or the system's
            limits ("create process"). Nothing is left behind.
        TypeError, ValueError: an argument that cannot be, named with its place.

    Source: clone(2), pidfd_send_signal(2), waitid(2).

    Example:
        >>> import conc
        >>> child = conc.spawn(["echo", "hello"], stdout=conc.PIPE)
        >>> child.communicate()
        (b'hello\\n', None)
        >>> child.returncode
        0
    """
    return Child(args, stdin=stdin, stdout=stdout, stderr=stderr, cwd=cwd, env=env)


def _give_up(child: Child, error: BaseException) -> None:
    """Leave no process behind. After Ctrl-C the child may be ending by itself: let it."""
    if child._handle is None or child._handle.ended:
        return
    if isinstance(error, KeyboardInterrupt):
        with contextlib.suppress(KeyboardInterrupt):  # once more: then at once
            child._started.wait(_core.deadline(_SIGINT_GRACE_S))
    child.kill()
    child._started.wait(_core.deadline(None))


def run(
    args: Args,
    *,
    stdin: Stream = None,
    input: Buffer | None = None,
    stdout: Stream = None,
    stderr: Stream = None,
    capture_output: bool = False,
    timeout: float | None = None,
    check: bool = False,
    cwd: StrPath | None = None,
    env: Env | None = None,
) -> CompletedProcess:
    """Run a program to its end: ``subprocess.run`` for bytes, with the usage of what ran.

    Args:
        args, stdin, stdout, stderr, cwd, env: as in :func:`spawn`.
        input: bytes for its standard input.
        capture_output: keep what it writes to stdout and stderr.
        timeout: seconds after which it is killed; a negative value counts as 0.
        check: raise when the return code is not 0.

    Returns:
        CompletedProcess: args, returncode, stdout, stderr, usage.

    Raises:
        subprocess.TimeoutExpired: with the output until then; the child has been killed and reaped.
        subprocess.CalledProcessError: with `check`.
        ChildProcessError: it ended, and its status was taken elsewhere (see :meth:`Child.wait`).
        What :func:`spawn` raises. On Ctrl-C, too, the child is gone before the exception leaves.

    Example:
        >>> import conc
        >>> conc.run(["cat"], input=b"hello", capture_output=True).stdout
        b'hello'
    """
    if input is not None:
        if stdin is not None:
            raise ValueError("stdin and input may not both be given")
        input_view(input)
        stdin = PIPE
    if capture_output:
        if stdout is not None or stderr is not None:
            raise ValueError("stdout and stderr may not be given with capture_output")
        stdout = stderr = PIPE
    _core.deadline(timeout)  # a wrong timeout starts nothing

    child = Child.__new__(Child)
    try:
        child._start(args, stdin, stdout, stderr, cwd, env, kill_on_drop=True)
        with child:
            try:
                output, errors = child.communicate(input, timeout)
            except BaseException as error:
                _give_up(child, error)
                raise
            code = child._code()
            if check and code != 0:
                raise subprocess.CalledProcessError(code, child.args, output, errors)
            return CompletedProcess(child.args, code, output, errors, usage=child.usage)
    except BaseException as error:  # a signal handler may raise between any two of these lines
        _give_up(child, error)
        for pipe in getattr(child, "_pipes", ()):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        raise
