"""Just the function, as native code."""

from __future__ import annotations

from typing import Any

from .call import Call, Function, transformation
from .planned import Reading, call_reading, spliced, transformed


@transformation
def compile(f: Function, *, threads: int = 1) -> Function:
    """`f` as native code: the same arguments, the same value.

    The first call for each structure, shape and dtype of the arguments records `f` and compiles it, which takes
    milliseconds; further ones run machine code. What `f` reads from outside is read at every call. Raises what
    recording raises, where `f` can't be recorded. Long loops run on up to `threads` threads, with the same bits as on
    one (see `value_and_grad`).

    >>> total = compile(lambda x: np.sum(np.exp(-x * x)))
    >>> total(np.array([0.0, 1.0]))
    np.float64(1.3678794411714423)
    """

    def compute(call: Call, inputs: list[Any]) -> Any:
        return call.recording.result.build(spliced(call.to_run, inputs))

    def read(args: tuple[Any, ...], options: dict[str, Any]) -> Reading:
        return call_reading(f, args, options, None, lambda c: "value", compute)

    return transformed(f, "compile", read, threads)
