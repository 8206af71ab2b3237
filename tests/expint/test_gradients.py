"""Every number that enters by a door carries its gradient, or is refused by name; none is dropped."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

import expint
from expint.jacobian import Differences, Product
from expint.operators import MatrixFree, TimeDependent, TimeScaled

START = torch.tensor([1.0, 0.5], dtype=torch.float64)


def react(t: float, y: Any) -> Any:
    return -(y**3)


def solve(nonlinear: Any = react, t_span: Any = (0, 1), y0: Any = START, **options: Any) -> expint.Solution:
    return expint.solve_ivp(nonlinear, t_span, y0, **({"linear": -1.0} | options))


def asking(value: float = 0.1) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64, requires_grad=True)


FIXED: dict[str, Any] = {"method": "krogstad4", "step": 0.1}
REFUSED: dict[str, Callable[[torch.Tensor], Any]] = {
    "step": lambda q: solve(method="krogstad4", step=q),
    "t_span": lambda q: solve(t_span=(0, q)),
    "t_eval": lambda q: solve(t_eval=[q, 1.0]),
    "grid": lambda q: solve(grid=torch.stack([q - q, q]), t_span=(0, 0.1)),
    "first_step": lambda q: solve(first_step=q),
    "max_step": lambda q: solve(max_step=q),
    "rtol": lambda q: solve(rtol=q),
    "atol": lambda q: solve(atol=q * torch.ones(2)),
    "norm": lambda q: solve(norm=lambda e: q * e.max()),
    "rate": lambda q: solve(None, linear=TimeScaled(lambda t: 1 + q * t, -1.0), step=0.1),
    "rate beside N": lambda q: solve(linear=TimeScaled(lambda t: 1 + q * t, -1.0), step=0.1),
    "integral": lambda q: solve(None, linear=TimeScaled(lambda t: 1.0, -1.0, lambda t: q / 0.1 * t), step=0.1),
    "rate of A(t)": lambda q: solve(linear=TimeDependent(TimeScaled(lambda t: q, torch.ones(2))), step=0.1),
    "A(t)": lambda q: solve(linear=TimeDependent(lambda t: q * t), step=0.1),
    "L": lambda q: solve(linear=q),
    "interval": lambda q: MatrixFree(lambda v: -v, 2, symmetry="symmetric", interval=(-q, 0)),
    "sol(t)": lambda q: solve(dense_output=True, **FIXED).sol(q),
    "sol of several": lambda q: solve(dense_output=True, **FIXED).sol(torch.stack([q, q])),
    "t0": lambda q: expint.begin(react, q, START, linear=-1.0),
    "breakpoints": lambda q: solve(breakpoints=[q]),
    "t_eval between breakpoints": lambda q: solve(breakpoints=[0.5], t_eval=[q, 1.0]),
    "t_span with breakpoints": lambda q: solve(breakpoints=[0.05], t_span=(0, q)),
    "h": lambda q: expint.step(expint.begin(react, 0, START, linear=-1.0), q),
    "grid of a splitting": lambda q: expint.run_splitting(
        expint.method("strang"), -1.0, lambda t, tau, y: y, START, [0, q]
    ),
    "jac": lambda q: solve(linear=None, method="exprb43", step=1.0, jac=lambda t, y: -10 * q * torch.diag(3 * y**2)),
    "J v": lambda q: solve(linear=None, method="exprb43", step=1.0, jac=Product(lambda t, y, v: -q * v)),
    "in_time": lambda q: solve(linear=None, method="exprb43", step=1.0, jac=Differences(in_time=lambda t, y: q * y)),
    "what N holds, linearised": lambda q: solve(lambda t, y: q * react(t, y), linear=None, method="exprb43", step=1.0),
    "a list": lambda q: solve(y0=[q, q]),
    "float(event)": lambda q: solve(y0=START * (1 + q), events=lambda t, y: float(y[0].detach()) - 0.7),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_gradient_that_would_be_lost_is_refused(name: str) -> None:
    with pytest.raises(TypeError, match=r"expected .*received.*"):
        REFUSED[name](asking())


@pytest.mark.parametrize("name", ["step", "t_span", "rtol", "t_eval", "sol(t)", "h"])
def test_without_recording_tensors_are_numbers_like_others(name: str) -> None:
    with torch.no_grad():
        REFUSED[name](asking())


CARRIED: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "y0": lambda q: solve(y0=START * (1 + q), **FIXED).y_end,
    "y0 to a tolerance": lambda q: solve(y0=START * (1 + q), rtol=1e-9).y_end,
    "what N holds": lambda q: solve(lambda t, y: (1 + q) * react(t, y), **FIXED).y_end,
    "args": lambda q: solve(lambda t, y, a: a * react(t, y), args=(1 + q,), **FIXED).y_end,
    "forcing": lambda q: solve(None, linear=TimeDependent(lambda t: -t, lambda t: q * START), step=0.1).y_end,
    "flow": lambda q: (
        expint.run_splitting(
            expint.method("strang"), -1.0, lambda t, tau, y: y * torch.exp(q * tau), START, [0, 0.5]
        ).y_end
    ),
    "between steps": lambda q: solve(y0=START * (1 + q), dense_output=True, **FIXED).sol(0.234),
}


def crossing(terminal: bool, level: Callable[[torch.Tensor, float], Any]) -> Callable[[torch.Tensor], torch.Tensor]:
    """The state where the first component falls to a level that may depend on q and t."""

    def state(q: torch.Tensor) -> torch.Tensor:
        def event(t: float, y: torch.Tensor) -> torch.Tensor:
            return y[0] - level(q, t)

        event.terminal = terminal
        run = solve(y0=START * (1 + q), method="krogstad4", step=0.02, events=event)
        return run.y_end if terminal else run.y_events[0][0, ...]

    return state


for end in (False, True):
    CARRIED[f"event, terminal {end}"] = crossing(end, lambda q, t: 0.7)
    CARRIED[f"event with a level of its own, terminal {end}"] = crossing(end, lambda q, t: 0.6 + q + 0.2 * t)
CARRIED["event of the time"] = lambda q: solve(y0=START * (1 + q), events=lambda t, y: t - 0.5, **FIXED).y_events[0][
    0, ...
]


@pytest.mark.parametrize("name", CARRIED)
def test_a_gradient_that_is_carried_is_that_of_differences(name: str) -> None:
    state, q, small = CARRIED[name], asking(), 1e-5
    (got,) = torch.autograd.grad(state(q)[1], q)
    with torch.no_grad():
        ahead, behind = (float(state(torch.tensor(0.1 + d, dtype=torch.float64))[1]) for d in (small, -small))
    assert got.item() == pytest.approx((ahead - behind) / (2 * small), rel=2e-6)


def test_what_jax_traces_is_refused_by_name_where_values_are_needed() -> None:
    jax = pytest.importorskip("jax")
    start = jax.numpy.asarray([1.0, 0.5])

    def traced(name: str, wrap: Callable[..., Any], function: Callable[[Any], Any], at: Any) -> None:
        with pytest.raises(TypeError, match=r"^expected .*JAX traces") as raised:
            wrap(function)(at)
        assert name in str(raised.value)

    for wrap in (jax.jit, jax.grad):
        traced("fixed steps", wrap, lambda y: solve(y0=y, rtol=1e-3).y_end.sum(), start)
        traced("fixed steps", wrap, lambda y: solve(y0=y, linear=None, step=0.5, method="exprb43").y_end.sum(), start)
        traced("event", wrap, lambda y: solve(y0=y, events=lambda t, y: y[0] - 0.7, **FIXED).y_end.sum(), start)
        traced("step", wrap, lambda h: solve(y0=start, method="krogstad4", step=h).y_end.sum(), 0.1)
        traced("t_span", wrap, lambda t: solve(y0=start, t_span=(0, t), **FIXED).y_end.sum(), 1.0)
        traced("sol(t)", wrap, lambda t: solve(y0=start, dense_output=True, **FIXED).sol(t).sum(), 0.3)
