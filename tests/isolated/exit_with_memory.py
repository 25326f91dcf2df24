"""Interpreter exit while memory for measuring is held, bound and touched, and while a daemon measures on it."""

# cases: held measuring
# stdout: main is done

import sys
import threading

import conc
from conc import _core

arena = _core.Arena(1 << 22)
cpu = _core.affinity()[0]
arena.touch(cpu, 60.0)
arena.build(0, 1 << 20, 1, cpu, 60.0)
if sys.argv[1] == "measuring":
    inside = threading.Event()

    def measure() -> None:
        inside.set()
        arena.chase(0, cpu, 1 << 30, 1 << 30, True, 3600.0)

    conc.Thread(target=measure, daemon=True).start()
    inside.wait()
print("main is done", flush=True)
