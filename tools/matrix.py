"""Runs the tests on every interpreter that can be had, and prints what ran, what did not, and why.

    python tools/matrix.py [--full] [--whole NAME|all] [--offline] [--jobs N] [NAME ...]

For each interpreter of tools/interpreters conc is built in place and installed into an environment below build/matrix.
Then the quick suite (without tests marked `slow` or `once`) runs on the newest release build and on the free-threaded
one, there with the check that the GIL stayed off, and its core (also without those marked `newest`) on the others.
Inside a subinterpreter with its own GIL the quick suite runs on the newest release build, and the core on the oldest
that can (CPython 3.13) and on the free-threaded one. With --full the quick suite runs on all, and inside all that can;
--whole is the whole suite. Newest and oldest are those among the NAMEs, when there are some.

Several runs go on at once where there are CPUs for them (--jobs; by default one for every two, at most three): threads
that compute beside each other are what many tests are about, and beside another run those come to their limits of time
now and then. Each run has temporary files of its own; scripts that take times keep out of each other's way by
themselves (tests/isolated_scripts.py). Free-threaded interpreters run in short slices (tools/short_slices.py): beside
another run they would take ten times as long. The output of a run is shown whole when it has ended.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_S = 1500
MOST_JOBS = 3  # more only make the tests' own limits of time a matter of luck
INSIDE = "own-GIL subint."
FIRST_INSIDE = (3, 13)
WHOLE: tuple[str, ...] = ()
QUICK = ("-m", "not once and not slow")
CORE = ("-m", "not once and not slow and not newest")
SUITES = {"whole": WHOLE, "quick": QUICK, "core": CORE}
# from 6.156 on hypothesis has a native part, which no subinterpreter loads and few interpreters have a wheel of
CONSTRAINTS = "hypothesis<6.156\n"


@dataclass(frozen=True)
class Cell:
    """One run of the tests, or why there was none."""

    name: str
    version: str
    how: str
    outcome: str
    detail: str
    elapsed_s: float | None = None
    cpu_s: float | None = None  # of all its processes

    def __str__(self) -> str:
        times = [f"{'-' if time_s is None else format(time_s, '.0f'):>6}" for time_s in (self.elapsed_s, self.cpu_s)]
        return f"{self.name:<14} {self.version:<8} {self.how:<22} {' '.join(times)} {self.outcome:<8} {self.detail}"


@dataclass(frozen=True)
class Run:
    """A cell that is to be filled: pytest's program and options."""

    interpreter: dict[str, Any]
    how: str
    program: tuple[str, ...]  # after the python
    options: tuple[str, ...]


_console = threading.Lock()


def show(text: str) -> None:
    """Print what belongs together."""
    with _console:
        print(text, flush=True)


def interpreters(names: list[str], offline: bool) -> list[dict[str, Any]]:
    """What tools/interpreters has."""
    command = [sys.executable, str(ROOT / "tools" / "interpreters"), "--json", *(["--offline"] if offline else [])]
    answer = subprocess.run([*command, *names], stdout=subprocess.PIPE, text=True, check=True).stdout
    found: list[dict[str, Any]] = json.loads(answer)
    return found


def run(command: list[str], **variables: str) -> None:
    """A step of the set-up; its output only when it fails."""
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **variables}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode != 0:
        show(f"\n=== {' '.join(command)}: exit status {done.returncode}\n{done.stdout}")
        raise subprocess.CalledProcessError(done.returncode, command)


