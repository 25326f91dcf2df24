"""A process that was stopped has no stalls for it; and the signals of others come as ever while a guard is armed."""

# cases: stopped interrupted handled
# stdout[stopped]: continued, stalls: 0
# stdout[interrupted]: KeyboardInterrupt
# stdout[handled]: handled in MainThread

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time

import conc

case = sys.argv[1]


async def turn(seconds: float) -> None:
    await asyncio.sleep(seconds)


async def main() -> None:
    with conc.stall_guard(0.3) as guard:
        await turn(0.05)
        # Stops us, and lets us go on after three times the limit.
        code = f"import os, time; os.kill({os.getpid()}, 19); time.sleep(1.0); os.kill({os.getpid()}, 18)"
        waker = subprocess.Popen([sys.executable, "-c", code])
        while waker.poll() is None:
            await turn(0.01)
        await turn(0.2)
        print("continued, stalls:", len(guard.stalls), flush=True)


match case:
    case "stopped":
        asyncio.run(main())
    case "interrupted":
        with conc.stall_guard(0.1):
            try:
                signal.raise_signal(signal.SIGINT)
                time.sleep(10)
            except KeyboardInterrupt:
                print("KeyboardInterrupt", flush=True)
    case _:
        came = threading.Event()
        names: list[str] = []

        def handler(*_: object) -> None:
            names.append(threading.current_thread().name)
            came.set()

        signal.signal(signal.SIGRTMAX, handler)
        with conc.stall_guard(0.1):
            os.kill(os.getpid(), signal.SIGRTMAX)
            while not came.is_set():
                time.sleep(0.01)
        print("handled in", *names, flush=True)
