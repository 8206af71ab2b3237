"""Identities between published samplers, proved symbolically."""

import operator
from fractions import Fraction
from itertools import accumulate
from math import factorial

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

import diffusion
from diffusion.process.gauge import DATA, FLOW, FLOW_DATA, NOISE, RHO, VELOCITY, interpolated
from diffusion.process.prediction import formula
from expint.derive.algebra.lagrange import adams_weights
from expint.derive.algebra.phisum import PhiSum, phi
from expint.derive.kinds.stage import StepContext

START, STEP, DATUM, NOISE_VALUE, SIGMA_DATA = sympy.symbols("s h x0 epsilon sigma_d", positive=True)


def defect_of_euler(gauge):
    """Return y_1 by the exponential Euler method less a(s + h) x₀ + b(s + h) ε, which is DDIM: x₀ and ε kept."""

    def parts(s):
        return sympy.sympify(gauge.a(sympy, s, SIGMA_DATA)), sympy.sympify(gauge.b(sympy, s, SIGMA_DATA))

    (a, b), (a_next, b_next) = parts(START), parts(START + STEP)
    p, q = formula(gauge.predicts, sympy, a, b, SIGMA_DATA)
    linear, nonlinear = (sympy.Rational(v.numerator, v.denominator) for v in (gauge.linear, gauge.nonlinear))
    growth = sympy.exp(linear * STEP)
    integral = STEP if linear == 0 else (growth - 1) / linear
    y = growth * (a * DATUM + b * NOISE_VALUE) + integral * nonlinear * (p * DATUM + q * NOISE_VALUE)
    return sympy.simplify(y - a_next * DATUM - b_next * NOISE_VALUE)


@pytest.mark.parametrize("gauge", [NOISE, DATA, RHO, FLOW, FLOW_DATA], ids=lambda gauge: gauge.name)
def test_the_exponential_euler_method_is_ddim(gauge):
    """DDIM, DPM-Solver-1, DPM-Solver++(1), DEIS of order 0, Euler in σ and on the straight path are one sampler."""
    assert defect_of_euler(gauge) == 0


@pytest.mark.parametrize("gauge", [VELOCITY, interpolated(Fraction(0))], ids=lambda gauge: gauge.name)
def test_in_other_gauges_it_is_another_sampler(gauge):
    assert defect_of_euler(gauge) != 0


@pytest.mark.parametrize(("count", "corrector"), [(1, False), (2, False), (3, False), (1, True), (2, True)])
def test_unipc_solves_for_the_exponential_adams_weights_and_its_b_cancels_on_any_grid(count, corrector):
    """Zhao et al. 2023, eq. (5)–(9): Σ_m r_m^{k−1} a_m = k! φ_{k+1}(h)/B, and a_m B/r_m multiplies N_m − N_0.

    The r_m differ, so these equations of Vandermonde have one solution: the Adams weights w_m = a_m B/r_m.
    """
    nodes = sympy.symbols(f"r1:{count + 1}")  # the steps before in units of this one, any numbers
    ratios = (*((sympy.Integer(1),) if corrector else ()), *nodes)
    b = sympy.Symbol("B")
    newest, *others = adams_weights((0, *ratios))
    a = [weight * r / b for weight, r in zip(others, ratios, strict=True)]
    for k in range(1, len(ratios) + 1):
        assert sum((r ** (k - 1) * own for r, own in zip(ratios, a)), PhiSum()) == factorial(k) * phi(k + 1) / b
    assert newest == phi(1) - sum(others, PhiSum())


@given(st.lists(st.fractions(Fraction(1, 9), 3, max_denominator=20), min_size=3, max_size=3))
@settings(max_examples=10)
def test_the_library_runs_unipc_as_an_exponential_adams_pair(gaps):
    history = tuple(accumulate(gaps, operator.sub, initial=Fraction(0)))
    pair = diffusion.sampler("unipc3").method
    *_, predicted, corrected = pair.recipe(StepContext(0.0, 1.0, history[: pair.history]))
    assert [PhiSum(terms) for terms in predicted.past] == list(adams_weights(history[: len(predicted.past)]))
    own = [PhiSum(terms) for terms in (*corrected.stages, *corrected.past)]
    assert own == list(adams_weights((1, *history[: len(corrected.past)])))
