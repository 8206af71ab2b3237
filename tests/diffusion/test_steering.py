"""Callbacks that see what is predicted, change the state, and end a run; and runs that go on."""

import pickle

import numpy as np
import pytest
import torch

import diffusion
import expint

NET = diffusion.models.gaussian_mixture([1, 2], [[-1.0, 0.0], [1.0, 0.5]], [0.1 * np.eye(2)] * 2)
NOISE = np.random.default_rng(0).standard_normal((5, 2))
STOCHASTIC = diffusion.sampler_names(stochastic=True)
NAMES = [*diffusion.sampler_names(), *STOCHASTIC]
LIBRARIES = {"numpy": np.asarray, "torch": torch.from_numpy}

pytestmark = [
    pytest.mark.filterwarnings("ignore::diffusion.UnstableWarning"),
    pytest.mark.filterwarnings("ignore::diffusion.OffScaleWarning"),
]


def equal(a, b):
    return bool((a == b).all())


def stopping(after):
    left = iter(range(after))

    def callback(t, x):
        if next(left, None) is None:
            raise StopIteration("asked for")

    return callback


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", NAMES)
def test_a_run_that_was_ended_goes_on_bit_for_bit(name, library):
    noise, rng = LIBRARIES[library](NOISE), 3 if name in STOCHASTIC else None
    whole = diffusion.trajectory(NET, noise, sampler=name, steps=7, rng=rng)
    for after in (0, len(whole.t) // 2, len(whole.t) - 1):
        part = diffusion.trajectory(NET, noise, sampler=name, steps=7, rng=rng, callback=stopping(after))
        assert part.status == expint.Status.TERMINATED
        assert f"The callback ended the run at t = {whole.t[after]:.6g}: asked for." in part.message
        assert equal(part.y, whole.y[: after + 1])
        calls = []

        def counted(x, t, calls=calls):
            calls.append(t)
            return NET(x, t)

        net = diffusion.Denoiser(counted, NET.predicts, NET.schedule)
        again = diffusion.resume(net, pickle.loads(pickle.dumps(part)))
        assert equal(again.y, whole.y)
        assert equal(again.t, whole.t)
        assert again.stats == whole.stats
        assert again.success
        if library == "numpy":
            assert len(calls) == whole.stats.nonlinear_evaluations - part.stats.nonlinear_evaluations


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", ["ddim", "deis-tab3", "unipc3", "auto", "edm-heun", "dpmpp-3s", "ipndm"])
def test_a_state_that_the_callback_returns_is_gone_on_from_as_a_run_begins(name, library):
    noise = LIBRARIES[library](NOISE)
    times = diffusion.trajectory(NET, noise, sampler=name, steps=8).t

    def callback(t, x):
        return 0.5 * x + 0.1 if t in (times[3], times[5]) else None

    found = diffusion.trajectory(NET, noise, sampler=name, grid=times, callback=callback)
    x = diffusion.sample(NET, noise, sampler=name, grid=times)
    first = diffusion.trajectory(NET, noise, sampler=name, grid=times).y[3, ...]
    for begin, end in ((3, 6), (5, 9)):
        x = 0.5 * first + 0.1
        np.testing.assert_allclose(found.y[begin, ...], x, rtol=0, atol=1e-12)
        rest = diffusion.trajectory(NET, x, sampler=name, grid=times[begin:], start="state")
        first = rest.y[5 - 3, ...]
        inner = end - 1 if begin == 3 else end
        np.testing.assert_allclose(found.y[begin:inner, ...], rest.y[: inner - begin, ...], rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        diffusion.sample(NET, noise, sampler=name, grid=times, callback=callback), found.y[-1, ...], rtol=0, atol=1e-12
    )


def test_the_first_and_the_last_state_may_be_changed_too():
    fixed = np.full_like(NOISE, 0.25)
    first = diffusion.trajectory(
        NET, NOISE, sampler="unipc3", steps=5, callback=lambda t, x: fixed if t == 1.0 else None
    )
    expected = diffusion.trajectory(NET, fixed, sampler="unipc3", steps=5, start="state")
    assert equal(first.y, expected.y)
    end = NET.schedule.t_end
    last = diffusion.sample(NET, NOISE, sampler="unipc3", steps=5, callback=lambda t, x: fixed if t == end else None)
    assert equal(last, fixed)


@pytest.mark.parametrize("name", ["dpmpp-2m-sde", "euler-ancestral", "dpm2-ancestral", "dpmpp-2s-sde"])
def test_noise_goes_on_after_a_changed_state_as_if_nothing_had_happened(name):
    """A silent change restarts nothing that a step of its own remembers, and never draws the same noise again."""
    drawn = []

    class Drawn:
        def draw(self, step, column, like):
            drawn.append((step, column))
            return np.zeros(like.shape)

    plain = diffusion.sample(NET, NOISE, sampler=name, steps=6, rng=Drawn())
    told, drawn = drawn.copy(), drawn
    drawn.clear()
    changed = diffusion.sample(NET, NOISE, sampler=name, steps=6, rng=Drawn(), callback=lambda t, x: 1.0 * x)
    assert drawn == told
    if "2m" not in name:
        np.testing.assert_allclose(changed, plain, rtol=0, atol=1e-12)


def test_a_changed_run_goes_on_bit_for_bit_too():
    def halved(t, x):
        return 0.5 * x if 0.3 < t < 0.6 else None

    def until(t, x):
        if t < 0.25:
            raise StopIteration
        return halved(t, x)

    for noise in (NOISE, torch.from_numpy(NOISE)):
        whole = diffusion.trajectory(NET, noise, sampler="dpmpp-3m", steps=20, callback=halved)
        part = diffusion.trajectory(NET, noise, sampler="dpmpp-3m", steps=20, callback=until)
        assert equal(diffusion.resume(NET, part, callback=halved).y[: len(part.t)], whole.y[: len(part.t)])
        told = []
        diffusion.resume(NET, part, callback=lambda t, x, told=told: told.append(t))
        assert equal(np.array(told), whole.t[len(part.t) :])


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", ["ddim", "deis-tab3", "unipc3", "edm-heun", "dpmpp-2m-sde"])
def test_the_data_that_are_predicted_are_at_hand(name, library):
    seen, outputs = [], []

    def network(x, t):
        outputs.append(NET.predict(x, float(t[0]), "data"))
        return NET(x, t)

    net = diffusion.Denoiser(network, NET.predicts, NET.schedule)
    rng = 3 if name in STOCHASTIC else None

    def callback(t, x, denoised):
        seen.append((denoised, outputs[-1] if outputs else None))

    diffusion.sample(net, LIBRARIES[library](NOISE), sampler=name, steps=6, rng=rng, callback=callback)
    assert seen[0] == (None, None)
    for denoised, expected in seen[1:]:
        np.testing.assert_allclose(denoised, expected, rtol=0, atol=1e-9)


def test_a_process_with_a_mean_tells_and_takes_its_own_states():
    process = diffusion.MeanReverting("cosine", 0.5, mean=np.array([2.0, -1.0]))
    denoiser = diffusion.Denoiser(lambda x, t: 0.0 * x + 0.7, "data", process)
    told = []

    def callback(t, x, denoised):
        told.append(denoised)
        return x

    plain = diffusion.trajectory(denoiser, NOISE, sampler="ddim", steps=5)
    found = diffusion.trajectory(denoiser, NOISE, sampler="ddim", steps=5, callback=callback)
    np.testing.assert_allclose(found.y, plain.y, rtol=0, atol=1e-12)
    np.testing.assert_allclose(told[-1], 0.7, rtol=0, atol=1e-9)


def test_a_sample_whose_run_was_ended_is_the_state_there_and_says_so():
    whole = diffusion.trajectory(NET, NOISE, sampler="unipc3", steps=6)
    with pytest.warns(
        diffusion.StoppedWarning, match=r"The callback ended the run at t = .*The state there is returned"
    ):
        found = diffusion.sample(NET, NOISE, sampler="unipc3", steps=6, callback=stopping(3))
    assert equal(found, whole.y[3])


def test_what_is_raised_holds_the_states_and_the_run_goes_on_from_there():
    def interrupted(t, x):
        if t < 0.5:
            raise KeyboardInterrupt

    whole = diffusion.trajectory(NET, NOISE, sampler="unipc3", steps=8)
    with pytest.raises(KeyboardInterrupt) as stopped:
        diffusion.trajectory(NET, NOISE, sampler="unipc3", steps=8, callback=interrupted)
    reached = stopped.value.solution
    assert equal(reached.y, whole.y[: len(reached.t)])
    assert equal(diffusion.resume(NET, reached).y, whole.y)
    with pytest.raises(TypeError, match="expected run to be a StoppedRun"):
        diffusion.resume(NET, whole)


@pytest.mark.parametrize("wrong", [0.5, "stop", True, NOISE[:2], NOISE.astype(np.float32), np.nan * NOISE])
def test_what_is_no_state_is_refused(wrong):
    with pytest.raises(TypeError, match=r"expected the callback to return None or a finite state of shape \(5, 2\)"):
        diffusion.sample(NET, NOISE, steps=4, callback=lambda t, x: wrong)


def test_a_fitted_sampler_cannot_go_on_from_another_state():
    fitted = diffusion.freeze("dpmpp-2m", NET.schedule, steps=5)
    with pytest.raises(ValueError, match="whose rows are for a whole run; received a state at"):
        diffusion.sample(NET, NOISE, sampler=fitted, callback=lambda t, x: x)


def test_editing_is_steered_as_well():
    told = []

    def callback(t, x, denoised):
        told.append(t)
        if len(told) == 3:
            raise StopIteration

    with pytest.warns(diffusion.StoppedWarning):
        diffusion.image_to_image(NET, NOISE, NOISE, strength=0.8, steps=10, callback=callback)
    assert len(told) == 3


def test_gradients_pass_a_changed_state():
    noise = torch.from_numpy(NOISE).requires_grad_()
    found = diffusion.sample(NET, noise, sampler="dpmpp-2m", steps=5, callback=lambda t, x: 2.0 * x)
    found.sum().backward()
    assert torch.isfinite(noise.grad).all()
    assert float(noise.grad.abs().sum()) > 0
