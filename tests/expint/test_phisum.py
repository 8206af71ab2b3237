"""PhiSum: an exact ring of functions, faithful to its values."""

from fractions import Fraction
from math import factorial

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from expint.derive.algebra.phisum import PhiSum, exact, phi

NODES = st.sampled_from([Fraction(p, q) for p, q in ((0, 1), (1, 1), (1, 2), (1, 3), (3, 4), (-1, 1), (2, 1), (-1, 2))])
FACTORS = st.fractions(min_value=-5, max_value=5, max_denominator=7)
PHISUMS = st.dictionaries(st.tuples(st.integers(0, 3), NODES), FACTORS, max_size=4).map(PhiSum)
POINTS = st.complex_numbers(min_magnitude=0.25, max_magnitude=8, allow_nan=False, allow_infinity=False)


def value(function, z):
    """The value at z in the current precision of mpmath, φ_k(z) = ₁F₁(1; k + 1; z)/k!."""
    total = mpmath.mpc(0)
    for (k, c), r in function:
        term = mpmath.hyp1f1(1, k + 1, mpmath.mpf(c.numerator) / c.denominator * mpmath.mpmathify(z)) / factorial(k)
        total += term * r.numerator / r.denominator
    return total


@settings(max_examples=40)
@given(PHISUMS, PHISUMS, PHISUMS)
def test_phisums_form_a_commutative_ring(f, g, h):
    assert f + g == g + f
    assert (f + g) + h == f + (g + h)
    assert f * g == g * f
    assert (f * g) * h == f * (g * h)
    assert f * (g + h) == f * g + f * h
    assert f + 0 == f == 1 * f == f * phi(0, 0)
    assert f - f == 0
    assert not f * 0


@settings(max_examples=40)
@given(PHISUMS, PHISUMS)
def test_equal_phisums_have_equal_hashes(f, g):
    assert hash(f + g - g) == hash(f)
    assert (f == g) == (f.terms == g.terms)


@settings(max_examples=40)
@given(PHISUMS, PHISUMS, POINTS)
def test_products_and_sums_have_the_values_they_should(f, g, z):
    with mpmath.workdps(60):
        assert abs(value(f * g, z) - value(f, z) * value(g, z)) < mpmath.mpf(10) ** -35
        assert abs(value(f + g, z) - value(f, z) - value(g, z)) < mpmath.mpf(10) ** -45


@settings(max_examples=40)
@given(PHISUMS, POINTS)
def test_evaluation_in_floats_agrees_with_multiprecision(f, z):
    with mpmath.workdps(40):
        reference = complex(value(f, z))
        size = float(sum(abs(value(PhiSum({key: r}), z)) for key, r in f))
    assert abs(f.evaluate(z) - reference) <= 1e-14 * size


def test_evaluation_keeps_the_shape_of_arrays():
    z = np.linspace(-3, 1, 6).reshape(2, 3)
    values = (phi(1) - 2 * phi(2, Fraction(1, 2)) + 3).evaluate(z)
    assert values.shape == (2, 3)
    assert values[0, 0] == pytest.approx((phi(1) - 2 * phi(2, Fraction(1, 2)) + 3).evaluate(-3.0), rel=1e-15)
    assert PhiSum().evaluate(z).shape == (2, 3)


@settings(max_examples=40)
@given(PHISUMS)
def test_series_is_the_taylor_expansion(f):
    count, z = 12, mpmath.mpf(1) / 1000
    with mpmath.workdps(60):
        series = sum((r.numerator * z**m / r.denominator for m, r in enumerate(f.series(count))), mpmath.mpf(0))
        assert abs(series - value(f, z)) < mpmath.mpf(10) ** -30
    assert f.series(1)[0] == f.at_zero()


@settings(max_examples=40)
@given(PHISUMS)
def test_exponential_form_and_back_is_the_identity(f):
    assert PhiSum.from_exponentials(f.exponentials()) == f


@settings(max_examples=40)
@given(PHISUMS, st.sampled_from([Fraction(2), Fraction(-1, 3), Fraction(0)]), POINTS)
def test_scaling_scales_the_argument(f, theta, z):
    with mpmath.workdps(40):
        scaled = mpmath.mpf(theta.numerator) / theta.denominator * mpmath.mpmathify(z)
        assert abs(value(f.scaled(theta), z) - value(f, scaled)) < mpmath.mpf(10) ** -25


