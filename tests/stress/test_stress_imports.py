"""Every public name asked for the first time by many threads at once, in an interpreter of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest
from racing import rounds

# The scripts import collections first: CPython 3.13 without the GIL may find no collections.abc in one thread while
# another imports collections for the first time, and 3.14's dataclasses look into a module typing that another thread
# is still importing. That is so without conc, too.
SAME_NAME = """
import collections.abc, sys, threading, typing
sys.setswitchinterval(1e-6)
import conc
barrier = threading.Barrier(8)
for name in conc.__all__:
    found = []
    def ask():
        barrier.wait()
        found.append(getattr(conc, name))
    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    assert len(found) == 8, (name, found)
    assert all(value is found[0] for value in found), (name, found)
"""

ALL_NAMES = """
import collections.abc, sys, threading, typing
sys.setswitchinterval(1e-6)
import conc
barrier = threading.Barrier(len(conc.__all__))
found = {}
def ask(name):
    barrier.wait()
    found[name] = getattr(conc, name)
threads = [threading.Thread(target=ask, args=(name,)) for name in conc.__all__]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert found == {name: getattr(conc, name) for name in conc.__all__}, found
thread = found["Thread"](target=found["kernels"].prime_factors, args=(12,))
thread.start()
assert thread.result() == [2, 2, 3]
"""


@pytest.mark.parametrize("script", [SAME_NAME, ALL_NAMES], ids=["same-name", "all-names"])
def test_first_use_by_many_threads(script: str) -> None:
    for _ in range(rounds(5)):
        done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
