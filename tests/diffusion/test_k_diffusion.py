"""Side by side with the samplers of k-diffusion, where it is installed."""

import importlib
import importlib.util
import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
import torch

import diffusion
from diffusion.adapters import k_diffusion
from diffusion.models.mixture import gaussian_mixture

from .golden import mixture

SCHEDULE = diffusion.EDM(0.02, 20.0)
NETWORK = gaussian_mixture(*mixture()[:3], SCHEDULE)
ROOMY = gaussian_mixture(*mixture()[:3], diffusion.EDM(0.01, 40.0))
"""The same function of (x, σ), of a schedule that has the ends of its lists inside.

They are made in single precision: its smallest level is 0.0199999865 for 0.02, which lies below ``SCHEDULE`` by 7e-7 of
it. A run of ours takes what lies so little outside for the end itself, and its sampler does not: the runs then differ
by 1e-7, and by nothing but that (`test_a_list_in_single_precision_ends_at_the_ends_of_the_schedule`).
"""
NOISE = mixture()[3]


def only_its_sampling():
    """Import k_diffusion.sampling without the package around it, which is for training and needs much more.

    Of torchvision and PIL, which its helpers import, sampling uses nothing.
    """
    spec = importlib.util.find_spec("k_diffusion")
    if spec is None:
        pytest.skip("k-diffusion is not installed", allow_module_level=True)
    package = ModuleType("k_diffusion")
    package.__path__ = list(spec.submodule_search_locations)
    unused = {name: ModuleType(name) for name in ("torchvision", "torchvision.transforms", "PIL")}
    unused["torchvision.transforms"].functional = None
    unused["PIL"].Image = None
    stand_ins = {name: module for name, module in unused.items() if name not in sys.modules} | {"k_diffusion": package}
    sys.modules.update(stand_ins)
    try:
        return importlib.import_module("k_diffusion.sampling")
    except ModuleNotFoundError as missing:
        # What it declares may be left out of an installation for inference; without it there is nothing to compare.
        pytest.skip(f"k-diffusion needs {missing.name}", allow_module_level=True)
    finally:  # these alone: what else was imported on the way, such as parts of numpy, is there once for all
        for name in (*stand_ins, "k_diffusion.sampling", "k_diffusion.utils"):
            sys.modules.pop(name, None)


theirs = only_its_sampling()


def denoise(x, sigma, **_):
    return NETWORK(x, sigma)


CASES = {
    "euler": (lambda x, s: theirs.sample_euler(denoise, x, s, disable=True)),
    "edm-heun": (lambda x, s: theirs.sample_heun(denoise, x, s, disable=True)),
    "dpm2@k-diffusion": (lambda x, s: theirs.sample_dpm_2(denoise, x, s, disable=True)),
    "dpmpp-2s@k-diffusion": (lambda x, s: theirs.sample_dpmpp_2s_ancestral(denoise, x, s, eta=0.0, disable=True)),
    "dpmpp-2m@k-diffusion": (lambda x, s: theirs.sample_dpmpp_2m(denoise, x, s, disable=True)),
    **{
        f"lms{order}@k-diffusion": lambda x, s, order=order: theirs.sample_lms(denoise, x, s, order=order, disable=True)
        for order in range(1, 5)
    },
}
"""By the name of our preset."""


@pytest.mark.parametrize("steps", [5, 12])
@pytest.mark.parametrize("name", CASES)
def test_the_preset_makes_the_run_of_the_sampler(name, steps):
    sigmas = theirs.get_sigmas_karras(steps, SCHEDULE.sigma_min, SCHEDULE.sigma_max).double()
    expected = CASES[name](SCHEDULE.sigma_max * torch.from_numpy(NOISE), sigmas)
    tolerance = 1e-7 if "lms" in name else 1e-11  # it integrates by quadrature
    own = diffusion.sample(NETWORK, NOISE, sampler=name, steps=steps)
    np.testing.assert_allclose(own, expected.numpy(), rtol=0, atol=2e-5)  # its grid is made in single precision
    given = diffusion.sample(ROOMY, SCHEDULE.sigma_max * NOISE, sampler=name, grid=sigmas, start="state")
    np.testing.assert_allclose(given, expected.numpy(), rtol=0, atol=tolerance)


