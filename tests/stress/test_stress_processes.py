"""One conc.Child in the hands of many threads, and many of them at once."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable

from racing import THREADS, errors, race, race_alike, rounds, values

import conc

SLEEPER = ["sleep", "60"]


def test_everybody_who_waits_learns_of_the_end() -> None:
    for _ in range(rounds(20)):
        with conc.spawn(SLEEPER) as child:

            def poll(child: conc.Child = child) -> int:
                while (code := child.poll()) is None:
                    os.sched_yield()
                return code

            def watch(child: conc.Child = child) -> int | None:
                while child.returncode is None:
                    assert child.usage.user_s is not None
                    assert child.pid > 0
                return child.returncode

            codes = values(
                race(child.wait, child.wait, poll, poll, watch, lambda: child.communicate() and -9, child.kill)
            )
            assert codes[:6] == [-signal.SIGKILL] * 6
            assert child.usage.unknown.keys() >= {"gil_wait_s"}


def test_signals_after_the_end_hit_nobody() -> None:
    for _ in range(rounds(20)):
        with conc.spawn(["true"]) as child:
            calls: list[Callable[[], object]] = [child.kill, child.terminate, child.poll, child.wait]
            values(race(*calls, *calls))
            assert child.returncode in (0, -signal.SIGKILL, -signal.SIGTERM)


def test_one_communicates_and_the_others_are_refused() -> None:
    text = b"x" * 300_000
    for _ in range(rounds(25)):
        with conc.spawn(["cat"], stdin=conc.PIPE, stdout=conc.PIPE, stderr=conc.PIPE) as child:
            outcomes = race_alike(lambda child=child: child.communicate(text), 4)
            lost = errors(outcomes)
            # Who comes while one communicates is refused; who comes after that cannot send input any more.
            assert {type(error) for error in lost} <= {RuntimeError, ValueError}
            assert [outcome.value for outcome in outcomes if outcome.error is None] == [(text, b"")]
            assert child.communicate() == (text, b"")


def test_a_pipe_becomes_one_file() -> None:
    for _ in range(rounds(60)):
        with conc.spawn(["cat"], stdin=conc.PIPE, stdout=conc.PIPE) as child:
            inputs = values(race_alike(lambda child=child: child.stdin))
            outputs = values(race_alike(lambda child=child: child.stdout))
            assert all(file is inputs[0] for file in inputs)
            assert all(file is outputs[0] for file in outputs)
            first_input, first_output = inputs[0], outputs[0]
            del inputs, outputs  # a second file on the same pipe would close it now
            first_input.write(b"hello")
            first_input.close()
            assert first_output.read() == b"hello"


def test_programs_run_side_by_side() -> None:
    each = rounds(12)
    before = len(os.listdir("/proc/self/fd"))

    def run(racer: int) -> list[bytes | None]:
        done = []
        for number in range(each):
            text = b"%d %d" % (racer, number)
            result = conc.run(["cat"], input=text, capture_output=True)
            assert result.stdout == text
            assert result.usage.user_s is not None
            try:
                conc.run(SLEEPER, timeout=0.001 * racer)
            except subprocess.TimeoutExpired:
                done.append(result.stdout)
        return done

    outcomes = race(*[lambda racer=racer: run(racer) for racer in range(THREADS)])
    assert values(outcomes) == [[b"%d %d" % (racer, number) for number in range(each)] for racer in range(THREADS)]
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_child_talks_to_two_and_is_killed_by_a_third() -> None:
    for _ in range(rounds(10)):
        with conc.spawn(["cat"], stdin=conc.PIPE, stdout=conc.PIPE) as child:
            assert child.stdin is not None
            assert child.stdout is not None

            def write(child: conc.Child = child) -> int:
                written = 0
                try:
                    while True:
                        written += os.write(child.stdin.fileno(), b"x" * 1000)  # type: ignore[union-attr]
                        if written > 200_000:
                            child.kill()
                except BrokenPipeError:
                    return written

            def read(child: conc.Child = child) -> int:
                total = 0
                while chunk := os.read(child.stdout.fileno(), 65_536):  # type: ignore[union-attr]
                    total += len(chunk)
                return total

            written, got, code = values(race(write, read, child.wait))
            assert 0 < got <= written
            assert code == -signal.SIGKILL
