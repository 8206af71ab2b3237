"""Exponential Adams methods: exact on polynomials, in any clock, on any grid; and what starts them."""

from fractions import Fraction
from functools import reduce

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import expint
from expint.derive.algebra.lagrange import adams_weights, collocation_weights, lagrange_coefficients
from expint.derive.algebra.phisum import PhiSum, phi
from expint.derive.kinds.adams import INDEX, Adams, Quadrature
from expint.derive.kinds.stage import StepContext
from expint.lower.cache import StepCache
from expint.operators import Scalar

CLASSICAL = {
    1: ("1",),
    2: ("3/2", "-1/2"),
    3: ("23/12", "-16/12", "5/12"),
    4: ("55/24", "-59/24", "37/24", "-9/24"),
    5: ("1901/720", "-2774/720", "2616/720", "-1274/720", "251/720"),
}
RULE = np.polynomial.legendre.leggauss(16)

orders = st.integers(1, 6)
parts = st.floats(-6, 2)
numbers = parts | st.builds(complex, parts, st.floats(-6, 6))
lengths = st.lists(st.floats(0.05, 0.4), min_size=7, max_size=9)


class Polynomial:
    """A clock that shows χ(θ), hidden behind a quadrature rule."""

    def __init__(self, *coefficients: Fraction) -> None:
        self.chi = np.polynomial.Polynomial([float(coefficient) for coefficient in coefficients])

    def nodes(self, step: StepContext) -> tuple[float, ...]:
        return tuple(self.chi(np.array(step.history)))

    def quadrature(self, step: StepContext) -> Quadrature:
        theta = (RULE[0] + 1) / 2
        return Quadrature(theta, RULE[1] / 2, self.chi(theta))


class Affine:
    """A clock that runs like a·t + b, but hides that behind a quadrature rule."""

    def __init__(self, rate: float, offset: float) -> None:
        self.rate, self.offset = rate, offset

    def nodes(self, step: StepContext) -> tuple[float, ...]:
        return tuple(self.rate * (step.start + at * step.step) + self.offset for at in step.history)

    def quadrature(self, step: StepContext) -> Quadrature:
        theta = (RULE[0] + 1) / 2
        return Quadrature(theta, RULE[1] / 2, self.rate * (step.start + theta * step.step) + self.offset)


def grid_of(lengths: list[float]) -> np.ndarray:
    return np.concatenate([[0.0], np.cumsum(lengths)])


def polynomial_problem(value: complex, degree: int) -> tuple[object, object]:
    """N(t) = p'(t) - l p(t) with a known polynomial p, a solution of y' = l y + N."""
    p = np.polynomial.Polynomial(np.cos(1.0 + np.arange(degree + 1)))
    slope = p.deriv() - value * p
    return p, lambda t, y: np.asarray(slope(t)).astype(y.dtype)


@settings(max_examples=20)
@given(numbers, st.fractions(0, 1, max_denominator=9), st.fractions(0, 1, max_denominator=9))
def test_exact_weights_in_a_polynomial_clock_are_those_of_quadrature(
    z: complex, bend: Fraction, twist: Fraction
) -> None:
    clock = (Fraction(2), Fraction(9), bend, twist)  # rises from -2 to 1
    nodes = (Fraction(0), Fraction(-3, 4), Fraction(-2))
    exact = [weight.evaluate(z) for weight in adams_weights(nodes, clock)]
    (stage,) = Adams(3, clock=Polynomial(*clock)).recipe(StepContext(0.0, 1.0, tuple(map(float, nodes))))
    fractions = [{(k, Fraction(c)): Fraction(r) for (k, c), r in terms.items()} for terms in stage.past]
    assert [PhiSum(terms).evaluate(z) for terms in fractions] == pytest.approx(exact, rel=1e-11, abs=1e-11)


def test_a_clock_that_runs_evenly_changes_nothing_and_one_that_stands_still_is_refused() -> None:
    nodes = (Fraction(0), Fraction(-1, 3), Fraction(-2))
    assert adams_weights(nodes) == tuple(collocation_weights(nodes)) == adams_weights(nodes, (Fraction(7, 2), -3))
    with pytest.raises(ValueError, match="expected different nodes, received 1 twice"):
        adams_weights((0, -2), (1, 2, 1))
    with pytest.raises(ValueError, match="expected at least one node, received none"):
        adams_weights(())
    with pytest.raises(TypeError, match="expected an exact number"):
        adams_weights((0, -0.5))


@pytest.mark.parametrize("order", [2, 3, 4, 5])
def test_adams_moulton_is_the_corrector_of_the_pairs(order: int) -> None:
    history = tuple(Fraction(-j) for j in range(order - 1))
    *_, corrected = expint.method(f"pece{order}").recipe(StepContext(0.0, 1.0, history))[:2]
    weights = adams_weights((1, *history))
    assert [PhiSum(terms) for terms in (*corrected.stages, *corrected.past)] == list(weights)
    assert adams_weights((1, *history), end=Fraction(1, 2)) == tuple(
        collocation_weights([Fraction(1), *history], Fraction(1, 2))
    )


