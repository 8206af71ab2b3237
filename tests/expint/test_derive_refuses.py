"""What the derivations are not made for is refused with a sentence: expected, received, remedy."""

from fractions import Fraction as F

import pytest

import expint
from expint import derive
from expint.derive.kinds.linearised_collocation import linearised_ladder

KUTTA = expint.method("krogstad4")
ADAMS = expint.method("adams3")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: derive.check_orders("krogstad4"),
            r"a method or a scheme, received 'krogstad4' of type str; ",
        ),
        (lambda: derive.check_orders(None), "method or a scheme, received None of type NoneType"),
        (
            lambda: derive.solve_conditions("krogstad4", 2),
            "tableau to be a tableau with open coefficients, received",
        ),
        (
            lambda: derive.solve_weights(ADAMS, 2, [(2, 1)]),
            "tableau to be a tableau whose stages are used, received Adams",
        ),
        (
            lambda: derive.solve_weights(expint.method("epirk5p1"), 4, [(3, 1)]),
            "epirk5p1: expected rational coefficients beside unknowns, received roots; round them",
        ),
        (lambda: derive.compose(KUTTA, ADAMS), "expected second to be a tableau, received Adams"),
        (lambda: derive.adjoint(ADAMS), "expected method to be a tableau or a scheme, received Adams"),
        (lambda: derive.dense_weights(ADAMS, 1), "expected tableau to be a tableau, received Adams"),
        (lambda: expint.lawson("rk4"), "expected butcher to be a classical method, a Butcher"),
        (lambda: derive.GeneralisedLawson(KUTTA, 2), "expected butcher to be a classical method, a Butcher"),
        (lambda: derive.HistoryLadder("mine", 2, ((0.5,),), 3, 3, 3), r"expected an exact number .* received 0\.5"),
        (lambda: derive.collocation([0.5, 1]), r"expected an exact number .* received 0\.5"),
        (lambda: derive.ansatz("b", [(2, 0.5)]), r"expected an exact number .* received 0\.5"),
    ],
)
def test_what_is_of_the_wrong_kind_is_refused(call, message):
    with pytest.raises(TypeError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: derive.collocation([F(1, 2), F(1, 2)]), "expected different nodes, received 1/2 twice among 1/2, 1/2"),
        (
            lambda: derive.check_orders(ADAMS, history=(0, -1, -1)),
            "a history at different nodes, received -1 twice among 0, -1, -1",
        ),
        (lambda: linearised_ladder("mine", [[F(1, 2)]], estimate=[F(1, 3)]), "mine: expected nodes of the top level"),
        (lambda: linearised_ladder("mine", [], estimate=[F(1, 3)]), "received 1/3 with the levels"),
        (
            lambda: derive.HistoryLadder("mine", 2, ((F(1, 2), F(1, 2)),), 3, 3, 3),
            "a level, received 1/2, 1/2",
        ),
    ],
)
def test_nodes_that_cannot_be_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_what_derivations_need_is_imported_when_it_is_asked_for():
    assert {"Butcher", "GeneralisedLawson", "check_orders", "solve_conditions", "root"} <= set(derive.__all__)
    for name in derive.__all__:
        assert getattr(derive, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = derive.nothing
