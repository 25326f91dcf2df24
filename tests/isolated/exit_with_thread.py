"""Interpreter exit with a thread in each of its states: it waits for the end of one, and leaves a daemon alone.

What the thread waits for comes to pass when exit has begun, before threads are waited for: an exit that waited for a
daemon would hang, since a daemon's wait is for ever, and one that did not wait for another would find it alive.
"""

# cases: unstarted starting python lock event queue join python-kernel sleep spin http_get ended failed failed-kernel
# cases: joined daemon
# needs[http_get]: http_get
# stdout: main is done
# stdout: as promised
# stderr[failed]: ZeroDivisionError

import atexit
import queue
import sys
import threading
from collections.abc import Callable


@atexit.register
def judge() -> None:
    """Called last of all functions at exit: what was registered first."""
    ends_by_itself = state in ("unstarted", "starting", "ended", "failed", "failed-kernel")
    promised = (False, True) if daemon and ends_by_itself else (daemon,)
    print("as promised" if thread.is_alive() in promised else f"alive: {thread.is_alive()}", flush=True)


from at_exit import when_exit_begins  # noqa: E402

import conc  # noqa: E402
from conc import kernels  # noqa: E402

state, daemon = sys.argv[1], sys.argv[2] == "daemon"
exit_has_begun = threading.Event()
lock, items = threading.Lock(), queue.SimpleQueue[None]()
inside = threading.Event()
LONG_S = 3600.0 if daemon else 0.1


def end_waits() -> None:
    if not daemon:
        exit_has_begun.set()
        lock.release()
        items.put(None)


def within(wait: Callable[[], object]) -> Callable[[], None]:
    def target() -> None:
        inside.set()
        wait()

    return target


def compute() -> None:
    while not exit_has_begun.is_set():
        sum(range(1000))


def join_another() -> None:
    other = conc.Thread(target=exit_has_begun.wait, daemon=daemon)
    other.start()
    other.join()


def make_thread() -> conc.Thread:
    match state:
        case "sleep" | "spin":
            return conc.Thread(target=getattr(kernels, state), args=(LONG_S,), daemon=daemon)
        case "http_get":
            return conc.Thread(target=kernels.http_get, args=(server.url, 3600), daemon=daemon)
        case "python-kernel":
            return conc.Thread(target=within(lambda: kernels.sleep(LONG_S)), daemon=daemon)
        case "failed":
            return conc.Thread(target=lambda: 1 // 0, daemon=daemon)
        case "failed-kernel":
            return conc.Thread(target=kernels.http_get, args=("http://127.0.0.1:1/",), daemon=daemon)
        case "unstarted" | "starting" | "ended":
            return conc.Thread(target=int, daemon=daemon)
        case _:
            waits = {
                "python": compute,
                "lock": lock.acquire,
                "event": exit_has_begun.wait,
                "queue": items.get,
                "join": join_another,
            }
            return conc.Thread(target=within(waits[state]), daemon=daemon)


lock.acquire()
when_exit_begins(end_waits)
if state == "http_get":
    from server import SilentServer

    server = SilentServer()
    if not daemon:
        when_exit_begins(server.answer)
thread = make_thread()
if state != "unstarted":
    thread.start()
if state in ("python", "lock", "event", "queue", "join", "python-kernel"):
    inside.wait()
if state in ("ended", "failed", "failed-kernel"):
    while thread.is_alive():
        pass
if state == "http_get":
    server.asked.wait()
print("main is done", flush=True)
