"""The GIL of this process: its status, who has it as read from memory, where threads wait for it."""

from __future__ import annotations

import ctypes
import importlib.machinery
import json
import os
import shutil
import struct
import subprocess
import sys
import sysconfig
import threading
from pathlib import Path
from typing import Any

import pytest
from gil_truth import Holders, Tally, switching_every, truth

import conc
from conc import _core

ROOT = Path(__file__).resolve().parent.parent
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
COMPILER = os.environ.get("CC", "gcc")

needs_compiler = pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"no C compiler {COMPILER!r}")
needs_gil = pytest.mark.skipif(FREE_THREADED, reason="nobody has a GIL that is off")


def own_layout() -> bytes:
    layout = _core.gil_layout()
    assert isinstance(layout, bytes), layout
    return layout


def own_row() -> tuple[int, bool, bool, int | None, int]:
    """What the reader says of the GIL that this thread has."""
    (row,) = (row for row in _core.GilReader(0, own_layout()).read() if row[3] == threading.get_native_id())
    return row


# --- who has it ---------------------------------------------------------------------------------


@needs_gil
def test_whoever_asks_has_the_gil() -> None:
    """In each thread, and its other interpreters' GILs are nobody's business here."""
    rows: list[tuple[int, bool, bool, int | None, int]] = []
    for _ in range(3):
        thread = threading.Thread(target=lambda: rows.append(own_row()))
        thread.start()
        thread.join()
    rows.append(own_row())
    assert all(row[1] and row[2] for row in rows)
    assert len({row[0] for row in rows}) == 1
    assert [row[4] for row in rows] == sorted(row[4] for row in rows)  # it changed hands in between
    assert rows[0][4] < rows[-1][4]


@pytest.mark.skipif(not FREE_THREADED, reason="needs a build whose GIL can be off")
def test_a_gil_that_is_off_is_nobodys() -> None:
    rows = _core.GilReader(0, own_layout()).read()
    assert rows != []
    assert all(row[1:4] == (False, False, None) for row in rows)


@needs_gil
@needs_compiler
@pytest.mark.main_interpreter("GIL that is the oldest one, which this samples")
@pytest.mark.parametrize("interval_s", [5e-3, 1e-5])
def test_the_reader_names_who_has_it(interval_s: float) -> None:
    """A program that knows who has its GIL: three threads that take turns in C, and sleepers."""
    known = truth()
    rounds = iter(range(1 << 30))

    def sample() -> Tally:
        with Holders(3, lambda: known.hold(next(rounds) % 7 * 20_000)):
            return known.sample(3000, 20_000)

    tally = switching_every(interval_s)(sample)
    assert tally.right > 300
    assert (tally.wrong, tally.unknown, tally.free) == (0, 0, 0)


