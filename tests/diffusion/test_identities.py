"""Named samplers are one step of one method: proved for symbols, not compared at numbers."""

from fractions import Fraction

import pytest
import sympy as sp

import expint
from diffusion.compat import BH1, MIDPOINT
from diffusion.gauge import DATA, NOISE, RHO
from expint.derive.lagrange import collocation_weights
from expint.derive.phisum import PhiSum, phi
from expint.derive.predictor_corrector import PredictorCorrector
from expint.derive.stage import StepContext

ALPHA0, SIGMA0, ALPHA1, SIGMA1 = sp.symbols("alpha0 sigma0 alpha1 sigma1", positive=True)
H, R1, R2 = sp.symbols("h r1 r2", positive=True)  # the step in λ; nodes in units of it


def number(value):
    return sp.Rational(value.numerator, value.denominator) if isinstance(value, Fraction) else value


def function(phisum, z):
    """Σ r φ_k(cz) as a sympy expression; at z = 0 its value there."""
    if z == 0:
        return number(phisum.at_zero())
    return sum(number(r) * z**-m * sp.exp(number(c) * z) for (m, c), r in phisum.exponentials().items())


def vanishes(expression):
    return sp.simplify(sp.expand(sp.expand_log(expression, force=True))) == 0


CLOCKS = {
    "noise": lambda alpha, sigma: sp.log(alpha / sigma),
    "data": lambda alpha, sigma: sp.log(alpha / sigma),
    "rho": lambda alpha, sigma: sigma / alpha,
}


@pytest.mark.parametrize("gauge", [NOISE, DATA, RHO], ids=lambda gauge: gauge.name)
def test_exponential_euler_in_every_gauge_is_the_one_map_of_ddim(gauge):
    x, eps = sp.symbols("x epsilon")
    clean = (x - SIGMA0 * eps) / ALPHA0
    ddim = ALPHA1 * clean + SIGMA1 * eps
    start, end = (CLOCKS[gauge.name](*pair) for pair in ((ALPHA0, SIGMA0), (ALPHA1, SIGMA1)))

    def scale(s, alpha, sigma):
        return alpha / gauge.a(sp, s, None) if gauge.a(sp, s, None) == 1 else sigma / gauge.b(sp, s, None)

    prediction = {"noise": eps, "data": clean}[gauge.predicts]
    h = end - start
    z = h * number(gauge.linear)
    (stage,) = expint.Adams(1).recipe(StepContext(0.0, 1.0, (0,)))
    y = x / scale(start, ALPHA0, SIGMA0)
    step = function(PhiSum(stage.state), z) * y
    step += h * function(PhiSum(stage.past[0]), z) * number(gauge.nonlinear) * prediction
    assert vanishes(scale(end, ALPHA1, SIGMA1) * step - ddim)


def unipc_weights(ratios, first_order, b_of_h):
    """The weights of model outputs as UniPC prints them: m_0, then those at λ_0 + r h, without the factor α (or σ).

    With hh = -h where data are predicted; Σ_m ρ_m r_m^{k-1} = g_k(hh)/B(h), g_k = k! hh φ_{k+1}(hh); then
    x = … - α [(e^{hh} - 1) m_0 + B(h) Σ ρ_m (m_m - m_0)/r_m].
    """
    hh = -H
    count = len(ratios)
    matrix = sp.Matrix([[ratio**k for ratio in ratios] for k in range(count)])
    right = sp.Matrix([sp.factorial(k) * hh * function(phi(k + 1), hh) / b_of_h for k in range(1, count + 1)])
    rho = matrix.LUsolve(right)
    others = [-b_of_h * rho[m] / ratios[m] for m in range(count)]
    return [-first_order - sum(others), *others]


@pytest.mark.parametrize(
    "ratios", [(-R1,), (-R1, -R2), (-R1, 1), (1,)], ids=["two past", "three past", "corrector of two past", "corrector"]
)
def test_unipc_is_exponential_adams_whatever_its_function_b_is(ratios):
    b_of_h = sp.Symbol("B")
    published = unipc_weights(ratios, sp.exp(-H) - 1, b_of_h)
    adams = collocation_weights([Fraction(0), *ratios])
    for weight, own in zip(published, adams, strict=True):
        assert vanishes(weight - H * function(own, -H))


def test_predictor_and_corrector_of_the_catalogue_are_those_rows():
    past = (Fraction(0), Fraction(-2, 3), Fraction(-5, 2))
    predictor, corrector = PredictorCorrector(3, ramp=True).recipe(StepContext(0.0, 1.0, past))
    values = {R1: sp.Rational(2, 3), R2: sp.Rational(5, 2)}
    published = unipc_weights((-R1, -R2), sp.exp(-H) - 1, sp.Symbol("B"))
    for weight, terms in zip(published, predictor.past, strict=True):
        assert vanishes(weight.subs(values) - H * function(PhiSum(terms), -H))
    published = unipc_weights((1, -R1, -R2), sp.exp(-H) - 1, sp.Symbol("B"))
    own = (corrector.past[0], corrector.stages[0], *corrector.past[1:])
    for weight, terms in zip(published, own, strict=True):
        assert vanishes(weight.subs(values) - H * function(PhiSum(terms), -H))
    assert not predictor.remember or predictor.evaluate  # PEC: one call, at the predicted point


def deviating(weights, rules):
    """Exact weights with φ-functions replaced as a preset says."""
    by = {rule.k: rule for rule in rules}
    return [
        sum((r * by[k].factor * phi(*by[k].by) if k in by else PhiSum({(k, c): r}) for (k, c), r in row), PhiSum())
        for row in weights
    ]


def test_dpm_solver_pp_2m_is_the_two_node_row_with_its_second_moment_replaced():
    row = deviating(collocation_weights([Fraction(0), -R1]), MIDPOINT)
    first = -(sp.exp(-H) - 1)  # x = σ₁/σ₀ x - α (e^{-h} - 1) D, D = (1 + 1/2r) m_0 - m_{-1}/2r
    for weight, published in zip(row, (first * (1 + 1 / (2 * R1)), -first / (2 * R1)), strict=True):
        assert vanishes(H * function(weight, -H) - published)


@pytest.mark.parametrize(("rules", "b_of_h"), [(BH1, -H), (MIDPOINT, sp.exp(-H) - 1)], ids=["bh1", "bh2"])
def test_unipc_with_its_shortcut_for_two_nodes_is_the_row_with_its_second_moment_replaced(rules, b_of_h):
    # the published code sets ρ = 1/2 instead of solving one equation
    others = -b_of_h / 2 / -R1
    published = (-(sp.exp(-H) - 1) - others, others)
    row = deviating(collocation_weights([Fraction(0), -R1]), rules)
    for weight, own in zip(published, row, strict=True):
        assert vanishes(weight - H * function(own, -H))


def test_the_exact_two_node_row_is_not_that_of_dpm_solver_pp_2m():
    exact, replaced = (f(collocation_weights([Fraction(0), -R1])) for f in (list, lambda row: deviating(row, MIDPOINT)))
    assert exact[1] != replaced[1]
    assert exact[1].at_zero() == replaced[1].at_zero()  # the same for h → 0, so the order is 2 as well
