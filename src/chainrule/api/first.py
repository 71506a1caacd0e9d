"""First derivatives: gradients, and products with the Jacobian from either side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..execute import derived, evaluate, executable
from ..ir import Const
from ..ops.control import integral
from ..trace.tree import flatten
from ..transform.forward import forward
from ..transform.reverse import reverse
from .call import Call, Function, Wrt, directions, filled, fit, has_reals, is_inside, prepare, public, transformation
from .planned import Reading, call_reading, spliced, transformed


@transformation
def value_and_grad(f: Function, *, wrt: Wrt = 0, threads: int = 1) -> Function:
    """The function that returns `f`'s value and its gradient, at little more than the cost of the value.

    `f` returns one number; the gradient has the structure and shapes of the arguments in `wrt` (a tuple of them when
    `wrt` is a tuple). Raises ShapeError when `f` returns an array, DtypeError when an argument in `wrt` is an integer
    array.

    Loops with more than half a millisecond of work are run by up to `threads` threads, which sleep between calls. They
    are cut at the same places for any number of threads, and sums are put together in the same order: so the result has
    the same bits. Raises ArgumentError unless `threads` is a whole number, 1 or more.

    >>> value_and_grad(lambda x: np.sum(x**2))(np.array([1.0, 2.0]))
    (np.float64(5.0), array([2., 4.]))

    Reverse mode: Linnainmaa, 1970; Griewank & Walther, "Evaluating Derivatives", 2008.
    """

    def compute(call: Call, inputs: list[Any]) -> Any:
        value, *gradient = _value_and_gradient(call, inputs)
        return value, call.arranged(gradient)

    return _of_a_scalar(f, wrt, "value and gradient", compute, threads)


def _value_and_gradient(call: Call, inputs: list[Any]) -> list[Any]:
    program = call.to_differentiate
    one = Const(np.ones((), program.outputs[0].type.dtype))
    found = reverse(program, call.wanted, [one])
    outputs = spliced(found.program, inputs)
    return [outputs[0], *filled(found, outputs, call.types())]


def with_the_value(call: Call) -> Reading | None:
    """The gradient, where the value may not exist: an integral that diverges says so when it is computed."""
    if not any(e.op is integral for e in call.program.equations):
        return None

    def compute(inputs: list[Any]) -> Any:
        value, *gradient = _value_and_gradient(call, inputs)
        return value, call.arranged(gradient)

    key = ("value and gradient", call.wanted, call.single)
    return Reading(call.recording, key, compute, call.leaves, None, finish=lambda both: both[1])


def _of_a_scalar(f: Function, wrt: Wrt, name: str, compute: Callable[[Call, list[Any]], Any], threads: int) -> Function:
    """A function of the gradient of one number."""

    def read(args: tuple[Any, ...], options: dict[str, Any]) -> Reading:
        return call_reading(
            f, args, options, wrt, lambda c: (name, c.wanted, c.single), compute, lambda c: c.scalar("a gradient"),
            with_the_value if name == "gradient" else lambda c: None,
        )  # fmt: skip

    return transformed(f, (name, repr(wrt)), read, threads)


@transformation
def grad(f: Function, *, wrt: Wrt = 0, threads: int = 1) -> Function:
    """The gradient of a function that returns one number.

    `grad(f)` takes the arguments of `f`, and returns derivatives with the shapes of those in `wrt`. It composes:
    `grad(grad(f))` is the second derivative. Long loops run on up to `threads` threads, with the same bits as on one
    (see `value_and_grad`).

    >>> grad(lambda x: x**3)(2.0)
    np.float64(12.0)
    >>> grad(grad(lambda x: x**3))(2.0)
    np.float64(12.0)
    """
    return _of_a_scalar(
        f, wrt, "gradient", lambda call, inputs: call.arranged(_value_and_gradient(call, inputs)[1:]), threads
    )


@transformation
def jvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """Value and directional derivative: how `f(*primals)` changes along `tangents`.

    `primals` and `tangents` are tuples, one entry for each argument, of the same structure and shapes; the tangent of
    the value has the structure of the value.

    >>> jvp(np.sin, (0.0,), (2.0,))
    (np.float64(0.0), np.float64(2.0))

    Forward mode: Wengert, "A simple automatic derivative evaluation program", 1964.
    """
    if (
        not isinstance(primals, (tuple, list))
        or not isinstance(tangents, (tuple, list))
        or len(primals) != len(tangents)
    ):
        raise ArgumentError(
            "jvp(f, primals, tangents) takes two tuples of the same length, one entry for each argument"
        )
    call = Call(f, tuple(primals), {}, tuple(range(len(primals))))
    moves = directions(call, tuple(tangents), "tangent")
    found, run = derived(
        call.recording,
        ("forward", call.wanted, is_inside()),
        lambda _: prepare(forward(call.to_differentiate, call.wanted)),
    )
    outputs = evaluate(run, [*call.inputs, *moves])
    n = len(call.program.outputs)
    dots = filled(found, outputs, [a.type for a in call.program.outputs])
    build = call.recording.result.build
    return build(outputs[:n]), build(dots)


@transformation
def vjp(f: Function, *args: Any) -> tuple[Any, Function]:
    """Value and pullback: `pullback(g)` gives, for each argument, how `g · f` changes with it (a tuple).

    `g` has the structure and shapes of the value. Arguments that are not real numbers get None.

    >>> value, pullback = vjp(lambda x, y: x * y, 2.0, 3.0)
    >>> value, pullback(1.0)
    (np.float64(6.0), (np.float64(3.0), np.float64(2.0)))
    """
    if not args:
        raise ArgumentError("vjp(f, *args) needs at least one argument")
    moving = tuple(i for i, a in enumerate(args) if has_reals(a))
    call = Call(f, args, {}, moving or None)
    value = call.recording.result.build(
        evaluate(derived(call.recording, ("value", is_inside()), lambda _: executable(call.to_run)), call.inputs)
    )
    if not moving:
        return value, lambda g: (None,) * len(args)
    inputs = call.inputs
    found, run = derived(
        call.recording,
        ("reverse", call.wanted, is_inside()),
        lambda _: prepare(reverse(call.to_differentiate, call.wanted)),
    )

    @public
    def pullback(g: Any) -> tuple[Any, ...]:
        gs, tree = flatten(g)
        if tree != call.recording.result:
            raise ArgumentError("the cotangent has not the structure of the function's value")
        seeds = []
        for x, a in zip(gs, call.program.outputs, strict=True):
            seed = fit(x, a.type, "cotangent")
            if a.type.differentiable:
                seeds.append(seed)
        outputs = evaluate(run, [*inputs, *seeds])
        pulled = iter(call.arranged(filled(found, outputs, call.types())))
        return tuple(next(pulled) if i in moving else None for i in range(len(args)))

    return value, pullback
