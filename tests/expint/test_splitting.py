"""Splitting: orders proved in words, and measured on equations whose parts have known flows."""

from fractions import Fraction as F

import numpy as np
import pytest
import sympy

import expint
from expint.derive.algebra.phisum import phi
from expint.derive.kinds.splitting import Splitting, repeated
from expint.derive.orders.conditions import check_orders
from expint.derive.orders.words import is_near_a_splitting, lyndon_words, splitting_order, values_and_slopes
from expint.ivp.splitting import run_splitting
from expint.methods.splitting import METHODS
from expint.solution import Status

WAVENUMBERS = np.fft.fftfreq(32, 1 / 32)
SYMBOL = -1j * WAVENUMBERS**2 / 8


def rotation(t, tau, v):
    """The flow of i (1 + cos t) |u|² u on the grid, exact since |u| stays."""
    u = np.fft.ifft(v)
    return np.fft.fft(np.exp(1j * (tau + np.sin(t + tau) - np.sin(t)) * np.abs(u) ** 2) * u)


def solved(method, steps):
    start = np.fft.fft(np.exp(1j * np.sin(2 * np.pi * np.arange(32) / 32)))
    return run_splitting(method, SYMBOL, rotation, start, np.linspace(0, 1, steps + 1))


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_declared_orders_are_the_proved_ones(method):
    if method.rounding is None:
        assert splitting_order(method.a, method.b, max_order=method.order + 1) == method.order
    else:
        assert is_near_a_splitting(method.a, method.b, method.order, method.rounding)
        assert splitting_order(method.a, method.b) == 2  # the rounded one itself is only symmetric


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_the_report_names_the_words_of_the_next_order_and_how_far_they_are_missed(method):
    report = check_orders(method)
    assert report is method.orders
    assert (report.order, report.max_order) == (method.order, method.order + 1)
    assert all(condition.order == method.order + 1 and condition.residual for condition in report.violated)
    assert min(abs(float(condition.residual)) for condition in report.violated) > 1e-9  # not by rounding
    assert report.error_constant == pytest.approx(float(sum(c.residual**2 for c in report.violated)) ** 0.5)
    assert check_orders(method).violated_weak[0].latex() == r"\psi_{1} = 0"


def test_the_error_constants_of_lie_and_strang_are_those_of_their_commutators():
    # e^A e^B = e^{A+B+[A,B]/2+…}; for Strang -([A,[A,B]] + 2 [B,[A,B]])/24, in words AAB - 2 ABA + BAA and so on
    assert expint.method("lie").orders.error_constant == pytest.approx((2 * F(1, 2) ** 2) ** 0.5)
    first, second = (1, -2, 1), (-2, 4, -2)
    assert expint.method("strang").orders.error_constant == pytest.approx(
        sum((F(own, 24)) ** 2 for own in (*first, *second)) ** 0.5
    )


def test_what_a_splitting_misses_of_phi_1_is_in_its_report():
    (condition,) = expint.method("strang").orders.violated_stiff
    assert condition.residual == phi(1) - phi(0, F(1, 2))


def test_parts_may_be_sympy_roots():
    cube = sympy.cbrt(2)
    outer = 1 / (2 - cube)
    a = (outer / 2, (1 - outer) / 2, (1 - outer) / 2, outer / 2)
    report = check_orders(Splitting("yoshida", a, (outer, 1 - 2 * outer, outer), order=4))
    own = expint.method("yoshida4").orders
    assert (report.order, report.error_constant) == (4, pytest.approx(own.error_constant))


PRINTED = {  # Blanes and Moan (2002), tables 2 and 3
    "blanes-moan4": "0.0792036964311957 0.353172906049774 -0.0420650803577195 0.209515106613362 -0.143851773179818",
    "blanes-moan6": "0.0502627644003922 0.413514300428344 0.0450798897943977 -0.188054853819569 0.541960678450780 "
    "0.148816447901042 -0.132385865767784 0.067307604692185 0.432666402578175",
}


@pytest.mark.parametrize("name", PRINTED)
def test_parts_agree_with_the_printed_digits(name):
    method = expint.method(name)
    for digits in PRINTED[name].split():
        assert min(abs(part - F(digits)) for part in (*method.a, *method.b)) < F(5, 10**15), digits


def test_splittings_that_are_not_near_an_exact_one_are_told():
    method = expint.method("blanes-moan6")
    a = list(method.a)
    a[1], a[-2], a[5] = a[1] + F(1, 10**30), a[-2] + F(1, 10**30), a[5] - F(2, 10**30)
    assert is_near_a_splitting(a, method.b, 6, F(1, 10**28))
    assert not is_near_a_splitting(a, method.b, 6, F(1, 10**31))
    assert not is_near_a_splitting(a[:-1] + [a[-1] + F(1, 10**40)], method.b, 6, F(1, 10**20))  # no palindrome
    strang = expint.method("strang")
    assert not is_near_a_splitting((F(1, 4), F(1, 2), F(1, 4)), (F(1, 2), F(1, 2)), 4, F(1, 10**3))
    assert (strang.a, strang.b) == ((F(1, 2), F(1, 2)), (1,))


