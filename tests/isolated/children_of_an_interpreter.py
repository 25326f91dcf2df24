"""conc.run and conc.spawn work in every interpreter, also where os.fork() is forbidden: the child runs no Python."""

# cases: own-gil shared-gil
# needs: subinterpreters
# stdout: b'hello' 0 3

import sys

from interpreter import run_in_new_interpreter

WORK = """
import os, conc
done = conc.run(["cat"], input=b"hello", capture_output=True)
with conc.spawn(["sh", "-c", "exit 3"]) as child:
    code = child.wait()
os.write(1, f"{done.stdout} {done.returncode} {code}\\n".encode())
"""
run_in_new_interpreter(WORK, own_gil=sys.argv[1] == "own-gil")
