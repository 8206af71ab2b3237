"""Every option of every door acts, or is refused; none is ignored or bent."""

import inspect
import math

import numpy as np
import pytest
import scipy.integrate

import expint
import expint.scipy
from expint.jacobian import Differences
from expint.run import Controller

START = np.array([1.0, 0.5])
SYMBOL = np.array([-1.0, -3.0])


def force(t, y, factor=1.0):
    return factor * np.array([np.cos(t) * y[1] - 0.1 * y[0] ** 2, 0.1 * np.sin(t) * y[0]])


def event(t, y, factor=1.0):
    return y[0] - 0.7 * factor


BASE = {"t_span": (0, 2), "y0": START, "linear": SYMBOL, "rtol": 1e-5}
CHANGED = {
    "nonlinear": lambda t, y: -y,
    "t_span": (0, 1),
    "y0": 2 * START,
    "linear": SYMBOL / 2,
    "method": "expint43",
    "jac": Differences(central=True),
    "step": 0.1,
    "grid": [0, 0.5, 2],
    "t_eval": [1.0, 2.0],
    "land": True,
    "save": lambda t, y: y[0],
    "breakpoints": [0.7],
    "rtol": 1e-7,
    "atol": 1e-2,
    "first_step": 0.3,
    "max_step": 0.01,
    "max_steps": 3,
    "norm": lambda scaled: 100 * float(np.max(scaled)),
    "error": "doubling",
    "controller": Controller(safety=0.3),
    "dense_output": True,
    "events": event,
    "args": (2.0,),
}
ALONE = {"step": "rtol", "grid": "rtol"}  # given instead of one of the base
WITH = {"error": {"method": "krogstad4"}, "land": {"t_eval": [0.3, 1.0]}}  # given beside


def signature(solution):
    """All that a user sees of a run, in a form that can be compared."""
    events = None if solution.t_events is None else [times.tolist() for times in solution.t_events]
    seen = (solution.status, solution.message, solution.stats, solution.method, solution.sol is None, events)
    return (*seen, solution.t.tolist(), solution.y.tolist(), solution.saved is None)


def solve(**options):
    options = {"nonlinear": force, **BASE, **options}
    return expint.solve_ivp(options.pop("nonlinear"), options.pop("t_span"), options.pop("y0"), **options)


def test_every_option_of_solve_ivp_is_tried_here():
    watched = {
        "callback",
        "progress",
        "checkpoint",
        "checkpoint_every",
        "save_to",
        "batched",
        "gradient",
        "runner",
    }  # tried below, in test_resume, test_netcdf, test_batched, test_adjoint and test_runner
    assert set(inspect.signature(expint.solve_ivp).parameters) - watched <= {*CHANGED}


@pytest.mark.parametrize("name", CHANGED)
def test_every_option_of_a_solve_acts(name):
    options, beside = {name: CHANGED[name]}, WITH.get(name, {})
    if name in ALONE:
        options[ALONE[name]] = None
    if name == "error":
        solution = solve(**options, **beside)  # without it the method has no estimate
        assert solution.success
        with pytest.raises(ValueError, match="error estimate"):
            solve(**beside)
        return
    assert signature(solve(**options, **beside)) != signature(solve(**beside))


def test_callback_is_called_and_progress_asks_for_a_bar(monkeypatch):
    seen, shown = [], []
    solution = solve(callback=lambda t, y: seen.append(t))
    assert seen == solution.t.tolist()
    monkeypatch.setattr(
        expint.run.record, "progress_bar", lambda asked, *rest: shown.append(asked) or _nothing(), raising=True
    )
    solve(progress=True)
    assert shown == [True]


class _nothing:
    def __enter__(self):
        return lambda: None

    def __exit__(self, *error):
        return None


@pytest.mark.parametrize("fixed", [{"step": 0.1}, {"grid": [0.0, 1.0, 2.0]}])
@pytest.mark.parametrize("name", ["rtol", "atol", "first_step", "max_step", "max_steps", "norm", "error", "controller"])
@pytest.mark.parametrize(
    "kind",
    [
        {"linear": SYMBOL},
        {"linear": None},
        {"linear": expint.operators.TimeScaled(lambda t: 1 + t, SYMBOL)},
        {"linear": expint.operators.TimeDependent(lambda t: SYMBOL)},
    ],
    ids=["fixed L", "no L", "clock", "L(t)"],
)
def test_what_would_have_no_effect_beside_fixed_steps_is_refused(fixed, name, kind):
    with pytest.raises(ValueError, match=name.split("_", maxsplit=1)[0]):
        expint.solve_ivp(force, (0, 2), START, **fixed, **kind, **{name: CHANGED[name]})


