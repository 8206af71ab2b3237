"""General linear methods: remembered slopes below, stages above."""

from fractions import Fraction as F

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import expint
from expint.derive.algebra.phisum import PhiSum, phi
from expint.derive.kinds.adams import Adams
from expint.derive.kinds.collocation import ladder
from expint.derive.kinds.general_linear import HistoryLadder
from expint.derive.kinds.predictor_corrector import PredictorCorrector
from expint.derive.kinds.stage import StepContext
from expint.derive.orders.conditions import check_orders
from expint.methods.general_linear import METHODS


def uniform(q):
    return StepContext(0.0, 1.0, tuple(F(-j) for j in range(q)))


def made(q, levels):
    return HistoryLadder("made", q, levels, order=0, stiff_order=0, weak_stiff_order=0)


def weights(stage):
    """Coefficients of all slopes, oldest stage first, trailing zeros left out."""
    entries = [PhiSum(terms) for terms in (*stage.past, *reversed(stage.stages))]
    while entries and not entries[-1]:
        entries.pop()
    return entries


@pytest.mark.parametrize("entry", METHODS, ids=lambda entry: entry.name)
def test_declared_orders_are_the_proved_ones(entry):
    report = check_orders(entry, max_order=entry.order + 1)
    assert (report.order, report.stiff_order, report.weak_stiff_order) == (
        entry.order,
        entry.stiff_order,
        entry.weak_stiff_order,
    )


def test_without_levels_it_is_adams_and_with_one_at_the_end_a_predictor_corrector_pair():
    assert weights(made(3, ()).recipe(uniform(3))[0]) == weights(Adams(3).recipe(uniform(3))[0])
    own, published = made(3, ((1,),)).recipe(uniform(3)), PredictorCorrector(3, "PECE").recipe(uniform(3))
    assert [weights(stage) for stage in own] == [weights(stage) for stage in published]


def test_published_weights_are_those_of_joined_levels():
    half = F(1, 2)
    eglm332 = [weights(stage) for stage in expint.method("eglm332").recipe(uniform(2))]
    assert eglm332 == [  # N_n, N_{n-1}, then the stages
        [phi(1, half) / 2 + phi(2, half) / 4, -phi(2, half) / 4],
        [phi(1) - phi(2) - 4 * phi(3), -phi(2) / 3 + F(4, 3) * phi(3), F(4, 3) * phi(2) + F(8, 3) * phi(3)],
        [
            phi(1) - 2 * phi(2) - 2 * phi(3) + 12 * phi(4),
            -phi(2) / 6 + phi(3) - 2 * phi(4),
            F(8, 3) * phi(2) - 16 * phi(4),
            -phi(2) / 2 + phi(3) + 6 * phi(4),
        ],
    ]


@pytest.mark.parametrize(("name", "claimed", "order"), [("eglm332", 4, 3), ("pec726", 6, 7), ("pecec433", 3, 4)])
def test_orders_misstated_in_headers_are_found(name, claimed, order):
    report = check_orders(expint.method(name), max_order=order + 1)
    assert (report.order, report.stiff_order) == (order, order)
    assert order != claimed


@pytest.mark.parametrize("order", [3, 4, 5])
def test_a_second_correction_is_joined_to_no_prediction(order):
    once, twice = (expint.method(f"{kind}{order}").recipe(uniform(order - 1)) for kind in ("pece", "pecece"))
    assert [weights(stage) for stage in twice[:2]] == [weights(stage) for stage in once]
    assert weights(twice[2])[-1] == weights(once[1])[-1]
    assert twice[2].stages[1] == {}


def test_with_one_slope_it_is_the_ladder():
    levels = ((F(1, 2),), (F(1, 2), F(1, 3)), (F(5, 6), F(1, 3)))
    own, known = made(1, levels).recipe(uniform(1)), ladder("known", levels).recipe(uniform(1))
    assert [weights(stage) for stage in own] == [weights(stage) for stage in known]


@given(st.lists(st.fractions(F(1, 5), 3, max_denominator=6), min_size=3, max_size=3))
@settings(max_examples=5, deadline=None)
def test_the_strong_order_holds_on_any_grid(gaps):
    nodes = [F(0)]
    for gap in gaps:
        nodes.append(nodes[-1] - gap)
    report = check_orders(made(4, ((F(1, 2),), (F(1, 2), 1))), max_order=6, history=nodes)
    assert (report.order, report.stiff_order) == (6, 6)


def test_it_prints_its_weights():
    entry = METHODS[1]
    assert entry.latex().startswith(r"\begin{array}{c|cccc}")
    assert entry.latex().count(r"\hline") == 1
    assert entry.markdown().splitlines()[0] == "| c | N_n | N_(n-1) | N_2 | N_3 |"
    assert entry._repr_latex_() == f"$${entry.latex()}$$"


def test_levels_that_are_none_are_refused():
    with pytest.raises(ValueError, match="different positive nodes on a level"):
        made(2, ((F(1, 2), F(1, 2)),))
    with pytest.raises(ValueError, match="different positive nodes on a level"):
        made(2, ((0,),))
    with pytest.raises(ValueError, match="integer ≥ 1, received 0"):
        made(0, ())
