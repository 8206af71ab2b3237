"""Interpolants between two data sets: the algebra of predictions, and their probability flow either way."""

import pickle
from itertools import combinations

import numpy as np
import pytest

import diffusion
import expint
from diffusion import Interpolant, transport
from tests.diffusion.bridges import Bridge, draw, sliced

FIRST = ([1, 2], [np.array([-2.0, 0.0]), np.array([1.0, 1.0])], [0.2 * np.eye(2), np.diag([0.1, 0.3])])
SECOND = (
    [1, 1, 1],
    [np.array([0.0, 3.0]), np.array([2.0, -1.0]), np.array([-1.0, -2.0])],
    [0.1 * np.eye(2), np.array([[0.3, 0.1], [0.1, 0.2]]), 0.2 * np.eye(2)],
)
NORMAL = ([1], [np.zeros(2)], [np.eye(2)])


def wide_root(t):
    return np.sqrt(2.0 * t * (1.0 - t))


PROCESSES = [
    Interpolant("linear"),
    Interpolant("linear", wide_root),
    Interpolant("linear", "product"),
    Interpolant("linear", "none"),
    Interpolant("linear", "sine-squared"),
    Interpolant("trigonometric"),
    Interpolant("encode-decode"),
]
ONE_SIDED = [Interpolant("one-sided-linear"), Interpolant("one-sided-trigonometric")]


def said(process):
    return f"{process.form}-{getattr(process.gamma, '__name__', process.gamma)}"


def ends(process):
    """The data sets at both ends: those of a one-sided process begin as noise, a mirror has one set."""
    form = str(process.form)
    return (NORMAL if "one-sided" in form else FIRST, FIRST if form == "mirror" else SECOND)


def bridge(process):
    return Bridge(process, *ends(process))


@pytest.mark.parametrize("process", [*PROCESSES, *ONE_SIDED, Interpolant("mirror")], ids=said)
@pytest.mark.parametrize("t", [0.1, 0.37, 0.8])
def test_every_kind_follows_from_x_and_any_outputs_that_determine_it(process, t):
    """Against the closed form on mixtures, for every set of at most two outputs and every target."""
    x = np.random.default_rng(1).normal(size=(5, 2))
    exact, known = bridge(process).kinds(x, t), 0
    kinds = [kind for kind in exact if kind != "data0" or "one-sided" not in str(process.form)]
    for outputs in [*combinations(kinds, 1), *combinations(kinds, 2)]:
        for target in kinds:
            try:
                of_state, weights = process.combination(outputs, target, t)
            except ValueError:
                continue
            found = of_state * x + sum(w * exact[kind] for w, kind in zip(weights, outputs))
            np.testing.assert_allclose(found, exact[target], atol=1e-11)
            known += target not in outputs
    assert known > 10


@pytest.mark.parametrize("process", PROCESSES, ids=said)
def test_two_of_the_three_means_determine_the_velocity(process):
    for outputs in [("data0", "data1"), ("data0", "denoiser"), ("data1", "denoiser"), ("drift", "denoiser")]:
        if str(process.form) == "encode-decode" or process.gamma == "none":
            continue
        process.combination(outputs, "velocity", 0.3)
    process.combination(("drift", "score"), "velocity", 0.3)


@pytest.mark.parametrize("t", [0.0, 1.0])
@pytest.mark.parametrize("process", PROCESSES, ids=said)
def test_the_velocity_follows_from_drift_and_score_at_the_very_ends(process, t):
    """There γ̇ may be infinite and γ γ̇ is not."""
    x = np.random.default_rng(1).normal(size=(5, 2))
    exact = bridge(process).kinds(x, t)
    of_state, weights = process.combination(("drift", "score"), "velocity", t)
    assert of_state == 0.0
    np.testing.assert_allclose(weights[0] * exact["drift"] + weights[1] * exact["score"], exact["velocity"], atol=1e-13)


def test_the_velocity_does_not_follow_from_the_denoiser_where_there_is_no_noise():
    process = Interpolant("linear")
    for t in (0.0, 1.0):
        with pytest.raises(ValueError, match="determine the velocity at t"):
            process.combination(("drift", "denoiser"), "velocity", t)
    with pytest.raises(ValueError, match=r"keep away from that time \(grid=\)"):
        transport(process, bridge(process).network(("drift", "denoiser")), np.zeros((2, 2)), steps=5,
                  predicts=("drift", "denoiser"))  # fmt: skip


