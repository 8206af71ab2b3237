"""The canonical form of a plan: the map that it is, whatever method, gauge and history it came from."""

import numpy as np
import pytest

import expint
from expint.lower import Plan
from expint.operators import Diagonal, Scalar

GRID = np.array([0.0, 0.1, 0.25, 0.3, 0.6, 1.0])
NAMES = ["exponential-euler", "krogstad4", "lawson-rk4", "adams3", "pec3", "pece2", "expint43", "adams1"]


def plan(name: str, linear: complex = -2.0, grid: np.ndarray = GRID) -> Plan:
    return expint.lower(expint.method(name), Scalar(linear), grid)


def by_canonical_form(form, function, x: np.ndarray) -> np.ndarray:
    values: list[np.ndarray] = []
    for c, row, t in zip(form.c, form.D, [*form.times, None]):
        point = c * x + sum((w * v for w, v in zip(row, values)), 0 * x)
        if t is not None:
            values.append(function(t, point))
    return point


@pytest.mark.parametrize("linear", [-2.0, 0.0, 0.5])
@pytest.mark.parametrize("name", NAMES)
def test_the_canonical_form_gives_the_result_of_the_run(name: str, linear: float) -> None:
    made, x = plan(name, linear), np.array([1.0, -0.3])

    def nonlinear(t: float, y: np.ndarray) -> np.ndarray:
        return np.cos(t) - y**3

    run = expint.run_plan(made, nonlinear, x)
    np.testing.assert_allclose(by_canonical_form(made.canonical(), nonlinear, x), run.y_end, rtol=1e-13)


@pytest.mark.parametrize("name", NAMES)
def test_the_canonical_form_is_strictly_causal_and_tells_every_call(name: str) -> None:
    made = plan(name)
    form = made.canonical()
    assert form.c.shape == (made.evaluations + 1,)
    assert form.D.shape == (made.evaluations + 1, made.evaluations)
    assert not np.any(np.triu(form.D[:-1]))
    assert form.c[-1] == pytest.approx(np.exp(-2.0), rel=1e-14)  # with no N the flow of L


def test_equal_maps_are_equal_whatever_they_are_called() -> None:
    assert plan("exponential-euler") == plan("adams1")
    assert plan("adams3") == plan("adams3")
    assert plan("adams3") != plan("adams2")
    assert plan("adams3") != plan("adams3", linear=-2.0 + 1e-9)
    assert plan("adams3") != plan("adams3", grid=GRID + np.array([0, 0, 1e-9, 0, 0, 0]))
    assert plan("adams3") == plan("adams3", linear=-2.0 * (1 + 1e-16))
    assert len({plan("adams3"), plan("adams3")}) == 2  # hashed by identity


def test_the_influence_of_a_call_is_what_an_error_of_it_does_to_the_result() -> None:
    made, x = plan("krogstad4"), np.zeros(1)
    influence = made.canonical().influence
    for j in range(made.evaluations):
        calls = iter(range(made.evaluations))
        hit = expint.run_plan(made, lambda t, y, calls=calls, j=j: np.full(1, float(next(calls) == j)), x)
        assert abs(hit.y_end[0]) == pytest.approx(influence[j], rel=1e-12, abs=1e-15)


def test_plans_whose_weights_are_no_numbers_have_no_canonical_form() -> None:
    made = expint.lower(expint.method("krogstad4"), Diagonal(np.array([-1.0, -2.0])), GRID)
    with pytest.raises(TypeError, match="expected a plan of a Scalar operator, received"):
        made.canonical()
    assert made == made
    assert made != plan("krogstad4")
    assert made.__eq__(3) is NotImplemented
