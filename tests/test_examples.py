"""Every example runs, and reaches answers that are known from elsewhere."""

import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

import chainrule as cr

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))
BY_NAME = {path.stem: path for path in EXAMPLES}


def example(name):
    return runpy.run_path(str(BY_NAME[name]))


@pytest.mark.parametrize("name", BY_NAME)
def test_an_example_is_short_and_prints_its_result_as_a_script(name):
    assert len(BY_NAME[name].read_text().splitlines()) < 60
    script = "import runpy, sys; runpy.run_path(sys.argv[1], run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, str(BY_NAME[name])], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(("Minimum", "Not a minimum yet"))
    assert "Minimum" in done.stdout
    assert not done.stderr


def test_the_line_through_norris_is_the_one_that_nist_certifies():
    m = example("linear_regression")
    for method in ("l-bfgs", "bfgs", "newton-cg", "trust-ncg"):
        found = cr.minimize(lambda p: m["loss"](*p, m["x"], m["y"]), (0.0, 0.0), method=method, tol=1e-9)
        assert found.success, found
        told = m["report"](*found.x, m["x"], m["y"])
        assert told["intercept"] == pytest.approx(-0.262323073774029, rel=1e-7)
        assert told["slope"] == pytest.approx(1.00211681802045, rel=1e-9)
        assert told["residual standard deviation"] == pytest.approx(0.884796396144373, rel=1e-12)


def test_the_tumours_are_classified_as_well_as_by_scikit_learn():
    linear_model = pytest.importorskip("sklearn.linear_model")
    m = example("breast_cancer")
    X, y, penalty = m["X"], m["y"], m["penalty"]
    found = cr.minimize(lambda p: m["loss"](*p, X, y, penalty), (m["w"], m["b"]), tol=1e-9)
    assert found.success, found
    theirs = linear_model.LogisticRegression(C=1 / (len(y) * penalty), tol=1e-10, max_iter=10_000, solver="lbfgs")
    theirs.fit(X, y)
    w, b = found.x
    np.testing.assert_allclose(w, theirs.coef_[0], atol=1e-6)
    assert b == pytest.approx(theirs.intercept_[0], abs=1e-6)
    told = m["report"](w, b, X, y, m["X_test"], m["y_test"])
    assert told["accuracy on the test data"] == pytest.approx(theirs.score(m["X_test"], m["y_test"]), abs=1e-12)
    assert told["accuracy on the test data"] > 0.95


def test_the_wines_are_told_apart():
    m = example("neural_network")
    found = cr.minimize(m["loss"], m["params"], (m["X"], m["Y"], m["penalty"]))
    assert found.success
    assert set(found.x) == {"hidden", "output"}
    told = m["report"](found.x, m["X"], m["Y"], m["X_test"], m["Y_test"])
    assert told["accuracy on the training data"] == 1
    assert told["accuracy on the test data"] > 0.9


def test_the_gamma_distribution_is_the_one_that_scipy_finds():
    m = example("maximum_likelihood")
    found = cr.minimize(lambda p: m["loss"](*p, m["times"]), (0.0, 0.0), tol=1e-9)
    told = m["report"](*found.x, m["times"])
    shape, _, scale = scipy.stats.gamma.fit(m["times"], floc=0)
    assert told["shape"] == pytest.approx(shape, rel=1e-6)
    assert told["rate"] == pytest.approx(1 / scale, rel=1e-6)
    assert told["mean of the fit"] == pytest.approx(told["mean of the times"], rel=1e-9)
    assert found.fun == pytest.approx(-np.mean(scipy.stats.gamma.logpdf(m["times"], shape, scale=scale)), rel=1e-9)


def test_the_valley_of_rosenbrock_is_walked_to_its_end():
    m = example("rosenbrock")
    found = cr.minimize(m["loss"], m["x"])
    np.testing.assert_allclose(found.x, 1, atol=1e-6)


@pytest.mark.parametrize("name", BY_NAME)
def test_the_gradient_of_every_example_agrees_with_differences(name):
    from chainrule.study.loader import load
    from chainrule.study.sections import check_problem

    assert check_problem(load(str(BY_NAME[name]))).verdict == "agrees"
