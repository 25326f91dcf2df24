"""No more threads to be had: start() says so, nothing is half made, and the same object starts when there are some.

"nproc": another user's limit of processes, which does not bind root. "stack": no room for a stack in memory.
"""

# cases: nproc stack
# cases: python kernel placed placed-kernel
# needs[nproc]: root
# stdout: refused: RuntimeError can't start new thread
# stdout: as before: True
# stdout: started later: 1024

import os
import resource
import sys
import threading

import conc
from conc import ThreadEnd, _core, kernels

why, kind = sys.argv[1:]
NOBODY = 65534


def make(stack_size: int | None = None) -> conc.Thread:
    options = {"stack_size": stack_size}
    if kind.startswith("placed"):
        options["affinity"] = os.sched_getaffinity(0)
    if kind.endswith("kernel"):
        return conc.Thread(target=kernels.sleep, args=(0,), **options)
    return conc.Thread(target=pow, args=(2, 10), **options)


def facts() -> object:
    return (
        *(len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd"))),
        *(threading.enumerate(), threading.active_count()),
    )


first = make()
first.start()  # what is loaded at the first start is loaded
first.join()
called: list[conc.Thread] = []
thread = make(16 << 20)  # more than the stack that the C library has kept of the first
thread.add_done_callback(called.append)
limit = resource.RLIMIT_NPROC if why == "nproc" else resource.RLIMIT_AS
if why == "nproc":
    os.setresuid(NOBODY, NOBODY, NOBODY)
before = facts()
soft, hard = resource.getrlimit(limit)
resource.setrlimit(limit, (0 if why == "nproc" else 1 << 20, hard))
messages = []
for _ in range(3):
    try:
        thread.start()
    except RuntimeError as error:
        messages.append(str(error))
resource.setrlimit(limit, (soft, hard))
same = {message.partition(":")[0] for message in messages} if len(messages) == 3 else {f"{len(messages)} errors"}
print("refused: RuntimeError", *same)
_core.join_threads()  # who is on exit's list is waited for: a thread half made would be there for ever
untouched = (thread.ident, thread.native_id, thread.is_alive(), thread.state, thread.ended_by, called)
print("as before:", (facts() == before and untouched == (None, None, False, None, None, [])) or (facts(), untouched))
thread.start()
thread.join()
assert called == [thread]
assert thread.ended_by is ThreadEnd.RETURNED
print("started later:", thread.result() or 1024)
