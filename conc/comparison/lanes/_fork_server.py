"""The fork server of multiprocessing's start method "forkserver", the default on Linux since CPython 3.14.

multiprocessing keeps it until the interpreter exits and has no public way to end it. A lane that made it start ends it,
so that a comparison leaves no process behind; one that ran before is somebody else's and stays. multiprocessing's
resource tracker stays either way: it may hold what others registered, and ends with the interpreter.
"""

from __future__ import annotations

import sys
from typing import Any


def _server() -> Any:
    module = sys.modules.get("multiprocessing.forkserver")
    return getattr(module, "_forkserver", None)


def runs() -> bool:
    """Whether this process has a fork server."""
    return getattr(_server(), "_forkserver_pid", None) is not None


def stop() -> None:
    """End the fork server and wait until it is gone. Its processes must have ended."""
    if runs():
        _server()._stop()
