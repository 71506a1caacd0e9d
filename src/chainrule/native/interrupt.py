"""A loop that may never end asks Python, now and then, whether a signal wants to end it: Ctrl-C, a timer.

`ask` is called without knowing who holds the interpreter's lock. Where a handler raised, the exception is left in the
thread, and the kernel ends with a status; so does each later one that C calls before Python sees the exception. Only
the main thread handles signals; elsewhere the answer is always no.

To ask takes the lock, for which it may have to wait some milliseconds while other threads run Python. So a kernel asks
about every tenth of a second, and counts steps to know when that is.
"""

from __future__ import annotations

import functools
from math import log2

from .cache import Compiled, cached
from .llvm import load, object_code

_PAUSE = 1e8  # ns
_CALL, _FLOP = 20.0, 0.3  # ns that a step takes, roughly
SYMBOL = "interrupt.ask"
_TEXT = """
declare i32 @PyGILState_Ensure()
declare ptr @PyErr_Occurred()
declare i32 @PyErr_CheckSignals()
declare void @PyGILState_Release(i32)
define i32 @ask() nounwind {
  %held = call i32 @PyGILState_Ensure()
  %before = call ptr @PyErr_Occurred()
  %fresh = icmp eq ptr %before, null
  br i1 %fresh, label %check, label %answer
check:
  %raised = call i32 @PyErr_CheckSignals()
  br label %answer
answer:
  %leave = phi i32 [ 1, %0 ], [ %raised, %check ]
  call void @PyGILState_Release(i32 %held)
  ret i32 %leave
}
"""


def steps(flops: float) -> int:
    """How many steps of so many operations are done from one question to the next, a power of two."""
    return 1 << max(0, round(log2(_PAUSE / (_CALL + _FLOP * flops))))


@functools.cache
def address() -> int:
    """Where `ask` is in this process."""
    loaded = load(cached(b"interrupt", lambda: Compiled(object_code(_TEXT))).code, ["ask"])
    _kept.append(loaded)
    return loaded["ask"]


_kept: list[object] = []
