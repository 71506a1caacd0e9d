"""Read an expression such as `log(1 + exp(x))` into a function, by walking its syntax tree: nothing in it is ever run.

>>> f = parse("log(1 + exp(x))")
>>> f, f.names
(log(1 + exp(x)), ('x',))
>>> round(float(f(0.0)), 6)
0.693147

What is not arithmetic, a name, a number or a function from the list below is refused, with the place and a hint:

>>> parse("2x + 1")
Traceback (most recent call last):
    ...
chainrule.errors.ParseError: a sign is missing between the number and what follows
  2x + 1
   ^
  hint: write 2*x
"""

from __future__ import annotations

import ast
import difflib
import inspect
import re
import warnings
from collections.abc import Callable
from math import isfinite
from typing import Any

import numpy as np

from ..errors import ParseError
from ..later import scipy
from ..ops.op import Interpreted

LONGEST = 2000  # characters
DEEPEST = 60  # brackets, signs and powers inside each other
LARGEST = 1e300

_NUMPY = (
    "sin cos tan arcsin arccos arctan arctan2 sinh cosh tanh arcsinh arccosh arctanh exp exp2 expm1 log "
    "log2 log10 log1p "
    "logaddexp sqrt cbrt square hypot sign floor ceil maximum minimum where power abs clip"
)
FUNCTIONS: dict[str, Callable[..., Any]] = {name: getattr(np, name) for name in _NUMPY.split()} | {
    "ln": np.log, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "atan2": np.arctan2, "asinh": np.arcsinh,
    "acosh": np.arccosh, "atanh": np.arctanh, "max": np.maximum, "min": np.minimum, "pow": np.power, "fabs": np.abs,
    "absolute": np.abs, "sigmoid": scipy.special.expit, "expit": scipy.special.expit, "erf": scipy.special.erf,
    "erfc": scipy.special.erfc, "gammaln": scipy.special.gammaln, "lgamma": scipy.special.gammaln,
    "digamma": scipy.special.digamma, "psi": scipy.special.digamma, "xlogy": scipy.special.xlogy,
    "logsumexp": np.logaddexp, "relu": lambda x: np.maximum(x, 0.0), "softplus": lambda x: np.logaddexp(0.0, x),
}  # fmt: skip
_ARITY = {"arctan2": 2, "atan2": 2, "logaddexp": 2, "hypot": 2, "power": 2, "pow": 2, "xlogy": 2, "where": 3, "clip": 3}
_SEVERAL = {"max", "min", "maximum", "minimum", "logsumexp"}
_VECTORS = {"softmax": "one of them is exp(x)/(exp(x) + exp(y)); explain takes functions of arrays"}
CONSTANTS = {"pi": np.pi, "π": np.pi, "e": np.e, "tau": 2 * np.pi, "inf": float("inf")}
MODULES = {"np", "numpy", "math", "special", "scipy"}

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide, ast.Pow: np.power,
    ast.FloorDiv: np.floor_divide, ast.Mod: np.remainder,
}  # fmt: skip
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Gt: np.greater, ast.GtE: np.greater_equal, ast.Lt: np.less, ast.LtE: np.less_equal,
    ast.Eq: np.equal, ast.NotEq: np.not_equal,
}  # fmt: skip
_TYPED = str.maketrans({"−": "-", "–": "-", "×": "*", "·": "*", "⋅": "*", "÷": "/"})

Scope = dict[str, Any]
Node = Callable[[Scope], Any]


class Expression:
    """A parsed expression: a function of its names, in the order in which they first appear."""

    def __init__(self, text: str, names: tuple[str, ...], node: Node) -> None:
        self.text = text
        self.names = names
        self.__name__ = "f"
        self._node = node
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        self.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in names])

    def __call__(self, *values: Any, **named: Any) -> Any:
        bound = self.__signature__.bind(*values, **named)
        return self._node(bound.arguments)

    def __repr__(self) -> str:
        return self.text


