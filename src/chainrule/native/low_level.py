"""A kernel of numbers as a plain function of C, for SciPy's `LowLevelCallable`: no Python between the two."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError
from . import interrupt
from .llvm import load, object_code
from .run import Stretch


def low_level(stretch: Stretch, moving: Sequence[int], values: Sequence[Any]) -> Any:
    """`double f(double)` of the one input in `moving`, else `double f(int, double *)` of several.

    Further inputs keep the arrays in `values`. Where the kernel fails the result is NaN; where a signal has ended it,
    so are all later ones, without further work, until Python sees the exception.
    """
    from scipy import LowLevelCallable

    program = stretch.program
    types = [program.inputs[n].type for n in moving] + [a.type for a in program.outputs]
    if len(program.outputs) != 1 or any(t.shape != () or t.dtype != np.float64 for t in types):
        raise ArgumentError("a low-level callable takes and returns numbers in double precision")
    table = np.zeros(stretch.places + 1, np.uintp)  # the last says whether the kernel has failed
    kept: list[Any] = [table, stretch]
    for n, array in stretch.constants.items():
        table[n] = array.ctypes.data
    for n, v in enumerate(program.inputs):
        if n not in moving:
            kept.append(np.require(values[n], v.type.dtype, ["C", "A"]))
            table[stretch.inputs[n]] = kept[-1].ctypes.data
    code = object_code(_text(stretch, [stretch.inputs[n] for n in moving]))
    loaded = load(code, ["call"], {"kernel": stretch.kernel, "table": table.ctypes.data, "ask": interrupt.address()})
    real, single = ctypes.c_double, len(moving) == 1
    kind = ctypes.CFUNCTYPE(real, real) if single else ctypes.CFUNCTYPE(real, ctypes.c_int, ctypes.POINTER(real))
    function: Any = kind(loaded["call"])
    function.kept = (kept, loaded)
    return LowLevelCallable(function)


def _text(stretch: Stretch, places: Sequence[int]) -> str:
    """The function: it copies the addresses, and puts in those of the numbers."""
    count, single = stretch.places, len(places) == 1
    (result,) = stretch.outputs
    lines = [
        f"  %failed = getelementptr i64, ptr @table, i64 {count}", "  %before = load i64, ptr %failed",
        "  %fine = icmp eq i64 %before, 0", "  br i1 %fine, label %go, label %doubt",
        "doubt:", "  %asked = call i32 @ask()", "  %on = icmp eq i32 %asked, 0", "  br i1 %on, label %go, label %stop",
        "stop:", "  ret double 0x7FF8000000000000", "go:",
    ]  # fmt: skip
    lines += [f"  %bufs = alloca ptr, i64 {count}", "  %y = alloca double", "  %x = alloca double"]
    lines.append(f"  call void @llvm.memcpy.p0.p0.i64(ptr %bufs, ptr @table, i64 {8 * count}, i1 false)")
    if single:
        lines.append("  store double %x0, ptr %x")

    def put(n: int, pointer: str) -> None:
        lines.append(f"  %at{n} = getelementptr ptr, ptr %bufs, i64 {n}")
        lines.append(f"  store ptr {pointer}, ptr %at{n}")

    for k, n in enumerate(places):
        if not single:
            lines.append(f"  %x{k} = getelementptr double, ptr %xs, i64 {k}")
        put(n, "%x" if single else f"%x{k}")
    put(result, "%y")
    if stretch.scratch:
        lines.append(f"  %scratch = alloca i8, i64 {stretch.scratch}, align 64")
        put(count - 1, "%scratch")
    return "\n".join(
        [
            "declare i32 @kernel(ptr)",
            "declare i32 @ask()",
            "@table = external global i8",
            "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)",
            f"define double @call({'double %x0' if single else 'i32 %n, ptr %xs'}) nounwind {{",
            *lines,
            "  %status = call i32 @kernel(ptr %bufs)",
            "  %good = icmp eq i32 %status, 0",
            "  %bad = zext i32 %status to i64",
            "  store i64 %bad, ptr %failed",
            "  %value = load double, ptr %y",
            "  %result = select i1 %good, double %value, double 0x7FF8000000000000",
            "  ret double %result",
            "}",
        ]
    )
