"""Each operation of conc where an allocation fails, the interpreter's or the core's, or a request to the system.

tests/no_memory/operations_*.py say what is done and what may come of it; tests/no_memory/driver.py does it, in an
interpreter of its own for each operation, so that a crash or a hang is attributed to the call that failed.
"""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "tests" / "no_memory"
LIMIT_S = 90
NAMES = [
    name
    for path in sorted(FOLDER.glob("operations_*.py"))
    for name in re.findall(r"^@operation\ndef (\w+)", path.read_text(encoding="utf-8"), re.M)
]

sys.path.insert(0, str(ROOT / "tools"))
try:
    import faulty_core
finally:
    sys.path.pop(0)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ld --wrap, and /proc to count by"),
]


@pytest.fixture(scope="module")
def library() -> Path:
    """A copy of conc._core whose allocations can be made to fail."""
    return faulty_core.build()


def why_not_python(operation: str) -> str | None:
    """Why the interpreter's own allocations are left alone, or None."""
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "a free-threaded build takes its objects from its own allocator, past any hook"
    if sys.version_info >= (3, 13):
        return "CPython 3.13 crashes by itself there: so does a pool of the standard library, mapping pow"
    if sys.version_info >= (3, 12) and operation == "memory_topology":
        return "CPython 3.12.1 crashes in its own collector, also where a fixed record stands in for the native reading"
    return None


def run(library: Path, operation: str, kind: str) -> subprocess.CompletedProcess[str]:
    """One operation with each call of the kind failing."""
    command = [sys.executable, "-X", "faulthandler", str(FOLDER / "driver.py"), str(library), operation, kind]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S, check=False)


@pytest.mark.parametrize("kind", ["python", "memory", "system"])
@pytest.mark.parametrize("operation", NAMES)
def test_operation(operation: str, kind: str, library: Path, record_property: Callable[[str, object], None]) -> None:
    if kind == "python" and (reason := why_not_python(operation)) is not None:
        pytest.skip(reason)
    done = run(library, operation, kind)
    last = done.stdout.splitlines()[-1:]
    assert done.returncode == 0, f"{operation}, {last}:\n{done.stderr}"
    failed = re.fullmatch(r"ok: (\d+) failed", last[0])
    assert failed is not None, last
    record_property("allocations failed", int(failed[1]))


def test_there_are_operations() -> None:
    assert len(NAMES) > 30


def test_a_crash_names_its_call(library: Path) -> None:
    done = run(library, "crash_on_the_third", "memory")
    assert done.returncode < 0
    assert done.stdout.splitlines()[-1] == "memory call 3 of 5"
    assert "Segmentation fault" in done.stderr


def test_a_lost_block_is_found(library: Path) -> None:
    done = run(library, "lose_a_block", "memory")
    assert done.returncode == 1
    assert "left" in done.stderr
