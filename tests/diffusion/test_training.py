"""The training kit: losses whose minimum is the exact prediction, and a learned bridge between two data sets."""

import numpy as np
import pytest

import diffusion
from tests.diffusion.bridges import Bridge, sliced

torch = pytest.importorskip("torch")
training = diffusion.training
ONE = (([1], [np.zeros(1)], [0.5 * np.eye(1)]), ([1], [np.ones(1)], [1.2 * np.eye(1)]))


def samples(law, count, rng):
    return law[1][0] + rng.standard_normal((count, 1)) * np.sqrt(law[2][0][0, 0])


class Shift:
    """The exact prediction and something that is not, by a number whose best value is 0."""

    def __init__(self, exact):
        self.exact, self.by = exact, torch.zeros((), dtype=torch.float64, requires_grad=True)

    def __call__(self, x, t):
        return self.exact(x, t) + self.by * (1.0 + t[:, None])


def slope_and_curve(loss, exact, data, noise):
    shift = Shift(exact)
    value = loss(shift, data, (torch.arange(len(noise)) + 0.5).double() / len(noise), noise)
    (first,) = torch.autograd.grad(value, shift.by, create_graph=True)
    (second,) = torch.autograd.grad(first, shift.by)
    return float(first.detach()), float(second)


@pytest.mark.parametrize("predicts", ["noise", "data", "velocity", "flow"])
def test_the_exact_prediction_is_the_minimum_of_the_denoising_loss(predicts):
    schedule, rng = diffusion.VP.linear(), np.random.default_rng(0)
    data, noise = (torch.from_numpy(rng.standard_normal((40000, 1)) * size) for size in (0.7, 1.0))

    def exact(x, t):
        alpha, sigma = schedule.alpha(t)[:, None], schedule.sigma(t)[:, None]
        data = alpha * 0.49 / (alpha**2 * 0.49 + sigma**2) * x
        return torch.from_numpy(
            diffusion.convert(data.numpy(), x.numpy(), alpha.numpy(), sigma.numpy(), "data", predicts)
        )

    first, second = slope_and_curve(training.DenoisingLoss(schedule, predicts), exact, data, noise)
    assert abs(first / second) < 0.01  # of the number: four deviations


@pytest.mark.parametrize("predicts", ["velocity", "drift", "denoiser", "data0", "data1"])
@pytest.mark.parametrize("antithetic", [True, False])
def test_the_exact_prediction_is_the_minimum_of_the_loss_of_a_bridge(predicts, antithetic):
    process, rng = diffusion.Interpolant("linear"), np.random.default_rng(0)
    pair = tuple(torch.from_numpy(samples(law, 4000, rng)) for law in ONE)
    noise = torch.from_numpy(rng.standard_normal((4000, 1)))
    bridge = Bridge(process, *ONE)

    def exact(x, t):
        each = [bridge.kinds(own[None], float(at))[predicts][0] for own, at in zip(x.numpy(), t)]
        return torch.from_numpy(np.array(each))

    loss = training.BridgeLoss(process, predicts, antithetic=antithetic, edge=0.01)
    first, second = slope_and_curve(loss, exact, pair, noise)
    assert abs(first / second) < 0.06


def test_antithetic_pairs_keep_the_loss_of_the_velocity_near_the_ends_small():
    process, noise = diffusion.Interpolant("linear"), torch.from_numpy(np.random.default_rng(1).normal(size=(4000, 1)))
    ends, near = (torch.zeros(8, 1).double(),) * 2, torch.zeros(8).double()
    pull = lambda x, t: 1.0 + 0.0 * x
    spread = []
    for antithetic in (True, False):
        loss = training.BridgeLoss(process, antithetic=antithetic, edge=1e-6)
        spread.append(np.std([float(loss(pull, ends, near, own)) for own in noise.split(8)]))
    assert spread[0] < 1e-9 < 10 < spread[1]


