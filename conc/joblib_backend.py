"""joblib on ``conc.ThreadPoolExecutor``: a backend named "conc"."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

from conc.cpus import cpu_count
from conc.executors import Future, ThreadPoolExecutor

NAME = "conc"


class _OnThreads:
    """A pool of native threads for each ``Parallel``, made with its first batch; joblib's bases are added below."""

    supports_retrieve_callback = True
    supports_inner_max_num_threads = True
    supports_sharedmem = True
    uses_threads = True

    nesting_level: int | None
    inner_max_num_threads: int | None
    parallel: Any
    reset_batch_stats: Callable[[], None]

    _pool: ThreadPoolExecutor | None = None
    _limits: Any = None
    _n_jobs: int

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """As many workers as asked for; -1: the CPUs that this process may use, -2: one fewer, and so on."""
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        if n_jobs is None:
            return 1
        return n_jobs if n_jobs > 0 else max(cpu_count() + 1 + n_jobs, 1)

    def configure(self, n_jobs: int = 1, parallel: Any = None, **_: Any) -> int:
        """Called before the first batch; a single worker is none at all."""
        backends: Any = importlib.import_module("joblib._parallel_backends")
        n_jobs = self.effective_n_jobs(n_jobs)
        if n_jobs == 1:
            raise backends.FallbackToBackend(backends.SequentialBackend(nesting_level=self.nesting_level))
        self.parallel = parallel
        self._n_jobs = n_jobs
        self._limit_inner_threads(n_jobs)
        return n_jobs

    def _limit_inner_threads(self, n_jobs: int) -> None:
        """BLAS and OpenMP start threads of their own in every worker; all together are not to be more than CPUs."""
        try:
            threadpoolctl: Any = importlib.import_module("threadpoolctl")
        except ImportError:
            if self.inner_max_num_threads is not None:
                raise ImportError("inner_max_num_threads needs threadpoolctl: pip install 'conc[joblib]'") from None
            return
        self._limits = threadpoolctl.threadpool_limits(self.inner_max_num_threads or max(cpu_count() // n_jobs, 1))

    def submit(self, func: Callable[[], Any], callback: Callable[[Future[Any]], object] | None = None) -> Future[Any]:
        """Queue one batch; `callback` gets its future when it is done."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._n_jobs, "joblib")
        future = self._pool.submit(func)
        if callback is not None:
            future.add_done_callback(callback)
        return future

    apply_async = submit  # joblib up to 1.4

    def retrieve_result_callback(self, out: Future[Any]) -> Any:
        """What the batch gave, or raise what it raised."""
        return out.result()

    def terminate(self) -> None:
        """The end of a ``Parallel``: no thread is left, and BLAS has its threads again."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None
        if self._limits is not None:
            self._limits.restore_original_limits()
            self._limits = None
        self.reset_batch_stats()
        self.parallel = None

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """After an error: drop what has not begun."""
        parallel = self.parallel
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        self.terminate()
        if ensure_ready:
            self.configure(n_jobs=parallel.n_jobs, parallel=parallel)


@functools.cache
def _backend_class() -> type:
    """With joblib's bases, which are imported only where they are asked for."""
    joblib: Any = importlib.import_module("joblib.parallel")
    bases = (_OnThreads, joblib.AutoBatchingMixin, joblib.ParallelBackendBase)
    return type("ConcBackend", bases, {"__module__": __name__})


def register_joblib_backend() -> None:
    """Make "conc" a name of a backend for joblib, and so for scikit-learn.

    Its workers are native threads, as many as `n_jobs`. While a ``Parallel`` runs, BLAS and OpenMP are limited to
    `inner_max_num_threads`, or to as many threads that all workers' together are no more than CPUs, if threadpoolctl is
    installed.

    Raises:
        ImportError: joblib is not installed: ``pip install 'conc[joblib]'``.

    Example:
        >>> import joblib  # doctest: +SKIP
        >>> register_joblib_backend()  # doctest: +SKIP
        >>> with joblib.parallel_config(backend="conc", n_jobs=2):  # doctest: +SKIP
        ...     joblib.Parallel()(joblib.delayed(pow)(2, n) for n in range(3))
        [1, 2, 4]
    """
    try:
        joblib: Any = importlib.import_module("joblib")
    except ImportError:
        raise ImportError("joblib is not installed: pip install 'conc[joblib]'") from None
    joblib.register_parallel_backend(NAME, _backend_class())
