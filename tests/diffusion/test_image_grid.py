"""Sheets of images: every image in its place, with what is said of it and of its row."""

import matplotlib as mpl
import numpy as np
import pytest

import diffusion.plot

mpl.use("Agg")
import matplotlib.pyplot as plt


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


IMAGES = np.random.default_rng(0).uniform(-1, 1, size=(5, 1, 8, 6))


@pytest.mark.parametrize("labels", [None, ["a", "b", 3, 4.5, "e"]])
def test_each_image_stands_in_its_place_above_its_label(labels: list[object] | None) -> None:
    ax = diffusion.plot.image_grid(IMAGES, columns=3, labels=labels)
    sheet = np.asarray(ax.images[0].get_array())
    pitch = (sheet.shape[0] - 1) // 2
    for n, image in enumerate(IMAGES):
        top, left = 1 + n // 3 * pitch, 1 + n % 3 * 7
        np.testing.assert_allclose(sheet[top : top + 8, left : left + 6], (image[0] + 1) / 2)
        if labels is not None:
            x, y = ax.texts[n].get_position()
            assert (left <= x <= left + 6, top + 7 <= y < top + pitch) == (True, True)
            assert ax.texts[n].get_text() == str(labels[n])


def test_rows_have_names_at_their_height() -> None:
    ax = diffusion.plot.image_grid(IMAGES, columns=3, rows=["ddim", "deis-tab3"])
    assert [text.get_text() for text in ax.get_yticklabels()] == ["ddim", "deis-tab3"]
    assert ax.get_yticks().tolist() == [4.0, 13.0]


@pytest.mark.parametrize("given", [{"labels": "abc"}, {"labels": ["a"]}, {"rows": range(3)}, {"labels": 3}])
def test_labels_that_do_not_fit_are_refused(given: dict) -> None:
    with pytest.raises((ValueError, TypeError), match="expected"):
        diffusion.plot.image_grid(IMAGES, columns=3, **given)
