"""Subclasses of conc.Thread, in the ways that people make subclasses of threading.Thread; and its fields."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
import weakref
from collections import UserDict
from typing import Any

import pytest
from threads_support import HAS_GIL, held, started

import conc
from conc import kernels

THREAD_TYPES = pytest.mark.parametrize("thread_type", [threading.Thread, conc.Thread], ids=["threading", "conc"])


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody hears of a target that raises."""
    monkeypatch.setattr(threading, "excepthook", lambda args: None)


# -- constructors ---------------------------------------------------------------------------------------------------


class ByThreading(conc.Thread):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        threading.Thread.__init__(self, *args, **kwargs)


class BySuper(conc.Thread):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)


class ByName(conc.Thread):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        conc.Thread.__init__(self, *args, **kwargs)


class ByBoth(conc.Thread):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        threading.Thread.__init__(self)
        super().__init__(*args, **kwargs)


CONSTRUCTORS = pytest.mark.parametrize("made_by", [ByThreading, BySuper, ByName, ByBoth])


@CONSTRUCTORS
def test_constructors(made_by: type[conc.Thread]) -> None:
    results: list[Any] = []

    def target(*args: Any, **kwargs: Any) -> str:
        results.append((args, kwargs, threading.current_thread()))
        return "value"

    thread = made_by(target=target, name="given", args=(1, 2), kwargs={"three": 3})
    assert (thread.name, thread.daemon, thread.ident, thread.state) == ("given", False, None, None)
    thread.start()
    thread.join()
    assert results == [((1, 2), {"three": 3}, thread)]
    assert thread.result() == "value"
    assert (thread.is_alive(), thread.ended_by) == (False, conc.ThreadEnd.RETURNED)
    assert thread not in threading.enumerate()


@CONSTRUCTORS
def test_constructors_with_a_kernel(made_by: type[conc.Thread]) -> None:
    thread = made_by(target=kernels.prime_factors, args=(12,))
    thread.start()
    assert thread.result() == [2, 2, 3]


@CONSTRUCTORS
def test_constructors_with_what_is_new(made_by: type[conc.Thread]) -> None:
    thread = made_by(target=int)
    told: list[Any] = []
    thread.add_done_callback(told.append)
    with pytest.raises(RuntimeError, match="cannot stop thread before it is started"):
        thread.stop()
    thread.start()
    thread.join()
    assert told == [thread]
    assert thread.usage.wall_s
    assert thread.affinity is None


@pytest.mark.main_interpreter("daemon threads")
@CONSTRUCTORS
def test_constructors_of_daemons(made_by: type[conc.Thread]) -> None:
    inherited: list[bool] = []
    thread = made_by(target=lambda: inherited.append(made_by().daemon), daemon=True)
    thread.start()
    thread.join()
    assert inherited == [True]


@THREAD_TYPES
def test_names_count_up(thread_type: type[threading.Thread]) -> None:
    first, second = thread_type(), thread_type(target=held)
    number = int(first.name.removeprefix("Thread-"))
    assert second.name == f"Thread-{number + 1} (held)"


# -- without __init__ -----------------------------------------------------------------------------------------------


@THREAD_TYPES
@pytest.mark.parametrize("use", ["start", "join", "is_alive", "ident", "native_id", "daemon", "name", "repr"])
def test_use_before_init(thread_type: type[threading.Thread], use: str) -> None:
    """As threading's: an error, and no crash."""
    thread = thread_type.__new__(thread_type)
    call = (lambda: repr(thread)) if use == "repr" else (lambda: getattr(thread, use)())
    with pytest.raises((RuntimeError, AssertionError, AttributeError)):
        call()


@pytest.mark.parametrize("use", ["stop", "result", "exception", "add_done_callback", "__await__"])
def test_use_of_what_is_new_before_init(use: str) -> None:
    thread = conc.Thread.__new__(conc.Thread)
    with pytest.raises(RuntimeError, match=r"__init__\(\) not called"):
        getattr(thread, use)(*[print] * (use == "add_done_callback"))


