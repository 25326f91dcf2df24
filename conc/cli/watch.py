"""``conc watch``: a script, a module or a running process, and what each of its threads did."""

from __future__ import annotations

import argparse
import atexit
import os
import select
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from conc.cli import UsageError

if TYPE_CHECKING:
    from conc.watching.api import Watch

DESCRIPTION = """\
Runs a script or a module as python does, watches all its threads meanwhile, and says what they did: who ran, who waited
for what, who held the GIL. Or watches a process that runs already, until it ends or Ctrl-C.

  conc watch [OPTIONS] -- SCRIPT ARGS
  conc watch [OPTIONS] -m MODULE ARGS
  conc watch [OPTIONS] --pid N
"""
EPILOG = """\
The table goes to standard error after a script, whose output stays its own, and to standard output with --pid.
Exit status: the script's; with --pid 0, 1 when the process cannot be watched; 2 for wrong usage.
"""
PID_POLL_S = 0.1


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the ones that there are."""
    parser = commands.add_parser(
        "watch",
        help="see what every thread of a program does, and who waits for the GIL",
        description=DESCRIPTION,
        epilog=EPILOG,
        usage="conc watch [OPTIONS] (-- SCRIPT | -m MODULE | --pid N) [ARGS ...]",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--pid", type=int, metavar="N", help="watch the process N; it takes the right to trace it")
    add("-m", dest="module", action="store_true", help="the program is a module, as with python -m")
    add("--interval", type=float, default=0.001, metavar="SECONDS", help="between two looks (default: 0.001)")
    add("--duration", type=float, metavar="SECONDS", help="watch for so long at most; a script goes on")
    add("--children", action="store_true", help="watch the processes that it starts, too")
    add("--where", action="store_true", help="see in which lines of Python threads stand")
    add("--json", metavar="PATH", help="write all that was seen as JSON; - is standard output")
    add("--html", metavar="PATH", help="write a page to zoom into")
    add("--perfetto", metavar="PATH", help="write a trace for ui.perfetto.dev")
    add("--speedscope", metavar="PATH", help="write the lines of Python for speedscope.app (needs --where)")
    add("program", nargs=argparse.REMAINDER, metavar="SCRIPT ARGS", help="what to run")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Watch, show what was seen, and give the exit status."""
    _reasonable(options)
    _writable(options)
    return _watch_program(options) if options.pid is None else _watch_process(options)


def _reasonable(options: argparse.Namespace) -> None:
    if options.program[:1] == ["--"]:
        del options.program[0]
    if options.pid is not None and (options.program or options.module):
        raise UsageError("--pid watches a process that runs: leave out the program")
    if options.pid is None and not options.program:
        raise UsageError("there is nothing to watch: -- SCRIPT, -m MODULE or --pid N")
    if options.duration is not None and not 0 < options.duration < float("inf"):
        raise UsageError(f"--duration must be above 0 seconds, not {options.duration:g}")
    if options.speedscope is not None and not options.where:
        raise UsageError("--speedscope writes lines of Python: add --where")


def _outputs(options: argparse.Namespace) -> dict[str, str]:
    """Name of a format -> where it goes, of those that go to a file."""
    asked = {name: getattr(options, name) for name in ("json", "html", "perfetto", "speedscope")}
    return {name: path for name, path in asked.items() if path is not None and (name, path) != ("json", "-")}


def _writable(options: argparse.Namespace) -> None:
    """Make the paths absolute, since a script may change its folder, and refuse those that cannot be written."""
    for name, path in _outputs(options).items():
        absolute = Path(path).resolve()
        if not os.access(absolute.parent, os.W_OK) or absolute.is_dir():
            raise UsageError(f"{path}: its folder is not there, or may not be written")
        setattr(options, name, str(absolute))


# -- a program -------------------------------------------------------------------------------------------------------


def _watch_program(options: argparse.Namespace) -> int:
    """Run it to its end in this process. Its threads and atexit functions go on behind that, and are watched, too."""
    from conc.watching import script

    name, *args = options.program
    try:
        program = script.find_module(name) if options.module else script.find_script(name)
    except script.ScriptError as error:
        raise UsageError(str(error)) from None
    showing = _AtTheEnd(options)  # before the watch's own function for the exit, so that it comes after that
    showing.watch = _begun(options)
    if options.duration is not None:
        _end_after(options.duration, showing.watch)
    return script.run(program, args)


class _AtTheEnd:
    """Shows what was seen when the interpreter has ended all that the program began."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.watch: Watch | None = None
        self._options = options
        self._pid = os.getpid()
        atexit.register(self._show)

    def _show(self) -> None:
        if self.watch is None or os.getpid() != self._pid:
            return  # it never began, or this is a fork of the program
        self.watch.__exit__(None, None, None)
        try:
            _show(self.watch, self._options, sys.stderr)
        except UsageError as error:
            print(f"conc watch: {error}", file=sys.stderr)


def _end_after(duration_s: float, watch: Watch) -> None:
    timer = threading.Timer(duration_s, watch.__exit__, (None, None, None))
    timer.name = "conc-watch-duration"
    timer.daemon = True
    timer.start()


# -- a process that runs -----------------------------------------------------------------------------------------------


def _watch_process(options: argparse.Namespace) -> int:
    """Until it ends, the time is over, or Ctrl-C."""
    try:
        watch = _begun(options)
    except OSError as error:
        print(f"conc watch: {error.strerror or error}", file=sys.stderr)
        return 1
    try:
        print(f"watching process {options.pid}; Ctrl-C ends the watch", file=sys.stderr, flush=True)
        _wait_for_end(options.pid, options.duration)
    except KeyboardInterrupt:
        pass
    finally:
        watch.__exit__(None, None, None)
    _show(watch, options, sys.stdout)
    return 0


def _wait_for_end(pid: int, duration_s: float | None) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    except (AttributeError, OSError):
        _poll_for_end(pid, duration_s)
        return
    try:
        select.select([descriptor], [], [], duration_s)
    finally:
        os.close(descriptor)


def _poll_for_end(pid: int, duration_s: float | None) -> None:
    """The same where there are no descriptors of processes."""
    from conc._core import process_start_ticks

    began_s = time.monotonic()
    ticks = process_start_ticks(pid)
    while ticks is not None and process_start_ticks(pid) == ticks:
        left_s = PID_POLL_S if duration_s is None else duration_s - (time.monotonic() - began_s)
        if left_s <= 0:
            return
        time.sleep(min(PID_POLL_S, left_s))


# -- both --------------------------------------------------------------------------------------------------------------


def _begun(options: argparse.Namespace) -> Watch:
    """A watch that has begun."""
    from conc.watching.api import watch

    try:
        return watch(options.pid, interval=options.interval, children=options.children, where=options.where).__enter__()
    except ValueError as error:
        raise UsageError(str(error)) from None


def _show(watch: Watch, options: argparse.Namespace, stream: TextIO) -> None:
    """Print the table, and write what was asked for."""
    write: dict[str, Callable[[str], object]] = {
        "json": watch.to_json,
        "html": watch.to_html,
        "perfetto": watch.to_perfetto,
        "speedscope": watch.to_speedscope,
    }
    if options.json == "-":
        print(watch.to_json(), flush=True)
    if options.json != "-" or stream is not sys.stdout:
        print(watch, file=stream, flush=True)
    for name, path in _outputs(options).items():
        try:
            write[name](path)
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}") from None
        except ValueError as error:
            raise UsageError(f"--{name}: {error}") from None
