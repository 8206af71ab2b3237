"""Networks of EDM, and our samplers by the arguments of its own: ``net(x, sigma, class_labels)`` returns the data.

.. code-block:: python

    from diffusion.adapters import edm

    images = edm.sample(net, latents, class_labels, sampler="unipc3", num_steps=9)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffusion import grids
from diffusion.checks import check_state
from diffusion.denoiser import Denoiser
from diffusion.grids.discrete import kept_apart
from diffusion.process.schedule import EDM
from diffusion.sample import sample as sample_by
from diffusion.samplers.catalogue import AnySampler
from diffusion.samplers.fitted import FittedSampler
from expint.arguments import function, integer, number
from expint.arrays import as_numbers, real_values
from expint.backend import Array, array_namespace

__all__ = ["denoiser", "rounded", "sample"]

_LOW, _HIGH = 0.002, 80.0  # between which EDM samples, whatever more the network knows


def denoiser(
    net: Callable[..., Array],
    class_labels: Array | None = None,
    *,
    guidance: float = 1.0,
    gnet: Callable[..., Array] | None = None,
    sigma_min: float = _LOW,
    sigma_max: float = _HIGH,
) -> Denoiser:
    """Return a network of EDM, net(x, sigma, class_labels) ↦ E[x₀ | x], as a `Denoiser` on its schedule.

    Parameters
    ----------
    net
        The network. Its attributes sigma_min, sigma_max and sigma_data are heeded if it has them. Its output is cast to
        the precision of the state, as EDM's code does; what it computes in is its own affair.
    class_labels
        Labels of the samples, (batch, classes); None for an unconditional network, which is then called without.
    guidance
        w of D_g + w (D − D_g). 1 is without guidance.
    gnet
        The network of D_g: of EDM2's autoguidance a smaller or less trained one, called with the same labels. None is
        ``net`` itself called without labels, classifier-free guidance.
    sigma_min, sigma_max
        The range of noise levels, within that of the network.

    Raises
    ------
    TypeError
        If a network cannot be called.
    ValueError
        If the range is empty, or guidance asked for without labels or ``gnet``.

    Notes
    -----
    Karras et al., *Elucidating the design space of diffusion-based generative models*, 2022; guidance by another
    network: Karras et al., *Guiding a diffusion model with a bad version of itself*, 2024. On networks that know some
    noise levels only a grid of these makes coefficients and network agree: `rounded`, which `sample` calls.

    Examples
    --------
    >>> from diffusion.adapters import edm
    >>> edm.denoiser(lambda x, sigma: x / (1 + sigma[:, None] ** 2)).predicts
    'data'
    """
    function("net", net, "(x, sigma, class_labels)")
    guidance = number("guidance", guidance)
    if gnet is not None:
        function("gnet", gnet, "(x, sigma, class_labels)")
    if guidance != 1.0 and gnet is None and class_labels is None:
        raise ValueError(
            f"expected class_labels or gnet beside guidance={guidance:g}, received neither; guidance is the difference "
            "of two predictions"
        )
    schedule = EDM(
        max(number("sigma_min", sigma_min), _attribute(net, "sigma_min", 0.0)),
        min(number("sigma_max", sigma_max), _attribute(net, "sigma_max", float("inf"))),
        _attribute(net, "sigma_data", 0.5),
    )
    condition = {} if class_labels is None else {"class_labels": class_labels}
    return Denoiser(_Net(net, guidance, gnet), "data", schedule, condition)


def sample(
    net: Callable[..., Array],
    latents: Array,
    class_labels: Array | None = None,
    *,
    sampler: str | AnySampler = "edm-heun",
    num_steps: int | None = 18,
    sigma_min: float = _LOW,
    sigma_max: float = _HIGH,
    rho: float | None = 7.0,
    guidance: float = 1.0,
    gnet: Callable[..., Array] | None = None,
    callback: Callable[[float, Array], None] | None = None,
) -> Array:
    """Return images as EDM's ``edm_sampler`` does, by any sampler, from standard normal ``latents``.

    Parameters
    ----------
    net, class_labels, sigma_min, sigma_max, guidance, gnet
        As of `denoiser`.
    latents
        Standard normal noise, (batch, channels, height, width). The state has their precision: EDM's own code runs in
        double precision, ``latents.double()``.
    sampler
        A name, a ``Sampler`` or a ``FittedSampler``, which has its own steps. "edm-heun" is EDM's.
    num_steps
        The number of steps, the last to σ = 0.
    rho
        ρ of the levels, uniform in σ^(1/ρ); None for those that the sampler is published with.
    callback
        Called as callback(sigma, x) with every state.

    Returns
    -------
    array
        Like ``latents``.

    Raises
    ------
    TypeError, ValueError
        As `denoiser` and ``diffusion.sample`` do; if two levels are rounded to the same one of the network's, too.
    """
    network = denoiser(net, class_labels, guidance=guidance, gnet=gnet, sigma_min=sigma_min, sigma_max=sigma_max)
    if isinstance(sampler, FittedSampler):
        return sample_by(network, latents, sampler=sampler, callback=callback)
    if num_steps is None:
        raise ValueError(f"expected num_steps with {sampler!r}, received None; say how many")
    steps = integer("num_steps", num_steps)
    check_state(latents)
    if rho is None and getattr(net, "round_sigma", None) is None:
        return sample_by(network, latents, sampler=sampler, steps=steps, callback=callback)
    if rho is None:
        raise ValueError(
            "expected rho for a network that knows some noise levels only (it has round_sigma), received None; take "
            "rho=7.0, or diffusion.sample with grid=edm.rounded(net, times)"
        )
    schedule = network.schedule
    one = np.array([schedule.t_start])
    levels = grids.karras(steps - 1, number("rho", rho, above=0.0), schedule=schedule) if steps > 1 else one
    levels = np.append(rounded(net, levels), 0.0)
    state = latents * float(levels[0])
    last = float(levels[-2]) if steps > 1 else 0.5 * float(levels[0])
    told = Denoiser(network.network, "data", EDM(last, float(levels[0]), schedule.sigma_data), network.condition)
    return sample_by(told, state, sampler=sampler, grid=levels, start="state", callback=callback)


def rounded(net: Callable[..., Array], levels: Any) -> np.ndarray:
    """Return noise ``levels`` moved to those that ``net`` knows, by its ``round_sigma``; as they are if it has none.

    Raises
    ------
    ValueError
        If two of them are moved to the same one.
    """
    given = np.array(real_values("levels", levels, ndim=1))
    function("net", net, "(x, sigma)")
    rule = getattr(net, "round_sigma", None)
    if rule is None:
        return given
    found = np.asarray(as_numbers(rule(_like_parameters(net, given))), dtype=np.float64).reshape(given.shape)
    return kept_apart(given, found, "levels", "rounded", "those of the network")


def _like_parameters(net: Any, levels: np.ndarray) -> Any:
    """Return the levels as a tensor where the parameters of a torch module are, else as they are."""
    own = getattr(net, "parameters", None)
    if own is None:
        return levels
    import torch

    first = next(iter([*own(), *net.buffers()]), None)
    return torch.as_tensor(levels, device=None if first is None else first.device)


def _attribute(net: Any, name: str, usual: float) -> float:
    value = getattr(net, name, None)
    return usual if value is None else float(value)


@dataclass(frozen=True, eq=False)
class _Net:
    """The network, guided, with outputs in the precision of states."""

    net: Callable[..., Array]
    guidance: float
    gnet: Callable[..., Array] | None

    def __call__(self, x: Array, sigma: Array, class_labels: Array | None = None) -> Array:
        """Return the data."""
        labels = () if class_labels is None else (class_labels,)
        data = _cast(self.net(x, sigma, *labels), x)
        if self.guidance == 1.0:
            return data
        other = self.net(x, sigma) if self.gnet is None else self.gnet(x, sigma, *labels)
        other = _cast(other, x)
        return other + self.guidance * (data - other)


def _cast(output: Array, x: Array) -> Array:
    if getattr(output, "dtype", None) == x.dtype or not hasattr(output, "dtype"):
        return output
    return array_namespace(x).astype(output, x.dtype)
