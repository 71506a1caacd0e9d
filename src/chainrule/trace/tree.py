"""Nested dicts, lists, tuples and dataclasses as a flat list of leaves, and back.

>>> leaves, tree = flatten({"w": 1.0, "layers": [2.0, (3.0,)]})
>>> leaves
[1.0, 2.0, 3.0]
>>> tree.build([10, 20, 30])
{'w': 10, 'layers': [20, (30,)]}
>>> tree.paths()
["['w']", "['layers'][0]", "['layers'][1][0]"]
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..errors import ArgumentError


@dataclasses.dataclass(frozen=True)
class Tree:
    """The shape of a nested container. `kind` is None for a leaf; equal trees hold equal structure."""

    kind: type | None
    keys: tuple[Any, ...] = ()
    children: tuple[Tree, ...] = ()

    @property
    def size(self) -> int:
        """How many leaves."""
        return 1 if self.kind is None else sum(child.size for child in self.children)

    def build(self, leaves: Sequence[Any]) -> Any:
        """The container with these leaves in it."""
        items = iter(leaves)
        value = self._build(items)
        if next(items, self) is not self:
            raise ValueError(f"{len(leaves)} leaves for a tree of {self.size}")
        return value

    def _build(self, items: Iterator[Any]) -> Any:
        if self.kind is None:
            return next(items)
        parts = [child._build(items) for child in self.children]
        if self.kind is dict:
            return dict(zip(self.keys, parts, strict=True))
        if self.kind in (list, tuple):
            return self.kind(parts)
        if hasattr(self.kind, "_fields"):
            return self.kind(*parts)
        return _make_dataclass(self.kind, dict(zip(self.keys, parts, strict=True)))

    def of_kinds(self, change: Callable[[type], type]) -> Tree:
        """The same tree with other classes for its containers."""
        if self.kind is None:
            return self
        return Tree(change(self.kind), self.keys, tuple(child.of_kinds(change) for child in self.children))

    def paths(self) -> list[str]:
        """What to write after the container's name to reach each leaf."""
        if self.kind is None:
            return [""]
        field = dataclasses.is_dataclass(self.kind) or hasattr(self.kind, "_fields")
        steps = [f".{key}" if field else f"[{key!r}]" for key in self.keys]
        return [step + rest for step, child in zip(steps, self.children, strict=True) for rest in child.paths()]


LEAF = Tree(None)
_DEEPEST = 200


def _make_dataclass(kind: type, fields: dict[str, Any]) -> Any:
    made: Any = object.__new__(kind)  # not __init__: a stand-in must not meet the user's validation of its arguments
    for name, value in fields.items():
        object.__setattr__(made, name, value)
    return made


def parts_of(value: Any) -> tuple[tuple[Any, ...], list[Any]] | None:
    """Keys and children of a container, or None for a leaf."""
    if isinstance(value, float):  # also a record that works as its number
        return None
    kind = type(value)
    if kind is dict:
        return tuple(value), list(value.values())
    if kind in (list, tuple):
        return tuple(range(len(value))), list(value)
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        return kind._fields, list(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = tuple(field.name for field in dataclasses.fields(value))
        return names, [getattr(value, name) for name in names]
    return None


def flatten(value: Any, depth: int = 0) -> tuple[list[Any], Tree]:
    """The leaves, and the tree that puts them back together."""
    parts = parts_of(value)
    if parts is None:
        return [value], LEAF
    if depth > _DEEPEST:
        raise ArgumentError("an argument is nested too deeply, or contains itself")
    keys, children = parts
    leaves: list[Any] = []
    trees = []
    for child in children:
        found, tree = flatten(child, depth + 1)
        leaves += found
        trees.append(tree)
    return leaves, Tree(type(value), keys, tuple(trees))
