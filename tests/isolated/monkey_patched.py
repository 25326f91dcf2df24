"""gevent and eventlet replace what a thread is: Python code is refused a native thread, kernels run in theirs."""

# cases: gevent eventlet
# needs[gevent]: gevent
# needs[eventlet]: eventlet

import os
import sys
import time
import warnings

if sys.argv[1] == "gevent":
    from gevent import monkey

    monkey.patch_all()
    patched_by = "gevent.thread"
else:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says of itself that it is old
        import eventlet

        eventlet.monkey_patch()
    patched_by = "eventlet.green.thread"

import threading

import conc

refused = conc.Thread(target=print, args=("must not run",))
said = ""
try:
    refused.start()
except RuntimeError as error:
    said = str(error)
assert f"was replaced by one of {patched_by}," in said, said
assert "use threading.Thread" in said, said
assert (refused.state, refused.is_alive()) == (None, False)
assert refused not in threading.enumerate()

native = conc.Thread(target=conc.kernels.prime_factors, args=(12,))
native.start()
assert native.result() == [2, 2, 3]
stopped = conc.Thread(target=conc.kernels.sleep, args=(60.0,))
stopped.start()
assert stopped.stop(30.0).ended

# What looks for lines and children is a thread of theirs, in the main one, which is seen all the same.
with conc.watch(where=True, children=True) as watched:
    time.sleep(0.1)
assert os.getpid() in {thread.tid for thread in watched.raw.threads}
