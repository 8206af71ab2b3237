"""Solving order conditions for coefficients: published methods found again, and proofs that none exist."""

import runpy
from fractions import Fraction as F
from pathlib import Path

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from expint.derive.algebra.lagrange import collocation_weights
from expint.derive.algebra.phisum import PhiSum, phi
from expint.derive.kinds.rosenbrock import Rosenbrock
from expint.derive.kinds.tableau import REST, Tableau
from expint.derive.orders.conditions import check_orders
from expint.derive.search.open_coefficients import ansatz, open_tableau
from expint.derive.search.unknowns import solve_conditions, solve_weights
from expint.methods import cox_matthews, hochbruck_ostermann, method

HALF, THIRD, TWO_THIRDS = F(1, 2), F(1, 3), F(2, 3)


def two_stages(c2, functions):
    return Tableau(name="two stages", c=(0, c2), a=((), (REST,)), b=(REST, ansatz("b2", functions)))


def test_two_stages_of_order_two_are_the_published_family_for_any_node():
    c2 = sympy.Symbol("c2")
    (member,) = solve_conditions(two_stages(c2, [(1, 1), (2, 1)]), 2, weak=False).members
    assert member.b == cox_matthews.etd2rk(c2).b


def test_the_weak_form_leaves_one_coefficient_free():
    family = solve_conditions(two_stages(HALF, [(1, 1), (2, 1)]), 2)
    ((free,),) = family.free
    assert family.members[0].subs({free: 2}).b == cox_matthews.etd2rk(HALF).b
    assert family.members[0].subs({free: 0}).b == cox_matthews.etd2rk_weak(HALF).b


def test_three_stages_of_order_three_with_proportional_weights_are_those_of_hochbruck_and_ostermann():
    tableau = Tableau(
        name="three stages",
        c=(0, HALF, 1),
        a=((), (REST,), (REST, ansatz("a32", [(2, HALF), (2, 1)]))),
        b=(REST, ansatz("b2", [(2, 1)]), ansatz("b3", [(2, 1)])),
    )
    (member,) = solve_conditions(tableau, 3).members
    published = hochbruck_ostermann.order_three(HALF, F(1))
    assert (member.a, member.b) == (published.a, published.b)


def test_nodes_and_an_order_are_enough_to_ask_for_a_family():
    c2 = sympy.Symbol("c2")
    family = solve_conditions(open_tableau((0, c2), weights=(1, 2)), 2, weak=False)
    assert family.members[0].b == cox_matthews.etd2rk(c2).b
    (member,) = solve_conditions(open_tableau((0, c2, TWO_THIRDS), weights=(2,)), 3).members
    published = hochbruck_ostermann.order_three_two_thirds(c2)
    assert (member.a, member.b) == (published.a, published.b)
    assert str(family) == family.markdown()


def test_an_order_out_of_reach_of_open_coefficients_is_answered_with_the_conditions_that_clash():
    family = solve_conditions(open_tableau((0, HALF), weights=(1, 2, 3)), 3)
    assert [condition.latex() for condition in family.contradiction] == [r"\psi_{2} = 0", r"\psi_{3}(0) = 0"]
    with pytest.raises(ValueError, match="first node c_1 to be 0"):
        open_tableau((HALF, 1))
    with pytest.raises(TypeError, match="expected an exact number"):
        open_tableau((0, 0.5))


@given(st.fractions(-3, 3, max_denominator=9))
@settings(max_examples=5, deadline=None)
def test_every_member_of_a_family_has_the_order_that_was_asked_for(value):
    family = solve_conditions(two_stages(TWO_THIRDS, [(2, 1), (3, 1)]), 2)
    ((free,),) = family.free
    report = check_orders(family.members[0].subs({free: value}), max_order=2)
    assert (report.order, report.weak_stiff_order) == (2, 2)


def test_two_stages_cannot_have_order_three_and_the_reason_is_given():
    family = solve_conditions(two_stages(HALF, [(1, 1), (2, 1), (3, 1)]), 3)
    assert not family
    assert [condition.latex() for condition in family.contradiction] == [r"\psi_{2} = 0", r"\psi_{3}(0) = 0"]
    assert "these conditions contradict each other" in family._repr_markdown_()
    assert r"- order 3: $\psi_{3}(0) = 0$" in str(family.markdown())


