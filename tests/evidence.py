"""What the tests of the recording share: slopes by differences, and modules written on the spot."""

from __future__ import annotations

import importlib.util
import itertools
import linecache
import sys
import textwrap
import types

import numpy as np

_HEADER = "import numpy as np\nimport math, functools, dataclasses, collections, types\n"
_count = itertools.count()


def slopes(f, x, h=1e-3):
    """The gradient of f at x by central differences, extrapolated twice: exact for polynomials of degree 6."""
    x = np.array(x, float)
    g = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        e = np.zeros_like(x)
        e[i] = 1.0
        d = [(f(x + s * e) - f(x - s * e)) / (2 * s) for s in (h, h / 2, h / 4)]
        first = [(4 * d[1] - d[0]) / 3, (4 * d[2] - d[1]) / 3]
        g[i] = (16 * first[1] - first[0]) / 15
    return g


def module(source, folder=None, name=None, header=_HEADER):
    """A module of the user's, with this text: from a file in `folder`, or from a text that only linecache knows."""
    name = name or f"users_module_{next(_count)}"
    text = header + textwrap.dedent(source)
    made = types.ModuleType(name)
    if folder is not None:
        path = folder / f"{name}.py"
        path.write_text(text)
        spec = importlib.util.spec_from_file_location(name, path)
        made = importlib.util.module_from_spec(spec)
        sys.modules[name] = made
        spec.loader.exec_module(made)
        return made
    file = f"/folder/of/the/user/{name}.py"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    made.__file__ = file
    sys.modules[name] = made
    exec(compile(text, file, "exec"), made.__dict__)
    return made


def frames(error):
    """The files of a traceback, from the outermost frame in."""
    files, trace = [], error.__traceback__
    while trace is not None:
        files.append(trace.tb_frame.f_code.co_filename)
        trace = trace.tb_next
    return files
