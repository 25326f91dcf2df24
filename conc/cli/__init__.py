"""The command ``conc``: one file per command, each with ``add_parser(commands)``."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from conc._version import __version__

COMMANDS: tuple[str, ...] = ("compare", "probe", "watch")


class UsageError(Exception):
    """What the user asked for cannot be: the message is one line that says why and what to do (exit status 2)."""


class _Parser(argparse.ArgumentParser):
    """argparse, with one clear line instead of the whole usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="conc", description="The concurrency workbench for Python.")
    parser.add_argument("--version", action="version", version=f"conc {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    for name in COMMANDS:
        importlib.import_module(f"conc.cli.{name}").add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status: 0, 1 for a wrong result, 2 for wrong usage, 130 after Ctrl-C, 141 when who
    reads the output is gone."""
    options = _parser().parse_args(argv)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
    except UsageError as error:
        print(f"conc {options.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"conc {options.command}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # What is still in the buffer goes nowhere, so that the interpreter does not try again when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return status
