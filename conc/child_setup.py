"""What a child process is given: its arguments and environment as the system's bytes, its standard descriptors.

Used by :mod:`conc.processes`; every function refuses what cannot be, naming the argument.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeAlias, cast

if sys.version_info >= (3, 12):
    from collections.abc import Buffer
else:
    Buffer: TypeAlias = bytes | bytearray | memoryview

PIPE = subprocess.PIPE
DEVNULL = subprocess.DEVNULL
STDOUT = subprocess.STDOUT


class HasFileno(Protocol):
    """An open file, or anything else with a descriptor."""

    def fileno(self) -> int: ...


StrPath: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]
Args: TypeAlias = StrPath | Iterable[StrPath]
Stream: TypeAlias = int | HasFileno | None
File: TypeAlias = "io.BufferedReader[io.FileIO] | io.BufferedWriter[io.FileIO]"
Env: TypeAlias = Mapping[str, str] | Mapping[bytes, bytes] | Mapping[Any, Any]


class Pipe:
    """Our end of a pipe to the child; it becomes a buffered file when somebody asks for one while it is open.

    Until then it is a bare descriptor, which is closed without memory: a FileIO that finds none loses its own.
    """

    __slots__ = ("_fd", "_file", "_lock", "_mode", "_raw")

    def __init__(self, mode: str) -> None:
        self._fd = -1  # ours, and not yet the raw file's
        self._mode = mode
        self._file: File | None = None
        self._raw = io.FileIO.__new__(io.FileIO)  # closed until it is given the descriptor, in place
        self._lock = threading.RLock()  # a signal handler may ask for the file while its thread makes it

    def give(self, fd: int) -> None:
        self._fd = fd

    def __del__(self) -> None:
        fd = getattr(self, "_fd", -1)
        if fd >= 0 and self._raw.closed:
            self._fd = -1
            os.close(fd)  # before anything that may find no memory
            warnings.warn(f"unclosed pipe to a child (descriptor {fd})", ResourceWarning, stacklevel=2, source=self)

    @property
    def file(self) -> File:
        if self._file is None:
            with self._lock:
                self._make()
        assert self._file is not None
        return self._file

    def _make(self) -> None:
        """A signal handler that makes the file, closes it or raises may come between any two steps."""
        buffered = io.BufferedWriter if self._mode == "w" else io.BufferedReader
        # Looked at and done in one expression: handlers run between calls.
        _ = self._fd >= 0 and self._raw.closed and self._raw.__init__(self._fd, self._mode)  # type: ignore[misc]
        if not self._raw.closed:
            self._fd = -1
        if self._file is not None:
            return
        if self._raw.closed:
            closed = buffered(io.BytesIO())
            closed.close()
            self._file = cast(File, closed)
            return
        made = None
        try:
            made = buffered(self._raw)
            self._file = self._file or made
        finally:
            if made is not None and self._file is not made:
                made.detach()  # dropped as it is, it would close the raw file

    @property
    def fd(self) -> int:
        """-1 when it is closed."""
        fd = self._fd
        if fd >= 0:
            return fd
        return -1 if self._raw.closed else self._raw.fileno()

    def close(self) -> None:
        with self._lock:
            fd, self._fd = self._fd, -1
            if fd >= 0 and self._raw.closed:
                os.close(fd)
            else:
                (self._file or self._raw).close()

    def flush(self) -> None:
        """Send what the user has written. A child that does not read any more is no error here."""
        if self._file is not None:
            with contextlib.suppress(BrokenPipeError):
                self._file.flush()

    def take_buffered(self) -> bytes:
        """What the user's own reads have taken from the pipe and not yet handed out."""
        if not isinstance(self._file, io.BufferedReader):
            return b""
        fd = self.fd
        blocking = os.get_blocking(fd)
        os.set_blocking(fd, False)  # read1() asks the pipe when it has nothing itself
        try:
            return self._file.read1() or b""
        finally:
            os.set_blocking(fd, blocking)


