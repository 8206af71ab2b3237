"""Critically damped Langevin dynamics: closed forms beside SciPy, and the laws of runs, exact column by column."""

import pickle

import numpy as np
import pytest
import scipy.linalg

import diffusion
from diffusion import CriticallyDamped, sample_with_velocity
from diffusion.noise import Recorded

PROCESSES = [CriticallyDamped(), CriticallyDamped(beta=7.0, mass=1.7, gamma=0.3)]
METHODS = {"adams1": 1, "adams2": 1, "etd2rk-weak": 2}
"""Methods, and their columns of noise."""
VARIANCE = 0.5


def matrix(process):
    return np.array([[0.0, 1.0 / process.mass], [-1.0, -process.friction / process.mass]])


@pytest.mark.parametrize("process", PROCESSES)
@pytest.mark.parametrize("t", [0.0, 1e-6, 1e-2, 0.3, 1.0])
def test_the_kernel_is_that_of_the_linear_equation(process, t):
    def column(r, k):
        return scipy.linalg.expm(np.multiply.outer(r, matrix(process)))[..., k]

    s, one = process.beta * t, column(process.beta * t, 1)
    nodes, weights = np.polynomial.legendre.leggauss(40)
    moved = column(0.5 * s * (1.0 + nodes), 1)
    noise = np.einsum("n,ni,nj->ij", 0.5 * s * weights, moved, moved)
    expected = 2 * process.friction * noise + process.gamma * process.mass * np.outer(one, one)
    mean, covariance = process.kernel(t)
    np.testing.assert_allclose(mean, column(s, 0), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(covariance, expected, rtol=1e-11, atol=1e-13 * t)
    if t:
        scale = np.linalg.det(expected) / expected[0, 0]
        assert process.velocity_scale(t) ** 2 == pytest.approx(scale, rel=1e-9 if t < 1e-3 else 1e-12)


def test_the_score_is_that_of_the_whole_gaussian():
    process, t, rng = CriticallyDamped(), 0.2, np.random.default_rng(0)
    mu, root = rng.normal(size=3), rng.normal(size=(3, 3))
    data = root @ root.T
    mean, covariance = process.kernel(t)
    whole = np.kron(data, np.outer(mean, mean)) + np.kron(np.eye(3), covariance)
    u = rng.normal(size=(5, 3, 2))
    gap = (u - np.outer(mu, mean)).reshape(5, 6)
    expected = -np.linalg.solve(whole, gap.T).T.reshape(5, 3, 2)[..., 1]
    np.testing.assert_allclose(process.gaussian(mu, data)(u, np.full(5, t)), expected, rtol=1e-10)


def test_states_have_the_law_of_the_kernel_and_the_mean_of_their_noise_is_the_score():
    process, rng, n, t = CriticallyDamped(), np.random.default_rng(1), 200_000, 0.15
    data, noise = np.sqrt(VARIANCE) * rng.standard_normal((n, 1)), rng.standard_normal((n, 1, 2))
    u = process.state(data, noise, np.full(n, t))[:, 0]
    np.testing.assert_allclose(u.T @ u / n, law(process, t), rtol=0.02)
    regression = np.linalg.lstsq(u, noise[:, 0, 1], rcond=None)[0]
    at = np.array([[[0.3, -0.4]], [[1.0, 0.2]]])
    score = process.gaussian([0.0], [[VARIANCE]])(at, np.full(2, t))
    np.testing.assert_allclose(at[:, 0] @ regression, -process.velocity_scale(t) * score[:, 0], atol=0.02)
    first = process.state(data[:2], noise[:2], np.zeros(2))
    np.testing.assert_allclose(first[..., 0], data[:2], rtol=1e-14)
    np.testing.assert_allclose(first[..., 1], 0.1 * noise[:2, :, 1], rtol=1e-14)  # γM = 0.01


def law(process, t, variance=VARIANCE):
    """The covariance of x and v at a time, for data of a variance."""
    mean, covariance = process.kernel(t)
    return covariance + variance * np.outer(mean, mean)


def covariance_at_the_end(process, tau, method, columns, grid, variance=VARIANCE):
    """That of a run from the exact law, from what it makes of each number that is drawn alone."""
    steps, root = len(grid) - 1, np.linalg.cholesky(law(process, grid[0], variance))
    drawn = 2 * steps * columns if tau else 0
    u, noise = np.zeros((2 + drawn, 1, 2)), np.zeros((steps, columns, 2 + drawn, 1, 2))
    u[:2, 0] = root.T
    if tau:
        noise.reshape(steps * columns, -1, 2)[np.arange(drawn) // 2, 2 + np.arange(drawn), np.arange(drawn) % 2] = 1.0
    recorded = Recorded([list(step) for step in noise]) if tau else None
    exact = process.gaussian([0.0], [[variance]])
    how = {"method": method, "start": "state", "stochasticity": tau, "rng": recorded}
    end = sample_with_velocity(process, exact, u, grid=grid, **how)[:, 0]
    return end.T @ end


@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize(("method", "columns"), METHODS.items())
def test_the_law_at_rest_stays_to_rounding_whatever_the_strength(tau, method, columns):
    """Where N = 0 the linear part and the covariance of the noise are all there is."""
    process = CriticallyDamped(gamma=1.0)
    found = covariance_at_the_end(process, tau, method, columns, [1.0, 0.6, 0.5, 0.0], variance=1.0)
    np.testing.assert_allclose(found, np.diag([1.0, process.mass]), atol=2e-14)


@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize(("method", "columns"), METHODS.items())
def test_laws_on_the_way_and_at_the_data_do_not_depend_on_the_strength(tau, method, columns):
    process = CriticallyDamped()
    order, share = 1 if method == "adams1" else 2, np.linspace(1.0, 0.0, 121)

    def error(end, grid):
        return np.abs(covariance_at_the_end(process, tau, method, columns, grid) - law(process, end)).max()

    fine = error(0.0, share**2)
    assert fine < (2e-2 if order == 1 else 2e-3)
    assert np.log2(error(0.0, share[::2] ** 2) / fine) > order - 0.3
    assert error(0.2, 0.2 + 0.8 * share[::2] ** 2) < (2e-2 if order == 1 else 2e-3)


def test_samples_of_data_come_from_standard_noise_and_depend_on_their_own_seed():
    process, rng = CriticallyDamped(), np.random.default_rng(0)
    exact, noise = process.gaussian([1.0, -2.0], [[0.5, 0.2], [0.2, 0.3]]), rng.standard_normal((2000, 2, 2))
    seeds = list(range(2000))
    found = sample_with_velocity(process, exact, noise, steps=80, stochasticity=1.0, rng=seeds)
    np.testing.assert_allclose(found[..., 0].mean(axis=0), [1.0, -2.0], atol=0.05)
    np.testing.assert_allclose(np.cov(found[..., 0].T), [[0.5, 0.2], [0.2, 0.3]], atol=0.05)
    np.testing.assert_allclose(found[..., 1].std(axis=0), 0.1, rtol=0.1)
    alone = sample_with_velocity(process, exact, noise[7:8], steps=80, stochasticity=1.0, rng=[7])
    np.testing.assert_allclose(alone, found[7:8], rtol=0, atol=1e-13)


@pytest.mark.parametrize("tau", [0.0, 1.0])
def test_a_network_of_the_noise_says_what_one_of_the_score_does(tau):
    process, u = CriticallyDamped(), np.random.default_rng(2).standard_normal((3, 2, 2))
    score = process.gaussian([1.0, 0.0], np.eye(2))

    def noise(u, t):
        return -process.velocity_scale(t)[:, None] * score(u, t)

    how = {"grid": np.linspace(1.0, 1e-3, 12), "stochasticity": tau, "rng": 3 if tau else None}
    expected = sample_with_velocity(process, score, u, **how)
    np.testing.assert_allclose(sample_with_velocity(process, noise, u, predicts="noise", **how), expected, atol=1e-11)


def test_torch_states_go_through_as_they_are():
    torch = pytest.importorskip("torch")
    process, u = CriticallyDamped(), torch.linspace(-1, 1, 12).reshape(3, 2, 2).requires_grad_()

    def pull(u, t):
        return (t[:, None] - 2.0) * u[..., 1] + 0.3

    for how in ({}, {"stochasticity": 1.0, "rng": 5}):
        found = sample_with_velocity(process, pull, u, steps=8, **how)
        assert found.dtype == torch.float32
        assert float(torch.autograd.grad(found.sum(), u)[0].abs().max()) > 0.0
        expected = sample_with_velocity(process, pull, u.detach().numpy().astype(float), steps=8, **how)
        np.testing.assert_allclose(found.detach(), expected, rtol=2e-5, atol=2e-5)
    data = torch.ones(3, 2)
    assert process.state(data, torch.zeros(3, 2, 2), torch.tensor([0.0, 0.5, 1.0])).dtype == torch.float32


def test_a_callback_sees_times_fall_and_a_condition_reaches_the_network():
    seen, u = [], np.ones((2, 1, 2))
    end = sample_with_velocity(
        CriticallyDamped(),
        lambda u, t, pull: pull * u[..., 1],
        u,
        steps=4,
        condition={"pull": -4.0},
        callback=lambda t, u: seen.append((t, u)),
    )
    assert [t for t, _ in seen] == [1.0, 0.5625, 0.25, 0.0625, 0.0]
    np.testing.assert_array_equal(seen[-1][1], end)
    assert pickle.loads(pickle.dumps(PROCESSES[1])) == PROCESSES[1]


U = np.zeros((2, 3, 2))
REST = CriticallyDamped()


def still(u, t):
    return 0.0 * u[..., 0]


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: CriticallyDamped(beta=0.0), ValueError, "beta"),
        (lambda: CriticallyDamped(mass=-1.0), ValueError, "mass"),
        (lambda: CriticallyDamped(gamma=0.0), ValueError, "gamma"),
        (lambda: CriticallyDamped(gamma="small"), TypeError, "gamma"),
        (lambda: REST.kernel(1.5), ValueError, r"times in \[0, 1\]"),
        (lambda: REST.kernel(float("nan")), ValueError, r"times in \[0, 1\]"),
        (lambda: REST.gaussian([0.0], np.eye(2)), ValueError, "covariance"),
        (lambda: REST.gaussian([0.0], [[-1.0]]), ValueError, "negative eigenvalues"),
        (lambda: sample_with_velocity("cld", still, U, steps=3), TypeError, "CriticallyDamped"),
        (lambda: sample_with_velocity(REST, None, U, steps=3), TypeError, "network"),
        (lambda: sample_with_velocity(REST, still, U[..., :1], steps=3), ValueError, "positions and velocities"),
        (lambda: sample_with_velocity(REST, still, U[0, 0], steps=3), ValueError, "positions and velocities"),
        (lambda: sample_with_velocity(REST, still, U), ValueError, "neither"),
        (lambda: sample_with_velocity(REST, still, U, grid=[0.0, 1.0]), ValueError, "decreasing"),
        (lambda: sample_with_velocity(REST, still, U, grid=[1.1, 0.0]), ValueError, "decreasing"),
        (lambda: sample_with_velocity(REST, still, U, steps=3, predicts="data"), ValueError, "prediction"),
        (lambda: sample_with_velocity(REST, still, U, steps=3, start="data"), ValueError, "start"),
        (lambda: sample_with_velocity(REST, still, U, steps=3, stochasticity=-1.0, rng=1), ValueError, "strength"),
        (lambda: sample_with_velocity(REST, still, U, steps=3, stochasticity=1.0), ValueError, "received none"),
        (lambda: sample_with_velocity(REST, still, U, steps=3, rng=1), ValueError, "draws no noise"),
        (lambda: sample_with_velocity(REST, still, U, steps=3, stochasticity=1.0, rng=[1]), ValueError, "one seed"),
        (lambda: sample_with_velocity(REST, still, U, steps=3, predicts="noise", method="etd2rk"), ValueError, "t > 0"),
        (lambda: sample_with_velocity(REST, still, U, steps=3, method="adams99"), ValueError, "adams up to"),
        (lambda: sample_with_velocity(REST, lambda u, t: u, U, steps=3), ValueError, "the network to return"),
        (lambda: sample_with_velocity(REST, lambda u, t: u[..., 0] / 0.0, U, steps=3), diffusion.SamplingError, "fin"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_what_makes_no_sense_is_refused(make, error, match):
    with pytest.raises(error, match=match):
        make()
