"""Interpreter exit runs what a pool that was never shut down has queued, as the standard library's does."""

# stdout: main is done
# stdout: 50 tasks ran

import threading

import conc

exit_has_begun = threading.Event()
ran: list[int] = []


def work(index: int) -> None:
    exit_has_begun.wait()
    ran.append(index)
    if len(ran) == 50:
        print(len(ran), "tasks ran", flush=True)


pool = conc.ThreadPoolExecutor(1)
for number in range(50):
    pool.submit(work, number)
threading._register_atexit(exit_has_begun.set)  # the last one to register is called first
print("main is done", flush=True)
