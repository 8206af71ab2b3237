"""Order conditions: proofs of orders, the known errata found, numbers as a second route."""

from dataclasses import replace
from fractions import Fraction as F
from math import factorial

import mpmath
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from expint.derive.algebra.phisum import PhiSum, phi
from expint.derive.kinds.adams import INDEX, Adams
from expint.derive.kinds.presentation import uniform_step
from expint.derive.kinds.tableau import REST, Tableau
from expint.derive.orders.classical import ElementaryWeights, classical_statement
from expint.derive.orders.conditions import check_orders
from expint.derive.orders.scheme import scheme_of_recipe, scheme_of_tableau
from expint.derive.orders.stiff import StiffResiduals, stiff_statement
from expint.derive.orders.trees import coloured_trees, rooted_trees, stiff_trees
from expint.methods import cox_matthews, hochbruck_ostermann, method

POINTS = [mpmath.mpc(-1.3, 0.7), mpmath.mpc(0.4, -2.1), mpmath.mpc(-3.2, 1.9)]


def value(function, z):
    """A φ-sum at z by hypergeometric functions: φ_k(z) = ₁F₁(1; k + 1; z)/k!."""
    return sum(
        mpmath.mpf(r.numerator)
        / r.denominator
        * mpmath.hyp1f1(1, k + 1, mpmath.mpf(c.numerator) / c.denominator * z)
        / factorial(k)
        for (k, c), r in function
    )


def tensor_value(tensor, points):
    with mpmath.workdps(30):
        total = mpmath.mpf(0)
        for keys, r in tensor.items():
            term = mpmath.mpf(r.numerator) / r.denominator
            for (k, c), z in zip(keys, points):
                term *= value(PhiSum({(k, c): 1}), z)
            total += term
        return total


def stage_defect(tableau, q, i, z):
    """ψ_{q,i}(z) as its definition reads."""
    c = [mpmath.mpf(node.numerator) / node.denominator for node in tableau.c]
    total = c[i] ** q * mpmath.hyp1f1(1, q + 1, c[i] * z) / factorial(q)
    return total - sum(value(entry, z) * c[k] ** (q - 1) for k, entry in enumerate(tableau.a[i])) / factorial(q - 1)


@pytest.mark.parametrize("name", ["cox-matthews4", "krogstad4", "hochbruck-ostermann4", "zoto-bowman43", "etd5rkf"])
def test_stiff_residuals_agree_with_the_conditions_evaluated_at_complex_points(name):
    tableau = method(name)
    residuals = StiffResiduals(scheme_of_tableau(tableau, tableau.b))
    z0, z1, z2 = POINTS
    psi4, b_psi3, b_a_psi2, b_c_psi2 = stiff_trees(4)
    s = range(tableau.stages)
    with mpmath.workdps(30):
        b = [value(weight, z0) for weight in tableau.b]
        c = [mpmath.mpf(node.numerator) / node.denominator for node in tableau.c]
        defect = mpmath.hyp1f1(1, 5, z0) / 24 - sum(b[i] * c[i] ** 3 for i in s) / 6
        one = sum(b[i] * stage_defect(tableau, 3, i, z1) for i in s)
        two = sum(b[i] * value(tableau.a[i][j], z1) * stage_defect(tableau, 2, j, z2) for i in s for j in range(i))
        three = sum(b[i] * c[i] * stage_defect(tableau, 2, i, z1) for i in s)
        for tree, expected in ((psi4, defect), (b_psi3, one), (b_a_psi2, two), (b_c_psi2, three)):
            assert abs(tensor_value(residuals.residual(tree), POINTS) - expected) < 1e-25
            assert (abs(expected) < 1e-25) == (not residuals.residual(tree))


def test_generated_stiff_conditions_are_the_published_ones():
    statements = [stiff_statement(tree) for order in range(1, 6) for tree in stiff_trees(order)]
    assert len(statements) == 17  # the 18 of the literature without ψ_{1,i} = 0
    assert r"\sum_i b_i J \sum_j a_{ij} J \sum_k a_{jk} J \psi_{2,k} = 0" in statements
    assert r"\sum_i b_i c_i K \sum_j a_{ij} J \psi_{2,j} = 0" in statements
    assert r"\sum_i b_i J \sum_j a_{ij} c_j K \psi_{2,j} = 0" in statements
    assert r"\sum_i b_i B(\psi_{2,i}, \psi_{2,i}) = 0" in statements
    assert r"\sum_i b_i c_i^2 L \psi_{2,i} = 0" in statements
    assert stiff_statement(stiff_trees(3)[1], weak=True) == r"\sum_i b_i(0) J \psi_{2,i} = 0"


