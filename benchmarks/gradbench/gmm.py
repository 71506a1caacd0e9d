"""The log posterior of a Gaussian mixture, whose precision matrices are QᵀQ, with a Wishart prior on them."""

import numpy as np
from scipy.special import multigammaln

import chainrule as cr

from .protocol import Timed, array


def logsumexp(a):
    top = np.max(a, axis=-1, keepdims=True)
    return top[..., 0] + np.log(np.sum(np.exp(a - top), axis=-1))


def triangular(q, lower):
    """Q for each component: exp(q) on the diagonal, and below it `lower`, column by column."""
    k, d = q.shape
    left, low = np.triu_indices(d, 1)
    Q = np.zeros((k, d, d))
    Q[:, low, left] = lower
    Q[:, np.arange(d), np.arange(d)] = np.exp(q)
    return Q


def log_posterior(alpha, mu, q, lower, x, m, gamma):
    (k, d), n = mu.shape, len(x)
    Q, sums = triangular(q, lower), np.sum(q, axis=1)
    # Q (x - μ) for all points and components: one large product, and a small one
    z = (x @ Q.reshape(k * d, d).T).reshape(n, k, d) - np.einsum("kij,kj->ki", Q, mu)
    beta = alpha + sums - np.sum(z**2, axis=2) / 2
    likelihood = np.sum(logsumexp(beta)) - n * (d / 2 * np.log(2 * np.pi) + logsumexp(alpha))
    nu = d + m + 1
    normalization = k * (nu * d * np.log(gamma / np.sqrt(2)) - multigammaln(nu / 2, d))
    return likelihood + normalization - gamma**2 / 2 * np.sum(Q**2) + m * np.sum(sums)


PARAMETERS = ("alpha", "mu", "q", "l")


def arguments(given):
    return *(array(given[name]) for name in (*PARAMETERS, "x")), given["m"], given["gamma"]


def arrays(given):
    """The shape of `l` is lost in JSON where it has no entries."""
    alpha, mu, q, lower, *rest = arguments(given)
    return alpha, mu, q, lower.reshape(len(alpha), -1), *rest


FUNCTIONS = {
    "objective": Timed(arrays, cr.compile(log_posterior)),
    "jacobian": Timed(
        arrays,
        cr.grad(log_posterior, wrt=(0, 1, 2, 3)),
        lambda gradient: {name: g.tolist() for name, g in zip(PARAMETERS, gradient, strict=True)},
    ),
}
