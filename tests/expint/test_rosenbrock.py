"""Methods that linearise at every step: orders proved, and measured by a stepper that reads as the papers do."""

from fractions import Fraction as F
from functools import cache
from math import factorial

import mpmath
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from expint.derive.algebra.algebraic import Algebraic
from expint.derive.algebra.phisum import PhiSum, phi
from expint.derive.kinds.linearised_collocation import EpiMultistep, LinearisedAdams, linearised_ladder
from expint.derive.kinds.rosenbrock import Linearised, Rosenbrock
from expint.derive.kinds.stage import StepContext
from expint.derive.kinds.tableau import REST, Tableau
from expint.derive.orders.conditions import check_orders
from expint.derive.orders.linearised import linearised_classical_trees, linearised_stiff_trees
from expint.derive.orders.stiff import stiff_statement
from expint.methods import epirk, epirk5, method, method_names, rosenbrock

METHODS = [*rosenbrock.METHODS, *epirk.ONE_STEP, *epirk5.METHODS]
MULTISTEP = [*(LinearisedAdams(q) for q in range(1, 6)), *epirk.MULTISTEP]
DIGITS = 50


@cache
def irrational(value):
    return value.rounded(2 * DIGITS)


def number(value):
    value = irrational(value) if isinstance(value, Algebraic) else value
    return mpmath.mpf(value.numerator) / value.denominator


def solution(t):
    return mpmath.matrix([mpmath.cos(t) + t / 3, mpmath.exp(t / 2) - t * t, mpmath.sin(2 * t) + 1])


def velocity(t):
    return mpmath.matrix([mpmath.mpf(1) / 3 - mpmath.sin(t), mpmath.exp(t / 2) / 2 - 2 * t, 2 * mpmath.cos(2 * t)])


def acceleration(t):
    return mpmath.matrix([-mpmath.cos(t), mpmath.exp(t / 2) / 4 - 2, -4 * mpmath.sin(2 * t)])


def coupling(y):
    return mpmath.matrix([y[1] * y[2] + y[0] ** 3 / 2 - 2 * y[0], y[0] * y[2] - y[1] ** 2, y[0] * y[1] * y[2] + y[2]])


def jacobian(y):
    return mpmath.matrix(
        [
            [1.5 * y[0] ** 2 - 2, y[2], y[1]],
            [y[2], -2 * y[1], y[0]],
            [y[1] * y[2], y[0] * y[2], y[0] * y[1] + 1],
        ]
    )


def slope(t, y):
    """A right-hand side that is not autonomous, with the exact solution above."""
    return velocity(t) + coupling(y) - coupling(solution(t))


def slope_in_time(t):
    return acceleration(t) - jacobian(solution(t)) * velocity(t)


def applied(function, matrix, vector):
    """Σ r φ_k(cA) v by the Taylor series φ_k(A) = Σ A^m/(m + k)!, for a small matrix."""
    total = vector * 0
    power = vector
    for m in range(36):
        total += power * sum(number(r) * number(c) ** m / factorial(m + k) for (k, c), r in function if c or not m)
        power = matrix * power
    return total


def literal_step(tableau, t, y, h):
    """One step from exact data, as the docstring of ``Rosenbrock`` reads."""
    f, in_time, small = slope(t, y), slope_in_time(t), h * jacobian(y)
    own = slope(t, y)
    differences = [y * 0]
    rows = [*tableau.a[1:], tableau.b]
    nodes = [*map(number, tableau.c[1:]), mpmath.mpf(1)]
    sums = [*tableau.row_sums[1:], phi(1)]
    for c, row, total, time_weight in zip(nodes, rows, sums, tableau.time_weights, strict=True):
        increment = h * applied(total, small, f) + h**2 * applied(time_weight, small, in_time)
        for entry, difference in zip(row[1:], differences[1:]):
            increment += h * applied(entry, small, difference)
        linear = small * increment / h + c * h * in_time
        differences.append(slope(t + c * h, y + increment) - own - linear)
    return y + increment


@pytest.mark.parametrize("tableau", METHODS, ids=lambda tableau: tableau.name)
def test_declared_orders_are_the_proved_ones(tableau):
    declared = (tableau.declared_order, tableau.declared_stiff_order, tableau.declared_weak_stiff_order)
    report = check_orders(tableau)
    assert (report.order, report.stiff_order, report.weak_stiff_order) == declared
    assert tableau.declared_embedded_order == (report.embedded.order if report.embedded else None)


@pytest.mark.parametrize("tableau", METHODS, ids=lambda tableau: tableau.name)
def test_measured_local_order_is_the_declared_one(tableau):
    with mpmath.workdps(DIGITS):
        start, errors = mpmath.mpf(1) / 5, []
        for h in (mpmath.mpf(1) / 4000, mpmath.mpf(1) / 8000):
            step = literal_step(tableau, start, solution(start), h)
            errors.append(mpmath.norm(step - solution(start + h)))
        assert float(mpmath.log(errors[0] / errors[1], 2)) == pytest.approx(tableau.order + 1, abs=0.05)


