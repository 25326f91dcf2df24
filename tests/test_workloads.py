"""The ready workloads: the numbers, the Python twin, the server, and the three ways to fetch."""

from __future__ import annotations

import asyncio
import doctest
import errno
import http.client
import os
import signal
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest

import conc
from conc import kernels
from conc.workloads import calc, download, server

pytestmark = pytest.mark.newest  # Python on top of the C module

# -- calc --------------------------------------------------------------------------------------------------------------


def test_numbers_are_the_same_for_the_same_seed() -> None:
    first = calc.numbers()
    assert len(first) == 10_000
    assert all(20_000 <= n <= 100_000_000 for n in first)
    assert calc.numbers() == first
    assert calc.numbers(seed=1) != first
    assert calc.numbers(3, 7, 7) == [7, 7, 7]
    assert calc.numbers(0) == []


@pytest.mark.parametrize(("count", "low", "high"), [(-1, 1, 2), (1, 0, 2), (1, 3, 2)])
def test_numbers_out_of_range(count: int, low: int, high: int) -> None:
    with pytest.raises(ValueError, match="must be"):
        calc.numbers(count, low, high)


@pytest.mark.parametrize("n", [0, -7])
def test_prime_factors_of_too_little(n: int) -> None:
    with pytest.raises(ValueError, match=f"n must be >= 1, not {n}"):
        calc.prime_factors(n)


