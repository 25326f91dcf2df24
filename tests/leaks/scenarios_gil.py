"""Leak scenarios: the GIL's status, and who has it."""

from __future__ import annotations

import os
import struct

from leak_table import covers, refused
from scenarios_results import read_everything

import conc
from conc import _core


@covers("conc.gil_status", "conc.GilStatus", "conc.GilStatus.*")
def gil_status() -> None:
    status = conc.gil_status()
    assert isinstance(status, conc.GilStatus)
    read_everything(status)


@covers(
    *("conc._core.GilReader", "conc._core.GilReader.*", "conc._core.gil_layout", "conc._core.gil_layout_of"),
    *("conc._core.read_memory", "conc._core.module_needs_gil", "conc._core.interpreter_id"),
)
def gil_reader() -> None:
    layout = _core.gil_layout()
    assert isinstance(layout, bytes)
    reader = _core.GilReader(0, layout)
    reader.refresh()
    assert reader.read() != []
    assert reader.interpreter_at(8) is None
    refused(OverflowError, reader.interpreter_at, -1)
    refused(ValueError, _core.GilReader, 0, b"")
    refused(OSError, _core.GilReader, 0, struct.pack("=Q", 8) + layout[8:])
    refused(OSError, _core.GilReader, 0x3FFFFFFF, layout)
    assert len(_core.gil_layout_of(4096, 0x030B07F0, b"")) == len(layout)
    refused(OSError, _core.gil_layout_of, 4096, 0x030D00F0, b"")
    runtime = struct.unpack_from("=Q", layout)[0]
    assert len(_core.read_memory(os.getpid(), runtime, 8)) == 8
    refused(OSError, _core.read_memory, 0, 8, 8)
    _core.module_needs_gil(_core)
    _core.interpreter_id()


@covers("conc._core.learned_gil_layout")
def learned_gil_layout() -> None:
    assert len(_core.learned_gil_layout()) > 0
