"""The command ``conc watch``: programs and processes that are watched, what is shown where, and its exit statuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conc import Timeline
from conc.cli import main

pytestmark = pytest.mark.newest  # Python on top of the C module

WATCH = [sys.executable, "-m", "conc", "watch"]

THREADS = """
import sys, threading
def work(name):
    sys.stdout.write(name + chr(10))
    sys.stdout.flush()
    gate.wait()
print(sys.argv[1:], flush=True)
gate = threading.Event()
threads = [threading.Thread(target=work, args=(name,), name=name) for name in ("first", "second")]
for thread in threads:
    thread.start()
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.py"
    path.write_text(THREADS + "gate.wait(0.05)  # long enough to be seen\ngate.set()\nsys.exit(7)\n", encoding="utf-8")
    return path


def run(*arguments: object, cwd: Path | None = None, text: str | None = None) -> subprocess.CompletedProcess[str]:
    words = [str(argument) for argument in arguments]
    return subprocess.run(
        [*WATCH, *words], cwd=cwd, input=text, capture_output=True, text=True, timeout=60, check=False
    )


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_script_has_its_output_and_its_status_and_the_table_goes_elsewhere(script: Path) -> None:
    done = run("--", script, "x", "--json", "y")
    assert done.returncode == 7
    assert sorted(done.stdout.splitlines()) == ["['x', '--json', 'y']", "first", "second"]
    assert done.stderr.startswith("Watch of ")
    assert "first" in done.stderr


def test_the_dashes_may_be_left_out_and_a_module_may_be_run(script: Path) -> None:
    assert run(script, "-x").stdout.splitlines()[-1] in ("['-x']", "first", "second")
    done = run("-m", "script", "-x", "--where", cwd=script.parent)
    assert done.returncode == 7
    assert "['-x', '--where']" in done.stdout.splitlines()


