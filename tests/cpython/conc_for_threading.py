"""Puts conc.Thread and conc.Timer in the place of threading's, in every interpreter of an environment.

A .pth file of the environment (tests/cpython_cases.py makes both) calls install(), so that the processes and
subinterpreters that a case starts are reached as well, with -I and -E too. Whoever asks the module `threading` for
Thread or Timer gets conc's; threading's own functions go on with the plain ones, from which its types for the main
thread and for foreign threads derive.

Every interpreter tells in a file what happens in it, a line with its process's id for each event:

    here           install() was called
    process        a process with a Python is started: it has to tell "here" in turn
    asked          Thread or Timer was asked for, and conc's was given; once for each case
    plain TYPE     a thread of this type runs as threading has started it, which conc's never do
"""

from __future__ import annotations

import os
import sys
from _frozen_importlib_external import PathFinder, SourceFileLoader

NAMES = ("Thread", "Timer")


class Log:
    """What this interpreter tells."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.asked = False  # and told; run_cases.py begins anew with each case

    def tell(self, line: str, os=os) -> None:  # bound, as at interpreter exit the names of a module may be gone
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        os.write(file, f"{os.getpid()} {line}\n".encode())  # at once: others write there too
        os.close(file)

    def tell_asked(self) -> None:
        if not self.asked:
            self.asked = True
            self.tell("asked")


log: Log | None = None
types: dict[str, type] = {}
"""conc's, by their names in threading."""


def give(name: str) -> type:
    """Hand out a type of conc's."""
    log.tell_asked()
    if name not in types:
        raise NotImplementedError(f"there is no conc.{name}")
    return types[name]


class Threading(type(sys)):
    """The module `threading`, which hands out conc's types.

    Not by properties: since 3.14 the interpreter's specialised look-up in a module passes those of its type by.
    """

    def __getattribute__(self, name, names=NAMES, give=give):  # bound as in tell()
        return give(name) if name in names else super().__getattribute__(name)


class Loader(SourceFileLoader):
    def exec_module(self, module) -> None:
        super().exec_module(module)
        replace(module)


class Finder:
    """Replaces the types when `threading` is imported: no case sees it imported earlier than without us."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != "threading":
            return None
        spec = PathFinder.find_spec(name, path, target)
        spec.loader = Loader(spec.loader.name, spec.loader.path)
        return spec


def replace(threading) -> None:
    """Have `threading` hand out conc's types, and give them to the modules that took the plain ones from it."""
    import conc  # here and not when first asked: who uses conc imports it at its begin, not in the middle of its exit

    types.update((name, getattr(conc, name)) for name in NAMES if hasattr(conc, name))
    plain = {vars(threading)[name]: name for name in types}
    threading.__class__ = Threading
    tell_of_plain(vars(threading)["Thread"], log.tell)
    for module in list(sys.modules.values()):
        if module is threading or module.__name__.partition(".")[0] == "conc":
            continue
        for name, value in list(vars(module).items()):
            if isinstance(value, type) and value in plain:
                setattr(module, name, types[plain[value]])


def tell_of_plain(thread_type, tell) -> None:
    """Tell of threads that threading starts itself, which begin with this method."""
    bootstrap = thread_type._bootstrap

    def _bootstrap(self) -> None:
        tell(f"plain {type(self).__name__}")
        bootstrap(self)

    thread_type._bootstrap = _bootstrap


def tell_of_processes(tell) -> None:
    """Tell of each Python that is started."""

    def hook(event, args, os=os) -> None:
        if event == "subprocess.Popen" and "python" in os.path.basename(os.fsdecode(args[0])):
            tell("process")

    sys.addaudithook(hook)


def install(path: str) -> None:
    """Do it all in this interpreter, which tells in the file at `path`."""
    global log
    if log is not None:
        return  # a .pth file of a virtual environment may be read twice
    log = Log(path)
    log.tell("here")
    tell_of_processes(log.tell)
    if "threading" in sys.modules:
        replace(sys.modules["threading"])
    else:
        sys.meta_path.insert(0, Finder)
