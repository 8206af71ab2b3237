"""Presets that reproduce where well-known libraries deviate from the exact coefficients; each names its origin.

The default samplers are exact. A preset is the same declaration with the deviation stated as data: which φ-function of
a step with so many values of N is replaced by what.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal

import numpy as np

import expint
from diffusion.grids.published import GridRule, diffusers, karras, quadratic_in_t, uniform_in_lambda
from diffusion.planning.interpolation import ScheduleClock
from diffusion.process.gauge import DATA, NOISE, RHO
from diffusion.samplers.deviating import BH1, DPM_SOLVER, HALVED, MIDPOINT, Deviating, Replaced
from diffusion.samplers.ends import End, taper
from diffusion.samplers.pndm import HeunThenAdams
from diffusion.samplers.sampler import Sampler
from expint.derive import Method, PredictorCorrector, Quadrature, lagrange_coefficients

__all__ = ["BH1", "MIDPOINT", "PRESETS", "Deviating", "TaperBelow"]

AtZero = Literal["after", "counted", "refused"]


@dataclass(frozen=True)
class TaperBelow(End):
    """An end that lowers the order only on grids of fewer steps than ``below``, as the libraries do; None: on all.

    Parameters
    ----------
    below
        The number of steps.
    at_zero
        What a step to σ = 0 is to the library: one "after" the others; the last of them, "counted" and of the last
        of the ``orders``; "refused", as it has none or makes nan of it.
    """

    below: int | None = None
    at_zero: AtZero = "after"

    def apply(self, methods: Sequence[Method], *, to_zero: bool = False) -> tuple[Method, ...]:
        """Return the methods of the steps.

        Raises
        ------
        ValueError
            If a step to σ = 0 follows that the library does not make.
        """
        if to_zero and self.at_zero == "refused":
            raise ValueError(
                "expected a grid that ends above σ = 0, received one that ends there: the scheduler that this preset "
                "reproduces has no such step; take the grid without its last time, or another end: "
                "diffusion.sampler(name, end=diffusion.End(zero=1))"
            )
        counted = to_zero and self.at_zero == "counted"
        lowered = self.below is None or len(methods) + counted < self.below
        orders = (self.orders[:-1] if counted else self.orders) if lowered else ()
        return End(orders, self.methods, self.correct or counted, self.zero).apply(methods)


@dataclass(frozen=True)
class RiemannClock(ScheduleClock):
    """The history of th_deis: a left Riemann sum of 10 000 points, uniform in the clock of the polynomial; L = 0 only.

    Polynomials of degree 3, the highest that are integrated, are known by four values, so that the sum is condensed to
    a rule on four nodes without changing it. It is off by the step over 20 000, in the end an error of order 1.

    Raises
    ------
    ValueError
        If the process is not variance preserving: the origin knows no other, and where ρ grows without bound at the
        start, as in flow matching, such a sum is far off.
    """

    points: int = 10_000

    def __post_init__(self) -> None:
        """Refuse other processes than those of the origin."""
        alpha, sigma = (scale(self._times_of_ends) for scale in (self.schedule.alpha, self.schedule.sigma))
        if np.abs(alpha**2 + sigma**2 - 1.0).max() > 1e-6:
            raise ValueError(
                "expected a variance-preserving process for the coefficients of th-deis, which knows no other, "
                f"received {type(self.schedule).__name__}; take the sampler of the same name without '@th-deis', "
                "whose coefficients are exact"
            )

    @cached_property
    def _rules(self) -> list[Quadrature]:
        x = np.arange(self.points) / self.points
        first, length = np.array(self._values_at_ends[:-1]), np.diff(self._values_at_ends)
        nodes = np.arange(4) / 3
        basis = np.array(
            [np.polyval(np.array(row[::-1], dtype=float), x) for row in lagrange_coefficients(list(nodes))]
        )
        sums = np.array([basis @ self._slope(start + width * x) for start, width in zip(first, length)])  # one by one:
        weights = sums * (length / self.points / np.diff(self.ends))[:, None]  # ten thousand points stay in a cache
        values = first[:, None] + length[:, None] * nodes
        return [Quadrature(nodes.tolist(), *rows) for rows in zip(weights.tolist(), values.tolist())]

    def _slope(self, u: np.ndarray) -> np.ndarray:
        """Return ds/du, the clock of the integration by that of the polynomial."""
        if self.polynomial == self.integration:
            return np.ones_like(u)
        times = np.asarray(self.polynomial.time(self.schedule, u))
        return self.integration.rate(self.schedule, times) / self.polynomial.rate(self.schedule, times)


def _multistep(q: int, deviations: tuple[Replaced, ...]) -> Deviating:
    return Deviating(expint.Adams(q, ramp=True), deviations)


_SOLVER = partial(Sampler, grid=uniform_in_lambda)
_GAUGES = {"dpm": (NOISE, "lu2022"), "dpmpp-": (DATA, "lu2022pp")}
_UNIPC = {"": DATA, "-noise": NOISE}

_BH_OF_DIFFUSERS: tuple[tuple[str, tuple[Replaced, ...], str, int | None, AtZero], ...] = (
    ("bh1", BH1, "sigma_min", None, "refused"),  # its samples are nan at σ = 0
    ("bh2", MIDPOINT, "zero", 1, "counted"),
)
_SA: tuple[tuple[str, GridRule, AtZero], ...] = (
    ("sa-solver", uniform_in_lambda, "after"),
    ("diffusers", diffusers("linspace", "sigma_min"), "refused"),
)

_UNROUNDED = diffusers("linspace", spare=0, whole=False)

PRESETS: tuple[Sampler, ...] = (
    *(
        Sampler(
            f"deis-{name}{r}@th-deis",
            expint.Adams(r + 1, ramp=True),
            RHO,
            quadratic_in_t,
            interpolate_in=clock,
            history=RiemannClock,
            reference="zhang2023",
        )
        for name, clock in (("tab", "t"), ("rhoab", "rho"))
        for r in range(4)
    ),
    *(
        _SOLVER(
            f"{prefix}{q}m@dpm-solver",
            _multistep(q, DPM_SOLVER),
            gauge,
            end=TaperBelow(taper(q).orders, below=10),
            reference=reference,
        )
        for prefix, (gauge, reference) in _GAUGES.items()
        for q in (2, 3)
    ),
    *(
        Sampler(
            f"dpmpp-{q}m@diffusers",
            _multistep(q, DPM_SOLVER),
            DATA,
            diffusers("linspace"),
            end=TaperBelow(taper(q).orders, below=15, zero=1, at_zero="counted"),
            reference="lu2022pp",
        )
        for q in (2, 3)
    ),
    *(
        Sampler(
            f"dpm{q}m@diffusers",
            _multistep(q, DPM_SOLVER),
            NOISE,
            diffusers("linspace", "sigma_min"),
            end=TaperBelow(taper(q).orders, below=15, at_zero="refused"),
            reference="lu2022",
        )
        for q in (2, 3)
    ),
    Sampler(
        "ddim@diffusers", expint.Adams(1), RHO, diffusers("leading", spare=0), end=End(zero=1), reference="song2021"
    ),
    Sampler("heun@diffusers", expint.method("lawson-heun2"), RHO, _UNROUNDED, end=End(zero=1), reference="karras2022"),
    Sampler("kdpm2@diffusers", expint.method("etd2rk-weak"), NOISE, _UNROUNDED, end=End(zero=1), reference="lu2022"),
    Sampler(
        "pndm@diffusers",
        HeunThenAdams(4),
        RHO,
        diffusers("leading", spare=0, offset=1),
        end=TaperBelow((1,), below=2, zero=4, at_zero="counted"),
        reference="liu2022",
    ),
    *(
        _SOLVER(
            f"unipc{p}-{variant}{suffix}@unipc",
            Deviating(PredictorCorrector(p, ramp=True), rules),
            gauge,
            end=TaperBelow(taper(p).orders, correct=False),
            reference="zhao2023",
        )
        for suffix, gauge in _UNIPC.items()
        for variant, rules in (("bh1", BH1), ("bh2", MIDPOINT))
        for p in (1, 2, 3, 4)
    ),
    *(
        Sampler(
            f"sa{p}@{origin}",
            Deviating(PredictorCorrector(p, ramp=True), BH1),
            DATA,
            grid,
            end=TaperBelow(taper(p).orders, correct=False, at_zero=at_zero),
            reference="xue2023",
        )
        for origin, grid, at_zero in _SA
        for p in (1, 2, 3)
    ),
    *(
        Sampler(
            f"unipc{p}-{variant}@diffusers",
            Deviating(PredictorCorrector(p, ramp=True), rules),
            DATA,
            diffusers("linspace", final),
            end=TaperBelow(taper(p).orders, correct=False, zero=zero, at_zero=at_zero),
            reference="zhao2023",
        )
        for variant, rules, final, zero, at_zero in _BH_OF_DIFFUSERS
        for p in (1, 2, 3, 4)
    ),
    *(
        Sampler(
            f"deis{q}@diffusers",
            expint.Adams(q, ramp=True),
            NOISE,
            diffusers("linspace", "sigma_min"),
            end=TaperBelow(taper(q).orders, below=15, at_zero="refused"),
            reference="zhang2023",
        )
        for q in (1, 2, 3)
    ),
    Sampler("dpmpp-2m@k-diffusion", _multistep(2, MIDPOINT), DATA, karras, end=End(zero=1), reference="lu2022pp"),
    Sampler("dpmpp-3m@k-diffusion", _multistep(3, HALVED), DATA, karras, end=End(zero=1), reference="lu2022pp"),
    Sampler("dpmpp-2s@k-diffusion", expint.method("etd2rk-weak"), DATA, karras, end=End(zero=1), reference="lu2022pp"),
    Sampler("dpm2@k-diffusion", expint.method("etd2rk-weak"), NOISE, karras, end=End(zero=1), reference="lu2022"),
    *(
        Sampler(f"lms{q}@k-diffusion", expint.Adams(q, ramp=True), RHO, karras, end=End(zero=q), reference="karras2022")
        for q in range(1, 5)
    ),
)
"""The presets, listed with the samplers."""
