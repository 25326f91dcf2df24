"""A subinterpreter that ends lets a daemon whose kernel is done come in for its callbacks before it goes.

The thread would else wait for its turn in an interpreter that is gone, for ever or until it crashes.
"""

# needs: subinterpreters
# needs: python3.12
# stdout: and gone

import os
import time

from interpreter import run_in_new_interpreter

WORK = """
import sys, conc
sys.setswitchinterval(1000)  # a thread that has the GIL keeps it until it waits for something
thread = conc.Thread(target=conc.kernels.spin, args=(0.0,), daemon=True)
thread.add_done_callback(lambda thread: None)
thread.start()
while not thread._end():
    pass
sum(range(1_000_000))  # it comes to where it waits for its turn; if it is late, it ends without one
"""

run_in_new_interpreter(WORK, own_gil=False)  # another one has no daemons
while len(os.listdir("/proc/self/task")) > 1:
    time.sleep(0.001)
print("and gone", flush=True)
