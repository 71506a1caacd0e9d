"""The GradBench tool answers every eval, and its derivatives are slopes of its own values.

Nothing of GradBench is needed: inputs are made here, tiny, in the shapes that its evals send.
"""

import io
import json

import numpy as np
import pytest

from benchmarks.gradbench import inputs
from benchmarks.gradbench.protocol import EVALS, functions, serve


def numbers(seed, *shape):
    return np.random.default_rng(seed).uniform(0.2, 1.0, shape).tolist()


INPUTS = {
    "hello": 3.0,
    "lse": {"x": numbers(0, 7)},
    "llsq": {"x": numbers(0, 4), "n": 9},
    "ode": {"x": numbers(0, 5), "s": 3},
    "det": {"A": numbers(0, 16), "ell": 4},
    "gmm": {
        "d": 3, "k": 2, "n": 5, "x": numbers(0, 5, 3), "alpha": numbers(1, 2), "mu": numbers(2, 2, 3),
        "q": numbers(3, 2, 3), "l": numbers(4, 2, 3), "m": 1, "gamma": 1.3,
    },
    "kmeans": {"points": numbers(0, 12, 2), "centroids": numbers(0, 12, 2)[:3]},
    "ba": {
        "n": 3, "m": 4, "p": 30, "cam": numbers(0, 11), "x": numbers(1, 3), "w": 0.7, "feat": numbers(2, 2),
    },
    "ht": inputs.ht(6, 4),
    "lstm": {
        "main_params": numbers(0, 4, 12), "extra_params": numbers(1, 3, 3), "state": numbers(2, 4, 3),
        "sequence": numbers(3, 6, 3),
    },
    "particle": {"w": 0.0},
    "saddle": {"start": [1.0, 1.0]},
}  # fmt: skip

GRADIENTS = {  # eval -> the function, its derivative, and what of the input is moved
    "lse": ("primal", "gradient", ["x"]),
    "llsq": ("primal", "gradient", ["x"]),
    "det": ("primal", "gradient", ["A"]),
    "gmm": ("objective", "jacobian", ["alpha", "l", "mu", "q"]),
    "lstm": ("objective", "jacobian", ["main_params", "extra_params"]),
}


def run(name, function, given):
    return functions(name)[function].evaluate(given)["output"]


def flat(output):
    if isinstance(output, dict):
        return np.concatenate([flat(output[key]) for key in sorted(output)])
    return np.concatenate([np.zeros(0), *map(flat, output)]) if isinstance(output, list) else np.array([output])


def slopes(value, given, key, step=1e-6):
    """Central differences in every entry of one array of the input, in order: entries first, then results."""
    whole = np.array(given[key], float)

    def at(i, by):
        moved = whole.copy()
        moved.flat[i] += by
        return np.asarray(value(given | {key: moved.tolist()}))

    return np.array([(at(i, step) - at(i, -step)) / (2 * step) for i in range(whole.size)])


def converse(*messages):
    sent = "".join(json.dumps({"id": i} | message) + "\n" for i, message in enumerate(messages))
    received = io.StringIO()
    serve(io.StringIO(sent), received)
    return [json.loads(line) for line in received.getvalue().splitlines()]


def test_there_is_an_input_here_for_every_eval():
    assert sorted(INPUTS) == sorted(EVALS)


@pytest.mark.parametrize("name", EVALS)
def test_every_function_of_every_eval_answers_with_an_output_and_the_time_of_each_run(name):
    given = INPUTS[name]
    if isinstance(given, dict):
        given = given | {"min_runs": 2, "min_seconds": 0}
    asked = [
        {"kind": "evaluate", "module": name, "function": f, "input": given, "description": ""} for f in functions(name)
    ]
    begun, defined, *answers = converse({"kind": "start", "eval": name}, {"kind": "define", "module": name}, *asked)
    assert begun == {"id": 0, "tool": "chainrule"}
    assert defined == {"id": 1, "success": True}
    for i, found in enumerate(answers):
        assert found.get("error") is None
        assert found["id"] == i + 2
        assert found["success"]
        assert np.all(np.isfinite(flat(found["output"])))
        assert [t["name"] for t in found["timings"]] == ["evaluate"] * (2 if isinstance(given, dict) else 1)
        assert all(t["nanoseconds"] > 0 for t in found["timings"])