def parse(text: str) -> Expression:
    """The expression as a function of its free names; raises ParseError for what is not one."""
    typed = text.translate(_TYPED)
    if not typed.strip():
        raise ParseError("there is no expression", hint='write one, such as "log(1 + exp(x))"')
    if len(typed) > LONGEST:
        raise ParseError(
            f"the expression has {len(typed)} characters, more than {LONGEST}", hint="write it as a function"
        )
    _check_brackets(typed)
    return _Parser(typed).expression(text.strip())


def refuse(message: str, text: str, column: int, hint: str = "") -> ParseError:
    """An error that points at a column of the expression."""
    start = max(0, column - 60)
    line = text[start : start + 100]
    return ParseError(f"{message}\n  {line}\n  {' ' * (column - start)}^", hint=hint)


def _check_brackets(text: str) -> None:
    """Brackets that match, and not too deep for the syntax tree."""
    stack: list[tuple[str, int]] = []
    pairs = {")": "(", "]": "[", "}": "{"}
    for i, c in enumerate(text):
        if c in "\n\r":
            raise refuse("an expression is one line", text.replace("\n", " ").replace("\r", " "), i)
        if c in "([{":
            stack.append((c, i))
            if len(stack) > DEEPEST:
                raise refuse(f"more than {DEEPEST} brackets inside each other", text, i)
        elif c in pairs and (not stack or stack.pop()[0] != pairs[c]):
            raise refuse("this bracket closes nothing", text, i)
    if stack:
        raise refuse("this bracket is never closed", text, stack[-1][1])


_HINTS: tuple[tuple[str, str, str], ...] = (
    (r"(?<![\w.])(\d+\.?\d*(?:e[+-]?\d+)?) ?([^\W\d_]\w*|\()", "a sign is missing between the number and what follows",
     "write {0}*{1}"),
    (r"\)\s*(\w+|\()", "a sign is missing after the bracket", "write )*{0}"),
    (r"([²³⁴⁵⁶⁷⁸⁹])", "an exponent is written with **", "write **{0}"),
    (r"\^", "the power sign is **", "write ** instead of ^"),
    (r"√\s*(\w*)", "a root is written sqrt(…)", "write sqrt({0})"),
    (r"\|", "an absolute value is written abs(…)", "write abs(x) instead of |x|"),
    (r"(\w+)\s*!", "a factorial is not in the list", "gammaln(n + 1) is its logarithm"),
    (r"(?<![=<>!])=(?!=)", "an expression has no equals sign", "write only what stands to the right of it"),
    (r"\b([^\W\d_]\w*) +([^\W\d_]\w*|\d+)", "a sign or a bracket is missing between {0} and {1}",
     "write {0}({1}) or {0}*{1}"),
)  # fmt: skip
_DIGITS = str.maketrans("²³⁴⁵⁶⁷⁸⁹", "23456789")


