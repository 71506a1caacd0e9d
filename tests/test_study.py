"""A study loads a plain file, does its sections one by one, keeps what is done, and shows it in every form."""

import dataclasses
import json
import re
import textwrap
import time
import tracemalloc
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest

import chainrule as cr
from chainrule.cli import plain
from chainrule.errors import ArgumentError
from chainrule.study import Study, study
from chainrule.study import run as running
from chainrule.study import sections as sectioned
from chainrule.study.contents import contents
from chainrule.study.loader import load
from chainrule.study.page import page
from chainrule.study.problem import problem_of
from chainrule.study.sparkline import sparkline
from chainrule.study.summary import summary
from chainrule.study.terminal import Printer, console

LOSS = """
    import numpy as np

    def loss(w, b, X, y):
        z = X @ w + b
        return np.mean((z - y) ** 2)

    X = np.array([[0.0, 1.0], [1.0, 0.5], [2.0, -1.0]])
    y = np.array([1.0, 2.0, 4.0])
    w, b = np.zeros(2), 0.0
"""


@pytest.fixture
def file(tmp_path):
    """Writes Python into a file; says where."""

    def write(text, name="model.py"):
        path = tmp_path / name
        path.write_text(textwrap.dedent(text))
        return str(path)

    return write


# --- loading ----------------------------------------------------------------------------------------------------------


def test_arguments_are_the_variables_of_the_same_names(file):
    problem = load(file(LOSS))
    assert problem.name == "loss"
    assert problem.names == ("w", "b", "X", "y")
    assert problem.arguments["X"].shape == (3, 2)
    assert (problem.wrt, problem.chosen) == (("w",), "its first argument")


def test_wrt_is_the_option_else_the_files_wrt_else_the_first_argument(file):
    path = file(LOSS + "    WRT = ('w', 'b')\n")
    assert (load(path).wrt, load(path).chosen) == (("w", "b"), "WRT in the file")
    assert (load(path, "b").wrt, load(path, "b").chosen) == (("b",), "--wrt")
    assert load(path, "b, w").wrt == ("b", "w")
    assert load(file(LOSS + "    WRT = 'b'\n")).wrt == ("b",)
    assert load(file(LOSS + "    WRT = 'w, b'\n")).wrt == ("w", "b")


def test_defaults_and_keyword_only_arguments_are_respected(file):
    problem = load(file("def f(x, scale=2.0, *, power=2):\n    return scale * x**power\nx = 3.0\npower = 4\n"))
    assert problem.arguments == {"x": 3.0, "scale": 2.0, "power": 4}
    value, (slope,) = problem.value_and_grad()(problem.start)
    assert (value, slope) == (162.0, 216.0)


def test_a_file_may_import_its_neighbours_and_is_not_run_as_a_script(file):
    file("SCALE = 3.0\n", "neighbour.py")
    path = file(
        """
        from neighbour import SCALE
        def loss(x): return SCALE * x**2
        x = 1.0
        if __name__ == "__main__": raise SystemExit("run as a script")
        """
    )
    assert load(path).start == (1.0,)


def test_a_dataclass_in_the_file_works(file):
    path = file(
        """
        from __future__ import annotations
        from dataclasses import dataclass
        @dataclass
        class Params:
            w: float
        def loss(p): return (p.w - 1) ** 2
        p = Params(3.0)
        """
    )
    found = running.run(load(path))
    assert found.best.minimum.x[0].w == pytest.approx(1)
    json.dumps(plain(found.as_dict()), allow_nan=False)


