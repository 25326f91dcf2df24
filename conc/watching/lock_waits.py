"""Which lock a blocked frame waits for, worked out from its bytecode: only where that is certain.

A thread that waits in ``with lock:`` or ``lock.acquire()`` stands at an instruction whose operand was loaded just
before it. What loads it is followed when it is a chain of plain variables and attributes, and nothing that runs code.
"""

from __future__ import annotations

import dis
import inspect
import re
import threading
from types import CodeType, FrameType, MemberDescriptorType
from typing import Any

_RLock = type(threading.RLock())
_OWNER = re.compile(r"<locked \S+ object owner=(\d+) ")

_NOTHING = {"CACHE", "NOP", "PUSH_NULL", "PRECALL", "EXTENDED_ARG", "RESUME", "NOT_TAKEN"}
_LOCALS = {"LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_BORROW", "LOAD_DEREF", "LOAD_CLASSDEREF"}
_TWO_LOCALS = {"LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW", "STORE_FAST_LOAD_FAST"}
_GLOBALS = {"LOAD_GLOBAL", "LOAD_NAME"}
_ATTRIBUTES = {"LOAD_ATTR", "LOAD_METHOD"}
_ENTER_BY_CALL = ["COPY", "LOAD_SPECIAL", "SWAP", "SWAP", "LOAD_SPECIAL"]  # `with`, before its CALL, since 3.14
_METHODS = {"acquire", "__enter__"}

Step = tuple[str, str]  # ("local" | "global" | "attribute", its name)


class LockPlans:
    """How to get at the lock that a code object waits for at an instruction. Kept: idle threads stay where they are."""

    def __init__(self) -> None:
        self._plans: dict[tuple[int, int], tuple[CodeType, list[Step] | None]] = {}

    def plan(self, code: CodeType, lasti: int) -> list[Step] | None:
        """None: no wait for a lock, or it cannot be told for which."""
        key = (id(code), lasti)
        if key not in self._plans:
            if len(self._plans) >= 1024:
                self._plans.clear()
            self._plans[key] = (code, _plan(code, lasti))  # with the code, whose id would be given anew
        return self._plans[key][1]


def _plan(code: CodeType, lasti: int) -> list[Step] | None:
    before = [
        instruction
        for instruction in dis.get_instructions(code)
        if instruction.offset <= lasti and instruction.opname not in _NOTHING
    ]
    if not before or before[-1].offset != lasti:
        return None
    last = before.pop()
    names = [instruction.opname for instruction in before[-len(_ENTER_BY_CALL) :]]
    if last.opname == "CALL" and last.arg == 0 and names == _ENTER_BY_CALL:
        return _loads(before[: -len(_ENTER_BY_CALL)])
    if last.opname == "BEFORE_WITH":
        return _loads(before)
    if last.opname == "CALL" and last.arg == 0 and before and before[-1].argval in _METHODS:
        return _loads(before[:-1]) if before[-1].opname in _ATTRIBUTES else None
    return None


def _loads(before: list[dis.Instruction]) -> list[Step] | None:
    steps: list[Step] = []
    while before:
        instruction = before.pop()
        if instruction.opname in _ATTRIBUTES:
            steps.append(("attribute", instruction.argval))
            continue
        if instruction.opname in _LOCALS:
            steps.append(("local", instruction.argval))
        elif instruction.opname in _TWO_LOCALS:
            steps.append(("local", instruction.argval[1]))
        elif instruction.opname in _GLOBALS:
            steps.append(("global", instruction.argval))
        else:
            return None
        return steps[::-1]
    return None


def _attribute(value: Any, name: str) -> Any:
    found = inspect.getattr_static(value, name)  # runs no code of the program's
    return found.__get__(value) if isinstance(found, MemberDescriptorType) else found


def _follow(frame: FrameType, steps: list[Step]) -> Any:
    value: Any = None
    for kind, name in steps:
        if kind == "attribute":
            value = _attribute(value, name)
        elif kind == "local" or name in frame.f_locals:
            value = frame.f_locals[name]
        else:
            value = frame.f_globals[name]
    return value


def rlock_waited_for(frame: FrameType, plans: LockPlans) -> Any:
    """The RLock for which the innermost frame of a thread waits; None: for none, or it cannot be told."""
    steps = plans.plan(frame.f_code, frame.f_lasti)
    if steps is None:
        return None
    try:
        lock = _follow(frame, steps)
        if isinstance(lock, threading.Condition):
            lock = _attribute(lock, "_lock")
    except (AttributeError, KeyError, TypeError):
        return None
    return lock if type(lock) is _RLock else None


def rlock_owner(lock: Any) -> int | None:
    """The identifier of the thread that holds an RLock, which only that one can release."""
    found = _OWNER.match(repr(lock))
    return int(found[1]) if found is not None else None
