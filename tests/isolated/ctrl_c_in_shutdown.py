"""Ctrl-C ends the main thread's wait for a pool's shutdown; what it waited for goes on and can be waited for again."""

# stdout: interrupted
# stdout: ended: True

import threading

from interrupt import interrupt_when_asleep

import conc

go_on = threading.Event()
pool = conc.ThreadPoolExecutor(1)
future = pool.submit(go_on.wait)
with interrupt_when_asleep() as ready:
    try:
        ready()
        pool.shutdown()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
go_on.set()
pool.shutdown()
print("ended:", future.done(), flush=True)
