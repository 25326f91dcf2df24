"""A thread that forks is the child's main thread and alive there; the others are not, and joining them returns."""

# stdout: child: True False
# stdout: child: 0
# stdout: parent: 0

import os
import threading
import warnings

import conc

warnings.simplefilter("ignore", DeprecationWarning)  # Python's own word on forking with threads
go_on = threading.Event()
other = conc.Thread(target=go_on.wait)
other.start()


def fork() -> int:
    child = os.fork()
    if child == 0:
        print("child:", forker.is_alive(), other.is_alive(), flush=True)
        other.join()
        again = conc.Thread(target=lambda: 0)
        again.start()
        print("child:", again.result(), flush=True)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


forker = conc.Thread(target=fork)
forker.start()
print("parent:", forker.result(), flush=True)
go_on.set()
other.join()
