"""A guard in a subinterpreter, with a GIL of its own or the main one's: without the GIL it has no stacks."""

# cases: own shared
# needs: subinterpreters
# needs: gil
# needs[own]: python3.13
# stdout: gil True signal handlers are the main interpreter's, whose stacks they would show
# stdout: loop True in block
# stdout: gil True in main

import ctypes
import sys

from interpreter import run_in_new_interpreter

import conc

WORK = """
import asyncio, os, sys, time, ctypes, threading
import conc

class Sink:
    def fileno(self):
        return sink

sink = os.open(os.devnull, os.O_WRONLY)
with conc.stall_guard(0.1, file=Sink()) as guard:
    ctypes.PyDLL(None).usleep(400_000)
    while not guard.stalls:
        time.sleep(0.01)
(report,) = guard.stalls
holder = report.native_id in (None, threading.get_native_id())
print(report.kind, holder, report.unknown["stacks"], flush=True)

def block(guard):
    while not guard.stalls:
        time.sleep(0.01)

async def main():
    with conc.stall_guard(0.1, file=Sink()) as guard:
        await asyncio.sleep(0)
        block(guard)
    return guard.stalls[0]

report = asyncio.run(main())
own = report.native_id == threading.get_native_id()
print(report.kind, own, "in block" * ("in block" in report.stacks), flush=True)
if sys.version_info >= (3, 12):  # before, an interpreter with threads cannot be destroyed
    conc.stall_guard(10, file=Sink()).start()
os.close(sink)
"""


def main() -> None:
    with open("/dev/null", "w") as sink, conc.stall_guard(0.1, file=sink) as guard:
        ctypes.PyDLL(None).usleep(400_000)
        while not guard.stalls:
            pass
    (report,) = guard.stalls
    print(report.kind, report.duration_s is not None, "in main" * ("in main" in report.stacks), flush=True)


run_in_new_interpreter(WORK, own_gil=sys.argv[1] == "own")
main()
