"""An exception that nobody catches ends the interpreter with status 1 once the thread and the pool are done."""

# status: 1
# stdout: task is done
# stdout: thread is done
# stderr: ZeroDivisionError: of the main program

import threading

from at_exit import when_exit_begins

import conc

task_is_done = threading.Event()
exit_has_begun = threading.Event()
when_exit_begins(exit_has_begun.set)


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
raise ZeroDivisionError("of the main program")
