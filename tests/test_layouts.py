"""Finding the GIL of another process: every interpreter there is, what is none, and files that are anything."""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conc import _core
from conc.watching import layouts
from conc.watching.elf import ElfError, read_elf
from conc.watching.layouts import Mapping, ProcessLayout, UnknownLayout, find_layout, parse_maps, version_text

ROOT = Path(__file__).resolve().parent.parent

WAITS = "import os, sys; os.write(1, b'x'); sys.stdin.read()"
COMPUTES = "import os\nos.write(1, b'x')\nwhile True: pass"


@contextlib.contextmanager
def running(*command: str, **options: Any) -> Iterator[int]:
    """A process that has said that it has come so far."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.read(1) == b"x"
            yield process.pid
        finally:
            process.kill()


def until_row(found: ProcessLayout, wanted: tuple[bool, int | None]) -> list[tuple[int, bool, bool, int | None, int]]:
    """All GILs of the process, as soon as the first is (locked, holder)."""
    reader = _core.GilReader(found.pid, found.layout)
    while (rows := reader.read())[0][2:4] != wanted:
        pass
    return rows


# --- interpreters -------------------------------------------------------------------------------


@functools.cache
def interpreters() -> dict[str, str]:
    """name -> path of those that are here."""
    command = [sys.executable, str(ROOT / "tools" / "interpreters"), "--json", "--offline"]
    answer = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    return {row["name"]: row["path"] for row in answer if row["path"] is not None}


def check_interpreter(python: str, *options: str) -> ProcessLayout:
    """Its version, who has its GIL while it computes, and that nobody has it while it waits."""
    ask = "import sys, sysconfig; print(sys.hexversion, sysconfig.get_config_var('Py_GIL_DISABLED') or 0)"
    told = subprocess.run([python, "-c", ask], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    gil = told[1] == "0" or "gil=1" in options
    with running(python, *options, "-c", COMPUTES) as pid:
        found = find_layout(pid)
        assert (found.pid, found.hexversion, found.free_threaded) == (pid, int(told[0]), told[1] == "1")
        assert found.version == version_text(int(told[0]))
        assert found.file in Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")
        rows = until_row(found, (True, pid) if gil else (False, None))
        assert [row[:2] for row in rows] == [(0, gil)]
    with running(python, *options, "-c", WAITS) as pid:
        rows = until_row(find_layout(pid), (False, None))
        assert [row[:2] for row in rows] == [(0, gil)]
    return found


def test_this_interpreter() -> None:
    assert check_interpreter(sys.executable).hexversion == sys.hexversion


@pytest.mark.once
@pytest.mark.parametrize("name", ["3.11", "3.12", "3.13", "3.14", "3.15", "free-threaded", "debug"])
def test_every_interpreter(name: str) -> None:
    if name not in interpreters():
        pytest.skip(f"no interpreter {name} here (make interpreters)")
    check_interpreter(interpreters()[name])


@pytest.mark.once
def test_a_free_threaded_interpreter_with_its_gil_on() -> None:
    if "free-threaded" not in interpreters():
        pytest.skip("no free-threaded interpreter here (make interpreters)")
    check_interpreter(interpreters()["free-threaded"], "-X", "gil=1")


def test_what_is_found_of_ourselves_is_what_the_core_finds() -> None:
    assert find_layout(os.getpid()).layout == _core.gil_layout()


# --- what is none -------------------------------------------------------------------------------


def test_no_such_process() -> None:
    with pytest.raises(ProcessLookupError, match="no process 1073741823") as caught:
        find_layout(0x3FFFFFFF)
    assert caught.value.errno == errno.ESRCH


def test_a_process_that_has_ended() -> None:
    with subprocess.Popen(["/bin/true"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises((UnknownLayout, ProcessLookupError), match="ended"):
            find_layout(process.pid)


def test_a_program_that_is_no_python() -> None:
    with running("/bin/sh", "-c", "printf x; read line") as pid, pytest.raises(UnknownLayout, match="no CPython"):
        find_layout(pid)


def test_a_python_that_is_too_old_or_too_new(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(sys.executable, "-c", WAITS) as pid:
        monkeypatch.setattr(layouts, "_OLDEST", 0x7F000000)
        with pytest.raises(UnknownLayout, match=r"CPython 3\.\d+\.\d+.*3\.11 and later"):
            find_layout(pid)
        monkeypatch.undo()
        monkeypatch.setattr(layouts, "_version_of", lambda *_: 0x037F00F0)
        with pytest.raises(UnknownLayout, match=r"CPython 3\.127\.0: where this version keeps its GIL is not known"):
            find_layout(pid)
        monkeypatch.setattr(
            layouts, "_version_of", lambda *_: 0x030D00F0 if sys.version_info[:2] != (3, 13) else 0x030E00F0
        )
        with pytest.raises(UnknownLayout, match="its table of offsets"):
            find_layout(pid)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_another_users_process_takes_a_right() -> None:
    """Asked for by nobody; the answer names both users."""
    program = (
        "import os, sys\n"
        "from conc.watching import layouts\n"
        "os.setresgid(65534, 65534, 65534)\n"
        "os.setresuid(65534, 65534, 65534)\n"
        "try:\n"
        "    layouts.find_layout(int(sys.argv[1]))\n"
        "except PermissionError as error:\n"
        "    print(error)\n"
    )
    with running(sys.executable, "-c", WAITS) as pid:
        done = subprocess.run(
            [sys.executable, "-c", program, str(pid)], stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT
        )
    assert "takes the right to trace it" in done.stdout
    assert re.search(r"runs as user \S+ \(0\), and this one as user \S+ \(65534\)", done.stdout), done.stdout


def test_refusals_of_the_system_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(error: int) -> None:
        def read_memory(*_: object) -> bytes:
            raise OSError(error, os.strerror(error))

        monkeypatch.setattr(_core, "read_memory", read_memory)

    with running(sys.executable, "-c", WAITS) as pid:
        refuse(errno.EPERM)
        with pytest.raises(PermissionError, match="the right to trace it"):
            find_layout(pid)
        refuse(errno.EFAULT)
        with pytest.raises(UnknownLayout, match="no interpreter where its files say"):
            find_layout(pid)
        refuse(errno.ENOMEM)
        with pytest.raises(OSError, match="Cannot allocate memory"):
            find_layout(pid)
    refuse(errno.EFAULT)
    with pytest.raises(ProcessLookupError):
        find_layout(pid)


@pytest.mark.skipif(
    bool(sysconfig.get_config_var("Py_ENABLE_SHARED")), reason="its program is small, and the interpreter elsewhere"
)
def test_an_interpreter_whose_file_is_deleted(tmp_path: Path) -> None:
    """As after an upgrade: found all the same with the right to, else a reason."""
    copy = tmp_path / "python"
    shutil.copy2(os.path.realpath(sys.executable), copy)
    environment = {**os.environ, "PYTHONHOME": sys.base_prefix}
    with running(str(copy), "-c", WAITS, env=environment) as pid:
        copy.unlink()
        try:
            found = find_layout(pid)
        except UnknownLayout as error:
            assert "deleted" in str(error)  # noqa: PT017 - the one or the other, by what this user may
        else:
            assert found.hexversion == sys.hexversion
            assert found.file == f"{copy} (deleted)"


# --- texts and files ----------------------------------------------------------------------------


def test_versions_have_their_usual_names() -> None:
    assert [version_text(number) for number in (0x030D05F0, 0x030F00C1, 0x030E00B4, 0x030F00A7)] == [
        "3.13.5", "3.15.0rc1", "3.14.0b4", "3.15.0a7"
    ]  # fmt: skip


def test_maps_are_read_by_line() -> None:
    text = (
        "55d0c0000000-55d0c0001000 r--p 00000000 fd:00 123                        /usr/bin/a b (deleted)\n"
        "7f0000000000-7f0000001000 rw-p 00000000 00:00 0 \n"
        "7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0                          [stack]\n"
        "nonsense\n"
        "7f0000001000-7f0000002000 r-xp 00001000 fd:00 7 /lib/x.so\n"
    )
    assert parse_maps(text) == [
        Mapping(0x55D0C0000000, 0x55D0C0001000, 0, "/usr/bin/a b (deleted)"),
        Mapping(0x7F0000001000, 0x7F0000002000, 0x1000, "/lib/x.so"),
    ]


@pytest.mark.once
@given(st.text())
def test_maps_may_be_anything(text: str) -> None:
    assert all(mapping.path.startswith("/") for mapping in parse_maps(text))


def small_elf(symbol_names: bytes = b"\0_PyRuntime\0Py_Version\0", **header: int) -> bytes:
    """A library with one segment, a section .PyRuntime, and a table of two symbols: what the parser looks at."""
    sections = b"\0.PyRuntime\0.dynsym\0.dynstr\0.shstrtab\0"
    symbols = struct.pack("=IBBHQQ", 0, 0, 0, 0, 0, 0)
    symbols += struct.pack("=IBBHQQ", 1, 17, 0, 1, 0x5000, 8) + struct.pack("=IBBHQQ", 12, 17, 0, 1, 0x6000, 8)
    segments_at, symbols_at = 64, 64 + 56
    names_at = symbols_at + len(symbols)
    sections_at = names_at + len(symbol_names)
    table_at = sections_at + len(sections)
    rows = [
        (0, 0, 0, 0, 0, 0),
        (1, 1, 0x7000, 0, 0, 0),
        (12, 11, 0, symbols_at, len(symbols), 3),
        (20, 3, 0, names_at, len(symbol_names), 0),
        (28, 3, 0, sections_at, len(sections), 0),
    ]
    fields = {
        "kind": 3, "segments_at": segments_at, "table_at": table_at, "segment_bytes": 56, "segment_count": 1,
        "section_bytes": 64, "section_count": len(rows), "names": 4, **header,
    }  # fmt: skip
    identity = b"\x7fELF" + bytes([2, 1 if sys.byteorder == "little" else 2, 1]) + bytes(9)
    head = struct.pack(
        "=16sHHIQQQIHHHHHH", identity, fields["kind"], 62, 1, 0, fields["segments_at"], fields["table_at"], 0, 64,
        fields["segment_bytes"], fields["segment_count"], fields["section_bytes"], fields["section_count"],
        fields["names"],
    )  # fmt: skip
    segment = struct.pack("=IIQQQQQQ", 1, 5, 0, 0x1000, 0x1000, 4096, 4096, 4096)
    table = b"".join(
        struct.pack("=IIQQQQIIQQ", name, kind, 0, at, offset, size, link, 0, 1, 0)
        for name, kind, at, offset, size, link in rows
    )
    return head + segment + symbols + symbol_names + sections + table


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("elf") / "file"


def look(file: Path, content: bytes) -> tuple[dict[str, int], dict[str, int]]:
    file.write_bytes(content)
    elf = read_elf(file, ("PyRuntime", ".PyRuntime"), ("_PyRuntime", "Py_Version"))
    return elf.sections, elf.symbols


def test_symbols_and_sections_are_found(file: Path) -> None:
    found = ({".PyRuntime": 0x7000}, {"_PyRuntime": 0x5000, "Py_Version": 0x6000})
    assert look(file, small_elf()) == found
    elf = read_elf(file)
    assert elf.position_independent
    assert (elf.sections, elf.symbols) == ({}, {})
    assert elf.bias(0x7F0000000000, 4096) == 0x7F0000000000 - 0x1000
    assert look(file, small_elf(kind=2)) == found
    assert read_elf(file).bias(0x400000, 4096) == 0
    assert look(file, small_elf(section_count=0)) == ({}, {})
    assert look(file, small_elf(names=77)) == ({}, found[1])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "beyond the end"),
        (b"#!/bin/sh\n" * 20, "no ELF"),
        (b"\x7fELF\x01\x01" + bytes(80), "64 bits"),
        (small_elf(kind=1), "neither"),
        (small_elf(segment_count=0), "nothing of it is loaded"),
        (small_elf(segment_bytes=32), "rows of 32 bytes"),
        (small_elf(table_at=1 << 62), "beyond the end"),
        (small_elf(table_at=(1 << 64) - 8), "cannot be"),
        (small_elf()[:-1], "beyond the end"),
    ],
)
def test_what_makes_no_sense_is_an_error(file: Path, content: bytes, words: str) -> None:
    with pytest.raises(ElfError, match=words):
        look(file, content)


@pytest.mark.once
@given(st.data())
@settings(max_examples=300)
def test_a_file_may_be_anything(file: Path, data: st.DataObject) -> None:
    """Bytes that are changed at some places: found, or an error, and nothing else."""
    content = bytearray(small_elf(data.draw(st.binary(max_size=40))))
    places = st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255))
    for at, byte in data.draw(st.lists(places, max_size=12)):
        content[at] = byte
    with contextlib.suppress(ElfError):
        sections, symbols = look(file, bytes(content[: data.draw(st.integers(0, len(content)))] or content))
        assert sections.keys() <= {"PyRuntime", ".PyRuntime"}
        assert symbols.keys() <= {"_PyRuntime", "Py_Version"}


def test_of_the_real_interpreter_all_is_found() -> None:
    """In this very program or its library."""
    maps = parse_maps(Path("/proc/self/maps").read_text(encoding="utf-8"))
    files = sorted(
        {mapping.path for mapping in maps if "python" in mapping.path and not mapping.path.endswith("(deleted)")}
    )
    found: dict[str, int] = {}
    for path in files:
        with contextlib.suppress(ElfError, FileNotFoundError):
            found |= read_elf(path, (), ("_PyRuntime", "Py_Version")).symbols
    assert found.keys() == {"_PyRuntime", "Py_Version"}