def environment(interpreter: dict[str, Any]) -> Path:
    """A fresh environment with conc, built in place, and what its tests need; the path of its python.

    Others are under test meanwhile: nothing comes into the checkout but the C module of this interpreter. There the
    metadata that setuptools makes would hide the installed entry points.
    """
    folder = ROOT / "build" / "matrix" / str(interpreter["name"])
    shutil.rmtree(folder, ignore_errors=True)
    constraints = folder.parent / "constraints.txt"
    python = folder / "bin" / "python"
    wheel = interpreter["pip"]
    run([interpreter["path"], "-m", "venv", *(["--without-pip"] if wheel else []), str(folder)])
    constraints.write_text(CONSTRAINTS)
    settings = folder / "setuptools.cfg"
    settings.write_text(f"[egg_info]\negg_base = {folder}\n")
    install = ["install", "-q", "-c", str(constraints), "--only-binary=numpy"]  # rather an older one than a build
    run([str(python), *([f"{wheel}/pip"] if wheel else ["-m", "pip"]), *install, "-U", "pip", "setuptools"])
    run([str(python), "-m", "pip", *install, "-e", ".[test]"], CONC_WERROR="1", DIST_EXTRA_CONFIG=str(settings))
    return python


def run_tests(run: Run, made: Future[Path]) -> Cell:
    """One run of pytest in the environment that is made for it; what it printed is shown in the end."""
    name, version = run.interpreter["name"], run.interpreter["version"]
    try:
        python = made.result()
    except subprocess.CalledProcessError as error:
        return Cell(name, version, run.how, "FAILED", f"no environment: {error}")
    command = [str(python), *run.program, "-q", "-p", "no:cacheprovider", "-W", "error", *run.options]
    if run.interpreter["free_threaded"]:
        command = [sys.executable, str(ROOT / "tools" / "short_slices.py"), *command]
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="conc-matrix-") as folder, tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            ["timeout", "--kill-after=30", str(TIMEOUT_S), *command],
            cwd=ROOT,
            env={
                **os.environ,
                "TMPDIR": folder,
                "HYPOTHESIS_STORAGE_DIRECTORY": str(python.parent.parent / "hypothesis"),
            },
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        told = output.read()
    elapsed_s, cpu_s = time.monotonic() - begin, usage.ru_utime + usage.ru_stime
    times = f"{elapsed_s:.0f} s, {cpu_s:.0f} s of CPU"
    show(f"\n=== {name} ({version}), {run.how}, {times}: {' '.join(command)}\n{told}")
    counts = next(
        (line.strip("= ") for line in reversed(told.splitlines()) if re.search(r"\d+ passed", line)), "none ran"
    )
    passed = process.returncode == 0 and "passed" in counts
    detail = counts if passed else f"{counts}, exit status {process.returncode}"
    return Cell(name, version, run.how, "passed" if passed else "FAILED", detail, elapsed_s, cpu_s)


@dataclass(frozen=True)
class Ends:
    """The newest release build of a matrix, and the oldest on which tests can run inside a subinterpreter."""

    newest: str | None
    oldest_inside: str | None

    @classmethod
    def of(cls, interpreters: list[dict[str, Any]]) -> Ends:
        releases = sorted(
            (feature_version(entry), entry["name"])
            for entry in interpreters
            if entry["path"] is not None and not entry["free_threaded"] and not entry["debug"]
        )
        inside = [name for version, name in releases if version >= FIRST_INSIDE]
        return cls(releases[-1][1] if releases else None, inside[0] if inside else None)


def feature_version(interpreter: dict[str, Any]) -> tuple[int, ...]:
    return tuple(map(int, interpreter["version"].split(".")[:2]))


