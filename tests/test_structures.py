"""Arguments and results of any nesting: derivatives come back in the structure in which the arguments came."""

import dataclasses
from collections import OrderedDict, namedtuple
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ArgumentError, ChainruleError
from chainrule.trace.tree import flatten

Point = namedtuple("Point", "x y")


@dataclasses.dataclass
class Layer:
    W: Any
    b: Any
    name: str = "layer"


@dataclasses.dataclass(frozen=True)
class Frozen:
    w: Any
    inner: Any = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Slotted:
    w: Any


@dataclasses.dataclass
class Checked:
    w: Any

    def __post_init__(self):
        if not isinstance(self.w, np.ndarray):
            raise TypeError("w must be an array")


@dataclasses.dataclass
class Derived:
    w: Any
    twice: Any = dataclasses.field(init=False)

    def __post_init__(self):
        self.twice = self.w * 2


class Plain:
    def __init__(self, w):
        self.w = w


V, ONES = np.array([1.0, 2.0]), np.ones(2)
M = np.array([[1.0, 2.0], [3.0, 4.0]])

# (structure, the function's text as a lambda, the same structure holding the gradient)
STRUCTURES = {
    "a dict": ({"a": V, "b": 3.0}, lambda p: np.sum(p["a"] ** 2) * p["b"], {"a": 6 * V, "b": 5.0}),
    "a list": ([V, 3.0], lambda p: np.sum(p[0] ** 2) * p[1], [6 * V, 5.0]),
    "a tuple": ((V, 3.0), lambda p: np.sum(p[0] ** 2) * p[1], (6 * V, 5.0)),
    "a named tuple": (Point(V, 3.0), lambda p: np.sum(p.x**2) * p.y, Point(6 * V, 5.0)),
    "nested": (
        {"layers": [(M, V), {"b": [3.0]}]},
        lambda p: np.sum(p["layers"][0][0] @ p["layers"][0][1]) * p["layers"][1]["b"][0],
        {"layers": [(np.array([[3.0, 6.0], [3.0, 6.0]]), np.array([12.0, 18.0])), {"b": [16.0]}]},
    ),
    "a frozen dataclass": (Frozen(V, {"k": 2.0}), lambda p: np.sum(p.w) * p.inner["k"], Frozen(2 * ONES, {"k": 3.0})),
    "a dataclass with slots": (Slotted(w=V), lambda p: np.sum(p.w**2), Slotted(w=2 * V)),
    "a dataclass that checks": (Checked(V), lambda p: np.sum(p.w**2), Checked(2 * V)),
    "a list of dataclasses": ([Frozen(V, 1.0), Frozen(V, 2.0)], lambda p: sum(np.sum(q.w) * q.inner for q in p),
                              [Frozen(np.full(2, 1.0), 3.0), Frozen(np.full(2, 2.0), 3.0)]),
    "a dict with whole numbers as keys": ({0: V, 1: 3.0}, lambda p: np.sum(p[0]) * p[1], {0: np.full(2, 3.0), 1: 3.0}),
    "a dict with tuples as keys": ({("a", 1): V}, lambda p: np.sum(p["a", 1] ** 2), {("a", 1): 2 * V}),
    "a dict in no sorted order": ({"b": 3.0, "a": V}, lambda p: np.sum(p["a"] ** 2) * p["b"], {"b": 5.0, "a": 6 * V}),
    "numbers": ({"a": 2.0, "b": 3}, lambda p: p["a"] * p["b"], {"a": 3.0, "b": 2.0}),
    "an empty part": ({"a": V, "none": [], "empty": {}}, lambda p: np.sum(p["a"] ** 2),
                      {"a": 2 * V, "none": [], "empty": {}}),
    "a shared array": ([V, V], lambda p: np.sum(p[0] * p[1] ** 2), [V**2, 2 * V**2]),
    "a single leaf, deep": ([[[[V]]]], lambda p: np.sum(p[0][0][0][0] ** 2), [[[[2 * V]]]]),
    "unused parts": ({"a": V, "b": M}, lambda p: np.sum(p["a"]), {"a": np.ones(2), "b": np.zeros((2, 2))}),
}  # fmt: skip


def same(found, truth):
    a, tree = flatten(found)
    b, other = flatten(truth)
    assert tree == other, (found, truth)
    for x, y in zip(a, b, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-12)


@pytest.mark.parametrize("name", STRUCTURES)
def test_a_gradient_has_the_structure_of_its_argument(name):
    p, f, truth = STRUCTURES[name]
    before = flatten(p)[0]
    gradient = cr.grad(f)(p)
    same(gradient, truth)
    same(cr.value_and_grad(f)(p), (f(p), truth))
    same(cr.grad(f, wrt=(0,))(p), (truth,))
    same(cr.jacobian(f)(p), truth)
    assert all(a is b for a, b in zip(flatten(p)[0], before, strict=True))


