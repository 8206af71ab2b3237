"""Runs of samplers under JAX's transformations, and compiled as a whole: what ``sample`` returns, to rounding."""

from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import diffusion

torch = pytest.importorskip("torch")

NOISE = np.random.default_rng(0).standard_normal((3, 2))
SCHEDULE = diffusion.VP.linear(0.1, 20.0)
QUIET = pytest.mark.filterwarnings("ignore::diffusion.OffScaleWarning", "ignore::diffusion.UnstableWarning")


def network(x: Any, t: Any, shift: Any = 0.0) -> Any:
    return (x + shift) * t[:, None] ** 0.5 / (1.0 + x**2) ** 0.5


def denoiser(**options: Any) -> diffusion.Denoiser:
    return diffusion.Denoiser(network, predicts="noise", schedule=SCHEDULE, **options)


def drawn(name: str) -> dict[str, Any]:
    return {"rng": 7} if getattr(diffusion.sampler(name), "stochastic", False) else {}


@QUIET
@pytest.mark.parametrize("name", [*diffusion.sampler_names(), "bdia", "dpmpp-2m-sde", "ddpm"])
def test_every_sampler_is_run_with_its_network_in_one_function(name: str) -> None:
    noise, rng = torch.tensor(NOISE), drawn(name)
    expected = diffusion.sample(denoiser(), noise, sampler=name, steps=7, **rng)
    run = diffusion.scan(denoiser(), sampler=name, steps=7, backend="eager")
    np.testing.assert_allclose(run(noise, **rng), expected, rtol=1e-11, atol=1e-12)


@QUIET
def test_noise_of_every_source_is_that_of_sample() -> None:
    noise = torch.tensor(NOISE)
    run = diffusion.scan(denoiser(), sampler="dpmpp-2m-sde", steps=5, backend="eager")
    for rng in ([3, 1, 4], np.random.default_rng(2), diffusion.noise.BrownianPath(5)):
        state = rng.bit_generator.state if isinstance(rng, np.random.Generator) else None
        expected = diffusion.sample(denoiser(), noise, sampler="dpmpp-2m-sde", steps=5, rng=rng)
        if isinstance(rng, np.random.Generator):
            rng.bit_generator.state = state
        np.testing.assert_allclose(run(noise, rng=rng), expected, rtol=1e-11, atol=1e-12)


@QUIET
@pytest.mark.parametrize("name", ["deis-tab3", "dpmpp-2m-sde"])
def test_a_run_compiled_by_jax_is_that_of_sample(jax: ModuleType, name: str) -> None:
    noise, rng = jax.numpy.asarray(NOISE), drawn(name)
    expected = diffusion.trajectory(denoiser(), NOISE, sampler=name, steps=12, **rng)
    run = diffusion.scan(denoiser(), sampler=name, steps=12)
    np.testing.assert_allclose(run.states(noise, **rng), expected.y, rtol=1e-11, atol=1e-12)
    assert "lax.scan" in run.runner


@QUIET
def test_what_jax_compiles_does_not_grow_with_the_number_of_steps(jax: ModuleType) -> None:
    noise = jax.numpy.asarray(NOISE)
    sizes = [
        len(str(jax.make_jaxpr(diffusion.scan(denoiser(), sampler="deis-tab3", steps=steps))(noise)))
        for steps in (20, 100)
    ]
    assert sizes[1] < 1.2 * sizes[0]  # but for the times, which are written out


@QUIET
@pytest.mark.parametrize("name", ["ddim", "dpmpp-2m"])
def test_sample_is_compiled_vectorised_and_differentiated_by_jax(jax: ModuleType, name: str) -> None:
    noise = jax.numpy.asarray(NOISE)
    plain = partial(diffusion.sample, denoiser(), sampler=name, steps=4)
    once = diffusion.scan(denoiser(), sampler=name, steps=4)
    expected = plain(NOISE)
    np.testing.assert_allclose(jax.jit(plain)(noise), expected, rtol=1e-11)
    for run in (plain, once):
        each = jax.vmap(lambda x, run=run: run(x[None])[0])(noise)
        np.testing.assert_allclose(each, expected, rtol=1e-11)
    slopes = [jax.jit(jax.jacrev(lambda x, run=run: run(x).sum(axis=1)))(noise) for run in (plain, once)]
    np.testing.assert_allclose(*slopes, rtol=1e-9, atol=1e-12)
    shift = np.zeros_like(NOISE)
    shift[1, 0] = 1e-5
    difference = (plain(NOISE + shift) - plain(NOISE - shift)).sum(axis=1) / 2e-5
    np.testing.assert_allclose(slopes[0][:, 1, 0], difference, rtol=1e-5, atol=1e-6)


