"""The file that a run of the benchmarks leaves: its schema, and what is refused (benchmarks/results.py, machine.py)."""

from __future__ import annotations

import copy
import dataclasses
import getpass
import json
import platform
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from figures_support import ROOT, a_figure, a_machine, a_run, decode, machine, results
from hypothesis import given
from hypothesis import strategies as st

seconds = st.floats(min_value=1e-9, max_value=1e4)
rounds = st.lists(st.tuples(seconds, seconds), min_size=2, max_size=6)

pytestmark = pytest.mark.once


@given(st.lists(rounds, min_size=1, max_size=3), st.floats(0.1, 100), st.text(max_size=20))
def test_a_run_survives_its_file(passes: list[list[tuple[float, float]]], scale: float, detail: str) -> None:
    taken = [
        results.Rounds(tuple(ours for ours, _ in pairs), tuple(peer for _, peer in pairs), scale, detail)
        for pairs in passes
    ]
    figure = results.make_figure("naïve \u2192 name", "peer", "t", results.Target("at least", 8, "x"), taken)
    run = a_run(figure)
    assert results.from_json(results.to_json(run), "file") == run


def test_the_file_has_its_schema() -> None:
    data = json.loads(results.to_json(a_run(a_figure([2.0, 4.0, 3.0]))))
    assert list(data) == ["schema", "reduced", "machine", "passes", "figures", "values"]
    assert data["schema"] == "conc-benchmarks/1"
    assert data["machine"]["governor"] is None
    assert data["machine"]["unknown"] == {"governor": "there is no such file"}
    (figure,) = data["figures"]
    assert figure == {
        "name": "work",
        "peer": "a peer",
        "test": "t",
        "target": None,
        "rounds": 3,
        "ratio": {"low": 2.5, "median": 3.0, "high": 3.5},
        "passes": [{"ours_s": [1.0, 1.0, 1.0], "peer_s": [2.0, 4.0, 3.0], "scale": 1.0, "detail": ""}],
    }
    assert data["values"][0]["target"] == {"bound": "at most", "value": 20, "unit": "ms", "note": "warm"}
    assert data["passes"][0]["load_after"] is None


def test_targets_in_words() -> None:
    assert str(results.Target("at least", 25, "x")) == "at least 25x"
    assert str(results.Target("at most", 200, "us")) == "at most 200 us"
    assert str(results.Target("at least", 1.8, "x", "on two cores")) == "at least 1.8x on two cores"


def test_runs_become_passes_of_one() -> None:
    one = a_run(a_figure([1.0, 2.0]), a_figure([5.0, 5.0], name="first alone"))
    two = a_run(a_figure([3.0, 4.0]), revision="f" * 40)
    merged = results.merge([one, two])
    assert len(merged.passes) == 2
    assert merged.machine == one.machine
    both, alone = merged.figures
    assert [rounds.peer_s for rounds in both.passes] == [(1.0, 2.0), (3.0, 4.0)]
    assert (both.rounds, both.ratio.median) == (4, 2.5)
    assert len(alone.passes) == 1
    assert len(merged.values[0].passes) == 2
    assert results.from_json(results.to_json(merged), "file") == merged
    assert results.merge([one, a_run(a_figure([1.0, 1.0]), reduced=True)]).reduced


def delete(data: dict[str, Any], *path: str | int) -> None:
    for step in path[:-1]:
        data = data[step]  # type: ignore[index]
    del data[path[-1]]  # type: ignore[arg-type]


def change(data: dict[str, Any], value: object, *path: str | int) -> None:
    for step in path[:-1]:
        data = data[step]  # type: ignore[index]
    data[path[-1]] = value  # type: ignore[index]


DAMAGES: list[tuple[Callable[[dict[str, Any]], None], str]] = [
    (lambda d: delete(d, "machine", "kernel"), "machine.kernel is missing"),
    (lambda d: change(d, 1, "machine", "extra"), "machine.extra is not part of the schema"),
    (lambda d: change(d, "two", "machine", "cpus_online"), "machine.cpus_online is 'two', not an integer"),
    (lambda d: change(d, True, "machine", "cpus_online"), "machine.cpus_online is True, not an integer"),
    (lambda d: change(d, None, "machine", "compiler"), "machine.compiler must be either known or have a reason"),
    (lambda d: change(d, "x", "machine", "unknown", "libc"), "machine.libc must be either known or have a reason"),
    (lambda d: change(d, [], "passes"), "there are no passes or no figures"),
    (lambda d: change(d, None, "passes", 0, "load_before"), "passes[0].load_before must be either known"),
    (lambda d: change(d, [], "figures"), "there are no passes or no figures"),
    (lambda d: change(d, "1", "figures", 0, "passes", 0, "ours_s", 1), "figures[0].passes[0].ours_s[1] is '1'"),
    (lambda d: change(d, float("nan"), "figures", 0, "passes", 0, "ours_s", 1), "is nan, not a finite number"),
    (lambda d: change(d, 0, "figures", 0, "passes", 0, "ours_s", 1), "not above 0"),
    (lambda d: delete(d, "figures", 0, "passes", 0, "peer_s", 0), "3 samples of ours and 2 of its peer"),
    (lambda d: change(d, 9, "figures", 0, "ratio", "median"), "the ratio of 'work, against a peer' is not that of its"),
    (lambda d: change(d, 9, "figures", 0, "rounds"), "the ratio of 'work, against a peer' is not that of its samples"),
    (lambda d: change(d, 9, "values", 0, "value", "low"), "the quartiles of 'start' are not those of its samples"),
    (lambda d: change(d, [[1.0]], "values", 0, "passes"), "'start' has a pass of fewer than two samples"),
    (lambda d: change(d, "about", "values", 0, "target", "bound"), "one of 'at least', 'at most'"),
    (lambda d: d["figures"].append(copy.deepcopy(d["figures"][0])), "'work, against a peer' is there twice"),
    (lambda d: change(d, {}, "figures"), "figures is {}, not a list"),
    (lambda d: change(d, 3, "passes", 0), "passes[0] is 3, not an object"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGES, ids=[message for _, message in DAMAGES])
def test_a_damaged_file_is_refused(damage: Callable[[dict[str, Any]], None], message: str) -> None:
    data = json.loads(results.to_json(a_run(a_figure([2.0, 4.0, 3.0]))))
    damage(data)
    with pytest.raises(results.ResultsError, match=re.escape(message)) as refused:
        results.from_json(json.dumps(data), "figures.json")
    assert str(refused.value).startswith("figures.json is damaged: ")
    assert str(refused.value).endswith("measure again with `make bench`")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "figures.json is not JSON"),
        ("{", "figures.json is not JSON"),
        ("[]", "has the schema None, and only 'conc-benchmarks/1' can be read"),
        ('{"schema": "conc-benchmarks/0"}', "has the schema 'conc-benchmarks/0', and only"),
        ('{"machine_info": {}, "benchmarks": []}', "has the schema None, and only"),
        ('{"schema": "conc-benchmarks/1"}', "is damaged: reduced is missing"),
    ],
)
def test_what_is_no_such_file_is_refused(text: str, message: str) -> None:
    with pytest.raises(results.ResultsError, match=re.escape(message)):
        results.from_json(text, "figures.json")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(results.ResultsError, match=r"none.json cannot be read: .*No such file"):
        results.read(tmp_path / "none.json")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe")
    with pytest.raises(results.ResultsError, match=r"bytes.json cannot be read: .*codec"):
        results.read(tmp_path / "bytes.json")


