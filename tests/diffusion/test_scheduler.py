"""The scheduler for pipelines of diffusers: the runs of ``diffusion.sample``, made from outside."""

import importlib
import json
import math
import pickle
import sys
import warnings
from functools import cache

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import diffusion
from diffusion.models.mixture import gaussian_mixture

from .golden import mixture

diffusers = pytest.importorskip("diffusers")
from diffusion.adapters.diffusers import Scheduler  # noqa: E402  # it needs what is looked for above

pytestmark = pytest.mark.filterwarnings("ignore:__array:DeprecationWarning")  # theirs

BETAS = np.linspace(1e-4, 2e-2, 1000)
VP = diffusion.VP.from_betas(BETAS)
EPS = gaussian_mixture(*mixture()[:3], VP, predicts="noise")
NOISE = torch.from_numpy(mixture()[3])
ORIGINS = [
    *(name for name in Scheduler._compatibles if name != "DPMSolverSDEScheduler"),  # it needs torchsde
    "FlowMatchEulerDiscreteScheduler",
    "FlowMatchHeunDiscreteScheduler",
    "FlowMatchLCMScheduler",
    "EDMDPMSolverMultistepScheduler",
    "SASolverScheduler",
    "LCMScheduler",
    "CogVideoXDDIMScheduler",
]


def made(sampler="unipc3", origin="DPMSolverMultistepScheduler", **options):
    config = getattr(diffusers, origin)(**options).config
    return Scheduler.from_config(config, sampler=sampler)


def pushed(scheduler, network, x, calls=None):
    """Run the loop of a pipeline; ``network`` is called at the times of the schedule in double precision."""
    for call in range(len(scheduler.timesteps)) if calls is None else calls:
        t = scheduler._layout.calls[call][0]
        x = scheduler.step(network(x, t), scheduler.timesteps[call], x).prev_sample
    return x


def test_fitted_samplers_run_in_a_pipeline_from_their_first_step():
    named = diffusion.freeze("dpmpp-3m", VP, steps=5)
    told = named.nodes[:-1] * np.array([1.0, 0.98, 1.01, 0.99, 1.0])  # network times of its own, and x_T looked at
    fitted = diffusion.FittedSampler("mine", VP, named.nodes, named.c + 1e-3, named.D, named.A, told, named.accepted)
    scheduler = made(fitted)
    scheduler.set_timesteps(5)
    expected = diffusion.sample(EPS, NOISE, sampler=fitted)
    np.testing.assert_allclose(pushed(scheduler, EPS, NOISE), expected, rtol=0, atol=1e-11)
    with pytest.raises(ValueError, match="expected steps = 5, which its rows are for"):
        scheduler.set_timesteps(6)
    with pytest.raises(ValueError, match=r"expected the number of steps alone for .mine.*received timesteps"):
        scheduler.set_timesteps(timesteps=[999, 500, 250, 100, 10])
    scheduler.set_timesteps(5)
    scheduler.set_begin_index(2)
    with pytest.raises(ValueError, match="expected a run from its first step for 'mine'"):
        scheduler.step(NOISE, scheduler.timesteps[2], NOISE)


@pytest.mark.parametrize("steps", [1, 2, 7])
@pytest.mark.parametrize(
    "name", [*diffusion.sampler_names(), "singlestep3@diffusers", "krogstad4-data", "adams4-noise"]
)
def test_a_pipeline_makes_the_run_of_sample(name, steps):
    scheduler = made(name)
    try:
        scheduler.set_timesteps(steps)
        grid = {"grid": scheduler.times} if "@diffusers" in name else {"steps": steps}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", diffusion.OffScaleWarning)
            expected = diffusion.sample(EPS, NOISE, sampler=name, **grid)
    except ValueError as refused:
        assert "expected" in str(refused)  # noqa: PT017  # some are refused
        assert steps <= 2
        with pytest.raises(ValueError, match="expected"):
            diffusion.sample(EPS, NOISE, sampler=name, steps=steps)
        return
    found = pushed(scheduler, EPS, NOISE)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-11 * max(1.0, float(expected.abs().max())))


@pytest.mark.parametrize("origin", ORIGINS)
def test_every_scheduler_gives_its_process(origin):
    scheduler = made("unipc3", origin)
    scheduler.set_timesteps(5)
    assert len(scheduler.timesteps) == 5
    assert scheduler.timesteps.dtype in (torch.float32, torch.int64)
    assert np.all(np.diff(scheduler.sigmas) < 0)
    assert len(scheduler) == 1000
    theirs = getattr(diffusers, origin)()
    if hasattr(theirs, "alphas_cumprod"):
        torch.testing.assert_close(scheduler.alphas_cumprod, theirs.alphas_cumprod.float(), rtol=2e-4, atol=1e-7)
    again = Scheduler.from_config(scheduler.config)
    again.set_timesteps(5)
    assert again.timesteps.tolist() == scheduler.timesteps.tolist()
    assert again.config.sampler == "unipc3"


