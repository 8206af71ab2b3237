"""The shipped U-Net: shapes, batch independence, labels, quality on held-out images, and its training script."""

import copy
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.datasets import load_digits

from benchmarks.tensor_operations import WAITING, Seen
from diffusion import models
from diffusion.models import store, train_digits
from diffusion.models.classifier import Classifier
from diffusion.models.digits import digits_network
from diffusion.models.train_digits import denoising_loss, stratified_times
from diffusion.models.unet import CLASSES, UNet
from diffusion.process.vp import VP

SCHEDULE = VP.linear(0.1, 20.0)


def held_out_digits():
    images, labels, held_out = store.digit_images()
    return torch.from_numpy(images[held_out]), torch.from_numpy(labels[held_out])


def noise(count, seed=0):
    return torch.randn(count, 1, 8, 8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("count", [1, 5])
def test_prediction_has_the_shape_and_dtype_of_the_images(count):
    prediction = digits_network()(noise(count), torch.full((count,), 0.5))
    assert prediction.shape == (count, 1, 8, 8)
    assert prediction.dtype == torch.float32
    assert not prediction.requires_grad


def test_a_sample_does_not_depend_on_its_batch():
    x, t, label = noise(6), torch.linspace(1e-3, 1.0, 6), torch.arange(6)
    together = digits_network()(x, t, label)
    alone = torch.cat([digits_network()(x[i : i + 1], t[i : i + 1], label[i : i + 1]) for i in range(6)])
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-4)


def test_prediction_is_deterministic():
    x, t = noise(4), torch.full((4,), 0.3)
    assert torch.equal(digits_network()(x, t), digits_network()(x, t))


def test_one_time_and_one_label_serve_the_whole_batch():
    x = noise(3)
    expected = digits_network()(x, torch.full((3,), 0.4), torch.full((3,), 7))
    assert torch.equal(digits_network()(x, torch.tensor(0.4), torch.tensor(7)), expected)


def test_no_label_is_the_null_label_and_differs_from_every_digit():
    x, t = noise(4), torch.full((4,), 0.4)
    without = digits_network()(x, t)
    assert torch.equal(without, digits_network()(x, t, torch.full((4,), CLASSES)))
    for label in range(10):
        assert (digits_network()(x, t, torch.full((4,), label)) - without).abs().max() > 0.01


def test_prediction_is_smooth_in_time():
    # the second difference quotient of ε in λ stays of order one: high-order multistep methods rely on it
    x, h = noise(8), 0.05
    lam = torch.linspace(-4, 4, 8, dtype=torch.float64)
    before, here, after = (digits_network()(x, SCHEDULE.time(lam + shift).float()) for shift in (-h, 0.0, h))
    assert ((before - 2 * here + after) / h**2).square().mean().sqrt() < 2.0


def test_held_out_denoising_loss_is_far_below_that_of_an_untrained_network():
    images, labels = held_out_digits()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        untrained = UNet(SCHEDULE.half_log_snr).eval()
    assert denoising_loss(untrained, images, labels) > 0.8
    assert denoising_loss(digits_network(), images, labels) < 0.25
    assert denoising_loss(digits_network(), images, None) < 0.32


def test_the_right_label_helps_and_a_wrong_one_hurts():
    images, labels = held_out_digits()
    images, labels = images[:120], labels[:120]
    without = denoising_loss(digits_network(), images, None)
    assert denoising_loss(digits_network(), images, labels) < without
    assert denoising_loss(digits_network(), images, (labels + 1) % 10) > without


