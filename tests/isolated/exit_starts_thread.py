"""A thread that is started while the interpreter exits is waited for, as long as conc's own exit function is to come.

"early": an atexit function that was registered before conc was imported, so that it is called when nobody waits any
more: the thread is refused.
"""

# cases: in-thread atexit early
# cases: python kernel
# stdout: main is done
# stdout[in-thread]: first is done
# stdout[in-thread]: waited for
# stdout[atexit]: waited for
# stdout[early]: can't start new thread at interpreter shutdown

import atexit
import sys
import threading


@atexit.register
def judge() -> None:
    if how == "early":
        try:
            start()
        except RuntimeError as error:
            print(error, flush=True)
    else:
        print("waited for" if not started[0].is_alive() else "not waited for", flush=True)


import conc  # noqa: E402
import conc.threads  # noqa: E402

how, kind = sys.argv[1:]
started: list[conc.Thread] = []


def nap() -> None:
    conc.kernels.sleep(0.1)


def start() -> None:
    thread = conc.Thread(target=nap) if kind == "python" else conc.Thread(target=conc.kernels.sleep, args=(0.1,))
    started.append(thread)
    thread.start()


def outlive_main() -> None:
    threading.main_thread().join()
    start()
    print("first is done", flush=True)


if how == "in-thread":
    conc.Thread(target=outlive_main).start()
elif how == "atexit":
    atexit.register(start)
print("main is done", flush=True)
