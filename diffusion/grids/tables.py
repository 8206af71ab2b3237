"""Noise levels that others found for their networks, and published as tables.

Between their numbers of steps, log σ is interpolated linearly, as their authors do; the last level becomes σ = 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from diffusion.grids.levels import loglinear, sigmas
from diffusion.grids.rules import number_of_times
from diffusion.names import resolve
from diffusion.process.schedule import NoiseSchedule
from expint.arguments import checked

__all__ = ["ALIGN_YOUR_STEPS", "GITS", "OPTIMAL_STEPS", "align_your_steps", "gits", "optimal_steps"]

ALIGN_YOUR_STEPS: dict[str, tuple[float, ...]] = {
    "sd": (
        14.6146412293, 6.4745760956, 3.8636745985, 2.6946151520, 1.8841921177, 1.3943805092, 0.9642583904, 0.6523686016,
        0.3977456272, 0.1515232662, 0.0291671582,
    ),
    "sdxl": (
        14.6146412293, 6.3184485287, 3.7681790315, 2.1811480769, 1.3405244945, 0.8620721141, 0.5550693289, 0.3798540708,
        0.2332364134, 0.1114188177, 0.0291671582,
    ),
    "svd": (700.0, 54.5, 15.886, 7.977, 4.248, 1.789, 0.981, 0.403, 0.173, 0.034, 0.002),
}  # fmt: skip
"""Levels σ/α of ten steps: Stable Diffusion 1.5, SDXL and Stable Video Diffusion. Sabour, Fidler & Kreis, *Align your
steps*, 2024; the numbers are those of its project page and of ComfyUI's AlignYourStepsScheduler."""

OPTIMAL_STEPS: dict[str, tuple[float, ...]] = {
    "flux": (0.9968, 0.9886, 0.9819, 0.975, 0.966, 0.9471, 0.9158, 0.8287, 0.5512, 0.2808, 0.001),
    "wan": (
        1.0, 0.997, 0.995, 0.993, 0.991, 0.989, 0.987, 0.985, 0.98, 0.975, 0.973, 0.968, 0.96, 0.946, 0.927, 0.902,
        0.864, 0.776, 0.539, 0.208, 0.001,
    ),
    "chroma": (
        0.992, 0.99, 0.988, 0.985, 0.982, 0.978, 0.973, 0.968, 0.961, 0.953, 0.943, 0.931, 0.917, 0.9, 0.881, 0.858,
        0.832, 0.802, 0.769, 0.731, 0.69, 0.646, 0.599, 0.55, 0.501, 0.451, 0.402, 0.355, 0.311, 0.27, 0.232, 0.199,
        0.169, 0.143, 0.12, 0.101, 0.084, 0.07, 0.058, 0.048, 0.001,
    ),
}  # fmt: skip
"""Levels σ/(α + σ) of 10, 20 and 40 steps of flow models. Pei et al., *Optimal stepsize for diffusion sampling*, 2025;
the numbers are those of ComfyUI's OptimalStepsScheduler."""