json_scalars = st.none() | st.booleans() | st.floats() | st.text()


@given(st.recursive(json_scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_other_json_is_refused_with_its_place(data: object) -> None:
    with pytest.raises(decode.DecodeError):
        decode.decode(results.Results, data)


# -- the machine --


def test_this_machine_is_recorded_without_saying_whose_it_is() -> None:
    here = machine.describe_machine()
    assert here.python == platform.python_version()
    assert all((getattr(here, name) is None) == (name in here.unknown) for name in here.__dataclass_fields__)
    text = results.to_json(dataclasses.replace(a_run(a_figure([1.0, 2.0])), machine=here))
    assert results.from_json(text, "file").machine == here
    private = {str(ROOT), str(Path.home()), platform.node()} - {"", "/"}
    if getpass.getuser() != "root":
        private.add(getpass.getuser())
    assert [word for word in private if re.search(rf"(?<![\w.]){re.escape(word)}(?![\w.])", text)] == []


def test_a_machine_that_tells_nothing(tmp_path: Path) -> None:
    bare = machine.describe_machine(tmp_path)
    assert bare.cpu_model is None
    assert bare.unknown["cpu_model"] == "/proc/cpuinfo: No such file or directory"
    governor = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
    assert bare.unknown["governor"] == f"{governor}: No such file or directory"
    assert "unknown-cpu" in bare.slug


def test_a_machine_that_tells(tmp_path: Path) -> None:
    cpufreq = tmp_path / "sys/devices/system/cpu/cpu0/cpufreq"
    cpufreq.mkdir(parents=True)
    (cpufreq / "scaling_governor").write_text("performance\n")
    (cpufreq / "cpuinfo_max_freq").write_text("3400000\n")
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text(
        "model name\t: Some CPU\ncpu family\t: 6\nmodel\t\t: 85\nstepping\t: 7\ncpu MHz\t\t: 2500.049\nflags\t: fpu\n"
    )
    here = machine.describe_machine(tmp_path)
    assert (here.governor, here.frequency_mhz, here.frequency_max_mhz) == ("performance", 2500.0, 3400.0)
    assert (here.cpu_model, here.cpu_stepping) == ("Some CPU", "6.85.7")
    if platform.machine() == "x86_64":
        assert here.virtualisation == "none"


def test_the_kind_is_hardware_and_interpreter() -> None:
    name = "linux-x86_64-imagined-cpu-1.2.3-2-cpus-virtual-cpython-3.12-gil-on"
    assert a_machine().slug == name
    same = a_machine(kernel="7", python="3.12.9", revision="f" * 40, dirty=True, frequency_mhz=1.0, libc="musl")
    assert same.slug == name
    assert same.kind == a_machine().kind
    others = [
        a_machine(affinity=(0,)), a_machine(python="3.13.0"), a_machine(gil=False), a_machine(virtualisation="none"),
        a_machine(cpu_stepping="1.2.4"), a_machine(free_threaded_build=True), a_machine(implementation="PyPy"),
        a_machine(system="Darwin"), a_machine(architecture="arm64"), a_machine(virtualisation=None),
    ]  # fmt: skip
    assert len({name, *(other.slug for other in others)}) == len(others) + 1
    assert all(other.kind != a_machine().kind for other in others)


def test_committed_results_can_be_read_and_stand_where_they_are_looked_for() -> None:
    files = sorted(path for path in results.FOLDER.iterdir() if path.is_file())
    assert files != []
    for path in files:
        kept = results.read(path)
        assert results.path_for(kept.machine) == path
        assert not kept.reduced
        assert len(kept.passes) >= 2, "one pass does not show what differs between runs"
        assert {figure.test.partition("::")[0] for figure in kept.figures} <= {
            f"benchmarks/{bench.name}" for bench in (ROOT / "benchmarks").glob("bench_*.py")
        }
