"""Dask, joblib and scikit-learn on conc.ThreadPoolExecutor."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import conc


def needs(module: str) -> pytest.MarkDecorator:
    missing = importlib.util.find_spec(module) is None
    return pytest.mark.skipif(missing, reason=f"{module} is not installed here")


def name_of_thread(_: object = None) -> str:
    return threading.current_thread().name


# -- dask ------------------------------------------------------------------------------------------------------------


@needs("dask")
def test_dasks_local_scheduler() -> None:
    dask = importlib.import_module("dask")
    with conc.ThreadPoolExecutor(2, "dask") as pool, dask.config.set(pool=pool):
        squares = [dask.delayed(pow)(n, 2) for n in range(100)]
        assert dask.delayed(sum)(squares).compute(scheduler="threads") == sum(n * n for n in range(100))
        (name,) = dask.compute(dask.delayed(name_of_thread)(), scheduler="threads")
        assert name.startswith("dask_")
        with pytest.raises(ZeroDivisionError):
            dask.delayed(divmod)(1, 0).compute(scheduler="threads")


# -- joblib ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def joblib() -> Iterator[Any]:
    module = pytest.importorskip("joblib", reason="joblib is not installed here")
    conc.register_joblib_backend()
    yield module
    module.parallel.BACKENDS.pop("conc")


def test_joblib(joblib: Any) -> None:
    before = threading.active_count()
    with joblib.parallel_config(backend="conc", n_jobs=2):
        assert joblib.Parallel()(joblib.delayed(pow)(n, 2) for n in range(500)) == [n * n for n in range(500)]
        names = set(joblib.Parallel()(joblib.delayed(name_of_thread)() for _ in range(20)))
        assert names <= {"joblib_0", "joblib_1"}
        generator = joblib.Parallel(return_as="generator")(joblib.delayed(pow)(n, 2) for n in range(50))
        assert list(generator) == [n * n for n in range(50)]
    assert threading.active_count() == before


def test_joblib_with_an_error(joblib: Any) -> None:
    before = threading.active_count()
    with joblib.parallel_config(backend="conc", n_jobs=2):
        with pytest.raises(ZeroDivisionError):
            joblib.Parallel()(joblib.delayed(divmod)(1, n) for n in range(5, -200, -1))
        assert joblib.Parallel()(joblib.delayed(abs)(n) for n in (-1, -2)) == [1, 2]
    assert threading.active_count() == before


def test_joblibs_numbers_of_jobs(joblib: Any) -> None:
    def jobs(n: int | None) -> int:
        with joblib.parallel_config(backend="conc", n_jobs=n):
            return int(joblib.effective_n_jobs(n))

    assert jobs(3) == 3
    assert jobs(-1) == conc.cpu_count()
    assert jobs(-1000) == 1
    with joblib.parallel_config(backend="conc", n_jobs=1):
        assert joblib.Parallel()(joblib.delayed(name_of_thread)() for _ in range(2)) == ["MainThread"] * 2
    with pytest.raises(ValueError, match="no meaning"), joblib.parallel_config(backend="conc"):
        joblib.Parallel(n_jobs=0)(joblib.delayed(abs)(n) for n in (-1, -2))


def test_joblib_nested(joblib: Any) -> None:
    def inner(n: int) -> list[int]:
        return list(joblib.Parallel(n_jobs=2)(joblib.delayed(pow)(n, k) for k in range(3)))

    with joblib.parallel_config(backend="conc", n_jobs=2):
        assert joblib.Parallel()(joblib.delayed(inner)(n) for n in range(4)) == [[1, n, n * n] for n in range(4)]


@needs("threadpoolctl")
def test_inner_threads_are_limited(joblib: Any) -> None:
    numpy = pytest.importorskip("numpy", reason="NumPy is not installed here")
    threadpoolctl = importlib.import_module("threadpoolctl")

    def most(_: int) -> int:
        numpy.ones((50, 50)) @ numpy.ones((50, 50))
        return max((found["num_threads"] for found in threadpoolctl.threadpool_info()), default=0)

    before = most(0)
    with joblib.parallel_config(backend="conc", n_jobs=2, inner_max_num_threads=1):
        assert set(joblib.Parallel()(joblib.delayed(most)(n) for n in range(8))) <= {0, 1}
    with joblib.parallel_config(backend="conc", n_jobs=2):
        limit = max(conc.cpu_count() // 2, 1)
        assert max(joblib.Parallel()(joblib.delayed(most)(n) for n in range(8))) <= limit
    assert most(0) == before


@needs("sklearn")
def test_scikit_learn(joblib: Any) -> None:
    datasets = importlib.import_module("sklearn.datasets")
    ensemble = importlib.import_module("sklearn.ensemble")
    selection = importlib.import_module("sklearn.model_selection")
    x, y = datasets.make_classification(200, random_state=0)

    def scores(backend: str) -> list[float]:
        with joblib.parallel_config(backend=backend, n_jobs=2):
            forest = ensemble.RandomForestClassifier(10, random_state=0)
            return [float(score) for score in selection.cross_val_score(forest, x, y, cv=4)]

    assert scores("conc") == scores("sequential")


def test_without_joblib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "joblib", None)
    with pytest.raises(ImportError, match="joblib is not installed"):
        conc.register_joblib_backend()
