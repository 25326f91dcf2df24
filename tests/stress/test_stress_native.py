"""Kernels, measured memory, counts and records, used by many threads at once."""

from __future__ import annotations

import json
import math

from racing import THREADS, errors, race, race_alike, rounds, values

import conc
from conc import _core, kernels
from conc.cpus import allowed_cpus


def square(item: int) -> int:
    return item * item


def test_kernels_are_called_directly_by_all() -> None:
    numbers = range(2, 2 + rounds(300))

    def use() -> list[list[int]]:
        assert kernels.sleep(1e-6) is None
        assert kernels.spin(1e-6) >= 0
        assert kernels.trial_divisions(49) == 6 or kernels.trial_divisions(49) > 0
        return [kernels.prime_factors(n) for n in numbers]

    first, *others = values(race_alike(use))
    assert [math.prod(factors) for factors in first] == list(numbers)
    assert all(other == first for other in others)


def test_an_arena_serves_one_at_a_time() -> None:
    cpu = _core.affinity()[0]
    for _ in range(rounds(10)):
        arena = _core.Arena(1 << 20)

        def measure(arena: _core.Arena = arena) -> int:
            arena.touch(cpu, 10.0)
            arena.build(0, 4096, 1, cpu, 10.0)
            return len(arena.chase(0, cpu, 1, 2, False, 10.0))

        def look(arena: _core.Arena = arena) -> object:
            return arena.size, arena.bind_errno, arena.placement()

        outcomes = race(measure, measure, look, look)
        assert {type(error) for error in errors(outcomes)} <= {RuntimeError}
        assert all("in use by another thread" in str(error) for error in errors(outcomes))
        assert measure() >= 1  # whoever was refused left nothing locked


def test_an_arena_is_closed_by_all_while_it_is_used() -> None:
    cpu = _core.affinity()[0]
    for _ in range(rounds(30)):
        arena = _core.Arena(1 << 20)

        def close(arena: _core.Arena = arena) -> bool:
            while True:
                try:
                    arena.close()
                except RuntimeError:  # in use: ask again
                    continue
                return True

        outcomes = race(close, close, close, lambda arena=arena: arena.touch(cpu, 10.0), arena.placement)
        assert values(outcomes[:3]) == [True] * 3
        assert {type(error) for error in errors(outcomes)} <= {RuntimeError, ValueError}
        assert str(errors(race(arena.placement))[0]) == "the arena is closed"


def test_arenas_are_made_and_dropped_by_all() -> None:
    cpu = _core.affinity()[0]

    def make_and_drop() -> int:
        for _ in range(rounds(20)):
            arena = _core.Arena(1 << 16, huge=False)
            arena.touch(cpu, 10.0)
            assert sum(arena.placement()[0].values()) <= arena.size // 4096
        return arena.size

    assert values(race_alike(make_and_drop)) == [1 << 16] * THREADS


def test_memory_is_measured_by_all() -> None:
    figures = values(race_alike(lambda: conc.memory.latency(size=4096, samples=2), 4))
    assert {figure.size_bytes for figure in figures} == {4096}
    cells = values(race_alike(lambda: conc.memory.bandwidth(threads=1, size=1 << 20, samples=2), 4))
    assert {cell.threads for cell in cells} == {1}
    reports = values(race_alike(lambda: conc.probe(0.2), 2))
    assert {report.verdict.kind for report in reports} <= {"UMA", "NUMA", "inconclusive"}


def test_the_machine_is_told_alike_to_all() -> None:
    for _ in range(rounds(5)):
        machines = values(race_alike(conc.memory.topology))
        assert all(machine.cpus == machines[0].cpus and machine.caches == machines[0].caches for machine in machines)
        assert len(set(values(race_alike(conc.cpu_count)))) == 1
        assert len({repr(allowed) for allowed in values(race_alike(allowed_cpus))}) == 1
        assert values(race_alike(conc.memory.kernels)) == [conc.memory.kernels()] * THREADS


def test_one_record_is_read_by_all() -> None:
    usage = conc.run(["true"]).usage
    report = conc.compare(square, range(4), lanes=["sequential", "threads"], workers=2, repeats=1)

    def read() -> tuple[object, ...]:
        return (
            usage.cpu_s,
            usage.to_dict(),
            json.loads(usage.to_json()),
            str(report),
            report.to_html(),
            report.to_json(),
            report.wrong_lanes,
        )

    for _ in range(rounds(5)):
        first, *others = values(race_alike(read))
        assert all(other == first for other in others)


def test_comparisons_run_side_by_side() -> None:
    lanes = ["sequential", "threads", "native-threads"]

    def compare(count: int) -> int:
        report = conc.compare(square, range(count), lanes=lanes, workers=2, repeats=1)
        assert [lane.problem for lane in report.lanes.values()] == [None] * 3
        return report.items

    assert values(race(*[lambda count=count: compare(count) for count in range(2, 6)])) == [2, 3, 4, 5]
