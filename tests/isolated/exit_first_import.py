"""A program that first reaches for conc's threads in an atexit function is refused, as by concurrent.futures."""

# cases: Thread ThreadPoolExecutor
# stdout: can't register atexit after shutdown

import atexit
import sys
import threading

import conc

assert not threading._threading_atexits


@atexit.register
def come_late() -> None:
    try:
        getattr(conc, sys.argv[1])
    except RuntimeError as error:
        print(error, flush=True)
