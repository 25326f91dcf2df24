"""Scripts that need an interpreter of their own (tests/isolated): what happens at exit, fork, Ctrl-C, in others.

What a script may say of itself: isolated_scripts.py. A script that hangs is killed after all its stacks were written,
and one that leaves a process behind has failed.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from isolated_scripts import (
    ALONE_LIMIT_S,
    LIMIT_S,
    Case,
    Ended,
    all_cases,
    each_word,
    missing,
    read_cases,
    run,
    run_alone,
)

CASES = all_cases()


@pytest.fixture(scope="module")
def crowd(request: pytest.FixtureRequest) -> Iterator[dict[str, Future[Ended]]]:
    """All chosen scripts that need not run alone, at the same time: most of them wait most of the time."""
    chosen = [
        item.callspec.params["case"]
        for item in request.session.items
        if hasattr(item, "callspec") and item.path == request.path and "case" in item.callspec.params
    ]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0)) + 1) as pool:
        yield {case.name: pool.submit(run, case) for case in chosen if not case.alone and not reasons(case)}
        pool.shutdown(cancel_futures=True)


def reasons(case: Case) -> list[str]:
    """Why a script cannot run here."""
    return [reason for need in case.needs if (reason := missing(need)) is not None]


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.name, marks=[] if case.core else [pytest.mark.newest]) for case in CASES]
)
def test_script(case: Case, request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> None:
    if why := reasons(case):
        pytest.skip(why[0])
    ended = run_alone(case) if case.alone else request.getfixturevalue("crowd")[case.name].result()
    record_property("isolated case", case.name)
    for figure in ended.figures:
        record_property("isolated figure", figure)
    told = f"\n--- stdout\n{ended.stdout}\n--- stderr\n{ended.stderr}"
    if ended.hung:
        pytest.fail(
            f"{case.name} hung for {ALONE_LIMIT_S if case.alone else LIMIT_S} s{told}\n--- threads\n{ended.hung}",
            pytrace=False,
        )
    assert ended.status == case.status, f"exit status {ended.status}{told}"
    assert ended.stdout == case.stdout, told
    assert says(ended.stderr, case.stderr), f"not what was expected on stderr: {case.stderr}{told}"
    assert not ended.left_processes, f"{case.name} left a process behind{told}"


def says(text: str, parts: tuple[str, ...]) -> bool:
    """Whether the parts are in the text, in their order; without parts, whether it is empty."""
    at = 0
    for part in parts:
        at = text.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return bool(parts) or not text


def test_there_are_cases() -> None:
    assert len(CASES) >= 10
    assert len({case.name for case in CASES}) == len(CASES)


def test_a_hanging_script_shows_its_stacks_and_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "hang.py"
    script.write_text(
        "import threading, conc\n"
        "native = conc.Thread(target=conc.kernels.sleep, args=(3600,), daemon=True)\n"
        "native.start()\n"
        "open('/dev/stdout', 'w').write(str(native.native_id))\n"
        "def wait_for_nothing():\n    threading.Event().wait()\n"
        "wait_for_nothing()\n"
    )
    ended = run(Case(script), 2)
    assert ended.status == -signal.SIGABRT
    assert "in wait_for_nothing" in ended.stderr
    (native,) = [line for line in ended.hung.splitlines() if f"thread {ended.stdout}:" in line]
    assert ", S, " in native


def test_a_forked_child_that_hangs_shows_its_stacks_too(tmp_path: Path) -> None:
    script = tmp_path / "hang.py"
    script.write_text(
        "import os, threading\n"
        "def wait_in_child():\n    threading.Event().wait()\n"
        "child = os.fork()\n"
        "wait_in_child() if child == 0 else os.waitpid(child, 0)\n"
    )
    ended = run(Case(script), 2)
    assert "in wait_in_child" in ended.stderr
    assert ended.hung.count("process ") >= 2
    assert not ended.left_processes


def test_a_process_left_behind_is_found_and_ended(tmp_path: Path) -> None:
    script = tmp_path / "leave.py"
    script.write_text(
        "import subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'],\n"
        "                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode = 0\n"
    )
    ended = run(Case(script))
    assert not ended.hung
    assert ended.left_processes


def test_directives_are_read(tmp_path: Path) -> None:
    script = tmp_path / "case.py"
    script.write_text(
        "# cases: a\n#    b\n# cases: x y\n# stdout: one\n# stdout[a]: two\n# status[y]: 3\n# needs[b]: python3.99\n"
        "# stderr[x]: oops\n# alone: yes\n# outlived[x]: yes\n"
    )
    ax, ay, bx, by = read_cases(script)
    assert ax == Case(script, ("a", "x"), 0, "one\ntwo\n", ("oops",), (), True, True)
    assert ay == Case(script, ("a", "y"), 3, "one\ntwo\n", (), (), True, False, core=False)
    assert bx.stdout == "one\n"
    assert (by.status, by.needs, by.name) == (3, ("python3.99",), "case-b-y")
    script.write_text("# cases: a\n# stdout[b]: one\n")
    with pytest.raises(ValueError, match="that there are not: b"):
        list(read_cases(script))


def test_the_core_has_each_word_of_each_line() -> None:
    assert each_word([]) == {()}
    assert each_word([["a", "b"]]) == {("a",), ("b",)}
    assert each_word([["x", "y"], ["a", "b", "c"]]) == {("x", "a"), ("y", "b"), ("x", "c")}
    for path in {case.path for case in CASES}:
        cases = list(read_cases(path))
        words = {word for case in cases for word in case.args}
        if "\n# core:" not in path.read_text(encoding="utf-8"):
            assert {word for case in cases if case.core for word in case.args} == words


def test_a_script_may_choose_its_core(tmp_path: Path) -> None:
    script = tmp_path / "case.py"
    script.write_text("# cases: a b c\n# core: a c\n")
    assert [case.core for case in read_cases(script)] == [True, False, True]
    script.write_text("# cases: a b\n# cases: x y\n# core: b x y\n")
    assert [case.name for case in read_cases(script) if case.core] == ["case-b-x", "case-b-y"]
    script.write_text("# core:\n")
    assert [case.core for case in read_cases(script)] == [False]
    script.write_text("# cases: a\n# core: d\n")
    with pytest.raises(ValueError, match="that there are not: d"):
        list(read_cases(script))


def test_needs_are_known() -> None:
    assert missing("python3.99") == "for CPython 3.99 and later"
    assert missing("python3.11") is None
    with pytest.raises(ValueError, match="nonsense"):
        missing("nonsense")


def test_what_is_said_on_stderr() -> None:
    assert says("", ())
    assert not says("x", ())
    assert says("a b c", ("a", "c"))
    assert not says("a b c", ("c", "a"))


def test_figures_are_taken_out_of_the_output(tmp_path: Path) -> None:
    script = tmp_path / "figure.py"
    script.write_text("print('one')\nprint('figure: wait 1.5 ms')\nprint('two')\n")
    ended = run(Case(script))
    assert (ended.stdout, ended.figures) == ("one\ntwo\n", ("wait 1.5 ms",))
