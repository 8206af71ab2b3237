"""Which runs are warned of: those of a wrong kind of prediction, and none of a right one, whatever the data's scale."""

import warnings

import numpy as np
import pytest

import diffusion
from diffusion.models.mixture import gaussian_mixture

SCHEDULES = {
    "vp": diffusion.VP.linear(),
    "cosine": diffusion.VP.cosine(),
    "sub-vp": diffusion.SubVP(),
    "ve": diffusion.VE(),
    "edm": diffusion.EDM(),
    "flow": diffusion.FlowMatching(),
    "table": diffusion.VP.from_betas(np.linspace(1e-4, 2e-2, 1000)),
}
KINDS = ["noise", "data", "velocity", "flow", "edm"]
SIZE = 48
NOISE = np.random.default_rng(0).standard_normal((8, SIZE))
CONFUSED = [
    ("noise", "velocity"),
    ("velocity", "noise"),
    ("data", "noise"),
    ("data", "flow"),
    ("velocity", "flow"),
    ("flow", "velocity"),
]


def network(schedule, kind, scale, mean=0.0):
    means = scale * np.stack([np.sin(np.arange(SIZE)), 0.7 * np.cos(np.arange(SIZE))]) + mean
    return gaussian_mixture([0.5, 0.5], means, [np.eye(SIZE) * (0.25 * scale) ** 2] * 2, schedule, kind).network


def warned(schedule, net, kind, name="dpmpp-2m"):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        diffusion.sample(diffusion.Denoiser(net, kind, schedule), NOISE, sampler=name, steps=12)
    return [str(w.message) for w in seen if w.category is diffusion.OffScaleWarning]


@pytest.mark.parametrize(("scale", "mean"), [(0.5, 0.0), (1.0, 0.0), (100.0, 0.0), (30.0, 100.0)])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("key", SCHEDULES)
def test_a_right_prediction_is_not_warned_of_whatever_the_scale_of_the_data(key, kind, scale, mean):
    schedule = SCHEDULES[key]
    assert not warned(schedule, network(schedule, kind, scale, mean), kind)


@pytest.mark.parametrize("wrong", [0.97, 1.03])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("key", SCHEDULES)
def test_a_network_that_has_learnt_roughly_is_not_taken_for_another(key, kind, wrong):
    """Of 3 % of the noise σ/α = 152 at the start of VP makes data of mean square 700, in the direction of the state."""
    schedule = SCHEDULES[key]
    exact = network(schedule, kind, 1.0)
    assert not warned(schedule, lambda x, t: wrong * exact(x, t), kind)


@pytest.mark.parametrize("scale", [0.5, 1.0])
@pytest.mark.parametrize(("truth", "said"), CONFUSED)
@pytest.mark.parametrize("key", SCHEDULES)
def test_a_prediction_taken_for_another_is_warned_of_once(key, truth, said, scale):
    schedule = SCHEDULES[key]
    messages = warned(schedule, network(schedule, truth, scale), said)
    assert len(messages) == 1
    assert f"may predict something else than {said!r}" in messages[0]
    assert "check predicts= and the network's convention of time" in messages[0]


@pytest.mark.parametrize("name", ["ddim", "dpmpp-2m", "unipc3", "edm-heun"])
def test_guidance_is_not_taken_for_another_prediction(name):
    schedule = SCHEDULES["vp"]
    one = gaussian_mixture([1.0], [np.sin(np.arange(SIZE))], [0.1 * np.eye(SIZE)], schedule, "noise").network
    both = network(schedule, "noise", 1.0)

    def conditional(x, t, c=True):
        return one(x, t) if c else both(x, t)

    guided = diffusion.guidance.classifier_free(
        diffusion.Denoiser(conditional, "noise", schedule), 7.5, unconditional={"c": False}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", diffusion.OffScaleWarning)
        diffusion.sample(guided, NOISE, sampler=name, steps=20)


@pytest.mark.parametrize("scale", [2.0, 7.5])
@pytest.mark.parametrize("kind", ["noise", "velocity", "data"])
@pytest.mark.parametrize("key", SCHEDULES)
def test_guidance_inside_the_network_is_not_taken_for_another_prediction(key, kind, scale):
    """As pipelines guide: for one of many classes, and for data of which the class is a shifted part."""
    schedule, rng = SCHEDULES[key], np.random.default_rng(1)
    means, spectrum = 0.7 * rng.standard_normal((8, SIZE)), np.diag(1.0 / np.arange(1, SIZE + 1))
    classes = gaussian_mixture(np.ones(8), means, [0.05 * spectrum] * 8, schedule, kind).network
    one = gaussian_mixture([1.0], means[:1], [0.05 * spectrum], schedule, kind).network
    broad = gaussian_mixture([1.0], np.zeros((1, SIZE)), [spectrum], schedule, kind).network
    shifted = gaussian_mixture([1.0], 0.4 * means[1:2], [0.6 * spectrum], schedule, kind).network

    def guided(conditional, both):
        return lambda x, t: both(x, t) + scale * (conditional(x, t) - both(x, t))

    for net in (guided(one, classes), guided(shifted, broad)):
        for name in ("dpmpp-2m", "auto"):
            assert not warned(schedule, net, kind, name)


@pytest.mark.parametrize(
    ("truth", "said"), [("noise", "data"), ("velocity", "data"), ("edm", "data"), ("edm", "velocity"), ("flow", "data")]
)
@pytest.mark.parametrize("key", ["vp", "table"])
def test_predictions_that_only_later_calls_tell_apart_are_warned_of(key, truth, said):
    schedule = SCHEDULES[key]
    messages = warned(schedule, network(schedule, truth, 1.0), said)
    assert len(messages) == 1


@pytest.mark.filterwarnings("ignore::diffusion.OffScaleWarning")  # a network of no schedule
@pytest.mark.parametrize("name", ["ddim", "dpmpp-2m", "unipc3"])
def test_sampling_is_traced_by_jax(jax, name):
    schedule = SCHEDULES["vp"]
    denoiser = diffusion.Denoiser(lambda x, t: 0.9 * x, "noise", schedule)
    x = jax.numpy.asarray(NOISE[:2, :3])

    def sample(x):
        return diffusion.sample(denoiser, x, sampler=name, steps=5)

    plain = np.asarray(diffusion.sample(denoiser, NOISE[:2, :3], sampler=name, steps=5))
    np.testing.assert_allclose(jax.jit(sample)(x), plain, rtol=1e-12)
    batches = jax.vmap(sample)(jax.numpy.stack([x, 2.0 * x]))
    np.testing.assert_allclose(batches, np.stack([plain, 2.0 * plain]), rtol=1e-10)
    gradient = jax.grad(lambda x: sample(x).sum())(x)
    np.testing.assert_allclose(gradient, (plain / NOISE[:2, :3]).mean() * np.ones((2, 3)), rtol=1e-9)
