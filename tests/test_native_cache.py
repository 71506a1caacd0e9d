"""Machine code on disk: made once, found by other processes, and never in the way."""

import dataclasses
import errno
import multiprocessing
import os
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

import chainrule as cr
from chainrule.ir import ArrayType, Const, Equation, Program, Var
from chainrule.native import cache, llvm, run
from chainrule.native.cache import Compiled, cached
from chainrule.native.key import key_of_program
from chainrule.ops.op import OPS
from chainrule.ops.table import OWN
from chainrule.transform.simplify import simplify


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CHAINRULE_CACHE_DIR", str(tmp_path / "kept"))
    return tmp_path / "kept"


def files(folder):
    return sorted(path for path in folder.iterdir())


MADE = Compiled(
    b"\x00code\xff",
    {"places": [1, 2], "name": "f", "pair": (0.5, None)},
    (np.arange(6.0).reshape(2, 3), np.zeros(0, "i4")),
)


def never():
    raise AssertionError("made again")


def equal(a, b):
    return (
        (a.code, a.facts) == (b.code, b.facts)
        and len(a.arrays) == len(b.arrays)
        and all(x.dtype == y.dtype and np.array_equal(x, y) for x, y in zip(a.arrays, b.arrays, strict=True))
    )


def loss(w, X):
    return np.sum(np.tanh(X @ w) ** 2 * np.array([1.0, 2.0, 3.0]))


def program(n=2, factor=2.0, name="x", op="multiply"):
    x = Var(ArrayType((n,)), name)
    y = Var(ArrayType((n,)))
    return Program((x,), (Equation(OPS[op], (x, Const(factor)), (y,), {}),), (y,))


def python(code, folder, **environment):
    """What the code prints, in another process."""
    given = {**os.environ, "CHAINRULE_CACHE_DIR": str(folder), **environment}
    found = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, env=given, timeout=300
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_what_another_process_has_made_can_be_looked_at(folder):
    code = """
        import numpy as np, chainrule as cr
        f = cr.grad(lambda x: cr.while_loop(lambda s: s < 100, lambda s: s * s, x))
        f(2.0)
        print(f.inspect(2.0))
    """
    assert python(code, folder).count("while_loop_pullback") == python(code, folder).count("while_loop_pullback") > 0


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_what_was_made_is_found_again_whole(folder):
    assert equal(cached(b"key", lambda: MADE), MADE)
    again = cached(b"key", never)
    assert equal(again, MADE)
    assert all(x.flags.aligned and x.flags.c_contiguous for x in again.arrays)
    assert len(files(folder)) == 1
    assert cached(b"other", lambda: Compiled(b"")).code == b""


def test_without_a_key_nothing_is_kept(folder):
    assert equal(cached(None, lambda: MADE), MADE)
    assert not folder.exists()


@pytest.mark.parametrize("said", ["", "0"])
def test_nothing_is_kept_where_the_user_says_so(said, monkeypatch):
    monkeypatch.setenv("CHAINRULE_CACHE_DIR", said)
    assert cache.folder() is None
    assert equal(cached(b"key", lambda: MADE), MADE)
    assert cache.contents() == (0, 0)


def test_the_folder_is_the_platforms(monkeypatch, tmp_path):
    monkeypatch.delenv("CHAINRULE_CACHE_DIR")
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    found = {}
    for platform in ("linux", "darwin", "win32"):
        monkeypatch.setattr(sys, "platform", platform)
        found[platform] = os.path.relpath(cache.folder(), tmp_path)
    assert found == {
        "linux": ".cache/chainrule", "darwin": "Library/Caches/chainrule", "win32": "AppData/Local/chainrule"
    }  # fmt: skip
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert cache.folder() == str(tmp_path / "local" / "chainrule")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.folder() == str(tmp_path / "xdg" / "chainrule")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # the standard says: to be ignored
    assert cache.folder() == str(tmp_path / ".cache" / "chainrule")


