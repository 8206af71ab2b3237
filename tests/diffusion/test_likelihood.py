"""Log-likelihoods against exact densities and against SciPy's run of the same equation."""

from copy import deepcopy
from itertools import product

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import diffusion
from diffusion.likelihood.divergence import draw_probes
from diffusion.models.store import digit_images

MIXTURE = ([0.3, 0.7], [[1.0, 0.5], [-1.0, 0.0]], [0.1 * np.eye(2), 0.05 * np.eye(2)])
RNG = np.random.default_rng(0)
DATA = np.concatenate(
    [1.0 * np.array([1.0, 0.5]) + 0.3 * RNG.standard_normal((15, 2)), [-1.0, 0.0] + 0.22 * RNG.standard_normal((30, 2))]
)
SCHEDULES = {
    "vp": diffusion.VP.linear(),
    "cosine": diffusion.VP.cosine(),
    "edm": diffusion.EDM(),
    "ve": diffusion.VE(),
    "sub-vp": diffusion.SubVP(),
    "flow": diffusion.FlowMatching(shift=2.0),
    "table": diffusion.VP.from_betas(np.linspace(1e-4, 2e-2, 1000)),
}


def model(schedule=SCHEDULES["vp"], predicts="noise"):
    return diffusion.models.gaussian_mixture(*MIXTURE, schedule=schedule, predicts=predicts)


NET = model()


def exact(net, data=DATA, t=None):
    return net.network.log_density(data, net.schedule.t_end if t is None else t)


def prior(net):
    return lambda x: net.network.log_density(x, net.schedule.t_start)


def error(net, **options):
    return np.abs(diffusion.log_likelihood(net, DATA, prior=prior(net), **options) - exact(net))


@pytest.mark.parametrize("predicts", ["noise", "data", "velocity"])
@pytest.mark.parametrize("key", SCHEDULES)
def test_a_hundred_calls_give_the_density_of_a_mixture_to_a_thousandth(key, predicts):
    net = model(SCHEDULES[key], predicts)
    found = diffusion.log_likelihood(net, DATA, prior=prior(net), steps=25, details=True)
    assert found.calls == 100
    off = np.abs(found.log_density - exact(net))
    assert np.median(off) < 1e-4
    assert off.max() < (1e-3 if key in ("vp", "cosine", "sub-vp", "table") else 1e-2)  # whose paths are the gentlest
    assert error(net, steps=50).max() < 1e-3


@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("adams1-flow", 1),
        ("dpmpp-2m", 2),
        ("dpm2m", 2),
        ("adams2-velocity", 2),
        ("dpmpp-2s", 2),
        ("lawson-kutta3-rho", 3),
        ("adams3-flow", 3),
        ("lawson-rk4-flow", 4),
        ("krogstad4-data", 4),
    ],
)
def test_the_density_converges_with_the_order_of_the_sampler(name, order):
    """Between moderate noise levels, where steps are in the range of the order, from the exact density there."""
    start, end = (float(NET.schedule.time(-np.log(level))) for level in (5.0, 0.2))
    at_start = lambda x: NET.network.log_density(x, start)
    sampler = diffusion.sampler(name)
    errors = []
    for n in (40, 80):
        times = diffusion.grids.uniform(n, sampler.gauge.clock.name, schedule=diffusion.VP.linear(0.1, 20, start, end))
        found = diffusion.log_likelihood(NET, DATA, sampler=name, grid=times, prior=at_start)
        errors.append(np.median(np.abs(found - exact(NET, t=end))))
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.35)


def test_without_a_prior_it_is_the_density_of_what_is_sampled():
    """The noise of sampling has no memory of the data, whose trace at t_start is α."""
    net = model(SCHEDULES["flow"])
    found = diffusion.log_likelihood(net, DATA, steps=50)
    assert np.abs(found - exact(net)).max() < 2e-3  # α = 1e-4 at the start
    off = np.abs(diffusion.log_likelihood(NET, DATA, steps=50) - exact(NET))
    assert 1e-3 < off.max() < 2e-2  # α = 0.0066
    noise = RNG.standard_normal((5, 3))
    for schedule in SCHEDULES.values():
        scale = float(schedule.noise_scale(schedule.t_start))
        wanted = -0.5 * np.sum((noise / scale) ** 2, axis=1) - 1.5 * np.log(2 * np.pi * scale**2)
        np.testing.assert_allclose(schedule.prior_log_density(noise), wanted, rtol=1e-13)


