"""What the runner hands on: the raw samples of each lane and the circumstances they were taken in.

Everything that conc says about a comparison is computed from these records, so that it can be computed again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from conc.comparison.environment import Environment
from conc.records import Record
from conc.usage import Usage


@dataclass(frozen=True, slots=True)
class Sample(Record):
    """One run of one lane over all items.

    Attributes:
        round: number of the round it belongs to, from 0; samples of one round are neighbours in time.
        wall_s: elapsed seconds.
        usage: what the lane's actors used meanwhile.
        actor_cpu_s: CPU seconds of each actor, where the lane can tell them apart; else empty.
    """

    round: int
    wall_s: float
    usage: Usage
    actor_cpu_s: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class ItemError(Record):
    """The exception that ended a lane.

    Attributes:
        index: position of the item in ``items``, from 0; None where no single item is to blame.
        type: name of the exception's class.
        message: its text.
        item: the item, cut to one line.
    """

    index: int | None
    type: str
    message: str
    item: str = ""

    def __str__(self) -> str:
        where = "" if self.index is None else f"item {self.index} ({self.item}): "
        return f"{where}{self.type}: {self.message}" if self.message else f"{where}{self.type}"


@dataclass(frozen=True, slots=True)
class Difference(Record):
    """The first result of a lane that differs from the reference lane's.

    Attributes:
        index: position of the item, from 0; None where the number of results differs.
        expected: the reference lane's value, cut to one line.
        got: this lane's value, cut to one line.
        reference: name of the reference lane.
    """

    index: int | None
    expected: str
    got: str
    reference: str

    def __str__(self) -> str:
        where = "" if self.index is None else f"item {self.index}: "
        return f"{where}{self.got} where {self.reference} gives {self.expected}"


@dataclass(frozen=True, slots=True)
class GilWait(Record):
    """How a lane's threads waited for the GIL, in runs over the first items that were watched (`conc.watch`).

    These runs are none of the samples, since looking takes time.

    Attributes:
        share: of the time of all threads that run items; None: `unknown` says why.
        held_by: name of the thread that had the GIL meanwhile -> share of that waiting; "workers": others of the
            lane's own threads.
        watched_s: seconds for which the lane was watched.
        unknown: why the share is not known.
    """

    share: float | None = None
    held_by: Mapping[str, float] = field(default_factory=dict)
    watched_s: float = 0.0
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class Run(Record):
    """All that is known of one lane.

    Attributes:
        lane: its name.
        samples: its timed runs, in the order of time.
        startup_s: seconds from nothing to the end of a first empty task on every worker; kept out of the samples.
        warmup_s: seconds of a first run over a few items, in which imports and connections are paid for; None where
            there was no time for one.
        memory_per_actor_bytes: resident memory that one more actor costs; None with the reason in ``memory_note``.
        memory_note: how the memory was measured, or why it is unknown.
        unavailable: why the lane cannot run here; None where it can.
        error: the exception that ended it.
        wrong: the first of its results that differs from the reference lane's.
        notes: what a reader of its figures must know besides.
        gil_wait: how its threads waited for the GIL.
    """

    lane: str
    samples: tuple[Sample, ...] = ()
    startup_s: float | None = None
    warmup_s: float | None = None
    memory_per_actor_bytes: int | None = None
    memory_note: str = ""
    unavailable: str | None = None
    error: ItemError | None = None
    wrong: Difference | None = None
    notes: tuple[str, ...] = ()
    gil_wait: GilWait = GilWait(unknown="the lane was not watched")

    @property
    def finished(self) -> bool:
        """Whether its figures count: it ran, and every result was right."""
        return bool(self.samples) and self.unavailable is None and self.error is None and self.wrong is None


@dataclass(frozen=True, slots=True)
class Comparison(Record):
    """One comparison, as measured: the runs of all lanes that were asked for.

    Attributes:
        workload: its name.
        items: how many items there were.
        items_run: how many of them, from the first, each run worked on; fewer where the budget asked for it.
        workers: actors of each concurrent lane.
        rounds: rounds that were completed.
        repeats: rounds that were asked for.
        budget_s: seconds that were allowed.
        elapsed_s: seconds that it took.
        interrupted: ended by Ctrl-C; what was measured by then is here.
        environment: the machine and the interpreter.
        runs: by lane name, in the order of the lanes.
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
    environment: Environment
    runs: Mapping[str, Run] = field(default_factory=dict)

    @property
    def reference(self) -> str | None:
        """The lane that the others are measured against: sequential where it finished, else None."""
        run = self.runs.get("sequential")
        return "sequential" if run is not None and run.finished else None


def one_line(value: object, limit: int = 60) -> str:
    """`repr` of a value, cut to `limit` characters; never raises, since a value may be the user's."""
    try:
        text = " ".join(repr(value).split())
    except Exception as error:
        text = f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"
    return text if len(text) <= limit else text[: limit - 3] + "..."