@pytest.mark.parametrize("tableau", [entry for entry in METHODS if entry.embedded], ids=lambda tableau: tableau.name)
def test_measured_order_of_the_embedded_solution_is_the_declared_one(tableau):
    c, a = tableau.c, tableau.a
    if len(tableau.embedded) > len(c):  # y_{n+1} is its last stage
        c, a = (*c, F(1)), (*a, tableau.b)
    lower = Rosenbrock(name="embedded", c=c, a=a, b=tableau.embedded)
    with mpmath.workdps(DIGITS):
        start = mpmath.mpf(1) / 5
        errors = [
            mpmath.norm(literal_step(lower, start, solution(start), h) - solution(start + h))
            for h in (mpmath.mpf(1) / 4000, mpmath.mpf(1) / 8000)
        ]
        measured = float(mpmath.log(errors[0] / errors[1], 2))
    assert measured == pytest.approx(tableau.declared_embedded_order + 1, abs=0.05)


@pytest.mark.parametrize("adams", MULTISTEP, ids=lambda adams: adams.name)
def test_multistep_methods_gain_an_order_over_their_number_of_slopes(adams):
    q = adams.q
    report = check_orders(adams)
    assert (report.order, report.stiff_order, report.weak_stiff_order) == (
        q + 1,
        adams.stiff_order,
        adams.weak_stiff_order,
    )
    (stage,) = adams.recipe(StepContext(0.0, 1.0, tuple(F(-j) for j in range(q))))
    with mpmath.workdps(DIGITS):
        t, errors = mpmath.mpf(1) / 5, []
        for h in (mpmath.mpf(1) / 4000, mpmath.mpf(1) / 8000):
            y, in_time = solution(t), slope_in_time(t)
            matrix = jacobian(y)
            step = applied(PhiSum(stage.state), h * matrix, y)
            step += h**2 * applied(adams.time_weights[0], h * matrix, in_time)
            for j, weight in enumerate(stage.past):
                past = solution(t - j * h)
                remembered = slope(t - j * h, past) - matrix * past + j * h * in_time
                step += h * applied(PhiSum(weight), h * matrix, remembered)
            errors.append(mpmath.norm(step - solution(t + h)))
        assert float(mpmath.log(errors[0] / errors[1], 2)) == pytest.approx(q + 2, abs=0.05)


@given(st.lists(st.fractions(F(1, 5), 3, max_denominator=6), min_size=3, max_size=3))
@settings(max_examples=5, deadline=None)
def test_linearised_adams_keeps_its_order_on_any_grid(gaps):
    nodes = [F(0)]
    for gap in gaps:
        nodes.append(nodes[-1] - gap)
    report = check_orders(LinearisedAdams(4), max_order=5, history=nodes)
    assert (report.order, report.stiff_order) == (5, 5)


@pytest.mark.parametrize("tableau", METHODS, ids=lambda tableau: tableau.name)
def test_the_recipe_is_the_form_with_f_written_with_the_remainder(tableau):
    with mpmath.workdps(DIGITS):
        t, h = mpmath.mpf(1) / 5, mpmath.mpf(1) / 50
        y = solution(t)
        matrix, in_time = jacobian(y), slope_in_time(t)
        slopes = [slope(t, y) - matrix * y]
        for stage, time_weight in zip(tableau.recipe(StepContext(0.0, 1.0, (0.0,))), tableau.time_weights, strict=True):
            point = applied(PhiSum(stage.state), h * matrix, y)
            point += h**2 * applied(time_weight, h * matrix, in_time)
            for weight, value in zip((*stage.past, *reversed(stage.stages)), slopes):
                point += h * applied(PhiSum(weight), h * matrix, value)
            at = number(stage.c) * h
            slopes.append(slope(t + at, point) - matrix * point - at * in_time)
        assert mpmath.norm(point - literal_step(tableau, t, y, h)) < mpmath.mpf(10) ** -40


def test_generated_conditions_through_order_five_are_the_published_ones():
    statements = [stiff_statement(tree) for order in (3, 4, 5) for tree in linearised_stiff_trees(order)]
    assert [text for text in statements if "tau" not in text] == [
        r"\psi_{3} = 0",
        r"\psi_{4} = 0",
        r"\psi_{5} = 0",
        r"\sum_i b_i c_i K \psi_{3,i} = 0",
    ]
    assert [len(linearised_classical_trees(order)) for order in (1, 2, 3, 4)] == [1, 1, 2, 4]


def test_the_same_tableau_with_a_frozen_l_has_a_lower_order():
    tableau = method("exprb43")
    frozen = Tableau(name="frozen", c=tableau.c, a=tableau.a, b=tableau.b)
    assert check_orders(tableau).order == 4
    assert (check_orders(frozen).order, check_orders(frozen).stiff_order) == (2, 1)


