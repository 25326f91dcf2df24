"""Interpreter exit while a daemon waits for something of conc's that comes to pass only then, or never."""

# cases: result exception join thread-result wait as-completed shutdown with map kernel-map child communicate latency
# stdout: main is done
# outlived[child]: the child ends with its standard input
# outlived[communicate]: the child ends with its standard input

import concurrent.futures
import sys
import threading
import warnings

from at_exit import when_exit_begins

import conc

warnings.simplefilter("ignore", ResourceWarning)  # of the child that exit leaves to itself
what = sys.argv[1]
go_on, inside = threading.Event(), threading.Event()
when_exit_begins(go_on.set)  # the pool's task ends, or exit would wait for it
for_ever = threading.Event()


def wait_for_it() -> None:
    inside.set()
    match what:
        case "result":
            future.result()
        case "exception":
            future.exception()
        case "join":
            thread.join()
        case "thread-result":
            thread.result()
        case "wait":
            concurrent.futures.wait([future, conc.Future()])
        case "as-completed":
            list(concurrent.futures.as_completed([future, conc.Future()]))
        case "shutdown":
            pool.shutdown()
        case "with":
            with pool:
                pass
        case "map" | "kernel-map":
            list(results)
        case "child":
            child.wait()
        case "communicate":
            child.communicate()
        case "latency":
            conc.memory.latency(timeout=3600, samples=100_000)


pool = conc.ThreadPoolExecutor(1)
future = pool.submit(go_on.wait)
thread = conc.Thread(target=for_ever.wait, daemon=True)
thread.start()
if what == "map":
    results = pool.map(lambda _: go_on.wait(), range(2))
elif what == "kernel-map":
    results = pool.map(conc.kernels.sleep, [0.1] * 2)
elif what in ("child", "communicate"):
    child = conc.spawn(["cat"], stdin=conc.PIPE)
conc.Thread(target=wait_for_it, daemon=True).start()
inside.wait()
print("main is done", flush=True)
