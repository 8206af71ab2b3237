"""What fitting a sampler did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from expint.arguments import instance, integer, listed, number, plain_fields

__all__ = ["Report"]


@dataclass(frozen=True)
class Report:
    """What fitting a sampler did, on starts that it was not fitted to.

    Parameters
    ----------
    quantity
        What was measured, in words: "RMS error at the end, against 42 calls of dpmpp-3s".
    before, after
        Its value for the sampler that fitting began with, and for the fitted one.
    spread
        The standard error of ``after``, or None.
    calls
        Network calls that fitting took, counted for one sample each.
    starts
        Starts of the fit, and of the measurement.
    details
        Further facts: numbers, words, lists and mappings of such.

    Raises
    ------
    TypeError, ValueError
        If a field is something else.

    Examples
    --------
    >>> import diffusion
    >>> report = diffusion.Report("RMS error", 0.2, 0.05, None, calls=4000, starts=(32, 64))
    >>> print(report)
    RMS error: 0.2 before, 0.05 after, on 64 starts other than the 32 fitted to; 4000 network calls
    """

    quantity: str
    before: float
    after: float
    spread: float | None
    calls: int
    starts: tuple[int, int]
    details: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        plain_fields(self)
        if self.spread is not None:
            object.__setattr__(self, "spread", number("spread", self.spread, least=0.0))
        starts = tuple(integer("every number of starts", count) for count in listed("starts", self.starts, "numbers"))
        if len(starts) != 2:
            raise ValueError(f"expected the starts of the fit and of the measurement, received {len(starts)} numbers")
        object.__setattr__(self, "starts", starts)
        instance("details", self.details, Mapping)

    def __str__(self) -> str:
        spread = "" if self.spread is None else f" ± {self.spread:.2g}"
        return (
            f"{self.quantity}: {self.before:.3g} before, {self.after:.3g}{spread} after, on {self.starts[1]} starts "
            f"other than the {self.starts[0]} fitted to; {self.calls} network calls"
        )
