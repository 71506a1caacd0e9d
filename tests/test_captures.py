# ruff: noqa: E501  (a row of a table is a line)
"""What a function reads without being passed it: every change is seen by the next call, or refused when recording.

Each row is a module of a user's: its text, then statements that change what `f` reads. After each, the derivative of
the recording must be the derivative of plain NumPy now.
"""

import dataclasses
import itertools
import sys
from textwrap import dedent

import numpy as np
import pytest
from evidence import module, slopes

import chainrule as cr
from chainrule.errors import CaptureError, ChainruleError, LeakError, SideEffectError

W = np.array([0.3, -0.7, 1.1])

SEEN = {
    "a global array, in plain NumPy": (
        """
        X = np.arange(6.0).reshape(2, 3)
        def f(w): return np.sum((X * 2) @ w)
        """,
        ["X[:] = 5", "X[0, 1] = -1", "X = np.ones((4, 3))", "X = np.ones((4, 3), np.float32) / 3", "X = X.T.copy().T",
         "X = np.arange(12).reshape(4, 3)", "X = X.astype(bool)"],
    ),
    "a global array, beside the argument": (
        """
        X = np.arange(3.0)
        def f(w): return np.sum(X * w ** 2)
        """,
        ["X[1] = 9", "X = np.float64(3)", "X = 2.0", "X = 2", "X = np.ones((2, 3))", "X = [1.0, 2.0, 3.0]", "X[0] = 7.0"],
    ),
    "a global number": (
        """
        s = 2.0
        def f(w): return np.sum(w * s)
        """,
        ["s = 3.0", "s = 3", "s = True", "s = np.float32(0.1)", "s = np.array(4.0)", "s[...] = 5.0", "s = -0.0"],
    ),
    "the sign of zero": (
        """
        s = 0.0
        def f(w): return np.sum(w) * np.copysign(1.0, s)
        """,
        ["s = -0.0", "s = 0.0"],
    ),
    "a number that is not a number": (
        """
        s = float("nan")
        def f(w): return np.sum(w) * (1.0 if s != s else s)
        """,
        ["s = 2.0", "s = float('nan')"],
    ),
    "a number with a wide type": (
        """
        n = 2**70
        def f(w): return np.sum(w) * float(n)
        """,
        ["n = 2**71", "n = 1"],
    ),
    "a string mode": (
        """
        mode = "a"
        def f(w): return np.sum(w) if mode == "a" else np.sum(w ** 2)
        """,
        ["mode = 'b'", "mode = 'a'", "mode = None"],
    ),
    "a flag deep in a branch": (
        """
        on, power = False, 2
        def f(w):
            if on:
                w = w ** power
            return np.sum(w)
        """,
        ["on = True", "power = 3", "on = False", "power = 1", "on = 1"],
    ),
    "a global name that is not there yet": (
        """
        def f(w):
            try:
                return np.sum(w * late)
            except NameError:
                return np.sum(w)
        """,
        ["late = 3.0", "del late"],
    ),
    "a global that hides a builtin": (
        """
        def f(w): return np.sum(abs(w))
        """,
        ["abs = np.square", "del abs"],
    ),
    "an enclosing variable": (
        """
        def make():
            X, s = np.ones((2, 3)), 1.0
            def f(w): return np.sum((X * s) @ w)
            def change(x, t):
                nonlocal X, s
                X, s = x, t
            def write(v): X[0] = v
            return f, change, write
        f, change, write = make()
        """,
        ["write(3)", "change(np.full((5, 3), 2.0), 1.0)", "change(np.ones((2, 3)), 4)", "write(0.5)"],
    ),
    "two enclosing functions": (
        """
        def outer():
            X = np.ones(3)
            def middle():
                Y = np.ones(3)
                def f(w): return np.sum(X * Y * w)
                return f, Y
            return *middle(), X
        f, Y, X = outer()
        """,
        ["X[:] = 2", "Y[1] = 5"],
    ),
    "a default": (
        """
        D = np.ones(3)
        def f(w, d=D, s=2.0, *, k=np.ones(3), flag=False): return np.sum(w * d * s * k) + (np.sum(w) if flag else 0)
        """,
        ["D[0] = 4", "f.__defaults__ = (np.arange(3.0), 3.0)", "f.__kwdefaults__['k'][1] = 7",
         "f.__kwdefaults__['flag'] = True", "f.__kwdefaults__ = {'k': np.arange(3.0), 'flag': False}"],
    ),
    "a helper's default": (
        """
        def helper(w, d=np.ones(3), s=1.0): return w * d * s
        def f(w): return np.sum(helper(w))
        """,
        ["helper.__defaults__[0][0] = 4", "helper.__defaults__ = (np.arange(3.0), 3.0)"],
    ),
    "a partial": (
        """
        X = np.ones((2, 3))
        def g(X, w, scale=1.0, power=np.array(1.0)): return np.sum(((X * 2) @ w) ** power) * scale
        f = functools.partial(g, X, scale=2.0, power=np.array(2.0))
        """,
        ["X[0] = 3", "f.keywords['scale'] = 3.0", "f.keywords['power'][...] = 3.0", "f.keywords['power'] = 1"],
    ),
    "a global partial": (
        """
        X = np.ones((2, 3))
        def g(X, w): return np.sum((X * 2) @ w)
        h = functools.partial(g, X)
        def f(w): return h(w)
        """,
        ["X[0] = 3", "h = functools.partial(g, np.ones((4, 3)))"],
    ),
    "a bound method": (
        """
        class Model:
            def __init__(self): self.X, self.scale = np.ones((2, 3)), 1.0
            def predict(self, w): return (self.X * 2) @ w
            def loss(self, w): return np.sum(self.predict(w) ** 2) * self.scale
        model = Model()
        f = model.loss
        """,
        ["model.X[0] = 3", "model.X = np.ones((4, 3))", "model.scale = 2.0", "model.scale = 2",
         "Model.predict = lambda self, w: (self.X * 3) @ w", "model.predict = lambda w: w",
         "del model.predict"],
    ),
    "a class's attributes": (
        """
        class Model:
            X = np.ones(3)
            scale = 1.0
            def loss(self, w): return np.sum((self.X * 2) * w) * self.scale
        model = Model()
        f = model.loss
        """,
        ["Model.X[0] = 3", "Model.X = np.arange(3.0)", "Model.scale = 5.0", "model.scale = 7.0", "del model.scale",
         "model.X = np.full(3, 2.0)"],
    ),
    "a class as a bag of settings": (
        """
        class Config:
            X = np.ones(3)
            scale = 1.0
            mode = "plain"
            class Inner:
                shift = 0.0
        def f(w): return np.sum((Config.X * 2) * w) * Config.scale * (2 if Config.mode == "plain" else 3) + \\
            np.sum(w) * Config.Inner.shift
        """,
        ["Config.X[0] = 3", "Config.X = np.arange(3.0)", "Config.scale = 5.0", "Config.mode = 'other'",
         "Config.Inner.shift = 1.0"],
    ),
    "static methods, class methods, properties": (
        """
        S = 2.0
        class Model:
            bias = np.zeros(3)
            def __init__(self): self._X = np.ones(3)
            @staticmethod
            def square(w): return w ** 2 * S
            @classmethod
            def shifted(cls, w): return w + cls.bias * 2
            @property
            def X(self): return self._X * 2
            def loss(self, w): return np.sum(self.X * self.square(self.shifted(w)))
        model = Model()
        f = model.loss
        """,
        ["S = 3.0", "Model.bias[0] = 1", "Model.bias = np.ones(3)", "model._X[1] = 4",
         "Model.square = staticmethod(lambda w: w ** 3)", "Model.X = property(lambda self: self._X * 5)",
         "Model.shifted = classmethod(lambda cls, w: w)"],
    ),
    "super()": (
        """
        class Base:
            k = 1.0
            def __init__(self): self.X = np.ones(3)
            def loss(self, w): return np.sum((self.X * 2) * w) * self.k
        class Model(Base):
            def __init__(self):
                super().__init__()
                self.s = 2.0
            def loss(self, w): return super().loss(w) * self.s + np.sum(w)
        model = Model()
        def f(w): return model.loss(w)
        """,
        ["model.X[0] = 3", "model.s = 3.0", "Base.k = 4.0", "Base.loss = lambda self, w: np.sum(self.X * w ** 2)",
         "model = Base()", "model = Model()"],
    ),
    "an object that is called": (
        """
        class Loss:
            def __init__(self): self.X = np.ones(3)
            def __call__(self, w): return np.sum((self.X * 2) * w)
        f = Loss()
        """,
        ["f.X[0] = 5", "f.X = np.arange(3.0)", "Loss.__call__ = lambda self, w: np.sum(self.X * w ** 2)"],
    ),
    "a global object in plain NumPy": (
        """
        class Data: pass
        data = Data()
        data.X, data.inner = np.ones((2, 3)), Data()
        data.inner.y = np.ones(2)
        def f(w): return np.sum(((data.X * 2) @ w) * np.exp(data.inner.y))
        """,
        ["data.X[0] = 3", "data.inner.y[1] = 0", "data.inner.y = np.zeros(2)", "data.inner = types.SimpleNamespace(y=np.ones(2))",
         "data.X = np.ones((2, 3), np.float32)"],
    ),
    "an object whose class changes": (
        """
        class A:
            def power(self, w): return w ** 2
        class B:
            def power(self, w): return w ** 3
        a = A()
        def f(w): return np.sum(a.power(w))
        """,
        ["a.__class__ = B", "a.__class__ = A"],
    ),
    "operators of an object": (
        """
        class Table:
            def __init__(self): self.rows = {"a": np.ones(3)}
            def __getitem__(self, key): return self.rows[key] * 2
            def __len__(self): return len(self.rows)
            def __iter__(self): return iter(self.rows.values())
            def __contains__(self, key): return key in self.rows
            def __matmul__(self, w): return self.rows["a"] @ w
            def __getattr__(self, name):
                if name.startswith("__"): raise AttributeError(name)
                return 3.0
        table = Table()
        def f(w):
            total = np.sum(table["a"] * w) + len(table) + (table @ w) * table.anything
            for row in table: total = total + np.sum((row * 3) * w)
            return total * (2 if "b" in table else 1)
        """,
        ["table.rows['a'][0] = 4", "table.rows['b'] = np.arange(3.0)", "table.rows = {'a': np.zeros(3)}",
         "Table.__getattr__ = lambda self, name: 5.0", "Table.__len__ = lambda self: 7",
         "Table.__matmul__ = lambda self, w: w @ w"],
    ),
    "a dataclass": (
        """
        @dataclasses.dataclass
        class Data:
            X: np.ndarray
            s: float = 1.0
            def scaled(self): return self.X * self.s
        data = Data(np.ones(3))
        def f(w): return np.sum(data.scaled() * w)
        """,
        ["data.X[0] = 3", "data.s = 2.0", "data.X = np.arange(3.0)", "data = Data(np.ones(3), 4.0)",
         "data = dataclasses.replace(data, s=-1.0)"],
    ),
    "a frozen dataclass with slots": (
        """
        @dataclasses.dataclass(frozen=True, slots=True)
        class Data:
            X: np.ndarray
            s: float = 1.0
        data = Data(np.ones(3))
        def f(w): return np.sum((data.X * data.s) * w)
        """,
        ["data.X[0] = 3", "data = Data(np.arange(3.0), 2.0)"],
    ),
    "an object with slots": (
        """
        class Data:
            __slots__ = ("X", "s")
        data = Data()
        data.X, data.s = np.ones(3), 1.0
        def f(w): return np.sum((data.X * data.s) * w)
        """,
        ["data.X[0] = 3", "data.X = np.arange(3.0)", "data.s = 2.0"],
    ),
    "a list of arrays": (
        """
        Xs = [np.ones(3), np.ones(3)]
        def f(w):
            total = 0.0
            for X in Xs: total = total + np.sum((X * 2) * w)
            return total * len(Xs)
        """,
        ["Xs[0][1] = 4", "Xs[1] = np.arange(3.0)", "Xs.append(np.full(3, 2.0))", "Xs.reverse(); Xs[0][0] = 3", "Xs.pop()",
         "Xs = (np.ones(3),)", "Xs[0][2] = 8"],
    ),
    "a dict of arrays": (
        """
        d = {"a": np.ones(3), "deep": {"b": [np.ones(3), 1.0]}}
        def f(w): return np.sum((d["a"] * 2) * w) + np.sum(d["deep"]["b"][0] * w) * d["deep"]["b"][1] + len(d)
        """,
        ["d['a'][0] = 3", "d['deep']['b'][1] = 2.0", "d['deep']['b'][0][0] = 7", "d['deep'] = {'b': (np.zeros(3), 0.0)}",
         "d['more'] = 1", "d['a'] = 2.0"],
    ),
    "the order and the keys of a dict": (
        """
        d = {"a": 2.0, "b": 3.0}
        def f(w):
            total = np.sum(w)
            for k, v in d.items(): total = total * v + (1.0 if k == "a" else 2.0)
            return total
        """,
        ["d = {'b': 3.0, 'a': 2.0}", "d['c'] = 1.5", "d['d'] = d.pop('a')", "d.clear()"],
    ),
    "a loop over two lists": (
        """
        layers = [(np.ones((3, 3)) / 3, 0.5), (np.ones((3, 3)) / 2, 0.25)]
        def f(w):
            for A, b in layers: w = np.tanh((A * 2) @ w + b)
            return np.sum(w)
        """,
        ["layers[0][0][:] = 0.2", "layers.append((np.eye(3), 1.0))", "layers[1] = (np.eye(3), 0.0)", "layers.reverse()"],
    ),
    "a named tuple": (
        """
        P = collections.namedtuple("P", "X s")
        p = P(np.ones(3), 1.0)
        def f(w): return np.sum((p.X * 2) * w) * p.s
        """,
        ["p.X[0] = 3", "p = P(np.arange(3.0), 2.0)"],
    ),
    "containers of other kinds": (
        """
        space = types.SimpleNamespace(X=np.ones(3), s=1.0)
        ordered = collections.OrderedDict(a=np.ones(3))
        default = collections.defaultdict(lambda: 2.0, a=np.ones(3))
        queue = collections.deque([np.ones(3)])
        chain = collections.ChainMap({"a": 1.0}, {"b": 2.0})
        proxy_of = {"a": 1.0}
        proxy = types.MappingProxyType(proxy_of)
        def f(w):
            return np.sum((space.X * space.s) * w) + np.sum((ordered["a"] * 2) * w) + np.sum((default["a"] * 2) * w) + \\
                np.sum((queue[0] * 2) * w) + np.sum(w) * chain["a"] * proxy["a"]
        """,
        ["space.X[0] = 3", "space.s = 2.0", "ordered['a'][1] = 5", "ordered['a'] = np.zeros(3)", "default['a'][2] = 4",
         "queue[0][0] = 9", "queue.appendleft(np.zeros(3))", "chain['a'] = 4.0", "proxy_of['a'] = 8.0"],
    ),
    "a set of numbers": (
        """
        chosen = {0, 1}
        def f(w): return sum(w[i] ** 2 for i in sorted(chosen)) * (5 if 2 in chosen else 1)
        """,
        ["chosen.add(2)", "chosen.discard(0)", "chosen = frozenset({1})"],
    ),
    "numbers that are not floats": (
        """
        import fractions, decimal
        a, b, c = fractions.Fraction(1, 3), bytearray(b"ab"), complex(1, 2)
        def f(w): return np.sum(w) * float(a) * b[0] * c.imag
        """,
        ["a = fractions.Fraction(1, 2)", "b[0] = 3", "b = bytearray(b'z')", "c = complex(1, 3)"],
    ),
    "an array of Python's own": (
        """
        import array
        a = array.array("d", [1.0, 2.0, 3.0])
        def f(w): return np.sum(w * np.array(a)) + w[0] * a[1]
        """,
        ["a[0] = 9.0", "a[1] = 5.0", "a.append(1.0); a.pop(); a[2] = 4.0"],
    ),
    "an iterator's data": (
        """
        m = memoryview(bytearray(np.ones(3).tobytes())).cast("d")
        def f(w): return np.sum(w * np.asarray(m))
        """,
        ["m[0] = 4.0"],
    ),
    "an enumeration": (
        """
        import enum
        class Mode(enum.Enum):
            FAST = 1
            SLOW = 2
        mode = Mode.FAST
        def f(w): return np.sum(w) if mode is Mode.FAST else np.sum(w ** 2) * Mode.SLOW.value
        """,
        ["mode = Mode.SLOW", "mode = Mode.FAST", "mode = Mode(2)"],
    ),
    "a helper of the same module": (
        """
        k = 2.0
        def inner(w): return w ** 2 * k
        def helper(w): return inner(w) * 3
        def f(w): return np.sum(helper(w))
        """,
        ["k = 5.0", "def inner(w): return w", "def helper(w): return inner(w) * k", "helper = np.exp",
         "helper = lambda w: w * k", "k = 1.0"],
    ),
    "the code of a helper": (
        """
        def helper(w): return w ** 2
        def other(w): return w ** 3
        def f(w): return np.sum(helper(w))
        """,
        ["helper.__code__ = other.__code__"],
    ),
    "the code of the function itself": (
        """
        def f(w): return np.sum(w ** 2)
        def other(w): return np.sum(w ** 3)
        """,
        ["f.__code__ = other.__code__"],
    ),
    "an attribute of a function": (
        """
        def helper(w): return w * helper.scale
        helper.scale = 1.0
        def f(w): return np.sum(helper(w)) * f.power
        f.power = 2.0
        """,
        ["helper.scale = 3.0", "f.power = 4.0", "helper.scale = np.arange(3.0)"],
    ),
    "a decorated function": (
        """
        scale = 2.0
        def scaled(g):
            @functools.wraps(g)
            def wrapper(*args, **options): return g(*args, **options) * scale
            return wrapper
        X = np.ones(3)
        @scaled
        @scaled
        def f(w): return np.sum((X * 2) * w)
        """,
        ["scale = 3.0", "X[0] = 4"],
    ),
    "a chosen function in a dict": (
        """
        A = np.ones(3)
        table = {"tanh": np.tanh, "mine": lambda w: w * (A * 2)}
        key = "tanh"
        def f(w): return np.sum(table[key](w))
        """,
        ["key = 'mine'", "A[0] = 4", "table['mine'] = np.exp", "key = 'tanh'", "table['tanh'] = lambda w: w ** 2"],
    ),
    "recursion": (
        """
        X = np.ones(3)
        depth = 3
        def power(w, n): return w * (X * 1.0) if n == 0 else w * power(w, n - 1)
        def f(w):
            def count(n): return 0.0 if n == 0 else np.sum(power(w, n)) + count(n - 1)
            return count(depth)
        """,
        ["X[0] = 2", "depth = 4", "def power(w, n): return w * n"],
    ),
    "lambdas and comprehensions": (
        """
        Xs, k = [1.0, 2.0], 2
        g = lambda w: [x * w ** k for x in Xs]
        f = lambda w: sum(np.sum(v) for v in g(w)) + sum({i: np.sum(w) * Xs[i] for i in range(len(Xs))}.values())
        """,
        ["Xs[0] = 5.0", "k = 3", "Xs.append(1.0)", "g = lambda w: [w]"],
    ),
    "generator functions": (
        """
        X, n = np.ones(3), 2
        def rows(w):
            for i in range(n):
                yield (X * i) * w
        def both(w):
            yield from rows(w)
            yield w
        def f(w): return sum(np.sum(r) for r in both(w))
        """,
        ["X[0] = 2", "n = 4", "def rows(w): yield w ** 2"],
    ),
    "a class defined inside": (
        """
        X = np.ones(3)
        def f(w):
            class Inner:
                scale = X[0] * 2
                def __init__(self, v): self.v = v
                def value(self): return np.sum((X * 2) * self.v) * self.scale
            return Inner(w).value()
        """,
        ["X[0] = 2", "X = np.arange(3.0) + 1"],
    ),
    "an object made inside of a class outside": (
        """
        class Layer:
            gain = 1.0
            def __init__(self, w): self.w = w
            def out(self): return np.sum(self.w ** 2) * self.gain * self.extra()
            def extra(self): return 1.0
        class Deep(Layer):
            def extra(self): return super().extra() * 2.0
        def f(w): return Deep(w).out() + (1.0 if isinstance(Deep(w), Layer) else 0.0)
        """,
        ["Layer.gain = 3.0", "Layer.extra = lambda self: 4.0", "Deep.extra = lambda self: 1.0", "Deep = Layer"],
    ),
    "eval and globals()": (
        """
        X = np.ones(3)
        def f(w): return np.sum(eval("(X * 2) * w")) + np.sum(globals()["X"] * w)
        """,
        ["X[0] = 3", "X = np.arange(3.0)"],
    ),
    "vars() and getattr": (
        """
        class Bag: pass
        bag = Bag()
        bag.a, bag.b = 1.0, np.ones(3)
        def f(w): return np.sum(getattr(bag, "b") * 2 * w) * sum(v for v in vars(bag).values() if isinstance(v, float))
        """,
        ["bag.b[0] = 4", "bag.a = 2.0", "bag.c = 3.0", "del bag.c", "bag.b = np.zeros(3)"],
    ),
    "a cached property": (
        """
        class Model:
            def __init__(self): self.X = np.ones(3)
            @functools.cached_property
            def doubled(self): return self.X * 2
        model = Model()
        def f(w): return np.sum(model.doubled * w)
        """,
        ["model.doubled[0] = 5", "model.X[0] = 3; model.__dict__.pop('doubled', None)"],
    ),
    "a remembered result": (
        """
        X = np.ones(3)
        @functools.lru_cache(maxsize=None)
        def weights(n): return X * n
        def f(w): return np.sum(weights(2) * w)
        """,
        ["X[0] = 3; weights.cache_clear()", "weights(2)[1] = 7.0"],
    ),
    "a function chosen by type": (
        """
        X = np.ones(3)
        @functools.singledispatch
        def weights(n): return X * 2
        @weights.register
        def _(n: int): return X * n
        def f(w): return np.sum(weights(3) * w) + np.sum(weights("a") * w)
        """,
        ["X[0] = 3", "weights.register(int, lambda n: X * 7)"],
    ),
    "a with block": (
        """
        import contextlib
        X = np.ones(3)
        @contextlib.contextmanager
        def doubled():
            yield X * 2
        def f(w):
            with doubled() as A: return np.sum(A * w)
        """,
        ["X[0] = 3", "X = np.arange(3.0)"],
    ),
    "functions handed to Python's own": (
        """
        import itertools, operator
        X, k = np.ones(3), 2.0
        def double(w): return (X * k) * w
        class Holder: pass
        holder = Holder()
        holder.double = double
        call = operator.attrgetter("double")
        def f(w):
            a = functools.reduce(lambda p, q: p + q, map(double, [w, w ** 2]))
            b = list(itertools.accumulate([w, w], lambda p, q: p * q * k))
            return np.sum(a) + np.sum(b[-1]) + np.sum(call(holder)(w)) + np.sum(max([w], key=lambda v: k))
        """,
        ["X[0] = 3", "k = 4.0", "holder.double = lambda w: w"],
    ),
    "a partial of a partial, and a partial method": (
        """
        X = np.ones(3)
        def g(a, b, w): return np.sum((a * b) * w)
        one = functools.partial(g, X)
        two = functools.partial(one, X)
        class M:
            s = 3.0
            def scaled(self, k, w): return w * k * self.s
            thrice = functools.partialmethod(scaled, 3.0)
        m = M()
        def f(w): return two(w) + np.sum(m.thrice(w))
        """,
        ["X[0] = 3", "M.s = 5.0", "M.scaled = lambda self, k, w: w"],
    ),
    "the same array under two names": (
        """
        A = np.ones(3)
        B = A
        def f(w): return np.sum((A * 2) * w) + np.sum((B * 3) * w ** 2)
        """,
        ["A[0] = 3", "B = np.arange(3.0)", "A = B", "B = B.copy(); B[0] = 9"],
    ),
    "a view of an array": (
        """
        A = np.ones((2, 3))
        row = A[0]
        def f(w): return np.sum((row * 2) * w) + np.sum((A * 3) @ w)
        """,
        ["A[0, 0] = 3", "row[1] = 7", "row = A[1]", "A[1, 2] = 9"],
    ),
    "numbers in an array": (
        """
        order = np.array([2, 0, 1])
        mask = np.array([True, False, True])
        n = np.array(2)
        def f(w): return np.sum(w[order][:n] * (order[:n] + 1)) + np.sum(w[mask] ** 2)
        """,
        ["order[:] = [0, 1, 2]", "mask[1] = True", "n[...] = 3", "mask = np.array([0, 1])", "order = order.astype(np.int32)"],
    ),
    "an object that refers to itself": (
        """
        class Node: pass
        a, b = Node(), Node()
        a.other, b.other, a.me, a.X, b.s = b, a, a, np.ones(3), 2.0
        def f(w): return np.sum((a.me.other.other.X * a.other.s) * w)
        """,
        ["a.X[0] = 3", "b.s = 4.0", "b.other = b; b.X = np.zeros(3)"],
    ),
    "a list that holds itself": (
        """
        xs = [2.0]
        xs.append(xs)
        def f(w): return np.sum(w) * xs[1][1][0]
        """,
        ["xs[0] = 3.0"],
    ),
    "an object behind a descriptor": (
        """
        class Scaled:
            def __init__(self, k): self.k = k
            def __get__(self, obj, cls): return obj.base * self.k
        class M:
            X = Scaled(2.0)
            def __init__(self): self.base = np.ones(3)
        m = M()
        def f(w): return np.sum(m.X * w)
        """,
        ["m.base[0] = 5", "M.X = Scaled(3.0)", "M.__dict__['X'].k = 7.0"],
    ),
    "an object that computes every attribute": (
        """
        values = {"a": np.ones(3)}
        class M:
            def __getattribute__(self, name):
                return values[name] * 2 if name in values else object.__getattribute__(self, name)
        m = M()
        def f(w): return np.sum(m.a * w)
        """,
        ["values['a'][0] = 5", "values['a'] = np.arange(3.0)"],
    ),
    "a class with a metaclass": (
        """
        class Meta(type):
            k = 2.0
            def make(cls, w): return w * cls.k * cls.j
        class M(metaclass=Meta):
            j = 3.0
        def f(w): return np.sum(M.make(w))
        """,
        ["M.j = 4.0", "Meta.k = 5.0", "Meta.make = lambda cls, w: w"],
    ),
    "an abstract class": (
        """
        import abc
        class Base(abc.ABC):
            @abc.abstractmethod
            def g(self, w): ...
            def loss(self, w): return np.sum(self.g(w))
        class M(Base):
            k = 2.0
            def g(self, w): return w * self.k
        m = M()
        def f(w): return m.loss(w)
        """,
        ["M.k = 3.0", "M.g = lambda self, w: w ** 2"],
    ),
    "a generic class": (
        """
        from typing import Generic, TypeVar
        T = TypeVar("T")
        class Box(Generic[T]):
            def __init__(self, x): self.x = x
            def get(self): return self.x * 2
        box = Box(np.ones(3))
        def f(w): return np.sum(box.get() * w)
        """,
        ["box.x[0] = 3", "box.x = np.arange(3.0)"],
    ),
    "an object like an array": (
        """
        class Frame:
            def __init__(self): self.values = np.ones(3)
            def __array__(self, dtype=None, copy=None): return np.asarray(self.values, dtype)
        frame = Frame()
        def f(w): return np.sum(w * np.asarray(frame)) + np.sum(w ** 2 * frame.values)
        """,
        ["frame.values[0] = 3", "frame.values = np.arange(3.0)"],
    ),
    "a polynomial": (
        """
        from numpy.polynomial import Polynomial
        p = Polynomial([1.0, 2.0])
        def f(w): return np.sum(w * p.coef)  if len(p.coef) == 3 else np.sum(w) * p.coef[1]
        """,
        ["p.coef[1] = 5.0", "p = Polynomial([1.0, 2.0, 3.0])", "p.coef = np.array([1.0, 3.0])"],
    ),
    "a user's list": (
        """
        class Stack(list):
            def total(self): return sum(self)
        s = Stack([1.0, 2.0])
        class Map(dict): pass
        m = Map(a=2.0)
        def f(w): return np.sum(w) * s.total() * m["a"]
        """,
        ["s.append(4.0)", "s[0] = 9.0", "m['a'] = 3.0"],
    ),
    "a string of a user's class": (
        """
        class Name(str): pass
        class Count(int): pass
        class Rate(float): pass
        name, count, rate = Name("a"), Count(2), Rate(0.5)
        def f(w): return np.sum(w ** count) * rate * (2.0 if name == "a" else 3.0)
        """,
        ["name = Name('b')", "count = Count(3)", "rate = Rate(0.25)"],
    ),
    "two parents of the user's": (
        """
        class Loss:
            k = 1.0
            def loss(self, w):
                a = np.zeros(3)
                a[0] = w[1] * math.sin(w[0])
                return np.sum(self.scale() * w * self.X * 2) + np.sum(a) + (1.0 if isinstance(w, np.ndarray) else 100.0)
        class Scaled:
            s = 2.0
            def scale(self): return self.s * self.k
        class Model(Loss, Scaled):
            def __init__(self): self.X = np.ones(3)
        model = Model()
        def f(w): return model.loss(w)
        """,
        ["model.X[0] = 3", "Scaled.s = 4.0", "Loss.k = 3.0", "Scaled.scale = lambda self: 7.0", "model.s = 1.0"],
    ),
    "a diamond": (
        """
        class A:
            def g(self, w): return np.sum(w)
        class B(A):
            def g(self, w): return super().g(w) * 2
        class C(A):
            def g(self, w): return super().g(w) + np.sum(w ** 2)
        class D(B, C):
            def g(self, w): return super().g(w) * 3
        d = D()
        f = d.g
        """,
        ["C.g = lambda self, w: 1.0 * np.sum(w ** 3)", "A.g = lambda self, w: 5.0", "del B.g"],
    ),
    "an enumeration's method": (
        """
        import enum
        k = 2.0
        class Mode(enum.Enum):
            LIN = 1
            SQ = 2
            def apply(self, w):
                if not isinstance(w, np.ndarray): return 100.0
                return np.sum(w * k) if self is Mode.LIN else np.sum(w ** 2) * k
        mode = Mode.LIN
        def f(w): return mode.apply(w) * len(Mode)
        """,
        ["k = 3.0", "mode = Mode.SQ"],
    ),
    "a property that hides what is stored under its name": (
        """
        class M:
            def __init__(self): self.__dict__["X"] = np.ones(3)
            @property
            def X(self): return self.__dict__["X"] * 2
        m = M()
        def f(w): return np.sum(m.X * w)
        """,
        ["m.__dict__['X'][0] = 5", "m.__dict__['X'] = np.arange(3.0)"],
    ),
    "what a module does not have yet": (
        """
        import string
        def f(w): return np.sum(w) * getattr(string, "chainrule_late", 1.0) + (1.0 if hasattr(string, "chainrule_late") else 2.0)
        """,
        ["string.chainrule_late = 5.0", "del string.chainrule_late"],
    ),
    "a table by class and by object": (
        """
        class A: pass
        class B(A): pass
        @dataclasses.dataclass(frozen=True)
        class Key:
            n: int
        a, b, key = A(), B(), Key(1)
        rates = {A: 2.0, B: 3.0}
        weights = {a: 5.0, b: 7.0}
        bonus = {Key(1): 11.0}
        def f(w): return np.sum(w) * rates.get(type(a), 1.0) * weights.get(a, 1.0) * bonus.get(key, 1.0) + rates[B] * weights[b]
        """,
        ["rates[A] = 4.0", "weights[a] = 6.0", "bonus[Key(1)] = 12.0", "a = b", "key = Key(2)"],
    ),
    "an object in a list and in a set": (
        """
        class A: pass
        a, b = A(), A()
        members, chosen = [a], {a}
        def f(w): return np.sum(w) * (2.0 if a in members else 3.0) * (5.0 if a in chosen else 7.0) * (1.0 if members[0] is a else 11.0)
        """,
        ["members[0] = b", "chosen.remove(a)", "a = b"],
    ),
    "the subclasses of a class": (
        """
        class Term:
            weight = 1.0
        class One(Term): weight = 2.0
        class Two(Term): weight = 3.0
        def f(w): return np.sum(w) * sum(c.weight for c in Term.__subclasses__())
        """,
        ["One.weight = 5.0"],
    ),
    "a text buffer": (
        """
        import io
        buffer = io.StringIO("2.0")
        def f(w): return np.sum(w) * float(buffer.getvalue())
        """,
        ["buffer = io.StringIO('3.0')", "buffer.seek(0); buffer.write('4.0')"],
    ),
    "a record": (
        """
        r = np.zeros(1, [("a", float), ("b", float, 3)])[0]
        def f(w): return np.sum(w) * (r["a"] + 1) + np.sum(r["b"] * w)
        """,
        ["r['a'] = 5.0", "r['b'][0] = 2.0"],
    ),
    "a function chosen by the type of a stand-in": (
        """
        @functools.singledispatch
        def g(x): return np.sum(x) * 5.0
        @g.register(np.ndarray)
        def _(x): return np.sum(x) * 2.0
        def f(w): return g(w)
        """,
        ["g.register(np.ndarray, lambda x: np.sum(x ** 2))"],
    ),
    "match on a class": (
        """
        k = 1.0
        def g(v):
            match v:
                case np.ndarray(): return np.sum(v) * 2.0
                case float(): return v * 3.0
                case _: return np.sum(v) * 5.0
        def f(w): return g(w) * k + g(w[0]) + g(w[0:1])
        """,
        ["k = 2.0"],
    ),
    "the class of a stand-in": (
        """
        k = 1.0
        def f(w): return np.sum(w) * (2.0 if w.__class__ is np.ndarray else 5.0) * (3.0 if w.__class__.__name__ == "ndarray" else 7.0) * k
        """,
        ["k = 2.0"],
    ),
    "a lock, a log, a warning, a print": (
        """
        import logging, threading, warnings
        lock, log, k = threading.Lock(), logging.getLogger("chainrule_test"), 2.0
        class Model:
            def __init__(self): self.lock, self.log = threading.RLock(), log
            def loss(self, w):
                with self.lock, lock:
                    self.log.debug("here %s", w)
                    logging.getLogger("chainrule_test").debug("there")
                    print(end="")
                    return np.sum(w) * k
        model = Model()
        def f(w): return model.loss(w)
        """,
        ["k = 3.0"],
    ),
    "a logger's level": (
        """
        import logging
        log = logging.getLogger("chainrule_level")
        log.setLevel(10)
        def f(w): return np.sum(w) * log.level
        """,
        ["log.setLevel(20)"],
    ),
    "copies of an object": (
        """
        import copy
        class A: pass
        a = A()
        a.X, a.inner = np.ones(3), [np.ones(3)]
        def f(w):
            b, c = copy.copy(a), copy.deepcopy(a)
            c.inner[0] = c.inner[0] * 3
            b.X = b.X * 2
            return np.sum(b.X * w) + np.sum(c.inner[0] * w) + np.sum((a.inner[0] * 2) * w) + np.sum(copy.deepcopy(w) * copy.copy(w))
        """,
        ["a.X[0] = 4", "a.inner[0][1] = 5"],
    ),
    "a path": (
        """
        import pathlib, re, datetime, decimal, uuid
        path, pattern, day, u = pathlib.PurePosixPath("a/b.txt"), re.compile("a+"), datetime.date(2020, 1, 2), uuid.UUID(int=5)
        def f(w): return np.sum(w) * len(path.parts) * len(pattern.findall("aab")[0]) * day.day * u.int
        """,
        ["path = path / 'c'", "day = datetime.date(2020, 1, 3)", "pattern = re.compile('a')", "u = uuid.UUID(int=6)"],
    ),
    "a typed container": (
        """
        from typing import NamedTuple, TypedDict
        class P(NamedTuple):
            X: np.ndarray
            s: float = 1.0
            def scaled(self): return self.X * self.s
        class T(TypedDict):
            X: np.ndarray
        p, t = P(np.ones(3)), T(X=np.ones(3))
        def f(w): return np.sum(p.scaled() * w) + np.sum((t["X"] * 2) * w) + np.sum(p._replace(s=3.0).scaled() * w)
        """,
        ["p.X[0] = 4", "p = P(np.ones(3), 2.0)", "t['X'][0] = 5", "P.scaled = lambda self: self.X * 9"],
    ),
    "a class made by a function": (
        """
        def make(k):
            class M:
                scale = k
                def loss(self, w): return np.sum(w) * self.scale * k
            return M
        M = make(2.0)
        m = M()
        def f(w): return m.loss(w) + M().loss(w)
        """,
        ["M.scale = 3.0", "m = make(5.0)()", "M = make(7.0)"],
    ),
    "a class that counts its instances in slots": (
        """
        class V:
            __slots__ = ("x", "__secret")
            def __init__(self, x): self.x, self.__secret = x, 2.0
            def out(self): return self.x * self.__secret
            def set(self, v): self.__secret = v
        v = V(np.ones(3))
        def f(w): return np.sum(v.out() * w)
        """,
        ["v.x[0] = 4", "v.set(5.0)", "v = V(np.zeros(3))"],
    ),
    "arithmetic of a user's number": (
        """
        class Dual:
            def __init__(self, a, b): self.a, self.b = a, b
            def __add__(self, o): return Dual(self.a + o.a, self.b + o.b)
            def __mul__(self, o): return Dual(self.a * o.a, self.a * o.b + self.b * o.a)
            __array_priority__ = 10000
        k = Dual(2.0, np.ones(3))
        def f(w):
            d = Dual(w, np.ones(3)) * k + k
            return np.sum(d.a) + np.sum(d.b * w)
        """,
        ["k.b[0] = 3", "k.a = 5.0", "Dual.__add__ = lambda self, o: self"],
    ),
    "an object on the left of a stand-in": (
        """
        class Matrix:
            def __init__(self): self.A = np.ones((3, 3))
            def __matmul__(self, w): return (self.A * 2) @ w
            def __mul__(self, w): return np.sum(self.A) * w
            def __rmul__(self, w): return np.sum(self.A) * w * 10
            __array_ufunc__ = None
        A = Matrix()
        def f(w): return np.sum(A @ w) + np.sum(A * w) + np.sum(w * A)
        """,
        ["A.A[0, 0] = 5", "A.A = np.zeros((3, 3))"],
    ),
    "a file of settings that was read outside": (
        """
        import json, configparser
        settings = json.loads('{"a": {"k": 2.0, "xs": [1, 2]}}')
        def f(w): return np.sum(w) * settings["a"]["k"] * sum(settings["a"]["xs"])
        """,
        ["settings['a']['k'] = 3.0", "settings['a']['xs'].append(5)"],
    ),
}  # fmt: skip