def test_conditions_at_order_three_are_written_as_in_the_literature():
    statements = {classical_statement(tree, row_sums=True) for tree in coloured_trees(3)}
    assert r"\sum_{i} b_i c_i^2 = \tfrac{1}{3}" in statements
    assert r"\sum_{i,j} b_i a_{ij} c_j = \tfrac{1}{6}" in statements
    assert r"\sum_{i} b_i^{(1)} c_i = \tfrac{1}{6}" in statements
    assert r"\sum_{i} b_i^{(2)} = \tfrac{1}{6}" in statements


def test_conditions_on_remembered_slopes_are_written_with_nodes_only():
    (condition,) = check_orders(method("adams3")).violated
    assert condition.latex() == r"\sum_{i} b_i c_i^3 = \tfrac{1}{4}"
    statements = [condition.latex() for condition in check_orders(method("lawson-adams2")).violated]
    assert statements == [
        r"\sum_{i} b_i c_i^2 = \tfrac{1}{3}",
        r"\sum_{i} b_i^{(1)} c_i = \tfrac{1}{6}",
        r"\sum_{i} b_i^{(2)} = \tfrac{1}{6}",
    ]


def test_luan_ostermann_satisfies_what_its_authors_claim():
    tableau = method("luan-ostermann5")
    residuals = StiffResiduals(scheme_of_tableau(tableau, tableau.b))
    assert not any(residuals.residual(tree) for order in range(1, 5) for tree in stiff_trees(order))
    assert not any(residuals.residual(tree, weak=True) for tree in stiff_trees(5))
    assert any(residuals.residual(tree) for tree in stiff_trees(5))


def test_published_etd35_loses_an_order_although_it_has_order_five_without_l():
    tableau = method("etd35")
    weights = ElementaryWeights(scheme_of_tableau(tableau, tableau.b), 5)
    assert all(weights.residual(tree) == 0 for order in range(1, 6) for tree in rooted_trees(order))
    report = check_orders(tableau)
    assert report.order == 4
    assert all("^{(" in condition.latex() for condition in report.violated)  # only conditions with powers of L fail
    assert report.embedded.order == 3


def test_misprint_497_of_etd35_is_refused_at_birth():
    right = method("etd35")
    b3 = (1097 * phi(1) - 2 * 497 * phi(2) - 900 * phi(3)) / 1350
    with pytest.raises(ValueError, match="expected b to sum to 1 at L = 0"):
        Tableau(name="misprint", c=right.c, a=right.a, b=(*right.b[:2], b3, *right.b[3:]))


def test_etd2rk_slip_is_refused_at_birth():
    with pytest.raises(ValueError, match=r"expected b to sum to 1 at L = 0, received 1/2 from \(φ₁ - 2φ₂, φ₂\)"):
        Tableau(name="slip", c=(0, 1), a=((), (phi(1),)), b=(phi(1) - 2 * phi(2), phi(2)))


def test_etd2cf3_misprint_costs_its_row_sums_and_its_stiff_order():
    right = method("etd2cf3")
    wrong = Tableau(name="misprint", c=right.c, a=((), (phi(1, F(1, 2)) / 3,), right.a[2]), b=right.b)
    report = check_orders(wrong)
    assert (report.order, report.stiff_order, report.weak_stiff_order) == (3, 1, 1)
    assert not report.row_sums
    assert [condition.latex() for condition in report.violated_stiff] == [r"\psi_{1,2} = 0"]


def test_an_exponential_at_another_node_than_the_stage_is_refused():
    # as in the scalar branch of EXPINT's etd5rkf: e^{3z/5} where c_4 = 3/4
    recipe = method("etd5rkf").recipe(uniform_step(1))
    assert recipe[2].c == F(3, 4)
    slip = replace(recipe[2], state=phi(0, F(3, 5)).terms)
    scheme_of_recipe(recipe, (0,))
    with pytest.raises(ValueError, match=r"expected every point to start from e\^\(cz\) y_n, received e\^\(3z/5\) y_n"):
        scheme_of_recipe((*recipe[:2], slip, *recipe[3:]), (0,))


def test_etd3rk_has_stiff_order_two_in_both_senses_since_its_stages_are_too_coarse():
    report = check_orders(method("etd3rk"))
    assert (report.order, report.stiff_order, report.weak_stiff_order) == (3, 2, 2)
    assert [condition.latex() for condition in report.violated_weak] == [r"\sum_i b_i(0) J \psi_{2,i} = 0"]