def test_an_unknown_eval_and_a_failure_are_answered_and_the_conversation_goes_on():
    unknown, broken, fine = converse(
        {"kind": "define", "module": "weather"},
        {"kind": "evaluate", "module": "lse", "function": "primal", "input": {"x": ["warm"]}},
        {"kind": "evaluate", "module": "hello", "function": "double", "input": 3.0},
    )
    assert not unknown["success"]
    assert "weather" in unknown["error"]
    assert not broken["success"]
    assert "ValueError" in broken["error"]
    assert fine["output"] == 6.0


VALUES = {"hello": "square", "kmeans": "cost", "gmm": "objective", "ba": "objective", "ht": "objective"}
VALUES |= {"lstm": "objective", "lse": "primal", "llsq": "primal", "ode": "primal", "det": "primal"}


@pytest.mark.parametrize("name", VALUES)
def test_a_compiled_objective_computes_what_the_function_does(name):
    timed = functions(name)[VALUES[name]]
    args = timed.prepare(INPUTS[name])
    np.testing.assert_allclose(timed.run(*args), timed.run.__wrapped__(*args), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_are_the_slopes_of_the_objective(name):
    value, derivative, moved = GRADIENTS[name]
    expected = np.concatenate([slopes(lambda g: run(name, value, g), INPUTS[name], key) for key in moved])
    np.testing.assert_allclose(flat(run(name, derivative, INPUTS[name])), expected, rtol=1e-6, atol=1e-8)


def test_the_gradient_of_the_ode_is_that_of_its_last_value():
    expected = slopes(lambda g: run("ode", "primal", g)[-1], INPUTS["ode"], "x")
    np.testing.assert_allclose(run("ode", "gradient", INPUTS["ode"]), expected, rtol=1e-7, atol=1e-9)


def test_the_determinant_is_the_determinant():
    A = np.array(INPUTS["det"]["A"])
    assert np.isclose(run("det", "primal", INPUTS["det"]), np.linalg.det(A.reshape(4, 4)), rtol=1e-12)


def test_the_direction_of_k_means_leads_to_the_means():
    given = INPUTS["kmeans"]
    points, centroids = np.array(given["points"]), np.array(given["centroids"])
    nearest = np.argmin([[np.sum((p - c) ** 2) for c in centroids] for p in points], axis=1)
    means = [points[nearest == j].mean(axis=0) for j in range(3)]
    np.testing.assert_allclose(run("kmeans", "dir", given), centroids - means, rtol=1e-12)


@pytest.mark.parametrize("in_triangles", [False, True])
def test_the_jacobian_of_the_hand_holds_the_slopes_of_its_errors(in_triangles):
    given = inputs.ht(6, 4, in_triangles)
    given["data"]["model"]["is_mirrored"] = in_triangles
    found = np.array(run("ht", "jacobian", given))
    columns = slopes(lambda g: run("ht", "objective", g), given, "theta").T
    if in_triangles:  # each error's slopes in its own two
        own = slopes(lambda g: run("ht", "objective", g), given, "us").reshape(4, 2, 4, 3)
        columns = np.hstack([np.concatenate([own[i, :, i].T for i in range(4)]), columns])
    np.testing.assert_allclose(found, columns, rtol=1e-6, atol=1e-8)


def test_the_first_rows_of_the_sparse_jacobian_are_slopes_of_the_first_errors():
    from benchmarks.gradbench import ba

    unknowns, *rest = ba.arguments(INPUTS["ba"])
    found = run("ba", "jacobian", INPUTS["ba"])
    given = {"unknowns": unknowns.tolist()}
    expected = slopes(lambda g: ba.residuals(np.array(g["unknowns"]), *rest), given, "unknowns").T
    first = found["cols"][:15]
    np.testing.assert_allclose(np.reshape(found["vals"][:30], (2, 15)), expected[:2, first], rtol=1e-5, atol=1e-6)
    assert first == [*range(11), 33, 34, 35, 45]
    assert not np.any(np.delete(expected[:2], first, axis=1))
    assert found["rows"][-1] == 15 * 60 + 30
    assert found["vals"][-1] == -2 * 0.7


@pytest.mark.parametrize("modes", ["ff", "fr", "rf", "rr"])
def test_nested_searches_end_where_gradbench_says_in_every_pair_of_modes(modes):
    assert abs(run("particle", modes, INPUTS["particle"]) - 0.2071918746486116) < 1e-9
    np.testing.assert_allclose(run("saddle", modes, INPUTS["saddle"]), [8.246324826140356e-06] * 4, rtol=1e-6)
