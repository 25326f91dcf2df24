"""Threads and pools work in interpreters of their own."""

# needs: subinterpreters
# stdout: 1024 [2, 2, 3] 8
# stdout: 1024 [2, 2, 3] 8
# stdout: main [2, 2, 3]

from interpreter import run_in_new_interpreter

import conc

WORK = """
import conc
thread = conc.Thread(target=pow, args=(2, 10))
thread.start()
native = conc.Thread(target=conc.kernels.prime_factors, args=(12,))
native.start()
with conc.ThreadPoolExecutor(2) as pool:
    print(thread.result(), native.result(), pool.submit(pow, 2, 3).result(), flush=True)
"""

for _ in range(2):
    run_in_new_interpreter(WORK)
with conc.ThreadPoolExecutor(1) as own:
    print("main", own.submit(conc.kernels.prime_factors, 12).result())
