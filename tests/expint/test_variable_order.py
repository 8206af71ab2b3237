"""Pairs of changing order and step: their numbers are those derived exactly; runs climb, fall and stay stable."""

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import expint
from expint import problems
from expint.derive.kinds.adams import Adams
from expint.derive.kinds.predictor_corrector import PredictorCorrector
from expint.derive.kinds.stage import StepContext
from expint.lower.pair import AdamsCache
from expint.lower.pair_numbers import pair_numbers
from expint.operators import as_operator
from expint.phi import phi_functions
from expint.run.control import Controller, best_order
from expint.run.steppers.adams import remember

gaps = st.lists(st.floats(0.3, 3.0), min_size=0, max_size=5)
exponents = st.complex_numbers(max_magnitude=30.0, allow_nan=False, allow_infinity=False)


def positions_of(gaps: list[float]) -> tuple[float, ...]:
    return (0.0, *(-np.cumsum(gaps)).tolist())


def value(terms: Any, z: complex) -> complex:
    return sum(float(r) * phi_functions(complex(float(c) * z), k)[k] for (k, c), r in terms.items())


@given(gaps, exponents)
def test_numbers_in_newton_form_are_the_exact_recipes(gaps: list[float], z: complex) -> None:
    """Two routes: divided differences in floating point, and φ-sums from Lagrange polynomials."""
    z = complex(-abs(z.real), z.imag)
    positions = positions_of(gaps)
    q = len(positions)
    numbers, phi = pair_numbers(positions, q), np.array(phi_functions(z, q + 2))
    predictor, corrector = PredictorCorrector(q, ramp=True).recipe(StepContext(0.0, 1.0, positions))
    estimate = PredictorCorrector(q, ramp=True).error(StepContext(0.0, 1.0, positions))
    milne = Adams(q, ramp=True).error(StepContext(0.0, 1.0, positions))
    assert estimate is not None
    assert milne is not None
    size = np.sum(np.abs(numbers.past))  # weights of crowded nodes are large, and so is their rounding
    past = numbers.past @ phi[1 : q + 1]
    np.testing.assert_allclose(past, [value(w, z) for w in predictor.past], atol=1e-13 * size)
    correct = numbers.corrections @ phi[1 : q + 2]
    weights = [correct[q], *(past - correct[q] * numbers.foreseen[q])]
    expected = [value(w, z) for w in (corrector.stages[0], *corrector.past)]
    np.testing.assert_allclose(weights, expected, atol=1e-12 * size)
    for weight, found in ((correct[q] - correct[q - 1], estimate), (correct[q], milne)):
        error = weight * np.array([1, *-numbers.foreseen[q]])
        expected = [value(w, z) for w in (found.stage.stages[0], *found.stage.past)]
        np.testing.assert_allclose(error[: len(expected)], expected, atol=1e-12 * size)


@given(gaps, st.integers(0, 5))
def test_polynomials_are_foreseen_exactly(gaps: list[float], degree: int) -> None:
    positions = positions_of(gaps)
    foreseen = pair_numbers(positions, 1).foreseen
    values = [(0.5 + s) ** degree for s in positions]
    for k in range(degree + 1, len(positions) + 1):
        assert foreseen[k] @ values == pytest.approx(1.5**degree, abs=1e-9 * max(map(abs, values)))


