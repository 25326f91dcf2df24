"""conc loads and works in interpreters of their own, one after the other, and in the main one besides."""

# needs: subinterpreters
# stdout: inside
# stdout: inside
# stdout: inside
# stdout: [2, 2, 2, 3, 3, 5]

import sys
import warnings

WORK = """
import conc, sys
from conc import _core
assert conc.kernels.prime_factors(360) == [2, 2, 2, 3, 3, 5]
try:
    conc.kernels.prime_factors(0)
except ValueError:
    print("inside", flush=True)
"""


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


for _ in range(3):
    run_in_new_interpreter(WORK)

import conc  # noqa: E402

print(conc.kernels.prime_factors(360))
