"""What a result depends on changes its key, or the result has no key: no study takes a stale result from its cache."""

import collections
import ctypes
import dataclasses
import datetime
import decimal
import enum
import functools
import importlib
import operator
import pathlib
import subprocess
import sys
import time
import types
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.sparse.linalg
import sympy
import torch
from sympy.utilities.lambdify import implemented_function

import diffusion
import expint
import expint.run.loops
import expint.run.tolerance
from expint.run.control import Controller
from expint.study import NotKeyed, fingerprint

SCALE, WEIGHTS, TABLE = 2.0, np.array([1.0, 2.0]), {"rate": 1.0}
READ = open
SETTINGS = types.SimpleNamespace(scale=2.0, inner=types.SimpleNamespace(depth=1))


def module(name: str, **values: Any) -> types.ModuleType:
    """Return a module as a user writes one."""
    made = types.ModuleType(name)
    vars(made).update(values)
    sys.modules[name] = made
    return made


USER = module("settings_of_a_user", scale=2.0, deep=module("deep", scale=2.0), helper=lambda v: 2 * v)


class Base:
    offset = 1.0

    def shift(self, v):
        return v + self.offset


class Holder(Base):
    scale = 2.0

    def __init__(self) -> None:
        self.rate, self.table = 3.0, {"a": [1.0, 2.0]}

    def __call__(self, t, v):
        return self.shift(self.scale * self.rate * v)

    @property
    def twice(self):
        return 2 * self.rate

    @staticmethod
    def free(v):
        return v

    @classmethod
    def made(cls):
        return cls()

    @functools.cached_property
    def slow(self):
        return self.rate**2


class Slotted:
    __slots__ = ("__hidden", "rate")

    def __init__(self) -> None:
        self.rate, self.__hidden = 1.0, 2.0

    def conceal(self, value: float) -> None:
        self.__hidden = value


@dataclasses.dataclass
class Record:
    rate: float = 1.0
    quiet: float = dataclasses.field(default=1.0, repr=False, compare=False)


class Listed(list):
    mark = 1.0


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.scale, self.layer, self.drop = 2.0, torch.nn.Linear(2, 2), torch.nn.Dropout(0.1)
        self.norm = torch.nn.BatchNorm1d(2)
        self.register_buffer("shown", torch.ones(2))
        self.register_buffer("unsaved", torch.ones(2), persistent=False)
        self.plain = torch.ones(2)

    def forward(self, x, t):
        return self.scale * self.drop(self.layer(x)) + self.shown + self.unsaved


def helper(v):
    return SCALE * v


def second(v):
    return helper(v) + 1


def with_default(t, v, rate=2.0, *, power=1):
    return rate * v**power


def marked(t, v):
    return marked.factor * v


marked.factor = 2.0


def even(n):
    return n if n < 1 else odd(n - 1)


def odd(n):
    return SCALE if n < 1 else even(n - 1)


def decorated(function):
    @functools.wraps(function)
    def inner(*args):
        return SCALE * function(*args)

    return inner


def made(factor, table):
    def nonlinear(t, v):
        def inside(w):
            return factor * w

        return inside(v) + table["a"]

    return nonlinear


