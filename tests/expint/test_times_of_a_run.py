"""Where in time N is looked at: within the steps, whatever the rounding; and what the door says of times."""

import math
from functools import partial

import numpy as np
import pytest

import expint
from expint.derive.kinds.stage import StepContext
from expint.methods.magnus import magnus
from expint.operators import TimeDependent, TimeScaled

SPLITTINGS = {"lie", "strang", "yoshida4", "suzuki4", "blanes-moan4", "blanes-moan6"}
ON_TIME = {"cf4", "cfree4", "magnus2", "magnus4"}  # for L that depends on time
METHODS = [name for name in expint.method_names() if name not in SPLITTINGS]
START = np.array([1.0, 0.5])
SYMBOL = np.array([-1.0, -3.0])
SPANS = [(0.0, 1.3, 0.1), (0.1, 1.4, 0.1), (-0.7342, 0.61, 0.0731), (1.1, 0.2, -0.1)]


class Watched:
    """Functions of time that note when they are called."""

    def __init__(self):
        self.times = []

    def force(self, t, y):
        self.times.append(t)
        return np.array([np.cos(t) * y[1] - 0.1 * y[0] ** 2, 0.1 * np.sin(t) * y[0]])

    def symbol(self, t):
        self.times.append(t)
        return SYMBOL * (1 + 0.1 * math.sin(t))

    def event(self, t, y):
        self.times.append(t)
        return y[0] - 0.7

    def assert_within(self, start, end):
        low, high = min(start, end), max(start, end)
        outside = [t for t in self.times if not low <= t <= high]
        assert not outside, f"{len(outside)} of {len(self.times)} outside, the first {outside[0]!r}"
        assert len(self.times) > 2


def watched_run(method, start, end, **options):
    seen, found = Watched(), magnus(method) if method in ON_TIME else expint.method(method)
    linear = TimeDependent(seen.symbol) if method in ON_TIME else SYMBOL
    force = seen.force if method not in ON_TIME or found.points else None
    solution = expint.solve_ivp(
        force, (start, end), START, linear=linear, method=method, dense_output=True, events=seen.event, **options
    )
    assert solution.success, solution.message
    solution.sol(np.linspace(start, end, 5))
    return seen, solution


def test_no_method_of_the_catalogue_has_a_node_outside_its_step():
    for name in METHODS:
        method = magnus(name) if name in ON_TIME else expint.method(name)
        history = tuple(-float(j) for j in range(method.history))
        nodes = method.c if name in ON_TIME else [stage.c for stage in method.recipe(StepContext(0.0, 1.0, history))]
        assert all(0 <= float(c) <= 1 for c in nodes), name


@pytest.mark.parametrize("method", METHODS)
def test_fixed_steps_look_at_no_time_outside_the_span(method):
    """(0, 1.3) in steps of 0.1: nine of its thirteen steps differ from 0.1 by rounding."""
    for start, end, step in SPANS[: 1 if method.startswith("epi") else None]:
        if method.startswith("epi") and method[3].isdigit():
            step = (end - start) / 8  # they need uniform steps
        seen, _ = watched_run(method, start, end, step=step)
        seen.assert_within(start, end)


@pytest.mark.parametrize("method", [name for name in METHODS if (expint.method(name).error_order or 0) > 2])
def test_steps_to_a_tolerance_look_at_no_time_outside_the_span(method):
    for start, end, _ in SPANS:
        seen, _ = watched_run(method, start, end, rtol=1e-4, max_step=math.copysign(math.inf, end - start))
        seen.assert_within(start, end)


def test_steps_by_doubling_of_matrices_in_time_and_of_clocks_look_at_no_time_outside_the_span():
    for start, end, _ in SPANS[:3]:
        for method in ("krogstad4", "lawson-rk4", "hochbruck-ostermann4"):
            watched_run(method, start, end, rtol=1e-4, error="doubling")[0].assert_within(start, end)
        for method in ON_TIME - {"magnus2"}:
            watched_run(method, start, end, rtol=1e-4)[0].assert_within(start, end)
        for options in ({"step": 0.1}, {"rtol": 1e-5}):
            seen = Watched()
            rate = partial(lambda seen, t: seen.times.append(t) or 1 + 0.5 * math.sin(t), seen)
            linear = TimeScaled(rate, SYMBOL)
            expint.solve_ivp(seen.force, (start, end), START, linear=linear, events=seen.event, **options)
            seen.assert_within(start, end)


