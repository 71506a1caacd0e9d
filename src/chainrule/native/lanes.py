"""Straight-line LLVM IR on lanes: a vector of numbers is a Python value with the usual operators.

    with x of 8 doubles       x * y + 1       one instruction for each sign, written at once

A formula of vector_math.py is written with these values, and reads as mathematics; what it leaves behind is text.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

KINDS = {"float64": "f64", "float32": "f32", "int64": "i64", "int32": "i32", "bool": "i1"}
_KINDS = {"f64": "double", "f32": "float", "i64": "i64", "i32": "i32", "i1": "i1"}
_FLOATS = {"f64": "<d", "f32": "<f"}
WHOLE = {"f64": "i64", "f32": "i32"}  # whole numbers with as many bits
BITS = {"f64": 64, "f32": 32, "i64": 64, "i32": 32, "i1": 1}


@dataclass(frozen=True)
class Value:
    """What one instruction gave: its name in the text, of which kind it is, and where further instructions go."""

    text: str
    kind: str
    code: Lanes

    def _with(self, other: Any) -> Value:
        return other if isinstance(other, Value) else self.code.number(other, self.kind)

    def _binary(self, floating: str, whole: str, other: Any, swap: bool = False) -> Value:
        left, right = self, self._with(other)
        if swap:
            left, right = right, left
        if self.kind in _FLOATS:
            flags = "" if floating == "fdiv" else self.code.flags  # of which quotients have no use
            told = f"{self.type} {left.text}, {right.text}"
            exact = self.code.target.known(f"{floating} {told}") if flags else None  # does where more is allowed
            return Value(*exact, self.code) if exact else self.code.line(f"{floating} {flags}{told}", self.kind)
        return self.code.line(f"{whole} {self.type} {left.text}, {right.text}", self.kind)

    @property
    def type(self) -> str:
        return self.code.type(self.kind)

    def __add__(self, other: Any) -> Value:
        return self._binary("fadd", "add", other)

    def __radd__(self, other: Any) -> Value:
        return self._binary("fadd", "add", other, swap=True)

    def __sub__(self, other: Any) -> Value:
        return self._binary("fsub", "sub", other)

    def __rsub__(self, other: Any) -> Value:
        return self._binary("fsub", "sub", other, swap=True)

    def __mul__(self, other: Any) -> Value:
        return self._binary("fmul", "mul", other)

    def __rmul__(self, other: Any) -> Value:
        return self._binary("fmul", "mul", other, swap=True)

    def __truediv__(self, other: Any) -> Value:
        return self._binary("fdiv", "sdiv", other)

    def __rtruediv__(self, other: Any) -> Value:
        return self._binary("fdiv", "sdiv", other, swap=True)

    def __lshift__(self, other: Any) -> Value:
        return self._binary("", "shl", other)

    def __rshift__(self, other: Any) -> Value:
        """With the sign."""
        return self._binary("", "ashr", other)

    def down(self, bits: int) -> Value:
        """Shifted to the right, without the sign."""
        return self._binary("", "lshr", bits)

    def __and__(self, other: Any) -> Value:
        return self._binary("", "and", other)

    def __or__(self, other: Any) -> Value:
        return self._binary("", "or", other)

    def __xor__(self, other: Any) -> Value:
        return self._binary("", "xor", other)

    def __invert__(self) -> Value:
        return self ^ self.code.number(-1 if self.kind != "i1" else True, self.kind)

    def __neg__(self) -> Value:
        if self.kind in _FLOATS:
            return self.code.line(f"fneg {self.type} {self.text}", self.kind)
        return 0 - self

    def __abs__(self) -> Value:
        """|-x| is written as |x|, and |y - x| as |x - y| where that is known."""
        made, kind = self.code.target.made.get(self.text, ""), self.type
        if made.startswith(sign := f"fneg {kind} "):
            return abs(Value(made[len(sign) :], self.kind, self.code))
        for minus in (f"fsub {kind} ", f"fsub contract {kind} "):
            if made.startswith(minus):
                x, y = made[len(minus) :].split(", ")
                known = [self.code.target.known(f"{m} {kind} {y}, {x}") for m in ("fsub", "fsub contract")]
                if mirrored := known[0] or known[1]:
                    return self.code.intrinsic("fabs", Value(*mirrored, self.code))
        return self.code.intrinsic("fabs", self)

    def _compare(self, floating: str, whole: str, other: Any) -> Value:
        if self.kind == "i1":
            whole = whole.replace("s", "u")  # true is 1, not -1
        how = f"fcmp {floating}" if self.kind in _FLOATS else f"icmp {whole}"
        return self.code.line(f"{how} {self.type} {self.text}, {self._with(other).text}", "i1")

    def __lt__(self, other: Any) -> Value:
        return self._compare("olt", "slt", other)

    def __le__(self, other: Any) -> Value:
        return self._compare("ole", "sle", other)

    def __gt__(self, other: Any) -> Value:
        return self._compare("ogt", "sgt", other)

    def __ge__(self, other: Any) -> Value:
        return self._compare("oge", "sge", other)

    def equals(self, other: Any) -> Value:
        return self._compare("oeq", "eq", other)

    def differs(self, other: Any) -> Value:
        """Also where either is NaN."""
        return self._compare("une", "ne", other)

    def is_nan(self) -> Value:
        return self._compare("uno", "", self)

    def bits(self) -> Value:
        """The same bits, as a whole number."""
        return self._cast("bitcast", WHOLE[self.kind])

    def as_float(self) -> Value:
        """The same bits, as a floating-point number."""
        return self._cast("bitcast", {"i64": "f64", "i32": "f32"}[self.kind])

    def _cast(self, how: str, kind: str) -> Value:
        return self.code.line(f"{how} {self.type} {self.text} to {self.code.type(kind)}", kind)

    def to(self, kind: str) -> Value:
        """Converted: rounded, widened, or a truth as 0 and 1."""
        if kind == self.kind:
            return self
        if self.kind in _FLOATS and kind in _FLOATS:
            return self._cast("fpext" if BITS[kind] > BITS[self.kind] else "fptrunc", kind)
        if self.kind in _FLOATS:
            return self.differs(0.0) if kind == "i1" else self._cast("fptosi", kind)
        if kind in _FLOATS:
            return self._cast("uitofp" if self.kind == "i1" else "sitofp", kind)
        if kind == "i1":
            return self.differs(0)
        how = "zext" if self.kind == "i1" else "sext" if BITS[kind] > BITS[self.kind] else "trunc"
        return self._cast(how, kind)

    def sqrt(self) -> Value:
        return self.code.intrinsic("sqrt", self)

    def copysign(self, sign: Value) -> Value:
        return self.code.intrinsic("copysign", self, sign)


class Part(list[str]):
    """Lines of a text; `known` has what was computed in them and holds from there on. This grows.

    `loaded` has what was read since the last label from buffers that are also written, by their numbers.
    """

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[str, tuple[str, str]] = {}
        self.loaded: dict[int, dict[str, Value]] = {}


class Text:
    """The text of a function, as it grows; this changes. Loops are written from the inside: what does not change in a
    loop is appended before it while its body is being written.
    """

    def __init__(self, block: str = "entry") -> None:
        self.parts = [Part()]
        self.made: dict[str, str] = {}  # by which instruction
        self.blocks: list[str] = [block]  # the basic block at the end of each part
        self.first: list[str] = []  # what stands before everything else
        self.declared: dict[str, str] = {}  # functions that are called, and how they are declared
        self.helpers: dict[str, str] = {}  # functions that are called, and their definitions
        self.mask: Value | None = None  # which lanes count, where not all do
        self.new: Value | None = None  # … in sums, where some were there before
        self.imported: set[str] = set()  # functions of C whose addresses are looked up when the code is loaded
        self.count = 0

    @property
    def lines(self) -> Part:
        return self.parts[-1]

    @property
    def block(self) -> str:
        return self.blocks[-1]

    def fresh(self, prefix: str = "t") -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    def label(self, name: str, always: bool = False) -> None:
        """From here on, lines belong to that basic block; `always`: whoever comes here has been through all before."""
        self.lines.append(f"{name}:")
        self.blocks[-1] = name
        self.lines.loaded.clear()
        if not always:
            self.lines.known.clear()

    def counted(self, counter: str) -> str:
        """A loop's counter as LLVM does not know it: to look for better addresses takes it a third of its time, and
        gains nothing.
        """
        self.declared["llvm.expect.i64"] = "declare i64 @llvm.expect.i64(i64, i64)"
        name = f"%{self.fresh('n')}"
        self.lines.append(f"  {name} = call i64 @llvm.expect.i64(i64 {counter}, i64 0)")
        return name

    def known(self, instruction: str) -> tuple[str, str] | None:
        """The name and kind of what such an instruction gave before, where that holds still."""
        for part in reversed(self.parts):
            if instruction in part.known:
                return part.known[instruction]
        return None


class Lanes:
    """Straight-line code on `width` lanes, appended to a text. Several widths may write one text.

    >>> code = Lanes(4)
    >>> x = code.input("x")
    >>> (x * x + 1.0).text
    '%t2'
    >>> print(code.text())
      %t1 = fmul <4 x double> %x, %x
      %t2 = fadd <4 x double> %t1, splat (double 0x3FF0000000000000)
    """

    def __init__(self, width: int, text: Text | None = None, flags: str = "") -> None:
        self.width = width
        self.types = {kind: one if width == 1 else f"<{width} x {one}>" for kind, one in _KINDS.items()}
        self.target = text or Text()
        self.flags = f"{flags} " if flags else ""  # fast-math flags of the user's own operations

    def type(self, kind: str) -> str:
        return self.types[kind]

    def line(self, instruction: str, kind: str, pure: bool | None = None) -> Value:
        """Append an instruction, and name its result; the same one is written once, if it always gives the same."""
        target = self.target
        if pure is None:
            pure = not instruction.startswith(("call", "load", "phi"))
        if pure and (found := target.known(instruction)):
            return Value(*found, self)
        name = f"%{target.fresh()}"
        target.lines.append(f"  {name} = {instruction}")
        if pure:
            target.lines.known[instruction] = name, kind
            target.made[name] = instruction
        return Value(name, kind, self)

    def input(self, name: str, kind: str = "f64") -> Value:
        return Value(f"%{name}", kind, self)

    def number(self, x: Any, kind: str = "f64") -> Value:
        """The same constant in every lane."""
        text = literal(x, kind)
        return Value(text if self.width == 1 else f"splat ({_KINDS[kind]} {text})", kind, self)

    def intrinsic(self, name: str, *args: Value) -> Value:
        kind = args[0].kind
        suffix = kind if self.width == 1 else f"v{self.width}{kind}"
        return self.call(f"llvm.{name}.{suffix}", kind, *args)

    def call(self, function: str, kind: str, *args: Value) -> Value:
        types = ", ".join(a.type for a in args)
        self.target.declared[function] = f"declare {self.type(kind)} @{function}({types})"
        given = ", ".join(f"{a.type} {a.text}" for a in args)
        return self.line(f"call {self.type(kind)} @{function}({given})", kind, pure=function.startswith("llvm."))

    def fma(self, x: Any, y: Any, z: Any) -> Value:
        """x y + z, rounded once."""
        kind = next(v.kind for v in (x, y, z) if isinstance(v, Value))
        return self.intrinsic("fma", *(v if isinstance(v, Value) else self.number(v, kind) for v in (x, y, z)))

    def where(self, condition: Value, yes: Any, no: Any) -> Value:
        kind = next((v.kind for v in (yes, no) if isinstance(v, Value)), "f64")
        yes, no = (v if isinstance(v, Value) else self.number(v, kind) for v in (yes, no))
        return self.line(f"select {condition.type} {condition.text}, {yes.type} {yes.text}, {no.type} {no.text}", kind)

    def polynomial(self, x: Value, coefficients: Sequence[float]) -> Value:
        """Σ cₖ xᵏ by pairs, of which none waits for another (Estrin, 1960), long ones by pairs of them; then Horner."""
        terms = [self.number(c, x.kind) for c in coefficients]
        power = x
        for _ in range(1 if len(terms) <= 12 else 2):
            pairs = zip(terms[::2], terms[1::2], strict=False)
            odd = terms[-1:] if len(terms) % 2 else []
            terms = [self.fma(high, power, low) for low, high in pairs] + odd
            power = power * power
        total = terms[-1]
        for term in reversed(terms[:-1]):
            total = self.fma(total, power, term)
        return total

    def rarely(self, condition: Value, y: Value, function: str, x: Value) -> Value:
        """y, or where the condition holds in any lane, the C library's function of x in every lane."""
        mark = self.target.fresh("")
        met = condition if self.width == 1 else self.any(condition)
        each = self._each(function, 1, "double", rare=True)
        kind, before = self.type(y.kind), self.target.block
        self.target.lines.extend(
            [
                f"  br i1 {met.text}, label %rare{mark}, label %on{mark}, "
                '!prof !{!"branch_weights", i32 1, i32 1000}',
                f"rare{mark}:",
                f"  %slow{mark} = call {kind} {each}({kind} {x.text})",
                f"  br label %on{mark}",
            ]
        )
        self.target.label(f"on{mark}", always=True)
        return self.line(f"phi {kind} [ {y.text}, %{before} ], [ %slow{mark}, %rare{mark} ]", y.kind)

    def seldom(self, condition: Value, y: Value, write: Callable[[], Value], odds: int = 1000) -> Value:
        """y, or where the condition holds in any lane, what is written aside, which must be y in the other lanes.

        `odds` are those against it, so that the more likely way is the straight one.
        """
        mark, target = self.target.fresh(""), self.target
        met = condition if self.width == 1 else self.any(condition)
        kind, before, known = self.type(y.kind), target.block, dict(target.lines.known)
        target.lines.append(
            f'  br i1 {met.text}, label %aside{mark}, label %on{mark}, !prof !{{!"branch_weights", i32 1, i32 {odds}}}'
        )
        target.label(f"aside{mark}", always=True)
        other = write()
        last = target.block
        target.lines.append(f"  br label %on{mark}")
        target.label(f"on{mark}")
        target.lines.known = known  # what was written aside may not have been computed
        return self.line(f"phi {kind} [ {y.text}, %{before} ], [ {other.text}, %{last} ]", y.kind)

    def each(self, symbol: str, *xs: Value, flag: bool = False) -> Value:
        """A function of C, applied lane by lane; `flag` as externs.takes_flag says."""
        self.target.imported.add(symbol)
        return self._called(self._each(symbol, len(xs), "double", flag=flag), *xs)

    def whole_power(self, x: Value, n: Value) -> Value:
        """xⁿ of whole numbers, n ≥ 0, by squaring; what is too large wraps around."""
        one = _KINDS[x.kind]
        symbol = f"power of {one}"
        self.target.helpers[symbol] = _POWER.replace("NAME", symbol).replace("TYPE", one)
        return self._called(self._each(symbol, 2, one), x, n)

    def _called(self, name: str, *xs: Value) -> Value:
        given = ", ".join(f"{x.type} {x.text}" for x in xs)
        return self.line(f"call {xs[0].type} {name}({given})", xs[0].kind)

    def _each(self, symbol: str, arity: int, one: str, flag: bool = False, rare: bool = False) -> str:
        """The name of a helper that applies a function of C lane by lane, out of line."""
        types, last = [one] * arity + ["i32"] * flag, [", i32 0"] * flag
        if symbol not in self.target.helpers:
            self.target.declared[symbol] = f'declare {one} @"{symbol}"({", ".join(types)})'
        kind = one if self.width == 1 else f"<{self.width} x {one}>"
        lines, whole = [], "poison"
        for i in range(self.width):
            scalars = [f"%x{k}" for k in range(arity)]
            if self.width > 1:
                lines += [f"  %x{k}.{i} = extractelement {kind} %x{k}, i32 {i}" for k in range(arity)]
                scalars = [f"%x{k}.{i}" for k in range(arity)]
            given = ", ".join(f"{one} {x}" for x in scalars) + "".join(last)
            lines.append(f'  %y{i} = call {one} @"{symbol}"({given})')
            if self.width > 1:
                lines.append(f"  %v{i} = insertelement {kind} {whole}, {one} %y{i}, i32 {i}")
            whole = f"%v{i}" if self.width > 1 else f"%y{i}"
        name = f'@"each {symbol} {self.width}"'
        given = ", ".join(f"{kind} %x{k}" for k in range(arity))
        how = "noinline nounwind" + " cold" * rare
        body = "\n".join(lines)
        self.target.helpers[name] = f"define internal {kind} {name}({given}) {how} {{\n{body}\n  ret {kind} {whole}\n}}"
        return name

    def any(self, truths: Value) -> Value:
        name = f"llvm.vector.reduce.or.v{self.width}i1"
        self.target.declared[name] = f"declare i1 @{name}({truths.type})"
        return Lanes(1, self.target).line(f"call i1 @{name}({truths.type} {truths.text})", "i1")

    def splat(self, x: Value) -> Value:
        """One number in every lane."""
        if x.code.width == self.width:
            return x
        kind = self.type(x.kind)
        one = self.line(f"insertelement {kind} poison, {x.type} {x.text}, i32 0", x.kind)
        return self.line(
            f"shufflevector {kind} {one.text}, {kind} poison, <{self.width} x i32> zeroinitializer", x.kind
        )

    def counting(self, kind: str = "i64", step: int = 1) -> Value:
        """0, 1, 2, … in the lanes, or so many steps."""
        if self.width == 1:
            return self.number(0, kind)
        return Value(f"<{', '.join(f'{_KINDS[kind]} {n * step}' for n in range(self.width))}>", kind, self)

    def total(self, x: Value) -> Value:
        """The sum of the lanes, by halves."""
        if self.width == 1:
            return x
        name = (
            f"llvm.vector.reduce.fadd.v{self.width}{x.kind}"
            if x.kind in _FLOATS
            else f"llvm.vector.reduce.add.v{self.width}{x.kind}"
        )
        one = _KINDS[x.kind]
        start = f"{one} {literal(-0.0, x.kind)}, " if x.kind in _FLOATS else ""
        self.target.declared[name] = f"declare {one} @{name}({one + ', ' if start else ''}{x.type})"
        return Lanes(1, self.target).line(
            f"call {'reassoc ' if start else ''}{one} @{name}({start}{x.type} {x.text})", x.kind
        )

    def fail_where(self, met: Value) -> None:
        """Note in the kernel's status that something can't be computed, where that is so in any lane that counts."""
        if self.width > 1:
            met = self.any(met & self.target.mask if self.target.mask is not None else met)
        one = Lanes(1, self.target)
        before = one.line("load i32, ptr %status", "i32")
        self.target.lines.append(f"  store i32 {(before | met.to('i32')).text}, ptr %status")

    def combined(self, x: Value, how: Callable[[Lanes, Value, Value], Value]) -> Value:
        """The lanes made one, by halves."""
        n = self.width
        while n > 1:
            n //= 2
            low, high = (", ".join(f"i32 {k + start}" for k in range(n)) for start in (0, n))
            halves = []
            for places in (low, high):
                text = f"shufflevector {x.type} {x.text}, {x.type} poison, <{n} x i32> <{places}>"
                halves.append(Lanes(n, self.target).line(text, x.kind))
            if n == 1:
                one = Lanes(1, self.target)
                halves = [
                    one.line(f"extractelement <1 x {_KINDS[h.kind]}> {h.text}, i32 0", h.kind) for h in halves
                ]  # fmt: skip
            x = how(halves[0].code, *halves)
        return x

    def text(self) -> str:
        return "\n".join(self.target.lines)