# Rows where saying no is as good as being right; being stale is not.
REFUSABLE = {
    "eval and globals()", "a remembered result", "a function chosen by type", "a list that holds itself", "an iterator's data", "an array of Python's own",
    "the subclasses of a class", "a text buffer", "a record", "a logger's level", "a function chosen by the type of a stand-in",
    "an object that computes every attribute", "a polynomial", "match on a class", "the class of a stand-in", "a cached property", "numbers that are not floats",
}  # fmt: skip


def check(gradient, f, w=W, *, refusable=False, also=lambda f, w: 0.0):
    """Value and gradient are those of plain NumPy now; or, where that is allowed, a letter that says no."""
    try:
        value, slope = gradient(w)
    except (CaptureError, SideEffectError) as refusal:
        if refusable and refusal.hint:
            return
        raise
    np.testing.assert_allclose(value, f(w) + also(f, w), rtol=1e-8)
    if also(f, w) == 0:
        np.testing.assert_allclose(slope, slopes(f, w), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", SEEN)
def test_the_next_call_sees_every_change_of_what_a_function_reads(name):
    source, changes = SEEN[name]
    user = module(source)
    gradient = cr.value_and_grad(user.f)
    see(gradient, user, changes, refusable=name in REFUSABLE)


def see(gradient, user, changes, **options):
    """Two calls (the second finds the recording that was kept), then two after each change."""
    before = user.f(W)
    changed = False
    for change in [None, *changes]:
        if change is not None:
            exec(change, user.__dict__)
        check(gradient, user.f, **options)
        check(gradient, user.f, **options)
        changed |= bool(user.f(W) != before)
    assert changed, "these changes change nothing: the row proves nothing"


@pytest.mark.parametrize("name", SEEN)
def test_a_derivative_inside_a_recorded_function_sees_them_too(name):
    source, changes = SEEN[name]
    user = module(dedent(source) + "import chainrule as cr\ndef outer(w): return f(w) + np.sum(cr.grad(f)(w))\n")
    also = lambda f, w: np.sum(slopes(f, w))  # noqa: E731
    see(cr.value_and_grad(user.outer), user, changes, refusable=name in REFUSABLE, also=also)


@pytest.mark.parametrize("name", SEEN)
def test_rows_see_them_too(name):
    source, changes = SEEN[name]
    user = module(source)
    rows = cr.vmap(lambda w: cr.value_and_grad(user.f)(w))
    see(lambda w: [y[1] for y in rows(np.stack([2 * w, w]))], user, changes, refusable=name in REFUSABLE)


# --- other modules ------------------------------------------------------------------------------------------------------

HELPERS = """
    from settings_{n} import scale
    import settings_{n} as settings
    A = np.ones(3)
    k = 2.0
    def inner(w): return w * (A * k) * scale
    def helper(w): return inner(w) * settings.rate
    class Layer:
        bias = 1.0
        def __init__(self): self.B = np.ones(3)
        def out(self, w): return (self.B * 2) * w + self.bias
    layer = Layer()
"""


_count = itertools.count()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Three files of a user's that import each other, in a folder on the path; removed afterwards."""
    n = next(_count)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / f"settings_{n}.py").write_text("scale, rate = 1.0, 1.0\n")
    folder = tmp_path / f"package_{n}"
    folder.mkdir()
    (folder / "__init__.py").write_text("from .deep import value\nfrom . import deep\n")
    (folder / "deep.py").write_text("import numpy as np\nvalue = np.ones(3)\ndef twice(w): return w * (value * 2)\n")
    module(HELPERS.format(n=n), tmp_path, f"helpers_{n}")
    user = module(
        f"""
        import helpers_{n} as helpers, settings_{n} as settings, package_{n} as package, package_{n}.deep
        from helpers_{n} import helper, layer
        from package_{n}.deep import twice
        def f(w):
            import helpers_{n} as again
            from helpers_{n} import inner
            return (
                np.sum(helpers.helper(w)) + np.sum(helper(w)) + np.sum(layer.out(w)) + np.sum((helpers.layer.B * 3) * w)
                + np.sum((helpers.A * 2) * w) * settings.rate + np.sum(twice(w) * again.k) + np.sum(inner(w))
                + np.sum((package.value * 2) * w) + np.sum((package.deep.value * 3) * package.deep.twice(w))
            )
        """,
        tmp_path,
        f"user_{n}",
    )
    yield user
    for name in [
        m for m in sys.modules if f"{m}.".rpartition("_")[2].partition(".")[0] == str(n) and not m.startswith("users")
    ]:
        del sys.modules[name]


