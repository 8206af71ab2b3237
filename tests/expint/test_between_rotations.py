"""Between steps over which L turns many times a run is as right as at them, however the method follows L."""

import pickle

import numpy as np
import pytest
from scipy import integrate, optimize

import expint
from expint.derive.kinds.lie_group import LieGroupMethod
from expint.derive.kinds.splitting import Splitting
from expint.scipy import LawsonDormandPrince

NAMES = [name for name in expint.method_names() if not isinstance(expint.method(name), Splitting | LieGroupMethod)]
LAWSON = [name for name in NAMES if "lawson" in name]
TOLERANT = [name for name in NAMES if expint.method(name).error_order or expint.method(name).history == 1]
END = 1.5
TIMES = np.linspace(0.0, END, 301)


class Turning:
    """y' = Ly - (C |y|²) y: sizes follow an equation of their own, without the turns, which SciPy solves."""

    def __init__(self, seed: int, damped: bool, fast: float = 60.0) -> None:
        rng = np.random.default_rng(seed)
        rates = rng.uniform(fast / 6, fast, 3) * rng.choice([-1, 1], 3)
        decays = rng.uniform(0.2, 9.0, 3) * damped
        self.linear, self._coupling = 1j * rates - decays, rng.uniform(0.2, 0.8, (3, 3))
        self.y0 = rng.standard_normal(3) + 1j * rng.standard_normal(3)
        sizes = integrate.solve_ivp(
            lambda t, y: self.nonlinear(t, y) - decays * y, (0, END), self.y0, "DOP853", rtol=1e-12, atol=1e-13,
            dense_output=True,
        ).sol  # fmt: skip
        self.exact = lambda t: np.exp(1j * np.multiply.outer(t, rates)) * sizes(t).T

    def nonlinear(self, t: float, y: np.ndarray) -> np.ndarray:
        return -(self._coupling @ abs(y) ** 2) * y

    def run(self, method: str, **options):
        if "step" not in options and not expint.method(method).error_order:
            options["error"] = "doubling"
        return expint.solve_ivp(
            self.nonlinear, (0, END), self.y0, linear=self.linear, method=method, dense_output=True, **options
        )

    def errors(self, run) -> tuple[float, float]:
        """The largest error at the steps, and at many times between them."""
        return np.max(abs(run.y - self.exact(run.t))), np.max(abs(run.sol(TIMES) - self.exact(TIMES)))


CASES = {"imaginary": Turning(1, damped=False), "complex": Turning(2, damped=True)}
SLOW = {"imaginary": Turning(3, damped=False, fast=12.0), "complex": Turning(4, damped=True, fast=12.0)}


@pytest.mark.parametrize("spectrum", CASES)
@pytest.mark.parametrize("method", [name for name in LAWSON if name in TOLERANT])
def test_lawson_methods_keep_a_tolerance_between_steps_of_many_turns(method: str, spectrum: str) -> None:
    rtol = 1e-3 if expint.method(method).order < 3 else 1e-5
    at_steps, between = CASES[spectrum].errors(CASES[spectrum].run(method, rtol=rtol, atol=rtol))
    assert between < 5 * max(rtol, at_steps)


@pytest.mark.parametrize("method", [name for name in TOLERANT if name not in LAWSON])
def test_other_methods_keep_it_too(method: str) -> None:
    for case in SLOW.values():
        at_steps, between = case.errors(case.run(method, rtol=1e-4, atol=1e-4))
        assert between < 5 * max(1e-4, at_steps)


@pytest.mark.parametrize("method", [name for name in LAWSON if "generalised" not in name and "ehle" not in name])
def test_the_order_between_fixed_steps_of_many_turns_is_that_of_the_method(method: str) -> None:
    case, fewest = CASES["imaginary"], 60 if expint.method(method).history > 1 else 20
    coarse, fine = (case.errors(case.run(method, step=END / n))[1] for n in (fewest, 2 * fewest))
    assert np.log2(coarse / fine) > expint.method(method).order - 0.6