@pytest.mark.parametrize("name", STRUCTURES)
def test_directions_and_pullbacks_have_it_too(name):
    p, f, truth = STRUCTURES[name]
    leaves, tree = flatten(p)
    rng = np.random.default_rng(0)
    direction = tree.build([rng.normal(size=np.shape(v)) for v in leaves])
    slope = sum(np.sum(a * b) for a, b in zip(flatten(truth)[0], flatten(direction)[0], strict=True))
    np.testing.assert_allclose(cr.jvp(f, (p,), (direction,)), (f(p), slope))
    value, pullback = cr.vjp(f, p)
    np.testing.assert_allclose(value, f(p))
    same(pullback(1.0), (truth,))
    H = cr.hvp(f)(p, direction)
    moved = lambda t: tree.build([a + t * d for a, d in zip(leaves, flatten(direction)[0], strict=True)])  # noqa: E731
    for h, up, down in zip(
        *(flatten(q)[0] for q in (H, cr.grad(f)(moved(1e-4)), cr.grad(f)(moved(-1e-4)))), strict=True
    ):
        np.testing.assert_allclose(h, (up - down) / 2e-4, atol=1e-6)
    assert flatten(H)[1] == tree


@pytest.mark.parametrize("name", STRUCTURES)
def test_rows_may_have_any_structure(name):
    p, f, truth = STRUCTURES[name]
    leaves, tree = flatten(p)
    stacked = tree.build([np.stack([v * 2.0, v]) for v in leaves])
    found = cr.vmap(cr.grad(f))(stacked)
    same(tree.build([v[1] for v in flatten(found)[0]]), tree.build([np.asarray(v, float) for v in flatten(truth)[0]]))


def test_results_keep_their_structure_in_every_reader():
    def f(x):
        return {"a": x, "b": [np.sum(x), (x[0], 1.0)], "p": Point(x * 2, 3.0), "d": Frozen(x, x)}

    value, tangent = cr.jvp(f, (V,), (V,))
    assert flatten(value)[1] == flatten(f(V))[1] == flatten(tangent)[1] == flatten(cr.vmap(f)(M))[1]
    value, pullback = cr.vjp(f, V)
    same(value, f(V))
    cotangent = flatten(value)[1].build([np.ones(np.shape(v)) for v in flatten(value)[0]])
    np.testing.assert_allclose(pullback(cotangent)[0], [1 + 1 + 1 + 2 + 1 + 1, 1 + 1 + 2 + 1 + 1])
    J = cr.jacobian(f)(V)
    np.testing.assert_array_equal(J["a"], np.eye(2))
    np.testing.assert_array_equal(J["b"][0], np.ones(2))
    np.testing.assert_array_equal(J["b"][1][1], np.zeros(2))
    np.testing.assert_array_equal(J["p"].x, 2 * np.eye(2))


def test_a_hessian_has_the_structure_twice():
    H = cr.hessian(lambda p: np.sum(p["w"]) ** 2 * p["b"])({"w": V, "b": 2.0})
    np.testing.assert_array_equal(H["w"]["w"], np.full((2, 2), 4.0))
    np.testing.assert_array_equal(H["w"]["b"], np.full(2, 6.0))
    np.testing.assert_array_equal(H["b"]["w"], np.full(2, 6.0))
    assert H["b"]["b"] == 0.0
    H = cr.hessian(lambda w, b: np.sum(w) ** 2 * b, wrt=(0, "b"))(V, b=2.0)
    np.testing.assert_array_equal(H[0][1], np.full(2, 6.0))
    np.testing.assert_array_equal(H[1][0], np.full(2, 6.0))


def test_several_arguments_in_wrt_come_back_as_a_tuple_in_the_order_of_wrt():
    f = lambda a, b, c: a * b**2 * c**3  # noqa: E731
    assert cr.grad(f, wrt=("c", 0))(2.0, 3.0, c=1.0) == (54.0, 9.0)
    assert cr.grad(f, wrt=(2, 1, 0))(2.0, 3.0, 1.0) == (54.0, 12.0, 9.0)
    assert cr.grad(f, wrt="b")(2.0, b=3.0, c=1.0) == 12.0
    assert cr.grad(f, wrt=-1)(2.0, 3.0, 1.0) == 54.0


def test_a_string_beside_numbers_in_a_dataclass_is_refused_by_name_when_differentiated():
    layer = Layer(M, V)
    with pytest.raises(ArgumentError) as letter:
        cr.grad(lambda p: np.sum(p.W @ p.b))(layer)
    assert ".name" in str(letter.value)
    assert "str" in str(letter.value)
    gradient = cr.grad(lambda w, p: np.sum(p.W @ w) * len(p.name), wrt=0)(V, layer)
    np.testing.assert_array_equal(gradient, [20.0, 30.0])


def test_a_dataclass_argument_keeps_its_methods_and_class():
    @dataclasses.dataclass
    class Model:
        w: Any

        scale = 3.0

        def predict(self, x):
            return (x @ self.w) * self.scale

        @property
        def size(self):
            return len(self.w)

    gradient = cr.grad(lambda m: m.predict(V) * m.size)(Model(V))
    assert type(gradient) is Model
    np.testing.assert_array_equal(gradient.w, 6 * V)


