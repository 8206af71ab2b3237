"""Starts from data, inpainting, batches in parts, interpolation and files of pictures."""

import numpy as np
import pytest
import torch

import diffusion
from diffusion.models.mixture import gaussian_mixture
from expint.backend import to_numpy

from .golden import mixture

SCHEDULES = {
    "vp": diffusion.VP.linear(),
    "table": diffusion.VP.from_betas(np.linspace(1e-4, 0.02, 1000)),
    "edm": diffusion.EDM(),
    "flow": diffusion.FlowMatching(shift=3.0),
}
NOISE = mixture()[3]
DATA = np.random.default_rng(1).standard_normal(NOISE.shape)


def network(schedule, predicts="data"):
    return gaussian_mixture(*mixture()[:3], schedule, predicts=predicts)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("as_array", [np.asarray, torch.from_numpy])
def test_noise_is_added_at_one_time_or_one_for_each_sample(name, as_array):
    schedule, data, noise = SCHEDULES[name], as_array(DATA), as_array(NOISE)
    t = np.linspace(schedule.t_end, schedule.t_start, 3)
    each = diffusion.add_noise(schedule, data, noise, as_array(t))
    assert type(each) is type(data)
    for i in range(3):
        expected = schedule.alpha(float(t[i])) * DATA + schedule.sigma(float(t[i])) * NOISE
        np.testing.assert_allclose(each[i], expected[i], rtol=1e-13)
        np.testing.assert_allclose(diffusion.add_noise(schedule, data, noise, float(t[i])), expected, rtol=1e-13)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("sampler", ["auto", "unipc3", "edm-heun", "dpmpp-2m", "deis-tab2"])
def test_image_to_image_is_the_last_part_of_the_run(name, sampler):
    schedule, calls = SCHEDULES[name], []
    net = network(schedule)
    whole = diffusion.trajectory(net, NOISE, sampler=sampler, steps=10)
    diffusion.image_to_image(
        net, DATA, NOISE, strength=0.45, sampler=sampler, steps=10, callback=lambda t, x: calls.append((t, x))
    )
    np.testing.assert_allclose([t for t, _ in calls], whole.t[-5:], rtol=1e-12)
    np.testing.assert_allclose(calls[0][1], diffusion.add_noise(schedule, DATA, NOISE, calls[0][0]), rtol=1e-12)


def test_the_strength_is_how_much_changes():
    net = network(SCHEDULES["vp"])
    changes = [
        np.abs(diffusion.image_to_image(net, DATA, NOISE, strength=s, steps=20) - DATA).mean() for s in (0, 0.1, 0.4, 1)
    ]
    assert changes[0] == 0.0
    assert all(np.diff(changes) > 0.0)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("predicts", ["data", "noise"])
@pytest.mark.parametrize("sampler", ["auto", "unipc3", "dpm3", "deis-tab3", "edm-heun", "adams3-flow"])
def test_what_is_known_stays_at_the_noise_level_of_every_state_to_the_last(name, predicts, sampler):
    schedule, seen = SCHEDULES[name], []
    mask = np.array([[1.0, 0.0], [0.0, 1.0]])[None, None]
    found = diffusion.inpaint(
        network(schedule, predicts),
        DATA,
        mask,
        NOISE,
        sampler=sampler,
        steps=7,
        callback=lambda t, x: seen.append((t, x)),
    )
    known = np.broadcast_to(mask == 0.0, DATA.shape)
    for t, x in seen:
        with np.errstate(all="ignore"):
            expected = diffusion.add_noise(schedule, DATA, NOISE, t)
        np.testing.assert_allclose(x[known], expected[known], rtol=0, atol=1e-9 * (1 + float(schedule.sigma(t))))
    assert np.abs(found[~known] - DATA[~known]).max() > 0.1