def test_what_can_be_asked_before_init() -> None:
    thread = conc.Thread.__new__(conc.Thread)
    assert (thread.state, thread.ended_by, thread.node) == (None, None, None)


@THREAD_TYPES
def test_attributes_of_a_subclass_before_its_init(thread_type: type[threading.Thread]) -> None:
    class Early(thread_type):  # type: ignore[misc, valid-type]
        def __init__(self) -> None:
            self.mine = 3
            super().__init__(target=int)
            self.other = 4

    thread = Early()
    thread.start()
    thread.join()
    assert (thread.mine, thread.other) == (3, 4)


def test_init_of_a_thread_that_was_started() -> None:
    with held() as thread, pytest.raises(RuntimeError, match=r"__init__\(\) of a thread that was started"):
        thread.__init__(target=int)  # type: ignore[misc]


# -- run() ----------------------------------------------------------------------------------------------------------


@THREAD_TYPES
def test_run_overridden_in_each_way(thread_type: type[threading.Thread]) -> None:
    ran: list[str] = []

    class InClass(thread_type):  # type: ignore[misc, valid-type]
        def run(self) -> None:
            ran.append("in class")

    class CallsSuper(thread_type):  # type: ignore[misc, valid-type]
        def run(self) -> None:
            ran.append("before")
            super().run()
            ran.append("after")

    class Static(thread_type):  # type: ignore[misc, valid-type]
        @staticmethod
        def run() -> None:
            ran.append("static")

    def target() -> None:
        ran.append("target")

    on_object = thread_type(target=target)
    on_object.run = lambda: ran.append("on the object")  # type: ignore[method-assign]
    for thread in (InClass(target=target), CallsSuper(target=target), Static(target=target), on_object):
        thread.start()
        thread.join()
    assert ran == ["in class", "before", "target", "after", "static", "on the object"]


def test_the_value_of_run_is_the_result() -> None:
    class Adds(conc.Thread):
        def run(self) -> Any:
            return super().run() + 1

    thread = Adds(target=pow, args=(2, 3))
    thread.start()
    assert thread.result() == 9


def test_run_with_a_kernel_as_the_target_calls_it() -> None:
    class Counts(conc.Thread):
        def run(self) -> Any:
            return len(super().run())

    thread = Counts(target=kernels.prime_factors, args=(12,))
    thread.start()
    assert thread.result() == 3


@THREAD_TYPES
def test_run_is_called_by_hand(thread_type: type[threading.Thread]) -> None:
    ran: list[int] = []
    thread = thread_type(target=ran.append, args=(1,))
    thread.run()
    assert ran == [1]
    with pytest.raises(AttributeError):
        thread.run()
    assert thread.ident is None


# -- fields of threading's ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quiet")
@THREAD_TYPES
@pytest.mark.parametrize("field", ["_target", "_args", "_kwargs"])
def test_a_field_that_is_deleted_is_an_error_of_the_thread(thread_type: type[threading.Thread], field: str) -> None:
    thread = thread_type(target=int)
    delattr(thread, field)
    with pytest.raises(AttributeError):
        getattr(thread, field)
    thread.start()
    thread.join()
    assert not thread.is_alive()
    if isinstance(thread, conc.Thread):
        assert isinstance(thread.exception(), AttributeError)


