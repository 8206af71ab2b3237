"""Zeros between steps that span several periods of what L follows exactly: all of them, against the exact solution."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import scipy.optimize
from scipy import sparse

import expint
from expint import Status
from expint.operators import BlockDiagonal, Dense, Diagonal, KroneckerSum, MatrixFree, Scalar, Sparse, TimeScaled
from expint.operators.rotations import Rotation, fastest_rotation, rotations_of
from expint.run.events.phases import Phases

CHOSEN = ["auto", "lawson-dormand-prince54", "expint43", "exprb43", "etd34", "pece4", "pec5", "rosenbrock-ladder5"]
GIVEN = ["etd1", "krogstad4", "lawson4", "adams4", "exprb32", "strang"]
"""Methods of all kinds that have dense output: with chosen steps and with given ones."""


def nothing(t: float, y: Any) -> Any:
    return 0 * y


def stays(t: float, span: float, y: Any) -> Any:
    return y


class Rotating(NamedTuple):
    """The modes Σ a e^{λt}: an operator with a state and what reads the sum of their real parts off a state."""

    rates: np.ndarray
    sizes: np.ndarray
    linear: Any
    y0: np.ndarray
    read: Callable[[Any], float]

    def exact(self, t: Any) -> Any:
        return np.real(np.sum(self.sizes * np.exp(np.multiply.outer(t, self.rates)), axis=-1))

    def zeros(self, end: float, direction: int = 0) -> np.ndarray:
        """Those of the exact solution, from a grid of 200 points in the shortest period."""
        t = np.linspace(0, end, int(200 * end * np.max(np.abs(self.rates)) / (2 * np.pi)) + 2)
        values = self.exact(t)
        rises = np.sign(values[1:]) - np.sign(values[:-1])
        at = np.flatnonzero(rises if not direction else direction * rises > 0)
        return np.array([scipy.optimize.brentq(self.exact, t[i], t[i + 1]) for i in at])


def planes(rates: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotations of real planes, the second axis of each in a unit of its own."""
    matrix, y0 = np.zeros((2 * len(rates),) * 2), np.zeros(2 * len(rates))
    for k, (rate, size) in enumerate(zip(rates, sizes)):
        unit, own = 10.0 ** (1 - k), slice(2 * k, 2 * k + 2)
        matrix[own, own] = [[rate.real, -rate.imag / unit], [rate.imag * unit, rate.real]]
        y0[own] = size.real, size.imag * unit
    return matrix, y0


def rotating(kind: str, rates: Any, sizes: Any) -> Rotating:
    rates, sizes = np.array(rates, complex), np.array(sizes, complex)
    if kind == "scalar":
        return Rotating(rates, sizes, Scalar(complex(rates[0])), sizes[:1], lambda y: float(y[0].real))
    if kind == "diagonal":
        return Rotating(rates, sizes, Diagonal(rates), sizes, lambda y: float(y.real.sum()))
    matrix, y0 = planes(rates, sizes)
    if kind == "blocks":
        blocks = np.array([matrix[2 * k : 2 * k + 2, 2 * k : 2 * k + 2] for k in range(len(rates))])
        linear = BlockDiagonal(np.moveaxis(blocks, 0, -1))
        return Rotating(rates, sizes, linear, y0.reshape(-1, 2).T, lambda y: float(y[0].sum()))
    mixed = np.linalg.qr(np.random.default_rng(4).standard_normal(matrix.shape))[0] if kind == "dense" else None
    if mixed is not None:
        linear, y0 = Dense(mixed @ matrix @ mixed.T), mixed @ y0
        return Rotating(rates, sizes, linear, y0, lambda y: float((y @ mixed)[::2].sum()))
    stored = sparse.csr_array(matrix)
    linear = Sparse(stored) if kind == "sparse" else MatrixFree(lambda v: stored @ v, len(y0))
    return Rotating(rates, sizes, linear, y0, lambda y: float(y[::2].sum()))


ONE = ([1.3j], [0.6 - 0.8j])
TWO = ([0.7j, 4.1j], [1.0, 0.4j])
SEVERAL = ([0.3j, 1.1j, 5.3j], [1.0, 0.5 + 0.5j, 0.3])
DAMPED = ([-0.01 + 2j, -0.03 + 3j], [1.0, 0.5j])


def found(case: Rotating, method: str, end: float, event: Any = None, **attributes: Any) -> Any:
    """Run with an event, a function of the sum of the modes, or that sum itself."""

    def watched(t: float, y: Any) -> float:
        value = case.read(y)
        return value if event is None else event(value)

    vars(watched).update(attributes)
    steps = {"rtol": 1e-6} if method in CHOSEN else {"step": end / 7}
    if method == "strang":
        grid = np.linspace(0, end, 8)
        return expint.run_splitting(expint.method(method), case.linear, stays, case.y0, grid, events=watched)
    return expint.solve_ivp(nothing, (0, end), case.y0, linear=case.linear, method=method, events=watched, **steps)


