"""Networks of diffusers as denoisers: what they are told, given, and what is made of what they return."""

import numpy as np
import pytest
import torch

import diffusion
from diffusion.models.mixture import gaussian_mixture

from .golden import mixture

MIXTURE = mixture()[:3]
NOISE = torch.from_numpy(mixture()[3])
BETAS = np.linspace(1e-4, 2e-2, 1000)
VP = diffusion.VP.from_betas(BETAS)
TABLE = {"beta_schedule": "linear", "prediction_type": "epsilon"}


class Output:
    """As the output objects of diffusers."""

    def __init__(self, sample):
        self.sample = sample


def model_of(schedule, predicts, time, wrap=lambda x: x):
    """Return an exact model with the call of diffusers, and the timesteps that it is told."""
    exact, told = gaussian_mixture(*MIXTURE, schedule, predicts=predicts), []

    def model(sample, timestep, **condition):
        assert timestep.shape == sample.shape[:1]
        told.append(float(timestep[0]))
        return wrap(exact(sample, time(told[-1])))

    return model, told


@pytest.mark.parametrize(
    "wrap",
    [lambda x: x, lambda x: (x,), Output, lambda x: torch.cat([x, x + 1], 1)],
    ids=["array", "tuple", "object", "learned variance"],
)
def test_whatever_form_an_output_has_it_is_the_prediction(wrap):
    model, told = model_of(VP, "noise", lambda t: (t + 1) / 1000, wrap)
    denoiser = diffusion.Denoiser.from_diffusers(model, TABLE)
    found = diffusion.sample(denoiser, NOISE, sampler="ddim@diffusers", steps=5)
    expected = diffusion.sample(gaussian_mixture(*MIXTURE, VP), NOISE, sampler="ddim@diffusers", steps=5)
    assert told == [800.0, 600.0, 400.0, 200.0, 0.0]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("epsilon", "noise"), ("sample", "data"), ("v_prediction", "velocity"), ("flow_prediction", "flow")],
)
def test_every_prediction_type_is_what_it_says(name, kind):
    model, _ = model_of(VP, kind, lambda t: (t + 1) / 1000)
    denoiser = diffusion.Denoiser.from_diffusers(model, {**TABLE, "prediction_type": name})
    assert denoiser.predicts == kind
    found = diffusion.sample(denoiser, NOISE, sampler="unipc3", steps=8)
    expected = diffusion.sample(gaussian_mixture(*MIXTURE, VP), NOISE, sampler="unipc3", steps=8)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)  # told times are rounded to single precision


def test_flow_matching_is_told_a_thousand_times_the_noise_level_after_the_shift():
    flow = diffusion.FlowMatching(shift=3.0)
    model, told = model_of(diffusion.FlowMatching(), "flow", lambda t: t / 1000)
    denoiser = diffusion.Denoiser.from_diffusers(model, {"shift": 3.0})
    assert denoiser.schedule == flow
    diffusion.sample(denoiser, NOISE, sampler="auto", grid=[0.9, 0.5, 0.1])
    np.testing.assert_allclose(told, 1000 * flow.sigma(np.array([0.9, 0.5])), rtol=1e-6)
    dynamic = {"shift": 1.0, "use_dynamic_shifting": True}
    assert diffusion.Denoiser.from_diffusers(model, dynamic, mu=0.0).schedule == diffusion.FlowMatching()
    with pytest.raises(ValueError, match="expected mu, by which use_dynamic_shifting shifts times"):
        diffusion.Denoiser.from_diffusers(model, dynamic)


@pytest.mark.parametrize(("name", "sign"), [("epsilon", 1.0), ("v_prediction", -1.0)])
def test_preconditioned_networks_are_given_scaled_states_and_told_a_logarithm(name, sign):
    exact, edm = gaussian_mixture(*MIXTURE, diffusion.EDM(), predicts="edm"), diffusion.EDM()

    def model(sample, timestep):
        sigma = float(torch.exp(4 * timestep[0]))
        return sign * exact(sample * np.hypot(sigma, 0.5), sigma)

    denoiser = diffusion.Denoiser.from_diffusers(model, {"sigma_data": 0.5, "prediction_type": name})
    found = diffusion.sample(denoiser, NOISE, sampler="edm-heun", steps=12)
    expected = diffusion.sample(gaussian_mixture(*MIXTURE, edm), NOISE, sampler="edm-heun", steps=12)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


def test_guidance_is_one_call_with_twice_the_batch():
    batches = []

    def model(sample, timestep, embedding, flags):
        batches.append((sample.shape[0], timestep.shape[0]))
        assert flags == "same"
        return sample * embedding.mean((1, 2), keepdim=True)[..., None]

    given, without = torch.rand(len(NOISE), 3, 2, dtype=torch.float64), torch.rand(1, 3, 2, dtype=torch.float64)
    arguments = {"condition": {"embedding": given, "flags": "same"}}
    guided = diffusion.Denoiser.from_diffusers(
        model, TABLE, **arguments, unconditional={"embedding": without, "flags": "same"}, guidance_scale=2.5
    )
    found = guided(NOISE, 0.5)
    assert batches == [(2 * len(NOISE),) * 2]
    plain = diffusion.Denoiser.from_diffusers(model, TABLE, **arguments)
    two = diffusion.guidance.classifier_free(plain, 2.5, unconditional={"embedding": without, "flags": "same"})
    torch.testing.assert_close(found, two(NOISE, 0.5), rtol=1e-12, atol=1e-12)
    with pytest.raises(ValueError, match="expected unconditional and guidance_scale both or neither"):
        diffusion.Denoiser.from_diffusers(model, TABLE, guidance_scale=2.0)
    other = diffusion.Denoiser.from_diffusers(model, TABLE, unconditional={"label": without}, guidance_scale=2.0)
    with pytest.raises(ValueError, match=r"expected the same keys .* received \[\] and \['label'\]"):
        other(NOISE, 0.5)
    mixed = {"condition": {"flags": "one"}, "unconditional": {"flags": "other"}, "guidance_scale": 2.0}
    with pytest.raises(ValueError, match="expected 'flags' in the condition and in unconditional"):
        diffusion.Denoiser.from_diffusers(model, TABLE, **mixed)(NOISE, 0.5)


def test_a_network_in_half_precision_is_given_states_and_times_as_it_wants_them():
    class Half(torch.nn.Module):
        dtype = torch.bfloat16

        def forward(self, sample, timestep):
            assert sample.dtype == torch.bfloat16
            assert timestep.dtype == torch.float32  # an index has more digits than a half has
            return (sample * 0.5,)

    denoiser = diffusion.Denoiser.from_diffusers(Half(), TABLE)
    assert denoiser(NOISE.float(), 0.5).dtype == torch.float32


def test_what_is_no_model_or_no_scheduler_is_refused():
    with pytest.raises(TypeError, match=r"expected a model of diffusers, called as model\(sample, timestep, …\)"):
        diffusion.Denoiser.from_diffusers(None, TABLE)
    with pytest.raises(TypeError, match="expected a scheduler of diffusers or its config, a mapping; received"):
        diffusion.Denoiser.from_diffusers(lambda x, t: x, "ddim")
    with pytest.raises(TypeError, match="expected the model to return an array, a tuple or an object with sample"):
        diffusion.Denoiser.from_diffusers(lambda x, t: "image", TABLE)(NOISE, 0.5)
    with pytest.raises(ValueError, match="expected prediction_type to be one of"):
        diffusion.Denoiser.from_diffusers(lambda x, t: x, {**TABLE, "prediction_type": "x0"})
