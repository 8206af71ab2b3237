"""Gauges: in which scaled state, and which clock, the sampling equation is y′ = L y + N with constant L.

With y = a(s) x₀ + b(s) ε along the flow, y′ = a′ x₀ + b′ ε. What the network predicts is p x₀ + q ε. Then
y′ = L y + n (p x₀ + q ε) has one solution (L, n) for each s; a gauge is a choice of a, b, s and the prediction for
which both are constants. They are derived here, by computer algebra, from a and b alone.
"""

# ruff: noqa: ARG005  (a and b share one signature; some need no module, s or σ_data)

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Any, Protocol

from diffusion.process.clock import ANGLE, LAMBDA, LOG_FLOW, StateClock, edm_angle
from diffusion.process.clock import FLOW as FLOW_CLOCK
from diffusion.process.clock import RHO as RHO_CLOCK
from diffusion.process.clock import SIGNAL as SIGNAL_CLOCK
from diffusion.process.keeping import kept_of_values
from diffusion.process.pointwise import pointwise
from diffusion.process.prediction import Kind, conversion, formula
from diffusion.process.prediction import interpolated as interpolated_prediction
from diffusion.process.schedule import NoiseSchedule
from expint.arguments import number
from expint.backend import Array

__all__ = [
    "DATA",
    "FLOW",
    "FLOW_DATA",
    "GAUGES",
    "NOISE",
    "RHO",
    "SIGNAL",
    "VELOCITY",
    "Gauge",
    "StateGauge",
    "edm",
    "interpolated",
]


class StateGauge(Protocol):
    """What a run asks of a gauge: a scaled state, its clock, and what the network is to predict for its equation.

    Where the equation has a constant linear part it is a `Gauge`.

    Examples
    --------
    >>> import diffusion
    >>> gauge: diffusion.gauge.StateGauge = diffusion.gauge.NOISE
    >>> gauge.name, gauge.predicts, gauge.clock.name
    ('noise', 'noise', 'lambda')
    """

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def clock(self) -> StateClock:
        """The clock s as a function of α and σ."""

    @property
    def predicts(self) -> Kind:
        """The kind of prediction that the equation contains."""

    def data(self, schedule: NoiseSchedule, t: float, x: Array, slope: Array) -> Array:
        """Return x₀ where the network has returned ``slope`` at the state ``x`` and the time t of the ``schedule``."""


@dataclass(frozen=True)
class Gauge:
    """The equation dy/ds = L y + n · prediction of the scaled state y = a x₀ + b ε.

    Parameters
    ----------
    name
        Its name.
    clock
        s as a function of α and σ.
    a, b
        The components of y as functions of (module, s, σ_data), where the module offers ``exp``, ``cos``, … for s: an
        array namespace for numbers, sympy for symbols. Their ratio b/a must be σ/α.
    predicts
        The kind of prediction that the equation contains, by name or formula.
    sigma_data
        Standard deviation of the data; only the ``"edm"`` prediction reads it.

    Examples
    --------
    >>> import diffusion
    >>> diffusion.gauge.DATA.linear, diffusion.gauge.NOISE.linear
    (Fraction(-1, 1), Fraction(1, 1))
    """

    name: str
    clock: StateClock
    a: Callable[[Any, Any, Any], Any]
    b: Callable[[Any, Any, Any], Any]
    predicts: Kind
    sigma_data: Fraction = Fraction(1, 2)
    made_by: tuple[Any, ...] | None = field(default=None, repr=False, compare=False)
    """How a gauge of ours is found again in another process: a function and its arguments."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Return how to make it again; functions without a name, of which gauges consist, cannot be sent."""
        return super().__reduce_ex__(protocol) if self.made_by is None else (self.made_by[0], self.made_by[1:])

    def __repr__(self) -> str:
        predicts = self.predicts if isinstance(self.predicts, str) else "a formula"
        return f"Gauge({self.name!r}, clock {self.clock.name}, predicts {predicts})"

    @property
    def linear(self) -> Fraction:
        """L, the exact constant in dy/ds = L y + n · prediction.

        Raises
        ------
        ValueError
            If L or n is not a rational constant in this clock.
        """
        return _derive(self)[0]

    @property
    def nonlinear(self) -> Fraction:
        """The exact constant n in dy/ds = L y + n · prediction; raises as `linear` does."""
        return _derive(self)[1]

    @property
    def constants(self) -> tuple[float, float]:
        """(`linear`, `nonlinear`) in double precision, found without computer algebra, which takes long to load."""
        return _measure(self)

    def scale(self, alpha: Array, sigma: Array) -> Array:
        """Return x/y where x = α x₀ + σ ε: numbers for numbers, arrays for arrays."""
        return pointwise(self._scale, alpha, sigma)

    def data(self, schedule: NoiseSchedule, t: float, x: Array, slope: Array) -> Array:
        """Return x₀ where the network has returned ``slope`` at the state ``x`` and the time t of the ``schedule``."""
        of_state, of_slope = conversion(schedule, self.predicts, "data", t)
        return of_state * x + of_slope * slope

    def _scale(self, xp: Any, alpha: Any, sigma: Any) -> Any:
        s = self.clock.at(alpha, sigma)
        a, b = (component(xp, s, float(self.sigma_data)) for component in (self.a, self.b))
        if isinstance(a, int):
            return alpha / a  # exact where a component is constant
        if isinstance(b, int):
            return sigma / b
        return xp.hypot(alpha, sigma) / xp.hypot(a, b)


