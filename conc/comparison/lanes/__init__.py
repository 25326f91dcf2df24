"""The lanes: one class in one file each, and this list of them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conc.comparison.lanes.base import Lane

# name -> (module, class), in the order of reports; imported when a lane is asked for
LANES: dict[str, tuple[str, str]] = {
    "sequential": ("sequential", "Sequential"),
    "threads": ("threads", "Threads"),
    "native-threads": ("native_threads", "NativeThreads"),
    "native": ("native", "Native"),
    "processes": ("processes", "Processes"),
    "asyncio": ("event_loop", "EventLoop"),
}


def lane_class(name: str) -> type[Lane]:
    """The class of a lane.

    Raises:
        ValueError: there is no such lane; the message names those that there are.
    """
    if name not in LANES:
        raise ValueError(f"there is no lane {name!r}; the lanes are {', '.join(LANES)}")
    module, attribute = LANES[name]
    found: type[Lane] = getattr(import_module(f"{__name__}.{module}"), attribute)
    return found
