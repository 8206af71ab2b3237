"""Schemes made of schemes: dense output, composition, collocation, adjoints."""

import subprocess
import sys
from fractions import Fraction as F

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

import expint
from expint.derive.algebra.lagrange import adams_weights
from expint.derive.algebra.phisum import phi
from expint.derive.kinds.butcher import Butcher
from expint.derive.kinds.composition import adjoint, collocation, compose, dense_weights, part_of_step
from expint.derive.orders.conditions import check_orders
from expint.derive.orders.scheme import Scheme, scheme_of_tableau
from expint.methods import method

parts = st.fractions(F(1, 5), F(4, 5), max_denominator=5)


@given(parts)
@settings(max_examples=5, deadline=None)
def test_dense_output_has_everywhere_the_stiff_order_that_its_stages_allow(theta):
    for name, order in (("krogstad4", 2), ("expint43", 3), ("etd2rk", 2), ("luan5", 4)):
        tableau = method(name)
        part = part_of_step(tableau, dense_weights(tableau, theta), theta)
        report = check_orders(part, max_order=4)
        assert (report.order, report.stiff_order) == (order, order), name


@pytest.mark.parametrize("name", ["etd2rk", "krogstad4", "expint43", "zoto-bowman32"])
def test_dense_output_of_the_whole_step_is_exact_for_polynomials_as_the_step(name):
    tableau = method(name)
    report = check_orders(part_of_step(tableau, dense_weights(tableau, 1), 1))
    assert report.row_sums
    assert report.stiff_order >= 2
    if name == "expint43":
        assert dense_weights(tableau, 1, (0, 2, 3, 4)) == tableau.b[:5] + (0 * phi(1),)


def test_dense_weights_at_a_symbol_are_those_at_all_places():
    theta = sympy.Symbol("theta")
    tableau = method("expint43")
    anywhere = dense_weights(tableau, theta)
    assert tuple(weight.subs({theta: F(2, 7)}) for weight in anywhere) == dense_weights(tableau, F(2, 7))


def test_stages_at_one_node_cannot_both_be_interpolated():
    with pytest.raises(ValueError, match=r"at different nodes, received c = \(1/2, 1/2\) of the stages \(1, 2\)"):
        dense_weights(method("krogstad4"), F(1, 2), (1, 2))
    with pytest.raises(ValueError, match="expected a part θ other than 0"):
        part_of_step(method("etd2rk"), method("etd2rk").b, 0)


@given(parts)
@settings(max_examples=3, deadline=None)
def test_the_whole_step_scaled_is_the_method_itself(theta):
    tableau = method("krogstad4")
    longer = part_of_step(part_of_step(tableau, dense_weights(tableau, theta), theta), dense_weights(tableau, 1), 1)
    assert longer.c == tuple(node / theta for node in tableau.c)


@pytest.mark.parametrize("theta", [F(1, 2), F(1, 3)])
def test_a_composition_makes_the_two_steps_that_it_is_made_of(theta):
    both = compose(method("krogstad4"), method("etd2rk"), theta)
    spectrum = np.array([-4.0, 0.5 + 2j, -2.5j])

    def nonlinear(t, y):
        return y[::-1] ** 2 + np.cos(t)

    y0, h, split = np.array([1.0, 0.5, -0.3]) + 0j, 0.3, float(theta)
    one = expint.solve_ivp(nonlinear, (0, h), y0, linear=spectrum, method=both, step=h).y[-1]
    middle = expint.solve_ivp(nonlinear, (0, split * h), y0, linear=spectrum, method="krogstad4", step=split * h).y[-1]
    end = expint.solve_ivp(nonlinear, (split * h, h), middle, linear=spectrum, method="etd2rk", step=h).y[-1]
    assert np.allclose(one, end, rtol=1e-13, atol=1e-13)


def test_a_composition_has_the_lower_of_the_orders():
    assert check_orders(compose(method("etd2rk"), method("exponential-euler")), max_order=3).order == 1
    doubled = check_orders(compose(method("krogstad4"), method("krogstad4")), max_order=5)
    assert (doubled.order, doubled.stiff_order) == (4, 3)
    assert doubled.error_constant < check_orders(method("krogstad4"), max_order=5).error_constant / 15
    with pytest.raises(ValueError, match="other than 0 and 1, received 1"):
        compose(method("etd2rk"), method("etd2rk"), 1)


@pytest.mark.parametrize("name", ["exponential-euler", "etd2rk", "krogstad4", "hochbruck-ostermann4", "lawson-rk4"])
def test_the_adjoint_has_the_same_order_and_its_adjoint_is_the_method(name):
    tableau = method(name)
    twice = adjoint(adjoint(tableau))
    original = scheme_of_tableau(tableau, tableau.b)
    assert (twice.c, twice.b) == (original.c, original.b)
    assert twice.a[1:] == tuple(row + (0 * phi(1),) * (tableau.stages - len(row)) for row in original.a[1:])
    report = check_orders(adjoint(tableau), max_order=tableau.order + 1)
    assert report.order == tableau.order


def test_the_adjoint_of_exponential_euler_is_implicit_exponential_euler():
    implicit = adjoint(method("exponential-euler"))
    assert (implicit.c, implicit.a, implicit.b) == ((1,), ((phi(1),),), (phi(1),))


@given(st.sets(st.fractions(0, 1, max_denominator=6), min_size=1, max_size=3))
@settings(max_examples=8, deadline=None)
def test_collocation_has_at_least_the_order_of_its_nodes_for_any_l(nodes):
    report = check_orders(collocation(sorted(nodes)), max_order=4)
    assert report.order >= len(nodes)
    assert report.stiff_order >= len(nodes)


def test_collocation_on_symmetric_nodes_is_symmetric_and_gains_an_order():
    nodes = (F(0), F(1, 2), F(1))
    scheme = collocation(nodes)
    assert adjoint(scheme) == scheme
    assert check_orders(scheme, max_order=5).order == 4


def test_what_derives_and_proves_is_found_where_the_algebra_is_but_imported_only_then():
    code = (
        "import sys, expint; assert 'expint.derive.search.unknowns' not in sys.modules; expint.derive.solve_conditions"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert expint.derive.compose is compose
    assert all(hasattr(expint.derive, name) for name in expint.derive.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = expint.derive.nothing


def test_schemes_and_classical_methods_print_themselves():
    half = F(1, 2)
    implicit = collocation((0, half, 1))
    lines = implicit.latex().splitlines()
    assert lines[0] == r"\begin{array}{c|ccc}"
    assert lines[2].startswith(r"\tfrac{1}{2} & " + implicit.a[1][0].latex())
    assert str(implicit) == implicit.markdown()
    assert implicit.markdown().splitlines()[-1] == f"| b | {' | '.join(map(str, implicit.b))} |"
    adams = Scheme((F(0), F(-1)), (None, None), adams_weights((0, -1)))
    assert adams.latex().splitlines()[1] == r"0 & \cdot & \cdot \\"
    heun = Butcher(name="heun", order=2, a=((), (1,)), b=(half, half), embedded=(1, 0), embedded_order=1)
    assert heun.latex().splitlines()[4:6] == [r" & \tfrac{1}{2} & \tfrac{1}{2} \\", r" & 1 & 0 \\"]
    for printed in (implicit, adams, adjoint(method("etd2rk")), heun):
        assert printed._repr_latex_() == f"$${printed.latex()}$$"
        widths = {line.count("&") for line in printed.latex().splitlines()[1:-1] if "hline" not in line}
        assert len(widths) == 1
