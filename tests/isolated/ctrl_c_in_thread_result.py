"""Ctrl-C ends the main thread's wait in Thread.result; what it waited for goes on and can be waited for again."""

# stdout: interrupted
# stdout: ended: True

import threading

from interrupt import interrupt_when_asleep

import conc

go_on = threading.Event()
thread = conc.Thread(target=go_on.wait)
thread.start()
with interrupt_when_asleep() as ready:
    try:
        ready()
        thread.result()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
go_on.set()
thread.join()
print("ended:", not thread.is_alive(), flush=True)
