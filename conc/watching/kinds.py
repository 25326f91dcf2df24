"""What a thread does, in the few kinds that people tell apart: the five states, NOT_RUNNING by what is waited for.

Tables, pictures and exports name and order them alike, from here.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from conc.watching.records import Reason, State


class Kind(enum.IntEnum):
    """In the order in which a bar stacks them, from the bottom: what is work first, what is idle last."""

    RUNNING = 0
    RUNNABLE = 1
    STARTING = 2
    GIL = 3
    FUTEX = 4
    IO = 5
    SLEEP = 6
    OTHER = 7


@dataclass(frozen=True, slots=True)
class Look:
    """How one kind is named and drawn."""

    share: str
    """The field of a summary that holds its share."""
    label: str
    letter: str
    """In a terminal's bar."""
    hatch: str | None
    """Name of the pattern laid over NOT_RUNNING's colour; None: a state of its own."""
    colour: str


# Okabe and Ito's palette (jfly.uni-koeln.de/color), told apart with every kind of colour vision; one for each state.
GREEN, ORANGE, PURPLE, BLUE, GREY = "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#999999"
ENDED_COLOUR = GREY

LOOKS = {
    Kind.RUNNING: Look("running_share", "running", "R", None, GREEN),
    Kind.RUNNABLE: Look("runnable_share", "runnable, waits for a CPU", "c", None, ORANGE),
    Kind.STARTING: Look("starting_share", "starting", "s", None, PURPLE),
    Kind.GIL: Look("gil_wait_share", "waits for the GIL", "G", "rising", BLUE),
    Kind.FUTEX: Look("futex_wait_share", "waits for a lock, a queue or a thread", "l", "falling", BLUE),
    Kind.IO: Look("io_wait_share", "waits for I/O", "i", "level", BLUE),
    Kind.SLEEP: Look("sleep_share", "sleeps", ".", "dots", BLUE),
    Kind.OTHER: Look("other_wait_share", "waits otherwise", "o", "cross", BLUE),
}

_BY_REASON = {
    Reason.GIL: Kind.GIL,
    **dict.fromkeys((Reason.FUTEX, Reason.LOCK, Reason.CONDITION, Reason.JOIN, Reason.IDLE), Kind.FUTEX),
    **dict.fromkeys((Reason.DISK, Reason.SOCKET, Reason.PIPE, Reason.POLL, Reason.IO), Kind.IO),
    Reason.SLEEP: Kind.SLEEP,
}

_BY_STATE = {State.STARTING: Kind.STARTING, State.RUNNABLE: Kind.RUNNABLE, State.RUNNING: Kind.RUNNING}


def _kind(state: State, reason: Reason) -> Kind | None:
    return _BY_REASON.get(reason, Kind.OTHER) if state is State.NOT_RUNNING else _BY_STATE.get(state)


KIND_OF = tuple(tuple(_kind(state, reason) for reason in Reason) for state in State)
"""KIND_OF[state][reason]; None: it has ended, and does nothing."""

REASON_WORDS = {
    Reason.NONE: "",
    Reason.GIL: "waits for the GIL",
    Reason.FUTEX: "waits for a lock, a condition, a queue or a thread",
    Reason.LOCK: "waits for a lock",
    Reason.CONDITION: "waits for a condition",
    Reason.JOIN: "waits for an end or a result",
    Reason.IDLE: "idle worker",
    Reason.DISK: "waits for a disk",
    Reason.SOCKET: "waits for a socket",
    Reason.PIPE: "waits for a pipe",
    Reason.POLL: "waits for any of several descriptors",
    Reason.IO: "waits for a device",
    Reason.SLEEP: "sleeps",
    Reason.PAGE_FAULT: "waits for a page",
    Reason.STOPPED: "stopped",
    Reason.SYSTEM_CALL: "waits in a system call",
    Reason.UNKNOWN: "waits, not known for what",
}


def doing(state: int, reason: int) -> str:
    """One moment of a thread in words."""
    if state == State.NOT_RUNNING:
        return REASON_WORDS[Reason(reason)] or "waits"
    return State(state).name.lower()