@pytest.mark.parametrize("q", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("rate", [-3.0, -0.5 + 2j])
def test_pairs_are_of_their_order_on_random_grids(q: int, rate: complex) -> None:
    """N(t) = e^{-t} is foreseen from exact past values; the local error of the pair is O(h^{q+2})."""
    ratios = np.random.default_rng(q).uniform(0.5, 2.0, q - 1)
    operator, y0 = as_operator(rate, np.ones(1) * (1 + 0j)), np.ones(1) + 0j

    def slope(t: float) -> np.ndarray:
        return np.array([np.exp(-t) + 0j])

    def exact(h: float) -> complex:
        return np.exp(rate * h) + (np.exp(rate * h) - np.exp(-h)) / (rate + 1)

    errors, sizes = [], 0.3 * 0.5 ** np.arange(5)
    for h in sizes:
        memory = (0.0, *(-h * np.cumsum(ratios)).tolist())
        pairs = AdamsCache(PredictorCorrector(q, ramp=True), operator, y0, stacked=False)
        rows = pairs.rows(h, memory, q)
        past = remember(pairs, y0, slope(memory[-1]))
        for at in memory[-2::-1]:
            past.accept(y0, slope(at))
        point = past.predict(rows.predict)
        end = point + past.weigh(rows.correct, past.difference(rows.foreseen[q], slope(h)))
        errors.append(abs(end[0] - exact(h)))
    slopes = np.diff(np.log(errors)) / np.diff(np.log(sizes))
    assert np.median(slopes[np.array(errors[1:]) > 1e-14]) == pytest.approx(q + 2, abs=0.35)


@pytest.mark.parametrize("shape", [(), (4,), (3, 4)])
@pytest.mark.parametrize("kind", [np.float64, np.complex128, np.float32])
def test_stacked_columns_give_what_listed_ones_do(shape: tuple[int, ...], kind: type) -> None:
    rng = np.random.default_rng(1)
    y: Any = np.asarray(rng.normal(size=shape)).astype(kind)
    symbol = -np.arange(1.0, 5.0) if shape else -2.0
    method, operator = PredictorCorrector(4, ramp=True), as_operator(symbol, np.asarray(y))
    caches = [AdamsCache(method, operator, y, stacked=stacked) for stacked in (True, False)]
    kept: list[Any] = [remember(cache, y, y) for cache in caches]
    memory: tuple[float, ...] = (0.0,)
    for step in range(25):
        q = min(len(memory), 1 + step % 4)
        slope: Any = np.asarray(rng.normal(size=shape)).astype(kind)
        results = []
        for cache, slopes in zip(caches, kept):
            rows = cache.rows(0.1, memory[: q + 1], q)
            point, difference = slopes.predict(rows.predict), slopes.difference(rows.foreseen[q], slope)
            results.append([point, difference, slopes.weigh(rows.estimates[q], difference)])
            slopes.accept(point, slope)
        for one, other in zip(*results):
            assert one.dtype == other.dtype == y.dtype
            np.testing.assert_allclose(one, other, rtol=1e-4 if kind is np.float32 else 1e-12, atol=1e-6)
        memory = (0.0, *[at - 0.1 for at in memory[:3]])


def orders(problem: Any, monkeypatch: pytest.MonkeyPatch, **options: Any) -> tuple[Any, list[int]]:
    """Return a solution and the number of past slopes of each step tried."""
    seen: list[int] = []
    rows = AdamsCache.rows

    def spy(self: AdamsCache, h: float, memory: tuple[float, ...], q: int) -> Any:
        seen.append(q)
        return rows(self, h, memory, q)

    with monkeypatch.context() as patch:
        patch.setattr(AdamsCache, "rows", spy)
        return expint.solve(problem, options.pop("method", "pec6"), **options), seen


@pytest.mark.parametrize("rtol", [1e-7, 1e-8, 1e-9, 1e-10, 1e-11])
def test_the_order_climbs_step_by_step_to_the_one_that_pays(rtol: float, monkeypatch: pytest.MonkeyPatch) -> None:
    solution, seen = orders(problems.burgers(), monkeypatch, rtol=rtol)
    assert solution.success
    assert seen[0] == 1
    assert np.max(np.diff(seen)) == 1
    assert seen.index(5) < 30
    assert np.mean(seen) > 4


@pytest.mark.parametrize("rtol", [1e-4, 1e-8])
def test_methods_without_corrector_choose_their_order_too(rtol: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """At a fixed order of five the run costs three times as much at 1e-4, and nearly half as much again at 1e-8."""
    problem = problems.kuramoto_sivashinsky()
    solution, seen = orders(problem, monkeypatch, method="adams5", rtol=rtol, t_span=(0, 30))
    reference = expint.solve(problem, "pec6", rtol=1e-11, t_span=(0, 30))
    assert solution.success
    assert np.linalg.norm(solution.y_end - reference.y_end) < 30 * rtol * np.linalg.norm(reference.y_end)
    assert {1, 2, 3, 4, 5} == set(seen)
    assert len(seen) < (200 if rtol == 1e-4 else 950)


@pytest.mark.parametrize("rtol", [1e-3, 10**-3.5, 1e-4, 10**-4.5, 1e-5, 10**-5.5, 1e-6])
def test_near_the_end_steps_are_not_raised_for_nothing(rtol: float) -> None:
    for problem in (problems.schroedinger_breather(), problems.burgers()):
        solution = expint.solve(problem, rtol=rtol)
        sizes, left = np.diff(solution.t), solution.t[-1] - solution.t[1:-1]
        raised = sizes[1:] > 1.1 * sizes[:-1]
        saved = left * (1 / sizes[:-1] - 1 / sizes[1:])
        assert raised.sum() >= 4  # the climb
        assert np.all(saved[raised] > 1)


@pytest.mark.parametrize("method", ["adams1", "pec2", "pece2"])
def test_doubling_is_heeded_where_it_is_asked_for(method: str) -> None:
    """Two steps and a whole one; the method itself would need one evaluation a step, or two."""
    problem = problems.riccati()
    solution = expint.solve(problem, method, rtol=1e-4, error="doubling")
    stages = expint.method(method).stages
    assert solution.success
    assert abs(solution.y_end - problem.exact(0.8)) < 3e-3 * abs(solution.y_end)  # errors of some thirty steps
    assert solution.calls >= (3 * stages - 1) * solution.stats.steps


def noise(seed: int) -> Callable[[float], float]:
    """Return a sum of waves so short that no step resolves them, without a common period that steps could meet."""
    rng = np.random.default_rng(seed)
    frequencies, phases = rng.uniform(1e6, 1e7, 16), rng.uniform(0, 6, 16)
    return lambda t: 1e-4 * float(np.sum(np.sin(frequencies * t + phases)))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_order_stays_low_where_nothing_is_smooth(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rough = noise(seed)
    problem = expint.SemilinearProblem(
        linear=-1.0, nonlinear=lambda t, y: math.cos(t) + rough(t) + 0 * y, y0=np.ones(1), t_span=(0, 1)
    )
    solution, seen = orders(problem, monkeypatch, rtol=1e-6)
    assert solution.success
    assert np.mean(seen) < 3


@pytest.mark.parametrize("seed", [1, 2])
def test_the_order_falls_where_a_smooth_solution_becomes_rough(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rough = noise(seed)

    def nonlinear(t: float, y: np.ndarray) -> np.ndarray:
        return np.array([math.cos(t) + (rough(t) if t > 1 else 0.0)])

    problem = expint.SemilinearProblem(linear=-1.0, nonlinear=nonlinear, y0=np.ones(1), t_span=(0, 1.1))
    _, smooth = orders(problem, monkeypatch, rtol=1e-7, t_span=(0, 1))
    solution, seen = orders(problem, monkeypatch, rtol=1e-7)
    assert solution.success
    assert max(smooth[len(smooth) // 2 :]) == 5
    assert np.mean(seen[len(seen) // 2 :]) < 3


@pytest.mark.parametrize("period", [0.02, 0.021, 0.0173, 0.03])
def test_kinks_cost_little_more_at_orders_that_do_not_pay_there(period: float) -> None:
    """N is continuous with kinks: between them higher orders pay, across them no order above two does."""
    problem = expint.SemilinearProblem(
        linear=-1.0, nonlinear=lambda t, y: np.abs(np.mod(t, period) - period / 2) + 0 * y, y0=np.ones(1), t_span=(0, 1)
    )
    calls = [
        expint.solve(problem, PredictorCorrector(q, ramp=True), t_span=(0, 0.5), rtol=1e-7, max_step=0.003).calls
        for q in (2, 3, 4, 5)
    ]
    assert calls[-1] < 1.5 * min(calls)


@pytest.mark.parametrize(("make", "t_end"), [(problems.burgers, 1.0), (problems.schroedinger_breather, 2.0)])
def test_many_times_to_land_on_cost_one_step_each(make: Callable[[], Any], t_end: float) -> None:
    """Steps that would be longer end at every stop, and no sooner."""
    times = np.linspace(0, t_end, 301)[1:]
    solution = expint.solve(make(), t_span=(0, t_end), rtol=1e-6, t_eval=times, land=True)
    assert solution.success
    assert solution.stats.steps < 330


@pytest.mark.parametrize("rtol", [1e-3, 1e-5, 1e-7, 1e-9, 1e-10])
@pytest.mark.parametrize("method", ["pec4", "pec5", "pec6", "pec7"])
@pytest.mark.parametrize(
    "problem",
    [problems.schroedinger_soliton(n=128, t_end=1.0), problems.korteweg_de_vries(128, speed=100.0, t_end=0.004)],
    ids=["NLS", "KdV"],
)
def test_undamped_waves_stay_bounded_at_every_tolerance(problem: Any, method: str, rtol: float) -> None:
    """No spectrum is damped here: what an order makes grow stays, unless the control sees it."""
    solution = expint.solve(problem, method, rtol=rtol)
    assert solution.success
    before, after = (np.linalg.norm(problem.physical(y)) for y in (problem.y0, solution.y_end))
    assert abs(after / before - 1) < 30 * rtol + 1e-8  # both equations keep the norm
    assert solution.stats.rejected < 0.2 * solution.stats.steps + 3


@pytest.mark.parametrize("rtol", [1e-4, 1e-5, 1e-6])
def test_errors_that_nothing_damps_stay_near_the_tolerance_over_thousands_of_steps(rtol: float) -> None:
    waves = problems.korteweg_de_vries(128, speed=100.0, t_end=0.1)
    solution = expint.solve(waves, rtol=rtol)
    assert solution.stats.steps > 1000
    exact = waves.exact(0.1)
    assert np.linalg.norm(solution.y_end - exact) < 8 * rtol * np.linalg.norm(exact)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_polynomials_of_time_are_integrated_to_rounding(degree: int) -> None:
    """Only the climb sees an error: from order degree + 1 on there is none, and steps double; a constant is at rest."""
    solution = expint.solve_ivp(
        lambda t, y: np.full(2, t**degree), (0, 2), np.zeros(2), linear=np.zeros(2), method="pec6", rtol=1e-9, atol=1e-9
    )
    np.testing.assert_allclose(solution.y_end, 2 ** (degree + 1) / (degree + 1), rtol=1e-8)
    assert solution.stats.steps < (90 if degree == 0 else 70)


@pytest.mark.parametrize("mode", ["PE", "PEC", "PECE"])
@pytest.mark.parametrize("kind", ["diagonal", "dense", "torch"])
def test_every_kind_of_array_and_operator_takes_the_same_steps(mode: Any, kind: str) -> None:
    rates, y0 = np.array([-1.0, -30.0, -900.0]), np.array([1.0, 0.5, 0.2])
    method = Adams(4, ramp=True) if mode == "PE" else PredictorCorrector(4, mode, ramp=True)

    def solve(linear: Any, y: Any) -> Any:
        return expint.solve_ivp(
            lambda t, y: 0.3 * y * y + 0.1, (0, 1), y, linear=linear, method=method, rtol=1e-8, atol=1e-8
        )

    plain = solve(rates, y0)
    other = solve(np.diag(rates) if kind == "dense" else rates, torch.asarray(y0) if kind == "torch" else y0)
    np.testing.assert_allclose(other.t, plain.t, rtol=1e-13)
    np.testing.assert_allclose(np.asarray(other.y), plain.y, rtol=1e-9, atol=1e-13)
    per_step = 2 if mode == "PECE" else 1
    assert plain.calls == 2 + plain.stats.rejected + per_step * plain.stats.steps


def test_equal_stops_are_reached_by_equal_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    from expint.operators import Diagonal

    scales = set()
    phi = Diagonal.phi

    def spy(self: Diagonal, p: int, scale: float) -> Any:
        scales.add(scale)
        return phi(self, p, scale)

    monkeypatch.setattr(Diagonal, "phi", spy)
    problem = problems.burgers()
    solution = expint.solve(problem, rtol=1e-6, t_eval=np.linspace(0, 1, 31)[1:], land=True)
    assert solution.success
    assert len(scales) < 20


@pytest.mark.parametrize("most", [4, 10])
def test_few_steps_are_remembered_where_states_are_large(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules[AdamsCache.__module__]
    monkeypatch.setattr(module, "_BYTES", 0)
    monkeypatch.setattr(module, "_ENTRIES", (most, 128))
    cache = AdamsCache(PredictorCorrector(2, ramp=True), as_operator(-np.ones(3), np.ones(3)), np.ones(3))
    for step in range(1, 30):
        cache.rows(0.1 * step, (0.0,), 1)
    assert len(cache._rows) == len(cache._tables) == most


def test_the_order_that_promises_the_longest_step_is_best() -> None:
    controller = Controller((1.0, 0.0, 0.0))
    assert best_order({2: 0.3, 3: 0.01, 4: 0.3}, 2, controller)[0] == 3
    assert best_order({2: 0.5, 3: 0.5}, 2, controller)[0] == 2
    assert best_order({3: 1e-2, 4: 1e-2, 5: 1e-2}, 4, controller)[0] == 3
    assert best_order({3: 0.95, 4: 0.9}, 3, controller)[0] == 3  # not worth a change
    assert best_order({1: 0.5}, 1, controller) == (1, controller.factor((0.5,), 1))


@pytest.mark.parametrize("beta", [(0.7, -0.4, 0.0), (0.49, -0.34, 0.1)], ids=["PI", "PID"])
@pytest.mark.parametrize("method", ["pec5", "pece4", "adams4"])
@pytest.mark.parametrize("first_step", [None, 0.25])
def test_steps_recover_under_every_controller(
    method: str, beta: tuple[float, float, float], first_step: float | None
) -> None:
    """A first step much too long makes short ones, of which a filter that waits for others would never let go."""
    problem = problems.burgers()
    controlled = expint.solve(
        problem, method, rtol=1e-6, controller=Controller(beta, safety=0.75), first_step=first_step
    )
    default = expint.solve(problem, method, rtol=1e-6)
    reference = expint.solve(problem, method, rtol=1e-10)
    assert controlled.success
    assert np.linalg.norm(controlled.y_end - reference.y_end) < 1e-5 * np.linalg.norm(reference.y_end)
    assert controlled.calls < 1.6 * default.calls


def test_gradients_flow_through_a_run_to_a_tolerance() -> None:
    """y' = -y + y²/2 from y_0 has dy/dy_0 = e^{-t} / (1 - y_0 (1 - e^{-t})/2)²."""
    y0 = torch.tensor([0.3, 0.7], dtype=torch.float64, requires_grad=True)
    solution = expint.solve_ivp(lambda t, y: 0.5 * y * y, (0, 1), y0, linear=-1.0, rtol=1e-9)
    (gradient,) = torch.autograd.grad(solution.y_end.sum(), y0)
    decay, start = math.exp(-1.0), y0.detach().numpy()
    np.testing.assert_allclose(gradient.numpy(), decay / (1 - 0.5 * start * (1 - decay)) ** 2, rtol=1e-6)
