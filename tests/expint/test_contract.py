"""Every stepper: with steps that are given and to a tolerance, with dense output and with events, against formulas."""

import inspect
import math
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import expint
from expint import Solution
from expint.operators import TimeDependent, TimeScaled
from expint.run import steppers

Y0 = np.array([0.3, 0.5])
END = 2.0


def bernoulli(t: float) -> np.ndarray:
    """The solution of y' = -y + y²."""
    return 1 / (1 + (1 / Y0 - 1) * math.exp(t))


def over_time(t: float) -> np.ndarray:
    """The solution of y' = -y/(1 + t) + y²."""
    return 1 / ((1 + t) * (1 / Y0 - math.log1p(t)))


def integrated(t: float) -> np.ndarray:
    """The solution of y' = -cos(t) diag(1, 3) y."""
    return Y0 * np.exp(-math.sin(t) * np.array([1.0, 3.0]))


def square(t: float, y: np.ndarray) -> np.ndarray:
    return y * y


def flow(t: float, duration: float, y: np.ndarray) -> np.ndarray:
    return y / (1 - duration * y)


def ivp(nonlinear: Any, linear: Any, method: str, **always: Any) -> Callable[..., Solution]:
    return lambda **asked: expint.solve_ivp(
        nonlinear, (0.0, END), Y0, linear=linear, method=method, **(always if "step" not in asked else {}), **asked
    )


def splitting(method: str) -> Callable[..., Solution]:
    def run(step: float | None = None, **asked: Any) -> Solution:
        grid = [0.0, END] if step is None else np.linspace(0.0, END, round(END / step) + 1)
        return expint.run_splitting(expint.method(method), -1.0, flow, Y0, grid, **asked)

    return run


class Case(NamedTuple):
    run: Callable[..., Solution]
    exact: Callable[[float], np.ndarray]
    step: float = 0.02
    rtol: float = 1e-6


WHOLE = {"nonlinear": lambda t, y: -y + y * y, "linear": None}
VARYING = TimeDependent(lambda t: -1 / (1 + t))
CASES = {
    "fixed L": Case(ivp(square, -1.0, "etd34"), bernoulli),
    "chosen": Case(ivp(square, -1.0, "auto"), bernoulli),
    "Adams": Case(ivp(square, -1.0, "adams4"), bernoulli),
    "corrected": Case(ivp(square, -1.0, "pece4"), bernoulli),
    "doubled": Case(ivp(square, -1.0, "krogstad4", error="doubling"), bernoulli),
    "linearised": Case(ivp(method="exprb43", **WHOLE), bernoulli),
    "linearised, doubled": Case(ivp(method="exprb42", error="doubling", **WHOLE), bernoulli),
    "linearised beside L": Case(ivp(square, -1.0, "pexprb54s4"), bernoulli),
    "commutator-free": Case(ivp(square, VARYING, "cfree4"), over_time, rtol=1e-5),
    "magnus": Case(ivp(square, VARYING, "magnus2"), over_time, step=0.005, rtol=1e-4),
    "integral": Case(ivp(None, TimeScaled(math.cos, np.array([-1.0, -3.0])), "auto"), integrated),
    "flows": Case(splitting("strang"), bernoulli, step=0.005, rtol=1e-5),
    "flows of order 4": Case(splitting("yoshida4"), bernoulli),
}
EACH = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
HOW = pytest.mark.parametrize("fixed", [True, False], ids=["steps given", "to a tolerance"])


def asked(case: Case, fixed: bool) -> dict[str, Any]:
    return {"step": case.step} if fixed else {"rtol": case.rtol, "atol": case.rtol}


@EACH
@HOW
def test_states_and_dense_output_follow_the_solution(case: Case, fixed: bool) -> None:
    run = case.run(**asked(case, fixed), dense_output=True)
    assert run.success
    allowed = 2e-5 if fixed else 20 * case.rtol
    assert np.abs(run.y[-1] - case.exact(END)).max() < allowed
    times = np.linspace(0.0, END, 41)
    between = np.abs(run.sol(times) - [case.exact(t) for t in times]).max()
    assert between < 2 * allowed
    if fixed:
        assert run.stats.steps == round(END / case.step)


