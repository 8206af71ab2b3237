"""The order of columns: one place knows it, and rows of several states and of noise are data like any other."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import expint
from expint.derive.algebra.phisum import phi
from expint.derive.kinds.stage import Stage, StepContext, WithoutEstimate
from expint.lower.memory import Layout
from expint.lower.plan import Plan
from expint.lower.reversible import reversed_plan
from expint.run.loops import over_plan

layouts = st.builds(Layout, st.integers(1, 3), st.integers(0, 2), st.booleans(), st.booleans())


@given(layouts, st.integers(0, 4))
def test_parts_undo_arranging(layout: Layout, count: int) -> None:
    names = [f"y{j}" for j in range(layout.states)], [f"N{j}" for j in range(count)]
    noise, constant = [f"ξ{j}" for j in range(layout.noise)], ["1"] * layout.constant + ["first"] * layout.first
    row = layout.arrange(*names, noise, constant)
    assert len(row) == layout.fixed + count
    assert [list(part) for part in layout.parts(row)] == [names[0], noise, constant, names[1]]


@given(layouts, st.integers(1, 3), st.integers(0, 6))
def test_values_and_states_come_in_newest_first_and_the_oldest_leave(layout: Layout, depth: int, count: int) -> None:
    accept, evaluate = layout.moves(depth)
    memory: Any = layout.start("y0")
    for n in range(count):
        memory = accept(evaluate(memory, f"N{n}"), f"y{n + 1}")
    states, _, constant, values = layout.parts(memory)
    known = [f"y{n}" for n in range(count, -1, -1)][: layout.states]
    assert list(states) == known + [None] * (layout.states - len(known))
    assert list(values) == [f"N{n}" for n in range(count - 1, -1, -1)][:depth]
    assert constant == (1.0,) * layout.constant + ("y0",) * layout.first


def test_rows_that_do_not_fit_the_layout_are_refused() -> None:
    with pytest.raises(ValueError, match="expected 1 states, 0 columns of noise and 0 constants, received 2, 0 and 0"):
        Layout().arrange((1.0, 2.0), ())


# A reversible method of two states ------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Midpoint(WithoutEstimate):
    """y_{n+1} = γ (e^{2z} y_{n-1} + 2h φ₁(2z) N_n) + (1 − γ)(e^z y_n + h φ₁(z) N_n), on steps of one length.

    γ = 1 is the exponential midpoint rule, of order 2. With γ < 1 the spurious root of the two-step recursion is −γ
    instead of −1 (at L = 0), and the order is 1: what BDIA does to DDIM (Zhang, Lewis and Kleijn 2023).
    """

    damping: Fraction = Fraction(1)
    name: str = "exponential midpoint"
    states: int = 2
    history: int = 2

    @property
    def order(self) -> int:
        return 2 if self.damping == 1 else 1

    def recipe(self, step: StepContext) -> tuple[Stage, ...]:
        return _euler() if len(step.history) < 2 else _midpoint(self.damping)


EULER = Stage(c=1, state=phi(0).terms, stages=(), past=(phi(1).terms,), evaluate=True, accept=True, remember=True)
KNOWN: dict[Any, tuple[Stage, ...]] = {}


def _euler() -> tuple[Stage, ...]:
    return KNOWN.setdefault("euler", (EULER,))


def _midpoint(gamma: Fraction) -> tuple[Stage, ...]:
    if gamma not in KNOWN:
        two, other = Fraction(2), 1 - gamma
        stage = Stage(
            c=1,
            state=(other * phi(0)).terms,
            stages=(),
            past=((gamma * 2 * phi(1, two) + other * phi(1)).terms,),
            evaluate=True,
            accept=True,
            remember=True,
            earlier=((gamma * phi(0, two)).terms,),
        )
        KNOWN[gamma] = (stage,)
    return KNOWN[gamma]


def nonlinear(t: float, y: Any) -> Any:
    return np.sin(y) + math.cos(t)


SYMBOLS = {
    "scalar": -0.7,
    "real": np.array([-0.2, -3.0, 0.4]),
    "rotating": np.array([2j, -1j, 0.3j]),
}


def midpoint_plan(symbol: Any, steps: int, damping: Any = 1) -> tuple[Plan, Any]:
    y0 = np.array([0.5, -0.4, 1.0]) * (1 + 0 * np.asarray(symbol))
    operator = expint.operators.as_operator(symbol, y0)
    return expint.lower(Midpoint(Fraction(damping)), operator, np.linspace(0.0, 1.0, steps + 1), like=y0), y0


@pytest.mark.parametrize("symbol", SYMBOLS.values(), ids=SYMBOLS.keys())
@pytest.mark.parametrize(("damping", "order"), [(1, 2), (Fraction(3, 4), 1)])
def test_a_method_of_two_states_is_data_and_has_its_order(symbol: Any, damping: Any, order: int) -> None:
    errors = []
    y0 = midpoint_plan(symbol, 1)[1]
    exact = expint.solve_ivp(nonlinear, (0, 1), y0, linear=symbol, method="krogstad4", step=1 / 400).y[-1]
    for steps in (160, 320):
        plan, y0 = midpoint_plan(symbol, steps, damping)
        *_, last = over_plan(plan, nonlinear, y0)
        errors.append(np.abs(last.y - exact).max())
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.1)
    assert plan.evaluations == 320


@pytest.mark.parametrize("symbol", SYMBOLS.values(), ids=SYMBOLS.keys())
@pytest.mark.parametrize("damping", [1, Fraction(9, 10)])
def test_the_reversed_plan_gives_the_start_back_to_rounding(symbol: Any, damping: Any) -> None:
    plan, y0 = midpoint_plan(symbol, 25, damping)
    states = list(over_plan(plan, nonlinear, y0))
    backwards = reversed_plan(plan)
    back = list(over_plan(backwards, nonlinear, states[-1].y, earlier=[states[-2].y]))
    assert [state.t for state in back] == [state.t for state in states[-2::-1]]
    assert backwards.evaluations == plan.evaluations - 1  # all but that of the first step, which is not undone
    np.testing.assert_allclose(back[-1].y, y0, rtol=0, atol=1e-12)
    for found, expected in zip(back, states[-2::-1]):
        np.testing.assert_allclose(found.y, expected.y, rtol=0, atol=1e-12)


def test_what_cannot_be_reversed_is_told() -> None:
    plan = expint.lower(expint.method("adams2"), expint.operators.Scalar(-1.0), [0.0, 0.1, 0.2])
    with pytest.raises(ValueError, match="expected a plan of two steps or more of a method of two states, received 2"):
        reversed_plan(plan)


# A row with noise -----------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class ExponentialEulerMaruyama(WithoutEstimate):
    """y_{n+1} = e^z (y_n + ξ_n) + h φ₁(z) N_n for dy = (L y + N) dt + g dW, with ξ_n = g ΔW_n."""

    name: str = "exponential Euler–Maruyama"
    order: int = 1
    history: int = 1
    noise: int = 1

    def recipe(self, step: StepContext) -> tuple[Stage, ...]:
        return NOISY


NOISY = (
    Stage(
        c=1,
        state=phi(0).terms,
        stages=(),
        past=(phi(1).terms,),
        evaluate=True,
        accept=True,
        remember=True,
        noise=(phi(0).terms,),
    ),
)


def test_a_row_with_noise_is_data_and_gives_the_moments_of_the_discrete_process() -> None:
    steps, rate, strength = 8, -1.5, 0.8
    times = np.linspace(0.0, 1.0, steps + 1)
    y0 = np.full(200_000, 0.3)
    plan = expint.lower(ExponentialEulerMaruyama(), expint.operators.Scalar(rate), times, like=y0)
    rng = np.random.default_rng(5)
    asked = []

    def noise(end: float) -> tuple[np.ndarray]:
        asked.append(end)
        return (strength * math.sqrt(1 / steps) * rng.normal(size=y0.shape),)

    *_, last = over_plan(plan, lambda t, y: 0.2 + 0 * y, y0, noise=noise)
    decay = math.exp(rate / steps)
    mean = math.exp(rate) * 0.3 + 0.2 * (math.exp(rate) - 1) / rate
    variance = strength**2 / steps * sum(decay ** (2 * j) for j in range(1, steps + 1))
    assert last.y.mean() == pytest.approx(mean, abs=4 * math.sqrt(variance / y0.size))
    assert last.y.var() == pytest.approx(variance, rel=0.02)
    assert asked == times[1:].tolist()


def test_without_its_noise_the_row_is_that_of_the_exponential_euler_method() -> None:
    times, y0 = np.linspace(0.0, 1.0, 9), np.array([0.3, -1.0])
    noisy = expint.lower(ExponentialEulerMaruyama(), expint.operators.Scalar(-1.5), times, like=y0)
    plain = expint.lower(expint.method("exponential-euler"), expint.operators.Scalar(-1.5), times, like=y0)
    quiet = over_plan(noisy, nonlinear, y0, noise=lambda t: (np.zeros(2),))
    for found, expected in zip(quiet, over_plan(plain, nonlinear, y0), strict=True):
        np.testing.assert_allclose(found.y, expected.y, rtol=1e-15)
