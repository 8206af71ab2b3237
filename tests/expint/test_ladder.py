"""Collocation ladders: stiff orders by construction."""

from fractions import Fraction as F

import pytest

from expint.derive.kinds.collocation import bootstrap, ladder
from expint.derive.orders.conditions import check_orders
from expint.methods import method


@pytest.mark.parametrize(
    "levels", [[], [[F(1, 3)]], [[F(2, 5)], [F(1, 4), F(3, 4)]], [[1], [F(1, 2), 1], [F(1, 5), F(2, 3), 1]]]
)
def test_stiff_order_is_one_more_than_the_number_of_levels(levels):
    report = check_orders(ladder("mine", levels))
    assert report.stiff_order == report.order == len(levels) + 1


def test_known_methods_are_ladders():
    for name, levels in {
        "exponential-euler": [],
        "etd2rk": [[1]],
        "hochbruck-ostermann3": [[F(1, 3)], [F(2, 3)]],
    }.items():
        known, made = method(name), ladder("mine", levels)
        assert (known.c, known.a, known.b) == (made.c, made.a, made.b)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_bootstrap_has_the_order_asked_for(order):
    tableau = bootstrap(order)
    report = check_orders(tableau)
    assert (report.order, report.stiff_order, report.weak_stiff_order) == (order, order, order)
    assert tableau.stages == 1 + order * (order - 1) // 2


@pytest.mark.parametrize("level", [[0], [F(1, 2), F(1, 2)]])
def test_nodes_that_coincide_are_refused(level):
    with pytest.raises(ValueError, match="different nodes other than 0 on a level"):
        ladder("mine", [level])