@pytest.mark.main_interpreter("os.fork()")
def test_a_child_of_fork_has_a_gil_of_its_own() -> None:
    program = (
        "import os, sys, threading\n"
        "from conc import _core\n"
        "if os.fork() == 0:\n"
        "    layout = _core.gil_layout()\n"
        "    rows = _core.GilReader(0, layout).read()\n"
        "    ours = [row for row in rows if row[3] == threading.get_native_id()]\n"
        "    os._exit(not (len(ours) == 1 or not any(row[1] for row in rows)))\n"
        "sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


# --- where threads wait for it ------------------------------------------------------------------


@needs_gil
def test_where_threads_wait_is_learned_within_the_gil() -> None:
    """What is seen of a waiter, whose structures are not looked at, lies within the structure that is known."""
    learned = _core.learned_gil_layout()
    assert isinstance(learned, bytes), learned
    runtime, begin, end, interpreter = struct.unpack_from("=QQQq", learned)
    assert runtime == 0
    assert interpreter == _core.interpreter_id()
    assert 88 < end - begin < 176
    reader, blind = _core.GilReader(0, own_layout()), _core.GilReader(0, learned)
    owner = own_row()[0]
    assert {reader.interpreter_at(address) for address in range(begin, end)} == {owner}
    assert blind.interpreter_at(begin) == blind.interpreter_at(end - 1) == interpreter
    assert blind.interpreter_at(begin - 1) is blind.interpreter_at(end) is None
    assert blind.read() == []


@pytest.mark.skipif(not FREE_THREADED, reason="a GIL can be waited for")
def test_nothing_is_learned_without_a_gil() -> None:
    assert "builds with a GIL" in str(_core.learned_gil_layout())


FUTEX = {"x86_64": 202, "aarch64": 98}.get(os.uname().machine, -1)


def futex_of(tid: int) -> int | None:
    """The address that a thread waits at, read without letting go of the GIL; None when it waits at none."""
    libc = ctypes.PyDLL(None)
    text = ctypes.create_string_buffer(256)
    descriptor = libc.open(f"/proc/self/task/{tid}/syscall".encode(), os.O_RDONLY)
    libc.read(descriptor, text, 255)
    libc.close(descriptor)
    call = text.value.split()
    return int(call[1], 16) if len(call) > 1 and call[0] == str(FUTEX).encode() else None


@needs_gil
@pytest.mark.skipif(FUTEX == -1, reason="futex(2)'s number is not known for this architecture")
def test_a_thread_that_waits_for_the_gil_waits_at_its_address() -> None:
    """And one that waits for a lock at another one."""
    reader, owner = _core.GilReader(0, own_layout()), own_row()[0]
    tids: list[int] = []
    lock, spinning = threading.Lock(), threading.Event()

    def spin_then_lock() -> None:
        tids.append(threading.get_native_id())
        while not spinning.is_set():
            pass
        with lock:
            pass

    with lock:
        thread = threading.Thread(target=spin_then_lock)
        thread.start()
        while not tids or (address := futex_of(tids[0])) is None:
            pass
        assert reader.interpreter_at(address) == owner
        spinning.set()
        while (address := futex_of(tids[0])) is None or reader.interpreter_at(address) is not None:
            pass
    thread.join()


# --- bad arguments ------------------------------------------------------------------------------


def test_a_layout_is_what_the_core_made() -> None:
    with pytest.raises(ValueError, match="has 88 bytes, not 3"):
        _core.GilReader(0, b"abc")
    with pytest.raises(TypeError):
        _core.GilReader(0, "abc")  # type: ignore[arg-type]
    runtime = struct.unpack_from("=Q", own_layout())[0]
    with pytest.raises(OSError, match="Bad address"):
        _core.GilReader(0, struct.pack("=Q", 4096) + own_layout()[8:])
    with pytest.raises(ProcessLookupError):
        _core.GilReader(0x3FFFFFFF, own_layout())
    with pytest.raises(OverflowError):
        _core.GilReader(0, own_layout()).interpreter_at(-1)
    assert _core.GilReader(0, own_layout()).interpreter_at(runtime) is None


def test_memory_is_read_whole_or_not() -> None:
    buffer = ctypes.create_string_buffer(b"what stands here")
    address = ctypes.addressof(buffer)
    assert _core.read_memory(0, address, 4) == b"what"
    assert _core.read_memory(os.getpid(), address + 5, 6) == b"stands"
    assert _core.read_memory(0, 0, 0) == b""
    with pytest.raises(OSError, match="Bad address"):
        _core.read_memory(0, 8, 1)
    with pytest.raises(ValueError, match="not -1"):
        _core.read_memory(0, address, -1)
    with pytest.raises(ProcessLookupError):
        _core.read_memory(0x3FFFFFFF, address, 1)


# --- the status ---------------------------------------------------------------------------------


def test_status_of_this_interpreter() -> None:
    status = conc.gil_status()
    assert status.python == sys.version.split()[0]
    assert status.free_threaded_build == FREE_THREADED
    assert status.enabled == (not FREE_THREADED)
    assert status.enabled_because == (None if FREE_THREADED else "build")
    assert status.reenabled_by is None
    assert status.undeclared_modules == ()
    assert status.switch_interval_s == sys.getswitchinterval()
    assert status.interpreter == _core.interpreter_id()
    assert status.holder_readable
    assert status.own_gil is (None if FREE_THREADED else True)
    assert status.unknown == ({"own_gil": "the GIL is off"} if FREE_THREADED else {})
    assert json.loads(status.to_json()) == status.to_dict()
    assert str(status).startswith(f"CPython {status.python}, ")
    assert ("GIL off" in str(status)) == FREE_THREADED


def test_status_where_the_structures_are_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_core, "gil_layout", lambda: "where this version of CPython keeps its GIL is not known")
    status = conc.gil_status()
    assert not status.holder_readable
    assert status.own_gil is None
    assert "this version" in status.unknown["holder_readable"]
    assert status.enabled == (not FREE_THREADED)


def test_status_when_the_holder_was_not_to_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_core, "gil_layout", lambda: bytes(88))
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: True, raising=False)
    monkeypatch.setattr(sysconfig, "get_config_var", lambda _: 0)
    status = conc.gil_status()
    assert status.own_gil is None
    assert status.unknown == {"own_gil": "who has the GIL was not to be seen at that moment"}