@EACH
@HOW
@pytest.mark.parametrize("terminal", [False, True])
def test_events_are_found_where_the_solution_crosses(case: Case, fixed: bool, terminal: bool) -> None:
    level = float(case.exact(0.7391)[1])

    def event(t: float, y: np.ndarray) -> float:
        return float(y[1]) - level

    event.terminal = terminal
    run = case.run(**asked(case, fixed), events=event)
    assert run.status == (1 if terminal else 0)
    assert run.t_events is not None
    assert run.t_events[0][0] == pytest.approx(0.7391, abs=4e-4)
    if terminal:
        assert run.y_events is not None
        assert run.y_events[0][-1][1] == pytest.approx(level, abs=1e-6)


@EACH
def test_a_thousandth_of_the_tolerance_gives_a_smaller_error(case: Case) -> None:
    """Of whatever order and stepper: the tolerance rules the error at the end."""
    errors = []
    for rtol in (case.rtol, case.rtol / 1000):
        run = case.run(rtol=rtol, atol=rtol)
        assert run.success
        errors.append(np.abs(run.y[-1] - case.exact(END)).max())
        assert errors[-1] < 20 * rtol
    assert errors[1] < max(0.3 * errors[0], 1e-13)


@pytest.mark.parametrize(("method", "order"), [("lie", 1), ("strang", 2), ("yoshida4", 4), ("blanes-moan4", 4)])
def test_splittings_choose_steps_about_as_their_order_promises(method: str, order: int) -> None:
    """The number of steps to a tolerance grows like its power -1/(p + 1), fewer at first, while N tells little."""
    counts, loose = [], 10.0 ** (-2 - max(order, 2) ** 2 / 3)
    for rtol in (loose, loose / 2 ** (2 * (order + 1))):  # steps a quarter as long
        run = splitting(method)(rtol=rtol, atol=rtol, first_step=1e-3)
        assert run.success
        assert np.abs(run.y[-1] - bernoulli(END)).max() < 60 * rtol
        counts.append(run.stats.steps)
    assert 1.7 < counts[1] / counts[0] < 6


def test_a_splitting_to_a_tolerance_lands_on_the_times_of_the_grid_and_counts_flows() -> None:
    calls = []

    def counted(t: float, duration: float, y: np.ndarray) -> np.ndarray:
        calls.append(t)
        return flow(t, duration, y)

    grid = [0.0, 0.3, 1.7, 2.0]
    run = expint.run_splitting(expint.method("strang"), -1.0, counted, Y0, grid, rtol=1e-5)
    assert run.t.tolist() == grid
    assert run.stats.nonlinear_evaluations == len(calls)
    np.testing.assert_allclose(run.y, [bernoulli(t) for t in grid], atol=1e-4)


def test_a_splitting_with_steps_that_are_given_refuses_what_it_would_ignore() -> None:
    for name, value in {"first_step": 0.1, "max_step": 0.1, "max_steps": 9, "norm": "max"}.items():
        with pytest.raises(ValueError, match=f"expected rtol or atol beside {name}, received neither"):
            splitting("strang")(step=0.1, **{name: value})


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"first_step": 0.0}, ValueError, "expected first_step to be a positive number, received 0.0"),
        ({"max_step": 0.0}, ValueError, "expected max_step to be a positive number, received 0.0"),
        ({"max_steps": 0}, ValueError, "expected max_steps to be at least 1, received 0"),
        (
            {"controller": (0.7, -0.4, 0)},
            TypeError,
            "expected controller to be an expint.run.Controller, received .* of type tup",
        ),
        ({"rtol": -1e-3}, ValueError, "expected rtol to be a number ≥ 0"),
    ],
)
def test_a_splitting_to_a_tolerance_refuses_what_makes_no_sense(
    wrong: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        splitting("strang")(**{"rtol": 1e-3} | wrong)


def test_every_stepper_is_in_this_table(monkeypatch: pytest.MonkeyPatch) -> None:
    classes = {
        found
        for file in Path(steppers.__file__).parent.glob("*.py")
        for found in vars(import_module(f"expint.run.steppers.{file.stem}")).values()
        if inspect.isclass(found) and found.__module__.endswith(file.stem) and "advance" in dir(found)
    }
    made = set()

    def noted(found: Any) -> Callable[..., None]:
        make = found.__init__

        def init(self: Any, *given: Any, **named: Any) -> None:
            made.add(type(self))
            make(self, *given, **named)

        return init

    for found in classes:
        monkeypatch.setattr(found, "__init__", noted(found))
    for case in CASES.values():
        assert case.run(rtol=1e-2).success
    assert {found.__name__ for found in classes - made} <= {"OneStep", "Stepper"}  # abstract