@pytest.mark.parametrize("process", [*PROCESSES, *ONE_SIDED], ids=said)
@pytest.mark.parametrize("towards", [1, 0])
def test_fifty_steps_reach_the_law_of_the_other_data_set(process, towards):
    """The sliced Wasserstein distance to it is below 1.5 times that between samples of it, on the mean of six each."""
    rng, (first, second) = np.random.default_rng(5), ends(process)
    source, target = (first, second) if towards else (second, first)
    start, truths, others = (draw(law, 1800, rng).reshape(6, 300, 2) for law in (source, target, target))
    network = bridge(process).network("velocity")
    found = transport(process, network, start.reshape(-1, 2), steps=50, towards=towards).reshape(6, 300, 2)
    floor = np.mean([sliced(other, truth) for other, truth in zip(others, truths)])
    assert np.mean([sliced(reached, truth) for reached, truth in zip(found, truths)]) < 1.5 * floor


@pytest.mark.parametrize("method", ["adams1", "adams2", "adams3"])
def test_errors_fall_with_the_order_of_the_method(method):
    process, start = Interpolant("linear"), draw(FIRST, 64, np.random.default_rng(2))
    network = bridge(process).network("velocity")
    exact = transport(process, network, start, steps=60, method="krogstad4")
    errors = [np.median(np.abs(transport(process, network, start, steps=n, method=method) - exact)) for n in (60, 120)]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(expint.method(method).order, abs=0.35)


@pytest.mark.parametrize(
    "predicts", [("data0", "data1"), ("data0", "denoiser"), ("data1", "score"), ("drift", "denoiser")]
)
def test_any_outputs_that_determine_the_velocity_lead_along_the_same_flow(predicts):
    """On an open interval, in the state y = x/s where a mean is eliminated."""
    process, start = Interpolant("linear"), draw(FIRST, 32, np.random.default_rng(2))
    exact, grid = bridge(process), np.linspace(0.05, 0.95, 81)
    expected = transport(process, exact.network("velocity"), start, grid=grid, method="krogstad4")
    found = transport(process, exact.network(predicts), start, grid=grid, predicts=predicts, method="krogstad4")
    assert np.median(np.abs(found - expected)) < 2e-5  # both of order 4
    assert process.eliminated(predicts) == {"data0-data1": 2, "data0-denoiser": 1, "data1-score": 0}.get(
        "-".join(predicts)
    )


# With noise -----------------------------------------------------------------------------------------------------------
BOTH = ("velocity", "score")


@pytest.mark.parametrize("process", [PROCESSES[i] for i in (0, 2, 5, 6)] + ONE_SIDED[:1], ids=said)
@pytest.mark.parametrize("epsilon", [0.1, 1.0, 5.0])
def test_fifty_steps_with_noise_of_any_size_have_the_laws_of_the_process_on_the_way_and_at_the_end(process, epsilon):
    """As without noise: 1.5 times the distance of samples of the law, here on the mean of many pairs of them."""
    rng, (first, second) = np.random.default_rng(5), ends(process)
    network = bridge(process).network(BOTH)
    start = draw(first, 3600, rng)

    def law(t):
        x0, x1, z = draw(first, 300, rng), draw(second, 300, rng), rng.standard_normal((300, 2))
        return process.state(x0, x1, z, t)

    seen = []
    watch = lambda t, x: seen.append((t, x))
    how = {"predicts": BOTH, "epsilon": epsilon, "rng": 3, "callback": watch}
    transport(process, network, start, steps=50, **how)
    for t, x in (seen[25], seen[50]):
        assert t == pytest.approx(0.5 if x is seen[25][1] else 1.0)
        truths = [law(t) for _ in range(40)]
        floor = np.mean([sliced(one, other) for one, other in zip(truths[::2], truths[1::2])])
        found = np.mean([sliced(own, truth) for own in x.reshape(12, 300, 2) for truth in truths[:6]])
        assert found < 1.5 * floor


class OneByOne:
    """Draws 1 for one sample in each column of each step, and 0 for all others."""

    def draw(self, step, column, like):
        drawn = np.zeros(like.shape)
        drawn[2 + 2 * (step - 1) + column] = 1.0
        return drawn