def literal(x: Any, kind: str) -> str:
    """A number as LLVM reads it: floating-point ones by the bits of the double of the same value.

    >>> literal(1.0, "f64"), literal(0.1, "f32"), literal(True, "i1"), literal(-3, "i64")
    ('0x3FF0000000000000', '0x3FB99999A0000000', 'true', '-3')
    """
    if kind == "i1":
        return "true" if x else "false"
    if kind not in _FLOATS:
        return str(int(x))
    if kind == "f32":
        try:
            x = struct.unpack("<f", struct.pack("<f", float(x)))[0]
        except OverflowError:
            x = float("inf") if x > 0 else float("-inf")
    return f"0x{struct.unpack('<Q', struct.pack('<d', float(x)))[0]:016X}"


_POWER = """define internal TYPE @"NAME"(TYPE %x, TYPE %n) nounwind {
entry:
  br label %loop
loop:
  %total = phi TYPE [ 1, %entry ], [ %more, %loop ]
  %square = phi TYPE [ %x, %entry ], [ %next, %loop ]
  %left = phi TYPE [ %n, %entry ], [ %rest, %loop ]
  %bit = trunc TYPE %left to i1
  %times = mul TYPE %total, %square
  %more = select i1 %bit, TYPE %times, TYPE %total
  %next = mul TYPE %square, %square
  %rest = lshr TYPE %left, 1
  %on = icmp ne TYPE %rest, 0
  br i1 %on, label %loop, label %done
done:
  ret TYPE %more
}"""