FIRST = ["auto", "adams4", "pec4", "expint43", "lawson-dormand-prince54", "exprb43", "pexprb54s4"]


@pytest.mark.parametrize("method", FIRST)
@pytest.mark.parametrize("first", [0.1, 0.0123, 1e-6, 0.25, 1.0])
def test_the_first_step_has_exactly_the_length_given(method, first):
    """Or it is rejected: the tolerance is loose enough here that it is not."""
    for sign in (1.0, -1.0):
        solution = expint.solve_ivp(
            lambda t, y: 1e-9 * y, (0, sign), START, linear=SYMBOL, method=method, rtol=1e-3, first_step=sign * first
        )
        assert abs(solution.t[1]) == first


def test_a_first_step_ends_at_a_time_asked_for_before():
    solution = solve(method="expint43", rtol=1e-2, first_step=0.3, dense_output=True, t_eval=[0.2, 2.0], land=True)
    assert solution.sol.times[1] == 0.2


@pytest.mark.parametrize("options", [{"first_step": 2.5}, {"first_step": 0.3, "max_step": 0.2}])
def test_a_first_step_that_does_not_fit_is_refused(options):
    with pytest.raises(ValueError, match="first_step of at most"):
        solve(**options)


@pytest.mark.parametrize("method", FIRST)
@pytest.mark.parametrize("most", [0.3, 0.0171])
def test_no_step_is_longer_than_the_largest(method, most):
    solution = solve(method=method, max_step=most, rtol=1e-3)
    assert np.diff(solution.t).max() <= most * (1 + 1e-9)


@pytest.mark.parametrize("method", FIRST)
def test_no_more_steps_are_made_than_allowed(method):
    enough = solve(method=method)
    tries = enough.stats.steps + enough.stats.rejected
    assert solve(method=method, max_steps=tries).success
    less = solve(method=method, max_steps=tries - 1)
    assert not less.success
    assert less.stats.steps + less.stats.rejected == tries - 1


def whole(t, y):
    return SYMBOL * y + force(t, y)


SOLVERS = [expint.scipy.ExponentialAdams, expint.scipy.LawsonDormandPrince, expint.scipy.Rosenbrock54]
OF_SCIPY = {
    "rtol": 1e-7,
    "atol": 1e-1,
    "first_step": 1e-3,
    "max_step": 0.01,
    "linear": SYMBOL / 2,
    "jac": lambda t, y: np.diag(SYMBOL),
    "jac_sparsity": np.eye(2),
}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", OF_SCIPY)
def test_every_option_of_a_solver_for_scipy_acts(solver, name):
    needs_linear = issubclass(solver, expint.scipy.ExponentialSolver)
    if (name == "linear") != needs_linear and name in ("linear", "jac", "jac_sparsity"):
        pytest.skip("no option of this solver")

    def run(**options):
        own = {"linear": SYMBOL} if needs_linear else {}
        found = scipy.integrate.solve_ivp(whole, (0, 2), START, method=solver, **own | options)
        assert found.success
        return found.t.tolist(), found.y.tolist(), found.nfev

    assert run(**{name: OF_SCIPY[name]}) != run()
    if name == "first_step":
        assert run(first_step=1e-3)[0][1] == 1e-3


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_solver_for_scipy_refuses_a_first_step_beyond_the_span(solver):
    own = {"linear": SYMBOL} if issubclass(solver, expint.scipy.ExponentialSolver) else {}
    with pytest.raises(ValueError, match="first_step"):
        scipy.integrate.solve_ivp(whole, (0, 2), START, method=solver, first_step=3.0, **own)


def test_every_option_of_begin_acts():
    def ends(**options):
        state = expint.begin(force, 0.0, START, **{"linear": SYMBOL} | options)
        return [expint.step(state, h).y.tolist() for h in (0.1, 0.2)]

    usual = ends()
    for changed in ({"linear": SYMBOL / 2}, {"method": "krogstad4"}, {"args": (2.0,)}, {"method": "exprb43"}):
        assert ends(**changed) != usual
    assert ends(method="exprb43", jac=lambda t, y: 0 * np.eye(2)) != ends(method="exprb43")


def test_solve_hands_every_option_on():
    problem = expint.problems.riccati()
    usual = signature(expint.solve(problem, rtol=1e-5))
    for name in ("t_eval", "max_step", "max_steps", "dense_output", "norm", "controller", "atol"):
        changed = CHANGED[name] if name != "t_eval" else [problem.t_span[1] / 2]
        assert signature(expint.solve(problem, **{"rtol": 1e-5, name: changed})) != usual, name
    assert math.isclose(
        expint.solve(problem, rtol=1e-5, t_span=(0, problem.t_span[1] / 2)).t[-1], problem.t_span[1] / 2
    )