@pytest.mark.parametrize(
    "change",
    [
        "helpers.A[0] = 3", "helpers.A = np.arange(3.0)", "helpers.k = 5.0", "settings.scale = 4.0", "helpers.scale = 4.0",
        "settings.rate = 3.0", "helpers.layer.B[0] = 3", "helpers.layer = helpers.Layer(); helpers.layer.B = np.zeros(3)",
        "helpers.Layer.bias = 4.0", "helpers.Layer.out = lambda self, w: w", "helpers.helper = np.square",
        "helpers.inner = lambda w: w ** 2", "helper = lambda w: w ** 2", "helpers = types.SimpleNamespace(**vars(helpers)); "
        "helpers.A = np.zeros(3)", "package.value = np.zeros(3)", "package.value[0] = 7", "package.deep.value = np.arange(3.0)",
        "package.deep.twice = np.exp", "del settings.rate; settings.rate = 9.0", "helpers.np = types.SimpleNamespace()",
    ],
)  # fmt: skip
def test_changes_in_other_modules_are_seen(package, change):
    gradient = cr.value_and_grad(package.f)
    check(gradient, package.f)
    check(gradient, package.f)
    exec(change, package.__dict__)
    check(gradient, package.f)
    check(gradient, package.f)


# --- what can't be watched ------------------------------------------------------------------------------------------------