def test_four_stages_with_the_weights_of_cox_and_matthews_cannot_have_stiff_order_four():
    functions = [(2, HALF), (2, 1), (3, HALF), (3, 1)]
    tableau = Tableau(
        name="four stages",
        c=(0, HALF, HALF, 1),
        a=(
            (),
            (REST,),
            (REST, ansatz("a32", functions)),
            (REST, ansatz("a42", functions), ansatz("a43", functions)),
        ),
        b=(REST, 2 * phi(2) - 4 * phi(3), 2 * phi(2) - 4 * phi(3), -phi(2) + 4 * phi(3)),
    )
    assert solve_conditions(tableau, 3, weak=False)
    family = solve_conditions(tableau, 4)
    assert not family
    assert r"\sum_i b_i J \psi_{2,i} = 0" in {condition.latex() for condition in family.contradiction}


def test_an_ansatz_that_is_too_poor_is_answered_with_the_conditions_not_a_traceback():
    family = solve_conditions(two_stages(HALF, [(1, 1)]), 2, weak=False)
    assert not family.members
    assert [condition.latex() for condition in family.contradiction] == [r"\psi_{2} = 0"]


def test_further_equations_join_the_conditions():
    tableau = two_stages(HALF, [(1, 1), (2, 1)])
    b2_1 = next(iter(tableau.b[1].terms.values()))
    (member,) = solve_conditions(tableau, 2, extra=[b2_1 - F(1, 3)]).members
    assert member.b[1].terms[1, F(1)] == F(1, 3)
    assert not solve_conditions(tableau, 2, weak=False, extra=[b2_1 - F(1, 3)])


def test_weights_of_exponential_rosenbrock_methods_are_found():
    tableau = Rosenbrock(
        name="three stages",
        c=(0, HALF, 1),
        a=((), (REST,), (REST, 0)),
        b=(REST, ansatz("b2", [(3, 1), (4, 1)]), ansatz("b3", [(3, 1), (4, 1)])),
    )
    (member,) = solve_conditions(tableau, 4, weak=False).members
    assert isinstance(member, Rosenbrock)
    assert member.b == method("pexprb43").b


def test_the_embedded_solution_of_etd34_is_the_only_one_with_the_new_slope_for_the_last():
    functions = [(2, 1), (3, 1)]
    (member,) = solve_weights(method("krogstad4"), 3, functions, stages=(1, 2, 4), new_slope=True, weak=False).members
    assert member.b == method("etd34").embedded


def test_embedded_weights_of_rosenbrock_methods_are_found():
    (member,) = solve_weights(method("pexprb54s4"), 4, [(3, 1), (4, 1)], stages=(1, 2), weak=False).members
    report = check_orders(member)
    assert (report.order, report.stiff_order) == (4, 4)
    assert not solve_weights(method("pexprb54s4"), 4, [(3, 1)], stages=(1, 2), weak=False)


def test_expint43_is_what_the_conditions_leave_of_its_ansatz():
    functions = [(k, c) for k in (2, 3) for c in (THIRD, TWO_THIRDS, F(1))]
    b1, b3, b4, b5 = collocation_weights([F(0), THIRD, TWO_THIRDS, F(1)])
    tableau = Tableau(
        name="five stages",
        c=(0, THIRD, THIRD, TWO_THIRDS, 1),
        a=(
            (),
            (REST,),
            (REST, ansatz("a32", [(2, THIRD)])),
            (REST, -phi(2, TWO_THIRDS) / 2, ansatz("a43", [(2, TWO_THIRDS)])),
            (REST, *[ansatz(f"a5{j}", functions) for j in (2, 3, 4)]),
        ),
        b=(b1, 0, b3, b4, b5),
    )
    (member,) = solve_conditions(tableau, 4).members
    published = method("expint43")
    assert (member.a, member.b) == (published.a[:-1], published.b[:-1])
    assert published.a[-1] == member.b
    assert published.is_fsal


def test_expint43_has_the_smallest_error_constant_of_its_order_and_stiff_order():
    own = method("expint43").orders
    assert own.embedded.order == own.embedded.stiff_order == 3
    for name, factor in (("zoto-bowman43", 2), ("hochbruck-ostermann4", 2), ("luan4", 1.5), ("etd34", 3)):
        assert factor * own.error_constant < method(name).orders.error_constant, name


def test_orders_that_are_no_orders_are_refused():
    with pytest.raises(ValueError, match="expected the stiff order to be an integer ≥ 1, received 0"):
        solve_conditions(two_stages(HALF, [(2, 1)]), 0)
    assert ansatz("x", []) == PhiSum()


def test_the_notebook_that_derives_expint43_runs(capsys):
    runpy.run_path(str(Path(__file__).parents[2] / "notebooks" / "derive_pair.py"))
    assert "['1/8', '3/8', '3/8', '1/8']" in capsys.readouterr().out
