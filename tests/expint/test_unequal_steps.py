"""Times that nearly coincide cost no accuracy: no method looks at two slopes that lie together, seen from a step."""

from functools import lru_cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

import expint
from expint.derive.algebra.spread import lookback, spread

SYMBOL = np.array([-1.0, -3.0])
START = np.array([1.0, 0.5])
STEP = 0.05
GAPS = [1e-2, 1e-4, 1e-8, 1e-12, 2.0**-53]
HISTORY = [
    *(f"adams{q}" for q in range(2, 9)),
    *(f"pec{p}" for p in range(2, 7)),
    *(f"pece{p}" for p in range(2, 7)),
    *(f"pecece{p}" for p in range(3, 7)),
    *("eglm322", "eglm332", "eglm432", "eglm433", "eglm433-parallel", "eglm533", "eglm634"),
    *(f"lawson-adams{q}" for q in range(2, 6)),
    *(f"linearised-adams{p}" for p in range(3, 7)),
    *(f"{kind}generalised-lawson4{q}" for kind in ("", "modified-") for q in range(2, 6)),
]
TO_A_TOLERANCE = ["adams4", "adams8", "pec2", "pec5", "pece4", "auto", "exprb43", "lawson-dormand-prince54", "etd34"]


def force(t, y):
    return np.array([np.cos(3 * t) * y[1] + 0.3 * y[0] ** 2, np.sin(2 * t) - y[0] * y[1]])


@lru_cache(maxsize=1)
def exact():
    """The flow by another code, at a tolerance near rounding."""
    f = lambda t, y: SYMBOL * y + force(t, y)
    return solve_ivp(f, (0, 1), START, method="DOP853", rtol=1e-13, atol=1e-15, dense_output=True, max_step=0.01).sol


def run(method, **options):
    solution = expint.solve_ivp(force, (0, 1), START, linear=SYMBOL, method=method, **options)
    assert solution.success, solution.message
    return solution


def error(method, **options):
    """The largest error at the times asked for, for 0.9, the end, and between."""
    solution = run(method, dense_output=True, **options)
    times = np.linspace(0, 1, 101)
    off = [np.abs(solution.y - exact()(solution.t).T).max(), np.abs(solution.sol(times) - exact()(times).T).max()]
    return off[0], off[1]


@lru_cache(maxsize=64)
def without(method, step=STEP):
    """The errors of the run with equal steps."""
    return error(method, step=step)


def assert_as_good(method, **options):
    found, usual = error(method, **options), without(method)
    assert found[0] <= 6 * usual[0] + 1e-12
    assert found[1] <= 6 * usual[1] + 1e-12


@pytest.mark.parametrize("method", HISTORY)
def test_two_times_that_nearly_coincide_cost_no_accuracy(method):
    for gap in GAPS:
        assert_as_good(method, step=STEP, t_eval=[0.5, 0.5 + gap, 1.0])


@pytest.mark.parametrize(
    "method",
    ["adams5", "pec4", "pece4", "eglm533", "lawson-adams4", "linearised-adams5", "modified-generalised-lawson44"],
)
def test_clusters_of_any_size_cost_no_accuracy(method):
    for width, count in ((1e-6, 3), (1e-6, 30), (1e-10, 8), (1e-3, 12)):
        cluster = 0.5 + width * np.arange(count)
        assert_as_good(method, step=STEP, t_eval=[0.2, *cluster, *(cluster + 0.3), 1.0])


def test_every_method_that_looks_back_is_tried_here_or_asks_for_uniform_steps():
    looking_back = {name for name in expint.method_names() if getattr(expint.method(name), "history", 1) > 1}
    assert looking_back - set(HISTORY) <= {"epi3", "epi4"}


@pytest.mark.parametrize("method", [name for name in HISTORY if not name.startswith("linearised")])
def test_several_clusters_on_one_grid_do_not_multiply_what_is_wrong(method):
    clusters = [k * STEP + gaps for k in (4, 9, 14) for gaps in (1e-6, 1e-6 + 3e-13, 1e-3, 1e-3 + 1e-9)]
    assert_as_good(method, grid=np.unique([*np.linspace(0, 1, 21), *clusters]))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    method=st.sampled_from(
        ["adams4", "adams6", "pec3", "pec5", "pece4", "eglm432", "lawson-adams3", "linearised-adams4"]
    ),
    places=st.lists(st.floats(0.02, 0.98), min_size=1, max_size=4),
    exponents=st.lists(st.floats(-16, -1.5), min_size=1, max_size=8),
)
@example(method="pec5", places=[0.5], exponents=[-8, -4, -2])
def test_a_grid_with_any_clusters_is_as_good_as_the_grid_without_them(method, places, exponents):
    regular = np.linspace(0, 1, 21)
    extra = [place + 10.0**exponent for place in places for exponent in exponents] + places
    grid = np.unique(np.concatenate([regular, [t for t in extra if t < 1]]))
    assert_as_good(method, grid=grid)


