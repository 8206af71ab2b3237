"""Processes with a mean: x = α x₀ + κ m + σ ε, m a picture for each sample."""

import pickle
from functools import cache

import mpmath as mp
import numpy as np
import pytest

import diffusion
import expint
from diffusion import MeanReverting, Offset

BATCH, SIZE = 64, 2
M = np.random.default_rng(3).normal(size=(BATCH, SIZE))
NOISE = np.random.default_rng(4).standard_normal((BATCH, SIZE))
WEIGHTS, MEANS, COVARIANCES = [1, 2, 1], np.array([[-1.0, 0.0], [1.0, 0.5], [0.0, -1.5]]), [0.05 * np.eye(2)] * 3
OF_TABLES = ("@th-deis", "@diffusers")  # made for α² + σ² = 1, or for tables
NAMES = [name for name in diffusion.sampler_names() if not name.endswith(OF_TABLES)]
mp.mp.dps = 40


def model(schedule, predicts="data", means=MEANS):
    return diffusion.models.gaussian_mixture(WEIGHTS, means, COVARIANCES, schedule, predicts)


def around(process, predicts="data"):
    """The exact denoiser of the mixture, x₀, in a process with a mean."""
    exact = model(process.centred, predicts)

    def network(x, t):
        share = np.asarray(process.mean_scale(t))[:, None]
        return exact(x - share * process.mean, t)

    return diffusion.Denoiser(network, predicts, process)


def theta_by_hand(name):
    s = mp.mpf("0.008")
    return {
        "constant": lambda t: mp.mpf(1),
        "linear": lambda t: mp.mpf(1) / 200 + (1 - mp.mpf(1) / 200) * t,
        "cosine": lambda t: 1 - (mp.cos(mp.pi / 2 * (t + s) / (1 + s)) / mp.cos(mp.pi / 2 * s / (1 + s))) ** 2,
    }[name]


@pytest.mark.parametrize("name", ["constant", "linear", "cosine"])
def test_the_scales_are_those_of_the_integral_of_theta(name):
    process, theta = MeanReverting(name, 0.3, decay=0.02), theta_by_hand(name)
    factor = -mp.log(mp.mpf("0.02")) / mp.quad(theta, [0, 1])
    for t in (1e-8, 1e-3, 0.2, 0.63, 0.64, 1.0):
        integral = factor * mp.quad(theta, [0, mp.mpf(t)])
        alpha, sigma = mp.exp(-integral), mp.mpf("0.3") * mp.sqrt(-mp.expm1(-2 * integral))
        assert process.alpha(t) == pytest.approx(float(alpha), rel=4e-15)
        assert process.sigma(t) == pytest.approx(float(sigma), rel=4e-15)
        assert process.half_log_snr(t) == pytest.approx(float(mp.log(alpha / sigma)), rel=4e-15)
        assert process.mean_scale(t) == pytest.approx(float(-mp.expm1(-integral)), rel=4e-15)
        rate = -factor * theta(mp.mpf(t)) / -mp.expm1(-2 * integral)
        assert process.half_log_snr_rate(t) == pytest.approx(float(rate), rel=1e-13)


@pytest.mark.parametrize("theta", ["constant", "linear", "cosine", 4.0, tuple(np.linspace(0.1, 9.0, 20))])
def test_times_are_found_again(theta):
    process, t = MeanReverting(theta, 0.3), np.array([1e-8, 1e-4, 1e-3, 0.0137, 0.3, 0.77, 1.0])
    np.testing.assert_allclose(process.time(process.half_log_snr(t)), t, rtol=4e-15)
    assert (process.t_clean, process.half_log_snr_rate(0.0)) == (0.0, -np.inf)


