"""Every named sampler beside a literal transcription of its published formula: none is left out."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

import diffusion

from . import transcriptions as literal
from . import transcriptions_dpm as dpm
from .test_samplers import SCHEDULES, adams, model, start


def tableau(entries):
    return lambda *run: literal.rho_rk(*run, entries)


def multistep(order, gauge, **options):
    return partial(dpm.dpm_solver_multistep, order=order, gauge=gauge, **options)


GAUGES = {"dpm": "noise", "dpmpp-": "data"}
FORMULAS = {
    "ddim": literal.ddim,
    "ddim@diffusers": literal.ddim,
    **{f"deis-tab{r}": adams(literal.tab_coefficients, r) for r in range(4)},
    **{f"deis-rhoab{r}": adams(literal.rhoab_coefficients, r) for r in range(4)},
    **{f"deis-logrhoab{r}": adams(dpm.log_rho_ab_coefficients, r) for r in range(4)},
    **{f"deis-tab{r}@th-deis": adams(literal.riemann_coefficients, r) for r in range(4)},
    **{f"deis-rhoab{r}@th-deis": adams(literal.riemann_coefficients, r, clock="rho") for r in range(4)},
    **{f"deis{q}@diffusers": adams(dpm.log_rho_ab_coefficients, q - 1) for q in (1, 2, 3)},
    "deis-rho-heun": tableau(literal.HEUN),
    "deis-rho-kutta3": tableau(literal.KUTTA3),
    "deis-rho-heun3": tableau(literal.HEUN3),
    "deis-rho-ralston3": tableau(literal.RALSTON3),
    "deis-rho-ssprk3": tableau(literal.SSPRK3),
    "deis-rho-vdh3": tableau(literal.VDH3),
    "deis-rho-rk4": tableau(literal.RK4),
    "ipndm": literal.ipndm,
    "ipndm-v": literal.ipndm_v,
    **{f"dpm{k}": partial(dpm.dpm_solver, order=k) for k in (1, 2, 3)},
    **{f"dpmpp-{k}s": partial(dpm.dpm_solver_pp_singlestep, order=k) for k in (2, 3)},
    **{f"{prefix}{q}m": multistep(q, gauge) for prefix, gauge in GAUGES.items() for q in (2, 3)},
    **{
        f"{prefix}{q}m@{origin}": multistep(q, gauge, halved=True, twice=1)
        for prefix, gauge in GAUGES.items()
        for q in (2, 3)
        for origin in ("dpm-solver", "diffusers")
    },
    **{f"unipc{p}": partial(dpm.unipc, order=p, gauge="data", variant="solved") for p in range(1, 5)},
    **{f"unipc{p}-noise": partial(dpm.unipc, order=p, gauge="noise", variant="solved") for p in range(1, 5)},
    **{
        f"unipc{p}-{variant}{suffix}@unipc": partial(dpm.unipc, order=p, gauge=gauge, variant=variant)
        for p in (1, 2, 3, 4)
        for variant in ("bh1", "bh2")
        for suffix, gauge in (("", "data"), ("-noise", "noise"))
    },
    **{
        f"unipc{p}-{variant}@diffusers": partial(dpm.unipc, order=p, gauge="data", variant=variant)
        for p in (1, 2, 3, 4)
        for variant in ("bh1", "bh2")
    },
    **{
        f"sa{p}@{origin}": partial(dpm.sa_solver, order=p, few_steps=True)
        for p in (1, 2, 3)
        for origin in ("sa-solver", "diffusers")
    },
    **{f"dpm{k}-time": partial(dpm.dpm_solver_in_time, order=k, gauge="noise") for k in (2, 3)},
    **{f"dpmpp-{k}s-time": partial(dpm.dpm_solver_in_time, order=k, gauge="data") for k in (2, 3)},
    "sa3": partial(dpm.sa_solver, order=3),
    "euler": partial(dpm.on_sigma, step=dpm.euler),
    "edm-heun": partial(dpm.on_sigma, step=dpm.heun),
    "lms4": adams(literal.rhoab_coefficients, 3),
    "heun@diffusers": partial(dpm.on_sigma, step=dpm.heun),
    "kdpm2@diffusers": partial(dpm.on_sigma, step=dpm.midpoint),
    "pndm@diffusers": literal.pndm,
    "dpm2@k-diffusion": partial(dpm.on_sigma, step=dpm.midpoint),
    "dpmpp-2s@k-diffusion": partial(dpm.dpm_solver_pp_singlestep, order=2),
    "dpmpp-2m@k-diffusion": multistep(2, "data", halved=True),
    "dpmpp-3m@k-diffusion": multistep(3, "data", twice=1),
    **{f"lms{q}@k-diffusion": adams(literal.rhoab_coefficients, q - 1) for q in range(1, 5)},
}


def test_every_named_sampler_has_its_formula():
    assert {*FORMULAS, "auto"} == set(diffusion.sampler_names())  # "auto" is a rule


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("name", FORMULAS)
def test_a_sampler_is_its_published_formula(name, schedule):
    """The ends, which are policies of their own, are left out: golden runs and those beside the libraries have them."""
    grid = diffusion.grids.power(7, 2, clock="t", schedule=schedule)
    network, x = model(schedule), start(schedule)
    sampler = replace(diffusion.sampler(name), end=diffusion.End(correct=False))
    if "@th-deis" in name and not isinstance(schedule, diffusion.VP):
        with pytest.raises(ValueError, match=r"variance-preserving process for the coefficients of th-deis.* received"):
            sampler.plan(schedule, grid)
        return
    expected = FORMULAS[name](network, schedule, grid, x)
    found = diffusion.trajectory(network, x, sampler=sampler, grid=grid, start="state").states
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-11 * np.abs(expected).max())


@pytest.mark.parametrize("name", [name for name in FORMULAS if "tab" not in name and "@th-deis" not in name])
def test_a_sampler_is_its_published_formula_on_a_table(name):
    """Those that integrate over the kinks of a table have a test of their own."""
    test_a_sampler_is_its_published_formula(name, diffusion.VP.from_betas(np.linspace(1e-4, 2e-2, 1000)))