def variance_at_the_end(process, pair, steps, epsilon, towards=1, **how):
    """Exact: where the network is linear, a run is, and its noise is seen column by column."""
    start = np.zeros((2 + 2 * steps, 1))
    start[1] = 1.0
    how = {"predicts": BOTH, "epsilon": epsilon, "rng": OneByOne(), "towards": towards, "steps": steps} | how
    end = transport(process, Bridge(process, *pair).network(BOTH), start, **how)[:, 0]
    moved = end[1:] - end[0]
    return moved[0] ** 2 * pair[1 - towards][2][0][0, 0] + (moved[1:] ** 2).sum()


@pytest.mark.parametrize("towards", [1, 0])
@pytest.mark.parametrize("method", ["adams2", "etd2rk-weak"])
@pytest.mark.parametrize("epsilon", [0.3, 3.0, lambda t: 2.0 * np.sin(np.pi * t) ** 2])
def test_the_variance_of_gaussian_data_is_that_of_the_other_set_to_second_order(towards, method, epsilon):
    pair = (([1], [np.zeros(1)], [0.5 * np.eye(1)]), ([1], [np.ones(1)], [1.2 * np.eye(1)]))
    exact = pair[towards][2][0][0, 0]
    errors = [
        abs(variance_at_the_end(Interpolant("linear"), pair, n, epsilon, towards, method=method) - exact)
        for n in (80, 160)
    ]
    assert errors[1] < 5e-3
    assert errors[0] > 3.4 * errors[1]


def test_the_size_of_details_changes_no_limit():
    pair = (([1], [np.zeros(1)], [0.5 * np.eye(1)]), ([1], [np.ones(1)], [1.2 * np.eye(1)]))
    for detail in (0.1, 1.0, 10.0):
        assert variance_at_the_end(Interpolant("linear"), pair, 200, 1.0, detail=detail) == pytest.approx(1.2, rel=5e-3)


def test_noise_that_vanishes_leaves_the_flow():
    process, start = Interpolant("linear"), draw(FIRST, 16, np.random.default_rng(2))
    network = bridge(process).network(BOTH)
    flow = transport(process, network, start, steps=100, predicts=BOTH)
    near = transport(process, network, start, steps=100, predicts=BOTH, epsilon=1e-16, rng=3, method="adams3")
    assert np.median(np.abs(near - flow)) < 1e-4


@pytest.mark.parametrize("predicts", [("data0", "data1"), ("drift", "denoiser"), ("velocity", "data1")])
def test_any_outputs_that_determine_velocity_and_score_make_the_same_run_with_noise(predicts):
    process, start, grid = Interpolant("linear"), draw(FIRST, 8, np.random.default_rng(2)), np.linspace(0.05, 0.95, 31)
    how = {"grid": grid, "epsilon": 2.0, "rng": [4, 1, 7, 3, 2, 9, 5, 6]}
    exact = bridge(process)
    expected = transport(process, exact.network(BOTH), start, predicts=BOTH, **how)
    found = transport(process, exact.network(predicts), start, predicts=predicts, **how)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    alone = transport(process, exact.network(BOTH), start[2:3], predicts=BOTH, **how | {"rng": [7]})
    np.testing.assert_allclose(alone, expected[2:3], rtol=0, atol=1e-13)


def test_going_there_and_back_leads_to_the_start():
    process, start = Interpolant("trigonometric"), draw(FIRST, 50, np.random.default_rng(2))
    network = bridge(process).network("velocity")
    there = transport(process, network, start, steps=60, method="krogstad4")
    back = transport(process, network, there, steps=60, method="krogstad4", towards=0)
    assert np.median(np.abs(back - start)) < 1e-4
    assert np.median(np.abs(there - start)) > 0.5


