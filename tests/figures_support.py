"""Made-up results of the benchmarks, and the modules that read and judge them (benchmarks/, tools/)."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_before = sys.path[:]
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "tools")]
try:
    import bench_check
    import decode
    import machine
    import results
    import verdict
finally:
    sys.path[:] = _before

__all__ = ["a_figure", "a_machine", "a_run", "bench_check", "decode", "machine", "results", "verdict"]


def a_machine(**changes: object) -> machine.Machine:
    """A machine of which the governor is not known."""
    known = machine.Machine(
        system="Linux",
        kernel="6.1.0",
        architecture="x86_64",
        libc="glibc 2.36",
        cpu_model="Imagined CPU",
        cpu_stepping="1.2.3",
        cpus_online=4,
        affinity=(0, 1),
        governor=None,
        frequency_mhz=2000.0,
        frequency_max_mhz=3000.0,
        virtualisation="kvm",
        implementation="CPython",
        python="3.12.1",
        gil=True,
        free_threaded_build=False,
        compiler="GCC 12.2.0",
        build_flags="-O3",
        conc="0.1.0",
        revision="0123456789abcdef0123456789abcdef01234567",
        dirty=False,
        unknown={"governor": "there is no such file"},
    )
    return dataclasses.replace(known, **changes)  # type: ignore[arg-type]


def a_figure(*passes: Sequence[float], name: str = "work", peer: str = "a peer", test: str = "t") -> results.Figure:
    """A figure with these ratios, pass by pass: ours takes a second."""
    rounds = [results.Rounds((1.0,) * len(ratios), tuple(ratios), 1.0, "") for ratios in passes]
    return results.make_figure(name, peer, test, None, rounds)


def a_run(*figures: results.Figure, reduced: bool = False, **changes: object) -> results.Results:
    """Results with these figures, a value, and one pass."""
    one = results.Pass("2026-01-02T03:04:05Z", 1.5, (0.1, 0.2, 0.3), None, {"load_after": "it did not tell"})
    value = results.make_value("start", "ms", "t", results.Target("at most", 20, "ms", "warm"), [[1.0, 2.0, 4.0]])
    return results.Results(results.SCHEMA, reduced, a_machine(**changes), (one,), figures, (value,))
