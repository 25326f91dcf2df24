"""For the scripts about interpreter exit: what happens once it has begun, before conc waits for threads and pools."""

from __future__ import annotations

import threading
from collections.abc import Callable

from conc import executors, threads

IMPORTED = (executors, threads)  # conc's own functions are registered when these modules are imported


def when_exit_begins(function: Callable[[], object]) -> None:
    """The last one to register is called first."""
    threading._register_atexit(function)
