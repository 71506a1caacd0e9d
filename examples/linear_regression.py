"""How does one ozone monitor read against another? A straight line by least squares (NIST's Norris: data/README.md)."""

from pathlib import Path

import numpy as np

WRT = ("intercept", "slope")


def loss(intercept, slope, x, y):
    """The mean squared distance between the readings and the line."""
    return np.mean((intercept + slope * x - y) ** 2)


def report(intercept, slope, x, y):
    """What to tell of the fit: NIST certifies -0.262323073774029, 1.00211681802045 and 0.884796396144373."""
    residuals = intercept + slope * x - y
    return {
        "intercept": intercept,
        "slope": slope,
        "residual standard deviation": np.sqrt(np.sum(residuals**2) / (len(x) - 2)),
    }


x, y = np.loadtxt(Path(__file__).parent / "data" / "norris.csv", delimiter=",", skiprows=1).T
intercept, slope = 0.0, 0.0

if __name__ == "__main__":
    import chainrule as cr

    found = cr.minimize(lambda p: loss(*p, x, y), (intercept, slope), tol=1e-10)
    print(found)
    for what, number in report(*found.x, x, y).items():
        print(f"{what}: {number:.12g}")
