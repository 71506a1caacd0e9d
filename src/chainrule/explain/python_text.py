"""How an equation is written in NumPy, by the style that its op's entry states: text, and how tightly it binds.

What has no call of its own in NumPy is written as a function: the op's own evaluation, from our source.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Collection, Sequence
from math import isinf, isnan
from typing import Any, NamedTuple

import numpy as np

from ..errors import NoRuleError
from ..ir import Array, Const, Equation
from ..ops.contraction import Contraction, Labels, Spec
from ..ops.control import holds_a_program
from ..ops.notation import SUM, Notation
from .literals import literal
from .styles import index_text, notation_of

COMPARE, ADD, TIMES, UNARY, EXPONENT, PRIMARY = 0.0, 1.0, 2.0, 3.0, 4.0, 5.0


class Text(NamedTuple):
    """A Python expression, and how tightly it binds."""

    code: str
    level: float = PRIMARY

    def at(self, level: float) -> str:
        return self.code if self.level >= level else f"({self.code})"


Parts = Sequence[Text]


def written(e: Equation, parts: Parts) -> Text:
    """The NumPy expression of an equation on operands that are written already."""
    if holds_a_program(e):
        raise NoRuleError(f"{e.op.name.replace('_', ' ')} has no NumPy text", hint="cr.trace shows the Program")
    notation = notation_of(e)
    return _STYLES[notation.style](e, notation, parts)


# --- infix and calls --------------------------------------------------------------------------------------------------


def binary(left: Text, sign: str, right: Text, level: float) -> Text:
    return Text(f"{left.at(level)} {sign} {right.at(level + 0.5)}", level)


def _infix(e: Equation, notation: Notation, parts: Parts) -> Text:
    left, right = parts
    level = COMPARE if notation.level < SUM else ADD if notation.level == SUM else TIMES
    if level == COMPARE:
        return Text(f"{left.at(ADD)} {notation.text} {right.at(ADD)}", level)
    return binary(left, notation.text, right, level)


def function_of(notation: Notation) -> str:
    """`special.erf` is SciPy's, everything else is NumPy's."""
    return notation.text if notation.text.startswith("special.") else f"np.{notation.text}"


def call(function: str, arguments: Sequence[Text | str]) -> Text:
    return Text(f"{function}({', '.join(a if isinstance(a, str) else a.code for a in arguments)})")


def _call(e: Equation, notation: Notation, parts: Parts) -> Text:
    if needs_helper(e):
        return _defined(e, notation, parts)
    first = [repr(e.params["n"])] if "n" in e.params else []
    options = [f"{k}={v!r}" for k, v in _options(e).items()]
    return call(function_of(notation), [*first, *parts, *_axes(e), *options])


def _options(e: Equation) -> dict[str, Any]:
    """Params other than axes and numbers, where they ask for something."""
    return {k: v for k, v in e.params.items() if k not in ("axes", "axis", "n") and v is not False}


def _takes(notation: Notation, options: Collection[str]) -> bool:
    """Whether NumPy's function has these options."""
    function = getattr(np, notation.text, None)
    return not options or (function is not None and set(options) <= set(inspect.signature(function).parameters))


def _axes(e: Equation) -> list[str]:
    if "axis" in e.params:
        return [f"axis={e.params['axis']}"]
    axes = e.params.get("axes", ())
    if not axes or (len(axes) == e.inputs[0].type.ndim):
        return []
    return [f"axis={axes[0] if len(axes) == 1 else axes}"]


def _norm(e: Equation, notation: Notation, parts: Parts) -> Text:
    axes = e.params["axes"]
    if len(axes) > 1:
        return call("np.sqrt", [call("np.sum", [Text(f"{parts[0].at(EXPONENT)} ** 2"), f"axis={axes}"])])
    return call("np.linalg.norm", [*parts, f"axis={axes[0]}"])


