"""Small runs to a tolerance, one for every kind of problem and of method."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import expint
from expint import Solution, problems
from expint.derive.kinds.predictor_corrector import PredictorCorrector
from expint.run import Controller

DAMPED, ROTATING = np.array([-1.0, -30.0, -500.0]), np.array([1j, 5j, 40j])


def cubic(t: float, y: Any) -> Any:
    return y - y**3 + math.cos(t)


def until_nan(t: float, y: Any) -> Any:
    return np.sqrt(1.0 - t) * y**2


def robertson(t: float, y: np.ndarray) -> np.ndarray:
    a, b = 0.04 * y[0] - 1e4 * y[1] * y[2], 3e7 * y[1] ** 2
    return np.array([-a, a - b, b])


def turning(t: float) -> np.ndarray:
    return np.array([[0.0, t], [-t, -0.3]])


def crossing(t: float, y: Any) -> float:
    return float(y[0]) - 0.7


def on(linear: Any, y0: Any, span: tuple[float, float] = (0.0, 2.0), nonlinear: Any = cubic, **asked: Any) -> Solution:
    return expint.solve_ivp(nonlinear, span, y0, linear=linear, **{"rtol": 1e-5} | asked)


def damped(method: Any, **asked: Any) -> Solution:
    return on(DAMPED, np.array([1.0, 0.5, -0.5]), method=method, **asked)


def rotating(method: str, **asked: Any) -> Solution:
    return on(ROTATING, np.array([1.0, 0.5, 0.1j]), method=method, **asked)


def waves(method: str, **asked: Any) -> Solution:
    problem = problems.make("kuramoto_sivashinsky", n=64)
    return expint.solve(problem, method, t_span=(0, 30), rtol=1e-4, **asked)


def sparse(method: str) -> Solution:
    problem = problems.make("advection_diffusion_reaction", n=8)
    return expint.solve(problem, method, t_span=(0, 0.02), rtol=1e-4)


def tensor(method: str, **asked: Any) -> Solution:
    return on(torch.tensor(DAMPED), torch.tensor([1.0, 0.5, -0.5], dtype=torch.float64), method=method, **asked)


def magnus(method: str, **asked: Any) -> Solution:
    forced = None if method == "magnus4" else (lambda t, y: 0.1 * cubic(t, y))
    return on(expint.operators.TimeDependent(turning), np.array([1.0, 0.5]), (0.0, 3.0), forced, method=method, **asked)


def terminal() -> Any:
    def event(t: float, y: Any) -> float:
        return crossing(t, y)

    event.terminal = True
    return event


RUNS: dict[str, Callable[[], Solution]] = {
    "the default on a parabolic equation": lambda: waves("auto"),
    "an embedded pair on a parabolic equation": lambda: waves("etd34"),
    "one step size for all": lambda: damped("expint43", max_step=0.05),
    "a robust pair": lambda: damped("zoto-bowman43", t_eval=[0.1, 0.2, 1.7, 2.0]),
    "an integrating factor": lambda: damped("lawson-dormand-prince54", first_step=1e-3),
    "a PID controller": lambda: damped("etd34", controller=Controller((0.49, -0.34, 0.1))),
    "rotation": lambda: rotating("etd34"),
    "rotation, orders chosen": lambda: rotating("auto"),
    "Adams-Bashforth": lambda: damped("adams5"),
    "Adams-Bashforth of two values": lambda: damped("adams2", t_eval=np.linspace(0, 2, 7)),
    "correction without evaluation": lambda: damped("pec5", controller=Controller(safety=0.9)),
    "correction with evaluation": lambda: damped("pece4"),
    "a pair on rotation": lambda: rotating("pece5", max_step=0.1),
    "a pair of order 6": lambda: damped(PredictorCorrector(5, ramp=True), rtol=1e-9),
    "step doubling": lambda: damped("krogstad4", error="doubling"),
    "doubling a pair": lambda: damped("etd34", error="doubling", rtol=1e-7),
    "a Rosenbrock pair without linear part": lambda: on(
        None, np.array([1.0, 0.0, 0.0]), (0.0, 40.0), robertson, method="pexprb54s4", atol=1e-8
    ),
    "doubling with a Jacobian": lambda: on(
        None, np.array([1.0, 0.0, 0.0]), (0.0, 4.0), robertson, method="exprb43", atol=1e-8, error="doubling"
    ),
    "a Jacobian beside a linear part": lambda: damped("exprb53s3", t_eval=[0.5, 2.0]),
    "a linear part that depends on time": lambda: magnus("magnus4"),
    "commutator-free steps": lambda: magnus("cfree4", rtol=1e-4),
    "the exponential of an integral": lambda: on(
        expint.operators.TimeScaled(math.cos, DAMPED), np.array([1.0, 0.5, -0.5]), nonlinear=None
    ),
    "the clock of an integral": lambda: on(
        expint.operators.TimeScaled(lambda t: 1 + t, DAMPED), np.array([1.0, 0.5, -0.5])
    ),
    "backwards": lambda: on(-DAMPED, np.array([1.0, 0.5, -0.5]), (2.0, 0.0), method="etd34", max_step=-0.5),
    "backwards, orders chosen": lambda: on(-DAMPED, np.array([1.0, 0.5, -0.5]), (2.0, 0.0), max_step=-0.5),
    "events": lambda: damped("auto", events=crossing, dense_output=True),
    "a terminal event": lambda: damped("etd34", events=terminal()),
    "an event beside a Jacobian": lambda: damped("exprb43", events=crossing, dense_output=True),
    "into nan": lambda: on(DAMPED, np.array([1.0, 0.5, -0.5]), nonlinear=until_nan, method="expint43"),
    "into nan, orders chosen": lambda: on(DAMPED, np.array([1.0, 0.5, -0.5]), nonlinear=until_nan, method="pece4"),
    "too many steps": lambda: damped("auto", max_steps=20),
    "Krylov": lambda: sparse("etd34"),
    "Krylov, orders chosen": lambda: sparse("auto"),
    "tensors": lambda: tensor("zoto-bowman43"),
    "tensors, orders chosen": lambda: tensor("auto"),
    "tensors, corrected twice": lambda: tensor("pece4", events=crossing),
    "a norm of one's own": lambda: damped("auto", norm=np.max),
    "tolerances of each component": lambda: damped("auto", rtol=np.array([1e-3, 1e-5, 1e-7]), atol=1e-6),
}
"""By what it shows."""