AGREE = {
    "dpmpp-2m@diffusers": ("DPMSolverMultistepScheduler", {}),
    "dpmpp-3m@diffusers": ("DPMSolverMultistepScheduler", {"solver_order": 3}),
    "unipc2-bh2@diffusers": ("UniPCMultistepScheduler", {}),
    "unipc3-bh2@diffusers": ("UniPCMultistepScheduler", {"solver_order": 3}),
    "ddim@diffusers": ("DDIMScheduler", {"clip_sample": False}),
    "singlestep2@diffusers": ("DPMSolverSinglestepScheduler", {}),
    "singlestep3@diffusers": ("DPMSolverSinglestepScheduler", {"solver_order": 3}),
}
SPACINGS = [{}, {"timestep_spacing": "trailing"}, {"timestep_spacing": "leading", "steps_offset": 1}]


@pytest.mark.filterwarnings("ignore:not followed from the configuration")
@pytest.mark.parametrize("begin", [0, 6])
@pytest.mark.parametrize(
    ("preset", "spacing"),
    [
        (preset, spacing)
        for preset in AGREE
        for spacing in SPACINGS
        if not ("single" in preset and spacing) and not ("ddim" in preset and "trailing" in str(spacing))
    ],  # the one has no other spacing, the steps of the other lead elsewhere there
    ids=str,
)
def test_where_theirs_is_right_ours_is_the_same(preset, spacing, begin):
    origin, options = AGREE[preset]
    theirs = getattr(diffusers, origin)(trained_betas=BETAS.tolist(), **options, **spacing)
    ours = Scheduler.from_config(theirs.config, sampler=preset)
    states = []
    for scheduler in (theirs, ours):
        scheduler.set_timesteps(16)
        scheduler.set_begin_index(begin) if hasattr(scheduler, "set_begin_index") else None
        x = NOISE
        for t in scheduler.timesteps[begin:]:
            x = scheduler.step(EPS(x, (int(t) + 1) / 1000), t, x, return_dict=False)[0]
        states.append(x)
    assert ours.timesteps.tolist() == theirs.timesteps.tolist()
    torch.testing.assert_close(states[1], states[0], rtol=0, atol=1e-5)


def test_a_run_that_begins_later_begins_with_an_empty_history():
    for name, per_step in (("unipc3", 1), ("dpmpp-3m", 1), ("edm-heun", 2), ("krogstad4-data", 4), ("auto", 1)):
        scheduler = made(name)
        scheduler.set_timesteps(8)
        assert scheduler.order == per_step
        begin = 3 * scheduler.order
        scheduler.set_begin_index(begin)
        x = scheduler.add_noise(NOISE, NOISE.flip(0), scheduler.timesteps[begin : begin + 1])
        found = pushed(scheduler, EPS, x, range(begin, len(scheduler.timesteps)))
        expected = diffusion.sample(EPS, x, sampler=name, grid=scheduler.times[3:], start="state")
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-11)


def test_where_no_step_starts_no_run_begins():
    scheduler = made("edm-heun")
    scheduler.set_timesteps(8)
    scheduler.set_begin_index(3)
    with pytest.raises(ValueError, match=r"expected to begin where a step starts, at one of \[0, 2, 4.*received 3"):
        scheduler.step(NOISE, scheduler.timesteps[3], NOISE)
    scheduler = made("adams3-data")
    scheduler.set_timesteps(8)
    scheduler.set_begin_index(len(scheduler.timesteps) - 4)
    with pytest.raises(ValueError, match=r"wherever it begins; received 'adams3-data'.*start='corrected'"):
        scheduler.step(NOISE, scheduler.timesteps[-4], NOISE)


def test_nothing_is_remembered_from_one_run_to_the_next():
    scheduler = made()
    scheduler.set_timesteps(6)
    first = pushed(scheduler, EPS, NOISE)
    again = pushed(scheduler, EPS, NOISE)  # without set_timesteps: the first timestep begins anew
    assert torch.equal(first, again)
    scheduler.step(NOISE, scheduler.timesteps[0], NOISE)
    scheduler.set_timesteps(6)
    fewer = pushed(scheduler, EPS, NOISE[:1])
    torch.testing.assert_close(fewer, first[:1], rtol=0, atol=1e-12)


