"""A __del__ that runs while the interpreter is taken down: what needs a new thread is refused, and nothing hangs."""

# cases: thread kernel submit map kernel-map
# stdout: main is done
# stdout: refused

import os
import sys

import conc
from conc import kernels

used = conc.ThreadPoolExecutor(1)
used.submit(int).result()
finished = conc.Thread(target=int)
finished.start()
finished.join()


class Late:
    """What it needs stands in itself: globals are gone by then."""

    def __init__(self, what: str) -> None:
        self.what, self.pool, self.new_thread, self.kernels = what, used, conc.Thread, kernels
        self.write, self.is_finalizing = os.write, sys.is_finalizing

    def __del__(self) -> None:
        assert self.is_finalizing()
        try:
            self.act()
            answer = b"not refused\n"
        except Exception:  # RuntimeError; a free-threaded interpreter has emptied conc's modules by now
            answer = b"refused\n"
        self.write(1, answer)

    def act(self) -> None:
        match self.what:
            case "thread" | "kernel":
                target = int if self.what == "thread" else self.kernels.prime_factors
                thread = self.new_thread(target=target, args=(12,))
                thread.start()
                thread.join()
            case "submit":
                self.pool.submit(int).result()
            case "map":
                list(self.pool.map(int, ["1"]))
            case "kernel-map":
                list(self.pool.map(self.kernels.prime_factors, [12]))


late = Late(sys.argv[1])
print("main is done", flush=True)
