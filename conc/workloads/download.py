"""The I/O-bound workload: fetch files over HTTP.

Three twins do the same work and return the same bytes: `fetch` blocks (urllib), `fetch_async` waits in an event loop
(httpx, extra ``net``), and `conc.kernels.http_get` is native. Their results are compared by content hash (`equal`).
`Server` is where the files come from when the user has none.

All three follow up to 10 redirects, give up after a minute without a byte, use no proxy for a host on the loopback,
and raise an OSError that names the URL and what happened.
"""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from functools import cache
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import ssl
    import subprocess
    from types import TracebackType
    from typing import Self
    from urllib.request import OpenerDirector

    import httpx

TIMEOUT_S = 60.0
"""Seconds without a byte from the server after which a fetch gives up; `conc.kernels.http_get` has the same."""

_REDIRECTS = 10
_READY_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 5.0
_MAX_CONTENT_BYTES = 1 << 30
_LOOPBACK = ("127.0.0.1", "localhost", "::1")

_shared: ContextVar[_Clients | None] = ContextVar("conc.workloads.download clients", default=None)


# -- results and errors ------------------------------------------------------------------------------------------------


def digest(content: bytes) -> str:
    """The SHA-256 of a file's content, in hex.

    Example:
        >>> digest(b"")[:8]
        'e3b0c442'
    """
    import hashlib

    return hashlib.sha256(content).hexdigest()


def equal(content: bytes, other: bytes) -> bool:
    """Whether two fetched contents are the same file: the check of a comparison, by content hash."""
    return digest(content) == digest(other)


def _check_url(url: str) -> str:
    """The host of `url`."""
    if not isinstance(url, str):
        raise TypeError(f"url must be a str, not {type(url).__name__}")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"url must be http:// or https:// with a host, not {url!r}")
    return parts.hostname


def _failure(url: str, number: int, what: str) -> OSError:
    """The OSError, of the subclass that belongs to the errno, that names the URL."""
    return OSError(number, f"GET {url}: {what}")


def _status_failure(url: str, status: int) -> OSError:
    return _failure(url, errno.EBADMSG, f"the server answered with HTTP status {status}")