def test_timesteps_copied_elsewhere_or_given_as_numbers_find_their_step():
    scheduler = made()
    scheduler.set_timesteps(6)
    expected = pushed(scheduler, EPS, NOISE)
    for convert in (lambda t: t.clone(), float, lambda t: t.double(), lambda t: np.float64(t)):
        x = NOISE
        scheduler.set_timesteps(6)
        for (time, _), t in zip(scheduler._layout.calls, scheduler.timesteps):
            x = scheduler.step(EPS(x, time), convert(t), x, return_dict=False)[0]
        assert torch.equal(x, expected)
    with pytest.raises(ValueError, match=r"expected one of the timesteps of the run; received 3\.5"):
        scheduler.step(NOISE, 3.5, NOISE)
    with pytest.raises(ValueError, match="received another after them; call set_timesteps again"):
        scheduler.step(NOISE, scheduler.timesteps[-1].clone(), NOISE)


def test_half_precision_states_are_reckoned_in_single():
    scheduler = made()
    scheduler.set_timesteps(6)
    x = NOISE.to(torch.bfloat16)
    out = torch.randn(NOISE.shape, generator=torch.Generator().manual_seed(0))
    half = scheduler.step(out.bfloat16(), scheduler.timesteps[0], x)[0]
    scheduler.set_timesteps(6)
    single = scheduler.step(out.bfloat16().float(), scheduler.timesteps[0], x.float())[0]
    assert half.dtype == torch.bfloat16
    assert torch.equal(half, single.bfloat16())
    noisy = scheduler.add_noise(x, torch.ones_like(x), scheduler.timesteps[-1:])
    assert noisy.dtype == torch.bfloat16


def test_a_learned_variance_is_left_out_and_another_shape_refused():
    scheduler = made()
    scheduler.set_timesteps(4)
    whole = torch.cat([NOISE, 100 * NOISE], 1)
    assert torch.equal(scheduler.step(whole, scheduler.timesteps[0], NOISE)[0], _first(scheduler))
    with pytest.raises(ValueError, match=r"expected an output of the shape .* or with twice its channels; received"):
        scheduler.step(NOISE[..., :1], scheduler.timesteps[1], NOISE)


def _first(scheduler):
    scheduler.set_timesteps(4)
    return scheduler.step(NOISE, scheduler.timesteps[0], NOISE)[0]


class Looked(TorchDispatchMode):
    """Counts what would wait for a device."""

    def __init__(self):
        super().__init__()
        self.looks, self.operations = 0, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = str(function)
        self.looks += any(word in name for word in ("_local_scalar_dense", "nonzero", "is_nonzero", "_to_copy"))
        self.operations += 1
        return function(*args, **(kwargs or {}))


LOOKING = ["unipc3", "dpmpp-3m", "deis-tab2", "edm-heun", "auto", "krogstad4-data"]
DRAWING = ["euler-ancestral", "dpmpp-2m-sde", "dpmpp-2s-sde", "sa-solver", "ddpm"]


@pytest.mark.parametrize("begin", [0, 3])
@pytest.mark.parametrize("origin", ["DDIMScheduler", "FlowMatchEulerDiscreteScheduler", "EDMEulerScheduler"])
@pytest.mark.parametrize("name", [*LOOKING, *DRAWING])
def test_a_step_looks_at_no_tensor(name, origin, begin):
    """Of any kind of method and process, from the start or from image-to-image, by timesteps of the run or copies."""
    scheduler = made(name, origin)
    scheduler.set_timesteps(8)
    copies = [t.clone() for t in scheduler.timesteps]
    first = scheduler._layout.starts[begin]
    scheduler.set_begin_index(first)
    noise, generator = NOISE.float(), torch.Generator().manual_seed(0)
    x = scheduler.scale_noise(noise, scheduler.timesteps[first : first + 1], noise)
    with Looked() as looked:
        for number, t in enumerate(scheduler.timesteps.unbind()[first:]):
            given = copies[first + number] if number % 2 else t
            scaled = scheduler.scale_model_input(x, given)
            x = scheduler.step(scaled, given, x, generator=generator, return_dict=False)[0]
    assert looked.looks == 0
    assert looked.operations <= 12 * (len(scheduler.timesteps) - first)


