"""Generalised Lawson methods: derived from any classical method, with proved orders, on any grid."""

from fractions import Fraction as F

import pytest

from expint.derive.algebra.phisum import PhiSum, phi
from expint.derive.kinds.generalised_lawson import GeneralisedLawson
from expint.derive.kinds.stage import StepContext
from expint.derive.orders.conditions import check_orders
from expint.methods import method
from expint.methods.butcher import CLASSICAL

BUTCHER = {butcher.name: butcher for butcher in CLASSICAL}
NAMED = [f"{prefix}generalised-lawson4{q}" for prefix in ("", "modified-") for q in (2, 3, 4, 5)]


@pytest.mark.parametrize("name", NAMED)
def test_declared_orders_are_the_proved_ones(name):
    entry = method(name)
    report = check_orders(entry)
    assert (report.order, report.stiff_order, report.weak_stiff_order) == (
        entry.declared_order,
        entry.declared_stiff_order,
        entry.declared_weak_stiff_order,
    )


@pytest.mark.parametrize("modified", [False, True])
def test_one_slope_gives_the_one_step_method(modified):
    derived = GeneralisedLawson(BUTCHER["rk4"], 1, modified=modified).recipe(StepContext(0.0, 1.0, (0,)))
    assert tuple(derived) == method("modgenlawson41" if modified else "genlawson41").recipe(StepContext(0, 1, (0,)))


@pytest.mark.parametrize("modified", [False, True])
def test_order_is_kept_on_a_grid_of_varying_steps(modified):
    entry = GeneralisedLawson(BUTCHER["rk4"], 3, modified=modified)
    report = check_orders(entry, max_order=4, history=(F(0), F(-2, 3), F(-5, 2)))
    assert report.order == entry.order == 4
    assert report.weak_stiff_order == 4


def test_two_slopes_raise_a_third_order_method_to_order_four():
    assert GeneralisedLawson(BUTCHER["kutta3"], 2).order == 4
    assert GeneralisedLawson(BUTCHER["heun2"], 3).order == 3


def test_weights_are_those_published_for_two_slopes():
    stages = method("genlawson42").recipe(StepContext(0.0, 1.0, (0, -1)))
    half = F(1, 2)
    assert PhiSum(stages[0].past[1]) == -phi(2, half) / 4
    assert PhiSum(stages[1].past[1]) == -phi(2, half) / 4 + F(1, 4)
    assert PhiSum(stages[2].past[1]) == -phi(2) + phi(0, half) / 2
    assert PhiSum(stages[3].past[1]) == -phi(2) + phi(0, half) / 3 + F(1, 6)


def test_a_short_history_is_bridged_by_a_starter():
    entry = method("genlawson43")
    assert entry.recipe(StepContext(0.0, 0.1, (0.0,))) == entry.starter.recipe(StepContext(0.0, 0.1, (0.0,)))
    assert entry.starter.order == entry.order - 1


def test_impossible_requests_are_refused():
    with pytest.raises(ValueError, match="q to be an integer ≥ 1, received 0"):
        GeneralisedLawson(BUTCHER["rk4"], 0)
    with pytest.raises(ValueError, match=r"last node is 1, received heun3 with c = .* leave modified=False"):
        GeneralisedLawson(BUTCHER["heun3"], 2, modified=True)
