"""A __del__ that runs while the interpreter is taken down can use pools, futures and threads that have ended."""

# cases: main subinterpreter
# needs: gil
# needs[subinterpreter]: subinterpreters
# needs[subinterpreter]: python3.12
# stdout: 8 8 [2, 2] closed

import sys

from interpreter import run_in_new_interpreter

WORK = """
import os, conc

class Late:
    def __init__(self):
        self.pool = conc.ThreadPoolExecutor(2)
        self.future = self.pool.submit(pow, 2, 3)
        self.rest = self.pool.map(conc.kernels.trial_divisions, [10, 12])
        self.thread = conc.Thread(target=pow, args=(2, 3))
        self.thread.start()
        self.write = os.write

    def __del__(self):
        self.thread.join()
        self.pool.shutdown()
        told = self.future.result(), self.thread.result(), list(self.rest), "closed"
        self.write(1, (" ".join(map(str, told)) + "\\n").encode())

late = Late()
"""
if sys.argv[1] == "main":
    exec(WORK, globals())
else:
    run_in_new_interpreter(WORK)
