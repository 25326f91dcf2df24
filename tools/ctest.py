"""Builds and runs the C core's own tests: plain C programs under tests/c, linked with csrc/ less csrc/python.

    python tools/ctest.py [--sanitizer none|thread|address] [--fail-allocations] [NAME ...]

A program passes with exit status 0 and is skipped with 77 and its reason on stderr. Objects are kept under
build/ctest/<sanitizer>, so that a second run compiles only what changed. With --fail-allocations each program runs once
for each allocation that it makes, which then fails: see tools/alloc_failures.py.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import faults
from sources import core_sources

ROOT = Path(__file__).resolve().parent.parent
SKIPPED = 77
TIMEOUT_S = 300

COMMON_FLAGS = [
    "-std=c11", "-D_GNU_SOURCE", "-g", "-pthread", "-Icsrc", "-Itests/c",
    "-Wall", "-Wextra", "-Wshadow", "-Wstrict-prototypes", "-Wmissing-prototypes", "-Wvla", "-Werror",
]  # fmt: skip
SANITIZER_FLAGS = {
    "none": ["-O2"],
    "thread": ["-O1", "-fsanitize=thread"],
    "address": ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"],
}
SCALES = {"none": 1, "thread": 10, "address": 4}  # what stress loops are divided by: CONC_TEST_SCALE


@dataclass(frozen=True)
class Outcome:
    """How one test program ended."""

    name: str
    status: int
    output: str


def compile_object(source: Path, folder: Path, flags: list[str]) -> Path:
    """Compile `source` unless its object is newer than it, what it includes of the core, and every header."""
    target = folder / (str(source).replace("/", "_") + ".o")
    code = [ROOT / "csrc" / name for name in re.findall(r'^#include "(.+\.c)"$', (ROOT / source).read_text(), re.M)]
    headers = [*ROOT.glob("csrc/**/*.h"), *ROOT.glob("tests/c/*.h")]
    newest = max(path.stat().st_mtime for path in [ROOT / source, *code, *headers])
    if not target.exists() or target.stat().st_mtime < newest:
        compiler = os.environ.get("CC", "gcc")
        subprocess.run([compiler, *flags, "-c", str(source), "-o", str(target)], cwd=ROOT, check=True)
    return target


def build(names: list[str], sanitizer: str, scale: int | None = None) -> dict[str, Path]:
    """Compile the core once and link each test program with it; `scale` in place of the sanitizer's own."""
    folder = ROOT / "build" / "ctest" / (sanitizer if scale is None else f"{sanitizer}-scale{scale}")
    folder.mkdir(parents=True, exist_ok=True)
    flags = [*COMMON_FLAGS, *SANITIZER_FLAGS[sanitizer], f"-DCONC_TEST_SCALE={scale or SCALES[sanitizer]}"]
    tests = {name: Path("tests/c") / f"{name}.c" for name in names}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        sources = [path for path in core_sources(ROOT, sys.platform) if path.parts[1] != "python"]
        core = list(pool.map(lambda path: compile_object(path, folder, flags), sources))
        objects = dict(
            zip(tests, pool.map(lambda path: compile_object(path, folder, flags), tests.values()), strict=True)
        )
        core.append(compile_object(faults.SOURCE, folder, flags))
    programs = {}
    for name, test_object in objects.items():
        programs[name] = folder / name
        command = [
            os.environ.get("CC", "gcc"),
            *flags,
            str(test_object),
            *map(str, core),
            *faults.LINK_FLAGS,
            "-o",
            str(programs[name]),
            "-ldl",
            "-lm",
        ]
        subprocess.run(command, cwd=ROOT, check=True)
    return programs


def run(
    name: str, program: Path, sanitizer: str, environment: dict[str, str] | None = None, timeout_s: float = TIMEOUT_S
) -> Outcome:
    """Run one program; ThreadSanitizer wants its addresses where they always were."""
    command = [str(program)]
    if sanitizer == "thread" and (setarch := shutil.which("setarch")):
        command = [setarch, platform.machine(), "-R", *command]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",  # a program may die in the middle of a character
        process_group=0,
    )
    try:
        output, _ = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # with the children that it forked
        output, _ = process.communicate()
        return Outcome(name, 124, f"{output}\nstill running after {timeout_s} s")
    return Outcome(name, process.returncode, output)


def all_names() -> list[str]:
    """Every test program, by file name."""
    return sorted(path.stem for path in (ROOT / "tests" / "c").glob("test_*.c"))


def main(argv: list[str]) -> int:
    """Build, run, print a line for each program and the plain closing line; 1 when any failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sanitizer", choices=sorted(SANITIZER_FLAGS), default="none")
    parser.add_argument("--fail-allocations", action="store_true")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args(argv)
    names = options.names or all_names()
    if options.fail_allocations:
        import alloc_failures  # which imports this module

        return alloc_failures.main(names, options.sanitizer)
    programs = build(names, options.sanitizer)
    outcomes = [run(name, programs[name], options.sanitizer) for name in names]
    for outcome in outcomes:
        word = {0: "passed", SKIPPED: "skipped"}.get(outcome.status, f"FAILED (status {outcome.status})")
        print(f"{outcome.name} [{options.sanitizer}]: {word}")
        if outcome.status != 0:
            print(outcome.output)
    failed = sum(outcome.status not in (0, SKIPPED) for outcome in outcomes)
    skipped = sum(outcome.status == SKIPPED for outcome in outcomes)
    print(f"{len(outcomes) - failed - skipped} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or len(outcomes) == skipped else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
