"""Interpreter exit with pools that were never shut down: idle, unused, and dropped."""

# stdout: 8 81
# stdout: [2, 2, 3]

import conc

idle = conc.ThreadPoolExecutor(2)
unused = conc.ThreadPoolExecutor(2)
dropped = conc.ThreadPoolExecutor(2)
print(idle.submit(pow, 2, 3).result(), dropped.submit(pow, 3, 4).result(), flush=True)
del dropped
print(idle.submit(conc.kernels.prime_factors, 12).result(), flush=True)