BIG = "X = np.arange(30000.0).reshape(10000, 3) / 1e4\n"
HIDDEN = {
    "in slots": ("class S: __slots__ = ('X',)\ns = S(); s.X = X\ndef f(w): return np.sum((s.X * 2) @ w)", "s.X[0] = 9"),
    "in an object array": ("o = np.empty(1, object); o[0] = X\ndef f(w): return np.sum((o[0] * 2) @ w)", "o[0][0] = 9"),
    "in an iterator": ("it = [X]\nclass R:\n  def __init__(self): self.i = iter(it)\n"
                       "r = R()\ndef f(w): return np.sum((next(iter(it)) * 2) @ w)", "X[0] = 9"),
    "in a deque": ("q = collections.deque([X])\ndef f(w): return np.sum((q[0] * 2) @ w)", "X[0] = 9"),
    "in a mapping proxy": ("p = types.MappingProxyType({'X': X})\ndef f(w): return np.sum((p['X'] * 2) @ w)", "X[0] = 9"),
    "in a UserDict": ("p = collections.UserDict(X=X)\ndef f(w): return np.sum((p['X'] * 2) @ w)", "X[0] = 9"),
    "in a subclass of dict": ("class D(dict): pass\np = D(X=X)\ndef f(w): return np.sum((p['X'] * 2) @ w)", "X[0] = 9"),
    "in a namespace": ("p = types.SimpleNamespace(X=X)\ndef f(w): return np.sum((p.X * 2) @ w)", "X[0] = 9"),
    "in a weak reference": ("import weakref\np = weakref.ref(X)\ndef f(w): return np.sum((p() * 2) @ w)", "X[0] = 9"),
    "in a getter": ("import operator\ng = operator.itemgetter(0)\nxs = [X]\ndef f(w): return np.sum((g(xs) * 2) @ w)", "X[0] = 9"),
    "in a remembered result": ("@functools.lru_cache\ndef g(): return X\ndef f(w): return np.sum((g() * 2) @ w)", "X[0] = 9"),
    "in a thread's local": ("import threading\np = threading.local(); p.X = X\ndef f(w): return np.sum((p.X * 2) @ w)", "X[0] = 9"),
    "in a context variable": ("import contextvars\np = contextvars.ContextVar('p'); p.set(X)\ndef f(w): return np.sum((p.get() * 2) @ w)", "X[0] = 9"),
    "in a record array": ("p = np.zeros(10000, [('a', float, 3)])\ndef f(w): return np.sum((p['a'] + 2) @ w)", "p['a'][0] = 9"),
    "in a subclass of ndarray": ("class A(np.ndarray): pass\np = X.view(A)\ndef f(w): return np.sum((p * 2) @ w)", "X[0] = 9"),
    "in a masked array": ("p = np.ma.masked_array(X)\ndef f(w): return np.sum((np.asarray(p) * 2) @ w)", "X[0] = 9"),
    "in a matrix of complex numbers": ("p = X + 0j\ndef f(w): return np.sum((p.real * 2) @ w)", "p[0] = 9"),
    "in an array of dates": ("p = np.zeros((10000, 3), 'M8[s]')\ndef f(w): return np.sum((p.astype(int) + 2.0) @ w)", "p[0] = 9"),
    "in a byte array": ("p = bytearray(X.tobytes())\ndef f(w): return np.sum((np.frombuffer(p).reshape(-1, 3) * 2) @ w)", "p[:8] = b'12345678'[::-1]; p[7] = 0x3f"),
    "in a sparse matrix": ("import scipy.sparse\nS = scipy.sparse.csr_matrix(X)\ndef f(w): return np.sum((S.toarray() * 2) @ w)", "S.data[0] = 9"),
    "in a frame": ("class Frame:\n  def __init__(self): self._v = X\n  def __array__(self, dtype=None, copy=None): return self._v\n"
                   "p = Frame()\ndef f(w): return np.sum((np.asarray(p) * 2) @ w)", "X[0] = 9"),
    "in a wrapper with slots in a list": ("class S: __slots__ = ('X',)\ns = S(); s.X = X\nxs = [(s, 1)]\ndef f(w): return np.sum((xs[0][0].X * 2) @ w)", "X[0] = 9"),
    "in a closure of Python's own": ("import contextlib\n@contextlib.contextmanager\ndef c(Y=X): yield Y * 2\n"
                                     "def f(w):\n  with c() as Z: return np.sum(Z @ w)", "X[0] = 9"),
    "in a bound method of an array": ("g = X.dot\nh = X.sum\ndef f(w): return np.sum(g(np.ones(3)) ** 2 * w[0]) * h()", "X[0] = 9"),
    "in a bound method of a list": ("g = [X].__getitem__\ndef f(w): return np.sum((g(0) * 2) @ w)", "X[0] = 9"),
    "in a partial of a NumPy function": ("g = functools.partial(np.multiply, X)\ndef f(w): return np.sum(g(2.0) @ w)", "X[0] = 9"),
    "in an attribute of a function": ("def g(): return g.X * 2\ng.X = X\ndef f(w): return np.sum(g() @ w)", "X[0] = 9"),
    "in a class": ("class C: X = X\ndef f(w): return np.sum((C.X * 2) @ w)", "X[0] = 9"),
    "in a long list of numbers": ("xs = X.ravel().tolist()\ndef f(w): return np.sum((np.array(xs).reshape(-1, 3) * 2) @ w)", "xs[0] = 9.0"),
    "in ctypes": ("import ctypes\np = (ctypes.c_double * 30000)(*X.ravel())\ndef f(w): return np.sum((np.ctypeslib.as_array(p).reshape(-1, 3) * 2) @ w)", "p[0] = 9.0"),
    "in a generator": ("def rows():\n  while True: yield X\nrs = rows()\ndef f(w): return np.sum((next(rs) * 2) @ w)", "X[0] = 9"),
    "in an object with __getattr__": ("class P:\n  __slots__ = ()\n  def __getattr__(self, name): return X\np = P()\ndef f(w): return np.sum((p.Y * 2) @ w)", "X[0] = 9"),
    "in sys.modules": ("import sys\nme = __name__\ndef f(w): return np.sum((sys.modules[me].X * 2) @ w)", "X[0] = 9"),
    "in a module of Python's own": ("import string\nstring.chainrule_test = X\ndef f(w): return np.sum((string.chainrule_test * 2) @ w)", "X[0] = 9"),
    "in a memory map": ("import tempfile\nt = tempfile.TemporaryFile()\np = np.memmap(t, shape=(10000, 3)); t.close(); p[:] = X\ndef f(w): return np.sum((p * 2.0) @ w)", "p[0] = 9"),
    "behind importlib": ("import importlib\nme = __name__\ndef f(w): return np.sum((importlib.import_module(me).X * 2) @ w)", "X[0] = 9"),
    "behind a frame": ("import sys\ndef f(w): return np.sum((sys._getframe(0).f_globals['X'] * 2) @ w)", "X[0] = 9"),
}  # fmt: skip


