"""Runs CPython's own cases about Thread, from the `test` package of this interpreter, with conc.Thread in its place.

The cases run in an interpreter of their own, in a virtual environment made for them, each Python of which has
threading.Thread and threading.Timer replaced by conc's (tests/cpython/conc_for_threading.py), so that the processes and
subinterpreters that a case starts have it too. judge() says what may come of it; test_cpython_threading.py is the test.

A case is about Thread when threading.Thread or threading.Timer is asked for while it runs, by whomever. Those alone are
counted; the others of MODULES must pass too. The classes of test.lock_tests are left out as long as they make their
threads with _thread. What does not pass runs once more with threading.Thread, which is the measure.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from isolated_scripts import describe_process, in_session

import conc

FOLDER = Path(__file__).resolve().parent / "cpython"
LIMIT_S = 60
MOST_DEATHS = 5
MOST_SHARES = 4
LEAST_SHARE = 30  # an interpreter and its environment cost a second
THE_END = "the end of the interpreter"

MODULES = {
    "test.test_threading": r"",
    "test.test_threading_local": r"",
    "test.test_thread": r"",
    "test.test_importlib.test_threaded_import": r"",
    "test.test_threadedtempfile": r"",
    "test.test_context": r"thread",
    "test.test_logging": r"thread|post_fork|race_between|deadlock",
}
"""Where the cases are, and a pattern for their ids where a module holds much else."""

NOT_ABOUT_THREAD = {
    "test.test_threading.MiscTestCase.test__all__": "about the names that the module threading has",
    "test.test_threading.ThreadTests.test_lazy_import": "about what the module threading imports",
}
"""Cases that are not run, since they are about the module in which Thread is replaced."""


@dataclass(frozen=True)
class Exclusion:
    """A case that conc.Thread need not pass, on the versions from `since` to the one before `until`."""

    case: str
    reason: str
    since: tuple[int, ...] = (3, 11)
    until: tuple[int, ...] = (4,)


_NO_LOCK = (
    "about the lock that a thread state of CPython up to 3.12 releases at its end: a conc thread has none, its end is "
    "known to its handle"
)
EXCLUSIONS: tuple[Exclusion, ...] = (
    Exclusion("test.test_threading.ThreadTests.test_shutdown_locks", _NO_LOCK, until=(3, 13)),
    Exclusion("test.test_threading.ThreadTests.test_tstate_lock", _NO_LOCK, until=(3, 13)),
)
MOST_EXCLUDED = 0.05
"""The share of the cases about Thread in test.test_threading."""


@dataclass(frozen=True)
class Outcome:
    """What came of a case."""

    case: str
    word: str  # passed, failed, skipped, died (it did not come to its end), or not run
    detail: str = ""
    told: tuple[str, ...] = ()  # see conc_for_threading.py
    runner: int = 0  # the id of the process that ran it

    @property
    def about_thread(self) -> bool:
        return any(line.endswith(" asked") for line in self.told)

    def not_in_force(self) -> str | None:
        """Where the case was without conc's types, or None."""
        events = [(int(pid), event) for pid, event in (line.split(" ", 1) for line in self.told)]
        if plain := sorted({event.removeprefix("plain ") for _, event in events if event.startswith("plain ")}):
            return f"threading itself started threads of {', '.join(plain)}"
        heres = [pid for pid, event in events if event == "here"]
        processes = set(heres) - {self.runner}
        if (started := sum(event == "process" for _, event in events)) > len(processes):
            return f"of {started} processes that were started {started - len(processes)} ran without conc's types"
        if "Subinterp" in self.case and len(heres) == len(processes):
            return "no subinterpreter had conc's types"
        return None


# -- running ---------------------------------------------------------------------------------------------------------


def make_environment(folder: Path, log: Path | None) -> Path:
    """A virtual environment with conc, and with conc's types for threading's where there is a log; its python."""
    venv.EnvBuilder(symlinks=True).create(folder)
    base = {"base": str(folder), "platbase": str(folder)}
    lines = [str(Path(conc.__file__).parent.parent), str(FOLDER)]
    if log is not None:
        log.touch()
        lines.append(f"import conc_for_threading; conc_for_threading.install({str(log)!r})")
    Path(sysconfig.get_path("purelib", "venv", base), "conc_cases.pth").write_text("\n".join(lines) + "\n", "utf-8")
    return folder / "bin" / "python"