def test_the_slopes_of_the_conditions_are_those_of_differences():
    method = expint.method("blanes-moan6")
    words = [word for length in (3, 5) for word in lyndon_words(length)]
    values, slopes = values_and_slopes(method.a, method.b, words)
    small = F(1, 10**20)
    for unknown in range(9):
        a, b = list(method.a), list(method.b)
        if unknown < 5:
            a[unknown], a[-1 - unknown], a[5] = a[unknown] + small, a[-1 - unknown] + small, a[5] - 2 * small
        else:
            i = unknown - 5
            b[i], b[-1 - i], b[4], b[5] = b[i] + small, b[-1 - i] + small, b[4] - small, b[5] - small
        moved, _ = values_and_slopes(a, b, words)
        for row, after, before in zip(slopes, moved, values):
            assert abs((after - before) / small - row[unknown]) < 10**3 * small


def test_words_of_lyndon_are_as_many_as_dimensions_of_the_free_lie_algebra():
    assert [len(lyndon_words(length)) for length in (2, 3, 4, 5, 6, 7)] == [1, 2, 3, 6, 9, 18]
    assert lyndon_words(3) == ["AAB", "ABB"]


def test_a_splitting_of_commuting_letters_only_is_no_proof():
    assert splitting_order((F(1, 3), F(2, 3)), (1,)) == 1
    assert splitting_order((F(1, 2), F(1, 2)), (F(1, 2),)) == 0  # half of N is left out


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_measured_slope_is_the_order_on_a_schroedinger_equation_whose_force_moves(method):
    reference = solved(expint.method("blanes-moan6"), 128).y_end
    coarse = 8 if method.order > 4 else 32
    errors = [float(np.max(np.abs(solved(method, steps).y_end - reference))) for steps in (coarse, 2 * coarse)]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(method.order, abs=0.15)


def test_every_part_keeps_the_norm_and_so_does_the_method():
    solution = solved(expint.method("yoshida4"), 16)
    norms = np.linalg.norm(solution.y, axis=1)
    assert np.allclose(norms, norms[0], rtol=1e-12)
    assert solution.success
    assert solution.stats.nonlinear_evaluations == 16 * 3


def test_a_linear_part_alone_is_solved_exactly():
    start = np.array([1.0, 2.0])
    linear = np.array([-3.0, 0.5])
    solution = run_splitting(expint.method("strang"), linear, lambda t, tau, v: v, start, [0.0, 0.4, 2.0])
    assert np.allclose(solution.y_end, start * np.exp(2 * np.array([-3.0, 0.5])), rtol=1e-14)


def test_states_that_become_infinite_end_the_run_with_a_status():
    start = np.array([1.0])

    def explosion(t, tau, v):
        return v / (1 - tau * v) if tau * v[0] < 1 else v * np.inf

    solution = run_splitting(expint.method("lie"), 0.0, explosion, start, [0.0, 0.5, 1.5, 2.0])
    assert solution.status is Status.NON_FINITE
    assert solution.t.tolist() == [0.0, 0.5]


def test_methods_that_are_none_are_refused():
    with pytest.raises(ValueError, match="expected one part more in a than in b, received 1 and 1"):
        Splitting("wrong", (1,), (1,), order=1)
    with pytest.raises(ValueError, match="parts a to sum to 1, received 3/2"):
        Splitting("wrong", (1, F(1, 2)), (1,), order=1)


def test_it_prints_its_parts_and_cites_its_source():
    assert expint.method("strang").latex().splitlines()[1] == r"L & \tfrac{1}{2} & \tfrac{1}{2} \\"
    assert expint.method("yoshida4").cite().startswith("@article{yoshida1990,")


def test_they_are_found_by_name_and_alias_and_refuse_to_run_without_flows():
    assert {method.name for method in METHODS} < set(expint.method_names())
    assert expint.method("Lie–Trotter".replace("–", "-")).name == "lie"
    problem = expint.problems.burgers(n=32)
    for options in ({"step": 0.01}, {"rtol": 1e-4}, {"rtol": 1e-4, "error": "doubling"}):
        with pytest.raises(ValueError, match="strang is a splitting method: expected the flow of N, received N; run"):
            expint.solve(problem, "strang", **options)
    with pytest.raises(ValueError, match="strang is a splitting method"):
        expint.lower(expint.method("strang"), expint.operators.as_operator(problem.linear, problem.y0), [0, 1])


def test_the_triple_jump_asks_for_rational_parts():
    gamma = expint.method("yoshida4").b[0]
    assert (2 - 1 / gamma) ** 3 == 2
    with pytest.raises(TypeError):
        repeated(expint.method("yoshida4"), "yoshida6", 1)