@pytest.mark.parametrize("origin", ["DDIMScheduler", "FlowMatchEulerDiscreteScheduler", "EDMEulerScheduler"])
def test_noise_is_added_as_by_the_process(origin):
    scheduler = made("unipc3", origin)
    scheduler.set_timesteps(6)
    x0, noise = NOISE, NOISE.flip(0)
    for call in (0, 3, 5):
        t = scheduler.timesteps[call : call + 1]
        alpha, sigma = (
            float(f(scheduler._layout.calls[call][0])) for f in (scheduler.schedule.alpha, scheduler.schedule.sigma)
        )
        torch.testing.assert_close(scheduler.add_noise(x0, noise, t), alpha * x0 + sigma * noise, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(
            scheduler.scale_noise(x0, t, noise), alpha * x0 + sigma * noise, rtol=1e-5, atol=1e-6
        )
    if origin == "DDIMScheduler":  # a batch of timesteps of the training
        t = torch.tensor([3, 500] * (len(x0) // 2) + [999] * (len(x0) % 2))
        theirs = diffusers.DDIMScheduler()
        torch.testing.assert_close(
            scheduler.add_noise(x0, noise, t), theirs.add_noise(x0, noise, t).to(x0.dtype), rtol=1e-4, atol=1e-5
        )
        torch.testing.assert_close(
            scheduler.get_velocity(x0, noise, t), theirs.get_velocity(x0, noise, t).to(x0.dtype), rtol=1e-4, atol=1e-5
        )


FLOW = diffusion.FlowMatching(t_start=1.0)
MIXTURE = mixture()[:3]


def flow_run(scheduler, sigmas=None, mu=None, steps=8):
    model = gaussian_mixture(*MIXTURE, FLOW, predicts="flow")
    scheduler.set_timesteps(steps if sigmas is None else None, sigmas=sigmas, **({} if mu is None else {"mu": mu}))
    x = NOISE
    for t in scheduler.timesteps:
        x = scheduler.step(model(x, float(t) / 1000), t, x, return_dict=False)[0]
    return x


@pytest.mark.parametrize(
    "options", [{}, {"shift": 3.0}, {"shift": 3.0, "shift_terminal": 0.1}, {"use_karras_sigmas": True}]
)
@pytest.mark.parametrize("sigmas", [None, np.linspace(1, 1 / 8, 8).tolist()])
def test_flow_matching_by_euler_is_that_of_its_scheduler(options, sigmas):
    theirs = diffusers.FlowMatchEulerDiscreteScheduler(**options)
    ours = Scheduler.from_config(theirs.config, sampler="euler")
    expected, found = flow_run(theirs, sigmas), flow_run(ours, sigmas)
    torch.testing.assert_close(ours.sigmas, theirs.sigmas, rtol=0, atol=2e-7)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5, check_dtype=False)


@pytest.mark.parametrize("kind", ["exponential", "linear"])
def test_times_of_flow_matching_are_shifted_by_what_the_resolution_says(kind):
    theirs = diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, time_shift_type=kind)
    ours = Scheduler.from_config(theirs.config, sampler="euler")
    torch.testing.assert_close(flow_run(ours, mu=0.8), flow_run(theirs, mu=0.8), rtol=0, atol=1e-5, check_dtype=False)
    torch.testing.assert_close(ours.sigmas, theirs.sigmas, rtol=0, atol=2e-7)
    with pytest.raises(ValueError, match="expected mu, by which use_dynamic_shifting shifts times; received none"):
        ours.set_timesteps(5)


@cache
def _exact_flow():
    model = gaussian_mixture(*MIXTURE, FLOW, predicts="flow")
    return diffusion.sample(model, NOISE, sampler="auto", grid=np.linspace(1, 0, 200))


@pytest.mark.parametrize("name", diffusion.sampler_names())
def test_every_sampler_runs_on_the_noise_levels_of_a_pipeline_of_flow_matching(name):
    ours = Scheduler.from_config(diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0).config, sampler=name)
    if "th-deis" in name:
        with pytest.raises(ValueError, match="expected a variance-preserving process"):
            flow_run(ours, np.linspace(1, 1 / 24, 24).tolist())
        return
    x = flow_run(ours, np.linspace(1, 1 / 24, 24).tolist())
    assert float((x - _exact_flow()).abs().mean()) < 0.1


