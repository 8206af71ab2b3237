r"""Which remembered values of N a step may interpolate: on any grid times nearly coincide, relative to a longer step.

The polynomial through values N_j at the nodes s_j, newest first, in Newton's form Σ_k N[s_0 … s_k] ω_k, takes N_k with

.. math:: a_k = \prod_{i<k} \left| \frac{x - s_i}{s_k - s_i} \right|

to the end x of the step: 1 on uniform grids, g^{k(k+1)/2} where steps grow by the factor g, and without bound where two
nodes nearly coincide. What is wrong with N_k is multiplied by it: rounding always; and, where values of N are taken at
predicted points, the error of a prediction, of order 2 at least in the length of the step that led there.

So values of N are taken from the newest to older ones, those that would be amplified beyond a bound being passed over.
One of two that nearly coincide is as good as both: an older one in its stead keeps the order, and where there is none,
the step is made as the first steps of a run are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

from expint.derive.algebra.phisum import Terms

__all__ = ["apart", "lookback", "placed", "spread"]

_ROUNDING = 1e4
"""The most by which rounding is multiplied. Published samplers stay far below on their grids: a last step twenty times
as long as those before it multiplies by 1540 at order 4."""

_PREDICTION = {False: 8.0, True: 64.0}
"""The most by which the error of a predicted value of N is multiplied, in units of the larger of the errors made at the
end of the step and at that value of N: where the step can be made by a one-step method instead, and where it loses an
order. Published samplers of few steps on cosine schedules multiply by 35."""

_BETWEEN = 64.0
"""The most by which errors of values of N are multiplied between the steps."""

_KEPT = 4
"""So many times as many values of N as are wanted are kept at most, while some of them would be passed over."""

_FAR = 1e15
"""Slopes that many steps away are passed over: they change nothing, and their powers overflow."""


def spread(
    nodes: Sequence[Any],
    end: Any,
    most: int,
    *,
    predicted: bool = False,
    ramp: bool = False,
    double: bool = False,
) -> tuple[int, ...]:
    """Return the indices of the values of N that a step interpolates, newest first.

    Parameters
    ----------
    nodes
        The positions of all remembered values of N, newest first, in any variable.
    end
        The end of the step in that variable.
    most
        How many values of N are wanted.
    predicted
        Whether values of N are taken at predicted points.
    ramp
        Whether a step with fewer of them is one of lower order.
    double
        Whether the newest node counts twice, as where a remainder vanishes there with its derivative.

    Examples
    --------
    >>> from expint.derive import spread
    >>> spread((0.0, -1.0, -2.0), 1, 2)
    (0, 1)
    """
    allowed = _PREDICTION[ramp] if predicted else math.inf
    return _spread(tuple(map(float, nodes)), float(end), most, allowed, double)


@lru_cache(maxsize=1024)
def _spread(nodes: tuple[float, ...], end: float, most: int, allowed: float, double: bool) -> tuple[int, ...]:
    taken, step = [0], abs(end - nodes[0])
    for k, own in enumerate(nodes[1:], 1):
        if len(taken) == most:
            break
        amplified = step / abs(own - nodes[0]) if double and own != nodes[0] else 1.0
        for i in taken:
            gap = abs(own - nodes[i])
            amplified = amplified * abs(end - nodes[i]) / gap if gap * _FAR > step else math.inf
        older = nodes[k + 1] if k + 1 < len(nodes) else 2 * own - nodes[k - 1]
        wrong = amplified * min(abs(own - older) / step, 1.0) ** 2
        if amplified <= _ROUNDING and wrong <= allowed and abs(own - nodes[0]) < _FAR * step:
            taken.append(k)
    return tuple(taken)


def apart(
    nodes: Mapping[int, float], taken: Sequence[int], others: Sequence[int], place: float, most: int
) -> list[int]:
    """Return indices of up to ``most`` of the ``nodes``, in order, between which to interpolate at ``place``.

    Those ``taken`` are among them, and of ``others`` the first at which what is wrong is multiplied little.
    """
    chosen = list(taken)
    for j in others:
        if len(chosen) >= most:
            break
        gaps = [abs(nodes[j] - nodes[i]) for i in chosen]
        if min(gaps) > 0 and math.prod(abs(place - nodes[i]) / gap for i, gap in zip(chosen, gaps)) <= _BETWEEN:
            chosen.append(j)
    return sorted(chosen)


def lookback(positions: Sequence[float], most: int) -> int:
    """Return how many of the values of N at ``positions``, newest first, later steps may want to look at.

    These are ``most``, and more where some of them lie so close together that a step as long as the longest gap would
    pass them over.
    """
    if len(positions) <= most:
        return len(positions)
    gaps = [newer - older for newer, older in pairwise(positions)]
    longest = max(gaps, key=abs)
    if all(2 * abs(gap) >= abs(longest) for gap in gaps[: most - 1]):
        return most
    taken = spread(positions, positions[0] + longest, most, predicted=True)
    return min(len(positions), _KEPT * most) if len(taken) < most else max(most, taken[-1] + 1)


def placed(weights: Sequence[Terms], places: Sequence[int]) -> tuple[Terms, ...]:
    """Return the weights of all values of N up to the last that is taken: nothing for those passed over.

    Examples
    --------
    >>> from expint.derive import phi, placed
    >>> len(placed([phi(1).terms, phi(2).terms], [0, 2]))
    3
    """
    own = dict(zip(places, weights))
    return tuple(own.get(k, {}) for k in range(places[-1] + 1))
