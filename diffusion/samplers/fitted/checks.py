"""What the numbers of a fitted sampler have to be."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffusion.planning.rows import used
from diffusion.samplers.bands import Bands
from expint.arguments import seen
from expint.arrays import real_values
from expint.backend import to_numpy

__all__ = ["check_rows", "finite", "flags"]


def check_rows(name: str, nodes: np.ndarray, accepted: np.ndarray, D: np.ndarray, A: np.ndarray | None) -> None:
    """Refuse rows of the sampler ``name`` that cannot be run.

    Raises
    ------
    ValueError
        If the last point is no state, times do not decrease, or a row looks at what is not known yet.
    """
    n, accepted = len(accepted), np.append(True, accepted)
    if not accepted[-1]:
        raise ValueError(f"{name}: expected the last point to be a state, received accepted[-1] = False")
    if np.any(np.diff(nodes[accepted]) >= 0.0):
        raise ValueError(
            f"{name}: expected decreasing times of the states, received {seen(nodes[accepted])}; points "
            "at one time can be inner stages"
        )
    for which, rows in (("D", D), ("A", A)):
        if rows is None:
            continue
        early = np.argwhere(used(rows) & ~np.tri(n, dtype=bool))
        if early.size:
            i, j = early[0]
            raise ValueError(
                f"{name}: expected a row to look at what is before it, received {which}[{i}, {j}] ≠ 0; rows "
                "are zero above the diagonal"
            )
    if A is not None and np.any(used(A)[:, ~accepted[:-1]]):
        raise ValueError(
            f"{name}: expected A to combine states, received weights of inner stages; put such a row's own "
            "weights in the place of the stage"
        )


def finite(name: str, values: Any, shape: tuple[int, ...], bands: Bands | None) -> np.ndarray:
    """Return finite numbers of a shape, or of that shape for each of the bands."""
    array = real_values(name, values)
    allowed = [shape] if bands is None else [shape, (*shape, bands.count)]
    if array.shape not in allowed or not np.all(np.isfinite(array)):
        raise ValueError(
            f"expected {name} as finite numbers of shape {' or '.join(map(str, allowed))}, received "
            f"{seen(values)} of shape {array.shape}"
        )
    return array


def flags(values: Any, n: int) -> np.ndarray:
    """Return ``n`` truth values."""
    try:
        found = to_numpy(values)
    except (TypeError, ValueError, RuntimeError):
        found = np.empty(0)
    if found.shape != (n,) or found.dtype.kind != "b":
        raise ValueError(f"expected accepted as {n} truth values, received {seen(values)}")
    return found
