"""For the scripts about subinterpreters: run code in a new one, and destroy it."""

from __future__ import annotations

import sys
import warnings


def run_in_new_interpreter(code: str) -> None:
    """With a GIL of its own where this Python has that (3.12 and later)."""
    if sys.version_info >= (3, 13):
        import _interpreters as interpreters

        interpreter = interpreters.create("isolated")
        error = interpreters.exec(interpreter, code)
        assert error is None, error
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import _xxsubinterpreters as interpreters
        interpreter = interpreters.create(isolated=True)
        interpreters.run_string(interpreter, code)
    interpreters.destroy(interpreter)
