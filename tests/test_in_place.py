# ruff: noqa: E501  (a row of a table is a line)
"""Writing in place: what plain NumPy does to arrays that share memory, a recording does too, or says no."""

import itertools
import warnings

import numpy as np
import pytest
from evidence import module, slopes

import chainrule as cr
from chainrule.errors import ArgumentError, ChainruleError, InPlaceError, NoRuleError, ValueNeededError
from chainrule.ops.op import by_function

X = np.array([[0.3, -0.7, 1.1], [0.9, 0.4, -1.3]])

# Bodies of `def f(x)` for x of shape (2, 3); `a` is what is written to, and the result is weighted so that places matter.
WRITES = {
    "an element": "a = x.copy(); a[0, 1] = x[1, 2] * 3",
    "an element, from the end": "a = x.copy(); a[-1, -2] = x[0, 0] ** 2",
    "a number": "a = x * 1.0; a[0, 1] = 5.0",
    "an integer": "a = x * 1.0; a[0, 1] = 5",
    "a truth": "a = x * 1.0; a[0, 1] = True",
    "a row": "a = x.copy(); a[0] = x[1] * 2",
    "a row of a list": "a = x.copy(); a[0] = [x[0, 0] * 2, 1.0, x[1, 1]]",
    "a row of plain numbers": "a = x.copy(); a[0] = [1, 2, 3]",
    "a column": "a = x.copy(); a[:, 1] = x[:, 0] * x[:, 2]",
    "a block": "a = x.copy(); a[:, :2] = x[:, 1:] ** 2",
    "a broadcast row": "a = x.copy(); a[:] = x[0]",
    "a broadcast column": "a = x.copy(); a[:] = x[:, :1]",
    "a broadcast number": "a = x.copy(); a[:, 1:] = x[0, 0]",
    "everything, by an ellipsis": "a = x.copy(); a[...] = x ** 2",
    "with a step": "a = x.copy(); a[:, ::2] = x[:, :2] ** 2",
    "backwards": "a = x.copy(); a[:, ::-1] = x ** 2",
    "a negative step with bounds": "a = x.copy(); a[:, 2:0:-1] = x[:, :2] ** 2",
    "an empty part": "a = x.copy(); a[:, 3:] = x[:, :0]; a[0:0] = 9.0",
    "with a new axis": "a = x.copy(); a[None, 0] = x[1] ** 2",
    "by a list of positions": "a = x.copy(); a[:, [2, 0]] = x[:, :2] ** 2",
    "by two lists of positions": "a = x.copy(); a[[0, 1], [2, 0]] = x[:, 1] ** 2",
    "by a position and a list": "a = x.copy(); a[0, [2, 0]] = x[1, :2] ** 2",
    "by positions beside a slice that runs backwards": "a = x.copy(); a[[0, 1], ::-1] = x ** 2; a[::-1, [2, 0]] += x[:, :2]; np.add.at(a, ([0, 0], slice(None, None, -1)), x)",
    "by positions that repeat": "a = x.copy(); a[0, [1, 1, 1]] = x[1]",
    "by positions on a grid": "a = x.copy(); a[np.ix_([1, 0], [2, 0])] = x[:, :2] ** 2",
    "by a mask that is known": "a = x.copy(); a[np.array([[True, False, True], [False, False, True]])] = 7.0",
    "by a mask of rows": "a = x.copy(); a[np.array([True, False])] = x[1] ** 2",
    "by an array of positions outside": "a = x.copy(); a[:, P] = x ** 2",
    "swapping rows": "a = x.copy(); a[[0, 1]] = a[[1, 0]]",
    "swapping columns": "a = x.copy(); a[:, [0, 2]] = a[:, [2, 0]] * 2",
    "swapping by names": "a = x.copy(); a[0], a[1] = a[1].copy(), a[0].copy()",
    "swapping views by names": "a = x.copy(); a[0], a[1] = a[1], a[0]",
    "shifting to the right": "a = x.copy(); a[:, 1:] = a[:, :-1]",
    "shifting to the left": "a = x.copy(); a[:, :-1] = a[:, 1:]",
    "reversing itself": "a = x.copy(); a[:, :] = a[:, ::-1]",
    "transposing itself": "a = (x @ x.T).copy(); a[:] = a.T",
    "adding what overlaps": "a = x.copy(); a[:, 1:] += a[:, :-1]",
    "adding": "a = x.copy(); a += x ** 2",
    "subtracting": "a = x.copy(); a -= x ** 2",
    "multiplying": "a = x.copy(); a *= x",
    "dividing": "a = x.copy(); a /= x ** 2 + 1",
    "a power": "a = x.copy() ** 2; a **= 2",
    "a remainder": "a = x.copy() + 5; a %= 2.0",
    "a floor": "a = x.copy() + 5; a //= 2.0; a += x",
    "adding to an element": "a = x.copy(); a[0, 0] += x[1, 1] ** 2",
    "adding to a row": "a = x.copy(); a[0] += x[1] ** 2",
    "adding to positions that repeat": "a = x.copy(); a[0, [1, 1]] += x[1, :2]",
    "multiplying a part by itself": "a = x.copy(); a[0] *= a[1]; a[1] *= a[0]",
    "adding to itself": "a = x.copy(); a += a; a *= a",
    "another name": "a = x.copy(); b = a; b[0, 0] = x[1, 1] * 5; b += 1",
    "another name, bound anew": "a = x.copy(); b = a; b = b + 1; b[0, 0] = 100.0",
    "two names": "a = x.copy(); b = a; b[0] = 2 * x[1]; a[1] = b[0] ** 2",
    "a view": "a = x.copy(); v = a[0]; v[1] = x[1, 1] * 5",
    "a view that adds": "a = x.copy(); v = a[0]; v += x[1] ** 2",
    "a view of a view": "a = x.copy(); v = a[1]; u = v[1:]; u[0] = x[0, 0] ** 2; u[...] *= 3",
    "a view of a view of a view": "a = x.copy(); v = a[:, 1:]; u = v[1]; t = u[::-1]; t[0] = x[0, 0] ** 2; t *= 2",
    "a view read after its base was written": "a = x.copy(); v = a[0]; a[0, 1] = x[1, 1] ** 2; a = a * v",
    "a view of a view read after the base was written": "a = x.copy(); v = a[0]; u = v[1:]; a[0, 1] = x[1, 1] ** 2; v[2] = 4.0; a = a * u[0] + u[1]",
    "a copy of a view whose base was written": "a = x.copy(); v = a.ravel(); a[...] = x ** 2; u = v.ravel(); w = np.squeeze(a[0:1]); a = a * u.reshape(2, 3) + w",
    "a view written through itself": "a = x.copy(); v = a[...]; a[...] = x ** 2; v[...] = v[...]; v[...] += v",
    "a view takes its base": "a = x.copy(); v = a[..., ::-1]; v[...] = a; v *= 2; a = a * v",
    "two views": "a = x.copy(); v = a[0]; u = a[:, 0]; v[0] = x[1, 1] ** 2; a = a * u[0]; u[1] = 3.0; a = a + v[0]",
    "a view that outlives its base's name": "a = x.copy(); v = a[0]; b = a; a = b * 2; v[0] = 9 * x[1, 1]; a = a + b",
    "a view of a part of a part": "a = x.copy(); a[0][1] = x[1, 0] ** 2; a[1][:][2] = x[0, 0]",
    "rows of a loop": "a = x.copy()\nfor r in a:\n  r *= x[0]\n  r[0] = x[1, 1]",
    "rows of a loop with zip": "a = x.copy()\nfor r, s in zip(a, x):\n  r[:2] = s[1:] ** 2",
    "rows taken apart": "a = x.copy(); p, q = a; p[0] = x[1, 2]; q += p",
    "a transpose": "a = x.copy(); t = a.T; t[0, 1] = x[0, 2] ** 2; t *= 2",
    "np.transpose": "a = x.copy(); t = np.transpose(a); t[0] = x[:, 1] ** 2",
    "a transpose of a part": "a = x.copy(); t = a[:, 1:].T; t[1, 0] = x[0, 0] ** 2",
    "swapped axes": "a = x.copy(); t = np.swapaxes(a, 0, 1); t[2] += x[:, 0]",
    "a moved axis": "a = x.copy(); t = np.moveaxis(a, 0, 1); t[2] += x[:, 0]",
    "a reshape": "a = x.copy(); r = a.reshape(3, 2); r[1] = x[0, :2] ** 2",
    "np.reshape": "a = x.copy(); r = np.reshape(a, 6); r[4] = x[0, 0] ** 2",
    "a ravel": "a = x.copy(); r = a.ravel(); r[4] = x[0, 0] ** 2",
    "np.ravel": "a = x.copy(); r = np.ravel(a); r[::2] = x[0] ** 2",
    "a flattened copy": "a = x.copy(); r = a.flatten(); r[:] = 100.0",
    "a copy": "a = x.copy(); r = a.copy(); r[:] = 100.0",
    "np.copy": "a = x.copy(); r = np.copy(a); r[:] = 100.0",
    "np.array": "a = x.copy(); r = np.array(a); r[:] = 100.0",
    "np.asarray": "a = x.copy(); r = np.asarray(a); r[0] = x[1] ** 2",
    "a list of positions copies": "a = x.copy(); r = a[[0, 1]]; r[:] = 100.0",
    "a mask copies": "a = x.copy(); r = a[np.array([True, True])]; r[:] = 100.0",
    "astype copies": "a = x.copy(); r = a.astype(float); r[:] = 100.0",
    "astype without a copy": "a = x.copy(); r = a.astype(float, copy=False); r[0] = x[1] ** 2",
    "np.squeeze": "a = x.copy(); r = np.squeeze(a[None]); r[0] = x[1] ** 2",
    "np.expand_dims": "a = x.copy(); r = np.expand_dims(a, 1); r[0, 0] = x[1] ** 2",
    "a new axis": "a = x.copy(); r = a[:, None]; r[0, 0] = x[1] ** 2",
    "np.atleast_2d": "a = x.copy(); r = np.atleast_2d(a[0]); r[0, 1] = x[1, 1] ** 2",
    "np.flip": "a = x.copy(); r = a[::-1]; r[0] = x[0] ** 2",
    "a reversed view": "a = x.copy(); r = a[:, ::-1]; r[0, 0] = x[1, 1] ** 2; r[1] *= x[0]",
    "flat, by a slice": "a = x.copy(); a.flat[1:3] = x[1, :2] ** 2",
    "flat, by a number": "a = x.copy(); a.flat[4] = x[0, 0] ** 2",
    "fill": "a = x.copy(); a.fill(x[0, 0])",
    "fill a view": "a = x.copy(); a[0].fill(x[1, 1] ** 2)",
    "sort": "a = x.copy(); a.sort()",
    "sort a view": "a = x.copy(); a[0].sort()",
    "sort down": "a = x.copy(); a[0][::-1].sort()",
    "a result of arithmetic": "a = x + 1; b = a; a *= x; a = a + b",
    "an unchanged original": "a = x + 1; b = a * 1; a *= x; a = a + b",
    "x + 0 is not x": "a = +x; a[0] = 5.0",
    "abs": "a = abs(x); a[0] = x[1]",
    "np.zeros": "a = np.zeros((2, 3)); a[0] = x[1] ** 2; a[1, 1] = x[0, 0]",
    "np.ones": "a = np.ones((2, 3)); a[0] *= x[1] ** 2",
    "np.full": "a = np.full((2, 3), 2.0); a[0] *= x[1] ** 2",
    "np.full of a stand-in": "a = np.full((2, 3), x[0, 0]); a[0] = x[1] ** 2",
    "np.empty": "a = np.empty((2, 3)); a[0] = x[1] ** 2; a[1] = x[0]",
    "np.zeros_like": "a = np.zeros_like(x); a[0] = x[1] ** 2",
    "np.ones_like": "a = np.ones_like(x); a[0] = x[1] ** 2",
    "np.full_like": "a = np.full_like(x, 3.0); a[0] = x[1] ** 2",
    "np.empty_like": "a = np.empty_like(x); a[...] = x ** 2",
    "np.eye": "a = np.eye(2, 3); a[0] += x[1] ** 2",
    "np.arange": "a = np.arange(6.0).reshape(2, 3); a[0] += x[1] ** 2",
    "np.linspace": "a = np.linspace(0.0, 1.0, 6).reshape(2, 3); a[0] += x[1] ** 2",
    "np.array of numbers": "a = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]); a[0] += x[1] ** 2",
    "np.array of stand-ins": "a = np.array([[x[0, 0], 2.0, 3.0], [4.0, 5.0, x[1, 1]]]); a[0] += x[1] ** 2",
    "np.tile": "a = np.tile(np.zeros(3), (2, 1)); a[0] += x[1] ** 2",
    "np.zeros plus something": "a = np.zeros((2, 3)) + 1; a[0] += x[1] ** 2",
    "np.zeros as a list": "a = np.zeros((2, 3)); rows = list(a); rows[0] += x[1] ** 2; rows[1][0] = x[0, 0]",
    "np.outer of constants": "a = np.outer(np.ones(2), np.ones(3)); a[0] = x[1]",
    "a copy of an array outside": "a = C.copy(); a[0] = x[1]",
    "np.array of an array outside": "a = np.array(C); a[0] = x[1]",
    "arithmetic of an array outside": "a = C * 2; a[0] = x[1]",
    "a part of arithmetic of an array outside": "a = (C * 2)[:, ::-1]; a[0] = x[1]",
    "a sum of arrays outside": "a = C + C.T[:2, :1]; a[0] += x[1] ** 2",
    "a concatenation of arrays outside": "a = np.concatenate([C, C])[:2]; a[0] = x[1]",
    "a stack of arrays outside": "a = np.stack([C[0], C[1]]); a[0] = x[1] ** 2",
    "a place of an array outside": "a = C[[0, 1]]; a[0] = x[1] ** 2",
    "np.where of arrays outside": "a = np.where(C > 0, C, 0.0); a[0] = x[1] ** 2",
    "np.zeros of a shape outside": "a = np.zeros(C.shape); a[0] = x[1] ** 2",
    "np.zeros_like of an array outside": "a = np.zeros_like(C); a[0] = x[1] ** 2",
    "np.concatenate copies": "a = x.copy(); b = np.concatenate([a, a]); b[0] = 100.0",
    "np.stack copies": "a = x.copy(); b = np.stack([a, a]); b[0] = 100.0",
    "np.where copies": "a = x.copy(); b = np.where(a > 0, a, a); b[0] = 100.0",
    "np.repeat copies": "a = x.copy(); b = np.repeat(a, 1, axis=0); b[0] = 100.0",
    "np.roll copies": "a = x.copy(); b = np.roll(a, 0, axis=0); b[0] = 100.0",
    "np.tile copies": "a = x.copy(); b = np.tile(a, (1, 1)); b[0] = 100.0",
    "np.sort copies": "a = np.sort(x.copy()); b = np.sort(a); b[0] = 100.0",
    "np.clip copies": "a = x.copy(); b = np.clip(a, -9, 9); b[0] = 100.0",
    "np.sum over nothing copies": "a = x.copy(); b = np.sum(a, axis=()); b[0] = 100.0",
    "np.einsum": "a = x.copy(); b = np.einsum('ij->ij', a) * 1; b[0] = 100.0",
    "np.real": "a = x.copy(); b = a.real; b[0] = x[1] ** 2",
    "np.add.at": "a = x.copy(); np.add.at(a, (0, [1, 1, 2]), x[1])",
    "np.add.at on rows": "a = x.copy(); np.add.at(a, [0, 0, 1], x[0] * x[1, 1])",
    "np.add.at on np.zeros": "a = np.zeros((2, 3)); np.add.at(a, ([0, 0, 1], [2, 2, 1]), x[1] ** 2)",
    "np.add.at with positions outside": "a = np.zeros((2, 3)); np.add.at(a, (0, P), x[1] ** 2)",
    "np.subtract.at": "a = x.copy(); np.subtract.at(a, (0, [1, 1, 2]), x[1])",
    "np.multiply.at": "a = x.copy(); np.multiply.at(a, (0, [0, 1, 2]), x[1])",
    "np.maximum.at": "a = x.copy(); np.maximum.at(a, (0, [0, 1, 2]), x[1])",
    "out=": "a = np.empty_like(x); np.multiply(x, x, out=a)",
    "out= of a tuple": "a = np.empty_like(x); np.multiply(x, x, out=(a,))",
    "out= is the argument": "a = x.copy(); np.exp(a, out=a); np.add(a, x, a)",
    "out= is a view": "a = x.copy(); np.multiply(x[1], x[1], out=a[0])",
    "out= of np.sum": "a = x.copy(); np.sum(x, axis=0, out=a[1])",
    "out= of np.dot": "a = np.zeros((2, 2)); np.dot(x, x.T, out=a)",
    "out= of np.matmul": "a = np.zeros((2, 2)); np.matmul(x, x.T, out=a)",
    "out= of np.clip": "a = x.copy(); np.clip(x * 2, -1, 1, out=a)",
    "np.copyto": "a = np.zeros((2, 3)); np.copyto(a, x ** 2)",
    "np.fill_diagonal": "a = x @ x.T; np.fill_diagonal(a, x[0, 0])",
    "np.put": "a = x.copy(); np.put(a, [0, 4], x[1, :2] ** 2)",
    "np.put_along_axis": "a = x.copy(); np.put_along_axis(a, np.array([[2], [0]]), x[:, 1:2] ** 2, 1)",
    "np.place": "a = x.copy(); np.place(a, np.array([[True, False, True], [False, False, True]]), [1.0, 2.0, 3.0])",
    "np.putmask": "a = x.copy(); np.putmask(a, x > 0, x ** 2)",
    "a diagonal": "a = x @ x.T; d = np.diagonal(a); a[0, 0] = x[0, 0]; a = a * d",
    "a number is not a view": "a = x.copy(); s = a[0, 0]; a[0, 0] = 5 * x[1, 1]; a = a * s",
    "a sum is not a view": "a = x.copy(); s = a.sum(0); a[0] = 5 * x[1]; a = a * s",
    "+= on a number binds anew": "a = x.copy(); s = a[0, 0]; s += 5; a = a * s",
    "+= on a sum binds anew": "s = x.sum(); t = s; s += 5; a = x * s + t",
    "a place without axes, by an ellipsis": "a = x.copy(); v = a[0, 1, ...]; v[...] = 5 * x[1, 1]; v += 1",
    "a view without axes, by squeeze": "a = x.copy(); v = a[:1, :1].squeeze(); v += x[1, 1] ** 2",
    "a view without axes, by reshape": "a = x.copy(); v = a[:1, :1].reshape(()); v *= x[1, 1]",
    "an array without axes": "t = np.zeros(()); u = t; t += x[0, 0]; t *= 3; a = x * u",
    "an array without axes, of a number": "t = np.array(2.0); u = t; t += x[0, 0]; a = x * u",
    "an array without axes, of a stand-in": "t = np.array(x[0, 0]); u = t; t += 1.0; a = x * u + t",
    "an array without axes, written": "t = np.zeros(()); u = t; t[...] = x[0, 0]; t[()] += 1.0; a = x * u",
    "an array without axes, copied": "t = np.zeros(()); u = t.copy(); t += x[0, 0]; a = x * u + t",
    "the same array twice in a list": "rows = [np.zeros(3)] * 2; rows[0][1] = x[0, 1]; a = np.array([rows[0], rows[1]])",
    "two names for zeros": "a = b = np.zeros((2, 3)); a[0] = x[0]; b[1] = x[1] ** 2; a = a + b",
    "an array in a dict": "d = {'a': x.copy()}; v = d['a']; d['a'] += x; d['a'][0] *= 2; a = v * d['a']",
    "an array in an object": "class O: pass\no = O(); o.a = x.copy(); v = o.a; o.a += x; o.a[0] *= 2; a = v * o.a",
    "by a mask of stand-ins, a number": "a = x.copy(); a[x > 0] = 0.0",
    "by a mask of stand-ins, twice": "a = x.copy(); a[a > 0.5] = 0.5; a[a < -0.5] = -0.5",
    "by a mask of stand-ins, a stand-in": "a = x.copy(); a[x > 0] = x[0, 0]",
    "by a mask of stand-ins, multiplying": "a = x.copy(); a[x > 0] *= 2.0",
    "by a mask of stand-ins, an array": "a = x.copy(); a[x > 0] = (x ** 2)[x > 0]",
    "a dtype that is kept": "a = np.zeros((2, 3), np.float32); a[0] = x[1] ** 2",
    "a recurrence": "a = np.zeros(6)\na[0] = x[0, 0]\nfor i in range(1, 6):\n  a[i] = np.sin(a[i - 1]) + x[1, 1] * i",
    "a recurrence in two arrays": "a = np.zeros(4); b = np.ones(4)\nfor i in range(1, 4):\n  a[i] = a[i - 1] + b[i - 1] * x[0, 0]; b[i] = b[i - 1] - a[i] * x[1, 1]\na = a * b",
    "dynamic programming": "a = np.zeros((3, 4))\nfor i in range(1, 3):\n  for j in range(1, 4):\n    a[i, j] = np.maximum(a[i - 1, j], a[i, j - 1]) + x[i - 1, j - 1]",
    "Gaussian elimination": "a = (x @ x.T + np.eye(2)).copy()\na[1] -= a[0] * (a[1, 0] / a[0, 0])",
    "a stencil": "a = x.copy()\nfor _ in range(3):\n  a[:, 1:-1] += 0.1 * (a[:, 2:] - 2 * a[:, 1:-1] + a[:, :-2])",
    "a cumulative product": "a = x.copy()\nfor j in range(1, 3):\n  a[:, j] *= a[:, j - 1]",
    "a swap in a loop": "a = x.copy()\nfor i in range(2):\n  a[:, [i, i + 1]] = a[:, [i + 1, i]]",
    "a table written in parts": "a = np.empty((2, 3))\nfor i in range(2):\n  for j in range(3):\n    a[i, j] = x[i, j] ** (i + j)",
    "a list that grows, then an array": "rows = []\nfor i in range(2):\n  rows.append(x[i] ** 2)\nrows[0] += 1\na = np.array(rows)",
    "a stand-in written by a helper": "def put(b, v): b[0] = v\na = x.copy(); put(a, x[1]); put(a[1], 4.0)",
    "a helper that returns what it wrote": "def put(b): b += 1; return b\na = x.copy(); c = put(a); c[0] = x[1]",
    "while something else is read": "a = x.copy(); b = a * 2; a[0] = 0.0; c = a * 2; a = a + b * c",
    "a comparison read later": "a = x.copy(); m = a > 0; a[:] = -a; a = np.where(m, a, x ** 2)",
    "a view of what is read only": "a = np.broadcast_to(x[0], (2, 3)).copy(); a[0] = x[1]",
    "a three-dimensional array": "a = np.zeros((2, 3, 2)); a[..., 0] = x; a[:, 1, :] = x[:, :2]; a[1, ..., 1] += x[0]; a[:, [0, 2], 1] = x[:, 1:]",
    "with positions around a slice": "a = np.zeros((2, 3, 2)); a[[0, 1], :, [1, 0]] = x; a[0, :, [1, 0]] += x[:, :]",
}  # fmt: skip