def _os_failure(url: str, error: BaseException, otherwise: int) -> OSError:
    """The failure with the errno of the first OSError behind `error` that has one."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, OSError) and link.errno is not None:
            # gaierror's numbers are not errno's
            number = link.errno if link.errno in errno.errorcode and link.errno > 0 else errno.EHOSTUNREACH
            return _failure(url, number, link.strerror or str(link))
        reason = getattr(link, "reason", None)  # urllib keeps the cause there
        link = reason if isinstance(reason, OSError) else link.__cause__ or link.__context__
    return _failure(url, otherwise, str(error) or type(error).__name__)


# -- the blocking twin -------------------------------------------------------------------------------------------------


@cache
def _opener(*, direct: bool) -> OpenerDirector:
    """urllib's opener, for HTTP alone also after a redirect; `direct`: without the environment's proxies."""
    import urllib.request

    class Redirects(urllib.request.HTTPRedirectHandler):
        max_redirections = _REDIRECTS

        def redirect_request(  # type: ignore[no-untyped-def]
            self, req, fp, code, msg, headers, newurl
        ) -> urllib.request.Request | None:
            if urlsplit(newurl).scheme not in ("http", "https"):
                fp.close()
                raise _failure(req.full_url, errno.EPROTONOSUPPORT, f"it redirects to {newurl}, which is not HTTP")
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    return urllib.request.build_opener(Redirects, *([urllib.request.ProxyHandler({})] if direct else []))


def fetch(url: str) -> bytes:
    """The content of `url`, fetched by urllib; blocks the calling thread.

    Args:
        url: http:// or https://.

    Returns:
        The body as bytes.

    Raises:
        OSError: it failed; ConnectionRefusedError, ConnectionResetError (it ended too early) and TimeoutError where it
            is that. The message names the URL and what happened, such as the HTTP status (400 or more).
        TypeError: `url` is not a str.
        ValueError: `url` is not one of HTTP.
    """
    import http.client
    import urllib.error
    import urllib.request

    host = _check_url(url)
    request = urllib.request.Request(url, headers={"User-Agent": "conc"})
    try:
        with _opener(direct=host in _LOOPBACK).open(request, timeout=TIMEOUT_S) as response:
            content: bytes = response.read()
            return content
    except urllib.error.HTTPError as error:
        error.close()
        if urllib.request.HTTPRedirectHandler.inf_msg in str(error.msg):
            raise _failure(url, errno.ELOOP, f"more than {_REDIRECTS} redirects, or one that leads back") from error
        raise _status_failure(url, error.code) from error
    except (http.client.IncompleteRead, http.client.RemoteDisconnected) as error:
        raise _failure(url, errno.ECONNRESET, f"the connection ended too early: {error}") from error
    except TimeoutError as error:
        raise _failure(url, errno.ETIMEDOUT, f"nothing came from the server for {TIMEOUT_S:g} seconds") from error
    except OSError as error:
        raise _os_failure(url, error, errno.EIO) from error
    except http.client.InvalidURL as error:
        raise ValueError(f"GET {url}: {error}") from error
    except http.client.HTTPException as error:
        raise _failure(url, errno.EPROTO, f"not an HTTP response: {error!r}") from error


# -- the asynchronous twin ---------------------------------------------------------------------------------------------


def fetch_async_unavailable() -> str | None:
    """Why `fetch_async` cannot work here and what to do about it, or None when it can."""
    from importlib.util import find_spec

    return None if find_spec("httpx") else "httpx is not installed: pip install 'conc[net]'"


class _Clients:
    """HTTP clients, one for each request in flight, the last one used first, so that its connection is there.

    A single client looks at every idle connection it has before each request, which is a third of a request's cost
    with ten of them.
    """

    def __init__(self) -> None:
        try:
            import httpx
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(fetch_async_unavailable() or str(error), name=error.name) from error

        self._ssl: ssl.SSLContext = httpx.create_ssl_context()  # costs more than all the rest of a client
        self._all: list[httpx.AsyncClient] = []
        self._idle: list[httpx.AsyncClient] = []

    def _new(self) -> httpx.AsyncClient:
        import httpx

        client = httpx.AsyncClient(
            verify=self._ssl,
            follow_redirects=True,
            max_redirects=_REDIRECTS,
            timeout=TIMEOUT_S,
            headers={"User-Agent": "conc"},
            mounts={f"all://{f'[{host}]' if ':' in host else host}": None for host in _LOOPBACK},
        )
        self._all.append(client)
        return client

    async def fetch(self, url: str) -> bytes:
        client = self._idle.pop() if self._idle else self._new()
        try:
            return await _fetch_by(client, url)
        finally:
            self._idle.append(client)

    async def aclose(self) -> None:
        for client in self._all:
            await client.aclose()


@asynccontextmanager
async def shared_clients() -> AsyncIterator[None]:
    """HTTP clients for every `fetch_async` in the block and in the tasks made there, with connections that stay open.

    A client for each request would measure how a client is made. Without the block `fetch_async` does just that.

    Raises:
        ModuleNotFoundError: httpx is not installed.

    Example:
        async with shared_clients():
            contents = await asyncio.gather(*map(fetch_async, urls))
    """
    clients = _Clients()
    token = _shared.set(clients)
    try:
        yield
    finally:
        _shared.reset(token)
        await clients.aclose()


async def fetch_async(url: str) -> bytes:
    """The content of `url`, fetched by httpx on the running event loop: by a client of the enclosing
    `shared_clients()` block, or by one of its own.

    Args:
        url: http:// or https://.

    Returns:
        The body as bytes.

    Raises:
        ModuleNotFoundError: httpx is not installed.
        OSError, TypeError, ValueError: as `fetch`.
    """
    _check_url(url)
    clients = _shared.get()
    if clients is not None:
        return await clients.fetch(url)
    async with shared_clients():
        return await fetch_async(url)


async def _fetch_by(client: httpx.AsyncClient, url: str) -> bytes:
    import httpx

    try:
        response = await client.get(url)
    except httpx.TimeoutException as error:
        raise _failure(url, errno.ETIMEDOUT, f"nothing came from the server for {TIMEOUT_S:g} seconds") from error
    except httpx.TooManyRedirects as error:
        raise _failure(url, errno.ELOOP, str(error)) from error
    except httpx.ConnectError as error:
        raise _os_failure(url, error, errno.EIO) from error
    except (httpx.NetworkError, httpx.RemoteProtocolError) as error:
        raise _failure(url, errno.ECONNRESET, f"not a whole HTTP response: {error}") from error
    except httpx.UnsupportedProtocol as error:
        raise _failure(url, errno.EPROTONOSUPPORT, f"it redirects to something else than HTTP: {error}") from error
    except httpx.InvalidURL as error:
        raise ValueError(f"GET {url}: {error}") from error
    except httpx.HTTPError as error:
        raise _failure(url, errno.EIO, str(error) or type(error).__name__) from error
    if response.status_code >= 300:
        raise _status_failure(url, response.status_code)
    return response.content


# -- where the files come from -----------------------------------------------------------------------------------------


class Server:
    """An HTTP server of its own process on 127.0.0.1, with a port that the system chose.

    It answers any number of requests at a time, each after its latency, and ends with the block, or with this process,
    however that ends.

    Args:
        files: how many files it has, >= 1.
        size_bytes: of each file, >= 0; all of them are held in memory, so at most 1 GiB in sum.
        latency_s: seconds before each response, >= 0.
        seed: of the files' content.

    Raises:
        ValueError: an argument is out of range.

    Example:
        >>> with Server(files=2, size_bytes=10, latency_s=0) as server:
        ...     [digest(fetch(url)) for url in server.urls] == server.digests
        True
    """

    def __init__(
        self, files: int = 20, size_bytes: int = 65536, latency_s: float = 0.05, *, seed: int = 20_260_101
    ) -> None:
        if files < 1:
            raise ValueError(f"files must be >= 1, not {files}")
        if size_bytes < 0 or files * size_bytes > _MAX_CONTENT_BYTES:
            raise ValueError(f"size_bytes must be >= 0, and all files at most 1 GiB, not {files} of {size_bytes}")
        if not 0 <= latency_s <= 3600:
            raise ValueError(f"latency_s must be in 0..3600 seconds, not {latency_s}")
        self.files = files
        self.size_bytes = size_bytes
        self.latency_s = latency_s
        self.seed = seed
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None
        self._port = 0

    @property
    def urls(self) -> list[str]:
        """The URL of each file.

        Raises:
            RuntimeError: the server is not running.
        """
        if self._process is None:
            raise RuntimeError("the server is not running: use it in a with block")
        return [f"http://127.0.0.1:{self._port}/files/{index}" for index in range(self.files)]

    @property
    def digests(self) -> list[str]:
        """The content hash of each file, computed here and not by the server."""
        from conc.workloads.server import content

        return [digest(content(self.seed, index, self.size_bytes)) for index in range(self.files)]

    @property
    def pid(self) -> int | None:
        """The server's process, while it runs."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the process and wait until it is ready.

        Raises:
            OSError: it did not start; the message holds what it said.
            RuntimeError: it is running already.
        """
        import subprocess
        import sys
        import tempfile

        from conc.workloads import server

        if self._process is not None:
            raise RuntimeError("the server is running already")
        # The file itself, isolated: the server needs neither conc nor the user's environment. In a process group of its
        # own the terminal's Ctrl-C does not reach it; it ends by its standard input.
        command = [sys.executable, "-I", "-S", server.__file__]
        command += [f"--files={self.files}", f"--size={self.size_bytes}"]
        command += [f"--latency={self.latency_s!r}", f"--seed={self.seed}"]
        command += [f"--parent={os.getpid()}"]  # told and not asked for: it may be gone before the server looks
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                process_group=0,
            )
            self._port = self._read_port(self._process)
        except BaseException:
            self.stop()
            raise

    def _read_port(self, process: subprocess.Popen[bytes]) -> int:
        import select

        assert process.stdout is not None
        assert self._errors is not None
        ready, _, _ = select.select([process.stdout], [], [], _READY_TIMEOUT_S)
        line = process.stdout.readline() if ready else b""
        if line.strip().isdigit():
            return int(line)
        self._end_process()
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip()
        why = f"said: {said}" if said else f"said nothing within {_READY_TIMEOUT_S:g} seconds"
        raise OSError(f"the HTTP server of conc.workloads did not start; it {why}")

    def _end_process(self) -> None:
        import subprocess

        process = self._process
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.stdout.close()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._process = None

    def stop(self) -> None:
        """End the process and wait for its end; nothing when it is not running."""
        self._end_process()
        if self._errors is not None:
            self._errors.close()
            self._errors = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