def plan(interpreter: dict[str, Any], ends: Ends, *, full: bool, whole: bool, done: bool) -> Iterator[Run | Cell]:
    """What is to be run on one interpreter, and what is not and why; with `done` nothing, since it has had it."""
    name, version = interpreter["name"], interpreter["version"]
    if interpreter["path"] is None:
        yield Cell(name, "-", "-", "skipped", interpreter["origin"])
        return
    if done:
        yield Cell(name, version, "whole, GIL on", "skipped", "has had the whole suite")
        return
    gil = "GIL off" if interpreter["free_threaded"] else "GIL on"
    suite = "quick" if full or interpreter["free_threaded"] or name == ends.newest else "core"
    ordinary = "whole" if whole else suite
    yield Run(interpreter, f"{ordinary}, {gil}", ("-m", "pytest"), SUITES[ordinary])
    if feature_version(interpreter) < FIRST_INSIDE:
        reason = "datetime, which hypothesis and pytest import, loads there since 3.13 (see tests/isolated for 3.12)"
        yield Cell(name, version, INSIDE, "skipped", reason)
    elif interpreter["debug"]:
        yield Cell(name, version, INSIDE, "skipped", "as in the release build of that version")
    elif not full and not interpreter["free_threaded"] and name not in (ends.newest, ends.oldest_inside):
        yield Cell(name, version, INSIDE, "skipped", "between others that have it: with --full")
    else:
        inside = "quick" if full or name == ends.newest else "core"
        yield Run(interpreter, f"{inside}, {INSIDE}", (str(ROOT / "tools" / "in_subinterpreter.py"),), SUITES[inside])


def fill(planned: list[Run | Cell], jobs: int) -> list[Cell]:
    """All runs, `jobs` at a time, as soon as their environments are there: these are made one after the other."""
    wanted = {entry.interpreter["name"]: entry.interpreter for entry in planned if isinstance(entry, Run)}
    with ThreadPoolExecutor(1) as builder, ThreadPoolExecutor(jobs) as runners:
        made = {name: builder.submit(environment, interpreter) for name, interpreter in wanted.items()}
        filled: dict[int, Future[Cell]] = {}
        for place, entry in sorted(enumerate(planned), key=lambda pair: _is_short(pair[1])):
            if isinstance(entry, Run):
                filled[place] = runners.submit(run_tests, entry, made[entry.interpreter["name"]])
        return [entry if isinstance(entry, Cell) else filled[place].result() for place, entry in enumerate(planned)]


def _is_short(entry: Run | Cell) -> bool:
    """Short runs come last, so that the jobs end at about the same time."""
    return entry.how.endswith(INSIDE)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="matrix", description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="the quick suite on all and inside all, not its core")
    parser.add_argument("--whole", metavar="NAME", default="", help="the whole suite on this one, or on all")
    parser.add_argument("--done", metavar="NAME", default="", help="not on this one: it has had the whole suite")
    parser.add_argument("--offline", action="store_true", help="only interpreters that are here or in the cache")
    parser.add_argument("--jobs", type=int, metavar="N", help=f"runs at once; by default CPUs / 2, at most {MOST_JOBS}")
    parser.add_argument("names", nargs="*", metavar="NAME", help="of tools/interpreters; by default all")
    options = parser.parse_args(arguments)
    jobs = min(max(len(os.sched_getaffinity(0)) // 2, 1), MOST_JOBS) if options.jobs is None else options.jobs
    if jobs < 1:
        parser.error(f"--jobs {jobs}: at least one run must go on")
    chosen = interpreters(options.names, options.offline)
    ends = Ends.of(chosen)
    planned = [
        entry
        for interpreter in chosen
        for entry in plan(
            interpreter,
            ends,
            full=options.full,
            whole=options.whole in (interpreter["name"], "all"),
            done=interpreter["name"] == options.done,
        )
    ]
    begin = time.monotonic()
    table = fill(planned, jobs)
    print("\nsuites:")
    for name, options_of_pytest in SUITES.items():
        print(f"  {name:<5} {' '.join(options_of_pytest) or 'every test'}")
    print(f"\n=== matrix: {time.monotonic() - begin:.0f} s, {jobs} at a time; below, seconds, and seconds of CPU")
    for cell in table:
        print(cell)
    outcomes = [cell.outcome for cell in table]
    covered = len({cell.name for cell in table if cell.outcome == "passed"})
    print(f"interpreters covered: {covered} of {len({cell.name for cell in table})}")
    passed, failed = outcomes.count("passed"), outcomes.count("FAILED")
    print(f"{passed} passed, {failed} failed, {outcomes.count('skipped')} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
