# ruff: noqa: E501
"""Recordings are made once, found again when they are right, let go when they are not; from many threads at once."""

import contextlib
import gc
import sys
import threading
import tracemalloc
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from evidence import module

import chainrule as cr
from chainrule.errors import ChainruleError


class Counted:
    """A function that counts how often Python runs it; hidden from the recording by a profile hook."""

    def __init__(self, function):
        self.function, self.runs = function, 0

    def during(self, call):
        code = self.function.__code__

        def look(frame, event, _):
            if event == "call" and frame.f_code is code:
                self.runs += 1

        before = self.runs
        old = sys.getprofile()
        sys.setprofile(look)
        try:
            call()
        finally:
            sys.setprofile(old)
        return self.runs - before


def counted(function):
    return Counted(function).during


def test_a_function_is_run_once_and_found_again():
    f = lambda x: np.sum(np.sin(x) ** 2)  # noqa: E731
    runs = counted(f)
    d = cr.grad(f)
    assert runs(lambda: d(np.ones(3))) == 1
    assert runs(lambda: [d(np.full(3, float(i))) for i in range(5)]) == 0


@pytest.mark.parametrize("reader", ["grad", "value_and_grad", "jacobian", "hessian", "hvp", "jvp", "vjp", "vmap"])
def test_all_readers_share_one_recording(reader):
    f = lambda x: np.sum(np.sin(x) ** 2)  # noqa: E731
    runs = counted(f)
    x = np.ones(3)
    assert runs(lambda: cr.grad(f)(x)) == 1
    use = {
        "hvp": lambda: cr.hvp(f)(x, x),
        "jvp": lambda: cr.jvp(f, (x,), (x,)),
        "vjp": lambda: cr.vjp(f, x)[1](1.0),
        "vmap": lambda: cr.vmap(f)(np.ones((2, 3))),
    }.get(reader, lambda: getattr(cr, reader)(f)(x))
    assert runs(use) == 0
    assert runs(use) == 0


def test_new_wrappers_of_one_function_find_its_recordings():
    f = lambda x: np.sum(x**2)  # noqa: E731
    runs = counted(f)
    assert runs(lambda: [cr.grad(f)(np.ones(3)) for _ in range(4)]) == 1


