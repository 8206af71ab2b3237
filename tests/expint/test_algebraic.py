"""Numbers of algebraic fields: exact arithmetic, held against sympy and mpmath."""

from fractions import Fraction as F
from math import sqrt

import mpmath
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from expint.derive.algebra.algebraic import Algebraic, root
from expint.derive.algebra.phisum import PhiSum, phi
from expint.methods.epirk5 import P1_POLYNOMIAL

SQRT2 = root((-2, 0, 1), 1, 2)
QUINTIC = root((-1, -1, 0, 0, 0, 1), 1, 2)  # x⁵ = x + 1, not solvable by radicals
THETA = mpmath.findroot(lambda x: x**5 - x - 1, 1.17)
FRACTIONS = st.fractions(-3, 3, max_denominator=7)


def made(terms):
    """Σ a_m θ^m for the quintic, and its value."""
    exact = sum((a * QUINTIC**m for m, a in enumerate(terms)), F(0))
    return exact, float(sum(float(a) * THETA**m for m, a in enumerate(terms)))


@given(st.lists(FRACTIONS, min_size=5, max_size=5), st.lists(FRACTIONS, min_size=5, max_size=5))
@settings(max_examples=40, deadline=None)
def test_arithmetic_is_that_of_the_values(left, right):
    (x, x_value), (y, y_value) = made(left), made(right)
    assert float(x + y) == pytest.approx(x_value + y_value, rel=1e-9, abs=1e-9)
    assert float(x - y) == pytest.approx(x_value - y_value, rel=1e-9, abs=1e-9)
    assert float(x * y) == pytest.approx(x_value * y_value, rel=1e-9, abs=1e-9)
    assert (x < y) == (x != y and float(x - y) < 0)
    if y != 0:
        assert x / y * y == x
        assert y**-2 * y**2 == 1


def test_what_is_rational_becomes_a_fraction_by_itself():
    assert type(SQRT2 * SQRT2) is F
    assert SQRT2**2 == 2
    assert (SQRT2 + 1) * (SQRT2 - 1) == 1
    assert SQRT2 - SQRT2 == 0
    assert 4 / SQRT2 == 2 * SQRT2
    assert hash(1 / SQRT2) == hash(SQRT2 / 2)


def test_it_is_ordered_among_rational_numbers_and_printed_by_its_first_digits():
    assert F(141421356, 10**8) < SQRT2 < F(141421357, 10**8)
    assert -SQRT2 < 0 < SQRT2
    assert float(SQRT2) == sqrt(2)
    assert (str(SQRT2), repr(SQRT2 / 10)) == ("1.41421356237…", "Algebraic(0.141421356237…)")
    assert abs(SQRT2.rounded(60) ** 2 - 2) < F(1, 10**59)


def test_numbers_so_small_that_they_look_like_zero_have_the_right_sign():
    tiny = SQRT2 - SQRT2.rounded(40)
    assert isinstance(tiny, Algebraic)
    assert (tiny > 0) == (SQRT2.rounded(40) ** 2 < 2)
    assert 0 < abs(float(tiny)) < 1e-40


def test_fields_do_not_mix():
    with pytest.raises(TypeError):
        SQRT2 + QUINTIC
    assert SQRT2 != QUINTIC
    assert SQRT2 != 1


def test_they_do_not_become_floats_among_symbols():
    x = sympy.Symbol("x")
    for mixed in (lambda: SQRT2 + x, lambda: x + SQRT2, lambda: SQRT2 * x, lambda: x * SQRT2, lambda: x / SQRT2):
        with pytest.raises(TypeError):
            mixed()
    with pytest.raises(sympy.SympifyError, match="which does not mix with symbols"):
        sympy.sympify(SQRT2)


def test_intervals_without_root_and_polynomials_of_low_degree_are_refused():
    with pytest.raises(ValueError, match="expected a root between 2 and 3, received a polynomial that keeps its sign"):
        root((-2, 0, 1), 2, 3)
    with pytest.raises(ValueError, match="irreducible polynomial of degree 2 or more"):
        root((-2, 1), 1, 3)


def test_they_are_coefficients_and_arguments_of_phi_functions():
    function = SQRT2 * phi(1, SQRT2) - phi(1, SQRT2) * SQRT2 + phi(2, SQRT2 * SQRT2)
    assert function == phi(2, 2)
    assert (SQRT2 * phi(1, SQRT2) * SQRT2).terms == {(1, SQRT2): 2}
    assert str(-SQRT2 * phi(2, SQRT2)) == "-(1.41421356237…)φ₂((1.41421356237…)z)"
    assert (SQRT2 * phi(2)).latex() == r"1.41421356237\ldots\varphi_{2}(z)"
    assert PhiSum({(1, SQRT2): 1}).evaluate(0.3) == pytest.approx((mpmath.exp(0.3 * sqrt(2)) - 1) / (0.3 * sqrt(2)))


def test_the_polynomial_of_epirk5p1_is_irreducible():
    assert sympy.Poly(P1_POLYNOMIAL[::-1], sympy.Symbol("x")).is_irreducible