def test_torch_gives_what_numpy_does_by_every_way():
    torch = pytest.importorskip("torch")
    data = torch.tensor(DATA)
    known = diffusion.log_likelihood(NET, DATA, steps=12)
    for way in ("known", "exact", "differences"):
        found = diffusion.log_likelihood(NET, data, steps=12, divergence=way)
        assert found.dtype == torch.float64
        assert not found.requires_grad
        np.testing.assert_allclose(found, known, rtol=0, atol=1e-7 if way == "differences" else 1e-11)
    np.testing.assert_allclose(
        diffusion.log_likelihood(NET, DATA, steps=12, divergence="differences"), known, rtol=0, atol=1e-7
    )
    single = diffusion.log_likelihood(NET, data.float(), steps=25)
    np.testing.assert_allclose(single, diffusion.log_likelihood(NET, DATA, steps=25), rtol=0, atol=5e-4)


def test_derivatives_are_found_where_the_caller_records_none():
    torch = pytest.importorskip("torch")
    wanted = diffusion.log_likelihood(NET, DATA[:2], steps=3)
    for mode in (torch.no_grad(), torch.inference_mode()):
        with mode:
            found = diffusion.log_likelihood(NET, torch.tensor(DATA[:2]), steps=3, divergence="exact")
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-11)


def test_jax_gives_what_numpy_does():
    jax = pytest.importorskip("jax")
    net = diffusion.Denoiser(lambda x, t: jax.numpy.tanh(x) * (1 + t[:, None]), "noise", NET.schedule)
    plain = diffusion.Denoiser(lambda x, t: np.tanh(x) * (1 + t[:, None]), "noise", NET.schedule)
    found = diffusion.log_likelihood(net, jax.numpy.asarray(DATA[:4] / 4), steps=12)
    wanted = diffusion.log_likelihood(plain, DATA[:4] / 4, steps=12, divergence="differences")
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3)


def test_the_mean_over_all_signs_is_the_exact_divergence(monkeypatch):
    """Which is what it means that probes are without bias: vᵀ J v over all v in {−1, 1}^d has the mean tr J."""
    torch = pytest.importorskip("torch")
    signs = np.array(list(product([-1.0, 1.0], repeat=2)))
    probes = np.repeat(signs[:, None, :], len(DATA), axis=1)
    monkeypatch.setattr("diffusion.likelihood.density.draw_probes", lambda *_: probes)
    found = diffusion.log_likelihood(
        NET, torch.tensor(DATA), steps=12, divergence="probes", probes=len(signs), details=True
    )
    np.testing.assert_allclose(found.log_density, diffusion.log_likelihood(NET, DATA, steps=12), rtol=0, atol=1e-11)
    assert found.divergence == "probes"


@pytest.mark.parametrize("probe", ["rademacher", "gaussian"])
def test_the_variance_that_is_reported_is_that_of_the_estimates(probe):
    torch = pytest.importorskip("torch")
    data = torch.tensor(DATA[:3]).repeat(100, 1)
    found = diffusion.log_likelihood(
        NET, data, steps=6, divergence="probes", probes=8, probe=probe, details=True, rng=3
    )
    wanted = diffusion.log_likelihood(NET, DATA[:3], steps=6)
    estimates = found.log_density.reshape(100, 3).numpy()
    reported = found.variance.reshape(100, 3).numpy().mean(axis=0)
    deviation = np.sqrt(reported / 100)
    assert np.all(np.abs(estimates.mean(axis=0) - wanted) < 4 * deviation + 1e-12)
    np.testing.assert_allclose(estimates.var(axis=0, ddof=1), reported, rtol=0.6)
    one = diffusion.log_likelihood(NET, data, steps=2, divergence="probes", probe=probe, details=True)
    assert bool(torch.isnan(one.variance).all())


def test_probes_belong_to_samples_and_seeds():
    torch = pytest.importorskip("torch")
    data = torch.tensor(DATA[:6])
    options = {"steps": 4, "divergence": "probes", "probes": 2}
    whole = diffusion.log_likelihood(NET, data, rng=list(range(6)), **options)
    parts = [diffusion.log_likelihood(NET, data[i : i + 3], rng=list(range(i, i + 3)), **options) for i in (0, 3)]
    np.testing.assert_allclose(whole, np.concatenate(parts), rtol=0, atol=1e-12)
    assert torch.equal(whole, diffusion.log_likelihood(NET, data, rng=list(range(6)), **options))
    assert not torch.equal(whole, diffusion.log_likelihood(NET, data, rng=7, **options))