def test_its_third_order_sampler_without_noise_lacks_the_factor_two():
    sigmas = theirs.get_sigmas_karras(9, SCHEDULE.sigma_min, SCHEDULE.sigma_max).double()
    x = SCHEDULE.sigma_max * torch.from_numpy(NOISE)
    expected = theirs.sample_dpmpp_3m_sde(
        denoise, x, sigmas, eta=0.0, disable=True, noise_sampler=lambda *_: torch.zeros_like(x)
    )
    sampler = diffusion.sampler("dpmpp-3m@k-diffusion")
    found = diffusion.sample(ROOMY, x.numpy(), sampler=sampler, grid=sigmas, start="state")
    np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=1e-11)


def test_a_list_in_single_precision_ends_at_the_ends_of_the_schedule():
    sigmas = theirs.get_sigmas_karras(12, SCHEDULE.sigma_min, SCHEDULE.sigma_max).double()
    ends = sigmas.clamp(SCHEDULE.sigma_min, SCHEDULE.sigma_max)
    ends[-1] = 0.0
    assert 0 < (ends - sigmas).abs().max() < 1e-7
    x = SCHEDULE.sigma_max * NOISE
    found = diffusion.sample(NETWORK, x, sampler="euler", grid=sigmas, start="state")
    for levels, bound in ((ends, 1e-11), (sigmas, 1e-6)):
        expected = theirs.sample_euler(denoise, torch.from_numpy(x), levels, disable=True).numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=bound)


class Draws:
    """The noise that its samplers ask for, recorded."""

    def __init__(self, x):
        self.generator, self.x, self.made = torch.Generator().manual_seed(3), x, []

    def __call__(self, *_):
        self.made.append(torch.randn(self.x.shape, generator=self.generator, dtype=self.x.dtype))
        return self.made[-1]


STOCHASTIC = {
    "euler-ancestral": (
        lambda x, s, draws: theirs.sample_euler_ancestral(denoise, x, s, disable=True, noise_sampler=draws)
    ),
    "dpm2-ancestral": (
        lambda x, s, draws: theirs.sample_dpm_2_ancestral(denoise, x, s, disable=True, noise_sampler=draws)
    ),
    "dpmpp-2s-ancestral": (
        lambda x, s, draws: theirs.sample_dpmpp_2s_ancestral(denoise, x, s, disable=True, noise_sampler=draws)
    ),
    "dpmpp-2m-sde@k-diffusion": (
        lambda x, s, draws: theirs.sample_dpmpp_2m_sde(denoise, x, s, disable=True, noise_sampler=draws)
    ),
    "dpmpp-3m-sde@k-diffusion": (
        lambda x, s, draws: theirs.sample_dpmpp_3m_sde(denoise, x, s, disable=True, noise_sampler=draws)
    ),
}
"""By the name of our sampler."""


@pytest.mark.filterwarnings("ignore::diffusion.UnstableWarning")  # of few and long steps
@pytest.mark.filterwarnings("ignore::diffusion.OffScaleWarning")
@pytest.mark.parametrize("name", STOCHASTIC)
def test_a_stochastic_sampler_makes_the_run_on_its_noise(name):
    sigmas = theirs.get_sigmas_karras(12, SCHEDULE.sigma_min, SCHEDULE.sigma_max).double()
    x = SCHEDULE.sigma_max * torch.from_numpy(NOISE)
    draws = Draws(x)
    expected = STOCHASTIC[name](x, sigmas, draws)
    rng = diffusion.noise.Recorded(draws.made)
    found = diffusion.sample(ROOMY, x.numpy(), sampler=name, grid=sigmas, start="state", rng=rng)
    np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=1e-10)


@pytest.mark.filterwarnings("ignore::diffusion.UnstableWarning")
@pytest.mark.filterwarnings("ignore::diffusion.OffScaleWarning")
def test_edm_with_churn_makes_the_run_of_its_heun_on_its_noise(monkeypatch):
    sigmas = theirs.get_sigmas_karras(12, SCHEDULE.sigma_min, SCHEDULE.sigma_max).double()
    x = SCHEDULE.sigma_max * torch.from_numpy(NOISE)
    draws = Draws(x)
    monkeypatch.setattr(theirs.torch, "randn_like", draws)
    options = {"s_churn": 6.0, "s_tmin": 0.05, "s_tmax": 15.0, "s_noise": 1.003}
    expected = theirs.sample_heun(denoise, x, sigmas, disable=True, **options)
    monkeypatch.undo()
    steps, given = [], iter(draws.made)  # it draws at every step, and uses what is drawn where it rises
    for sigma in sigmas[:-1].tolist():
        own = next(given) if len(draws.made) == 12 or options["s_tmin"] <= sigma <= options["s_tmax"] else None
        steps += [own, None] if options["s_tmin"] <= sigma <= options["s_tmax"] else [None]
    sampler = replace(diffusion.sampler("edm-stochastic"), churn=6.0, low=0.05, high=15.0)
    rng = diffusion.noise.Recorded(steps)
    found = diffusion.sample(ROOMY, x.numpy(), sampler=sampler, grid=sigmas, start="state", rng=rng)
    np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=1e-10)


