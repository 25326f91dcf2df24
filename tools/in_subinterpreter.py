"""Runs pytest inside a subinterpreter with its own GIL.

    python tools/in_subinterpreter.py PYTEST-ARGUMENT ...

For CPython 3.13 and later: before, not even datetime loads there, and hypothesis needs it.

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

# faulthandler and signals are the main interpreter's; the benchmark plugin's profiler does not load before 3.13
OPTIONS = ["-p", "no:faulthandler", "-p", "no:benchmark", "-o", "timeout_method=thread"]
OPTIONS += ["-o", "addopts=--strict-markers --strict-config -ra"]
# every test of these starts interpreters of its own, and would only do again what it does elsewhere
OTHER_PROCESSES = ("isolated", "no_memory", "comparison_interrupt", "cli", "package", "cpython_threading")
OPTIONS += [f"--ignore=tests/test_{name}.py" for name in OTHER_PROCESSES]
OPTIONS += ["--ignore=tests/leaks"]  # judged in the main interpreter, whose blocks and strings are counted reliably


def runner() -> Callable[[str], object]:
    """What runs code in a new isolated interpreter and destroys it; it returns or raises the code's error."""
    import _interpreters as interpreters  # type: ignore[import-not-found]

    identifier = interpreters.create("isolated")

    def run_and_destroy(code: str) -> object:
        try:
            return interpreters.exec(identifier, code)
        finally:
            interpreters.destroy(identifier)

    return run_and_destroy


def main(arguments: list[str]) -> int:
    reader, writer = os.pipe()
    error = runner()(CODE.format(path=[os.getcwd(), *sys.path[1:]], arguments=[*OPTIONS, *arguments], answer=writer))
    if error is not None:
        print(getattr(error, "errdisplay", error), file=sys.stderr)
        return 3
    return int(os.read(reader, 16))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
