"""Tableau: checks itself at birth, answers questions, prints."""

from dataclasses import replace
from fractions import Fraction as F

import pytest
import sympy

from expint.derive.phisum import PhiSum, phi
from expint.derive.stage import StepContext
from expint.derive.tableau import REST, Tableau
from expint.methods import method, method_names


def build(**changes):
    arguments = {"name": "mine", "c": (0, 1), "a": ((), (REST,)), "b": (REST, phi(2))}
    return Tableau(**(arguments | changes))


def test_rest_completes_rows_by_their_sums():
    tableau = build()
    assert tableau.a[1] == (phi(1),)
    assert tableau.b == (phi(1) - phi(2), phi(2))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"c": ()}, r"mine: expected the first node c_1 to be 0 .* received c = \(\)"),
        ({"c": (F(1, 2), 1)}, r"expected the first node c_1 to be 0 \(explicit method\)"),
        ({"b": (phi(1),)}, "expected 2 rows in a and 2 weights in b, received 2 and 1"),
        ({"a": ((),)}, "expected 2 rows in a and 2 weights in b, received 1 and 2"),
        ({"a": ((), (REST, phi(1)))}, "row 2 of a to have 1 entries, received 2: implicit or too long"),
        ({"a": ((), ())}, "row 2 of a to have 1 entries, received 0: too short"),
        ({"embedded": (phi(1),)}, "expected 2 or 3 embedded weights, received 1"),
        ({"a": ((), (2 * phi(1),))}, r"row 2 of a to sum to 1 at L = 0, received 2 from \(2φ₁\)"),
        ({"b": (phi(1), phi(2))}, r"b to sum to 1 at L = 0, received 3/2 from \(φ₁, φ₂\)"),
        ({"embedded": (phi(1), phi(2))}, "embedded to sum to 1 at L = 0, received 3/2"),
        ({"b": (phi(2), REST)}, "expected REST only as the first entry of b"),
    ],
)
def test_what_is_no_explicit_consistent_method_is_refused_with_the_offending_row(changes, message):
    with pytest.raises(ValueError, match=message):
        build(**changes)


@pytest.mark.parametrize(
    "changes", [{"b": (REST, 0.5)}, {"c": (0, 0.5)}, {"a": ((), (0.5,))}, {"embedded": (REST, 0.5)}]
)
def test_float_coefficients_are_refused_with_a_remedy(changes):
    with pytest.raises(TypeError, match=r"expected an exact number .* received 0.5 .* write Fraction"):
        build(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"a": ((), F(1))}, r"expected row 2 of a to be a tuple, received 1; one entry alone is written \(x,\)"),
        ({"a": None}, "expected a to be a tuple, received None"),
        ({"b": phi(1)}, "expected b to be a tuple, received φ₁; one entry alone"),
        ({"c": 0}, "expected c to be a tuple, received 0"),
        ({"embedded": phi(1)}, "expected embedded to be a tuple, received φ₁"),
        ({"b": "ab"}, "expected b to be a tuple, received ab"),
    ],
)
def test_a_row_that_is_no_sequence_is_refused_with_the_comma_that_is_missing(changes, message):
    with pytest.raises(TypeError, match=f"mine: {message}"):
        build(**changes)


def test_first_same_as_last_is_seen_and_saves_an_evaluation():
    pair = method("zoto-bowman32")
    assert pair.is_fsal
    assert (pair.stages, pair.evaluations, len(pair.recipe(StepContext(0.0, 1.0, (0.0,))))) == (4, 3, 3)
    assert not method("zoto-bowman43").is_fsal
    assert method("lawson-dormand-prince54").is_fsal


def test_recipe_holds_every_coefficient_newest_first():
    tableau = method("krogstad4")
    rows = tableau.recipe(StepContext(0.0, 0.1, (0.0,)))
    assert [row.accept for row in rows] == [row.remember for row in rows] == [False, False, False, True]
    assert [row.c for row in rows] == [*tableau.c[1:], 1]
    for row, weights in zip(rows, (*tableau.a[1:], tableau.b)):
        assert row.state == phi(0, row.c).terms
        assert [PhiSum(terms) for terms in (*row.past, *reversed(row.stages))] == list(weights)


def test_orders_are_computed_where_none_is_declared():
    tableau = build()
    assert tableau.declared_order is None
    assert (tableau.order, tableau.stiff_order, tableau.weak_stiff_order) == (2, 2, 2)
    assert method("etd35").orders.embedded.order == 3


def test_a_family_gives_its_members():
    c2 = sympy.Symbol("c2")
    family = Tableau(name="etd2rk", c=(0, c2), a=((), (REST,)), b=(REST, phi(2) / c2), embedded=(phi(1), 0))
    member = family.subs({c2: F(1, 2)}, name="member")
    known = method("etd2rk-midpoint")
    assert (member.c, member.a, member.b, member.embedded) == (known.c, known.a, known.b, known.embedded)
    assert member.name == "member"


def test_tableau_prints_as_latex_and_markdown():
    tableau = build(embedded=(phi(1), 0))
    assert tableau.latex().splitlines() == [
        r"\begin{array}{c|cc}",
        r"0 &  &  \\",
        r"1 & \varphi_{1}(z) &  \\",
        r"\hline",
        r" & \varphi_{1}(z) - \varphi_{2}(z) & \varphi_{2}(z) \\",
        r" & \varphi_{1}(z) & 0 \\",
        r"\end{array}",
    ]
    assert tableau.markdown().splitlines() == [
        "| c | a_i1 | a_i2 |",
        "| --- | --- | --- |",
        "| 0 |  |  |",
        "| 1 | φ₁ |  |",
        "| b | φ₁ - φ₂ | φ₂ |",
        "| embedded | φ₁ | 0 |",
    ]
    assert str(tableau).startswith("mine\n| c |")
    assert tableau._repr_latex_() == f"$${tableau.latex()}$$"


def test_tableau_cites_its_source():
    assert "Krogstad, Stein" in method("krogstad4").cite()


def test_a_tableau_of_ones_own_has_no_source_to_cite():
    with pytest.raises(ValueError, match="expected a method of the catalogue, received mine, which names no source"):
        build().cite()


def test_a_declared_order_that_is_wrong_is_refused_at_first_use() -> None:
    for name, wrong in (("order", 4), ("stiff_order", 3), ("weak_stiff_order", 1)):
        mine = Tableau(
            name="mine", c=(0, F(2, 3)), a=((), (REST,)), b=(REST, F(3, 2) * phi(2)), **{f"declared_{name}": wrong}
        )
        proved = getattr(mine.orders, name)
        with pytest.raises(ValueError, match=f"prove, {proved}, received {wrong}; leave it out"):
            getattr(mine, name)
        assert getattr(replace(mine, **{f"declared_{name}": proved}), name) == proved


def test_methods_write_themselves_in_a_line() -> None:
    for name in method_names():
        assert len(repr(method(name))) < 120
