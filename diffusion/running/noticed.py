"""What is noticed of the calls of samples that each have steps of their own, by which a wrong network is told."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffusion.denoiser import Denoiser, beside_states
from diffusion.diagnosis import FirstData, first_data, look_at
from diffusion.process.prediction import coefficients
from expint.backend import Array, array_namespace, is_jax, to_numpy

__all__ = ["Noticed"]


class Noticed:
    """The first call, of all samples at one time, and of each sample the one nearest to σ = α.

    The calls near σ = α are at times of their own: what they imply, E x₀², E x·x₀/α and E ε², is brought to one time.
    """

    def __init__(self, denoiser: Denoiser, count: int, from_noise: bool) -> None:
        self._denoiser, self._from_noise = denoiser, from_noise
        self._first: FirstData | None = None
        self._nearest = np.full(count, np.inf)
        self._near: list[tuple[np.ndarray, np.ndarray, np.ndarray, Array]] = []

    def see(self, which: np.ndarray, t: np.ndarray, x: Array, output: Array) -> None:
        """Take note of a call of the samples ``which``, each at its own time."""
        schedule, predicts = self._denoiser.schedule, self._denoiser.predicts
        alpha, sigma = np.asarray(schedule.alpha(t)), np.asarray(schedule.sigma(t))
        far = np.full(len(t), np.inf)
        inside = (alpha > 0.0) & (sigma > 0.0)
        far[inside] = np.abs(np.log(sigma[inside] / alpha[inside]))
        begins = self._first is None and inside.all()
        if not begins and not (far < np.minimum(self._nearest[which], 1.0)).any():
            return
        if is_jax(array_namespace(x)):  # values that are traced are not known
            return
        with np.errstate(divide="ignore", invalid="ignore"):
            known = coefficients(predicts, "data", alpha, sigma, schedule.sigma_data)
        data = sum(beside_states(np.asarray(own), x) * part for own, part in zip(known, (x, output), strict=True))
        if begins:
            look = look_at(schedule, predicts, float(t[0]))
            self._first = first_data(look, float(t[0]), x, data, self._from_noise)
            return
        self._nearest[which] = np.minimum(self._nearest[which], far)
        xp = array_namespace(x)
        states, clean = (xp.astype(xp.reshape(own, (x.shape[0], -1)), xp.float32) for own in (x, data))
        rows = [xp.mean(one * other, axis=1) for one, other in ((states, states), (states, clean), (clean, clean))]
        self._near.append((which, far, np.stack([alpha, sigma]), xp.stack(rows)))

    def calls(self, elements: int) -> list[FirstData]:
        """Return what was noticed, of samples with this many ``elements`` in all."""
        found = [] if self._first is None else [self._first]
        if self._first is None or not self._near or not np.isfinite(self._nearest).all():
            return found
        chosen: dict[int, tuple[float, np.ndarray]] = {}
        for which, far, scales, rows in self._near:
            values = to_numpy(rows).astype(np.float64)
            for at, (i, own) in enumerate(zip(which.tolist(), far.tolist())):
                if i not in chosen or own < chosen[i][0]:
                    chosen[i] = own, np.concatenate([scales[:, at], values[:, at]])
        alpha, sigma, state, both, data = np.array([own for _, own in chosen.values()]).T
        noise = np.mean((state - 2.0 * alpha * both + alpha**2 * data) / sigma**2)
        product, square = np.mean(both / alpha), np.mean(data)
        schedule = self._denoiser.schedule
        t = float(schedule.time(0.0))
        look = look_at(schedule, self._denoiser.predicts, t)
        whole: Any = look.sigma**2 * noise + 2.0 * look.alpha**2 * product - look.alpha**2 * square
        told: Any = (whole, look.alpha * product, square)
        return [*found, FirstData(t, look.alpha, look.sigma, look.of_state, elements, False, *told)]
