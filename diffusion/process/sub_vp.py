"""The sub-VP process, of the signal of a variance-preserving one and less noise."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from diffusion.process.schedule import NoiseSchedule
from diffusion.process.vp import VP, VPLinear, half_log_snr_of_integral
from expint.backend import Namespace

__all__ = ["SubVP"]


@dataclass(frozen=True)
class SubVP(NoiseSchedule):
    """The sub-VP process of a VP one: the same α, and σ = 1 − α², the square of the VP's.

    Notes
    -----
    Song et al., *Score-based generative modeling through stochastic differential equations*, 2021, §3.4.

    Examples
    --------
    >>> import diffusion
    >>> process = diffusion.SubVP()
    >>> bool(abs(process.sigma(0.5) - (1.0 - process.alpha(0.5) ** 2)) < 1e-12)
    True
    """

    vp: VP = field(default_factory=VPLinear)

    def __post_init__(self) -> None:
        if not isinstance(self.vp, VP):
            raise TypeError(
                f"expected a VP schedule; received {type(self.vp).__name__}; pass VP.linear(…) or another VP"
            )

    @property
    def t_start(self) -> float:
        """The start of the VP schedule."""
        return self.vp.t_start

    @property
    def t_end(self) -> float:
        """The end of the VP schedule."""
        return self.vp.t_end

    def _alpha(self, xp: Namespace, t: Any) -> Any:
        return self.vp._alpha(xp, t)

    def _sigma(self, xp: Namespace, t: Any) -> Any:
        return self.vp._sigma(xp, t) ** 2

    def _half_log_snr(self, xp: Namespace, t: Any) -> Any:
        return self.vp._half_log_snr(xp, t) - xp.log(self.vp._sigma(xp, t))

    def _rate(self, xp: Namespace, t: Any) -> Any:
        return self.vp._rate(xp, t) * (1.0 + self.vp._alpha(xp, t) ** 2)  # since (log σ)′ = −α² λ′ for VP

    def _log_alpha_rate(self, xp: Namespace, t: Any) -> Any:
        return self.vp._log_alpha_rate(xp, t)

    def _time(self, xp: Namespace, lam: Any) -> Any:
        integral = 2.0 * xp.asinh(0.5 * xp.exp(-lam))  # ρ = 2 sinh(B/2)
        return self.vp._time(xp, half_log_snr_of_integral(xp, integral))
