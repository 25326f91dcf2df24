"""A handler runs while the main thread is inside of a blocking call: what it brings about ends the call, and what it
raises leaves the call. A signal that lands on another thread is handled by the main thread, too.
"""

# cases: join thread-result kernel-join kernel-result result bare-future shutdown with map kernel-map http_get
#    child-wait communicate
# cases: lets-go raises
# cases: to-main to-worker
# stdout[lets-go]: handled, and the call returned
# stdout[raises]: ConnectionAbortedError: of the handler

import os
import signal
import sys
import threading

from blocking_calls import CALLS
from interrupt import interrupter

import conc

name, kind, target = sys.argv[1:]
handled_in = []


def handle(number: int, frame: object) -> None:
    handled_in.append(threading.get_native_id())
    if kind == "raises":
        raise ConnectionAbortedError("of the handler")
    assert blocked.let_go is not None
    blocked.let_go()


signal.signal(signal.SIGTERM, handle)
go_on = threading.Event()
other = conc.Thread(target=go_on.wait)
other.start()
with CALLS[name](None) as blocked, interrupter(signal.SIGTERM) as helper:
    try:
        helper.order(other.native_id if target == "to-worker" else 0)
        blocked.call()
        if handled_in == [os.getpid()]:
            print("handled, and the call returned", flush=True)
    except ConnectionAbortedError as error:
        print(f"{type(error).__name__}: {error}", flush=True)
    helper.sent_ns()
go_on.set()
other.join()
