"""For the scripts about Ctrl-C: a SIGINT that comes when the main thread is asleep, and only then."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# The reader of our standard input is told that the wait begins; it then looks until the main thread sleeps.
HELPER = """
import os, signal, sys
pid = int(sys.argv[1])
sys.stdin.readline()
while True:
    with open(f"/proc/{pid}/task/{pid}/stat") as stat:
        if stat.read().rpartition(")")[2].split()[0] == "S":
            break
os.kill(pid, signal.SIGINT)
"""


@contextmanager
def interrupt_when_asleep() -> Iterator[Callable[[], None]]:
    """Gives a function to call right before the wait.

    The other threads of the script must be blocked without the GIL: nothing but its wait then puts the main thread to
    sleep.
    """
    helper = subprocess.Popen([sys.executable, "-c", HELPER, str(os.getpid())], stdin=subprocess.PIPE)
    assert helper.stdin is not None

    def ready() -> None:
        os.write(helper.stdin.fileno(), b"go\n")

    try:
        yield ready
    finally:
        helper.stdin.close()
        assert helper.wait() == 0