@pytest.mark.filterwarnings("ignore:not followed from the configuration")
def test_the_order_is_lowered_at_the_end_where_it_is_asked_for():
    """The last levels of this shift are 0.34, 0.009 and 0: on them third order overshoots."""
    errors = {}
    for lower in (False, True):
        ours = Scheduler.from_config({"shift": 3.0}, sampler="unipc3", lower_order_final=lower)
        errors[lower] = float((flow_run(ours) - _exact_flow()).abs().mean())
    assert errors[True] < 0.5 * errors[False]
    for lower in (False, True):  # theirs lowers it by default
        theirs = diffusers.UniPCMultistepScheduler(solver_order=3, solver_type="bh2", trained_betas=BETAS.tolist())
        ours = Scheduler.from_config(theirs.config, sampler="unipc3-bh2@diffusers", lower_order_final=lower)
        ends = []
        for scheduler in (theirs, ours):
            scheduler.set_timesteps(6)
            x = NOISE
            for t in scheduler.timesteps:
                x = scheduler.step(EPS(x, (int(t) + 1) / 1000), t, x, return_dict=False)[0]
            ends.append(x)
        torch.testing.assert_close(ends[1], ends[0], rtol=0, atol=1e-5)


def test_networks_that_run_from_noise_at_zero_are_told_so():
    """Mochi: timesteps 1000 (1 − σ), and the slope x₀ − ε."""
    theirs = diffusers.FlowMatchEulerDiscreteScheduler(invert_sigmas=True)
    ours = Scheduler.from_config(theirs.config, sampler="euler")
    model = gaussian_mixture(*MIXTURE, FLOW, predicts="flow")
    ends = []
    for scheduler in (theirs, ours):
        scheduler.set_timesteps(8)
        x = NOISE
        for t in scheduler.timesteps:
            x = scheduler.step(-model(x, 1 - float(t) / 1000), t, x, return_dict=False)[0]
        ends.append(x)
    torch.testing.assert_close(ours.sigmas, theirs.sigmas, rtol=0, atol=2e-7)
    torch.testing.assert_close(ends[1], ends[0], rtol=0, atol=1e-5, check_dtype=False)


@pytest.mark.parametrize("sign", ["epsilon", "v_prediction"])
@pytest.mark.parametrize(
    ("origin", "sampler"), [("EDMEulerScheduler", "euler"), ("EDMDPMSolverMultistepScheduler", "dpmpp-2m@diffusers")]
)
def test_preconditioned_networks_run_as_with_their_schedulers(origin, sampler, sign):
    theirs = getattr(diffusers, origin)(prediction_type=sign)
    ours = Scheduler.from_config(theirs.config, sampler=sampler)
    model = gaussian_mixture(*MIXTURE, diffusion.EDM(), predicts="edm")
    ends = []
    for scheduler in (theirs, ours):
        scheduler.set_timesteps(12)
        x = 80.0 * NOISE
        for t in scheduler.timesteps:
            given = scheduler.scale_model_input(x, t)
            sigma = math.exp(4 * float(t))
            output = model(given * math.hypot(sigma, 0.5), sigma)
            output = output if sign == "epsilon" else -output
            x = scheduler.step(output, t, x, return_dict=False)[0].double()
        ends.append(x)
    torch.testing.assert_close(ours.timesteps, theirs.timesteps.float(), rtol=0, atol=1e-5)
    torch.testing.assert_close(ends[1], ends[0], rtol=0, atol=2e-5)
    assert ours.init_noise_sigma == pytest.approx(80.0)


def test_a_video_network_told_the_logarithm_of_the_noise_level():
    """Stable Video Diffusion: σ from 700 down, c_noise for a timestep, the velocity of x/√(1+σ²)."""
    options = {"sigma_min": 0.002, "sigma_max": 700.0, "timestep_type": "continuous", "use_karras_sigmas": True}
    theirs = diffusers.EulerDiscreteScheduler(prediction_type="v_prediction", **options)
    ours = Scheduler.from_config(theirs.config, sampler="euler")
    model = gaussian_mixture(*MIXTURE, diffusion.EDM(0.002, 700.0), predicts="velocity")
    ends = []
    for scheduler in (theirs, ours):
        scheduler.set_timesteps(9)
        x = 700.0 * NOISE
        for t in scheduler.timesteps:
            sigma = math.exp(4 * float(t))
            given = scheduler.scale_model_input(x, t)
            x = scheduler.step(model(given * math.hypot(sigma, 1), sigma), t, x, return_dict=False)[0].double()
        ends.append(x)
    torch.testing.assert_close(ours.timesteps, theirs.timesteps.float(), rtol=0, atol=1e-5)
    torch.testing.assert_close(ends[1], ends[0], rtol=0, atol=5e-4)  # theirs is in single precision, σ = 700