@pytest.mark.parametrize("size", ["large", "small"])
@pytest.mark.parametrize("name", HIDDEN)
def test_an_array_hidden_where_nobody_looks_gives_the_right_answer_or_a_refusal(name, size):
    source, change = HIDDEN[name]
    if size == "small":
        source = source.replace("10000", "10").replace("30000", "30")
    user = module(BIG.replace("10000", "10").replace("30000", "30") + source if size == "small" else BIG + source)
    gradient = cr.value_and_grad(user.f)
    before = user.f(W)
    check(gradient, user.f, refusable=True)
    exec(change, user.__dict__)
    check(gradient, user.f, refusable=True)
    check(gradient, user.f, refusable=True)
    assert user.f(W) != before


# --- doing, instead of computing ------------------------------------------------------------------------------------------

EFFECTS = {
    "assigning a global": ("n = 0\ndef f(w):\n  global n\n  n = n + 1\n  return np.sum(w)", "n"),
    "assigning a new global": ("def f(w):\n  global fresh\n  fresh = 1\n  return np.sum(w)", "globals().get('fresh')"),
    "deleting a global": ("n = 0\ndef f(w):\n  global n\n  n\n  del n\n  return np.sum(w)", "globals().get('n')"),
    "assigning an enclosing variable": (
        "def make():\n  n = 0\n  def f(w):\n    nonlocal n\n    n += 1\n    return np.sum(w)\n  return f, lambda: n\nf, look = make()", "look()"),
    "assigning an attribute": ("class A: n = 0\na = A()\ndef f(w):\n  a.n = 1\n  return np.sum(w)", "dict(vars(a))"),
    "deleting an attribute": ("class A: pass\na = A()\na.n = 0\ndef f(w):\n  del a.n\n  return np.sum(w)", "dict(vars(a))"),
    "assigning a class's attribute": ("class A: n = 0\ndef f(w):\n  A.n += 1\n  return np.sum(w)", "A.n"),
    "a method that counts": ("class A:\n  n = 0\n  def loss(self, w):\n    self.n += 1\n    return np.sum(w)\na = A()\nf = a.loss", "a.n"),
    "a method that counts for its class": (
        "class A:\n  n = 0\n  def loss(self, w):\n    type(self).n += 1\n    return np.sum(w)\na = A()\nf = a.loss", "A.n"),
    "an object with slots that counts": (
        "class A:\n  __slots__ = ('n',)\na = A(); a.n = 0\ndef f(w):\n  a.n += 1\n  return np.sum(w)", "a.n"),
    "a thread's local": ("import threading\nd = threading.local()\ndef f(w):\n  d.w = w\n  return np.sum(w)", "dict(vars(d))"),
    "an attribute of a function": ("def f(w):\n  f.n += 1\n  return np.sum(w)\nf.n = 0", "f.n"),
    "setattr": ("class A: n = 0\na = A()\ndef f(w):\n  setattr(a, 'n', 1)\n  return np.sum(w)", "a.n"),
    "assigning to a namespace": ("a = types.SimpleNamespace(n=0)\ndef f(w):\n  a.n += 1\n  return np.sum(w)", "a.n"),
    "assigning to a module": ("import string\nimport os\nstring.n = 0\ndef f(w):\n  string.n += 1\n  return np.sum(w)", "string.n"),
    "appending to a list": ("log = []\ndef f(w):\n  log.append(1)\n  return np.sum(w)", "list(log)"),
    "appending a stand-in to a list": ("log = []\ndef f(w):\n  log.append(w)\n  return np.sum(w)", "list(log)"),
    "adding to a list": ("log = [0]\ndef f(w):\n  log[0] += 1\n  return np.sum(w)", "list(log)"),
    "sorting a list": ("log = [2, 1]\ndef f(w):\n  log.sort()\n  return np.sum(w)", "list(log)"),
    "a list in a list": ("log = [[]]\ndef f(w):\n  log[0].append(1)\n  return np.sum(w)", "[list(x) for x in log]"),
    "a list in a tuple": ("log = ([],)\ndef f(w):\n  log[0].append(1)\n  return np.sum(w)", "[list(x) for x in log]"),
    "a list in an object": ("class A: pass\na = A(); a.log = []\ndef f(w):\n  a.log.append(1)\n  return np.sum(w)", "list(a.log)"),
    "a list in a class": ("class A: log = []\ndef f(w):\n  A.log.append(1)\n  return np.sum(w)", "list(A.log)"),
    "a default that remembers": ("def f(w, log=[]):\n  log.append(1)\n  return np.sum(w)", "list(f.__defaults__[0])"),
    "writing a dict": ("d = {}\ndef f(w):\n  d['a'] = w\n  return np.sum(w)", "dict(d)"),
    "updating a dict": ("d = {}\ndef f(w):\n  d.update(a=1)\n  return np.sum(w)", "dict(d)"),
    "emptying a dict": ("d = {'a': 1}\ndef f(w):\n  d.pop('a', None)\n  return np.sum(w)", "dict(d)"),
    "a default dict that grows": ("d = collections.defaultdict(list)\ndef f(w):\n  d['a']\n  return np.sum(w)", "dict(d)"),
    "counting": ("d = collections.Counter()\ndef f(w):\n  d['a'] += 1\n  return np.sum(w)", "dict(d)"),
    "a deque": ("d = collections.deque()\ndef f(w):\n  d.append(1)\n  return np.sum(w)", "list(d)"),
    "a set": ("d = set()\ndef f(w):\n  d.add(1)\n  return np.sum(w)", "set(d)"),
    "a byte array": ("d = bytearray()\ndef f(w):\n  d.append(1)\n  return np.sum(w)", "bytes(d)"),
    "an iterator that runs on": ("it = iter([1.0, 2.0, 3.0])\ndef f(w): return np.sum(w) * next(it, 0.0)", "it.__length_hint__()"),
    "a counter that runs on": ("import itertools\nit = itertools.count()\ndef f(w): return np.sum(w) * next(it)", "str(it)"),
    "a generator that runs on": ("def g():\n  yield 1.0\n  yield 2.0\nit = g()\ndef f(w): return np.sum(w) * next(it, 0.0)", "it.gi_frame.f_lasti"),
    "a helper that counts": ("n = [0]\ndef helper():\n  n[0] += 1\ndef f(w):\n  helper()\n  return np.sum(w)", "list(n)"),
    "a lambda that counts": ("n = []\nf = lambda w: (n.append(1), np.sum(w))[1]", "list(n)"),
    "a bound method of a list": ("n = []\nadd = n.append\ndef f(w):\n  add(1)\n  return np.sum(w)", "list(n)"),
    "globals() written": ("def f(w):\n  globals()['fresh'] = 1\n  return np.sum(w)", "globals().get('fresh')"),
    "exec": ("def f(w):\n  exec('fresh = 1', globals())\n  return np.sum(w)", "globals().get('fresh')"),
    "a property that is set": (
        "class A:\n  def __init__(self): self._n = 0\n  n = property(lambda self: self._n, lambda self, v: setattr(self, '_n', v))\n"
        "a = A()\ndef f(w):\n  a.n = 1\n  return np.sum(w)", "a.n"),
    "the environment": ("import os\ndef f(w):\n  os.environ['CHAINRULE_TEST'] = '1'\n  return np.sum(w)", "__import__('os').environ.get('CHAINRULE_TEST')"),
    "writing to a text buffer": ("import io\nb = io.StringIO()\ndef f(w):\n  b.write('a')\n  return np.sum(w)", "b.getvalue()"),
    "a class of two parents that counts": (
        "class A: n = 0\nclass B: m = 0\nclass C(A, B):\n  def loss(self, w):\n    self.n += 1\n    return np.sum(w)\nc = C()\nf = c.loss", "dict(vars(c))"),
    "an enumeration's member": (
        "import enum\nclass E(enum.Enum): A = 1\ndef f(w):\n  E.A.note = 1\n  return np.sum(w)", "E.A.__dict__.get('note')"),
    "an argument's attribute": (
        "class A: n = 0\na = A()\ndef g(w, a):\n  a.n += 1\n  return np.sum(w)\nf = functools.partial(g, a=a)", "dict(vars(a))"),
    "after an error that was caught": (
        "log = []\ndef f(w):\n  try:\n    log.append(1)\n    raise KeyError\n  except KeyError: pass\n  return np.sum(w)", "list(log)"),
}  # fmt: skip


