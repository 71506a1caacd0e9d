"""The command line, run as users run it: what it prints, where, and with which exit code."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path

import pytest

COMMAND = str(Path(sys.executable).with_name("chainrule"))
EXAMPLES = Path(__file__).parent.parent / "examples"

GOOD = """
    import numpy as np
    def loss(w, b, X):
        return np.mean(np.cosh(X @ w + b))
    X = np.array([[1.0, 2.0], [0.5, -1.0], [2.0, 0.3]])
    w, b = np.ones(2), 0.5
    print("printed by the file")
"""

SLOW = """
    import numpy as np
    def loss(w, X):
        return np.mean(np.log1p((X @ w - 1) ** 2)) + np.sum(np.tanh(w) ** 2)
    random = np.random.default_rng(0)
    X = random.normal(size=(20000, 100)) * np.geomspace(1e-3, 1, 100)
    w = random.normal(size=100)
"""

# name: (the file's text, arguments after the file, exit code, what standard error says)
BAD = {
    "raises": ("x = 1\nx / 0\n", [], 2, ["raises ZeroDivisionError: division by zero", "raises.py:2   x / 0"]),
    "syntax": ("def loss(x)\n    return x\n", [], 2, ["is not Python", "syntax.py:1   def loss(x)"]),
    "wrt": (GOOD, ["--wrt", "bb"], 2, ["--wrt names `bb`", "did you mean `b`?"]),
    "vector": (GOOD.replace("np.mean", ""), [], 2, ["one number", "np.sum, np.mean"]),
    "constant": ("def loss(x):\n    return 3.0\nx = 1.0\n", [], 0, []),
    "no_arguments": ("def loss():\n    return 3.0\n", [], 2, ["takes no arguments"]),
    "nan": (GOOD + "    X[2, 1] = np.nan\n", [], 2, ["loss is nan", "`X` holds 1 number not finite, first at [2, 1]"]),
    "string": ("def loss(x):\n    return x\nx = 'text'\n", [], 2, ["`x` is str"]),
    "integers": ("import numpy as np\ndef loss(x):\n    return np.sum(x)\nx = np.arange(3)\n", [], 2, ["x.astype(float)"]),
    "empty": ("import numpy as np\ndef loss(x):\n    return np.sum(x)\nx = np.zeros(0)\n", [], 2, ["nothing to vary"]),
    "empty_data": (GOOD + "    X = np.zeros((0, 2))\n", [], 2, ["loss is nan"]),
    "mismatch": (GOOD + "    w = np.ones(3)\n", [], 2, ["mismatch.py:4   return np.mean(np.cosh(X @ w + b))"]),
    "unwritable": (GOOD, ["--html", "nowhere/report.html"], 2, ["there is no folder nowhere", "mkdir -p nowhere"]),
    "folder_html": (GOOD, ["--html", "."], 2, ["is a folder"]),
    "traceback": ("x = 1\nx / 0\n", ["--traceback"], 2, ["Traceback (most recent call last)", "ZeroDivisionError"]),
}

# name: (arguments, exit code, what standard output says, what standard error says)
CALLS = {
    "missing file": (["study", "raisis.py"], 2, [], ["there is no file raisis.py", "did you mean raises.py?"]),
    "folder": (["study", "."], 2, [], ["is a folder", "good.py"]),
    "not python": (["study", "notes.txt"], 2, [], ["notes.txt is not a Python file"]),
    "missing function": (["study", "good.py:lss"], 2, [], ["has no function `lss`", "did you mean `loss`?"]),
    "study": (["study", "good.py", "--html", "good.html"], 0, ["gradient agrees", "good.html", "printed by"], []),
    "study json": (["study", "good.py", "--json"], 0, ['"complete": true'], ["printed by the file"]),
    "study error json": (["study", "nan.py", "--json"], 2, ['"error"'], ["loss is nan"]),
    "check": (["check", "good.py:loss", "--wrt", "w,b"], 0, ["agrees with differences in all 3 components"], []),
    "check json": (["check", "good.py", "--json"], 0, ['"verdict": "agrees"'], []),
    "check kink": (["check", "kink.py"], 1, ["a kink"], []),
    "check kink json": (["check", "kink.py", "--json"], 1, ['"verdict": "unreliable"'], []),
    "version": (["--version"], 0, ["chainrule "], []),
    "help": (["study", "--help"], 0, ["--wrt", "--html", "--json"], []),
    "no such command": (["stdy"], 2, [], ["stdy"]),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("files")
    texts = {name: text for name, (text, *_) in BAD.items()}
    texts |= {"good": GOOD, "slow": SLOW, "kink": "import numpy as np\ndef f(x):\n    return np.maximum(x, 0)\nx = 0.0\n"}
    for name, text in texts.items():
        (path / f"{name}.py").write_text(textwrap.dedent(text))
    (path / "notes.txt").write_text("notes")
    return path


def run(folder, *arguments):
    environment = {key: value for key, value in os.environ.items() if key != "CHAINRULE_TRACEBACK"}
    return subprocess.run([COMMAND, *arguments], capture_output=True, text=True, cwd=folder, env=environment, timeout=120)


@pytest.fixture(scope="module")
def done(folder):
    """Every call, run two at a time: most of each is waiting for the interpreter to start."""
    calls = {name: ["study", f"{name}.py", *arguments] for name, (_, arguments, *_) in BAD.items()}
    calls |= {name: arguments for name, (arguments, *_) in CALLS.items()}
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(calls, pool.map(lambda arguments: run(folder, *arguments), calls.values()), strict=True))


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_studied_is_told_in_a_short_letter(done, name):
    _, _, code, says = BAD[name]
    assert done[name].returncode == code, done[name].stderr
    for words in says:
        assert words in done[name].stderr
    if name != "traceback":
        assert "Traceback" not in done[name].stderr
        assert len(done[name].stderr.splitlines()) <= 4


@pytest.mark.parametrize("name", CALLS)
def test_a_command_prints_what_it_found(done, name):
    _, code, prints, says = CALLS[name]
    assert done[name].returncode == code, done[name].stderr
    for words in prints:
        assert words in done[name].stdout
    for words in says:
        assert words in done[name].stderr
    assert "Traceback" not in done[name].stderr
    assert "\x1b" not in done[name].stdout  # no colours in a pipe


@pytest.mark.parametrize("name", [name for name in CALLS if "json" in name])
def test_json_is_one_valid_document(done, name):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    assert isinstance(json.loads(done[name].stdout, parse_constant=refuse), dict)


def test_a_constant_loss_is_told_as_what_it_is(done):
    assert "the values don't change at all" in done["constant"].stdout


def test_the_page_is_written_whole(done, folder):
    html = (folder / "good.html").read_text()
    assert html.startswith("<!doctype html>")
    assert html.rstrip().endswith("</html>")
    assert "Interrupted" not in html
    assert not list(folder.glob("*.part"))


@pytest.mark.parametrize("as_json", [False, True])
def test_ctrl_c_leaves_a_valid_partial_report(folder, as_json):
    page = folder / f"partial_{as_json}.html"
    arguments = [COMMAND, "study", "slow.py", "--html", page.name, *(["--json"] if as_json else [])]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder)
    assert process.stdout is not None
    early = ""
    if as_json:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=6)
    else:
        while "4. The check" not in early:
            line = process.stdout.readline()
            assert line, "the study ended too early"
            early += line
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    html = page.read_text()
    HTMLParser().feed(html)
    assert html.rstrip().endswith("</html>")
    assert "The study was interrupted" in html
    if as_json:
        assert json.loads(out)["interrupted"] is True
    else:
        assert "Interrupted: this is what was done by then" in out


def test_the_example_reports_its_accuracy(tmp_path):
    done = run(EXAMPLES.parent, "study", "examples/breast_cancer.py:loss", "--html", str(tmp_path / "study.html"))
    assert done.returncode == 0
    assert "accuracy on the test data: 0.97" in done.stdout
    assert "accuracy on the test data" in (tmp_path / "study.html").read_text()
