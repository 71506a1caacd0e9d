"""The command line, run as users run it: what it prints, where, and with which exit code."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
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
        valley = np.sum(100 * (w[1:] - w[:-1] ** 2) ** 2 + (1 - w[:-1]) ** 2)
        return valley + 1e-9 * np.mean((X @ w) ** 2)
    X = np.random.default_rng(0).normal(size=(50_000, 60))
    w = np.zeros(60)
    print("the file has been run", flush=True)
"""

SINGULAR = "import numpy as np\ndef loss(a):\n    return np.sum(np.linalg.inv(a))\na = np.zeros((2, 2))\n"

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
    "integers": (
        "import numpy as np\ndef loss(x):\n    return np.sum(x)\nx = np.arange(3)\n",
        [],
        2,
        ["x.astype(float)"],
    ),
    "empty": ("import numpy as np\ndef loss(x):\n    return np.sum(x)\nx = np.zeros(0)\n", [], 2, ["nothing to vary"]),
    "empty_data": (GOOD + "    X = np.zeros((0, 2))\n", [], 2, ["the mean of no numbers", "np.cosh(X @ w + b)"]),
    "mismatch": (GOOD + "    w = np.ones(3)\n", [], 2, ["mismatch.py:4   return np.mean(np.cosh(X @ w + b))"]),
    "singular": (SINGULAR, [], 2, ["LinAlgError", "np.linalg.inv(a)"]),
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
    "derive": (["derive", "log(1 + exp(x))"], 0, ["f′(x) = exp(x) / (1 + exp(x))", "chain rule"], []),
    "derive json": (["derive", "a*x**2", "--wrt", "x", "--json"], 0, ['"variable": "x"'], []),
    "derive which": (["derive", "a*b"], 2, [], ["several names: a, b", "say which one varies"]),
    "derive x": (["derive", "a*x**2 + b"], 0, ["∂f/∂x = 2 a x"], []),
    "derive a comparison": (["derive", "x == 1"], 2, [], ["true or false, not a number"]),
    "derive what": (["derive", "2x"], 2, [], ["a sign is missing", "write 2*x"]),
    "derive no variable": (["derive", "3 + 4"], 2, [], ["has no name in it"]),
    "cache": (["cache"], 0, ["kept\n", " of at most 256.0 MiB"], []),
    "cache json": (["cache", "--json"], 0, ['"objects": ', '"cleared": false'], []),
    "version": (["--version"], 0, ["chainrule "], []),
    "help": (["study", "--help"], 0, ["--wrt", "--html", "--json"], []),
    "no such command": (["stdy"], 2, [], ["stdy"]),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("files")
    texts = {name: text for name, (text, *_) in BAD.items()}
    texts |= {
        "good": GOOD,
        "slow": SLOW,
        "kink": "import numpy as np\ndef f(x):\n    return np.maximum(x, 0)\nx = 0.0\n",
    }
    for name, text in texts.items():
        (path / f"{name}.py").write_text(textwrap.dedent(text))
    (path / "notes.txt").write_text("notes")
    return path


ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "CHAINRULE_TRACEBACK"}
ENVIRONMENT["CHAINRULE_CACHE_DIR"] = "kept"  # in the folder in which a command runs


def run(folder, *arguments):
    command = [COMMAND, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=ENVIRONMENT, timeout=600)


# Starting an interpreter takes longer than most calls: start one, and let it fork a process for each.
FORKS = """
import json, os, sys
import contourpy, scipy.optimize, scipy.sparse.linalg
from chainrule.cli import main
import chainrule
from chainrule.study import page, run, terminal
for name, arguments in json.load(sys.stdin).items():
    child = os.fork()
    if not child:
        for stream, number in (("out", 1), ("err", 2)):
            os.dup2(os.open(f"{name}.{stream}", os.O_WRONLY | os.O_CREAT), number)
        sys.argv = ["chainrule", *arguments]
        main()
    print(json.dumps([name, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])]), flush=True)
"""


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture(scope="module")
def done(folder):
    """What became of every call, each made by the entry point in a process of its own."""
    calls = {name: ["study", f"{name}.py", *arguments] for name, (_, arguments, *_) in BAD.items()}
    calls |= {name: arguments for name, (arguments, *_) in CALLS.items()}
    told = subprocess.run(
        [sys.executable, "-P", "-c", FORKS], input=json.dumps(calls), stdout=subprocess.PIPE, text=True, cwd=folder,
        env={**ENVIRONMENT, "OPENBLAS_NUM_THREADS": "1"}, check=True, timeout=600,
    )  # fmt: skip
    codes = dict(json.loads(line) for line in told.stdout.splitlines())
    read = lambda name, stream: (folder / f"{name}.{stream}").read_text()  # noqa: E731
    return {name: Done(code, read(name, "out"), read(name, "err")) for name, code in codes.items()}


def test_the_installed_command_is_the_same(folder):
    assert run(folder, "--version").stdout.startswith("chainrule ")
    missing = run(folder, "study", "nowhere.py")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert "there is no file nowhere.py" in missing.stderr


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


def test_what_is_kept_can_be_seen_and_removed(tmp_path):
    kept = "import chainrule.native.cache as c; c.cached(b'key', lambda: c.Compiled(bytes(10240))); print(c.folder())"
    where = subprocess.run(
        [sys.executable, "-c", kept], capture_output=True, text=True, cwd=tmp_path, env=ENVIRONMENT, check=True
    ).stdout
    (tmp_path / "kept" / "notes.txt").write_text("mine")
    assert run(tmp_path, "cache").stdout == f"{where}1 object, 10.1 KiB of at most 256.0 MiB\n"
    assert run(tmp_path, "cache", "--clear").stdout == f"{where}removed: 1 object, 10.1 KiB\n"
    assert run(tmp_path, "cache").stdout == f"{where}0 objects, 0 bytes of at most 256.0 MiB\n"
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["notes.txt"]
    for said in ("", "0"):
        off = subprocess.run(
            [COMMAND, "cache"], capture_output=True, text=True, env={**ENVIRONMENT, "CHAINRULE_CACHE_DIR": said}
        )
        assert (off.returncode, off.stdout.partition(":")[0]) == (0, "nothing is kept")


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
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder, env=ENVIRONMENT
    ) as process:
        if as_json:  # nothing is printed on the way: wait until the file has been run, and a little
            while "the file has been run" not in process.stderr.readline():
                assert process.poll() is None, "the study ended too early"
            time.sleep(3)
        else:
            while "4. The check" not in process.stdout.readline():
                assert process.poll() is None, "the study ended too early"
            time.sleep(0.5)
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