@pytest.mark.parametrize("decay", [0.0, 0.4, 3.0])
@pytest.mark.parametrize("form", ["matrix", "matrix-free", "SciPy"])
def test_any_form_of_the_operator_gives_the_exact_flow_between_the_steps(form: str, decay: float) -> None:
    rng = np.random.default_rng(7)
    skew = rng.standard_normal((4, 4)) * 15
    matrix = skew - skew.T - decay * np.eye(4)
    values, vectors = np.linalg.eig(matrix)
    y0 = rng.standard_normal(4)

    def exact(t):  # |y|² = r with r' = -2 a r - 2 r²
        own = vectors @ (np.exp(np.multiply.outer(values, t)) * np.linalg.solve(vectors, y0)[:, None])
        grown = t if decay == 0 else -np.expm1(-2 * decay * t) / (2 * decay)
        return np.real(own).T / np.sqrt(1 + 2 * (y0 @ y0) * grown)[:, None]

    def nonlinear(t, y):
        return -(y @ y) * y

    times = TIMES[3:-1:13]
    told = {"rtol": 1e-6, "atol": 1e-6, "dense_output": True}
    if form == "SciPy":
        run = integrate.solve_ivp(
            lambda t, y: matrix @ y + nonlinear(t, y), (0, END), y0, LawsonDormandPrince, linear=matrix,
            t_eval=times, **told,
        )  # fmt: skip
        found = np.stack([run.y.T, run.sol(times).T])
    else:
        linear = matrix if form == "matrix" else expint.operators.MatrixFree(lambda v: matrix @ v, 4)
        run = expint.solve_ivp(nonlinear, (0, END), y0, linear=linear, method="lawson-dormand-prince54", **told)
        found = run.sol(times)
    assert np.max(abs(found - exact(times))) < 1e-5


@pytest.mark.parametrize("spectrum", CASES)
@pytest.mark.parametrize("method", ["lawson-verner65", "lawson-butcher6", "lawson-rk43"])
def test_events_in_steps_of_many_turns_come_when_they_come(method: str, spectrum: str) -> None:
    case, level = CASES[spectrum], 0.05

    def value(t):
        return case.exact(np.array([t]))[0, 0].real - level

    fine = np.linspace(0, END, 20001)
    known = case.exact(fine)[:, 0].real - level
    zeros = [optimize.brentq(value, *fine[i : i + 2], xtol=1e-14) for i in np.flatnonzero(known[1:] * known[:-1] < 0)]
    run = case.run(method, rtol=1e-6, atol=1e-6, events=lambda t, y: y[0].real - level)
    assert len(zeros) > 3
    assert len(run.t_events[0]) == len(zeros)
    assert np.max(abs(run.y_events[0] - case.exact(run.t_events[0]))) < 2e-5


@pytest.mark.parametrize("spectrum", CASES)
def test_what_is_pickled_needs_n_no_more(spectrum: str) -> None:
    case = CASES[spectrum]
    output = case.run("lawson-dormand-prince54", rtol=1e-4, atol=1e-4).sol
    kept = pickle.loads(pickle.dumps(output))
    before = kept.evaluations, output.evaluations
    assert np.max(abs(kept(TIMES) - case.exact(TIMES))) < 5e-4
    assert kept.evaluations == before[0]
    assert (len(kept.times) > len(output.times)) == (spectrum == "complex")


def test_halves_of_doubled_steps_go_through_a_checkpoint(tmp_path) -> None:
    case, path = CASES["imaginary"], tmp_path / "run.npz"
    told = {"method": "lawson-rk4", "error": "doubling", "rtol": 1e-5, "atol": 1e-5, "t_eval": TIMES}
    whole = expint.solve_ivp(case.nonlinear, (0, END), case.y0, linear=case.linear, **told)
    calls = [0]

    def stops(t, y):
        calls[0] += 1
        if calls[0] == 120:
            raise KeyboardInterrupt
        return case.nonlinear(t, y)

    with pytest.raises(KeyboardInterrupt):
        expint.solve_ivp(stops, (0, END), case.y0, linear=case.linear, checkpoint=path, checkpoint_every=1, **told)
    resumed = expint.resume(path, case.nonlinear)
    np.testing.assert_array_equal(resumed.y, whole.y)