PLACES = "C = np.array([[1.0, -2.0, 3.0], [-4.0, 5.0, -6.0]])\nP = np.array([2, 0, 1])\n"


def recorded(body):
    """The body as a module's function `f(x)`."""
    lines = [*body.replace("; ", "\n" if "for " not in body and "def " not in body else "; ").split("\n")]
    text = "".join(f"    {line}\n" for line in lines)
    return module(
        PLACES + "def f(x):\n" + text + "    return np.sum(np.sin(a * 1.3 + np.arange(a.size).reshape(a.shape)))\n"
    )


# Rarely used: to say no is enough.
REFUSABLE = {
    "np.subtract.at", "np.multiply.at", "np.maximum.at", "np.copyto", "np.fill_diagonal", "np.put", "np.put_along_axis", "np.place",
    "by a mask of stand-ins, multiplying", "by a mask of stand-ins, an array", "by a mask of stand-ins, a stand-in",
    "np.putmask", "sort down", "flat, by a slice", "flat, by a number", "np.squeeze", "astype without a copy",
}  # fmt: skip


@pytest.mark.parametrize("name", WRITES)
def test_a_write_does_what_numpy_does_and_the_gradient_follows(name):
    user = recorded(WRITES[name])
    before = user.C.copy(), user.P.copy(), X.copy()
    truth = user.f(X.copy())
    try:
        value, gradient = cr.value_and_grad(user.f)(X)
    except (InPlaceError, NoRuleError, ValueNeededError) as refusal:
        if name in REFUSABLE and refusal.hint:
            return
        raise
    tolerance = 1e-5 if "dtype" in name else 1e-7
    np.testing.assert_allclose(value, truth, rtol=tolerance)
    if "dtype" not in name:  # differences of float32 numbers say little
        np.testing.assert_allclose(gradient, slopes(user.f, X), rtol=1e-6, atol=1e-8)
    _, tangent = cr.jvp(user.f, (X,), (np.ones_like(X),))
    np.testing.assert_allclose(tangent, gradient.sum(), rtol=tolerance, atol=1e-9)
    if name in ("by a mask of stand-ins, multiplying", "by a mask of stand-ins, an array"):
        with pytest.raises(ArgumentError, match="mask"):  # it may differ from row to row
            cr.vmap(user.f)(np.stack([2 * X, X]))
    else:
        np.testing.assert_allclose(cr.vmap(user.f)(np.stack([2 * X, X]))[1], truth, rtol=tolerance)
    for now, then in zip((user.C, user.P, X), before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("name", ["a view of a view", "a recurrence", "shifting to the right", "swapping rows", "a transpose",
                                  "np.add.at", "out= is the argument", "by positions that repeat", "a three-dimensional array"])  # fmt: skip
def test_the_second_derivative_follows_too(name):
    f = recorded(WRITES[name]).f
    H = cr.hessian(f)(X)
    by_differences = np.stack([slopes(lambda y, i=i: cr.grad(f)(y)[i], X) for i in np.ndindex(X.shape)])
    np.testing.assert_allclose(H.reshape(6, 6), by_differences.reshape(6, 6), rtol=1e-6, atol=1e-8)


VIEWS = ["a", "a[0]", "a[:, 1]", "a.T", "a[::-1]", "a.reshape(6)", "a[None]", "a[:, ::2]", "a[0][1:]", "a.T[1]", "a.reshape(3, 2).T", "a.T.reshape(6)", "a.ravel()[2:5]", "a[1:].ravel()", "np.atleast_3d(a)", "a[:, :, None].squeeze()", "a.swapaxes(0, 1)[::2]", "a.T.copy().T", "a[:, [0, 1]]", "np.flipud(a)", "np.fliplr(a)", "np.flip(a, 0)", "np.rot90(a)", "np.diagonal(a)", "np.split(a, 2)[0]", "np.hsplit(a, 3)[1]", "np.array_split(a, 2)[1]", "np.moveaxis(a, 0, 1)", "np.rollaxis(a, 1)", "a.diagonal()", "a.flat[2:4]", "np.broadcast_to(a[0], (2, 3))", "a.view()", "np.asarray(a)", "np.asanyarray(a)", "np.ascontiguousarray(a)", "np.ascontiguousarray(a.T)", "np.require(a)", "np.asarray(a, float)", "np.array(a, copy=None)", "np.array(a, copy=False)", "a.astype(float, copy=False)", "np.squeeze(a)", "np.real(a)", "np.nan_to_num(a, copy=False)", "np.triu(a)", "np.unstack(a)[0]", "np.matrix_transpose(a)", "a.mT", "np.permute_dims(a)", "np.einsum('ij->ji', a)", "np.einsum('ij', a)", "next(iter(a))", "list(a)[1]", "np.lib.stride_tricks.sliding_window_view(a[0], 2)", "np.ravel(a, order='F')", "a.reshape(3, 2, order='F')", "a.reshape(-1, 1)", "np.broadcast_arrays(a, a)[0]", "np.expand_dims(a, 0)", "a[...]", "a[()]", "np.compress([True, True], a, axis=0)", "np.take(a, [0, 1], axis=0)", "np.diag(a[:2, :2])", "np.vsplit(a, 2)[1]", "np.dsplit(a[None], 3)[0]", ]  # fmt: skip


@pytest.mark.parametrize("start", ["x.copy()", "x.T.copy().T", "(x.T * 1.0).T"])
@pytest.mark.parametrize("view", VIEWS)
def test_whether_two_arrays_share_memory_is_as_in_numpy_or_the_write_is_refused(view, start):
    """Write to the one, read the other, both ways: the same result, or InPlaceError. Never another result."""
    for body in (
        f"a = {start}\nv = {view}\na[...] = a * 3\na[0, 1] = x[1, 1]\na = a[0, 0] * a[0, 1] + np.sin(v)",
        f"a = {start}\nv = {view}\nv[...] = v * 3\na = a + np.sum(np.sin(v))",
        f"a = {start}\nv = {view}\nv *= 3\na[1, 1] = 7.0 * x[0, 0]\na = a + np.sum(np.sin(v))",
    ):
        user = recorded(body)
        try:
            truth = user.f(X.copy())
        except (ValueError, AttributeError, TypeError, IndexError) as plain:  # NumPy says no: so do we
            with pytest.raises((ChainruleError, type(plain))):
                cr.grad(user.f)(X)
            continue
        try:
            value, gradient = cr.value_and_grad(user.f)(X)
        except (InPlaceError, NoRuleError) as refusal:
            if refusal.hint:
                continue
            raise
        np.testing.assert_allclose(value, truth, rtol=1e-9)
        np.testing.assert_allclose(gradient, slopes(user.f, X), rtol=1e-6, atol=1e-8)


TRIED = [(), (1,), (0,), ((3, 2),), (0, 1), (0, None)]


def functions_that_share():
    """Functions of the table whose result, in NumPy, may share memory with its argument; with arguments to call them."""
    for f, rest in itertools.product(by_function, TRIED):
        if isinstance(f, tuple) or not callable(f):
            continue
        a = X.copy()
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
                found = f(a, *rest)
        except Exception:
            continue
        parts = found if isinstance(found, (list, tuple)) else [found]
        if any(isinstance(v, np.ndarray) and np.shares_memory(v, a) and v.flags.writeable for v in parts):
            yield pytest.param(f, rest, id=f"{f.__name__}{rest}")


@pytest.mark.parametrize(("f", "rest"), list(functions_that_share()))
def test_every_function_of_the_table_that_shares_memory_does_so_here_or_the_write_is_refused(f, rest):
    def first(found):
        return found[0] if isinstance(found, (list, tuple)) else found

    def to_the_result(x):
        a = x * 1.0
        v = first(f(a, *rest))
        v[...] = v * 3.0
        return np.sum(np.sin(a)) + np.sum(np.cos(v))

    def to_the_argument(x):
        a = x * 1.0
        v = first(f(a, *rest))
        a[...] = a * 3.0
        return np.sum(np.sin(a)) + np.sum(np.cos(v))

    for write in (to_the_result, to_the_argument):
        try:
            value = cr.value_and_grad(write)(X)[0]
        except (InPlaceError, NoRuleError) as refusal:
            if refusal.hint:
                continue
            raise
        np.testing.assert_allclose(value, write(X), rtol=1e-9)


KINDS_TRIED = [(), (1,), (0,), (0, 1), (0, None), (0.1, 0.9), ((),)]


def kinds_in_numpy():
    """What a function answers for a number, or for an array without axes: a number or an array."""
    for f, rest, make in itertools.product(by_function, KINDS_TRIED, (float, np.float64, np.array)):
        if isinstance(f, tuple) or not callable(f) or f in (np.zeros_like, np.ones_like, np.empty_like):
            continue
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
                found = f(make(0.5), *rest)
        except Exception:
            continue
        if rest and isinstance(f, np.ufunc) and len(rest) >= f.nin:
            continue  # an output
        if isinstance(found, (float, np.float64, np.ndarray)) and np.shape(found) == ():
            yield pytest.param(f, rest, make, id=f"{f.__name__}{rest}-{make.__name__}")


@pytest.mark.parametrize(("f", "rest", "make"), list(kinds_in_numpy()))
def test_a_function_of_a_number_answers_with_a_number_or_an_array_as_numpy_has_it(f, rest, make):
    kinds = []

    def ask(x):
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # newer NumPys plan to drop some
            y = f(x, *rest)
        kinds.append(type(y))
        return y

    value = np.asarray(ask(make(0.5)))
    try:
        found = cr.vjp(ask, make(0.5))[0]
    except (ChainruleError, TypeError, AttributeError, ValueError):  # not recorded: to say no is enough
        return
    np.testing.assert_allclose(found, value)
    assert kinds[1] is kinds[0]


MEMORY = {
    "two of np.atleast_2d": "a = x * 1.0; r = a[0]; v, _ = np.atleast_2d(r, a); r[1] = 5 * x[1, 1]; a = a * v",
    "two of np.broadcast_arrays": "a = x * 1.0; r = a[0]; v, _ = np.broadcast_arrays(r, a); r[1] = 5 * x[1, 1]; a = a * v",
    "an argument by name": "a = x * 1.0; v = np.transpose(a=a); a[0, 1] = 5 * x[1, 1]; a = a * v.T",
    "a flip of nothing": "a = x * 1.0; v = np.flip(a, axis=()); a[0, 1] = 5 * x[1, 1]; a = a * v",
    "a reshape that copies": "a = x * 1.0; v = np.reshape(a, (3, 2), copy=True); a[0, 1] = 5 * x[1, 1]; a = a * v.reshape(2, 3)",
    "np.linalg.diagonal": "a = x @ x.T; v = np.linalg.diagonal(a); a[0, 0] = 5 * x[1, 1]; a = a * v",
    "np.linalg.matrix_transpose": "a = x * 1.0; v = np.linalg.matrix_transpose(a); v[0, 1] = 5 * x[1, 1]",
    "a number of np.zeros": "a = np.zeros((2, 3)) + x; z = np.zeros(3); s = z[0]; z[0] = 5.0; a = a + s",
    "np.where of numbers": "s = np.where(x[0, 0] > 0, x[0, 0], 0.0); t = s; s += 1.0; a = x * t",
    "a copy of a number": "s = x.sum(); t = s.copy(); u = t; t += 1.0; a = x * u",
    "a number that is bound anew": "s = x.sum(); t = s; s *= 3.0; s **= 2; a = x * t + s",
    "a row for every place of a mask": "a = x * 1.0; a[x[:, 0] > 0.5] = x[0] ** 2",
    "a mask of everything": "a = x * 1.0; a[x.sum() > 0] = x[0] ** 2",
    "adding where a mask holds": "a = x * 1.0; b = a[0]; b[b > 0] = 2.0; a = a + b",
    "a shuffle": "a = x * 1.0; np.random.default_rng(3).shuffle(a); np.random.default_rng(4).shuffle(a, axis=1)",
    "an old shuffle": "a = x * 1.0; b = a[0]; np.random.RandomState(5).shuffle(b)",
}  # fmt: skip


@pytest.mark.parametrize("name", MEMORY)
def test_memory_is_shared_as_in_numpy(name):
    user = recorded(MEMORY[name])
    value, gradient = cr.value_and_grad(user.f)(X)
    np.testing.assert_allclose(value, user.f(X.copy()), rtol=1e-12)
    np.testing.assert_allclose(gradient, slopes(user.f, X), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("line", ["s[...] = 1.0", "s[()] = 1.0", "np.exp(x[0, 0], out=s)", "np.add.at(s, (), 1.0)"])
def test_a_number_is_not_written_into(line):
    user = module(f"def f(x):\n  s = x.sum()\n  {line}\n  return s\n")
    for f in (user.f, cr.grad(user.f)):
        with pytest.raises(TypeError):
            f(X)


def test_whether_memory_is_shared_may_be_asked_and_the_answer_is_numpys_or_none():
    asked = {
        "a, a": True, "a, x": False, "a, a.copy()": False, "a, a * 2": False, "a, 1.0": False, "a[0], x[0]": False,
        "a, a[0]": None, "a[0], a[1]": None, "a.T, a": None, "a.reshape(6), a": None, "a[0], a.reshape(6)": None,
    }  # fmt: skip
    for arrays, answer in asked.items():
        user = module(f"def f(x):\n  a = x * 1.0\n  return np.sum(x) * (2 if np.shares_memory({arrays}) else 3)\n")
        if answer is None:
            with pytest.raises(NoRuleError) as letter:
                cr.grad(user.f)(X)
            assert letter.value.hint
        else:
            assert (user.f(X), cr.value_and_grad(user.f)(X)[0]) == (X.sum() * (2 if answer else 3),) * 2


def test_a_mask_without_axes_may_choose_what_is_written_and_cannot_be_read():
    def written(x):
        a = x.copy()
        a[x[0, 0] > 0] = 1.0
        return np.sum(a)

    def read(x):
        a = x.copy()
        a[x[0, 0] > 0] *= 0.5
        return np.sum(a)

    assert cr.value_and_grad(written)(X)[0] == written(X)
    with pytest.raises(NoRuleError) as letter:
        cr.grad(read)(X)
    assert letter.value.hint


def test_a_mask_that_does_not_fit_raises_as_numpy_does():
    def f(x):
        a = x.copy()
        a[x[0] > 0] = 1.0
        return np.sum(a)

    for g in (f, cr.grad(f)):
        with pytest.raises(IndexError):
            g(X)


# --- outside ------------------------------------------------------------------------------------------------------------

OUTSIDE = {
    "an element of an argument": "x[0, 0] = 1.0",
    "a row of an argument": "x[0] = x[1]",
    "+= on an argument": "x += 1",
    "*= on an argument": "x *= x",
    "a view of an argument": "v = x[0]\nv[1] = 1.0",
    "a reshape of an argument": "v = x.reshape(6)\nv[1] = 1.0",
    "a transpose of an argument": "v = x.T\nv[1] = 1.0",
    "a row of a loop over an argument": "for r in x: r *= 2",
    "another name of an argument": "v = x\nv[0] = 1.0",
    "np.asarray of an argument": "v = np.asarray(x)\nv[0] = 1.0",
    "fill": "x.fill(0.0)",
    "sort": "x.sort()",
    "out= is an argument": "np.exp(x, out=x)",
    "out= is the other argument": "np.exp(x, out=y)",
    "np.add.at": "np.add.at(x, 0, 1.0)",
    "the other argument": "y[0] = x[0]",
    "+= on the other argument": "y += x",
    "a global array": "C[0] = 1.0",
    "a global array, with a stand-in": "C[0] = x[0]",
    "+= on a part of a global array": "C[0] += x[0]",
    "a view of a global array": "v = C[0]\nv[0] = 1.0",
    "a view of a global array, with a stand-in": "v = C[0]\nv[0] = x[0, 0]",
    "out= is a global array": "np.exp(x, out=C)",
    "out= of plain numbers is a global array": "np.exp(np.ones((2, 3)), out=C)",
    "np.add.at on a global array": "np.add.at(C, 0, 1.0)",
    "np.copyto a global array": "np.copyto(C, x)",
    "np.copyto a global array plain numbers": "np.copyto(C, 1.0)",
    "np.put on a global array": "np.put(C, [0], [1.0])",
    "np.place on a global array": "np.place(C, C > 0, [1.0])",
    "np.putmask on a global array": "np.putmask(C, C > 0, 1.0)",
    "np.fill_diagonal on a global array": "np.fill_diagonal(C, 0.0)",
    "np.random.shuffle of a global array": "np.random.default_rng(0).shuffle(C)",
    "fill of a global array": "C.fill(0.0)",
    "sort of a global array": "C.sort()",
    "resize of a global array": "C.resize(3, 2)",
    "partition of a global array": "C.partition(1)",
    "shape of a global array": "C.shape = (3, 2)",
    "flat of a global array": "C.flat[0] = 1.0",
    "an enclosing array": "E[0] = 1.0",
    "an array in a list": "L[0][0] = 1.0",
    "an array in a list, +=": "L[0] += 1.0",
    "an array in a dict, +=": "D['a'] += 1.0",
    "an array in an object": "O.a[0] = 1.0",
    "an array in an object, +=": "O.a += 1.0",
    "an array in slots": "S.a[0] = 1.0",
    "an array in slots, with a stand-in": "S.a[0] = x[0]",
    "an array in an object array": "B[0][0] = 1.0",
    "a default": "d[0] = 1.0",
    "a default, with a stand-in": "d += x",
    "an array of a class": "K.a[0] = 1.0",
    "an integer array": "N[0] = 1",
    "an array of truths": "M[0] = True",
    "an array of objects": "B[1] = 5",
    "a part of NumPy's own": "np.add.at(C, 0, x[0])",
    "a memory view": "memoryview(C)[0, 0] = 1.0",
    "a global array through np.asarray": "v = np.asarray(C)\nv[0] = 1.0",
    "a global array through np.ravel": "v = np.ravel(C)\nv[0] = 1.0",
    "a global array through reshape": "v = C.reshape(6)\nv[0] = 1.0",
    "a global array through .T": "v = C.T\nv[0] = 1.0",
    "a global array through np.atleast_1d": "v = np.atleast_1d(C)\nv[0] = 1.0",
    "a global array through np.split": "v, w = np.split(C, 2)\nv[0] = 1.0",
    "a global array through a loop": "for v in C: v[0] = 1.0",
    "a global array through zip": "for v, w in zip(C, x): v += w",
    "a global array through view": "v = C.view()\nv[0] = 1.0",
    "a global array through astype": "v = C.astype(float, copy=False)\nv[0] = 1.0",
    "a global array through np.nditer": "for v in np.nditer(C, op_flags=['readwrite']): v[...] = 1.0",
    "a global array through as_strided": "v = np.lib.stride_tricks.as_strided(C)\nv[0] = 1.0",
    "a global array through np.frombuffer": "v = np.frombuffer(C)\nv[0] = 1.0",
}  # fmt: skip


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_write_that_would_reach_outside_is_refused_and_nothing_is_changed(name):
    user = module(
        """
        C = np.array([[1.0, -2.0, 3.0], [-4.0, 5.0, -6.0]])
        def copy(): return C.copy()
        L, D, N, M = [copy()], {"a": copy()}, np.arange(6), np.zeros(6, bool)
        class O: pass
        O = O()
        O.a = copy()
        class S: __slots__ = ("a",)
        S = S()
        S.a = copy()
        class K: a = C.copy()
        B = np.empty(2, object)
        B[0], B[1] = copy(), 3
        E0 = copy()
        def make():
            E = E0
            def f(x, y, d=copy()):
        """.rstrip(" ")
        + "".join(f"                {line}\n" for line in OUTSIDE[name].split("\n"))
        + """\
                return np.sum(x) + np.sum(E) + np.sum(d)
            return f
        f = make()
        """
    )

    def look():
        arrays = (user.C, user.L[0], user.D["a"], user.N, user.M, user.O.a, user.S.a, user.K.a, user.B[0], user.E0)
        return [np.array(a) for a in (*arrays, user.B[1], user.f.__defaults__[0])]

    before = look()
    x, y = X.copy(), 2 * X
    for _ in range(2):
        with pytest.raises(ChainruleError) as letter:
            cr.grad(user.f)(x, y)
        assert letter.value.hint
        assert "users_module" in str(letter.value)
    for now, then in zip([*look(), x, y], [*before, X, 2 * X], strict=True):
        np.testing.assert_array_equal(now, then)


def test_the_letter_names_the_array_and_the_line_and_the_cure():
    def f(x):
        x[0] = 1.0
        return np.sum(x)

    with pytest.raises(InPlaceError) as letter:
        cr.grad(f)(np.ones(3))
    text = str(letter.value)
    assert "`x`" in text
    assert "x[0] = 1.0" in text
    assert "test_in_place.py" in text
    assert "copy" in letter.value.hint


def test_a_write_whose_error_is_caught_is_refused_all_the_same():
    def f(x):
        try:
            x[0] = 1.0
        except Exception:
            x = x * 2
        return np.sum(x)

    with pytest.raises(InPlaceError):
        cr.grad(f)(np.ones(3))


def test_an_argument_without_axes_is_written_by_the_operators_and_a_number_is_not():
    def f(x):
        x += 1.0
        return x**2

    x = np.array(2.0)
    with pytest.raises(InPlaceError):
        cr.grad(f)(x)
    assert x == 2.0
    assert cr.grad(f)(2.0) == 6.0
    assert cr.grad(f)(np.float64(2.0)) == 6.0
    with pytest.raises(InPlaceError):
        cr.grad(f)(x)


def test_real_numbers_are_not_added_to_whole_ones_in_place():
    user = module("def f(x):\n  a = np.zeros(3, int)\n  a += x\n  return np.sum(a)\n")
    with pytest.raises(TypeError):
        user.f(np.ones(3))
    with pytest.raises((TypeError, ChainruleError)):
        cr.grad(user.f)(np.ones(3))


def test_results_are_arrays_of_their_own():
    x, C = np.ones(3), np.ones(3)

    def f(x):
        return x, C, x.reshape(3, 1), x * 1, np.broadcast_to(x, (2, 3)), x[0]

    value, tangent = cr.jvp(f, (x,), (x,))
    rows = cr.vmap(f)(np.ones((2, 3)))
    for y in (*value, *tangent, *rows):
        if np.ndim(y):
            assert y.flags.writeable
            y[...] = 9.0
    np.testing.assert_array_equal(x, np.ones(3))
    np.testing.assert_array_equal(C, np.ones(3))
    again, _ = cr.jvp(f, (x,), (x,))
    for y in again:
        np.testing.assert_array_equal(y, np.ones(np.shape(y)))
    arrays = [y for y in (*again, *tangent) if np.ndim(y)]
    assert not any(np.shares_memory(a, b) for a, b in itertools.combinations(arrays, 2))


def test_a_gradient_of_a_linear_function_is_not_the_captured_array_itself():
    c = np.array([1.0, 2.0])
    gradient = cr.grad(lambda x: c @ x)(np.ones(2))
    gradient[0] = 99.0
    np.testing.assert_array_equal(c, [1.0, 2.0])
    np.testing.assert_array_equal(cr.grad(lambda x: c @ x)(np.ones(2)), [1.0, 2.0])


def test_a_constant_gradient_may_be_written_without_spoiling_the_next():
    d = cr.grad(np.sum)
    first = d(np.ones(3))
    first[:] = 7.0
    np.testing.assert_array_equal(d(np.ones(3)), np.ones(3))


def test_a_write_of_another_shape_is_a_shape_error_with_both_shapes():
    def f(x):
        a = x.copy()
        a[:2] = x
        return np.sum(a)

    with pytest.raises(cr.ChainruleError) as letter:
        cr.grad(f)(np.ones(3))
    assert "3" in str(letter.value)
    assert "a[:2] = x" in str(letter.value)


def test_an_index_out_of_bounds_raises_as_numpy_does():
    for line in ("a[5] = 1.0", "a[0, 0] = 1.0", "a[[0, 7]] = 1.0", "a = a[-4]", "a = a['k']", "a = a[1.5]"):
        user = module(f"def f(x):\n  a = x.copy()\n  {line}\n  return np.sum(a)\n")
        with pytest.raises((IndexError, ChainruleError)):
            user.f(np.ones(3))
        with pytest.raises((IndexError, ChainruleError)):
            cr.grad(user.f)(np.ones(3))


def test_a_float_is_not_lost_in_an_integer_array():
    user = module("def f(x):\n  a = np.zeros(3, int)\n  a[0] = x[0]\n  return np.sum(a * x)\n")
    try:
        value, slope = cr.value_and_grad(user.f)(np.array([2.7, 1.0, 1.0]))
    except ChainruleError:
        return
    assert value == user.f(np.array([2.7, 1.0, 1.0])) == 2 * 2.7
    np.testing.assert_array_equal(slope, [2.0, 0.0, 0.0])


# --- programs that nobody thought of ------------------------------------------------------------------------------------


def random_program(seed, length=14):
    """Statements that make arrays, views and aliases, and write to them; each is tried in NumPy while it is drawn."""
    rng = np.random.default_rng(seed)
    scope = {"np": np, "x": X.copy(), "math": None}
    lines = ["a0 = x.copy()"]
    exec(lines[0], scope)
    names = ["a0"]

    def pick(options):
        return options[rng.integers(len(options))]

    def place(v):
        """An index that fits."""
        parts = [pick(["0", "-1", ":", "::-1", "1:", "::2", "[0, -1]", "[-1, 0, 0]"]) for _ in range(scope[v].ndim)]
        parts = parts[: rng.integers(0, len(parts) + 1)]
        return pick([", ".join(parts), "..."]) if parts else "..."

    def number():
        return pick(["x[0, 1]", "x[1, 2] ** 2", "2.0", "x.sum()", "np.sin(x[1, 0])"])

    while len(lines) < length:
        v, w, new = pick(names), pick(names), f"a{len(names)}"
        kind = pick(["make", "view", "view", "alias", "write", "write", "write", "add", "add", "swap", "read"])
        line = {
            "make": f"{new} = {pick([f'{v} * 1.5', f'{v} + {number()}', f'np.sin({v})', f'{v}.copy()', f'np.zeros_like({v})', f'{v}.T.copy()', f'np.concatenate([{v}, {v}])', f'np.array({v})'])}",
            "view": f"{new} = {pick([f'{v}[{place(v)}]', f'{v}.T', f'{v}.reshape(-1)', f'{v}[None]', f'{v}.ravel()', f'np.flip({v})', f'np.asarray({v})', f'{v}[..., ::-1]', f'np.atleast_2d({v})', f'np.squeeze({v})'])}",
            "alias": f"{new} = {v}",
            "write": f"{v}[{place(v)}] = {pick([number(), w, f'{w} * 0.5', f'{w}[{place(w)}]', f'{v}[{place(v)}]'])}",
            "add": pick([f"{v} += {pick([number(), w, v])}", f"{v} *= {pick([number(), w])}", f"{v}[{place(v)}] += {pick([number(), w])}"]),
            "swap": f"{v}[[0, -1]] = {v}[[-1, 0]]",
            "read": f"{new} = {v} * {w}",
        }[kind]  # fmt: skip
        trial = {k: u for k, u in scope.items()}
        try:
            before = {n: np.array(scope[n]) for n in names}
            exec(line, trial)
        except (ValueError, IndexError, TypeError):
            for n in names:  # a write that failed half way
                if np.ndim(scope[n]):
                    scope[n][...] = before[n]
            continue
        if kind in ("make", "view", "alias", "read"):
            if np.size(trial[new]) > 24:
                continue
            names.append(new)
        scope = trial
        lines.append(line)
    total = " + ".join(
        f"np.sum({n} * np.cos(np.arange({n}.size) + {i}.0).reshape({n}.shape))" for i, n in enumerate(names)
    )
    return "def f(x):\n" + "".join(f"    {line}\n" for line in lines) + f"    return {total}\n"


@pytest.mark.parametrize("block", range(8))
def test_random_programs_that_write_do_what_numpy_does_or_are_refused(block):
    recorded = 0
    for seed in range(block * 15, block * 15 + 15):
        text = random_program(seed)
        f = module(text).f
        truth = f(X.copy())
        try:
            value, slope = cr.value_and_grad(f)(X)
        except InPlaceError as refusal:
            assert refusal.hint  # noqa: PT017
            continue
        recorded += 1
        np.testing.assert_allclose(value, truth, rtol=1e-9, err_msg=text)
        coarse, fine = slopes(f, X), slopes(f, X, h=3e-4)
        if np.allclose(coarse, fine, rtol=1e-6):  # else the function bends too much for differences to say anything
            np.testing.assert_allclose(slope, coarse, rtol=1e-4, atol=1e-5 * np.max(np.abs(coarse)), err_msg=text)
    assert recorded > 5, "nearly all are refused: this proves little"
