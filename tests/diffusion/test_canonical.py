"""Equality of samplers is decided by their plans."""

import numpy as np
import pytest

import diffusion
from expint.lower import Plan

VP = diffusion.VP.linear()
GRIDS = {clock: diffusion.grids.uniform(7, clock, schedule=VP) for clock in ("t", "lambda")}


def plan(name: str, grid: str = "lambda") -> Plan:
    return diffusion.sampler(name).plan(VP, GRIDS[grid])


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ddim", "euler"),  # order 1 in the data, noise and rho gauges
        ("ddim", "dpm1"),
        ("ddim", "lms1@k-diffusion"),
        ("deis-rhoab3", "lms4"),
        ("unipc3", "sa3"),
        ("deis-rho-heun", "edm-heun"),
        ("deis-logrhoab2", "dpm3m"),
    ],
)
def test_samplers_of_several_names_are_one_map(one: str, other: str, grid: str) -> None:
    assert plan(one, grid) == plan(other, grid)


@pytest.mark.parametrize(("one", "other"), [("unipc3", "dpmpp-3m"), ("ddim", "dpmpp-2m"), ("dpm3m", "dpmpp-3m")])
def test_different_samplers_are_different(one: str, other: str) -> None:
    assert plan(one) != plan(other)


def test_the_canonical_form_runs_as_the_sampler_does() -> None:
    model = diffusion.models.gaussian_mixture([1, 2], [[-1.0, 0.0], [1.0, 0.5]], [0.1 * np.eye(2)] * 2)
    noise = np.random.default_rng(0).standard_normal((4, 2))
    form, values = plan("unipc3").canonical(), []
    for c, row, t in zip(form.c, form.D, [*form.times, None]):
        x = c * noise + sum((w * v for w, v in zip(row, values)), 0 * noise)
        if t is not None:
            values.append(model.network(x, np.full(4, t)))  # the data
    expected = diffusion.sample(model, noise, sampler="unipc3", grid=GRIDS["lambda"])
    np.testing.assert_allclose(x, expected, rtol=1e-12)
