"""For the scripts with an http_get in flight: a server on the loopback that accepts and does not answer until told."""

from __future__ import annotations

import socket
import threading

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


NAME = "server"  # of its threads


class SilentServer:
    """`url` is where it listens; `asked` is set once a request is there; `answer()` lets all requests end.

    It accepts in a daemon of its own, which needs the GIL for a moment each time a connection comes.
    """

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.answer_now = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/"
        threading.Thread(target=self._accept, name=NAME, daemon=True).start()

    def answer(self) -> None:
        """Answer every request that came, and those that come."""
        self.answer_now.set()

    def _accept(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            threading.Thread(target=self._serve, args=(connection,), name=NAME, daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.recv(65536)
            self.asked.set()
            self.answer_now.wait()
            connection.sendall(ANSWER)
