"""Python's names of threads, also of those that end during a watch.

The system knows a thread by its id and by at most 15 bytes of name, which threading sets from 3.14 on alone. Threads
that live when a watch begins or ends are asked for their names then. For those that come and go in between,
``threading.Thread._set_native_id``, which each of threading's threads calls when it begins, is wrapped for as long as
any watch is on: one call more for each start, and nothing is kept of the thread but its name. conc's own threads do not
call it: they give the system their names.
"""

from __future__ import annotations

import os
import threading
import time

from conc.watching.locked import call_locked

TYPE_CHECKING = False  # typing's own is a module more, in the way of a watch that begins
if TYPE_CHECKING:
    from typing import Any

_private: Any = threading
_BEGIN_NAME = "_set_native_id"

# How many names one watch keeps: as many as the sampler keeps threads.
_MOST_NAMES = 32768


def _tid_of(thread: threading.Thread) -> int | None:
    """Its native id, which threading, up to 3.12, does not set anew in the child of a fork."""
    # threading.current_thread() would make an object for a thread that is none of threading's.
    if thread.ident == threading.get_ident():
        return threading.get_native_id()
    if _wrapped.forked and thread is threading.main_thread():
        return os.getpid()
    return thread.native_id


class ThreadNames:
    """The names that a watch has come upon, by thread id and time, since ids are given anew."""

    def __init__(self) -> None:
        self._known: dict[int, list[tuple[int, str, bool]]] = {}
        self._count = 0
        self.over = False  # nobody wants more of them

    def note(self, thread: threading.Thread, time_ns: int, *, begins: bool = False) -> None:
        """Keep the name that `thread` has at this moment, at which it may begin."""
        tid = _tid_of(thread)
        if tid is None or self._count == _MOST_NAMES:
            return
        self._known.setdefault(tid, []).append((time_ns, thread.name, begins))
        self._count += 1

    def note_living(self, time_ns: int) -> list[int]:
        """Keep the names of the threads that there are: their ids."""
        living = threading.enumerate()
        for thread in living:
            self.note(thread, time_ns)
        return [tid for tid in map(_tid_of, living) if tid is not None]

    def copy(self) -> ThreadNames:
        """The same names once more, to be taken."""
        copied = ThreadNames()
        copied._known = {tid: notes.copy() for tid, notes in self._known.items()}
        return copied

    def take_name(self, tid: int, begin_ns: int, end_ns: int) -> str | None:
        """The last name of the thread that had this id, and was first seen and first missed at these times.

        To be asked once for each that had it, in their order: the next one may have begun before this one was missed.
        """
        notes = self._known.get(tid, [])
        own = None
        while notes and notes[0][0] <= end_ns:
            time_ns, name, begins = notes[0]
            if begins and own is not None and time_ns > begin_ns:
                break
            own = name
            del notes[0]
        return own


class _Wrapped:
    """The wrapper of threading's method, while there are those who want names."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.forked = False
        self._wanted: list[ThreadNames] = []  # replaced, never changed: threads read it without the lock
        self._original: Any = None
        self._wrapper: Any = None

    def add(self, names: ThreadNames) -> None:
        call_locked(self._lock, self._add_locked, names)

    def remove(self, names: ThreadNames) -> None:
        names.over = True  # without memory for what follows it is left out the next time
        call_locked(self._lock, self._forget_those_that_are_over)

    def after_fork(self) -> None:
        """In the child, where the thread that held the lock may not exist."""
        self._lock = threading.RLock()
        self.forked = True

    def _add_locked(self, names: ThreadNames) -> None:
        if not self._wanted:
            self._wrap()
        self._wanted = [*(one for one in self._wanted if not one.over), names]

    def _forget_those_that_are_over(self) -> None:
        self._wanted = [one for one in self._wanted if not one.over]
        if not self._wanted:
            self._unwrap()

    def _wrap(self) -> None:
        original = _private.Thread.__dict__.get(_BEGIN_NAME)
        if original is None:
            return

        def set_native_id(thread: threading.Thread) -> None:
            original(thread)
            # An adopted thread has no name of its own yet.
            if not isinstance(thread, _private._DummyThread):
                for names in (one for one in self._wanted if not one.over):
                    names.note(thread, time.monotonic_ns(), begins=True)

        self._original, self._wrapper = original, set_native_id
        setattr(_private.Thread, _BEGIN_NAME, set_native_id)

    def _unwrap(self) -> None:
        # Somebody who wrapped it since then, and goes on, keeps ours, which has nobody to tell.
        if self._wrapper is not None and _private.Thread.__dict__.get(_BEGIN_NAME) is self._wrapper:
            setattr(_private.Thread, _BEGIN_NAME, self._original)
        self._original = self._wrapper = None


_wrapped = _Wrapped()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_wrapped.after_fork)

want_names = _wrapped.add
want_names_no_more = _wrapped.remove
