# ruff: noqa: E501  (a row of a table is a line)
"""However an array lies in memory, whatever its dtype and size: the same bits, NumPy's numbers, and it is left alone."""

import numpy as np
import pytest
from test_native_kernels import same

import chainrule as cr
from chainrule import execute
from chainrule.errors import ChainruleError

DTYPES = ("f8", "f4", "i8", "i4", "?")
SHAPES = ((7,), (5, 3), (2, 3, 4), (1, 9), (), (0,), (3, 0), (0, 4))


def unaligned(x):
    raw = np.zeros(x.nbytes + 1, np.uint8)[1:]
    raw[:] = np.frombuffer(x.tobytes(), np.uint8)
    return raw.view(x.dtype).reshape(x.shape)


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


def with_gaps(x):
    found = np.full([2 * n + 1 for n in x.shape], 77, x.dtype)
    found[tuple(slice(1, None, 2) for _ in x.shape)] = x
    return found[tuple(slice(1, None, 2) for _ in x.shape)]


def mapped(x):
    return np.frombuffer(bytes(x.tobytes()) + b"\0" * 8, x.dtype, x.size).reshape(x.shape)


LAYOUTS = {
    "as it is": np.copy, "transposed": lambda x: x.T.copy().T, "by columns": lambda x: x.copy(order="F"),
    "with gaps": with_gaps, "backwards": lambda x: x[(slice(None, None, -1),) * x.ndim].copy()[(slice(None, None, -1),) * x.ndim],
    "unaligned": unaligned, "read-only": read_only, "of bytes": mapped, "swapped bytes": lambda x: x.astype(x.dtype.newbyteorder()),
    "a part of a larger one": lambda x: np.pad(x, 2)[(slice(2, -2),) * x.ndim],
}  # fmt: skip


def mixed_up(x, k):
    """A bit of everything: by elements, moved, summed, gathered."""
    y = np.where(x > 1, x * 2, x + k)
    return y, np.sum(y), y.T * 1.5, y.reshape(-1)[::-1] + np.cumsum(x.T.reshape(-1))


def loss(x, k):
    return np.sum(np.sin(x) * x) + np.sum(np.cumsum(x.reshape(-1))) + np.sum(x.T**2) * k


def in_both(make, *args):
    """What the NumPy executor says, and a function that runs natively."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(execute, "_compilers", [])
        expected = flat(make()(*args))
    return expected, make()


def flat(result):
    return [y for part in result for y in flat(part)] if isinstance(result, (tuple, list)) else [result]


def assert_bits(found, expected):
    for y, z in zip(flat(found), expected, strict=True):
        assert (type(y), y.dtype, y.shape, y.tobytes()) == (type(z), z.dtype, z.shape, z.tobytes())


MAKES = {
    "compile": lambda: cr.compile(lambda x, k: mixed_up(x, k)),
    "grad": lambda: cr.value_and_grad(lambda x, k: loss(x, k), wrt=(0, 1)),
    "hvp": lambda: lambda x, k: cr.hvp(loss)(x, k, x),
}


def every_layout_gives_the_same(make, x):
    expected, f = in_both(make, x, 2.0)
    first = flat(f(x, 2.0))
    same(first, expected, 12 if x.dtype == np.float64 else 5)
    for _, lay in sorted(LAYOUTS.items()):
        there = lay(x)
        before = there.tobytes()
        for _ in range(2):  # the second time without Python in between, where that can be
            found = flat(f(there, 2.0))
            assert_bits(found, first)
            assert all(y.flags.owndata and y.flags.writeable for y in found if isinstance(y, np.ndarray))
            assert not any(np.shares_memory(y, there) for y in found)
        assert there.tobytes() == before


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_values_of_arrays_however_they_lie(dtype, shape):
    x = np.asarray(np.random.default_rng(0).normal(size=shape) * 3).astype(dtype)
    every_layout_gives_the_same(MAKES["compile"], x)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("name", ["grad", "hvp"])
def test_derivatives_at_arrays_however_they_lie(name, dtype, shape):
    x = np.asarray(np.random.default_rng(0).normal(size=shape) * 3).astype(dtype)
    every_layout_gives_the_same(MAKES[name], x)


def test_a_way_to_read_that_forgets_the_layout_is_seen(monkeypatch):
    from chainrule.native import run

    monkeypatch.setattr(run.np, "require", lambda x, *how: np.asarray(x))
    with pytest.raises(AssertionError):
        every_layout_gives_the_same(MAKES["compile"], np.arange(15.0).reshape(5, 3))


def test_special_values_go_through_as_in_numpy():
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, -1e-310, 1e308, 1.0])
    column = special[:, None]

    def f(x, y):
        return (
            np.arctan2(x, y), np.broadcast_to(y, (9, 9)) * 1.0, -y,
            np.maximum(x, 2.0), np.where(y == 0, y, 1 / y), y.T.reshape(9, 1), x[::-1], np.concatenate([x, -x]),
        )  # fmt: skip

    expected, native = in_both(lambda: cr.compile(lambda x, y: f(x, y)), special, column)
    with np.errstate(all="ignore"):
        plain = [np.asarray(y) for y in f(special, column)]
    for found in (flat(native(special, column)), expected):
        for y, z in zip(found, plain, strict=True):
            np.testing.assert_array_equal(np.isnan(y), np.isnan(z))
            np.testing.assert_allclose(y, z, rtol=1e-15)
            known = ~np.isnan(z)
            np.testing.assert_array_equal(np.signbit(y[known]), np.signbit(z[known]))


class Sub(np.ndarray):
    pass


@pytest.mark.parametrize(
    "x",
    [np.arange(3.0).view(Sub), np.ma.masked_array([1.0, 2.0, 3.0], [0, 1, 0]), np.array([1, 2, 3], object),
     np.array(["a"]), np.array([1 + 2j])],
    ids=["subclass", "masked", "objects", "words", "complex"],
)  # fmt: skip
def test_what_computes_otherwise_is_refused_also_after_arrays_of_the_same_shape(x):
    f = cr.grad(lambda x: np.sum(x * x))
    for _ in range(3):
        np.testing.assert_array_equal(f(np.arange(3.0)), [0, 2, 4])
    for _ in range(2):
        with pytest.raises(ChainruleError):
            f(x)


def test_the_same_array_twice_and_views_of_one_array():
    f = cr.grad(lambda x, y: np.sum(x * y * y), wrt=(0, 1))
    x = np.arange(1.0, 6.0)
    for _ in range(3):
        dx, dy = f(x, x)
        np.testing.assert_array_equal(dx, x * x)
        np.testing.assert_array_equal(dy, 2 * x * x)
        dx, dy = f(x[:4], x[1:])
        np.testing.assert_array_equal(dx, x[1:] ** 2)
        np.testing.assert_array_equal(dy, 2 * x[:4] * x[1:])
    step = cr.compile(lambda x: (x, x, x.T, x[::-1] * 0.5))
    for _ in range(3):
        found = step(x)
        for n, y in enumerate(found):
            y += 1.0  # belongs to the caller
            assert not any(np.shares_memory(y, z) for z in (x, *found[n + 1 :]))
        np.testing.assert_array_equal(x, np.arange(1.0, 6.0))
        x[:] = step(x)[0]
        np.testing.assert_array_equal(x, np.arange(1.0, 6.0))
