"""Samplers as functions of k-diffusion and ComfyUI, against its formulas written out and against our own runs."""

import pickle
import warnings
from itertools import pairwise

import numpy as np
import pytest
import torch

import diffusion
from diffusion.adapters import k_diffusion
from diffusion.models.mixture import gaussian_mixture

from .golden import mixture, runs

SCHEDULE = diffusion.EDM(0.02, 20.0)
NETWORK = gaussian_mixture(*mixture()[:3], SCHEDULE)
NOISE = torch.from_numpy(mixture()[3])
LEVELS = torch.tensor([20.0, 7.0, 2.5, 0.9, 0.3, 0.1, 0.02], dtype=torch.float64)
FLOW = gaussian_mixture(*mixture()[:3], diffusion.FlowMatching(t_start=1.0), predicts="data")


def model(x, sigma, **_):
    return NETWORK(x, sigma)


def flow_model(x, sigma, **_):
    return FLOW(x, sigma)


def slope(x, sigma):
    return (x - model(x, sigma.repeat(x.shape[0]))) / sigma


def euler(x, s, t):
    return x + slope(x, s) * (t - s)


def heun(x, s, t):
    d = slope(x, s)
    return x + (d + slope(x + d * (t - s), t)) / 2 * (t - s)


def dpm_2(x, s, t):
    d, mid = slope(x, s), s.log().lerp(t.log(), 0.5).exp()
    return x + slope(x + d * (mid - s), mid) * (t - s)


def dpmpp_2s(x, s, t):
    h = s.log() - t.log()
    mid = (s.log() - h / 2).exp()
    inner = mid / s * x - (-h / 2).expm1() * model(x, s.repeat(x.shape[0]))
    return t / s * x - (-h).expm1() * model(inner, mid.repeat(x.shape[0]))


def one_step(step):
    """Return a sampler of k-diffusion that makes each of its steps by itself, and the last to 0 by Euler's."""

    def sample(x, sigmas):
        for s, t in pairwise(sigmas):
            x = step(x, s, t) if t > 0 else euler(x, s, t)
        return x

    return sample


def dpmpp_2m(x, sigmas):
    old = None
    for i in range(len(sigmas) - 1):
        s, t = sigmas[i], sigmas[i + 1]
        denoised, h = model(x, s.repeat(x.shape[0])), s.log() - t.log()
        r = 0.0 if old is None or t == 0 else (sigmas[i - 1].log() - s.log()) / h
        ahead = denoised if not r else (1 + 1 / (2 * r)) * denoised - 1 / (2 * r) * old
        x = t / s * x - (-h).expm1() * ahead if t > 0 else denoised
        old = denoised
    return x


LITERAL = {
    "sample_euler": one_step(euler),
    "sample_edm_heun": one_step(heun),
    "sample_dpm2_at_k_diffusion": one_step(dpm_2),
    "sample_dpmpp_2s_at_k_diffusion": one_step(dpmpp_2s),
    "sample_dpmpp_2m_at_k_diffusion": dpmpp_2m,
}


@pytest.mark.parametrize("ends", ["in 0", "above 0"])
@pytest.mark.parametrize("name", LITERAL)
def test_the_function_gives_what_the_formulas_of_k_diffusion_give(name, ends):
    sigmas = torch.cat([LEVELS, LEVELS.new_zeros(1)]) if ends == "in 0" else LEVELS
    found = getattr(k_diffusion, name)(model, LEVELS[0] * NOISE, sigmas, disable=True)
    torch.testing.assert_close(found, LITERAL[name](LEVELS[0] * NOISE, sigmas), rtol=0, atol=1e-11)


@pytest.mark.parametrize("run", runs("kdiffusion"), ids=lambda run: run["id"])
def test_recorded_runs_of_k_diffusion_are_reproduced(run):
    names = {
        "sample_heun": "sample_edm_heun",
        "sample_dpm_2": "sample_dpm2_at_k_diffusion",
        "sample_lms": f"sample_lms{run['args'].get('order')}_at_k_diffusion",
        "sample_dpmpp_2s_ancestral": "sample_dpmpp_2s_at_k_diffusion",
        "sample_dpmpp_2m": "sample_dpmpp_2m_at_k_diffusion",
    }
    sample = getattr(k_diffusion, names.get(run["fn"], run["fn"]))
    network = gaussian_mixture(*mixture()[:3], diffusion.EDM())
    found = sample(lambda x, sigma: network(x, sigma), run["states"][0], run["grid"], disable=True)
    np.testing.assert_allclose(found, run["states"][-1], rtol=0, atol=run["tol"] * np.abs(run["states"]).max())


