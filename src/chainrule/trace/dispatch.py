"""What a NumPy call on stand-ins means: look it up in the op table, mind its memory, locate its errors."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ChainruleError, InPlaceError, NoRuleError
from ..ops import table
from ..ops.arithmetic import strong
from ..ops.op import Interpreted, by_function
from ..ops.special import spell_polygamma
from .where import describe, here, operand_names

if TYPE_CHECKING:
    from .recorder import Recorder

assert table.OPS  # the whole table stands before anything is recorded


def stands_in(value: Any) -> bool:
    return isinstance(value, Interpreted)


def locate(error: ChainruleError) -> ChainruleError:
    """Put the user's line, and the operands as they wrote them, into an error that does not know them yet."""
    if not error.located:
        place = here()
        if place is not None:
            error.where = describe(place)
            names = operand_names(place)
            if error.operands and len(names) >= len(error.operands):
                error.names = names
    return error


def located(compute: Callable[[], Any]) -> Any:
    try:
        return compute()
    except ChainruleError as error:
        raise locate(error) from None


def involved(args: Any, depth: int = 0) -> Any:
    """The stand-in of the innermost recording among arguments, also inside lists."""
    found: Any = None
    for a in args.values() if isinstance(args, dict) else args:
        inner = a if stands_in(a) else None
        if inner is None and type(a) in (list, tuple) and depth < 4:
            inner = involved(a, depth + 1)
        if inner is not None and (found is None or inner.level > found.level):
            found = inner
    return found


def invoke(function: Any, args: Sequence[Any], options: dict[str, Any], recorder: Recorder | None = None) -> Any:
    """Call a NumPy function on stand-ins: look up what it means in the op table."""
    rule = by_function.get(function)
    if rule is None:
        known = _plain_arguments(args, options)
        if known is not None:  # nothing in it changes from call to call: NumPy itself may answer
            return (
                getattr(*function)(*known[0], **known[1])
                if isinstance(function, tuple)
                else function(*known[0], **known[1])
            )
        error = NoRuleError(f"{name_of(function)} has no entry in the op table")
        raise recorder.refuse(error) if recorder else locate(error)
    try:
        return _applied(function, rule, args, options)
    except ChainruleError as error:
        raise locate(error) from None
    except UnknownOption:
        text = ", ".join(f"{k}=" for k in options)
        refusal = NoRuleError(
            f"{name_of(function)} is not recorded with {text}",
            hint="leave the option out, or write it with other entries",
        )
        raise (recorder.refuse(refusal) if recorder else locate(refusal)) from None


class UnknownOption(Exception):
    """A NumPy function was called with an option that its entry does not know."""


def _applied(function: Any, rule: Callable[..., Any], args: Sequence[Any], options: dict[str, Any]) -> Any:
    try:
        return rule(*args, **options)
    except TypeError as error:
        if not options or "unexpected keyword" not in str(error):
            raise
    rest = dict(options)
    first = _first_parameter(function)
    if args or first not in rest:
        raise UnknownOption
    return _applied(function, rule, (rest.pop(first),), rest)  # NumPy and the entry may call it by different names


def _first_parameter(function: Any) -> str:
    try:
        return next(iter(inspect.signature(function).parameters), "")
    except (TypeError, ValueError):
        return ""


def _plain_arguments(args: Sequence[Any], options: dict[str, Any]) -> tuple[list[Any], dict[str, Any]] | None:
    """The arguments with known values in place of stand-ins; None if one is not known."""

    def plain(a: Any) -> Any:
        if isinstance(a, (list, tuple)):
            return type(a)([plain(v) for v in a])
        if not stands_in(a):
            return a
        value = a.recorder.known(a.atom)
        if value is None:
            raise LookupError
        return value.item() if a.type.weak or not value.shape else value

    try:
        return [plain(a) for a in args], {k: plain(a) for k, a in options.items()}
    except LookupError:
        return None


def call(function: Any, args: Sequence[Any], options: dict[str, Any], recorder: Recorder) -> Any:
    """A NumPy function called by the user: as `invoke`, but minding memory, that of out= and that of views."""
    options = dict(options)
    out = options.pop("out", None)
    if isinstance(function, np.ufunc) and len(args) > function.nin:
        args, out = args[: function.nin], args[function.nin]
    if not args and options and (first := _first_parameter(function)) in options:
        args = (options.pop(first),)
    result = invoke(function, args, options, recorder)
    if out is not None:
        return store(out, result)
    x = next((a for a in args if stands_in(a)), None)
    if x is not None and x.recorder is recorder:
        result = _in_memory(function, x, args, options, result)
    return _as_numpy_answers(function, result)