def test_a_mask_of_ones_changes_nothing_and_one_of_zeros_returns_the_data():
    net, ones = network(SCHEDULES["edm"]), np.ones((1, 1, 2, 2))
    options = {"sampler": "dpmpp-2m", "steps": 6, "grid": "karras"}
    free = diffusion.image_to_image(net, DATA, NOISE, strength=1.0, **options)
    np.testing.assert_allclose(diffusion.inpaint(net, DATA, ones, NOISE, **options), free, rtol=0, atol=1e-12)
    np.testing.assert_allclose(diffusion.inpaint(net, DATA, 0 * ones, NOISE, **options), DATA, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("mask", "says"),
    [(np.full((1, 1, 2, 2), 255.0), "divide it by 255"), (np.ones((3, 3)), "fits data"), ("mask", "an array")],
)
def test_masks_that_make_no_sense_are_refused(mask, says):
    with pytest.raises((ValueError, TypeError), match=says):
        diffusion.guidance.inpainted(network(SCHEDULES["vp"]), DATA, mask)


def test_a_correction_of_the_data_has_to_be_like_them():
    net = network(SCHEDULES["vp"], "noise")
    clipped = diffusion.guidance.corrected(net, lambda x0, t: np.clip(x0, -0.1, 0.1))
    np.testing.assert_allclose(clipped(NOISE, 0.5), np.clip(net.predict(NOISE, 0.5, "data"), -0.1, 0.1))
    with pytest.raises(ValueError, match="the function of the data"):
        diffusion.guidance.corrected(net, lambda x0, t: x0[0])(NOISE, 0.5)


@pytest.mark.parametrize("size", [1, 2, 3, 64])
def test_samples_do_not_depend_on_how_a_batch_is_divided(size):
    labels = np.array([0.5, 1.0, 1.5])

    def labelled(x, t, label, factor):
        return factor * label[:, None, None, None] * EDM_NETWORK(x, t)

    net = diffusion.Denoiser(labelled, "data", SCHEDULES["edm"], {"label": labels, "factor": 0.9})
    whole = diffusion.sample(net, NOISE, sampler="unipc2", steps=6)
    parts = diffusion.sample_in_batches(net, NOISE, size, sampler="unipc2", steps=6)
    np.testing.assert_allclose(parts, whole, rtol=0, atol=1e-12)
    by_slice = diffusion.sample_in_batches(
        lambda part: net.with_condition({"label": labels[part], "factor": 0.9}), NOISE, size, sampler="unipc2", steps=6
    )
    np.testing.assert_array_equal(by_slice, parts)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("done", [0, 2])
def test_what_ends_a_sampling_in_batches_keeps_the_samples_made(kind, done):
    calls = []

    def raising(x, t):
        calls.append(t)
        if len(calls) > 6 * done + 2:
            raise kind
        return EDM_NETWORK(x, t)

    net = diffusion.Denoiser(raising, "data", SCHEDULES["edm"])
    with pytest.raises(kind) as raised:
        diffusion.sample_in_batches(net, NOISE, 1, sampler="unipc2", steps=6)
    if not done:
        assert raised.value.samples is None
        return
    plain = diffusion.Denoiser(EDM_NETWORK, "data", SCHEDULES["edm"])
    whole = diffusion.sample(plain, NOISE, sampler="unipc2", steps=6)
    np.testing.assert_allclose(raised.value.samples, whole[:done], rtol=0, atol=1e-12)


EDM_NETWORK = network(SCHEDULES["edm"])


