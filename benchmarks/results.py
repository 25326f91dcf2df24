"""What a run of the benchmarks leaves behind, as JSON: figures with their raw samples, and the machine of the run.

A *figure* is a ratio with a peer that was measured alternately; only figures are judged (verdict.py). A *value* has no
peer, so that a slower machine and slower code look alike in it: it is kept and shown. Benchmarks run in *passes*, each
in a process of its own, since what differs from process to process (addresses, hash seeds) is noise as well.
"""

from __future__ import annotations

import dataclasses
import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from decode import DecodeError, decode
from machine import Machine

SCHEMA = "conc-benchmarks/1"
FOLDER = Path(__file__).resolve().parent / "results"


class ResultsError(Exception):
    """A results file that cannot be used: why, and what to do."""


@dataclass(frozen=True)
class Quartiles:
    """p25, median and p75."""

    low: float
    median: float
    high: float


def quartiles(samples: Sequence[float]) -> Quartiles:
    """Interpolated between the samples; one alone is all three."""
    if len(samples) == 1:
        return Quartiles(samples[0], samples[0], samples[0])
    low, median, high = statistics.quantiles(samples, n=4, method="inclusive")
    return Quartiles(low, median, high)


@dataclass(frozen=True)
class Target:
    """What a figure or value should be, in its unit; `note` says under which conditions."""

    bound: Literal["at least", "at most"]
    value: float
    unit: str
    note: str = ""

    def __str__(self) -> str:
        unit = self.unit if self.unit == "x" else f" {self.unit}"
        return f"{self.bound} {self.value:g}{unit}{f' {self.note}' if self.note else ''}"


@dataclass(frozen=True)
class Rounds:
    """One pass of a figure: seconds of the two sides, round by round.

    Attributes:
        scale: how many times the peer's work ours did.
        detail: what was chosen anew in this pass, such as a number of items.
    """

    ours_s: tuple[float, ...]
    peer_s: tuple[float, ...]
    scale: float
    detail: str

    @property
    def ratios(self) -> tuple[float, ...]:
        """How many times faster ours was, round by round."""
        return tuple(self.scale * peer / ours for ours, peer in zip(self.ours_s, self.peer_s, strict=True))


@dataclass(frozen=True)
class Figure:
    """How many times faster than a peer; above 1 is faster. `test` is the benchmark that measures it again."""

    name: str
    peer: str
    test: str
    target: Target | None
    rounds: int
    ratio: Quartiles
    passes: tuple[Rounds, ...]

    @property
    def key(self) -> str:
        """What it is known by from run to run."""
        return f"{self.name}, against {self.peer}"


@dataclass(frozen=True)
class Value:
    """A measurement without a peer, in `unit`: one tuple of samples a pass."""

    name: str
    unit: str
    test: str
    target: Target | None
    value: Quartiles
    passes: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Pass:
    """When one process measured, and how busy the machine was; `unknown` says why a field is None."""

    started_at: str
    elapsed_s: float
    load_before: tuple[float, ...] | None
    load_after: tuple[float, ...] | None
    unknown: Mapping[str, str]


@dataclass(frozen=True)
class Results:
    """Everything of a run. `reduced`: the work was cut down to see that it runs, and the figures are none."""

    schema: str
    reduced: bool
    machine: Machine
    passes: tuple[Pass, ...]
    figures: tuple[Figure, ...]
    values: tuple[Value, ...]


def make_figure(name: str, peer: str, test: str, target: Target | None, passes: Iterable[Rounds]) -> Figure:
    """A figure with its summary over the rounds of all passes."""
    passes = tuple(passes)
    ratios = [ratio for rounds in passes for ratio in rounds.ratios]
    return Figure(name, peer, test, target, len(ratios), quartiles(ratios), passes)


def make_value(name: str, unit: str, test: str, target: Target | None, passes: Iterable[Sequence[float]]) -> Value:
    """A value with its summary over all passes."""
    kept = tuple(tuple(samples) for samples in passes)
    return Value(name, unit, test, target, quartiles([sample for samples in kept for sample in samples]), kept)


def merge(runs: Sequence[Results]) -> Results:
    """Several runs of the same code on the same machine as the passes of one; the first one's machine is kept."""
    figures: dict[str, list[Figure]] = {}
    values: dict[str, list[Value]] = {}
    for run in runs:
        for figure in run.figures:
            figures.setdefault(figure.key, []).append(figure)
        for value in run.values:
            values.setdefault(value.name, []).append(value)
    return dataclasses.replace(
        runs[0],
        reduced=any(run.reduced for run in runs),
        passes=tuple(one for run in runs for one in run.passes),
        figures=tuple(
            make_figure(same[0].name, same[0].peer, same[0].test, same[0].target, (p for f in same for p in f.passes))
            for same in figures.values()
        ),
        values=tuple(
            make_value(same[0].name, same[0].unit, same[0].test, same[0].target, (p for v in same for p in v.passes))
            for same in values.values()
        ),
    )


