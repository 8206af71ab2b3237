"""What a student's run is compared by: its endpoint, its whole path, or features of its samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from diffusion.tuning.starts import Shard, floored, norms
from diffusion.tuning.values import Run
from expint.backend import Array, to_numpy

__all__ = ["LOSSES", "Difference", "Features", "Loss", "residuals"]


class Difference(NamedTuple):
    """A difference of arrays, (B, …), and what each start's is multiplied by, (B,)."""

    of: Array
    by: np.ndarray


class Loss(Protocol):
    """Compares a run with the teacher's."""

    def differences(self, found: Run, times: np.ndarray, shard: Shard) -> list[Difference]:
        """Return what is to be zero; the error of a start is the root of the sum of squares."""


@dataclass(frozen=True)
class Endpoint:
    """The difference at the end, over the norm of the teacher's sample."""

    def differences(self, found: Run, times: np.ndarray, shard: Shard) -> list[Difference]:
        """Return it."""
        del times
        return [Difference(found.points[-1] - shard.end, 1.0 / floored(norms(shard.end)))]


@dataclass(frozen=True)
class Trajectory:
    """The differences at all points but the first, each over the norm of the teacher's state; their mean square."""

    def differences(self, found: Run, times: np.ndarray, shard: Shard) -> list[Difference]:
        """Return them."""
        at = [*(shard.path(float(t)) for t in times[1:]), shard.end]
        size = float(np.sqrt(len(at)))
        return [Difference(x - y, 1.0 / (size * floored(norms(y)))) for x, y in zip(found.points[1:], at, strict=True)]


@dataclass(frozen=True)
class Features:
    """The difference of features of the samples, over the norm of those of the teacher's.

    Parameters
    ----------
    of
        A function of samples (B, …) that returns an array with an entry for each.
    """

    of: Callable[[Array], Any]

    def differences(self, found: Run, times: np.ndarray, shard: Shard) -> list[Difference]:
        """Return it."""
        del times
        mine, wanted = self.of(found.points[-1]), self.of(shard.end)
        if not getattr(mine, "ndim", 0) or mine.shape[0] != shard.end.shape[0]:
            raise ValueError(
                f"expected features as an array with an entry for each of {shard.end.shape[0]} samples, received "
                f"{getattr(mine, 'shape', type(mine).__name__)}; let the loss return (batch, features)"
            )
        return [Difference(mine - wanted, 1.0 / floored(norms(wanted)))]


LOSSES: dict[str, Loss] = {"endpoint": Endpoint(), "trajectory": Trajectory()}
"""The losses by name."""


def residuals(differences: list[Difference]) -> np.ndarray:
    """Return the differences of every start as one row in double precision, (B, m)."""
    rows = [to_numpy(of).reshape(of.shape[0], -1).astype(np.float64) * by[:, None] for of, by in differences]
    return np.concatenate(rows, axis=1)
