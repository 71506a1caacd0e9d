"""What `import chainrule` imports, and what it leaves until it is used."""

import importlib
import os
import pkgutil
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import chainrule as cr
from chainrule import api
from chainrule.later import Later, LaterFunction
from chainrule.ops.op import OPS, by_function

SLOW = {"scipy", "llvmlite", "rich", "typer", "contourpy", "sphinx"}
READERS = {"chainrule.explain.derive", "chainrule.explain.parse", "chainrule.study.record", "chainrule.cli"}


def run(code, **environment):
    """What the code prints, in a process of its own."""
    command = [sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **environment}).stdout


def imported_by(code):
    return set(run(f"{code}\nimport sys; print(*sys.modules)").split())


def tops(modules):
    return {name.partition(".")[0] for name in modules}


def readers(modules):
    """Modules that only readers of functions need, not their derivatives."""
    return READERS & modules | {
        m for m in modules if m.startswith(("chainrule.analyze.", "chainrule.numeric.", "chainrule.draw."))
    }


def test_nothing_slow_is_imported_with_the_package():
    modules = imported_by("import chainrule")
    assert not SLOW & tops(modules)
    assert not readers(modules)


def test_a_gradient_needs_no_scipy_and_none_of_the_readers():
    modules = imported_by("""
import numpy as np, chainrule as cr
assert np.allclose(cr.grad(lambda x: np.sum(np.tanh(x) ** 2))(np.array([0.0, 1.0])), [0.0, 0.63970001])
""")
    assert not (SLOW - {"llvmlite"}) & tops(modules)
    assert not readers(modules)


def test_products_and_solves_need_only_the_routines_of_scipy_linalg():
    """Its import takes as long as compiling; who imports it later finds all in its place."""
    code = """
import sys, numpy as np, chainrule as cr
A = np.eye(40) + 0.01 * np.arange(1600.0).reshape(40, 40) / 1600
f = lambda A: np.sum(np.linalg.solve(A, A @ A) ** 2)
g = cr.grad(f)(A)
if "scipy" in sys.modules:
    assert "scipy.linalg" not in sys.modules and "scipy.linalg.cython_blas" not in sys.modules
import scipy.linalg, scipy.linalg.cython_blas, scipy.linalg.cython_lapack
assert scipy.linalg.cython_blas.__pyx_capi__ and scipy.linalg.cython_lapack.__pyx_capi__
assert np.allclose(scipy.linalg.blas.dgemm(1.0, A, A), A @ A)
assert np.allclose(g, 2 * A)
print("ok")
"""
    assert run(code) == "ok\n"


def test_a_special_function_imported_before_during_or_after_is_the_same():
    """SciPy may be imported by anybody at any time: its functions are found once they are met."""
    code = """
        {before}
        import numpy as np, chainrule as cr
        {after}
        def f(x):
            {during}
            return np.sum(scipy.special.erf(x)) + scipy.special.logsumexp(x) + scipy.linalg.det(np.diag(x))
        print(cr.grad(f)(np.array([0.5, 1.0])).round(12).tolist())
    """
    load = "import scipy.special, scipy.linalg"
    places = ("before", "after", "during")
    answers = {run(code.format(**{p: load if p == place else "pass" for p in places})) for place in places}
    assert len(answers) == 1
    x = np.array([0.5, 1.0])
    expected = 2 / np.sqrt(np.pi) * np.exp(-(x**2)) + np.exp(x) / np.sum(np.exp(x)) + x[::-1]
    assert np.allclose(eval(answers.pop()), expected)


def test_the_import_takes_little_longer_than_that_of_numpy(tmp_path):
    """Counted in time of the processor, of compiled files, as users have them; the aim is 0.04 s."""
    code = "import {}, time; print(time.process_time())"
    compiled = {"PYTHONPYCACHEPREFIX": str(tmp_path), "PYTHONDONTWRITEBYTECODE": ""}
    runs = [[float(run(code.format(m), **compiled)) for m in ("numpy", "chainrule")] for _ in range(6)]
    numpy, chainrule = (min(times) for times in zip(*runs, strict=True))
    assert chainrule < numpy + 0.1


@pytest.mark.parametrize("package", [cr, api, importlib.import_module("chainrule.study")])
def test_every_public_name_is_there_also_before_it_is_used(package):
    assert set(package.__all__) <= set(dir(package))
    for name in package.__all__:
        assert getattr(package, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        _ = package.no_such_name


def test_no_public_name_is_also_that_of_a_module_imported_later():
    """It would take the place of the function."""
    for package in (cr, api):
        for module in {m.name for m in pkgutil.iter_modules(package.__path__)} & set(package.__all__):
            assert f"chainrule.{module}" in imported_by("import chainrule")
            assert callable(getattr(cr, module))
    from chainrule import study
    from chainrule.study import record

    assert study is cr.study
    assert record.Study


def test_every_function_of_scipy_that_the_table_names_is_there():
    import scipy.linalg
    import scipy.special

    waiting = [f for rules in by_function._later.values() for f in rules]
    assert all(f in by_function for f in (scipy.special.expit, scipy.linalg.solve, scipy.special.log_softmax))
    assert not [f for rules in by_function._later.values() for f in rules], waiting
    for op in OPS.values():
        if isinstance(op.evaluate, LaterFunction):
            assert isinstance(op.evaluate.function, np.ufunc)
            assert op.evaluate.resolve_dtypes((np.dtype(np.float32),) * op.arity + (None,))[-1] == np.float32


def test_a_name_that_a_module_lacks_is_an_error_when_it_is_used():
    with pytest.raises(ImportError, match=r"scipy.special has no no_such_function"):
        Later("scipy.special").no_such_function(1.0)
