"""Interpreter exit while watches are on: in the main thread, in a daemon that is left behind, in one forgotten."""

# cases: main daemon dropped system-exit
# stdout: watching

import sys
import threading

import conc

[kind] = sys.argv[1:]
inside = threading.Event()


def watch_for_ever() -> None:
    with conc.watch(interval=0.0005):
        inside.set()
        threading.Event().wait()


if kind == "daemon":
    threading.Thread(target=watch_for_ever, daemon=True).start()
    inside.wait()
elif kind == "dropped":
    conc.watch().__enter__()
else:
    watch = conc.watch(interval=0.0005)
    watch.__enter__()
print("watching", flush=True)
if kind == "system-exit":
    with conc.watch():
        sys.exit(0)
