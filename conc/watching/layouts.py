"""Where another process's CPython keeps its GIL: found in its memory map, the interpreter's file and its memory.

The steps: which file of the process is the interpreter (`/proc/<pid>/maps`), where in it `_PyRuntime` and the version
stand (`elf`), what the process has there (process_vm_readv(2)), and what that means (csrc/watch/gil_layout.c).
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from conc import _core
from conc.watching import permission
from conc.watching.elf import Elf, ElfError, read_elf
from conc.watching.proc_file import content

_HEAD_BYTES = 256
_COOKIE = b"xdebugpy"
_SECTIONS = ("PyRuntime", ".PyRuntime")
_SYMBOLS = ("_PyRuntime", "Py_Version")
_LIBRARY = re.compile(r"/libpython3[^/]*\.so[^/]*$")
_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) \S+ ([0-9a-f]+) \S+ \d+ *(\S.*)?")
_OLDEST = 0x030B0000


class UnknownLayout(Exception):
    """The process is not one whose GIL can be read. The message says why, fit to be shown as the reason."""


@dataclass(frozen=True, slots=True)
class ProcessLayout:
    """The interpreter of a process."""

    pid: int
    hexversion: int
    """As its `sys.hexversion`."""
    free_threaded: bool
    """A build whose GIL may be off."""
    file: str
    """The executable or library that holds the interpreter, as the process names it."""
    runtime: int
    """Address of `_PyRuntime`."""
    layout: bytes
    """For the core's GilReader."""

    @property
    def version(self) -> str:
        """Such as "3.13.5"."""
        return version_text(self.hexversion)


@dataclass(frozen=True, slots=True)
class Mapping:
    """One line of `/proc/<pid>/maps` that is of a file."""

    start: int
    end: int
    offset: int
    path: str


def version_text(hexversion: int) -> str:
    """ "3.15.0rc1" for 0x030f00c1."""
    text = f"{hexversion >> 24 & 255}.{hexversion >> 16 & 255}.{hexversion >> 8 & 255}"
    level = {0xA: "a", 0xB: "b", 0xC: "rc"}.get(hexversion >> 4 & 15)
    return text if level is None else f"{text}{level}{hexversion & 15}"


def parse_maps(text: str) -> list[Mapping]:
    """The mappings of files; lines of any other form are passed over."""
    found = []
    for line in text.splitlines():
        match = _MAPPING.fullmatch(line)
        if match is not None and (path := match[4] or "").startswith("/"):
            found.append(Mapping(int(match[1], 16), int(match[2], 16), int(match[3], 16), path))
    return found


def find_layout(pid: int) -> ProcessLayout:
    """The interpreter of process `pid`, and where it keeps its GIL.

    Raises:
        ProcessLookupError: there is no such process (any more).
        PermissionError: its memory may not be read; the message says what that takes.
        UnknownLayout: it runs no CPython, or one whose structures are not known here.
    """
    with _explained(pid):
        mappings = parse_maps(content(f"/proc/{pid}/maps").decode(errors="surrogateescape"))
        if not mappings:
            raise UnknownLayout(f"process {pid} has no memory: it has ended, or it is the kernel's")
        reasons = []
        for parts in _candidates(pid, mappings):
            try:
                return _interpreter_in(pid, parts)
            except (ElfError, UnknownLayout) as error:
                reasons.append(f"{parts[0].path}: {error}")
    raise UnknownLayout("; ".join(reasons) or f"process {pid} runs no CPython: no file of it looks like one")


def _candidates(pid: int, mappings: list[Mapping]) -> Iterator[list[Mapping]]:
    """The mappings of each file that may hold the interpreter: a library of its own comes before the program."""
    program = os.readlink(f"/proc/{pid}/exe")
    files: dict[str, list[Mapping]] = {}
    for mapping in mappings:
        files.setdefault(mapping.path, []).append(mapping)
    yield from (parts for path, parts in files.items() if _LIBRARY.search(path))
    if program in files and not _LIBRARY.search(program):
        yield files[program]


def _open_file(pid: int, part: Mapping) -> Elf:
    """The file behind a mapping. The process may see other files under its name than we do, or it may be deleted."""
    error: OSError | None = None
    for path in (
        f"/proc/{pid}/map_files/{part.start:x}-{part.end:x}",  # the very file; takes a right that few have
        f"/proc/{pid}/root{part.path}",
    ):
        try:
            return read_elf(path, _SECTIONS, _SYMBOLS)
        except OSError as failed:
            error = failed
    assert error is not None
    if error.errno == errno.ENOENT and os.path.exists(f"/proc/{pid}"):
        raise UnknownLayout("the file is deleted, and reading it all the same takes root") from error
    raise error


def _interpreter_in(pid: int, parts: list[Mapping]) -> ProcessLayout:
    elf = _open_file(pid, parts[0])
    address = elf.symbols.get("_PyRuntime") or next(iter(elf.sections.values()), None)
    if address is None:
        raise UnknownLayout("no CPython: it has no _PyRuntime")
    page = os.sysconf("SC_PAGESIZE")
    start = next((part.start for part in parts if part.offset == elf.first_segment[0] // page * page), None)
    if start is None:
        raise UnknownLayout("the process has not mapped its beginning")
    bias = elf.bias(start, page)
    runtime = bias + address
    head = _core.read_memory(pid, runtime, _HEAD_BYTES)
    hexversion = _version_of(pid, elf, bias, head)
    if hexversion < _OLDEST:
        raise UnknownLayout(f"CPython {version_text(hexversion)}: conc reads the GIL of 3.11 and later")
    try:
        layout = _core.gil_layout_of(runtime, hexversion, head)
    except OSError as error:
        why = {
            errno.ENOTSUP: "where this version keeps its GIL is not known",
            errno.EBADMSG: "its table of offsets is not what this version should have",
        }
        raise UnknownLayout(f"CPython {version_text(hexversion)}: {why.get(error.errno or 0, error)}") from error
    free_threaded = head.startswith(_COOKIE) and head[16] == 1
    return ProcessLayout(pid, hexversion, free_threaded, parts[0].path, runtime, layout)


def _version_of(pid: int, elf: Elf, bias: int, head: bytes) -> int:
    """Py_Version, which 3.11 and later export, or what the table of offsets says, which 3.13 and later have."""
    if "Py_Version" in elf.symbols:
        (version,) = struct.unpack("=Q", _core.read_memory(pid, bias + elf.symbols["Py_Version"], 8))
    elif head.startswith(_COOKIE):
        (version,) = struct.unpack_from("=Q", head, len(_COOKIE))
    else:
        raise UnknownLayout("a CPython before 3.11, or one that does not tell its version")
    return int(version) & 0xFFFFFFFF


@contextlib.contextmanager
def _explained(pid: int) -> Iterator[None]:
    """Turns what the system says of a process into what its user can do."""
    try:
        yield
    except (ProcessLookupError, FileNotFoundError) as error:
        raise ProcessLookupError(errno.ESRCH, f"there is no process {pid}, or it has ended") from error
    except PermissionError as error:
        raise PermissionError(
            error.errno, f"reading process {pid} takes the right to trace it: {permission.trace_refusal(pid)}"
        ) from error
    except OSError as error:
        if not os.path.exists(f"/proc/{pid}"):
            raise ProcessLookupError(errno.ESRCH, f"process {pid} has ended") from error
        if error.errno == errno.EFAULT:
            raise UnknownLayout(f"process {pid} has no interpreter where its files say: {error}") from error
        raise