@pytest.mark.parametrize("field", ["_target", "_args", "_kwargs"])
def test_a_kernel_without_its_fields_is_not_started_or_fails(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    thread = conc.Thread(target=kernels.sleep, args=(0,))
    delattr(thread, field)
    if field == "_target":  # then it is no kernel's thread any more
        thread.start()
        assert isinstance(thread.exception(), AttributeError)
        return
    with pytest.raises(RuntimeError, match="arguments are gone"):
        thread.start()
    assert thread.ident is None


@THREAD_TYPES
def test_fields_can_be_set_before_the_start(thread_type: type[threading.Thread]) -> None:
    results: list[Any] = []
    thread: Any = thread_type()
    thread._target = lambda *args, **kwargs: results.append((args, kwargs))
    thread._args = (1,)
    thread._kwargs = {"two": 2}
    thread.start()
    thread.join()
    assert results == [((1,), {"two": 2})]


@THREAD_TYPES
def test_arguments_in_a_list_that_threadings_constructor_keeps(thread_type: type[threading.Thread]) -> None:
    class Own(thread_type):  # type: ignore[misc, valid-type]
        def __init__(self, target: Any, args: Any) -> None:
            threading.Thread.__init__(self, target=target, args=args)

    results: list[Any] = []
    for target, args in [(results.append, [1]), (kernels.sleep, [0])]:
        thread = Own(target, args)
        thread.start()
        thread.join()
    assert results == [1]


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(("field", "value"), [("_args", 3), ("_kwargs", 3), ("_kwargs", {1: 2}), ("_target", 3)])
def test_fields_that_are_set_to_nonsense_crash_nothing(field: str, value: Any) -> None:
    for target in (print_nothing, kernels.sleep):
        thread = conc.Thread(target=target, args=(0,))
        setattr(thread, field, value)
        try:
            thread.start()
        except (TypeError, RuntimeError):
            assert thread.ident is None
        else:
            thread.join()


def print_nothing(*args: object, **kwargs: object) -> None:
    """A target."""


def test_the_target_is_gone_when_it_has_been_called() -> None:
    class Target:
        def __call__(self) -> None:
            pass

    target = Target()
    seen = weakref.ref(target)
    thread = started(target)
    thread.join()
    del target
    if not HAS_GIL:
        gc.collect()
    assert seen() is None
    assert not hasattr(thread, "_target")


@THREAD_TYPES
def test_keyword_arguments_of_any_mapping(thread_type: type[threading.Thread]) -> None:
    results: list[Any] = []
    kwargs: Any = UserDict(key=1)
    thread = thread_type(target=lambda **kwargs: results.append(kwargs), kwargs=kwargs)
    thread.start()
    thread.join()
    assert results == [{"key": 1}]


# -- copies ---------------------------------------------------------------------------------------------------------


@THREAD_TYPES
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_cannot_be_pickled(thread_type: type[threading.Thread], protocol: int) -> None:
    with pytest.raises((TypeError, ValueError, pickle.PicklingError)):
        pickle.dumps(thread_type(target=int), protocol)


def test_it_cannot_be_copied() -> None:
    """A copy of threading.Thread shares its events; one of ours would share nothing, and be no copy."""
    for copied in (copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot pickle"):
            copied(conc.Thread(target=int))


# -- as an object ---------------------------------------------------------------------------------------------------


def test_it_can_be_referred_to_weakly_and_hashed() -> None:
    thread = conc.Thread(target=int)
    seen = weakref.WeakSet([thread])
    assert thread in seen
    assert {thread: 1}[thread] == 1
    assert thread != conc.Thread(target=int)


def test_mixed_with_another_class() -> None:
    class Mixin:
        def __init__(self, *args: Any, mixed: int, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.mixed = mixed

    class Mixed(Mixin, conc.Thread):
        pass

    thread = Mixed(target=pow, args=(2, 3), mixed=5)
    thread.start()
    assert (thread.result(), thread.mixed) == (8, 5)


def test_a_cycle_through_a_subclass_is_collected() -> None:
    class Cyclic(conc.Thread):
        def run(self) -> None:
            self.itself = self

    thread = Cyclic()
    thread.start()
    thread.join()
    seen = weakref.ref(thread)
    del thread
    gc.collect()
    assert seen() is None


@pytest.mark.usefixtures("quiet")
@THREAD_TYPES
def test_an_attribute_that_raises_is_an_error_of_the_thread(thread_type: type[threading.Thread]) -> None:
    class Broken(thread_type):  # type: ignore[misc, valid-type]
        @property
        def run(self) -> Any:
            raise LookupError("no run here")

    thread = Broken()
    thread.start()
    thread.join()
    assert not thread.is_alive()
    assert thread not in threading.enumerate()
