# ruff: noqa: E501  (a row of a table is a line)
"""Bad input: a short letter that says what happened, where in the user's code, and what to try. Never a wrong answer."""

import contextlib
import inspect
import os
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
from evidence import frames, module

import chainrule as cr
from chainrule import errors
from chainrule.errors import ArgumentError, CaptureError, ChainruleError, DtypeError, ShapeError, ValueNeededError

A23, A45 = np.ones((2, 3)), np.ones((4, 5))

# (body of f, arguments of the call, type of the error, what the letter says); the call is cr.grad(f)(*arguments)
SHAPES = {
    "matmul": ("np.sum(x @ w)", (A23, A45), ShapeError, ["float64[2,3]", "float64[4,5]", "x @ w"]),
    "np.matmul": ("np.sum(np.matmul(x, w))", (A23, A45), ShapeError, ["float64[2,3]", "float64[4,5]"]),
    "np.dot": ("np.sum(np.dot(x, w))", (A23, A45), ShapeError, ["float64[2,3]", "float64[4,5]"]),
    "x.dot": ("np.sum(x.dot(w))", (A23, A45), ShapeError, ["float64[2,3]", "float64[4,5]"]),
    "matmul of a number": ("np.sum(x @ w)", (np.array(1.0), A45), ShapeError, []),
    "matmul of vectors": ("x @ w", (np.ones(3), np.ones(4)), ShapeError, ["float64[3]", "float64[4]"]),
    "einsum": ("np.einsum('ij,jk->', x, w)", (A23, A45), ShapeError, ["j", "3", "4"]),
    "einsum with too few axes": ("np.einsum('ijk->', x)", (A23, A45), ShapeError, []),
    "tensordot": ("np.sum(np.tensordot(x, w, 1))", (A23, A45), ShapeError, ["float64[2,3]", "float64[4,5]"]),
    "adding": ("np.sum(x + w)", (A23, A45), ShapeError, ["float64[2,3]", "float64[4,5]", "x + w", "broadcast"]),
    "multiplying": ("np.sum(x * w)", (A23, A45), ShapeError, ["float64[2,3]", "float64[4,5]", "broadcast"]),
    "np.add": ("np.sum(np.add(x, w))", (A23, A45), ShapeError, ["float64[2,3]", "float64[4,5]"]),
    "comparing": ("np.sum(np.where(x > w, x, 0))", (A23, A45), ShapeError, ["float64[2,3]", "float64[4,5]"]),
    "where": ("np.sum(np.where(x > 0, x, w))", (A23, A45), ShapeError, ["[2,3]", "[4,5]"]),
    "maximum": ("np.sum(np.maximum(x, w))", (A23, A45), ShapeError, ["float64[2,3]", "float64[4,5]"]),
    "adding in place": ("np.sum((x * 1).__iadd__(w))", (A23, A45), ShapeError, []),
    "adding in place what is larger": ("np.sum((x[0] * 1).__iadd__(x))", (A23, A45), ShapeError, []),
    "concatenate": ("np.sum(np.concatenate([x, w]))", (A23, A45), ShapeError, ["float64[2,3]", "float64[4,5]"]),
    "concatenate along no axis": ("np.sum(np.concatenate([x, x], axis=2))", (A23, A45), ShapeError, ["2"]),
    "concatenate nothing": ("np.sum(np.concatenate([])) + x[0, 0]", (A23, A45), (ShapeError, ValueError), []),
    "stack": ("np.sum(np.stack([x, w]))", (A23, A45), ShapeError, ["float64[2,3]", "float64[4,5]"]),
    "vstack": ("np.sum(np.vstack([x, w]))", (A23, A45), ShapeError, []),
    "hstack": ("np.sum(np.hstack([x, w]))", (A23, A45), ShapeError, []),
    "solve": ("np.sum(np.linalg.solve(x, w))", (A23, A45), ShapeError, ["square"]),
    "solve, the right-hand side": ("np.sum(np.linalg.solve(x @ x.T, w))", (A23, A45), ShapeError, []),
    "inv": ("np.sum(np.linalg.inv(x))", (A23, A45), ShapeError, ["square"]),
    "det": ("np.linalg.det(x)", (A23, A45), ShapeError, ["square"]),
    "cholesky": ("np.sum(np.linalg.cholesky(x))", (A23, A45), ShapeError, ["square"]),
    "trace of a vector": ("np.trace(x[0])", (A23, A45), ShapeError, []),
    "diagonal of a vector": ("np.sum(np.diagonal(x[0]))", (A23, A45), ShapeError, []),
    "reshape": ("np.sum(x.reshape(4, 2))", (A23, A45), ShapeError, ["float64[2,3]", "(4, 2)"]),
    "reshape with -1": ("np.sum(x.reshape(4, -1))", (A23, A45), ShapeError, ["float64[2,3]"]),
    "reshape with two -1": ("np.sum(x.reshape(-1, -1))", (A23, A45), ShapeError, ["-1"]),
    "broadcast_to": ("np.sum(np.broadcast_to(x, (3, 3)))", (A23, A45), ShapeError, ["float64[2,3]", "(3, 3)"]),
    "transpose": ("np.sum(np.transpose(x, (0, 2)))", (A23, A45), ShapeError, []),
    "transpose, twice the same": ("np.sum(x.transpose(0, 0))", (A23, A45), ShapeError, []),
    "swapaxes": ("np.sum(np.swapaxes(x, 0, 5))", (A23, A45), (ShapeError, np.exceptions.AxisError), ["5"]),
    "an axis that is not there": ("np.sum(np.sum(x, axis=2))", (A23, A45), (ShapeError, np.exceptions.AxisError), ["2"]),
    "an axis that is not there, mean": ("np.sum(np.mean(x, axis=-3))", (A23, A45), (ShapeError, np.exceptions.AxisError), ["-3"]),
    "an axis that is not there, max": ("np.sum(np.max(x, axis=2))", (A23, A45), (ShapeError, np.exceptions.AxisError), ["2"]),
    "an axis that is not there, cumsum": ("np.sum(np.cumsum(x, axis=2))", (A23, A45), (ShapeError, np.exceptions.AxisError), ["2"]),
    "an axis that is not there, expand_dims": ("np.sum(np.expand_dims(x, 5))", (A23, A45), (ShapeError, np.exceptions.AxisError), ["5"]),
    "the same axis twice": ("np.sum(np.sum(x, axis=(0, 0)))", (A23, A45), (ShapeError, ValueError), []),
    "squeeze": ("np.sum(np.squeeze(x, axis=0))", (A23, A45), ShapeError, []),
    "split": ("np.sum(np.split(x, 2, axis=1)[0])", (A23, A45), ShapeError, []),
    "max of nothing": ("np.max(x[:, :0])", (A23, A45), (ShapeError, ValueError), []),
    "argmax of nothing": ("x[0, np.argmax(x[:, :0])]", (A23, A45), (ShapeError, ValueError), []),
    "too many indices": ("x[0, 0, 0]", (A23, A45), (ShapeError, IndexError), ["2"]),
    "out of bounds": ("x[5, 0]", (A23, A45), (ShapeError, IndexError), ["5"]),
    "out of bounds in a list": ("np.sum(x[[0, 7]])", (A23, A45), (ShapeError, IndexError), ["7"]),
    "indices that don't broadcast": ("np.sum(x[[0, 1], [0, 1, 2]])", (A23, A45), (ShapeError, IndexError), []),
    "a mask of another length": ("np.sum(x[np.array([True, False, True])])", (A23, A45), (ShapeError, IndexError), []),
    "a write": ("(lambda a: (a.__setitem__(0, w), np.sum(a))[1])(x * 1)", (A23, A45), ShapeError, []),
    "a ragged list": ("np.sum(np.array([x, w]))", (A23, A45), ShapeError, ["float64[2,3]", "float64[4,5]"]),
    "a ragged list of numbers": ("np.sum(np.array([[x[0, 0], 1.0], [2.0]]))", (A23, A45), ShapeError, []),
    "a ragged list in np.sum": ("np.sum([x, w])", (A23, A45), ShapeError, []),
    "unpacking": ("(lambda a, b, c: a)(*x)[0]", (A23, A45), TypeError, []),
    "outer": ("np.sum(np.outer(x, w)) + x.item(7, 7)", (A23, A45), (ChainruleError, IndexError), []),
    "repeat": ("np.sum(np.repeat(x, [1, 2, 3], axis=0))", (A23, A45), (ShapeError, ValueError), []),
    "linspace": ("np.sum(np.linspace(x[0, 0], 1.0, -3))", (A23, A45), (ShapeError, ValueError), []),
    "np.full": ("np.sum(np.full((4, 5), x))", (A23, A45), ShapeError, []),
    "np.diag": ("np.sum(np.diag(np.stack([x, x])))", (A23, A45), (ShapeError, ValueError), []),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_that_do_not_fit_are_named_with_the_users_line(name):
    expression, args, kind, says = SHAPES[name]
    user = module(f"def f(x, w):\n    return {expression}\n")
    with pytest.raises((ValueError, TypeError, IndexError)):  # NumPy says no, too
        user.f(*args)
    with pytest.raises(kind) as letter:
        cr.grad(user.f)(*args)
    if isinstance(letter.value, ChainruleError):
        text = str(letter.value)
        assert f"return {expression}" in text, text
        assert "users_module" in text
        for part in says:
            assert part in text, text
        assert "Traced" not in text
        assert "{" not in text.replace("{" + expression, "")
        assert len(frames_of_ours(letter.value)) <= 1


def frames_of_ours(error):
    ours = os.path.dirname(cr.__file__)
    return [file for file in frames(error) if file.startswith(ours)]


GOOD = {"x": np.array([1.0, 2.0]), "X": np.eye(2), "s": "text"}
LOSS = "def f(x, y=2.0, *, k=3.0): return np.sum(x ** 2) * np.sum(y) * k\ndef g(x): return x ** 2\ndef h(x): return {'a': x, 'b': np.sum(x)}\ndef n(): return 1.0\ndef m(*xs, **ks): return sum(np.sum(x) for x in xs) + sum(np.sum(k) for k in ks.values())\ndef both(a, b): return np.sum(a * b)\nclass Frame:\n  def __array__(self, dtype=None, copy=None): return np.array(['a'])\n"

# (call, type, what the letter says)
CALLS = {
    # --- what is differentiated
    "an integer array": ("cr.grad(f)(np.array([1, 2]))", DtypeError, ["`x`", "int64[2]", "astype(float)"]),
    "an integer array, in a list": ("cr.grad(m)([np.array([1, 2])])", DtypeError, ["int64[2]", "astype(float)"]),
    "an array of truths": ("cr.grad(f)(np.array([True, False]))", DtypeError, ["bool[2]"]),
    "a truth": ("cr.grad(f)(True)", (ArgumentError, DtypeError), ["`x`", "bool"]),
    "a NumPy integer": ("cr.grad(f)(np.int64(2))", DtypeError, ["int64"]),
    "a complex array": ("cr.grad(f)(np.array([1 + 2j]))", (ArgumentError, DtypeError), ["`x`", "complex"]),
    "a complex number": ("cr.grad(f)(1 + 2j)", (ArgumentError, DtypeError), ["`x`", "complex"]),
    "a NumPy complex number": ("cr.grad(f)(np.complex128(1))", (ArgumentError, DtypeError), ["complex"]),
    "an object array": ("cr.grad(f)(np.array([1.0, 'a'], dtype=object))", (ArgumentError, DtypeError), ["`x`", "object"]),
    "a ragged array": ("cr.grad(f)(np.array([[1.0], [1.0, 2.0]], dtype=object))", (ArgumentError, DtypeError), ["`x`"]),
    "a string": ("cr.grad(f)('text')", ArgumentError, ["`x`", "str"]),
    "an array of strings": ("cr.grad(f)(np.array(['a']))", (ArgumentError, DtypeError), ["`x`"]),
    "an array of dates": ("cr.grad(f)(np.array(['2020-01-01'], 'M8[D]'))", (ArgumentError, DtypeError), ["`x`"]),
    "a structured array": ("cr.grad(f)(np.zeros(2, [('a', float)]))", (ArgumentError, DtypeError), ["`x`"]),
    "None": ("cr.grad(f)(None)", ArgumentError, ["`x`", "None"]),
    "a function": ("cr.grad(f)(np.sin)", ArgumentError, ["`x`"]),
    "a set": ("cr.grad(f)({1.0, 2.0})", ArgumentError, ["`x`", "set"]),
    "a generator": ("cr.grad(f)(v for v in [1.0])", ArgumentError, ["`x`", "generator"]),
    "an empty list": ("cr.grad(f)([])", ArgumentError, ["`x`", "no numbers"]),
    "an empty dict": ("cr.grad(m)({})", ArgumentError, ["no numbers"]),
    "a string in a dict": ("cr.grad(f)({'a': 1.0, 'b': 'text'})", ArgumentError, ["x['b']", "str"]),
    "None in a list": ("cr.grad(f)([1.0, None])", ArgumentError, ["x[1]", "None"]),
    "a masked array": ("cr.grad(f)(np.ma.masked_array([1.0, 2.0], [True, False]))", ArgumentError, ["`x`", "MaskedArray", "np.asarray"]),
    "a matrix": ("cr.grad(f)(matrix)", ArgumentError, ["`x`", "matrix", "np.asarray"]),
    "a subclass of an array": ("cr.grad(f)(x.view(type('Sub', (np.ndarray,), {})))", ArgumentError, ["`x`", "Sub", "np.asarray"]),
    "an object that turns into an array": ("cr.grad(f)(Frame())", ArgumentError, ["`x`", "Frame", "np.asarray"]),
    "an object that is an array of strings": ("cr.grad(f)(Frame())", (ArgumentError, DtypeError), ["`x`"]),
    "a masked array that is not differentiated": ("cr.grad(f)(x, np.ma.masked_array([1.0, 2.0], [True, False]))", ArgumentError, ["`y`", "MaskedArray"]),
    "a matrix that is not differentiated": ("cr.grad(f)(x, matrix)", ArgumentError, ["`y`", "matrix"]),
    "a complex array that is not differentiated": ("cr.grad(f)(x, np.array([1j]))", (ArgumentError, DtypeError), ["`y`", "complex"]),
    "an object array that is not differentiated": ("cr.grad(f)(x, np.array([None]))", (ArgumentError, DtypeError), ["`y`"]),
    # --- what comes out
    "a vector": ("cr.grad(g)(x)", ShapeError, ["one number", "float64[2]", "np.sum", "jacobian"]),
    "an array of one": ("cr.grad(g)(np.ones(1))", ShapeError, ["one number", "float64[1]"]),
    "a vector, hessian": ("cr.hessian(g)(x)", ShapeError, ["one number", "float64[2]"]),
    "a vector, hvp": ("cr.hvp(g)(x, x)", ShapeError, ["one number", "float64[2]"]),
    "a vector, value_and_grad": ("cr.value_and_grad(g)(x)", ShapeError, ["one number", "float64[2]"]),
    "a dict": ("cr.grad(h)(x)", ShapeError, ["one number", "dict"]),
    "a tuple": ("cr.grad(lambda x: (np.sum(x), 1.0))(x)", ShapeError, ["one number", "tuple"]),
    "a list of one": ("cr.grad(lambda x: [np.sum(x)])(x)", ShapeError, ["one number", "list"]),
    "nothing": ("cr.grad(lambda x: None)(x)", ArgumentError, ["None", "return"]),
    "a result that is a string": ("cr.grad(lambda x: 'text')(x)", ArgumentError, ["str"]),
    "a result that is a complex number": ("cr.grad(lambda x: 1j)(x)", (ArgumentError, DtypeError), ["complex"]),
    "a result that is a function": ("cr.grad(lambda x: np.sin)(x)", ArgumentError, []),
    "a result that is a set": ("cr.grad(lambda x: {1.0})(x)", ArgumentError, ["set"]),
    "an index as a result": ("cr.grad(lambda x: np.argmax(x))(x)", DtypeError, ["int64"]),
    "a truth as a result": ("cr.grad(lambda x: x[0] > 0)(x)", DtypeError, ["bool"]),
    "a Jacobian of truths": ("cr.jacobian(lambda x: x > 0)(x)", DtypeError, ["bool"]),
    "a nested None": ("cr.jvp(lambda x: [x, None], (x,), (x,))", ArgumentError, ["[1]", "None"]),
    "nothing, in vmap": ("cr.vmap(lambda x: None)(x)", ArgumentError, ["None"]),
    # --- the function
    "no function": ("cr.grad(3.0)(x)", ArgumentError, ["function"]),
    "no function, at once": ("cr.grad(None)", ArgumentError, ["function"]),
    "no function, vmap": ("cr.vmap(3.0)(x)", ArgumentError, ["function"]),
    "no function, jvp": ("cr.jvp('f', (x,), (x,))", ArgumentError, ["function"]),
    "a class": ("cr.grad(dict)(x)", (ArgumentError, TypeError), []),
    # --- arguments
    "no arguments": ("cr.grad(f)()", ArgumentError, ["f"]),
    "no arguments at all": ("cr.grad(n)()", ArgumentError, ["nothing to differentiate"]),
    "too many arguments": ("cr.grad(f)(x, 1.0, 2.0)", TypeError, ["f"]),
    "an unknown keyword": ("cr.grad(f)(x, z=1.0)", TypeError, ["z"]),
    "an argument given twice": ("cr.grad(f)(x, x=x)", TypeError, ["x"]),
    "a missing argument": ("cr.grad(both)(x)", TypeError, ["b"]),
    # --- wrt
    "wrt out of range": ("cr.grad(f, wrt=5)(x)", ArgumentError, ["wrt=5"]),
    "wrt out of range, below": ("cr.grad(f, wrt=-3)(x)", ArgumentError, ["wrt=-3"]),
    "wrt unknown": ("cr.grad(f, wrt='z')(x)", ArgumentError, ["'z'", "x", "y", "k"]),
    "wrt nearly known": ("cr.grad(both, wrt='A')(x, x)", ArgumentError, ["'A'", "a"]),
    "wrt twice": ("cr.grad(both, wrt=(0, 0))(x, x)", ArgumentError, ["twice"]),
    "wrt twice, by name": ("cr.grad(both, wrt=(0, 'a'))(x, x)", ArgumentError, ["twice"]),
    "wrt twice, from the end": ("cr.grad(both, wrt=(1, -1))(x, x)", ArgumentError, ["twice"]),
    "wrt empty": ("cr.grad(f, wrt=())(x)", ArgumentError, ["empty"]),
    "wrt a list": ("cr.grad(both, wrt=[0, 1])(x, x)", ArgumentError, ["tuple"]),
    "wrt a float": ("cr.grad(f, wrt=0.0)(x)", ArgumentError, ["0.0"]),
    "wrt a truth": ("cr.grad(f, wrt=True)(x)", ArgumentError, ["True"]),
    "wrt None": ("cr.grad(f, wrt=None)(x)", ArgumentError, ["None"]),
    "wrt an integer array": ("cr.grad(f, wrt='y')(x, np.array([1, 2]))", DtypeError, ["`y`", "int64"]),
    "wrt a default that is no number": ("cr.grad(lambda x, mode='a': np.sum(x), wrt='mode')(x)", ArgumentError, ["mode"]),
    "wrt the rest": ("cr.grad(m, wrt='xs')(x)", ArgumentError, ["xs"]),
    "wrt by keyword, missing": ("cr.grad(m, wrt='z')(x, y=1.0)", ArgumentError, ["'z'"]),
    # --- tangents and cotangents
    "a tangent of another shape": ("cr.jvp(g, (x,), (np.ones(3),))", ShapeError, ["tangent", "float64[3]", "float64[2]"]),
    "a tangent that broadcasts": ("cr.jvp(g, (x,), (1.0,))", ShapeError, ["tangent", "float64[2]"]),
    "a tangent of another structure": ("cr.jvp(m, ([x],), ((x,),))", ArgumentError, ["tangent", "structure"]),
    "too few tangents": ("cr.jvp(both, (x, x), (x,))", ArgumentError, ["same length"]),
    "tangents that are no tuple": ("cr.jvp(g, x, x)", ArgumentError, ["tuple"]),
    "primals that are no tuple": ("cr.jvp(g, 1.0, 1.0)", ArgumentError, ["tuple"]),
    "a tangent that is a string": ("cr.jvp(g, (x,), ('text',))", (ArgumentError, ShapeError, DtypeError), ["tangent"]),
    "a tangent that is None": ("cr.jvp(g, (x,), (None,))", (ArgumentError, ShapeError, DtypeError), ["tangent"]),
    "a complex tangent": ("cr.jvp(g, (x,), (x * 1j,))", (ArgumentError, ShapeError, DtypeError), ["tangent"]),
    "a ragged tangent": ("cr.jvp(g, (x,), ([[1.0], [1.0, 2.0]],))", (ArgumentError, ShapeError, DtypeError), ["tangent"]),
    "jvp of an integer array": ("cr.jvp(g, (np.array([1, 2]),), (np.array([1, 2]),))", DtypeError, ["int64"]),
    "jvp of nothing": ("cr.jvp(n, (), ())", ArgumentError, []),
    "a cotangent of another shape": ("cr.vjp(g, x)[1](np.ones(3))", ShapeError, ["cotangent", "float64[3]", "float64[2]"]),
    "a cotangent that broadcasts": ("cr.vjp(g, x)[1](1.0)", ShapeError, ["cotangent", "float64[2]"]),
    "a cotangent of another structure": ("cr.vjp(h, x)[1]((x, 1.0))", ArgumentError, ["cotangent", "structure"]),
    "a cotangent that is None": ("cr.vjp(g, x)[1](None)", (ArgumentError, ShapeError, DtypeError), ["cotangent"]),
    "a complex cotangent": ("cr.vjp(g, x)[1](x * 1j)", (ArgumentError, ShapeError, DtypeError), ["cotangent"]),
    "two cotangents": ("cr.vjp(g, x)[1](x, x)", TypeError, []),
    "vjp of nothing": ("cr.vjp(n)", ArgumentError, ["argument"]),
    "a vector of another shape": ("cr.hvp(f)(x, np.ones(3))", ShapeError, ["vector", "float64[3]", "float64[2]"]),
    "a vector of another structure": ("cr.hvp(f)(x, [x])", ArgumentError, ["vector", "structure"]),
    "no vector": ("cr.hvp(f)(x)", ArgumentError, []),
    "no vector, nor anything": ("cr.hvp(f)()", ArgumentError, []),
    "hvp of two, one vector": ("cr.hvp(both, wrt=(0, 1))(x, x, x)", (ArgumentError, ShapeError), []),
    "hvp of two, three vectors": ("cr.hvp(both, wrt=(0, 1))(x, x, (x, x, x))", (ArgumentError, ShapeError), []),
    "hvp of two, a number": ("cr.hvp(both, wrt=(0, 1))(x, x, 1.0)", (ArgumentError, ShapeError), []),
    # --- rows
    "no rows": ("cr.vmap(g)(1.0)", ArgumentError, ["axis"]),
    "no arguments, rows": ("cr.vmap(g)()", ArgumentError, ["argument"]),
    "other numbers of rows": ("cr.vmap(both)(np.ones((3, 2)), np.ones((4, 2)))", ShapeError, ["`a`", "3", "`b`", "4"]),
    "other numbers of rows in a dict": ("cr.vmap(lambda d: d['a'] * d['b'])({'a': np.ones(3), 'b': np.ones(4)})", ShapeError, ["d['a']", "3", "d['b']", "4"]),
    "in_axes all None": ("cr.vmap(g, in_axes=None)(X)", ArgumentError, ["None"]),
    "in_axes too long": ("cr.vmap(g, in_axes=(0, 1))(X)", ArgumentError, ["in_axes", "2", "1"]),
    "in_axes too short": ("cr.vmap(both, in_axes=(0,))(X, X)", ArgumentError, ["in_axes"]),
    "in_axes out of range": ("cr.vmap(g, in_axes=2)(X)", ArgumentError, ["axis 2"]),
    "in_axes out of range, below": ("cr.vmap(g, in_axes=-3)(X)", ArgumentError, ["axis -3"]),
    "in_axes of another structure": ("cr.vmap(lambda d: d['a'], in_axes=({'b': 0},))({'a': X})", ArgumentError, ["in_axes", "structure"]),
    "in_axes a string": ("cr.vmap(g, in_axes='0')(X)", ArgumentError, ["in_axes"]),
    "in_axes a float": ("cr.vmap(g, in_axes=0.0)(X)", ArgumentError, ["in_axes"]),
    "in_axes a truth": ("cr.vmap(g, in_axes=True)(X)", ArgumentError, ["in_axes"]),
    "in_axes an empty tuple": ("cr.vmap(g, in_axes=())(X)", ArgumentError, ["in_axes"]),
    "rows of strings": ("cr.vmap(lambda s: s, in_axes=0)('abc')", ArgumentError, []),
    "rows of a list": ("cr.vmap(lambda s: s[0], in_axes=0)([1.0, 2.0])", ArgumentError, ["axis"]),
    "rows of truths that are asked": ("cr.vmap(lambda b: 1.0 if b else 2.0)(np.array([True, False]))", (ArgumentError, ValueNeededError), ["`b`"]),
    "rows of counts that are asked": ("cr.vmap(lambda n: sum(1.0 for _ in range(n)))(np.array([1, 2]))", (ArgumentError, ValueNeededError), ["`n`"]),
    "trace of no function": ("cr.trace(3.0, x)", ArgumentError, ["function"]),
    "options by position": ("cr.grad(f, 0)", TypeError, []),
    "an unknown option": ("cr.grad(f, argnum=0)", TypeError, ["argnum"]),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize("name", CALLS)
def test_bad_input_is_refused_with_a_letter(name):
    call, kind, says = CALLS[name]
    user = module("import chainrule as cr\n" + LOSS + f"def call(): return {call}\n")
    user.__dict__.update(GOOD, matrix=np.matrix(np.eye(2)))
    with pytest.raises(kind) as letter:
        user.call()
    text = str(letter.value)
    for part in says:
        assert part in text, text
    assert "Traced" not in text
    assert "object at 0x" not in text
    if isinstance(letter.value, ChainruleError):
        assert len(frames_of_ours(letter.value)) <= 1
        assert letter.value.__cause__ is None
        assert letter.value.__suppress_context__ or letter.value.__context__ is None


FINE = {
    "a list of numbers": ("cr.grad(lambda x: x[0] * x[1])([2.0, 3.0])", [3.0, 2.0]),
    "a Python integer": ("cr.grad(lambda x: x ** 2)(3)", 6.0),
    "an integer list": ("cr.grad(lambda x: x[0] ** 2 * x[1])([3, 2])", [12.0, 9.0]),
    "an integer array, cast": ("cr.grad(f)(np.array([1, 2]).astype(float))", [12.0, 24.0]),
    "an empty array": ("cr.grad(f)(np.ones(0))", np.ones(0)),
    "an empty array with axes": ("cr.grad(lambda x: np.sum(x))(np.ones((0, 3)))", np.ones((0, 3))),
    "a constant": ("cr.grad(lambda x: 3.0)(x)", np.zeros(2)),
    "a constant integer": ("cr.grad(lambda x: 3)(x)", np.zeros(2)),
    "a constant that is a NumPy number": ("cr.grad(lambda x: np.float64(3.0))(x)", np.zeros(2)),
    "a constant array": ("cr.grad(lambda x: np.array(3.0))(x)", np.zeros(2)),
    "a constant from a captured array": ("cr.grad(lambda x: np.sum(X))(x)", np.zeros(2)),
    "a part that is a constant": ("cr.grad(both, wrt=(0, 1))(x, np.zeros(2))", (np.zeros(2), [1.0, 2.0])),
    "an argument that is not used": ("cr.grad(lambda x, y: np.sum(x), wrt='y')(x, x)", np.zeros(2)),
    "a constant hessian": ("cr.hessian(lambda x: 3.0)(x)", np.zeros((2, 2))),
    "a linear hessian": ("cr.hessian(np.sum)(x)", np.zeros((2, 2))),
    "a constant jacobian": ("cr.jacobian(lambda x: np.ones(3))(x)", np.zeros((3, 2))),
    "a constant jvp": ("cr.jvp(lambda x: np.ones(3), (x,), (x,))[1]", np.zeros(3)),
    "a constant vjp": ("cr.vjp(lambda x: np.ones(3), x)[1](np.ones(3))[0]", np.zeros(2)),
    "a constant hvp": ("cr.hvp(lambda x: 3.0)(x, x)", np.zeros(2)),
    "constant rows": ("cr.vmap(lambda x: 3.0)(x)", [3.0, 3.0]),
    "an array with no axes": ("cr.grad(lambda x: x ** 2)(np.array(3.0))", 6.0),
    "NaN": ("cr.grad(f)(np.array([np.nan, 1.0]))", [np.nan, 12.0]),
    "infinity": ("cr.grad(lambda x: np.sum(np.exp(-x)))(np.array([np.inf, -np.inf]))", [0.0, -np.inf]),
    "a read-only array": ("cr.grad(f)(np.broadcast_to(1.0, 2))", [12.0, 12.0]),
    "wrt from the end": ("cr.grad(both, wrt=-1)(x, 3 * x)", [1.0, 2.0]),
    "wrt a keyword": ("cr.grad(f, wrt='k')(x, k=2.0)", 10.0),
    "wrt a default": ("cr.grad(f, wrt='y')(x)", 15.0),
    "wrt a default by position": ("cr.grad(f, wrt=1)(x)", 15.0),
    "wrt one of the rest": ("cr.grad(m, wrt=1)(x, 2 * x)", [1.0, 1.0]),
    "wrt one of the other keywords": ("cr.grad(m, wrt='z')(x, z=2.0)", 1.0),
    "wrt a tuple of one": ("cr.grad(both, wrt=(0,))(x, x)", ([1.0, 2.0],)),
    "a NumPy integer in wrt": ("cr.grad(both, wrt=np.int64(1))(x, x)", [1.0, 2.0]),
    "a tangent of integers": ("cr.jvp(g, (x,), (np.array([1, 0]),))[1]", [2.0, 0.0]),
    "a tangent that is a list": ("cr.jvp(np.sum, (x,), (np.array([1.0, 0.0]),))[1]", 1.0),
    "rows of one": ("cr.vmap(g)(np.ones((1, 2)))", np.ones((1, 2))),
    "rows of none": ("cr.vmap(g)(np.ones((0, 2)))", np.ones((0, 2))),
    "rows of none, a gradient": ("cr.vmap(cr.grad(np.sum))(np.ones((0, 2)))", np.ones((0, 2))),
    "rows of integers": ("cr.vmap(lambda n: n * 2)(np.array([1, 2]))", [2, 4]),
    "rows in the last axis": ("cr.vmap(np.sum, in_axes=-1)(np.arange(6.0).reshape(2, 3))", [3.0, 5.0, 7.0]),
    "rows and a string": ("cr.vmap(lambda x, s: x * len(s), in_axes=(0, None))(x, 'abc')", [3.0, 6.0]),
    "rows by keyword": ("cr.vmap(lambda x, y: x * y)(x, y=x)", [1.0, 4.0]),
    "a result that is its argument": ("cr.grad(lambda x: x)(2.0)", 1.0),
    "no derivative at a step": ("cr.grad(lambda x: np.sum(np.floor(x) + np.sign(x) + np.round(x)))(x)", np.zeros(2)),
    "float16": ("cr.grad(f)(np.ones(2, np.float16)).dtype == np.float16", True),
    "a jacobian of nothing": ("cr.jacobian(lambda x: x[:0])(x)", np.zeros((0, 2))),
    "a jacobian by nothing": ("cr.jacobian(lambda x: np.ones(2) * np.sum(x))(np.ones(0))", np.zeros((2, 0))),
    "a hessian by nothing": ("cr.hessian(np.sum)(np.ones(0))", np.zeros((0, 0))),
}  # fmt: skip


@pytest.mark.parametrize("name", FINE)
def test_input_that_looks_odd_and_is_not_gets_its_answer(name):
    call, truth = FINE[name]
    user = module("import chainrule as cr\n" + LOSS + f"def call(): return {call}\n")
    user.__dict__.update(GOOD)
    found = user.call()
    if isinstance(truth, (tuple, list)):
        assert len(found) == len(truth)
        for a, b in zip(found, truth, strict=True):
            np.testing.assert_array_equal(a, b)
    else:
        np.testing.assert_array_equal(found, truth, strict=isinstance(truth, np.ndarray))


# --- values that only show when the Program runs ------------------------------------------------------------------------

AT_RUN_TIME = {
    "a singular matrix": ("np.sum(np.linalg.solve(x, np.ones(2)))", np.ones((2, 2)), np.linalg.LinAlgError),
    "a matrix that is not positive": ("np.sum(np.linalg.cholesky(x))", -np.eye(2), np.linalg.LinAlgError),
    "an index out of bounds": ("np.sum(x[np.argmax(x) + 5])", np.eye(2), IndexError),
}


@pytest.mark.parametrize("name", AT_RUN_TIME)
def test_what_numpy_refuses_when_it_runs_names_the_users_line(name):
    expression, x, kind = AT_RUN_TIME[name]
    user = module(f"def f(x):\n    return {expression}\n")
    with pytest.raises(kind):
        user.f(x)
    for _ in range(2):
        with pytest.raises(kind) as error:
            cr.grad(user.f)(x)
        letter = str(error.value) + "\n".join(getattr(error.value, "__notes__", []))
        assert f"return {expression}" in letter


def test_a_failure_at_run_time_leaves_a_recording_that_works():
    f = lambda x: np.sum(np.linalg.cholesky(x))  # noqa: E731
    with pytest.raises(np.linalg.LinAlgError):
        cr.grad(f)(-np.eye(2))
    np.testing.assert_allclose(np.diag(cr.grad(f)(np.eye(2))), [0.5, 0.5])


def test_no_warning_comes_out_of_a_derivative():
    x = np.array([0.0, -1.0, np.inf, np.nan])
    cr.value_and_grad(lambda x: np.sum(np.log(x) + np.sqrt(x) + 1 / x + np.exp(1e3 * x)))(x)  # warnings are errors here


# --- the letters themselves ------------------------------------------------------------------------------------------------


def test_the_tree_in_the_docstring_lists_every_error():
    drawn = set(re.findall(r"[├└]── (\w+)", errors.__doc__))
    defined = {n for n, e in vars(errors).items() if inspect.isclass(e) and issubclass(e, ChainruleError)}
    assert drawn == defined - {"ChainruleError"}


@pytest.mark.parametrize(
    "name", [n for n, e in vars(errors).items() if inspect.isclass(e) and issubclass(e, ChainruleError)]
)
def test_every_error_is_a_built_in_one_too_and_has_a_docstring(name):
    kind = getattr(errors, name)
    assert kind.__doc__
    assert name == "ChainruleError" or kind.__mro__[2] is not Exception
    assert str(
        kind("what happened", where="a.py:1   x", hint="try")
    ) == "what happened\n  a.py:1   x\n  hint: try" or "a.py:1" in str(
        kind("what happened", where="a.py:1   x", hint="try")
    )


def test_existing_except_clauses_keep_working():
    with contextlib.suppress(ValueError):
        cr.grad(lambda x, w: np.sum(x @ w))(A23, A45)
    with contextlib.suppress(TypeError):
        cr.grad(np.sum)(np.array([1, 2]))
    with contextlib.suppress(TypeError):
        cr.grad(lambda x: float(x) * x)(1.0)


def test_a_letter_survives_pickling():
    with pytest.raises(ShapeError) as letter:
        cr.grad(lambda x, w: np.sum(x @ w))(A23, A45)
    again = pickle.loads(pickle.dumps(letter.value))
    assert str(again) == str(letter.value)
    assert type(again) is type(letter.value)


def test_braces_in_a_users_line_are_left_alone():
    user = module("def f(x):\n    return {0: x}[0] + {'a{0}': np.ones(3)}['a{0}'] @ np.sum({1: x}[1] + np.ones(4))\n")
    with pytest.raises(ShapeError) as letter:
        cr.grad(user.f)(np.ones(3))
    assert "{1: x}[1] + np.ones(4)" in str(letter.value)
    assert "{'a{0}': np.ones(3)}" in str(letter.value)


def test_the_line_of_a_helper_is_the_one_that_is_named():
    user = module("def helper(a, b):\n    return a @ b  # the culprit\ndef f(x):\n    return np.sum(helper(x, x))\n")
    with pytest.raises(ShapeError) as letter:
        cr.grad(user.f)(A23)
    assert "# the culprit" in str(letter.value) or "a @ b" in str(letter.value)
    assert ":4 " in str(letter.value)


def test_an_expression_over_several_lines_is_named_whole_or_by_its_first():
    user = module("def f(x):\n    return np.sum(\n        x\n        @ x\n    )\n")
    with pytest.raises(ShapeError) as letter:
        cr.grad(user.f)(A23)
    assert "x @ x" in str(letter.value) or "x\n" in str(letter.value)
    assert "users_module" in str(letter.value)


def test_code_without_a_source_is_named_by_what_is_known():
    scope = {"np": np}
    exec(compile("def f(x): return np.sum(x @ x)", "<typed in>", "exec"), scope)
    with pytest.raises(ShapeError) as letter:
        cr.grad(scope["f"])(A23)
    assert "<typed in>:1" in str(letter.value)
    assert "float64[2,3]" in str(letter.value)


@pytest.mark.parametrize("how", ["-c", "stdin", "script"])
def test_a_traceback_has_one_frame_of_ours_and_the_users_line(how, tmp_path):
    source = "import numpy as np, chainrule as cr\ndef loss(w):\n    return np.sum(w @ np.ones(4))\ncr.grad(loss)(np.ones(3))\n"
    script = tmp_path / "train.py"
    script.write_text(source)
    command = {"-c": ["-c", source], "stdin": ["-"], "script": [str(script)]}[how]
    done = subprocess.run([sys.executable, *command], input=source, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count(os.path.dirname(cr.__file__)) <= 1, done.stderr
    assert "ShapeError" in done.stderr
    assert "float64[3]" in done.stderr
    if how == "script":
        assert "train.py:3   return np.sum(w @ np.ones(4))" in done.stderr
    assert "During handling" not in done.stderr


def test_our_frames_are_shown_to_those_who_ask(monkeypatch):
    monkeypatch.setenv("CHAINRULE_TRACEBACK", "1")
    with pytest.raises(ShapeError) as letter:
        cr.grad(lambda x: np.sum(x @ x))(A23)
    assert len(frames_of_ours(letter.value)) > 1


def test_the_users_own_exceptions_pass_unchanged():
    class Mine(Exception):
        pass

    def f(x):
        raise Mine("no", x) from KeyError(f"why {x}")

    with pytest.raises(Mine, match="no") as error:
        cr.grad(f)(1.0)
    assert isinstance(error.value.__cause__, KeyError)


def test_an_array_that_is_captured_and_changed_is_read_again_not_refused():
    a = np.ones(3)
    d = cr.grad(lambda x: np.sum(a * x))
    np.testing.assert_array_equal(d(a), np.ones(3))
    a[:] = 2.0
    np.testing.assert_array_equal(d(np.ones(3)), [2.0, 2.0, 2.0])


def test_a_capture_that_is_refused_names_what_and_why_and_the_cure():
    class Holder:
        __slots__ = ("X",)

    holder = Holder()
    holder.X = np.ones((100_000,))

    def f(x):
        return np.sum(holder.X * 2) * x

    try:
        d = cr.grad(f)
        assert d(1.0) == 200_000
        holder.X[:] = 2.0
        assert d(1.0) == 400_000
    except CaptureError as letter:
        text = str(letter)
    else:
        return
    assert "holder" in text
    assert "argument" in text
    assert "test_errors.py" in text
