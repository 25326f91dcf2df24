"""Runs pytest inside a subinterpreter with its own GIL.

    python tools/in_subinterpreter.py PYTEST-ARGUMENT ...

An isolated subinterpreter has no fork, no daemon threads, no signal handlers, and only extension modules that allow it:
pytest's plugins that need one of these are turned off. Exit status: pytest's; 3 when the subinterpreter itself failed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

CODE = """
import os, sys
sys.path[:] = {path!r}
sys.argv = ["pytest"]
os.environ["CONC_SUBINTERPRETER"] = "1"
import pytest

class Options:
    "The settings of plugins that are turned off stay known."
    def pytest_addoption(self, parser):
        parser.addini("faulthandler_timeout", "of a plugin that is off")

status = int(pytest.main({arguments!r}, plugins=[Options()]))
with open({answer}, "w", closefd=True) as file:
    file.write(str(status))
"""

# faulthandler and signals are the main interpreter's
OPTIONS = ["-p", "no:faulthandler", "-o", "timeout_method=thread"]


def runner() -> Callable[[str], object]:
    """What runs code in a new isolated interpreter and destroys it; it returns or raises the code's error."""
    if sys.version_info >= (3, 13):
        import _interpreters as interpreters  # type: ignore[import-not-found]

        identifier = interpreters.create("isolated")
        run = interpreters.exec
    else:
        import _xxsubinterpreters as interpreters  # type: ignore[import-not-found,no-redef]

        identifier = interpreters.create(isolated=True)
        run = interpreters.run_string

    def run_and_destroy(code: str) -> object:
        try:
            return run(identifier, code)
        finally:
            interpreters.destroy(identifier)

    return run_and_destroy


def main(arguments: list[str]) -> int:
    if sys.version_info < (3, 12):
        print("subinterpreters have a GIL of their own since CPython 3.12")
        return 5
    reader, writer = os.pipe()
    error = runner()(CODE.format(path=[os.getcwd(), *sys.path[1:]], arguments=[*OPTIONS, *arguments], answer=writer))
    if error is not None:
        print(getattr(error, "errdisplay", error), file=sys.stderr)
        return 3
    return int(os.read(reader, 16))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
