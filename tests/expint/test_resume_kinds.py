"""Runs of every kind that are stopped go on to the last bit: Jacobians, L(t), splittings, events, pieces, walls."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

import expint
from tests.expint.test_resume import Stopped

N = 12
RATES = -np.linspace(0.1, 30, N)
Y0 = np.cos(np.arange(float(N)))
MATRIX = np.diag(RATES) + 2.0 * np.eye(N, k=1)
TIMES = np.linspace(0, 1, 23)


def crossing(t: float, y: Any) -> float:
    return float(y[0]) - 0.6


def slow(t: float, y: Any) -> float:
    return np.cos(9 * t + 0.1)


def ending(t: float, y: Any) -> float:
    return t - 0.83


vars(ending).update(terminal=True)


def jacobian(t: float, y: np.ndarray) -> np.ndarray:
    return np.diag(-3 * y**2) + np.sin(3 * t) * np.roll(np.eye(N), 1, axis=0)


def turning(t: float) -> np.ndarray:
    return (1 + 0.5 * np.sin(5 * t)) * MATRIX


class Counted:
    """N or a flow, which raises at its n-th evaluation."""

    def __init__(self, function: Callable[..., Any], last: float = np.inf) -> None:
        self.function, self.last, self.calls = function, last, 0

    def __call__(self, *where: Any) -> Any:
        self.calls += 1
        if self.calls > self.last:
            raise Stopped
        return self.function(*where)


def force(t: float, y: np.ndarray) -> np.ndarray:
    return np.sin(3 * t) * np.roll(y, 1) - y**3


def flow(t: float, tau: float, y: np.ndarray) -> np.ndarray:
    """The flow of N = 9 cos(9t)."""
    return y + np.sin(9 * (t + tau)) - np.sin(9 * t)


walls = expint.spectral.dirichlet(lambda t: 1 + t)
heated = expint.Grid(N, length=1.0, boundary=walls)

RUNS: dict[str, dict[str, Any]] = {
    "unsplit, auto": {"rtol": 1e-5, "linear": None},
    "unsplit, times asked for": {"rtol": 1e-5, "linear": None, "t_eval": TIMES, "method": "pexprb54s4"},
    "unsplit, fixed steps": {"step": 0.02, "linear": None, "method": "exprb43"},
    "unsplit, steps back": {"step": 0.02, "linear": None, "method": "linearised-adams4"},
    "split, with differences": {"rtol": 1e-5, "linear": RATES, "method": "exprb43"},
    "given Jacobian": {"rtol": 1e-5, "linear": None, "jac": jacobian, "method": "exprb43"},
    "constant Jacobian": {"step": 0.04, "linear": MATRIX, "jac": MATRIX, "method": "exprb43"},
    "Krylov": {"rtol": 1e-5, "linear": None, "jac": expint.jacobian.Differences(form="action"), "method": "exprb43"},
    "products": {
        "rtol": 1e-5,
        "linear": None,
        "jac": expint.jacobian.Product(lambda t, y, v: jacobian(t, y) @ v),
        "t_eval": range(2),
    },
    "unsplit by doubling": {"rtol": 1e-4, "linear": None, "method": "exprb32", "error": "doubling", "t_eval": TIMES},
    "L(t)": {"rtol": 1e-5, "linear": expint.operators.TimeDependent(turning)},
    "L(t), times asked for": {"rtol": 1e-5, "linear": expint.operators.TimeDependent(turning), "t_eval": TIMES},
    "L(t), fixed steps": {"step": 0.03, "linear": expint.operators.TimeDependent(turning), "method": "cfree4"},
    "L(t), sparse": {
        "step": 0.1,
        "linear": expint.operators.TimeDependent(lambda t: sparse.csr_array(turning(t))),
        "method": "cfree4",
    },
    "g(t) A": {"rtol": 1e-6, "linear": expint.operators.TimeScaled(lambda t: 1 + t**2, RATES), "t_eval": TIMES},
    "g(t) A, fixed steps": {"step": 0.05, "linear": expint.operators.TimeScaled(lambda t: 1 + t, MATRIX)},
    "event": {"rtol": 1e-6, "linear": RATES, "events": crossing},
    "events, one of them last": {"rtol": 1e-6, "linear": RATES, "events": [slow, ending], "method": "expint43"},
    "events, unsplit": {"rtol": 1e-5, "linear": None, "events": [slow, ending], "t_eval": TIMES},
    "events, fixed steps": {"step": 0.02, "linear": MATRIX, "events": [slow, crossing], "method": "krogstad4"},
    "events, Lawson": {
        "rtol": 1e-5,
        "linear": 1j * RATES,
        "y0": Y0 + 0j,
        "events": slow,
        "method": "lawson-dormand-prince54",
    },
    "dense output": {"rtol": 1e-6, "linear": RATES, "dense_output": True},
    "pieces": {"rtol": 1e-6, "linear": RATES, "breakpoints": [0.3, 0.7], "t_eval": TIMES, "events": slow},
    "pieces, unsplit": {"rtol": 1e-5, "linear": None, "breakpoints": [0.4]},
    "pieces, saved": {"rtol": 1e-6, "linear": RATES, "breakpoints": [0.5], "save": lambda t, y: {"e": float(y @ y)}},
    "pieces of g(t) A": {"rtol": 1e-5, "linear": expint.operators.TimeScaled(np.cosh, RATES), "breakpoints": [0.5]},
    "walls": {"rtol": 1e-7, "linear": 0.1 * heated.laplacian, "t_eval": TIMES, "y0": 1 + 0 * Y0},
    "complex fields": {
        "rtol": 1e-5,
        "linear": (0.01 + 0.1j) * expint.Grid(N, length=1.0, boundary="neumann", real=False).laplacian,
        "y0": np.cos(np.pi * (np.arange(N) + 0.5) / N) + 0j,
    },
    "sparse": {"rtol": 1e-4, "linear": sparse.csr_array(MATRIX)},
    "matrix-free": {"rtol": 1e-4, "linear": expint.operators.MatrixFree(lambda v: MATRIX @ v, N)},
}
SPLITTINGS: dict[str, dict[str, Any]] = {
    "splitting": {"method": "strang", "grid": np.linspace(0, 1, 40)},
    "splitting to a tolerance": {"method": "blanes-moan4", "grid": np.linspace(0, 1, 7), "rtol": 1e-6},
    "splitting with events": {"method": "strang", "grid": [0, 0.5, 1], "rtol": 1e-5, "events": slow},
}
AGAIN = ("jac", "events", "save", "linear")


def solved(name: str, function: Any, **written: Any) -> expint.Solution:
    if name in SPLITTINGS:
        told = dict(SPLITTINGS[name])
        method = expint.method(told.pop("method"))
        return expint.run_splitting(method, RATES, function, Y0, told.pop("grid"), **told, **written)
    told = {"y0": Y0, **RUNS[name]}
    return expint.solve_ivp(function, (0, 1), told.pop("y0"), **told, **written)


def resumed(name: str, path: Path, function: Any) -> expint.Solution:
    told = {**RUNS, **SPLITTINGS}[name]
    again = {key: value for key, value in told.items() if key in AGAIN and not isinstance(value, np.ndarray)}
    return expint.resume(path, function, **again)


def same(one: expint.Solution, other: expint.Solution) -> None:
    """Two solutions agree to the last bit, events and statistics included."""
    for name in ("t", "y", "saved", "t_events", "y_events", "status", "message", "method"):
        np.testing.assert_equal(getattr(one, name), getattr(other, name))
    assert asdict(one.stats) == asdict(other.stats)
    if one.sol is not None:
        np.testing.assert_array_equal(one.sol(TIMES), other.sol(TIMES))


@pytest.mark.parametrize("name", [*RUNS, *SPLITTINGS])
def test_a_run_of_every_kind_goes_on_to_the_last_bit(name: str, tmp_path: Path) -> None:
    whole = Counted(flow if name in SPLITTINGS else force)
    never = solved(name, whole, checkpoint=tmp_path / "never.npz")
    assert never.success
    due = max(1, never.stats.steps // 8)
    for part in (0.3, 0.9):
        path = tmp_path / f"{part}.npz"
        with pytest.raises(Stopped):
            solved(name, Counted(whole.function, int(part * whole.calls)), checkpoint=path, checkpoint_every=due)
        same(resumed(name, path, whole.function), never)
    solved(name, whole.function, checkpoint=tmp_path / "done.npz", checkpoint_every=1)
    same(resumed(name, tmp_path / "done.npz", whole.function), never)
    plain = solved(name, whole.function)
    np.testing.assert_allclose(plain.y_end, never.y_end, rtol=1e-8, atol=1e-11)


def stopped(name: str, path: Path, **other: Any) -> Path:
    """A checkpoint of a run that was stopped late."""
    whole = Counted(flow if name in SPLITTINGS else force)
    solved(name, whole)
    with pytest.raises(Stopped):
        solved(name, Counted(whole.function, int(0.9 * whole.calls)), checkpoint=path, checkpoint_every=1)
    return path


def faster(t: float) -> np.ndarray:
    return (1 + 0.5 * np.sin(6 * t)) * MATRIX  # the same at the start


@pytest.mark.parametrize(
    ("name", "function", "other", "message"),
    [
        ("L(t)", force, {"linear": expint.operators.TimeDependent(faster)}, "expected the linear"),
        ("g(t) A", force, {"linear": expint.operators.TimeScaled(lambda t: 1 + t**3, RATES)}, "expected the linear"),
        ("g(t) A", force, {"linear": expint.operators.TimeScaled(np.cosh, 2 * RATES)}, "expected the linear"),
        ("walls", force, {"linear": 0.2 * heated.laplacian}, "expected the linear"),
        ("given Jacobian", force, {"jac": lambda t, y: -2 * np.eye(N)}, "expected the jac"),
        ("products", force, {"jac": expint.jacobian.Product(lambda t, y, v: -v)}, "expected the jac"),
        ("Krylov", force, {"jac": expint.jacobian.ComplexStep()}, "expected the jac"),
        ("pieces", lambda t, y: -y, {"events": slow}, "expected the nonlinear"),
        ("splitting", lambda t, tau, y: y, {}, "expected the nonlinear"),
        ("sparse", lambda t, y: (1 + t) * force(t, y), {"linear": sparse.csr_array(MATRIX)}, "N where it stood"),
        ("unsplit, auto", lambda t, y: (1 + t) * force(t, y), {}, "N where it stood"),
        ("splitting", lambda t, tau, y: flow(t, (1 + t) * tau, y), {}, "N where it stood"),
        ("event", force, {}, "expected events="),
        ("unsplit, auto", force, {"events": slow}, "expected no events="),
        ("unsplit, fixed steps", force, {"save": lambda t, y: y[0]}, "expected no save="),
        ("unsplit, auto", force, {"linear": RATES}, "expected no linear="),
        ("unsplit, auto", force, {"args": (1.0,)}, "expected no args="),
        ("unsplit, auto", force, {"norm": "max"}, "expected no norm="),
        ("given Jacobian", force, {}, "expected jac="),
    ],
)
def test_another_problem_is_refused_by_name(
    name: str, function: Any, other: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = stopped(name, tmp_path / "run.npz")
    with pytest.raises(ValueError, match=message):
        expint.resume(path, function, **other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"linear": None, "dense_output": True}, "expected no dense_output beside checkpoint for"),
        ({"linear": RATES, "gradient": "through"}, "expected no gradient= beside checkpoint"),
    ],
)
def test_what_is_not_written_down_is_refused_before_the_run(
    options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        expint.solve_ivp(force, (0, 1), Y0, checkpoint=tmp_path / "run.npz", **options)
    assert not (tmp_path / "run.npz").exists()


def test_methods_of_the_catalogue_are_written_down_by_name(tmp_path: Path) -> None:
    told = {"linear": RATES, "method": expint.method("expint43"), "checkpoint": tmp_path / "run.npz"}
    never = expint.solve_ivp(force, (0, 1), Y0, **told, checkpoint_every=1, t_eval=range(2))
    same(expint.resume(tmp_path / "run.npz", force), never)


KILLED = """
import os, pathlib, signal, sys, time
import numpy as np
from tests.expint.test_resume_kinds import flow, force, resumed, same, solved

folder, rng, seconds, resumes = pathlib.Path(sys.argv[1]), np.random.default_rng(), {}, 0
names = ["event", "pieces", "unsplit, times asked for", "L(t)", "g(t) A", "splitting to a tolerance", "sparse"]
whole = {name: solved(name, flow if "split" in name[:5] else force, checkpoint=folder / "never.npz") for name in names}
for n in range(20):
    name, path = names[n % len(names)], folder / f"{n}.npz"
    function = flow if "split" in name[:5] else force
    child = os.fork()
    if not child:
        solved(name, function, checkpoint=path, checkpoint_every=2)
        os._exit(0)
    started = time.monotonic()
    while not path.exists() and time.monotonic() - started < 30:
        time.sleep(0.001)
    time.sleep(rng.uniform(0, 0.15))
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    resumes += os.WIFSIGNALED(status)
    same(resumed(name, path, function), whole[name])
print(resumes)
"""


def test_kill_9_at_twenty_random_moments_leaves_runs_that_go_on_to_the_last_bit(tmp_path: Path) -> None:
    told = [sys.executable, "-c", KILLED, str(tmp_path)]
    done = subprocess.run(told, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 2  # so many were killed before they had ended
