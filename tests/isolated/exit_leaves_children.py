"""Interpreter exit leaves children running; a pipe to one ends, so that one that reads can end by itself."""

# cases: held dropped
# stdout: parent is done
# stdout: child reads the end
# stderr[held]: ResourceWarning: child
# stderr[dropped]: ResourceWarning: child
# outlived: the child ends by itself

import sys

import conc

child = conc.spawn(["sh", "-c", "read line; echo child reads the end"], stdin=conc.PIPE)
print("parent is done", flush=True)
if sys.argv[1] == "dropped":
    del child
