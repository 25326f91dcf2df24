"""The lane `asyncio`: the coroutine twin on one event loop, at most `workers` items at a time."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from typing import Any

from conc._threading_shim import daemon_threads_allowed
from conc.comparison.lanes.base import CannotRun, ItemFailed, Lane, OutOfTime, wait_for


class EventLoop(Lane):
    """One event loop in a thread of its own, since the calling thread may run one already (a notebook's does)."""

    name = "asyncio"

    _loop: asyncio.AbstractEventLoop | None = None
    _thread: threading.Thread | None = None
    _keeper: asyncio.Task[None] | None = None
    _context: contextvars.Context | None = None
    _ending = False

    def unavailable(self) -> str | None:
        if self.workload.coroutine_twin is not None:
            return None
        return self.workload.missing.get(self.name) or "fn has no coroutine twin (coroutine=...)"

    def start(self, timeout_s: float) -> None:
        self.memory_note = "tasks of one thread: their objects are too small for resident memory to show"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="conc-asyncio", daemon=daemon_threads_allowed()
        )
        self._thread.start()
        try:
            self._await(self._open_session(), timeout_s)
        except TimeoutError:
            raise CannotRun(f"its event loop was not ready within {timeout_s:.3g} s") from None

    def thread_ids(self) -> tuple[int, ...]:
        thread_id = None if self._thread is None else self._thread.native_id
        return () if thread_id is None else (thread_id,)

    def run(self, items: list[Any], timeout_s: float) -> list[Any]:
        coroutine = self.workload.coroutine_twin
        assert coroutine is not None
        results: list[Any] = [None] * len(items)
        deadline = time.monotonic() + timeout_s
        try:
            self._await(self._in_session(_bounded(coroutine, items, results, self.workers)), timeout_s)
        except TimeoutError:
            if time.monotonic() < deadline:
                raise
            raise OutOfTime([]) from None
        return results

    def stop(self, patience_s: float | None = None) -> int:
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return 0
        if thread.is_alive():
            if not self._ending:
                self._ending = True
                ending = asyncio.run_coroutine_threadsafe(_end_all(), loop)
                ending.add_done_callback(lambda _: loop.call_soon_threadsafe(loop.stop))
            thread.join(patience_s)
        self._loop = self._thread = None
        self._keeper = self._context = None  # what ended the task keeps its frame, and that this lane
        if thread.is_alive():
            return 1
        loop.close()
        return 0

    async def _open_session(self) -> None:
        """Set up, and enter the workload's session in a task that stays inside until the loop ends."""
        try:
            if self.workload.setup is not None:
                self.workload.setup()
            ready = asyncio.get_running_loop().create_future()
            self._keeper = asyncio.create_task(self._keep_session(ready))
            await asyncio.wait((ready, self._keeper), return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                await self._keeper
        except Exception as error:
            raise ItemFailed.of(None, error) from None

    async def _keep_session(self, ready: asyncio.Future[None]) -> None:
        async with self.workload.session() if self.workload.session is not None else nullcontext():
            self._context = contextvars.copy_context()
            ready.set_result(None)
            await asyncio.Event().wait()

    async def _in_session(self, coroutine: Coroutine[Any, Any, None]) -> None:
        await asyncio.get_running_loop().create_task(coroutine, context=self._context)

    def _await(self, coroutine: Coroutine[Any, Any, None], timeout_s: float) -> None:
        assert self._loop is not None
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            wait_for(future, time.monotonic() + timeout_s)
        except BaseException:
            future.cancel()
            raise


async def _bounded(coroutine: Callable[[Any], Any], items: list[Any], results: list[Any], limit: int) -> None:
    """Fill `results`, with `limit` items in flight; the first failure cancels the others."""
    pending = iter(enumerate(items))

    async def work() -> None:
        for index, item in pending:
            try:
                results[index] = await coroutine(item)
            except BaseException as error:
                if _cancelled(error):
                    raise
                raise ItemFailed.of(index, error) from None

    tasks = [asyncio.create_task(work()) for _ in range(min(limit, len(items)))]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _cancelled(error: BaseException) -> bool:
    """Whether this task was asked to end, as against an item that raised CancelledError by itself."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


async def _end_all() -> None:
    """End what still runs on this loop, the session last, and what its generators and default executor hold."""
    loop = asyncio.get_running_loop()
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()