def test_the_average_of_weights_follows_them():
    network, average = training.perceptron(1, width=4, depth=1), training.perceptron(1, width=4, depth=1)
    for step in range(400):
        training.averaged(average, network, step, decay=0.9)
    for mean, weight in zip(average.parameters(), network.parameters()):
        torch.testing.assert_close(mean, weight)


def two_moons(rng, count):
    angle, side = np.pi * rng.random(count), rng.integers(2, size=count)
    x = np.where(side, 1 - np.cos(angle), np.cos(angle)) - 0.5
    y = np.where(side, 0.5 - np.sin(angle), np.sin(angle)) - 0.25
    return 1.5 * np.stack([x, y], axis=1) + 0.08 * rng.standard_normal((count, 2))


def ring(rng, count):
    angle = 2 * np.pi * rng.random(count)
    return 2 * np.stack([np.cos(angle), np.sin(angle)], axis=1) + 0.15 * rng.standard_normal((count, 2))


def test_a_learned_bridge_leads_from_one_data_set_to_another_by_flow_and_with_noise():
    """Drift and denoiser learned in seconds; the distance to the other set falls to two fifths at most, either way."""
    torch.manual_seed(0)
    process, draw = diffusion.Interpolant("linear"), lambda rng, count: (ring(rng, count), two_moons(rng, count))

    def both(network, data, uniform, noise):
        losses = [training.BridgeLoss(process, kind, edge=5e-3) for kind in ("drift", "denoiser")]
        return sum(
            loss(lambda x, t, k=k: network(x, t)[:, 2 * k : 2 * k + 2], data, uniform, noise)
            for k, loss in enumerate(losses)
        )

    network = training.fit(training.perceptron(2, 4, width=64), both, draw, steps=700)
    rng, grid = np.random.default_rng(7), np.linspace(0.01, 0.99, 41)
    start, goal = (torch.from_numpy(law(rng, 1000)).float() for law in (ring, two_moons))
    for towards, first, second in ((1, start, goal), (0, goal, start)):
        for epsilon, rng in ((0.0, None), (0.5, 3)):
            reached = diffusion.transport(
                process,
                lambda x, t: network(x, t).split(2, dim=1),
                first,
                predicts=("drift", "denoiser"),
                grid=grid,
                towards=towards,
                epsilon=epsilon,
                rng=rng,
            )
            assert sliced(reached.numpy(), second.numpy()) < 0.4 * sliced(first.numpy(), second.numpy())


def test_training_is_repeated_by_its_seed():
    def train():
        torch.manual_seed(1)
        draw = lambda rng, count: rng.standard_normal((count, 2))
        loss = training.DenoisingLoss(diffusion.VP.linear())
        return training.fit(training.perceptron(2, width=8), loss, draw, steps=5, batch=16, seed=3)

    for one, other in zip(train().parameters(), train().parameters()):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: training.DenoisingLoss("vp"), TypeError, "NoiseSchedule"),
        (lambda: training.DenoisingLoss(diffusion.VP.linear(), "score"), ValueError, "train the noise"),
        (lambda: training.BridgeLoss("linear"), TypeError, "Interpolant"),
        (lambda: training.BridgeLoss(diffusion.Interpolant(), "speed"), ValueError, "prediction"),
        (lambda: training.BridgeLoss(diffusion.Interpolant(), "score"), ValueError, "denoiser"),
        (lambda: training.BridgeLoss(diffusion.Interpolant(), edge=0.6), ValueError, "edge"),
        (lambda: training.perceptron(0), ValueError, "size"),
        (lambda: training.fit(training.perceptron(1), None, lambda rng, count: None), TypeError, "loss"),
        (lambda: training.fit(training.perceptron(1), still, None), TypeError, "draw"),
        (lambda: training.fit(training.perceptron(1), still, still, steps=0), ValueError, "steps"),
        (lambda: training.fit(training.perceptron(1), still, still, decay=1.0), ValueError, "decay"),
    ],
)
def test_what_cannot_be_trained_is_refused(make, error, match):
    with pytest.raises(error, match=match):
        make()


def still(*given):
    return given