def to_json(results: Results) -> str:
    """The file's text; samples stand in one line."""
    return _laid_out(dataclasses.asdict(results)) + "\n"


def _laid_out(data: object, indent: str = "") -> str:
    """JSON with one line for each member, and with lists of numbers in one line."""
    deeper = indent + " "
    if isinstance(data, Mapping) and data:
        members = (f"{deeper}{json.dumps(name)}: {_laid_out(item, deeper)}" for name, item in data.items())
        return "{\n" + ",\n".join(members) + f"\n{indent}}}"
    if isinstance(data, (list, tuple)) and any(isinstance(item, (list, tuple, Mapping)) for item in data):
        return "[\n" + ",\n".join(f"{deeper}{_laid_out(item, deeper)}" for item in data) + f"\n{indent}]"
    return json.dumps(data, allow_nan=False)


def from_json(text: str, name: str) -> Results:
    """The results in a file's text; `name` is for messages.

    Raises:
        ResultsError: it is no JSON, of another schema, or not in order.
    """
    again = "measure again with `make bench`"
    try:
        data = json.loads(text)
    except ValueError as error:
        raise ResultsError(f"{name} is not JSON ({error}): {again}") from None
    found = data.get("schema") if isinstance(data, dict) else None
    if found != SCHEMA:
        raise ResultsError(f"{name} has the schema {found!r}, and only {SCHEMA!r} can be read: {again}")
    try:
        results = decode(Results, data)
        _check(results)
    except DecodeError as error:
        raise ResultsError(f"{name} is damaged: {error}: {again}") from None
    return results


def read(path: Path) -> Results:
    """The results in a file.

    Raises:
        ResultsError: it cannot be read, or as from_json().
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ResultsError(f"{path} cannot be read: {error}") from None
    return from_json(text, path.name)


def path_for(machine: Machine, folder: Path = FOLDER) -> Path:
    """Where the last results of this kind of machine and interpreter stand, or will."""
    return folder / f"{machine.slug}.json"


def _check(results: Results) -> None:
    """What the types do not say."""
    _check_unknown("machine", results.machine)
    for index, one in enumerate(results.passes):
        _check_unknown(f"passes[{index}]", one)
    if not results.passes or not results.figures:
        raise DecodeError("there are no passes or no figures")
    for figure in results.figures:
        _check_figure(figure)
    for value in results.values:
        _check_samples(value.name, value.passes)
        if not _same(quartiles([sample for samples in value.passes for sample in samples]), value.value):
            raise DecodeError(f"the quartiles of {value.name!r} are not those of its samples")
    keys = [figure.key for figure in results.figures] + [value.name for value in results.values]
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        raise DecodeError(f"{twice[0]!r} is there twice")


def _check_unknown(where: str, record: Machine | Pass) -> None:
    empty = {field.name for field in dataclasses.fields(record) if getattr(record, field.name) is None}
    if wrong := sorted(empty ^ set(record.unknown)):
        raise DecodeError(f"{where}.{wrong[0]} must be either known or have a reason under {where}.unknown")


def _check_figure(figure: Figure) -> None:
    for rounds in figure.passes:
        ours, peers = len(rounds.ours_s), len(rounds.peer_s)
        if ours != peers:
            raise DecodeError(f"{figure.key!r} has {ours} samples of ours and {peers} of its peer")
        if min((*rounds.ours_s, *rounds.peer_s, rounds.scale), default=0.0) <= 0:
            raise DecodeError(f"{figure.key!r} has a sample or a scale that is not above 0")
    _check_samples(figure.key, [rounds.ours_s for rounds in figure.passes])
    recomputed = make_figure(figure.name, figure.peer, figure.test, figure.target, figure.passes)
    if recomputed.rounds != figure.rounds or not _same(recomputed.ratio, figure.ratio):
        raise DecodeError(f"the ratio of {figure.key!r} is not that of its samples")


def _check_samples(key: str, passes: Sequence[Sequence[float]]) -> None:
    if not passes or min(map(len, passes)) < 2:
        raise DecodeError(f"{key!r} has a pass of fewer than two samples, or none")


def _same(one: Quartiles, other: Quartiles) -> bool:
    pairs = zip(dataclasses.astuple(one), dataclasses.astuple(other), strict=True)
    return all(math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) for a, b in pairs)
