"""What a network may predict: one affine algebra in the basis (x₀, ε).

Every kind of output is p x₀ + q ε with p, q functions of α and σ, and so is the state itself, x = α x₀ + σ ε. Any
conversion is therefore the solution of two linear equations, and no pair of kinds needs a formula of its own.
"""

# ruff: noqa: ARG005  (the kinds share one signature; some need no namespace, α, σ or σ_data)

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

from diffusion.names import resolve
from diffusion.process.keeping import kept_of_values
from expint.arguments import number
from expint.arrays import numeric, together
from expint.backend import Array, array_namespace

__all__ = [
    "PREDICTIONS",
    "Kind",
    "Prediction",
    "basis",
    "coefficients",
    "conversion",
    "convert",
    "formula",
    "interpolated",
    "prediction_name",
]


class Prediction(NamedTuple):
    """A kind of network output, p x₀ + q ε; both coefficients are functions of (xp, α, σ, σ_data)."""

    p: Callable[[Any, Any, Any, Any], Any]
    q: Callable[[Any, Any, Any, Any], Any]

    def __reduce__(self) -> Any:
        """Return how a kind of ours is found again in another process: by name."""
        name = next((name for name, kind in PREDICTIONS.items() if kind is self), None)
        return (Prediction, tuple(self)) if name is None else (_named, (name,))


def _named(name: str) -> Prediction:
    return PREDICTIONS[name]


Kind: TypeAlias = str | Prediction
"""A kind of network output, by name or by formula."""


def _hypot(xp: Any, a: Any, b: Any) -> Any:
    return xp.sqrt(a * a + b * b)


PREDICTIONS: dict[str, Prediction] = {
    "noise": Prediction(lambda xp, a, s, d: 0, lambda xp, a, s, d: 1),
    "data": Prediction(lambda xp, a, s, d: 1, lambda xp, a, s, d: 0),
    # ∇ log p(x) = −E[ε|x]/σ
    "score": Prediction(lambda xp, a, s, d: 0, lambda xp, a, s, d: -1 / s),
    # α ε − σ x₀ for α² + σ² = 1 (Salimans & Ho 2022), else the same of the normalised process
    "velocity": Prediction(lambda xp, a, s, d: -s / _hypot(xp, a, s), lambda xp, a, s, d: a / _hypot(xp, a, s)),
    # dx/dt of the straight path (1 − t) x₀ + t ε
    "flow": Prediction(lambda xp, a, s, d: -1, lambda xp, a, s, d: 1),
    # F of Karras et al. 2022, (x₀ − c_skip x)/c_out for α = 1, else the same with x/α for x
    "edm": Prediction(
        lambda xp, a, s, d: s / (d * _hypot(xp, a * d, s)),
        lambda xp, a, s, d: -a * d / _hypot(xp, a * d, s),
    ),
}
"""The kinds of output by name."""

_OF_NOISE = ("noise", "score")

_ALIASES = {
    "epsilon": "noise",
    "eps": "noise",
    "ε": "noise",
    "x0": "data",
    "x₀": "data",
    "sample": "data",
    "denoised": "data",
    "v": "velocity",
    "v_prediction": "velocity",
    "flow_prediction": "flow",
    "F": "edm",
}


@lru_cache(maxsize=64)
def interpolated(linear: Fraction) -> Prediction:
    """Return (1 − L)/2 (α/σ)^c x₀ − (1 + L)/2 (α/σ)^{c−1} ε, c = (1 + L)/2: x₀ for L = −1, −ε for L = 1.

    It is the slope, less L y, of the state y = (α/σ)^c x/α in the clock λ.
    """
    c, data, noise = (1 + linear) / 2, (1 - linear) / 2, -(1 + linear) / 2
    return Prediction(
        lambda xp, a, s, d: _times_power(xp, data, a / s, c), lambda xp, a, s, d: _times_power(xp, noise, a / s, c - 1)
    )


def _times_power(xp: Any, factor: Fraction, base: Any, exponent: Fraction) -> Any:
    def number(value: Fraction) -> Any:
        return xp.Rational(value.numerator, value.denominator) if hasattr(xp, "Rational") else float(value)

    return number(factor) * base ** number(exponent)


def prediction_name(name: Kind) -> Kind:
    """Return the canonical name of a kind of output; a `Prediction` is returned as it is.

    Raises
    ------
    ValueError
        If it is unknown; the message names the nearest.
    """
    return name if isinstance(name, Prediction) else resolve(name, PREDICTIONS, _ALIASES, "prediction")


