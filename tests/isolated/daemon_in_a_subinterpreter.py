"""In a subinterpreter start() of a daemon returns once it has run.

An interpreter that ends then leaves no thread that waits for its first turn: CPython would go on waiting in the memory
of an interpreter that is gone.
"""

# needs: subinterpreters
# needs: gil
# stdout: it ran first, 100 times
# stdout: and ended

from interpreter import run_in_new_interpreter

WORK = """
import sys, _thread, conc
sys.setswitchinterval(1000)  # a thread that has the GIL keeps it until it waits for something
gate = _thread.allocate_lock()
gate.acquire()
ran = []

def target():
    ran.append(1)
    gate.acquire()
    gate.release()

threads = []
for count in range(100):
    threads.append(conc.Thread(target=target, daemon=True))
    threads[-1].start()
    assert len(ran) == count + 1, f"thread {count + 1} was started, and {len(ran)} have run"
print(f"it ran first, {len(ran)} times", flush=True)
gate.release()
for thread in threads:
    thread.join()
print("and ended", flush=True)
"""

run_in_new_interpreter(WORK, own_gil=False)  # another one has no daemons
