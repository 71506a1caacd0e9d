"""Pictures: what is drawn stands where the numbers say, and nothing is left out in silence."""

import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.draw import (
    Arrow,
    Band,
    Bars,
    Contours,
    Edge,
    Figure,
    Graph,
    Horizontal,
    Line,
    Node,
    Points,
    Text,
    Vertical,
)  # fmt: skip
from chainrule.draw.layers import layered, placed
from chainrule.draw.scale import Scale, rounds
from chainrule.draw.text import moved_apart
from chainrule.errors import ArgumentError, ShapeError

SVG = "{http://www.w3.org/2000/svg}"
GRID = np.linspace(-2, 2, 21)
MARKS = {
    "line": Line([0, 1, 2], [1, 2, 4], "a line"),
    "points": Points([0, 1], [1, 2], "points"),
    "band": Band([0, 1], [0, 1], [2, 3], "a band"),
    "arrow": Arrow(0, 0, 1, 1, "an arrow"),
    "text": Text(0, 1, "words"),
    "vertical": Vertical(1, "here"),
    "horizontal": Horizontal(1, "so high"),
    "bars": Bars(["a", "b"], [1, -2], "bars"),
    "contours": Contours(GRID, GRID, GRID[:, None] ** 2 + GRID**2),
}
every_mark = pytest.mark.parametrize("mark", MARKS.values(), ids=MARKS)


def root_of(figure):
    return ET.fromstring(figure.svg())


@every_mark
def test_every_mark_makes_well_formed_svg_with_title_and_description(mark):
    root = root_of(Figure("A title", [mark]))
    assert root.find(f"{SVG}title").text == "A title"
    assert root.find(f"{SVG}desc").text
    named = {e.get("id") for e in root.iter() if e.get("id")}
    assert set(root.get("aria-labelledby").split()) <= named


@every_mark
def test_every_mark_has_its_data_as_a_table(mark):
    assert "<td>" in Figure("t", [mark]).table_html()


def test_a_line_passes_through_the_places_of_its_numbers():
    figure = Figure("t", [Line([0, 1, 2], [0, 5, 10])], x_range=(0, 2), y_range=(0, 10))
    (line,) = [e for e in root_of(figure).iter(f"{SVG}polyline")]
    a, b, c = [tuple(map(float, p.split(","))) for p in line.get("points").split()]
    assert b == pytest.approx(((a[0] + c[0]) / 2, (a[1] + c[1]) / 2), abs=0.06)
    assert a[0] < c[0]
    assert a[1] > c[1]


def test_text_is_escaped_everywhere():
    evil = "<script>&\"'\x00\ud800"
    figure = Figure(evil, [Line([0, 1], [0, 1], evil), Text(0, 0, evil), Bars([evil], [1], evil)], evil, evil)
    for text in (figure.svg(), figure._repr_html_()):
        assert "<script>" not in text
        assert "\x00" not in text
        text.encode("utf-8")
    root_of(figure)


def test_the_same_figure_gives_the_same_text_and_others_have_other_ids():
    one, other = Figure("t", [Line([0, 1], [0, 1])]), Figure("t", [Line([0, 1], [0, 2])])
    assert one.svg() == Figure("t", [Line([0, 1], [0, 1])]).svg()
    ids = [set(re.findall(r' id="([^"]+)"', f.svg())) for f in (one, other)]
    assert ids[0]
    assert not ids[0] & ids[1]
    assert not ids[0] & set(re.findall(r' id="([^"]+)"', one.svg("again")))


def test_a_missing_number_is_a_gap_and_is_counted():
    figure = Figure("t", [Line([0, 1, 2, 3, 4, 5], [0, 1, np.nan, np.inf, 3, 4])])
    assert len(list(root_of(figure).iter(f"{SVG}polyline"))) == 2
    assert figure.remark().startswith("2 values not shown")
    assert figure.remark() in figure.svg()


def test_what_has_no_logarithm_is_a_gap_and_is_counted():
    assert Figure("t", [Line([0, 1, 2], [1, -1, 1])], log_y=True).remark().startswith("1 value not shown")


