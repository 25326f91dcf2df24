"""``conc probe``: the memory of this machine, or the topology of a recorded one."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conc.memory import MemoryReport, Topology

QUICK_BUDGET_S = 1.5
DEFAULT_BUDGET_S = 5.0


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "probe",
        help="measure memory: caches, latency, bandwidth, NUMA",
        description="Measure this machine's memory within a time budget and say whether it is UMA or NUMA.",
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--budget", type=float, metavar="S", help=f"seconds it may take (default {DEFAULT_BUDGET_S:g})")
    length.add_argument("--quick", action="store_true", help=f"a budget of {QUICK_BUDGET_S:g} seconds")
    parser.add_argument("--json", metavar="PATH", help="also write the report as JSON; - is standard output, alone")
    parser.add_argument("--root", metavar="DIR", help="only the topology, of the machine recorded below DIR")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the report; the exit status is 0, also when figures are missing, since the report says which and why."""
    from conc.cli import UsageError

    if options.root is not None and (options.budget is not None or options.quick):
        raise UsageError("--root reads a recorded topology: nothing is measured, so --budget and --quick say nothing")
    result = _topology(options.root) if options.root is not None else _measure(options)
    if options.json == "-":
        print(result.to_json())
        return 0
    print(result)
    if options.json is not None:
        try:
            result.to_json(options.json)
        except OSError as error:
            raise UsageError(f"cannot write {options.json}: {error.strerror}") from None
    return 0


def _topology(root: str) -> Topology:
    from conc.cli import UsageError
    from conc.memory import topology

    try:
        return topology(root)
    except OSError as error:
        raise UsageError(f"cannot read a topology at {error.filename}: {error.strerror}") from None


def _measure(options: argparse.Namespace) -> MemoryReport:
    from conc.cli import UsageError
    from conc.memory.probing import probe

    budget = QUICK_BUDGET_S if options.quick else DEFAULT_BUDGET_S if options.budget is None else options.budget
    try:
        return probe(budget)
    except ValueError as error:
        raise UsageError(str(error)) from None
    except OSError as error:
        print(f"conc probe: cannot measure here: {error}", file=sys.stderr)
        raise SystemExit(1) from None
