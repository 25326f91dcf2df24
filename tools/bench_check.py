"""Measures the figures again and compares their ratios with the last results of this kind of machine and interpreter.

    python tools/bench_check.py [--quick] [--against FILE]

Exit status: 0 no figure was lost; 1 some were, twice in a row; 2 nothing could be compared, and a line on stderr says
why; 3 there are no results of this kind of machine yet.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench import MeasuringFailed, measure

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))
from machine import Machine, describe_machine  # noqa: E402
from results import Results, ResultsError, path_for, read  # noqa: E402
from verdict import judge, suspects, table  # noqa: E402

KEPT, LOST, FAILED, NO_RESULTS = range(4)
QUICK_ROUNDS = {"CONC_BENCH_ROUNDS": "5"}
WITHOUT_PEERS = "benchmarks/bench_memory.py"

Measure = Callable[[Sequence[str], Mapping[str, str]], Results]


def results_to_hold(machine: Machine, against: Path | None) -> Results | None:
    """The results to compare with, or None where there are none of this kind.

    Raises:
        ResultsError: they cannot be used, and why.
    """
    path = against or path_for(machine)
    if against is None and not path.exists():
        return None
    results = read(path)
    here, there = machine.kind, results.machine.kind
    if differing := [name for name in here if here[name] != there[name]]:
        told = "; ".join(f"{name}: {there[name]} there, {here[name]} here" for name in differing)
        raise ResultsError(
            f"{path.name} is of another kind of machine or interpreter ({told}): ratios differ for that alone"
        )
    if results.reduced:
        raise ResultsError(f"{path.name} was taken with reduced work, so that it holds no figures: run `make bench`")
    return results


def check(then: Results, measuring: Measure, *, quick: bool) -> int:
    """Measure, once more what seems lost, and print the table."""
    environment = QUICK_ROUNDS if quick else {}
    now = measuring(["benchmarks", f"--ignore={WITHOUT_PEERS}"], environment)
    if now.reduced:
        raise ResultsError("CONC_BENCH_QUICK is set: reduced work gives no figures to compare")
    rows = judge(then, now)
    if tests := suspects(rows, now):
        print(f"\nmeasuring again what seems lost: {', '.join(tests)}", flush=True)
        rows = judge(then, now, measuring(tests, environment))
    revision = then.machine.revision or "an unknown revision"
    print(f"\nagainst {revision[:12]}{' with changes' if then.machine.dirty else ''}, {then.passes[0].started_at}")
    print(table(rows))
    return LOST if any(row.word == "lost" for row in rows) else KEPT


def main(argv: list[str], measuring: Measure = measure, machine: Machine | None = None) -> int:
    """The command; `measuring` and `machine` are for tests."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="five rounds a figure: a wider noise, in a minute or two")
    parser.add_argument("--against", type=Path, metavar="FILE", help="these results instead of the last of this kind")
    options = parser.parse_args(argv)
    machine = machine or describe_machine()
    try:
        then = results_to_hold(machine, options.against)
        if then is None:
            print(
                f"bench-check: there are no results of this kind of machine and interpreter ({_told(machine)}). Run "
                f"`make bench` on the revision to hold on to, and commit {path_for(machine).relative_to(ROOT)}",
                file=sys.stderr,
            )
            return NO_RESULTS
        return check(then, measuring, quick=options.quick)
    except (ResultsError, MeasuringFailed) as error:
        print(f"bench-check: {error}", file=sys.stderr)
        return FAILED


def _told(machine: Machine) -> str:
    return ", ".join(f"{name}: {value}" for name, value in machine.kind.items())


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
