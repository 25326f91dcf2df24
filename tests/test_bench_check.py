"""make bench-check: what it measures, prints and answers (tools/bench_check.py), with measurements that are made up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from figures_support import a_figure, a_machine, a_run, bench_check, results

pytestmark = pytest.mark.once

STEADY = [[2.0, 2.02, 1.98, 2.01, 1.99]] * 3


class Measured:
    """Hands out runs in order, and keeps what was asked for."""

    def __init__(self, *runs: results.Results) -> None:
        self.runs = list(runs)
        self.asked: list[tuple[list[str], dict[str, str]]] = []

    def __call__(self, tests: Sequence[str], environment: Mapping[str, str]) -> results.Results:
        self.asked.append((list(tests), dict(environment)))
        return self.runs.pop(0)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where results are looked for."""
    monkeypatch.setattr(bench_check, "ROOT", tmp_path)
    monkeypatch.setattr(bench_check, "path_for", lambda machine: results.path_for(machine, tmp_path))
    return tmp_path


def keep(folder: Path, run: results.Results) -> Path:
    path = results.path_for(run.machine, folder)
    path.write_text(results.to_json(run), encoding="utf-8")
    return path


def test_nothing_lost(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(folder, a_run(a_figure(*STEADY)))
    measured = Measured(a_run(a_figure([2.0] * 5)))
    assert bench_check.main([], measured, a_machine()) == 0
    assert measured.asked == [(["benchmarks", "--ignore=benchmarks/bench_memory.py"], {})]
    out = capsys.readouterr().out
    assert "against 0123456789ab, 2026-01-02T03:04:05Z" in out
    assert out.endswith("1 kept, 0 gained, 0 lost, 0 unsure, 0 new, 0 gone\n")


def test_a_loss_is_measured_again_and_then_fails(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(folder, a_run(a_figure(*STEADY), a_figure(*STEADY, name="other"), dirty=True))
    slow = a_figure([1.0] * 5, test="benchmarks/bench_x.py::test_x")
    measured = Measured(a_run(slow, a_figure([2.0] * 5, name="other")), a_run(slow))
    assert bench_check.main(["--quick"], measured, a_machine()) == 1
    few = {"CONC_BENCH_ROUNDS": "5"}
    assert [asked[1] for asked in measured.asked] == [few, few]
    assert measured.asked[1][0] == ["benchmarks/bench_x.py::test_x"]
    out = capsys.readouterr().out
    assert "measuring again what seems lost: benchmarks/bench_x.py::test_x" in out
    assert "lost (again: 1.00x)" in out
    assert "with changes" in out


def test_a_loss_that_does_not_come_again_is_none(folder: Path) -> None:
    keep(folder, a_run(a_figure(*STEADY)))
    assert bench_check.main([], Measured(a_run(a_figure([1.0] * 5)), a_run(a_figure([2.0] * 5))), a_machine()) == 0


def test_no_results_of_this_kind_of_machine(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(folder, a_run(a_figure(*STEADY)))
    measured = Measured()
    assert bench_check.main([], measured, a_machine(python="3.13.0")) == 3
    assert measured.asked == []
    err = capsys.readouterr().err
    assert "there are no results of this kind of machine and interpreter" in err
    assert "interpreter: CPython 3.13" in err
    assert "`make bench`" in err
    assert "commit linux-x86_64-imagined-cpu-1.2.3-2-cpus-virtual-cpython-3.13-gil-on.json" in err


def test_foreign_results_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = keep(folder, a_run(a_figure(*STEADY), python="3.11.0"))
    assert bench_check.main(["--against", str(path)], Measured(), a_machine()) == 2
    assert "(interpreter: CPython 3.11 there, CPython 3.12 here)" in capsys.readouterr().err
    path.rename(results.path_for(a_machine(), folder))
    assert bench_check.main([], Measured(), a_machine()) == 2


def test_reduced_work_is_refused_on_both_sides(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(folder, a_run(a_figure(*STEADY), reduced=True))
    assert bench_check.main([], Measured(), a_machine()) == 2
    assert "taken with reduced work" in capsys.readouterr().err
    keep(folder, a_run(a_figure(*STEADY)))
    assert bench_check.main([], Measured(a_run(a_figure(*STEADY), reduced=True)), a_machine()) == 2
    assert "CONC_BENCH_QUICK is set" in capsys.readouterr().err


def test_a_broken_file_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = keep(folder, a_run(a_figure(*STEADY)))
    path.write_text(path.read_text(encoding="utf-8")[:-200], encoding="utf-8")
    assert bench_check.main([], Measured(), a_machine()) == 2
    assert f"bench-check: {path.name} is not JSON" in capsys.readouterr().err
    assert bench_check.main(["--against", str(folder / "none")], Measured(), a_machine()) == 2


def test_benchmarks_that_fail(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def failing(tests: Sequence[str], environment: Mapping[str, str]) -> results.Results:
        raise bench_check.MeasuringFailed("pytest ended with exit status 1")

    keep(folder, a_run(a_figure(*STEADY)))
    assert bench_check.main([], failing, a_machine()) == 2
    assert capsys.readouterr().err == "bench-check: pytest ended with exit status 1\n"