@pytest.mark.parametrize("name", [name for name in diffusion.sampler_names() if "@th-deis" not in name])
def test_every_named_sampler_has_a_function_that_makes_its_run(name):
    sample = getattr(k_diffusion, "sample_" + name.replace("@", "_at_").replace("-", "_"))
    assert sample.__name__ in dir(k_diffusion)
    expected = diffusion.sample(NETWORK, LEVELS[0] * NOISE, sampler=name, grid=LEVELS, start="state")
    torch.testing.assert_close(sample(model, LEVELS[0] * NOISE, LEVELS, disable=True), expected, rtol=0, atol=1e-10)
    again = pickle.loads(pickle.dumps(sample))
    assert torch.equal(again(model, LEVELS[0] * NOISE, LEVELS, disable=True), sample(model, LEVELS[0] * NOISE, LEVELS))


@pytest.mark.parametrize("name", ["auto", "unipc3", "dpmpp-2m", "adams3-flow", "euler", "deis-rhoab2", "dpm3m"])
@pytest.mark.parametrize("last", [0.0, 0.02])
def test_flow_models_are_sampled_from_pure_noise(name, last):
    levels = [1.0, 0.95, 0.85, 0.7, 0.5, 0.3, 0.1, last]
    sample = k_diffusion.sampler_function(name, flow=True)
    found = sample(flow_model, NOISE, torch.tensor(levels), disable=True)
    begins = 0.9999 if name in ("deis-rhoab2", "dpm3m") else 1.0
    own = diffusion.FlowMatching(t_start=1.0, t_end=last or 0.1)
    network = diffusion.Denoiser(FLOW.network, predicts="data", schedule=own)
    grid = np.float32([begins, *levels[1:]]).astype(float)
    grid[0] = begins
    grid[-1] = max(grid[-1], last)
    expected = diffusion.sample(network, NOISE, sampler=name, grid=grid, start="state")
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-8)


class CONST:
    """As ComfyUI calls what flow matching is to it."""


class Sampling(CONST):
    sigmas = torch.linspace(0.001, 1.0, 1000) * 3 / (1 + 2 * torch.linspace(0.001, 1.0, 1000))


class Inner:
    model_sampling = Sampling()


class Guider:
    inner_model = Inner()


class Wrapped:
    """What ComfyUI hands to a sampler: a model whose inner model's inner model has the model_sampling."""

    inner_model = Guider()

    def __call__(self, x, sigma, **_):
        return FLOW(x, sigma)


def test_flow_matching_is_recognised_by_what_comfyui_says_of_a_model():
    assert k_diffusion.is_flow(Wrapped())
    assert not k_diffusion.is_flow(model)
    levels = torch.tensor([1.0, 0.8, 0.4, 0.0], dtype=torch.float64)
    told = k_diffusion.sampler_function("unipc2", flow=True)(flow_model, NOISE, levels)
    assert torch.equal(k_diffusion.sample_unipc2(Wrapped(), NOISE, levels), told)
    assert not torch.equal(k_diffusion.sample_unipc2(Wrapped(), NOISE, levels, flow=False), told)


@pytest.mark.parametrize("name", ["euler", "edm_heun", "unipc3", "auto", "dpmpp_3s"])
def test_the_callback_is_told_each_step_once_with_the_data(name):
    told = []
    sigmas = torch.cat([LEVELS, LEVELS.new_zeros(1)])
    sample = getattr(k_diffusion, f"sample_{name}")
    plain = sample(model, LEVELS[0] * NOISE, sigmas, disable=True)
    watched = sample(model, LEVELS[0] * NOISE, sigmas, callback=told.append, disable=True)
    assert torch.equal(plain, watched)
    assert [call["i"] for call in told] == list(range(len(LEVELS)))
    for call in told:
        assert call["sigma"] == call["sigma_hat"] == sigmas[call["i"]]
        assert torch.equal(call["denoised"], model(call["x"], call["sigma"].repeat(3)))


