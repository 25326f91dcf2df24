"""Runs the tests on every interpreter that can be had, and prints what ran, what did not, and why.

    python tools/matrix.py [--whole NAME|all] [--offline] [NAME ...]

For each interpreter of tools/interpreters: conc is built in place and installed into an environment below build/matrix,
then the quick suite runs (without tests marked `slow` or `once`; the whole one for --whole), on a free-threaded build
with the check that the GIL stayed off, and, from CPython 3.13 on, once more inside a subinterpreter with its own GIL.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_S = 1500
QUICK = ("-m", "not once and not slow")
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

    def __str__(self) -> str:
        return f"{self.name:<14} {self.version:<8} {self.how:<15} {self.outcome:<8} {self.detail}"


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
        print(done.stdout)
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


def test(interpreter: dict[str, Any], how: str, program: list[str], options: list[str]) -> Cell:
    """One run of pytest."""
    name, version = interpreter["name"], interpreter["version"]
    command = [*program, "-q", "-p", "no:cacheprovider", "-W", "error", *options]
    print(f"\n=== {name} ({version}), {how}: {' '.join(command)}", flush=True)
    begin = time.monotonic()
    lines: list[str] = []
    with subprocess.Popen(
        ["timeout", "--kill-after=30", str(TIMEOUT_S), *command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    seconds = time.monotonic() - begin
    counts = next((line.strip("= \n") for line in reversed(lines) if re.search(r"\d+ passed", line)), "no test ran")
    passed = process.returncode == 0 and "passed" in counts
    detail = f"{counts}, {seconds:.0f} s in all{'' if passed else f', exit status {process.returncode}'}"
    return Cell(name, version, how, "passed" if passed else "FAILED", detail)


def cells(interpreter: dict[str, Any], whole: bool, made: Future[Path] | None) -> list[Cell]:
    """Every run on one interpreter; `made` is its environment, None where there is no interpreter."""
    name, version = interpreter["name"], interpreter["version"]
    if made is None:
        return [Cell(name, "-", "-", "skipped", interpreter["origin"])]
    try:
        python = str(made.result())
    except subprocess.CalledProcessError as error:
        return [Cell(name, version, "installation", "FAILED", str(error))]
    gil = "GIL off" if interpreter["free_threaded"] else "GIL on"
    suite = f"{'whole' if whole else 'quick'}, {gil}"
    done = [test(interpreter, suite, [python, "-m", "pytest"], [] if whole else [*QUICK])]
    inside = "own-GIL subint."
    if tuple(map(int, version.split(".")[:2])) < (3, 13):
        reason = "datetime, which hypothesis and pytest import, loads there since 3.13 (see tests/isolated for 3.12)"
        return [*done, Cell(name, version, inside, "skipped", reason)]
    if interpreter["debug"]:
        return [*done, Cell(name, version, inside, "skipped", "as in the release build of that version")]
    runner = str(ROOT / "tools" / "in_subinterpreter.py")
    return [*done, test(interpreter, inside, [python, runner], [*QUICK])]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="matrix", description=__doc__.splitlines()[0])
    parser.add_argument("--whole", metavar="NAME", default="", help="the whole suite on this one, or on all")
    parser.add_argument("--done", metavar="NAME", default="", help="not on this one: it has had the whole suite")
    parser.add_argument("--offline", action="store_true", help="only interpreters that are here or in the cache")
    parser.add_argument("names", nargs="*", metavar="NAME", help="of tools/interpreters; by default all")
    options = parser.parse_args(arguments)
    table: list[Cell] = []
    chosen = interpreters(options.names, options.offline)
    with ThreadPoolExecutor(1) as ahead:  # one environment after the other, while others are under test
        made = {
            entry["name"]: ahead.submit(environment, entry)
            for entry in chosen
            if entry["path"] is not None and entry["name"] != options.done
        }
        for entry in chosen:
            name = entry["name"]
            if name == options.done:
                table.append(Cell(name, entry["version"], "whole, GIL on", "skipped", "has had the whole suite"))
            else:
                table += cells(entry, options.whole in (name, "all"), made.get(name))
    print("\n=== matrix")
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
