"""Ctrl-C while the interpreter's exit waits for a thread or a pool ends that waiting, as with threading's."""

# cases: thread kernel-thread pool
# stdout: main is done
# stderr: KeyboardInterrupt

import sys
import threading

from at_exit import when_exit_begins
from interrupt import interrupter
from server import SilentServer

import conc

context = interrupter()
helper = context.__enter__()
go_on = threading.Event()
match sys.argv[1]:
    case "thread":
        conc.Thread(target=go_on.wait).start()
    case "kernel-thread":
        server = SilentServer()
        conc.Thread(target=conc.kernels.http_get, args=(server.url, 3600)).start()
        server.asked.wait()
    case "pool":
        pool = conc.ThreadPoolExecutor(1)
        pool.submit(go_on.wait)


def judge() -> None:
    context.__exit__(None, None, None)
    go_on.set()


import atexit  # noqa: E402

atexit.register(judge)
when_exit_begins(helper.order)
print("main is done", flush=True)
