"""The policy that chooses steps and orders, for exponential Adams methods, with a corrector or without."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from expint.run.control.controller import Controller, on_ladder
from expint.run.control.protocol import ErrorOf

__all__ = ["ELEMENTARY", "OrderPolicy", "Orders", "best_order"]

ELEMENTARY = Controller((1.0, 0.0, 0.0), safety=0.75)
"""Steps change seldom and by factors of √2 or more, so that there is nothing to filter: a PI filter assumes that its
advice is taken at every step, and its small factors would be ignored. The safety is that of the default: measured over
the zoo, the work for an error is that with a safety of 0.9, and the error is nearer to what is asked for."""

_RUNGS = 2
"""Steps are the span over powers of √2. Measured: powers of two need a tenth more evaluations of N, finer ladders no
fewer, but more φ-functions and rows, which repeat the more often the fewer steps there are."""

_HOLD = (0.95, 1.4)
"""Factors between these leave the step as it is: below √2, so that the next rung is within reach."""

_SAVED = 2.0
"""A longer step that saves no more steps than this until the end of the run is not worth new φ-functions."""

_LOOK = 2
"""The order is reconsidered after this many times q steps without a change."""

_GROWTH = 2.0
"""The largest factor from one step to the next, its square at the lowest orders: the older slopes crowd together, seen
from a longer step, and their rounding grows with every power of the factor."""

_CLIMB = 2.0
"""The run climbs, reconsidering order and step after every step, while the step may grow by this factor."""

_SHARE = {True: 0.5, False: 0.75}
"""The power of h/T that is the share of a step in the tolerance, where L damps and where it does not. Measured over the
zoo: where nothing is damped a power of 1 makes errors ten times smaller than is asked for, and one of 1/2 fifty times
larger after thousands of steps."""

_STARTING = 4.0
"""Until the first climb ends, one over this is the part of the tolerance that an error is allowed: such steps are as
few as a step can be doubled, however long the span. Measured: with the share of other steps, far less for so short
ones, short runs to an error of 1e-4 take up to a fifth more evaluations."""

_ALONE = 1 / 8
"""Steps shorter than this part of the usual ones are few and lead over a jump of N: their errors count once, not as
often as such steps go into the span. Its share would leave such a step next to nothing: √h falls more slowly than h."""

_FIRST = 0.25
"""The error of the first step that is aimed at, in units of what is allowed."""


_PREFERENCE = 1.05
"""How much longer a step another order must promise to be taken instead of the present one."""


class Orders(NamedTuple):
    """What is remembered from step to step.

    Attributes
    ----------
    h, rung, order, previous
        As in ``Decision``.
    kept
        For how many steps step and order were kept.
    climbing
        Whether order and step are reconsidered after every step.
    limit
        The largest strictness.
    usual
        The length of the steps before, the longer ones forgotten by halves.
    """

    h: float
    rung: float
    order: int
    previous: float
    kept: int
    climbing: bool
    limit: float
    usual: float


@dataclass(frozen=True)
class OrderPolicy:
    """Chooses steps and the number of past slopes, which is the order.

    The run starts with one past slope and climbs: order and step are raised after every step as long as the errors are
    small. Otherwise both are reconsidered where a step and an order have been kept long enough for the estimates of the
    neighbouring orders to mean something, or where the error comes near the tolerance: the order is taken that promises
    the longest step. An order beyond its limit of stability betrays itself by differences that grow with the
    order, and is left for a lower one.

    A step of length h is allowed √(h/T) of the tolerance, T the span: the errors of T/h steps count once where errors
    decay and T/h times where they are kept. It is (h/T)^(3/4) where L damps nothing, as on imaginary spectra, and a
    quarter until the first climb ends.

    Attributes
    ----------
    controller
        An I controller.
    highest
        The highest order.
    span
        T.
    damps
        Whether L damps.
    strictest
        The largest strictness after the first climb: beyond it errors would be lost in rounding.
    largest
        The largest step.
    at_rest
        The longest step while N rests.

    References
    ----------
    Shampine and Gordon (1975), Computer Solution of Ordinary Differential Equations: The Initial Value Problem.
    """

    controller: Controller
    highest: int
    span: float
    damps: bool
    strictest: float
    largest: float = math.inf
    at_rest: float = math.inf

    def begin(self, first: float | None, choose: Callable[..., float]) -> Orders:
        """Return the state before the first step, which is rather short, since the run climbs."""
        h = min(choose(power=2, target=_FIRST / _STARTING), self.at_rest) if first is None else first
        h = min(on_ladder(h, self.span, 1), self.largest)
        return Orders(h, h, 1, 0.0, 0, True, min(_STARTING, self.strictest), 0.0)

    def prepare(self, state: Orders) -> Orders:
        """Return the state as it is: steps are brought to the ladder where they change."""
        return state

    def strictness(self, state: Orders, h: float) -> float:
        """Return one over the share of the step in the tolerance."""
        least, limit = _ALONE * state.usual, state.limit
        strictness = (self.span / (h if h >= least else least)) ** _SHARE[self.damps]
        return strictness if strictness <= limit else limit

    def rejected(self, state: Orders, h: float, error: float, order: int, error_of: ErrorOf) -> Orders:
        """Return the state with a shorter step, and the order below where its error is smaller."""
        if order > 1 and math.isfinite(error):
            lower = error_of(order - 1)
            order, error = (order - 1, lower) if lower < error else (order, error)
        h = h * self.controller.retreat(error, order)
        rung = on_ladder(h, self.span, _RUNGS)
        return Orders(h, rung, order, state.previous, 0, False, self.strictest, state.usual)

    def accepted(self, state: Orders, h: float, error: float, order: int, error_of: ErrorOf, left: float) -> Orders:
        """Return the state with the step and the order that promise most, or the same."""
        wanted, rung, _, _, kept, climbing, limit, usual = state
        kept, factor, usual = kept + 1, self.controller.factor((error,), order), max(h, usual / 2)
        shortened = 2 * h < wanted  # which says little about what is wanted
        look = climbing or factor < _HOLD[0] or kept > (order if factor > _HOLD[1] else _LOOK * order)
        if shortened or not look:
            return Orders(wanted, rung, order, h, 0 if shortened else kept, climbing, limit, usual)
        others = {k: other for k in (order - 1, order + 1) if not math.isnan(other := error_of(k))}
        following, factor = best_order({order: error} | others, order, self.controller)
        climbing = factor >= _CLIMB
        if climbing and following == order and order + 1 not in others:
            following = min(order + 1, self.highest)  # there is no estimate yet of what is one order higher
        factor = min(factor, _GROWTH if following > 2 else _GROWTH**2)
        raised = min(h * factor, self.largest)
        saved = left * (1 / h - 1 / raised)
        if factor < _HOLD[0] or (factor > _HOLD[1] and saved > _SAVED):
            wanted, rung = raised, on_ladder(raised, self.span, _RUNGS)
        limit = limit if climbing else self.strictest
        return Orders(wanted, rung, following, h, 0, climbing, limit, usual)

    def watchful(self, state: Orders) -> Orders:
        """Return the state with a step no longer than is good while N rests."""
        if state.h <= self.at_rest:
            return state
        return state._replace(h=self.at_rest, rung=on_ladder(self.at_rest, self.span, _RUNGS))


def best_order(errors: Mapping[int, float], order: int, controller: Controller) -> tuple[int, float]:
    """Return the order that promises the longest step, and the factor by which the step may change with it.

    Parameters
    ----------
    errors
        For each order that is considered, ``order`` among them, the error of the last step in units of the tolerance.
    order
        The present order, kept unless another one promises a noticeably longer step.
    controller
        The controller.
    """
    factors = {k: controller.factor((error,), k) for k, error in errors.items()}
    best = max(factors, key=lambda k: factors[k] * (_PREFERENCE if k == order else 1.0))
    return best, factors[best]
