"""DPM-Solver++(2M) and the shortcuts of UniPC are two-node rows with one φ-function replaced: proved for symbols."""

from fractions import Fraction

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

import expint
from diffusion.samplers.presets import BH1, MIDPOINT, Deviating
from expint.derive.algebra.lagrange import collocation_weights
from expint.derive.algebra.phisum import PhiSum, phi
from expint.derive.kinds.stage import StepContext
from expint.derive.orders.conditions import check_orders
from expint.derive.orders.scheme import Scheme

R, H = sympy.symbols("r h", positive=True)  # the step before this one in units of this one; this step in λ


def replaced(weight, rules):
    """A φ-sum with functions replaced as a preset says."""
    by = {rule.k: rule for rule in rules}
    return sum((r * by[k].factor * phi(*by[k].by) if k in by else r * phi(k, c) for (k, c), r in weight), PhiSum())


def row(rules=()):
    """The weights of the slopes at 0 and -r, φ-functions replaced."""
    return [replaced(weight, rules) for weight in collocation_weights([Fraction(0), -R])]


def rational(value):
    return sympy.Rational(value.numerator, value.denominator) if isinstance(value, Fraction) else value


def at_minus_h(weight):
    """The weight in a step h where data are predicted, so that L = -1: h times the φ-sum at z = -h."""
    parts = weight.exponentials().items()
    return H * sum(rational(r) * (-H) ** -m * sympy.exp(-rational(c) * H) for (m, c), r in parts)


def test_dpm_solver_pp_2m_is_the_two_node_row_with_half_of_phi_1_for_phi_2():
    """Lu et al. 2022: x = (σ/σ₀) x₀ - α (e^{-h} - 1) D with D = (1 + 1/(2r)) m₀ - m₋₁/(2r)."""
    first = 1 - sympy.exp(-H)
    published = [(1 + 1 / (2 * R)) * first, -first / (2 * R)]
    own = [at_minus_h(weight) for weight in row(MIDPOINT)]
    assert [sympy.simplify(a - b) for a, b in zip(own, published, strict=True)] == [0, 0]
    assert row(MIDPOINT) == [(1 + 1 / (2 * R)) * phi(1), -phi(1) / (2 * R)]


@pytest.mark.parametrize(("rules", "b"), [(BH1, -H), (MIDPOINT, sympy.exp(-H) - 1)], ids=["bh1", "bh2"])
def test_the_shortcut_of_unipc_for_two_nodes_is_a_row_with_its_second_moment_replaced(rules, b):
    """Zhao et al. 2023 set ρ = 1/2 there: x = … - α [(e^{-h} - 1) m₀ + B/2 (m₋₁ - m₀)/(-r)]."""
    older = -b / 2 / -R
    published = [1 - sympy.exp(-H) - older, older]
    own = [at_minus_h(weight) for weight in row(rules)]
    assert [sympy.simplify(a - b) for a, b in zip(own, published, strict=True)] == [0, 0]


@given(st.fractions(Fraction(1, 9), 9, max_denominator=20))
@settings(max_examples=20)
def test_the_library_runs_these_rows(ratio):
    for rules in (MIDPOINT, BH1):
        (stage,) = Deviating(expint.Adams(2, ramp=True), rules).recipe(StepContext(0.0, 1.0, (0.0, -float(ratio))))
        for terms, weight in zip(stage.past, row(rules), strict=True):
            exact = weight.subs({R: ratio})
            own = {key: value for key, value in terms.items() if value}
            assert own == pytest.approx({key: float(value) for key, value in exact}, rel=1e-14)


@given(st.fractions(Fraction(1, 9), 9, max_denominator=20))
@settings(max_examples=20)
def test_replacing_costs_the_stiff_order_and_no_classical_one(ratio):
    nodes = (Fraction(0), -ratio)
    for rules, stiff in (((), 2), (MIDPOINT, 1), (BH1, 1)):
        weights = tuple(weight.subs({R: ratio}) for weight in row(rules))
        assert sum(weights, PhiSum()) == phi(1)
        report = check_orders(Scheme(nodes, (None, None), weights), max_order=3)
        assert (report.order, report.stiff_order) == (2, stiff)
