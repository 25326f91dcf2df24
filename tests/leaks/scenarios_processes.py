"""Leak scenarios: child processes."""

from __future__ import annotations

import os
import subprocess
import warnings

from leak_table import covers, refused

import conc
from conc import _core

SLEEPER = ["sleep", "60"]


@covers(
    "conc.spawn",
    "conc.Child",
    "conc.Child.communicate",
    "conc.Child.std*",
    "conc.PIPE",
    "conc.STDOUT",
    "conc._core.Relay",
    "conc._core.Relay.*",
)
def child_talks() -> None:
    with conc.spawn(["cat"], stdin=conc.PIPE, stdout=conc.PIPE, stderr=conc.PIPE) as child:
        assert child.pid > 0
        assert child.poll() is None
        assert child.returncode is None
        refused(subprocess.TimeoutExpired, child.communicate, b"x" * 100_000, timeout=0)
        refused(ValueError, child.communicate, b"more")
        assert child.communicate() == (b"x" * 100_000, b"")
        assert child.usage.max_rss_bytes is None or child.usage.max_rss_bytes > 0
    child = conc.Child(["cat"], stdin=conc.PIPE, stdout=conc.PIPE, stderr=conc.STDOUT)
    with child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is None
        child.stdin.write(b"hello")
        child.stdin.close()
        assert child.stdout.read() == b"hello"
    assert child.wait() == 0


@covers("conc.Child.*", "conc._core.ChildHandle", "conc._core.ChildHandle.*", "conc._core.spawn", "conc._core.deadline")
def child_is_killed() -> None:
    for signal, *number in (("kill",), ("terminate",), ("send_signal", 9)):
        with conc.spawn(SLEEPER, stdin=conc.PIPE, stdout=conc.PIPE, stderr=conc.PIPE) as child:
            refused(subprocess.TimeoutExpired, child.wait, 0)
            refused(subprocess.TimeoutExpired, child.communicate, timeout=0)  # closes stdin: there is no input
            assert child.usage.wall_s is not None
            assert [file.closed for file in (child.stdin, child.stdout, child.stderr) if file] == [True, False, False]
            refused(OSError, child.send_signal, 1000)
            getattr(child, signal)(*number)
            assert child.wait() < 0
            assert child.poll() == child.returncode
    refused(ValueError, child.wait, float("nan"))
    assert child.pid > 0


@covers("conc.Child", "conc.spawn")
def child_is_dropped() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        child = conc.spawn(SLEEPER, stdout=conc.PIPE)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        del child
    conc.run(["true"])  # reaps what was abandoned


@covers("conc.spawn", "conc.DEVNULL")
def child_is_refused() -> None:
    refused(FileNotFoundError, conc.spawn, ["/nonexistent"], stdin=conc.PIPE, stdout=conc.PIPE, stderr=conc.DEVNULL)
    refused(FileNotFoundError, conc.spawn, ["true"], cwd="/nonexistent", stdout=conc.DEVNULL)
    refused(PermissionError, conc.spawn, ["/"], stdout=conc.PIPE)
    refused(OSError, conc.spawn, ["true"], stdout=1_000_000, stdin=conc.PIPE)
    refused(ValueError, conc.spawn, [])
    refused(ValueError, conc.spawn, ["true"], stdin=conc.PIPE, stdout=-5)
    refused(TypeError, conc.spawn, ["true"], stdin=conc.PIPE, stdout=1.5)
    refused(TypeError, conc.spawn, ["true"], env=5)
    refused(TypeError, _core.spawn, ["true"], [b"true"], None, None, (-1, -1, -1), ("true", None))


@covers("conc.run", "conc.CompletedProcess", "conc.CompletedProcess.*", "conc.Usage", "conc.Usage.*")
def program_runs() -> None:
    done = conc.run(["cat"], input=b"hello", capture_output=True, env={"PATH": "/usr/bin:/bin"}, cwd="/")
    assert isinstance(done, conc.CompletedProcess)
    assert done.stdout == b"hello"
    done.check_returncode()
    assert isinstance(done.usage, conc.Usage)
    assert set(done.usage.to_dict()) <= {name for name in dir(done.usage) if getattr(done.usage, name, ...) is not ...}
    assert done.usage.cpu_s is not None
    assert done.usage.to_json()
    refused(subprocess.CalledProcessError, conc.run, ["false"], check=True, capture_output=True)
    refused(subprocess.TimeoutExpired, conc.run, SLEEPER, timeout=0.01, capture_output=True)
    refused(ValueError, conc.run, ["true"], input=b"", stdin=conc.PIPE)
    refused(TypeError, conc.run, ["true"], input="text")
    refused(FileNotFoundError, conc.run, ["/nonexistent"], capture_output=True)


@covers("conc._core.Relay", "conc._core.Relay.*", "conc._core.ChildHandle.*", "conc._core.deadline")
def core_processes() -> None:
    handle = _core.spawn([b"true"], [b"/bin/true"], [], b"/", (-1, -1, -1), ("true", None), True)
    assert handle.usage() is not None
    handle.signal(9)
    assert handle.wait(_core.deadline(None))
    assert handle.poll()
    refused(ValueError, _core.deadline, float("nan"))
    relay = _core.Relay(-1, -1, -1, b"")
    assert relay.run(_core.deadline(0)) == 0
    assert relay.text(1) == b""
    refused(ValueError, relay.text, 3)
    refused(TypeError, _core.Relay, -1, -1, -1, "text")
    _core.spawn([b"sleep", b"60"], [b"/bin/sleep"], None, None, (-1, -1, -1), ("sleep", None), kill_on_drop=True)
