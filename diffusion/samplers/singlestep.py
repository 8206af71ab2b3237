"""DPM-Solver's singlestep samplers: one-step methods of mixed orders, so that a run makes a given number of calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction as F
from itertools import pairwise
from typing import Any

import numpy as np

import expint
from diffusion.grids.published import diffusers, uniform_in, uniform_in_lambda
from diffusion.process.clock import clock
from diffusion.process.gauge import DATA, GAUGES
from diffusion.process.schedule import NoiseSchedule
from diffusion.samplers.ends import End
from diffusion.samplers.sampler import Sampler
from expint.arguments import choice, flag, integer, listed, text
from expint.derive import REST, Method, Stage, StepContext, Tableau, Terms, WithoutEstimate, collocation_weights, phi

__all__ = [
    "GivenNodes",
    "Grouped",
    "SpacedNodes",
    "grouped_of_diffusers",
    "orders_for_calls",
    "singlestep",
]

_COLLOCATED3 = Tableau(
    "dpm3-collocated",
    c=(0, F(1, 3), F(2, 3)),
    a=((), (REST,), (REST, F(4, 3) * phi(2, F(2, 3)))),
    b=tuple(collocation_weights([F(0), F(1, 3), F(2, 3)])),
    declared_order=3,
    remarks="The interpolation polynomial of the three values of N, integrated exactly.",
)

_METHODS: dict[int, Method] = {
    1: expint.method("exponential-euler"),
    2: expint.method("etd2rk-weak"),
    3: expint.method("hochbruck-ostermann3"),
}
_COLLOCATED: dict[int, Method] = {1: _METHODS[1], 2: expint.method("etd2rk-midpoint"), 3: _COLLOCATED3}


@dataclass(frozen=True)
class SpacedNodes(WithoutEstimate):
    """The published one-step methods of order 2 and 3 with nodes uniform in a clock of the schedule, not in λ.

    So they are made on grids uniform in t: the nodes of a step are times of a finer grid. Their weights are those of
    ``etd2rk`` and of Hochbruck and Ostermann's third order with the nodes c₂, c₃ that come of it; c₃ = 2/3, for which
    the second is of order 3, it is in the limit of short steps only, and so is its order.

    Parameters
    ----------
    q
        The number of stages, 1, 2 or 3.
    clock
        The clock in which the nodes are uniform, bound to a schedule; a sampler binds the clock ``interpolate_in``.

    Notes
    -----
    Lu et al. 2022, algorithms 1 and 2, as their code calls them for ``skip_type="time_uniform"``.
    """

    q: int
    clock: Any = None

    @property
    def name(self) -> str:
        """The name of the method."""
        return f"spaced{self.q}"

    @property
    def order(self) -> int:
        """The order."""
        return self.q

    @property
    def stages(self) -> int:
        """Evaluations of N per step."""
        return self.q

    @property
    def history(self) -> int:
        """How many remembered values of N a step looks at: that of its start."""
        return 1

    def recipe(self, step: StepContext) -> Sequence[Stage]:
        """Return the stages of a step."""
        return _published(self._nodes(step))

    def _nodes(self, step: StepContext) -> list[float]:
        """Return the inner nodes in units of the step."""
        (start,) = self.clock.nodes(step._replace(history=step.history[:1]))
        places = np.arange(1, self.q) / self.q
        values = start + places * (self.clock.end(step) - start)
        times = self.clock.polynomial.time(self.clock.schedule, values)
        s = np.asarray(self.clock.integration.value(self.clock.schedule, times))
        return ((s - step.start) / step.step).tolist()


@dataclass(frozen=True)
class GivenNodes(WithoutEstimate):
    """The one-step method with these inner nodes ``c``, its second stage as diffusers has it: φ₂ by φ₁/2."""

    c: tuple[float, ...]

    @property
    def name(self) -> str:
        """The name of the method."""
        return f"given{self.order}"

    @property
    def order(self) -> int:
        """The order."""
        return len(self.c) + 1

    @property
    def stages(self) -> int:
        """Evaluations of N per step."""
        return len(self.c) + 1

    @property
    def history(self) -> int:
        """How many remembered values of N a step looks at: that of its start."""
        return 1

    def recipe(self, step: StepContext) -> Sequence[Stage]:
        """Return the stages of a step."""
        del step
        return _published(self.c, halved=True)


def _published(c: Sequence[float], *, halved: bool = False) -> tuple[Stage, ...]:
    """Return the stages with inner nodes ``c``, none to two, by the published weights."""
    if not c:
        return (_accepted({(1, 1): 1.0}, ()),)
    first = _stage(c[0], {(1, c[0]): c[0]}, ())
    if len(c) == 1:
        return (first, _accepted({(1, 1): 1.0 - 0.5 / c[0]}, ({(1, 1): 0.5 / c[0]},)))
    ratio = c[1] ** 2 / c[0]
    if halved:
        second = _stage(c[1], {(1, c[1]): c[1] - ratio / 2}, ({(1, c[1]): ratio / 2},))
    else:
        second = _stage(c[1], {(1, c[1]): c[1], (2, c[1]): -ratio}, ({(2, c[1]): ratio},))
    return (first, second, _accepted({(1, 1): 1.0, (2, 1): -1.0 / c[1]}, ({(2, 1): 1.0 / c[1]}, {})))


def _stage(c: float, past: Terms, stages: tuple[Terms, ...]) -> Stage:
    return Stage(c, {(0, c): 1.0}, stages, (past,), evaluate=True, accept=False, remember=False)


def _accepted(past: Terms, stages: tuple[Terms, ...]) -> Stage:
    return Stage(F(1), phi(0).terms, stages, (past,), evaluate=True, accept=True, remember=True)


@dataclass(frozen=True)
class _ByCalls:
    """The rule of a grid on which each step takes as much of a clock as it makes calls."""

    clock: str
    calls: tuple[int, ...]

    def __call__(self, steps: int, schedule: NoiseSchedule) -> np.ndarray:
        if steps != len(self.calls):
            raise ValueError(f"expected steps = {len(self.calls)}, one for each order, received {steps}")
        fine = uniform_in(self.clock)(sum(self.calls), schedule)
        return fine[np.cumsum([0, *self.calls])]

    def __str__(self) -> str:
        return self.clock


def orders_for_calls(calls: int, order: int) -> list[int]:
    """Return the orders of the steps with which ``calls`` network calls are spent: ``order`` as often as it goes.

    What is left over is spent by one step of that order; if nothing is left, a step of order 3 is split into 2 and 1
    (order 2: kept), so that a run never ends in a step of order 3.

    Raises
    ------
    ValueError
        If the order is not 1, 2 or 3, or there are fewer calls than the order.

    Examples
    --------
    >>> import diffusion
    >>> diffusion.orders_for_calls(10, 3)
    [3, 3, 3, 1]
    """
    order = integer("order", order, most=max(_METHODS))
    calls = integer("calls", calls, least=order, most=1_000_000)
    whole, rest = divmod(calls, order)
    if rest:
        return [order] * whole + [rest]
    return [3] * (whole - 1) + [2, 1] if order == 3 else [order] * whole


def singlestep(
    orders: Sequence[int], gauge: str = "data", *, collocated: bool = False, uniform: str = "lambda"
) -> Sampler:
    """Return the sampler whose last steps are made by one-step methods of the given ``orders``, one for each.

    Run it with ``steps=len(orders)``; a step of order k makes k calls.

    Parameters
    ----------
    orders
        1, 2 or 3 for each step; see `orders_for_calls`.
    gauge
        "noise" for DPM-Solver, "data" for DPM-Solver++.
    collocated
        Whether the interpolation polynomial of the values of N is integrated exactly ("taylor"), or the published
        weights are taken, which use one φ-function less.
    uniform
        The clock in which the network's calls are laid out evenly: "lambda" for steps of one length in λ, whatever
        their orders; "t" for times of a grid uniform in t, as the published code has for ``skip_type="time_uniform"``.

    Raises
    ------
    ValueError
        If there are no orders, or one of them is not 1, 2 or 3; or if the interpolation polynomial is asked for in
        another clock than λ.

    Notes
    -----
    Lu et al. 2022, algorithms 1, 2 and 4.

    Examples
    --------
    >>> import diffusion
    >>> diffusion.singlestep([2, 2, 1]).name
    'singlestep2-data'
    """
    orders = [integer("every order", order, least=None) for order in listed("orders", orders, "orders", least=0)]
    table = _COLLOCATED if flag("collocated", collocated) else _METHODS
    choice("gauge", gauge, GAUGES)
    text("uniform", uniform)
    if not orders or any(order not in table for order in orders):
        raise ValueError(f"expected one order, 1, 2 or 3, for each step; received {list(orders)}")
    methods = tuple(table[order] for order in orders)
    name = f"singlestep{max(orders)}-{gauge}"
    reference = {"noise": "lu2022", "data": "lu2022pp"}.get(gauge, "")
    if uniform != "lambda":
        if collocated:
            raise ValueError(
                f"expected collocated=False with nodes uniform in {uniform!r}, received True; take uniform='lambda'"
            )
        clock(uniform)  # one there is
        spaced = tuple(map(SpacedNodes, orders))
        rule = _ByCalls(uniform, tuple(orders))
        return Sampler(
            f"{name}-{uniform}", spaced[0], GAUGES[gauge], rule, uniform, end=End(methods=spaced), reference=reference
        )
    return Sampler(name, methods[0], GAUGES[gauge], uniform_in_lambda, end=End(methods=methods), reference=reference)


def _groups(s: np.ndarray, order: int) -> tuple[np.ndarray, tuple[Method, ...]]:
    """Return where the groups of ``order`` times start, what is left over a group of its own, and their methods."""
    whole, rest = divmod(s.size - 1, order)
    starts = np.cumsum([0, *[order] * whole, *[rest] * (rest > 0)])
    spans = pairwise(starts.tolist())
    return starts, tuple(GivenNodes(tuple(((s[a + 1 : b] - s[a]) / (s[b] - s[a])).tolist())) for a, b in spans)


@dataclass(frozen=True)
class Grouped(Sampler):
    """A sampler whose steps lead over several times of the grid: one call at each of them.

    ``method.order`` times make a group, and what is left over one of its own; so does a step to σ = 0. A step starts at
    the first of its group and ends at that of the next, and the times between are its nodes.
    """

    def plan(
        self, schedule: NoiseSchedule, times: np.ndarray, *, to_zero: bool = False, edges: tuple[float, ...] = ()
    ) -> expint.Plan:
        """Return the plan over ``times``, those of all calls."""
        times = np.asarray(times, dtype=float)
        with np.errstate(divide="ignore"):
            starts, methods = _groups(np.asarray(self.gauge.clock.value(schedule, times)), self.method.order)
        steps = Sampler(
            self.name, self.method, self.gauge, self.grid, end=End(methods=methods, zero=1), reference=self.reference
        )
        return steps.plan(schedule, times[starts], to_zero=to_zero, edges=edges)


def grouped_of_diffusers(order: int) -> Sampler:
    """Return the sampler of ``DPMSolverSinglestepScheduler`` of diffusers with its defaults, "singlestep3@diffusers".

    The scheduler goes back to the start of a group of timesteps for each of them: a step of order 2 or 3 ends the
    group, and its nodes are the timesteps within. The last step leads to σ = 0. So ``steps`` of a run, or the times of
    a grid, are its network calls.

    Parameters
    ----------
    order
        1, 2 or 3, ``solver_order``.

    Raises
    ------
    ValueError
        If the order is not 1, 2 or 3.
    """
    if order not in _METHODS:
        raise ValueError(f"expected a singlestep order of 1, 2 or 3, received {order!r}")
    name = f"singlestep{order}@diffusers"
    return Grouped(name, _METHODS[order], DATA, diffusers("linspace"), end=End(zero=1), reference="lu2022pp")
