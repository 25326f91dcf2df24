"""The architecture, as rules that a machine can check: who may include whom, and what stays in its folder."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parent.parent
CSRC = ROOT / "csrc"

# layer -> the layers that its files may include, besides its own
MAY_INCLUDE = {
    "base": set(),
    "os": {"base"},
    "sync": {"os", "base"},
    "topology": {"os", "base"},
    "kernels": {"sync", "os", "base"},
    "sched": {"sync", "os", "base"},
    "ipc": {"sync", "os", "base"},
    "watch": {"sync", "os", "base"},
    "probe": {"kernels", "topology", "sync", "os", "base"},
    "python": {"probe", "kernels", "topology", "sched", "ipc", "watch", "sync", "os", "base"},
}

C_FILES = sorted(path for path in CSRC.rglob("*.[ch]"))
PYTHON_FILES = sorted((ROOT / "conc").rglob("*.py"))

# What standard C offers, and CPU intrinsics; every other system header is an operating system's.
PORTABLE_HEADERS = {
    *("assert.h", "ctype.h", "errno.h", "fenv.h", "float.h", "inttypes.h", "limits.h", "math.h", "signal.h"),
    *("stdalign.h", "stdarg.h", "stdatomic.h", "stdbool.h", "stddef.h", "stdint.h", "stdio.h", "stdlib.h", "string.h"),
    *("arm_neon.h", "emmintrin.h", "immintrin.h"),
}

MAX_FILE = 600
MAX_FUNCTION = 70


def layer_of(path: Path) -> str:
    """The folder directly below csrc/."""
    return path.relative_to(CSRC).parts[0]


def without_comments(text: str) -> str:
    """`text` with C comments blanked, lines kept."""
    return re.sub(r"/\*.*?\*/|//[^\n]*", lambda comment: re.sub(r"[^\n]", " ", comment[0]), text, flags=re.S)


def code_of(path: Path) -> str:
    """The file without comments."""
    return without_comments(path.read_text(encoding="utf-8"))


def without_strings(code: str) -> str:
    """`code` with the insides of string literals taken out."""
    return re.sub(r'"(?:\\.|[^"\\\n])*"', '""', code)


def find(pattern: str, paths: list[Path], *, strings: bool = False) -> list[str]:
    """`file:line: text` of every match in the code of `paths`; string literals count only with `strings`."""
    hits = []
    for path in paths:
        code = code_of(path) if strings else without_strings(code_of(path))
        for number, line in enumerate(code.splitlines(), 1):
            if re.search(pattern, line):
                hits.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    return hits


def outside(*folders: str) -> list[Path]:
    """All C files but those of these layers."""
    paths = [path for path in C_FILES if layer_of(path) not in folders]
    assert len(paths) > 10
    return paths


def test_every_layer_is_known() -> None:
    assert {layer_of(path) for path in C_FILES} <= set(MAY_INCLUDE)
    assert {"base", "os", "sync", "sched", "kernels", "python"} <= {layer_of(path) for path in C_FILES}


def test_includes_point_down_and_are_written_from_csrc() -> None:
    wrong, seen = [], 0
    for path in C_FILES:
        for name in re.findall(r'^\s*#\s*include\s+"([^"]+)"', path.read_text(encoding="utf-8"), re.M):
            seen += 1
            layer, target = layer_of(path), name.split("/")[0]
            if not (CSRC / name).is_file():
                wrong.append(f"{path.relative_to(ROOT)}: {name} is not a file below csrc/")
            elif target != layer and target not in MAY_INCLUDE[layer]:
                wrong.append(f"{path.relative_to(ROOT)}: {layer} may not include {name}")
    assert wrong == []
    assert seen > 50


def test_pythons_header_stays_in_the_binding() -> None:
    assert find(r"#\s*include\s*<(Python|structmember|frameobject)\.h>", outside("python")) == []
    assert find(r"#\s*include\s*<Python\.h>", [CSRC / "python" / "core.h"]) != []


def test_the_binding_includes_pythons_header_before_any_other() -> None:
    """CPython asks for it: its header chooses what the C library's headers declare."""
    late = []
    for path in CSRC.glob("python/*.[ch]"):
        first = re.search(r"^#include (.+)$", code_of(path), re.M)
        assert first is not None
        expected = "<Python.h>" if path.name == "core.h" else '"python/'
        if not first[1].startswith(expected):
            late.append(f"{path.relative_to(ROOT)}: {first[1]}")
    assert late == []


def test_pythons_version_is_asked_in_core_h_alone() -> None:
    """All but the slots of the module, which exist from some version on."""
    paths = [path for path in C_FILES if path != CSRC / "python" / "core.h"]
    hits = find(r"#\s*(if|ifdef|ifndef|elif)\b.*\b(PY_[A-Z]+_VERSION|PY_VERSION_HEX|Py_\w+|PYPY_\w+)", paths)
    slots = [hit for hit in hits if re.search(r"csrc/python/module\.c:\d+: #ifdef Py_mod_\w+$", hit)]
    assert [hit for hit in hits if hit not in slots] == []
    assert slots != []