def test_arguments_of_the_model_reach_it_and_no_gradient_is_recorded():
    seen = []

    def conditioned(x, sigma, cond, *, seed):
        seen.append((cond, seed, tuple(sigma.shape), sigma.dtype))
        return x * weight

    weight = torch.tensor(0.1, requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", diffusion.OffScaleWarning)
        found = k_diffusion.sample_euler(conditioned, NOISE.half() * 20, LEVELS, {"cond": 7, "seed": 1}, disable=True)
    assert not found.requires_grad
    assert found.dtype == torch.float16
    assert set(seen) == {(7, 1, (3,), torch.float32)}


def test_repeated_levels_are_left_out_and_no_step_gives_the_state_itself():
    twice = torch.cat([LEVELS[:3], LEVELS[2:], LEVELS.new_zeros(2)])
    once = torch.cat([LEVELS, LEVELS.new_zeros(1)])
    told = []
    for name in ("sample_dpmpp_2m", "sample_unipc3"):
        sample = getattr(k_diffusion, name)
        found = sample(model, LEVELS[0] * NOISE, twice, callback=told.append, disable=True)
        assert torch.equal(found, sample(model, LEVELS[0] * NOISE, once, disable=True))
    assert all(call["sigma"] == twice[call["i"]] or call["sigma"] == once[call["i"]] for call in told)
    for none in (LEVELS[:0], LEVELS[:1], LEVELS[[0, 0]]):
        assert k_diffusion.sample_euler(model, NOISE, none) is NOISE


def test_one_step_to_zero_is_the_data_that_the_model_predicts():
    for name in ("sample_euler", "sample_auto", "sample_unipc3", "sample_dpmpp_3m", "sample_deis_tab3"):
        found = getattr(k_diffusion, name)(model, LEVELS[0] * NOISE, [20.0, 0.0], disable=True)
        torch.testing.assert_close(found, model(LEVELS[0] * NOISE, LEVELS[:1].repeat(3)), rtol=1e-12, atol=1e-12)


def test_increasing_levels_run_from_data_to_noise():
    fine = torch.from_numpy(np.geomspace(20.0, 0.02, 120))
    data = k_diffusion.sample_dpmpp_3m(model, fine[0] * NOISE, fine, disable=True)
    back = k_diffusion.sample_dpmpp_3m(model, data, fine.flip(0), disable=True)
    assert (back - 20 * NOISE).abs().max() < 0.02


def test_a_run_that_leaves_noise_for_another_sampler_is_no_cause_of_warnings():
    first = k_diffusion.sample_unipc2(model, 20 * NOISE, LEVELS[:3], disable=True)
    rest = k_diffusion.sample_unipc2(model, first, [*LEVELS[2:], 0.0], disable=True)
    whole = k_diffusion.sample_unipc2(model, 20 * NOISE, [*LEVELS, 0.0], disable=True)
    assert (rest - whole).abs().max() < 0.5


@pytest.mark.parametrize(
    "levels", [[1.0, 2.0, 0.5], [2.0, np.nan, 0.0], [0.0, 1.0], [2.0, -1.0], [[2.0, 1.0]], "karras", [1.2, 0.5]]
)
def test_levels_that_make_no_sense_are_refused(levels):
    sample = k_diffusion.sampler_function("euler", flow=True if levels == [1.2, 0.5] else None)
    with pytest.raises((ValueError, TypeError), match=r"expected .* received"):
        sample(model, NOISE, levels)


@pytest.mark.parametrize(
    ("name", "says"), [("sample_heunpp2", "edm-heun"), ("sample_unipcc3", "unipc"), ("simple", "sample_unipc3")]
)
def test_an_unknown_name_is_answered_by_the_one_that_is_meant(name, says):
    with pytest.raises(AttributeError, match=f"expected .* received .*{says}|expected .*{says}.* received"):
        getattr(k_diffusion, name)


def test_the_names_of_k_diffusion_are_functions_here():
    meant = {
        "heun": "edm-heun",
        "dpm_2": "dpm2@k-diffusion",
        "lms": "lms4@k-diffusion",
        "dpm_2_ancestral": "dpm2-ancestral",
    }
    assert {name: getattr(k_diffusion, f"sample_{name}").sampler.name for name in meant} == meant
    assert {f"sample_{name}" for name in (*meant, "dpm_fast", "euler_ancestral")} <= set(dir(k_diffusion))


LISTED = torch.cat([LEVELS, LEVELS.new_zeros(1)])


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("unipc3", {"eta": 0.5}, "unipc3: expected eta for a sampler that draws noise.*sample_euler_ancestral"),
        ("unipc3", {"s_churn": 5.0}, "expected s_churn .*whose steps remember nothing"),
        ("unipc3", {"s_noise": 1.1}, "expected s_noise for a sampler that draws noise"),
        ("euler", {"noise_sampler": lambda s, t: 0}, "expected noise_sampler for a sampler that draws noise"),
        ("er_sde_3", {"eta": 0.5}, "expected eta for an ancestral sampler or one of a constant strength"),
        ("euler_ancestral", {"eta": 1.5}, "eta"),
        ("euler_ancestral", {"noise_sampler": lambda s, t: torch.ones(2)}, "expected noise_sampler to return an array"),
        ("heun", {"order": 2}, "expected order for LMS alone"),
        ("euler", {"solver_type": "heun"}, "expected solver_type to be 'midpoint' or 'heun'"),
        ("dpmpp_sde", {"r": 0.4}, "expected r = 1/2"),
        ("lms", {"order": 9}, "order"),
        ("euler", {"s_churns": 1.0}, "expected options of k-diffusion, .*received s_churns"),
    ],
)
def test_options_that_mean_nothing_are_refused_before_any_call(name, options, says):
    def never(x, sigma):
        raise AssertionError("called")

    calls = model if "return an array" in says else never
    with pytest.raises((TypeError, ValueError), match=says):
        getattr(k_diffusion, f"sample_{name}")(calls, 20 * NOISE, LISTED, disable=True, **options)