GITS: dict[str, dict[int, tuple[float, ...]]] = {
    "sd": {
        2: (14.61464119, 0.803307, 0.02916753),
        3: (14.61464119, 1.56271636, 0.52423614, 0.02916753),
        4: (14.61464119, 2.36326075, 0.92192322, 0.36617002, 0.02916753),
        5: (14.61464119, 2.84484982, 1.24153244, 0.59516323, 0.25053367, 0.02916753),
        6: (14.61464119, 5.85520077, 2.05039096, 0.95350921, 0.45573691, 0.17026083, 0.02916753),
        7: (14.61464119, 5.85520077, 2.45070267, 1.24153244, 0.64427125, 0.29807833, 0.09824532, 0.02916753),
        8: (14.61464119, 5.85520077, 2.45070267, 1.36964464, 0.803307, 0.45573691, 0.25053367, 0.09824532, 0.02916753),
        9: (
            14.61464119, 5.85520077, 2.84484982, 1.61558151, 0.95350921, 0.59516323, 0.36617002, 0.19894916,
            0.09824532, 0.02916753,
        ),
        10: (
            14.61464119, 5.85520077, 2.84484982, 1.67050016, 1.08895338, 0.74807048, 0.50118381, 0.32104823,
            0.19894916, 0.09824532, 0.02916753,
        ),
        11: (
            14.61464119, 5.85520077, 2.95596409, 1.84880662, 1.24153244, 0.83188516, 0.59516323, 0.41087446,
            0.27464288, 0.17026083, 0.09824532, 0.02916753,
        ),
        12: (
            14.61464119, 5.85520077, 3.07277966, 1.98035145, 1.36964464, 0.95350921, 0.69515091, 0.50118381,
            0.36617002, 0.25053367, 0.17026083, 0.09824532, 0.02916753,
        ),
        13: (
            14.61464119, 6.77309084, 3.46139455, 2.36326075, 1.56271636, 1.08895338, 0.803307, 0.59516323,
            0.45573691, 0.34370604, 0.25053367, 0.17026083, 0.09824532, 0.02916753,
        ),
        14: (
            14.61464119, 6.77309084, 3.46139455, 2.45070267, 1.61558151, 1.162866, 0.86115354, 0.64427125,
            0.50118381, 0.38853383, 0.29807833, 0.22545385, 0.17026083, 0.09824532, 0.02916753,
        ),
        15: (
            14.61464119, 7.49001646, 4.65472794, 3.07277966, 2.12350607, 1.51179266, 1.08895338, 0.83188516,
            0.64427125, 0.50118381, 0.38853383, 0.29807833, 0.22545385, 0.17026083, 0.09824532, 0.02916753,
        ),
        16: (
            14.61464119, 7.49001646, 4.65472794, 3.07277966, 2.12350607, 1.51179266, 1.08895338, 0.83188516,
            0.64427125, 0.50118381, 0.41087446, 0.32104823, 0.25053367, 0.19894916, 0.13792117, 0.09824532,
            0.02916753,
        ),
        17: (
            14.61464119, 7.49001646, 4.65472794, 3.07277966, 2.12350607, 1.51179266, 1.08895338, 0.83188516,
            0.64427125, 0.50118381, 0.41087446, 0.34370604, 0.27464288, 0.22545385, 0.17026083, 0.13792117,
            0.09824532, 0.02916753,
        ),
        18: (
            14.61464119, 7.49001646, 4.65472794, 3.07277966, 2.19988537, 1.61558151, 1.20157266, 0.92192322,
            0.72133851, 0.57119018, 0.45573691, 0.36617002, 0.29807833, 0.25053367, 0.19894916, 0.17026083,
            0.13792117, 0.09824532, 0.02916753,
        ),
        19: (
            14.61464119, 7.49001646, 4.65472794, 3.07277966, 2.19988537, 1.61558151, 1.24153244, 0.95350921,
            0.74807048, 0.59516323, 0.4783645, 0.38853383, 0.32104823, 0.27464288, 0.22545385, 0.19894916,
            0.17026083, 0.13792117, 0.09824532, 0.02916753,
        ),
        20: (
            14.61464119, 7.49001646, 4.65472794, 3.07277966, 2.19988537, 1.61558151, 1.24153244, 0.95350921,
            0.74807048, 0.59516323, 0.50118381, 0.41087446, 0.34370604, 0.29807833, 0.25053367, 0.22545385,
            0.19894916, 0.17026083, 0.13792117, 0.09824532, 0.02916753,
        ),
    },
    "cifar10": {
        4: (80.0, 5.1092, 1.584, 0.47, 0.002),
        5: (80.0, 5.8389, 2.1632, 0.8119, 0.2107, 0.002),
        6: (80.0, 9.7232, 3.3686, 1.3482, 0.5666, 0.1698, 0.002),
        7: (80.0, 10.9836, 3.8811, 1.8543, 0.8119, 0.3183, 0.1079, 0.002),
        8: (80.0, 10.9836, 3.8811, 1.8543, 0.9654, 0.47, 0.2107, 0.0665, 0.002),
        9: (80.0, 12.3816, 4.459, 2.1632, 1.1431, 0.5666, 0.2597, 0.1079, 0.03, 0.002),
        10: (80.0, 13.9293, 5.1092, 2.5152, 1.3482, 0.6799, 0.3183, 0.1698, 0.0665, 0.0225, 0.002),
    },
    "ffhq": {
        4: (80.0, 7.5699, 2.1632, 0.5666, 0.002),
        5: (80.0, 9.7232, 2.9152, 0.9654, 0.2597, 0.002),
        6: (80.0, 10.9836, 3.8811, 1.584, 0.5666, 0.1698, 0.002),
        7: (80.0, 12.3816, 4.459, 1.8543, 0.8119, 0.3183, 0.1079, 0.002),
        8: (80.0, 12.3816, 5.1092, 2.1632, 0.9654, 0.47, 0.2107, 0.0665, 0.002),
        9: (80.0, 13.9293, 5.8389, 2.9152, 1.3482, 0.6799, 0.3183, 0.1359, 0.0515, 0.002),
        10: (80.0, 13.9293, 5.8389, 2.9152, 1.584, 0.8119, 0.3878, 0.2107, 0.0851, 0.03, 0.002),
    },
    "afhqv2": {
        4: (80.0, 7.5699, 2.1632, 0.3878, 0.002),
        5: (80.0, 8.5888, 2.9152, 0.9654, 0.2107, 0.002),
        6: (80.0, 9.7232, 3.8811, 1.584, 0.47, 0.1359, 0.002),
        7: (80.0, 10.9836, 4.459, 1.8543, 0.6799, 0.2597, 0.0851, 0.002),
        8: (80.0, 12.3816, 5.1092, 2.5152, 1.1431, 0.47, 0.2107, 0.0665, 0.002),
        9: (80.0, 13.9293, 5.8389, 2.9152, 1.3482, 0.6799, 0.3183, 0.1359, 0.0515, 0.002),
        10: (80.0, 13.9293, 5.8389, 2.9152, 1.584, 0.8119, 0.3878, 0.2107, 0.1079, 0.0395, 0.002),
    },
}  # fmt: skip
"""Levels σ/α by the number of steps: Stable Diffusion with the coefficient 1.20, as in ComfyUI's GITSScheduler, and
EDM's networks of CIFAR-10, FFHQ and AFHQv2, as in the code of LD3 (Tong et al. 2025). Chen et al., *On the trajectory
regularity of ODE-based diffusion sampling*, 2024."""


