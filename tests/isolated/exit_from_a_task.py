"""os._exit in a task ends the process at once; sys.exit in one is the outcome of its future, and of main if it asks."""

# cases: os-exit sys-exit sys-exit-thread
# status: 5
# stdout[sys-exit]: SystemExit(5)
# stdout[sys-exit-thread]: SystemExit(5)

import os
import sys

import conc

match sys.argv[1]:
    case "os-exit":
        pool = conc.ThreadPoolExecutor(1)
        pool.submit(os._exit, 5).result()
    case "sys-exit":
        pool = conc.ThreadPoolExecutor(1)
        future = pool.submit(sys.exit, 5)
        print(repr(future.exception()), flush=True)
        future.result()
    case "sys-exit-thread":
        thread = conc.Thread(target=sys.exit, args=(5,))
        thread.start()
        print(repr(thread.exception()), flush=True)
        thread.result()
