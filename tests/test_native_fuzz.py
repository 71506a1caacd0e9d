"""Programs that nobody thought of, in another process: LLVM ends the process at text that is wrong.

What is drawn is in drawn.py. A longer look: python tests/test_native_fuzz.py SEED SECONDS
"""

import contextlib
import os
import random
import subprocess
import sys
import time
import warnings
from pathlib import Path

import drawn
import numpy as np
import pytest

import chainrule as cr
from chainrule import execute

LEAST = 10  # programs, however slow the machine is


def leaves(result):
    return [y for part in result for y in leaves(part)] if isinstance(result, (tuple, list)) else [result]


def ways(d, args):
    """Functions of a recipe's arguments that are made anew, by name: values, and derivatives of all kinds."""
    real = tuple(range(3))
    moves = tuple(np.cos(a) for a in args[:3])

    def reals(*args):
        return tuple(v for v in d.outputs(*args) if drawn.kind(v) == "f")

    def pulled(*args):
        y, pull = cr.vjp(lambda *r: reals(*r, *args[3:]), *args[:3])
        return y, pull(tuple(np.cos(v) for v in y))

    def pushed(*args):
        return cr.jvp(lambda *r: d.outputs(*r, *args[3:]), args[:3], moves)

    def bent(*args):
        return cr.hvp(lambda *a: d.loss(*a), wrt=real)(*args, moves)

    made = {
        "values": lambda: cr.compile(lambda *a: d.outputs(*a)), "jvp": lambda: cr.compile(lambda *a: pushed(*a)),
        "grad": lambda: cr.value_and_grad(lambda *a: d.loss(*a), wrt=real),
        "vjp": lambda: cr.compile(lambda *a: pulled(*a)), "hvp": lambda: cr.compile(lambda *a: bent(*a)),
        "rows": lambda: cr.vmap(cr.grad(lambda *a: d.loss(*a), wrt=real)),
    }  # fmt: skip
    if sum(a.size for a in args[:3]) <= 30:
        made["hessian"] = lambda: cr.hessian(lambda *a: d.loss(*a), wrt=real)
        made["jacobian"] = lambda: cr.jacobian(lambda *a: reals(*a)[-2:] or d.loss(*a), wrt=real)
    return made


def close(found, expected, digits):
    """Equal in type, in what is no real number, in NaN and infinities, and to so many digits of the largest entry."""
    for y, z in zip(found, expected, strict=True):
        assert (type(y), y.shape, y.dtype) == (type(z), z.shape, z.dtype)
        if z.dtype.kind != "f":
            if not np.array_equal(y, z):
                return False
            continue
        size = 1e-3 + np.max(np.abs(z), where=np.isfinite(z), initial=0)
        with np.errstate(all="ignore"):
            if not np.all((y == z) | (np.isnan(y) & np.isnan(z)) | (np.abs(y - z) <= 10.0**-digits * size)):
                return False
    return True


def moved(args, seed):
    """Arguments that are a few roundings off."""
    rng = np.random.default_rng(seed)

    def off(a):
        return (a * (1 + 10 * np.finfo(a.dtype).eps * rng.uniform(-1, 1, a.shape))).astype(a.dtype)

    return [off(a) if a.dtype.kind == "f" else a for a in args]


@contextlib.contextmanager
def on_numpy():
    """What is planned meanwhile runs on the NumPy executor."""
    compilers, execute._compilers[:] = list(execute._compilers), []
    try:
        yield
    finally:
        execute._compilers[:] = compilers


def right(make, args, single):
    """Whether machine code gives NumPy's numbers; None where rounding decides what they are, or NumPy refuses."""
    numpy, native = make(), make()
    with on_numpy():
        try:
            expected = leaves(numpy(*args))
        except cr.ChainruleError:  # an axis of a number
            return None
    found = leaves(native(*args))
    for y, z in zip(leaves(native(*args)), found, strict=True):  # without Python in between
        assert (type(y), np.asarray(y).tobytes()) == (type(z), np.asarray(z).tobytes())
    if close(found, expected, 3 if single else 10):
        return True
    with on_numpy():
        others = [leaves(numpy(*moved(args, seed))) for seed in range(5)]
    return False if all(close(y, expected, 1.5 if single else 6) for y in others) else None


def main(seed, seconds):
    """Each text is verified, and what the code computes is compared with NumPy."""
    from chainrule.native import compiler, llvm

    made = llvm.object_code
    compiler.object_code = lambda text, effort=0: made(text, 0, verify=True)
    warnings.simplefilter("ignore")
    until, done, unsure = time.monotonic() + seconds, 0, 0
    while done < LEAST or time.monotonic() < until:
        seed += 1
        rng = random.Random(seed)
        d = drawn.drawn(rng, rng.randint(1, 8))
        name = rng.choice(sorted(ways(d, d.args)))
        args = tuple(np.stack([a, a, a]) for a in d.args) if name == "rows" else d.args
        print(seed, name, *d.names, flush=True)  # the last line says where the process ended
        single = any("f4" in what for what in (*d.names, *(a.dtype.str for a in args)))
        found = right(ways(d, d.args)[name], args, single)
        assert found is not False
        done, unsure = done + 1, unsure + (found is None)
    print(done, unsure)


def in_a_process(seed, seconds, *how, **environment):
    return subprocess.run(
        [sys.executable, __file__, str(seed), str(seconds), *how], capture_output=True, text=True, timeout=500,
        cwd=Path(__file__).parent, env={**os.environ, **environment},
    )  # fmt: skip


@pytest.mark.parametrize(("seed", "fences"), [(1000, ""), (2000, "1")], ids=["as they run", "among fences"])
def test_random_programs_become_right_machine_code(seed, fences):
    found = in_a_process(seed, 15, CHAINRULE_FENCES=fences)
    *_, last = found.stdout.splitlines() or [""]
    assert found.returncode == 0, f"{last}\n{found.stderr}"
    done, unsure = map(int, last.split())
    assert done >= LEAST
    assert unsure <= done / 5


def test_a_spoiled_formula_is_seen():
    found = in_a_process(1000, 0, "spoiled")
    assert found.returncode == 1
    assert "assert found is not False" in found.stderr


if __name__ == "__main__":
    if "spoiled" in sys.argv:
        from chainrule.native import elementwise

        sine = elementwise.FORMULAS["sin"]
        elementwise.FORMULAS["sin"] = lambda code, x: sine(code, x) * (1 + 1e-6)
    os.environ["CHAINRULE_CACHE_DIR"] = ""
    main(int(sys.argv[1]), float(sys.argv[2]))
