"""Lowering: what comes out is the method, for any operator, and steps of one length are lowered once."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import expint
from expint import Plan, Tableau
from expint.ivp.bind import bind
from expint.ivp.bound import Problem
from expint.lower import cache as cache_module
from expint.lower.cache import StepCache
from expint.lower.pair import AdamsCache
from expint.methods.butcher import CLASSICAL
from expint.operators import Dense, Diagonal, Scalar
from expint.run.loops import over_times
from tests.expint.catalogue import FIXED_L

TABLEAUX = [name for name in FIXED_L if isinstance(expint.method(name), Tableau)]
GRID = [0.0, 0.1, 0.25, 0.3, 0.45, 0.6, 0.65, 0.8, 0.9, 1.0]
COUPLING = np.array([[0.2, -0.5, 0.1], [0.4, 0.3, -0.2], [-0.1, 0.6, 0.5]])
Y0 = np.array([1.0, -0.5, 0.3])

parts = st.floats(-5, 3)
triples = st.lists(parts, min_size=3, max_size=3).map(np.array) | st.lists(
    st.builds(complex, parts, st.floats(-5, 5)), min_size=3, max_size=3
).map(np.array)
names = st.sampled_from(FIXED_L)


def nonlinear(t: float, y: np.ndarray) -> np.ndarray:
    return np.sin(y @ COUPLING) + np.cos(3 * t)


def run(linear: object, name: str, y0: np.ndarray, slope: object = nonlinear, grid: object = GRID) -> np.ndarray:
    return expint.solve_ivp(slope, (grid[0], grid[-1]), y0, linear=linear, method=name, grid=grid).y


def classical_step(tableau: Tableau, t: float, y: np.ndarray, h: float) -> np.ndarray:
    """One step of the Runge–Kutta method that the tableau is for L = 0, transcribed."""
    slopes: list[np.ndarray] = []
    for c, row in zip(tableau.c, tableau.a):
        point = y + h * sum((float(a.at_zero()) * k for a, k in zip(row, slopes)), np.zeros(3))
        slopes.append(nonlinear(t + float(c) * h, point))
    return y + h * sum(float(b.at_zero()) * k for b, k in zip(tableau.b, slopes))


@pytest.mark.parametrize("name", TABLEAUX)
def test_without_linear_part_every_tableau_is_a_classical_method(name: str) -> None:
    y, states = Y0, [Y0]
    for start, end in pairwise(GRID):
        y = classical_step(expint.method(name), start, y, end - start)
        states.append(y)
    np.testing.assert_allclose(run(0.0, name, Y0), states, rtol=0, atol=2e-14)


@pytest.mark.parametrize("name", ["cox-matthews4", "krogstad4", "lawson-rk4"])
def test_without_linear_part_methods_built_on_rk4_have_its_weights(name: str) -> None:
    method = expint.method(name)
    rk4 = next(butcher for butcher in CLASSICAL if butcher.name == "rk4")
    assert tuple(b.at_zero() for b in method.b) == rk4.b
    assert method.c == rk4.c


@pytest.mark.parametrize("butcher", CLASSICAL, ids=lambda butcher: butcher.name)
def test_without_linear_part_lawson_is_the_method_itself(butcher: object) -> None:
    lawson = expint.lawson(butcher)
    assert tuple(tuple(entry.at_zero() for entry in row) for row in lawson.a) == butcher.a
    assert tuple(entry.at_zero() for entry in lawson.b) == butcher.b


@pytest.mark.parametrize("value", [-30.0, 2 + 25j])
@pytest.mark.parametrize("name", FIXED_L)
def test_every_method_is_exact_without_nonlinear_part(name: str, value: complex) -> None:
    y0 = Y0 + 0 * value
    states = run(value, name, y0, slope=lambda t, y: 0 * y)
    np.testing.assert_allclose(states, np.exp(value * np.array(GRID))[:, None] * y0, rtol=1e-13)


@settings(max_examples=15)
@given(names, st.floats(-5, 3) | st.builds(complex, st.floats(-5, 3), st.floats(-5, 5)))
def test_a_number_a_constant_symbol_and_a_multiple_of_the_identity_agree(name: str, value: complex) -> None:
    y0 = Y0 + 0 * value
    by_number = run(value, name, y0)
    np.testing.assert_allclose(run(np.full(3, value), name, y0), by_number, rtol=0, atol=1e-12)
    np.testing.assert_allclose(run(Dense(value * np.eye(3)), name, y0), by_number, rtol=0, atol=1e-12)


@settings(max_examples=15)
@given(names, triples)
def test_a_symbol_and_its_diagonal_matrix_agree(name: str, symbol: np.ndarray) -> None:
    y0 = Y0 + 0 * symbol
    np.testing.assert_allclose(
        run(Dense(np.diag(symbol)), name, y0), run(Diagonal(symbol), name, y0), rtol=0, atol=1e-12
    )


@settings(max_examples=15)
@given(names, triples, st.floats(0, 6))
def test_a_symbol_and_its_rotated_matrix_agree_in_rotated_states(name: str, symbol: np.ndarray, angle: float) -> None:
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    y0 = Y0 + 0 * symbol

    def turned(t: float, w: np.ndarray) -> np.ndarray:
        return turn @ nonlinear(t, turn.T @ w)

    states = run(Dense(turn @ np.diag(symbol) @ turn.T), name, turn @ y0, slope=turned)
    expected = run(symbol, name, y0)
    scale = max(1.0, float(np.max(np.abs(expected))))  # some of these spectra grow by four orders of magnitude
    np.testing.assert_allclose(states @ turn, expected, rtol=0, atol=1e-11 * scale)


@pytest.mark.parametrize("grid", [GRID, np.linspace(0.3, -0.7, 12)], ids=["uneven", "backwards"])
@pytest.mark.parametrize("name", FIXED_L)
def test_the_plan_counts_the_calls_of_the_nonlinear_term_exactly(name: str, grid: object) -> None:
    calls: list[float] = []

    def counting(t: float, y: np.ndarray) -> np.ndarray:
        calls.append(t)
        return nonlinear(t, y)

    plan = expint.lower(expint.method(name), Scalar(-1.0), grid)
    solution = expint.run_plan(plan, counting, Y0)
    assert len(calls) == plan.evaluations == solution.stats.nonlinear_evaluations
    assert calls == [t for t, row in plan.rows if row.evaluate]


@pytest.mark.parametrize("name", TABLEAUX)
def test_one_step_methods_cost_their_evaluations_each_step(name: str) -> None:
    method = expint.method(name)
    plan = expint.lower(method, Scalar(-1.0), GRID)
    assert plan.evaluations == method.evaluations * (len(GRID) - 1)
    assert method.evaluations == method.stages - method.is_fsal


@pytest.mark.parametrize(
    "grid",
    [
        np.linspace(0, 1, 50),
        1000 + 0.1 * np.arange(40),
        np.cumsum(np.full(60, 0.1)),
        np.arange(30) * -0.3,
        1 / 3 + np.arange(30) / 7,
    ],
    ids=["linspace", "far from zero", "accumulated", "backwards", "thirds and sevenths"],
)
@pytest.mark.parametrize("name", ["krogstad4", "adams1", "adams4", "adams7", "lawson-dormand-prince54"])
def test_steps_of_a_uniform_grid_share_their_rows_although_its_points_are_rounded(name: str, grid: np.ndarray) -> None:
    method = expint.method(name)
    plan = expint.lower(method, Diagonal(np.array([-1.0, -2.0])), grid)
    settled = plan.steps[2 * method.history : -1]  # the last step does not evaluate N at its end
    assert all(step.rows is settled[0].rows for step in settled)
    assert all(a is b for a, b in zip(plan.steps[-1].rows[-1].weights, settled[0].rows[-1].weights))


def test_steps_of_different_length_do_not_share_their_rows() -> None:
    steps = expint.lower(expint.method("krogstad4"), Scalar(-1.0), [0, 1, 2, 4, 5, 6]).steps
    assert steps[1].rows is steps[2].rows is steps[4].rows
    assert steps[3].rows is not steps[2].rows


@pytest.mark.parametrize("name", FIXED_L)
def test_a_plan_on_the_host_and_one_beside_a_state_have_the_same_weights(name: str) -> None:
    plans = [expint.lower(expint.method(name), Diagonal(Y0), GRID, like=like) for like in (None, Y0)]
    for (t, row), (u, other) in zip(plans[0].rows, plans[1].rows, strict=True):
        assert t == u
        for a, b in zip(row.weights, other.weights, strict=True):
            assert (a is None and b is None) or np.array_equal(a, b)


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ([0.0], "expected a grid of at least two times, received an array of shape \\(1,\\)"),
        ([[0.0, 1.0]], "expected a grid of at least two times, received an array of shape \\(1, 2\\)"),
        ([0.0, np.nan, 1.0], "expected finite times, received nan in the grid"),
        ([0.0, 0.5, 0.5, 1.0], "strictly monotone grid, received .*0.5.* followed by .*0.5.* at index 2"),
        ([0.0, 0.7, 0.5, 1.0], "strictly monotone grid, received .*0.7.* followed by .*0.5.* at index 2"),
        ([1.0, 0.7, 0.8, 0.0], "strictly monotone grid, received .*0.7.* followed by .*0.8.* at index 2"),
    ],
)
def test_grids_that_are_no_grids_are_refused_with_the_place(grid: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        expint.lower(expint.method("krogstad4"), Scalar(-1.0), grid)


def test_a_plan_holds_numbers_only() -> None:
    plan = expint.lower(expint.method("cox-matthews4"), Scalar(-1.0), GRID)
    assert isinstance(plan, Plan)
    assert all(w is None or type(w) is float for _, row in plan.rows for w in row.weights)
    assert all(type(t) is float for t, _ in plan.rows)


@pytest.mark.parametrize("name", ["hochbruck-ostermann4", "krogstad4", "etd34"])
def test_each_argument_of_a_step_is_evaluated_once_for_all_rows(name: str) -> None:
    class Counting(Diagonal):
        arguments: list[float] = []  # noqa: RUF012  # shared on purpose

        def phi(self, p: int, scale: float) -> object:
            self.arguments.append(scale)
            return super().phi(p, scale)

    Counting.arguments.clear()
    expint.lower(expint.method(name), Counting(np.array([-1.0, 2.0])), (0.0, 0.5, 1.0))
    steps = [argument for argument in Counting.arguments if argument]
    assert len(steps) == len(set(steps)) > 1


def test_a_run_makes_no_cache_of_steps_that_it_does_not_use(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def noting(kind: type) -> None:
        plain = kind.__init__
        monkeypatch.setattr(kind, "__init__", lambda self, *a, **k: made.append(kind.__name__) or plain(self, *a, **k))

    noting(StepCache)
    noting(AdamsCache)
    symbol = np.array([-1.0, -10.0, -0.1])
    for method, kind in (("auto", "AdamsCache"), ("pec3", "AdamsCache"), ("expint43", "StepCache")):
        for dense in (False, True):
            made.clear()
            expint.solve_ivp(nonlinear, (0.0, 0.5), Y0, linear=symbol, method=method, rtol=1e-5, dense_output=dense)
            assert made == [kind]


def test_caches_hold_what_their_keys_are_the_identities_of() -> None:
    cache = StepCache(expint.method("adams3"), Diagonal(-np.ones(3)), Y0)
    memory = StepCache.START
    for start, h in ((0.0, 0.1), (0.1, 0.1), (0.2, 0.05), (0.25, 0.05)):
        memory = cache.step(start, h, memory).memory
    assert [id(recipe) for recipe, _ in cache._steps.values()] == [recipe for _, recipe, _ in cache._steps]
    assert [id(stage) for stage, _ in cache_module._COLUMNS.values()] == [
        stage for stage, _, _ in cache_module._COLUMNS
    ]
    steps = bind(Problem(nonlinear, Y0, (0.0, 1.0)), "exprb43").stepper
    list(over_times(steps, nonlinear, Y0, [0.0, 0.1, 0.2]))
    assert steps._forms
    assert [id(stage) for stage, _ in steps._forms.values()] == list(steps._forms)
