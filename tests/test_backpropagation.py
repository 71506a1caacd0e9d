"""Backpropagation by hand and by the engine agree; its drawing shows what is computed from what."""

import numpy as np
import pytest

import chainrule as cr

RNG = np.random.default_rng(3)
X, Y = RNG.normal(size=(7, 3)), RNG.normal(size=(7, 2))
P = {"W": RNG.normal(size=(3, 4)), "b": RNG.normal(size=4), "U": RNG.normal(size=(4, 2)), "c": RNG.normal(size=2)}


def loss(p, x, y):
    z = x @ p["W"] + p["b"]
    h = 1 / (1 + np.exp(-z))
    out = h @ p["U"] + p["c"]
    return np.mean((out - y) ** 2)


def by_hand(p, x, y):
    """The same network, and its backward sweep written out."""
    z = x @ p["W"] + p["b"]
    h = 1 / (1 + np.exp(-z))
    out = h @ p["U"] + p["c"]
    out_bar = 2 * (out - y) / y.size
    h_bar = out_bar @ p["U"].T
    z_bar = h_bar * h * (1 - h)
    return {"W": x.T @ z_bar, "b": z_bar.sum(0), "U": h.T @ out_bar, "c": out_bar.sum(0)}


def test_the_backward_sweep_by_hand_is_the_engines_gradient():
    engine, hand = cr.grad(loss)(P, X, Y), by_hand(P, X, Y)
    for name in P:
        assert np.allclose(engine[name], hand[name], rtol=1e-13, atol=1e-15), name


def test_the_table_of_the_chapter_is_right():
    """weight_g = 0, weight_f = 3, x = 2, target 1: adjoints 0.75, 3 and 1, and 1.5 and 0.5 for the weights."""

    def loss(weight_g, weight_f, x, target):
        z = weight_g * x
        hidden = 1 / (1 + np.exp(-z))
        output = weight_f * hidden
        return (output - target) ** 2

    rows = cr.explain(loss, 0.0, 3.0, 2.0, 1.0, wrt=("weight_g", "weight_f")).backprop.rows
    size = {str(r.name): r.adjoint_size for r in rows}
    assert [size[n] for n in ("z", "hidden", "output")] == [0.75, 3, 1]
    assert [size[n] for n in ("weight_g", "weight_f")] == [1.5, 0.5]


def test_a_backward_sweep_without_its_transpose_or_sum_is_caught():
    """The comparison can fail: with a matrix the other way round, it does."""
    hand = by_hand(P, X, Y)
    engine = cr.grad(loss)(P, X, Y)
    assert not np.allclose(engine["b"], hand["b"] / len(X))
    square = {**P, "U": RNG.normal(size=(4, 4))}
    target = RNG.normal(size=(7, 4))
    wrong = by_hand({**square, "U": square["U"].T, "c": np.zeros(4)}, X, target)["W"]
    right = cr.grad(loss)({**square, "c": np.zeros(4)}, X, target)["W"]
    assert not np.allclose(wrong, right)


def test_the_product_of_jacobians_in_order_is_the_gradient():
    """One example: ∂loss/∂W = J_loss J_out J_h J_z, each a matrix; in another order shapes don't fit."""
    x, y = X[0], Y[0]
    w = P["W"]
    sigmoid = lambda z: 1 / (1 + np.exp(-z))  # noqa: E731
    z = x @ w + P["b"]
    h = sigmoid(z)
    out = h @ P["U"] + P["c"]
    j_z = cr.jacobian(lambda w: x @ w + P["b"])(w).reshape(4, -1)
    j_h = cr.jacobian(sigmoid)(z)
    j_out = cr.jacobian(lambda h: h @ P["U"] + P["c"])(h)
    j_loss = cr.jacobian(lambda o: np.mean((o - y) ** 2))(out)[None]
    chain = (((j_loss @ j_out) @ j_h) @ j_z).reshape(w.shape)
    assert np.allclose(chain, cr.grad(loss)(P, X[:1], Y[:1])["W"], rtol=1e-12)
    with pytest.raises(ValueError, match="mismatch"):
        j_z @ j_loss


def test_the_gradient_of_a_batch_is_the_sum_over_its_examples():
    parts = [cr.grad(loss)(P, X[i : i + 1], Y[i : i + 1])["W"] for i in range(len(X))]
    assert np.allclose(np.sum(parts, axis=0) / len(X), cr.grad(loss)(P, X, Y)["W"], rtol=1e-12)


def plain(W, b, u, x, y):
    z = x @ W + b
    h = np.tanh(z)
    p = h @ u
    return np.mean((p - y) ** 2)


def explained():
    return cr.explain(plain, P["W"], P["b"], RNG.normal(size=4), X, Y[:, 0], wrt=(0, 1, 2))


def test_the_drawing_has_every_step_of_the_table_and_its_arrows():
    answer = explained()
    rows, graph = answer.backprop.rows, answer.graph
    assert [n.text for n in graph.nodes] == [r.written for r in rows]
    edges = {(graph.nodes[e.start].text, graph.nodes[e.end].text) for e in graph.edges}
    assert edges == {(rows[j].written, r.written) for r in rows for j in r.reads}
    for edge in graph.edges:
        assert edge.back == (rows[edge.start].adjoint is not None)
    assert all(r.adjoint_written in n.back for r, n in zip(rows, graph.nodes, strict=True) if r.adjoint)
    assert graph.svg().count("<rect") == len(rows) + 1


def test_what_does_not_depend_on_the_parameters_is_not_drawn():
    def loss(w, x):
        scaled = np.exp(x) / np.sum(np.exp(x))
        return np.sum(w * scaled)

    names = [n.text.split(" ")[0] for n in cr.explain(loss, np.ones(3), np.ones(3)).graph.nodes]
    assert "w" in names
    assert "scaled" in names
    assert "x" not in names


def many(layers, x):
    for w in layers:
        x = np.tanh(np.exp(-(x @ w)) * 2 + 1)
    return np.mean(x**2)


def test_a_large_network_is_drawn_by_the_names_of_its_values():
    graph = cr.explain(many, [np.eye(3) * 0.1] * 12, np.ones((2, 3))).graph
    assert len(graph.nodes) <= 60
    assert "left out" in graph.description
    assert any(n.text.startswith("x") for n in graph.nodes)
    starts = {e.start for e in graph.edges}
    assert starts == set(range(len(graph.nodes) - 1))  # all but the loss lead somewhere


def test_a_drawing_that_nobody_can_read_is_refused():
    with pytest.raises(cr.ChainruleError, match="can't be read"):
        cr.explain(many, [np.eye(3) * 0.1] * 70, np.ones((2, 3))).graph  # noqa: B018
