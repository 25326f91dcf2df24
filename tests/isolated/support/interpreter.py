"""For the scripts about subinterpreters: run code in a new one, and destroy it."""

from __future__ import annotations

import sys
import warnings


class Interpreter:
    """A new interpreter: with a GIL of its own where this Python has that (3.12 and later), or with the main one's.

    One with a GIL of its own forbids daemons and os.fork(), and checks that extension modules allow for it.
    """

    def __init__(self, *, own_gil: bool = True) -> None:
        if sys.version_info >= (3, 13):
            import _interpreters as interpreters

            self._id = interpreters.create("isolated" if own_gil else "legacy")
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                import _xxsubinterpreters as interpreters
            self._id = interpreters.create(isolated=own_gil)
        self._interpreters = interpreters

    def run(self, code: str) -> None:
        """Run code in it, in the calling thread."""
        if sys.version_info >= (3, 13):
            error = self._interpreters.exec(self._id, code)
            assert error is None, error
        else:
            self._interpreters.run_string(self._id, code)

    def destroy(self) -> None:
        """What interpreter exit is for the main one."""
        self._interpreters.destroy(self._id)


def run_in_new_interpreter(code: str, *, own_gil: bool = True) -> None:
    """Run code, and destroy the interpreter even if it raises."""
    interpreter = Interpreter(own_gil=own_gil)
    try:
        interpreter.run(code)
    finally:
        interpreter.destroy()
