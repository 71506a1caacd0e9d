"""A drawing of what is computed from what: boxes in layers, arrows between them.

>>> graph = Graph("σ(w x)", [Node("w"), Node("x"), Node("z = w x"), Node("σ(z)")], [Edge(0, 2), Edge(1, 2), Edge(2, 3)])
>>> print(graph)
σ(w x): 4 nodes, 3 edges
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ArgumentError
from .layers import layered, placed
from .mark import Look, Tone, check_tone, tone_name
from .notes import arrow_head
from .style import NAME, css
from .text import PLACE, cut, escape, keyed, width_of, wrapped

MOST = 120
_LINE, _PAD, _BETWEEN = 17.0, 9.0, 54.0  # a line of text, the room in a box, the room between layers
_WIDEST = 900.0
_LONGEST = 500.0  # a line of a box: what is longer is cut


@dataclass(frozen=True)
class Node:
    """A box: its text, further lines below it, and at the end a line in the tone of what flows backward."""

    text: str
    below: Any = ()
    back: str = ""
    tone: Tone = "ink"
    round: bool = False  # what nothing is computed from here: an input

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", str(self.text))
        below = self.below if isinstance(self.below, (list, tuple)) else (self.below,)
        object.__setattr__(self, "below", tuple(map(str, below)))
        check_tone(self.tone)

    @property
    def lines(self) -> list[str]:
        return [cut(line, _LONGEST) for line in (self.text, *self.below, *([self.back] if self.back else []))]

    @property
    def width(self) -> float:
        return max(width_of(line) for line in self.lines) + 2 * _PAD

    @property
    def height(self) -> float:
        return _LINE * len(self.lines) + 1.4 * _PAD


@dataclass(frozen=True)
class Edge:
    """An arrow from one node to another (their numbers); `back` draws a second one against it."""

    start: int
    end: int
    label: str = ""
    back: bool = False

    @property
    def shown(self) -> str:
        """The label, as it is drawn."""
        return cut(str(self.label), _LONGEST / 2, 12)


@dataclass(frozen=True, repr=False)
class Graph:
    """Nodes and edges, drawn in layers: to the right, or downwards where that would be too wide."""

    title: str
    nodes: Any
    edges: Any
    description: str = field(default="", kw_only=True)
    direction: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "title", str(self.title))
        object.__setattr__(self, "nodes", tuple(self.nodes))
        object.__setattr__(self, "edges", tuple(self.edges))
        if self.direction not in ("", "right", "down"):
            raise ArgumentError(f"direction={self.direction!r}: a graph is drawn right or down")
        if len(self.nodes) > MOST:
            raise ArgumentError(f"{len(self.nodes)} nodes: nobody can read a drawing of more than {MOST}")
        if not all(isinstance(n, Node) for n in self.nodes) or not all(isinstance(e, Edge) for e in self.edges):
            raise ArgumentError("a graph is made of Node(…) and Edge(…)")
        for edge in self.edges:
            if not (isinstance(edge.start, int) and isinstance(edge.end, int)):
                raise ArgumentError(f"an edge from {edge.start!r} to {edge.end!r}: its ends are numbers of nodes")
            if not (0 <= edge.start < len(self.nodes) and 0 <= edge.end < len(self.nodes)) or edge.start == edge.end:
                raise ArgumentError(f"an edge from {edge.start} to {edge.end}, in a graph of {len(self.nodes)} nodes")

    def svg(self, key: str = "") -> str:
        """The drawing as an SVG element. Its ids begin with `key`: by default a digest of what is drawn."""
        return keyed(self._text(PLACE), key, "graph")

    def _text(self, key: str) -> str:
        laid = _laid(self)
        title = wrapped(self.title, max(laid.width - 20, 240), 14)
        above = 18.0 * len(title) + 12
        height = laid.height + above
        drawn = "".join(_edge(self, edge, laid) for edge in self.edges)
        drawn += "".join(_box(node, *laid.place[i]) for i, node in enumerate(self.nodes))
        names = "".join(
            f'<text class="name" x="10" y="{22 + 18 * i}">{escape(line)}</text>' for i, line in enumerate(title)
        )
        width = max(laid.width, 260.0)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="{NAME}" viewBox="0 0 {width:.0f} {height:.0f}"'
            f' width="{width:.0f}" height="{height:.0f}" style="max-width:100%;height:auto" role="img"'
            f' aria-labelledby="{key}-title {key}-words" font-family="system-ui, sans-serif" font-size="13">'
            f'<title id="{key}-title">{escape(self.title)}</title>'
            f'<desc id="{key}-words">{escape(self.words())}</desc><style>{css()}</style>'
            f'<rect class="paper" fill="#fdfdfb" rx="6" width="{width:.0f}" height="{height:.0f}"/>'
            f'{names}<g transform="translate(0 {above:.0f})">{drawn}</g></svg>'
        )

    def words(self) -> str:
        """The drawing in words: the description, or every node with what it is computed from."""
        if self.description:
            return self.description
        return "; ".join(" from ".join(filter(None, row)) for row in self._rows()) + "."

    def _rows(self) -> list[tuple[str, str]]:
        before: dict[int, list[str]] = {}
        for edge in self.edges:
            before.setdefault(edge.end, []).append(self.nodes[edge.start].text)
        return [(", ".join(node.lines), ", ".join(before.get(i, ()))) for i, node in enumerate(self.nodes)]

    def save(self, path: str | Path) -> Path:
        """Write the drawing to a file that ends in .svg."""
        target = Path(path)
        if target.suffix.lower() != ".svg":
            raise ArgumentError(f"{target.name}: pictures are saved as SVG", hint=f"{target.stem}.svg")
        target.write_text(self.svg() + "\n", encoding="utf-8")
        return target

    def table_html(self) -> str:
        """Every node, and what it is computed from."""
        rows = "".join(f"<tr><td>{escape(a)}</td><td>{escape(b)}</td></tr>" for a, b in self._rows())
        head = '<thead><tr><th scope="col">value</th><th scope="col">computed from</th></tr></thead>'
        return f"<table>{head}<tbody>{rows}</tbody></table>"

    def _repr_html_(self) -> str:
        data = f"<details><summary>Data as a table</summary>{self.table_html()}</details>"
        return f'<figure style="margin:0">{self.svg()}{data}</figure>'

    def __str__(self) -> str:
        n, m = len(self.nodes), len(self.edges)
        return f"{self.title}: {n} node{'s' * (n != 1)}, {m} edge{'s' * (m != 1)}"

    __repr__ = __str__


# --- where everything stands ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Laid:
    width: float
    height: float
    place: Mapping[int, tuple[float, float]]  # the middle of each node, and of each bend of an edge
    paths: Mapping[tuple[int, int], tuple[int, ...]]
    down: bool


def _laid(graph: Graph) -> _Laid:
    wide = _direction(graph, down=False)
    if graph.direction == "right" or (not graph.direction and wide.width <= _WIDEST):
        return wide
    return _direction(graph, down=True)


def _direction(graph: Graph, down: bool) -> _Laid:
    """Layers as columns, or as rows: along them the nodes of a layer stand, across them the layers follow."""
    found = layered(len(graph.nodes), [(e.start, e.end) for e in graph.edges])
    along = {i: node.width if down else node.height for i, node in enumerate(graph.nodes)}
    across = {i: node.height if down else node.width for i, node in enumerate(graph.nodes)}
    beside = placed(found, along, 22.0)
    deep: dict[int, float] = {}
    labelled = max((width_of(e.shown, 12) for e in graph.edges), default=0.0)
    between = (34.0 if down else _BETWEEN) + (min(labelled, 14.0) if down else labelled)
    edge = 12.0
    for level in found.layers:
        size = max((across.get(n, 0.0) for n in level), default=0.0)
        deep.update((n, edge + size / 2) for n in level)
        edge += size + between
    low = min((beside[i] - along.get(i, 8.0) / 2 for i in beside), default=0.0)
    high = max((beside[i] + along.get(i, 8.0) / 2 for i in beside), default=0.0)
    place = {i: (beside[i] - low + 12, deep[i]) if down else (deep[i], beside[i] - low + 12) for i in beside}
    ends = edge - between + 12, high - low + 24
    width, height = ends[::-1] if down else ends
    return _Laid(width, height, place, found.paths, down)


# --- drawing ----------------------------------------------------------------------------------------------------------


def _box(node: Node, x: float, y: float) -> str:
    width, height = node.width, node.height
    radius = min(height / 2, 16) if node.round else 4
    tone = tone_name(node.tone, 0)
    corner = f'x="{x - width / 2:.1f}" y="{y - height / 2:.1f}"'
    parts = [
        f'<rect {corner} width="{width:.1f}" height="{height:.1f}" rx="{radius:g}" fill="#fdfdfb" stroke="#1d2129"'
        f' stroke-width="1.3" class="box {tone}"/>'
    ]
    top = y - height / 2 + 0.7 * _PAD + 12.5
    for i, line in enumerate(node.lines):
        kind = "text" if i == 0 else ("label t2" if node.back and i == len(node.lines) - 1 else "tick")
        place = f'x="{x:.1f}" y="{top + _LINE * i:.1f}" text-anchor="middle"'
        parts.append(f'<text class="{kind}" {place}>{escape(line)}</text>')
    return "".join(parts)


def _edge(graph: Graph, edge: Edge, laid: _Laid) -> str:
    parts = []
    shift = 5.0 if edge.back else 0.0
    parts.append(_curve(_points(graph, edge, laid, shift), laid.down, Look("soft", "circle"), ""))
    if edge.back:
        against = _points(graph, edge, laid, -shift)[::-1]
        parts.append(_curve(against, laid.down, Look("t2", "circle"), ' stroke-dasharray="4 3"'))
    if edge.shown:
        way = _points(graph, edge, laid, 0.0)
        (a, b), (c, d) = way[-2], way[-1]
        place = f'x="{(a + c) / 2:.1f}" y="{(b + d) / 2 - 5:.1f}" text-anchor="middle"'
        parts.append(f'<text class="tick halo" {place}>{escape(edge.shown)}</text>')
    return "".join(parts)


def _points(graph: Graph, edge: Edge, laid: _Laid, shift: float) -> list[tuple[float, float]]:
    """From the side of one box, through the bends, to the side of the other; moved aside by `shift`."""
    first, *bends, last = (laid.place[n] for n in laid.paths[edge.start, edge.end])
    a, b = graph.nodes[edge.start], graph.nodes[edge.end]
    if laid.down:
        ends = [(first[0], first[1] + a.height / 2), *bends, (last[0], last[1] - b.height / 2)]
        return [(x + shift, y) for x, y in ends]
    ends = [(first[0] + a.width / 2, first[1]), *bends, (last[0] - b.width / 2, last[1])]
    return [(x, y + shift) for x, y in ends]


def _curve(points: Sequence[tuple[float, float]], down: bool, look: Look, dash: str) -> str:
    path = f"M{points[0][0]:.1f},{points[0][1]:.1f}"
    for (a, b), (c, d) in itertools.pairwise(points):
        if down:
            path += f"C{a:.1f},{(b + d) / 2:.1f} {c:.1f},{(b + d) / 2:.1f} {c:.1f},{d:.1f}"
        else:
            path += f"C{(a + c) / 2:.1f},{b:.1f} {(a + c) / 2:.1f},{d:.1f} {c:.1f},{d:.1f}"
    (a, b), (c, d) = points[-2:]
    angle = (math.pi / 2 if d > b else -math.pi / 2) if down else (0.0 if c > a else math.pi)
    return f'<path d="{path}" stroke-width="1.4"{dash} {look.stroke}/>' + arrow_head(c, d, angle, look, 8.0)