@pytest.mark.filterwarnings("ignore::diffusion.UnstableWarning")
@pytest.mark.filterwarnings("ignore::diffusion.OffScaleWarning")
@pytest.mark.parametrize("flow", [False, True])
@pytest.mark.parametrize("name", diffusion.sampler_names(stochastic=True))
def test_every_stochastic_sampler_has_a_function_whose_noise_comes_from_a_seed(name, flow):
    sample = getattr(k_diffusion, "sample_" + name.replace("@", "_at_").replace("-", "_"))
    levels = torch.tensor([1.0, 0.8, 0.5, 0.3, 0.05, 0.0], dtype=torch.float64) if flow else LISTED
    if "restart" in name and flow:
        levels = torch.tensor([0.9, 0.5, 0.2, 0.05, 0.0], dtype=torch.float64)

    def run(x, seed, own=flow_model if flow else model):
        return sample(lambda x, s, seed: own(x, s), levels[0] * x, levels, {"seed": seed}, disable=True, flow=flow)

    one, two = run(NOISE, 7), run(NOISE, 8)
    assert torch.equal(one, run(NOISE, 7))
    assert not torch.equal(one, two)
    alone = run(NOISE[1:2], [5])
    assert torch.equal(alone[0], run(NOISE, [3, 5, 9])[1])
    torch.manual_seed(3)
    first = sample(
        lambda x, s: (flow_model if flow else model)(x, s), levels[0] * NOISE, levels, disable=True, flow=flow
    )
    torch.manual_seed(3)
    again = sample(
        lambda x, s: (flow_model if flow else model)(x, s), levels[0] * NOISE, levels, disable=True, flow=flow
    )
    assert torch.equal(first, again)


def test_noise_without_a_source_is_refused():
    with pytest.raises(ValueError, match="expected noise for 'euler-ancestral', received none; give noise_sampler="):
        k_diffusion.sample_euler_ancestral(model, 20 * NOISE.numpy(), LISTED.numpy(), disable=True)


def test_what_interrupts_a_run_is_passed_on_with_the_states_reached():
    """ComfyUI stops a run by an exception of its own, raised by the model or the callback."""

    class InterruptProcessingException(Exception):
        pass

    def stop(told):
        if told["i"] == 3:
            raise InterruptProcessingException

    with pytest.raises(InterruptProcessingException) as stopped:
        k_diffusion.sample_unipc3(model, 20 * NOISE, LISTED, callback=stop, disable=True)
    assert stopped.value.solution.y.shape[0] >= 1


def test_composed_names_are_found_too():
    assert k_diffusion.sample_krogstad4_data.sampler == diffusion.sampler("krogstad4-data")
    assert k_diffusion.sample_deis_tab5.sampler.name == "deis-tab5"


VP = diffusion.VP.from_betas(np.linspace(1e-4, 0.02, 1000))


