"""DPM-Solver's singlestep samplers: one-step methods of mixed orders, so that a run makes a given number of calls."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction as F

import expint
from diffusion.grids.published import uniform_in_lambda
from diffusion.process.gauge import GAUGES
from diffusion.samplers.ends import End
from diffusion.samplers.sampler import Sampler
from expint.derive import REST, Method, Tableau, collocation_weights, phi

__all__ = ["orders_for_calls", "singlestep"]

_COLLOCATED3 = Tableau(
    "dpm3-collocated",
    c=(0, F(1, 3), F(2, 3)),
    a=((), (REST,), (REST, F(4, 3) * phi(2, F(2, 3)))),
    b=tuple(collocation_weights([F(0), F(1, 3), F(2, 3)])),
    declared_order=3,
    remarks="The interpolation polynomial of the three slopes, integrated exactly.",
)

_METHODS: dict[int, Method] = {
    1: expint.method("exponential-euler"),
    2: expint.method("etd2rk-weak"),
    3: expint.method("hochbruck-ostermann3"),
}
_COLLOCATED: dict[int, Method] = {1: _METHODS[1], 2: expint.method("etd2rk-midpoint"), 3: _COLLOCATED3}


def orders_for_calls(calls: int, order: int) -> list[int]:
    """Return the orders of the steps with which ``calls`` network calls are spent: ``order`` as often as it goes.

    What is left over is spent by one step of that order; if nothing is left, a step of order 3 is split into 2 and 1
    (order 2: kept), so that a run never ends in a step of order 3.

    Raises
    ------
    ValueError
        If the order is not 1, 2 or 3, or there are fewer calls than the order.
    """
    if order not in _METHODS:
        raise ValueError(f"expected a singlestep order of 1, 2 or 3, received {order!r}")
    if calls < order:
        raise ValueError(f"expected at least {order} calls for a step of order {order}, received {calls}")
    whole, rest = divmod(calls, order)
    if rest:
        return [order] * whole + [rest]
    return [3] * (whole - 1) + [2, 1] if order == 3 else [order] * whole


def singlestep(orders: Sequence[int], gauge: str = "data", *, collocated: bool = False) -> Sampler:
    """Return the sampler whose last steps are made by one-step methods of the given ``orders``, one for each.

    Run it with ``steps=len(orders)``; a step of order k makes k calls.

    Parameters
    ----------
    orders
        1, 2 or 3 for each step; see `orders_for_calls`.
    gauge
        "noise" for DPM-Solver, "data" for DPM-Solver++.
    collocated
        Whether the interpolation polynomial of the slopes is integrated exactly ("taylor"), or the published weights
        are taken, which use one φ-function less.

    Raises
    ------
    ValueError
        If there are no orders, or one of them is not 1, 2 or 3.

    Notes
    -----
    Lu et al. 2022, algorithms 1, 2 and 4.
    """
    table = _COLLOCATED if collocated else _METHODS
    if not orders or any(order not in table for order in orders):
        raise ValueError(f"expected one order, 1, 2 or 3, for each step; received {list(orders)}")
    methods = tuple(table[order] for order in orders)
    name = f"singlestep{max(orders)}-{gauge}"
    reference = {"noise": "lu2022", "data": "lu2022pp"}.get(gauge, "")
    return Sampler(name, methods[0], GAUGES[gauge], uniform_in_lambda, end=End(methods=methods), reference=reference)
