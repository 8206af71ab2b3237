"""Empirical statistics of a network: in which elementwise form its equation is best solved (DPM-Solver-v3).

With z = x/α the sampling equation is z′ = −l z − N, N = ρ ε − l z, for any l(λ), a number for each element of a sample;
l = 1 makes N minus the data prediction, l = 0 makes it ρ times the noise prediction. Along the flow N′ ≈ s N + b, and a
sampler has to interpolate only what is left of N once that is taken out. The l for which N depends least on x, and the
s and b of the regression, are the statistics; `diffusion.estimate_statistics` finds them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from diffusion.optional import require
from expint.arguments import path as checked_path
from expint.arguments import seen
from expint.arrays import real_values
from expint.files import content, whole_file

__all__ = ["Statistics"]

_FIELDS = ("half_log_snr", "linear", "slope", "offset")
_LARGEST = 2**31  # bytes of a file; tables for each element of a large image are some hundred megabytes
_WIDE = 1e3  # λ beyond any schedule's
_ROUNDING = 1e-6  # relative to the span of λ: how far outside the table a time may lie


@dataclass(frozen=True, eq=False)
class Statistics:
    """Tables of l, s and b over λ, linear between their entries.

    Parameters
    ----------
    half_log_snr
        λ, (K,), strictly increasing, K ≥ 2.
    linear, slope, offset
        l, s and b, (K, …), where … broadcasts to the shape of a sample.

    Raises
    ------
    ValueError
        If the shapes do not fit, or an entry is not finite, or λ does not increase.

    Notes
    -----
    Zheng, Lu, Chen & Zhu, *DPM-Solver-v3*, 2023, §3.1.

    Examples
    --------
    >>> import diffusion
    >>> diffusion.Statistics.of_prediction("data").linear.shape
    (2,)
    """

    half_log_snr: np.ndarray
    linear: np.ndarray
    slope: np.ndarray
    offset: np.ndarray

    _never_changes = True

    def __post_init__(self) -> None:
        for name in _FIELDS:
            table = np.array(real_values(name, getattr(self, name)), dtype=np.float64)
            table.flags.writeable = False
            object.__setattr__(self, name, table)
        lam, shape = self.half_log_snr, self.linear.shape
        if lam.ndim != 1 or lam.size < 2 or not np.all(np.diff(lam) > 0.0):
            raise ValueError(
                f"expected half_log_snr (K,) to increase strictly, K ≥ 2; received an array of shape {lam.shape}; "
                "order the tables from noise to data"
            )
        if not (shape[:1] == lam.shape and self.slope.shape == shape and self.offset.shape == shape):
            raise ValueError(
                f"expected tables of one shape ({lam.size}, …); received {shape}, {self.slope.shape} and "
                f"{self.offset.shape}; give one row for each λ"
            )
        if not all(np.all(np.isfinite(getattr(self, name))) for name in _FIELDS):
            raise ValueError("expected finite tables; received inf or nan; check how they were estimated")

    def __repr__(self) -> str:
        lam = self.half_log_snr
        return f"Statistics({lam.size} values of λ from {lam[0]:.4g} to {lam[-1]:.4g}, shape {self.linear.shape[1:]})"

    @classmethod
    def of_prediction(cls, kind: str) -> Statistics:
        """Return the constant statistics with which a run is that of a predictor in the gauge of this kind.

        (l, s, b) is (1, 0, 0) for "data", as in DPM-Solver++, and (0, −1, 0) for "noise", as in DPM-Solver.

        Raises
        ------
        ValueError
            If the kind is neither.
        """
        if not isinstance(kind, str) or kind not in ("data", "noise"):
            raise ValueError(f"expected 'data' or 'noise', received {seen(kind)}")
        linear, slope = (1.0, 0.0) if kind == "data" else (0.0, -1.0)
        return cls(np.array([-_WIDE, _WIDE]), np.full(2, linear), np.full(2, slope), np.zeros(2))

    def at(self, half_log_snr: np.ndarray | float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return l, s and b at values of λ, (…λ, …sample).

        Raises
        ------
        ValueError
            If a value lies outside the tables by more than rounding.
        """
        cell, part = self._place(half_log_snr)
        part = part.reshape(part.shape + (1,) * (self.linear.ndim - 1))
        low, high, there = ((1.0 - part), part, (self.linear, self.slope, self.offset))
        l, s, b = (low * table[cell] + high * table[cell + 1] for table in there)
        return l, s, b

    def cells_between(self, start: float, end: float) -> np.ndarray:
        """Return ``start``, the entries λ of the tables strictly between, and ``end``, in this order."""
        low, high = min(start, end), max(start, end)
        inner = self.half_log_snr[(self.half_log_snr > low) & (self.half_log_snr < high)]
        return np.concatenate(([start], inner if start < end else inner[::-1], [end]))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the tables to a file in the safetensors format; it appears whole or not at all.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        place = checked_path("path", path)
        tables = {name: np.ascontiguousarray(getattr(self, name)) for name in _FIELDS}
        with whole_file(place) as file:
            file.write(require("safetensors.numpy").save(tables))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Statistics:
        """Read tables that were written by `save`.

        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If it is no whole file of that format, or has other entries.
        """
        raw, library = content(checked_path("path", path), _LARGEST), require("safetensors")
        try:
            stored = require("safetensors.numpy").load(raw)
        except (library.SafetensorError, ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"expected a whole file in the safetensors format, received {len(raw)} bytes of {os.fspath(path)!r} "
                f"({error}); it is cut off, damaged, or another kind of file"
            ) from None
        if set(stored) != set(_FIELDS):
            raise ValueError(f"expected a file with the entries {_FIELDS}, received {tuple(stored)}; pass another file")
        return cls(**stored)

    def _place(self, half_log_snr: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        lam, table = real_values("half_log_snr", half_log_snr), self.half_log_snr
        slack = _ROUNDING * (table[-1] - table[0])
        if not np.all((lam >= table[0] - slack) & (lam <= table[-1] + slack)):  # nan is outside
            raise ValueError(
                f"expected times with half-log-SNR within that of the statistics, [{table[0]:.4g}, {table[-1]:.4g}]; "
                f"received [{lam.min():.4g}, {lam.max():.4g}]; shorten the grid or estimate over a wider one"
            )
        cell = np.clip(np.searchsorted(table, lam, side="right") - 1, 0, table.size - 2)
        return cell, (lam - table[cell]) / (table[cell + 1] - table[cell])