def environment_variables(folder: Path) -> dict[str, str]:
    """Nothing about Python, as CPython's tests count on it; files go below the folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "TMPDIR": str(folder)}


def list_cases() -> list[str]:
    """The ids of all cases."""
    command = [sys.executable, str(FOLDER / "run_cases.py"), "list", *MODULES]
    with tempfile.TemporaryDirectory(prefix="conc-cases-") as folder:
        done = subprocess.run(
            command, cwd=folder, env=environment_variables(Path(folder)), capture_output=True, text=True, check=False
        )
    if done.returncode != 0:
        raise RuntimeError(f"CPython's cases cannot be listed:\n{done.stderr}")
    found = []
    for case in done.stdout.split():
        module = next(name for name in MODULES if case.startswith(f"{name}."))
        if re.search(MODULES[module], case, re.I):
            found.append(case)
    return found


def run_cases(cases: Iterable[str], *, with_conc: bool, limit_s: float = LIMIT_S) -> dict[str, Outcome]:
    """What comes of the cases, by their ids; many are shared out among as many interpreters as there are CPUs."""
    every = list(cases)
    count = min(len(os.sched_getaffinity(0)), MOST_SHARES, max(1, len(every) // LEAST_SHARE))
    with ThreadPoolExecutor(count) as pool:
        shares = pool.map(lambda share: _run_share(share, with_conc, limit_s), (every[i::count] for i in range(count)))
        return {case: outcome for outcomes in shares for case, outcome in outcomes.items()}


def _run_share(cases: list[str], with_conc: bool, limit_s: float) -> dict[str, Outcome]:
    """One that dies takes its interpreter along: a new one runs the rest."""
    outcomes: dict[str, Outcome] = {}
    left = cases
    for _ in range(MOST_DEATHS):
        if not left:
            break
        with tempfile.TemporaryDirectory(prefix="conc-cases-") as folder:
            outcomes |= _run_in_one_interpreter(left, Path(folder), with_conc, limit_s)
        left = [case for case in left if case not in outcomes]
    return outcomes | {case: Outcome(case, "not run", f"after {MOST_DEATHS} deaths") for case in left}


def _run_in_one_interpreter(cases: list[str], folder: Path, with_conc: bool, limit_s: float) -> dict[str, Outcome]:
    """The outcomes of those up to the one that dies, or of all."""
    work, results, job = folder / "work", folder / "results", folder / "job"
    work.mkdir()
    results.touch()
    log = folder / "log" if with_conc else None
    python = make_environment(folder / "environment", log)
    log_name = None if log is None else str(log)
    job.write_text(json.dumps({"cases": cases, "results": str(results), "log": log_name, "limit_s": limit_s}))
    with open(folder / "output", "w+", encoding="utf-8", errors="replace") as output:
        process = subprocess.Popen(
            [str(python), "-X", "faulthandler", str(FOLDER / "run_cases.py"), "run", str(job)],
            cwd=work,
            env=environment_variables(work),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = process.wait()
        finally:
            left = _end_session(process.pid)
        output.seek(0)
        last_words = f"exit status {status}\n{left}{output.read()[-8000:]}"
    begun, outcomes = None, {}
    for line in map(json.loads, results.read_text(encoding="utf-8").splitlines()):
        begun = line.get("begins", begun)
        if (case := line.get("ends")) in cases:
            outcomes[case] = Outcome(case, line["word"], line["detail"], tuple(line["told"]), process.pid)
    missing = [case for case in cases if case not in outcomes]
    if begun in missing:
        missing = [begun]
    elif not missing and status != 0:
        missing = [THE_END]
    return outcomes | {case: Outcome(case, "died", last_words) for case in missing}


def _end_session(session: int) -> str:
    """End the processes that are left, and tell what they were doing."""
    told = ""
    for pid in in_session(session):
        told += describe_process(pid) + "\n"
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return told


# -- judging ---------------------------------------------------------------------------------------------------------


@dataclass
class Verdict:
    """Of one interpreter."""

    passed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    excluded: dict[str, str] = field(default_factory=dict)
    """Case and reason."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Cases that say nothing here, since threading.Thread does not pass them either."""
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        counted = len(self.passed) + len(self.failed) + len(self.excluded)
        return f"{len(self.passed)} passed, {len(self.excluded)} excluded of {counted}"


def exclusions_here(version: tuple[int, ...], exclusions: Iterable[Exclusion] = EXCLUSIONS) -> dict[str, str]:
    """The reasons for the cases that are excluded on a version."""
    return {entry.case: entry.reason for entry in exclusions if entry.since <= version < entry.until}


def to_measure(outcomes: Mapping[str, Outcome], excluded: Collection[str]) -> list[str]:
    """The cases that have to run with threading.Thread as well."""
    unlike = [case for case, outcome in outcomes.items() if outcome.word != "passed" or case in excluded]
    return [case for case in unlike if case != THE_END]


def judge(with_conc: Mapping[str, Outcome], plain: Mapping[str, Outcome], excluded: Mapping[str, str]) -> Verdict:
    """What the outcomes come to; `plain` has those of to_measure() with threading.Thread."""
    verdict = Verdict()
    verdict.problems += [f"{case} is excluded, and there is no such case" for case in excluded if case not in with_conc]
    for outcome in with_conc.values():
        if (problem := _judge_case(outcome, plain.get(outcome.case), excluded.get(outcome.case), verdict)) is not None:
            verdict.problems.append(f"{outcome.case} {problem}")
    counted = (*verdict.passed, *verdict.failed, *verdict.excluded)
    measure = sum(case.startswith("test.test_threading.") for case in counted)
    if len(verdict.excluded) > MOST_EXCLUDED * measure:
        share = f"more than {MOST_EXCLUDED:.0%} of the {measure} about Thread in test_threading"
        verdict.problems.append(f"{len(verdict.excluded)} cases are excluded, {share}")
    return verdict


def _judge_case(outcome: Outcome, plain: Outcome | None, reason: str | None, verdict: Verdict) -> str | None:
    """Enter a case in the verdict; what is wrong with it, or None. `reason` is that of its exclusion."""
    if outcome.word == "passed":
        if reason is not None:
            return "is excluded, and passes"
        if (where := outcome.not_in_force()) is not None:
            return f"ran without conc's types: {where}"
        if outcome.about_thread:
            verdict.passed.append(outcome.case)
    elif plain is None or plain.word in ("passed", "not run"):
        if reason is None:
            verdict.failed.append(outcome.case)
            return f"{outcome.word} with conc's types alone\n{outcome.detail}"
        verdict.excluded[outcome.case] = reason
    else:
        if reason is not None:
            return "is excluded, and does not pass with threading.Thread either"
        last_line = "".join(plain.detail.strip().splitlines()[-1:])
        verdict.left_out[outcome.case] = f"{plain.word} with threading.Thread too: {last_line}"
    return None
