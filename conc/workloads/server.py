"""The HTTP server behind `conc.workloads.download`: a program of its own, made of the standard library alone.

It serves `/files/0` .. `/files/N-1` on the loopback, each response after a fixed latency, prints its port on a line
when it is ready, and ends when its standard input does or its parent is gone, however the parent ended.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
from collections.abc import Sequence
from typing import NamedTuple

_HEAD_LIMIT = 16 * 1024  # bytes of a request's head
_PARENT_CHECK_S = 1.0
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed"}


def content(seed: int, index: int, size_bytes: int) -> bytes:
    """What file `index` holds: `size_bytes` random bytes, the same wherever and whenever it is asked."""
    return random.Random(f"conc {seed} {index}").randbytes(size_bytes)


class _Request(NamedTuple):
    """What matters of a request: `problem` is the status that answers a bad one, or 0."""

    method: str
    target: str
    keep_alive: bool
    problem: int


def _parse(head: bytes) -> _Request:
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3 or words[2] not in ("HTTP/1.0", "HTTP/1.1"):
        return _Request("", "", keep_alive=False, problem=400)
    headers = {}
    for line in filter(None, lines[1:]):
        name, colon, value = line.partition(":")
        if not colon:
            return _Request("", "", keep_alive=False, problem=400)
        headers[name.strip().lower()] = value.strip().lower()
    if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
        return _Request("", "", keep_alive=False, problem=400)  # a body that would be taken for the next request
    connection = headers.get("connection", "")
    keep_alive = "close" not in connection if words[2] == "HTTP/1.1" else "keep-alive" in connection
    return _Request(words[0], words[1], keep_alive, problem=0 if words[0] in ("GET", "HEAD") else 405)


class FileServer:
    """Answers requests for the files; one task a connection."""

    def __init__(self, files: int, size_bytes: int, latency_s: float, seed: int) -> None:
        self.latency_s = latency_s
        self.bodies = {f"/files/{index}": content(seed, index, size_bytes) for index in range(files)}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: request after request, until either side has enough."""
        try:
            while await self._answer_one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the client went away, or sends no HTTP
        finally:
            writer.close()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection stays open for another one."""
        request = _parse(await reader.readuntil(b"\r\n\r\n"))
        body = self.bodies.get(request.target)
        status = request.problem or (200 if body is not None else 404)
        if body is None or status != 200:
            body = f"{status} {_REASONS[status]}\n".encode()
        await asyncio.sleep(self.latency_s)
        head = (
            f"HTTP/1.1 {status} {_REASONS[status]}\r\n"
            f"Content-Type: {'application/octet-stream' if status == 200 else 'text/plain'}\r\n"
            f"Content-Length: {len(body)}\r\n"
            f"Connection: {'keep-alive' if request.keep_alive else 'close'}\r\n\r\n"
        )
        writer.write(head.encode("ascii") + (b"" if request.method == "HEAD" else body))
        await writer.drain()
        return request.keep_alive


async def _until_parent_ends(parent: int) -> None:
    """Returns when standard input ends. A process forked by the parent may hold the pipe open after the parent's own
    end, so the parent is looked for as well."""
    ended = asyncio.Event()

    def on_input() -> None:
        if not os.read(sys.stdin.fileno(), 1024):
            ended.set()

    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), on_input)
    try:
        while os.getppid() == parent:
            try:
                await asyncio.wait_for(ended.wait(), _PARENT_CHECK_S)
                return
            except TimeoutError:
                continue
    finally:
        loop.remove_reader(sys.stdin.fileno())


async def _main(options: argparse.Namespace) -> None:
    files = FileServer(options.files, options.size, options.latency, options.seed)
    server = await asyncio.start_server(files.serve, options.host, 0, limit=_HEAD_LIMIT, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await _until_parent_ends(options.parent)
    server.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(prog="conc.workloads.server", description="Files over HTTP with a latency.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--files", type=int, default=20)
    parser.add_argument("--size", type=int, default=65536, help="bytes of a file")
    parser.add_argument("--latency", type=float, default=0.05, help="seconds before each response")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--parent", type=int, default=os.getppid(), help="the process that it ends with")
    asyncio.run(_main(parser.parse_args(argv)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