CHANGES = {
    "another length": (np.ones(3), np.ones(4)),
    "another rank": (np.ones(3), np.ones((3, 1))),
    "no axes": (np.ones(3), np.float64(1.0)),
    "float32": (np.ones(3), np.ones(3, np.float32)),
    "float16": (np.ones(3), np.ones(3, np.float16)),
    "a Python float": (np.float64(2.0), 2.0),
    "another byte order": (np.ones(3), np.ones(3, ">f8")),
    "a list of arrays": (np.ones(3), [np.ones(3), np.ones(3)]),
    "a longer list": ([np.ones(3)], [np.ones(3), np.ones(3)]),
    "a tuple": ([np.ones(3)], (np.ones(3),)),
    "a dict": ({"a": np.ones(3)}, {"b": np.ones(3)}),
    "another order of keys": ({"a": np.ones(3), "b": np.ones(2)}, {"b": np.ones(2), "a": np.ones(3)}),
    "deeper": ([np.ones(3)], [[np.ones(3)]]),
    "empty": (np.ones(3), np.ones(0)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_another_shape_dtype_or_structure_is_another_recording(name):
    def f(x):
        leaves = [x]
        while any(isinstance(v, (list, tuple, dict)) for v in leaves):
            leaves = [
                u
                for v in leaves
                for u in (v.values() if isinstance(v, dict) else v if isinstance(v, (list, tuple)) else [v])
            ]
        return sum((i + 1.0) * np.sum(v**2) / (1 + np.size(v)) for i, v in enumerate(leaves))

    one, two = CHANGES[name]
    d = cr.value_and_grad(f)
    for x in (one, two, one, two):
        value, slope = d(x)
        np.testing.assert_allclose(value, f(x), rtol=1e-3)
        assert type(slope) is type(x) or not isinstance(x, (list, tuple, dict))
        if isinstance(x, np.ndarray):
            assert slope.dtype == x.dtype.newbyteorder("=")
            assert slope.shape == x.shape


def test_layout_is_no_matter():
    f = lambda A: np.sum(np.sin(A) @ np.ones(3))  # noqa: E731
    runs = counted(f)
    d = cr.grad(f)
    A = np.arange(6.0).reshape(2, 3)
    expected = d(A)
    np.testing.assert_allclose(expected, np.cos(A), rtol=1e-15)
    for B in (
        np.asfortranarray(A),
        A.T.copy().T,
        np.repeat(A, 2, axis=1)[:, ::2],
        A[::-1][::-1],
        np.broadcast_to(A, (2, 3)),
    ):
        assert runs(lambda B=B: np.testing.assert_array_equal(d(B), expected)) == 0
    frozen = A.copy()
    frozen.flags.writeable = False
    np.testing.assert_array_equal(d(frozen), expected)


def test_other_static_values_are_other_recordings_and_the_same_are_found_again():
    f = lambda x, mode: np.sum(x**2) if mode == "a" else np.sum(x**3)  # noqa: E731
    runs = counted(f)
    d = cr.grad(f)
    x = np.ones(2)
    assert runs(lambda: d(x, "a")) == 1
    assert runs(lambda: d(x, "b")) == 1
    assert runs(lambda: [d(x, "a"), d(x, "b")]) == 0
    np.testing.assert_array_equal(d(x, "b"), [3.0, 3.0])


def test_a_whole_number_is_part_of_the_key_and_one_of_numpy_is_an_input():
    f = lambda x, n: np.sum(x * n)  # noqa: E731
    runs = counted(f)
    d = cr.grad(f)
    for n in (0, 1, 7, True, 1.0):
        np.testing.assert_array_equal(d(np.ones(2), n), [n, n])
    assert runs(lambda: [d(np.ones(2), n) for n in (0, 1, 7)]) == 0
    d(np.ones(2), np.int64(0))
    assert runs(lambda: [d(np.ones(2), np.int64(i)) for i in range(1, 6)]) == 0


def test_many_whole_numbers_stay_within_bounds():
    d = cr.grad(lambda x, n: np.sum(x) * n)
    assert left_behind(lambda i: d(np.ones(2), i)) < 150_000


def test_an_integer_beyond_int64_is_right_or_refused():
    f = lambda x, n: x * n  # noqa: E731
    with contextlib.suppress(ChainruleError, OverflowError):
        assert cr.grad(f)(2.0, 2**70) == 2.0**70


def test_two_recordings_that_a_guard_tells_apart_are_both_kept():
    user = module("mode = 'a'\ndef f(x): return np.sum(x ** 2) if mode == 'a' else np.sum(x ** 3)\n")
    runs = counted(user.f)
    d = cr.grad(user.f)
    x = np.ones(2)
    runs(lambda: d(x))
    user.mode = "b"
    runs(lambda: d(x))
    total = 0
    for user.mode in "abab":
        total += runs(lambda: d(x))
        np.testing.assert_array_equal(d(x), [2.0, 2.0] if user.mode == "a" else [3.0, 3.0])
    assert total <= 0 + 4  # the copies that are recorded have the same code object


def left_behind(work, n=60):
    """Bytes by which memory still grows in n rounds of work, once what may be kept is full."""
    tracemalloc.start()
    try:
        for i in range(100):
            work(i)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        for i in range(n):
            work(1000 + i)
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def test_many_shapes_of_one_function_stay_within_bounds():
    f = lambda x: np.sum(np.sin(x))  # noqa: E731
    d = cr.grad(f)
    assert left_behind(lambda i: d(np.ones(1 + i % 97))) < 150_000
    np.testing.assert_array_equal(d(np.zeros(3)), np.ones(3))


def test_many_values_of_a_guard_stay_within_bounds():
    user = module("k = 0\ndef f(x): return np.sum(x) * k\n")
    d = cr.grad(user.f)

    def work(i):
        user.k = i
        assert d(np.ones(2))[0] == i

    assert left_behind(work) < 150_000


def test_many_static_values_stay_within_bounds():
    f = lambda x, s: np.sum(x) * len(s)  # noqa: E731
    d = cr.grad(f)
    assert left_behind(lambda i: d(np.ones(2), "s" * i)) < 150_000


def test_many_objects_as_arguments_are_not_kept_alive():
    class Thing:
        def __init__(self, k):
            self.k, self.big = k, bytearray(10_000)

    def f(x, thing):
        return np.sum(x) * thing.k

    d = cr.grad(f)
    kept = []
    for i in range(200):
        thing = Thing(i)
        kept.append(weakref.ref(thing))
        np.testing.assert_array_equal(d(np.ones(2), thing), [i, i])
        del thing
    gc.collect()
    assert sum(r() is not None for r in kept) <= 130


def test_an_object_that_takes_the_place_of_a_dead_one_is_not_taken_for_it():
    class Thing:
        def __init__(self, k):
            self.k = k

        def loss(self, x):
            return np.sum(x) * self.k

        def __call__(self, x):
            return np.sum(x) * self.k

    def f(x, thing):
        return np.sum(x) * thing.k

    d = cr.grad(f)
    for i in range(20):
        assert d(np.ones(2), Thing(i))[0] == i
        assert cr.grad(Thing(i).loss)(np.ones(2))[0] == i
        assert cr.grad(Thing(i))(np.ones(2))[0] == i
        if i % 5 == 0:
            gc.collect()


def test_lambdas_are_garbage_once_nobody_holds_them():
    kept = []
    for i in range(20):
        f = lambda x, i=i: np.sum(x) * i  # noqa: E731
        assert cr.grad(f)(np.ones(2))[0] == i
        cr.hessian(f)(np.ones(2))
        cr.vmap(f)(np.ones((2, 2)))
        kept.append(weakref.ref(f))
        del f
    gc.collect()
    assert sum(r() is not None for r in kept) == 0


def test_many_lambdas_leave_no_memory_behind():
    def work(i):
        y = np.ones(500)
        cr.grad(lambda x: np.sum(x * y) * i)(y)

    assert left_behind(work) < 150_000


def test_many_partials_and_objects_leave_little_memory_behind():
    import functools

    def g(a, x):
        return np.sum(a * x)

    def work(i):
        a = np.full(2000, float(i))
        assert cr.grad(functools.partial(g, a))(np.ones(2000))[0] == i

    assert left_behind(work) < 150_000


def test_a_model_is_garbage_once_nobody_holds_it():
    class Model:
        def __init__(self):
            self.X = np.ones((50, 3))

        def loss(self, w):
            return np.sum((self.X * 2) @ w)

    kept = []
    for _ in range(100):
        model = Model()
        cr.grad(model.loss)(np.ones(3))
        kept.append(weakref.ref(model))
        del model
    gc.collect()
    assert sum(r() is not None for r in kept) <= 70


def test_nested_recordings_leave_no_memory_behind():
    def f(x, a):
        return cr.grad(lambda y: y**2 * x)(x) * a

    d = cr.grad(f)
    assert left_behind(lambda i: d(2.0, float(i))) < 150_000


def test_inner_functions_made_anew_at_each_call_are_recorded_once_with_the_outer_one():
    def f(x):
        return cr.grad(lambda y: y**2 * x)(x)

    runs = counted(f)
    d = cr.grad(f)
    assert runs(lambda: d(2.0)) == 1
    assert runs(lambda: [d(3.0), d(4.0)]) == 0


# --- threads ------------------------------------------------------------------------------------------------------------


def in_threads(work, n=8):
    """Run work(i) in n threads that start together; its exceptions are raised here."""
    start = threading.Barrier(n)

    def run(i):
        start.wait(10)
        return work(i)

    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(run, range(n)))


@pytest.fixture(autouse=True)
def quick_switches():
    """Threads change places as often as they can."""
    old = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(old)


def test_threads_that_record_one_function_at_once_all_get_the_right_answer():
    for _ in range(5):
        f = lambda x: np.sum(np.sin(x) * np.cumsum(x))  # noqa: E731
        expected = {n: cr.grad(lambda x: np.sum(np.sin(x) * np.cumsum(x)))(np.linspace(0, 1, n)) for n in range(1, 9)}
        d = cr.grad(f)
        found = in_threads(lambda i, d=d: [d(np.linspace(0, 1, 1 + (i + k) % 8)) for k in range(8)])
        for i, results in enumerate(found):
            for k, result in enumerate(results):
                np.testing.assert_allclose(result, expected[1 + (i + k) % 8])


def test_threads_that_record_many_functions_at_once_do_not_mix_them():
    def work(i):
        out = []
        for k in range(10):
            f = lambda x, i=i, k=k: np.sum(x**2) * (i + 1) + x[0] * k  # noqa: E731
            out.append(cr.grad(f)(np.array([1.0, 2.0])))
        return out

    for i, results in enumerate(in_threads(work)):
        for k, g in enumerate(results):
            np.testing.assert_array_equal(g, [2.0 * (i + 1) + k, 4.0 * (i + 1)])


def test_threads_nest_each_in_its_own_way():
    def work(i):
        return [cr.grad(lambda x: x * cr.grad(lambda y: (i + 1.0) * x * y**2)(x))(float(k)) for k in range(5)]

    for i, results in enumerate(in_threads(work)):
        np.testing.assert_allclose(results, [6.0 * (i + 1) * k**2 for k in range(5)])


def test_threads_that_change_what_is_read_see_their_own_arguments():
    user = module("s = 1.0\ndef f(x): return np.sum(x) * s\n")
    d = cr.value_and_grad(user.f)
    stop = threading.Event()

    def change():
        i = 0
        while not stop.is_set():
            i += 1
            user.s = float(i % 3)

    t = threading.Thread(target=change)
    t.start()
    try:
        results = in_threads(lambda i: [d(np.full(3, i + 1.0)) for _ in range(20)], 4)
    finally:
        stop.set()
        t.join()
    for i, found in enumerate(results):
        for value, slope in found:
            assert value / (3 * (i + 1.0)) in (0.0, 1.0, 2.0)
            assert slope[0] in (0.0, 1.0, 2.0)
            assert value == 3 * (i + 1.0) * slope[0]


def test_a_thread_that_fails_does_not_disturb_the_others():
    def good(x):
        return np.sum(x**2)

    def bad(x):
        if np.sum(x) > 0:
            return x[0]
        return x[1]

    def work(i):
        for _ in range(10):
            if i % 2:
                with pytest.raises(ChainruleError):
                    cr.grad(bad)(np.ones(2))
            else:
                np.testing.assert_array_equal(cr.grad(good)(np.ones(2 + i)), np.full(2 + i, 2.0))

    in_threads(work)


def test_a_stand_in_used_in_another_thread_is_refused_or_right():
    user = module(
        """
        import threading
        def f(x):
            out = []
            t = threading.Thread(target=lambda: out.append(np.sin(x)))
            t.start(); t.join()
            return np.sum(out[0])
        """
    )
    old, threading.excepthook = threading.excepthook, lambda args: None
    try:
        g = cr.grad(user.f)(np.ones(2))
    except (ChainruleError, IndexError):
        return
    finally:
        threading.excepthook = old
    np.testing.assert_allclose(g, np.cos(np.ones(2)))


# --- failing ------------------------------------------------------------------------------------------------------------


class Trouble(Exception):
    pass


def failing(kind):
    user = module(
        """
        import chainrule as cr
        fail = True
        class Trouble(Exception): pass
        def inner(y):
            if fail: raise kind("inside")
            return np.sum(y ** 2)
        def f(x): return np.sum(cr.grad(inner)(x) * x)
        """
    )
    user.kind = kind
    return user


@pytest.mark.parametrize(
    "kind", [ValueError, KeyboardInterrupt, SystemExit, Trouble, StopIteration, MemoryError, GeneratorExit]
)
def test_an_exception_while_recording_is_the_users_and_leaves_a_clean_state(kind):
    user = failing(kind)
    x = np.ones(2)
    for reader in (
        lambda: cr.grad(user.f)(x),
        lambda: cr.vmap(user.f)(np.ones((2, 2))),
        lambda: cr.jvp(user.f, (x,), (x,)),
    ):
        with pytest.raises(kind, match="inside"):
            reader()
        np.testing.assert_array_equal(cr.grad(lambda y: np.sum(y**2))(x), [2.0, 2.0])  # not inside of anything
    user.fail = False
    np.testing.assert_array_equal(cr.grad(user.f)(x), [4.0, 4.0])
    user.fail = True
    with pytest.raises(kind):
        cr.grad(user.f)(x)


def test_the_users_exception_keeps_its_traceback_to_the_users_line():
    user = failing(ValueError)
    with pytest.raises(ValueError, match="inside") as error:
        cr.grad(user.f)(np.ones(2))
    assert error.traceback[-1].name == "inner"


def test_recursion_without_end_is_a_recursion_error_and_the_next_call_works():
    def f(x):
        return f(x + 1)

    with pytest.raises(RecursionError):
        cr.grad(f)(1.0)
    assert cr.grad(lambda x: x**2)(3.0) == 6.0


def test_derivatives_of_themselves_without_end_are_a_recursion_error():
    def f(x):
        return cr.grad(f)(x)

    with pytest.raises((RecursionError, ChainruleError)):
        cr.grad(f)(1.0)
    assert cr.grad(lambda x: x**2)(3.0) == 6.0


def test_a_long_chain_is_no_recursion():
    def f(x):
        for _ in range(3000):
            x = np.sin(x) + 1.0
        return x

    value, slope = cr.value_and_grad(f)(0.5)
    assert value == f(0.5)
    assert np.isfinite(slope)
    assert "sin" in str(cr.trace(f, 0.5))


def test_a_generator_function_as_the_function_is_refused():
    def f(x):
        yield np.sum(x)

    with pytest.raises(ChainruleError) as letter:
        cr.grad(f)(np.ones(2))
    assert "generator" in str(letter.value)


def test_a_coroutine_as_the_function_is_refused():
    async def f(x):
        return np.sum(x)

    with pytest.raises(ChainruleError) as letter:
        cr.grad(f)(np.ones(2))
    assert "coroutine" in str(letter.value)


def test_a_generator_that_a_function_closes_early_leaves_a_clean_state():
    def f(x):
        def steps():
            try:
                while True:
                    yield np.sum(x**2)
            finally:
                np.sin(x)

        s = steps()
        total = next(s) + next(s)
        s.close()
        return total

    np.testing.assert_array_equal(cr.grad(f)(np.ones(2)), [4.0, 4.0])


def test_a_failed_recording_changes_neither_arrays_nor_globals():
    user = module(
        """
        A, count = np.ones(3), [0]
        def f(x):
            y = x * A
            y[0] = 5.0
            raise ValueError("late")
        """
    )
    x = np.ones(3)
    names = set(user.__dict__)
    with pytest.raises(ValueError, match="late"):
        cr.grad(user.f)(x)
    np.testing.assert_array_equal(x, np.ones(3))
    np.testing.assert_array_equal(user.A, np.ones(3))
    assert set(user.__dict__) == names
    assert user.A.flags.writeable


def test_a_recording_leaves_no_trace_of_itself_on_what_it_read():
    user = module(
        """
        class Model:
            k = 2.0
            def __init__(self): self.X = np.ones(3)
            def loss(self, w): return np.sum(self.X * w) * helper(self.k) * len(settings["names"])
        def helper(k): return k * 1.0
        settings = {"names": ["a"]}
        model = Model()
        """
    )
    before = dict(vars(user.model)), dict(vars(user.Model)), dict(vars(user)), user.model.__class__
    cr.grad(user.model.loss)(np.ones(3))
    assert dict(vars(user.model)) == before[0]
    assert dict(vars(user.Model)) == before[1]
    assert dict(vars(user)) == before[2]
    assert user.model.__class__ is before[3]
    assert set(vars(user.helper)) <= {"__chainrule__"}


def test_functions_that_can_be_called_can_be_recorded():
    import functools

    class C:
        def __call__(self, x):
            return np.sum(x**2)

        def m(self, x):
            return np.sum(x**2)

        @staticmethod
        def s(x):
            return np.sum(x**2)

        @classmethod
        def c(cls, x):
            return np.sum(x**2)

    def two(a, x):
        return a * np.sum(x**2)

    functions = [
        C(),
        C().m,
        C.s,
        C.c,
        C().s,
        functools.partial(two, 1.0),
        lambda x: np.sum(x**2),
        functools.lru_cache(None)(C.s).__wrapped__,
    ]
    for f in functions:
        np.testing.assert_array_equal(cr.grad(f)(np.ones(2)), [2.0, 2.0])
    np.testing.assert_array_equal(cr.grad(np.sum)(np.ones(2)), [1.0, 1.0])
    np.testing.assert_array_equal(cr.grad(np.linalg.norm)(np.array([3.0, 4.0])), [0.6, 0.8])
    np.testing.assert_array_equal(cr.vmap(np.dot, in_axes=(0, None))(np.eye(2), np.ones(2)), [1.0, 1.0])
    import math

    assert cr.grad(math.sin)(0.0) == 1.0
    import scipy.special

    assert cr.grad(scipy.special.expit)(0.0) == 0.25
    assert cr.grad(np.sin)(0.0) == 1.0
