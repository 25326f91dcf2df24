"""Interpreters that are on this machine already: on PATH, or where pyenv keeps them."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from records import Interpreter, NotHad, Wanted, describe, fits


def find(wanted: Wanted) -> Interpreter | None:
    """The newest release of what is wanted, or None."""
    for path in candidates(wanted):
        try:
            interpreter = describe(wanted.name, path, "found on this machine")
        except NotHad:
            continue  # a shim of pyenv's, or an installation without headers
        if fits(interpreter, wanted) and is_release(interpreter):
            return interpreter
    return None


def is_release(interpreter: Interpreter) -> bool:
    """Not an alpha, beta or release candidate."""
    return re.fullmatch(r"\d+\.\d+\.\d+", interpreter.version or "") is not None


def candidates(wanted: Wanted) -> Iterator[Path]:
    """Files that may be the interpreter, the likeliest first."""
    suffix = ("t" if wanted.free_threaded else "") + ("d" if wanted.debug else "")
    minors = [wanted.minor] if wanted.minor is not None else [15, 14, 13]
    for minor in minors:
        program = f"python3.{minor}{suffix}"
        if (found := shutil.which(program)) is not None:
            yield Path(found)
        yield from in_pyenv(minor, program)


def in_pyenv(minor: int, program: str) -> Iterator[Path]:
    """pyenv's installations of 3.`minor`, newest first."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"

    def micro(folder: Path) -> int:
        return int(re.findall(r"\d+", folder.name)[2])

    folders = [folder for folder in versions.glob(f"3.{minor}.*") if re.match(r"3\.\d+\.\d+", folder.name)]
    for folder in sorted(folders, key=micro, reverse=True):
        if (folder / "bin" / program).exists():
            yield folder / "bin" / program