def test_guidance_is_followed():
    """Against SciPy's run of the same equation, which the guidance makes stiffer."""
    torch = pytest.importorskip("torch")
    guided = diffusion.guidance.classifier_guided(NET, lambda x, t: -0.5 * x, 0.1)
    data = torch.tensor(DATA[:1])
    found = diffusion.log_likelihood(guided, data, steps=100)
    np.testing.assert_allclose(found, by_scipy(guided, data, rtol=1e-6, atol=1e-6), rtol=0, atol=1e-4)
    plain = diffusion.log_likelihood(NET, data, steps=100)
    assert abs(float(found[0] - plain[0])) > 0.1


def by_scipy(net, data, rtol=1e-9, atol=1e-9, probes=None, method="DOP853"):
    """Return the log-densities by SciPy, in (x, log p), from dx/dt = f x + g² ε/(2σ), by derivatives of torch."""
    import torch

    schedule, shape = net.schedule, data.shape
    size = data[0].numel()

    def slope(t, flat, probe):
        x = torch.tensor(flat[:size].reshape(1, *shape[1:]), dtype=data.dtype)
        f, g2, sigma = (float(part(t)) for part in (schedule.drift, schedule.diffusion_squared, schedule.sigma))
        noise = lambda x: net.predict(x, t, "noise")
        if probe is None:
            trace = torch.trace(torch.autograd.functional.jacobian(noise, x).reshape(size, size))
            output = noise(x)
        else:
            v = torch.tensor(probe[None], dtype=data.dtype)
            output, back = torch.autograd.functional.vjp(noise, x, v)
            trace = (v * back).sum()
        moved = f * flat[:size] + g2 / (2 * sigma) * output.detach().numpy().ravel()
        return np.append(moved, -(f * size + g2 / (2 * sigma) * float(trace)))

    found = []
    for i, sample in enumerate(data):
        start = np.append(sample.numpy().ravel().astype(float), 0.0)
        given = (None if probes is None else probes[0, i],)
        span = (schedule.t_end, schedule.t_start)
        run = solve_ivp(slope, span, start, method=method, rtol=rtol, atol=atol, args=given)
        end = torch.tensor(run.y[:size, -1].reshape(1, *shape[1:]))
        found.append(float(schedule.prior_log_density(end)[0]) - run.y[size, -1])
    return np.array(found)


