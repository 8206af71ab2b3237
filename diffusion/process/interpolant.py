"""Stochastic interpolants: processes between two data sets, and what a network may predict of them.

x_t = a(t) x₀ + c(t) x₁ + γ(t) z, from x₀ at t = 0 to x₁ at t = 1, z standard normal. Everything that is predicted is a
combination of the three means e₀ = E[x₀|x], e₁ = E[x₁|x] and E[z|x] = −γ s, s = ∇ log p_t(x); the state is another. So
the velocity follows from any outputs that, with x, span it: a small linear system, solved at each time in (e₀, e₁, −s),
where nothing is infinite at the ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from diffusion.names import resolve
from diffusion.process.schedule import FlowMatching, NoiseSchedule
from diffusion.process.vp import VP
from expint.arguments import number
from expint.arrays import real_values
from expint.backend import Array, array_namespace, asarray_like, is_array

__all__ = ["FORMS", "GAMMAS", "KINDS", "Coefficient", "Combination", "Interpolant"]

Coefficient: TypeAlias = Callable[[Any], Any]
"""A function of t, analytic and written with NumPy, so that it takes complex t and is differentiated there."""


def _zero(t: Any) -> Any:
    return 0.0 * t


def _one(t: Any) -> Any:
    return 0.0 * t + 1.0


def _falling(t: Any) -> Any:
    return 1.0 - t


def _rising(t: Any) -> Any:
    return 1.0 * t


def _cosine(t: Any) -> Any:
    return np.sin(0.5 * np.pi * (1.0 - t))


def _sine(t: Any) -> Any:
    return np.sin(0.5 * np.pi * t)


def _encoded(t: Any) -> Any:
    return np.where(np.real(t) < 0.5, np.cos(np.pi * t) ** 2, 0.0)


def _decoded(t: Any) -> Any:
    return np.where(np.real(t) > 0.5, np.cos(np.pi * t) ** 2, 0.0)


def _root(t: Any) -> Any:
    return np.sqrt(t * (1.0 - t))


def _product(t: Any) -> Any:
    return t * (1.0 - t)


def _sine_squared(t: Any) -> Any:
    return np.sin(np.pi * t) ** 2


GAMMAS: dict[str, Coefficient] = {
    "root": _root,
    "product": _product,
    "sine-squared": _sine_squared,
    "falling": _falling,
    "cosine": _cosine,
    "none": _zero,
}
"""Scales γ of the noise by name: √(t(1−t)), t(1−t), sin² πt, 1−t, cos πt/2, 0."""


class Form(NamedTuple):
    """a and c, the γ that goes with them, and the equal noise schedule in the time 1 − t, if there is one."""

    a: Coefficient
    c: Coefficient
    gamma: str
    schedule: NoiseSchedule | None = None


FORMS: dict[str, Form] = {
    "linear": Form(_falling, _rising, "root"),
    "trigonometric": Form(_cosine, _sine, "root"),
    "encode-decode": Form(_encoded, _decoded, "sine-squared"),
    "one-sided-linear": Form(_zero, _rising, "falling", FlowMatching()),
    "one-sided-trigonometric": Form(_zero, _sine, "cosine", VP.cosine(0.0)),
    "mirror": Form(_zero, _one, "root"),
}
"""The forms by name."""

KINDS = ("velocity", "drift", "score", "denoiser", "data0", "data1")
"""What a network may predict: ẋ_t, its part ȧ e₀ + ċ e₁, ∇ log p_t, E[z|x], e₀, e₁."""

_ALIASES = {"b": "velocity", "v": "drift", "s": "score", "eta": "denoiser", "η": "denoiser", "noise": "denoiser"}
_OF = {"data0": 0, "data1": 1, "score": 2, "denoiser": 2}  # the mean that a kind is a multiple of
_STEP = 1e-30


class Combination(NamedTuple):
    """A kind of prediction as ``of_state`` · x + Σ ``of_outputs``[i] · output i."""

    of_state: float
    of_outputs: tuple[float, ...]


@dataclass(frozen=True)
class Interpolant:
    """The process x_t = a(t) x₀ + c(t) x₁ + γ(t) z from one data set to another, t from 0 to 1.

    Its probability flow is ẋ = b(t, x) = E[ȧ x₀ + ċ x₁ + γ̇ z | x_t = x], whose solutions have the law of x_t at every
    time, either way; `diffusion.transport` solves it.

    Parameters
    ----------
    form
        a and c: "linear" (1 − t, t), "trigonometric" (cos πt/2, sin πt/2), "encode-decode" (cos² πt before and after
        t = 1/2), "one-sided-linear" (0, t) and "one-sided-trigonometric" (0, sin πt/2), whose first data are the noise
        itself, "mirror" (0, 1), or a pair of functions of t.
    gamma
        γ: "root" √(t(1−t)), "product" t(1−t), "sine-squared" sin² πt, "none", or a function of t. None is what goes
        with the form: "root", "sine-squared" for "encode-decode", 1 − t and cos πt/2 for the one-sided.

    Raises
    ------
    TypeError
        If the form is neither a name nor a pair of functions, or γ neither a name nor a function.
    ValueError
        If a name is unknown, or a function is not finite and real inside (0, 1).

    Notes
    -----
    Albergo, Boffi & Vanden-Eijnden, *Stochastic interpolants: a unifying framework for flows and diffusions*, 2023.
    Functions are given complex times, t + 1e-30 i: their imaginary part is the derivative, to rounding.

    Examples
    --------
    >>> process = Interpolant("linear", gamma="root")
    >>> b = process.combination(("drift", "score"), "velocity", 0.25)  # b = v − γ γ̇ s
    >>> b.of_state, [round(weight, 12) for weight in b.of_outputs]
    (0.0, [1.0, -0.25])
    """

    form: str | tuple[Coefficient, Coefficient] = "linear"
    gamma: str | Coefficient | None = None

    def __post_init__(self) -> None:
        if isinstance(self.form, str):
            object.__setattr__(self, "form", resolve(self.form, FORMS, {}, "form"))
        elif not (isinstance(self.form, tuple) and len(self.form) == 2 and all(map(callable, self.form))):
            raise TypeError(
                f"expected the form as a name or a pair (a, c) of functions of t, received {self.form!r:.80}"
            )
        if isinstance(self.gamma, str):
            object.__setattr__(self, "gamma", resolve(self.gamma, GAMMAS, {}, "gamma"))
        elif self.gamma is not None and not callable(self.gamma):
            raise TypeError(f"expected gamma as a name or a function of t, received {self.gamma!r:.80}")
        for name, values in zip(("a", "c", "γ"), self.coefficients(np.array([0.25, 0.75]))):
            if not np.isfinite(values).all():
                raise ValueError(
                    f"expected {name} to be finite and real for 0 < t < 1, received {values.tolist()} at t = 1/4 and "
                    "3/4; write it with NumPy's functions of t"
                )

    @property
    def schedule(self) -> NoiseSchedule:
        """The noise schedule that a one-sided process is, its time 1 − t: every sampler of `diffusion.sample` runs it.

        Raises
        ------
        ValueError
            If the process has two data sets, or a γ of its own.
        """
        found = FORMS[self.form].schedule if isinstance(self.form, str) and self.gamma is None else None
        if found is None:
            raise ValueError(
                f"expected a one-sided form with its own γ, received {self!r}, which is no noise schedule; run it by "
                "diffusion.transport"
            )
        return found

    def coefficients(self, t: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return a, c and γ at the times ``t``, numbers or an array of them, in double precision."""
        at = real_values("t", t)
        with np.errstate(all="ignore"):
            return tuple(_real(f(at.astype(complex)), at) for f in self._functions)  # type: ignore[return-value]  # three functions

    def combination(self, outputs: str | Sequence[str], target: str, t: float) -> Combination:
        """Return how the ``target`` kind follows from x and ``outputs`` of some kinds at the time ``t``.

        x is not used where the outputs are enough.

        Raises
        ------
        ValueError
            If a kind is unknown, or if x and the outputs do not determine the target there.
        """
        t = number("t", t, least=0.0, most=1.0)
        kinds = (outputs,) if isinstance(outputs, str) else tuple(outputs)
        named = list(map(_kind, kinds))
        if _kind(target) in named:
            return Combination(0.0, tuple(float(kind == _kind(target)) for kind in named))
        columns = [self._vector(kind, t) for kind in kinds]
        wanted, state = self._vector(target, t), self._state(t)
        for first, used in ((0, columns), (1, [state, *columns])):
            matrix = np.array(used).T
            scale = np.linalg.norm(matrix, axis=0)
            if not np.isfinite(matrix).all() or not np.isfinite(wanted).all():
                break
            found = np.linalg.lstsq(matrix / np.where(scale > 0.0, scale, 1.0), wanted, rcond=1e-13)[0]
            found = found / np.where(scale > 0.0, scale, 1.0)
            if np.abs(matrix @ found - wanted).max() <= 1e-12 * (np.abs(matrix) @ np.abs(found) + np.abs(wanted)).max():
                numbers = [0.0] * (1 - first) + found.tolist()
                return Combination(numbers[0], tuple(numbers[1:]))
        raise ValueError(
            f"expected outputs that with x determine the {target} at t = {t:g}, received {', '.join(kinds)}; keep away "
            "from that time (grid=), or let the network predict the velocity, or the drift and the score"
        )

    def state(self, first: Array, second: Array, noise: Array, t: Array) -> Array:
        """Return x_t for samples of both data sets and noise, (B, …), at times (B,) or a number."""
        return self._combined(self.coefficients(_host(t)), first, second, noise)

    def target(self, kind: str, first: Array, second: Array, noise: Array, t: Array) -> Array:
        """Return what a network that predicts the ``kind`` is to be near in the mean square: x_t in, this out.

        Raises
        ------
        ValueError
            If the kind is unknown, or the score, which is −1/γ times the "denoiser"; train that.
        """
        kind = _kind(kind)
        if kind == "score":
            raise ValueError(
                "expected a kind whose target is finite where γ = 0, received 'score'; train the 'denoiser', −γ s"
            )
        at = _host(t)
        if kind in _OF:
            return 1.0 * (first, second, noise)[_OF[kind]]
        slopes = self._slopes(at)
        return self._combined(slopes if kind == "velocity" else (*slopes[:2], 0.0 * at), first, second, noise)

    def eliminated(self, outputs: Sequence[str]) -> int | None:
        """Return which mean, of x₀, x₁ or z, is eliminated by x where the means among ``outputs`` are predicted.

        None where the outputs need no x.
        """
        named = {_OF[kind] for kind in map(_kind, outputs) if kind in _OF}
        left = [i for i in range(3) if i not in named and self._functions[i] is not _zero]
        return left[0] if named and len(left) == 1 and not {"velocity", "drift"} & set(outputs) else None

    @property
    def _functions(self) -> tuple[Coefficient, Coefficient, Coefficient]:
        a, c = FORMS[self.form][:2] if isinstance(self.form, str) else self.form
        own = FORMS[self.form].gamma if isinstance(self.form, str) else "root"
        gamma = own if self.gamma is None else self.gamma
        return a, c, GAMMAS[gamma] if isinstance(gamma, str) else gamma

    def _slopes(self, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return ȧ, ċ and γ̇."""
        with np.errstate(all="ignore"):
            return tuple(np.imag(f(t + 1j * _STEP)) / _STEP + 0.0 * t for f in self._functions)

    def _state(self, t: float) -> np.ndarray:
        a, c, gamma = self.coefficients(t)
        return np.array([float(a), float(c), float(gamma) ** 2])

    def _vector(self, kind: str, t: float) -> np.ndarray:
        """Return a kind of prediction in (e₀, e₁, −s)."""
        kind = _kind(kind)
        if kind in _OF:
            size = {"score": -1.0, "denoiser": float(self.coefficients(t)[2])}.get(kind, 1.0)
            return size * np.eye(3)[_OF[kind]]
        of_first, of_second, _ = self._slopes(np.asarray(t))
        squared = self._functions[2](np.asarray(t + 1j * _STEP)) ** 2  # γ γ̇ is finite where γ̇ is not
        half = 0.5 * float(np.imag(squared)) / _STEP if kind == "velocity" else 0.0
        return np.array([float(of_first), float(of_second), half])

    @staticmethod
    def _combined(weights: Sequence[np.ndarray], first: Array, second: Array, noise: Array) -> Array:
        total: Any = 0.0
        for weight, part in zip(weights, (first, second, noise)):
            shaped = asarray_like(np.reshape(weight, (-1, *[1] * (part.ndim - 1))), part) if weight.ndim else weight
            total = total + (shaped if weight.ndim else float(weight)) * part
        return total


def _kind(name: str) -> str:
    return resolve(name, dict.fromkeys(KINDS), _ALIASES, "prediction")


def _real(values: Any, t: np.ndarray) -> np.ndarray:
    """Return real values of the shape of ``t``; nan where they are not."""
    if np.asarray(values).dtype.kind not in "fciu":
        raise TypeError(
            f"expected a function of t that returns numbers, received {type(values).__name__} from it; write it with "
            "NumPy's functions of t"
        )
    found = np.asarray(values) + 0.0 * t
    return np.where(np.imag(found) == 0.0, np.real(found), np.nan)


def _host(t: Any) -> np.ndarray:
    """Return times in double precision on the host."""
    return real_values("t", np.asarray(t) if not is_array(t) else array_namespace(t).asarray(t))
