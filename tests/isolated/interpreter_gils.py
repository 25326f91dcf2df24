"""A subinterpreter's GIL, its own or the main one's: what it says of itself, and what the main one reads of it."""

# cases: own-gil shared-gil
# needs: subinterpreters
# needs: gil
# needs[own-gil]: python3.12
# stdout[own-gil]: own: True
# stdout[shared-gil]: own: False
# stdout: holder: True
# stdout[own-gil]: GILs: 1 2 1
# stdout[shared-gil]: GILs: 1 1 1

import sys

from interpreter import Interpreter

from conc import _core

INSIDE = """
import threading
import conc
from conc import _core
status = conc.gil_status()
print("own:", status.own_gil, flush=True)
rows = _core.GilReader(0, _core.gil_layout()).read()
owner = status.interpreter if status.own_gil else 0
print("holder:", [row[0] for row in rows if row[3] == threading.get_native_id()] == [owner], flush=True)
"""

layout = _core.gil_layout()
assert isinstance(layout, bytes), layout
reader = _core.GilReader(0, layout)
counts = [len(reader.read())]
interpreter = Interpreter(own_gil=sys.argv[1] == "own-gil")
interpreter.run(INSIDE)
reader.refresh()
rows = reader.read()
counts.append(len(rows))
assert [row[2] for row in rows] == [True, False][: len(rows)], rows  # nobody is in the other interpreter now
interpreter.destroy()
counts.append(len(reader.read()))
if counts[-1] != 1:  # freed, and not yet unmapped
    reader.refresh()
    counts[-1] = len(reader.read())
print("GILs:", *counts, flush=True)