OURS = {
    "sample_euler": ("sample_euler", {}),
    "sample_heun": ("sample_heun", {}),
    "sample_dpm_2": ("sample_dpm_2", {}),
    "sample_lms": ("sample_lms", {}),
    "sample_dpmpp_2m": ("sample_dpmpp_2m_at_k_diffusion", {}),
    "sample_euler_ancestral": ("sample_euler_ancestral", {"eta": 0.7, "s_noise": 1.01}),
    "sample_dpm_2_ancestral": ("sample_dpm_2_ancestral", {"eta": 0.7, "s_noise": 1.01}),
    "sample_dpmpp_2s_ancestral": ("sample_dpmpp_2s_ancestral", {"eta": 0.7, "s_noise": 1.01}),
    "sample_dpmpp_sde": ("sample_dpmpp_sde", {"eta": 0.7, "s_noise": 1.01}),
    "sample_dpmpp_2m_sde": ("sample_dpmpp_2m_sde", {"eta": 0.7, "s_noise": 1.01, "solver_type": "midpoint"}),
    "sample_dpmpp_2m_sde, heun": ("sample_dpmpp_2m_sde", {"eta": 0.7, "s_noise": 1.01, "solver_type": "heun"}),
    "sample_dpmpp_3m_sde": ("sample_dpmpp_3m_sde_at_k_diffusion", {"eta": 0.7, "s_noise": 1.01}),
    "sample_euler, churned": ("sample_euler", {"s_churn": 6.0, "s_tmin": 0.05, "s_tmax": 15.0, "s_noise": 1.01}),
    "sample_heun, churned": ("sample_heun", {"s_churn": 6.0, "s_tmin": 0.05, "s_noise": 1.003}),
    "sample_dpm_2, churned": ("sample_dpm_2", {"s_churn": 6.0, "s_tmax": 15.0}),
}
"""Its functions by name, and what is ours with which options."""


@pytest.mark.filterwarnings("ignore::diffusion.UnstableWarning")
@pytest.mark.filterwarnings("ignore::diffusion.OffScaleWarning")
@pytest.mark.parametrize("ends", ["in 0", "above 0"])
@pytest.mark.parametrize("case", OURS)
def test_our_function_makes_the_run_of_its_own_with_the_same_options_noise_and_callback(case, ends, monkeypatch):
    name, options = OURS[case]
    sigmas = theirs.get_sigmas_karras(12, SCHEDULE.sigma_min, SCHEDULE.sigma_max).double()
    sigmas = sigmas if ends == "in 0" else sigmas[:-1]
    x, told = SCHEDULE.sigma_max * torch.from_numpy(NOISE), ([], [])
    churned = "s_churn" in options
    draws = Draws(x)
    given = {} if churned or "eta" not in options else {"noise_sampler": draws}
    monkeypatch.setattr(theirs.torch, "randn_like", draws)
    run = getattr(theirs, case.partition(",")[0])
    expected = run(denoise, x, sigmas, disable=True, callback=told[0].append, **options, **given)
    monkeypatch.undo()
    high, low = options.get("s_tmax", np.inf), options.get("s_tmin", 0.0)
    rises = [low <= sigma <= high and churned for sigma in sigmas[:-1].tolist()]  # it draws at every step
    made = iter(draws.made if given else [noise for noise, used in zip(draws.made, rises) if used])
    asked = []

    def again(sigma, then):
        asked.append((float(sigma), float(then)))
        return next(made)

    given = {"noise_sampler": again} if churned or given else {}
    ours = getattr(k_diffusion, name)
    found = ours(denoise, x, sigmas, disable=True, callback=told[1].append, **options, **given)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-7 if "lms" in case else 1e-10)
    assert next(made, None) is None  # all its noise, and none besides
    for its, own in zip(*told, strict=True):
        assert own["i"] == its["i"]
        for key in ("x", "sigma", "sigma_hat", "denoised"):
            torch.testing.assert_close(own[key], its[key], rtol=1e-9, atol=1e-7)
    if given and not churned and name[13:16] != "sde":
        assert asked == list(zip(sigmas.tolist(), sigmas[1:].tolist()))[: len(asked)]


