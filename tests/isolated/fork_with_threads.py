"""In the child of a fork the parent's threads have ended, whatever is asked of them, and new ones can do all.

The one that forks lives on in the child, as its main thread: it can be stopped there and has its shields.
"""

# cases: python kernel callback
# cases: from-main from-thread in-a-shield
# stdout: child: as promised
# stdout: parent: 0 as promised

import asyncio
import os
import sys
import threading
import warnings

import conc
from conc import ThreadEnd, ThreadState, kernels

warnings.simplefilter("ignore", DeprecationWarning)  # Python's own word on forking with threads
kind, where = sys.argv[1:]
go_on, inside = threading.Event(), threading.Event()
told: list[str] = []


def wait(_: object = None) -> str:
    inside.set()
    go_on.wait()
    return "waited"


async def result_of(thread: conc.Thread) -> object:
    return await thread


def raised(call: object) -> str:
    try:
        return repr(call())  # type: ignore[operator]
    except RuntimeError as error:
        return type(error).__name__


def judge_old() -> bool:
    """What must be true of the parent's thread in the child."""
    known = kind == "callback"  # its target had returned, and what it returned is there
    report = other.stop()
    seen = [
        other.is_alive() is False,
        other.state is ThreadState.ENDED,
        other.ended_by is (ThreadEnd.RETURNED if known else None),
        (report.ended, report.blocked_in, report.reason) == (True, None, None),
        other.usage.wall_s is None and "not run here" in other.usage.unknown["wall_s"],
        other not in threading.enumerate(),
        other.join() is None,
        raised(other.result) == ("0" if known else "RuntimeError"),
        raised(other.exception) == ("None" if known else "RuntimeError"),
        raised(lambda: asyncio.run(result_of(other))) == ("0" if known else "RuntimeError"),
        raised(other.start) == "RuntimeError",
        raised(lambda: setattr(other, "affinity", os.sched_getaffinity(0))) == "RuntimeError",
        isinstance(repr(other), str),
    ]
    other.add_done_callback(lambda _: told.append("at once"))
    other.name = "renamed"
    seen.append(told == ["at once"])
    if not all(seen):
        print("old:", seen, flush=True)
    return all(seen)


def judge_new() -> bool:
    """What new threads do in the child."""
    gate = threading.Event()

    def loop() -> None:
        gate.set()
        while True:
            pass

    looping, native = conc.Thread(target=loop), conc.Thread(target=kernels.sleep, args=(3600,))
    quick = conc.Thread(target=pow, args=(2, 10), affinity=os.sched_getaffinity(0))
    for thread in (looping, native, quick):
        thread.add_done_callback(lambda thread: told.append(thread.name))
        thread.start()
    gate.wait()
    seen = [
        looping.stop(20).ended and looping.ended_by is ThreadEnd.STOPPED,
        native.stop(20).ended and native.ended_by is ThreadEnd.STOPPED,
        asyncio.run(result_of(quick)) == 1024,
        looping.usage.wall_s is not None,
        set(told) >= {looping.name, native.name, quick.name},
    ]
    if not all(seen):
        print("new:", seen, flush=True)
    return all(seen)


def judge_forker() -> bool:
    """The thread that forked is the main thread here, and can be stopped, in Python code and in a kernel."""
    stopped = False
    try:
        if where != "from-main":
            assert forker.is_alive()
            assert forker.native_id == os.getpid()
            conc.Thread(target=forker._interrupt).start()
        if where == "from-thread":
            kernels.sleep(3600)
        while where == "in-a-shield" and not conc.stop_requested():
            pass
    except conc.ThreadStopped:
        stopped = True
    return stopped == (where == "from-thread") and conc.stop_requested() == (where != "from-main")


def fork() -> str:
    if where == "in-a-shield":
        with conc.shield():
            return fork_and_judge()
    return fork_and_judge()


def fork_and_judge() -> str:
    child = os.fork()
    if child == 0:
        good = judge_old() and judge_new() and judge_forker()
        print("child: as promised" if good else "child: not as promised", flush=True)
        os._exit(0 if good else 1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return f"parent: {status}"


target, args = (kernels.sleep, (0.5,)) if kind == "kernel" else (int if kind == "callback" else wait, ())
other = conc.Thread(target=target, args=args)
if kind == "callback":
    other.add_done_callback(wait)
other.start()
if kind != "kernel":
    inside.wait()
if where == "from-main":
    said = fork()
else:
    forker: conc.Thread = conc.Thread(target=fork)
    forker.start()
    said = forker.result()
go_on.set()
other.join()
print(said, "as promised" if other.ended_by is ThreadEnd.RETURNED and not other.is_alive() else "lost", flush=True)
