"""Which gamma distribution do these waiting times come from? The one under which they are most likely: Fisher, 1912."""

import numpy as np
from scipy.special import gammaln

WRT = ("log_shape", "log_rate")


def loss(log_shape, log_rate, times):
    """Minus the average log density. Logarithms of shape and rate may be any numbers: no bounds are needed."""
    shape, rate = np.exp(log_shape), np.exp(log_rate)
    return gammaln(shape) - shape * log_rate - np.mean((shape - 1) * np.log(times) - rate * times)


def report(log_shape, log_rate, times):
    """What to tell of the fit: at the maximum, its mean is the mean of the times."""
    return {
        "shape": np.exp(log_shape),
        "rate": np.exp(log_rate),
        "mean of the fit": np.exp(log_shape - log_rate),
        "mean of the times": np.mean(times),
    }


times = np.random.default_rng(0).gamma(shape=2.5, scale=1 / 0.7, size=300)
log_shape, log_rate = 0.0, 0.0

if __name__ == "__main__":
    import chainrule as cr

    found = cr.minimize(lambda p: loss(*p, times), (log_shape, log_rate))
    print(found)
    for what, number in report(*found.x, times).items():
        print(f"{what}: {number:.6g}")
