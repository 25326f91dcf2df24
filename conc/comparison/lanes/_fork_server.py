"""The fork server of multiprocessing's start method "forkserver", the default on Linux since CPython 3.14.

multiprocessing keeps it until the interpreter exits and has no public way to end it. A lane that made it start ends it,
so that a comparison leaves no process behind; one that ran before, or by which somebody else's processes live, stays.
multiprocessing's resource tracker stays either way: it may hold what others registered, and ends with the interpreter.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from typing import Any


def _server() -> Any:
    module = sys.modules.get("multiprocessing.forkserver")
    return getattr(module, "_forkserver", None)


def runs() -> bool:
    """Whether this process has a fork server."""
    return getattr(_server(), "_forkserver_pid", None) is not None


def _is_used() -> bool:
    """Whether it has made processes that live: the caller's own have ended."""
    children: list[Any] = multiprocessing.active_children()
    return any(getattr(getattr(child, "_popen", None), "method", None) == "forkserver" for child in children)


def stop() -> None:
    """End the fork server and wait until it is gone, unless somebody else has processes by it."""
    server = _server()
    if not runs() or _is_used():
        return
    with server._lock:
        if server._forkserver_pid is not None:
            # By itself it ends only with the last process that inherited its descriptor: an item may have left one.
            os.kill(server._forkserver_pid, signal.SIGKILL)
            server._stop_unlocked()
