"""What a network is trained by: losses whose minimum is the exact prediction, of noised data and of bridges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from diffusion.names import resolve
from diffusion.process.interpolant import KINDS, Interpolant
from diffusion.process.prediction import formula
from diffusion.process.schedule import NoiseSchedule
from expint.arguments import instance, number, seen
from expint.backend import array_namespace

__all__ = ["BridgeLoss", "DenoisingLoss"]


@dataclass(frozen=True)
class DenoisingLoss:
    """The mean of |f(α x₀ + σ ε, t) − (p x₀ + q ε)|², whose minimum is f = E[p x₀ + q ε | x].

    Parameters
    ----------
    schedule
        The process; times are uniform in [t_end, t_start].
    predicts
        What the network is to predict: "noise" (p, q) = (0, 1), "data" (1, 0), "velocity" (−σ, α), "flow" (−1, 1).

    Raises
    ------
    TypeError, ValueError
        If they are none; for "score", whose target is not finite as σ → 0: train the noise.

    Notes
    -----
    Vincent, *A connection between score matching and denoising autoencoders*, 2011.

    Examples
    --------
    >>> import torch
    >>> import diffusion
    >>> loss = diffusion.training.DenoisingLoss(diffusion.VP.linear(), "data")
    >>> data = torch.ones(8, 2)
    >>> float(loss(lambda x, t: 0 * x + 1, data, torch.rand(8), torch.randn(8, 2)))
    0.0
    """

    schedule: NoiseSchedule
    predicts: str = "noise"

    def __post_init__(self) -> None:
        instance("schedule", self.schedule, NoiseSchedule, "a NoiseSchedule", "pass VP.linear() or another")
        kinds = ("noise", "data", "velocity", "flow")
        if self.predicts not in kinds:
            raise ValueError(
                f"expected predicts as one of {', '.join(kinds)}, received {seen(self.predicts)}; a score is −ε/σ: "
                "train the noise"
            )

    def __call__(self, network: Callable[..., Any], data: Any, uniform: Any, noise: Any) -> Any:
        """Return the loss of one batch.

        Parameters
        ----------
        network
            Called as network(x, t), x (B, …) and t (B,).
        data
            x₀, (B, …).
        uniform
            Numbers in [0, 1], (B,), for the times.
        noise
            Standard normal, (B, …).
        """
        t = self.schedule.t_end + (self.schedule.t_start - self.schedule.t_end) * uniform
        alpha, sigma = (_over(of(t), data) for of in (self.schedule.alpha, self.schedule.sigma))
        p, q = formula(self.predicts, array_namespace(t), alpha, sigma, 1.0)
        return ((network(alpha * data + sigma * noise, t) - p * data - q * noise) ** 2).mean()


@dataclass(frozen=True)
class BridgeLoss:
    """The mean of |f(x_t, t)|² − 2 f · (target) over x_t = a x₀ + c x₁ + γ z: that of the square less a constant.

    Its minimum is the exact prediction. Where γ̇ → ∞ so does the target of the velocity, with z: antithetic pairs
    ±z take that out of the mean, as their x_t come together.

    Parameters
    ----------
    process
        The interpolant.
    predicts
        "velocity", "drift", "denoiser", "data0" or "data1".
    antithetic
        Whether each z is taken with both signs; twice the evaluations.
    edge
        Times are uniform in [edge, 1 − edge].

    Notes
    -----
    Albergo, Boffi & Vanden-Eijnden, *Stochastic interpolants*, 2023, §2.3 and §6.1.

    Examples
    --------
    >>> import torch
    >>> import diffusion
    >>> loss = diffusion.training.BridgeLoss(diffusion.Interpolant("linear"), "data1")
    >>> ones = torch.ones(8, 2)
    >>> float(loss(lambda x, t: 0 * x + 1, (ones, ones), torch.rand(8), torch.randn(8, 2)))
    -1.0
    """

    process: Interpolant
    predicts: str = "velocity"
    antithetic: bool = True
    edge: float = 1e-3

    def __post_init__(self) -> None:
        instance("process", self.process, Interpolant, "an Interpolant", 'pass diffusion.Interpolant("linear")')
        kind = resolve(self.predicts, dict.fromkeys(KINDS), {}, "prediction")
        if kind == "score":
            raise ValueError(
                "expected a kind whose target is finite where γ = 0, received 'score'; train the 'denoiser', −γ s"
            )
        number("edge", self.edge, above=0.0, below=0.5)

    def __call__(self, network: Callable[..., Any], data: Any, uniform: Any, noise: Any) -> Any:
        """Return the loss of a batch: ``data`` is the pair (x₀, x₁); the rest as of `DenoisingLoss`."""
        first, second = data
        t = self.edge + (1.0 - 2.0 * self.edge) * uniform
        signs = (1.0, -1.0) if self.antithetic else (1.0,)
        total: Any = 0.0
        for sign in signs:
            found = network(self.process.state(first, second, sign * noise, t), t)
            target = self.process.target(self.predicts, first, second, sign * noise, t)
            total = total + (found**2 - 2 * found * target).mean()
        return total / len(signs)


def _over(values: Any, like: Any) -> Any:
    """Return one number for each sample, to be multiplied with samples."""
    return values.reshape(-1, *[1] * (like.ndim - 1))