@pytest.mark.parametrize("theta", ["constant", "linear", "cosine", tuple(np.linspace(0.1, 9.0, 20))])
def test_torch_has_the_values_of_numpy_and_differentiates_the_scales_and_times(theta):
    torch = pytest.importorskip("torch")
    process, t = MeanReverting(theta, 0.3), np.linspace(0.003, 0.997, 9)
    tensor = torch.tensor(t, requires_grad=True)
    lam = process.half_log_snr(tensor)
    for quantity in ("alpha", "sigma", "half_log_snr", "half_log_snr_rate", "mean_scale"):
        found = getattr(process, quantity)(tensor).detach().numpy()
        np.testing.assert_allclose(found, getattr(process, quantity)(t), rtol=1e-13)
    (rate,) = torch.autograd.grad(lam.sum(), tensor, retain_graph=True)
    np.testing.assert_allclose(rate, process.half_log_snr_rate(t), rtol=1e-12)
    (identity,) = torch.autograd.grad(process.time(lam).sum(), tensor)
    np.testing.assert_allclose(identity, np.ones(9), rtol=1e-11)
    single = process.time(process.half_log_snr(torch.tensor(t, dtype=torch.float32)))
    assert single.dtype == torch.float32
    np.testing.assert_allclose(single, t, rtol=1e-5)


def test_the_table_of_the_reference_has_its_noise_levels():
    """``thetas_cumsum``, ``dt`` and ``sigma_bars`` of the image-restoration SDE, N = 100, cosine, written out."""
    count, s = 100, 0.008
    x = np.linspace(0, count + 2, count + 3)
    alphas = np.cos((x / (count + 2) + s) / (1 + s) * np.pi * 0.5) ** 2
    thetas = 1 - (alphas / alphas[0])[1:-1]
    cumsum = np.cumsum(thetas) - thetas[0]
    dt = -np.log(0.01) / cumsum[-1]
    process, i = MeanReverting(count * dt * thetas[1:], 50 / 255), np.arange(1, count + 1)
    np.testing.assert_allclose(process.alpha(i / count), np.exp(-cumsum[1:] * dt), rtol=1e-13)
    bars = 50 / 255 * np.sqrt(1 - np.exp(-2 * cumsum[1:] * dt))
    np.testing.assert_allclose(process.sigma(i / count), bars, rtol=1e-12)
    smooth = MeanReverting("cosine", 50 / 255)
    np.testing.assert_allclose(smooth.alpha(i / count), process.alpha(i / count), rtol=0.05)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore")
def test_a_run_with_a_mean_is_that_without_on_data_less_the_mean(name):
    """Every named sampler: x = m + u, u the run from σ_∞ ε on data x₀ − m, sample by sample."""
    process = MeanReverting("cosine", 0.5, mean=M[:2])
    found = diffusion.sample(around(process), NOISE[:2], sampler=name, steps=7)
    for i in range(2):
        alone = model(process.centred, means=MEANS - M[i])
        expected = M[i] + diffusion.sample(alone, NOISE[i : i + 1], sampler=name, steps=7)
        np.testing.assert_allclose(found[i : i + 1], expected, atol=1e-12)


@pytest.mark.parametrize("kind", ["noise", "score", "velocity", "flow", "edm"])
def test_every_kind_of_prediction_is_that_of_the_data_and_the_noise(kind):
    process = MeanReverting("linear", 0.5, mean=M)
    expected = diffusion.sample(around(process), NOISE, sampler="dpmpp-2m", steps=8)
    found = diffusion.sample(around(process, kind), NOISE, sampler="dpmpp-2m", steps=8)
    np.testing.assert_allclose(found, expected, atol=1e-11)


