"""The method that is taken when none is asked for, and one sentence that says why."""

from __future__ import annotations

import numpy as np

from expint.backend import Array, array_namespace
from expint.derive.kinds.predictor_corrector import PredictorCorrector
from expint.derive.kinds.stage import Method
from expint.methods import method as find_method
from expint.operators.base import Operator

__all__ = ["choose", "choose_linearised"]

_PAST = {64: 5, 32: 3}
"""The largest number of past slopes by the bits of a real number. The order adapts below it; with more, undamped high
modes are unstable at steps worth taking, and single precision drowns higher differences in rounding. Measured on the
Kuramoto–Sivashinsky, Korteweg–de Vries, Schrödinger and Burgers equations."""

_LOOSE = 1e-5
"""From this tolerance on …"""

_PAST_LOOSE = 4
"""… there are no more past slopes than so many: every change of the step makes as many rows anew, and there are few
steps that could repay them. Measured on the same equations and Allen–Cahn's."""


def choose(operator: Operator, y0: Array, rtol: float | None) -> tuple[Method, str]:
    """Return a method for a run and the reason for it.

    Operators that are applied by iterations change nothing: measured on advection, diffusion and reaction on 100²
    points, pairs are the fastest of seven methods, or within a quarter of it, for every rtol from 1e-3 to 1e-8.

    Parameters
    ----------
    operator
        L.
    y0
        The initial state.
    rtol
        The relative tolerance; None for fixed steps.
    """
    kind = type(operator).__name__
    if rtol is None:
        reason = f"a fixed step on a {kind} operator asks for a one-step method of high stiff order at four stages"
        return find_method("krogstad4"), f"Method krogstad4 was chosen: {reason}."
    precision = array_namespace(y0).finfo(y0.dtype).bits
    past = _PAST.get(precision, min(_PAST.values()))
    pair = PredictorCorrector(min(past, _PAST_LOOSE) if rtol >= _LOOSE else past, ramp=True)
    reason = (
        f"to rtol = {np.format_float_scientific(rtol, trim='-', exp_digits=1)} in {precision}-bit numbers on a {kind} "
        f"operator, one evaluation of N a step at orders chosen up to {pair.order} costs least"
    )
    return pair, f"Method {pair.name} was chosen: {reason}."


def choose_linearised(split: bool) -> tuple[Method, str]:
    """Return a method for a problem that comes unsplit, y' = f(t, y), or with a Jacobian, and the reason for it.

    Measured on HIRES, Robertson's and Van der Pol's problems, the Brusselator and Allen–Cahn for rtol from 1e-3 to
    1e-7: it is the fastest of six methods from 1e-5 on where the system is larger, and where others are faster, by a
    third, they err ten times as much.

    Parameters
    ----------
    split
        Whether there is a linear part, beside a Jacobian.
    """
    chosen = find_method("pexprb54s4")
    told = "a Jacobian was given beside the linear part" if split else "no linear part was given"
    reason = f"{told}, and it linearises the right-hand side at every step, at order 5"
    return chosen, f"Method {chosen.name} was chosen: {reason}."
