"""Presets that reproduce where well-known libraries deviate from the exact coefficients; each names its origin.

The default samplers are exact. A preset is the same declaration with the deviation stated as data: which φ-function of
a step with so many slopes is replaced by what.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

import expint
from diffusion.grids.published import diffusers, karras, quadratic_in_t, uniform_in_lambda
from diffusion.planning.interpolation import ScheduleClock
from diffusion.process.gauge import DATA, NOISE, RHO
from diffusion.samplers.deviating import BH1, DPM_SOLVER, HALVED, MIDPOINT, Deviating, Replaced
from diffusion.samplers.ends import End, taper
from diffusion.samplers.sampler import Sampler
from expint.derive import Method, PredictorCorrector, Quadrature, lagrange_coefficients

__all__ = ["BH1", "MIDPOINT", "PRESETS", "Deviating", "TaperBelow"]


@dataclass(frozen=True)
class TaperBelow(End):
    """An end that lowers the order only on grids of fewer steps than ``below``, as the libraries do."""

    below: int = 0

    def apply(self, methods: Sequence[Method]) -> tuple[Method, ...]:
        """Return the methods of the steps."""
        orders = self.orders if len(methods) < self.below else ()
        return End(orders, self.methods, self.correct, self.zero).apply(methods)


@dataclass(frozen=True)
class RiemannClock(ScheduleClock):
    """The history of th_deis: a left Riemann sum of 10 000 points, uniform in the clock of the polynomial; L = 0 only.

    Polynomials of degree 3, the highest that are integrated, are known by four values, so that the sum is condensed to
    a rule on four nodes without changing it.
    """

    points: int = 10_000

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
            end=TaperBelow(taper(q).orders[:-1], below=14, zero=1),  # 15 with the step to zero
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
            end=TaperBelow(taper(q).orders, below=15),
            reference="lu2022",
        )
        for q in (2, 3)
    ),
    Sampler(
        "ddim@diffusers", expint.Adams(1), RHO, diffusers("leading", spare=0), end=End(zero=1), reference="song2021"
    ),
    *(
        _SOLVER(
            f"unipc{p}-{variant}{suffix}@unipc",
            Deviating(PredictorCorrector(p, ramp=True), rules),
            gauge,
            end=replace(taper(p), correct=False),
            reference="zhao2023",
        )
        for suffix, gauge in _UNIPC.items()
        for variant, rules in (("bh1", BH1), ("bh2", MIDPOINT))
        for p in (1, 2, 3)
    ),
    *(
        Sampler(
            f"unipc{p}-bh2@diffusers",
            Deviating(PredictorCorrector(p, ramp=True), MIDPOINT),
            DATA,
            diffusers("linspace"),
            end=End(orders=taper(p).orders[:-1], zero=1),
            reference="zhao2023",
        )
        for p in (1, 2, 3)
    ),
    *(
        Sampler(
            f"deis{q}@diffusers",
            expint.Adams(q, ramp=True),
            NOISE,
            diffusers("linspace", "sigma_min"),
            end=TaperBelow(taper(q).orders, below=15),
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
