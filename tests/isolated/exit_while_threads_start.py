"""Threads start threads while the interpreter exits: each that start() took ends before exit is over, or is refused.

"atexit" and "finalizer": where the last ones are started from. "daemons" start daemons, for whom nobody waits.
"""

# cases: threads daemons atexit finalizer
# cases: python kernel
# stdout: main is done
# stdout: whole

import atexit
import os
import sys
import threading

STARTED: list[object] = []
ENDED: list[object] = []
REFUSED: list[str] = []


@atexit.register
def judge() -> None:
    """Called last of all."""
    if where == "finalizer":
        return
    lost = [thread for thread in list(STARTED) if not thread.daemon and thread.is_alive()]
    wrong = {message for message in REFUSED if "at interpreter shutdown" not in message}
    os.write(1, b"whole\n" if not lost and not wrong else f"lost {lost}, {wrong}\n".encode())


import conc  # noqa: E402
from conc import kernels  # noqa: E402

where, kind = sys.argv[1:]
busy = threading.Event()


def start(depth: int) -> None:
    """One that starts another one, many times over; a daemon's are daemons."""
    target, args = (kernels.sleep, (0.001,)) if kind == "kernel" and depth % 2 else (go_on, (depth,))
    thread = conc.Thread(target=target, args=args)
    try:
        thread.start()
    except RuntimeError as error:
        REFUSED.append(str(error))
        return
    STARTED.append(thread)
    if kind == "kernel" and depth % 2:
        go_on(depth)


def go_on(depth: int) -> None:
    busy.set()
    if depth:
        start(depth - 1)


def start_for_ever() -> None:
    while True:
        start(1)


class AtTheEnd:
    def __del__(self, write: object = os.write, thread_type: object = conc.Thread) -> None:
        thread = thread_type(target=int)  # type: ignore[operator]
        try:
            thread.start()
        except RuntimeError:
            write(1, b"whole\n")  # type: ignore[operator]
        else:
            write(1, b"started when nobody waits\n")  # type: ignore[operator]


if where == "threads":
    for _ in range(4):
        start(100)
elif where == "daemons":
    for _ in range(2):
        conc.Thread(target=start_for_ever, daemon=True).start()
    busy.wait()
elif where == "atexit":
    for _ in range(20):
        atexit.register(start, 10)
else:
    kept = AtTheEnd()
print("main is done", flush=True)