@settings(max_examples=20)
@given(orders, numbers, lengths)
def test_adams_is_exact_for_polynomial_slopes_of_degree_below_its_order(q: int, value: complex, lengths: list) -> None:
    p, nonlinear = polynomial_problem(value, q - 1)
    grid = grid_of(lengths)
    y0 = np.asarray(1.0 + 0 * value)
    run = expint.solve_ivp(nonlinear, (0, grid[-1]), y0, linear=value, method=f"adams{q}", grid=grid)
    first = q - 1  # before, the starter of order q - 1 is at work
    expected = p(grid) + np.exp(value * (grid - grid[first])) * (run.y[first] - p(grid[first]))
    assert np.max(np.abs(run.y - expected)[first:]) < 1e-11 * (1 + np.max(np.abs(expected[first:])))


@settings(max_examples=20)
@given(st.integers(2, 6), numbers, lengths)
def test_the_starter_keeps_adams_exact_for_polynomials_of_one_degree_less(
    q: int, value: complex, lengths: list
) -> None:
    p, nonlinear = polynomial_problem(value, q - 2)
    grid = grid_of(lengths)
    y0 = np.asarray(1.0 + 0 * value)
    run = expint.solve_ivp(nonlinear, (0, grid[-1]), y0, linear=value, method=f"adams{q}", grid=grid)
    expected = p(grid) + np.exp(value * grid) * (y0 - p(0.0))
    assert np.max(np.abs(run.y - expected)) < 1e-11 * (1 + np.max(np.abs(expected)))


@settings(max_examples=20)
@given(orders, lengths)
def test_the_index_clock_has_the_classical_weights_on_any_grid(q: int, lengths: list) -> None:
    plan = expint.lower(Adams(q, clock=INDEX, ramp=True), Scalar(0.0), grid_of(lengths))
    classical = [float(weight.at_zero()) for weight in collocation_weights([Fraction(-j) for j in range(q)])]
    for h, weights in zip(lengths[q - 1 :], plan.table()[q:]):
        np.testing.assert_allclose(weights, [1.0, *(h * np.array(classical))], rtol=1e-9, atol=1e-12)


@settings(max_examples=20)
@given(orders, numbers, lengths)
def test_the_index_clock_forgets_all_steps_but_the_last(q: int, value: complex, lengths: list) -> None:
    table = expint.lower(Adams(q, clock=INDEX, ramp=True), Scalar(value), grid_of(lengths)).table()
    uniform = expint.lower(Adams(q, ramp=True), Scalar(value), lengths[-1] * np.arange(q + 2)).table()
    np.testing.assert_allclose(table[-1, : q + 1], uniform[-1, : q + 1], rtol=1e-9, atol=1e-11)


@settings(max_examples=20)
@given(orders, numbers, lengths, st.floats(0.2, 3) | st.floats(-3, -0.2), st.floats(-2, 2))
def test_quadrature_in_an_affine_clock_gives_the_phi_functions(
    q: int, value: complex, lengths: list, rate: float, offset: float
) -> None:
    grid = grid_of(lengths)
    by_rule = expint.lower(Adams(q, clock=Affine(rate, offset), ramp=True), Scalar(value), grid).table()
    by_functions = expint.lower(Adams(q, ramp=True), Scalar(value), grid).table()
    np.testing.assert_allclose(by_rule, by_functions, rtol=0, atol=1e-13 * np.max(np.abs(by_functions)))


@pytest.mark.parametrize("q", CLASSICAL)
def test_adams_without_linear_part_is_adams_bashforth(q: int) -> None:
    weights = collocation_weights([-j for j in range(q)])
    assert tuple(weight.at_zero() for weight in weights) == tuple(Fraction(number) for number in CLASSICAL[q])


@pytest.mark.parametrize("q", [2, 3, 4, 5, 6])
def test_the_ramp_climbs_through_the_orders_one_two_three(q: int) -> None:
    grid = np.array([0.0, 0.1, 0.25, 0.3, 0.5, 0.55, 0.7, 1.0])
    table = expint.lower(Adams(q, ramp=True), Scalar(-2.0), grid).table()
    for step in range(1, len(grid)):
        order = min(step, q)
        own = expint.lower(Adams(order, ramp=True), Scalar(-2.0), grid).table()
        np.testing.assert_array_equal(table[step, : 1 + order], own[step, : 1 + order])
        assert not np.any(table[step, 1 + order :])


@pytest.mark.parametrize("q", [1, 2, 3, 4, 5, 6])
def test_adams_costs_one_evaluation_a_step_and_a_ramped_start_nothing_more(q: int) -> None:
    grid = np.linspace(0, 1, 21)
    assert expint.lower(Adams(q, ramp=True), Scalar(-1.0), grid).evaluations == 20
    extra = (q - 1) * (expint.bootstrap(max(q - 1, 1)).stages - 1)
    assert expint.lower(Adams(q), Scalar(-1.0), grid).evaluations == 20 + extra


