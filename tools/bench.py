"""Measures the figures and writes them, with their samples and the machine, to benchmarks/results.

    python tools/bench.py [--passes N] [--output FILE]

Each pass is a pytest run of its own. The file is named after the kind of machine and interpreter; committed, it is what
`make bench-check` holds later runs against.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))
from results import Results, ResultsError, merge, path_for, read, to_json  # noqa: E402

PASS_LIMIT_S = 30 * 60


class MeasuringFailed(Exception):
    """A pass ended without figures."""


def measure(tests: Sequence[str], environment: Mapping[str, str] | None = None) -> Results:
    """One pass over `tests` (pytest's arguments), shown as it goes.

    Raises:
        MeasuringFailed: pytest failed, or took longer than PASS_LIMIT_S.
        ResultsError: what it wrote cannot be read.
    """
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "pass.json"
        command = [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--benchmark-enable"),
            *("--benchmark-columns=median,iqr,rounds", f"--conc-results={output}", *tests),
        ]
        try:
            done = subprocess.run(
                command, cwd=ROOT, env={**os.environ, **(environment or {})}, timeout=PASS_LIMIT_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise MeasuringFailed(f"a pass took longer than {PASS_LIMIT_S} s") from None
        if done.returncode != 0:
            raise MeasuringFailed(f"pytest ended with exit status {done.returncode}; its output stands above")
        return read(output)


def main(argv: list[str]) -> int:
    """Measure, merge, write; the lines of all passes together at the end."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--passes", type=int, default=3, help="pytest runs; at least two show what differs between runs"
    )
    parser.add_argument("--output", type=Path, help="where to write (default: benchmarks/results, by kind of machine)")
    options = parser.parse_args(argv)
    if options.passes < 1:
        parser.error(f"--passes must be at least 1, not {options.passes}")
    try:
        results = merge([measure(["benchmarks"]) for _ in range(options.passes)])
    except (MeasuringFailed, ResultsError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    output = options.output or path_for(results.machine)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(to_json(results), encoding="utf-8")
    print_summary(results)
    print(f"written to {output.resolve().relative_to(ROOT) if output.resolve().is_relative_to(ROOT) else output}")
    return 0


def print_summary(results: Results) -> None:
    """A line for each figure and value, over all passes."""
    from paired import asked, figure_line, value_line

    print(f"\n{len(results.passes)} passes together")
    for figure in results.figures:
        print(figure_line(figure))
    for value in results.values:
        print(f"{value_line(value)}{asked(value.target)}")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
