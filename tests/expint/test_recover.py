"""Floats: refused, or recovered when asked."""

from fractions import Fraction as F
from math import pi

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from expint.derive import recover
from expint.derive.algebra.phisum import phi
from expint.derive.kinds.tableau import REST, Tableau
from expint.methods import method


@given(st.fractions(-50, 50, max_denominator=5000))
def test_fractions_survive_the_way_through_floats(value):
    assert recover(float(value)) == value
    assert recover(np.float64(value)) == value


@given(st.dictionaries(st.tuples(st.integers(0, 4), st.just(0.5) | st.just(1 / 3)), st.just(2 / 3), min_size=1))
def test_sums_are_recovered_term_by_term(terms):
    assert recover(terms) == sum((F(2, 3) * phi(k, recover(c)) for k, c in terms), 0 * phi(1))


@pytest.mark.parametrize("value", [pi, 2**0.5 / 2, 0.3512959269505819])
def test_numbers_that_no_simple_fraction_explains_are_refused(value):
    with pytest.raises(ValueError, match="denominator up to 1000000 explains, received"):
        recover(value)


def test_values_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="expected a finite coefficient, received nan"):
        recover(float("nan"))


def test_exact_values_stay_as_they_are():
    assert recover(F(1, 3)) == F(1, 3)
    assert recover(phi(2)) == phi(2)
    assert recover(REST) is REST


def test_a_tableau_typed_in_floats_is_refused_with_its_row_and_recovered_when_asked():
    c = (0, 0.5, 0.5, 1)
    a = ((), (REST,), (REST, {(2, 0.5): 1.0}), (REST, 0.0, {(2, 1): 2.0}))
    b = (REST, {(2, 1): 2.0, (3, 1): -4.0}, {(2, 1): 2.0, (3, 1): -4.0}, {(2, 1): -1.0, (3, 1): 4.0})
    with pytest.raises(TypeError, match=r"ask for it: expint.derive.recover"):
        Tableau(name="mine", c=c, a=((), (REST,), (REST, 0.5), (REST, 0.0, 1.0)), b=(REST, 1 / 3, 1 / 3, 1 / 6))
    mine = Tableau.from_floats("mine", c, a, b)
    assert (mine.a, mine.b) == (method("krogstad4").a, method("krogstad4").b)


def test_the_row_of_a_float_that_cannot_be_recovered_is_named():
    with pytest.raises(ValueError, match=r"mine: row 2 of a: expected a float that a fraction"):
        Tableau.from_floats("mine", (0, 0.5), ((), (pi / 7,)), (REST, {(2, 1): 2.0}))
    with pytest.raises(ValueError, match=r"mine: embedded: expected a float that a fraction"):
        Tableau.from_floats("mine", (0, 0.5), ((), (REST,)), (REST, {(2, 1): 2.0}), embedded=(REST, pi))


def test_what_is_recovered_is_checked_like_any_tableau():
    with pytest.raises(ValueError, match="expected row 2 of a to sum to 1/2 at L = 0, received 1/3"):
        Tableau.from_floats("mine", (0, 0.5), ((), (1 / 3,)), (REST, {(2, 1): 2.0}))
