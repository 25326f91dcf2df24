"""In the child of a fork there is no guard, and nothing of it is left: no thread, descriptor, signal's handler or beat.

The parent's guard goes on; the child may have one of its own.
"""

# cases: from-main from-loop from-callback
# stdout: child: nothing left
# stdout: child: loop
# stdout: parent: 0 loop

import asyncio
import os
import sys
import threading
import time
import warnings

import conc
from conc import _core

warnings.simplefilter("ignore", DeprecationWarning)  # Python's own word on forking with threads
where = sys.argv[1]
descriptors = set(os.listdir("/proc/self/fd"))
free = _core.free_signal()


def quiet() -> int:
    return os.open(os.devnull, os.O_WRONLY)


class Sink:
    """A file of which nobody reads."""

    def __init__(self) -> None:
        self._fd = quiet()

    def fileno(self) -> int:
        return self._fd


def stalled_once() -> str:
    """A guard of its own, in a loop of its own."""

    async def main() -> str:
        with conc.stall_guard(0.1, file=Sink()) as own:
            await asyncio.sleep(0)
            while not own.stalls:
                time.sleep(0.01)
            return own.stalls[0].kind

    return asyncio.run(main())


def child() -> None:
    assert not guard.armed
    assert threading.active_count() == 1, threading.enumerate()
    assert len(os.listdir("/proc/self/task")) == 1
    assert _core.free_signal() == free
    guard.stop()
    left = {fd for fd in os.listdir("/proc/self/fd") if fd not in descriptors}
    targets = {fd: os.readlink(f"/proc/self/fd/{fd}") for fd in left if os.path.exists(f"/proc/self/fd/{fd}")}
    assert not any(target.startswith("pipe:") for target in targets.values()), targets
    print("child: nothing left", flush=True)
    print("child:", stalled_once() if where != "from-loop" else "loop", flush=True)


def fork() -> None:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            child()
            status = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    statuses.append(os.waitstatus_to_exitcode(status))


statuses: list[int] = []
guard = conc.stall_guard(0.1, file=Sink())


async def in_loop() -> None:
    with guard:
        await asyncio.sleep(0.02)
        fork()


async def in_callback() -> None:
    global guard
    guard = conc.stall_guard(0.1, file=Sink(), callback=lambda _: fork())
    with guard:
        await asyncio.sleep(0.02)
        while not statuses:
            time.sleep(0.01)


match where:
    case "from-main":
        with guard:
            fork()
    case "from-loop":
        asyncio.run(in_loop())
    case _:
        asyncio.run(in_callback())
print("parent:", *statuses, stalled_once(), flush=True)