@pytest.mark.parametrize("name", ["unipc3", "edm-heun", "deis-tab2"])
@pytest.mark.parametrize("grid", ["karras", None])
def test_a_plan_file_of_a_table_runs_in_the_levels_of_the_host(name, grid, tmp_path):
    six = diffusion.freeze(name, VP, steps=6, grid=grid)
    six.save(tmp_path / "six.safetensors")
    plan = diffusion.load_sampler(tmp_path / "six.safetensors")
    sigmas = k_diffusion.sigmas(plan)
    network = gaussian_mixture(*mixture()[:3], VP, predicts="noise")

    def host(x, sigma):
        t = VP.time(-torch.log(sigma))
        alpha = VP.alpha(t)[:, None, None, None]
        return alpha.new_tensor(network.predict(alpha * x, float(t[0]), "data"))

    expected = diffusion.sample(network, NOISE, sampler=six)
    alpha = float(VP.alpha(six.nodes[0]))
    end = float(VP.alpha(six.nodes[-1]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        found = k_diffusion.sampler_function(plan)(host, NOISE / alpha, sigmas, disable=True)
    torch.testing.assert_close(found * end, expected, rtol=0, atol=1e-9)
    with pytest.raises(ValueError, match="levels that its rows are for"):
        k_diffusion.sampler_function(plan)(host, NOISE, LEVELS)


def test_a_plan_of_flow_matching_runs_on_a_flow_model():
    own = diffusion.FlowMatching(shift=3.0)
    plan = diffusion.freeze("dpmpp-2m", own, steps=5)
    network = gaussian_mixture(*mixture()[:3], own, predicts="flow")
    expected = diffusion.sample(network, NOISE, sampler=plan, start="state")
    levels = k_diffusion.sigmas(plan, schedule=own)
    found = k_diffusion.sampler_function(plan, flow=True)(flow_model, NOISE, levels, disable=True)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)


def test_grids_are_lists_of_levels_that_end_in_zero():
    table = VP.rho(np.arange(1, 1001) / 1000)
    for grid, first in (("karras", table[-1]), ("simple", table[-1]), (diffusion.sampler("unipc3"), table[-1])):
        levels = k_diffusion.sigmas(grid, 7, schedule=VP)
        assert levels.dtype == torch.float32
        assert levels.shape == (8,)
        assert levels[-1] == 0
        assert (levels.diff() < 0).all()
        np.testing.assert_allclose(levels[0], first, rtol=1e-6)
    rule = diffusion.sampler("unipc3").grid
    np.testing.assert_allclose(k_diffusion.sigmas(rule, 5, schedule=VP, zero=False), VP.rho(rule(5, VP)), rtol=1e-6)
    flow = k_diffusion.sigmas("normal", 4, schedule=diffusion.FlowMatching(3.0, t_start=1.0, t_end=0.001))
    assert flow[0] == 1.0
    assert k_diffusion.sigmas("karras", 1, schedule=VP).shape == (2,)
    assert k_diffusion.sigmas([1.0, 0.5, 0.25], schedule=diffusion.EDM()).tolist() == [1.0, 0.5, 0.25, 0.0]
    with pytest.raises(TypeError, match="expected schedule"):
        k_diffusion.sigmas("karras", 5)
    with pytest.raises(ValueError, match="karas"):
        k_diffusion.sigmas("karas", 5, schedule=VP)


class Discrete:
    sigmas = torch.from_numpy(VP.rho(np.arange(1, 1001) / 1000)).float()


class ModelSamplingContinuousEDM:
    sigmas = torch.logspace(-2, 2, 1000)
    sigma_data = 1.0


def test_the_process_of_a_model_is_read_off_its_table():
    schedule = k_diffusion.schedule_of(Discrete())
    np.testing.assert_allclose(schedule.rho(np.arange(1, 1001) / 1000), Discrete.sigmas, rtol=1e-6)
    flow = k_diffusion.schedule_of(Wrapped())
    assert isinstance(flow, diffusion.FlowMatching)
    np.testing.assert_allclose(flow.shift, 3.0, rtol=1e-5)
    edm = k_diffusion.schedule_of(ModelSamplingContinuousEDM())
    np.testing.assert_allclose([edm.sigma_min, edm.sigma_max, edm.sigma_data], [0.01, 100.0, 1.0], rtol=1e-6)
    with pytest.raises(TypeError, match="table 'sigmas'"):
        k_diffusion.schedule_of(model)
