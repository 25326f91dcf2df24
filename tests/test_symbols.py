"""What the extension exports, and what of it is mutable: nothing but the registry's state."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import conc._core

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
try:
    from ctest import COMMON_FLAGS, compile_object
    from sources import core_sources
finally:
    sys.path.pop(0)

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(shutil.which("nm") is None, reason="nm is missing (it comes with binutils, as gcc does)"),
]

# The linker's and the C runtime's own.
RUNTIME_SYMBOLS = {"_init", "_fini", "_edata", "_end", "__bss_start"}

# What the C API takes by pointer to non-const: definitions, specs, and the tables that those point to.
WRITABLE_FOR_PYTHON = re.compile(r"(_def|_spec|_slots|_methods|_members|_getset|keywords|kwlist)$")

# Sections that hold what a program may change.
MUTABLE_SECTION = re.compile(r"^(\.data(?!\.rel\.ro)|\.bss|\.tdata|\.tbss|COMMON|\*COM\*)")


def nm(path: Path, *options: str) -> list[list[str]]:
    """The rows of nm's System V table: name, value, class, type, size, line, section."""
    done = subprocess.run(["nm", "-f", "sysv", *options, str(path)], capture_output=True, text=True, check=True)
    rows = [[cell.strip() for cell in line.split("|")] for line in done.stdout.splitlines()]
    return [row for row in rows if len(row) == 7 and row[0] != "Name"]


def mutable_names(path: Path) -> set[str]:
    """Variables in writable sections; thread-locals are each thread's own and do not count."""
    return {row[0] for row in nm(path, "--defined-only") if row[3] == "OBJECT" and MUTABLE_SECTION.match(row[6])}


def test_the_module_exports_its_init_function_alone() -> None:
    assert conc._core.__file__ is not None
    exported = {row[0] for row in nm(Path(conc._core.__file__), "-D", "--defined-only")}
    assert exported - RUNTIME_SYMBOLS == {"PyInit__core"}


@pytest.fixture(scope="module")
def objects() -> dict[str, Path]:
    """Each source of the core, compiled without -fPIC: a const table of pointers is then read-only to nm as well."""
    folder = ROOT / "build" / "ctest" / f"symbols-{sys.implementation.cache_tag}"
    folder.mkdir(parents=True, exist_ok=True)
    flags = [*COMMON_FLAGS, "-O1", "-fno-pic", "-fno-pie", f"-I{sysconfig.get_path('include')}"]
    with ThreadPoolExecutor(2) as pool:
        sources = core_sources(ROOT, sys.platform)
        compiled = pool.map(lambda path: compile_object(path, folder, flags), sources)
        return {path.relative_to("csrc").as_posix(): made for path, made in zip(sources, compiled, strict=True)}


def test_nothing_is_static_and_mutable_but_the_registry(objects: dict[str, Path]) -> None:
    mutable = {source: mutable_names(path) for source, path in objects.items()}
    assert mutable.pop("os/registry.c") == {"registry"}
    wrong = {}
    for source, names in mutable.items():
        plain = {re.sub(r"\.\d+$", "", name) for name in names}
        if source.startswith("python/"):
            plain = {name for name in plain if not WRITABLE_FOR_PYTHON.search(name)}
        if plain:
            wrong[source] = plain
    assert wrong == {}
    assert "conc_core_def" in mutable["python/module.c"]


def test_the_check_sees_what_it_looks_for(tmp_path: Path) -> None:
    """A counter, a table, a thread-local and a const table: the first two are found."""
    source = tmp_path / "sample.c"
    source.write_text(
        "static int counter; static int table[2] = {1, 2}; static _Thread_local int own;"
        "static const int fixed[2] = {3, 4};"
        "int *use(int i); int *use(int i) { own++; counter += fixed[i]; return i ? &counter : &table[i]; }"
    )
    made = tmp_path / "sample.o"
    subprocess.run(["gcc", "-fno-pic", "-fno-pie", "-c", str(source), "-o", str(made)], check=True)
    assert mutable_names(made) == {"counter", "table"}