def test_recurrence_holds_exactly():
    for k in range(1, 6):
        # z φ_{k+1}(z) = φ_k(z) - 1/k!, multiplied by φ_1 so that z φ_1 = e^z - 1 can be used
        left = (phi(0) - 1) * phi(k + 1)
        right = phi(1) * (phi(k) - Fraction(1, factorial(k)))
        assert left == right


def test_addition_formula_holds_exactly():
    a, b, k = Fraction(1, 3), Fraction(2, 3), 3
    right = a**k * phi(0, b) * phi(k, a)
    right += sum((a ** (k - j) * b**j * phi(j, b) / factorial(k - j) for j in range(1, k + 1)), PhiSum())
    assert phi(k) == right


def test_symbols_are_carried_and_substituted():
    c2 = sympy.Symbol("c2")
    weight = phi(2) / c2 + phi(1, c2)
    assert weight.subs({c2: Fraction(1, 2)}) == 2 * phi(2) + phi(1, Fraction(1, 2))
    assert (phi(1, c2) - phi(1, Fraction(1, 2))).subs({c2: Fraction(1, 2)}) == 0
    assert (weight * c2 - weight * c2) == 0
    assert ((c2 + 1) * phi(1) - c2 * phi(1)) == phi(1)


def test_a_greek_factor_keeps_its_distance_from_an_exponential():
    kappa = sympy.Symbol("kappa")
    assert PhiSum({(0, 1): kappa, (2, 1): kappa}).latex() == r"\kappa e^{z} + \kappa\varphi_{2}(z)"
    assert PhiSum({(0, 1): Fraction(1, 10**9 + 7)}).latex().startswith(r"9.99999993e-10\ldots e^")


C = sympy.Symbol("c")
ROOT = sympy.sqrt(2)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (C * (C + 1), C**2 + C),
        ((C**2 - 1) / (C + 1), C - 1),
        ((1 + ROOT) ** 2, 3 + 2 * ROOT),
        (1 / (1 + ROOT), ROOT - 1),
        (sympy.sqrt(3 + 2 * ROOT), 1 + ROOT),
    ],
    ids=str,
)
def test_numbers_written_in_two_ways_are_one_number(one, other):
    assert phi(2, one) == phi(2, other)
    assert one * phi(2) == other * phi(2)
    assert not PhiSum({(0, 0): one - other})
    assert PhiSum({(0, 0): one - other + Fraction(1, 10**30)})  # small is not zero


def test_a_pole_is_refused():
    with pytest.raises(ValueError, match="without pole at z = 0, received one with principal part"):
        PhiSum.from_exponentials({(1, Fraction(1)): Fraction(1)})


@pytest.mark.parametrize("wrong", [0.5, 1j, "1/2", None, sympy.Float(0.5)])
def test_inexact_numbers_are_refused_with_a_remedy(wrong):
    with pytest.raises(TypeError, match=r"expected an exact number .* received .* write Fraction"):
        exact(wrong)
    with pytest.raises(TypeError, match="expected an exact number"):
        phi(1) * wrong


def test_negative_indices_are_refused():
    with pytest.raises(ValueError, match="index k of φ_k to be an integer ≥ 0, received -1"):
        phi(-1)


def test_comparison_with_other_things_is_false():
    assert phi(1) != "φ₁"
    assert phi(0, 0) == 1
    assert PhiSum() == 0


def test_text_and_latex_read_as_in_the_papers():
    weight = -phi(2) + 4 * phi(3, Fraction(1, 2)) - Fraction(1, 6) * phi(1, Fraction(3, 4)) + Fraction(1, 3)
    assert str(weight) == "1/3 - (1/6)φ₁(3z/4) - φ₂ + 4φ₃(z/2)"
    assert weight.latex() == (r"\tfrac{1}{3} - \tfrac{1}{6}\varphi_{1}(3z/4) - \varphi_{2}(z) + 4\varphi_{3}(z/2)")
    assert phi(0, Fraction(1, 2)).latex("hL") == r"e^{hL/2}"
    assert phi(1, -1).latex() == r"\varphi_{1}(-z)"
    assert str(PhiSum()) == PhiSum().latex() == "0"
    assert repr(phi(1)) == "PhiSum(φ₁)"
    assert phi(1)._repr_latex_() == r"$\varphi_{1}(z)$"
    c2 = sympy.Symbol("c2")
    assert (phi(2, 1 - c2) * (1 + c2)).latex() == r"\left(c_{2} + 1\right)\varphi_{2}((1 - c_{2}) z)"