@pytest.mark.parametrize("process", ONE_SIDED, ids=said)
def test_a_one_sided_process_is_a_noise_schedule_in_reversed_time(process):
    t = np.linspace(0.01, 0.99, 9)
    a, c, gamma = process.coefficients(t)
    assert not a.any()
    np.testing.assert_allclose(c, process.schedule.alpha(1.0 - t), rtol=1e-14)
    np.testing.assert_allclose(gamma, process.schedule.sigma(1.0 - t), rtol=1e-14)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_a_one_sided_linear_run_is_that_of_flow_matching_to_rounding(order):
    process, grid = Interpolant("one-sided-linear"), np.linspace(0.02, 0.98, 13)
    noise = np.random.default_rng(3).standard_normal((20, 2))
    exact = bridge(process).network("velocity")
    found = transport(process, exact, noise, grid=grid, method=expint.Adams(order, ramp=True))
    flow = diffusion.Denoiser(lambda x, t: -exact(x, 1.0 - t), "flow", process.schedule)
    sampler = diffusion.Sampler("flow", expint.Adams(order, ramp=True), diffusion.gauge.FLOW, lambda n, schedule: grid)
    expected = diffusion.sample(flow, noise, sampler=sampler, grid=(1.0 - grid).tolist(), start="state")
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("process", [*PROCESSES, *ONE_SIDED], ids=said)
def test_targets_are_the_slopes_of_the_states_and_their_parts(process):
    first, second, noise = np.random.default_rng(0).normal(size=(3, 4, 2))
    t, h = np.array([0.2, 0.4, 0.7, 0.9]), 1e-5
    slope = process.state(first, second, noise, t + h) - process.state(first, second, noise, t - h)
    velocity = process.target("velocity", first, second, noise, t)
    np.testing.assert_allclose(velocity, slope / (2 * h), rtol=1e-7, atol=1e-7)
    drift = process.target("drift", first, second, noise, t)
    of_noise = process.state(0 * first, 0 * first, noise, t + h) - process.state(0 * first, 0 * first, noise, t - h)
    np.testing.assert_allclose(velocity - drift, of_noise / (2 * h), rtol=1e-7, atol=1e-7)
    np.testing.assert_array_equal(process.target("denoiser", first, second, noise, t), noise)
    np.testing.assert_array_equal(process.target("data1", first, second, noise, t), second)


def test_the_mean_of_the_targets_given_the_state_is_the_exact_prediction():
    """The regression that training makes, on Gaussians, where it is linear."""
    process, rng, t = Interpolant("linear"), np.random.default_rng(0), 0.3
    pair = (([1], [np.zeros(1)], [0.5 * np.eye(1)]), ([1], [np.ones(1)], [np.eye(1)]))
    first, second, noise = draw(pair[0], 40000, rng), draw(pair[1], 40000, rng), rng.standard_normal((40000, 1))
    x = process.state(first, second, noise, t)
    at = np.array([[-1.0], [0.0], [1.0]])
    for kind, expected in Bridge(process, *pair).kinds(at, t).items():
        if kind == "score":
            continue
        line = np.polyfit(x[:, 0], process.target(kind, first, second, noise, t)[:, 0], 1)
        np.testing.assert_allclose(np.polyval(line, at[:, 0]), expected[:, 0], atol=0.03)


def test_torch_states_go_through_as_they_are():
    torch = pytest.importorskip("torch")
    process = Interpolant("linear")

    def pull(x, t):
        return 1.0 - 0.5 * x * t[:, None]

    start = torch.linspace(-1, 1, 8).reshape(4, 2).requires_grad_()
    found = transport(process, pull, start, steps=10)
    assert found.dtype == torch.float32
    found.sum().backward()
    assert float(start.grad.abs().min()) > 0.0
    np.testing.assert_allclose(
        found.detach(), transport(process, pull, start.detach().numpy().astype(float), steps=10), rtol=1e-5
    )
    state = process.state(start, start, start, torch.tensor([0.1, 0.2, 0.3, 0.4]))
    assert state.dtype == torch.float32


def test_a_callback_sees_states_and_a_condition_reaches_the_network():
    process, seen = Interpolant("linear"), []
    grid = np.linspace(0.1, 0.9, 9)

    def network(x, t, shift):
        return 0 * x, 0 * x + shift

    start = np.array([[1.0, 2.0]])
    end = transport(process, network, start, grid=grid, predicts=("data0", "data1"), condition={"shift": 3.0},
                    callback=lambda t, x: seen.append((t, x)))  # fmt: skip
    assert [t for t, _ in seen] == pytest.approx(grid.tolist())
    np.testing.assert_allclose(seen[0][1], start, rtol=1e-15)
    np.testing.assert_allclose(seen[-1][1], end, rtol=1e-15)