def test_adams_of_order_one_is_the_exponential_euler_method() -> None:
    grid = [0.0, 0.2, 0.5, 0.6]
    tables = [expint.lower(expint.method(m), Scalar(-1.5), grid).table() for m in ("adams1", "exponential-euler")]
    np.testing.assert_array_equal(*tables)


@pytest.mark.parametrize(
    ("q", "error"), [(0, ValueError), (-1, ValueError), (2.0, TypeError), ("3", TypeError), (True, TypeError)]
)
def test_an_order_that_is_no_positive_integer_is_refused(q: object, error: type) -> None:
    with pytest.raises(error, match=r"expected q to be an integer( ≥ 1)?, received"):
        Adams(q)
    with pytest.raises(error, match=r"expected order to be an integer( ≥ 1)?, received"):
        expint.bootstrap(q)


def test_adams_answers_questions_like_a_tableau() -> None:
    method = expint.method("adams3")
    assert method.name == "adams3"
    assert method.order == method.stiff_order == method.weak_stiff_order == 3
    assert method.stages == 1
    assert r"\varphi_{3}" in method.latex()
    assert method.markdown().count("\n") == 4
    assert method.cite().lstrip().startswith("@")


@given(st.lists(st.fractions(-3, 3, max_denominator=12), min_size=1, max_size=6, unique=True))
def test_lagrange_polynomials_are_one_at_their_node_and_zero_at_the_others(nodes: list[Fraction]) -> None:
    for j, coefficients in enumerate(lagrange_coefficients(nodes)):
        for i, node in enumerate(nodes):
            value = reduce(lambda total, a, node=node: total * node + a, reversed(coefficients), Fraction(0))
            assert value == (i == j)


@given(
    st.lists(st.fractions(-3, 3, max_denominator=12), min_size=1, max_size=5, unique=True),
    st.fractions(Fraction(1, 6), 2, max_denominator=6),
)
def test_collocation_weights_integrate_powers_exactly(nodes: list[Fraction], end: Fraction) -> None:
    weights = collocation_weights(nodes, end)
    factorial = 1
    for m in range(len(nodes)):
        factorial *= max(m, 1)
        total = sum((node**m * weight for node, weight in zip(nodes, weights)), PhiSum())
        assert total == factorial * end ** (m + 1) * phi(m + 1, end)  # ∫ e^{(c-θ)z} θ^m dθ over [0, c]


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5, 6])
def test_bootstrap_needs_one_stage_more_than_half_the_product_of_neighbours(order: int) -> None:
    method = expint.bootstrap(order)
    assert method.stages == 1 + order * (order - 1) // 2
    assert method.order == method.stiff_order == order
    assert expint.bootstrap(order) is method


@pytest.mark.parametrize("q", range(1, 7))
@pytest.mark.parametrize("rate", [-3.0, -0.5 + 2j])
def test_the_estimate_of_a_step_is_its_local_error_up_to_higher_orders(q: int, rate: complex) -> None:
    """N(t) = e^{-t} on a random grid: the estimate over the error tends to 1, both fall as h^{q+1}."""
    ratios = np.random.default_rng(q).uniform(0.5, 2.0, q - 1)
    y0 = np.ones(1) + 0j

    def measure(h: float) -> tuple[float, float]:
        memory = (0.0, *(-h * np.cumsum(ratios)).tolist())
        step = StepCache(Adams(q), Scalar(rate), y0).step(0.0, h, memory)
        slopes = [np.exp(-at) + 0j * y0 for at in memory]
        end = Scalar(rate).combine(step.rows[0].weights, (y0, *slopes))
        assert step.error is not None
        assert step.error.at_end
        assert step.error.order == q
        estimate = Scalar(rate).combine(step.error.weights, (y0, np.exp(-h) + 0j * y0, *slopes))
        exact = np.exp(rate * h) + (np.exp(rate * h) - np.exp(-h)) / (rate + 1)
        return float(abs(estimate[0])), float(abs(exact - end[0]))

    (coarse, _), (fine, error) = measure(0.1), measure(0.05)
    assert np.log2(coarse / fine) == pytest.approx(q + 1, abs=0.5)
    assert fine == pytest.approx(error, rel=0.2)


def test_other_clocks_and_starts_by_other_methods_have_no_estimate() -> None:
    assert Adams(3, INDEX).error_order is None
    assert Adams(3, INDEX).error(StepContext(0.0, 0.1, (0.0, -1.0, -2.0))) is None
    assert Adams(3).error(StepContext(0.0, 0.1, (0.0,))) is None
    assert Adams(3, ramp=True).error(StepContext(0.0, 0.1, (0.0,))) is not None