def test_exp4_loses_orders_where_j_is_large_as_its_authors_say():
    report = check_orders(method("exp4"))
    assert [condition.latex() for condition in report.violated_stiff] == [r"\psi_{3} = 0"]
    assert not report.row_sums


def test_published_weights_are_those_of_the_ladder():
    for name, levels in (("exprb42", [[F(3, 4)]]), ("exprb32", [[1]]), ("epirk4s3a", [[F(1, 2), F(2, 3)]])):
        ladder = linearised_ladder("ladder", levels)
        assert (ladder.b, ladder.a) == (method(name).b, method(name).a)
    assert linearised_ladder("ladder", [[F(1, 2), 1]]).b == method("pexprb43").b


PRINTED = {  # Tokman, Loffeld and Tranquilli (2012): c_2, c_3, and the arguments of φ in the weights
    "epirk5p1": "0.35129592695058193092 0.84405472011657126298 0.71111095364366870359 0.62378111953371494809",
    "epirk5p2": "0.46629408528088195806 0.88217912653363865140 0.92074916488140031449 0.79791561832664517267",
}


@pytest.mark.parametrize("name", PRINTED)
def test_exact_coefficients_agree_with_all_printed_digits(name):
    tableau = method(name)
    exact = {*tableau.c, *(c for _, c in tableau.b[1].terms)}
    for digits in PRINTED[name].split():
        assert any(abs(value - F(digits)) < F(1, 10**19) for value in exact), digits


def test_the_first_node_of_epirk5p1_is_what_the_order_conditions_leave():
    u = sympy.Symbol("u")
    v = epirk5.second_node(u)
    (b2, b3), (slope2, slope3) = (epirk5.coefficients(m, u, v) for m in (0, 1))
    first = b2 + 2 * b3
    argument, other = 2 * (slope2 + 2 * slope3) / first, 4 * slope3 / b3
    curvature = first * argument**2 / 6 * u**2 + b3 * other**2 / 20 * (v**2 - 2 * u**2) - sympy.Rational(1, 60)
    numerator = sympy.Poly(sympy.fraction(sympy.cancel(curvature))[0], u)
    assert numerator.monic() == sympy.Poly(epirk5.P1_POLYNOMIAL[::-1], u).monic()


def test_the_misprint_of_epirk5s3_costs_three_orders_and_is_told_from_its_neighbours():
    right = method("epirk5s3")
    assert right.b[2] == F(2187, 106) * phi(3) - F(120285, 1696) * phi(4)
    wrong = F(2187, 106) * phi(3) - F(2187, 106) * phi(4)
    report = check_orders(Rosenbrock(name="misprint", c=right.c, a=right.a, b=(REST, right.b[1], wrong)))
    assert report.order == 2
    assert [condition.latex() for condition in report.violated] == [r"\sum_{i} b_i c_i^2 = \tfrac{1}{3}"]


@given(st.fractions(-2, 2, max_denominator=5), st.integers(1, 4), st.integers(1, 3))
def test_raising_undoes_multiplication_with_z(c, k, m):
    function = phi(k, c) if c else phi(k)
    assert function.times_z().raised(1) == function
    assert function.raised(1).raised(m) == function.raised(m + 1)


def test_tableaux_that_do_not_solve_linear_problems_are_refused():
    with pytest.raises(ValueError, match="expected b to sum to φ₁, received 2φ₂"):
        Rosenbrock(name="wrong", c=(0,), a=((),), b=(2 * phi(2),))
    with pytest.raises(ValueError, match=r"expected row 2 of a to sum to φ_k with k ≥ 1, received e\^z"):
        Rosenbrock(name="wrong", c=(0, 1), a=((), (phi(0),)), b=(REST, 2 * phi(3)))
    with pytest.raises(ValueError, match="expected different nodes other than 0"):
        linearised_ladder("wrong", [[F(1, 2), F(1, 2)]])
    with pytest.raises(ValueError, match="integer ≥ 1, received 0"):
        LinearisedAdams(0)


def test_published_weights_for_uniform_steps_refuse_other_grids():
    with pytest.raises(ValueError, match="epi3: expected 2 values of N at uniform steps, received positions"):
        method("epi3").recipe(StepContext(0.0, 1.0, (0, F(-1, 2))))
    with pytest.raises(ValueError, match="expected 1 weights, received 0"):
        EpiMultistep(q=2, label="wrong")


def test_they_are_found_by_name_and_marked_as_needing_the_jacobian():
    marked = {name for name in method_names() if isinstance(method(name), Linearised)}
    assert {tableau.name for tableau in METHODS} < marked
    assert method("linearized-adams4") == LinearisedAdams(3)
    assert not isinstance(method("krogstad4"), Linearised)
