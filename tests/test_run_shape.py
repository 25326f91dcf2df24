"""One suite over `subprocess` and `conc`: what both promise, so that changing the import keeps the code."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import conc

SUBPROCESS = SimpleNamespace(
    run=subprocess.run,
    spawn=subprocess.Popen,
    PIPE=subprocess.PIPE,
    DEVNULL=subprocess.DEVNULL,
    STDOUT=subprocess.STDOUT,
)


@pytest.fixture(params=["subprocess", "conc"])
def impl(request: pytest.FixtureRequest) -> Any:
    return SUBPROCESS if request.param == "subprocess" else conc


def test_constants_are_the_same_numbers() -> None:
    assert (conc.PIPE, conc.DEVNULL, conc.STDOUT) == (subprocess.PIPE, subprocess.DEVNULL, subprocess.STDOUT)


def test_result(impl: Any) -> None:
    done = impl.run(["sh", "-c", "echo out; echo err >&2; exit 4"], capture_output=True)
    assert isinstance(done, subprocess.CompletedProcess)
    assert done.args == ["sh", "-c", "echo out; echo err >&2; exit 4"]
    assert (done.returncode, done.stdout, done.stderr) == (4, b"out\n", b"err\n")
    with pytest.raises(subprocess.CalledProcessError):
        done.check_returncode()


def test_nothing_is_captured_unless_asked(impl: Any, capfd: pytest.CaptureFixture[str]) -> None:
    done = impl.run(["sh", "-c", "echo out; echo err >&2"])
    assert (done.returncode, done.stdout, done.stderr) == (0, None, None)
    assert capfd.readouterr() == ("out\n", "err\n")


def test_killed_by_a_signal(impl: Any) -> None:
    assert impl.run(["sh", "-c", "kill -USR1 $$"]).returncode == -signal.SIGUSR1


@pytest.mark.parametrize("exit_status", [1, 127, 255])
def test_check(impl: Any, exit_status: int) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        impl.run(["sh", "-c", f"echo said; exit {exit_status}"], stdout=impl.PIPE, check=True)
    assert (caught.value.returncode, caught.value.output, caught.value.stderr) == (exit_status, b"said\n", None)
    assert impl.run(["true"], check=True).returncode == 0


@pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 4096, bytearray(b"array"), memoryview(b"view")])
def test_input_comes_back(impl: Any, data: bytes) -> None:
    assert impl.run(["cat"], input=data, capture_output=True).stdout == bytes(data)


def test_eight_mebibytes_both_ways_and_both_outputs(impl: Any) -> None:
    data = os.urandom(1 << 16) * 128
    done = impl.run(["sh", "-c", "tee /dev/stderr"], input=data, capture_output=True)
    assert done.stdout == data
    assert done.stderr == data


def test_a_child_that_does_not_read_its_input(impl: Any) -> None:
    done = impl.run(["sh", "-c", "exec <&-; echo fine"], input=b"x" * (1 << 20), stdout=impl.PIPE)
    assert (done.returncode, done.stdout) == (0, b"fine\n")


@pytest.mark.parametrize(
    "make",
    [
        lambda path: [str(path)],
        lambda path: [os.fsencode(path)],
        lambda path: [path],
        str,
        os.fsencode,
        lambda path: path,
    ],
)
def test_forms_of_args(impl: Any, make: Callable[[Path], Any], tmp_path: Path) -> None:
    script = tmp_path / "a program"
    script.write_text("#!/bin/sh\necho $# arguments\n")
    script.chmod(0o755)
    assert impl.run(make(script), stdout=impl.PIPE).stdout == b"0 arguments\n"


def test_args_from_an_iterator(impl: Any) -> None:
    assert impl.run(iter(["echo", b"a", Path("b")]), stdout=impl.PIPE).stdout == b"a b\n"


def test_a_plain_string_is_one_program(impl: Any) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        impl.run("echo hello")
    assert caught.value.filename == "echo hello"


def test_cwd_and_relative_program(impl: Any, tmp_path: Path) -> None:
    script = tmp_path / "here"
    script.write_text("#!/bin/sh\npwd\n")
    script.chmod(0o755)
    expected = os.fsencode(tmp_path.resolve()) + b"\n"
    for cwd in (tmp_path, str(tmp_path), os.fsencode(tmp_path)):
        assert impl.run(["./here"], cwd=cwd, stdout=impl.PIPE).stdout == expected


def test_env_replaces_everything(impl: Any) -> None:
    done = impl.run(["/usr/bin/env"], env={"A": "1", "B": "ü"}, stdout=impl.PIPE)
    assert sorted(done.stdout.splitlines()) == [b"A=1", "B=ü".encode()]
    assert impl.run(["/usr/bin/env"], env={b"X": b"\xff\xfe"}, stdout=impl.PIPE).stdout == b"X=\xff\xfe\n"
    assert impl.run(["/usr/bin/env"], env={}, stdout=impl.PIPE).stdout == b""


def test_env_is_inherited_as_it_is_now(impl: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONC_TEST", "now")
    assert impl.run(["sh", "-c", "echo $CONC_TEST"], stdout=impl.PIPE).stdout == b"now\n"


def test_path_of_env_finds_the_program(impl: Any, tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    for folder in (first, second):
        folder.mkdir()
        (folder / "tool").write_text(f"#!/bin/sh\necho {folder.name}\n")
    (second / "tool").chmod(0o755)  # the first is found, and cannot be executed
    path = f"{tmp_path}/missing:{first}:{second}"
    assert impl.run(["tool"], env={"PATH": path}, stdout=impl.PIPE).stdout == b"2\n"
    with pytest.raises(PermissionError):
        impl.run(["tool"], env={"PATH": f"{tmp_path}/missing:{first}:/nowhere"})
    with pytest.raises(FileNotFoundError):
        impl.run(["tool"], env={"PATH": "/nowhere"})


def missing_interpreter(folder: Path) -> Path:
    """A script whose interpreter does not exist."""
    script = folder / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    return script


def not_a_program(folder: Path) -> Path:
    """An executable file in no format that the kernel knows."""
    script = folder / "garbage"
    script.write_bytes(b"\1\2\3 no magic number")
    script.chmod(0o755)
    return script


@pytest.mark.parametrize(
    ("program", "error"),
    [
        (lambda _: "no-such-program-anywhere", FileNotFoundError),
        (lambda folder: folder / "missing", FileNotFoundError),
        (lambda folder: folder, PermissionError),
        (lambda _: "/dev/null/program", NotADirectoryError),
        (missing_interpreter, FileNotFoundError),
        (not_a_program, OSError),
        (lambda _: "x" * 5000, OSError),
    ],
)
def test_exec_that_fails(impl: Any, program: Callable[[Path], Any], error: type[OSError], tmp_path: Path) -> None:
    given = program(tmp_path)
    with pytest.raises(OSError) as caught:  # noqa: PT011 - compared below
        impl.run([given, "argument"])
    assert type(caught.value) is error
    assert os.fspath(caught.value.filename) == os.fspath(given)  # 3.13's subprocess makes it a str
    assert caught.value.errno != 0


@pytest.mark.parametrize(("cwd", "error"), [("/no/such/folder", FileNotFoundError), ("/dev/null", NotADirectoryError)])
def test_chdir_that_fails(impl: Any, cwd: str, error: type[OSError]) -> None:
    with pytest.raises(error) as caught:
        impl.run(["true"], cwd=cwd)
    assert caught.value.filename == cwd


def test_embedded_nul(impl: Any) -> None:
    for kwargs in (
        {"args": ["echo", "a\0b"]},
        {"args": ["true"], "cwd": "/\0"},
        {"args": ["true"], "env": {"A": "\0"}},
    ):
        with pytest.raises(ValueError, match=r"(?i)null? byte"):
            impl.run(**kwargs)
    with pytest.raises(ValueError, match="name"):
        impl.run(["true"], env={"A=B": "x"})


@pytest.mark.parametrize("args", [1, None, [1], ["echo", None], ["echo", 2.5]])
def test_args_of_wrong_type(impl: Any, args: Any) -> None:
    with pytest.raises(TypeError):
        impl.run(args)


def test_options_that_exclude_each_other(impl: Any) -> None:
    with pytest.raises(ValueError, match="stdin and input"):
        impl.run(["cat"], input=b"", stdin=impl.PIPE)
    with pytest.raises(ValueError, match="capture_output"):
        impl.run(["cat"], capture_output=True, stdout=impl.PIPE)


def test_timeout_kills_and_keeps_the_output(impl: Any) -> None:
    with pytest.raises(subprocess.TimeoutExpired) as caught:
        impl.run(["sh", "-c", "echo first; exec sleep 1000"], capture_output=True, timeout=0.5)
    assert (caught.value.cmd[0], caught.value.timeout) == ("sh", 0.5)
    assert (caught.value.output, caught.value.stderr) == (b"first\n", None)


@pytest.mark.parametrize("timeout", [0, -1.0, 1e-9])
def test_timeouts_that_are_over_at_once(impl: Any, timeout: float) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        impl.run(["sleep", "1000"], timeout=timeout)


def test_redirections(impl: Any, tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        impl.run(["sh", "-c", "echo to file; echo err >&2"], stdout=file, stderr=impl.STDOUT)
    assert path.read_bytes() == b"to file\nerr\n"
    with path.open("rb") as file:
        assert impl.run(["cat"], stdin=file, stdout=impl.PIPE).stdout == b"to file\nerr\n"
    assert impl.run(["cat"], stdin=impl.DEVNULL, stdout=impl.PIPE).stdout == b""
    assert impl.run(["sh", "-c", "echo x >&2"], stdout=impl.PIPE, stderr=impl.STDOUT).stdout == b"x\n"
    assert impl.run(["sh", "-c", "echo x; echo y >&2"], stdout=impl.DEVNULL, stderr=impl.PIPE).stderr == b"y\n"


def test_stderr_to_the_stdout_of_this_process(impl: Any, capfd: pytest.CaptureFixture[str]) -> None:
    impl.run(["sh", "-c", "echo x >&2"], stderr=impl.STDOUT)
    assert capfd.readouterr() == ("x\n", "")


def test_child_life(impl: Any) -> None:
    with impl.spawn(["cat"], stdin=impl.PIPE, stdout=impl.PIPE) as child:
        assert child.returncode is None
        assert child.poll() is None
        assert child.stderr is None
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(timeout=0.01)
        child.stdin.write(b"line\nrest")
        child.stdin.flush()
        assert child.stdout.readline() == b"line\n"
        child.stdin.close()
        assert child.stdout.read() == b"rest"
        assert child.wait() == 0
        assert (child.returncode, child.poll(), child.wait(timeout=0)) == (0, 0, 0)
    assert child.stdout.closed


@pytest.mark.parametrize(
    ("send", "expected"),
    [
        (lambda child: child.kill(), -signal.SIGKILL),
        (lambda child: child.terminate(), -signal.SIGTERM),
        (lambda child: child.send_signal(signal.SIGUSR2), -signal.SIGUSR2),
    ],
)
def test_signals(impl: Any, send: Callable[[Any], None], expected: int) -> None:
    child = impl.spawn(["sleep", "1000"])
    send(child)
    assert child.wait() == expected
    send(child)  # it has ended: nothing happens
    child.kill()
    assert child.returncode == expected


def test_communicate_again_after_a_timeout(impl: Any) -> None:
    gate_read, gate_write = os.pipe()
    with impl.spawn(["sh", "-c", "echo early; read go; echo late"], stdin=gate_read, stdout=impl.PIPE) as child:
        os.close(gate_read)
        while True:
            with pytest.raises(subprocess.TimeoutExpired) as caught:
                child.communicate(timeout=0.05)
            if caught.value.output == b"early\n":
                break
        os.write(gate_write, b"go\n")
        os.close(gate_write)
        assert child.communicate() == (b"early\nlate\n", None)
        assert child.returncode == 0


def test_communicate_takes_input_once(impl: Any) -> None:
    with impl.spawn(["sh", "-c", "exec sleep 1000"], stdin=impl.PIPE) as child:
        with pytest.raises(subprocess.TimeoutExpired):
            child.communicate(b"x" * 1_000_000, timeout=0)
        with pytest.raises(ValueError, match="Cannot send input"):
            child.communicate(b"more", timeout=0)
        child.kill()


def test_signal_dispositions_of_the_child(impl: Any) -> None:
    """Python ignores SIGPIPE; its children do not."""
    lines = impl.run(["grep", "SigIgn", "/proc/self/status"], stdout=impl.PIPE).stdout.split()
    assert int(lines[1], 16) & (1 << (signal.SIGPIPE - 1) | 1 << (signal.SIGXFSZ - 1)) == 0


def test_descriptors_are_not_inherited(impl: Any, tmp_path: Path) -> None:
    with (tmp_path / "open").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        done = impl.run(["sh", "-c", f"echo leak >&{file.fileno()}"], stderr=impl.DEVNULL)
    assert done.returncode != 0
    assert (tmp_path / "open").read_bytes() == b""