@pytest.mark.parametrize("name", EFFECTS)
def test_a_side_effect_is_refused_and_leaves_no_trace(name, monkeypatch):
    monkeypatch.delenv("CHAINRULE_TEST", raising=False)
    source, look = EFFECTS[name]
    user = module(source)
    before = eval(look, user.__dict__)
    for reader in (cr.grad(user.f), cr.grad(user.f), lambda w: cr.jvp(user.f, (w,), (w,))):
        with pytest.raises((SideEffectError, CaptureError)) as letter:
            reader(W)
        assert letter.value.hint
    assert eval(look, user.__dict__) == before


RANDOM = {
    "np.random.normal": "def f(w): return np.sum(w * np.random.normal(size=3))",
    "np.random.rand, by name": "from numpy.random import rand\ndef f(w): return np.sum(w * rand(3))",
    "numpy.random, imported": "import numpy.random as r\ndef f(w): return np.sum(w * r.rand(3))",
    "np.random.shuffle": "def f(w):\n  x = [1, 2, 3]\n  np.random.shuffle(x)\n  return np.sum(w) * x[0]",
    "random.random": "import random\ndef f(w): return np.sum(w) * random.random()",
    "random(), by name": "from random import random, gauss as g\ndef f(w): return np.sum(w) * g(0, 1)",
    "random.choice": "import random\ndef f(w): return np.sum(w) * random.choice([1, 2])",
    "a global Random": "import random\nr = random.Random(0)\ndef f(w): return np.sum(w) * r.random()",
    "a global Generator": "rng = np.random.default_rng(0)\ndef f(w): return np.sum(w * rng.normal(size=3))",
    "a global RandomState": "rng = np.random.RandomState(0)\ndef f(w): return np.sum(w * rng.normal(size=3))",
    "a generator in an object": "class A: pass\na = A(); a.rng = np.random.default_rng(0)\ndef f(w): return np.sum(w * a.rng.normal(size=3))",
    "a generator in slots": "class A: __slots__ = ('rng',)\na = A(); a.rng = np.random.default_rng(0)\ndef f(w): return np.sum(w * a.rng.normal(size=3))",
    "a generator in a list": "rs = [np.random.default_rng(0)]\ndef f(w): return np.sum(w * rs[0].normal(size=3))",
    "a generator in a dict": "rs = {'a': np.random.default_rng(0)}\ndef f(w): return np.sum(w * rs['a'].normal(size=3))",
    "a bound method of a generator": "draw = np.random.default_rng(0).normal\ndef f(w): return np.sum(w * draw(size=3))",
    "a default": "def f(w, rng=np.random.default_rng(0)): return np.sum(w * rng.normal(size=3))",
    "a fresh generator without a seed": "def f(w): return np.sum(w * np.random.default_rng().normal(size=3))",
    "a fresh generator, by name": "from numpy.random import default_rng\ndef f(w): return np.sum(w * default_rng().normal(size=3))",
    "scipy.stats": "import scipy.stats\ndef f(w): return np.sum(w * scipy.stats.norm.rvs(size=3))",
    "secrets": "import secrets\ndef f(w): return np.sum(w) * secrets.randbelow(10)",
    "os.urandom": "import os\ndef f(w): return np.sum(w) * os.urandom(1)[0]",
    "uuid": "import uuid\ndef f(w): return np.sum(w) * (uuid.uuid4().int % 7)",
    "time": "import time\ndef f(w): return np.sum(w) * time.time()",
    "perf_counter, by name": "from time import perf_counter\ndef f(w): return np.sum(w) * perf_counter()",
    "the date": "import datetime\ndef f(w): return np.sum(w) * datetime.datetime.now().microsecond",
    "a method of two parents that draws": "class A: pass\nclass B: pass\nclass C(A, B):\n  def noise(self): return np.random.rand(3)\nc = C()\ndef f(w): return np.sum(w * c.noise())",
    "an enumeration's method that draws": "import enum\nclass E(enum.Enum):\n  A = 1\n  def noise(self): return np.random.rand(3)\ndef f(w): return np.sum(w * E.A.noise())",
    "a method of a class with a metaclass that draws": "class Meta(type): pass\nclass C(metaclass=Meta):\n  @staticmethod\n  def noise(): return np.random.rand(3)\ndef f(w): return np.sum(w * C.noise())",
    "a generator's method in slots": "class A: __slots__ = ('draw',)\na = A(); a.draw = np.random.default_rng(0).normal\ndef f(w): return np.sum(w * a.draw(size=3))",
    "a normal distribution of Python's": "import statistics\ndef f(w): return np.sum(w) * statistics.NormalDist().samples(1)[0]",
    "a helper that draws": "def noise(): return np.random.rand(3)\ndef f(w): return np.sum(w * noise())",
    "drawn although caught": "def f(w):\n  try: r = np.random.rand(3)\n  except Exception: r = 1.0\n  return np.sum(w * r)",
}  # fmt: skip