def test_operating_systems_are_asked_in_os_alone() -> None:
    conditional = (
        r"#\s*(if|ifdef|ifndef|elif)\b.*(__linux|__APPLE__|_WIN32|__CYGWIN__|BSD|__unix|__GLIBC__|__ANDROID__)"
    )
    assert find(conditional, outside("os")) == []


def test_system_headers_and_calls_stay_in_os() -> None:
    paths = outside("os", "python")
    foreign = [
        f"{path.relative_to(ROOT)}: <{name}>"
        for path in outside("os")
        for name in re.findall(r"^\s*#\s*include\s+<([^>]+)>", path.read_text(encoding="utf-8"), re.M)
        if name not in PORTABLE_HEADERS and not (layer_of(path) == "python" and re.match(r"Python|structmember", name))
    ]
    assert foreign == []
    calls = (
        r"(?<![\w>.])(syscall|open|openat|fopen|read|pread|write|close|mmap|munmap|ioctl|fork|vfork|pthread_\w+)\s*\("
    )
    assert find(calls, paths) == []
    assert find(r"(?<![\w>.])(syscall|fopen|mmap|fork|pthread_\w+)\s*\(", outside("os")) == []
    assert find(r"(?<![\w>.])(syscall|open)\s*\(", [path for path in C_FILES if layer_of(path) == "os"]) != []


def test_kernel_files_are_named_in_os_alone() -> None:
    assert find(r'"/(proc|sys)\b', outside("os"), strings=True) == []
    assert find(r'"/proc/', [path for path in C_FILES if layer_of(path) == "os"], strings=True) != []


def test_the_core_never_behaves_like_a_program() -> None:
    words = r"(?<!\w)(printf|vprintf|puts|putchar|perror|exit|quick_exit|abort|assert|Py_FatalError)\s*\("
    assert find(words, C_FILES) == []
    assert find(r"(?<!\w)(stderr|stdout)\b", C_FILES) == []
    assert find(r"(?<!\w)_exit\s*\(", outside("os")) == []


def test_memory_comes_through_one_door() -> None:
    words = r"(?<!\w)(malloc|calloc|realloc|posix_memalign|aligned_alloc|strdup|free)\s*\("
    assert find(words, [path for path in outside("python") if path != CSRC / "base" / "alloc.c"]) == []
    assert find(words, [CSRC / "base" / "alloc.c"]) != []


def functions_of(path: Path) -> Iterator[tuple[str, int]]:
    """Name and number of lines of each C function: a brace in column 0 opens and closes it."""
    lines = path.read_text(encoding="utf-8").splitlines()
    opened = None
    for number, line in enumerate(lines):
        if line == "{":
            opened = number
        elif line == "}" and opened is not None:
            yield lines[opened - 1], number - opened + 1
            opened = None


def test_sizes_of_c() -> None:
    long_files = [str(path.relative_to(ROOT)) for path in C_FILES if path.read_text().count("\n") > MAX_FILE]
    assert long_files == []
    functions = [(path, name, size) for path in C_FILES for name, size in functions_of(path)]
    assert [f"{path.relative_to(ROOT)}: {name}: {size}" for path, name, size in functions if size > MAX_FUNCTION] == []
    assert len(functions) > 100


