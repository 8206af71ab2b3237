"""Guidance: denoisers that steer another one. Each function takes a `Denoiser` and returns a `Denoiser`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffusion.checks import check_denoiser
from diffusion.denoiser import Denoiser, like_input, rows_of
from diffusion.guidance.guided import Rule, guided
from diffusion.guidance.pairs import outputs_of_both
from diffusion.process.prediction import basis
from expint.arguments import flag, function, number, seen
from expint.arrays import real_values
from expint.backend import Array, all_finite, array_namespace, has_values, is_array

__all__ = ["Corrected", "classifier_free", "classifier_guided", "corrected", "thresholded"]


def classifier_free(
    denoiser: Denoiser,
    scale: float | Array,
    *,
    unconditional: Mapping[str, Any],
    interval: tuple[float, float] | None = None,
    rescale: float = 0.0,
    together: bool = False,
) -> Denoiser:
    """Return the denoiser u + w (c − u), of its outputs c with its condition and u with the ``unconditional`` one.

    Parameters
    ----------
    denoiser
        The conditional denoiser.
    scale
        w: 1 is the conditional denoiser, 0 the unconditional one.
    unconditional
        The condition of u, such as {"label": None}.
    interval
        Times (low, high): guidance acts where low < t ≤ high, and costs a second call only there. Its ends are declared
        as discontinuities, across which no multistep sampler keeps its history.
    rescale
        From 0 to 1: how far the standard deviation of the output, over a sample, is brought back to that of c.
    together
        Whether c and u are made by one call of the network with twice the batch. Both conditions then have the same
        names, and where they differ a row for each sample.

    Raises
    ------
    TypeError
        If the denoiser is no `Denoiser`, or ``unconditional`` no mapping.
    ValueError
        If ``rescale`` lies outside [0, 1] or the interval is empty; in a run, if ``together`` the conditions cannot be
        laid side by side.

    Notes
    -----
    Ho & Salimans 2022; the interval: Kynkäänniemi et al. 2024; the rescaling: Lin et al. 2023, §3.4.

    Examples
    --------
    >>> def network(x, t, label=None):
    ...     return 0 * x
    >>> labelled = Denoiser(network, predicts="noise", condition={"label": 7})
    >>> classifier_free(labelled, scale=3.0, unconditional={"label": None})
    ClassifierFree(Denoiser(network predicts noise, VPLinear))
    """
    check_denoiser(denoiser)
    if not isinstance(unconditional, Mapping):
        raise TypeError(
            f"expected the unconditional condition as a mapping; received {type(unconditional).__name__}; pass a dict "
            "such as {'label': None}, or {} for a network called without"
        )
    scale, rescale = _scale("scale", scale), number("rescale", rescale)
    if not 0.0 <= rescale <= 1.0:
        raise ValueError(f"expected rescale from 0 (not at all) to 1; received {rescale!r}")
    if interval is not None:
        real_values("interval", interval)
    if interval is not None and (np.shape(interval) != (2,) or not interval[0] < interval[1]):
        raise ValueError(f"expected an interval (low, high) of times; received {interval!r}; exchange its ends")
    ends = (-float("inf"), float("inf")) if interval is None else (float(interval[0]), float(interval[1]))
    rule = _ClassifierFree(scale, unconditional, ends, rescale, flag("together", together))
    return guided(denoiser, rule, denoiser.predicts, ends if interval is not None else ())


def _scale(name: str, value: Any) -> Any:
    """Return a number, or an array or tensor of such as it is: it may ask for a gradient, or differ by sample."""
    if not is_array(value) or isinstance(value, np.generic):
        return number(name, value)
    real = array_namespace(value).isdtype(value.dtype, ("real floating", "integral"))
    if not real or isinstance(value, np.ma.MaskedArray) or not has_values(value) or not all_finite(value):
        raise TypeError(f"expected {name} as a finite real number, or an array of such, received {seen(value)}")
    return value


def classifier_guided(
    denoiser: Denoiser, gradient: Callable[[Array, float], Array], scale: float | Array = 1.0
) -> Denoiser:
    """Return the denoiser whose score is that of ``denoiser`` plus ``scale`` · ∇ₓ log p(c | x).

    Parameters
    ----------
    denoiser
        The denoiser to guide.
    gradient
        ∇ₓ log p(c | x) as a function of (x, t), of the shape and dtype of x.
    scale
        Its weight.

    Raises
    ------
    ValueError
        In a run, if the gradient is no array like x, or if α = 0 and an infinite change of the prediction is wanted.

    Notes
    -----
    Dhariwal & Nichol 2021. ε changes by −σ · scale · gradient while x stays, and any other prediction accordingly.

    Examples
    --------
    >>> import numpy as np, diffusion
    >>> net = diffusion.models.gaussian_mixture([1.0], [[0.0]], [[[1.0]]])
    >>> vp = net.schedule  # an observation 1 of x₀ with noise of variance 1 is N(α x, 1 + σ²) given x
    >>> slope = lambda x, t: vp.alpha(t) * (1.0 - vp.alpha(t) * x) / (1.0 + vp.sigma(t) ** 2)
    >>> guided = diffusion.guidance.classifier_guided(net, slope)
    >>> made = diffusion.sample(guided, np.array([[-1.0], [1.0]]), steps=20)  # of mean and variance 1/2 each
    >>> bool(np.allclose(made[:, 0], [0.5 - 0.5**0.5, 0.5 + 0.5**0.5], atol=0.01))
    True
    """
    check_denoiser(denoiser)
    function("gradient", gradient, "(x, t) ↦ ∇ log p(c | x)")
    scale = _scale("scale", scale)
    return guided(denoiser, _ClassifierGuided(gradient, scale), denoiser.predicts)


def thresholded(denoiser: Denoiser, quantile: float = 0.995, limit: float = 1.0) -> Denoiser:
    """Return the denoiser with its prediction of the data brought back into [−``limit``, ``limit``] ("data" output).

    For each sample, s is the larger of ``limit`` and the ``quantile`` of |x₀|; x₀ is clipped to [−s, s] and scaled by
    limit/s: dynamic thresholding of Saharia et al. 2022, §2.3. Quantile 1 with data within the limits changes nothing.

    Raises
    ------
    ValueError
        If the quantile lies outside [0, 1] or the limit is not positive.

    Examples
    --------
    >>> import numpy as np, diffusion
    >>> net = diffusion.models.gaussian_mixture([1.0], [[0.0]], [[[9.0]]])
    >>> bounded = diffusion.guidance.thresholded(net)
    >>> bool(abs(diffusion.sample(bounded, np.array([[2.0]]), steps=20)[0, 0]) < 1.1)
    True
    """
    check_denoiser(denoiser)
    quantile, limit = number("quantile", quantile), number("limit", limit, finite=False)
    if not 0.0 <= quantile <= 1.0 or not limit > 0.0:
        raise ValueError(f"expected a quantile in [0, 1] and a limit > 0; received {quantile!r} and {limit!r}")
    return guided(denoiser, _Thresholded(quantile, limit), "data")


def corrected(denoiser: Denoiser, function_of_data: Callable[[Array, float], Array]) -> Denoiser:
    """Return the denoiser with f(x₀, t) for its prediction x₀ of the data ("data" output).

    Parameters
    ----------
    denoiser
        The denoiser.
    function_of_data
        f, whose output is like x₀: clipping, a projection onto what is known, a model of its own.

    Raises
    ------
    TypeError
        If f is no function.
    ValueError
        In a run, if its output is not like x₀.

    Examples
    --------
    >>> import numpy as np, diffusion
    >>> net = diffusion.models.gaussian_mixture([1.0], [[0.0]], [[[1.0]]])
    >>> positive = diffusion.guidance.corrected(net, lambda data, t: np.abs(data))
    >>> bool(diffusion.sample(positive, np.array([[-0.7]]), steps=20)[0, 0] > -0.1)
    True
    """
    check_denoiser(denoiser)
    function("function_of_data", function_of_data, "(x₀, t) ↦ x₀")
    return guided(denoiser, Corrected(function_of_data), "data")


@dataclass(frozen=True, eq=False)
class _ClassifierFree(Rule):
    """The rule of `classifier_free`."""

    scale: float
    unconditional: Mapping[str, Any]
    interval: tuple[float, float]
    rescale: float
    together: bool

    def __call__(self, source: Denoiser, x: Array, t: float) -> Array:
        if not self.interval[0] < t <= self.interval[1]:
            return source(x, t)
        if self.together:
            output, without = outputs_of_both(source, self.unconditional, x, t)
        else:
            output, without = source(x, t), source.with_condition(self.unconditional)(x, t)
        guided = without + self.scale * (output - without)
        return self._rescaled(output, guided)

    def _rescaled(self, output: Array, guided: Array) -> Array:
        if self.rescale == 0.0:
            return guided
        return guided * (1.0 - self.rescale + self.rescale * _ratio_of_spreads(output, guided))

    def each(self, source: Denoiser, x: Array, t: np.ndarray) -> Array:
        """Return the output at a time of its own for each sample; the second call is for those in the interval."""
        count, inside = len(t), np.flatnonzero((self.interval[0] < t) & (t <= self.interval[1]))
        if self.together and len(inside) == count:
            output, without = outputs_of_both(source, self.unconditional, x, t)
            return self._rescaled(output, without + self.scale * (output - without))
        output = source.at_each(x, t)
        if not len(inside):
            return output
        own, scale = source.of_samples(inside, count), rows_of(self.scale, inside, count)
        unconditional = rows_of(self.unconditional, inside, count)
        without = own.with_condition(unconditional).at_each(rows_of(x, inside, count), t[inside])
        with_condition = rows_of(output, inside, count)
        guided = self._rescaled(with_condition, without + scale * (with_condition - without))
        if len(inside) == count:
            return guided
        outside = np.setdiff1d(np.arange(count), inside)
        whole = array_namespace(x).concat([guided, rows_of(output, outside, count)])
        return rows_of(whole, np.argsort(np.concatenate([inside, outside])), count)


@dataclass(frozen=True, eq=False)
class _ClassifierGuided(Rule):
    """The rule of `classifier_guided`."""

    gradient: Callable[[Array, float], Array]
    scale: float

    def __call__(self, source: Denoiser, x: Array, t: float) -> Array:
        schedule = source.schedule
        alpha, sigma = float(schedule.alpha(t)), float(schedule.sigma(t))
        p, q = basis(source.predicts, alpha, sigma, schedule.sigma_data)
        if alpha == 0.0 != p:
            raise ValueError(
                f"expected α > 0, received α = 0 at t = {t}, where a change of the score changes a "
                f"{source.predicts!r} prediction infinitely; start later, at less noise"
            )
        change = like_input(self.gradient(x, t), x, "the gradient")
        return source(x, t) - (self.scale * sigma * (q - p * sigma / alpha if p else q)) * change


@dataclass(frozen=True, eq=False)
class _Thresholded(Rule):
    """The rule of `thresholded`."""

    quantile: float
    limit: float

    def __call__(self, source: Denoiser, x: Array, t: float) -> Array:
        return self._limited(source.predict(x, t, "data"))

    def each(self, source: Denoiser, x: Array, t: np.ndarray) -> Array:
        """Return the output at a time of its own for each sample."""
        return self._limited(source.predict_each(x, t, "data"))

    def _limited(self, data: Array) -> Array:
        xp = array_namespace(data)
        size = xp.sort(xp.abs(xp.reshape(data, (data.shape[0], -1))), axis=1)
        below, part = divmod(self.quantile * (size.shape[1] - 1), 1.0)
        lower, upper = size[:, int(below)], size[:, min(int(below) + 1, size.shape[1] - 1)]
        s = xp.clip(lower + part * (upper - lower), self.limit, None)
        s = xp.reshape(s, (-1, *[1] * (data.ndim - 1)))
        return xp.where(data > s, s, xp.where(data < -s, -s, data)) * (self.limit / s)


@dataclass(frozen=True, eq=False)
class Corrected(Rule):
    """The rule of `corrected`."""

    function_of_data: Callable[[Array, float], Array]

    def __call__(self, source: Denoiser, x: Array, t: float) -> Array:
        """Return the output at one time."""
        return like_input(self.function_of_data(source.predict(x, t, "data"), t), x, "the function of the data")

    def each(self, source: Denoiser, x: Array, t: np.ndarray) -> Array | None:
        """Return the output at a time of its own for each sample, None where the function asks for one time."""
        if not getattr(self.function_of_data, "timeless", False):
            return None
        return like_input(self.function_of_data(source.predict_each(x, t, "data"), 0.0), x, "the function of the data")


def _ratio_of_spreads(wanted: Array, found: Array) -> Array:
    """Return the standard deviation of each sample of ``wanted`` over that of ``found``, shaped to multiply them.

    Where what is found does not vary, as in samples of one element, nothing is to be brought back: 1.
    """
    xp = array_namespace(wanted)
    axes = tuple(range(1, wanted.ndim))
    if not axes:
        return xp.ones_like(wanted)
    spread = xp.std(found, axis=axes, keepdims=True)
    ratio = xp.std(wanted, axis=axes, keepdims=True) / xp.where(spread > 0.0, spread, xp.ones_like(spread))
    return xp.where(spread > 0.0, ratio, xp.ones_like(ratio))