def _power(e: Equation, notation: Notation, parts: Parts) -> Text:
    exponent = number(e.params["n"]) if "n" in e.params else parts[1]
    return Text(f"{parts[0].at(EXPONENT + 0.5)} ** {exponent.at(EXPONENT)}", EXPONENT)


# --- functions written out --------------------------------------------------------------------------------------------


def helper_name(e: Equation) -> str:
    return e.op.name


def _defined(e: Equation, notation: Notation, parts: Parts) -> Text:
    options = [f"{k}={v!r}" for k, v in e.params.items()]
    return call(helper_name(e), [*parts, *options])


def helper(e: Equation) -> str:
    """The op's evaluation as a function of its own; empty where NumPy has a call for it."""
    if not needs_helper(e):
        return ""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(e.op.evaluate))).body
    assert isinstance(tree, ast.FunctionDef)
    tree.name, tree.returns = helper_name(e), None
    for argument in (*tree.args.posonlyargs, *tree.args.args, *tree.args.kwonlyargs, tree.args.vararg):
        if argument is not None:
            argument.annotation = None
    return ast.unparse(_Plain().visit(tree))


class _Plain(ast.NodeTransformer):
    """Code without annotations."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        assert node.value is not None
        return ast.copy_location(ast.Assign([node.target], node.value, lineno=node.lineno), node)


def needs_helper(e: Equation) -> bool:
    notation = notation_of(e)
    if isinstance(e.op, Contraction):
        return False
    if notation.style == "call":
        return not _takes(notation, _options(e)) or len(e.params.get("axes", ())) > 2
    if notation.style == "index":
        return e.inputs[0].type.ndim > 2
    return notation.style == "defined"


# --- rearranging ------------------------------------------------------------------------------------------------------


def _silent(e: Equation, notation: Notation, parts: Parts) -> Text:
    t = e.output.type
    if notation.text == "reshape" and isinstance(e.inputs[0], Const):
        return call("np.reshape", [parts[0], str(t.shape)])
    if notation.text == "reshape":
        grown = _grown(e.inputs[0].type.shape, t.shape)
        if grown:
            return Text(f"{parts[0].at(PRIMARY)}[{', '.join(grown)}]")
    argument = f"np.{t.dtype}" if notation.text == "astype" else _shape(t.shape)
    return Text(f"{parts[0].at(PRIMARY)}.{notation.text}({argument})")


def _grown(old: tuple[int, ...], new: tuple[int, ...]) -> list[str]:
    """An index that only adds axes of length 1; empty where that is not what happens."""
    places, rest = [], list(old)
    for n in new:
        if rest and n == rest[0]:
            places.append(":")
            rest.pop(0)
        elif n == 1:
            places.append("None")
        else:
            return []
    return places if not rest and "None" in places else []


def _shape(shape: tuple[int, ...]) -> str:
    return ", ".join(map(str, shape)) if shape else "()"


def _index(e: Equation, shape: tuple[int, ...]) -> str:
    index = e.params["index"]
    dots = ["..."] if len(shape) > len(index) else []
    return ", ".join(dots + [_keep_axis(s, b) for s, b in zip(index_text(index, shape).split(","), index, strict=True)])


def _keep_axis(written_: str, bounds: tuple[int, int | None, int]) -> str:
    """A single number would drop the axis: write it as a slice."""
    if ":" in written_:
        return written_
    n = int(written_)
    return f"{n}:{n + 1}"


def element(e: Equation, x: Text, shape: tuple[int, ...]) -> Text | None:
    """A slice without the axes along which it takes just one; None where that is not the shape."""
    own = e.inputs[0].type.shape
    index = index_text(e.params["index"], own).split(",")
    lead = own[: len(own) - len(index)]
    left = tuple(n for n, i in zip(e.output.type.shape[len(lead) :], index, strict=True) if ":" in i)
    if lead or left != shape:
        return None
    while index and index[-1] == ":":
        index.pop()
    return Text(f"{x.at(PRIMARY)}[{', '.join(index)}]") if index else None


def _slice(e: Equation, notation: Notation, parts: Parts) -> Text:
    return Text(f"{parts[0].at(PRIMARY)}[{_index(e, e.inputs[0].type.shape)}]")


def _gather(e: Equation, notation: Notation, parts: Parts) -> Text:
    if needs_helper(e):
        return call(helper_name(e), parts)
    return Text(f"{parts[0].at(PRIMARY)}[{parts[1].code}]")


def _sequence(e: Equation, notation: Notation, parts: Parts) -> Text:
    return Text(f"np.{notation.text}([{', '.join(p.code for p in parts)}], axis={e.params['axis']})")


_STYLES: dict[str, Callable[[Equation, Notation, Parts], Text]] = {
    "infix": _infix,
    "prefix": lambda e, notation, parts: Text(notation.text + parts[0].at(UNARY), UNARY),
    "call": _call,
    "connective": _call,
    "defined": _defined,
    "silent": _silent,
    "fraction": lambda e, notation, parts: binary(parts[0], notation.text, parts[1], TIMES),
    "power": _power,
    "root": _call,
    "bars": _call,
    "norm": _norm,
    "floor": _call,
    "floor of a quotient": _call,
    "ceil": _call,
    "cases": _call,
    "slice": _slice,
    "index": _gather,
    "sequence": _sequence,
    "solve": _call,
    "inverse": _call,
}


def statements(e: Equation, name: str, parts: Parts) -> list[str] | None:
    """Lines that assign an equation's value where one expression can't; else None."""
    style = notation_of(e).style
    if style == "place":
        t = e.output.type
        dtype = "" if t.dtype == np.float64 else f", np.{t.dtype}"
        start = f"{name} = np.zeros({t.shape}{dtype})"
    elif style == "update":
        start = f"{name} = np.array({parts[0].code})"
    else:
        return None
    return [start, f"{name}[{_index(e, e.output.type.shape)}] = {parts[-1].code}"]


# --- contractions -----------------------------------------------------------------------------------------------------

_LETTERS = "ijklmnopqrstuvwxyzabcdefgh"


def contraction(spec: Spec, shapes: Sequence[tuple[int, ...]], parts: Parts) -> Text:
    """`X.T @ r`, `np.sum(x, axis=0)`, …; np.einsum where nothing simpler says it."""
    known = {label for labels in spec.ins for label in labels}
    size = spec.sizes(shapes)
    if all(label in known for label in spec.out):
        return _plain(spec, size, parts)
    once = tuple(dict.fromkeys(spec.out))
    if len(once) < len(spec.out) and not any(spec.ins) and len(parts) == 1 and len(spec.out) == 2:
        identity = call("np.eye", [str(size[once[0]])])
        return identity if parts[0].code in ("1", "1.0") else binary(parts[0], "*", identity, TIMES)
    if len(once) < len(spec.out):
        repeated = contraction(Spec(spec.ins, once, spec.new), shapes, parts)
        return _einsum(Spec((once,), spec.out), size, [repeated])
    kept = tuple(label for label in spec.out if label in known)
    inner = contraction(Spec(spec.ins, kept), shapes, parts) if Spec(spec.ins, kept).ins != (kept,) else parts[0]
    shape = tuple(size[label] for label in spec.out)
    if not kept:
        return call("np.full", [str(shape), inner])
    if all(size[label] == 1 for label in spec.out if label not in known):
        return stretched(inner, kept, spec.out, front=True)
    return call("np.broadcast_to", [stretched(inner, kept, spec.out), str(shape)])


def stretched(x: Text, labels: Labels, out: Labels, *, front: bool = False) -> Text:
    """x with axes of length 1 where `out` has labels that it lacks; in front, NumPy adds them itself."""
    if not labels:
        return x
    places = [":" if label in labels else "None" for label in out]
    while not front and places and places[0] == "None":
        places.pop(0)
    if "None" not in places:
        return x
    return Text(f"{x.at(PRIMARY)}[{', '.join(places)}]")


def _plain(spec: Spec, size: dict[int, int], parts: Parts) -> Text:
    repeated = len(set(spec.out)) < len(spec.out) or any(len(set(labels)) < len(labels) for labels in spec.ins)
    if len(parts) == 1 and not repeated:
        return _unary(spec.ins[0], spec.out, parts[0])
    if len(parts) == 2 and not repeated:
        found = _binary(spec, parts[0], parts[1])
        if found is not None:
            return found
    return _einsum(spec, size, parts)


def _unary(labels: Labels, out: Labels, x: Text) -> Text:
    gone = [n for n, label in enumerate(labels) if label not in out]
    left = [label for label in labels if label in out]
    if gone:
        axes = [] if not left else [f"axis={gone[0] if len(gone) == 1 else tuple(gone)}"]
        x = call("np.sum", [x, *axes])
    order = tuple(left.index(label) for label in out)
    if order == tuple(range(len(order))):
        return x
    return Text(f"{x.at(PRIMARY)}.T") if order == (1, 0) else call("np.transpose", [x, str(order)])


def _binary(spec: Spec, x: Text, y: Text) -> Text | None:
    (left, right), out = spec.ins, spec.out
    if left == right == out:
        return binary(x, "*", y, TIMES)
    if max(map(len, (left, right, out))) > 2:
        return None
    if len(left) == len(right) == 1 and out == left + right and left != right:
        return call("np.outer", [x, y])
    summed = [label for label in left if label in right and label not in out]
    if len(summed) != 1 or len(left) + len(right) != len(out) + 2:
        return None
    (j,) = summed
    if out and out[0] in right:
        left, right, x, y = right, left, y, x
    x = Text(f"{x.at(PRIMARY)}.T") if len(left) == 2 and left[-1] != j else x
    y = Text(f"{y.at(PRIMARY)}.T") if len(right) == 2 and right[0] != j else y
    return binary(x, "@", y, TIMES)


def _einsum(spec: Spec, size: dict[int, int], parts: Parts) -> Text:
    """A label repeated in the result walks a diagonal: einsum can't write it, but can multiply by the identity."""
    out: list[int] = []
    extra: list[tuple[int, int]] = []
    fresh = max(size, default=-1) + 1
    for label in spec.out:
        if label in out:
            extra.append((label, fresh))
            out.append(fresh)
            fresh += 1
        else:
            out.append(label)
    words = ["".join(_LETTERS[n] for n in labels) for labels in (*spec.ins, *extra, out)]
    subscripts = f"{','.join(words[:-1])}->{words[-1]}"
    return call("np.einsum", [f'"{subscripts}"', *parts, *(f"np.eye({size[label]})" for label, _ in extra)])


# --- numbers and constants --------------------------------------------------------------------------------------------


def number(value: Any, *, whole: bool = True) -> Text:
    """A Python number; whole ones without a point where `whole`."""
    value = value.item() if isinstance(value, (np.generic, np.ndarray)) else value
    if isinstance(value, float) and (isnan(value) or isinf(value)):
        return Text("np.nan") if isnan(value) else Text("np.inf") if value > 0 else Text("-np.inf", UNARY)
    if isinstance(value, float) and whole and value == int(value) and abs(value) < 1e15:
        value = int(value)
    return Text(repr(value), UNARY if isinstance(value, (int, float)) and value < 0 else PRIMARY)


def array(value: Array) -> Text | None:
    """A constant array as an expression; None for what is too large to be written out."""
    flat = value.reshape(-1)
    dtype = [] if value.dtype == np.float64 else [f"np.{value.dtype}"]
    if flat.size and (flat[0] == flat).all():
        named = {0: "np.zeros", 1: "np.ones"}.get(flat[0].item())
        if named:
            return call(named, [str(value.shape), *dtype])
        return call("np.full", [str(value.shape), number(flat[0], whole=False), *dtype])
    code = literal(value)
    return None if code is None else Text(code)
