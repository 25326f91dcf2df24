"""A thread state that is made while tracemalloc traces needs the GIL of the thread that starts it."""
# stdout: 1024 8

import tracemalloc

import conc

tracemalloc.start()
thread = conc.Thread(target=pow, args=(2, 10))
thread.start()
with conc.ThreadPoolExecutor(1) as pool:
    print(thread.result(), pool.submit(pow, 2, 3).result())