@pytest.mark.parametrize(
    "ys",
    [[], [3.0], [2.0, 2.0, 2.0], [-1.7e308, 1.7e308], [5e-324, 1e-323], [np.nan, np.nan], [1e300, -1e-300, 0.0],
     [1e9, 1e9 + 1e-6], [1, 2, 3], np.float32([1, 2])],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("log", [False, True])
def test_any_numbers_can_be_drawn(ys, log):
    for mark in (Line(range(len(ys)), ys, "x"), Points(range(len(ys)), ys, "x"), Bars(map(str, ys), ys, "x")):
        figure = Figure("t", [mark], log_y=log)
        for e in root_of(figure).iter():
            for name, value in e.attrib.items():
                assert name in ("aria-labelledby", "id") or not re.search(r"\b(nan|inf)\b", value)


def test_of_a_hundred_thousand_points_the_spike_survives():
    y = np.zeros(100_001)
    y[77_777] = 1.0
    figure = Figure("t", [Line(np.arange(len(y)), y)])
    (line,) = root_of(figure).iter(f"{SVG}polyline")
    heights = [float(p.split(",")[1]) for p in line.get("points").split()]
    assert len(heights) < 6000
    assert min(heights) < max(heights) - 100


def test_equal_units_are_as_long_across_as_up():
    angle = np.linspace(0, 2 * np.pi, 100)
    (line,) = root_of(Figure("t", [Line(np.cos(angle), np.sin(angle))], equal=True)).iter(f"{SVG}polyline")
    x, y = np.array([list(map(float, p.split(","))) for p in line.get("points").split()]).T
    assert np.ptp(x) == pytest.approx(np.ptp(y), abs=0.3)


def test_contour_lines_lie_where_the_function_has_the_value():
    mark = Contours(GRID, GRID, GRID[:, None] ** 2 + GRID**2, levels=[1.0, 2.0])
    for level, lines in mark.lines():
        assert lines
        for line in lines:
            assert np.abs((line**2).sum(1) - level).max() < 0.05  # the grid's own error


def test_a_scale_is_exact_at_its_ends_and_even_between():
    for scale in (Scale(2, 10, 0, 100), Scale(1e-3, 1e3, 0, 100, log=True)):
        assert scale(scale.low) == pytest.approx(0, abs=1e-9)
        assert scale(scale.high) == pytest.approx(100)
    assert Scale(1e-3, 1e3, 0, 100, log=True)(1.0) == pytest.approx(50)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3, 7), (1e-9, 3e-9), (-1e12, 5e12), (99, 101), (0.1, 0.35)])
def test_ticks_are_round_and_inside(low, high):
    ticks = rounds(low, high)
    assert 3 <= len(ticks) <= 8
    assert all(low - 1e-9 * (high - low) <= t <= high + 1e-9 * (high - low) for t in ticks)
    mantissa = float(f"{ticks[1] - ticks[0]:.6e}"[:8])
    assert mantissa in (1, 2, 5)


def test_labels_are_moved_apart_and_no_further_than_needed():
    places = moved_apart([50, 51, 52, 90], [10] * 4, 0, 100)
    assert sorted(places) == places
    assert min(np.diff(places)) >= 10 - 1e-9
    assert places == pytest.approx([41, 51, 61, 90])


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: Line([1, 2], [1]), ShapeError, "as many numbers"),
        (lambda: Line([1, 2], [[1, 2]]), ShapeError, "axes"),
        (lambda: Line(["a"], [1]), ArgumentError, "real numbers"),
        (lambda: Line([1], [1j]), ArgumentError, "real numbers"),
        (lambda: Line([1], [1], style="wavy"), ArgumentError, "wavy"),
        (lambda: Line([1], [1], tone="mauve"), ArgumentError, "mauve"),
        (lambda: Line([[1], [1, 2]], [1]), ShapeError, "ragged"),
        (lambda: Bars("abc", [1, 2, 3]), ArgumentError, "list of names"),
        (lambda: Bars(3, [1]), ArgumentError, "list of names"),
        (lambda: Figure("t", [3]), ArgumentError, "made of marks"),
        (lambda: Figure("t", "line"), ArgumentError, "list of marks"),
        (lambda: Figure("t", [], equal=True, log_x=True), ArgumentError, "logarithmic"),
        (lambda: Figure("t", [], width=10), ArgumentError, "pixels"),
        (lambda: Figure("t", [], x_range=(1, 1)), ArgumentError, "range"),
        (lambda: Figure("t", [], x_range=(0, 1), log_x=True), ArgumentError, "positive"),
        (lambda: Figure("t", [Bars(["a"], [1]), Bars(["b"], [1])]), ArgumentError, "share"),
        (lambda: Contours([0, 1], [0, 1, 2], np.zeros((2, 3))), ShapeError, "row for each y"),
        (lambda: Contours([0, 0], [0, 1], np.zeros((2, 2))), ArgumentError, "in order"),
        (lambda: Figure("t", []).save("/tmp/x.png"), ArgumentError, "SVG"),
    ],
)
def test_what_cannot_be_drawn_is_refused(make, error, says):
    with pytest.raises(error, match=says):
        make()


def test_colour_is_never_alone():
    """Two labelled lines differ in the shape that stands along them and in their labels, too."""
    text = Figure("t", [Line([0, 1], [0, 1], "one"), Line([0, 1], [1, 0], "two")]).svg()
    assert text.count("<circle") >= 4
    assert text.count("h7v7") >= 4
    assert "one" in text
    assert "two" in text


def test_a_picture_of_nothing_says_so():
    assert "nothing to show" in Figure("t", []).svg()
    assert "nothing to show" in Figure("t", [Line([], [], "empty")]).svg()


