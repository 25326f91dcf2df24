"""conc.run with a handler for SIGCHLD: one that only counts, one that takes every status, and SIGCHLD ignored."""

# cases: counts takes ignored
# stdout[counts]: 3 True
# stdout[takes]: known or said to be unknown
# stdout[ignored]: known or said to be unknown
# stdout: nothing is left

import contextlib
import os
import signal
import sys

import conc

seen = []


def take_all(number: int, frame: object) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def code() -> int | str:
    try:
        return conc.run(["sh", "-c", "exit 3"]).returncode
    except ChildProcessError:
        return "unknown"


match sys.argv[1]:
    case "counts":
        signal.signal(signal.SIGCHLD, lambda number, frame: seen.append(number))
        print(code(), bool(seen), flush=True)
    case "takes":
        signal.signal(signal.SIGCHLD, take_all)
        told = {code() for _ in range(20)}
        print("known or said to be unknown" if told <= {3, "unknown"} else told, flush=True)
    case "ignored":
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        told = {code() for _ in range(20)}
        print("known or said to be unknown" if told <= {3, "unknown"} else told, flush=True)
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("nothing is left", flush=True)
