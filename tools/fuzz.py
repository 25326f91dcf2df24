"""Builds and runs the fuzz targets: tests/fuzz/fuzz_NAME.c in libFuzzer's shape, each from its seeds.

    python tools/fuzz.py [--engine auto|libfuzzer|standalone] [--runs N] [--seed S] [NAME ...]

With clang's libFuzzer inputs are led by coverage; without it, tests/fuzz/driver.c tries mutations of the seeds that a
seed number decides. Both run under AddressSanitizer and UndefinedBehaviourSanitizer. Seeds stand in
tests/fuzz/corpus/NAME; what libFuzzer finds beside them is kept in build/fuzz/found/NAME, and the input of a failure in
build/fuzz/failed.

A target is compiled with the core's files that it includes, directly or not. In its first comment `Replaces os/x.h`
leaves that header's own file out, since the target brings its functions, and `Slow: runs / 20` divides the inputs.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from sources import core_sources

ROOT = Path(__file__).resolve().parent.parent
RUNS = 100_000
LONGEST_INPUT = 4096
LIMIT_S = 60 * 60

FLAGS = [
    *("-std=c11", "-D_GNU_SOURCE", "-g", "-O1", "-pthread", "-Icsrc", "-Itests/fuzz", "-fno-omit-frame-pointer"),
    *("-Wall", "-Wextra", "-Wshadow", "-Wstrict-prototypes", "-Wmissing-prototypes", "-Wvla", "-Werror"),
    "-fno-sanitize-recover=all",
]


@dataclass(frozen=True)
class Engine:
    """How inputs come about: the compiler, the sanitizers, and what is linked to call the target."""

    name: str
    compiler: str
    sanitizers: str
    driver: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """How one target ended: its figures in words, and all that it printed."""

    name: str
    status: int
    figures: str
    output: str


def libfuzzer() -> Engine | str:
    """The engine, or why there is none."""
    names = ["clang", *(f"clang-{version}" for version in range(25, 10, -1))]
    compiler = next((path for path in map(shutil.which, names) if path is not None), None)
    if compiler is None:
        return "there is no clang"
    engine = Engine("libfuzzer", compiler, "fuzzer,address,undefined", ())
    source = "int LLVMFuzzerTestOneInput(const char *data, unsigned long size) { return data == 0 && size > 9; }\n"
    with tempfile.TemporaryDirectory() as folder:
        command = [compiler, f"-fsanitize={engine.sanitizers}", "-x", "c", "-", "-o", str(Path(folder) / "probe")]
        done = subprocess.run(command, input=source, capture_output=True, text=True, check=False)
    return engine if done.returncode == 0 else f"{compiler} has no libFuzzer (Debian: libclang-rt-dev)"


def standalone() -> Engine:
    """The driver of our own, with the compiler that CC names."""
    return Engine("standalone", os.environ.get("CC", "gcc"), "address,undefined", ("tests/fuzz/driver.c",))


def all_names(root: Path = ROOT) -> list[str]:
    """Every target, by file name without fuzz_."""
    return sorted(path.stem.removeprefix("fuzz_") for path in (root / "tests" / "fuzz").glob("fuzz_*.c"))


def first_comment(name: str, root: Path) -> str:
    """What a target says of itself below the licence."""
    return (root / "tests" / "fuzz" / f"fuzz_{name}.c").read_text(encoding="utf-8").split("*/")[1]


def slowness(name: str, root: Path = ROOT) -> int:
    """How many times fewer inputs it takes."""
    told = re.search(r"Slow: runs / (\d+)", first_comment(name, root))
    return int(told[1]) if told else 1


def sources_of(name: str, root: Path = ROOT) -> list[str]:
    """The target's file and the core's files behind the headers that it includes, directly or not."""
    target = root / "tests" / "fuzz" / f"fuzz_{name}.c"
    replaced = set(re.findall(r"Replaces (\S+\.h)", first_comment(name, root)))
    by_header: dict[str, list[Path]] = {}
    for source in core_sources(root, sys.platform):
        inside = source.relative_to("csrc")
        layer = "os" if inside.parts[0] == "os" else str(inside.parent)
        by_header.setdefault(f"{layer}/{inside.stem}.h", []).append(source)
    found: list[str] = [str(target.relative_to(root))]
    seen: set[str] = set()
    todo = [target]
    while todo:
        for header in re.findall(r'^#include "([^"]+)"', todo.pop().read_text(encoding="utf-8"), re.M):
            if header in seen or not (root / "csrc" / header).exists():
                continue
            seen.add(header)
            todo.append(root / "csrc" / header)
            for source in [] if header in replaced else by_header.get(header, []):
                found.append(str(source))
                todo.append(root / source)
    return found


def build(name: str, engine: Engine, root: Path = ROOT) -> Path:
    """Compile one target; its program.

    Raises:
        subprocess.CalledProcessError: it does not compile.
    """
    program = root / "build" / "fuzz" / engine.name / name
    program.parent.mkdir(parents=True, exist_ok=True)
    command = [
        *(engine.compiler, *FLAGS, f"-fsanitize={engine.sanitizers}", *sources_of(name, root), *engine.driver),
        *("-o", str(program), "-ldl", "-lm"),
    ]
    subprocess.run(command, cwd=root, check=True)
    return program


def run(name: str, program: Path, engine: Engine, runs: int, seed: int, root: Path = ROOT) -> Outcome:
    """Run one target from its seeds for so many inputs."""
    runs = max(1, runs // slowness(name, root))
    seeds = root / "tests" / "fuzz" / "corpus" / name
    found = root / "build" / "fuzz" / "found" / name
    failed = root / "build" / "fuzz" / "failed"
    for folder in (found, failed):
        folder.mkdir(parents=True, exist_ok=True)
    files = sorted(seeds.iterdir()) if seeds.is_dir() else []
    command = [str(program), f"-runs={runs}", f"-seed={seed}", f"-artifact_prefix={failed / name}-"]
    if engine.name == "libfuzzer":
        command += ["-print_final_stats=1", f"-max_len={LONGEST_INPUT}", "-timeout=20"]
        command += [f"-dict={root / 'tests' / 'fuzz' / 'dictionary'}", str(found)]
        command += [str(seeds)] if files else []
    else:
        command += map(str, files)
    began = time.monotonic()
    try:
        done = subprocess.run(
            command, cwd=root, capture_output=True, text=True, errors="replace", timeout=LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return Outcome(name, 124, f"still running after {LIMIT_S} s", "")
    figures = [f"seed {seed}", _executions(done.stderr), f"{len(files)} seeds", *_coverage(done.stderr)]
    figures.append(f"{time.monotonic() - began:.1f} s")
    return Outcome(name, done.returncode, ", ".join(figures), done.stdout + done.stderr)


def run_inputs(name: str, engine: Engine, inputs: list[Path], root: Path = ROOT) -> Outcome:
    """Run one target, which has been built, on these files alone: what a failure left, for instance."""
    program = root / "build" / "fuzz" / engine.name / name
    with tempfile.TemporaryDirectory() as folder:
        command = [str(program), f"-artifact_prefix={folder}/", *map(str, inputs)]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, errors="replace", check=False)
    return Outcome(name, done.returncode, f"{len(inputs)} files", done.stdout + done.stderr)


def _executions(output: str) -> str:
    told = re.findall(r"number_of_executed_units: (\d+)|: (\d+) executions", output)
    return f"{int(''.join(told[-1])):,} executions" if told else "executions unknown"


def _coverage(output: str) -> list[str]:
    """What libFuzzer says of edges, features and the inputs that it kept."""
    told = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)", output)
    return [f"{told[-1][0]} edges, {told[-1][1]} features, corpus of {told[-1][2]}"] if told else []


def fuzz(name: str, engine: Engine, runs: int, seed: int, root: Path = ROOT) -> Outcome:
    """Build and run one target; one that does not compile has failed."""
    try:
        program = build(name, engine, root)
    except subprocess.CalledProcessError as error:
        return Outcome(name, error.returncode, "does not compile; the compiler's words stand above", "")
    return run(name, program, engine, runs, seed, root)


def main(argv: list[str]) -> int:
    """Run the targets, print a line for each and the plain closing line; 1 when any failed or none ran."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", choices=["auto", "libfuzzer", "standalone"], default="auto")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"inputs for each target (default: {RUNS:,})")
    parser.add_argument("--seed", type=int, default=1, help="of the random numbers (default: 1)")
    parser.add_argument("names", nargs="*", metavar="NAME", help="targets (default: all)")
    options = parser.parse_args(argv)
    if unknown := sorted(set(options.names) - set(all_names())):
        parser.error(f"no such target: {', '.join(unknown)}; there are {', '.join(all_names())}")
    engine = standalone() if options.engine == "standalone" else libfuzzer()
    if isinstance(engine, str):
        if options.engine == "libfuzzer":
            print(f"fuzz: {engine}", file=sys.stderr)
            return 1
        print(f"{engine}: inputs are mutations of the seeds, not led by coverage")
        engine = standalone()
    names = options.names or all_names()
    failed = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for outcome in pool.map(lambda name: fuzz(name, engine, options.runs, options.seed), names):
            word = "passed" if outcome.status == 0 else f"FAILED (status {outcome.status})"
            print(f"{outcome.name} [{engine.name}]: {word}; {outcome.figures}", flush=True)
            if outcome.status != 0:
                failed += 1
                print("\n".join(line for line in outcome.output.splitlines() if not re.match(r"#\d+\t", line)))
    print(f"{len(names) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed or not names else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
