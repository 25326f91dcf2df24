"""Threads of a subinterpreter: made, joined, stopped, awaited and lost there.

"crossed": a conc.Thread of the main interpreter goes into a subinterpreter, whose conc knows nothing of it: its shields
do nothing there, no kernel there raises the other interpreter's exception, and the stop comes when it is back.
"""

# cases: join stop callback await lost lost-kernel many crossed
# cases: own-gil shared-gil
# needs: subinterpreters
# needs[own-gil]: python3.12
# needs[lost]: python3.12
# needs[await]: python3.13
# stdout: as promised
# stdout: main: 1024

import sys
import threading

from interpreter import Interpreter, run_in_new_interpreter

import conc
from conc import kernels

COMMON = """
import os, sys, threading, time
import conc
from conc import ThreadEnd, kernels

def tell(kept):
    os.write(1, b"as promised\\n" if kept else b"not as promised\\n")

def loop(inside):
    while True:
        inside.set()
"""

CODE = {
    "join": """
threads = [conc.Thread(target=pow, args=(2, 3)), conc.Thread(target=kernels.prime_factors, args=(8,))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
tell([thread.result() for thread in threads] == [8, [2, 2, 2]] and threads[0].usage.wall_s > 0)
""",
    "stop": """
inside = threading.Event()
threads = [conc.Thread(target=loop, args=(inside,)), conc.Thread(target=kernels.sleep, args=(3600,))]
for thread in threads:
    thread.start()
inside.wait()
reports = [thread.stop(20) for thread in threads]
tell([thread.ended_by for thread in threads] == [ThreadEnd.STOPPED] * 2 and all(report.ended for report in reports)
     and type(threads[0].exception()) is conc.ThreadStopped)
""",
    "callback": """
told = []
threads = [conc.Thread(target=int), conc.Thread(target=kernels.sleep, args=(0,))]
for thread in threads:
    thread.add_done_callback(lambda thread: told.append((thread, threading.current_thread())))
    thread.start()
    thread.join()
tell(told == [(thread, thread) for thread in threads])
""",
    "await": """
import asyncio
async def main():
    thread = conc.Thread(target=pow, args=(2, 3))
    thread.start()
    return await thread
tell(asyncio.run(main()) == 8)
""",
    # dropped while they run: the interpreter's end waits for them all the same
    "lost": """
import atexit
done = []
def work():
    time.sleep(0.1)
    done.append(1)
for _ in range(5):
    conc.Thread(target=work).start()
atexit.register(lambda: tell(len(done) == 5))
""",
    "lost-kernel": """
import atexit
before = set(os.listdir("/proc/self/task"))
for _ in range(5):
    conc.Thread(target=kernels.sleep, args=(0.1,)).start()
def others_go():
    end = time.monotonic() + 20  # the system lists a thread for some moments after its end
    while not set(os.listdir("/proc/self/task")) <= before and time.monotonic() < end:
        os.sched_yield()
    return set(os.listdir("/proc/self/task")) <= before
atexit.register(lambda: tell(others_go()))
""",
    "many": """
gate = threading.Event()
threads = [conc.Thread(target=gate.wait) for _ in range(200)]
for thread in threads:
    thread.start()
gate.set()
tell([thread.result() for thread in threads] == [True] * 200)
""",
}

CROSSED = """
with conc.shield():
    kernels.sleep(0.01)
kernels.sleep(0.01)
tell(conc.stop_requested())  # the token is the thread's own, wherever it goes
"""


def cross() -> None:
    interpreter = Interpreter(own_gil=own_gil)
    try:
        with conc.shield():
            inside.set()
            stopped.wait()
            interpreter.run(COMMON + CROSSED)
        for _ in range(10_000):
            pass
        print("not stopped", flush=True)
    finally:
        with conc.shield():
            interpreter.destroy()


what, own_gil = sys.argv[1], sys.argv[2] == "own-gil"
inside, stopped = threading.Event(), threading.Event()
if what == "crossed":
    thread = conc.Thread(target=cross)
    thread.start()
    inside.wait()
    thread._interrupt()
    stopped.set()
    thread.join()
    assert thread.ended_by is conc.ThreadEnd.STOPPED, (thread.ended_by, thread.exception())
else:
    run_in_new_interpreter(COMMON + CODE[what], own_gil=own_gil)
after = conc.Thread(target=pow, args=(2, 10))
after.start()
native = conc.Thread(target=kernels.sleep, args=(0,))
native.start()
native.join()
print("main:", after.result(), flush=True)
