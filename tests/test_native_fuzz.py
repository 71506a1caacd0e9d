"""The emitter on programs that nobody thought of, in another process: LLVM ends the process at text that is wrong."""

import random
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np

import chainrule as cr

SECONDS = 20.0
LEAST = 10  # programs, however slow the machine is


def written(rng):
    """A random program of some steps, and arguments for it."""
    from test_native_kernels import STEPS

    steps = [rng.choice(sorted(STEPS)) for _ in range(rng.randint(1, 8))]
    n = rng.choice([1, 2, 3, 5, 8, 9, 17, 33])
    x, y = np.random.default_rng(n).uniform(-1, 1, (2, n))

    def f(x, y):
        for step in steps:
            x, y = STEPS[step](x, y), x
        return np.sum(x * y)

    kind = rng.choice(["gradients", "rows", "hessian" if n < 9 else "gradients"])
    if kind == "rows":
        return f"{kind} {steps} {n}", cr.vmap(cr.grad(f)), (np.stack([x, y, x]), np.stack([y, x, x]))
    return f"{kind} {steps} {n}", cr.hessian(f) if kind == "hessian" else cr.value_and_grad(f, wrt=(0, 1)), (x, y)


def main(seed):
    """Each text is verified, and what the code computes is compared with NumPy."""
    from test_native_kernels import same

    from chainrule.execute import Executable
    from chainrule.native import compiler, llvm, run
    from chainrule.transform.simplify import simplify

    compiler.object_code = lambda text, effort=0: llvm.object_code(text, 0, verify=True)
    warnings.simplefilter("ignore")
    rng, until, done = random.Random(seed), time.monotonic() + SECONDS, 0
    while done < LEAST or (time.monotonic() < until and done < 500):
        text, f, args = written(rng)
        print(text, flush=True)  # the last line says where the process ended
        program = simplify(cr.trace(f, *args))
        same(run.Mixed(program)(args), Executable(program)(args), 7)
        done += 1
    print(f"{done} programs")


def test_random_programs_become_right_machine_code():
    found = subprocess.run(
        [sys.executable, __file__, "0"], capture_output=True, text=True, timeout=600, cwd=Path(__file__).parent
    )
    *_, last = found.stdout.splitlines() or [""]
    assert found.returncode == 0, f"{last}\n{found.stderr}"
    assert int(last.split()[0]) >= LEAST


if __name__ == "__main__":
    main(int(sys.argv[1]))
