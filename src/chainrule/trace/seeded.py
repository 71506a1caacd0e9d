"""Generators with a seed: they always draw the same numbers, so that may be recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import SideEffectError
from .impure import DRAWS
from .recorder import Recorder, Traced


def seeded(make: Callable[..., Any], name: str, recorder: Recorder) -> Callable[..., Any]:
    """A generator with a seed always draws the same numbers: that may be recorded."""

    def with_seed(*args: Any, **options: Any) -> Any:
        if all(seed is None for seed in (*args, *options.values())):
            does, cure = DRAWS
            raise recorder.refuse(
                SideEffectError(
                    f"{name}() without a seed {does}: a recording would keep this one draw for ever", hint=cure
                )
            )
        made = make(*args, **options)
        if isinstance(made, np.random.Generator):
            return _Generator(made.bit_generator)
        return _RandomState(made._bit_generator) if isinstance(made, np.random.RandomState) else made

    return with_seed


class _Generator(np.random.Generator):
    """A generator that shuffles stand-ins too."""

    def shuffle(self, x: Any, axis: int = 0) -> None:
        if type(x) is Traced:
            _shuffle(x, axis, super().shuffle)
        else:
            super().shuffle(x, axis)


class _RandomState(np.random.RandomState):
    """An old generator that shuffles stand-ins too."""

    def shuffle(self, x: Any) -> None:
        if type(x) is Traced:
            _shuffle(x, 0, super().shuffle)
        else:
            super().shuffle(x)


def _shuffle(x: Traced, axis: int, shuffle: Callable[[Any], None]) -> None:
    """The places are shuffled, and the elements follow: the swaps don't depend on what is swapped."""
    places = np.arange(x.shape[axis])
    shuffle(places)
    x[...] = np.take(x, places, axis)
