"""Where a program's or library's symbols and sections are, out of its ELF file: what finding an interpreter takes.

Source: elf(5). 64 bits, the byte order of this machine. The file may be anything: what makes no sense is an `ElfError`.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_MAGIC = b"\x7fELF"
_CLASS_64 = 2
_BYTE_ORDER = 1 if sys.byteorder == "little" else 2
_ET_EXEC, _ET_DYN = 2, 3
_PT_LOAD = 1
_SHT_SYMTAB, _SHT_DYNSYM = 2, 11
_SHN_UNDEF = 0

_HEADER = struct.Struct("=16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("=IIQQQQQQ")
_SECTION = struct.Struct("=IIQQQQIIQQ")
_SYMBOL = struct.Struct("=IBBHQQ")

_MAX_TABLE_BYTES = 64 << 20
"""Larger than any table of symbols or names of an interpreter."""


class ElfError(ValueError):
    """The file is no ELF file of this machine's kind, or not a whole one."""


@dataclass(frozen=True, slots=True)
class Elf:
    """What was looked for in a file. Addresses are as in the file: see `bias`."""

    position_independent: bool
    first_segment: tuple[int, int]
    """(file offset, address) of the first part that is loaded."""
    sections: dict[str, int]
    """Those sections that are there and loaded -> address."""
    symbols: dict[str, int]
    """Those symbols that are defined there -> address."""

    def bias(self, start: int, page_bytes: int) -> int:
        """What to add to an address when the page of the first segment is mapped at `start`."""
        return start - self.first_segment[1] // page_bytes * page_bytes if self.position_independent else 0


@dataclass(frozen=True, slots=True)
class _Section:
    name: int
    kind: int
    address: int
    offset: int
    size: int
    link: int


class _File:
    """A file read in pieces, each whole or an error."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, offset: int, size: int, what: str) -> bytes:
        if size > _MAX_TABLE_BYTES or offset > sys.maxsize - size:
            raise ElfError(f"{what}: {size} bytes at {offset} cannot be")
        pieces = []
        while size > 0:
            piece = os.pread(self._descriptor, size, offset)
            if not piece:
                raise ElfError(f"{what} goes beyond the end of the file")
            pieces.append(piece)
            offset += len(piece)
            size -= len(piece)
        return b"".join(pieces)

    def table(
        self, row: struct.Struct, offset: int, count: int, row_bytes: int, what: str
    ) -> Iterable[tuple[int, ...]]:
        if count > 0 and row_bytes != row.size:
            raise ElfError(f"{what} has rows of {row_bytes} bytes, not {row.size}")
        return row.iter_unpack(self.read(offset, count * row.size, what))


def read_elf(path: str | Path, sections: Iterable[str] = (), symbols: Iterable[str] = ()) -> Elf:
    """Look for sections and symbols in the file `path`.

    Raises:
        ElfError: it is none, or damaged.
        OSError: it cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        return _read(_File(descriptor), set(sections), set(symbols))
    finally:
        os.close(descriptor)


def _read(file: _File, wanted_sections: set[str], wanted_symbols: set[str]) -> Elf:
    header = _HEADER.unpack(file.read(0, _HEADER.size, "the header"))
    identity, kind = header[0], header[1]
    segments_at, sections_at = header[5], header[6]
    segment_bytes, segment_count, section_bytes, section_count, names_index = header[9:14]
    if not identity.startswith(_MAGIC):
        raise ElfError("no ELF file")
    if identity[4] != _CLASS_64 or identity[5] != _BYTE_ORDER:
        raise ElfError("not of 64 bits and this machine's byte order")
    if kind not in (_ET_EXEC, _ET_DYN):
        raise ElfError("neither a program nor a library")
    segments = file.table(_SEGMENT, segments_at, segment_count, segment_bytes, "the table of segments")
    first = next(((row[2], row[3]) for row in segments if row[0] == _PT_LOAD), None)
    if first is None:
        raise ElfError("nothing of it is loaded")
    rows = file.table(_SECTION, sections_at, section_count, section_bytes, "the table of sections")
    table = [_Section(row[0], row[1], row[3], row[4], row[5], row[6]) for row in rows]
    return Elf(
        position_independent=kind == _ET_DYN,
        first_segment=first,
        sections=_find_sections(file, table, names_index, wanted_sections),
        symbols=_find_symbols(file, table, wanted_symbols),
    )


def _find_sections(file: _File, table: list[_Section], names_index: int, wanted: set[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    if not wanted or names_index >= len(table):
        return found
    names = _contents(file, table[names_index], "the names of sections")
    for section in table:
        name = _text(names, section.name)
        if name in wanted and section.address != 0:
            found.setdefault(name, section.address)
    return found


def _find_symbols(file: _File, table: list[_Section], wanted: set[str]) -> dict[str, int]:
    """From the table that every stripped file keeps, and what that lacks from the other one."""
    found: dict[str, int] = {}
    for kind in (_SHT_DYNSYM, _SHT_SYMTAB):
        section = next((section for section in table if section.kind == kind), None)
        if section is None or section.link >= len(table) or wanted <= found.keys():
            continue
        names = _contents(file, table[section.link], "the names of symbols")
        offsets = {at: name for name in wanted - found.keys() for at in _places(names, name)}
        symbols = _contents(file, section, "a table of symbols")
        for row in _SYMBOL.iter_unpack(symbols[: len(symbols) // _SYMBOL.size * _SYMBOL.size]):
            name = offsets.get(row[0])
            if name is not None and row[3] != _SHN_UNDEF:
                found.setdefault(name, row[4])
    return found


def _contents(file: _File, section: _Section, what: str) -> bytes:
    return file.read(section.offset, section.size, what)


def _text(names: bytes, at: int) -> str:
    end = names.find(b"\0", at)
    return names[at:end].decode("ascii", "replace") if end >= 0 else ""


def _places(names: bytes, name: str) -> Iterable[int]:
    """Where in a table of names a name stands: by itself, or as the end of a longer one, which linkers share."""
    ended = name.encode("ascii") + b"\0"
    at = names.find(ended)
    while at >= 0:
        yield at
        at = names.find(ended, at + 1)
