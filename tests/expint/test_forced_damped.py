"""A force on modes that L damps within a step: Lawson methods keep the tolerance there, or make shorter steps."""

from fractions import Fraction

import numpy as np
import pytest
from scipy import integrate, sparse

import expint
from expint.derive import PhiSum, phi
from expint.derive.kinds.presentation import uniform_step
from expint.derive.orders.forcing import by_halves, follows_flow
from expint.operators import BlockDiagonal, Dense, Diagonal, KroneckerSum, MatrixFree, Sparse

END = 0.4
LAWSON = [
    name
    for name in expint.method_names()
    if name.startswith("lawson") and expint.method(name).history == 1 and "ehle" not in name
]
PAIRS = [name for name in LAWSON if expint.method(name).error_order]
RATES = {"real": np.array([-600.0, -30.0]), "complex": np.array([-500.0 + 300.0j, -40.0 - 200.0j])}
FORCES = {
    "steady": lambda t, slow: 1.0 + 0 * t,
    "sine": lambda t, slow: np.sin(9 * t),
    "chirp": lambda t, slow: np.cos(60 * t * t),
    "of the state": lambda t, slow: slow**2,
}


class Forced:
    """y_ij' = λ_i y_ij + a f_j(t, s), all from 1, beside a slow s' = -s/2: modes forget their start and follow f_j."""

    def __init__(self, spectrum: str, size: float = 1e-4) -> None:
        rates = np.repeat(RATES[spectrum], len(FORCES))
        self.linear, self.size = np.append(rates, -0.5), size
        self.y0 = np.ones(len(self.linear), self.linear.dtype)
        solved = integrate.solve_ivp(
            lambda t, y: self.linear * y + self.nonlinear(t, y), (0, END), self.y0, "DOP853", rtol=1e-12, atol=1e-17,
            dense_output=True,
        )  # fmt: skip
        self.exact = lambda t: solved.sol(t).T

    def nonlinear(self, t: float, y: np.ndarray) -> np.ndarray:
        found = np.zeros_like(y)
        found[:-1] = np.tile([self.size * force(t, y[-1]) for force in FORCES.values()], 2)
        return found

    def worst(self, run, rtol: float, atol: float) -> float:
        """The largest error of a component at any step, in units of what it may err there."""
        exact = self.exact(run.t)
        return float(np.max(abs(run.y - exact) / (atol + rtol * abs(exact))))


CASES = {spectrum: Forced(spectrum) for spectrum in RATES}


def tolerances(method: str) -> dict:
    return {"rtol": 1e-3, "atol": 1e-8} if expint.method(method).order < 4 else {"rtol": 1e-5, "atol": 1e-11}


def test_the_right_values_are_those_of_the_formulas() -> None:
    case, times = CASES["real"], np.linspace(0, END, 7)
    for i, rate in enumerate(RATES["real"]):
        steady = np.exp(rate * times) + case.size * np.expm1(rate * times) / rate
        sine = np.imag(np.exp(9j * times) / (9j - rate))
        sine = case.size * (sine - np.imag(1 / (9j - rate)) * np.exp(rate * times)) + np.exp(rate * times)
        for found, expected in zip(case.exact(times).T[4 * i :], (steady, sine)):
            assert np.allclose(found, expected, rtol=1e-7, atol=1e-13)


@pytest.mark.parametrize("spectrum", RATES)
@pytest.mark.parametrize("method", LAWSON)
def test_the_tolerance_is_kept_while_the_mode_decays_and_after(method: str, spectrum: str) -> None:
    given = tolerances(method) | ({} if method in PAIRS else {"rtol": 1e-3, "atol": 1e-7})
    case, how = CASES[spectrum], {} if method in PAIRS else {"error": "doubling"}
    run = expint.solve_ivp(
        case.nonlinear, (0, END), case.y0, linear=case.linear, method=method, norm="max", **how, **given
    )
    assert case.worst(run, **given) < 30  # before: 2e5 by Dormand and Prince, 5e6 by the blind lawson-rk43


FORMS = {
    "matrix": Dense,
    "sparse": lambda matrix: Sparse(sparse.csr_array(matrix)),
    "matrix-free": lambda matrix: MatrixFree(lambda v: matrix @ v, 9),
    "blocks": lambda matrix: BlockDiagonal(matrix[:, :, None]),
}


@pytest.mark.parametrize("error", ["embedded", "doubling"])
@pytest.mark.parametrize("form", FORMS)
def test_any_form_of_the_operator_keeps_it(form: str, error: str) -> None:
    case, rng = CASES["real"], np.random.default_rng(5)
    turn = np.linalg.qr(rng.standard_normal((9, 9)))[0]
    matrix, shape = turn @ np.diag(case.linear) @ turn.T, (9, 1) if form == "blocks" else (9,)
    rtol, atol = (1e-5, 1e-11) if error == "embedded" else (1e-3, 1e-7)
    run = expint.solve_ivp(
        lambda t, y: (turn @ case.nonlinear(t, turn.T @ y.ravel())).reshape(shape), (0, END),
        (turn @ case.y0).reshape(shape), linear=FORMS[form](matrix), method="lawson-dormand-prince54", rtol=rtol,
        atol=atol, error=error,
    )  # fmt: skip
    exact = case.exact(run.t)
    errors = np.linalg.norm(run.y.reshape(len(run.t), 9) @ turn - exact, axis=1)
    assert np.max(errors / (3 * atol + rtol * np.linalg.norm(exact, axis=1))) < 10


