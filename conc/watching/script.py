"""Runs a program as ``python SCRIPT ARGS`` and ``python -m MODULE ARGS`` do, but in this process.

What it sees is what it would see there: sys.argv, a module ``__main__`` of its own that stays until the interpreter is
gone, its folder first on sys.path. What it raises is reported without a line of ours.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import io
import os
import pkgutil
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType, TracebackType
from typing import Any, NamedTuple


class ScriptError(Exception):
    """There is no such program: the message is one line that says why."""


class Program(NamedTuple):
    """What is to be run."""

    path: str
    """What sys.argv[0] and ``__file__`` are."""
    first_on_path: str
    """What `sys.path` begins with."""
    load: Any
    """Gives its code; may raise SyntaxError."""
    loader: Any
    spec: ModuleSpec | None


def find_script(path: str) -> Program:
    """The program in a file, or the ``__main__`` of a folder or zip file.

    Raises:
        ScriptError: it cannot be read, or has no ``__main__``.
    """
    importer = pkgutil.get_importer(path)
    if importer is not None:
        spec = importer.find_spec("__main__", None)
        if spec is None or spec.loader is None:
            raise ScriptError(f"can't find '__main__' module in {path!r}")
        return _program_of(spec, path, os.path.abspath(path))
    try:
        with io.open_code(os.path.abspath(path)) as file:
            source = file.read()
    except OSError as error:
        raise ScriptError(f"can't open file {path!r}: {error.strerror}") from None
    loader = importlib.machinery.SourceFileLoader("__main__", path)
    folder = os.path.dirname(os.path.realpath(path))
    return Program(path, folder, lambda: compile(source, path, "exec", dont_inherit=True), loader, None)


def find_module(name: str) -> Program:
    """The program that is a module, or the ``__main__`` of a package.

    Raises:
        ScriptError: there is no such module, or it cannot be run.
    """
    if not sys.flags.safe_path:
        _put_first(os.getcwd())  # as python -m has it, also while it looks for the module
    spec = _spec_of(name)
    if spec.submodule_search_locations is not None:
        spec = _spec_of(f"{name}.__main__", f"{name!r} is a package and cannot be directly executed")
    if spec.origin == "built-in" or not hasattr(spec.loader, "get_code"):
        raise ScriptError(f"no code object available for {name}")
    return _program_of(spec, spec.origin or name, os.getcwd())


def run(program: Program, args: Sequence[str]) -> int:
    """Run it with `args` behind sys.argv[0], to its end: the exit status that it would have had.

    Exceptions are reported by sys.excepthook, as the interpreter does; what else goes on (threads, atexit functions)
    goes on until the interpreter ends.
    """
    sys.argv[:] = [program.path, *args]
    if not sys.flags.safe_path:
        _put_first(program.first_on_path)
    main = _main_module(program)
    sys.modules["__main__"] = main
    try:
        code = program.load()
    except BaseException as error:
        return _reported(error, None)
    try:
        exec(code, main.__dict__)
    except BaseException as error:
        return _reported(error, _own_part(error.__traceback__, code))
    return 0


def _program_of(spec: ModuleSpec, path: str, first_on_path: str) -> Program:
    loader: Any = spec.loader
    file = spec.origin if spec.has_location and spec.origin is not None else path
    return Program(file, first_on_path, lambda: _code(loader, spec.name), loader, spec)


def _code(loader: Any, name: str) -> CodeType:
    code: CodeType | None = loader.get_code(name)
    if code is None:
        raise ImportError(f"no code object available for {name}")
    return code


def _spec_of(name: str, otherwise: str | None = None) -> ModuleSpec:
    try:
        spec = importlib.util.find_spec(name)
    except Exception as error:  # of the packages around it, which are imported for this
        raise ScriptError(otherwise or f"cannot find module {name!r}: {type(error).__name__}: {error}") from None
    if spec is None:
        raise ScriptError(otherwise or f"no module named {name!r}")
    return spec


def _put_first(folder: str) -> None:
    """In the place of what python put there for the command that we are."""
    if sys.path:
        sys.path[0] = folder
    else:
        sys.path.append(folder)


def _main_module(program: Program) -> ModuleType:
    main = ModuleType("__main__")
    main.__file__ = program.path
    main.__loader__ = program.loader
    main.__spec__ = program.spec
    main.__package__ = None if program.spec is None else program.spec.parent
    main.__dict__["__builtins__"] = sys.modules["builtins"]
    if sys.version_info < (3, 15):
        main.__dict__["__cached__"] = None if program.spec is None else program.spec.cached
    return main


def _own_part(traceback: TracebackType | None, code: CodeType) -> TracebackType | None:
    """The part of a traceback that begins in the program."""
    while traceback is not None and traceback.tb_frame.f_code is not code:
        traceback = traceback.tb_next
    return traceback


def _reported(error: BaseException, traceback: TracebackType | None) -> int:
    """Do with an exception that ends a program as the interpreter does: the exit status."""
    if isinstance(error, SystemExit):
        return _exit_status(error)
    error.__traceback__ = traceback
    sys.excepthook(type(error), error, traceback)
    return 130 if isinstance(error, KeyboardInterrupt) else 1


def _exit_status(error: SystemExit) -> int:
    status = error.code
    if status is None:
        return 0
    if isinstance(status, int):
        return status & 0xFF
    print(status, file=sys.stderr)
    return 1
