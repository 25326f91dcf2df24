"""A guard that nobody stops is ended by exit, also in a stall and in a callback; a stall that ends then is still told.

None can be started once exit has come as far as that.
"""

# cases: idle in-a-stall dropped callback loop system-exit
# stdout[in-a-stall]: told of gil
# stdout[callback]: told of loop
# stdout: refused
# stderr[in-a-stall]: has held the GIL for
# stderr[in-a-stall]: was let go of
# stderr[callback]: has not turned
# needs[in-a-stall]: gil
# status[system-exit]: 3

import asyncio
import atexit
import ctypes
import sys
import time

import conc


def refused() -> None:
    try:
        conc.stall_guard(1.0).start()
    except RuntimeError:
        print("refused", flush=True)


atexit.register(refused)
case = sys.argv[1]


def tell(report: conc.StallReport) -> None:
    time.sleep(0.05)  # exit waits for it
    print("told of", report.kind, flush=True)


def block() -> None:
    while not guard.stalls:
        time.sleep(0.01)


async def main(*, blocked: bool) -> None:
    guard.start()
    await asyncio.sleep(0)
    if blocked:
        block()


guard = conc.stall_guard(0.1, callback=tell)
match case:
    case "idle":
        guard.start()
    case "dropped":
        guard.start()
        del guard
    case "in-a-stall":
        guard.start()
        atexit.unregister(refused)
        atexit.register(refused)
        ctypes.PyDLL(None).usleep(500_000)
    case "callback":
        asyncio.run(main(blocked=True))
    case "loop":
        asyncio.run(main(blocked=False))
    case "system-exit":
        guard.start()
        sys.exit(3)
