"""The fuzz targets' runner (tools/fuzz.py) finds defects that are planted in a copy of the core, and nothing else."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
try:
    import fuzz
finally:
    sys.path.pop(0)

# target, file, what is right there, the defect, what the run must say
DEFECTS = [
    (
        "cpulist",
        "csrc/base/scan.h",
        "scan->at == scan->end || *scan->at != wanted",
        "*scan->at != wanted",
        "heap-buffer-overflow",
    ),
    ("proc_cgroup", "csrc/os/proc_text.c", "path.at - start == 2 &&", "path.at - start == 3 &&", "REQUIRE failed"),
    ("proc_number", "csrc/base/scan.c", "value > (most - digit) / 10", "value > most", "REQUIRE failed"),
    ("task_syscall", "csrc/os/proc_text.c", "scan->at - start < 16", "scan->at - start < 17", "REQUIRE failed"),
    (
        "sysfs_tree",
        "csrc/topology/sysfs.c",
        "level < 1 || level > 9",
        "level < 1",
        "REQUIRE failed: cache->level >= 1 && cache->level <= 9",
    ),
]


@pytest.fixture(params=["standalone", "libfuzzer"])
def engine(request: pytest.FixtureRequest) -> fuzz.Engine:
    found = fuzz.standalone() if request.param == "standalone" else fuzz.libfuzzer()
    if isinstance(found, str):
        pytest.skip(found)
    return found


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The core and the targets, where they may be broken."""
    shutil.copytree(ROOT / "csrc", tmp_path / "csrc")
    shutil.copytree(ROOT / "tests" / "fuzz", tmp_path / "tests" / "fuzz")
    return tmp_path


@pytest.mark.parametrize(("name", "file", "right", "defect", "told"), DEFECTS, ids=[row[0] for row in DEFECTS])
def test_a_planted_defect_is_found(
    name: str, file: str, right: str, defect: str, told: str, engine: fuzz.Engine, copy: Path
) -> None:
    healthy = fuzz.fuzz(name, engine, 1000, 1, copy)
    assert healthy.status == 0, healthy.output
    source = copy / file
    text = source.read_text(encoding="utf-8")
    assert text.count(right) == 1
    source.write_text(text.replace(right, defect), encoding="utf-8")
    broken = fuzz.fuzz(name, engine, 500_000, 1, copy)
    assert broken.status != 0, broken.figures
    assert told in broken.output
    (crash,) = (copy / "build" / "fuzz" / "failed").glob(f"{name}-crash*")
    again = fuzz.run_inputs(name, engine, [crash], copy)
    assert again.status != 0
    assert told in again.output


def test_the_same_seed_tries_the_same_inputs(copy: Path) -> None:
    """The driver of our own, that is: its inputs are a function of the seed."""
    target = copy / "tests" / "fuzz" / "fuzz_echo.c"
    target.write_text(
        "/* SPDX */\n/* fuzz_echo.c - prints what it is given. */\n"
        '#include "fuzz.h"\nint LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)\n'
        '{ for (size_t i = 0; i < size; i++) printf("%02x", data[i]); puts(""); return 0; }\n'
    )
    (copy / "tests" / "fuzz" / "corpus" / "echo").mkdir()
    (copy / "tests" / "fuzz" / "corpus" / "echo" / "seed").write_text("0-3,8")
    engine = fuzz.standalone()
    program = fuzz.build("echo", engine, copy)
    first, again, other = (fuzz.run("echo", program, engine, 50, seed, copy) for seed in (1, 1, 2))
    assert first.output == again.output
    assert first.output != other.output
    assert first.output.splitlines()[:2] == ["", "302d332c38"], "first the empty input and the seeds as they are"
    assert len(first.output.splitlines()) == 51
    assert "50 executions, 1 seeds" in first.figures


def test_a_target_is_one_file_and_its_sources_follow_from_it() -> None:
    core = ["csrc/base/alloc.c", "csrc/base/bitset.c", "csrc/base/scan.c", "csrc/topology/cpulist.c"]
    assert sorted(fuzz.sources_of("cpulist")) == [*core, "tests/fuzz/fuzz_cpulist.c"]
    tree = fuzz.sources_of("sysfs_tree")
    assert "csrc/topology/sysfs.c" in tree
    assert "csrc/os/posix/file.c" not in tree, "it brings its own files"
    assert (fuzz.slowness("cpulist"), fuzz.slowness("relay")) == (1, 20)


def test_every_corpus_belongs_to_a_target_and_is_small() -> None:
    folders = sorted(path for path in (ROOT / "tests" / "fuzz" / "corpus").iterdir())
    assert {path.name for path in folders} <= set(fuzz.all_names())
    sizes = {file: file.stat().st_size for folder in folders for file in folder.iterdir()}
    assert len(sizes) > 30
    assert [file for file, size in sizes.items() if size > fuzz.LONGEST_INPUT] == []


def test_the_command(capfd: pytest.CaptureFixture[str]) -> None:
    assert fuzz.main(["--engine", "standalone", "--runs", "500", "--seed", "7", "cache_type"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0].startswith("cache_type [standalone]: passed; seed 7, 500 executions, 4 seeds, ")
    assert lines[-1] == "1 passed, 0 failed, 0 skipped"
    with pytest.raises(SystemExit):
        fuzz.main(["nonsense"])
    assert "no such target: nonsense; there are cache_type, cpulist" in capfd.readouterr().err


def test_a_target_that_does_not_compile_has_failed(copy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (copy / "tests" / "fuzz" / "fuzz_broken.c").write_text("/* SPDX */\n/* broken */\n#error on purpose\n")
    outcome = fuzz.fuzz("broken", fuzz.standalone(), 1, 1, copy)
    assert outcome.status != 0
    assert "does not compile" in outcome.figures
    assert "on purpose" in capfd.readouterr().err