SINGLE_PHASE = """
PyMODINIT_FUNC PyInit_{name}(void) {{
    static struct PyModuleDef def = {{PyModuleDef_HEAD_INIT, .m_name = "{name}", .m_size = -1}};
    PyObject *module = PyModule_Create(&def);
    {declaration}
    return module;
}}
"""
MULTI_PHASE = """
PyMODINIT_FUNC PyInit_{name}(void) {{
    static struct PyModuleDef_Slot slots[] = {{{declaration} {{0, NULL}}}};
    static struct PyModuleDef def = {{PyModuleDef_HEAD_INIT, .m_name = "{name}", .m_slots = slots}};
    return PyModuleDef_Init(&def);
}}
"""
MODULES = {
    "single_undeclared": SINGLE_PHASE.format(name="single_undeclared", declaration=""),
    "single_declared": SINGLE_PHASE.format(
        name="single_declared",
        declaration="\n#ifdef Py_GIL_DISABLED\nPyUnstable_Module_SetGIL(module, Py_MOD_GIL_NOT_USED);\n#endif\n",
    ),
    "multi_undeclared": MULTI_PHASE.format(name="multi_undeclared", declaration=""),
    "multi_declared": MULTI_PHASE.format(
        name="multi_declared",
        declaration="\n#ifdef Py_mod_gil\n{Py_mod_gil, Py_MOD_GIL_NOT_USED},\n#endif\n",
    ),
}


@pytest.fixture(scope="module")
def extensions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the modules of MODULES, compiled for this interpreter."""
    folder = tmp_path_factory.mktemp("extensions")
    for name, source in MODULES.items():
        file = folder / f"{name}.c"
        file.write_text(f"#include <Python.h>\n{source}", encoding="utf-8")
        built = folder / f"{name}{importlib.machinery.EXTENSION_SUFFIXES[0]}"
        include = f"-I{sysconfig.get_path('include')}"
        subprocess.run([COMPILER, "-fPIC", "-shared", "-D_GNU_SOURCE", include, file, "-o", built], check=True)
    return folder


def status_after(code: str, folder: Path, *options: str, **environment: str) -> dict[str, Any]:
    """conc.gil_status() of a new process that has run `code`, and which warnings of modules it had."""
    program = (
        "import sys, warnings\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        f"    sys.path.insert(0, {str(folder)!r})\n"
        "    exec(sys.argv[1])\n"
        "import conc, json\n"
        "told = [str(warning.message) for warning in caught]\n"
        "print(json.dumps({**conc.gil_status().to_dict(), 'text': str(conc.gil_status()), 'told': told}))\n"
    )
    variables = {**{name: value for name, value in os.environ.items() if name != "PYTHON_GIL"}, **environment}
    done = subprocess.run(
        [sys.executable, *options, "-c", program, code],
        capture_output=True, text=True, check=True, env=variables,
    )  # fmt: skip
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@needs_compiler
@pytest.mark.parametrize("name", ["single_undeclared", "multi_undeclared"])
def test_status_names_the_module_that_turned_the_gil_on(extensions: Path, name: str) -> None:
    """Which is the one that CPython's own warning names."""
    code = f"import single_declared, multi_declared, {name}, single_undeclared, multi_undeclared"
    status = status_after(code, extensions)
    assert status["enabled"]
    if not FREE_THREADED:
        assert (status["enabled_because"], status["reenabled_by"], status["undeclared_modules"]) == ("build", None, [])
        return
    assert (status["enabled_because"], status["reenabled_by"]) == ("import", name)
    assert status["undeclared_modules"][0] == name
    assert set(status["undeclared_modules"]) == {"single_undeclared", "multi_undeclared"}
    assert f"'{name}'" in status["told"][0]
    assert status["own_gil"] is True
    assert f"import of {name}" in status["text"]


@needs_compiler
@pytest.mark.skipif(not FREE_THREADED, reason="needs a build whose GIL can be off")
def test_status_of_a_gil_that_was_asked_for_or_forbidden(extensions: Path) -> None:
    """By option and by variable; and what is told when the module is gone."""
    for options, variables in (("-X", "gil=1"), {}), ((), {"PYTHON_GIL": "1"}):
        status = status_after("", extensions, *options, **variables)
        assert (status["enabled"], status["enabled_because"], status["reenabled_by"]) == (True, "option", None)
        assert (status["own_gil"], status["holder_readable"]) == (True, True)
    for options, variables in (("-X", "gil=0"), {}), ((), {"PYTHON_GIL": "0"}):
        status = status_after("import multi_undeclared", extensions, *options, **variables)
        assert (status["enabled"], status["enabled_because"]) == (False, None)
        assert status["undeclared_modules"] == ["multi_undeclared"]
    status = status_after("import multi_declared, single_declared", extensions)
    assert (status["enabled"], status["undeclared_modules"]) == (False, [])
    status = status_after("import multi_undeclared; del sys.modules['multi_undeclared']", extensions)
    assert (status["enabled_because"], status["reenabled_by"]) == ("import", None)
    assert "removed from sys.modules" in status["unknown"]["reenabled_by"]
    assert "a module that is not known" in status["text"]


def test_what_declares_nothing_needs_nothing() -> None:
    assert _core.module_needs_gil(object()) is None
    if FREE_THREADED:
        assert _core.module_needs_gil(_core) is False
    else:
        assert _core.module_needs_gil(_core) is None