# Facts about NumPy's functions that are not about their values: what is a view of the argument, what is the argument.
RESHAPING = {
    np.reshape, np.ravel, np.squeeze, np.expand_dims, np.atleast_1d, np.atleast_2d, np.atleast_3d, np.ascontiguousarray,
}  # fmt: skip
CONTIGUOUS = {np.ravel, np.ascontiguousarray}  # copies, unless the argument is contiguous
TURNING = {
    np.transpose, np.swapaxes, np.moveaxis, np.rollaxis, np.matrix_transpose, np.linalg.matrix_transpose,
}  # fmt: skip
SHARING = {
    np.flip, np.flipud, np.fliplr, np.rot90, np.diagonal, np.linalg.diagonal, np.diag, np.broadcast_to,
    np.broadcast_arrays, np.split, np.array_split, np.hsplit, np.vsplit,
}  # fmt: skip
# may answer with the argument itself
RETURNING = {np.asarray, np.asanyarray, np.array, np.real, np.einsum, np.diff, *SHARING}
# answer with an array, of numbers too
MAKING_ARRAYS = {
    np.array, np.asarray, np.asanyarray, np.copy, np.full, np.full_like, np.where, np.select, np.tensordot,
    np.linalg.tensordot, np.polyval, np.roll, np.broadcast_to,
}  # fmt: skip


def _in_memory(function: Any, x: Any, args: Sequence[Any], options: dict[str, Any], result: Any) -> Any:
    """The result, as a view of the argument x where it is one in NumPy, and as an array of its own where not."""
    if function in RESHAPING:
        if options.get("copy"):
            return result.copy()
        if issubclass(type(result), tuple):  # np.atleast_1d of several
            pairs = zip(args, result, strict=True)
            return tuple([a.view_of_reshape(y) if stands_in(a) else y for a, y in pairs])
        return x.view_of_reshape(result, contiguous=function in CONTIGUOUS)
    if function in TURNING:
        return x.view_of_transpose(_order(function, x.ndim, args[1:], options))
    if result is x and function not in RETURNING and options.get("copy", True):
        return x.now()  # what changes nothing still answers with an array of its own
    if function in SHARING or (function is np.einsum and len(args) == 2):
        return _guarded_views(function, args, options, result)
    return result


def _as_numpy_answers(function: Any, result: Any) -> Any:
    """NumPy's functions answer with numbers and arrays of its own, also when asked about a Python number."""
    if not stands_in(result) or result.shape:
        return result
    if (
        function in MAKING_ARRAYS
        or by_function.get(function) is spell_polygamma
        or (result.weak and function in RESHAPING | TURNING)
    ):
        return result.as_array()
    if result.weak and function is not np.real and getattr(function, "__module__", "") != "math":
        return strong(result)
    return result


def _order(function: Any, ndim: int, rest: Sequence[Any], options: dict[str, Any]) -> tuple[int, ...]:
    """The axes in the order in which a transposing function puts them."""
    probe = np.broadcast_to(0.0, tuple(range(2, 2 + ndim)))
    return tuple([n - 2 for n in function(probe, *rest, **options).shape])


def _guarded_views(function: Any, args: Sequence[Any], options: dict[str, Any], result: Any) -> Any:
    """Results that share memory with an argument: a write to it reaches them; a write to one of them is refused."""

    def part(x: Any, value: Any, pick: Callable[[Any], Any]) -> Any:
        if not stands_in(value) or not stands_in(x) or value is x:
            return value

        def take(base: Any) -> Any:
            return pick(by_function[function](*[base if a is x else a for a in args], **options))

        def refuse(base: Any, v: Any) -> Any:
            raise x.recorder.refuse(
                InPlaceError(
                    f"the function writes into a result of {name_of(function)}, which shares memory with its argument",
                    hint="write into the array itself, or into a copy: .copy()",
                )
            )

        return x.part(value, take, refuse)

    if issubclass(type(result), tuple):  # one of each argument
        return tuple([part(x, value, itemgetter(i)) for i, (x, value) in enumerate(zip(args, result, strict=True))])
    x = next(a for a in args if stands_in(a))
    if issubclass(type(result), list):
        return [part(x, value, itemgetter(i)) for i, value in enumerate(result)]
    return part(x, result, lambda found: found)


def name_of(function: Any) -> str:
    """np.linalg.solve, as a user writes it."""
    if isinstance(function, tuple):
        return f"{name_of(function[0])}.{function[1]}"
    module = getattr(function, "__module__", None) or "numpy"
    name = getattr(function, "__name__", str(function))
    if isinstance(function, np.ufunc):
        module = "numpy" if getattr(np, name, None) is function else "scipy.special"
    module = ".".join(part for part in module.split(".") if not part.startswith("_"))
    return f"{module.replace('numpy', 'np')}.{name}"


def store(out: Any, result: Any) -> Any:
    """out= : write the result there."""
    out = out[0] if isinstance(out, tuple) else out
    if not stands_in(out):
        raise locate(
            InPlaceError(
                "out= names an array made outside the recording", hint="make it inside the function, or leave out= away"
            )
        )
    out[...] = result
    return out