def test_a_label_is_text_whatever_it_was():
    assert ">7<" in Figure("t", [Line([0, 1], [0, 1], 7), Line([0, 1], [0, 1], None)]).svg()


@every_mark
@pytest.mark.parametrize("size", [(120, 120), (300, 2000), (2000, 200)])
def test_any_size_of_picture_has_room(mark, size):
    figure = Figure("A title that is long enough to be broken", [mark], width=size[0], height=size[1])
    for rect in root_of(figure).iter(f"{SVG}rect"):
        assert float(rect.get("width")) >= 0
        assert float(rect.get("height")) >= 0


def test_thirty_marks_look_different():
    looks = Figure("t", [Line([0], [0], str(n)) for n in range(30)]).looks()
    assert len({(look.tone, look.shape) for look in looks}) == 30


def test_a_figure_carries_no_address_and_no_script():
    text = Figure("t", list(MARKS.values())[:6]).svg()
    assert "<script" not in text
    assert re.findall(r"https?://[^\"]+", text) == ["http://www.w3.org/2000/svg"]


def test_a_picture_is_saved(tmp_path):
    figure = Figure("t — ∂", [Line([0, 1], [0, 1])])
    assert figure.save(tmp_path / "a.svg").read_text(encoding="utf-8").strip() == figure.svg()


# --- graphs ---------------------------------------------------------------------------------------------------------

pairs = st.integers(2, 9).flatmap(
    lambda n: st.tuples(
        st.just(n),
        st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda p: p[0] < p[1]), max_size=14),
    )
)


@given(pairs)
def test_every_edge_of_a_graph_goes_to_a_later_layer_and_no_two_nodes_overlap(drawn):
    count, edges = drawn
    found = layered(count, edges)
    depth = {n: i for i, level in enumerate(found.layers) for n in level}
    assert all(depth[a] < depth[b] for a, b in edges)
    assert sorted(n for n in depth if n < count) == list(range(count))
    for path in found.paths.values():  # through every layer between, one step at a time
        assert [depth[n] for n in path] == list(range(depth[path[0]], depth[path[-1]] + 1))
    place = placed(found, dict.fromkeys(range(count), 10.0), 2.0)
    for level in found.layers:
        spots = sorted(place[n] for n in level if n < count)
        assert all(b - a >= 12 - 1e-9 for a, b in pairwise(spots))


def test_a_crossing_that_can_be_avoided_is():
    found = layered(4, [(0, 3), (1, 2)])
    (a, b), (c, d) = found.layers
    assert {(a, c), (b, d)} == {(0, 3), (1, 2)}


@pytest.mark.parametrize("direction", ["", "right", "down"])
def test_a_graph_is_well_formed_svg_with_all_its_text(direction):
    nodes = [Node("a < b", "[3]", "ā"), Node("c", round=True), Node("d & e")]
    graph = Graph("A <graph>", nodes, [Edge(0, 2, "J", back=True), Edge(1, 2)], direction=direction)
    text = "".join(ET.fromstring(graph.svg()).itertext())
    assert all(part in text for part in ("A <graph>", "a < b", "[3]", "ā", "d & e", "J"))
    assert graph.svg() == Graph("A <graph>", nodes, graph.edges, direction=direction).svg()
    assert "a &lt; b" in graph.table_html()


@pytest.mark.parametrize(
    ("nodes", "edges"), [(2, [(0, 1), (1, 0)]), (1, [(0, 0)]), (1, [(0, 1)]), (500, [])], ids=str
)  # fmt: skip
def test_what_is_no_graph_in_layers_is_refused(nodes, edges):
    with pytest.raises(ArgumentError):
        Graph("t", [Node("n")] * nodes, [Edge(a, b) for a, b in edges]).svg()


def test_a_graph_of_very_long_texts_stays_narrow():
    long = "x" * 500
    graph = Graph(long, [Node(long), Node("b", below=5)], [Edge(0, 1, label=long)])
    text = graph.svg()
    assert float(re.search(r'viewBox="0 0 (\d+)', text)[1]) < 1000
    assert "…" in text


def test_long_names_of_axes_are_cut():
    text = Figure("t", [Line([1, 2], [1, 2])], "x" * 500, "y" * 500).svg()
    assert "x" * 200 not in re.sub("<desc.*?</desc>", "", text)
    assert "y" * 200 not in re.sub("<desc.*?</desc>", "", text)


def test_a_graph_of_other_things_is_refused():
    with pytest.raises(ArgumentError, match="Node"):
        Graph("t", ["a", "b"], [])
    with pytest.raises(ArgumentError, match="Edge"):
        Graph("t", [Node("a"), Node("b")], [(0, 1)])
    with pytest.raises(ArgumentError, match="numbers of nodes"):
        Graph("t", [Node("a"), Node("b")], [Edge(0.5, 1)])