@pytest.mark.parametrize(
    ("text", "target", "message"),
    [
        (LOSS, ":los", "did you mean `loss`"),
        (LOSS, ":X", "calls a ndarray `X`, no function"),
        (LOSS.replace("X =", "Z ="), "", "no variable `X`, an argument of loss"),
        (LOSS + "    WRT = ('w', 'v')\n", "", "WRT in the file names `v`"),
        (LOSS + "    WRT = 3\n", "", "WRT is 3"),
        (LOSS + "    WRT = ()\n", "", "names no argument"),
        (LOSS + "    def report(w, Z): return {}\n", "", "no variable `Z`, an argument of report"),
        ("x = 1\n", "", "defines no function"),
        ("def f(x): pass\ndef g(x): pass\n", "", "(there are f, g)"),
        ("def loss(): return 1.0\n", "", "nothing to vary"),
        ("x = [\n", "", "is not Python"),
        ("x = 1\nx / 0\n", "", "raises ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)\n", "", "stops by itself"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_its_own_words(file, text, target, message):
    with pytest.raises(ArgumentError) as raised:
        load(file(text) + target)
    assert message in str(raised.value)


def test_an_error_in_the_file_comes_with_the_users_line(file):
    with pytest.raises(ArgumentError, match=r"model\.py:3   return 1 / x"):
        load(file("\ndef f(x):\n    return 1 / x\ny = f(0)\n"))


def test_an_error_in_the_loss_itself_comes_with_the_users_line(file):
    path = file("import numpy as np\ndef loss(x):\n    return np.sum(x) / len(4)\nx = np.ones(2)\n")
    with pytest.raises(ArgumentError, match=r"model\.py:3   return np\.sum\(x\) / len\(4\)"):
        running.run(load(path))


def test_nan_in_the_data_is_located(file):
    path = file(LOSS + "    X[1, 0] = np.nan\n")
    with pytest.raises(ArgumentError, match=r"`X` holds 1 number not finite, first at \[1, 0\]"):
        running.run(load(path))


# --- running ----------------------------------------------------------------------------------------------------------


def test_a_study_finds_the_minimum_and_checks_the_gradient(file):
    path = file(LOSS + "    WRT = ('w', 'b')\n    def report(w, b): return {'sum': np.sum(w) + b}\n")
    found = running.run(load(path))
    assert found.complete
    assert not found.interrupted
    assert found.check.verdict == "agrees"
    assert [fit.minimum.method for fit in found.fits] == ["gradient descent", "l-bfgs"]
    assert found.best.minimum.method == "l-bfgs"
    assert found.best.minimum.fun < 1e-10
    problem = load(path)
    solution = np.linalg.lstsq(np.c_[problem.arguments["X"], np.ones(3)], problem.arguments["y"], rcond=None)[0]
    w, b = found.best.minimum.x
    np.testing.assert_allclose([*w, b], solution, atol=1e-4)
    assert found.best.told == {"sum": pytest.approx(solution.sum(), abs=1e-4)}
    assert set(found.seconds) == {"recording", *(section.key for section in running.SECTIONS)}


def test_the_program_is_told_in_the_users_own_words(file):
    lines = running.run(load(file(LOSS))).program
    assert any(line.name == "z" and line.written == "X @ w + b" for line in lines)
    assert lines[0].where.endswith("model.py:5   z = X @ w + b")


def test_the_gradient_is_told_as_formula_and_as_code_that_computes_it(file):
    problem = load(file(LOSS), "w,b")
    explained = running.run(problem).explained
    assert "∇w loss" in explained.gradient.unicode
    assert all(math.mathml.startswith("<math") for math in explained.gradient.equations)
    scope = {}
    exec(explained.code, scope)
    for ours, told in zip(problem.value_and_grad()(problem.start)[1], scope["gradient"](*problem.args), strict=True):
        np.testing.assert_allclose(ours, told, rtol=1e-12)
    assert [step.rules for step in explained.steps]
    assert explained.table[-1].adjoint.unicode.endswith("= 1")


def test_what_has_no_formula_is_noted_and_stops_nothing(file, monkeypatch):
    def fail(problem):
        raise KeyError("no such notation")

    monkeypatch.setattr(sectioned, "explained_by", fail)
    found = running.run(load(file(LOSS)))
    assert found.complete
    assert found.explained is None
    assert "no such notation" in found.left_out["derivation"]
    read(page(found))


def test_a_report_that_fails_is_told_and_stops_nothing(file):
    found = running.run(load(file(LOSS + "    def report(w): return {'size': len(3)}\n")))
    assert found.complete
    assert "object of type 'int' has no len()" in found.fits[0].note


def test_study_is_a_function_too():
    found = study(lambda w, x: np.sum((x @ w - 1) ** 2), np.zeros(2), np.eye(2))
    assert isinstance(found, Study)
    np.testing.assert_allclose(found.best.minimum.x[0], 1, atol=1e-6)
    assert cr.study is study
    assert str(found) == "\n".join(summary(found))
    both = study(lambda w, b: np.sum(w**2) + b**2, np.ones(2), 1.0, wrt=("w", "b"))
    assert both.wrt == ("w", "b")
    with pytest.raises(ArgumentError, match="did you mean `width`"):
        study(lambda width: width**2, 1.0, wrt="widht")
    with pytest.raises(ArgumentError, match="pass the function's arguments"):
        study(lambda: 1.0)


@pytest.mark.parametrize("stop_after", range(1, len(running.SECTIONS) + 1))
def test_interrupting_keeps_every_section_that_is_done(stop_after):
    problem = problem_of(lambda w: np.sum(np.cosh(w)), (np.ones(2),))
    seen = []

    def see(found):
        seen.append(found)
        if len(seen) == stop_after:
            raise KeyboardInterrupt

    found = running.run(problem, see)
    assert found.interrupted
    assert not found.complete
    done = ["recording", *(section.key for section in running.SECTIONS)][:stop_after]
    assert list(found.seconds) == done
    assert (found.check is not None) == ("check" in done)
    assert [fit.minimum.method for fit in found.fits] == [key for key in done if key in ("gradient descent", "l-bfgs")]
    read(page(found))
    assert "interrupted" in page(found)


def test_interrupting_a_minimization_keeps_its_best_point():
    def watch(what, progress):
        if what == "l-bfgs" and progress is not None and progress.nit == 2:
            raise KeyboardInterrupt

    problem = problem_of(lambda x: np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2), (np.zeros(2),))
    found = running.run(problem, watch=watch)
    assert found.interrupted
    assert found.fits[-1].minimum.message == "interrupted"
    assert found.fits[-1].minimum.nit == 2


def test_a_method_is_given_only_so_much_time():
    found = study(lambda x: np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2), np.zeros(2), seconds=0)
    assert "stopped after 0 seconds" in found.fits[0].minimum.message
    assert found.complete
    read(page(found))


# --- what is studied --------------------------------------------------------------------------------------------------

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(30, 3)), RNG.normal(size=30)
OUTSIDE = RNG.normal(size=(30, 3))

