"""Regions of stability of one-step methods in the complex plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from expint.arguments import checked, listed
from expint.plot.figure import axes, pyplot
from expint.study import amplification

__all__ = ["stability_region"]


@checked(ax=axes)
def stability_region(
    method: Any,
    ax: Any = None,
    *,
    z: Sequence[complex] = (0.0,),
    window: tuple[float, float, float, float] = (-6.0, 3.0, -4.5, 4.5),
) -> Any:
    """Draw where one step does not amplify y' = z y + λ y, |R| ≤ 1, over λ, a boundary for each z; return the axes.

    Parameters
    ----------
    method
        A one-step method with a fixed L and an explicit N, or its name.
    ax
        Axes to draw on; new ones by default.
    z
        Values of L (the step is 1). The region of the first one is shaded.
    window
        (left, right, bottom, top) of the part of the plane that is shown.

    Raises
    ------
    ValueError
        If the method has no factor R (see ``expint.study.amplification``), or the window or z make no sense.
    TypeError
        If an argument is of another kind.

    Examples
    --------
    >>> import expint.plot
    >>> expint.plot.stability_region("krogstad4", z=[0.0, -2.0]).get_xlabel()
    'Re λ'
    """
    left, right, bottom, top = (float(edge) for edge in listed("window", window, "four numbers", least=4))
    if not (left < right and bottom < top):
        raise ValueError(f"expected a window (left, right, bottom, top), received {window!r}")
    x, y = np.linspace(left, right, 241), np.linspace(bottom, top, 241)
    values = listed("z", z, "values of L")
    factors = [np.abs(amplification(method, x + 1j * y[:, None], at)) for at in values]
    if ax is None:
        _, ax = pyplot().subplots(figsize=(5, 4.5), layout="constrained")
    ax.contourf(x, y, factors[0], levels=[0.0, 1.0], colors=["0.88"])
    lines = [f"C{number % 10}" for number in range(len(factors))]
    for at, factor, colour in zip(values, factors, lines, strict=True):
        ax.contour(x, y, factor, levels=[1.0], colors=[colour])
        ax.plot([], [], color=colour, label=f"z = {at:g}")
    ax.axhline(0.0, color="0.6", linewidth=0.6)
    ax.axvline(0.0, color="0.6", linewidth=0.6)
    ax.set(xlabel="Re λ", ylabel="Im λ", title=getattr(method, "name", str(method)), aspect="equal")
    ax.legend()
    return ax