class Stdio:
    """The child's three descriptors: what to hand over, and what to close when."""

    def __init__(self, stdin: Stream, stdout: Stream, stderr: Stream) -> None:
        self.pipes: list[Pipe | None] = [None, None, None]
        self.fds = [-1, -1, -1]
        self._theirs = [-1, -1, -1]  # places that are there already: to note and to close takes no memory
        try:
            self.fds[0] = self._open(0, stdin, "stdin")
            self.fds[1] = self._open(1, stdout, "stdout")
            if isinstance(stderr, int) and stderr == STDOUT:
                self.fds[2] = 1 if self.fds[1] == -1 else self.fds[1]
            else:
                self.fds[2] = self._open(2, stderr, "stderr")
        except BaseException:
            self.close_theirs()
            self.close_ours()
            raise

    def _open(self, number: int, stream: Stream, name: str) -> int:
        if stream is None:
            return -1
        if not isinstance(stream, int):
            fileno = getattr(stream, "fileno", None)
            if fileno is None:
                raise TypeError(
                    f"{name} must be None, PIPE, DEVNULL, a file or a descriptor, not {type(stream).__name__}"
                )
            return int(fileno())
        if stream == PIPE:
            pipe = self.pipes[number] = Pipe("w" if number == 0 else "r")  # before there is anything to lose
            reads, writes = os.pipe()
            ours, theirs = (writes, reads) if number == 0 else (reads, writes)
            pipe.give(ours)
            self._theirs[number] = theirs
            return theirs
        if stream == DEVNULL:
            self._theirs[number] = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
            return self._theirs[number]
        if stream < 0:
            hint = ": only stderr can be STDOUT" if stream == STDOUT else ""
            raise ValueError(f"{name} must be a descriptor >= 0, PIPE or DEVNULL, not {stream}{hint}")
        return stream

    def close_theirs(self) -> None:
        number = 0
        while number < 3:
            fd = self._theirs[number]
            if fd >= 0:
                self._theirs[number] = -1
                os.close(fd)
            number += 1

    def close_ours(self) -> None:
        """Close our ends, which nobody else has yet: without memory, and so without a lock."""
        number = 0
        while number < 3:
            pipe = self.pipes[number]
            if pipe is not None and pipe._fd >= 0:
                fd = pipe._fd
                pipe._fd = -1
                os.close(fd)
            number += 1


def encoded(value: StrPath, name: str) -> bytes:
    """`value` as the system's bytes; `name` is for the message."""
    try:
        data = os.fsencode(value)
    except TypeError:
        raise TypeError(f"{name} must be str, bytes or os.PathLike, not {type(value).__name__}") from None
    if b"\0" in data:
        raise ValueError(f"{name} must not hold a NUL byte: {value!r}")
    return data


def encoded_args(args: Args) -> list[bytes]:
    """The program and its arguments."""
    if isinstance(args, (str, bytes, os.PathLike)):
        return [encoded(args, "args")]
    try:
        items = list(args)
    except TypeError:
        raise TypeError(
            f"args must be a program's name or an iterable of it and its arguments, not {type(args).__name__}"
        ) from None
    if not items:
        raise ValueError("args must not be empty: give the program and its arguments, such as ['sleep', '1']")
    return [encoded(item, f"args[{i}]") for i, item in enumerate(items)]


def encoded_env(env: Env) -> dict[bytes, bytes]:
    """The variables; a later one of the same name wins."""
    if not isinstance(env, Mapping):
        raise TypeError(f"env must be a mapping of names to values, not {type(env).__name__}")
    variables: dict[bytes, bytes] = {}
    for key, value in env.items():
        name = encoded(key, f"env name {key!r}")
        if b"=" in name:
            raise ValueError(f"env name {key!r} must not hold '='")
        variables[name] = encoded(value, f"env[{key!r}]")
    return variables


def candidates_for(program: bytes, env: Mapping[bytes, bytes]) -> list[bytes]:
    """The files to try for `program`: itself when it names a folder, else in each folder of the child's PATH."""
    if b"/" in program:
        return [program]
    path = env.get(b"PATH", os.fsencode(os.defpath))
    return [os.path.join(folder, program) for folder in path.split(b":")]


def input_view(data: Buffer | None) -> memoryview | None:
    """`data` as flat bytes, not copied."""
    if data is None:
        return None
    try:
        return memoryview(data).cast("B")
    except TypeError:
        hint = ": there is no text mode, encode it" if isinstance(data, str) else ""
        raise TypeError(f"input must be contiguous bytes, not {type(data).__name__}{hint}") from None