@kept_of_values(maxsize=64)
def _derive(gauge: Gauge) -> tuple[Fraction, Fraction]:
    """Return the exact (L, n) of ``gauge``."""
    import sympy

    s = sympy.Symbol("s", positive=True)
    sigma_data = sympy.Rational(gauge.sigma_data.numerator, gauge.sigma_data.denominator)
    a, b = (sympy.Integer(0) + component(sympy, s, sigma_data) for component in (gauge.a, gauge.b))
    p, q = formula(gauge.predicts, sympy, a, b, sigma_data)  # of degree 0 in (α, σ)
    determinant = a * q - b * p
    linear = sympy.simplify((a.diff(s) * q - b.diff(s) * p) / determinant)
    nonlinear = sympy.simplify((a * b.diff(s) - b * a.diff(s)) / determinant)
    if not (linear.is_Rational and nonlinear.is_Rational):
        raise ValueError(
            f"expected rational constants L and n in dy/ds = L y + n · {gauge.predicts}; "
            f"received L = {linear}, n = {nonlinear} in the clock {gauge.clock.name!r} of the gauge {gauge.name!r}; "
            "choose another clock or scaling"
        )
    return Fraction(int(linear.p), int(linear.q)), Fraction(int(nonlinear.p), int(nonlinear.q))


@kept_of_values(maxsize=64)
def _measure(gauge: Gauge) -> tuple[float, float]:
    """Return (L, n) as numbers, a′ and b′ by steps in the imaginary direction, which do not cancel."""
    sigma_data, found = float(gauge.sigma_data), []
    for s in _PLACES:
        try:
            pair = [complex(component(cmath, complex(s, _STEP), sigma_data)) for component in (gauge.a, gauge.b)]
        except AttributeError:  # a function that only computer algebra knows
            break
        (a, b), (da, db) = (value.real for value in pair), (value.imag / _STEP for value in pair)
        p, q = formula(gauge.predicts, math, a, b, sigma_data)
        determinant = a * q - b * p
        found.append(((da * q - db * p) / determinant, (a * db - b * da) / determinant))
    if len(found) < len(_PLACES) or any(not math.isclose(x, y, abs_tol=1e-12) for x, y in zip(found[0], found[-1])):
        linear, nonlinear = _derive(gauge)
        return float(linear), float(nonlinear)
    return _rounded(found[0][0]), _rounded(found[0][1])