def test_a_network_may_return_the_same_memory_again_and_again():
    """As compiled ones do."""
    for predicts in ("epsilon", "sample"):
        scheduler = Scheduler.from_config({"beta_schedule": "linear"}, sampler="dpmpp-3m", prediction_type=predicts)
        model = gaussian_mixture(*MIXTURE, VP, predicts={"epsilon": "noise", "sample": "data"}[predicts])
        memory = torch.empty_like(NOISE)
        ends = []
        for network in (model, lambda x, t, model=model, memory=memory: memory.copy_(model(x, t))):
            scheduler.set_timesteps(6)
            ends.append(pushed(scheduler, network, NOISE))
        assert torch.equal(*ends)


def test_noise_that_a_pipeline_asks_for_in_a_step_is_refused():
    scheduler = made()
    scheduler.set_timesteps(3)
    scheduler.step(NOISE, scheduler.timesteps[0], NOISE, eta=0.0, use_clipped_model_output=None)  # what DDIM's passes
    with pytest.raises(
        ValueError, match=r"expected eta = 0, as the sampler says how much noise there is; received 0\.5"
    ):
        scheduler.step(NOISE, scheduler.timesteps[1], NOISE, eta=0.5)


def test_nothing_is_kept_after_the_last_step():
    scheduler = made()
    scheduler.set_timesteps(3)
    pushed(scheduler, EPS, NOISE)
    assert scheduler._memory is None


def test_without_diffusers_a_sentence_says_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "diffusers"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "diffusers", None)
    monkeypatch.delitem(sys.modules, "diffusion.adapters.diffusers")
    with pytest.raises(ImportError, match=r'this needs diffusers, .*; run: pip install "diffusers>=0\.31,<1"'):
        importlib.import_module("diffusion.adapters.diffusers")


# What configurations say


def test_values_that_are_not_followed_are_named_with_a_reason():
    theirs = diffusers.DPMSolverMultistepScheduler(
        algorithm_type="sde-dpmsolver++", solver_type="heun", use_lu_lambdas=True
    )
    with pytest.warns(
        UserWarning, match=r"algorithm_type='sde-dpmsolver\+\+' \(how a step is made is said by sampler=\)"
    ):
        scheduler = Scheduler.from_config(theirs.config, sampler="dpmpp-2m")
    scheduler.set_timesteps(5)
    np.testing.assert_allclose(
        np.diff(np.log(scheduler.sigmas[:-1])), np.diff(np.log(scheduler.sigmas[:2]))[0], rtol=1e-5
    )
    with pytest.warns(UserWarning, match="stochastic_sampling=True .*said by sampler="):
        made("unipc3", "FlowMatchEulerDiscreteScheduler", stochastic_sampling=True)
    with pytest.warns(UserWarning, match="final_sigmas_type='zero' .*'deis3@diffusers' reproduces makes no step"):
        Scheduler.from_config({"beta_schedule": "linear"}, sampler="deis3@diffusers", final_sigmas_type="zero")


def test_keys_that_a_scheduler_only_hands_on_say_nothing():
    """A scheduler made from the configuration of another keeps the keys that it does not know."""
    flow, table = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0), diffusers.UniPCMultistepScheduler()
    from_flow = diffusers.UniPCMultistepScheduler.from_config(flow.config)
    assert from_flow.config.shift == 3.0
    assert Scheduler.from_config(from_flow.config).config.process == "betas"
    assert isinstance(diffusion.Denoiser.from_diffusers(lambda x, t: x, from_flow).schedule, diffusion.VP)
    from_table = diffusers.FlowMatchEulerDiscreteScheduler.from_config(table.config, shift=2.0)
    assert Scheduler.from_config(from_table.config).config.process == "flow"
    assert diffusion.Denoiser.from_diffusers(lambda x, t: x, from_table).schedule == diffusion.FlowMatching(2.0)


@pytest.mark.parametrize("key", ["use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas"])
def test_spacings_of_noise_levels_are_followed(key):
    theirs = diffusers.HeunDiscreteScheduler(trained_betas=BETAS.tolist(), **{key: True})
    ours = Scheduler.from_config(theirs.config, sampler="heun@diffusers", interpolation="log-rho")
    for scheduler in (theirs, ours):
        scheduler.set_timesteps(7)
    np.testing.assert_allclose(ours.sigmas, theirs.sigmas, rtol=2e-4)
    np.testing.assert_allclose(ours.timesteps, theirs.timesteps, rtol=0, atol=2e-2)