@pytest.mark.parametrize("as_array", [np.asarray, torch.from_numpy, lambda a: torch.from_numpy(a).half()])
def test_spherical_interpolation_goes_along_the_great_circle(as_array):
    rng = np.random.default_rng(0)
    a = rng.standard_normal((4, 3, 5))
    b = rng.standard_normal((4, 3, 5))
    b *= np.linalg.norm(a, axis=(1, 2), keepdims=True) / np.linalg.norm(b, axis=(1, 2), keepdims=True)
    first, second = as_array(a), as_array(b)
    loose = 1e-2 if "16" in str(first.dtype) else 1e-12
    for weight in (0.0, 0.3, 1.0):
        found = diffusion.slerp(first, second, weight)
        assert found.dtype == first.dtype
        norms = np.linalg.norm(to_numpy(found).astype(float), axis=(1, 2))
        np.testing.assert_allclose(norms, np.linalg.norm(a, axis=(1, 2)), rtol=loose)
        cosine = np.sum(to_numpy(found).astype(float) * a, axis=(1, 2)) / norms**2
        angle = np.arccos(np.clip(cosine, -1.0, 1.0))
        whole = np.arccos(np.sum(a * b, axis=(1, 2)) / norms**2)
        np.testing.assert_allclose(angle, weight * whole, atol=max(3 * loose, 1e-6) if weight else 0.1)
    each = diffusion.slerp(first, second, as_array(np.array([0.0, 1.0, 0.25, 1.0])))
    np.testing.assert_allclose(to_numpy(each)[:2], np.stack([a[0], b[1]]), atol=10 * loose)
    np.testing.assert_allclose(diffusion.slerp(a, a, 0.4), a, rtol=1e-12)
    np.testing.assert_allclose(diffusion.slerp(0 * a, b, 0.5), 0.5 * b, rtol=1e-12)


def test_files_of_pictures_are_read_by_others_as_they_were_written(tmp_path):
    image = pytest.importorskip("PIL.Image")
    for channels in (1, 3, 4):
        images = torch.linspace(-1.2, 1.2, 2 * channels * 5 * 3).reshape(2, channels, 5, 3)
        files = diffusion.save_images(images, tmp_path / "new" / f"{channels}-{{:03}}.png")
        assert [file.name for file in files] == [f"{channels}-000.png", f"{channels}-001.png"]
        for i, file in enumerate(files):
            with image.open(file) as read:
                pixels = np.atleast_3d(np.asarray(read))
            expected = np.rint((np.clip(images[i].numpy().astype(float), -1, 1) + 1) * 127.5)
            np.testing.assert_array_equal(pixels, np.moveaxis(expected, 0, -1))
    with pytest.raises(FileExistsError, match="overwrite=True"):
        diffusion.save_images(images, tmp_path / "new" / "4-{:03}.png")
    diffusion.save_images(images, tmp_path / "new" / "4-{:03}.png", overwrite=True)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: diffusion.save_images(DATA, "image.png"), "place for a number"),
        (lambda: diffusion.save_images(DATA, "{name}.png"), "place for a number"),
        (lambda: diffusion.save_images(DATA[0], "{}.png"), "batch, channels"),
        (lambda: diffusion.save_images(DATA * np.nan, "{}.png"), "finite"),
        (lambda: diffusion.slerp(DATA, DATA[:1], 0.5), "expected second"),
        (lambda: diffusion.slerp(DATA, DATA, np.ones(2)), "one weight"),
        (lambda: diffusion.add_noise(SCHEDULES["vp"], DATA, NOISE, np.ones(2)), "finite ones"),
        (lambda: diffusion.add_noise(SCHEDULES["vp"], DATA, NOISE[:1], 0.5), "expected noise"),
        (lambda: diffusion.image_to_image(EDM_NETWORK, DATA, NOISE, strength=1.5, steps=5), "strength"),
        (
            lambda: diffusion.image_to_image(
                EDM_NETWORK, DATA, NOISE, strength=0.5, sampler=diffusion.freeze("unipc2", SCHEDULES["edm"], steps=5)
            ),
            "strength=1",
        ),
        (lambda: diffusion.sample_in_batches(EDM_NETWORK, NOISE, 0, steps=5), "batch_size"),
    ],
)
def test_what_makes_no_sense_is_refused(call, says):
    with pytest.raises((ValueError, TypeError), match=says):
        call()