def test_a_kronecker_sum_keeps_it() -> None:
    rates, slow = np.array([[-200.0, 3.0], [1.0, -2.0]]), np.array([[-1.0, 0.2], [0.1, -300.0]])
    whole = np.kron(rates, np.eye(2)) + np.kron(np.eye(2), slow)

    def nonlinear(t, y):
        return 1e-4 * np.sin(9 * t) * np.ones_like(y)

    known = integrate.solve_ivp(
        lambda t, y: whole @ y + nonlinear(t, y), (0, END), np.ones(4), "Radau", rtol=1e-10, atol=1e-14,
        dense_output=True,
    ).sol  # fmt: skip
    run = expint.solve_ivp(
        nonlinear, (0, END), np.ones((2, 2)), linear=KroneckerSum(rates, slow), method="lawson-verner65", rtol=1e-5,
        atol=1e-10,
    )  # fmt: skip
    exact = known(run.t).T
    assert np.max(np.linalg.norm(run.y.reshape(-1, 4) - exact, axis=1) / np.linalg.norm(exact, axis=1)) < 2e-5


@pytest.mark.parametrize("linear", ["symbol", "matrix"])
def test_many_trajectories_at_once_make_the_same_steps(linear: str) -> None:
    rates = np.array([-600.0, -30.0, -0.5])
    operator = Diagonal(rates) if linear == "symbol" else Dense(np.diag(rates) + np.eye(3, k=1))
    sizes, options = np.array([1.0, 0.1, 3.0]), {"method": "lawson-verner65", "rtol": 1e-5, "atol": 1e-11}
    together = expint.solve_ivp(
        lambda t, y: 1e-4 * np.sin(9 * np.asarray(t)) + 0 * y, (0, END), sizes[:, None] * np.ones((3, 3)),
        linear=operator, batched=True, **options,
    )  # fmt: skip
    for one, size in zip(together, sizes):
        alone = expint.solve_ivp(
            lambda t, y: 1e-4 * np.sin(9 * t) + 0 * y, (0, END), size * np.ones(3), linear=operator, **options
        )
        assert one.stats.steps == alone.stats.steps
        assert np.allclose(one.y_end, alone.y_end, rtol=1e-9, atol=1e-15)


def test_what_jax_compiles_makes_the_same_steps() -> None:
    jax = pytest.importorskip("jax")
    jnp, rates = jax.numpy, np.array([-600.0, -30.0, -0.5])
    with jax.enable_x64(True):
        problem = expint.SemilinearProblem(
            rates, lambda t, y: 1e-4 * jnp.sin(9 * t) + 0 * y, jnp.ones(3, dtype=jnp.float64), (0, END)
        )
        found = expint.scan(problem, method="lawson-heun2", rtol=1e-4, atol=1e-9).reached()
        alone = expint.solve_ivp(
            lambda t, y: 1e-4 * np.sin(9 * t) + 0 * y, (0, END), np.ones(3), linear=rates, method="lawson-heun2",
            rtol=1e-4, atol=1e-9,
        )  # fmt: skip
    assert int(found.steps) == alone.stats.steps
    assert np.allclose(found.y, alone.y_end, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("method", LAWSON)
def test_estimates_for_damped_modes_see_all_of_a_steady_force(method: str) -> None:
    given, step = expint.method(method), uniform_step(1)
    assert follows_flow(given)

    def total(stage):
        return sum((PhiSum(terms) for terms in (*stage.stages, *stage.past)), PhiSum())

    *_, last = given.recipe(step)
    whole = total(last)
    if method in PAIRS:
        assert total(given.error(step).damped) == whole - phi(1)
    halves = (whole.scaled(Fraction(1, 2)) + whole.scaled(Fraction(1, 2)) * phi(0, Fraction(1, 2))) / 2
    seen, errs, lacks = by_halves(given, 1)
    assert total(errs) == halves - phi(1)
    assert total(seen) == halves - whole
    assert total(seen) + total(lacks) == total(errs)


def test_pairs_that_keep_equilibria_need_no_other_estimate() -> None:
    for name in ("etd34", "krogstad4", "zoto-bowman43"):
        estimate = expint.method(name).error(uniform_step(1))
        assert estimate is None or estimate.damped is None


def test_modes_that_turn_and_are_not_damped_cost_what_they_did() -> None:
    rng = np.random.default_rng(0)
    rates, y0 = 1j * rng.uniform(-60, 60, 4), rng.standard_normal(4) + 1j * rng.standard_normal(4)
    run = expint.solve_ivp(
        lambda t, y: -(abs(y) ** 2) * y, (0, 1.5), y0, linear=rates, method="lawson-dormand-prince54", rtol=1e-6
    )
    assert run.calls < 150  # 140, as before; without the turns 122
