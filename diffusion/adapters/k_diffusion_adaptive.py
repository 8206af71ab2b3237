"""k-diffusion's ``sample_dpm_adaptive``: DPM-Solver-3 to a tolerance, with one step size for the whole batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np

from diffusion.checks import check_state
from diffusion.denoiser import Denoiser
from diffusion.process.schedule import EDM
from diffusion.running import SamplingError
from diffusion.samplers.dpm_adaptive import ATOL, FIRST, NAME, RTOL
from diffusion.tolerance import trajectory_each
from diffusion.tuning.values import without_gradients
from expint.arguments import flag, function, instance, number, seen
from expint.backend import Array, array_namespace, is_array

__all__ = ["sample_dpm_adaptive"]

_FIXED = {"order": 3, "pcoeff": 0.0, "icoeff": 1.0, "dcoeff": 0.0, "accept_safety": 0.81, "eta": 0.0}


def sample_dpm_adaptive(
    model: Callable[..., Array],
    x: Array,
    sigma_min: float,
    sigma_max: float,
    extra_args: Mapping[str, Any] | None = None,
    callback: Callable[[dict[str, Any]], Any] | None = None,
    disable: bool | None = None,
    order: int = 3,
    rtol: float = RTOL,
    atol: float = ATOL,
    h_init: float = FIRST,
    pcoeff: float = 0.0,
    icoeff: float = 1.0,
    dcoeff: float = 0.0,
    accept_safety: float = 0.81,
    eta: float = 0.0,
    s_noise: float = 1.0,
    noise_sampler: Any = None,
    return_info: bool = False,
) -> Any:
    r"""Return the state at ``sigma_min`` from that at ``sigma_max``, in steps that an estimate of the error chooses.

    .. math:: dx/dσ = (x - x_0(x, σ))/σ, \qquad
        \|(x_{low} - x)/\max(atol, rtol \max(|x_{low}|, |x_{low}^{before}|))\| \le 1

    in the root mean square over the whole batch, as there: for the batch to fall apart into samples with steps of their
    own take ``diffusion.sample(…, sampler="dpm-adaptive", rtol=…)``.

    Parameters
    ----------
    model, x, extra_args
        As of all functions here; models of flow matching too.
    sigma_min, sigma_max
        The last and the first noise level, 0 < sigma_min < sigma_max.
    callback
        Called once at each attempted step, when the model is called at its start, with ``i``, ``x``, ``sigma``,
        ``sigma_hat`` and ``denoised``; a step that is tried anew from the same point calls no model there, nor this.
    disable
        There is no progress bar, since the number of steps is not known.
    rtol, atol
        Tolerances of the state x.
    h_init
        The first step in λ = −log σ.
    order, pcoeff, icoeff, dcoeff, accept_safety, eta
        As their defaults: order 3, a controller that integrates, and no noise.
    s_noise, noise_sampler
        Not looked at there either without noise.
    return_info
        Whether a dictionary is returned, too: ``steps``, ``nfe`` (of the model), ``n_accept`` and ``n_reject``.

    Raises
    ------
    TypeError, ValueError
        For arguments that make no sense, and for values of ``order`` … ``eta`` other than their defaults.
    diffusion.SamplingError
        If the run fails, as where the state becomes non-finite.

    Notes
    -----
    Lu et al., *DPM-Solver*, 2022, and the code of k-diffusion. A step that is refused costs two calls here and three
    there, which calls the model at its start again; here it is called once more at the end.

    Examples
    --------
    >>> import numpy as np
    >>> from diffusion.adapters import k_diffusion
    >>> data = lambda x, sigma: x / (1 + sigma.reshape(-1, 1) ** 2)  # of standard normal data
    >>> noise = 10 * np.ones((2, 3))
    >>> x, info = k_diffusion.sample_dpm_adaptive(data, noise, 0.1, 10.0, return_info=True)
    >>> bool(abs(x - (1.01 / 101) ** 0.5 * noise).max() < 0.02), info["n_reject"]
    (True, 0)
    """
    del noise_sampler, disable
    check_state(x)
    function("model", model, "(x, sigma, **extra_args)")
    _check_fixed(order=order, pcoeff=pcoeff, icoeff=icoeff, dcoeff=dcoeff, accept_safety=accept_safety, eta=eta)
    high = number("sigma_max", sigma_max, above=0.0)
    low = number("sigma_min", sigma_min, above=0.0, below=high)
    extra = {} if extra_args is None else dict(instance("extra_args", extra_args, Mapping, "a mapping"))
    watch = None if callback is None else _Attempts(function("callback", callback, "(dictionary)"))
    first = min(number("h_init", h_init, above=0.0), log(high / low))
    rtol, atol = number("rtol", rtol, above=0.0), number("atol", atol, above=0.0)
    number("s_noise", s_noise)  # looked at there either only with noise
    wanted = flag("return_info", return_info)
    denoiser = Denoiser(_Batch(model, extra, low, watch), "data", EDM(low, high))
    with without_gradients():
        runs = trajectory_each(denoiser, x[None, ...], sampler=NAME, rtol=rtol, atol=atol, start="state", first=first)
    (run,) = runs
    if not run.success:
        raise SamplingError(run)
    last = runs.y_end[0, ...]
    return (last, _info(run.stats)) if wanted else last


def _check_fixed(**given: Any) -> None:
    """Refuse what is not followed here."""
    for name, value in given.items():
        if number(name, value) != _FIXED[name]:
            raise ValueError(
                f"expected {name} = {_FIXED[name]}, received {seen(value)}; leave it out, or take another function "
                "over a list of levels, such as sample_dpmpp_2m_sde for noise"
            )


def _info(stats: Any) -> dict[str, int]:
    """Return the counts of a run by the names that they have in k-diffusion."""
    taken, refused, calls = (
        int(np.asarray(count).item()) for count in (stats.steps, stats.rejected, stats.nonlinear_evaluations)
    )
    return {"steps": taken + refused, "nfe": calls, "n_accept": taken, "n_reject": refused}


@dataclass(frozen=True, eq=False)
class _Batch:
    """A model of a batch as the network of one sample, so that the error of a step is that of the whole batch."""

    model: Callable[..., Array]
    extra_args: Mapping[str, Any]
    least: float
    watch: _Attempts | None

    def __call__(self, y: Array, sigma: Array) -> Array:
        """Return the data of the batch."""
        x = y[0, ...]
        each = array_namespace(y).broadcast_to(sigma, (x.shape[0],))
        denoised = self.model(x, each, **self.extra_args)
        if not is_array(denoised):
            raise TypeError(f"expected the model to return the data like x, received {seen(denoised)}; return them")
        if self.watch is not None and float(sigma[0]) > self.least * (1.0 + 1e-6):
            self.watch(x, each[0], denoised)
        return denoised[None, ...]


class _Attempts:
    """Tells a callback of the calls at the start of a step, which it knows from those inside by their levels."""

    def __init__(self, callback: Callable[[dict[str, Any]], Any]) -> None:
        self.callback, self.number = callback, 0
        self.levels: list[float] = []

    def __call__(self, x: Array, sigma: Array, denoised: Array) -> None:
        """Look at a call: a step from λ calls at λ, λ + h/3 and λ + 2h/3, one that is tried anew at the last two."""
        self.levels.append(-log(float(sigma)))
        start, *inner = self.levels
        if inner and len(inner) < 3:
            return
        if inner:
            h = 3.0 * (inner[0] - start)
            if abs(inner[2] - start - h) > 1e-3 * h:  # tried anew
                self.levels = [start, inner[2]]
                return
            self.levels = [inner[2]]
        self.callback({"x": x, "i": self.number, "sigma": sigma, "sigma_hat": sigma, "denoised": denoised})
        self.number += 1