def _rounded(value: float) -> float:
    """Return the simple fraction that ``value`` is but for rounding, or the value itself."""
    simple = float(Fraction(value).limit_denominator(1000))
    return simple if math.isclose(value, simple, rel_tol=1e-14, abs_tol=1e-14) else value


_PLACES = (0.3, 0.8)  # within the range of every clock
_STEP = 1e-30


def _found(name: str) -> Gauge:
    return GAUGES[name]


def _named(name: str, clock: StateClock, a: Any, b: Any, predicts: Kind) -> Gauge:
    return Gauge(name, clock, a, b, predicts, made_by=(_found, name))


NOISE = _named("noise", LAMBDA, a=lambda m, s, d: m.exp(s), b=lambda m, s, d: 1, predicts="noise")
DATA = _named("data", LAMBDA, a=lambda m, s, d: 1, b=lambda m, s, d: m.exp(-s), predicts="data")
RHO = _named("rho", RHO_CLOCK, a=lambda m, s, d: 1, b=lambda m, s, d: s, predicts="noise")
SIGNAL = _named("signal", SIGNAL_CLOCK, a=lambda m, s, d: s, b=lambda m, s, d: 1, predicts="data")
VELOCITY = _named("velocity", ANGLE, a=lambda m, s, d: m.cos(s), b=lambda m, s, d: m.sin(s), predicts="velocity")
FLOW = _named("flow", FLOW_CLOCK, a=lambda m, s, d: 1 - s, b=lambda m, s, d: s, predicts="flow")
FLOW_DATA = _named("flow-data", LOG_FLOW, a=lambda m, s, d: 1 - m.exp(-s), b=lambda m, s, d: m.exp(-s), predicts="data")


def edm(sigma_data: float = 0.5) -> Gauge:
    """Return the gauge of EDM's preconditioned network F: y = x/√(σ² + σ_data²) for α = 1, clock arctan(ρ/σ_data).

    Examples
    --------
    >>> import diffusion
    >>> diffusion.gauge.edm(0.5).predicts
    'edm'
    """
    return _edm(number("sigma_data", sigma_data, above=0.0))


@lru_cache(maxsize=64)
def _edm(sigma_data: float) -> Gauge:
    return Gauge(
        "edm",
        edm_angle(sigma_data),
        a=lambda m, s, d: m.cos(s) / d,
        b=lambda m, s, d: m.sin(s),
        predicts="edm",
        sigma_data=Fraction(sigma_data),
        made_by=(edm, sigma_data),
    )


def interpolated(linear: Fraction | float) -> Gauge:
    """Return the gauge between the data gauge, L = −1, and the noise gauge, L = 1: y = (α/σ)^{(1+L)/2} x/α, clock λ.

    Raises
    ------
    ValueError
        If L lies outside [−1, 1].

    Examples
    --------
    >>> import diffusion
    >>> diffusion.gauge.interpolated(0.5).constants[0]
    0.5
    """
    number("linear, from that of the data gauge to that of the noise gauge,", linear, least=-1, most=1)
    return _interpolated(linear if isinstance(linear, Fraction) else Fraction(float(linear)))


@lru_cache(maxsize=64)
def _interpolated(exact: Fraction) -> Gauge:
    ends = {Fraction(-1): DATA, Fraction(1): NOISE}
    if exact in ends:
        return ends[exact]
    c = (1 + exact) / 2

    def as_number(m: Any, value: Fraction) -> Any:
        return m.Rational(value.numerator, value.denominator) if hasattr(m, "Rational") else float(value)

    return Gauge(
        f"interpolated({float(exact):g})",
        LAMBDA,
        a=lambda m, s, d: m.exp(as_number(m, c) * s),
        b=lambda m, s, d: m.exp(as_number(m, c - 1) * s),
        predicts=interpolated_prediction(exact),
        made_by=(interpolated, exact),
    )


GAUGES: dict[str, Gauge] = {gauge.name: gauge for gauge in (NOISE, DATA, RHO, SIGNAL, VELOCITY, FLOW, FLOW_DATA, edm())}
"""The gauges by name; ``"edm"`` is that of σ_data = 1/2."""
