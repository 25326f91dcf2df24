"""conc loads and works in interpreters of their own, one after the other, and in the main one besides."""

# needs: subinterpreters
# stdout: inside
# stdout: inside
# stdout: inside
# stdout: [2, 2, 2, 3, 3, 5]

from interpreter import run_in_new_interpreter

WORK = """
import conc
assert conc.kernels.prime_factors(360) == [2, 2, 2, 3, 3, 5]
try:
    conc.kernels.prime_factors(0)
except ValueError:
    print("inside", flush=True)
"""

for _ in range(3):
    run_in_new_interpreter(WORK)

import conc  # noqa: E402

print(conc.kernels.prime_factors(360))
