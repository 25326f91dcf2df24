"""``conc compare``: a workload on every lane, and which lane wins."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

from conc.cli import UsageError

if TYPE_CHECKING:
    from conc.comparison.report import Report
    from conc.comparison.workload import Workload

DEFAULT_BUDGET_S, QUICK_BUDGET_S = 25.0, 3.5
QUICK_COUNT, QUICK_FILES = 1_000, 6
DOWNLOAD_WORKERS = 10
DESCRIPTION = """\
Runs the same work on every lane, checks that the results agree, and says which lane wins and why.

WORK is one of:
  calc              prime factors of random numbers: CPU-bound
  download          files over HTTP: I/O-bound
  MODULE:FUNCTION   your own: --range N calls it with 0..N-1, --items FILE.json with each item of a JSON list
"""
EPILOG = "Exit status: 0; 1 when a lane gave a wrong result or none finished; 2 for wrong usage; 130 after Ctrl-C."


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the ones that there are."""
    parser = commands.add_parser(
        "compare",
        help="run the same work on every lane, and say which lane wins",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("work", metavar="WORK", help="calc, download or MODULE:FUNCTION")
    add = parser.add_argument
    add("--workers", type=int, metavar="N", help="actors of each concurrent lane (default: the CPUs; download: 10)")
    add("--lanes", metavar="A,B", help="only these lanes, as in sequential,threads,native (default: all)")
    add("--repeats", type=int, default=5, metavar="N", help="rounds (default: 5)")
    add("--budget", type=float, metavar="SECONDS", help=f"time for all of it (default: {DEFAULT_BUDGET_S:g})")
    add("--json", metavar="PATH", help="write the report with all samples as JSON; - is standard output, alone")
    add("--html", metavar="PATH", help="write the report as a page")
    add("--quick", action="store_true", help="less work, within five seconds")
    calc = parser.add_argument_group("calc")
    calc.add_argument("--count", type=int, metavar="N", help="how many numbers (default: 10000)")
    calc.add_argument("--seed", type=int, metavar="N", help="of the numbers")
    download = parser.add_argument_group("download")
    download.add_argument("--files", type=int, metavar="N", help="how many files (default: 20)")
    download.add_argument("--size", type=int, metavar="BYTES", help="of a file (default: 65536)")
    download.add_argument("--latency-ms", type=float, metavar="MS", help="before each response (default: 50)")
    download.add_argument("--urls", metavar="FILE", help="your own URLs, one a line, in place of the server")
    own = parser.add_argument_group("MODULE:FUNCTION")
    own.add_argument("--range", type=int, metavar="N", help="the items are 0..N-1")
    own.add_argument("--items", metavar="FILE", help="the items are those of a JSON list")
    own.add_argument("--native", metavar="MODULE:NAME", help="the native twin, such as conc.kernels:prime_factors")
    own.add_argument("--coroutine", metavar="MODULE:NAME", help="the coroutine twin")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Compare, print the report, and give the exit status."""
    from conc.comparison.api import Interrupted, check_lanes, compare_workload

    lanes = None if options.lanes is None else [name for name in options.lanes.split(",") if name]
    _reasonable(options)
    _writable(options)
    workers = options.workers
    if workers is None and options.work == "download":
        workers = DOWNLOAD_WORKERS
    budget_s = options.budget
    began = perf_counter()
    try:
        check_lanes(lanes)
        with _workload(options) as workload:
            if not workload.items:
                raise UsageError("there are no items: nothing to compare")
            if budget_s is None:
                budget_s = (QUICK_BUDGET_S if options.quick else DEFAULT_BUDGET_S) - (perf_counter() - began)
            report = compare_workload(
                workload, workers=workers, lanes=lanes, repeats=options.repeats, budget_s=budget_s
            )
    except Interrupted as interrupted:
        _show(interrupted.report, options)
        if interrupted.stragglers:
            _leave_now()
        return 130
    except ValueError as error:
        raise UsageError(str(error)) from None
    _show(report, options)
    finished = any(lane.problem is None for lane in report.lanes.values())
    return 0 if finished and not report.wrong_lanes else 1


def _reasonable(options: argparse.Namespace) -> None:
    """Refuse options that belong to another kind of work: they would be ignored."""
    groups = {
        "calc": ("count", "seed"),
        "download": ("files", "size", "latency_ms", "urls"),
        "MODULE:FUNCTION": ("range", "items", "native", "coroutine"),
    }
    kind = options.work if options.work in ("calc", "download") else "MODULE:FUNCTION"
    for other, names in groups.items():
        for name in names:
            if other != kind and getattr(options, name) is not None:
                raise UsageError(f"--{name.replace('_', '-')} is an option of {other}, not of {options.work}")
    if options.urls is not None and any(getattr(options, name) is not None for name in ("files", "size", "latency_ms")):
        raise UsageError("--urls takes the place of the server: leave out --files, --size and --latency-ms")


def _writable(options: argparse.Namespace) -> None:
    """Refuse a path that cannot be written before anything is measured for it."""
    for path in (options.json, options.html):
        if path is not None and path != "-" and not os.access(Path(path).resolve().parent, os.W_OK):
            raise UsageError(f"{path}: its folder is not there, or may not be written")


@contextmanager
def _workload(options: argparse.Namespace) -> Iterator[Workload]:
    from conc.comparison import ready

    if options.work == "calc":
        count = options.count if options.count is not None else QUICK_COUNT if options.quick else 10_000
        yield ready.calc_workload(count, seed=options.seed)
    elif options.work == "download":
        urls = None if options.urls is None else _lines(options.urls)
        files = options.files if options.files is not None else QUICK_FILES if options.quick else 20
        size_bytes = 65536 if options.size is None else options.size
        latency_s = 0.05 if options.latency_ms is None else options.latency_ms / 1e3
        with ready.download_workload(files=files, size_bytes=size_bytes, latency_s=latency_s, urls=urls) as workload:
            yield workload
    else:
        yield _own_workload(options)


def _own_workload(options: argparse.Namespace) -> Workload:
    from conc.comparison.workload import Workload

    if ":" not in options.work:
        raise UsageError(f"there is no work {options.work!r}: calc, download or MODULE:FUNCTION")
    if (options.range is None) == (options.items is None):
        raise UsageError(f"{options.work} needs its items: either --range N or --items FILE.json")
    if options.range is not None and options.range < 1:
        raise UsageError(f"--range must be at least 1, not {options.range}")
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    items = list(range(options.range)) if options.range is not None else _json_list(options.items)
    fn = _imported(options.work, "WORK")
    try:
        workload = Workload(options.work, fn, items)
        if options.native is not None:
            workload = replace(workload, native=_imported(options.native, "--native"))
        if options.coroutine is not None:
            workload = replace(workload, coroutine=_imported(options.coroutine, "--coroutine"))
    except TypeError as error:
        raise UsageError(str(error)) from None
    return workload


def _imported(spec: str, option: str) -> Callable[[Any], Any]:
    """The object that MODULE:NAME stands for; NAME may have dots."""
    module_name, _, name = spec.partition(":")
    if not module_name or not name:
        raise UsageError(f"{option} must be MODULE:NAME, not {spec!r}")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise UsageError(f"{option}: cannot import {module_name!r}: {type(error).__name__}: {error}") from None
    try:
        found: Any = module
        for part in name.split("."):
            found = getattr(found, part)
    except AttributeError:
        raise UsageError(f"{option}: module {module_name!r} has no {name!r}") from None
    return cast("Callable[[Any], Any]", found)


def _json_list(path: str) -> list[Any]:
    text = _text(path)
    try:
        items = json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(f"{path}: line {error.lineno}, column {error.colno}: {error.msg}") from None
    if not isinstance(items, list):
        raise UsageError(f"{path}: a JSON list of items is needed, not {type(items).__name__}")
    return items


def _lines(path: str) -> list[str]:
    """The lines that say something; a line that begins with # is a comment."""
    lines = (line.strip() for line in _text(path).splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 text, at byte {error.start}") from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None


def _show(report: Report, options: argparse.Namespace) -> None:
    """Print the report, and write it where it was asked for."""
    if options.json == "-":
        print(report.to_json(), flush=True)
    else:
        print(report, flush=True)
    for path, write in ((options.json, report.to_json), (options.html, report.to_html)):
        if path is None or path == "-":
            continue
        try:
            write(path)
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}") from None


def _leave_now() -> None:
    """End the program although a thread still runs an item: it cannot be killed, and the interpreter would wait."""
    if threading.current_thread() is threading.main_thread():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(130)
