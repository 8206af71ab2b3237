"""Log-likelihoods to a tolerance: errors follow rtol, each sample has its own steps, and none knows its neighbours."""

import numpy as np
import pytest
import torch

import diffusion
from tests.diffusion.test_likelihood import DATA, NET, SCHEDULES, by_scipy, exact, model, prior

PAIRS = ["expint43-data", "expint43-noise", "expint43-velocity", "deis-rho-heun", "lawson-bogacki-shampine32-flow"]


def to(net, data, rtol, **options):
    return diffusion.log_likelihood(net, data, rtol=rtol, details=True, **options)


def perceptron(size, schedule=SCHEDULES["vp"]):
    """A network that is like no mixture: a perceptron with random weights, in double precision."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        inner = torch.nn.Sequential(torch.nn.Linear(size + 1, 24), torch.nn.Tanh(), torch.nn.Linear(24, size)).double()

    def network(x, t, shift=None):
        known = inner(torch.cat([x, t[:, None]], 1)) + x * torch.rsqrt(1 + x * x)
        return known if shift is None else known + shift[:, None]

    return diffusion.Denoiser(network, "noise", schedule)


@pytest.mark.parametrize(("key", "predicts"), list(zip(SCHEDULES, ["noise", "data", "velocity"] * 3)))
def test_errors_follow_the_tolerance_on_every_schedule(key, predicts):
    net = model(SCHEDULES[key], predicts)
    calls = []
    for rtol in (1e-2, 1e-4, 1e-6):
        found = to(net, DATA, rtol, prior=prior(net))
        assert np.abs(found.log_density - exact(net)).max() < rtol
        assert found.calls.shape == (len(DATA),)
        calls.append(found.calls.mean())
    assert calls == sorted(calls)
    assert calls[0] < 60


@pytest.mark.parametrize("sampler", PAIRS)
def test_every_pair_follows_densities(sampler):
    """In gauges with a linear part as well, of which the density has none."""
    for count in (3, 5):  # one as many as the state with its density has elements
        found = to(NET, DATA[:count], 1e-4, prior=prior(NET), sampler=sampler)
        assert np.abs(found.log_density - exact(NET, DATA[:count])).max() < 5e-4


@pytest.mark.parametrize("way", ["known", "differences", "exact", "probes"])
@pytest.mark.parametrize("sampler", ["auto", "expint43-data"])
def test_no_bit_of_a_density_depends_on_the_batch(sampler, way):
    data = DATA[:8] if way in ("known", "differences") else torch.tensor(DATA[:8])
    options = {"divergence": way, "sampler": sampler} | ({"probes": 3} if way == "probes" else {})
    whole = to(NET, data, 1e-3, rng=list(range(8)), **options)
    assert len(set(whole.calls.tolist())) > 1
    for chosen in ([3], [7, 0, 4]):
        part = to(NET, data[chosen], 1e-3, rng=chosen, **options)
        for name in ("log_density", "latent", "calls"):
            assert np.array_equal(np.asarray(getattr(part, name)), np.asarray(getattr(whole, name))[chosen])


@pytest.mark.parametrize("method", ["DOP853", "Radau"])
def test_a_network_that_is_no_mixture_has_the_density_that_scipy_finds(method):
    net, data = perceptron(3), torch.tensor(np.random.default_rng(5).standard_normal((2, 3)))
    tight = 1e-8 if method == "DOP853" else 1e-6
    wanted = by_scipy(net, data, rtol=tight, atol=tight, method=method)
    for rtol in (1e-3, 1e-5):
        np.testing.assert_allclose(to(net, data, rtol).log_density, wanted, rtol=0, atol=10 * rtol)


def test_probes_are_those_of_a_run_of_fixed_steps():
    data = torch.tensor(DATA[:3])
    options = {"divergence": "probes", "probes": 4, "rng": 2}
    found = to(NET, data, 1e-5, **options)
    fixed = diffusion.log_likelihood(NET, data, steps=150, details=True, **options)
    np.testing.assert_allclose(found.log_density, fixed.log_density, rtol=0, atol=1e-4)
    np.testing.assert_allclose(found.variance, fixed.variance, rtol=1e-3, atol=1e-4)
    assert found.divergence == "probes"


def test_every_sample_has_its_own_rows_of_the_condition_and_calls_are_those_that_were_made():
    seen = []
    shift, data = torch.linspace(-1, 1, 6).double(), torch.tensor(np.random.default_rng(6).standard_normal((6, 2)))
    inner = perceptron(2)

    def network(x, t, shift):
        seen.append(len(x))
        return inner.network(x, t, shift)

    net = diffusion.Denoiser(network, "noise", inner.schedule, {"shift": shift})
    whole = to(net, data, 1e-4)
    assert sum(seen) == whole.calls.sum() + 1  # and one look at what a sample is alone
    alone = diffusion.Denoiser(network, "noise", inner.schedule, {"shift": shift[4:5]})
    assert torch.equal(whole.log_density[4:5], to(alone, data[4:5], 1e-4).log_density)
    assert abs(float(whole.log_density[4] - to(inner, data, 1e-4).log_density[4])) > 0.1


def test_single_precision_jax_and_bits():
    jax = pytest.importorskip("jax")
    net = diffusion.Denoiser(lambda x, t: jax.numpy.tanh(x) * (1 + t[:, None]), "noise", NET.schedule)
    plain = diffusion.Denoiser(lambda x, t: torch.tanh(x) * (1 + t[:, None]), "noise", NET.schedule)
    data = torch.tensor(DATA[:2] / 4)
    wanted = by_scipy(plain, data, rtol=1e-7, atol=1e-7)
    single = to(plain, data.float(), 1e-4)
    assert single.log_density.dtype == torch.float32
    np.testing.assert_allclose(single.log_density, wanted, rtol=0, atol=2e-3)
    found = to(net, jax.numpy.asarray(data[:1].numpy()), 1e-2)
    np.testing.assert_allclose(found.log_density, wanted[:1], rtol=0, atol=0.1)
    bits = diffusion.log_likelihood(plain, data, rtol=1e-5, bits_per_dim=True, bin_width=0.5)
    np.testing.assert_allclose(bits, -wanted / (2 * np.log(2)) + 1.0, rtol=0, atol=1e-4)


def test_a_sample_that_fails_is_named_and_the_others_are_kept():
    def network(x, t, number):
        return np.where(((number == 2) & (t > 0.5))[:, None], np.nan, NET.network(x, t))

    net = diffusion.Denoiser(network, "noise", NET.schedule, {"number": np.arange(4)})
    with pytest.raises(diffusion.SamplingError) as caught:
        diffusion.log_likelihood(net, DATA[:4], rtol=1e-3, divergence="differences")
    assert np.flatnonzero(~caught.value.solution.success).tolist() == [2]


WRONG = {
    "steps beside": ({"rtol": 1e-3, "steps": 10}, "leave one of them out"),
    "a grid beside": ({"rtol": 1e-3, "grid": [1.0, 0.1]}, "leave one of them out"),
    "negative": ({"rtol": -1e-3}, "rtol > 0"),
    "too tight": ({"rtol": 1e-17}, "rtol of at least"),
    "stochastic": ({"rtol": 1e-3, "sampler": "dpmpp-2m-sde"}, "without noise"),
    "no estimate": ({"rtol": 1e-3, "sampler": "unipc3"}, "estimates the error"),
    "reversible": ({"rtol": 1e-3, "sampler": "bdia"}, "estimates the error"),
    "another norm": ({"rtol": 1e-3, "sampler": "dpm-adaptive"}, "knows no densities"),
    "text": ({"atol": "small"}, "real number"),
    "a bin alone": ({"rtol": 1e-3, "bin_width": 0.1}, "bits_per_dim=True"),
    "no derivatives": ({"rtol": 1e-3, "divergence": "exact"}, "torch or JAX"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_makes_no_sense_beside_a_tolerance_is_refused(case):
    options, words = WRONG[case]
    with pytest.raises((ValueError, TypeError), match=words):
        diffusion.log_likelihood(NET, DATA[:3], **options)


def test_a_network_that_looks_at_one_time_only_is_refused():
    coupled = diffusion.Denoiser(lambda x, t: x * t.reshape(-1)[0], "noise")
    with pytest.raises(TypeError, match="a time for each sample"):
        diffusion.log_likelihood(coupled, DATA * 4, rtol=1e-4, divergence="differences")


def test_data_unlike_those_of_the_network_are_warned_of():
    with pytest.warns(diffusion.UnstableWarning, match="the data are not like those of the network"):
        diffusion.log_likelihood(NET, np.full((4, 2), 30.0), rtol=1e-2)