@checked(steps=number_of_times)
def align_your_steps(steps: int, network: str = "sd", *, schedule: NoiseSchedule) -> np.ndarray:
    """Return the grid of Align Your Steps for a kind of network, "sd", "sdxl" or "svd".

    Parameters
    ----------
    steps
        Number n of steps, the last to σ = 0.
    network
        The kind of network that the levels were found for.
    schedule
        The schedule whose times are returned; it has the levels σ/α of the network.

    Raises
    ------
    ValueError
        If there are no such levels.

    Notes
    -----
    Sabour, Fidler & Kreis, *Align your steps: optimizing sampling schedules in diffusion models*, 2024.

    Examples
    --------
    >>> import diffusion
    >>> [round(float(t), 3) for t in diffusion.grids.align_your_steps(10, schedule=diffusion.VP.linear())[:4]]
    [0.73, 0.61, 0.522, 0.456]
    """
    levels = ALIGN_YOUR_STEPS[resolve(network, ALIGN_YOUR_STEPS, {"sd1": "sd", "sd1.5": "sd"}, "network")]
    return _of_table({len(levels) - 1: levels}, steps, schedule, "rho")


@checked(steps=number_of_times)
def gits(steps: int, network: str = "sd", *, schedule: NoiseSchedule) -> np.ndarray:
    """Return the grid of GITS for a kind of network, "sd", "cifar10", "ffhq" or "afhqv2".

    Parameters
    ----------
    steps
        Number n of steps, the last to σ = 0. Where there are no levels for it, those of the nearest number are
        interpolated.
    network, schedule
        As of `align_your_steps`.

    Raises
    ------
    ValueError
        If there are no such levels.

    Notes
    -----
    Chen et al., *On the trajectory regularity of ODE-based diffusion sampling*, 2024.

    Examples
    --------
    >>> import diffusion
    >>> [round(float(t), 3) for t in diffusion.grids.gits(10, schedule=diffusion.VP.linear())[:4]]
    [0.73, 0.593, 0.466, 0.361]
    """
    return _of_table(GITS[resolve(network, GITS, {"sd1": "sd", "sd1.5": "sd"}, "network")], steps, schedule, "rho")


@checked(steps=number_of_times)
def optimal_steps(steps: int, network: str = "flux", *, schedule: NoiseSchedule) -> np.ndarray:
    """Return the grid of OptimalSteps for a kind of flow network, "flux", "wan" or "chroma".

    Parameters
    ----------
    steps
        Number n of steps, the last to σ = 0.
    network, schedule
        As of `align_your_steps`; the levels are σ/(α + σ).

    Raises
    ------
    ValueError
        If there are no such levels.

    Notes
    -----
    Pei et al., *Optimal stepsize for diffusion sampling*, 2025.

    Examples
    --------
    >>> import diffusion
    >>> [round(float(t), 3) for t in diffusion.grids.optimal_steps(10, schedule=diffusion.FlowMatching())[:4]]
    [0.997, 0.989, 0.982, 0.975]
    """
    levels = OPTIMAL_STEPS[resolve(network, OPTIMAL_STEPS, {}, "network")]
    return _of_table({len(levels) - 1: levels}, steps, schedule, "flow")


def _of_table(table: Mapping[int, Sequence[float]], steps: int, schedule: NoiseSchedule, clock: str) -> np.ndarray:
    nearest = table[min(table, key=lambda known: (abs(known - steps), known))]
    levels = np.array(nearest) if len(nearest) == steps + 1 else loglinear(nearest, steps + 1)
    levels[-1] = 0.0
    return sigmas(levels, schedule=schedule, clock=clock)