@pytest.mark.parametrize("method", TO_A_TOLERANCE)
@pytest.mark.parametrize("gap", [1e-3, 1e-8, 1e-12, 2.0**-53])
def test_a_run_to_a_tolerance_lands_on_times_however_near_to_each_other(method, gap):
    times = [0.3, 0.5, 0.5 + gap, 0.5 + 2 * gap, 1.0]
    rtol = 1e-5
    solution = run(method, rtol=rtol, atol=rtol, t_eval=times, land=True)
    assert solution.t.tolist() == times
    np.testing.assert_allclose(solution.y, exact()(solution.t).T, rtol=0, atol=20 * rtol)


def test_steps_by_hand_may_have_any_lengths():
    for method in ("adams4", "pec4", "eglm433"):
        state = expint.begin(force, 0.0, START, linear=SYMBOL, method=method)
        for h in [0.05] * 10 + [1e-9, 0.05, 1e-12, 1e-7] + [0.05] * 5:
            state = expint.step(state, h)
        assert np.abs(state.y - exact()(state.t)).max() <= 6 * without(method)[0]


def test_backwards_it_is_the_same():
    def off(**options):
        return np.abs(expint.solve_ivp(force, (1, 0), exact()(1.0), linear=SYMBOL, **options).y_end - START).max()

    for method in ("pec4", "adams5"):
        usual = off(method=method, step=-STEP)
        assert off(method=method, step=-STEP, t_eval=[0.5, 0.5 - 1e-8, 0.0]) <= 6 * usual
        assert usual < 1e-3


@given(ratios=st.lists(st.floats(1e-9, 1e9), min_size=1, max_size=12), most=st.integers(1, 8), ramp=st.booleans())
def test_what_is_looked_at_is_never_amplified_beyond_the_bound(ratios, most, ramp):
    nodes = [0.0, *(-np.cumsum(ratios)).tolist()]
    taken = spread(nodes, 1.0, most, ramp=ramp)
    assert taken[0] == 0
    assert len(taken) <= most
    assert list(taken) == sorted(set(taken))
    for j, k in enumerate(taken[1:], 1):
        amplified = np.prod([abs(1.0 - nodes[i]) / abs(nodes[k] - nodes[i]) for i in taken[:j]])
        assert amplified <= 1e4 * (1 + 1e-9)


@given(growth=st.floats(0.4, 1.9), most=st.integers(1, 6), predicted=st.booleans())
def test_steps_that_grow_and_shrink_gently_are_all_looked_at(growth, most, predicted):
    gaps = growth ** np.arange(most + 3)  # from the newest to the oldest
    nodes = [0.0, *(-np.cumsum(gaps) * growth).tolist()]
    shrinking = growth >= 1
    if shrinking or most <= 4:
        assert spread(nodes, 1.0, most, predicted=predicted, ramp=True) == tuple(range(most))


def test_no_more_slopes_are_kept_than_are_looked_at_where_steps_are_alike():
    positions = np.cumsum([0.0, *(-np.random.default_rng(0).uniform(0.5, 1.0, 20))]).tolist()
    assert [lookback(positions, most) for most in range(1, 9)] == list(range(1, 9))


def test_where_steps_nearly_coincide_older_slopes_stay():
    steps = [-1e-9, -1.0, -1.0, -1.0, -1.0, -1.0]
    positions = [0.0, *np.cumsum(steps).tolist()]
    assert lookback(positions, 4) == 5
    assert spread(positions, 1.0, 4, predicted=True) == (0, 2, 3, 4)


def test_neighbouring_steps_of_a_plan_differ_by_rounding_only_where_a_sliver_lies_between():
    """The weights of a step after a sliver are those of a step without, to the length of the sliver."""
    method, operator = expint.method("adams4"), expint.operators.Scalar(-1.0)
    regular = np.linspace(0, 1, 11)
    plain, odd = (expint.lower(method, operator, grid) for grid in (regular, np.sort([*regular, 0.5 + 1e-9])))
    weights = {step.times[-1]: [w or 0.0 for w in step.rows[-1].weights] for step in plain.steps}
    for before, step in pairwise(odd.steps):
        if step.times[-1] in weights and before.times[-1] > 0.55:
            own = [w for w in step.rows[-1].weights if w]
            np.testing.assert_allclose(own, [w for w in weights[step.times[-1]] if w], rtol=1e-7)
