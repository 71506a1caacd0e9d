"""Pictures from numbers: a small kit of figures in SVG.

>>> from chainrule.draw import Figure, Line
>>> print(Figure("A parabola", [Line([-1, 0, 1], [1, 0, 1])]))
A parabola: 1 line
"""

from .bars import Bars
from .contours import Contours
from .curves import Band, Line, Points
from .figure import Figure
from .mark import Mark
from .notes import Arrow, Horizontal, Text, Vertical

__all__ = ["Arrow", "Band", "Bars", "Contours", "Figure", "Horizontal", "Line", "Mark", "Points", "Text", "Vertical"]
