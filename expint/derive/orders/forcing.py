"""Which error estimates see a forcing, an N that depends on time alone."""

from __future__ import annotations

from typing import Any

from expint.derive.kinds.presentation import uniform_step
from expint.derive.kinds.stage import Method

__all__ = ["sees_forcing"]


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
