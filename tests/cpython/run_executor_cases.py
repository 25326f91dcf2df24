"""Runs the cases of CPython's own test_concurrent_futures that are about the pool of threads, with conc's in its place.

    python tests/cpython/run_executor_cases.py

Prints JSON: the cases that passed, and those that did not with the end of their traceback. Exit status 3 and a reason:
this interpreter comes without them.
"""

from __future__ import annotations

import importlib
import io
import json
import pkgutil
import sys
import unittest
from types import ModuleType

import conc

PACKAGE = "test.test_concurrent_futures"

# Bodies that look at how the standard pool is made, with the reason.
EXCLUDED = {
    "ThreadPoolShutdownTest.test_threads_terminate": "joins the threads in the private executor._threads: conc's "
    "workers are native, and threading knows them as threads that cannot be joined",
    "ThreadPoolExecutorTest.test_saturation": "counts the private executor._threads right after submit(): conc's "
    "workers are in there once they have run Python",
}


def modules() -> tuple[ModuleType, list[ModuleType]]:
    """The one with the mixins, and those with cases: one file up to 3.11, a package since."""
    package = importlib.import_module(PACKAGE)
    if not hasattr(package, "__path__"):
        return package, [package]
    names = [info.name for info in pkgutil.iter_modules(package.__path__) if info.name.startswith("test_")]
    return importlib.import_module(f"{PACKAGE}.util"), [importlib.import_module(f"{PACKAGE}.{name}") for name in names]


def suite() -> tuple[unittest.TestSuite, list[str]]:
    """Every class over the pool of threads with our mixin for theirs; and the ids that are left out."""
    shared, places = modules()

    class ConcMixin(shared.ThreadPoolMixin):  # type: ignore[name-defined,misc]
        executor_type = conc.ThreadPoolExecutor

    whole, excluded = unittest.TestSuite(), []
    for place in places:
        for name, found in sorted(vars(place).items()):
            if not (isinstance(found, type) and issubclass(found, unittest.TestCase)):
                continue
            if shared.ThreadPoolMixin not in found.__bases__:
                continue
            bases = tuple(ConcMixin if base is shared.ThreadPoolMixin else base for base in found.__bases__)
            own = {key: value for key, value in vars(found).items() if key not in ("__dict__", "__weakref__")}
            ours = type(name, bases, own)
            for case in unittest.defaultTestLoader.loadTestsFromTestCase(ours):
                identity = f"{name}.{case.id().rpartition('.')[2]}"
                if identity in EXCLUDED:
                    excluded.append(identity)
                else:
                    whole.addTest(case)
    return whole, excluded


class Outcomes(unittest.TestResult):
    """Keeps the names of those that passed."""

    def __init__(self) -> None:
        super().__init__()
        self.passed: list[str] = []

    def addSuccess(self, test: unittest.TestCase) -> None:
        self.passed.append(test.id())


def main() -> int:
    """Run them, and say how they ended."""
    import faulthandler  # not when a subinterpreter, which cannot have it, asks for the table above

    faulthandler.dump_traceback_later(150, exit=True)
    try:
        cases, excluded = suite()
    except ImportError as error:
        print(f"this interpreter comes without CPython's tests: {error}")
        return 3
    outcomes, output = Outcomes(), io.StringIO()
    sys.stdout, stdout = output, sys.stdout  # the cases print how long they took
    cases.run(outcomes)
    sys.stdout = stdout
    bad = {test.id(): text[-2000:] for test, text in outcomes.failures + outcomes.errors}
    skipped = {test.id(): reason for test, reason in outcomes.skipped}
    print(json.dumps({"passed": outcomes.passed, "bad": bad, "skipped": skipped, "excluded": excluded}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
