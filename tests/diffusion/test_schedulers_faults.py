"""Where the schedulers of diffusers are wrong: ours beside them, with an exact model in place of the network."""

from functools import cache

import numpy as np
import pytest
import torch

import diffusion
from benchmarks import diffusers_faults, foreign_grids
from diffusion.models.mixture import gaussian_mixture

from .golden import mixture

diffusers = pytest.importorskip("diffusers")
from diffusion.adapters.diffusers import Scheduler  # noqa: E402  # it needs what is looked for above

pytestmark = pytest.mark.filterwarnings("ignore:__array:DeprecationWarning")  # theirs
MIXTURE = mixture()[:3]
NOISE = torch.from_numpy(mixture()[3])
VP = diffusion.VP.from_betas(np.linspace(1e-4, 2e-2, 1000))
EPS = gaussian_mixture(*MIXTURE, VP, predicts="noise")
FLOW = diffusion.FlowMatching(t_start=1.0, t_end=1e-4)
VELOCITY = gaussian_mixture(*MIXTURE, FLOW, predicts="flow")


def run(scheduler, network, x=NOISE, **grid):
    scheduler.set_timesteps(**grid)
    for t in scheduler.timesteps:
        x = scheduler.step(network(x, float(t)), t, x, return_dict=False)[0].double()
    return x


def indexed(x, t):
    return EPS(x, (t + 1) / 1000)


def from_level(x, t):
    return VELOCITY(x, t / 1000)


@cache
def exact(end):
    """The solution of the ODE from t = 1 to the time ``end``, by a method of order four on a fine grid."""
    grid = diffusion.grids.uniform(100, "lambda", schedule=VP, t_end=end)
    return diffusion.sample(EPS, NOISE, sampler="krogstad4-data", grid=grid)


@cache
def exact_flow():
    return diffusion.sample(VELOCITY, NOISE, sampler="auto", grid=np.linspace(1, 0, 1000))


def error(found, expected):
    return float((found - expected).norm(dim=1).median())