SECOND = """
    import sys
    import numpy as np
    import chainrule as cr
    from chainrule.native import llvm
    compiled = []
    parse = llvm.parsed
    llvm.parsed = lambda *args: compiled.append(1) or parse(*args)
    w, X = np.array([0.5, -1.0]), np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    f = cr.value_and_grad(lambda w, X: np.sum(np.tanh(X @ w) ** 2 * np.array([1.0, 2.0, 3.0])))
    print(f(w, X), f(w + 1, X))
    print(len(compiled), "chainrule.native.compiler" in sys.modules, "chainrule.native.lower" in sys.modules)
"""


def test_a_second_process_loads_and_compiles_nothing(folder):
    *first, made = python(SECOND, folder).splitlines()
    assert len(files(folder)) == 3  # the plan, the kernel, and the entry
    *second, loaded = python(SECOND, folder).splitlines()
    assert first == second
    assert (made, loaded) == ("2 True True", "0 False False")


def test_a_part_on_numpy_is_planned_once_too(folder):
    code = SECOND.replace("np.tanh(X @ w)", "np.sort(np.tanh(X @ w))")
    *first, made = python(code, folder).splitlines()
    *second, loaded = python(code, folder).splitlines()
    assert first == second
    assert made.endswith("True True")
    assert loaded == "0 False False"


# --- the key ----------------------------------------------------------------------------------------------------------


def test_a_key_says_what_a_program_computes_and_not_what_its_variables_are_called():
    key = key_of_program(program())
    assert key == key_of_program(program(name="y"))
    others = [program(n=3), program(factor=3.0), program(factor=-0.0), program(factor=0.0), program(op="add")]
    keys = {key, *map(key_of_program, others)}
    assert len(keys) == 6
    assert None not in keys


def test_params_that_compare_equal_and_differ_have_different_keys():
    def key(value):
        x, y = Var(ArrayType((2,))), Var(ArrayType((2,)))
        return key_of_program(Program((x,), (Equation(OPS["exp"], (x,), (y,), {"p": value}),), (y,)))

    values = [
        1, 1.0, True, None, "1", b"1", (1,), [1], (1, (2,)), ((1, 2),), (1, 2), np.float64(1.0), np.float32(1.0),
        np.dtype("f4"), float, slice(1), ..., {"a": 1}, np.array([1.0]), np.array(1.0), -0.0, 0.0, float("nan"),
    ]  # fmt: skip
    keys = [key(v) for v in values]
    assert None not in keys
    assert len(set(keys)) == len(values)
    assert key(lambda x: x) is None
    assert key(object()) is None


def test_every_program_of_the_table_has_a_key_and_others_have_none():
    x = np.array([0.25, 0.5])
    for f in (
        np.sin,
        np.cumsum,
        np.sort,
        lambda x: np.einsum("i,j->ij", x, x),
        lambda x: x[::-1],
        lambda x: x[[1, 0, 1]],
    ):
        assert key_of_program(simplify(cr.trace(f, x))) is not None
    ours = dataclasses.replace(OPS["exp"])  # the same in all that it says
    y = Var(ArrayType(x.shape))
    v = Var(ArrayType(x.shape))
    assert OPS["exp"] in OWN
    assert key_of_program(Program((v,), (Equation(ours, (v,), (y,), {}),), (y,))) is None


def test_a_key_is_the_same_in_every_process(folder):
    code = """
        import hashlib, numpy as np, chainrule as cr
        from chainrule.native import cache
        from chainrule.native.key import key_of_program
        f = lambda X: np.sum(np.einsum("ij,kj->ik", X, X)[{1, 0}.pop() :, ::2] * np.sort(X, axis=0))
        print(key_of_program(cr.trace(f, np.arange(4.0).reshape(2, 2))).hex(), cache.surroundings().hex())
    """
    answers = {python(code, folder, PYTHONHASHSEED=seed) for seed in ("0", "1", "2")}
    assert len(answers) == 1