@pytest.mark.parametrize("spacing", ["linspace", "leading", "trailing"])
def test_a_spacing_that_is_asked_for_is_followed_and_a_default_is_not(spacing):
    theirs = diffusers.UniPCMultistepScheduler(timestep_spacing=spacing, steps_offset=1)
    theirs.set_timesteps(6)
    default = spacing == "linspace"
    for config in (theirs.config, json.loads(theirs.to_json_string())):
        ours = Scheduler.from_config(config, sampler="unipc3")
        ours.set_timesteps(6)
        assert (ours.timesteps.tolist() == theirs.timesteps.tolist()) != default
        ours = Scheduler.from_config(config, sampler="unipc3", timestep_spacing=spacing)
        ours.set_timesteps(6)
        assert ours.timesteps.tolist() == theirs.timesteps.tolist()
        ours = Scheduler.from_config(config, sampler="unipc3", grid="sampler")
        ours.set_timesteps(6)
        np.testing.assert_allclose(np.diff(np.log(ours.sigmas)), np.diff(np.log(ours.sigmas))[0], rtol=1e-4)


def test_zero_terminal_snr_starts_from_pure_noise():
    theirs = diffusers.DDIMScheduler(
        rescale_betas_zero_snr=True, timestep_spacing="trailing", prediction_type="v_prediction", clip_sample=False
    )
    ours = Scheduler.from_config(theirs.config, sampler="dpmpp-2m")
    ours.set_timesteps(6)
    assert ours.sigmas[0] == math.inf
    model = gaussian_mixture(*MIXTURE, ours.schedule, predicts="velocity")
    found = pushed(ours, model, NOISE)
    expected = diffusion.sample(model, NOISE, sampler="dpmpp-2m", grid=ours.times)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-11)
    noisy = made("dpmpp-2m", "DDIMScheduler", rescale_betas_zero_snr=True)  # its own grid would start at λ = −∞
    with pytest.raises(ValueError, match="expected α and σ at which x and a 'noise' prediction determine 'data'"):
        noisy.set_timesteps(6)


@pytest.mark.parametrize(("key", "bound"), [("thresholding", 1.0), ("clip_sample", 0.5)])
def test_data_are_limited_where_the_configuration_says_so(key, bound):
    scheduler = Scheduler.from_config(
        {"beta_schedule": "linear"}, sampler="dpmpp-2m", final_sigmas_type="zero", **{key: True}, clip_sample_range=0.5
    )
    scheduler.set_timesteps(4)
    x = pushed(scheduler, EPS, 3 * NOISE)
    assert float(x.abs().max()) <= bound + 1e-12  # the last step returns the data
    free = Scheduler.from_config({"beta_schedule": "linear"}, sampler="dpmpp-2m", final_sigmas_type="zero")
    free.set_timesteps(4)
    assert float(pushed(free, EPS, 3 * NOISE).abs().max()) > bound


def test_the_scheduler_is_saved_and_found_again(tmp_path):
    scheduler = made("dpmpp-3m", beta_schedule="scaled_linear", timestep_spacing="trailing")
    scheduler.save_pretrained(tmp_path)
    again = Scheduler.from_pretrained(tmp_path)
    for one in (scheduler, again):
        one.set_timesteps(5)
    assert again.config.sampler == "dpmpp-3m"
    assert again.timesteps.tolist() == scheduler.timesteps.tolist()
    back = diffusers.UniPCMultistepScheduler.from_config(again.config)
    assert back.config.beta_schedule == "scaled_linear"
    assert back.config.timestep_spacing == "trailing"
    pickle.loads(pickle.dumps(again)).set_timesteps(3)
    own = Scheduler.from_config(scheduler.config, sampler=diffusion.sampler("unipc3", start="runge-kutta"))
    own.set_timesteps(6)
    with pytest.raises(
        ValueError, match="expected a sampler and a grid that are known by name; received own ones: sampler"
    ):
        own.save_pretrained(tmp_path)


def test_a_grid_of_ones_own_is_followed():
    scheduler = Scheduler.from_config(
        {"beta_schedule": "linear"}, sampler="unipc3", grid=diffusion.grids.published.karras
    )
    scheduler.set_timesteps(6)
    expected = diffusion.sample(
        EPS, NOISE, sampler=diffusion.sampler("unipc3", grid=diffusion.grids.published.karras), steps=6
    )
    torch.testing.assert_close(pushed(scheduler, EPS, NOISE), expected, rtol=0, atol=1e-11)


# Bad input


