"""Where a run became non-finite: it is run once more with every network call looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import expint
from expint.backend import Array, array_namespace, to_numpy

__all__ = ["diagnosed"]

_SHOWN = 8  # samples that a message lists


class _NonFiniteOutput(FloatingPointError):
    """The first network output with inf or nan."""


def diagnosed(
    run: expint.Solution, plan: expint.Plan, predict: Callable[[float, Array], Array], x: Array
) -> expint.Solution:
    """Return a non-finite run with the states before it failed, and a message that says which call failed.

    Looking at every output would cost a synchronisation per call, so that it is done only now, in a second run from
    the same state ``x``.
    """
    calls = 0

    def checked(t: float, x: Array) -> Array:
        nonlocal calls
        calls += 1
        output = predict(t, x)
        xp = array_namespace(output)
        good = xp.all(xp.isfinite(xp.reshape(output, (output.shape[0], -1))), axis=1)
        if not bool(xp.all(good)):
            raise _NonFiniteOutput(_message(calls, plan.evaluations, t, to_numpy(good), str(output.dtype)))
        return output

    try:
        expint.run_plan(plan, checked, x, name=run.method)
    except _NonFiniteOutput as found:
        before: expint.Solution = found.solution  # type: ignore[attr-defined]
        return replace(before, status=run.status, message=str(found))
    return run


def _message(call: int, calls: int, t: float, good: Array, dtype: str) -> str:
    bad = [i for i, fine in enumerate(good.tolist()) if not fine]
    listed = ", ".join(map(str, bad[:_SHOWN])) + (", …" if len(bad) > _SHOWN else "")
    which = "sample" if len(bad) == 1 else "samples"
    remedy = "check the network there, or start from other noise"
    if dtype.endswith("float16") and not dtype.endswith("bfloat16"):
        remedy = "half precision overflows at 65504: run the network in bfloat16 or float32"
    return (
        f"expected finite network outputs, received inf or nan in call {call} of {calls}, at t = {t:.6g}, for {which} "
        f"{listed} of {len(good)}; {remedy}"
    )
