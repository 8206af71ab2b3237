r"""Superposition: one denoiser of several models, mixed by the density that each gives the path."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from importlib import import_module
from typing import Any

import numpy as np

import expint
import expint.backend
from diffusion.checks import check_denoiser
from diffusion.denoiser import Denoiser
from diffusion.guidance.mixing import And, Fixed, Mode, Or
from diffusion.likelihood.divergence import KINDS, WAYS
from diffusion.process.prediction import coefficients
from diffusion.process.with_mean import WithMean
from expint.arguments import choice, integer, listed, number, numbers
from expint.backend import Array, array_namespace

__all__ = ["Superposed", "SuperposedRun", "mixture", "refused_change", "superpose", "with_densities"]


def superpose(
    denoisers: Sequence[Denoiser],
    mode: str | Sequence[float] = "or",
    *,
    temperature: float = 1.0,
    offsets: Sequence[float] | None = None,
    divergence: str = "auto",
    probes: int = 1,
    probe: str = "rademacher",
    rng: int | Sequence[int] = 0,
) -> Superposed:
    r"""Return one denoiser of several models with the same schedule, u = Σ κ_i x₀ᵢ ("data" output).

    "or" samples from the mixture of the models, "and" from where all of them find a sample equally likely. Both follow
    log q_i, the log-density of the states under each model. A stochastic sampler of strength 1 runs the reverse of the
    noising process, and by Bayes' rule, with that process q and the reverse step p_i of model i,

    .. math:: \log q_i(x_{n+1}) - \log q_i(x_n) = \log p_i(x_{n+1} | x_n) - \log q(x_n | x_{n+1}),

    normal densities both: no divergence, no further call. A deterministic sampler follows those of y = x/σ by its own
    rows, with r = α/σ by

    .. math:: \frac{d}{dr} \log q_i = -σ ∇·x_{0,i} + \langle r x_{0,i} - y, u - x_{0,i} \rangle.

    Parameters
    ----------
    denoisers
        Two models or more, each of any kind of prediction.
    mode
        "or": κ = softmax(T log q + ℓ). "and": κ such that all log q_i change by the same amount in every step, found by
        a linear system of the size of their number. Or fixed weights κ of sum 1, one for each model.
    temperature, offsets
        T ≥ 0 and ℓ of "or": a large T takes the likelier model alone, T = 0 fixed proportions; with T = 1 the model i
        has the prior weight e^{ℓ_i}.
    divergence, probes, probe, rng
        How ∇·x₀ᵢ is found in deterministic runs; as of `log_likelihood`.

    Returns
    -------
    Superposed
        To be sampled from. ``diffusion.trajectory`` returns a `SuperposedRun`, with the densities in ``log_densities``.

    Raises
    ------
    TypeError
        If one of them is no denoiser.
    ValueError
        If there are fewer than two, their schedules differ, the weights do not sum to 1, or an option is given that the
        mode does not look at. In a run, if the sampler draws noise and its strength is not 1, or it corrects states
        after its calls; for "and" also if a step of it has stages, since what follows from its noise is not known when
        the weights are chosen.

    Notes
    -----
    The errors of the followed densities fall as the square root of the step in stochastic runs (strong order ½), and
    with the order of the sampler in deterministic ones. At σ = 0 there is no density. Skreta, Atanackovic, Bose, Tong &
    Neklyudov, *The superposition of diffusion models using the Itô density estimator*, 2024.

    Examples
    --------
    >>> import numpy as np
    >>> import diffusion
    >>> left, right = (diffusion.models.gaussian_mixture([1.0], [[m]], [[[0.04]]]) for m in (-1.0, 1.0))
    >>> both = diffusion.guidance.superpose([left, right], "or")
    >>> noise = np.random.default_rng(0).standard_normal((400, 1))
    >>> samples = diffusion.sample(both, noise, sampler="ddpm", steps=100, rng=7)
    >>> bool(0.4 < np.mean(samples > 0) < 0.6)
    True
    """
    models = tuple(listed("denoisers", denoisers, "denoisers"))
    for model in models:
        check_denoiser(model)
    if len(models) < 2:
        raise ValueError(f"expected two denoisers or more, received {len(models)}; give them in a list")
    schedule = models[0].schedule
    for model in models[1:]:
        if model.schedule != schedule:
            raise ValueError(
                f"expected models of one schedule, received {schedule!r} and {model.schedule!r}; bring one to the "
                "times and states of the other"
            )
    if isinstance(schedule, WithMean):
        raise ValueError(f"expected a schedule without a mean, received {schedule!r}; superpose centred models")
    integer("probes", probes, least=1)
    choice("divergence", divergence, WAYS)
    choice("probe", probe, KINDS)
    rule = _mode(mode, len(models), number("temperature", temperature, least=0.0), offsets)
    edges = tuple(sorted({edge for model in models for edge in model.discontinuities}))
    ways = _Ways(divergence, probes, probe, rng)
    return Superposed(models[0].network, "data", schedule, {}, edges, models=models, mode=rule, ways=ways)


def _mode(mode: Any, count: int, temperature: float, offsets: Any) -> Mode:
    if offsets is not None:
        offsets = numbers("offsets", offsets)
        if len(offsets) != count:
            raise ValueError(f"expected one offset for each of {count} models, received {len(offsets)}")
    if isinstance(mode, str) and choice("mode", mode, ("or", "and")) == "or":
        return Or(temperature, np.array([0.0] * count if offsets is None else offsets))
    if temperature != 1.0 or offsets is not None:
        raise ValueError(
            f"expected mode='or' beside a temperature or offsets, received {mode!r}, which does not look at them; "
            "leave them out"
        )
    if isinstance(mode, str):
        return And()
    weights = numbers("mode", mode)
    if len(weights) != count or not abs(sum(weights) - 1.0) < 1e-9:
        raise ValueError(
            f"expected one weight for each of {count} models, of sum 1, received {weights}; divide them by their sum, "
            "or say 'or' or 'and'"
        )
    return Fixed(np.array(weights))


@dataclass(frozen=True)
class _Ways:
    """How divergences are found."""

    divergence: str
    probes: int
    probe: str
    rng: Any


@dataclass(frozen=True, eq=False)
class Superposed(Denoiser):
    """A denoiser of several models; see `superpose`.

    Attributes
    ----------
    models
        The models.
    mode
        The rule of their weights.

    Examples
    --------
    >>> import diffusion
    >>> left, right = (diffusion.models.gaussian_mixture([1.0], [[m]], [[[0.04]]]) for m in (-1.0, 1.0))
    >>> both = diffusion.guidance.superpose([left, right], [0.5, 0.5])
    >>> both, len(both.models)
    (Superposed(2 models, fixed), 2)
    """

    models: tuple[Denoiser, ...] = field(kw_only=True)
    mode: Mode = field(kw_only=True)
    ways: _Ways = field(kw_only=True)

    def __repr__(self) -> str:
        return f"Superposed({len(self.models)} models, {type(self.mode).__name__.lower()})"

    def __call__(self, x: Array, t: Any) -> Array:
        """Return Σ κ_i x₀ᵢ for weights that are fixed.

        Raises
        ------
        TypeError
            If they follow the densities of a path.
        """
        if self.mode.tracks:
            raise TypeError(
                f"expected a run, received one call: the weights of {self!r} follow the densities of its path; take "
                "diffusion.sample or diffusion.trajectory, or fixed weights"
            )
        return self.at_times([float(t)], x)(float(t), x)

    def at_each(self, x: Array, t: np.ndarray) -> Array:
        """Return Σ κ_i x₀ᵢ for weights that are fixed, at a time of its own for each sample.

        Raises
        ------
        ValueError
            If they follow the densities of a path.
        """
        if self.mode.tracks:
            raise ValueError(
                f"expected steps= or grid= for {self!r}, whose weights follow densities over common steps, received a "
                "time for each sample, as rtol= takes; or take fixed weights"
            )
        weights = self.mode.weights(array_namespace(x).zeros((1, len(self.models)), dtype=x.dtype), None)
        return mixture(weights, [model.predict_each(x, t, "data") for model in self.models])

    def of_samples(self, which: np.ndarray, count: int) -> Denoiser:
        """Return the superposition for some samples of a batch."""
        return replace(self, models=tuple(model.of_samples(which, count) for model in self.models))

    def at_times(self, times: Iterable[float], like: Array) -> Callable[[float, Array], Array]:
        """Return the mixture of the models as a function of (t, x)."""
        if self.mode.tracks:
            return lambda t, x: self(x, t)
        data, xp = self.data_at_times(times, like), array_namespace(like)
        weights = self.mode.weights(xp.zeros((1, len(self.models)), dtype=like.dtype), None)
        return lambda t, x: mixture(weights, data(t, x))

    def data_at_times(self, times: Iterable[float], like: Array) -> Callable[[float, Array], list[Array]]:
        """Return the predictions of the data by all models, as a function of (t, x)."""
        at = list(times)
        networks = [model.at_times(at, like) for model in self.models]
        converted = {t: [self.conversion(model, t) for model in self.models] for t in at}

        def call(t: float, x: Array) -> list[Array]:
            found = zip(networks, converted[t])
            return [of_state * x + of_output * network(t, x) for network, (of_state, of_output) in found]

        return call

    def conversion(self, model: Denoiser, t: float) -> tuple[float, float]:
        """Return (A, B) with x₀ = A x + B output of a model at ``t``."""
        alpha, sigma = float(self.schedule.alpha(t)), float(self.schedule.sigma(t))
        return coefficients(model.predicts, "data", alpha, sigma, self.schedule.sigma_data)

    def with_condition(self, condition: Mapping[str, Any]) -> Denoiser:
        """Return the superposition of all models with another condition."""
        return replace(self, models=tuple(model.with_condition(condition) for model in self.models))

    def framed(self) -> Any:
        """Return the frame in which runs are made: one that follows the densities."""
        return import_module("diffusion.guidance.tracking").Tracked(self)  # which needs this class


@dataclass(frozen=True)
class SuperposedRun(expint.Solution):
    """The run of a superposition: a solution with the densities of its models.

    Attributes
    ----------
    log_densities
        log q_i of the states ``y`` under each model as it was followed, (len(t), batch, models); nan at σ = 0.

    Examples
    --------
    >>> import numpy as np
    >>> import diffusion
    >>> left, right = (diffusion.models.gaussian_mixture([1.0], [[m]], [[[0.04]]]) for m in (-1.0, 1.0))
    >>> both = diffusion.guidance.superpose([left, right], "or")
    >>> run = diffusion.trajectory(both, np.zeros((2, 1)), sampler="ddpm", steps=10, rng=7)
    >>> type(run).__name__, run.log_densities.shape == (len(run.t), 2, 2)
    ('SuperposedRun', True)
    """

    log_densities: Any = None


def with_densities(run: expint.Solution, densities: list[Array]) -> SuperposedRun:
    """Return the run with the densities (B, M) of its states."""
    parts = {part.name: getattr(run, part.name) for part in fields(expint.Solution)}
    return SuperposedRun(**parts, log_densities=expint.backend.stack(densities))


def refused_change(state: Array, t: float) -> Any:
    """Refuse a state that a callback returns."""
    raise ValueError(
        f"expected a callback that returns None for superposed models, received one of shape {tuple(state.shape)} at "
        f"t = {t:.6g}, whose log-densities are not known; take fixed weights, or change nothing"
    )


def mixture(weights: Array, data: Sequence[Array]) -> Array:
    """Return Σ κ_i x₀ᵢ, the weights (B, M) or (1, M)."""
    xp = array_namespace(data[0])
    shape = (-1, *[1] * (data[0].ndim - 1))
    return sum((xp.reshape(weights[:, i], shape) * own for i, own in enumerate(data[1:], 1)), _first(weights, data))


def _first(weights: Array, data: Sequence[Array]) -> Array:
    shape = (-1, *[1] * (data[0].ndim - 1))
    return array_namespace(data[0]).reshape(weights[:, 0], shape) * data[0]