@pytest.mark.slow
def test_bits_per_dimension_of_the_digits_network_are_those_of_a_run_by_scipy():
    """In double precision and for one probe, the same in both, so that an equation is compared with itself."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    trained = diffusion.models.digits(labels=3)
    schedule = diffusion.VP.linear(0.1, 20.0, t_end=0.05)
    net = diffusion.Denoiser(deepcopy(trained.network).double(), "noise", schedule, dict(trained.condition))
    image = torch.tensor(digit_images().images[3:4], dtype=torch.float64)
    found = diffusion.log_likelihood(net, image, steps=8, divergence="probes", bits_per_dim=True, rng=5)
    probes = draw_probes(1, "rademacher", 5, tuple(image.shape))
    wanted = -by_scipy(net, image, rtol=1e-3, atol=1e-3, probes=probes) / (64 * np.log(2))
    assert float(found[0]) == pytest.approx(float(wanted[0]), abs=2e-3)


def test_bits_per_dimension_are_nats_in_another_unit():
    nats = diffusion.log_likelihood(NET, DATA, steps=10)
    bits = diffusion.log_likelihood(NET, DATA, steps=10, bits_per_dim=True)
    np.testing.assert_allclose(bits, -nats / (2 * np.log(2)), rtol=1e-14)
    binned = diffusion.log_likelihood(NET, DATA, steps=10, bits_per_dim=True, bin_width=2 / 256)
    np.testing.assert_allclose(binned, bits + 7.0, rtol=1e-14)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_drift_and_diffusion_are_the_rates_of_the_scales(schedule):
    t = np.linspace(0.30037, 0.70037, 5) * schedule.t_start  # between the times of the table
    h = 1e-6 * schedule.t_start
    log_alpha, variance = (lambda t: np.log(schedule.alpha(t))), (lambda t: schedule.sigma(t) ** 2)
    drift = (log_alpha(t + h) - log_alpha(t - h)) / (2 * h)
    np.testing.assert_allclose(schedule.drift(t), drift, rtol=1e-6, atol=1e-8)
    spread = (variance(t + h) - variance(t - h)) / (2 * h) - 2 * drift * variance(t)
    np.testing.assert_allclose(schedule.diffusion_squared(t), spread, rtol=1e-6, atol=1e-8)


def test_a_schedule_that_does_not_say_its_drift_is_named():
    class Own(diffusion.NoiseSchedule):
        t_start, t_end = 1.0, 0.1
        _alpha = _sigma = _half_log_snr = _rate = _time = lambda self, xp, t: t

    with pytest.raises(TypeError, match="expected a schedule that says d log α/dt, received Own"):
        Own().drift(0.5)


def torch_data():
    import torch

    return torch.tensor(DATA[:2])


def cut_off(x, t):
    return NET.network(x.detach(), t)


@pytest.mark.parametrize(
    ("kind", "call", "message"),
    [
        (TypeError, lambda: diffusion.log_likelihood(NET, DATA, steps=4, divergence="exact"), "of torch or JAX"),
        (
            TypeError,
            lambda: diffusion.log_likelihood(diffusion.Denoiser(cut_off, "noise"), torch_data(), steps=4),
            "whose output can be differentiated by its state",
        ),
        (
            ValueError,
            lambda: diffusion.log_likelihood(diffusion.Denoiser(cut_off), torch_data(), steps=4, divergence="known"),
            "knows its divergence",
        ),
        (TypeError, lambda: diffusion.log_likelihood(NET, torch_data().half(), steps=4), "single or double precision"),
        (
            TypeError,
            lambda: diffusion.log_likelihood(NET, torch_data().requires_grad_(), steps=4),
            "expected data without a gradient",
        ),
        (ValueError, lambda: diffusion.log_likelihood(NET, DATA, grid=[0.5, 0.1]), "begins at t_start = 1, .* t = 0.5"),
        (ValueError, lambda: diffusion.log_likelihood(NET, DATA, grid=[1.0, 1e-5]), "within the schedule's range"),
        (ValueError, lambda: diffusion.log_likelihood(NET, DATA, sampler="bdia", steps=9), "a sampler of one state"),
        (
            TypeError,
            lambda: diffusion.log_likelihood(NET, DATA, sampler=diffusion.freeze("ddim", NET.schedule, steps=4)),
            "in a gauge with a constant linear part",
        ),
        (ValueError, lambda: diffusion.log_likelihood(NET, DATA, steps=4, divergence="guess"), "divergence"),
        (
            ValueError,
            lambda: diffusion.log_likelihood(NET, torch_data(), steps=4, divergence="probes", probes=0),
            "probes",
        ),
        (
            ValueError,
            lambda: diffusion.log_likelihood(NET, torch_data(), steps=4, divergence="probes", rng=[1, 2, 3]),
            "one for each of 2 samples",
        ),
        (
            ValueError,
            lambda: diffusion.log_likelihood(NET, DATA, steps=4, bits_per_dim=True, bin_width=0.0),
            "bin_width",
        ),
        (ValueError, lambda: diffusion.log_likelihood(NET, DATA, steps=4, bin_width=0.1), "expected bits_per_dim=True"),
        (
            ValueError,
            lambda: diffusion.log_likelihood(NET, DATA, steps=4, divergence="known", probes=3),
            "and probes=3",
        ),
        (TypeError, lambda: diffusion.log_likelihood(NET, DATA, steps=4, prior=3.0), "prior"),
        (ValueError, lambda: diffusion.log_likelihood(NET, DATA, steps=4, prior=lambda x: x), r"of shape \(45,\)"),
    ],
)
def test_what_has_no_density_is_refused_by_name(kind, call, message):
    pytest.importorskip("torch")
    with pytest.raises(kind, match=message):
        call()


def test_data_unlike_those_of_the_network_are_warned_of():
    with pytest.warns(diffusion.UnstableWarning, match="the data are not like those of the network"):
        diffusion.log_likelihood(NET, np.full((40, 2), 30.0), steps=8)