@pytest.mark.parametrize("what", ["version", "_sources", "width", "features", "numpy", "python"])
def test_other_surroundings_are_another_key(what, folder, monkeypatch):
    def file():
        cache.surroundings.cache_clear()
        return cache._file(b"key")

    before = file()
    host = llvm.target()
    if what == "version":
        monkeypatch.setattr(cache, "version", lambda: "99")
    elif what == "_sources":
        monkeypatch.setattr(cache, "_sources", lambda: "changed")
    elif what == "numpy":
        monkeypatch.setattr(np, "__version__", "99")
    elif what == "python":
        monkeypatch.setattr(sys, "version", "99")
    else:
        features = host.features.replace("+avx", "-avx") if what == "width" else host.features + ",+new"
        monkeypatch.setattr(cache, "target", lambda: dataclasses.replace(host, features=features))
    try:
        assert file() != before
    finally:
        monkeypatch.undo()
        cache.surroundings.cache_clear()


def test_every_source_that_decides_what_code_is_made_is_in_the_fingerprint(tmp_path, monkeypatch):
    """A line added to the compiler, to the table, to what a Program is, or another version."""
    package = tmp_path / "chainrule"
    for part in ("native", "ops", "numeric", "transform"):
        (package / part).mkdir(parents=True)
    names = ["native/emit.py", "ops/op.py", "ir.py", "__init__.py", *cache._WRITERS]
    for name in names:
        (package / name).write_text("x = 1\n")
    monkeypatch.setattr(cache, "__file__", str(package / "native" / "cache.py"))
    seen = {cache._sources()}
    for n, name in enumerate(names):
        (package / name).write_text("x = 2\n")
        seen.add(cache._sources())
        assert len(seen) == n + 2
    (package / "ir.py").unlink()
    assert cache._sources() is None


# --- files that are not as they should be -----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 5, 19, 40, 60, -1])
def test_a_truncated_file_is_made_again(size, folder):
    cached(b"key", lambda: MADE)
    (path,) = files(folder)
    content = path.read_bytes()
    path.write_bytes(content[:size])
    assert equal(cached(b"key", lambda: MADE), MADE)
    assert path.read_bytes() == content
    assert equal(cached(b"key", never), MADE)


def test_a_file_with_any_byte_changed_is_made_again(folder):
    cached(b"key", lambda: MADE)
    (path,) = files(folder)
    content = path.read_bytes()
    for n in range(0, len(content), 7):
        path.write_bytes(content[:n] + bytes([content[n] ^ 1]) + content[n + 1 :])
        again = []
        cached(b"key", lambda: again.append(1) or MADE)  # noqa: B023
        assert again
    path.write_bytes(content + b"more")
    assert cached(b"key", lambda: Compiled(b"new")).code == b"new"


def test_a_file_under_another_name_is_not_loaded(folder):
    cached(b"key", lambda: MADE)
    (path,) = files(folder)
    other = cache._file(b"other")
    os.rename(path, other)
    assert cached(b"other", lambda: Compiled(b"right")).code == b"right"


def test_a_folder_or_a_link_in_the_place_of_a_file_is_not_followed(folder, tmp_path):
    cached(b"key", lambda: MADE)
    (path,) = files(folder)
    elsewhere = tmp_path / path.name
    os.rename(path, elsewhere)
    path.symlink_to(elsewhere)
    again = []
    cached(b"key", lambda: again.append(1) or MADE)
    assert again
    assert not path.is_symlink()
    path.unlink()
    path.mkdir()
    assert equal(cached(b"key", lambda: MADE), MADE)


def test_code_that_others_could_have_written_is_not_loaded(folder, monkeypatch):
    cached(b"key", lambda: MADE)
    (path,) = files(folder)
    assert path.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    path.chmod(0o622)
    assert cached(b"key", lambda: Compiled(b"own")).code == b"own"
    assert cached(b"key", never).code == b"own"
    me = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    assert cached(b"key", lambda: Compiled(b"mine")).code == b"mine"


