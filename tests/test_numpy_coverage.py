"""Plain NumPy, called in every way that people call it: each line is a function, and all of them are differentiated.

The names in a line that stand in ARGUMENTS are its arguments. Each line gives the value, shape and dtype that NumPy
gives; forward mode is the slope that differences see, at first and second order; reverse mode is its transpose; mapped
over rows, it is the loop; and float32 stays float32.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable
from typing import Any

import claims
import numpy as np
import pytest
import scipy
import scipy.linalg
import scipy.special

from chainrule import trace
from chainrule.api import Call
from chainrule.errors import ChainruleError, DtypeError
from chainrule.execute import run
from chainrule.ir import Program
from chainrule.ops.op import Elementwise, by_function
from chainrule.ops.table import OPS
from chainrule.transform.forward import forward
from chainrule.transform.reverse import reverse


def _arguments(seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    a = np.eye(3) * 3 + rng.normal(size=(3, 3)) / 2
    spread = lambda *shape: rng.permutation(int(np.prod(shape))).reshape(shape) / 5 - 1.13  # noqa: E731
    return {
        "x": spread(3, 4), "y": rng.normal(size=(3, 4)), "p": rng.uniform(0.4, 2, (3, 4)), "m": rng.normal(size=(4, 2)),
        "v": spread(4), "w": rng.normal(size=4), "u": rng.normal(size=3), "row": rng.normal(size=(1, 4)),
        "col": rng.normal(size=(3, 1)), "wide": rng.uniform(0.5, 1, (2, 1, 4)),
        "t": spread(2, 3, 4), "k": rng.normal(size=(2, 4, 2)),
        "a": a, "b": rng.normal(size=(3, 2)), "c": a @ a.T,
        "aa": np.stack([a, a.T, a + 0.1]), "bb": rng.normal(size=(3, 3, 2)),
        "s": np.float64(rng.uniform(0.3, 0.9)), "r": np.float64(rng.uniform(1.2, 1.9)),
    }  # fmt: skip


ARGUMENTS = _arguments()
X = np.array([[1.0, -2.0, 0.5], [0.3, 1.5, -1.0]])  # arrays from outside
FLAGS = np.array([True, False, True])
MASK = np.arange(12).reshape(3, 4) % 3 > 0
PLACES = np.array([2, 0, 2])
SCOPE = {
    "np": np, "math": math, "scipy": scipy, "X": X, "FLAGS": FLAGS, "MASK": MASK, "PLACES": PLACES,
    "W64": np.array([0.5, 1.0, -1.0, 2.0]), "W32": np.array([0.5, 1.0, -1.0, 2.0], np.float32),
    "COUNTS": np.array([3, 1, 2, 5]), "newaxis": np.newaxis, "inf": math.inf,
}  # fmt: skip

LINES = r"""
np.sum(x)
np.sum(x, 0)
np.sum(x, axis=-1)
np.sum(x, axis=(0, 1))
np.sum(x, axis=(-1,), keepdims=True)
np.sum(t, axis=(0, -1))
np.sum(t, axis=1, keepdims=True)
np.sum(x, axis=None, keepdims=True)
np.sum(x, axis=())
np.sum(s)
np.sum(x, where=MASK)
np.sum(x, axis=0, where=x > 0)
np.sum(x, initial=2.0)
np.sum(x, axis=1, dtype=np.float64)
np.sum([s, r, 1.0])
np.sum((v, w), axis=0)
np.sum(x > 0) * s
np.add.reduce(x)
np.add.reduce(x, axis=1)
np.add.reduce(t, axis=(0, 2), keepdims=True)
np.add.accumulate(x)
np.add.accumulate(x, axis=1)
np.multiply.reduce(p)
np.multiply.reduce(p, axis=1, keepdims=True)
np.maximum.reduce(x)
np.minimum.reduce(x, axis=1)
np.logical_and.reduce(x > -2) * v
np.logical_or.reduce(x > 5, axis=1) * u
np.mean(x)
np.mean(x, axis=0)
np.mean(x, -1)
np.mean(t, axis=(1, 2), keepdims=True)
np.mean(x, where=MASK)
np.mean(x, dtype=np.float64)
np.average(x)
np.average(x, axis=0)
np.average(x, weights=p)
np.average(x, axis=1, weights=W64)
np.average(x, axis=1, weights=w**2, keepdims=True)
np.var(x)
np.var(x, axis=0)
np.var(x, axis=1, ddof=1, keepdims=True)
np.var(t, axis=(0, 2))
np.var(x, correction=1)
np.std(x)
np.std(x, axis=0, ddof=1)
np.std(x, axis=1, keepdims=True)
np.max(x)
np.max(x, axis=0)
np.max(x, -1, keepdims=True)
np.max(t, axis=(0, 2))
np.max([s, r])
np.max(x, initial=0.3)
np.amax(x, axis=1)
np.min(x)
np.min(x, axis=1)
np.min(t, axis=(1, 2), keepdims=True)
np.amin(x)
np.ptp(x)
np.ptp(x, axis=0)
np.ptp(x, axis=1, keepdims=True)
np.prod(p)
np.prod(x, axis=0)
np.prod(x, axis=1, keepdims=True)
np.prod(t, axis=(0, 2))
np.prod([s, r, 2.0])
np.cumsum(x)
np.cumsum(x, axis=0)
np.cumsum(t, axis=-1)
np.cumprod(p)
np.cumprod(x, axis=1)
p.cumprod(axis=0)
np.any(x > 0, axis=0) * v
np.all(x > -1) * s
np.any(x > 1) * s
np.all(x > -1, axis=1, keepdims=True) * col
np.count_nonzero(x > 0, axis=1) * u
np.count_nonzero(x > 0, axis=0, keepdims=True) * row
np.argmax(x, axis=1) * u
np.argmin(x) * s
np.argmax(x, axis=0, keepdims=True) * row
np.argsort(x, axis=0) * x
np.argsort(v) * w
np.argsort(v, kind="stable") * w
np.argsort(x, axis=None) * s
np.sort(x)
np.sort(x, axis=0)
np.sort(x, axis=None)
np.sort(v)[::-1]
np.sort(x, kind="stable")
np.median(v)
np.median(x, axis=0)
np.median(x, axis=1, keepdims=True)
np.median(x)
np.median(t, axis=(0, 2))
np.diff(x)
np.diff(x, axis=0)
np.diff(v, n=2)
np.diff(x, 1, -1)
np.clip(x, -0.5, 0.5)
np.clip(x, None, 0.5)
np.clip(x, a_min=-0.5, a_max=None)
np.clip(x, min=-0.2, max=0.4)
np.clip(x, row, 2.0)
np.where(x > 0, x, 0)
np.where(x > y, x**2, y)
np.where(MASK, x, s)
np.where(FLAGS[:, None], x, 1.0)
np.where(x > 0, np.sqrt(np.where(x > 0, x, 1.0)), -1.0)
np.select([x > 0.5, x > 0], [x**2, x], default=0.0)
np.select([x > 0.5, x > 0], [x**2, 1.0], s)
np.maximum(x, 0)
np.maximum(x, y)
np.minimum(x, row)
np.fmax(x, y)
np.fmin(x, y)
np.maximum.outer(u, v)
np.minimum.outer(u, v)
np.add.outer(u, v)
np.subtract.outer(u, v)
np.multiply.outer(u, x)
np.divide.outer(u, p)
np.power.outer(p, u)
np.matmul(x, m)
np.matmul(v, m)
np.matmul(x, v)
np.matmul(v, w)
np.matmul(t, m)
np.matmul(t, k)
np.matmul(x, k)
np.matmul(v, k)
np.matmul(t, v)
np.matmul(wide, m)
np.matmul(aa, bb)
x @ m
X @ x
x.T @ y
x @ x.T
v @ w
s * (x @ v)
np.dot(x, m)
np.dot(v, w)
np.dot(x, v)
np.dot(u, x)
np.dot(s, x)
np.dot(x, 2.0)
np.dot(t, k)
np.dot(t, v)
np.dot(v, m)
np.dot(t, m)
x.dot(m)
X.dot(x)
X.dot(u)
X.sum() * s
np.inner(v, w)
np.inner(x, y)
np.inner(t, x)
np.inner(x, v)
np.inner(s, v)
np.vdot(x, y)
np.vecdot(x, y)
np.vecdot(x, v)
np.linalg.vecdot(x, y)
np.linalg.vecdot(x, y, axis=0)
np.outer(u, v)
np.outer(x, v)
np.linalg.outer(u, v)
np.tensordot(x, y)
np.tensordot(x, m, axes=1)
np.tensordot(u, v, axes=0)
np.tensordot(x, y, axes=([0], [0]))
np.tensordot(x, y, axes=(1, 1))
np.tensordot(t, x, axes=([1, 2], [0, 1]))
np.tensordot(t, k, axes=((0, 2), (0, 1)))
np.linalg.tensordot(x, m, axes=1)
np.kron(u, v)
np.kron(a, b)
np.kron(v, b)
np.kron(t, row)
np.cross(u, b[:, 0])
np.cross(a, u)
np.cross(a, aa[0], axis=0)
np.linalg.cross(a, u)
np.einsum("ij->ji", x)
np.einsum("ij->", x)
np.einsum("ij->i", x)
np.einsum("ii", a)
np.einsum("ii->i", a)
np.einsum("i,j->ij", u, v)
np.einsum("ij,jk->ik", x, m)
np.einsum("ij,jk", x, m)
np.einsum("ji", x)
np.einsum("ij,ij->", x, y)
np.einsum("i,ij,j->", u, x, v)
np.einsum("i,ij,j", u, x, v)
np.einsum("bij,bjk->bik", aa, bb)
np.einsum("...j,jk->...k", t, m)
np.einsum("...ij,...jk->...ik", t, k)
np.einsum("...->...", t)
np.einsum("i...,i...->...", x, x)
np.einsum("...ij,...ij->...", wide, x)
np.einsum("ij , jk -> ik", x, m)
np.einsum("ij,jk,kl->il", x, m, m.T, optimize=True)
np.einsum("ii,i->", a, u)
np.einsum("ij,ij->ij", x, x)
np.einsum("i->i", v)
np.trace(a)
np.trace(a, offset=1)
np.trace(aa, axis1=1, axis2=2)
np.trace(x, -1)
np.linalg.trace(aa)
np.diagonal(a)
np.diagonal(x, 1)
np.diagonal(aa, 0, 1, 2)
np.diagonal(a, offset=-1)
np.linalg.diagonal(aa)
np.linalg.diagonal(aa, offset=1)
np.diag(v)
np.diag(v, 1)
np.diag(v, k=-2)
np.diag(a)
np.diag(x, 1)
np.tril(a)
np.triu(a, 1)
np.tril(x, k=-1)
np.tril(t)
np.reshape(x, (4, 3))
np.reshape(x, (2, -1))
np.reshape(x, -1)
np.reshape(x, [6, 2])
np.reshape(s, (1, 1))
x.reshape(4, 3)
x.reshape((2, 6))
x.reshape(-1)
x.reshape(2, -1)
x.reshape(12)
np.ravel(x)
np.ravel(s)
x.ravel()
x.flatten()
x.flat[3]
np.squeeze(row)
np.squeeze(row, axis=0)
np.squeeze(wide, 1)
wide.squeeze()
np.expand_dims(x, 0)
np.expand_dims(x, -1)
np.expand_dims(x, (0, 2))
np.atleast_1d(s)
np.atleast_2d(v)
np.atleast_2d(s)
np.atleast_1d(s, v)
np.atleast_3d(x)
np.atleast_3d(s, v)
np.transpose(x)
np.transpose(t, (1, 0, 2))
np.transpose(t, (-1, 0, 1))
np.permute_dims(t, (2, 0, 1))
np.matrix_transpose(t)
np.linalg.matrix_transpose(t)
x.T
t.T
t.mT
t.transpose(2, 0, 1)
t.transpose((0, 2, 1))
np.swapaxes(t, 0, -1)
t.swapaxes(0, 1)
np.moveaxis(t, 0, -1)
np.moveaxis(t, [0, 1], [-1, 0])
np.rollaxis(t, 2)
np.rollaxis(t, 0, 3)
np.rollaxis(t, -1, 1)
np.broadcast_to(row, (3, 4))
np.broadcast_to(s, (2, 2))
np.broadcast_to(v, (2, 3, 4))
np.broadcast_to(col, (2, 3, 4))
np.broadcast_arrays(row, col)
np.concatenate([x, y])
np.concatenate((x, y), axis=1)
np.concatenate([x, y, x], axis=-1)
np.concatenate([x, y], axis=None)
np.concatenate([x, [[1.0, 2.0, 3.0, 4.0]]])
np.concat([v, w])
np.stack([x, y])
np.stack((x, y), axis=-1)
np.stack([v, w], axis=1)
np.stack([s, r])
np.stack([s, 1.0, r])
np.stack([v[0], v[1]])
np.vstack([v, w])
np.vstack((x, row))
np.hstack([v, w])
np.hstack((x, col))
np.hstack([s, v])
np.dstack([x, y])
np.dstack((v, w))
np.column_stack([v, w])
np.column_stack((x, u))
np.append(v, w)
np.append(x, row, axis=0)
np.append(v, 1.0)
np.split(x, 2, axis=1)
np.split(v, 2)
np.split(v, [1, 3])
np.split(x, [1], axis=0)
np.array_split(v, 3)
np.hsplit(x, 2)
np.hsplit(v, [1])
np.vsplit(x, 3)
np.flip(x)
np.flip(x, 0)
np.flip(t, axis=(0, 2))
np.fliplr(x)
np.flipud(x)
np.rot90(x)
np.rot90(x, 2)
np.rot90(x, k=-1)
np.rot90(t, 1, axes=(1, 2))
np.roll(v, 1)
np.roll(x, 2)
np.roll(x, -1, axis=0)
np.roll(x, (1, 2), axis=(0, 1))
np.roll(x, shift=1, axis=-1)
np.tile(v, 2)
np.tile(x, (2, 1))
np.tile(v, (2, 3))
np.repeat(v, 2)
np.repeat(x, 3, axis=0)
np.repeat(x, 2, axis=-1)
np.repeat(v, COUNTS)
np.pad(v, 1)
np.pad(v, (1, 2))
np.pad(x, ((1, 0), (0, 2)), "constant")
np.pad(x, 1, mode="edge")
np.pad(x, (1, 2), mode="reflect")
np.pad(x, ((0, 0), (2, 1)), mode="wrap")
np.pad(x, ((1, 0), (0, 2)))
np.pad(x, 2, constant_values=1.5)
np.take(v, [0, 2, 2])
np.take(x, 1, axis=0)
np.take(x, PLACES, axis=1)
np.take(x, PLACES)
np.take(x, [[0, 1], [2, -1]], axis=-1)
v.take([3, 1])
np.take_along_axis(x, np.argsort(x, axis=1), axis=1)
np.take_along_axis(x, np.argmax(x, axis=0, keepdims=True), axis=0)
np.take_along_axis(x, np.array([[3, 0]]), axis=1)
np.take_along_axis(x[:1], np.zeros((2, 4), int), axis=0)
np.take_along_axis(x[:, :1], np.argsort(x, axis=0), axis=0)
np.linalg.norm(v)
np.linalg.norm(x)
np.linalg.norm(x, axis=1)
np.linalg.norm(x, axis=0, keepdims=True)
np.linalg.norm(t, axis=(1, 2))
np.linalg.norm(x, "fro")
np.linalg.norm(v, 1)
np.linalg.norm(v, 2)
np.linalg.norm(v, 3)
np.linalg.norm(v, np.inf)
np.linalg.norm(v, -np.inf)
np.linalg.norm(v, ord=0) * s
np.linalg.norm(x, 1, axis=1)
np.linalg.norm(x, 2, axis=0)
np.linalg.norm(y, ord=1)
np.linalg.norm(y, np.inf)
np.linalg.norm(t, -1, axis=(0, 2), keepdims=True)
np.linalg.norm(t)
np.linalg.vector_norm(x)
np.linalg.vector_norm(x, axis=1, ord=3)
np.linalg.vector_norm(x, keepdims=True)
np.linalg.solve(a, u)
np.linalg.solve(a, b)
np.linalg.solve(aa, bb)
np.linalg.solve(aa, b)
np.linalg.solve(a, bb)
np.linalg.solve(X[:, :2] + 2 * np.eye(2), b[:2])
np.linalg.inv(a)
np.linalg.inv(aa)
np.linalg.det(a)
np.linalg.det(aa)
np.linalg.slogdet(a)
np.linalg.slogdet(a)[1]
np.linalg.slogdet(aa).logabsdet
np.linalg.cholesky(c)
np.linalg.cholesky(c, upper=True)
np.linalg.cholesky(np.stack([c, 2 * c]))
np.linalg.matrix_power(a, 3)
np.linalg.matrix_power(aa, 2)
np.linalg.matrix_power(a, -2)
np.linalg.matrix_power(a, 0) * s
np.linalg.multi_dot([x, m, b.T[:, :2]])
scipy.linalg.solve(a, b)
scipy.linalg.solve(a, u)
scipy.linalg.inv(a)
scipy.linalg.det(a)
scipy.linalg.cholesky(c)
scipy.linalg.cholesky(c, lower=True)
scipy.special.logsumexp(x)
scipy.special.logsumexp(x, axis=1)
scipy.special.logsumexp(x, axis=0, keepdims=True)
scipy.special.logsumexp(x, axis=(0, 1))
scipy.special.logsumexp(x, b=p)
scipy.special.logsumexp(x, axis=1, b=2.0)
scipy.special.logsumexp(x, axis=-1, b=W64)
scipy.special.logsumexp(x, axis=0, b=p, keepdims=True)
scipy.special.logsumexp([s, r])
scipy.special.softmax(x)
scipy.special.softmax(x, axis=1)
scipy.special.softmax(v)
scipy.special.log_softmax(x)
scipy.special.log_softmax(x, axis=-1)
scipy.special.expit(x)
scipy.special.erf(x)
scipy.special.erfc(x)
scipy.special.gammaln(p)
scipy.special.digamma(p)
scipy.special.psi(p)
scipy.special.polygamma(1, p)
scipy.special.polygamma(0, p)
scipy.special.polygamma(2, p)
scipy.special.xlogy(x, p)
scipy.special.xlogy(0.0, p)
np.exp(x)
np.power(p, y)
np.power(p, 3)
np.power(2.0, x)
np.square(x)
np.reciprocal(p)
np.positive(x)
np.fabs(x)
np.abs(x)
np.sign(x) * x
np.absolute(x)
np.degrees(x)
np.radians(x)
np.rad2deg(x)
np.deg2rad(x)
np.fix(x * 3)
np.round(x * 3)
np.round(x, 1)
np.around(x, decimals=0)
np.around(x, 1)
np.rint(x * 3) + x
np.floor(x * 3) + x
np.mod(x, p)
np.remainder(x, 1.5)
np.floor_divide(x, p) + x
np.true_divide(x, p)
np.hypot(x, y)
np.arctan2(x, p)
np.logaddexp(x, y)
np.nan_to_num(x)
np.nan_to_num(x / 0.0 * 0.0, nan=1.0) + x
np.isfinite(x) * x
np.isnan(x) * x
np.signbit(x) * x
np.logical_not(x > 0) * x
((x > 0) & (y > 0)) * x
((x > 0) | (y > 0)) * x
((x > 0) ^ (y > 0)) * x
(~(x > 0)) * x
np.bitwise_and(x > 0, y > 0) * x
np.bitwise_or(x > 0, y > 0) * x
np.bitwise_xor(x > 0, y > 0) * x
np.invert(x > 0) * x
np.real(x)
np.conj(x)
np.conjugate(x)
np.trapezoid(x, axis=1)
np.trapezoid(x, dx=0.5, axis=0)
np.trapezoid(v, w)
np.trapezoid(x, u, axis=0)
np.polyval([1.0, -2.0, 0.5], x)
np.meshgrid(u, v)
np.meshgrid(u, v, indexing="ij")
np.linspace(s, r, 5)
np.linspace(0.0, s, 4)
np.linspace(s, 1.0, num=3, endpoint=False)
np.full((2, 3), s)
np.full_like(x, s)
np.full_like(x, 2.0) * x
np.zeros_like(x) + x
np.ones_like(x) * x
np.array([s, 1.0, r])
np.array([[s, 1.0], [r, s]])
np.array([v, w])
np.array([[s, 0.0], [0.0, 1.0]]) @ np.array([r, s])
np.array(x)
np.array(x, dtype=np.float64)
np.asarray(x) * 2
np.asarray([s, r])
np.asanyarray([s, r])
np.ascontiguousarray(x.T)
np.copy(x)
x.copy()
np.astype(x, np.float64)
np.r_[s, v, 1.0]
np.r_[v, w]
np.r_[0.0, v, 1:3]
np.c_[v, w]
np.c_[x, u]
np.c_[np.ones(4), v]
np.array_equal(x, y) * s
np.size(x) * s
np.size(x, 0) * s
np.ndim(x) * s
np.shape(x)[1] * s
np.isscalar(s) * s
np.iscomplexobj(x) * s
np.isrealobj(x) * s
np.result_type(x, y).itemsize * s
np.shares_memory(x, y) * s
np.may_share_memory(x, y) * s
math.sin(s)
math.cos(s) + math.tan(s)
math.asin(s) + math.acos(s)
math.atan(s)
math.atan2(s, r)
math.sinh(s) + math.cosh(s)
math.tanh(s)
math.asinh(s)
math.acosh(r)
math.atanh(s)
math.exp(s)
math.exp2(s)
math.cbrt(s)
math.expm1(s)
math.log(s)
math.log(s, 2)
math.log(s, r)
math.log1p(s)
math.log2(s)
math.log10(s)
math.sqrt(s)
math.pow(r, s)
math.pow(s, 3)
math.fabs(-s)
math.hypot(s, r)
math.floor(s) + s
math.ceil(s) + s
math.trunc(s) + s
math.isnan(s) * s
math.isinf(s) * s
math.isfinite(s) * s
math.degrees(s)
math.radians(s)
math.erf(s)
math.erfc(s)
math.lgamma(r)
math.fsum([s, r, 1.0])
math.fsum(v)
math.prod([s, r])
math.prod([s, r], start=2.0)
math.sin(v[0]) * math.pi
sum([s, r, s])
sum(v)
sum(x)
max(v.size, 2) * s
abs(x)
abs(-s)
round(s) + s
divmod(x, 1.5)[1]
pow(p, 2)
pow(s, r)
-x
+x
x + 1
1 + x
x - 2.5
2.5 - x
x * 3
3 * x
x / 2
2 / p
p // 0.3 + p
x % 0.7
0.7 % p
x + y
x - row
col * x
x / p
x + X[0, 0]
X[0] + col
X[0, 0] * s
W64 * x
W64 - v
W64 / p
W64 @ v
COUNTS ** p[0]
COUNTS * v
v * COUNTS
v ** COUNTS
p ** 2
p ** 0
p ** 1
p ** 3
p ** -1
p ** -2
p ** 0.5
p ** 2.0
p ** y
x ** 2
x ** 3
x ** 1
x ** 0
2 ** x
2.0 ** x
s ** 2
2 ** s
s ** s
p ** s
p ** np.array([0.5, 1.0, 2.0, 3.0])
p ** np.float64(1.5)
COUNTS ** s
x.sum()
x.sum(0)
x.sum(axis=1, keepdims=True)
x.mean(axis=0)
x.mean()
x.var(axis=1)
x.std(ddof=1)
x.max()
x.max(axis=1)
x.min(0)
p.prod()
x.cumsum(axis=1)
x.clip(-0.5, 0.5)
x.clip(min=0)
a.trace()
a.diagonal()
x.round(1)
x.argmax() * s
x.argmin(axis=0) * v
v.argsort() * w
x.repeat(2, axis=0)
(x > 0).any() * s
(x > 0).all(axis=0) * v
x.astype(np.float64)
x.real
x.conj()
x.size * s
x.ndim * s
len(x) * s
x.shape[0] * s
x.itemsize * 0 + s
x[0]
x[-1]
x[1, 2]
x[1][2]
x[-1, -2]
x[0:2]
x[:, 1]
x[:, -1:]
x[::2]
x[::-1]
x[:, ::-1]
x[2:0:-1]
x[-1:-4:-2]
x[5:]
x[1:1]
x[:, 1:3]
x[1:, :-1]
x[...]
x[..., 0]
x[0, ...]
t[..., 1, :]
t[:, ..., 0]
x[None]
x[:, None]
x[..., np.newaxis]
x[None, :, None, :]
x[0, None]
x[None, 0, :, None]
s[()]
s[None]
s[...]
v[[0, 2]]
v[[2, 2, -1]]
x[[0, 1]]
x[[0, -1], 1]
x[PLACES]
x[:, PLACES]
x[PLACES, PLACES]
x[PLACES, 1:3]
x[1:, PLACES]
x[PLACES[:, None], [0, 1]]
x[np.ix_([0, 2], [1, 3])]
x[[[0, 1], [2, 0]]]
t[0, [0, 2]]
t[[0, 1], :, [1, 2]]
t[:, [0, 2], [1, 3]]
t[[0, 1], [0, 2]]
t[0, :, [1, 3]]
t[[0, 1], :, 2]
t[:, 0, [1, 3]]
t[[0, 1], None, [1, 2]]
t[..., [0, 1], [1, 2]]
t[[0], 1:, None, [2]]
t[[[0], [1]], [0, 2]]
x[np.array(1)]
x[np.int64(2), 0]
v[np.array([], int)]
v[[]]
x[FLAGS]
x[MASK]
x[x > 0]
x[np.nonzero(x > 0)]
v[np.flatnonzero(v > 0)]
v[np.where(v > 0)]
x[np.argwhere(x > 0)[:, 0]]
x[:, [True, False, True, True]]
x[FLAGS, 1]
x[FLAGS, 1:]
x[np.nonzero(MASK)]
t[:, MASK]
x[np.argmax(x, axis=0), np.arange(4)]
v[np.argsort(v)]
x[np.arange(3), [0, 1, 2]]
x[0][x[0].size - 1]
[row_ * 2 for row_ in x]
[e for e in v][1]
np.stack([row_**2 for row_ in x])
list(x)[0]
z = x.copy(); z[0] = 1.0; z
z = x.copy(); z[0] = v; z
z = x.copy(); z[1, 2] = s; z
z = x.copy(); z[:, 1] = u; z
z = x.copy(); z[:, 1:3] = b; z
z = x.copy(); z[::2] = row; z
z = x.copy(); z[::-1, 0] = u; z
z = x.copy(); z[...] = y; z
z = x.copy(); z[...] = s; z
z = x.copy(); z[[0, 2]] = 0.0; z
z = x.copy(); z[[0, 2]] = y[:2]; z
z = x.copy(); z[[0, 0]] = y[:2]; z
z = x.copy(); z[PLACES, PLACES] = u; z
z = x.copy(); z[PLACES, 1:3] = b; z
z = x.copy(); z[:, [0, 3]] = b; z
z = x.copy(); z[1:, [0, 3]] = s; z
z = x.copy(); z[FLAGS] = 0.0; z
z = x.copy(); z[MASK] = s; z
z = t.copy(); z[:, MASK] = 1.0; z
z = t.copy(); z[[0, 1], :, [1, 2]] = x[:2, :3]; z
z = t.copy(); z[0, :, [1, 3]] = b.T; z
z = t.copy(); z[..., 0] = u; z
z = t.copy(); z[:, None, 1] = v; z
z = x.copy(); z[0] += v; z
z = x.copy(); z[0] *= 2; z
z = x.copy(); z[1, 1] -= s; z
z = x.copy(); z[[0, 0]] += 1.0 * row; z
z = x.copy(); z += y; z
z = x.copy(); z -= 1; z
z = x.copy(); z *= y; z
z = x.copy(); z /= p; z
z = p.copy(); z **= 2; z
z = x.copy(); z @= np.eye(4); z
z = x.copy(); np.add.at(z, [0, 0, 2], row); z
z = x.copy(); np.add.at(z, (PLACES, PLACES), u); z
z = x.copy(); np.add.at(z, (slice(None), PLACES), y[:, :3]); z
z = np.zeros(4); np.add.at(z, [1, 1, 3], u); z
z = np.zeros((3, 4)); z[0] = v; z
z = np.zeros((3, 4)); z[:, 0] = u; z[1] += v; z.sum() + z
z = np.empty(3); z[:] = u; z
z = np.empty(2); z[0] = s; z[1] = r; z
z = np.ones(4); z[1:3] = s; z * v
z = np.full(3, 2.0); z *= u; z
z = np.zeros_like(x); z[1:] = x[:-1]; z
z = np.empty_like(x); z[:] = x; z
z = np.eye(3); z[0, 1] = s; z @ a
z = np.arange(4.0); z[1] = s; z * v
z = np.arange(4) * v; z
np.arange(x.shape[1]) * v
np.eye(3) @ a
np.identity(3) * a
np.zeros((3, 4)) + x
np.linspace(0, 1, 4) * v
z = x.copy(); q_ = z[0]; q_[1] = s; z
z = x.copy(); q_ = z.T; q_[0] = u; z
z = x.copy(); q_ = z[1:, 1:]; q_ *= 2; z
z = x.copy(); q_ = z[0]; z[0, 0] = s; q_ * 2
z = np.zeros((2, 2)); z.flat[1] = s; z
z = np.zeros(4); z.reshape(2, 2)[0, 1] = s; z
z = x.copy(); z.fill(0.5); z + x
z = v.copy(); z.sort(); z
z = x.copy(); x2 = z + 0; x2[0] = 0.0; z
z = []; z.append(s); z.append(r * 2); np.array(z)
z = {"p": s, "q": r}; z["p"] * z["q"]
z = s; z += r; z *= 2; z
z = 1.0\nfor i in range(3):\n  z = z * s + v[i]\nz
z = np.zeros(4)\nfor i in range(1, 4):\n  z[i] = z[i - 1] * s + v[i]\nz
z = np.sum(x, axis=0, out=None); z
z = np.empty(4); np.sum(x, axis=0, out=z); z
z = np.empty((3, 4)); np.multiply(x, y, out=z); z
z = x.copy(); np.exp(z, out=z); z
""".strip().splitlines()


REFUSED = r"""
np.block([[x, y], [y, x]])
np.reshape(x, (4, 3), order="F")
np.sinc(x)
np.fmod(x, p)
np.logaddexp2(x, y)
np.heaviside(x, 0.5) * x
np.copysign(x, y)
np.interp(s, [0.0, 0.5, 1.0], [1.0, 2.0, 0.5])
np.cov(x)
np.exp(x, dtype=np.float64)
np.add(x, y, where=MASK, out=np.zeros((3, 4)))
np.multiply(x, y, where=True)
np.unique(x)
np.linalg.eigvals(a)
np.linalg.norm(a, 2)
np.linalg.norm(a, "nuc")
np.percentile(x, 30)
np.fft.rfft(v)
np.convolve(v, w)
np.histogram(v)
np.gradient(x)
np.take(v, [7], mode="clip")
np.einsum(x, [0, 1], [0])
np.apply_along_axis(np.sum, 0, x)
np.vectorize(math.sin)(x)
scipy.special.gamma(p)
scipy.special.logsumexp(x, return_sign=True)
scipy.linalg.solve(c, u, assume_a="pos")
scipy.linalg.expm(a)
np.linalg.norm(x, where=MASK)
np.sum(x, banana=1)
np.exp(x, casting="unsafe", subok=False)
np.searchsorted(v, s)
""".strip().splitlines()


def function_of(line: str) -> tuple[Callable[..., Any], list[str]]:
    """The line as a function of its arguments, and their names."""
    line = line.replace("\\n", "\n")
    names = [n for n in ARGUMENTS if re.search(rf"(?<![\w.\"']){n}(?![\w\"'=]|\s=[^=])", line)]
    head, _, last = line.rpartition("; ") if "\n" not in line else line.rpartition("\n")
    body = [part.strip() for part in head.split("; ")] if "\n" not in line else head.split("\n")
    source = "\n".join([f"def f({', '.join(names)}):", *(f"  {part}" for part in body if part), f"  return {last}"])
    scope = dict(SCOPE)
    exec(compile(source, "<a line>", "exec"), scope)
    return scope["f"], names


def flat(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return [v for part in value for v in flat(part)]
    return [value]


def recorded(f: Callable[..., Any], args: list[Any]) -> tuple[Program, list[Any]]:
    """The Program, and values for all its inputs: arguments first, then arrays that the line reads from outside."""
    call = Call(f, tuple(args), {})
    return call.program, [np.asarray(a) for a in call.inputs]


@pytest.mark.filterwarnings("ignore:.*fix.*:DeprecationWarning")  # np.fix, since NumPy 2.5
@pytest.mark.parametrize("line", LINES)
def test_plain_numpy_is_recorded_and_differentiated(line: str) -> None:
    f, names = function_of(line)
    assert names, "a line without arguments tests nothing"
    args = [ARGUMENTS[n] for n in names]
    rng = np.random.default_rng(1)
    with np.errstate(all="ignore"):
        plain = [np.asarray(y) for y in flat(f(*args))]
    program, inputs = recorded(f, args)
    found = run(program, inputs)
    assert [(np.shape(y), y.dtype) for y in found] == [(y.shape, y.dtype) for y in plain]
    for y, z in zip(found, plain, strict=True):
        assert claims.close(np.asarray(y), z, 1e-13), f"{y}, and NumPy says {z}"
    claims.compute(program, inputs)
    moving = tuple(range(len(args)))
    claims.slopes_agree(program, inputs, moving, rng)
    claims.modes_agree(program, inputs, moving, rng)
    if not claims.real_outputs(program):
        return
    cotangents = [claims.random_like(claims.real_outputs(program), rng) for _ in range(2)]
    backward = claims.derivatives_only(reverse(program, moving))
    claims.slopes_agree(backward, [*inputs, *cotangents[0]], moving, rng)
    claims.modes_agree(backward, [*inputs, *cotangents[0]], moving, rng)
    claims.simplified_is_identical(backward, [*inputs, *cotangents[0]])
    onward = claims.derivatives_only(forward(program, moving))
    claims.slopes_agree(onward, [*inputs, *claims.random_like(args, rng)], moving, rng)
    rows = [[*(_arguments(seed)[n] for n in names), *inputs[len(args) :]] for seed in range(2)]
    mapped = [i < len(args) for i in range(len(inputs))]
    claims.rows_agree(program, rows, mapped)
    claims.rows_agree(
        backward, [r + c for r, c in zip(rows, cotangents, strict=True)], mapped + [True] * len(cotangents[0])
    )


@pytest.mark.filterwarnings("ignore:.*fix.*:DeprecationWarning")  # np.fix, since NumPy 2.5
@pytest.mark.parametrize("line", LINES)
def test_plain_numpy_in_float32_stays_in_float32(line: str) -> None:
    f, names = function_of(line)
    args = [ARGUMENTS[n].astype(np.float32) for n in names]
    try:
        with np.errstate(all="ignore"):
            plain = [np.asarray(y) for y in flat(f(*args))]
    except TypeError:  # Python's math does not take all that NumPy makes
        return
    program, inputs = recorded(f, args)
    found = claims.compute(program, inputs)
    assert [y.dtype for y in found] == [y.dtype for y in plain]
    for y, z in zip(found, plain, strict=True):
        np.testing.assert_allclose(y, z, rtol=1e-4, atol=1e-4)
    rng = np.random.default_rng(2)
    moving = tuple(range(len(args)))
    tangents = claims.random_like(args, rng)
    onward = claims.derivatives(forward(program, moving), [*inputs, *tangents], [a.type for a in program.outputs])
    assert all(t.dtype == y.dtype for t, y in zip(onward, found, strict=True))
    cotangents = claims.random_like(claims.real_outputs(program), rng)
    inward = claims.derivatives(reverse(program, moving), [*inputs, *cotangents], args)
    assert all(g.dtype == np.float32 for g in inward)


@pytest.mark.parametrize("line", LINES)
def test_plain_numpy_of_whole_numbers_gives_what_numpy_gives(line: str) -> None:
    """… where NumPy takes them, in value, shape and dtype; a stand-in may refuse them with a letter."""
    f, names = function_of(line)
    args = [(ARGUMENTS[n] * 3).astype(np.int64) for n in names]
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            plain = [np.asarray(y) for y in flat(f(*args))]
    except (TypeError, ValueError, ArithmeticError, np.linalg.LinAlgError, AttributeError):
        return
    try:
        program, inputs = recorded(f, args)
    except DtypeError:
        return
    for y, z in zip(run(program, inputs), plain, strict=True):
        assert claims.close(np.asarray(y), z, 1e-13), f"{y!r}, and NumPy says {z!r}"


@pytest.mark.parametrize("line", REFUSED)
def test_what_the_table_lacks_is_refused_in_a_letter(line: str) -> None:
    """Never a wrong answer, nor an error that speaks of stand-ins: what happened, on which line."""
    f, names = function_of(line)
    with pytest.raises(ChainruleError) as refusal:
        recorded(f, [ARGUMENTS[n] for n in names])
    letter = str(refusal.value)
    assert "a line" in letter
    assert "Traced" not in letter


def names_of(function: Any) -> set[str]:
    """All the names by which people know a function."""
    if isinstance(function, tuple):
        return {f"{name}.{function[1]}" for name in names_of(function[0])}
    modules = {
        "np": np,
        "np.linalg": np.linalg,
        "math": math,
        "scipy.special": scipy.special,
        "scipy.linalg": scipy.linalg,
    }
    return {
        f"{prefix}.{name}"
        for prefix, module in modules.items()
        for name, value in vars(module).items()
        if value is function
    }


def test_every_function_of_the_table_is_called_above() -> None:
    """… under one of its names; those that are an entry themselves are called below."""
    text = "\n".join(LINES)
    entries = {getattr(op.evaluate, "function", op.evaluate) for op in OPS.values() if isinstance(op, Elementwise)}
    missing = [
        names_of(function)
        for function in by_function
        if not any(f"{name}(" in text for name in names_of(function)) and function not in entries
    ]
    assert not missing


UFUNCS = [op for op in OPS.values() if isinstance(getattr(op.evaluate, "function", op.evaluate), np.ufunc)]


@pytest.mark.parametrize("op", UFUNCS, ids=str)
def test_a_ufunc_called_by_its_name_gives_what_numpy_gives(op: Elementwise) -> None:
    """Bit by bit: for every dtype and shape, beside Python numbers, at infinities and NaN."""
    ufunc = getattr(op.evaluate, "function", op.evaluate)
    (case,) = claims.cases(op)
    mixed = [args for args in claims._elementwise_variants(case)]
    if op.arity == 2:
        x, y = case.args
        for dtype in (np.float64, np.float32, np.float16, np.int64, np.int8, bool):
            mixed += [(x.astype(dtype), 2), (3, y.astype(dtype)), (x.astype(dtype), 2.5), (0.5, y.astype(dtype))]
            mixed += [(x.astype(dtype), True), (x.astype(dtype), np.float32(1.5)), (np.float64(2.5), y.astype(dtype))]
    for args in mixed:
        arrays = [a for a in args if isinstance(a, np.ndarray)]
        fixed = {i: a for i, a in enumerate(args) if not isinstance(a, np.ndarray)}

        def f(*xs: Any, fixed: Any = fixed, n: int = len(args)) -> Any:
            given = iter(xs)
            return ufunc(*[fixed[i] if i in fixed else next(given) for i in range(n)])

        with np.errstate(all="ignore"):
            try:
                plain = f(*arrays)
            except (TypeError, ValueError):
                continue
        (found,) = run(trace(f, *arrays), arrays)
        assert claims.identical(found, plain), f"{args}: {found!r}, and NumPy says {plain!r}"
