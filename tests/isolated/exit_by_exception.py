"""sys.exit with a status, while a thread and a pool are at work, keeps the status."""

# status: 7
# stdout: task is done
# stdout: thread is done

import sys
import threading

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
threading._register_atexit(exit_has_begun.set)  # the last one to register is called first
sys.exit(7)