def test_digits_is_a_noise_predicting_denoiser_under_the_linear_schedule():
    denoiser = models.digits(labels=[3, 1])
    assert denoiser.predicts == "noise"
    assert denoiser.schedule == SCHEDULE
    assert torch.equal(denoiser.condition["label"], torch.tensor([3, 1]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_call_waits_for_no_device(dtype):
    """Seen on a device that holds shapes only, to which the host copies as it does to any other."""
    network = copy.deepcopy(digits_network()).to("meta").to(dtype)
    x, t = torch.zeros(2, 1, 8, 8, dtype=dtype, device="meta"), torch.zeros(2, device="meta")
    with Seen() as seen:
        network(x, t)
    assert seen.names
    assert not set(seen.names) & WAITING
    with Seen() as seen:
        network(x, t, torch.tensor(3))  # a label on the host is copied
    assert set(seen.names) & WAITING


def test_labels_may_be_a_number_a_list_an_array_or_a_tensor():
    for labels in ([2, 2], np.array([2, 2], dtype=np.uint8), torch.tensor([2, 2])):
        label = models.digits(labels).condition["label"]
        assert label.dtype == torch.int64
        assert label.tolist() == [2, 2]
    assert models.digits(2).condition["label"].tolist() == 2


@pytest.mark.parametrize("labels", [10, -1, [1.0], [[1]], [], "7"])
def test_labels_that_are_no_digits_are_refused(labels):
    with pytest.raises(ValueError, match="whole numbers from 0 to 9"):
        models.digits(labels)


def test_loading_the_network_leaves_the_random_state_alone():
    digits_network.cache_clear()
    before = torch.get_rng_state()
    digits_network()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("x", "t", "label", "error", "message"),
    [
        (torch.zeros(2, 8, 8), torch.zeros(2), None, ValueError, r"expected x of shape \(B, 1, 8, 8\)"),
        (torch.zeros(2, 1, 8, 8).double(), torch.zeros(2), None, TypeError, "dtype of the weights"),
        (np.zeros((2, 1, 8, 8)), torch.zeros(2), None, TypeError, "received ndarray"),
        (torch.zeros(2, 1, 8, 8), torch.zeros(3), None, ValueError, "expected t of shape"),
        (torch.zeros(2, 1, 8, 8), torch.zeros(2), torch.zeros(3).long(), ValueError, "expected label of shape"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(x, t, label, error, message):
    with pytest.raises(error, match=message):
        digits_network()(x, t, label)


def test_shipped_files_are_below_four_megabytes_together():
    assert sum(file.stat().st_size for file in store.WEIGHTS.iterdir()) < 4e6


def test_shipped_images_are_those_of_scikit_learn():
    bunch = load_digits()
    images, labels, _ = store.digit_images()
    np.testing.assert_array_equal(images[:, 0], bunch.images / 8 - 1)
    np.testing.assert_array_equal(labels, bunch.target)


def test_a_missing_package_is_named_with_the_line_that_installs_it():
    with pytest.raises(ImportError, match=r'no_such_package.*pip install "no_such_package"'):
        store.require("no_such_package")


def test_importing_the_models_does_not_import_torch():
    code = "import sys, diffusion.models; sys.exit('torch' in sys.modules or 'safetensors' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_training_times_are_stratified_in_the_square_root_of_time():
    t = stratified_times(10, SCHEDULE, torch.tensor(0.5))
    np.testing.assert_allclose(np.diff(np.sqrt(t.numpy())), (1 - 1e-3**0.5) / 10, rtol=1e-4)
    assert SCHEDULE.t_end < t.min() < t.max() < SCHEDULE.t_start


def test_training_script_writes_weights_that_load(tmp_path):
    threads = torch.get_num_threads()
    train_digits.main(["--out", str(tmp_path), "--steps", "3", "--classifier-steps", "3"])
    torch.set_num_threads(threads)
    UNet(SCHEDULE.half_log_snr).load_state_dict(load_file(tmp_path / store.NETWORK))
    Classifier().load_state_dict(load_file(tmp_path / store.CLASSIFIER))
    written, shipped = (load_file(directory / store.DATA) for directory in (tmp_path, store.WEIGHTS))
    assert all(torch.equal(written[name], shipped[name]) for name in shipped)


def test_training_is_seeded_and_leaves_the_random_state_alone():
    images, labels = held_out_digits()
    before = torch.get_rng_state()
    first, second, other = (train_digits.train_network(images, labels, steps=2, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    x, t = noise(2), torch.tensor(0.5)
    assert torch.equal(first(x, t), second(x, t))
    assert not torch.equal(first(x, t), other(x, t))