def test_lawson_methods_do_not_keep_equilibria():
    report = check_orders(method("lawson-rk4"))
    assert (report.order, report.stiff_order, report.weak_stiff_order) == (4, 0, 0)
    assert not report.row_sums
    assert [condition.latex() for condition in report.violated_stiff] == [r"\psi_{1} = 0"]


def test_orders_of_families_hold_for_free_parameters():
    c2 = sympy.Symbol("c2")
    expected = {
        cox_matthews.etd2rk(c2): (2, 2, 2),
        cox_matthews.etd2rk_weak(c2): (2, 1, 2),
        hochbruck_ostermann.order_three_two_thirds(c2): (3, 2, 3),
        hochbruck_ostermann.order_three(c2, F(1)): (3, 2, 3),
    }
    for tableau, orders in expected.items():
        report = check_orders(tableau, max_order=3 if orders[0] == 2 else 4)
        assert (report.order, report.stiff_order, report.weak_stiff_order) == orders, tableau.name
        assert report.error_constant is None


def test_conditions_on_a_family_determine_its_coefficients():
    c2, beta = sympy.symbols("c2 beta")
    family = Tableau(name="family", c=(0, c2), a=((), (REST,)), b=(REST, beta * phi(1)))
    (condition,) = check_orders(family).violated
    assert condition.order == 2
    assert sympy.solve(condition.residual, beta) == [1 / (2 * c2)]


def test_embedded_weights_may_use_the_new_slope():
    tableau = method("etd34")
    assert len(tableau.embedded) == tableau.stages + 1
    report = check_orders(tableau)
    assert (report.order, report.embedded.order) == (4, 3)


def test_looking_no_further_than_max_order_reports_max_order():
    report = check_orders(method("luan-ostermann5"), max_order=3)
    assert (report.order, report.stiff_order, report.weak_stiff_order) == (3, 3, 3)
    assert report.violated == report.violated_stiff == report.violated_weak == ()
    with pytest.raises(ValueError, match="max_order to be an integer ≥ 1, received 0"):
        check_orders(method("etd2rk"), max_order=0)


def test_error_constant_of_exponential_euler_is_computed_by_hand():
    # order 2: N'N, N'Ly: 1/2 missing each; LN: φ_1 = 1 + z/2 supplies the 1/2; LLy is exact
    assert check_orders(method("exponential-euler")).error_constant == pytest.approx(0.5**0.5)


def test_report_prints_orders_and_violated_conditions():
    report = check_orders(method("zoto-bowman32"))
    text = str(report)
    assert text.startswith("**zoto-bowman32**: row sums hold; first same as last; error constant")
    assert "embedded orders 2, 1, 2" in text
    assert r"$\psi_{3} = 0$" in text
    assert "more |" in str(check_orders(method("cox-matthews4")))
    assert report._repr_markdown_() == text
    lines = report.latex().splitlines()
    assert lines[3].startswith(r"\text{classical} & 3 & \sum")
    assert lines[5].startswith(r"\text{stiff (weak)} & 3 & \psi_{3} = 0")
    assert report._repr_latex_() == f"$${report.latex()}$$"
    assert report.violated[0]._repr_latex_().startswith("$\\sum")


@pytest.mark.parametrize("q", [1, 2, 3, 4, 5])
def test_adams_has_its_order_classically_and_stiffly(q):
    report = check_orders(method(f"adams{q}"))
    assert (report.order, report.stiff_order, report.weak_stiff_order) == (q, q, q)


@given(st.lists(st.fractions(F(1, 5), 3, max_denominator=6), min_size=3, max_size=3))
@settings(max_examples=10)
def test_adams_keeps_its_order_on_any_grid(gaps):
    nodes = [F(0)]
    for gap in gaps:
        nodes.append(nodes[-1] - gap)
    report = check_orders(method("adams4"), max_order=4, history=nodes)
    assert (report.order, report.stiff_order) == (4, 4)


def test_step_counting_weights_have_order_one_where_the_steps_jump():
    counting = Adams(3, clock=INDEX)
    assert check_orders(counting).order == 3
    assert check_orders(counting, history=(0, F(-1, 2), F(-5, 3))).order == 1


def test_inexact_history_cannot_be_proved():
    with pytest.raises(TypeError, match="expected an exact number"):
        check_orders(method("adams2"), history=(0.0, -1.0))
