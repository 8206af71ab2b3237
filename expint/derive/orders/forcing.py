"""Which error estimates see a forcing, an N that depends on time alone, and what is lacking to those that do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

from expint.derive.algebra.phisum import PhiSum, phi
from expint.derive.kinds.presentation import uniform_step
from expint.derive.kinds.stage import Method, Stage

__all__ = ["by_halves", "follows_flow", "seen_where_damped", "sees_forcing"]


def follows_flow(method: Method) -> bool:
    """Whether a method follows N in the frame that L turns: it combines values of N by exponentials of L alone."""
    *_, last = method.recipe(uniform_step(method.history))
    return all(k == 0 for terms in (*last.stages, *last.past) for k, _ in terms)


def seen_where_damped(nodes: Sequence[Any], b: Sequence[PhiSum], estimate: Stage) -> Stage | None:
    r"""Return the error estimate of a Lawson pair for modes that L damps, None for pairs that keep equilibria.

    A steady force N drives such a mode to -N/L, by way of h φ_1(z) N in a step, where a Lawson method makes h Σ b_i(z)
    N of it, with b_i(z) = β_i e^{(1 - c_i) z}: for z → -∞ only stages at c_i = 1 are left, and the error is

    .. math:: h \Bigl( \sum_i b_i(z) - \varphi_1(z) \Bigr) N,

    of which the estimate h Σ e_i(z) N_i may see a fiftieth. So that it sees all of it,
    Σ b_i - φ_1 - Σ e_i is added to the weight of the latest value of N. In modes that are not damped N may turn as L
    does; there the pair sees what it errs by, and this would not.

    Parameters
    ----------
    nodes
        The nodes c_i of the stages, and 1 for N(y_{n+1}) where the estimate looks at it.
    b
        The weights of the solution.
    estimate
        The combination of values of N, newest first, that estimates the error.
    """
    if any(k for weight in b for (k, _), _ in weight):
        return None
    weights = [PhiSum(terms) for terms in (*estimate.stages, *estimate.past)]
    lacking = sum(b, PhiSum()) - phi(1) - sum(weights, PhiSum())
    at = list(reversed(nodes[: len(weights)]))
    latest = at.index(max(at))  # the newest of those
    weights[latest] = weights[latest] + lacking
    *stages, first = (weight.terms for weight in weights)
    return replace(estimate, stages=tuple(stages), past=(first,))


@lru_cache(maxsize=64)
def by_halves(method: Method, order: int) -> tuple[Stage, Stage, Stage]:
    """Return what step doubling sees of a steady force, what two Lawson steps make wrong of it, and the difference.

    They stand beside the latest value of N in the second half, in units of the whole step; the estimate is that of
    Richardson for a method of the given ``order``. See ``seen_where_damped``.
    """
    *inner, last = method.recipe(uniform_step(1))
    columns = [PhiSum(terms) for terms in (*last.stages, *last.past)]
    whole = sum(columns, PhiSum())
    half = whole.scaled(Fraction(1, 2)) / 2
    halves = half + half * phi(0, Fraction(1, 2))
    at = [*reversed([stage.c for stage in inner]), 0]
    latest = at.index(max(at))
    nothing = [PhiSum()] * len(at)

    def beside(weight: PhiSum) -> Stage:
        *stages, first = ((own + weight * (place == latest)).terms for place, own in enumerate(nothing))
        return replace(last, state={}, stages=tuple(stages), past=(first,), evaluate=False, accept=False)

    seen, errs = (halves - whole) / (2**order - 1), halves - phi(1)
    return beside(seen), beside(errs), beside(errs - seen)


def sees_forcing(method: Method) -> bool:
    r"""Whether the error estimate of a method depends on N(t) at all; True for methods without an estimate.

    The estimate :math:`h \sum_j e_j(z) N_j` is blind to every N(t) if the e_j of all slopes at one time cancel: it then
    compares slopes that differ by their states only, as :math:`N(t_{n+1}, \tilde y) - N(t_{n+1}, y_{n+1})`.
    """
    step = uniform_step(method.history)
    estimate = method.error(step)
    if estimate is None:
        return True
    times = [1, *reversed([stage.c for stage in method.recipe(step) if stage.evaluate and not stage.accept])]
    stages, past = estimate.stage.stages, estimate.stage.past
    totals: dict[tuple[Any, Any], Any] = {}
    # the newest slope is that of the end where there is one more of them than stages
    for time, terms in [*zip(times[len(times) - len(stages) :], stages), *zip(step.history, past)]:
        for key, number in terms.items():
            totals[time, key] = totals.get((time, key), 0) + number
    return any(total != 0 for total in totals.values())
