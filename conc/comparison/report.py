"""What a comparison gives: its figures by lane and the verdict, as a table, a page, a dict or a data frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from conc.comparison.environment import Environment
from conc.comparison.records import Comparison, Difference, ItemError, Run
from conc.comparison.stats import MIN_ROUNDS, MIN_SHARE_S, cpu_share, speedup, spread, walls
from conc.comparison.verdict import Verdict, judge
from conc.records import Record
from conc.usage import Usage

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped]


@dataclass(frozen=True, slots=True)
class LaneReport(Record):
    """The figures of one lane. A figure is None where there is none; `unknown` says why.

    Attributes:
        name: of the lane.
        median_s: median wall seconds of a run over all items, the actors being ready.
        samples_s: wall seconds of every run.
        spread: half the distance between the quartiles, as a share of the median.
        speedup: median of the sequential lane over this one's.
        speedup_interval: 95 % bootstrap interval of it, rounds drawn as a whole.
        cpu_per_wall: CPU seconds a second of wall time; above 1 where several CPUs worked at a time.
        usage: of all timed runs together.
        gil_wait_share: for how much of their time its threads waited for the GIL, in runs that were watched and not
            timed.
        gil_held_by: which thread had it meanwhile -> share of that waiting; "workers": others of the lane's own.
        startup_s: seconds from nothing to the end of an empty task on every worker; not part of the samples.
        warmup_s: seconds of a first run over a few items, also not part of the samples.
        memory_per_actor_bytes: resident memory that one more actor costs.
        unavailable: why the lane cannot run here.
        error: the exception that ended it, and the item.
        wrong: the first of its results that differs.
        notes: what a reader must know besides.
        unknown: field name -> why it is None.
    """

    name: str
    median_s: float | None = None
    samples_s: tuple[float, ...] = ()
    spread: float | None = None
    speedup: float | None = None
    speedup_interval: tuple[float, float] | None = None
    cpu_per_wall: float | None = None
    usage: Usage = field(default_factory=Usage)
    gil_wait_share: float | None = None
    gil_held_by: Mapping[str, float] = field(default_factory=dict)
    startup_s: float | None = None
    warmup_s: float | None = None
    memory_per_actor_bytes: int | None = None
    unavailable: str | None = None
    error: ItemError | None = None
    wrong: Difference | None = None
    notes: tuple[str, ...] = ()
    unknown: Mapping[str, str] = field(default_factory=dict)

    @property
    def problem(self) -> str | None:
        """Why its figures do not count, in a line; None where they do."""
        if self.unavailable is not None:
            return f"cannot run: {self.unavailable}"
        if self.error is not None:
            return f"failed at {self.error}" if self.error.index is not None else f"setup failed: {self.error}"
        return None if self.wrong is None else f"wrong result, {self.wrong}"


@dataclass(frozen=True, slots=True)
class Report(Record):
    """The result of `conc.compare`. ``print(report)`` shows it; a notebook shows it as a table.

    Attributes:
        lanes: by name, in the order of the lanes.
        verdict: what the work is bound by, and the lane to use.
        environment: the machine and the interpreter.
        workload, items, items_run, workers, rounds, repeats, budget_s, elapsed_s, interrupted: as in `Comparison`.
        comparison: the raw records that everything here was computed from.
    """

    workload: str
    items: int
    items_run: int
    workers: int
    rounds: int
    repeats: int
    budget_s: float
    elapsed_s: float
    interrupted: bool
    lanes: Mapping[str, LaneReport]
    verdict: Verdict
    environment: Environment
    comparison: Comparison = field(repr=False)

    @property
    def wrong_lanes(self) -> tuple[str, ...]:
        """The lanes that gave a wrong result."""
        return tuple(name for name, lane in self.lanes.items() if lane.wrong is not None)

    def __str__(self) -> str:
        from conc.comparison.text import render_text

        return render_text(self)

    def _repr_html_(self) -> str:
        from conc.comparison.html import render_html

        return render_html(self)

    def to_html(self, path: str | Path | None = None) -> str:
        """A page of its own, without script or any other file; also written to `path` when one is given.

        Raises:
            OSError: the file cannot be written.
        """
        from conc.comparison.html import render_page

        page = render_page(self)
        if path is not None:
            Path(path).write_text(page, encoding="utf-8")
        return page

    def to_dataframe(self) -> pandas.DataFrame:
        """One row for each lane, indexed by its name; the columns are the plain fields of `LaneReport`.

        Raises:
            ImportError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError("to_dataframe() needs pandas: pip install pandas") from error
        rows = [_row(lane) for lane in self.lanes.values()]
        return pandas.DataFrame(rows).set_index("name")