def test_what_a_script_raises_is_reported_without_our_lines(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("def f():\n    1 / 0\nf()", encoding="utf-8")
    done = run(tmp_path / "bad.py")
    assert done.returncode == 1
    report, _, table = done.stderr.partition("Watch of ")
    assert report.startswith(f'Traceback (most recent call last):\n  File "{tmp_path}/bad.py", line 3, in <module>')
    assert "/conc/" not in report
    assert table


def test_threads_and_exit_functions_behind_the_end_are_watched(tmp_path: Path) -> None:
    text = """
import atexit, threading, time
def later():
    time.sleep(0.05)
    print("later")
atexit.register(lambda: (time.sleep(0.05), print("at exit")))
threading.Thread(target=later, name="goes-on").start()
"""
    (tmp_path / "script.py").write_text(text, encoding="utf-8")
    done = run("--json", "seen.json", "script.py", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.split("\n") == ["later", "at exit", ""]
    raw = Timeline.from_json(tmp_path / "seen.json").raw
    [goes_on] = [thread for thread in raw.threads if thread.name == "goes-on"]
    assert goes_on.end_ns is not None
    assert raw.end_ns - goes_on.end_ns > 40_000_000  # the exit function came behind it


def test_every_format_is_written_also_when_the_script_changes_its_folder(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("import os, time; os.chdir('/'); time.sleep(0.2)", encoding="utf-8")
    options = ["--json", "w.json", "--html", "w.html", "--perfetto", "w.pftrace", "--where", "--speedscope", "w.speed"]
    done = run(*options, "script.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "w.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert (tmp_path / "w.pftrace").stat().st_size > 0
    assert Timeline.from_json(tmp_path / "w.json").raw.places
    assert "profiles" in json.loads((tmp_path / "w.speed").read_text(encoding="utf-8"))


def test_json_on_standard_output_comes_behind_the_scripts_own(script: Path) -> None:
    done = run("--json", "-", script)
    *own, text = done.stdout.splitlines()
    assert len(own) == 3
    assert Timeline.from_dict(json.loads(text)).raw.threads


def test_ctrl_c_is_the_scripts_and_the_table_comes_all_the_same(tmp_path: Path) -> None:
    # in short sleeps: CPython does not notice a signal that comes just before a sleep until that is over
    text = "import time\nprint('on', flush=True)\nwhile True:\n    time.sleep(0.01)"
    (tmp_path / "script.py").write_text(text, encoding="utf-8")
    with running(*WATCH, str(tmp_path / "script.py")) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "on\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "KeyboardInterrupt\nWatch of" in errors


def test_a_fork_of_the_script_says_nothing_of_the_watch(tmp_path: Path) -> None:
    text = "import os, sys\npid = os.fork()\nif pid == 0:\n    sys.exit(0)\nos.waitpid(pid, 0)"
    (tmp_path / "script.py").write_text(text, encoding="utf-8")
    done = run(tmp_path / "script.py")
    assert done.stderr.count("Watch of ") == 1


def test_children_are_rows(tmp_path: Path) -> None:
    # the child lives until the thread that watches it has begun, beside the one that watches the script
    text = """
import os, subprocess, time
def samplers():
    names = []
    for tid in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{tid}/comm") as file:
                names.append(file.read())
        except (FileNotFoundError, ProcessLookupError):
            pass
    return names.count("conc-watch\\n")
child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
while samplers() < 2:
    time.sleep(0.001)
child.communicate()
"""
    (tmp_path / "script.py").write_text(text, encoding="utf-8")
    done = run("--children", "--json", "w.json", "script.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    names = [process.name for process in Timeline.from_json(tmp_path / "w.json").raw.processes]
    assert names == ["script.py", "cat"]


def test_the_watch_of_a_script_may_end_before_it(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("import time; time.sleep(0.5); print('done')", encoding="utf-8")
    done = run("--duration", "0.05", "--json", "w.json", "script.py", cwd=tmp_path)
    assert done.stdout == "done\n"
    raw = Timeline.from_json(tmp_path / "w.json").raw
    assert raw.end_ns - raw.begin_ns < 400_000_000


def test_a_process_is_watched_until_it_ends() -> None:
    with running("cat") as target, running(*WATCH, "--pid", str(target.pid)) as process:
        assert process.stderr is not None
        assert target.stdin is not None
        assert process.stderr.readline() == f"watching process {target.pid}; Ctrl-C ends the watch\n"
        target.stdin.close()
        out, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert out.startswith("Watch of 1 thread")
    assert "cat" in out
    assert errors == ""


def test_a_process_is_watched_for_some_time() -> None:
    with running("sleep", "1000") as target:
        done = run("--pid", target.pid, "--duration", "0.1", "--json", "-")
        assert target.poll() is None
    raw = Timeline.from_dict(json.loads(done.stdout)).raw
    assert [thread.tid for thread in raw.threads] == [target.pid]


def test_a_process_is_watched_until_ctrl_c() -> None:
    with running("sleep", "1000") as target, running(*WATCH, "--pid", str(target.pid)) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("watching process")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
        assert target.poll() is None
    assert process.returncode == 0
    assert out.startswith("Watch of 1 thread")


@pytest.mark.parametrize("ends", [True, False])
def test_where_there_are_no_descriptors_of_processes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ends: bool
) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    with running("cat") as target:
        assert target.stdin is not None
        if ends:
            closer = threading.Timer(0.3, target.stdin.close)
            closer.start()
        assert main(["watch", "--pid", str(target.pid), *([] if ends else ["--duration", "0.15"])]) == 0
        assert (target.poll() is None) != ends
        if ends:
            closer.join()
    assert "Watch of 1 thread" in capsys.readouterr().out


def test_a_process_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "--pid", str(2**22 + 1)]) == 1
    assert "there is no process" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "there is nothing to watch: -- SCRIPT, -m MODULE or --pid N"),
        (["-m"], "there is nothing to watch"),
        (["--pid", "7", "script.py"], "--pid watches a process that runs: leave out the program"),
        (["--pid", "0"], "pid must be at least 1"),
        (["--duration", "0", "script.py"], "--duration must be above 0 seconds, not 0"),
        (["--duration", "nan", "script.py"], "--duration must be above 0"),
        (["--speedscope", "x", "script.py"], "--speedscope writes lines of Python: add --where"),
        (["--html", "/nowhere/x.html", "script.py"], "/nowhere/x.html: its folder is not there"),
        (["--json", ".", "script.py"], ".: its folder is not there, or may not be written"),
        (["nowhere.py"], "can't open file 'nowhere.py': No such file or directory"),
        (["-m", "nowhere"], "no module named 'nowhere'"),
    ],
)
def test_wrong_usage(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert main(["watch", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_an_interval_that_is_none(script: Path) -> None:
    done = run("--interval", "0", script)
    assert done.returncode == 2
    assert done.stderr == "conc watch: interval must be above 0 and at most 3600 seconds, not 0.0\n"
    assert done.stdout == ""