def test_what_is_raised_holds_the_states_that_were_reached():
    grid, calls = np.linspace(0.1, 0.9, 9), []

    def network(x, t):
        calls.append((t[0], x.copy()))
        if len(calls) == 4:
            raise RuntimeError("out of memory")
        return 0 * x, 0 * x + 3.0

    with pytest.raises(RuntimeError) as caught:
        transport(Interpolant("linear"), network, X + 1.0, grid=grid, predicts=("data0", "data1"))
    reached = caught.value.solution
    assert reached.t[-1] > 0.1
    np.testing.assert_allclose(reached.y[-1], dict(calls)[reached.t[-1]], rtol=1e-14)


def test_processes_by_name_are_sent_and_compared():
    process = Interpolant("trigonometric", "product")
    assert pickle.loads(pickle.dumps(process)) == process
    assert Interpolant() != process


def still(x, t):
    return 0 * x


X = np.zeros((2, 2))


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: Interpolant("liner"), ValueError, "linear"),
        (lambda: Interpolant("linear", "rot"), ValueError, "root"),
        (lambda: Interpolant(3.0), TypeError, "pair"),
        (lambda: Interpolant("linear", 2.0), TypeError, "gamma"),
        (lambda: Interpolant("linear", lambda t: np.log(t - 2.0)), ValueError, "finite and real"),
        (lambda: Interpolant("linear").schedule, ValueError, "one-sided"),
        (lambda: Interpolant("one-sided-linear", "root").schedule, ValueError, "one-sided"),
        (lambda: Interpolant().combination("noises", "velocity", 0.5), ValueError, "prediction"),
        (lambda: Interpolant().combination("velocity", "score", 1.5), ValueError, "t"),
        (lambda: Interpolant().combination("score", "velocity", 0.5), ValueError, "determine the velocity"),
        (lambda: Interpolant().target("score", X, X, X, 0.5), ValueError, "denoiser"),
        (lambda: transport("linear", still, X, steps=3), TypeError, "Interpolant"),
        (lambda: transport(Interpolant(), None, X, steps=3), TypeError, "network"),
        (lambda: transport(Interpolant(), still, X), ValueError, "neither"),
        (lambda: transport(Interpolant(), still, X, steps=3, grid=[0, 1]), ValueError, "both"),
        (lambda: transport(Interpolant(), still, X, grid=[0.5, 0.1]), ValueError, "increasing"),
        (lambda: transport(Interpolant(), still, X, grid=[0.5, 1.1]), ValueError, "increasing"),
        (lambda: transport(Interpolant(), still, X, steps=3, towards=2), ValueError, "towards"),
        (
            lambda: transport(Interpolant(), still, X, steps=3, predicts=BOTH, epsilon=1.0),
            ValueError,
            "rng= where epsilon > 0",
        ),
        (lambda: transport(Interpolant(), still, X, steps=3, rng=7), ValueError, "epsilon=0, which draws no noise"),
        (lambda: transport(Interpolant(), still, X, steps=3, epsilon=-1.0, rng=7), ValueError, "epsilon"),
        (lambda: transport(Interpolant(), still, X, steps=3, epsilon="1", rng=7), TypeError, "number ε"),
        (lambda: transport(Interpolant(), still, X, steps=3, epsilon=lambda t: -t, rng=7), ValueError, r"ε\(t\)"),
        (lambda: transport(Interpolant(), still, X, steps=3, epsilon=1.0, rng=7), ValueError, "determine the score"),
        (
            lambda: transport(Interpolant(), still, X, steps=3, predicts=BOTH, epsilon=1.0, rng=[1]),
            ValueError,
            "one seed for each",
        ),
        (lambda: transport(Interpolant(), still, X, steps=3, detail=0.0), ValueError, "detail"),
        (lambda: transport(Interpolant(), still, X, steps=3, predicts=("velocity",)), ValueError, "tuple of 1"),
        (lambda: transport(Interpolant(), lambda x, t: x[:1], X, steps=3), ValueError, "the network to return"),
        (lambda: transport(Interpolant(), still, X, steps=3, predicts="data1"), ValueError, "determine the velocity"),
        (
            lambda: transport(Interpolant(), still, X, grid=[0, 0.5], predicts=("data0", "data1")),
            ValueError,
            "velocity",
        ),
        (lambda: transport(Interpolant(), still, X, steps=3, method="etd9"), ValueError, "method"),
        (lambda: transport(Interpolant(), lambda x, t: x / 0.0, X, steps=3), diffusion.SamplingError, "finite"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_what_makes_no_sense_is_refused(make, error, match):
    with pytest.raises(error, match=match):
        make()