def by_hand(process, times, network, x, order, predicts):
    """The samplers of the MRS paper for its ODE, orders 1 and 2, as printed: in x, with m in every step."""
    m, previous = process.mean, None
    a, s = process.alpha(times), process.sigma(times)
    lam = np.log(a / s)
    for i in range(len(times) - 1):
        h = lam[i + 1] - lam[i]
        q = network(x, np.full(len(x), times[i]))
        slope = 0.0 if previous is None or order == 1 else (q - previous) / (lam[i] - lam[i - 1])
        if predicts == "data":
            one = np.exp(-h) - 1
            two = one / h + 1
            growth = s[i + 1] / s[i]
            x = growth * x - a[i + 1] * (one * q - two * slope * h) + m * (1 - growth + growth * a[i] - a[i + 1])
        else:
            one = np.exp(h) - 1
            two = one / h - 1
            growth = a[i + 1] / a[i]
            x = growth * x - s[i + 1] * (one * q + two * slope * h) + m * (1 - growth)
        previous = q
    return x


@pytest.mark.parametrize(
    ("order", "predicts", "name"), [(1, "data", "ddim"), (1, "noise", "ddim"), (2, "data", "sa2"), (2, "noise", "deis")]
)
def test_the_closed_forms_of_the_paper_are_named_samplers(order, predicts, name):
    process = MeanReverting("cosine", 0.4, mean=M)
    times = diffusion.grids.uniform(9, "lambda", schedule=process)
    if order == 2:
        gauge = {"data": diffusion.gauge.DATA, "noise": diffusion.gauge.NOISE}[predicts]
        name = diffusion.Sampler("mrs-2", expint.Adams(2, ramp=True), gauge, lambda n, schedule: times)
    denoiser = around(process, predicts)
    found = diffusion.sample(denoiser, NOISE, sampler=name, grid=times)
    expected = by_hand(process, times, denoiser.network, M + 0.4 * NOISE, order, predicts)
    np.testing.assert_allclose(found, expected, atol=2e-12)


def with_noise_by_hand(process, times, network, x, order, predicts, draws):
    """The samplers of the MRS paper for its SDE, as printed."""
    m, previous = process.mean, None
    a, s = process.alpha(times), process.sigma(times)
    lam = np.log(a / s)
    for i, z in enumerate(draws):
        h = lam[i + 1] - lam[i]
        q = network(x, np.full(len(x), times[i]))
        slope = 0.0 if previous is None or order == 1 else (q - previous) / (lam[i] - lam[i - 1])
        kept, fresh = np.exp(-2 * h), 1 - np.exp(-2 * h)
        if predicts == "data":
            x = s[i + 1] / s[i] * np.exp(-h) * x + a[i + 1] * (fresh * q + (1 - fresh / (2 * h)) * h * slope)
            x = x + s[i + 1] * np.sqrt(fresh) * z + m * (1 - a[i + 1] / a[i] * kept - a[i + 1] * fresh)
        else:
            growth = a[i + 1] / a[i]
            x = growth * x - 2 * s[i + 1] * (np.exp(h) - 1) * q + m * (1 - growth)
            x = x + s[i + 1] * np.sqrt(np.exp(2 * h) - 1) * z
        previous = q
    return x


@pytest.mark.parametrize(("order", "predicts"), [(1, "data"), (2, "data"), (1, "noise")])
@pytest.mark.filterwarnings("ignore")
def test_the_closed_forms_of_the_paper_with_noise_are_methods_on_the_reverse_equation(order, predicts):
    process = MeanReverting("cosine", 0.4, mean=M)
    times = diffusion.grids.uniform(9, "lambda", schedule=process)
    draws = np.random.default_rng(6).standard_normal((9, *NOISE.shape))
    gauge = {"data": diffusion.gauge.DATA, "noise": diffusion.gauge.NOISE}[predicts]
    reverse = diffusion.sampler("ddpm").stochasticity
    sampler = diffusion.Sampler(
        "mrs-sde", expint.Adams(order, ramp=True), gauge, lambda n, schedule: times, stochasticity=reverse
    )
    denoiser = around(process, predicts)
    found = diffusion.sample(denoiser, NOISE, sampler=sampler, grid=times, rng=diffusion.noise.Recorded(draws))
    expected = with_noise_by_hand(process, times, denoiser.network, M + 0.4 * NOISE, order, predicts, draws)
    np.testing.assert_allclose(found, expected, atol=2e-12)