ODD = {
    "constant": (lambda w: 3.0, np.ones(2)),
    "linear": (lambda w: 2 * np.sum(w), np.ones(2)),
    "unbounded": (lambda w: -np.sum(w**2), np.ones(2)),
    "one number": (lambda w: (w - 1) ** 4 + w, 2.0),
    "an integer": (lambda w: (w - 1) ** 2, 2),
    "a list of numbers": (lambda w: (w[0] - 1) ** 2 + w[1] ** 2, [0.0, 1.0]),
    "whole numbers as data": (lambda w, X: np.mean((X @ w - 1) ** 2), np.zeros(2), np.arange(10).reshape(5, 2)),
    "nested": (lambda p, X, y: np.mean((np.tanh(X @ p["a"]["w"] + p["b"][0]) - y) ** 2),
               {"a": {"w": np.zeros(3)}, "b": [0.0]}, X, Y),
    "data outside": (lambda w: np.mean((OUTSIDE @ w - 1) ** 2), np.zeros(3)),
    "a mask": (lambda w, X, y: np.sum(((X @ w - y) ** 2)[X @ w > y]), np.zeros(3), X, Y),
    "kinks": (lambda w, X, y: np.mean(np.abs(X @ w - y)), np.zeros(3), X, Y),
    "float32": (lambda w, X, y: np.mean((X @ w - y) ** 2), *(a.astype(np.float32) for a in (np.zeros(3), X, Y))),
    "a saddle": (lambda w: w[0] ** 2 - w[1] ** 2 + w[1] ** 4, np.array([1.0, 0.0])),
    "a singular matrix on the way": (lambda A: np.sum(A**2) - np.linalg.slogdet(A)[1], 2 * np.eye(3)),
    "a pole": (lambda w: np.sum(1 / w) + np.sum(w), np.full(3, 0.5)),
    "huge": (lambda w: np.sum(1e200 * w**2), np.ones(2)),
    "tiny": (lambda w: np.sum(1e-200 * w**2), np.ones(2)),
    "steps": (lambda w: np.sum(np.floor(w)), np.full(3, 1.5)),
    "no slope at the start": (lambda w: np.sum(np.sqrt(np.abs(w))), np.zeros(3)),
    "no data rows": (lambda w, X: np.sum(w**2) + np.sum(X @ w), np.ones(3), np.zeros((0, 3))),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_odd_functions_are_studied_to_the_end(name):
    f, *args = ODD[name]
    found = study(f, *args)
    assert found.complete
    assert "mistake of ours" not in " ".join(found.left_out.values())
    assert found.check is not None
    assert found.best is not None
    json.dumps(plain(found.as_dict()), allow_nan=False)
    read(page(found))
    for sentence in summary(found):
        assert sentence.endswith(".")
        assert "nan" not in sentence.split()
    str(found)


@pytest.mark.parametrize(
    ("f", "args", "options", "words"),
    [
        (lambda w: np.sum(np.log(w)), (-np.ones(2),), {}, "is nan at these arguments"),
        (lambda w: np.sum(w**2), (np.ones(2),), {"wrt": ()}, "wrt is empty"),
        (lambda w: np.sum(w**2), (np.zeros(0),), {}, "no numbers"),
        (lambda w: w, (np.ones(3),), {}, "one number"),
        (lambda w: np.sum(w) + np.random.normal(), (np.ones(3),), {}, "random"),
        (lambda w: np.sum(w**2), (np.ones(2),), {"wrt": ["w"]}, "named by a tuple"),
        (lambda w: np.sum(w**2), (np.ones(2),), {"wrt": ("w", 0)}, "twice"),
        (lambda w: np.sum(w**2), (np.ones(2),), {"wrt": 1.0}, "a position or a name, not 1.0"),
        (lambda w: np.sum(w**2), (np.ones(2),), {"seconds": "soon"}, "seconds is 'soon'"),
        (lambda w: np.sum(w**2), (np.ones(2),), {"seconds": -1}, "seconds is -1"),
    ],
)
def test_what_can_not_be_studied_is_refused(f, args, options, words):
    with pytest.raises(cr.ChainruleError, match=words):
        study(f, *args, **options)


def test_kinds_of_points_are_told_apart():
    assert study(*ODD["a saddle"]).point.kind == "saddle"
    assert study(lambda w: np.sum((w - 1) ** 2), np.zeros(3)).point.kind == "minimum"


def test_convexity_is_proved_or_refuted_with_a_chord_to_see():
    proved = study(lambda w, X, y: np.mean((X @ w - y) ** 2), np.zeros(3), X, Y)
    assert proved.convexity.verdict == "convex"
    assert proved.chord is None
    assert "strongly convex, which is proved" in " ".join(summary(proved))
    refuted = study(lambda w: np.sum(np.sin(w)), np.ones(2))
    assert refuted.convexity.verdict == "not convex"
    values, along = np.array(refuted.chord.values), np.array(refuted.chord.along)
    straight = values[0] + along * (values[-1] - values[0])
    assert (values - straight).max() >= refuted.convexity.chord.gap * 0.99 > 0
    assert values[0] == pytest.approx(refuted.convexity.chord.values[0])
    assert "It is not convex" in " ".join(summary(refuted))


def test_learning_rates_go_down_below_the_border_and_not_above_it():
    """On a quadratic the border is 2/λmax, exactly."""
    scales = np.array([1.0, 4.0, 25.0])
    found = study(lambda w: np.sum(scales * w**2) / 2, np.ones(3)).rates
    assert found.answer.largest == pytest.approx(2 / 25)
    assert [run.factor for run in found.runs] == [0.05, 0.5, 0.95, 1.05]
    assert [run.settles for run in found.runs] == [True, True, True, False]
    assert found.settled.factor == 0.95
    assert found.failed.factor == 1.05
    by_hand = np.ones(3)
    for value in found.runs[1].values:
        assert value == pytest.approx(np.sum(scales * by_hand**2) / 2, rel=1e-9, abs=1e-300)
        by_hand = by_hand - found.runs[1].rate * scales * by_hand


def test_gradients_are_followed_by_argument():
    def loss(p, b):
        return np.sum((p["w"] - 1) ** 4) + 10 * (b - 2) ** 2

    found = study(loss, {"w": np.zeros(3)}, 0.0, wrt=("p", "b"))
    for fit in found.fits:
        assert fit.names == ("p['w']", "b")
        assert fit.iterations[0] == 0
        assert fit.norms[0][0] == pytest.approx(4 * np.sqrt(3))
        assert fit.norms[1][0] == pytest.approx(40)
        last = cr.grad(loss, wrt=("p", "b"))(*fit.minimum.x)
        assert fit.norms[0][-1] == pytest.approx(np.linalg.norm(last[0]["w"]), rel=1e-6, abs=1e-12)


def test_the_landscape_is_that_of_the_function():
    found = study(lambda a, b: (a - 1) ** 2 + 5 * (b + 2) ** 2, 0.0, 0.0, wrt=("a", "b")).landscape
    assert found.axes == ("a", "b")
    expected = (found.xs[None, :] - 1) ** 2 + 5 * (found.ys[:, None] + 2) ** 2
    np.testing.assert_allclose(found.values, expected, rtol=1e-9, atol=1e-12)


def test_keyword_only_arguments_are_part_of_every_section(file):
    path = file(
        """
        import numpy as np
        WRT = "w, c"
        def loss(w, X, *, y, c): return np.mean((X @ w + c - y) ** 2)
        X = np.array([[0.0, 1.0], [1.0, 0.5], [2.0, -1.0]])
        y = np.array([1.0, 2.0, 4.0])
        w, c = np.zeros(2), 0.5
        """
    )
    found = running.run(load(path))
    assert found.left_out == {}
    assert found.examples.start.arguments == ("X", "y")
    assert [p.name for p in found.sizes.parameters] == ["w", "c"]
    assert found.rates.answer.quadratic


def test_a_slow_function_is_studied_in_its_time():
    def loss(w, X, y):
        time.sleep(0.05)
        return np.mean((X @ w - y) ** 2)

    start = time.perf_counter()
    found = study(loss, np.zeros(3), X, Y, seconds=5)
    assert time.perf_counter() - start < 15
    assert found.complete
    assert found.check.verdict == "agrees"


def test_many_parameters_are_studied_without_a_hessian():
    n = 20_000
    scales = np.geomspace(0.1, 10, n)
    tracemalloc.start()
    found = study(lambda w, s, t: np.mean(s * (w - t) ** 2), np.zeros(n), scales, np.ones(n), seconds=15)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.complete
    assert found.size == n
    assert peak < 1e9 < 8 * n**2 / 3  # a matrix over the parameters would not fit in
    assert found.rates.answer.lambda_max == pytest.approx(2 * 10 / n, rel=0.02)
    assert found.curvature.lambda_max == pytest.approx(2 * 10 / n, rel=0.02)
    read(page(found))


# --- the summary ------------------------------------------------------------------------------------------------------


def test_the_summary_says_what_was_found(found):
    text = " ".join(summary(found))
    assert "depends on 4 numbers (w and b) and averages over 20 examples" in text
    assert f"{found.value:.4g} at the start" in text
    assert f"{found.best.minimum.fun:.4g} at the best point found" in text
    assert f"to {found.check.digits} digits" in text
    assert "is a minimum" in text


def test_every_number_of_the_summary_is_the_studys(found):
    """Numbers are made of the record: another record makes other numbers."""
    other = dataclasses.replace(found, value=123.456, size=7, check=dataclasses.replace(found.check, digits=3))
    text = " ".join(summary(other))
    assert "123.5 at the start" in text
    assert "7 numbers" in text
    assert "to 3 digits" in text


def test_a_wrong_gradient_comes_before_all_else(found):
    wrong = dataclasses.replace(found.check, verdict="wrong", reason="The gradient is wrong in w[0].")
    assert "Do not trust the rest" in summary(dataclasses.replace(found, check=wrong))[1]


def test_a_study_that_has_just_begun_has_a_summary():
    begun = []
    problem = problem_of(lambda w: np.sum(w**2), (np.ones(2),))
    running.run(problem, begun.append)
    assert len(summary(begun[0])) == 1
    assert len(summary(begun[-1])) >= 4


# --- showing ----------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """Reads a page, and holds that every tag is closed in order."""

    VOID = frozenset({"meta", "br", "hr", "img", "link", "input"})

    def __init__(self):
        super().__init__()
        self.open, self.tags = [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def read(html):
    found = Page()
    found.feed(html)
    found.close()
    assert not found.open
    return found


@pytest.fixture(scope="module")
def found():
    def loss(w, b, X, y):
        margin = y * (X @ w + b)
        return np.mean(np.logaddexp(0, -margin)) + 0.1 * np.sum(w**2)

    random = np.random.default_rng(0)
    X = random.normal(size=(20, 3))
    return study(loss, np.zeros(3), 0.0, X, np.sign(X[:, 0] + 0.1), wrt=("w", "b"))


def test_the_page_is_whole_and_needs_nothing_else(found):
    html = page(found)
    document = read(html)
    assert document.all("html") == [{"lang": "en"}]
    assert not document.all("script") + document.all("link") + document.all("img") + document.all("iframe")
    assert not re.search(r"(src|href)\s*=\s*[\"'](?!#)", html)
    assert not re.search(r"url\((?!#)", html)
    assert "@import" not in html
    addresses = set(re.findall(r"https?://[^\s\"'<]+", html))
    assert addresses <= {"http://www.w3.org/1998/Math/MathML", "http://www.w3.org/2000/svg"}


def test_the_page_can_be_read_with_eyes_closed(found):
    html = page(found)
    document = read(html)
    assert len(document.all("h1")) == 1
    levels = [int(tag[1]) for tag, _ in document.tags if re.fullmatch("h[1-6]", tag)]
    assert all(b <= a + 1 for a, b in pairwise(levels))
    assert len(document.all("table")) == len(document.all("caption")) > 2
    assert all(cell.get("scope") in ("col", "row", "rowgroup") for cell in document.all("th"))
    assert all(part.get("aria-label") for part in document.all("div") if part.get("role") == "region")
    ids = [attributes["id"] for _, attributes in document.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    assert {a["href"][1:] for a in document.all("a")} <= set(ids)
    assert len(document.all("svg")) == len(document.all("figure")) > 3
    for picture in document.all("svg"):
        assert picture["role"] == "img"
        assert set(picture["aria-labelledby"].split()) <= set(ids)


def test_the_page_knows_dark_and_paper(found):
    assert "prefers-color-scheme: dark" in page(found)
    assert "@media print" in page(found)


def test_names_of_the_user_are_text_not_markup(file):
    path = file('def loss(x):\n    """<script>alert(1)</script> & more"""\n    return x**2\nx = 1.0\n')
    html = page(running.run(load(path)))
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_a_terminal_shows_the_same_in_plain_text(found, capsys):
    Printer(console())(found)
    text = capsys.readouterr().out
    assert "\x1b" not in text
    for _, title in contents(found):
        assert title in text
    assert "gradient agrees" in text
    assert not [line for line in text.split("\n") if line != line.rstrip()]
    assert text.index("The value costs") < text.index("2. The gradient")


def test_data_survives_json(found):
    document = json.loads(json.dumps(plain(found.as_dict()), allow_nan=False))
    assert document["check"]["verdict"] == "agrees"
    assert document["fits"][1]["minimum"]["success"] is True
    assert len(document["fits"][1]["minimum"]["x"][0]) == 3


def test_a_notebook_shows_the_body_of_the_page(found):
    document = read(found._repr_html_())
    assert document.tags[0] == ("div", {"class": "chainrule-study"})
    assert len(document.all("style")) == 1 + len(document.all("svg"))


# --- the line of blocks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        [1.0],
        [3.0, 3.0, 3.0],
        [-1.0, -2.0, -3.5],
        [1.0, 1e-8, 0.0],
        [1.0, np.nan, 0.5],
        [1e300, 1e-300],
        [1e308, -1e308],
    ],
)
def test_any_values_make_a_line_of_blocks(values):
    line = sparkline(range(len(values)), values)
    assert len(line) == np.isfinite(values).sum()
    assert set(line) <= set("▁▂▃▄▅▆▇█")
    if len(set(values)) > 1:
        assert line[0] == "█"
        assert line[-1] == "▁"


def test_a_long_line_of_blocks_is_as_wide_as_wanted():
    assert len(sparkline(range(5000), np.geomspace(1e5, 1e-5, 5000))) == 40
    assert sparkline([0], [np.nan]) == ""
