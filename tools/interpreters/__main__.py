"""Finds or gets the interpreters that conc is tested on, and says which cannot be had and why.

    python tools/interpreters [--offline] [--json] [NAME ...]

Names: 3.11 to 3.15, free-threaded, debug. Each is looked for on this machine, then in the cache ($CONC_CACHE or
~/.cache/conc, then interpreters/), then got: the versions and the debug build from Debian's packages, the
free-threaded one from Debian's sources. What cannot be had is a line with its reason, never a failure: mirrors move.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import debian
import installed
import source
from records import WANTED, Interpreter, NotHad, Wanted, describe, fits

READY = "ready.json"  # written last: what the tree is from and where its program lies


class Cache:
    """One tree for each interpreter, by name and version. A tree without its last file is taken as not there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._apt: debian.Apt | None = None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time fills the cache."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def find(self, wanted: Wanted) -> Interpreter | None:
        """The tree of an earlier run, or None."""
        try:
            said = json.loads((self.folder / wanted.name / READY).read_text())
            interpreter = replace(describe(wanted.name, Path(said["path"]), said["origin"]), pip=said["pip"])
        except (OSError, ValueError, KeyError, NotHad):
            return None
        return interpreter if fits(interpreter, wanted) else None

    def get(self, wanted: Wanted) -> Interpreter:
        """Fetch or build it.

        Raises:
            NotHad: it cannot be had; nothing is left of the attempt.
        """
        tree = self.folder / wanted.name
        shutil.rmtree(tree, ignore_errors=True)
        tree.mkdir(parents=True)
        try:
            if self._apt is None:
                self._apt = debian.Apt(self.folder / "apt")
            if wanted.free_threaded:
                program, spec = source.build(self._apt, tree)
                origin = f"built from Debian's source {spec}"
            else:
                program = debian.unpack(wanted, self._apt, tree)
                origin = "from Debian's packages"
            interpreter = describe(wanted.name, program, origin)
            if not fits(interpreter, wanted):
                raise NotHad(f"got {interpreter.version}, which is not what is wanted")
        except BaseException:
            shutil.rmtree(tree, ignore_errors=True)
            raise
        pip = debian.bundled_pip(tree)
        interpreter = replace(interpreter, pip=None if pip is None else str(pip))
        (tree / READY).write_text(json.dumps({key: getattr(interpreter, key) for key in ("path", "origin", "pip")}))
        return interpreter

    def clean(self) -> None:
        """Drop what was only needed to fill the cache."""
        shutil.rmtree(self.folder / "apt", ignore_errors=True)


def provide(wanted: Wanted, cache: Cache, offline: bool) -> Interpreter:
    """The interpreter, or a record that says why there is none."""
    found = installed.find(wanted) or cache.find(wanted)
    if found is not None:
        return found
    if offline:
        return Interpreter(wanted.name, None, "neither on this machine nor in the cache")
    print(f"getting {wanted.name} ...", file=sys.stderr, flush=True)
    try:
        return cache.get(wanted)
    except NotHad as error:
        return Interpreter(wanted.name, None, str(error))


def show(interpreter: Interpreter) -> str:
    """One line for people."""
    if interpreter.path is None:
        return f"{interpreter.name:<14} not had: {interpreter.origin}"
    return f"{interpreter.name:<14} {interpreter.version:<8} {interpreter.path} ({interpreter.origin})"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="interpreters", description=__doc__.splitlines()[0])
    parser.add_argument("--offline", action="store_true", help="get nothing: what is here or in the cache")
    parser.add_argument("--json", action="store_true", help="one record for each, for programs")
    parser.add_argument("names", nargs="*", metavar="NAME", help="by default all")
    options = parser.parse_args(arguments)
    known = [wanted.name for wanted in WANTED]
    if unknown := [name for name in options.names if name not in known]:
        parser.error(f"no interpreter is called {unknown[0]!r}: choose among {', '.join(known)}")
    root = Path(os.environ.get("CONC_CACHE", Path.home() / ".cache" / "conc"))
    cache = Cache(root / "interpreters")
    with cache.locked():
        chosen = [wanted for wanted in WANTED if not options.names or wanted.name in options.names]
        found = [provide(wanted, cache, options.offline) for wanted in chosen]
        cache.clean()
    if options.json:
        print(json.dumps([interpreter.to_json() for interpreter in found], indent=1))
    else:
        print("\n".join(map(show, found)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