STOCHASTIC = [name for name in diffusion.sampler_names(stochastic=True) if not name.endswith(OF_TABLES)]


@pytest.mark.parametrize("name", STOCHASTIC)
@pytest.mark.filterwarnings("ignore")
def test_a_stochastic_run_with_a_mean_is_that_without_on_data_less_the_mean(name):
    process = MeanReverting("cosine", 0.5, mean=M[:2])
    found = diffusion.sample(around(process), NOISE[:2], sampler=name, steps=7, rng=[3, 4])
    for i in range(2):
        alone = model(process.centred, means=MEANS - M[i])
        expected = M[i] + diffusion.sample(alone, NOISE[i : i + 1], sampler=name, steps=7, rng=[3 + i])
        np.testing.assert_allclose(found[i : i + 1], expected, atol=1e-11)


@pytest.mark.parametrize("tau", [0.5, 1.0, 2.0])
def test_the_law_of_mean_reverting_samples_is_that_of_the_process_whatever_the_strength(tau):
    """Mean and covariance of Gaussian data, half-way and at the end, from the exact law at the start; order 2."""
    process = MeanReverting("cosine", 0.5)
    mean, covariance = np.array([0.4, -1.0]), np.array([[0.5, 0.2], [0.2, 0.3]])
    exact = diffusion.models.gaussian_mixture([1.0], [mean], [covariance], process)
    sampler = diffusion.sampler("dpmpp-2m", stochasticity=tau)
    a, s = process.alpha(1.0), process.sigma(1.0)
    errors = []
    for steps in (80, 160):
        grid = diffusion.grids.uniform(steps, "lambda", schedule=process)
        begun = (a * mean, a**2 * covariance + s**2 * np.eye(2))
        law = diffusion.moments(exact, sampler=sampler, grid=grid, start="state", initial=begun)
        gaps = []
        for k in (steps // 2, steps):
            a_k, s_k = process.alpha(law.t[k]), process.sigma(law.t[k])
            gaps.append(np.abs(law.mean[k] - a_k * mean).max())
            gaps.append(np.abs(law.covariance[k] - a_k**2 * covariance - s_k**2 * np.eye(2)).max())
        errors.append(gaps)
    assert np.max(errors[1]) < 2e-2
    assert np.log2(np.max(errors[0]) / np.max(errors[1])) > 1.7


@cache
def exact_end(theta):
    """A run of fourth order with 600 calls, from which one with 1200 differs by 1e-7 in the median."""
    process = MeanReverting(theta, 0.5, mean=M)
    grid = diffusion.grids.uniform(150, "lambda", schedule=process)
    return diffusion.sample(around(process), NOISE, sampler="deis-rho-rk4", grid=grid)


def error(name, steps, theta="cosine"):
    """The median error of a run on a grid uniform in λ."""
    process = MeanReverting(theta, 0.5, mean=M)
    grid = diffusion.grids.uniform(steps, "lambda", schedule=process)
    return np.median(np.abs(diffusion.sample(around(process), NOISE, sampler=name, grid=grid) - exact_end(theta)))


@pytest.mark.parametrize(("name", "order"), [("ddim", 1), ("dpmpp-2m", 2), ("dpmpp-3m", 3)])
def test_errors_fall_with_the_order_of_the_sampler(name, order):
    slope = np.log2(error(name, 40) / error(name, 80))
    assert order - 0.3 < slope < order + 0.8


def euler_at_eighty(theta, clock):
    """Euler steps of dx/dt = θ (m − x) − σ_∞² θ ∇ log p."""
    process = MeanReverting(theta, 0.5, mean=M)
    x, score = M + 0.5 * NOISE, around(process, "score")
    times = diffusion.grids.uniform(80, clock, schedule=process)
    of_integral = slopes_of_integral(theta, times)
    for start, end, rate in zip(times, times[1:], of_integral):
        x = x + (end - start) * rate * (M - x - 0.25 * score.network(x, np.full(len(x), start)))
    return np.abs(x - exact_end(theta))


def slopes_of_integral(theta, times):
    """θ at each time, scaled so that α(1) = 0.01."""
    by_hand = theta_by_hand(theta)
    factor = -mp.log(mp.mpf("0.01")) / mp.quad(by_hand, [0, 1])
    return [float(factor * by_hand(mp.mpf(float(t)))) for t in times]


@pytest.mark.parametrize("clock", ["t", "lambda"])
def test_order_two_at_twenty_calls_is_better_than_euler_at_eighty(clock):
    assert error("dpmpp-2m", 20, "constant") < 0.5 * np.median(euler_at_eighty("constant", clock))


@pytest.mark.parametrize("clock", ["t", "lambda"])
def test_with_cosine_speed_order_two_at_twenty_is_better_than_euler_at_eighty_where_outputs_are_interpolated_in_t(
    clock,
):
    """θ vanishes at t = 0 as t does: steps uniform in t are the fine ones there, and polynomials in t the smooth ones.

    In the root mean square, as the paper's figures are: .009 against .018 and .023. On a grid uniform in λ with
    polynomials in λ, as of dpmpp-2m, it is .034.
    """
    process = MeanReverting("cosine", 0.5, mean=M)
    grid = diffusion.grids.uniform(20, "t", schedule=process)
    found = diffusion.sample(around(process), NOISE, sampler="deis-tab1", grid=grid)
    rms = np.sqrt(np.mean((found - exact_end("cosine")) ** 2))
    assert rms < 0.7 * np.sqrt(np.mean(euler_at_eighty("cosine", clock) ** 2))


def test_a_trajectory_its_callback_and_its_dense_output_are_of_the_process():
    process, seen = MeanReverting("cosine", 0.5, mean=M), []
    run = diffusion.trajectory(
        around(process), NOISE, steps=12, sampler="dpmpp-2m", dense_output=True, callback=lambda t, x: seen.append(x)
    )
    np.testing.assert_allclose(run.y[0], M + 0.5 * NOISE, atol=1e-15)
    np.testing.assert_allclose(np.stack(seen)[-1], run.y[-1], atol=1e-15)
    np.testing.assert_allclose(run.sol(run.t[[0, 5, 12]]), run.y[[0, 5, 12]], atol=1e-14)
    fine = diffusion.trajectory(around(process), NOISE, grid=np.linspace(1.0, 1e-3, 400), sampler="dpmpp-3m")
    middle = fine.t[150]
    assert np.median(np.abs(run.sol(middle) - fine.y[150])) < 0.02
    assert run.sol(middle).shape == NOISE.shape
    np.testing.assert_array_equal(diffusion.sample(around(process), NOISE, steps=12, sampler="dpmpp-2m"), run.y[-1])


def test_encoding_finds_the_noise_again():
    process = MeanReverting("cosine", 0.5, mean=M)
    grid = diffusion.grids.uniform(200, "lambda", schedule=process)
    data = diffusion.sample(around(process), NOISE, grid=grid, sampler="dpmpp-2m")
    noise = diffusion.encode(around(process), data, grid=grid, sampler="dpmpp-2m")
    assert np.median(np.abs(noise - NOISE)) < 2e-3


@pytest.mark.parametrize("door", [diffusion.sample, diffusion.trajectory, diffusion.encode])
def test_what_a_failed_run_reached_are_states_of_the_process(door):
    process, calls = MeanReverting("cosine", 0.5, mean=M), []
    exact = around(process)

    def broken(x, t):
        calls.append((float(t[0]), x.copy()))
        if len(calls) == 4:
            raise RuntimeError("out of memory")
        return exact.network(x, t)

    with pytest.raises(RuntimeError) as caught:
        door(diffusion.Denoiser(broken, "data", process), NOISE, sampler="ddim", grid=[1.0, 0.8, 0.6, 0.4, 0.2])
    reached = caught.value.solution
    told, state = calls[-1]
    place = int(np.argmin(np.abs(reached.t - told)))
    assert reached.t[place] == pytest.approx(told, abs=1e-12)
    np.testing.assert_allclose(reached.y[place], state, atol=1e-13)


def test_the_states_of_a_run_that_becomes_infinite_are_of_the_process():
    process, exact = MeanReverting("cosine", 0.5, mean=M), around(MeanReverting("cosine", 0.5, mean=M))
    blown = diffusion.Denoiser(lambda x, t: exact.network(x, t) / (t[:, None] > 0.5), "data", process)
    with np.errstate(all="ignore"), pytest.raises(diffusion.SamplingError) as caught:
        diffusion.sample(blown, NOISE, sampler="ddim", grid=[1.0, 0.8, 0.6, 0.4, 0.2])
    np.testing.assert_allclose(caught.value.solution.y[0], M + 0.5 * NOISE, atol=1e-14)


def test_a_run_may_begin_at_a_state():
    process = MeanReverting("cosine", 0.5, mean=M)
    run = diffusion.trajectory(around(process), NOISE, sampler="ddim", steps=12)
    later = diffusion.sample(around(process), run.y[5], grid=run.t[5:], sampler="ddim", start="state")
    np.testing.assert_allclose(later, run.y[-1], atol=1e-13)


def test_guidance_sees_the_state_and_the_data_of_the_process():
    process = MeanReverting("cosine", 0.5, mean=M)
    untouched = diffusion.guidance.thresholded(around(process, "noise"), quantile=1.0, limit=100.0)
    expected = diffusion.sample(around(process, "noise"), NOISE, steps=8, sampler="ddim")
    np.testing.assert_allclose(diffusion.sample(untouched, NOISE, steps=8, sampler="ddim"), expected, atol=1e-12)


@pytest.mark.parametrize("mean", [M, M[0], 0.7])
def test_the_second_form_of_diffusevae_is_a_run_of_the_schedule_moved_by_the_mean(mean):
    """x_t = α x₀ + m + σ ε, from m + ε: m + the run from ε with the network at x − m."""
    vp = diffusion.VP.linear()
    for name in ("ddim", "dpmpp-2m", "deis-tab3", "unipc3"):
        found = diffusion.sample(around(Offset(vp, mean)), NOISE, sampler=name, steps=10)
        np.testing.assert_allclose(found, mean + diffusion.sample(model(vp), NOISE, sampler=name, steps=10), atol=1e-12)


def test_the_first_form_of_diffusevae_is_a_condition():
    vp = diffusion.VP.linear()
    exact = model(vp)
    given = diffusion.Denoiser(lambda x, t, mean: exact(x, t) + 0.1 * mean, "data", vp, condition={"mean": M})
    assert diffusion.sample(given, NOISE, steps=5).shape == NOISE.shape


def test_torch_states_keep_their_precision_and_gradients_reach_the_mean():
    torch = pytest.importorskip("torch")
    mean = torch.tensor(M, dtype=torch.float64, requires_grad=True)
    process = MeanReverting("cosine", 0.5, mean=mean)
    denoiser = diffusion.Denoiser(lambda x, t: 0.5 * x, "data", process)
    noise = torch.tensor(NOISE, dtype=torch.float32)
    out = diffusion.sample(denoiser, noise, steps=5, sampler="ddim")
    assert out.dtype == torch.float32
    (gradient,) = torch.autograd.grad(out.sum(), mean)
    assert float(gradient.abs().min()) > 0.0
    plain = MeanReverting("cosine", 0.5, mean=M)
    same = diffusion.sample(diffusion.Denoiser(lambda x, t: 0.5 * x, "data", plain), noise, steps=5, sampler="ddim")
    np.testing.assert_allclose(out.detach(), same, atol=1e-6)


def test_processes_with_a_mean_are_compared_by_numbers_and_sent():
    process = MeanReverting((1.0, 2.0), 0.5, mean=M, decay=0.1)
    assert process.centred == MeanReverting((1.0, 2.0), 0.5, decay=0.1)
    assert process != MeanReverting((1.0, 2.0), 0.5, decay=0.1)
    again = pickle.loads(pickle.dumps(process))
    np.testing.assert_array_equal(again.mean, M)
    assert again.alpha(0.3) == process.alpha(0.3)
    assert hash(process.centred) == hash(MeanReverting((1.0, 2.0), 0.5, decay=0.1))


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: MeanReverting("cosin"), ValueError, "cosine"),
        (lambda: MeanReverting(0.0), ValueError, "positive number"),
        (lambda: MeanReverting([1.0, -2.0]), ValueError, "positive number"),
        (lambda: MeanReverting([1.0, np.nan]), ValueError, "positive number"),
        (lambda: MeanReverting([]), ValueError, "positive number"),
        (lambda: MeanReverting(1e4), ValueError, "integral up to t_start"),
        (lambda: MeanReverting(3.0, sigma_inf=0.0), ValueError, "sigma_inf"),
        (lambda: MeanReverting(3.0, decay=1.0), ValueError, "decay"),
        (lambda: MeanReverting(3.0, t_start=1.2), ValueError, "t_end < t_start"),
        (lambda: MeanReverting(3.0, mean=np.array([np.inf])), ValueError, "finite"),
        (lambda: MeanReverting(3.0, mean="grey"), TypeError, "mean"),
        (lambda: Offset(diffusion.VP.linear(), mean=None), TypeError, "mean"),
        (lambda: Offset("vp", 1.0), TypeError, "schedule"),
        (lambda: Offset(Offset(diffusion.VP.linear(), 1.0), 1.0), ValueError, "add the two"),
    ],
)
def test_what_is_no_process_is_refused(make, error, said):
    with pytest.raises(error, match=said):
        make()


