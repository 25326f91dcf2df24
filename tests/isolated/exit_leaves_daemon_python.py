"""Interpreter exit does not wait for daemons that run Python: one that computes, one that waits."""

# stdout: main is done

import threading

import conc

begun = threading.Barrier(3)


def compute() -> None:
    begun.wait()
    while True:
        sum(range(1000))


def wait() -> None:
    begun.wait()
    threading.Event().wait()


for target in (compute, wait):
    conc.Thread(target=target, daemon=True).start()
begun.wait()
print("main is done", flush=True)