def test_prime_factors_of_something_else() -> None:
    with pytest.raises(TypeError):
        calc.prime_factors(4.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("module", [calc, download])
def test_examples(module: ModuleType) -> None:
    results = doctest.testmod(module)
    assert results.failed == 0
    assert results.attempted >= 2


# -- the server --------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that answers nobody: the loopback must be reached without it."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


async def _fetch_async_together(urls: list[str]) -> list[bytes]:
    async with download.shared_clients():
        return await asyncio.gather(*map(download.fetch_async, urls))


def test_every_twin_fetches_what_the_server_has() -> None:
    with download.Server(files=8, size_bytes=70_001, latency_s=0.001, seed=3) as files:
        expected = [server.content(3, index, 70_001) for index in range(8)]
        assert len(set(expected)) == 8
        assert list(map(download.fetch, files.urls)) == expected
        assert list(map(kernels.http_get, files.urls)) == expected
        assert asyncio.run(_fetch_async_together(files.urls)) == expected
        assert asyncio.run(download.fetch_async(files.urls[1])) == expected[1]
        assert files.digests == list(map(download.digest, expected))


def test_a_pool_fetches_natively() -> None:
    with download.Server(files=12, size_bytes=5000, latency_s=0.001) as files, conc.ThreadPoolExecutor(4) as pool:
        urls = files.urls
        assert list(map(download.digest, pool.map(kernels.http_get, urls))) == files.digests
        missing = pool.submit(kernels.http_get, urls[0] + "x")
        with pytest.raises(OSError, match=f"GET {urls[0]}x: the server answered with HTTP status 404"):
            missing.result()


def test_equal_is_by_content() -> None:
    assert download.equal(b"a", bytes(bytearray(b"a")))
    assert not download.equal(b"a", b"b")


def test_an_empty_file() -> None:
    with download.Server(files=1, size_bytes=0, latency_s=0) as files:
        assert download.fetch(files.urls[0]) == kernels.http_get(files.urls[0]) == b""


def test_the_server_keeps_connections_and_answers_in_order() -> None:
    with download.Server(files=2, size_bytes=1000, latency_s=0) as files:
        connection = http.client.HTTPConnection("127.0.0.1", int(files.urls[0].split(":")[2].split("/")[0]))
        for target, status in (("/files/1", 200), ("/files/2", 404), ("/files/0", 200)):
            connection.request("GET", target)
            response = connection.getresponse()
            body = response.read()
            assert response.status == status
            assert int(response.headers["Content-Length"]) == len(body)
            assert not response.will_close
        kept = connection.sock
        connection.request("HEAD", "/files/0")
        response = connection.getresponse()
        assert (response.read(), response.headers["Content-Length"]) == (b"", "1000")
        assert connection.sock is kept
        connection.request("POST", "/files/0")
        response = connection.getresponse()
        response.read()
        assert response.status == 405
        connection.request("GET", "/files/0", headers={"Connection": "close"})
        response = connection.getresponse()
        assert response.will_close
        response.read()
        connection.close()


@pytest.mark.parametrize("request_bytes", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n"])
def test_the_server_refuses_what_is_not_http(request_bytes: bytes) -> None:
    with download.Server(files=1, size_bytes=1, latency_s=0) as files:
        port = int(files.urls[0].split(":")[2].split("/")[0])
        with socket.create_connection(("127.0.0.1", port)) as client, client.makefile("rb") as answer:
            client.sendall(request_bytes)
            assert answer.read().startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_the_server_answers_many_at_a_time() -> None:
    """64 latencies one after the other would take more than twice as long as the test waits."""
    with download.Server(files=64, size_bytes=1, latency_s=1.0) as files, ThreadPoolExecutor(64) as pool:
        fetched = list(pool.map(download.fetch, files.urls, timeout=30))
        assert list(map(download.digest, fetched)) == files.digests


def _exists(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def test_the_server_ends_with_its_block() -> None:
    files = download.Server(files=1, size_bytes=1, latency_s=0)
    with pytest.raises(RuntimeError, match="not running"):
        _ = files.urls
    for _ in range(2):  # it can be used again
        with files:
            pid = files.pid
            assert pid is not None
            assert _exists(pid)
            with pytest.raises(RuntimeError, match="running already"):
                files.start()
        assert not _exists(pid)
        assert files.pid is None
    files.stop()


@pytest.mark.parametrize("keep_pipe", [False, True], ids=["pipe closes", "pipe is held by a fork"])
def test_the_server_ends_when_its_parent_is_killed(keep_pipe: bool) -> None:
    code = (
        "import os, time\n"
        "from conc.workloads.download import Server\n"
        "server = Server(files=1, size_bytes=1, latency_s=0)\n"
        "server.start()\n"
        f"if {keep_pipe} and os.fork() == 0:\n"
        "    time.sleep(60)\n"
        "    os._exit(0)\n"
        "print(server.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, process_group=0) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        pidfd = os.pidfd_open(pid)
        try:
            parent.kill()
            ended = threading.Event()
            waiter = threading.Thread(target=lambda: (_wait_readable(pidfd), ended.set()))
            waiter.start()
            assert ended.wait(30)
            waiter.join()
        finally:
            os.close(pidfd)
            if keep_pipe:
                os.killpg(parent.pid, signal.SIGKILL)  # the fork; the server has a group of its own


def _wait_readable(fd: int) -> None:
    import select

    poll = select.poll()
    poll.register(fd, select.POLLIN)
    poll.poll()


@pytest.mark.parametrize(
    "arguments",
    [
        {"files": 0},
        {"size_bytes": -1},
        {"files": 1025, "size_bytes": 1 << 20},
        {"latency_s": -0.1},
        {"latency_s": float("nan")},
    ],
    ids=str,
)
def test_server_arguments_out_of_range(arguments: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=" must be "):
        download.Server(**arguments)  # type: ignore[arg-type]


def test_a_server_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "server.py"
    broken.write_text("raise SystemExit('no port is free')\n")
    monkeypatch.setattr(server, "__file__", str(broken))
    files = download.Server()
    with pytest.raises(OSError, match=r"did not start; it said: no port is free"):
        files.start()
    assert files.pid is None


# -- what can go wrong -------------------------------------------------------------------------------------------------

BODY = b"0123456789"
ANSWERS = {
    "/ok": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n" + BODY,
    "/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n0123\r\n6\r\n456789\r\n0\r\n\r\n",
    "/redirect": b"HTTP/1.1 302 Found\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n",
    "/loop": b"HTTP/1.1 302 Found\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n",
    "/nowhere": b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
    "/ftp": b"HTTP/1.1 302 Found\r\nLocation: ftp://127.0.0.1:1/x\r\nContent-Length: 0\r\n\r\n",
    "/missing": b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone",
    "/broken": b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n",
    "/truncated": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + BODY,
    "/nothing": b"",
    "/garbage": b"220 mail.example.org ESMTP\n",
}


class _Canned(socketserver.StreamRequestHandler):
    """Answers as ANSWERS says, says that it closes, and does; /silent says nothing until the server ends."""

    def handle(self) -> None:
        target = self.rfile.readline().split(b" ")[1].decode()
        while self.rfile.readline().strip():
            pass
        if target == "/silent":
            assert isinstance(self.server, _CannedServer)
            self.server.ending.wait()
        else:
            self.wfile.write(ANSWERS[target].replace(b"\r\n", b"\r\nConnection: close\r\n", 1))


class _CannedServer(socketserver.ThreadingTCPServer):
    daemon_threads = False

    def __init__(self) -> None:
        self.ending = threading.Event()
        super().__init__(("127.0.0.1", 0), _Canned)


@pytest.fixture
def base() -> Iterator[str]:
    with _CannedServer() as canned:
        thread = threading.Thread(target=canned.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{canned.server_address[1]}"
        canned.ending.set()
        canned.shutdown()
        thread.join()


Twin = Callable[[str], bytes]


@pytest.fixture(params=["urllib", "httpx", "native"])
def twin(request: pytest.FixtureRequest) -> Twin:
    twins: dict[str, Twin] = {
        "urllib": download.fetch,
        "httpx": lambda url: asyncio.run(download.fetch_async(url)),
        "native": kernels.http_get,
    }
    return twins[request.param]


@pytest.mark.parametrize("target", ["/ok", "/chunked", "/redirect"])
def test_a_body_arrives_whole(twin: Twin, base: str, target: str) -> None:
    assert twin(base + target) == BODY


@pytest.mark.parametrize(
    ("target", "kind", "number", "words"),
    [
        ("/missing", OSError, errno.EBADMSG, "HTTP status 404"),
        ("/broken", OSError, errno.EBADMSG, "HTTP status 500"),
        ("/nowhere", OSError, errno.EBADMSG, "HTTP status 302"),
        ("/loop", OSError, errno.ELOOP, "redirect"),
        ("/ftp", OSError, errno.EPROTONOSUPPORT, ""),
        ("/truncated", ConnectionResetError, errno.ECONNRESET, ""),
        ("/nothing", ConnectionResetError, errno.ECONNRESET, ""),
        ("/garbage", OSError, None, ""),  # each library has its own word for it
    ],
)
def test_a_failure_names_the_url_and_what_happened(
    twin: Twin, base: str, target: str, kind: type[OSError], number: int | None, words: str
) -> None:
    with pytest.raises(kind, match=f"GET {base + target}: .*{words}") as caught:
        twin(base + target)
    if number is not None:
        assert type(caught.value) is kind
        assert caught.value.errno == number


def test_refused(twin: Twin) -> None:
    with socket.socket() as bound:  # a port that is taken and that nobody listens on
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/"
        with pytest.raises(ConnectionRefusedError, match=f"GET {url}: "):
            twin(url)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "file:///etc/hostname", "http://", "http:///x", "x", ""])
def test_not_a_url_of_http(twin: Twin, url: str) -> None:
    with pytest.raises(ValueError, match="http:// or https:// with a host"):
        twin(url)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/a b", "http://127.0.0.1/ä", "http://127.0.0.1/\0", "http://a:99999/"]
)
def test_urls_that_native_refuses(url: str) -> None:
    with pytest.raises(ValueError, match=r"127|GET"):
        kernels.http_get(url)


def test_not_a_str(twin: Twin) -> None:
    with pytest.raises(TypeError, match="url must be a str, not bytes"):
        twin(b"http://127.0.0.1/")  # type: ignore[arg-type]


def test_a_silent_server_is_given_up(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "TIMEOUT_S", 0.05)
    url = base + "/silent"
    for get in (
        download.fetch,
        lambda url: asyncio.run(download.fetch_async(url)),
        lambda url: kernels.http_get(url, 0.05),
    ):
        with pytest.raises(TimeoutError, match=rf"GET {url}: nothing came from the server for 0\.05 seconds"):
            get(url)


def test_http_get_arguments(base: str) -> None:
    with pytest.raises(ValueError, match="timeout must be"):
        kernels.http_get(base + "/ok", -1)
    with pytest.raises(TypeError, match="takes 1 to 2 arguments"):
        kernels.http_get()
    with pytest.raises(TypeError, match="takes no keyword arguments"):
        kernels.http_get(url=base + "/ok")


def test_httpx_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert download.fetch_async_unavailable() is None
    monkeypatch.setitem(sys.modules, "httpx", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    reason = "httpx is not installed: pip install 'conc[net]'"
    assert download.fetch_async_unavailable() == reason
    with pytest.raises(ModuleNotFoundError) as caught:
        asyncio.run(download.fetch_async("http://127.0.0.1:1/"))
    assert str(caught.value) == reason


def test_libcurl_missing(tmp_path: Path) -> None:
    """A file of libcurl's name that is no library stands before the real one."""
    assert kernels.http_get_unavailable() is None
    (tmp_path / "libcurl.so.4").touch()
    code = (
        "from conc import kernels\n"
        "print(kernels.http_get_unavailable())\n"
        "try:\n"
        "    kernels.http_get('http://127.0.0.1:1/')\n"
        "except OSError as error:\n"
        "    print(error)\n"
    )
    environment = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=60
    )
    reason, error = done.stdout.splitlines()
    assert reason.startswith("libcurl.so.4 is not on this machine: install libcurl (Debian: apt-get install libcurl4")
    assert error == f"[Errno {errno.ENOSYS}] GET http://127.0.0.1:1/: {reason}"