@pytest.mark.parametrize("mean", [M[:3], M[:, :1], M[None], np.zeros(BATCH)])
@pytest.mark.parametrize("make", [lambda m: MeanReverting("cosine", 0.5, mean=m), lambda m: Offset(VP, m)])
def test_a_mean_of_another_shape_is_refused_before_any_call(mean, make):
    calls = []
    denoiser = diffusion.Denoiser(lambda x, t: calls.append(t), "data", make(mean))
    with pytest.raises(ValueError, match="expected a mean of the shape of the states"):
        diffusion.sample(denoiser, NOISE, steps=5)
    assert not calls


VP = diffusion.VP.linear()


def test_theta_that_integrates_to_too_little_for_a_start_from_noise_is_refused():
    weak = MeanReverting(0.2, 0.5, mean=M)
    with pytest.raises(ValueError, match="integrated to Θ"):
        diffusion.sample(around(weak), NOISE, steps=5)
    assert diffusion.sample(around(weak), M, steps=5, start="state").shape == M.shape
    with pytest.raises(ValueError, match="t_start"):
        diffusion.sample(around(MeanReverting("cosine", 0.5, mean=M)), NOISE, grid=[1.2, 0.5, 0.1])


def test_doors_that_follow_no_mean_say_so():
    denoiser = around(MeanReverting("cosine", 0.5, mean=M))
    with pytest.raises(ValueError, match="without a mean"):
        diffusion.tune(denoiser, NOISE, steps=4)


def test_a_mean_of_another_library_is_refused():
    torch = pytest.importorskip("torch")
    denoiser = diffusion.Denoiser(lambda x, t: x, "data", Offset(VP, torch.zeros(BATCH, SIZE)))
    with pytest.raises(TypeError, match="from the library of the states"):
        diffusion.sample(denoiser, NOISE, steps=5)