def test_the_multistep_schedulers_tell_a_network_of_flow_matching_whole_timesteps_and_ours_exact_ones():
    options = {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": 1.0}
    theirs = diffusers.UniPCMultistepScheduler(**options)
    ours = Scheduler.from_config(theirs.config, sampler="unipc2")
    far, near = (error(run(s, from_level, num_inference_steps=120), exact_flow()) for s in (theirs, ours))
    assert theirs.timesteps.dtype == torch.int64
    told = ours.timesteps.double() / 1000
    np.testing.assert_allclose(told, ours.sigmas[:-1], rtol=1e-6)
    assert near < 0.4 * far


def between(sampler, steps):
    schedule = diffusion.VP.linear()
    model = gaussian_mixture(*MIXTURE, schedule, predicts="noise")
    ends = {"t_start": float(schedule.time(-np.log(1.5))), "t_end": float(schedule.time(-np.log(0.05)))}
    grid = diffusion.grids.uniform(steps, "lambda", schedule=schedule, **ends)
    return diffusion.sample(model, NOISE, sampler=sampler, grid=grid, start="state")


def test_a_third_order_solver_is_of_third_order_here():
    """Theirs leaves out a factor 2, and errs with order 2."""
    expected = between("krogstad4-data", 200)
    exact_start = diffusion.sampler("dpmpp-3m", start="runge-kutta")
    far, near = (
        [error(between(one, steps), expected) for steps in (40, 80)] for one in ("dpmpp-3m@diffusers", exact_start)
    )
    assert np.log2(far[0] / far[1]) < 2.3
    assert np.log2(near[0] / near[1]) > 2.6
    assert near[1] < 0.2 * far[1]


def test_a_step_ends_where_the_next_one_starts():
    """DDIM of diffusers steps by 2 timesteps of 1000 in 400 steps, while those of "linspace" lie 2.5 apart."""
    theirs = diffusers.DDIMScheduler(timestep_spacing="linspace", clip_sample=False)
    ours = Scheduler.from_config(theirs.config, sampler="ddim@diffusers")
    far, near = (error(run(s, indexed, num_inference_steps=400), exact(1 / 1000)) for s in (theirs, ours))
    assert near < 0.2 * far


def test_no_step_of_a_grid_of_karras_leads_nowhere():
    theirs = diffusers.DEISMultistepScheduler(use_karras_sigmas=True)
    theirs.set_timesteps(8)
    assert theirs.sigmas[-1] == theirs.sigmas[-2]
    ours = Scheduler.from_config(theirs.config, sampler="deis-logrhoab1")
    ours.set_timesteps(8)
    assert np.all(np.diff(ours.sigmas) < 0)


def test_a_singlestep_run_whose_calls_are_no_multiple_of_its_order_reaches_the_data():
    """Black images: a third-order step on the last of 3 n − 1 timesteps took the logarithm of 0."""
    for calls in (8, 11):
        ours = Scheduler.from_config({"beta_schedule": "linear"}, sampler="singlestep3@diffusers")
        assert torch.isfinite(run(ours, indexed, num_inference_steps=calls)).all()


def test_as_many_calls_are_made_as_steps_are_asked_for():
    """Timesteps that rounding puts together are left out by some, so that 95 steps are run of 100."""
    ours = Scheduler.from_config({"beta_schedule": "squaredcos_cap_v2"}, sampler="dpmpp-2m", use_karras_sigmas=True)
    ours.set_timesteps(100)
    assert len(ours.timesteps) == len(set(ours.timesteps.tolist())) == 100


@pytest.mark.parametrize("sampler", ["dpmpp-3m", "unipc3", "edm-heun"])
def test_a_run_broken_off_leaves_nothing_to_the_next_of_another_batch(sampler):
    ours = Scheduler.from_config({"beta_schedule": "linear"}, sampler=sampler)
    whole = run(ours, indexed, num_inference_steps=6)
    ours.set_timesteps(6)
    x = NOISE[:3]
    for t in ours.timesteps[:4]:
        x = ours.step(indexed(x, float(t)), t, x, return_dict=False)[0].double()
    assert torch.equal(run(ours, indexed, num_inference_steps=6), whole)
    np.testing.assert_allclose(run(ours, indexed, NOISE[:3], num_inference_steps=6), whole[:3], rtol=1e-12)


def test_a_state_in_half_precision_gets_its_noise():
    """In bfloat16 σ of the first timesteps added nothing; here it is reckoned in single precision."""
    ours = Scheduler.from_config({"beta_schedule": "linear"})
    x = torch.zeros(2, 3, dtype=torch.bfloat16)
    for timestep in (0, 2):
        sigma = float(VP.sigma((timestep + 1) / 1000))
        noisy = ours.add_noise(x, torch.ones_like(x), torch.tensor([timestep]))
        torch.testing.assert_close(noisy.float(), torch.full((2, 3), sigma), rtol=4e-3, atol=0)


@pytest.mark.filterwarnings("ignore::diffusion.OffScaleWarning")
@pytest.mark.parametrize("shift", [1.0, 3.0, 7.0])
@pytest.mark.parametrize("name", ["unipc3", "dpmpp-3m"])
def test_on_levels_of_flow_matching_high_orders_are_lowered_at_the_end_unless_that_is_refused(name, shift):
    """Exact model: the last steps are long, and order 3 in λ overshoots there."""
    kept, lowered = foreign_grids.errors("FlowMatchEulerDiscreteScheduler", {"shift": shift}, name, 8)
    assert lowered < 0.5 * kept
    config = diffusers.FlowMatchEulerDiscreteScheduler(shift=shift).config
    rules = [
        Scheduler.from_config(config, sampler=name, **options)._rule
        for options in ({}, {"lower_order_final": True}, {"lower_order_final": False}, {"grid": "sampler"})
    ]
    assert rules[0] == rules[1] != rules[2] == rules[3] == diffusion.sampler(name)


@pytest.mark.filterwarnings("ignore::diffusion.OffScaleWarning")
@pytest.mark.parametrize("shift", [1.0, 3.0, 7.0])
@pytest.mark.parametrize("name", ["deis-rhoab1", "auto"])
def test_in_rho_order_2_and_the_default_err_less_than_the_scheduler_of_flow_matching_itself(name, shift):
    options = {"shift": shift}
    for steps in (5, 8, 20):
        of_euler, ours = (
            foreign_grids.errors("FlowMatchEulerDiscreteScheduler", options, name, steps)[0] for name in ("euler", name)
        )
        assert ours < of_euler


@pytest.mark.parametrize("fault", diffusers_faults.FAULTS, ids=lambda fault: fault.__name__.strip("_"))
def test_what_is_measured_of_a_fault_is_a_fraction_of_theirs(fault):
    found = diffusers_faults.measured(fault)
    assert found.theirs > 0.0
    assert found.ours < 0.4 * found.theirs
