"""Load the node pack in a ComfyUI that is there, and run its nodes: ``python comfyui/check.py FOLDER_OF_COMFYUI``.

The pack is assembled anew and loaded by ComfyUI's own loader, in its current form and in the old one. Then each node
runs: its SAMPLERs inside ComfyUI's own KSAMPLER, beside the samplers of ComfyUI, with the exact network of a mixture.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from assemble import assemble

SAME = {
    "euler": "euler",
    "heun": "edm-heun",
    "dpm_2": "dpm2@k-diffusion",
    "dpmpp_2m": "dpmpp-2m@k-diffusion",
}
"""Samplers of ComfyUI, and ours that make the same run."""


class Wrapped:
    """A model as KSAMPLER is given it: it predicts the data of a mixture exactly."""

    def __init__(self, sampling: Any, network: Any) -> None:
        self.inner_model, self.network = SimpleNamespace(model_sampling=sampling), network

    def get_model_object(self, name: str) -> Any:
        """Return what a MODEL of ComfyUI returns of this name."""
        return getattr(self.inner_model, name)

    def __call__(self, x: Any, sigma: Any, **_: Any) -> Any:
        """Return the data at the noise levels ``sigma`` (batch,), which are equal."""
        return self.network(x.double(), float(sigma[0])).to(x.dtype)


def loaded(pack: Path, current: bool) -> dict[str, type]:
    """Return the nodes of the pack by their identities, loaded by ComfyUI in one of its two forms."""
    nodes = import_module("nodes")
    before = dict(nodes.NODE_CLASS_MAPPINGS)
    latest = import_module("comfy_api.latest")
    sys.modules["comfy_api.latest"] = latest if current else None
    try:
        assert asyncio.run(nodes.load_custom_node(str(pack)))
    finally:
        sys.modules["comfy_api.latest"] = latest
    found = {name: node for name, node in nodes.NODE_CLASS_MAPPINGS.items() if before.get(name) is not node}
    assert len(found) == 3, sorted(found)
    return found


def run(node: type, **inputs: Any) -> tuple[Any, ...]:
    """Run a node as ComfyUI does, in either form."""
    made = node.execute(**inputs) if hasattr(node, "execute") else getattr(node(), node.FUNCTION)(**inputs)
    return tuple(getattr(made, "args", made))


def main(folder: Path) -> None:
    """Load the pack and write what its nodes make."""
    sys.path[:0] = [str(folder)]
    sys.argv[1:] = ["--cpu"]
    import_module("comfy.options").enable_args_parsing()
    samplers, sampling = import_module("comfy.samplers"), import_module("comfy.model_sampling")
    with tempfile.TemporaryDirectory() as made:
        pack = assemble(Path(made))
        for current in (True, False):
            nodes = loaded(pack, current)
            sys.stdout.write(f"{'current' if current else 'old'} form: {', '.join(sorted(nodes))}\n")
            check(nodes, samplers, sampling, Path(made))


def check(nodes: dict[str, type], samplers: Any, sampling: Any, folder: Path) -> None:
    """Run every node, and compare."""
    import diffusion

    sampling_of = type("ModelSampling", (sampling.ModelSamplingDiscrete, sampling.EPS), {})()
    net = diffusion.models.gaussian_mixture([0.5, 0.5], [[-1.0, 0.5], [1.0, 0.0]], [0.05 * np.eye(2)] * 2)
    model = Wrapped(sampling_of, _in_sigma(net))
    noise = torch.randn(4, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    (levels,) = run(nodes["ExpintSigmas"], model=model, grid="karras", steps=10, denoise=1.0)
    levels = levels.double()
    for theirs, ours in SAME.items():
        (chosen,) = run(nodes["ExpintSampler"], sampler=ours)
        assert isinstance(chosen, samplers.KSAMPLER)
        found, expected = (
            one.sample(model, levels, {"seed": 0}, None, noise, torch.zeros_like(noise), disable_pbar=True)
            for one in (chosen, samplers.ksampler(theirs))
        )
        off = float((found - expected).abs().max())
        sys.stdout.write(f"    {theirs:10} {ours:22} largest difference {off:.1e}\n")
        assert off < 1e-9
    file = folder / "six.safetensors"
    diffusion.freeze("dpmpp-2m", net.schedule, steps=6).save(file)
    chosen, own = run(nodes["ExpintPlan"], file=str(file))
    calls: list[int] = []
    x = chosen.sample(
        model, own, {}, lambda i, *_: calls.append(i), noise.float(), torch.zeros(4, 2), disable_pbar=True
    )
    assert calls == list(range(6))
    assert torch.isfinite(x).all()
    sys.stdout.write("    a plan of six steps ran\n")


def _in_sigma(net: Any) -> Any:
    """Return the data that ``net`` predicts as a function of x = x₀ + σ ε and σ."""

    def data(x: Any, sigma: float) -> Any:
        t = float(net.schedule.time(-np.log(sigma)))
        return net.predict(float(net.schedule.alpha(t)) * x, t, "data")

    return data


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
