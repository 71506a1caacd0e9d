"""Pictures from numbers: a small kit of figures in SVG.

>>> from chainrule.draw import Figure, Line
>>> print(Figure("A parabola", [Line([-1, 0, 1], [1, 0, 1])]))
A parabola: 1 line
"""

from .bars import Bars
from .contours import Contours
from .curves import Band, Line, Points
from .figure import Figure
from .graph import Edge, Graph, Node
from .mark import Mark
from .notes import Arrow, Horizontal, Text, Vertical

__all__ = [
    "Figure", "Line", "Points", "Band", "Bars", "Contours", "Arrow", "Text", "Vertical", "Horizontal", "Mark",
    "Graph", "Node", "Edge",
]  # fmt: skip
