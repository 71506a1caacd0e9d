"""Algorithms of machine learning as an objective and its gradient, or not, each against the book's way."""

import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr

FOLDER = Path(__file__).parent.parent / "examples" / "anatomy"
SMOOTH = ("linear_regression", "logistic_regression", "k_means", "principal_components", "gaussian_mixture")
ALL = sorted(path.stem for path in FOLDER.glob("*.py"))


def anatomy(name):
    return runpy.run_path(str(FOLDER / f"{name}.py"))


@pytest.mark.parametrize("name", ALL)
def test_an_anatomy_is_short_and_runs_as_a_script(name):
    path = FOLDER / f"{name}.py"
    assert len(path.read_text().splitlines()) < 60
    done = subprocess.run([sys.executable, "-W", "error", str(path)], capture_output=True, text=True, check=True)
    assert done.stdout
    assert not done.stderr


@pytest.mark.parametrize("name", SMOOTH)
def test_the_gradient_is_zero_where_the_book_says_and_only_there(name):
    m = anatomy(name)
    gradient = cr.grad(m["loss"])
    answer = m["by_the_book"]()
    assert np.max(np.abs(gradient(answer, *m["data"]))) < 1e-7
    assert np.max(np.abs(gradient(m["start"], *m["data"]))) > 1e-2
    nudged = answer + 0.01 * np.random.default_rng(0).normal(size=answer.shape)
    assert np.max(np.abs(gradient(nudged, *m["data"]))) > 1e-4


@pytest.mark.parametrize("name", SMOOTH)
def test_minimizing_the_objective_finds_what_the_book_finds(name):
    m = anatomy(name)
    found = cr.minimize(m["loss"], m["start"], m["data"], tol=1e-8)
    assert found.success, found
    answer = m["by_the_book"]()
    assert found.fun == pytest.approx(m["loss"](answer, *m["data"]), rel=1e-9)
    if name == "principal_components":  # a plane has many bases: the planes must be the same
        found_plane, book_plane = (W @ np.linalg.solve(W.T @ W, W.T) for W in (found.x, answer))
        np.testing.assert_allclose(found_plane, book_plane, atol=1e-5)
    else:
        np.testing.assert_allclose(found.x, answer, atol=1e-4)


@pytest.mark.parametrize("name", [*SMOOTH, "network"])
def test_the_gradient_of_an_anatomy_agrees_with_differences(name):
    m = anatomy(name)
    assert cr.check(m["loss"], m["start"], *m["data"]).verdict == "agrees"


def test_the_least_loss_of_principal_components_is_the_sum_of_the_other_eigenvalues():
    m = anatomy("principal_components")
    rest = np.linalg.eigvalsh(m["X"].T @ m["X"] / len(m["X"]))[:-2].sum()
    assert m["loss"](m["by_the_book"](), *m["data"]) == pytest.approx(rest, rel=1e-12)


def test_the_support_vectors_have_a_proof_that_is_not_a_zero_gradient():
    m = anatomy("support_vectors")
    a, w = m["multipliers"](), m["by_the_book"]()
    assert abs(m["gap"](w, a)) < 1e-9
    assert m["gap"](w + 0.1, a) > 1e-3
    assert np.max(np.abs(cr.grad(m["loss"])(w, *m["data"]))) > 1e-2, "kinks: no gradient is zero there"


def test_the_support_vectors_are_those_of_scikit_learn():
    svm = pytest.importorskip("sklearn.svm")
    m = anatomy("support_vectors")
    theirs = svm.LinearSVC(C=m["PRICE"], loss="hinge", fit_intercept=False, tol=1e-10, max_iter=1_000_000)
    theirs.fit(m["X"], m["y"])
    np.testing.assert_allclose(m["by_the_book"](), theirs.coef_[0], atol=1e-4)


def test_the_network_learns_the_exclusive_or_and_has_copies():
    m = anatomy("network")
    found = cr.minimize(m["loss"], m["start"], m["data"])
    assert found.success
    np.testing.assert_allclose(m["predict"](found.x, m["X"]), m["y"], atol=0.05)
    copy = m["with_units_exchanged"](found.x)
    assert not np.allclose(copy, found.x)
    assert m["loss"](copy, *m["data"]) == pytest.approx(found.fun, rel=1e-12)
    assert np.max(np.abs(cr.grad(m["loss"])(copy, *m["data"]))) < 1e-5


def test_a_split_is_found_by_counting_and_its_threshold_has_no_slope():
    m = anatomy("without_gradients")
    X, y = m["X"][:, 12], m["y"]

    def squared_mistakes(t):
        return np.sum((np.where(t < X, 1.0, 0.0) - y) ** 2)

    assert cr.grad(squared_mistakes)(0.01) == 0
    assert squared_mistakes(0.01) != squared_mistakes(1.0)


def test_a_greedy_tree_does_not_see_the_exclusive_or_at_its_first_split():
    m = anatomy("without_gradients")
    X, y = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([0, 1, 1, 0])
    assert {m["mistakes"](X[:, j] > 0.5, y) for j in (0, 1)} == {2}
    assert m["mistakes"](np.zeros(4, bool), y) == 2, "no split does as well"
    tree = m["grow"](X, y)
    assert [m["ask"](tree, x) for x in X] == y.tolist()


def test_neighbours_do_not_change_when_the_question_is_moved_a_little():
    m = anatomy("without_gradients")
    x = m["X"][3]
    answers = {int(m["neighbours"](m["X"], m["y"], x + d)) for d in np.linspace(-1e-3, 1e-3, 9)}
    assert answers == {0}


def test_the_counts_of_naive_bayes_are_also_a_maximum_of_the_likelihood():
    m = anatomy("without_gradients")
    yes = (m["X"] > 0)[m["y"] == 0].astype(float)
    share = m["shares"](m["X"] > 0, m["y"])[0]
    inside = (share > 0) & (share < 1)

    def surprise(p):
        return -np.mean(yes[:, inside] * np.log(p) + (1 - yes[:, inside]) * np.log(1 - p))

    assert np.max(np.abs(cr.grad(surprise)(share[inside]))) < 1e-12
