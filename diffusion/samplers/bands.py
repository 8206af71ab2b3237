r"""Bands: a partition of the coordinates of a sample, so that a row may have one weight for each of its parts.

With an orthonormal transform F of a sample and the projections P_k = Fᵀ 1_k F onto its bands, a weight (w_1, …, w_K) is
the operator Σ_k w_k P_k. Pixels, channels and masks need no transform; frequencies are those of the discrete Fourier
transform. Such operators commute: what is true of rows with numbers as weights is true of every band for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod, sqrt
from operator import index
from typing import Any

import numpy as np

from diffusion.samplers.dpm_solver_v3.affine import Beside
from expint.arguments import integer, seen
from expint.arrays import affordable, real_values
from expint.backend import Array, array_namespace, asarray_like, to_numpy

__all__ = ["Bands", "channels", "frequencies", "mask", "pixels", "sample_shape"]


@dataclass(frozen=True, eq=False)
class Bands:
    """A partition of the coordinates of samples of one shape into K bands.

    Parameters
    ----------
    shape
        The shape of a sample, without the batch axis.
    numbers
        The band 0 … K − 1 of each coordinate, an array of whole numbers. Without a transform its shape broadcasts to
        that of a sample; of Fourier coefficients, to the shape of those of ``numpy.fft.rfftn`` over the last ``axes``.
    axes
        How many of the last axes are transformed: 0 for none.

    Raises
    ------
    ValueError
        If the numbers are not whole, do not fit the shape, leave out a band, or tell apart a frequency and its
        negative, whose coefficients of a real sample are conjugate.
    TypeError
        If they are no numbers.

    Examples
    --------
    >>> import numpy as np, diffusion
    >>> diffusion.Bands((2, 2), np.array([[0, 1], [1, 1]])).count
    2
    """

    shape: tuple[int, ...]
    numbers: np.ndarray
    axes: int = 0

    _never_changes = True

    def __post_init__(self) -> None:
        shape, axes = sample_shape(self.shape), integer("axes", self.axes, least=0)
        if axes > len(shape):
            raise ValueError(f"expected at most {len(shape)} transformed axes of samples {shape}, received {axes}")
        given = real_values("numbers", self.numbers)
        if not np.all(given == np.floor(given)):
            raise ValueError(f"expected the bands as whole numbers, received {seen(self.numbers)}; use astype(int)")
        wanted = _transformed(shape, axes)
        try:
            numbers = np.ascontiguousarray(np.broadcast_to(given, wanted)).astype(np.int64)
        except ValueError:
            raise ValueError(
                f"expected numbers of bands that broadcast to {wanted}, received shape {given.shape}; give one for "
                "each coordinate of a sample"
            ) from None
        found = np.unique(numbers)
        if found[0] != 0 or found[-1] != found.size - 1:
            raise ValueError(
                f"expected bands 0 … K − 1, each with a coordinate, received {found.tolist()[:20]}; number them so"
            )
        if axes:
            _check_symmetric(numbers, shape, axes)
        numbers.flags.writeable = False
        for name, value in (("shape", shape), ("axes", axes), ("numbers", numbers)):
            object.__setattr__(self, name, value)

    def __reduce__(self) -> Any:
        """Return how to make it again, its numbers no less protected."""
        return Bands, (self.shape, self.numbers, self.axes)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Bands):
            return NotImplemented
        same = (self.shape, self.axes) == (other.shape, other.axes)
        return same and np.array_equal(self.numbers, other.numbers)

    def __hash__(self) -> int:
        return hash((self.shape, self.axes, self.count))

    @property
    def count(self) -> int:
        """The number K of bands."""
        return int(self.numbers.max()) + 1

    @property
    def labels(self) -> np.ndarray:
        """The band of each of the ``coordinates``, (size,)."""
        flat = self.numbers.ravel()
        return np.concatenate([flat, flat]) if self.axes else flat

    def coordinates(self, x: Array) -> Array:
        """Return the orthonormal coordinates of samples, (batch, …) ↦ (batch, size), real numbers like ``x``.

        Without a transform they are the entries. Of Fourier coefficients they are the real parts, then the imaginary
        ones, those that stand for a conjugate pair times √2: sums of squares are kept.

        Raises
        ------
        ValueError
            If the samples have another shape.
        """
        self.check(x)
        if not self.axes:
            return array_namespace(x).reshape(x, (x.shape[0], -1))
        spectrum = self.transform(x)
        xp = array_namespace(spectrum)
        scaled = asarray_like(self._pairs, spectrum) * spectrum
        parts = [xp.reshape(part, (x.shape[0], -1)) for part in (xp.real(scaled), xp.imag(scaled))]
        return xp.concat(parts, axis=1)

    def gram(self, columns: Sequence[Array]) -> np.ndarray:
        """Return the inner products ⟨P_k u, v⟩ of all pairs of columns, (K, m, m), summed over the batch.

        Parameters
        ----------
        columns
            m arrays of samples, (batch, *shape).
        """
        xp = array_namespace(columns[0])
        z = xp.stack([self.coordinates(column) for column in columns])  # (m, batch, size)
        labels, products = self.labels, np.empty((self.count, len(columns), len(columns)))
        host = to_numpy(z).astype(np.float64, copy=False)
        order = np.argsort(labels, kind="stable")
        cuts = np.searchsorted(labels[order], np.arange(self.count + 1))
        for k in range(self.count):
            part = host[:, :, order[cuts[k] : cuts[k + 1]]].reshape(len(columns), -1)
            products[k] = part @ part.T
        return products

    def transform(self, x: Array) -> Array:
        """Return the Fourier coefficients of samples over the last axes, in single precision at least."""
        xp = array_namespace(x)
        wide = xp.astype(x, xp.float32) if x.dtype.itemsize < 4 else x
        return xp.fft.rfftn(wide, axes=self._last, norm="ortho")

    def back(self, spectrum: Array, like: Array) -> Array:
        """Return the samples with these Fourier coefficients, of the dtype of ``like``."""
        xp = array_namespace(spectrum)
        x = xp.fft.irfftn(spectrum, s=self.shape[len(self.shape) - self.axes :], axes=self._last, norm="ortho")
        return xp.astype(x, like.dtype)

    def check(self, x: Array) -> None:
        """Raise ValueError unless ``x`` is a batch of samples of this shape."""
        if tuple(x.shape[1:]) != self.shape:
            raise ValueError(
                f"expected samples of shape {self.shape}, that of the bands, received {tuple(x.shape[1:])}; make bands "
                "for these samples"
            )

    @property
    def _last(self) -> tuple[int, ...]:
        return tuple(range(-self.axes, 0))

    @property
    def _pairs(self) -> np.ndarray:
        """√2 for coefficients that stand for themselves and their conjugates, by the last frequency."""
        length = self.shape[-1]
        alone = np.isin(np.arange(length // 2 + 1), (0, length / 2))
        return np.where(alone, 1.0, sqrt(2.0))

    def __repr__(self) -> str:
        what = f"frequencies over {self.axes} axes" if self.axes else "coordinates"
        return f"Bands({self.count} of the {what} of samples {self.shape})"


def pixels(shape: Sequence[int], count: int) -> Bands:
    """Return ``count`` rings of pixels about the centre, of as equal areas as their distances from it allow.

    Parameters
    ----------
    shape
        Of a sample: (channels, height, width), or one axis less or more; rings are laid in the last two axes, intervals
        in an only one.
    count
        The number of rings.

    Raises
    ------
    ValueError
        If there are fewer distances than rings.
    """
    shape = sample_shape(shape)
    place = [np.arange(length) - (length - 1) / 2 for length in shape[-2:]]
    return Bands(shape, _rings(_squares(place), count))


def frequencies(shape: Sequence[int], count: int) -> Bands:
    """Return ``count`` rings of frequencies of the last two axes, or the only one; the first holds the mean.

    The rings have as equal numbers of coefficients as their sizes |k| allow; each axis is measured in its own Nyquist
    frequency.

    Raises
    ------
    ValueError
        If there are fewer sizes than rings.
    """
    shape = sample_shape(shape)
    axes = min(2, len(shape))
    waves = [np.fft.fftfreq(length) for length in shape[-axes:-1]] + [np.fft.rfftfreq(shape[-1])]
    return Bands(shape, _rings(_squares(waves), count), axes)


def channels(shape: Sequence[int]) -> Bands:
    """Return one band for each entry of the first axis of a sample."""
    shape = sample_shape(shape)
    return Bands(shape, np.arange(shape[0]).reshape(-1, *(1,) * (len(shape) - 1)))


def mask(labels: Any, shape: Sequence[int] | None = None) -> Bands:
    """Return the bands that an array of whole numbers 0 … K − 1, or of truth values, names for each entry of a sample.

    Parameters
    ----------
    labels
        The band of each entry; False is band 0, True is band 1.
    shape
        The shape of a sample, to which the labels broadcast; None is that of the labels.
    """
    truth = "bool" in str(getattr(labels, "dtype", ""))
    given = real_values("labels", labels * 1 if truth else labels)
    return Bands(given.shape if shape is None else sample_shape(shape), given)


class Banded:
    """Combines columns with weights that are numbers, or arrays of one number for each band.

    It stands where a plan has its operator, of which a run asks no more than to combine.
    """

    numeric = True

    def __init__(self, bands: Bands) -> None:
        self.bands, self._beside = bands, Beside()

    def combiner(self) -> Callable[[Sequence[Any], Sequence[Array]], Array]:
        """Return what combines columns during a run."""
        return self.combine

    def combine(self, weights: Sequence[Any], columns: Sequence[Array]) -> Array:
        """Return Σ_j Σ_k w_jk P_k columns_j."""
        bands, like = self.bands, columns[0]
        used = [(weight, column) for weight, column in zip(weights, columns) if weight is not None]
        plain = [weight * column for weight, column in used if not np.ndim(weight)]
        parts = [column for weight, column in used if np.ndim(weight)]
        if parts:
            spectra = [bands.transform(part) for part in parts] if bands.axes else parts
            spread = self._beside(id(weights), lambda: self._spread(weights), spectra[0], owner=weights)
            total = sum(weight * part for weight, part in zip(spread, spectra))
            plain.append(bands.back(total, like) if bands.axes else total)
        return sum(plain[1:], start=plain[0]) if plain else 0.0 * like

    def _spread(self, weights: Sequence[Any]) -> list[np.ndarray]:
        """Return the weights with a number for each coordinate."""
        return [np.asarray(weight)[self.bands.numbers] for weight in weights if weight is not None and np.ndim(weight)]

    def __repr__(self) -> str:
        return f"Banded({self.bands!r})"


def sample_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of one sample, without its batch axis, as integers.

    Raises
    ------
    TypeError, ValueError
        If it is none, or has no axis, or an empty one, or one sample is larger than memory.
    """
    try:
        if isinstance(shape, str | bytes):
            raise TypeError
        found = tuple(index(length) for length in shape)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"expected the shape of a sample as whole numbers, received {seen(shape)}") from None
    if not found or min(found) < 1:
        raise ValueError(f"expected the shape of a sample without its batch axis, received {found}; at least one axis")
    affordable("the coordinates of a sample", 8.0 * prod(map(float, found)))
    return found