@pytest.mark.parametrize(
    ("method", "kind", "modes", "end"),
    [
        ("auto", "diagonal", SEVERAL, 60),
        ("auto", "sparse", TWO, 20),
        ("lawson-dormand-prince54", "scalar", ONE, 200),
        ("lawson-dormand-prince54", "blocks", TWO, 40),
        ("expint43", "dense", TWO, 40),
        ("expint43", "free", ONE, 40),
        ("exprb43", "dense", SEVERAL, 40),
        ("rosenbrock-ladder5", "dense", DAMPED, 40),
        ("etd34", "blocks", SEVERAL, 40),
        ("pece4", "diagonal", DAMPED, 100),
        ("pec5", "dense", ONE, 60),
        ("etd1", "diagonal", SEVERAL, 60),
        ("krogstad4", "dense", SEVERAL, 40),
        ("krogstad4", "sparse", TWO, 20),
        ("lawson4", "diagonal", DAMPED, 200),
        ("adams4", "dense", TWO, 40),
        ("adams4", "free", TWO, 20),
        ("exprb32", "dense", TWO, 30),
        ("strang", "diagonal", SEVERAL, 60),
        ("strang", "dense", TWO, 20),
    ],
)
def test_every_zero_of_rotations_is_found_however_long_the_steps(
    method: str, kind: str, modes: Any, end: float
) -> None:
    case = rotating(kind, *modes)
    run = found(case, method, end)
    np.testing.assert_allclose(run.t_events[0], case.zeros(end), atol=1e-6)


def test_steps_that_come_round_to_the_same_phase_hide_no_zero() -> None:
    """It found 298 of these 318: four ends of steps and one place in the last had agreed with a cubic by chance."""
    turn = Dense(np.array([[0.0, 1.0], [-1.0, 0.0]]))
    run = expint.solve_ivp(
        nothing,
        (0, 1000),
        np.array([1.0, 0.3]),
        linear=turn,
        method="lawson-dormand-prince54",
        rtol=1e-6,
        events=lambda t, y: y[0],
    )
    assert np.max(np.diff(run.t)) > 8 * np.pi
    zeros = math.atan2(1, -0.3) + np.pi * np.arange(318)  # of cos t + 0.3 sin t
    np.testing.assert_allclose(run.t_events[0], zeros, atol=1e-7)


@pytest.mark.parametrize("periods", [1, 5, 16])
@pytest.mark.parametrize("known", [True, False])
def test_steps_of_whole_periods_hide_no_zero(periods: int, known: bool) -> None:
    """All ends of steps, and all equal parts of them, see the same phase or few."""
    case = rotating("diagonal" if known else "free", [2j * np.pi], [0.8 + 0.6j])
    run = expint.solve_ivp(
        nothing,
        (0, 2 * periods),
        case.y0,
        linear=case.linear,
        method="etd2rk",
        step=periods,
        events=lambda t, y: case.read(y),
    )
    np.testing.assert_allclose(run.t_events[0], case.zeros(2.0 * periods), atol=1e-9)


@pytest.mark.parametrize(
    "linear", [TimeScaled(lambda t: 1 + t / 40, 2j), KroneckerSum(np.array([2j]), np.array([0.5j]))]
)
def test_zeros_are_found_where_l_turns_by_parts(linear: Any) -> None:
    y0 = np.ones((1, 1), complex) if isinstance(linear, KroneckerSum) else np.ones(1, complex)
    run = expint.solve_ivp(
        None if isinstance(linear, TimeScaled) else nothing,
        (0, 40),
        y0,
        linear=linear,
        rtol=1e-6,
        events=lambda t, y: float(y.real.sum()),
    )
    phases = np.pi * (np.arange(200) + 0.5)
    zeros = 40 * (np.sqrt(1 + phases / 40) - 1) if isinstance(linear, TimeScaled) else phases / 2.5
    np.testing.assert_allclose(run.t_events[0], zeros[zeros < 40], atol=1e-6)


@pytest.mark.parametrize("method", ["lawson-dormand-prince54", "exprb43", "krogstad4"])
@pytest.mark.parametrize("direction", [-1, 1])
def test_directions_are_heeded_and_the_right_occurrence_ends_the_run_inside_long_steps(
    method: str, direction: int
) -> None:
    case = rotating("dense", *TWO)
    zeros = case.zeros(40.0, direction=direction)
    every = found(case, method, 40.0, direction=direction)
    np.testing.assert_allclose(every.t_events[0], zeros, atol=1e-6)
    ended = found(case, method, 40.0, direction=direction, terminal=4)
    assert ended.status is Status.TERMINATED
    np.testing.assert_allclose(ended.t_events[0], zeros[:4], atol=1e-6)
    assert ended.t[-1] == ended.t_events[0][-1]