def statements_span(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function's body without its docstring."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_sizes_of_python() -> None:
    wrong, seen = [], 0
    for path in PYTHON_FILES:
        text = path.read_text(encoding="utf-8")
        if text.count("\n") > MAX_FILE:
            wrong.append(f"{path.relative_to(ROOT)}: {text.count(chr(10))} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                seen += 1
                if statements_span(node) > MAX_FUNCTION:
                    wrong.append(f"{path.relative_to(ROOT)}: {node.name}: {statements_span(node)} lines")
    assert wrong == []
    assert seen > 10


def test_every_file_says_its_licence_and_what_it_is() -> None:
    wrong = []
    for path in C_FILES:
        lines = path.read_text(encoding="utf-8").splitlines()
        name = str(path.relative_to(CSRC))
        if lines[0] != "/* SPDX-License-Identifier: Apache-2.0 */" or not lines[1].startswith(f"/* {name} - "):
            wrong.append(name)
    assert wrong == []


def test_headers_guard_by_their_path() -> None:
    headers = [path for path in C_FILES if path.suffix == ".h"]
    expected = {path: "CONC_" + re.sub(r"\W", "_", str(path.relative_to(CSRC))).upper() for path in headers}
    assert [
        str(path) for path, guard in expected.items() if f"#ifndef {guard}\n#define {guard}\n" not in path.read_text()
    ] == []
    assert len(headers) > 15


def contracts() -> set[str]:
    """The headers of csrc/os that a platform file implements."""
    own = {path.stem for path in (CSRC / "os").glob("*.c")}
    return {path.stem for path in (CSRC / "os").glob("*.h")} - own


def test_every_contract_has_an_honest_none() -> None:
    posix = {path.stem for path in (CSRC / "os" / "posix").glob("*.c")}
    none = {path.stem for path in (CSRC / "os" / "none").glob("*.c")}
    bare = {stem for stem in contracts() if not re.search(r"\w\s*\([^;{]*\);", code_of(CSRC / "os" / f"{stem}.h"))}
    assert contracts() - posix - bare == none
    for stem in none:
        assert "-ENOSYS" in (CSRC / "os" / "none" / f"{stem}.c").read_text(), stem


def test_platform_files_implement_a_contract() -> None:
    for folder in ("posix", "linux", "darwin", "windows", "none"):
        stems = {path.stem for path in (CSRC / "os" / folder).glob("*.c")}
        assert stems <= contracts(), folder


def prototypes(stem: str) -> set[str]:
    """The functions that a contract declares (those it defines inline are not a platform's)."""
    return set(
        re.findall(
            r"\b(conc_\w+)\s*\([^;{]*\)\s*;",
            re.sub(r"static inline.*?\n}", "", code_of(CSRC / "os" / f"{stem}.h"), flags=re.S),
        )
    )


@pytest.mark.parametrize("path", sorted((CSRC / "os" / "none").glob("*.c")), ids=lambda path: path.stem)
def test_none_compiles_and_implements_its_contract(path: Path) -> None:
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        from ctest import COMMON_FLAGS
    finally:
        sys.path.pop(0)
    command = [os.environ.get("CC", "gcc"), *COMMON_FLAGS, "-fsyntax-only", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    wanted = prototypes(path.stem)
    assert wanted
    assert {name for name in wanted if not re.search(rf"^{name}\(", path.read_text(), re.M)} == set()


def imports_of(path: Path) -> set[str]:
    """The modules of conc that a file names in any import, also within functions."""
    package = ".".join(path.relative_to(ROOT).with_suffix("").parts[:-1])
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return {name for name in found if name.split(".")[0] == "conc"}


def module_name(path: Path) -> str:
    """The dotted name of a file below conc/."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


STAGES = ["workload", "lanes", "runner", "verdict", "report"]


def stage_of(module: str) -> int | None:
    """Which stage of a comparison a module is part of."""
    parts = module.split(".")
    if parts[:2] != ["conc", "comparison"] or len(parts) < 3 or parts[2] not in STAGES:
        return None
    return STAGES.index(parts[2])


def test_a_comparisons_data_flows_one_way() -> None:
    """A stage reaches no later one, neither itself nor through what it imports."""
    folder = ROOT / "conc" / "comparison"
    modules = {module_name(path): imports_of(path) for path in folder.rglob("*.py")}
    if not modules:
        pytest.skip("conc/comparison is not there")
    wrong = []
    for start in sorted(module for module in modules if stage_of(module) is not None):
        reached, todo = set(), [start]
        while todo:
            module = todo.pop()
            if module not in reached:
                reached.add(module)
                todo += sorted(name for name in modules[module] if name in modules)
        late = [name for name in reached if (stage_of(name) or 0) > (stage_of(start) or 0)]
        wrong += [f"{start} reaches {name}" for name in sorted(late)]
    assert wrong == []
    assert {STAGES[stage] for stage in map(stage_of, modules) if stage is not None} == set(STAGES)


TOUCH_EVERYTHING = """
import importlib, pkgutil, types
import conc

modules = [info.name for info in pkgutil.walk_packages(conc.__path__, "conc.") if not info.name.endswith("__main__")]
for name in modules:
    importlib.import_module(name)
for name in conc.__all__:
    value = getattr(conc, name)
    home, inner = conc._HOMES.get(name, (None, name))
    if inner is None:
        assert isinstance(value, types.ModuleType) and value.__name__ == home, (name, value)
    else:
        assert not isinstance(value, types.ModuleType), f"the submodule conc.{name} shadows the public name"
        assert home is None or value is getattr(importlib.import_module(home), inner), (name, value)
    assert repr(value)
assert sorted(set(conc.__all__) - {"__version__"}) == sorted(conc._HOMES), "__all__ and _HOMES differ"
assert set(conc.__all__) <= set(dir(conc))
print(len(modules), len(conc.__all__))
"""


def test_no_submodule_shadows_a_public_name() -> None:
    """Every submodule is imported first; then each public name must still be what its home says."""
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", TOUCH_EVERYTHING], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    modules, names = map(int, done.stdout.split())
    assert (
        modules == len([path for path in PYTHON_FILES if path.name != "__main__.py"]) - 1 + 1
    )  # less conc itself, and _core
    assert names > 1