@contextmanager
def put(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Put a value in place for the time of the context."""
    if not isinstance(name, str) or isinstance(owner, dict):
        before = owner[name]
        owner[name] = value
        yield
        owner[name] = before
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, value, raising=False)
        yield


HERE = sys.modules[__name__]
READERS: dict[str, Callable[..., Any]] = {
    "plainly": lambda t, v: SCALE * v,
    "in a list comprehension": lambda t, v: [SCALE * w for w in v],
    "in a set comprehension": lambda t, v: {SCALE * w for w in v},
    "in a dictionary comprehension": lambda t, v: dict.fromkeys(v, SCALE),
    "in a generator": lambda t, v: sum(SCALE * w for w in v),
    "in a nested function": lambda t, v: (lambda w: SCALE * w)(v),
    "in a function nested twice": lambda t, v: (lambda w: (lambda u: SCALE * u)(w))(v),
    "in a default of a nested function": lambda t, v: (lambda w, s=SCALE: s * w)(v),
    "by a helper": lambda t, v: helper(v),
    "by a helper of a helper": lambda t, v: second(v),
    "by a helper in a comprehension": lambda t, v: [helper(w) for w in v],
    "by mutually recursive helpers": lambda t, v: even(3) * v,
    "by a decorator": decorated(lambda t, v: v),
    "by a decorator of our own function": decorated(expint.problems.burgers),
    "by a partial": functools.partial(lambda s, t, v: SCALE * v, 1),
    "by a class made inside": lambda t, v: type("X", (), {"f": lambda self: SCALE})().f() * v,
    "by a conditional expression": lambda t, v: v if SCALE > 1 else -v,
    "by an f-string": lambda t, v: float(f"{SCALE}") * v,
    "by vectorize": np.vectorize(lambda v: SCALE * v),
    "by a problem": lambda: expint.problems.riccati() and SCALE,
}


@pytest.mark.parametrize("how", READERS)
def test_a_global_is_seen_however_it_is_looked_up(how: str) -> None:
    changes(READERS[how], HERE, "SCALE", 3.0)


MODULES: dict[str, tuple[Callable[..., Any], Any, str, Any]] = {
    "an attribute": (lambda t, v: USER.scale * v, USER, "scale", 3.0),
    "an attribute in a comprehension": (lambda t, v: [USER.scale * w for w in v], USER, "scale", 3.0),
    "an attribute of a module inside": (lambda t, v: USER.deep.scale * v, USER.deep, "scale", 3.0),
    "a function": (lambda t, v: USER.helper(v), USER, "helper", lambda v: 3 * v),
    "by getattr": (lambda t, v: getattr(USER, "scale") * v, USER, "scale", 3.0),  # noqa: B009  # getattr is what is tested
    "by a local name": (lambda t, v: [m.scale * v for m in (USER,)], USER, "scale", 3.0),
    "a closure": (functools.partial(lambda m, t, v: m.scale * v, USER), USER, "scale", 3.0),
    "a constant of a library": (lambda t, v: np.pi * v, np, "pi", 3.0),
    "a function of a library": (lambda t, v: np.sin(v), np, "sin", lambda v: v),
    "a function deep in a library": (lambda t, v: np.fft.fft(v), np.fft, "fft", lambda v: v),
    "a function of ours": (lambda t, v: expint.problems.burgers, expint.problems, "burgers", lambda: 1),
    "a namespace": (lambda t, v: SETTINGS.scale * v, SETTINGS, "scale", 3.0),
    "a namespace inside": (lambda t, v: SETTINGS.inner.depth * v, SETTINGS.inner, "depth", 3),
    "an array": (lambda t, v: WEIGHTS @ v, WEIGHTS, 0, 5.0),
    "a dictionary": (lambda t, v: TABLE["rate"] * v, TABLE, "rate", 2.0),
}


@pytest.mark.parametrize("what", MODULES)
def test_what_a_module_holds_is_seen(what: str) -> None:
    changes(*MODULES[what])


HOLDER, CACHED, SLOTTED, RECORD, LISTED = Holder(), Holder(), Slotted(), Record(), Listed([1.0])
CACHED.slow += 1
OBJECTS: dict[str, tuple[Any, Any, Any, Any]] = {
    "an attribute": (HOLDER, HOLDER, "rate", 4.0),
    "an attribute of another kind": (HOLDER, HOLDER, "rate", 3),
    "an attribute that hides one of the class": (HOLDER, HOLDER, "scale", 3.0),
    "an entry deep inside": (HOLDER, HOLDER.table["a"], 0, 9.0),
    "an attribute of the class": (HOLDER, Holder, "scale", 3.0),
    "an attribute of its base": (HOLDER, Base, "offset", 3.0),
    "a new attribute of the class": (HOLDER, Holder, "new", 3.0),
    "a method of the class": (HOLDER, Holder, "__call__", lambda self, t, v: v),
    "a method of its base": (HOLDER, Base, "shift", lambda self, v: v),
    "a method of the object": (HOLDER, HOLDER, "shift", lambda v: v),
    "a property": (HOLDER, Holder, "twice", property(lambda self: 3)),
    "a static method": (HOLDER, Holder, "free", staticmethod(lambda v: -v)),
    "a class method": (HOLDER, Holder, "made", classmethod(lambda cls: None)),
    "a cached property": (HOLDER, Holder, "slow", functools.cached_property(lambda self: 0)),
    "what a property has cached": (CACHED, vars(CACHED), "slow", 7.0),
    "a bound method": (HOLDER.shift, HOLDER, "offset", 5.0),
    "a bound built-in": ([1.0, 2.0].__contains__, None, None, [1.0, 3.0].__contains__),
    "a bound built-in of a mapping": ({1: 1.0}.get, None, None, {1: 2.0}.get),
    "a bound method of an array": (np.ones(2).dot, None, None, np.zeros(2).dot),
    "a slot": (SLOTTED, SLOTTED, "rate", 4.0),
    "a hidden slot": (SLOTTED, SLOTTED, "_Slotted__hidden", 4.0),
    "a field": (RECORD, RECORD, "rate", 4.0),
    "a field that is not shown": (RECORD, RECORD, "quiet", 4.0),
    "an attribute of a list": (LISTED, LISTED, "mark", 2.0),
    "an entry of a kind of list": (LISTED, LISTED, 0, 2.0),
    "a default": (with_default, with_default, "__defaults__", (3.0,)),
    "a keyword default": (with_default, with_default, "__kwdefaults__", {"power": 2}),
    "the code": (with_default, with_default, "__code__", (lambda t, v, rate=1, *, power=1: v).__code__),
    "an attribute of a function": (marked, marked, "factor", 3.0),
    "a closure": (made(2.0, TABLE), None, None, made(3.0, TABLE)),
    "a table in a closure": (made(2.0, {"a": 1.0}), None, None, made(2.0, {"a": 2.0})),
    "a default of a function of ours": (
        expint.problems.burgers,
        expint.problems.burgers,
        "__kwdefaults__" if expint.problems.burgers.__kwdefaults__ else "__defaults__",
        {"n": 3} if expint.problems.burgers.__kwdefaults__ else (3,),
    ),
    "a method of a class of ours": (
        diffusion.VP.linear(),
        diffusion.VP,
        "_alpha",
        lambda self, xp, t: 0 * t,
    ),
    "an attribute of a class of ours": (diffusion.VP.linear(), diffusion.NoiseSchedule, "sigma_data", 0.7),
    "a factory": (collections.defaultdict(int), None, None, collections.defaultdict(float)),
    "an order": ({"a": 1, "b": 2}, None, None, {"b": 2, "a": 1}),
}


@pytest.mark.parametrize("what", OBJECTS)
def test_what_an_object_holds_is_seen(what: str) -> None:
    changes(*OBJECTS[what])


VALUES: dict[str, tuple[Any, Any]] = {
    "a kind of number": (1, 1.0),
    "a truth value": (1, True),
    "a sign of zero": (0.0, -0.0),
    "the last digit": (0.1, np.nextafter(0.1, 1)),
    "text and number": ("1", 1),
    "text and bytes": ("a", b"a"),
    "list and tuple": ([1], (1,)),
    "nesting": ([[1], 2], [1, [2]]),
    "an array's dtype": (np.ones(2), np.ones(2, np.float32)),
    "an array's shape": (np.ones((2, 3)), np.ones((3, 2))),
    "an array's entry": (np.array([1.0, 2.0]), np.array([1.0, np.nextafter(2, 3)])),
    "a mask": (np.ma.array([1.0, 2.0], mask=[0, 1]), np.ma.array([1.0, 2.0], mask=[1, 0])),
    "no mask": (np.ma.array([1.0, 2.0], mask=[0, 1]), np.array([1.0, 2.0])),
    "a fill value": (np.ma.array([1.0], fill_value=1.0), np.ma.array([1.0], fill_value=2.0)),
    "an array of objects": (np.array([1, "a"], object), np.array([1, "b"], object)),
    "a field name": (np.zeros(1, [("a", float)]), np.zeros(1, [("b", float)])),
    "a numpy number": (np.float64(1.0), np.float32(1.0)),
    "a dtype": (np.dtype("f4"), np.dtype("f8")),
    "a fraction": (Fraction(1, 3), Fraction(2, 3)),
    "a sympy expression": (sympy.sqrt(2), sympy.sqrt(3)),
    "a range": (range(3), range(4)),
    "a slice": (slice(1), slice(2)),
    "an item getter": (operator.itemgetter(0), operator.itemgetter(1)),
    "a partial": (functools.partial(max, 1), functools.partial(max, 2)),
    "a keyword of a partial": (functools.partial(helper, a=1), functools.partial(helper, a=2)),
    "a library function": (np.sin, np.cos),
    "a library function without a module": (torch.sin, torch.cos),
    "a library class": (np.float32, np.float64),
    "a tensor": (torch.ones(2), torch.tensor([1.0, 2.0])),
    "a tensor of half precision": (torch.ones(2, dtype=torch.bfloat16), torch.zeros(2, dtype=torch.bfloat16)),
    "a complex tensor": (torch.ones(2) * 1j, (torch.ones(2) * 1j).conj()),
    "a scalar tensor": (torch.tensor(1.0), torch.tensor(2.0)),
    "a deque": (collections.deque([1]), collections.deque([2])),
    "a schedule": (diffusion.VP.linear(0.1, 20), diffusion.VP.linear(0.1, 19)),
    "a method": (expint.Adams(3), expint.Adams(3, ramp=True)),
    "a lambdified expression": tuple(sympy.lambdify("x", f"{n} * sin(x)") for n in (2, 3)),
    "a polynomial": (np.poly1d([1, 2]), np.poly1d([1, 3])),
}


@pytest.mark.parametrize("what", VALUES)
def test_values_that_differ_have_different_keys(what: str) -> None:
    first, second = VALUES[what]
    assert key(first) != key(second) or key(first) is None
    assert key(first) == key(first)


NETWORKS: dict[str, Callable[[Net], Any]] = {
    "a number": lambda net: put(net, "scale", 3.0),
    "dropout": lambda net: put(net.drop, "p", 0.5),
    "evaluation": lambda net: put(net, "training", False),
    "evaluation of a part": lambda net: put(net.drop, "training", False),
    "a weight": lambda net: put(net.layer.weight.data.numpy(), (0, 0), 5.0),
    "a buffer": lambda net: put(net.shown.numpy(), 0, 5.0),
    "a buffer that is not saved": lambda net: put(net.unsaved.numpy(), 0, 5.0),
    "running statistics": lambda net: put(net.norm.running_mean.numpy(), 0, 5.0),
    "momentum": lambda net: put(net.norm, "eps", 0.5),
    "a tensor that is no buffer": lambda net: put(net.plain.numpy(), 0, 5.0),
    "a replaced forward": lambda net: put(net, "forward", lambda x, t: x),
    "a replaced forward of the class": lambda net: put(Net, "forward", lambda self, x, t: x),
    "a replaced forward of a part": lambda net: put(net.layer, "forward", lambda x: x),
    "a replaced forward in the library": lambda net: put(torch.nn.Linear, "forward", lambda self, x: x),
    "a hook": lambda net: put(net.layer._forward_hooks, 0, lambda m, a, o: -o),
    "a replaced part": lambda net: put(net._modules, "drop", torch.nn.Identity()),
    "the scale of its parameter": lambda net: put(net.layer, "in_features", 3),
}


@pytest.mark.parametrize("what", NETWORKS)
def test_what_a_network_holds_is_seen(what: str) -> None:
    net = Net()
    if what == "a hook":
        net.layer._forward_hooks[0] = lambda m, a, o: o
    denoiser = diffusion.Denoiser(net)
    before = key(denoiser)
    with NETWORKS[what](net):
        assert key(denoiser) != before
    assert before is not None
    assert key(denoiser) == before == key(diffusion.Denoiser(net))


def key(value: Any, around: tuple[Any, ...] | None = ()) -> str | None:
    """Return the key of something, or None if it has none; of its surroundings, too, if ``around`` is None."""
    try:
        return fingerprint(value, around=around)
    except NotKeyed:
        return None


def changes(value: Any, owner: Any, name: Any, other: Any) -> None:
    """Check that a change gives another key, and that the key comes back with what was."""
    before = key(value)
    assert before is not None
    if owner is None:
        assert key(other) != before
        return
    with put(owner, name, other):
        assert key(value) != before
    assert key(value) == before


class Named(types.SimpleNamespace):
    rate = 1.0


class Told(property):
    factor = 2.0

    def __get__(self, owner, kind=None):
        return self.factor


class Telling:
    told = Told(lambda self: 1)
    free = staticmethod(lambda v: v)


class Planet(enum.Enum):
    EARTH = 1.0

    def __init__(self, mass) -> None:
        self.mass = mass


class Queue(collections.deque):
    rate = 1.0


class Money(decimal.Decimal):
    pass


class Halved(np.float64):
    rate = 1.0


class Hidden(list):
    def __iter__(self):
        return iter([])


class Locked(dict):
    def items(self):
        return []


class Squared(sympy.Function):
    factor = 2


def applied(n):
    return implemented_function("f", lambda x: x + n)(sympy.Symbol("x")) + 1


class Acts:
    def __call__(self, x):
        return -x


class Mine(torch.nn.Identity):
    gain = 1.0


PACKAGE = module("package_of_a_user", scale=2.0, part=module("package_of_a_user.part", rate=1.0))
PACKAGE.__path__, PACKAGE.__scale__ = [], 2.0
QUEUE, MONEY, HALVED, NAMED = Queue([1]), Money(1), Halved(1), Named(a=1)
QUEUE.rank = MONEY.rank = HALVED.rank = 1.0
ORDERED = collections.OrderedDict(a=1, b=2)


def imports_a_part(t, v):
    import package_of_a_user.part

    return package_of_a_user.scale * v


def takes_from_a_package(t, v):
    from package_of_a_user import scale

    return scale * v


def goes_by_another_name(t, v):
    library = np
    return library.tanh(v)


def reads_a_name_of_the_language(t, v):
    package = PACKAGE
    return package.__scale__ * v


def matches(t, v):
    match v:
        case USER.scale:
            return v
    return 0


MORE: dict[str, tuple[Any, Any, Any, Any]] = {
    "a class of namespaces": (NAMED, Named, "rate", 2.0),
    "a class of properties": (Telling(), Told, "factor", 3.0),
    "an attribute of a static method": (Telling(), vars(Telling)["free"], "power", 2.0),
    "a member of an enumeration": (Planet.EARTH, Planet.EARTH, "mass", 2.0),
    "a class of queues": (QUEUE, Queue, "rate", 2.0),
    "an attribute of a queue": (QUEUE, QUEUE, "rank", 2.0),
    "an attribute of a decimal": (MONEY, MONEY, "rank", 2.0),
    "a class of numbers": (HALVED, Halved, "rate", 2.0),
    "an attribute of a number": (HALVED, HALVED, "rank", 2.0),
    "an iteration that hides": (Hidden([1.0]), None, None, Hidden([2.0])),
    "items that hide": (Locked(a=1.0), None, None, Locked(a=2.0)),
    "a function in an expression": (Squared(sympy.Symbol("x")) + 1, Squared, "factor", 3),
    "what implements a function in an expression": (applied(1), None, None, applied(2)),
    "an import of a part": (imports_a_part, PACKAGE, "scale", 3.0),
    "an import from a package": (takes_from_a_package, PACKAGE, "scale", 3.0),
    "a library by another name": (goes_by_another_name, np, "tanh", lambda v: v),
    "a name like those of the language": (reads_a_name_of_the_language, PACKAGE, "__scale__", 3.0),
    "a pattern": (matches, USER, "scale", 3.0),
    "an object as a method": (torch.nn.SiLU(), torch.nn.SiLU, "forward", Acts()),
    "a compiled function as a method": (torch.nn.ELU(), torch.nn.ELU, "forward", torch.sin),
    "a table of a class of a library": (torch.nn.Mish(), torch.nn.Mish, "table", {"a": 2.0}),
    "an attribute of a class of layers": (torch.nn.Sequential(Mine()), Mine, "gain", 2.0),
    "a gradient of a function": (torch.func.grad(lambda v: SCALE * v), HERE, "SCALE", 3.0),
    "a function mapped over a batch": (torch.vmap(lambda v: SCALE * v), HERE, "SCALE", 3.0),
    "a function without gradients": (torch.no_grad()(lambda v: SCALE * v), HERE, "SCALE", 3.0),
}


@pytest.mark.parametrize("what", MORE)
def test_what_kinds_of_a_user_and_libraries_hold_is_seen(what: str) -> None:
    changes(*MORE[what])


def test_the_order_of_an_ordered_mapping_is_seen() -> None:
    before = key(ORDERED)
    ORDERED.move_to_end("a")
    assert key(ORDERED) != before


@contextmanager
def called(change: Callable[[Any], Any], value: Any, back: Any) -> Iterator[None]:
    change(value)
    try:
        yield
    finally:
        change(back)


def hooked() -> Any:
    return torch.nn.modules.module.register_module_forward_hook(lambda m, a, o: -o)


SURROUNDINGS: dict[str, Callable[[], Any]] = {
    "the precision of new tensors": lambda: called(torch.set_default_dtype, torch.float64, torch.float32),
    "deterministic algorithms": lambda: called(torch.use_deterministic_algorithms, True, False),
    "a hook on all networks": hooked,
    "mixed precision": lambda: torch.autocast("cpu"),
    "the precision of decimals": lambda: decimal.localcontext(prec=5),
    "the precision of mpmath": lambda: mpmath.workdps(7),
    "a function beneath a layer": lambda: put(torch.nn.functional, "linear", lambda x, w, b=None: x),
    "a function of ours, in the depth": lambda: put(expint.run.loops, "to_tolerance", lambda *a: None),
    "a method of ours, in the depth": lambda: put(Controller, "factor", lambda *a: 1.0),
    "a constant of ours": lambda: put(expint.run.tolerance, "TINY", 0.5),
}


@pytest.mark.parametrize("what", SURROUNDINGS)
def test_what_no_argument_holds_is_seen(what: str) -> None:
    before = key(expint.problems.burgers, around=None)
    with SURROUNDINGS[what]():
        assert key(expint.problems.burgers, around=None) != before
    assert key(expint.problems.burgers, around=None) == before is not None


UNSEEN: dict[str, Callable[[], Any]] = {
    "a path that is opened": lambda: lambda t, v: __import__("pathlib").Path("x").open(),
    "a function that opens by another name": lambda: lambda t, v: READ("x"),
    "a reader with its file": lambda: functools.partial(np.loadtxt, "x"),
    "a look at a file": lambda: lambda t, v: pathlib.Path("x").stat(),
    "a clock": lambda: lambda t, v: time.time() * v,
    "a date": lambda: lambda t, v: datetime.datetime.now().second * v,
    "another program": lambda: lambda t, v: subprocess.check_output(["x"]),
    "a frame": lambda: lambda t, v: sys._getframe().f_globals["SCALE"] * v,
    "random numbers of torch": lambda: lambda t, v: torch.randn(2) * v,
    "random numbers in place": lambda: lambda t, v: torch.empty(2).normal_() * v,
    "random numbers of numpy": lambda: lambda t, v: np.random.rand() * v,
    "a foreign function": lambda: ctypes.CDLL(None).abs,
    "a foreign callback": lambda: ctypes.CFUNCTYPE(ctypes.c_double)(lambda: 1.0),
    "a factorisation": lambda: scipy.sparse.linalg.splu(scipy.sparse.csc_array(np.eye(2))).solve,
    "a weak reference": lambda: weakref.ref(HOLDER),
    "a generator of random numbers": lambda: np.random.default_rng(0),
    "an iterator": lambda: iter([1]),
    "a generator": lambda: (n for n in range(3)),
    "a lock": lambda: __import__("threading").Lock(),
    "a cached function": lambda: functools.lru_cache(lambda v: SCALE * v),
    "a function that evaluates text": lambda: lambda t, v: eval("SCALE") * v,
    "a function that reads a file": lambda: lambda t, v: np.loadtxt("x") * v,
    "a function that reads a path": lambda: lambda t, v: __import__("pathlib").Path("x").read_text(),
    "a function that looks into the environment": lambda: lambda t, v: __import__("os").environ["SCALE"],
    "an array on a file": lambda: np.ones(3).view(np.matrix),
    "a user's ufunc": lambda: np.frompyfunc(lambda v: SCALE * v, 1, 1),
    "a compiled network": lambda: torch.jit.trace(torch.nn.Linear(1, 1), torch.ones(1)),
    "a tensor without data": lambda: torch.ones(2, device="meta"),
    "a sparse tensor": lambda: torch.eye(2).to_sparse(),
    "a nesting without end": lambda: functools.reduce(lambda inner, _: [inner], range(100_000), []),
    "what raises": lambda: type("X", (), {"__dict__": property(lambda self: 1 / 0)})(),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("what", UNSEEN)
def test_what_cannot_be_seen_has_no_key_but_one_that_is_given(what: str) -> None:
    importlib.import_module("array_api_compat.torch")  # where functions of torch have a second home
    value = UNSEEN[what]()
    with pytest.raises(NotKeyed, match="expected what can be seen in full, received"):
        fingerprint(value, around=())
    if what != "a nesting without end" and what != "what raises":
        first = fingerprint([value, 1.0], given=("first",), around=())
        assert first == fingerprint([value, 1.0], given=("first",), around=())
        assert first != fingerprint([value, 1.0], given=("second",), around=())
        assert first != fingerprint([value, 2.0], given=("first",), around=())  # what can be seen is seen


def test_keys_do_not_depend_on_what_is_shared() -> None:
    shared = [1.0]
    assert fingerprint([shared, shared]) == fingerprint([[1.0], [1.0]])


def test_keys_of_shared_and_recursive_helpers_take_linear_time() -> None:
    space: dict[str, Any] = {}
    exec("def f0(v):\n    return v\n", space)
    for n in range(1, 100):
        exec(f"def f{n}(v):\n    return f{n - 1}(v) + f{n - 1}(v) * f{max(n - 2, 0)}(v) + f99(v)\n", space)
    begun = time.process_time()
    first = fingerprint(space["f99"])
    exec("def f0(v):\n    return 2 * v\n", space)
    assert fingerprint(space["f99"]) != first
    assert time.process_time() - begun < 20  # 2^99 visits would not end


def test_keys_are_those_of_another_process() -> None:
    code = (
        "import numpy as np, expint, diffusion; from expint.study import fingerprint;"
        "print(fingerprint([{'a', 'b', 'c'}, expint.method('krogstad4'), expint.problems.burgers(n=16),"
        " diffusion.sampler('deis-tab3'), lambda t, v: np.sin(v)]))"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in "12"
    ]
    assert runs[0] == runs[1]