@QUIET
def test_single_precision_is_what_jax_has_by_default() -> None:
    jax = pytest.importorskip("jax")
    noise = jax.numpy.asarray(NOISE)
    samples = diffusion.scan(denoiser(), sampler="dpmpp-2m", steps=4)(noise)
    assert samples.dtype == np.float32
    np.testing.assert_allclose(samples, diffusion.sample(denoiser(), NOISE, sampler="dpmpp-2m", steps=4), rtol=1e-4)


@QUIET
def test_conditions_are_arguments_of_what_is_compiled(jax: ModuleType) -> None:
    noise, shift = jax.numpy.asarray(NOISE), jax.numpy.asarray(0.3)
    run = diffusion.scan(denoiser(condition={"shift": shift}), sampler="ddim", steps=5)
    expected = diffusion.sample(denoiser(condition={"shift": 0.3}), NOISE, sampler="ddim", steps=5)
    np.testing.assert_allclose(run(noise), expected, rtol=1e-11)
    slope = jax.grad(lambda own: run(noise, condition={"shift": own}).sum())(0.3)
    ends = [
        diffusion.sample(denoiser(condition={"shift": 0.3 + e}), NOISE, sampler="ddim", steps=5).sum()
        for e in (1e-6, -1e-6)
    ]
    assert float(slope) == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-6)


@QUIET
def test_what_a_compiled_run_cannot_heed_is_refused(jax: ModuleType) -> None:
    noise = jax.numpy.asarray(NOISE)
    run = diffusion.scan(denoiser(), sampler="ddim", steps=3)
    with pytest.raises(TypeError, match="expected a state of JAX or torch, received an array"):
        run(NOISE)
    with pytest.raises(ValueError, match="expected no rng= for one that draws none"):
        run(noise, rng=3)
    with pytest.raises(ValueError, match="expected rng= for a sampler that draws noise"):
        diffusion.scan(denoiser(), sampler="ddpm", steps=3)(noise)
    with pytest.raises(TypeError, match=r"expected arrays as conditions .* received label"):
        run(noise, condition={"label": "cat"})
    with pytest.raises(ValueError, match="expected start to be one of"):
        run(noise, start="data")
    plain = diffusion.freeze("ddim", SCHEDULE, steps=2)
    weights = np.array(plain.D)[..., None] * [1.0, 0.95]
    two = diffusion.bands.channels((2,))
    banded = diffusion.FittedSampler("two", SCHEDULE, plain.nodes, plain.c, weights, times=plain.times, bands=two)
    with pytest.raises(TypeError, match="received 'two', with bands"):
        diffusion.scan(denoiser(), sampler=banded)
    guided = diffusion.guidance.classifier_free(denoiser(), 2.0, unconditional={"shift": noise[0]})
    for own in (guided, diffusion.guidance.thresholded(denoiser())):
        with pytest.raises(TypeError, match=r"expected a denoiser that is its network, received .*diffusion\.sample"):
            diffusion.scan(own, sampler="ddim", steps=3)


@QUIET
@pytest.mark.parametrize("schedule", [diffusion.EDM(), diffusion.FlowMatching(shift=3.0)], ids=["edm", "flow"])
def test_schedules_adapted_networks_and_breaks_are_those_of_sample(schedule: diffusion.NoiseSchedule) -> None:
    noise = torch.tensor(NOISE)
    adapted = diffusion.adapters.with_sigma(network, SCHEDULE)
    for own in (
        diffusion.Denoiser(network, predicts="data", schedule=schedule),
        diffusion.Denoiser(adapted, predicts="noise", schedule=SCHEDULE),
        denoiser(discontinuities=(0.5,)),
    ):
        expected = diffusion.sample(own, noise, sampler="dpmpp-2m", steps=6)
        run = diffusion.scan(own, sampler="dpmpp-2m", steps=6, backend="eager")
        np.testing.assert_allclose(run(noise), expected, rtol=1e-11, atol=1e-12)