@pytest.mark.parametrize("calls", [1, 2, 3, 4, 5, 6, 8])
def test_dpm_fast_makes_the_run_of_its_own(calls):
    x, seen = 20.0 * torch.from_numpy(NOISE), []
    torch.set_default_dtype(torch.float64)  # its levels
    try:
        expected = theirs.sample_dpm_fast(denoise, x, 0.02, 20.0, calls, disable=True)
    finally:
        torch.set_default_dtype(torch.float32)

    def counted(x, sigma):
        seen.append(float(sigma[0]))
        return denoise(x, sigma)

    found = k_diffusion.sample_dpm_fast(counted, x, 0.02, 20.0, calls, disable=True)
    torch.testing.assert_close(
        found, expected, rtol=1e-6, atol=1e-6
    )  # torch.linspace of its steps is in single precision
    assert len(seen) == calls


@pytest.mark.parametrize("options", [{}, {"rtol": 1e-3, "atol": 1e-4}, {"h_init": 3.0}, {"h_init": 0.5, "rtol": 0.01}])
def test_dpm_adaptive_makes_the_run_of_its_own(options):
    """The batch has one step size, steps and refusals are its own; a refusal costs a call less, the end one more."""
    x, told = 20.0 * torch.from_numpy(NOISE), ([], [])
    torch.set_default_dtype(torch.float64)  # its levels
    try:
        expected, its = theirs.sample_dpm_adaptive(
            denoise, x, 0.02, 20.0, disable=True, return_info=True, callback=told[0].append, **options
        )
    finally:
        torch.set_default_dtype(torch.float32)
    found, own = k_diffusion.sample_dpm_adaptive(
        denoise, x, 0.02, 20.0, disable=True, return_info=True, callback=told[1].append, **options
    )
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    assert {key: own[key] for key in ("steps", "n_accept", "n_reject")} == {
        key: its[key] for key in ("steps", "n_accept", "n_reject")
    }
    assert own["nfe"] == its["nfe"] - own["n_reject"] + 1
    assert [step["i"] for step in told[1]] == list(range(own["n_accept"]))
    starts = [float(step["sigma"]) for step in told[1]]
    assert starts == sorted(starts, reverse=True)


def test_what_dpm_adaptive_does_not_do_is_refused():
    for options in ({"eta": 1.0}, {"order": 2}, {"pcoeff": 0.4}):
        with pytest.raises(ValueError, match=f"expected {next(iter(options))} = .*, received"):
            k_diffusion.sample_dpm_adaptive(denoise, torch.from_numpy(NOISE), 0.02, 20.0, **options)
    with pytest.raises(ValueError, match="expected sigma_min > 0 and < 20"):
        k_diffusion.sample_dpm_adaptive(denoise, torch.from_numpy(NOISE), 0.0, 20.0)


def test_every_name_that_it_has_is_here_or_answered():
    public = [name for name in dir(theirs) if not name.startswith("_")]
    own = [name for name in public if getattr(getattr(theirs, name), "__module__", "") == theirs.__name__]
    assert len(own) > 20
    for name in own:
        if name.startswith("sample_"):
            assert callable(getattr(k_diffusion, name))
            continue
        with pytest.raises(AttributeError, match=f"expected a sampler that is here, received '{name}'; .+"):
            getattr(k_diffusion, name)


def test_its_grids_are_ours():
    n = 8
    bounds = (SCHEDULE.sigma_min, SCHEDULE.sigma_max)
    for made, ours in (
        (theirs.get_sigmas_karras(n, *bounds), diffusion.grids.karras(n - 1, schedule=SCHEDULE)),
        (theirs.get_sigmas_exponential(n, *bounds), diffusion.grids.uniform(n - 1, "lambda", schedule=SCHEDULE)),
    ):
        np.testing.assert_allclose(made[:-1].numpy(), ours, rtol=2e-6)
    vp = diffusion.VP.linear(0.1, 19.9, t_end=1e-3)
    made = theirs.get_sigmas_vp(n, beta_d=19.8, beta_min=0.1, eps_s=1e-3)
    times = diffusion.grids.uniform(n - 1, "t", schedule=vp)
    np.testing.assert_allclose(made[:-1].numpy(), vp.rho(times), rtol=1e-4)
