"""Runs cases of CPython's own tests in this interpreter; tests/cpython_cases.py is who calls it.

    python run_cases.py list MODULE ...            prints the ids of the modules' cases
    python run_cases.py run JOB                    runs some

JOB is a file with a JSON object: `cases`, their ids; `results`, the file that takes a JSON object a line, one when a
case begins and one when it ends; `log`, the file that conc_for_threading.py tells in, null where the plain Thread is
judged; `limit_s`, the time for each case, after which the stacks of all threads are written and the interpreter ends.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
import sysconfig
import time
import unittest
from collections.abc import Callable, Iterator
from typing import Any, TextIO


def flatten(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flatten(item)
        else:
            yield item


def about_locks_alone(case: unittest.TestCase) -> bool:
    """Whether it comes from test.lock_tests, as long as that makes its threads with _thread and not with Thread."""
    from test import lock_tests

    with open(lock_tests.__file__, encoding="utf-8") as file:
        if "Thread(" in file.read():
            return False
    return any(base.__module__ == lock_tests.__name__ for base in type(case).__mro__)


def list_cases(modules: list[str]) -> Iterator[str]:
    for name in modules:
        for case in flatten(unittest.defaultTestLoader.loadTestsFromName(name)):
            if case.id().startswith(f"{name}.") and not about_locks_alone(case):  # others are doctests
                yield case.id()


class Told:
    """What the interpreters with conc's Thread tell; without a path nobody tells anything."""

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._seen = 0

    def news(self) -> list[str]:
        """The lines since the last call, after which a thread counts as not asked for."""
        if self._path is None:
            return []
        import conc_for_threading

        conc_for_threading.log.asked = False
        with open(self._path, encoding="utf-8") as file:
            lines = file.read().splitlines()
        self._seen, begin = len(lines), self._seen
        return lines[begin:]


def threads_that_stay(before: set[Any]) -> list[Any]:
    """Those that are new and do not end in a second; test.support knows only the ones that _thread has started."""
    import threading

    deadline = time.monotonic() + 1
    while True:
        left = [thread for thread in threading.enumerate() if thread not in before]
        left = [thread for thread in left if not isinstance(thread, threading._DummyThread)]  # they may stay for ever
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.001)


class Result(unittest.TestResult):
    """Writes what comes of each case."""

    def __init__(self, results: TextIO, told: Told, limit_s: float) -> None:
        super().__init__()
        self._results, self._told, self._limit_s = results, told, limit_s
        self._running: str | None = None
        self._wrong: list[str] = []
        self._skipped: str | None = None
        self.all_well = True

    def _write(self, **fields: object) -> None:
        self._results.write(json.dumps(fields) + "\n")
        self._results.flush()

    def startTest(self, test: unittest.TestCase) -> None:
        import threading

        from test import support

        super().startTest(test)
        threading.settrace(None)  # a case of 3.11 leaves a hook behind
        self._threads = set(threading.enumerate())
        self._running, self._wrong, self._skipped = test.id(), [], None
        support.environment_altered = False
        self._told.news()
        self._write(begins=test.id())
        faulthandler.dump_traceback_later(self._limit_s, exit=True)

    def stopTest(self, test: unittest.TestCase) -> None:
        from test import support

        faulthandler.cancel_dump_traceback_later()
        if support.environment_altered:
            self._wrong.append("it left threads or children behind, or raised where nobody can catch it")
        if left := threads_that_stay(self._threads):
            self._wrong.append(f"it left threads behind: {left}")
        self.all_well = self.all_well and not self._wrong
        word = "failed" if self._wrong else "passed" if self._skipped is None else "skipped"
        detail = "\n".join(self._wrong) or self._skipped or ""
        self._write(ends=test.id(), word=word, detail=detail, told=self._told.news())
        self._running = None
        super().stopTest(test)

    def _add(self, test: unittest.TestCase, error: Any) -> None:
        """Of a case; or of a fixture of a class or a module, whose cases will be missed among the results."""
        text = self._exc_info_to_string(error, test)  # type: ignore[attr-defined]
        self._wrong.append(text)
        self.all_well = False
        print(f"{test}:\n{text}", file=sys.stderr)

    addError = addFailure = _add

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, error: Any) -> None:
        if error is not None:
            self._add(subtest, error)

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        self._wrong.append("it was expected to fail")

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        if self._running is None and isinstance(test, unittest.TestCase):
            self.startTest(test)  # 3.12.1 only ends a case that a decorator skips
        if test.id() == self._running:  # else a part of it
            self._skipped = reason


def prepare() -> None:
    """What CPython's own runner does before."""
    from test import support

    def unraisable(args: sys.UnraisableHookArgs) -> None:
        support.environment_altered = True
        sys.__unraisablehook__(args)

    sys.unraisablehook = unraisable
    support.verbose = 0
    support.set_memlimit("4G")  # what some cases say they need, which they do in builds with sanitizers alone


def tell_of_subclasses(suite: unittest.TestSuite) -> None:
    """Let the classes that a test module derives from Thread tell that they are used; it asked for Thread only once."""
    import threading

    import conc_for_threading

    def telling(init: Callable[..., None]) -> Callable[..., None]:
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
            conc_for_threading.log.tell_asked()
            init(self, *args, **kwargs)

        return __init__

    for name in {type(case).__module__ for case in flatten(suite)}:
        for kind in vars(sys.modules[name]).values():
            if isinstance(kind, type) and kind.__module__ == name and issubclass(kind, threading.Thread):
                kind.__init__ = telling(kind.__init__)  # type: ignore[method-assign]


def run_cases(job: dict[str, Any]) -> None:
    suite = unittest.defaultTestLoader.loadTestsFromNames(job["cases"])
    prepare()
    if job["log"] is not None:
        tell_of_subclasses(suite)
    with open(job["results"], "a", encoding="utf-8") as file:
        result = Result(file, Told(job["log"]), job["limit_s"])
        suite.run(result)
    if not result.all_well:
        os._exit(0)  # what failed may have left threads, whose end nobody should wait for
    if sysconfig.get_config_var("Py_GIL_DISABLED") and sys._is_gil_enabled():
        sys.exit("the GIL is on")
    faulthandler.dump_traceback_later(job["limit_s"], exit=True)  # the interpreter's own end is part of it


def main(arguments: list[str]) -> None:
    if arguments[0] == "list":
        print("\n".join(list_cases(arguments[1:])))
        return
    with open(arguments[1], encoding="utf-8") as file:
        run_cases(json.load(file))


if __name__ == "__main__":
    main(sys.argv[1:])
