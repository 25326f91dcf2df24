"""What is known of an interpreter: asked of itself, never guessed from its name."""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

QUESTION = """
import importlib.util, json, platform, sys, sysconfig
print(json.dumps({
    "version": platform.python_version(),
    "implementation": platform.python_implementation(),
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "debug": hasattr(sys, "gettotalrefcount"),
    "headers": importlib.util.find_spec("sysconfig") is not None
        and __import__("os").path.exists(sysconfig.get_path("include") + "/Python.h"),
    "carries_tests": importlib.util.find_spec("test.test_threading") is not None,
    "has_testcapi": importlib.util.find_spec("_testcapi") is not None,
}))
"""


class NotHad(Exception):
    """An interpreter, or a part of it, cannot be had here; the message says why."""


@dataclass(frozen=True)
class Wanted:
    """One interpreter of the matrix."""

    name: str
    minor: int | None
    """The x in CPython 3.x; None where any will do."""
    free_threaded: bool = False
    debug: bool = False


WANTED = (
    Wanted("3.11", 11),
    Wanted("3.12", 12),
    Wanted("3.13", 13),
    Wanted("3.14", 14),
    Wanted("3.15", 15),
    Wanted("free-threaded", None, free_threaded=True),
    Wanted("debug", None, debug=True),
)


@dataclass(frozen=True)
class Interpreter:
    """An interpreter that is here, or `path` None and the reason why not."""

    name: str
    path: str | None
    origin: str
    """Where it is from; the reason, when there is none."""
    version: str | None = None
    free_threaded: bool | None = None
    debug: bool | None = None
    carries_tests: bool | None = None
    has_testcapi: bool | None = None
    pip: str | None = None
    """A wheel of pip to begin with, for an interpreter whose ensurepip does not work where it lies."""

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def describe(name: str, path: Path, origin: str) -> Interpreter:
    """Run the interpreter at `path` and ask it what it is.

    Raises:
        NotHad: it does not run, is no CPython, or lacks the headers that an extension is built with.
    """
    command = [str(path), "-I", "-c", QUESTION]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotHad(f"{path} does not run: {type(error).__name__}") from error
    if asked.returncode != 0:
        raise NotHad(f"{path} does not run: exit status {asked.returncode} {asked.stderr.strip()[-200:]}".rstrip())
    facts = json.loads(asked.stdout)
    if facts.pop("implementation") != "CPython":
        raise NotHad(f"{path} is no CPython")
    if not facts.pop("headers"):
        raise NotHad(f"{path} has no headers (Python.h)")
    return Interpreter(name, str(path), origin, **facts)


def fits(interpreter: Interpreter, wanted: Wanted) -> bool:
    """Whether it is what is wanted."""
    version = interpreter.version or ""
    return (
        interpreter.free_threaded == wanted.free_threaded
        and interpreter.debug == wanted.debug
        and (wanted.minor is None or version.startswith(f"3.{wanted.minor}."))
    )