def test_timesteps_and_noise_levels_may_be_given():
    scheduler = Scheduler.from_config(
        {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}, sampler="dpmpp-2m"
    )
    published = diffusers.schedulers.AysSchedules
    scheduler.set_timesteps(timesteps=published["StableDiffusionTimesteps"])
    assert scheduler.timesteps.tolist() == published["StableDiffusionTimesteps"]
    assert scheduler.sigmas[-1] == 0.0
    scheduler.set_timesteps(
        sigmas=published["StableDiffusionSigmas"]
    )  # 14.615 lies outside the table, by 4e-6 of its time
    np.testing.assert_allclose(scheduler.sigmas, published["StableDiffusionSigmas"], rtol=1e-4)
    scheduler.set_timesteps(timesteps=np.array([900.0, 500.5, 20.25]))  # float64
    assert scheduler.timesteps.dtype == torch.float32
    scheduler.set_timesteps(sigmas=[10.0, 5.0, 1.0])  # ends above 0
    assert len(scheduler.timesteps) == 2
    assert float(scheduler.sigmas[-1]) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="expected strictly decreasing times"):
        scheduler.set_timesteps(sigmas=[10.0, 5.0, 5.0, 0.0])
    with pytest.raises(ValueError, match="expected times within the schedule's range"):
        scheduler.set_timesteps(sigmas=[20.0, 5.0, 0.0])
    with pytest.raises(ValueError, match="expected timesteps or sigmas; received both"):
        scheduler.set_timesteps(timesteps=[3, 1], sigmas=[2.0, 1.0])
    with pytest.raises(ValueError, match="expected num_inference_steps"):
        scheduler.set_timesteps(0)
    with pytest.raises(TypeError, match="expected num_inference_steps"):
        scheduler.set_timesteps("ten")
    with pytest.raises(ValueError, match="expected a number of steps, timesteps or sigmas; received none"):
        scheduler.set_timesteps()
    with pytest.raises(ValueError, match="expected as many sigmas as steps; received 3 for 5 steps"):
        scheduler.set_timesteps(5, sigmas=[3.0, 2.0, 1.0, 0.0])
    with pytest.raises(TypeError, match="expected every entry of timesteps"):
        scheduler.set_timesteps(timesteps=[5, "one"])
    with pytest.raises(ValueError, match="expected a run that is laid out; received a scheduler without steps"):
        Scheduler().step(NOISE, 5, NOISE)


def test_times_that_collide_when_rounded_are_not_rounded():
    """A cosine table with noise levels of Karras: whole timesteps repeat, and theirs run over the end."""
    options = {"beta_schedule": "squaredcos_cap_v2", "use_karras_sigmas": True}
    scheduler = made("dpmpp-2m", "UniPCMultistepScheduler", **options)
    scheduler.set_timesteps(60)
    told = scheduler.timesteps.numpy()
    assert np.all(np.diff(told) < 0)
    assert len(np.unique(np.round(told))) < len(told)
    assert (
        float(pushed(scheduler, gaussian_mixture(*MIXTURE, scheduler.schedule, predicts="noise"), NOISE).abs().max())
        < 20
    )
    too_many = made("dpmpp-2m@diffusers")
    with pytest.raises(ValueError, match="expected times that stay apart when rounded"):
        too_many.set_timesteps(1000)


@pytest.mark.parametrize(
    ("config", "options", "message"),
    [
        ({"beta_schedule": "linear"}, {"prediction_type": "noise"}, "expected prediction_type to be one of 'epsilon'"),
        ({"beta_schedule": "quadratic"}, {}, "expected beta_schedule to be 'linear'"),
        ({"beta_schedule": "linear"}, {"sampler": "unipcc3"}, "did you mean"),
        ({"beta_schedule": "linear"}, {"grid": "karras"}, "expected grid to be 'sampler', 'config' or a function"),
        ({"beta_schedule": "linear"}, {"final_sigmas_type": "one"}, "expected final_sigmas_type to be"),
        ({"_class_name": "VQDiffusionScheduler"}, {}, "expected the scheduler of a table of betas"),
        ({"width": 3}, {}, "expected a configuration with betas"),
        (
            {"beta_schedule": "linear", "use_karras_sigmas": True, "use_beta_sigmas": True},
            {},
            "expected one of use_karras_sigmas, .* at most",
        ),
    ],
)
def test_configurations_that_make_no_sense_are_refused(config, options, message):
    with pytest.raises(ValueError, match=message):
        Scheduler.from_config(config, **options)


def test_options_that_nobody_knows_are_refused():
    with pytest.raises(TypeError, match=r"expected options of the scheduler: .*; received stepps"):
        Scheduler.from_config({"beta_schedule": "linear"}, stepps=3)
    with pytest.raises(TypeError, match="expected the config of a scheduler, a mapping; received"):
        Scheduler.from_config("stable-diffusion")