# --- folders that can't be written ------------------------------------------------------------------------------------


def test_a_full_disk_is_no_error_and_leaves_nothing_behind(folder, monkeypatch):
    full = OSError(errno.ENOSPC, "No space left on device")

    class Full:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def write(self, content):
            self.file.write(content[: len(content) // 2])
            raise full

    def opened(file, mode, **options):
        return Full(open(file, mode)) if "w" in mode else open(file, mode, **options)

    monkeypatch.setattr(cache, "open", opened, raising=False)
    assert equal(cached(b"key", lambda: MADE), MADE)
    assert files(folder) == []
    monkeypatch.undo()


def test_a_folder_that_can_not_be_made_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CHAINRULE_CACHE_DIR", str(tmp_path / "file" / "kept"))
    assert equal(cached(b"key", lambda: MADE), MADE)
    assert cache.contents() == (0, 0)
    assert cache.clear() == (0, 0)


def test_a_folder_that_may_only_be_read_is_no_error(folder):
    """As another user where this one may write everywhere."""
    cached(b"key", lambda: MADE)
    folder.chmod(0o555)
    folder.parent.chmod(0o755)
    code = """
        import os
        from chainrule.native import cache
        if os.geteuid() == 0:
            cache.surroundings()
            os.setresuid(65534, 65534, 65534)
        made = cache.cached(b"new", lambda: cache.Compiled(b"made"))
        print(made.code, cache.cached(b"new", lambda: cache.Compiled(b"made again")).code)
    """
    assert python(code, folder) == "b'made' b'made again'\n"
    folder.chmod(0o700)
    assert len(files(folder)) == 1


# --- the limit --------------------------------------------------------------------------------------------------------


def test_what_was_not_used_for_the_longest_time_goes_first(folder, monkeypatch):
    monkeypatch.setattr(cache, "_SWEPT", 1)
    monkeypatch.setattr(cache, "LIMIT", 100_000)
    now = time.time()
    for n in range(40):
        cached(b"%d" % n, lambda: Compiled(bytes(9_000)))
        if os.path.exists(cache._file(b"%d" % n)):
            os.utime(cache._file(b"%d" % n), (now - 8000 + n, now - 8000 + n))
        assert sum(path.stat().st_size for path in files(folder)) <= 100_000
        if n == 5:
            cached(b"0", never)  # used again, though made first
    kept = {n for n in range(40) if os.path.exists(cache._file(b"%d" % n))}
    assert 0 in kept
    assert kept - {0} == set(range(min(kept - {0}), 40))
    assert len(kept) >= 7


def test_what_is_larger_than_is_sensible_is_not_kept(folder, monkeypatch):
    monkeypatch.setattr(cache, "_LARGEST", 100)
    cached(b"key", lambda: Compiled(bytes(101)))
    assert not folder.exists()


def test_files_of_killed_writers_go_and_those_of_others_stay(folder, monkeypatch):
    monkeypatch.setattr(cache, "_SWEPT", 1)
    cached(b"key", lambda: MADE)
    (path,) = files(folder)
    old, fresh, other = (folder / f"{path.stem}.{n}.1.0.tmp" for n in ("a", "b", "c"))
    other = folder / "notes.txt"
    for p in (old, fresh, other):
        p.write_text("half")
    os.utime(old, (1, 1))
    os.utime(other, (1, 1))
    cached(b"another", lambda: MADE)
    assert not old.exists()
    assert fresh.exists()
    assert other.exists()
    assert cache.contents()[0] == 2
    assert cache.clear()[0] == 2
    assert files(folder) == [other]


# --- several at once --------------------------------------------------------------------------------------------------


def _write_and_read(folder, start, answers):
    os.environ["CHAINRULE_CACHE_DIR"] = str(folder)
    start.wait()
    wrong = 0
    for n in range(200):
        key = b"%d" % (n % 5)
        found = cached(key, lambda: Compiled(key * 5000, {"n": key}))  # noqa: B023
        wrong += found.code != key * 5000 or found.facts != {"n": key}
        if n % 20 == 0:
            cache.clear()
    answers.put(wrong)


def test_several_processes_write_at_once_and_each_reads_what_is_whole(folder):
    context = multiprocessing.get_context("spawn")
    start, answers = context.Event(), context.Queue()
    writers = [context.Process(target=_write_and_read, args=(folder, start, answers)) for _ in range(4)]
    for writer in writers:
        writer.start()
    start.set()
    assert [answers.get(timeout=120) for _ in writers] == [0] * 4
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert not [path for path in files(folder) if path.suffix == ".tmp"]


def test_several_threads_compile_and_load_at_once(folder):
    programs = [simplify(program(n, float(n))) for n in range(2, 10)]
    wrong, ready = [], threading.Barrier(8)

    def work(k):
        ready.wait()
        for n in range(8):
            p = programs[(n + k) % 8]
            x = np.arange(float(p.inputs[0].type.shape[0]))
            (found,) = run.compiled(p)([x])
            if not np.array_equal(found, x * float(len(x))):
                wrong.append((k, n))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(files(folder)) == 16


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_forked_while_another_thread_compiles_compiles_too(folder):
    code = """
        import os, threading, time, warnings
        import numpy as np
        from chainrule.ir import ArrayType, Const, Equation, Program, Var
        from chainrule.native.run import compiled
        from chainrule.ops.op import OPS

        warnings.simplefilter("ignore")  # Python 3.12 warns that there are threads
        os.environ["CHAINRULE_CACHE_DIR"] = ""

        def check(n):
            x, y = Var(ArrayType((n,))), Var(ArrayType((n,)))
            p = Program((x,), (Equation(OPS["multiply"], (x, Const(2.0)), (y,), {}),), (y,))
            assert np.array_equal(compiled(p)([np.ones(n)])[0], np.full(n, 2.0))

        done = False

        def forever():
            n = 0
            while not done:
                n += 1
                check(n)

        others = [threading.Thread(target=forever) for _ in range(3)]
        for thread in others:
            thread.start()
        for n in range(12):
            time.sleep(0.005 * n)
            child = os.fork()
            if child == 0:
                check(100 + n)
                os._exit(7)
            until = time.monotonic() + 60
            while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
                if time.monotonic() > until:
                    os.kill(child, 9)
                    print("a child hangs", flush=True)
                    os._exit(1)
                time.sleep(0.002)
            assert os.waitstatus_to_exitcode(ended[1]) == 7
        done = True
        for thread in others:
            thread.join()
        print("all ended")
    """
    assert python(code, folder) == "all ended\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_finds_every_lock_free(folder):
    code = """
        import os, signal, threading, warnings
        import numpy as np
        import chainrule as cr
        from chainrule import locks

        warnings.simplefilter("ignore")
        kept, held, done = list(locks._locks), threading.Event(), threading.Event()

        def hold():
            for lock in kept:
                lock.__enter__()
            held.set()
            done.wait()
            for lock in kept:
                lock.__exit__(None, None, None)

        holder = threading.Thread(target=hold)
        holder.start()
        held.wait()
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            assert cr.grad(lambda x: np.sum(x * x))(np.ones(3)).tolist() == [2.0] * 3
            os._exit(7)
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        done.set()
        holder.join()
        print(len(kept) > 2, ended)
    """
    assert python(code, folder) == "True 7\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_forked_under_a_lock_gives_it_back():
    script = textwrap.dedent("""
        import os, threading
        from chainrule.locks import Lock

        lock, done = Lock(), []
        with lock:
            child = os.fork()
        with lock:
            pass
        other = threading.Thread(target=lambda: [lock.__enter__(), done.append(1)])
        other.start()
        other.join(5)
        if not child:
            os._exit(len(done))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    """)
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