@pytest.mark.parametrize("method", ["lawson-dormand-prince54", "krogstad4"])
@pytest.mark.parametrize("level", [0.9, 0.999, 0.99999])
def test_pairs_of_zeros_about_a_crest_are_found(method: str, level: float) -> None:
    case = rotating("diagonal", [3j], [1.0])
    run = found(case, method, 40.0, lambda value: value - level)
    about = math.acos(level) / 3
    zeros = sorted(s for k in range(20) for s in (2 * np.pi * k / 3 - about, 2 * np.pi * k / 3 + about) if 0 < s < 40)
    np.testing.assert_allclose(run.t_events[0], zeros, atol=1e-6)


def test_events_that_jump_are_found_inside_long_steps() -> None:
    case = rotating("diagonal", *TWO)
    run = found(case, "krogstad4", 40.0, lambda value: 1.0 if value > 0 else -1.0)
    np.testing.assert_allclose(run.t_events[0], case.zeros(40.0), atol=1e-6)


def forced(linear: Any, y0: np.ndarray, **options: Any) -> tuple[int, int]:
    """Events called and steps made where the solution follows a slow force."""
    calls = list[float]()

    def event(t: float, y: Any) -> float:
        calls.append(t)
        return float(np.real(y).ravel()[0]) - 2.0

    run = expint.solve_ivp(
        lambda t, y: math.cos(t) + 0 * y, (0, 20), y0, linear=linear, rtol=1e-6, events=event, **options
    )
    assert len(run.t_events[0]) == 0
    return len(calls), run.stats.steps


def test_events_cost_little_where_l_cannot_turn() -> None:
    second = np.diag(np.full(20, -2.0)) + np.diag(np.ones(19), 1) + np.diag(np.ones(19), -1)
    for linear in (
        Diagonal(-(np.arange(20.0) ** 2) - 0.5),
        Dense(second - np.eye(20)),
        Sparse(sparse.csr_array(second)),
    ):
        calls, steps = forced(linear, np.zeros(20))
        assert calls < 1.5 * steps + 60


def test_events_cost_little_where_l_could_turn_fast_and_nothing_does() -> None:
    """Waves on a large grid, of which one rests and is forced slowly; damped modes that have died out."""
    waves = Diagonal(1j * np.arange(2048.0) ** 2 - 0.1)
    calls, steps = forced(waves, np.zeros(2048, complex))
    assert calls < 5 * steps + 400
    stiff = Dense(np.array([[-1.0, 0.0, 0.0], [0.0, -1e4, 1e4], [0.0, -1e4, -1e4]]))
    calls, steps = forced(stiff, np.zeros(3))
    assert calls < 5 * steps + 400


def test_rotations_are_the_fastest_of_modes_that_decay_no_faster() -> None:
    modes = [-1.0, -1 + 2j, -1 - 3j, -5 + 1j, -8 - 9j, 2 + 0.5j, -9 + 8j]
    assert rotations_of(modes, 1.0) == (Rotation(0.0, 0.5), Rotation(1.0, 3.0), Rotation(8.0, 9.0))
    assert rotations_of(modes, -1.0) == (Rotation(0.0, 9.0),)


def test_rotations_of_sparse_matrices_are_bounded() -> None:
    """The bound holds, is close for waves as a system of first order, and small for what is symmetric but scaled."""
    rng = np.random.default_rng(5)
    for _ in range(20):
        n = int(rng.integers(2, 40))
        matrix = sparse.random_array((n, n), density=0.2, rng=rng) - sparse.diags_array(rng.uniform(0, 50, n))
        assert fastest_rotation(matrix.tocsr()) >= np.max(np.abs(np.linalg.eigvals(matrix.toarray()).imag)) - 1e-9
    second = sparse.diags_array([1.0, -2.0, 1.0], offsets=[-1, 0, 1], shape=(50, 50)) * 2500
    waves = sparse.block_array([[None, sparse.eye_array(50)], [second, None]]).tocsr()
    assert 99 < fastest_rotation(waves) < 120
    scale = sparse.diags_array(np.linspace(1, 3, 50))
    inverse = sparse.diags_array(1 / np.linspace(1, 3, 50))
    assert fastest_rotation((scale @ second @ inverse).tocsr()) < 0.02 * 1e4
    assert fastest_rotation(sparse.csr_array((3, 3))) == 0.0


def test_places_ascend_from_end_to_end_and_are_dense_where_modes_have_not_faded() -> None:
    phases = Phases((Rotation(0.0, 1.0), Rotation(100.0, 300.0)), 10.0, 10**6)
    places = phases.places(np.linspace(0, 1, 401))
    assert places[0] == 0.0
    assert places[-1] == pytest.approx(1.0)
    assert np.all(np.diff(places) > 0)
    assert np.mean(places < 0.03) > 0.8
