"""The end of an interpreter waits for its thread and runs what its pool, never shut down, has queued.

CPython 3.11 refuses to destroy an interpreter that has threads.
"""

# needs: subinterpreters
# needs: python3.12
# stdout: task ran
# stdout: thread ran
# stdout: task ran
# stdout: thread ran

from interpreter import run_in_new_interpreter

WORK = """
import conc, threading
exit_has_begun, task_ran = threading.Event(), threading.Event()

def in_pool():
    exit_has_begun.wait()
    print("task ran", flush=True)
    task_ran.set()

def in_thread():
    task_ran.wait()
    print("thread ran", flush=True)

pool = conc.ThreadPoolExecutor(1)
pool.submit(in_pool)
conc.Thread(target=in_thread).start()
threading._register_atexit(exit_has_begun.set)  # the last one to register is called first
"""

for _ in range(2):
    run_in_new_interpreter(WORK)
