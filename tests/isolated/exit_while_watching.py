"""Interpreter exit while watches are on: in the main thread, in a daemon that is left behind, in one forgotten.

Those that look at lines of Python, or for children, have threads of Python besides, which exit waits for no longer than
for their look. A child that runs meanwhile is left to itself.
"""

# cases: main daemon dropped system-exit
# cases: plain where children both
# stdout: watching

import subprocess
import sys
import threading

from looks import OPTIONS

import conc

kind, looks = sys.argv[1:]
options = OPTIONS[looks]
inside = threading.Event()


def watch_for_ever() -> None:
    with conc.watch(interval=0.0005, **options):
        inside.set()
        threading.Event().wait()


if kind == "daemon":
    threading.Thread(target=watch_for_ever, daemon=True).start()
    inside.wait()
elif kind == "dropped":
    conc.watch(**options).__enter__()
else:
    watch = conc.watch(interval=0.0005, **options)
    watch.__enter__()
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
print("watching", flush=True)
assert child.stdin is not None
child.stdin.write(b"\n")  # it begins, and ends, while we do
child.stdin.close()
child.wait()
if kind == "system-exit":
    with conc.watch(**options):
        sys.exit(0)
