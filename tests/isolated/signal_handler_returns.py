"""A handler that returns does not end a blocking call: it goes on, and its timeout is what is left of it (PEP 475).

The signal comes again and again, at shorter intervals than the timeout: a call that began anew each time would never
end.
"""

# cases: join thread-result thread-exception kernel-join kernel-result result exception bare-future wait as-completed
#    asyncio map kernel-map spin sleep http_get child-wait communicate run run-talk run-deaf latency bandwidth probe
# core: join kernel-join result wait asyncio map sleep child-wait
# stdout: handled, and not before its time

import contextlib
import signal
import subprocess
import sys
import time

from blocking_calls import CALLS

TIMEOUT_S = 0.3
handled = 0


def handle(number: int, frame: object) -> None:
    global handled
    handled += 1


signal.signal(signal.SIGALRM, handle)
name = sys.argv[1]
with CALLS[name](TIMEOUT_S) as blocked:
    signal.setitimer(signal.ITIMER_REAL, 0.03, 0.03)
    began = time.monotonic()
    with contextlib.suppress(TimeoutError, subprocess.TimeoutExpired):
        blocked.call()
    took_s = time.monotonic() - began
    signal.setitimer(signal.ITIMER_REAL, 0)
# A measurement ends earlier, with the samples that it wanted; map's timeout counts from its own call.
early = 0.0 if name in ("latency", "bandwidth", "probe") else TIMEOUT_S
in_time = took_s >= early and handled >= 1
print("handled, and not before its time" if in_time else f"{handled} times handled, {took_s} s", flush=True)
