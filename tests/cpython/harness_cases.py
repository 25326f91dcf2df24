"""Cases that tests/test_cpython_threading.py tries the harness with.

The name says what should come of each: the first word is its outcome, "without_conc" that conc's types were not in
force everywhere, "asking_for" that it is about Thread.
"""

from __future__ import annotations

import _thread
import atexit
import os
import signal
import subprocess
import sys
import threading
import unittest
from threading import Thread

from test import support
from test.support import script_helper, threading_helper

import conc

SAY = "import threading, conc; assert threading.Thread is conc.Thread; threading.Thread().start()"
PLAIN = "import threading; vars(threading)['Thread']().start()"


class Derived(threading.Thread):
    pass


class HarnessTests(unittest.TestCase):
    def test_passes_asking_for_thread(self) -> None:
        for _ in range(200):  # often enough for a look-up that the interpreter specialises
            assert threading.Thread is conc.Thread
        assert vars(threading)["Thread"] is not conc.Thread

    def test_passes_asking_for_timer(self) -> None:
        assert threading.Timer is conc.Timer

    def test_passes_asking_for_thread_long_ago(self) -> None:
        assert isinstance(Derived(), conc.Thread)

    def test_passes_holding_thread(self) -> None:
        assert Thread is conc.Thread

    def test_passes_in_a_foreign_thread(self) -> None:
        done = threading.Event()
        with threading_helper.wait_threads_exit():
            _thread.start_new_thread(lambda: (threading.current_thread(), done.set()), ())
            done.wait()

    def test_passes_asking_for_thread_in_an_isolated_process(self) -> None:
        script_helper.assert_python_ok("-I", "-c", SAY)

    def test_passes_asking_for_thread_in_a_process_without_environment(self) -> None:
        script_helper.assert_python_ok("-E", "-s", "-P", "-c", SAY, __cleanenv=True)

    def test_passes_asking_for_thread_in_a_process_of_a_script(self) -> None:
        with open("script.py", "w", encoding="utf-8") as file:
            file.write(f"import subprocess, sys; subprocess.run([sys.executable, '-I', '-c', {SAY!r}], check=True)")
        script_helper.assert_python_ok("script.py")

    def test_passes_without_conc_for_lack_of_site(self) -> None:
        script_helper.assert_python_ok("-S", "-c", "import threading; threading.Thread().start()")

    def test_passes_without_conc_on_purpose(self) -> None:
        thread = vars(threading)["Thread"]()
        thread.start()
        thread.join()

    def test_passes_without_conc_in_a_process(self) -> None:
        script_helper.assert_python_ok("-c", PLAIN)

    def test_fails(self) -> None:
        self.fail("as it should")

    def test_fails_in_a_part(self) -> None:
        with self.subTest(part=1):
            self.fail("this part")

    def test_fails_asking_for_a_thread_that_it_leaves(self) -> None:
        threading.Thread(target=threading.Event().wait, daemon=True).start()

    def test_fails_by_what_nobody_can_catch(self) -> None:
        class Raises:
            def __del__(self) -> None:
                raise ValueError("where nobody can catch it")

        Raises()

    @unittest.skip("as it should be")
    def test_is_skipped(self) -> None:
        pass

    @unittest.expectedFailure
    def test_fails_to_fail(self) -> None:
        pass

    def test_dies_by_a_signal(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def test_dies_by_hanging_on_a_process(self) -> None:
        def wait_for_a_child() -> None:
            subprocess.run([sys.executable, "-c", "import signal; signal.pause()"], check=False)

        wait_for_a_child()

    def test_passes_after_the_deaths(self) -> None:
        pass


class EndTests(unittest.TestCase):
    def test_passes_and_ends_the_interpreter(self) -> None:
        atexit.register(os._exit, 3)


class SubinterpTests(unittest.TestCase):
    def test_passes_asking_for_thread_in_a_subinterpreter(self) -> None:
        assert support.run_in_subinterp(SAY) == 0

    def test_passes_asking_for_thread_in_a_subinterpreter_of_a_process(self) -> None:
        code = f"from test import support; assert support.run_in_subinterp({SAY!r}) == 0"
        script_helper.assert_python_ok("-c", code)

    def test_passes_without_conc_in_a_subinterpreter(self) -> None:
        assert support.run_in_subinterp(PLAIN) == 0

    def test_passes_without_conc_for_lack_of_a_subinterpreter(self) -> None:
        pass