def _transformed(shape: tuple[int, ...], axes: int) -> tuple[int, ...]:
    return (*shape[:-1], shape[-1] // 2 + 1) if axes else shape


def _squares(axes: Sequence[np.ndarray]) -> np.ndarray:
    """Return the squared distance of each place, given its coordinates along each axis."""
    total = np.zeros([len(axis) for axis in axes])
    for axis in np.ix_(*axes):
        total += axis**2
    return total


def _rings(square: np.ndarray, count: int) -> np.ndarray:
    """Return the ring of each entry by its squared distance; entries at one distance lie in one ring."""
    sizes, ring, counts = np.unique(np.round(square, 12), return_inverse=True, return_counts=True)
    count = integer("count", count, least=1)
    if count > sizes.size:
        raise ValueError(f"expected at most {sizes.size} rings, as many as there are distances, received {count}")
    inner = np.cumsum(counts) - counts / 2
    wanted = np.floor(count * inner / counts.sum()).astype(int)
    wanted = np.maximum.accumulate(np.minimum(wanted, np.arange(sizes.size)))  # ring k has a distance to begin with
    of_size = np.minimum(wanted, count - 1)
    of_size = np.maximum(of_size, count - sizes.size + np.arange(sizes.size))
    for i in range(1, sizes.size):  # no ring is left out
        of_size[i] = min(of_size[i], of_size[i - 1] + 1)
    return np.asarray(of_size[ring.reshape(square.shape)])


def _check_symmetric(numbers: np.ndarray, shape: tuple[int, ...], axes: int) -> None:
    """Raise ValueError if one of a pair of conjugate coefficients that both are there lies in another band."""
    others = tuple(range(numbers.ndim - axes, numbers.ndim - 1))
    for last in {0, shape[-1] // 2} if shape[-1] % 2 == 0 else {0}:
        own = numbers[..., last]
        mirrored = own
        for axis in others:
            mirrored = np.roll(np.flip(mirrored, axis), 1, axis)
        if not np.array_equal(own, mirrored):
            raise ValueError(
                "expected a frequency and its negative in one band, received numbers that tell them apart at the last "
                f"frequency {last}; number by |k|"
            )
