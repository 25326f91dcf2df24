"""What the leak scenarios of threads and pools share: witnesses of references, and targets that fail."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import conc


class Witness:
    """What scenarios hand in and get back; the meter counts the references to each of these."""

    def __call__(self, *args: object, **kwargs: object) -> Witness:
        return RESULT


class Refusal(Exception):
    """What a failing target raises."""


TARGET, ARGUMENT, RESULT = Witness(), Witness(), Witness()
WITNESSES = (TARGET, ARGUMENT, RESULT)


def fail(*_: object) -> None:
    raise Refusal


def started(target: Callable[..., object], *args: object) -> conc.Thread:
    """A new thread, for callers that must not hold it: the traceback of what result() raises keeps their frames."""
    thread = conc.Thread(target=target, args=args)
    thread.start()
    return thread


@contextmanager
def quiet() -> Iterator[None]:
    """What threads and callbacks report of their exceptions goes nowhere."""
    hook, logger = threading.excepthook, logging.getLogger("concurrent.futures")
    threading.excepthook = lambda _: None
    logger.disabled = True
    try:
        yield
    finally:
        threading.excepthook = hook
        logger.disabled = False