def test_n_may_be_undefined_beyond_the_ends():
    """√(1.3 - t) is nan an ulp later; the answer is that of quadrature: y = y0 + ∫ √(T - t) dt."""
    for method in ("pec4", "expint43", "krogstad4", "exprb43", "adams4", "ladder6", "lawson-rk4"):
        found = expint.solve_ivp(
            lambda t, y: np.array([math.sqrt(1.3 - t)]), (0, 1.3), np.zeros(1), linear=0.0, method=method, step=0.1
        )
        assert abs(found.y_end[0] - 2 / 3 * 1.3**1.5) < 5e-3


BACKWARDS = {"yoshida4", "suzuki4", "blanes-moan4", "blanes-moan6"}
"""Splittings of order above 2 go back in time by construction: some of their flows begin outside the step."""


def test_flows_of_a_splitting_begin_within_their_steps():
    times = []

    def flow(t, tau, y):
        times.append(t)
        return y * math.exp(-tau)

    grid = np.linspace(0, 1.3, 14)
    for name in sorted(SPLITTINGS - BACKWARDS):
        expint.run_splitting(expint.method(name), SYMBOL, flow, START, grid)
    assert min(times) >= 0.0
    assert max(times) <= 1.3
    for name in BACKWARDS:
        assert min(map(float, expint.method(name).b)) < 0


def test_dense_output_of_a_linear_part_in_time_stays_within_the_step():
    seen, solution = watched_run("cfree4", 0.0, 1.3, step=0.1)
    seen.times.clear()
    solution.sol(np.nextafter(solution.t[1:], 0))
    seen.assert_within(0.0, 1.3)


@pytest.mark.parametrize(
    ("t_eval", "said"),
    [
        ([0.2, 0.2, 1.0], "twice"),
        ([0.5, 0.2, 1.0], "monotone"),
        ([0.2, math.nan], "within"),
        ([math.nan], "within"),
        ([0.5, 1.0 + 2.0**-52], "within"),
        ([-(2.0**-60), 0.5], "within"),
        ([math.inf], "within"),
        ([], "sequence"),
        ([1.0, 0.5], "direction"),
        ([[0.5]], "sequence"),
    ],
)
@pytest.mark.parametrize("steps", [{"step": 0.1}, {"rtol": 1e-4}])
def test_times_that_make_no_sense_are_refused_at_the_door(t_eval, said, steps):
    with pytest.raises(ValueError, match=said):
        expint.solve_ivp(lambda t, y: -y, (0, 1), START, linear=-1.0, t_eval=t_eval, **steps)


@pytest.mark.parametrize("t_span", [(0, 0), (1.0, 1.0), (0, math.inf), (math.nan, 1), (0,), (0, 1, 2)])
@pytest.mark.parametrize("steps", [{"step": 0.1}, {"rtol": 1e-4}])
def test_spans_that_make_no_sense_are_refused_at_the_door(t_span, steps):
    with pytest.raises(ValueError, match="t_span"):
        expint.solve_ivp(lambda t, y: -y, t_span, START, linear=-1.0, **steps)


@pytest.mark.parametrize("steps", [{"step": 0.1}, {"rtol": 1e-6}])
def test_neighbouring_times_are_answered_each(steps):
    times = [0.0, math.nextafter(0.0, 1.0), 1e-300, 0.5, math.nextafter(0.5, 1.0), math.nextafter(1.0, 0.0), 1.0]
    found = expint.solve_ivp(lambda t, y: 0 * y, (0, 1), START, linear=-1.0, t_eval=times, **steps)
    assert found.success, found.message
    assert found.t.tolist() == times
    np.testing.assert_allclose(found.y, np.exp(-found.t)[:, None] * START, rtol=1e-14)


def test_a_step_by_hand_that_leaves_time_where_it_is_is_refused():
    state = expint.begin(lambda t, y: -y, 1.7e9, START, linear=-1.0)
    with pytest.raises(ValueError, match="changes t"):
        expint.step(state, 1e-9)
