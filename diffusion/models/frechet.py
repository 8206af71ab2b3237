"""Fréchet distance between sets of digits, in the features of a classifier trained on real ones."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from diffusion.models.store import CLASSIFIER, WEIGHTS, digit_images
from diffusion.optional import require
from expint.arrays import real_values
from expint.backend import Array

if TYPE_CHECKING:
    from diffusion.models.classifier import Classifier

__all__ = ["Gaussian", "classifier", "classifier_features", "fit_gaussian", "frechet_distance", "gaussian_distance"]


class Gaussian(NamedTuple):
    """A normal distribution on R^d."""

    mean: np.ndarray
    """(d,)."""

    covariance: np.ndarray
    """(d, d), symmetric, positive semidefinite."""


@cache
def classifier() -> Classifier:
    """Return the shipped classifier of 8×8 digits, in evaluation mode.

    Raises
    ------
    ImportError
        With the line that installs torch or safetensors, if one of them is missing.
    """
    torch, safetensors = require("torch"), require("safetensors.torch")
    from diffusion.models.classifier import Classifier

    with torch.device("meta"):  # no initial weights are drawn: the caller's random state stays as it is
        network = Classifier()
    network.load_state_dict(safetensors.load_file(WEIGHTS / CLASSIFIER), assign=True)
    return network.eval().requires_grad_(False)


def classifier_features(images: Array, batch: int = 512) -> np.ndarray:
    """Return the classifier's penultimate activations (n, 16), float64, of images (n, 1, 8, 8) scaled to [−1, 1].

    Raises
    ------
    ValueError
        If the shape is another one or a pixel is not finite.
    TypeError
        If the images are no array of real numbers.
    """
    torch = require("torch")
    pixels = real_values("images", images).astype(np.float32)
    if pixels.ndim != 4 or pixels.shape[1:] != (1, 8, 8):
        raise ValueError(f"expected images of shape (n, 1, 8, 8); received {pixels.shape}; reshape or crop them")
    if not np.isfinite(pixels).all():
        raise ValueError("expected finite pixels; received NaN or infinity; look at the solver's status first")
    network = classifier()
    with torch.no_grad():
        parts = [
            network.features(torch.from_numpy(part.copy()))
            for part in np.split(pixels, range(batch, len(pixels), batch))
        ]
    return torch.cat(parts).numpy().astype(np.float64)


def fit_gaussian(features: np.ndarray) -> Gaussian:
    """Return the Gaussian with the sample mean and the unbiased sample covariance of features (n, d), n > d.

    Raises
    ------
    ValueError
        If there are too few samples to estimate the covariance.
    """
    count, size = features.shape
    if count <= size:
        raise ValueError(
            f"expected more than {size} samples to estimate a {size}×{size} covariance; received {count}; "
            "sample more images (a thousand or more give a steady figure)"
        )
    return Gaussian(features.mean(axis=0), np.cov(features, rowvar=False).reshape(size, size))


def gaussian_distance(p: Gaussian, q: Gaussian) -> float:
    """Return the squared Fréchet (2-Wasserstein) distance of two Gaussians.

        |m_p − m_q|² + tr Σ_p + tr Σ_q − 2 ‖Σ_p^{1/2} Σ_q^{1/2}‖_*

    The nuclear norm equals tr (Σ_p^{1/2} Σ_q Σ_p^{1/2})^{1/2}, but takes no square roots of rounding errors where a
    covariance is nearly singular. Source: Dowson & Landau 1982; as an image metric: Heusel et al. 2017.
    """
    mixed = np.linalg.norm(_root(p.covariance) @ _root(q.covariance), ord="nuc")
    squared = np.sum((p.mean - q.mean) ** 2) + np.trace(p.covariance) + np.trace(q.covariance) - 2 * mixed
    return max(float(squared), 0.0)  # rounding may leave −1e-15 between equal Gaussians


def frechet_distance(images: Array, reference: Any = None) -> float:
    """Return the squared Fréchet distance between the classifier features of two sets of digits.

    Parameters
    ----------
    images : array
        (n, 1, 8, 8), scaled to [−1, 1]; NumPy or torch. A thousand or more give a steady figure.
    reference : array or Gaussian, optional
        Images to compare with, or the Gaussian fitted to their features. Default: all 1797 real digits.

    Raises
    ------
    ValueError
        If the images have another shape, are not finite or are too few.

    Examples
    --------
    >>> import numpy as np, diffusion
    >>> images = np.random.default_rng(0).standard_normal((80, 1, 8, 8))
    >>> diffusion.models.frechet_distance(images) > 1.0
    True
    """
    if reference is None:
        reference = _real_digits()
    elif not isinstance(reference, Gaussian):
        reference = fit_gaussian(classifier_features(reference))
    return gaussian_distance(fit_gaussian(classifier_features(images)), reference)


@cache
def _real_digits() -> Gaussian:
    return fit_gaussian(classifier_features(digit_images().images))


def _root(covariance: np.ndarray) -> np.ndarray:
    """Return the symmetric positive semidefinite square root."""
    eigenvalues, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(eigenvalues, 0.0))) @ vectors.T
