"""What conc.compare runs in the scripts about signals: an item that orders one, and then blocks."""

from __future__ import annotations

import asyncio
import os
import threading

go_on = threading.Event()


def order() -> None:
    """To the helper of ctrl_c.py; nothing where there is none."""
    if (path := os.environ.get("CONC_TEST_ORDERS")) is not None:
        with open(path, "w") as pipe:
            pipe.write("0\n")


def block(item: int) -> int:
    """Returns at once for 0."""
    if item:
        order()
        go_on.wait()
    return item


async def block_later(item: int) -> int:
    """The same on an event loop."""
    if item:
        order()
        await asyncio.Event().wait()
    return item
