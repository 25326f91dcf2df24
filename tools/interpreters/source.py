"""A free-threaded CPython, of which no binary package exists, built from Debian's source package."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from debian import SOURCES, Apt, run
from records import NotHad

NEEDED_MODULES = ("_ctypes", "_ssl", "zlib")


def build(apt: Apt, prefix: Path) -> tuple[Path, str]:
    """Build and install below `prefix`; (its interpreter, the source package). Some minutes of all cores.

    Raises:
        NotHad: no source can be fetched, or it does not build; the message says which.
    """
    reasons = []
    for spec in SOURCES:
        with tempfile.TemporaryDirectory() as folder:
            try:
                archive = apt.source(spec, Path(folder))
                return install(archive, Path(folder), prefix), spec
            except NotHad as error:
                reasons.append(f"{spec}: {error}")
    raise NotHad("; ".join(reasons))


def install(archive: Path, folder: Path, prefix: Path) -> Path:
    """Configure without a GIL, make, make install."""
    tree = folder / "tree"
    tree.mkdir()
    run(["tar", "-xf", str(archive), "-C", str(tree), "--strip-components=1"])
    run(["./configure", "-q", f"--prefix={prefix}", "--disable-gil", "--with-ensurepip=install"], cwd=tree)
    run(["make", "-s", f"-j{os.cpu_count() or 1}"], cwd=tree)
    run(["make", "-s", "install"], cwd=tree)
    program = next((prefix / "bin").glob("python3.*[0-9]t"))
    missing = [name for name in NEEDED_MODULES if not imports(program, name)]
    if missing:
        raise NotHad(
            f"built without {', '.join(missing)} (Debian: apt-get install libffi-dev libssl-dev zlib1g-dev, then again)"
        )
    return program


def imports(program: Path, module: str) -> bool:
    """Whether the interpreter has the module."""
    try:
        run([str(program), "-c", f"import {module}"])
    except NotHad:
        return False
    return True
