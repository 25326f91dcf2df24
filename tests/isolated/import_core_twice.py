"""conc imported anew while the first one's pool and thread are at work: each goes on, and exit waits for both."""

# stdout: True
# stdout: 8 [2, 3] 1
# stdout: main is done
# stdout: first done, second done

import atexit
import sys
import threading
import time


@atexit.register
def judge() -> None:
    """Called last of all functions at exit: what was registered first."""
    print(f"first {'done' if old.done() else 'not'}, second {'done' if new.done() else 'not'}", flush=True)


import conc  # noqa: E402
from conc import _core as first_core  # noqa: E402

exit_has_begun, go_on = threading.Event(), threading.Event()


def wait_for_exit() -> None:
    exit_has_begun.wait()
    time.sleep(0.1)  # an exit that does not wait is over before that


old_pool = conc.ThreadPoolExecutor(1)
old_thread = conc.Thread(target=lambda: (go_on.wait(), 1)[1])
old_thread.start()
old = old_pool.submit(wait_for_exit)
kernel = conc.kernels.prime_factors
for name in [name for name in sys.modules if name.split(".")[0] == "conc"]:
    del sys.modules[name]
import conc as anew  # noqa: E402
from conc import _core as second_core  # noqa: E402

print(first_core is not second_core and first_core.Pool is not second_core.Pool, flush=True)
new_pool = anew.ThreadPoolExecutor(1)
go_on.set()
# The first module's kernel is a plain callable for the second one.
print(new_pool.submit(pow, 2, 3).result(), new_pool.submit(kernel, 6).result(), old_thread.result(), flush=True)
new = new_pool.submit(wait_for_exit)
threading._register_atexit(exit_has_begun.set)  # the last one to register is called first
print("main is done", flush=True)
