"""A thread may start another one while interpreter exit waits for it."""

# stdout: main is done
# stdout: first is done
# stdout: second is done

import threading

import conc


def second() -> None:
    first.join()
    print("second is done", flush=True)


def run_first() -> None:
    threading.main_thread().join()
    conc.Thread(target=second).start()
    print("first is done", flush=True)


first = conc.Thread(target=run_first)
first.start()
print("main is done", flush=True)