def make_report(comparison: Comparison) -> Report:
    """The report on the records of a comparison."""
    shared = {name.name: getattr(comparison, name.name) for name in fields(comparison) if name.name != "runs"}
    sequential = comparison.runs[comparison.reference] if comparison.reference is not None else None
    return Report(
        **shared,
        lanes={name: _lane(run, sequential) for name, run in comparison.runs.items()},
        verdict=judge(comparison),
        comparison=comparison,
    )


def _lane(run: Run, sequential: Run | None) -> LaneReport:
    samples = walls(run)
    ratio = None if sequential is None else speedup(run, over=sequential)
    interval = None if ratio is None or ratio.low is None or ratio.high is None else (ratio.low, ratio.high)
    unknown = {}
    if not samples:
        unknown["median_s"] = "the lane did not finish a run"
    if samples and ratio is None:
        unknown["speedup"] = "the sequential lane did not finish"
    if samples and interval is None:
        unknown["speedup_interval"] = f"fewer than {MIN_ROUNDS} rounds in common with the sequential lane"
    if samples and cpu_share(run) is None:
        unknown["cpu_per_wall"] = f"the runs are shorter than {MIN_SHARE_S * 1e3:g} ms"
    if run.gil_wait.share is None:
        unknown["gil_wait_share"] = run.gil_wait.unknown
    if run.memory_per_actor_bytes is None and run.memory_note:
        unknown["memory_per_actor_bytes"] = run.memory_note
    return LaneReport(
        name=run.lane,
        median_s=median(samples) if samples else None,
        samples_s=tuple(samples),
        spread=spread(samples),
        speedup=None if ratio is None else ratio.value,
        speedup_interval=interval,
        cpu_per_wall=cpu_share(run),
        usage=_total([sample.usage for sample in run.samples]),
        gil_wait_share=run.gil_wait.share,
        gil_held_by=run.gil_wait.held_by,
        startup_s=run.startup_s,
        warmup_s=run.warmup_s,
        memory_per_actor_bytes=run.memory_per_actor_bytes,
        unavailable=run.unavailable,
        error=run.error,
        wrong=run.wrong,
        notes=run.notes,
        unknown=unknown,
    )


def _total(usages: list[Usage]) -> Usage:
    """The sum of the samples' usage; a field that is unknown in one of them is unknown."""
    if not usages:
        return Usage(unknown={"wall_s": "the lane did not finish a run"})
    sums: dict[str, Any] = {}
    for name in (
        "wall_s",
        "user_s",
        "system_s",
        "run_delay_s",
        "voluntary",
        "involuntary",
        "minor_faults",
        "major_faults",
    ):
        values = [getattr(usage, name) for usage in usages]
        sums[name] = None if None in values else sum(values)
    unknown = {name: why for usage in usages for name, why in usage.unknown.items()}
    return Usage(**sums, source=usages[0].source, unknown=unknown)


def _row(lane: LaneReport) -> dict[str, Any]:
    row = lane.to_dict()
    low, high = lane.speedup_interval or (None, None)
    row |= {f"usage_{name}": value for name, value in row.pop("usage").items() if name not in ("source", "unknown")}
    row |= {"speedup_low": low, "speedup_high": high, "problem": lane.problem, "notes": "; ".join(lane.notes)}
    for nested in ("speedup_interval", "error", "wrong", "unavailable", "unknown", "samples_s", "gil_held_by"):
        row.pop(nested)
    return row
