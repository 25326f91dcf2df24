"""A process that a conc.Thread forks has that thread as its main thread, and ends like any other."""
# stdout: 0

import multiprocessing
import warnings

import conc

warnings.simplefilter("ignore", DeprecationWarning)  # of a fork while threads run, which is what is tested


def in_child() -> None:
    pass


def fork() -> int | None:
    process = multiprocessing.get_context("fork").Process(target=in_child)
    process.start()
    process.join()
    return process.exitcode


thread = conc.Thread(target=fork)
thread.start()
print(thread.result())
