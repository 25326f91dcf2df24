"""A forked child that ends as any program does, not by os._exit: it runs its exit functions and waits for its own."""

# cases: main-end main-exit thread-return task-return
# stdout[main-end]: child exits
# stdout[main-end]: child's own thread is done
# stdout[main-end]: parent: 0
# stdout[main-exit]: child exits
# stdout[main-exit]: child's own thread is done
# stdout[main-exit]: parent: 3
# stdout[thread-return]: parent: 0
# stdout[task-return]: parent: 0

import os
import sys
import threading
import warnings

from at_exit import when_exit_begins

import conc

warnings.simplefilter("ignore", DeprecationWarning)  # Python's own word on forking with threads
how = sys.argv[1]
go_on, own_go_on = threading.Event(), threading.Event()
inside = threading.Event()


def wait() -> None:
    inside.set()
    go_on.wait()


def outlive() -> None:
    own_go_on.wait()
    print("child's own thread is done", flush=True)


pool = conc.ThreadPoolExecutor(2)
busy = pool.submit(wait)
thread = conc.Thread(target=go_on.wait)
thread.start()
inside.wait()
match how:
    case "main-end" | "main-exit":
        child = os.fork()
        if child == 0:
            when_exit_begins(own_go_on.set)
            conc.Thread(target=outlive).start()
            print("child exits", flush=True)
            sys.exit(3 if how == "main-exit" else 0)
    case "thread-return":
        forker = conc.Thread(target=os.fork)
        forker.start()
        child = forker.result()
    case "task-return":
        child = pool.submit(os.fork).result()
print("parent:", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
go_on.set()
thread.join()
pool.shutdown()
