"""Identities between published samplers, proved symbolically."""

from fractions import Fraction

import pytest
import sympy

from diffusion.gauge import DATA, FLOW, NOISE, RHO, VELOCITY, interpolated
from diffusion.prediction import formula
from expint.derive.adams import adams_terms

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


@pytest.mark.parametrize("gauge", [NOISE, DATA, RHO, FLOW], ids=lambda gauge: gauge.name)
def test_the_exponential_euler_method_is_ddim(gauge):
    """DDIM, DPM-Solver-1, DPM-Solver++(1), DEIS of order 0, Euler in σ and on the straight path are one sampler."""
    assert defect_of_euler(gauge) == 0


@pytest.mark.parametrize("gauge", [VELOCITY, interpolated(Fraction(0))], ids=lambda gauge: gauge.name)
def test_in_other_gauges_it_is_another_sampler(gauge):
    assert defect_of_euler(gauge) != 0


@pytest.mark.parametrize("corrector", [False, True], ids=["predictor", "corrector"])
@pytest.mark.parametrize("nodes", [[-1], [Fraction(-1, 2), Fraction(-7, 3)], [-1, Fraction(-5, 2), -3]], ids=len)
def test_unipc_solves_for_the_exponential_adams_weights_and_its_b_cancels(nodes, corrector):
    """Zhao et al. 2023, eq. (5)–(9): Σ_m r_m^{k−1} a_m = k! φ_{k+1}(h)/B, and a_m B/r_m multiplies N_m − N_0."""
    ratios = [sympy.Rational(r.numerator, r.denominator) for r in map(Fraction, [*([1] if corrector else []), *nodes])]
    b = sympy.Symbol("B")
    phi = [sympy.Symbol(f"phi{k}") for k in range(len(ratios) + 2)]
    system = sympy.Matrix(len(ratios), len(ratios), lambda k, m: ratios[m] ** k)
    right = sympy.Matrix([sympy.factorial(k) * phi[k + 1] / b for k in range(1, len(ratios) + 1)])
    unipc = [sympy.expand(a * b / r) for a, r in zip(system.LUsolve(right), ratios)]

    def symbolic(terms):
        return sum(sympy.Rational(r.numerator, r.denominator) * phi[k] for (k, _), r in terms.items())

    positions = [*([Fraction(1)] if corrector else []), Fraction(0), *map(Fraction, nodes)]
    adams = [symbolic(terms) for terms in adams_terms(positions, exact=True)]
    newest = adams.pop(int(corrector))
    assert [sympy.expand(a - u) for a, u in zip(adams, unipc, strict=True)] == [0] * len(unipc)
    assert sympy.expand(newest - (phi[1] - sum(unipc))) == 0
