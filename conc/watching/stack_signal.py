"""Python stacks without the GIL: faulthandler's handler, on a real-time signal that nobody else uses.

Who wants the stacks sends the signal to itself, so that no other thread's system call is interrupted. Without the GIL
frames change while they are read: there the handler tells of the thread alone that gets the signal.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal

from conc import _core

_PIPE_BYTES = 1 << 20
_PATIENCE_MS = 1000


class StackSignal:
    """A signal, and the pipe that its handler writes to. Nothing is held when `reason` says why there is none.

    Args:
        all_threads: whether the handler writes the stacks of all threads, or of the one that gets the signal.
    """

    def __init__(self, *, all_threads: bool) -> None:
        self.number = 0
        self.read_end = -1
        self._write_end = -1
        self.reason: str | None = self._open(all_threads)

    def _open(self, all_threads: bool) -> str | None:
        if _core.interpreter_id() != 0:
            return "signal handlers are the main interpreter's, whose stacks they would show"
        number = _core.free_signal()
        if number is None:
            return "every real-time signal has a handler"
        self.read_end, self._write_end = os.pipe()
        try:
            os.set_blocking(self.read_end, False)
            os.set_blocking(self._write_end, False)
            import faulthandler  # which a subinterpreter may not have

            with contextlib.suppress(OSError):  # the user's share of pipes is used up: 64 KiB of text then
                fcntl.fcntl(self._write_end, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
            faulthandler.register(number, file=self._write_end, all_threads=all_threads, chain=False)
        except BaseException:
            self.close()
            raise
        self.number = number
        return None

    def stack_of(self, ident: int) -> str:
        """What the thread with threading's identifier `ident` does, told by itself; "" when it does not answer."""
        if self.number == 0:
            return ""
        signal.pthread_kill(ident, self.number)
        poll = select.poll()
        poll.register(self.read_end, select.POLLIN)
        text = b""
        while poll.poll(_PATIENCE_MS):
            text += os.read(self.read_end, 65536)
            if text.endswith(b"\n") and not poll.poll(_PATIENCE_MS // 100):
                break
        return text.decode(errors="replace")

    def close(self) -> None:
        """Give the signal back as it was. Twice does nothing."""
        number, self.number = self.number, 0
        if number:
            import faulthandler

            faulthandler.unregister(number)
        if self.read_end >= 0:  # one by one, so that it takes no memory
            os.close(self.read_end)
            self.read_end = -1
        if self._write_end >= 0:
            os.close(self._write_end)
            self._write_end = -1
