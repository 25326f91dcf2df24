"""Why a process may not be traced: told from files as the kernel has them, for each cause, with its cure."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conc.watching.permission import missing_process, trace_refusal

pytestmark = pytest.mark.once  # plain Python

ME = 1000
ALL_CAPABILITIES = "000001ffffffffff"


def proc(folder: Path, *, uid: int = ME, yama: int | None = None, capabilities: str = "0" * 16) -> Path:
    """A /proc with this process, run by user 1000, and process 77, run by `uid`."""
    for name, user in (("self", ME), ("77", uid)):
        (folder / name).mkdir()
        text = f"Name:\tx\nUid:\t{user}\t{user}\t{user}\t{user}\nCapEff:\t{capabilities}\n"
        (folder / name / "status").write_text(text, encoding="utf-8")
    os.chown(folder / "77" / "status", ME, ME)
    if yama is not None:
        (folder / "sys/kernel/yama").mkdir(parents=True)
        (folder / "sys/kernel/yama/ptrace_scope").write_text(f"{yama}\n", encoding="utf-8")
    return folder


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to somebody else")


@needs_root
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"uid": 0}, ["process 77 runs as user root (0), and this one as user", "(1000)", "CAP_SYS_PTRACE"]),
        ({"uid": 54321}, ["process 77 runs as user 54321", "run this as that user or as root"]),
        ({"yama": 1}, ["kernel.yama.ptrace_scope is 1", "conc watch -- SCRIPT", "CAP_SYS_PTRACE"]),
        ({"yama": 2}, ["kernel.yama.ptrace_scope is 2", "run this as root"]),
        ({"yama": 3}, ["kernel.yama.ptrace_scope is 3", "nobody may trace"]),
        ({"yama": 0}, ["a sandbox", "CAP_SYS_PTRACE"]),
        ({}, ["a sandbox"]),
        ({"capabilities": ALL_CAPABILITIES, "uid": 5}, ["although this one has CAP_SYS_PTRACE", "user namespace"]),
    ],
)
def test_each_cause_has_its_cure(tmp_path: Path, options: dict[str, int], words: list[str]) -> None:
    reason = trace_refusal(77, proc(tmp_path, **options))  # type: ignore[arg-type]
    for word in words:
        assert word.replace("user 1000", "user") in reason


@needs_root
def test_one_that_protects_itself(tmp_path: Path) -> None:
    folder = proc(tmp_path)
    os.chown(folder / "77" / "status", 0, 0)
    assert "was made undumpable" in trace_refusal(77, folder)


def test_one_that_is_not_there(tmp_path: Path) -> None:
    gone = 2**22 + 1  # no kernel numbers so far
    (tmp_path / "self").mkdir()
    assert missing_process(gone, tmp_path) == f"there is no process {gone}"
    assert trace_refusal(gone, tmp_path) == f"there is no process {gone}"


def test_one_that_has_ended(tmp_path: Path) -> None:
    (tmp_path / "77").mkdir()
    assert missing_process(77, tmp_path) == "process 77 has ended"


def test_one_that_is_hidden(tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    assert "hidepid" in missing_process(os.getpid(), tmp_path)


def test_where_nothing_is_told_at_all(tmp_path: Path) -> None:
    assert "is not mounted" in missing_process(os.getpid(), tmp_path)


@needs_root
def test_a_setting_that_is_no_number_is_none(tmp_path: Path) -> None:
    folder = proc(tmp_path, yama=1)
    (folder / "sys/kernel/yama/ptrace_scope").write_text("soon\n", encoding="utf-8")
    assert "a sandbox" in trace_refusal(77, folder)