def formula(kind: Kind, xp: Any, alpha: Any, sigma: Any, sigma_data: Any) -> tuple[Any, Any]:
    """Return (p, q) of the ``kind`` with the functions of ``xp``: an array namespace, ``math`` or sympy."""
    name = prediction_name(kind)
    p, q = name if isinstance(name, Prediction) else PREDICTIONS[name]
    return p(xp, alpha, sigma, sigma_data), q(xp, alpha, sigma, sigma_data)


def basis(kind: Kind, alpha: Array, sigma: Array, sigma_data: float = 0.5) -> tuple[Array, Array]:
    """Return (p, q) with output = p x₀ + q ε for outputs of the ``kind`` at α, σ (numbers or arrays)."""
    xp = math if isinstance(alpha, float) and isinstance(sigma, float) else array_namespace(alpha, sigma)
    return formula(kind, xp, alpha, sigma, sigma_data)


def coefficients(
    source: Kind, target: Kind, alpha: Array, sigma: Array, sigma_data: float = 0.5
) -> tuple[Array, Array]:
    """Return (A, B) with target = A x + B output, where output is of kind ``source``.

    Both are numbers for numbers α, σ and arrays for arrays. With (p, q) of the source, (p′, q′) of the target and
    Δ = α q − σ p: A = (p′ q − q′ p)/Δ and B = (α q′ − σ p′)/Δ.

    Raises
    ------
    ValueError
        If a kind is unknown, or if α and σ are numbers at which x and the output do not determine the target, such as
        x₀ from a noise prediction at α = 0.
    """
    source, target = prediction_name(source), prediction_name(target)
    if source == target:
        return 0.0, 1.0
    if isinstance(alpha, (int, float)) and isinstance(sigma, (int, float)):
        alpha, sigma = float(alpha), float(sigma)
    try:
        p, q = basis(source, alpha, sigma, sigma_data)
        p_target, q_target = basis(target, alpha, sigma, sigma_data)
        if source in _OF_NOISE and target in _OF_NOISE:  # multiples of ε, also where x tells nothing of it
            return 0.0, q_target / q
        determinant = alpha * q - sigma * p
        return (p_target * q - q_target * p) / determinant, (alpha * q_target - sigma * p_target) / determinant
    except ZeroDivisionError:
        raise ValueError(
            f"expected α and σ at which x and a {source!r} prediction determine {target!r}; "
            f"received α = {alpha}, σ = {sigma}; keep the times where both are positive, or take a network that "
            "predicts the velocity, which determines everything everywhere"
        ) from None


@kept_of_values(maxsize=4096)
def conversion(schedule: Any, source: Kind, target: Kind, t: float) -> tuple[float, float]:
    """Return `coefficients` at the time ``t`` of a schedule; kept, as a run visits the same times again and again."""
    return coefficients(source, target, float(schedule.alpha(t)), float(schedule.sigma(t)), schedule.sigma_data)


def convert(
    output: Array, x: Array, alpha: Array, sigma: Array, source: Kind, target: Kind, sigma_data: float = 0.5
) -> Array:
    """Return the ``target`` kind of prediction, given the ``output`` of kind ``source`` at the state ``x``.

    Parameters
    ----------
    output, x
        Network output and state, of one shape.
    alpha, sigma
        α and σ there: numbers, or arrays that broadcast with ``x``.
    source, target
        Names of kinds: ``"noise"``, ``"data"``, ``"score"``, ``"velocity"``, ``"flow"``, ``"edm"``, or an alias.
    sigma_data
        Standard deviation of the data; only ``"edm"`` reads it.

    Examples
    --------
    With α = 0.6 and σ = 0.8 the state x = 1.4 is made of data 1 and noise 1:

    >>> round(convert(1.0, 1.4, 0.6, 0.8, source="noise", target="data"), 12)
    1.0
    """
    output, x = numeric("output", output), numeric("x", x)
    alpha, sigma = numeric("alpha", alpha), numeric("sigma", sigma)
    sigma_data = number("sigma_data", sigma_data, above=0.0)
    together("output, x, alpha and sigma", output, x, alpha, sigma)
    of_state, of_output = coefficients(source, target, alpha, sigma, sigma_data)
    return of_state * x + of_output * output