class _Parser:
    """Turns a syntax tree into a function of a scope, node by node; what it does not know, it refuses."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.names: dict[str, None] = {}

    def expression(self, written: str) -> Expression:
        tree = self._tree()
        if isinstance(tree, ast.Compare) and len(tree.ops) == 1:
            raise self._refuse(
                tree.comparators[0], "a comparison is true or false, not a number", "write where(x > 0, a, b)"
            )
        node = self._node(tree, 0)
        return Expression(written, tuple(self.names), node)

    def _tree(self) -> ast.expr:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Python warns of `2if`; we refuse it
                tree = ast.parse(self.text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
            raise self._unreadable(error) from None
        self.shift = len(self.text) - len(self.text.lstrip())
        return tree

    def _unreadable(self, error: Exception) -> ParseError:
        for pattern, message, hint in _HINTS:
            found = re.search(pattern, self.text)
            if found:
                groups = [g.translate(_DIGITS) for g in found.groups()]
                column = found.end(1) if found.re.groups > 1 else found.start()
                return refuse(message.format(*groups), self.text, column, hint.format(*groups))
        offset = getattr(error, "offset", None) or 1
        shift = len(self.text) - len(self.text.lstrip())
        return refuse("this can't be read as an expression", self.text, min(offset - 1 + shift, len(self.text)))

    def _refuse(self, node: ast.AST, message: str, hint: str = "") -> ParseError:
        before = self.text.strip().encode()[: getattr(node, "col_offset", 0)]
        return refuse(message, self.text, self.shift + len(before.decode(errors="ignore")), hint)

    # --- nodes ---

    def _node(self, node: ast.expr, depth: int) -> Node:
        if depth > DEEPEST * 2:
            raise self._refuse(node, "the expression is nested too deeply", "write it as a function")
        visit = getattr(self, f"_{type(node).__name__.lower()}", None)
        if visit is None:
            raise self._refuse(node, "only arithmetic, names, numbers and functions can stand in an expression")
        made: Node = visit(node, depth + 1)
        return made

    def _constant(self, node: ast.Constant, depth: int) -> Node:
        value = node.value
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self._refuse(node, f"{str(value)[:40]!r} is not a real number")
        try:
            large = not isfinite(float(value)) or abs(float(value)) > LARGEST
        except OverflowError:
            large = True
        if large:
            raise self._refuse(node, "this number is too large")
        number = value if isinstance(value, float) or abs(value) < 2**53 else float(value)
        return lambda scope: number

    def _name(self, node: ast.Name, depth: int) -> Node:
        name = node.id
        if name in CONSTANTS:
            value = CONSTANTS[name]
            return lambda scope: value
        if name in FUNCTIONS:
            raise self._refuse(node, f"{name} is a function: what is it applied to?", f"write {name}(x)")
        if name in MODULES or name.startswith("__"):
            raise self._refuse(node, f"{name} is not a number")
        if len(name) > 40:
            raise self._refuse(node, "this name is too long")
        self.names.setdefault(name)
        return lambda scope: scope[name]

    def _binop(self, node: ast.BinOp, depth: int) -> Node:
        if isinstance(node.op, ast.BitXor):
            raise self._refuse(node.right, "the power sign is **", "write ** instead of ^")
        if isinstance(node.op, ast.BitOr):
            raise self._refuse(node.right, "an absolute value is written abs(…)")
        if isinstance(node.op, ast.MatMult):
            raise self._refuse(
                node.right, "an expression is of numbers, not of matrices", "explain takes functions of arrays"
            )
        function = _BINARY.get(type(node.op))
        if function is None:
            raise self._refuse(node.right, "this sign is not arithmetic")
        left, right = self._node(node.left, depth), self._node(node.right, depth)
        return self._applied(node, function, [left, right])

    def _unaryop(self, node: ast.UnaryOp, depth: int) -> Node:
        part = self._node(node.operand, depth)
        if isinstance(node.op, ast.UAdd):
            return part
        if not isinstance(node.op, ast.USub):
            raise self._refuse(node, "this sign is not arithmetic")
        return lambda scope: -part(scope)

    def _compare(self, node: ast.Compare, depth: int) -> Node:
        if len(node.ops) > 1 or type(node.ops[0]) not in _COMPARE:
            raise self._refuse(node, "compare two values at a time, with <, <=, >, >=, == or !=")
        function = _COMPARE[type(node.ops[0])]
        return self._applied(node, function, [self._node(node.left, depth), self._node(node.comparators[0], depth)])

    def _ifexp(self, node: ast.IfExp, depth: int) -> Node:
        raise self._refuse(node.test, "a choice is written where(…)", "write where(x > 0, a, b)")

    def _attribute(self, node: ast.Attribute, depth: int) -> Node:
        if _root(node) in MODULES and node.attr in CONSTANTS:
            value = CONSTANTS[node.attr]
            return lambda scope: value
        raise self._refuse(node, "attributes can't stand in an expression")

    def _call(self, node: ast.Call, depth: int) -> Node:
        name = self._function_name(node)
        if node.keywords or any(isinstance(a, ast.Starred) for a in node.args):
            raise self._refuse(node, f"{name} takes only values here, without names or stars")
        arguments = [self._node(a, depth) for a in node.args]
        expected = _ARITY.get(name, 1)
        if name in _SEVERAL:
            if len(arguments) < 2:
                raise self._refuse(node, f"{name} takes two or more values")
            return self._folded(node, FUNCTIONS[name], arguments)
        if len(arguments) != expected:
            raise self._refuse(node, f"{name} takes {expected} value{'s' * (expected > 1)}, not {len(arguments)}")
        return self._applied(node, FUNCTIONS[name], arguments)

    def _function_name(self, node: ast.Call) -> str:
        function = node.func
        if isinstance(function, ast.Constant):
            inside = ast.unparse(node.args[0])[:20] if node.args else "…"
            raise self._refuse(
                function, "a sign is missing between the number and the bracket", f"write {function.value!r}*({inside})"
            )
        if isinstance(function, ast.Attribute) and _root(function) in MODULES:
            name = function.attr
        elif isinstance(function, ast.Name):
            name = function.id
        else:
            raise self._refuse(function, "a sign is missing before the bracket", "write * between two factors")
        if name in FUNCTIONS:
            return name
        if len(name) == 1 or name in CONSTANTS:
            raise self._refuse(function, f"{name} is not a function", f"write {name}*(…) for a product")
        if name in _VECTORS:
            raise self._refuse(function, f"{name} gives several numbers", _VECTORS[name])
        close = difflib.get_close_matches(name.lower(), FUNCTIONS, 1, 0.6)
        hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(sorted(FUNCTIONS)[:12])}, …"
        raise self._refuse(function, f"no function is called {name[:40]}", hint)

    # --- applying ---

    def _applied(self, node: ast.expr, function: Callable[..., Any], parts: list[Node]) -> Node:
        def apply(scope: Scope) -> Any:
            values = [part(scope) for part in parts]
            if any(isinstance(v, (Interpreted, np.ndarray, np.generic)) for v in values):
                return function(*values)
            with np.errstate(all="ignore"):
                found = function(*(v if isinstance(v, bool) else float(v) for v in values))
            return self._number(node, found)

        return apply

    def _folded(self, node: ast.expr, function: Callable[..., Any], parts: list[Node]) -> Node:
        first, *rest = parts
        for part in rest:
            first = self._applied(node, function, [first, part])
        return first

    def _number(self, node: ast.expr, value: Any) -> float | int | bool:
        """The value of a part without names: a Python number, so that it stays exact beside others."""
        number = value.item() if hasattr(value, "item") else value
        if isinstance(number, bool):
            return number
        if not isfinite(number):
            raise self._refuse(node, "this is not a finite number")
        return int(number) if number == int(number) and abs(number) < 2**53 else number


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


# --- functions of numbers ---------------------------------------------------------------------------------------------


def numbers_taken(function: Callable[..., Any]) -> int:
    """How many numbers a function must be given: its arguments without a default."""
    if isinstance(function, np.ufunc):
        return function.nin
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 1
    own = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return sum(p.default is p.empty for p in own) or min(len(own), 1)


def variable_of(function: Callable[..., Any]) -> int:
    """In which argument to differentiate if nobody says: the first; of an expression of several names, x."""
    if not isinstance(function, Expression) or len(function.names) == 1:
        return 0
    if "x" in function.names:
        return function.names.index("x")
    if not function.names:
        raise ParseError(f"{function} has no name in it: it is a number", hint="its derivative is 0")
    raise ParseError(
        f"{function} has several names: {', '.join(function.names)}",
        hint=f"say which one varies: {' or '.join(function.names)}",
    )