def test_a_dataclass_with_a_derived_field_gives_each_field_its_own_slope():
    gradient = cr.grad(lambda p: np.sum(p.w + p.twice))(Derived(V))
    np.testing.assert_array_equal(gradient.w, [1.0, 1.0])
    np.testing.assert_array_equal(gradient.twice, [1.0, 1.0])


def test_changing_a_container_inside_is_seen_inside_and_not_outside():
    p = {"a": V.copy(), "log": [1.0]}

    def f(p):
        p = dict(p)
        p["a"] = p["a"] * 2
        return np.sum(p["a"])

    np.testing.assert_array_equal(cr.grad(f)(p)["a"], [2.0, 2.0])
    np.testing.assert_array_equal(p["a"], V)


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p.__setitem__("a", 1.0),
        lambda p: p.update(c=1.0),
        lambda p: p.pop("a"),
        lambda p: p["l"].append(1.0),
        lambda p: p["l"].__setitem__(0, 1.0),
        lambda p: p["l"].clear(),
        lambda p: setattr(p["d"], "w", 1.0),
        lambda p: p["a"].__setitem__(0, 1.0),
        lambda p: p["l"].sort(),
    ],
)
def test_changing_an_argument_that_is_a_container_is_refused_or_done_at_every_call(change):
    make = lambda: {"a": V.copy(), "l": [2.0, 1.0], "d": Derived(V.copy())}  # noqa: E731

    def f(p):
        total = np.sum(p["a"]) * p["l"][0] + np.sum(p["d"].w)
        change(p)
        return total

    plain, mine = make(), make()
    f(plain)
    try:
        d = cr.value_and_grad(f)
        d(make())
        d(mine)
    except ChainruleError:
        fresh = make()
        assert flatten(mine)[1] == flatten(fresh)[1]
        for a, b in zip(flatten(mine)[0], flatten(fresh)[0], strict=True):
            np.testing.assert_array_equal(a, b)
        return
    assert flatten(mine)[1] == flatten(plain)[1], "the caller's container is changed by NumPy, and not by us"
    for a, b in zip(flatten(mine)[0], flatten(plain)[0], strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", [OrderedDict, lambda d: type("Mine", (dict,), {})(d), lambda d: Plain(d)])
def test_a_container_of_another_kind_is_looked_into_or_refused(kind):
    p = kind({"w": V})
    f = lambda p: np.sum((p.w["w"] if isinstance(p, Plain) else p["w"]) ** 2)  # noqa: E731
    try:
        gradient = cr.grad(f)(p)
    except ArgumentError:
        return
    np.testing.assert_array_equal(gradient["w"], 2 * V)
    assert type(gradient) is type(p)


def test_an_object_that_is_not_differentiated_is_read_again_at_each_call():
    thing = Plain(V.copy())
    d = cr.grad(lambda x, thing: np.sum((thing.w * 2) * x))
    np.testing.assert_array_equal(d(V, thing), 2 * V)
    thing.w[0] = 10.0
    np.testing.assert_array_equal(d(V, thing), [20.0, 4.0])
    thing.w = np.zeros(2)
    np.testing.assert_array_equal(d(V, thing), [0.0, 0.0])
    np.testing.assert_array_equal(d(V, Plain(np.ones(2))), [2.0, 2.0])


def test_a_structure_that_contains_itself_is_refused():
    loop = [1.0]
    loop.append(loop)
    with pytest.raises(ArgumentError) as letter:
        cr.grad(lambda p: p[0])(loop)
    assert "itself" in str(letter.value)


def test_many_leaves_are_no_matter():
    p = {f"w{i}": np.ones(2) * i for i in range(500)}
    gradient = cr.grad(lambda p: sum(np.sum(v**2) for v in p.values()))(p)
    np.testing.assert_array_equal(gradient["w7"], [14.0, 14.0])
    assert list(gradient) == list(p)


def test_in_axes_may_follow_the_structure():
    p = {"w": M, "b": V}
    found = cr.vmap(lambda p, s: p["w"] * p["b"] * s, in_axes=({"w": 1, "b": None}, None))(p, 2.0)
    np.testing.assert_array_equal(found, 2 * M.T * V)
    found = cr.vmap(lambda p: p[0] * p[1], in_axes=([0, 1],))([M, M])
    np.testing.assert_array_equal(found, M * M.T)


def test_no_two_results_share_memory():
    f = lambda x: {"a": x, "b": x, "c": [x, x.reshape(2, 1)]}  # noqa: E731
    value, tangent = cr.jvp(f, (V,), (V,))
    leaves = flatten((value, tangent))[0]
    for i, a in enumerate(leaves):
        assert not np.shares_memory(a, V)
        for b in leaves[:i]:
            assert not np.shares_memory(a, b)


def test_dtypes_are_kept_leaf_by_leaf():
    p = {"a": np.ones(2, np.float32), "b": np.ones(2), "c": 1.0, "d": np.float32(1.0)}
    gradient = cr.grad(lambda p: np.sum(p["a"]) * np.sum(p["b"]) * p["c"] * p["d"])(p)
    assert {k: np.asarray(v).dtype for k, v in gradient.items()} == {k: np.asarray(v).dtype for k, v in p.items()}
