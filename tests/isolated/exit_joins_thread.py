"""Interpreter exit waits for a thread that is not a daemon."""

# stdout: main is done
# stdout: thread is done

import threading

import conc


def outlive_main() -> None:
    threading.main_thread().join()
    print("thread is done", flush=True)


conc.Thread(target=outlive_main).start()
print("main is done", flush=True)
