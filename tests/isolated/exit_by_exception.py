"""sys.exit with a status, or an exception that nobody catches: work that runs is done, and the status is kept."""

# cases: sys-exit uncaught
# status[sys-exit]: 7
# status[uncaught]: 1
# stderr[uncaught]: ZeroDivisionError: of the main program
# stdout: task is done
# stdout: thread is done

import sys
import threading

from at_exit import when_exit_begins

import conc

task_is_done = threading.Event()
exit_has_begun = threading.Event()


def in_thread() -> None:
    task_is_done.wait()
    print("thread is done", flush=True)


def in_pool() -> None:
    exit_has_begun.wait()
    print("task is done", flush=True)
    task_is_done.set()


conc.Thread(target=in_thread).start()
pool = conc.ThreadPoolExecutor(1)
pool.submit(in_pool)
when_exit_begins(exit_has_begun.set)
if sys.argv[1] == "sys-exit":
    sys.exit(7)
raise ZeroDivisionError("of the main program")
