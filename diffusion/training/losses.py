"""What a network is trained by: losses whose minimum is the exact prediction, of noised data and of bridges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from diffusion.names import resolve
from diffusion.process.interpolant import KINDS, Interpolant
from diffusion.process.prediction import formula
from diffusion.process.schedule import NoiseSchedule
from expint.arguments import function, instance, listed, number, seen, text
from expint.backend import array_namespace, has_values, is_array

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
        if text("predicts", self.predicts) not in kinds:
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

        Raises
        ------
        TypeError, ValueError
            If they are no arrays of these shapes, or the network returns another shape than that of x.
        """
        _check_batch(network, uniform, noise, data)
        t = self.schedule.t_end + (self.schedule.t_start - self.schedule.t_end) * uniform
        alpha, sigma = (_over(of(t), data) for of in (self.schedule.alpha, self.schedule.sigma))
        p, q = formula(self.predicts, array_namespace(t), alpha, sigma, 1.0)
        found = _like(data, network(alpha * data + sigma * noise, t))
        return ((found - p * data - q * noise) ** 2).mean()


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
        """Return the loss of a batch: ``data`` is the pair (x₀, x₁); the rest as of `DenoisingLoss`.

        Raises
        ------
        TypeError, ValueError
            As `DenoisingLoss`.
        """
        pair = listed("data", data, "arrays, x₀ and x₁", least=2) if isinstance(data, list | tuple) else [data]
        if len(pair) != 2:
            raise ValueError(f"expected data as the pair (x₀, x₁) of arrays, received {seen(data)}; draw both ends")
        first, second = pair
        _check_batch(network, uniform, noise, first, second)
        t = self.edge + (1.0 - 2.0 * self.edge) * uniform
        signs = (1.0, -1.0) if self.antithetic else (1.0,)
        total: Any = 0.0
        for sign in signs:
            found = _like(first, network(self.process.state(first, second, sign * noise, t), t))
            target = self.process.target(self.predicts, first, second, sign * noise, t)
            total = total + (found**2 - 2 * found * target).mean()
        return total / len(signs)


def _check_batch(network: Any, uniform: Any, noise: Any, *data: Any) -> None:
    """Raise TypeError or ValueError unless data and noise are of one shape (B, …), and the numbers for times (B,)."""
    function("network", network, "(x, t)", "pass a module of torch, or another function of arrays")
    for name, value in {"uniform": uniform, "noise": noise, **dict(zip(("data", "x₁"), data))}.items():
        dense = is_array(value) and has_values(value)
        if not dense or not array_namespace(value).isdtype(value.dtype, "real floating"):
            raise TypeError(f"expected {name} to be an array of real numbers, received {seen(value)}; convert it")
        home = type(data[0])
        if not isinstance(value, home):
            raise TypeError(
                f"expected {name} of the library of data, {home.__name__}, received {type(value).__name__}; convert it"
            )
    shape = tuple(data[0].shape)
    if not shape or any(tuple(value.shape) != shape for value in (*data, noise)) or tuple(uniform.shape) != shape[:1]:
        raise ValueError(
            f"expected data and noise of one shape (B, …) and uniform (B,), received {shape}, "
            f"{', '.join(str(tuple(value.shape)) for value in (*data[1:], noise))} and {tuple(uniform.shape)}; draw "
            "noise of the shape of the data, and a number for each sample"
        )


def _like(data: Any, found: Any) -> Any:
    """Return what a network returned, if it is of the shape of ``data``: others would spread over it unseen."""
    if not is_array(found) or tuple(found.shape) != tuple(data.shape):
        raise ValueError(
            f"expected the network to return an array of the shape {tuple(data.shape)}, received {seen(found)}; mend "
            "its last layer"
        )
    return found


def _over(values: Any, like: Any) -> Any:
    """Return one number for each sample, to be multiplied with samples."""
    return values.reshape(-1, *[1] * (like.ndim - 1))