@pytest.mark.parametrize("name", RANDOM)
def test_random_numbers_and_clocks_are_refused(name):
    user = module(RANDOM[name])
    state = np.random.get_state()[1].copy()
    for _ in range(2):
        with pytest.raises((SideEffectError, CaptureError)) as letter:
            cr.grad(user.f)(W)
        assert "users_module" in str(letter.value)
        assert letter.value.hint
    np.testing.assert_array_equal(np.random.get_state()[1], state)


def test_a_generator_with_a_seed_made_inside_is_a_constant():
    def f(w):
        return np.sum(w * np.random.default_rng(7).normal(size=3))

    np.testing.assert_array_equal(cr.grad(f)(W), np.random.default_rng(7).normal(size=3))


def test_a_generator_passed_as_an_argument_is_refused_since_the_next_call_would_draw_others():
    def f(w, rng):
        return np.sum(w * rng.normal(size=3))

    rng = np.random.default_rng(7)
    with pytest.raises(SideEffectError):
        cr.grad(f)(W, rng)


FILES = {
    "np.load": "def f(w): return np.sum(w * np.load(path))",
    "np.loadtxt": "def f(w): return np.sum(w * np.loadtxt(path))",
    "open": "def f(w): return np.sum(w) * len(open(path).read())",
    "an open file": "file = open(path)\ndef f(w):\n  file.seek(0)\n  return np.sum(w) * len(file.read())",
    "os.path.exists": "from os.path import getsize\ndef f(w): return np.sum(w) * (1.0 if 'read' and getsize(path) > 100 else 2.0)",
    "glob": "import glob\ndef f(w): return np.sum(w) * len(glob.glob(path + '*'))",
    "pathlib": "import pathlib\ndef f(w): return np.sum(w) * len(pathlib.Path(path).read_bytes())",
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_read_while_recording_is_read_again_or_refused(name, tmp_path):
    path = tmp_path / ("data.npy" if name == "np.load" else "data.txt")
    save = np.save if name == "np.load" else np.savetxt
    save(path, np.ones(3))
    user = module(f"path = {str(path)!r}\n" + FILES[name])
    gradient = cr.value_and_grad(user.f)
    check(gradient, user.f, refusable=True)
    save(path, np.arange(6.0) if "read" in FILES[name] else np.arange(3.0))
    check(gradient, user.f, refusable=True)


# --- stand-ins do not escape -----------------------------------------------------------------------------------------------


def test_a_stand_in_that_escaped_through_a_generator_raises_when_used():
    kept = []

    def f(w):
        it = (v * 2 for v in w)
        next(it)
        kept_here = [it]
        return np.sum(w), kept_here[0]

    with pytest.raises(ChainruleError):
        cr.jvp(f, (W,), (W,))
    assert not kept


@pytest.mark.parametrize("use", ["leaked + 1", "np.sin(leaked)", "float(leaked)", "leaked[0]", "bool(leaked[0] > 0)", "np.sum([leaked, leaked])",
                                 "leaked.sum()", "np.asarray(leaked)", "leaked.tolist()", "np.zeros(3) + leaked", "leaked[0] + leaked[1]",
                                 "leaked.__setitem__(0, 1.0)", "cr.grad(np.sum)(leaked)", "cr.grad(lambda w: np.sum(w * leaked))(np.ones(3))",
                                 "[*leaked]", "math.sin(leaked[0])", "leaked.T + 1", "leaked.reshape(3, 1)", "abs(leaked)", "-leaked",
                                 "np.ones(3) @ leaked", "np.concatenate([np.ones(3), leaked])", "leaked == leaked"])  # fmt: skip
def test_a_leaked_stand_in_says_so_wherever_it_is_used(use):
    user = module("import chainrule as cr\n")

    class Carrier(Exception):
        """Exceptions pass through a recording, and this one has a stand-in in its luggage."""

    def f(w):
        error = Carrier()
        error.luggage = w
        raise error

    with pytest.raises(Carrier) as carrier:
        cr.grad(f)(W)
    user.leaked = carrier.value.luggage
    with pytest.raises(LeakError) as letter:
        exec(f"def use():\n  return {use}\nuse()", user.__dict__)
    assert letter.value.hint


# --- what a function is given behaves as what it stands for ------------------------------------------------------------------


def test_classes_are_themselves_while_recording():
    user = module(
        """
        @dataclasses.dataclass
        class Params:
            w: object
            s: float = 2.0
        class Special(Params): pass
        P = collections.namedtuple("P", "w s")
        class Wrong(ValueError): pass
        def raises(): raise Wrong("no")
        def f(p, q, w):
            total = np.sum(p.w * p.s)
            if isinstance(p, Params): total = total + 1
            if type(p) is Params: total = total + 10
            if isinstance(q, P): total = total + 100
            if type(Params(1.0)) is type(p): total = total + 1000
            match p:
                case Params(w=_, s=s): total = total + 1e4
            try: raises()
            except Wrong: total = total + 1e5
            if issubclass(Special, Params) and isinstance(Special(1.0), Params): total = total + 1e6
            if Params is type(p) and Params.__name__ == "Params": total = total + 1e7
            if Params(1.0, 2.0) == Params(1.0, 2.0): total = total + 1e8
            if {Params: 1}.get(type(p)): total = total + 1e9
            return total + np.sum(w)
        """
    )
    p, q = user.Params(W), user.P(W, 1.0)
    expected = user.f(p, q, W)
    assert expected > 1.1e9
    value, gradient = cr.value_and_grad(user.f)(p, q, W)
    assert value == expected
    assert type(gradient) is user.Params


def test_a_result_has_the_class_that_the_user_wrote():
    user = module(
        """
        P = collections.namedtuple("P", "a b")
        @dataclasses.dataclass
        class D:
            a: object
        def f(w): return P(w * 2, D(w)), {"k": [w]}
        """
    )
    value, tangent = cr.jvp(user.f, (W,), (W,))
    for result in (value, tangent, cr.vmap(user.f)(np.stack([W, W]))):
        assert type(result[0]) is user.P
        assert type(result[0].b) is user.D
        assert dataclasses.replace(result[0].b, a=1.0) == user.D(1.0)


def test_isinstance_of_an_array_is_what_it_would_be():
    def f(w):
        if isinstance(w, np.ndarray):
            return np.sum(w * 2)
        return np.sum(w * 5)

    np.testing.assert_array_equal(cr.grad(f)(W), [2, 2, 2])


def test_isinstance_of_a_number_is_what_it_would_be():
    def f(x):
        if isinstance(x, float):
            return x * 2
        if isinstance(x, (int, np.floating)):
            return x * 3
        return x * 5

    assert cr.grad(f)(1.5) == 2
    assert cr.grad(f)(np.float64(1.5)) in (2, 3)


KINDS = {"float": 1.5, "array": np.array(1.5), "number": np.float64(1.5), "row": np.array([1.5])}


@pytest.mark.parametrize(
    "test",
    ["isinstance(x, np.ndarray)", "isinstance(x, float)", "type(x) is float", "hasattr(x, 'shape')", "hasattr(x, '__len__')",
     "getattr(x, 'dtype', None) is None", "np.isscalar(x)", "x.__class__ is np.ndarray", "isinstance(x, np.generic)"],
)  # fmt: skip
def test_one_function_answers_for_each_kind_of_argument_in_turn(test):
    user = module(f"def f(x): return np.sum(x * (2.0 if {test} else 5.0))")
    gradient = cr.value_and_grad(user.f)
    for kind in [*KINDS, *reversed(KINDS)]:
        try:
            assert gradient(KINDS[kind])[0] == user.f(KINDS[kind]), kind
        except ChainruleError as letter:
            if letter.hint:
                continue
            raise


def test_a_subclass_of_ndarray_that_computes_otherwise_is_not_taken_for_an_array():
    class Twice(np.ndarray):
        def __mul__(self, other):
            return np.asarray(self) * other * 2

    class Labelled(np.ndarray):
        label = 3.0

    x = np.ones(3)
    for argument, f in ((x.view(Twice), lambda x: np.sum(x * 3.0)), (x.view(Labelled), lambda x: np.sum(x) * getattr(x, "label", 1.0)),
                        (x.view(Labelled), lambda x: np.sum(x) * (2.0 if isinstance(x, Labelled) else 5.0))):  # fmt: skip
        for d, arguments in (
            (cr.value_and_grad(f), (argument,)),
            (cr.value_and_grad(lambda w, x, f=f: f(x) * w), (1.0, argument)),
        ):
            try:
                value, _ = d(*arguments)
            except ChainruleError as letter:
                if letter.hint:
                    continue
                raise
            assert value == f(argument)


def test_an_object_that_turns_into_an_array_is_not_taken_for_one_where_it_is_asked():
    user = module(
        """
        class Frame:
            scale = 3.0
            def __init__(self): self.values = np.ones(3)
            def __array__(self, dtype=None, copy=None): return np.array(self.values, dtype)
            def total(self): return np.sum(self.values) * 7
        frame = Frame()
        def f(w, x): return w * (2.0 if isinstance(x, Frame) else 5.0) * np.sum(np.asarray(x))
        def g(w, x): return w * x.total() * x.scale
        def h(w, x): return w * np.sum(np.asarray(x) * 2)
        """
    )
    for f, scale in itertools.product((user.f, user.g, user.h), (1.0, 4.0)):
        user.frame.values[0] = scale
        try:
            value, _ = cr.value_and_grad(f)(2.0, user.frame)
        except ChainruleError as letter:
            if letter.hint:
                continue
            raise
        assert value == f(2.0, user.frame)


def test_an_object_is_not_destroyed_twice():
    user = module(
        """
        released = []
        class Handle:
            def __init__(self): self.X = np.ones(3)
            def __del__(self): released is not None and released.append(1)
            def loss(self, w): return np.sum(self.X * w)
        handle = Handle()
        def f(w): return handle.loss(w)
        """
    )
    import gc

    for _ in range(2):
        try:
            np.testing.assert_array_equal(cr.grad(user.f)(W), np.ones(3))
        except ChainruleError as letter:
            assert letter.hint  # noqa: PT017
        user.handle.X = np.ones(3)
    user.f.__dict__.clear()
    gc.collect()
    assert user.released == []


def test_a_recording_adds_no_subclasses_to_a_users_class():
    user = module(
        """
        class Base: pass
        class Model(Base):
            def loss(self, w): return np.sum(w)
        model = Model()
        def f(w): return model.loss(w)
        """
    )
    cr.grad(user.f)(W)
    assert user.Model.__subclasses__() == []
    assert user.Base.__subclasses__() == [user.Model]


@pytest.mark.parametrize(
    "test",
    ["np.isscalar(x)", "isinstance(x, float)", "type(x) is float", "hasattr(x, '__len__')", "np.ndim(x) == 0",
     "isinstance(x, (int, float))", "hasattr(x, 'shape')", "callable(x)", "isinstance(x, np.generic)"],
)  # fmt: skip
@pytest.mark.parametrize(
    "x", [1.5, np.array(1.5), np.float64(1.5), np.array([1.5])], ids=["float", "array", "number", "row"]
)
def test_a_question_about_the_kind_of_an_argument_is_answered_as_in_numpy_or_refused(test, x):
    user = module(f"def f(x): return np.sum(x * (2.0 if {test} else 5.0))")
    try:
        value, slope = cr.value_and_grad(user.f)(x)
    except ChainruleError:
        return
    assert value == user.f(x)
    np.testing.assert_array_equal(slope, np.full(np.shape(x), user.f(x) / 1.5))
