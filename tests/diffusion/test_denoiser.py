"""The denoiser: calling convention, conversions, refusals."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from diffusion.denoiser import Denoiser
from diffusion.process.prediction import PREDICTIONS, basis
from diffusion.process.schedule import EDM
from diffusion.process.vp import VP

ARRAYS = [np.ones((3, 2), np.float32), np.ones((3, 2)), torch.ones(3, 2), torch.ones(3, 2, dtype=torch.float64)]


@pytest.mark.parametrize("x", ARRAYS, ids=lambda x: f"{type(x).__name__}-{x.dtype}")
def test_the_network_sees_one_time_per_sample_like_the_state(x):
    def network(x, t, *, label):
        assert (type(t), t.shape, t.dtype) == (type(x), (3,), x.dtype)
        assert label == "seven"
        return x * t[:, None]

    denoiser = Denoiser(network, condition={"label": "seven"})
    for time in (0.5, np.float64(0.5), 0.5 * x[:, 0]):
        out = denoiser(x, time)
        assert (type(out), out.dtype) == (type(x), x.dtype)
        np.testing.assert_array_equal(np.asarray(out), 0.5)


@pytest.mark.parametrize("schedule", [VP.linear(), EDM(sigma_data=0.7)], ids=["vp", "edm"])
@pytest.mark.parametrize("kind", PREDICTIONS)
def test_predictions_of_every_kind_agree_whatever_the_network_gives(schedule, kind):
    x0, noise, t = np.array([[0.3, -1.0]]), np.array([[1.5, 0.2]]), 0.4
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    p, q = basis(kind, alpha, sigma, schedule.sigma_data)
    denoiser = Denoiser(lambda x, t: p * x0 + q * noise, predicts=kind, schedule=schedule)
    x = alpha * x0 + sigma * noise
    np.testing.assert_allclose(denoiser.predict(x, t, "data"), x0, rtol=1e-12)
    np.testing.assert_allclose(denoiser.predict(x, t, "noise"), noise, rtol=1e-12)
    np.testing.assert_allclose(denoiser.predict(x, t, kind), denoiser(x, t), rtol=1e-12)


def test_single_precision_stays_single_in_converted_predictions():
    denoiser = Denoiser(lambda x, t: x)
    assert denoiser.predict(np.ones((2, 3), np.float32), np.float64(0.3), "data").dtype == np.float32
    assert denoiser.predict(torch.ones(2, 3), 0.3, "velocity").dtype == torch.float32


def test_gradients_flow_unless_the_caller_forbids_them():
    denoiser = Denoiser(lambda x, t: x**2)
    x = torch.ones(2, 3, requires_grad=True)
    assert denoiser.predict(x, 0.3, "data").requires_grad
    with torch.no_grad():
        assert not denoiser.predict(x, 0.3, "data").requires_grad


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: Denoiser("unet"), TypeError, "network to be a function.*received .* of type str"),
        (lambda: Denoiser(abs, schedule="vp"), TypeError, "schedule to be a NoiseSchedule, received .* of type str"),
        (lambda: Denoiser(abs, condition=[1]), TypeError, "mapping of arguments.*received .* of type list"),
        (lambda: Denoiser(abs, predicts="nose"), ValueError, "did you mean 'noise'"),
    ],
)
def test_a_denoiser_that_cannot_be_is_refused(build, error, message):
    with pytest.raises(error, match=message):
        build()


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (lambda x, t: x[:, :1], r"shape \(3, 2\) and dtype float32; received shape \(3, 1\)"),
        (lambda x, t: x.astype(np.float64), "received shape .* and dtype float64"),
        (lambda x, t: None, "received NoneType"),
        (lambda x, t: (x, x), "received tuple"),
    ],
)
def test_an_output_unlike_the_state_is_refused(network, message):
    with pytest.raises(ValueError, match=message):
        Denoiser(network)(np.ones((3, 2), np.float32), 0.5)


def test_a_state_that_is_no_batch_is_refused():
    with pytest.raises(TypeError, match="received list"):
        Denoiser(lambda x, t: x)([1.0], 0.5)
    with pytest.raises(ValueError, match="add a batch axis"):
        Denoiser(lambda x, t: x)(np.array(1.0), 0.5)


def test_diffusion_is_importable_without_torch():
    code = "import sys; sys.modules['torch'] = None; import diffusion; print(diffusion.Denoiser.__name__)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "Denoiser"
