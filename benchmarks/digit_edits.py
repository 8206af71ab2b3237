"""Digits inverted, drawn again, and drawn again as another digit: what comes back, what changes, how large latents are.

Run it as ``python -m benchmarks.digit_edits``; ``--write`` renews docs/inversion.md. Held-out digits are inverted
by the shipped network under their own label, then sampled under it and under the next one.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

import diffusion
from benchmarks import Page
from diffusion.models.frechet import classifier
from diffusion.models.store import digit_images

PAGE = Page("inversion.md", "benchmarks.digit_edits")
HEADER = "| inverse | steps | comes back to | latents, rms | called the other digit | changed by, rms |\n"
SAMPLERS: dict[str, Any] = {
    "`bdia`": "bdia",
    "γ = 0.9": diffusion.reversible("ddim", 0.9),
    "γ = 0.5": diffusion.reversible("ddim", 0.5),
    "`o-belm`": "o-belm",
    "`encode`, `ddim`": "ddim",
    "`encode`, `dpmpp-2m`": "dpmpp-2m",
}


def rms(x: torch.Tensor) -> float:
    """Return the root mean square."""
    return float(x.double().square().mean().sqrt())


def row(name: str, steps: int, images: torch.Tensor, labels: torch.Tensor) -> str:
    """Return one line of the table."""
    sampler, other = SAMPLERS[name], (labels + 1) % 10
    own, changed = (diffusion.models.digits(which) for which in (labels, other))
    with warnings.catch_warnings(), torch.no_grad():
        for told in (diffusion.UnstableWarning, diffusion.OffScaleWarning):  # by the table as well
            warnings.simplefilter("ignore", told)
        if "encode" in name:
            given: Any = {"sampler": sampler, "steps": steps}
            latent: Any = diffusion.encode(own, images, **given)
            noise = latent
        else:
            given = {}
            latent = diffusion.invert(own, images, sampler=sampler, steps=steps)
            noise = latent.noise
        again, edited = (diffusion.sample(net, latent, **given) for net in (own, changed))
        called = classifier()(edited).argmax(dim=1)
    flips = float((called == other).double().mean())
    cells = (f"{rms(again - images):.0e}", f"{rms(noise):.2g}", f"{100 * flips:.0f} %", f"{rms(edited - images):.2f}")
    return f"| {name} | {steps} | {' | '.join(cells)} |\n"


def main(arguments: Sequence[str] = ()) -> None:
    """Print the table, or write it into the page."""
    options = PAGE.parser(__doc__).parse_args(arguments)
    count, ladder = (4, (4,)) if options.quick else (100, (20, 50))
    store = digit_images()
    images, labels = (torch.from_numpy(np.array(part[store.held_out][:count])) for part in (store.images, store.labels))
    lines = [row(name, steps, images, labels) for steps in ladder for name in SAMPLERS]
    between = rms(images[:, None] - images[None])
    made = HEADER + "|---|---|---|---|---|---|\n" + "".join(lines)
    PAGE.show(made + f"\nTwo digits taken at random differ by {between:.2f}.\n", options.write)


if __name__ == "__main__":
    main(sys.argv[1:])
