"""Which runner combines the rows of a run, and one sentence that says so."""

from __future__ import annotations

import math
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal, NamedTuple

import numpy as np

from expint.arguments import choice
from expint.backend import Array
from expint.given import Times
from expint.run import ErrorNorm

__all__ = ["PLAIN", "RUNNERS", "Runner", "given_runner", "refuse_kernels", "run_by"]

RUNNERS = ("auto", "plain", "kernels")
_INSTALL = "pip install numba"
_SAID = "Rows were combined by fused kernels (numba)."

Runner = Literal["auto", "plain", "kernels"]
PLAIN: Runner = "plain"


class _By(NamedTuple):
    """An operator and a norm as a runner wants them, and what is to be said of it."""

    operator: Any
    norm: ErrorNorm | None
    said: str


_WORTH = 5e7
"""From so many entries times steps on "auto" takes kernels: numba takes about a second to load, and kernels save some
20 ns for each entry in each step of a method with four rows. Runs to a tolerance do not know how many steps come."""


def given_runner(runner: Any, times: Times, y0: Array, checkpoint: bool) -> Runner:
    """Return the runner that is asked for: "plain", "kernels", or "auto" for kernels where they can.

    The choice depends on the problem alone, and on what is installed, so that a run repeated is the same to the bit.

    Raises
    ------
    ValueError, TypeError
        If there is none of this name, or its runs cannot be written down.
    ImportError
        If it needs what is not installed.
    """
    found: Any = choice("runner", runner, RUNNERS)
    if found == "kernels":
        if checkpoint:
            raise ValueError(
                "expected runner='plain' beside checkpoint, which goes on to the last bit, received 'kernels'; leave "
                "one of them out"
            )
        if find_spec("numba") is None:
            raise ImportError(f"runner='kernels' needs numba, which is not installed; run: {_INSTALL}")
    if found != "auto":
        return found
    steps = float(np.size(times.grid)) if times.grid is not None else 0.0  # what is no grid is refused later
    if times.step:
        steps = abs((times.span[1] - times.span[0]) / times.step)
    worth = steps * math.prod(y0.shape) >= _WORTH and type(y0) is np.ndarray and not checkpoint
    return "auto" if worth and find_spec("numba") is not None else PLAIN


def refuse_kernels(runner: Runner, what: str) -> None:
    """Refuse kernels, asked for by name, where no rows of a fixed L are combined.

    Raises
    ------
    ValueError
        If they are.
    """
    if runner == "kernels":
        raise ValueError(
            f"expected a method with a fixed, elementwise L for runner='kernels', received {what}, whose operators are "
            "made on the way; take runner='auto'"
        )


def run_by(runner: Runner, operator: Any, norm: ErrorNorm | None, y0: Array) -> _By:
    """Return the operator and the norm by which a run is made.

    Raises
    ------
    ValueError
        If kernels are asked for by name and cannot combine the rows of this operator.
    """
    plain = _By(operator, norm, "")
    if runner == "plain":
        return plain
    made = import_module("expint.run.compiled.fused")
    found = made.fused(operator, y0)
    if found is None:
        if runner == "auto":
            return plain
        raise ValueError(
            "expected, for runner='kernels', an L that multiplies states of NumPy elementwise, with one number for "
            f"each entry, received {operator!r} for y0 of {type(y0).__module__}, shape {tuple(y0.shape)}; take "
            "runner='auto'"
        )
    return _By(found, None if norm is None else made.fused_norm(norm), _SAID)
