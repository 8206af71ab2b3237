"""``diffusion sample --seeds``: a sample for each seed of a range, in shards that ranks share."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

import expint.study
from diffusion import models, study
from diffusion.denoiser import Denoiser
from diffusion.optional import require
from diffusion.sample import trajectory
from expint.arguments import seen
from expint.backend import to_numpy
from expint.cli import write_json

__all__ = ["SeedRange", "identity", "refuse_contradictions", "sample"]


class SeedRange(click.ParamType):
    """Two integers with a hyphen between them, such as 0-49999; both belong to the range."""

    name = "first-last"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> range:
        """Return the range."""
        if isinstance(value, range):
            return value
        ends = value.split("-")
        fit = len(ends) == 2 and all(end.isascii() and end.isdigit() and len(end) < 19 for end in ends)
        if not fit or int(ends[0]) > int(ends[1]):
            self.fail(f"expected first-last with first ≤ last, such as 0-49999, received {seen(value)}", param, ctx)
        return range(int(ends[0]), int(ends[1]) + 1)


def refuse_contradictions(out: Path | None) -> None:
    """Refuse options that contradict --seeds, or that are of use beside it only."""
    context = click.get_current_context()
    given = [
        name
        for name in ("count", "seed", "shard")
        if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT
    ]
    if context.params["seeds"] is None:
        if "shard" in given:
            raise ValueError("expected --seeds beside --shard, received none; add it, or leave --shard out")
        return
    if wrong := [name for name in given if name != "shard"]:
        raise ValueError(f"expected none of --count and --seed beside --seeds, received --{wrong[0]}; leave it out")
    if out is None:
        raise ValueError("expected a folder beside --seeds, received none; add --out FOLDER")


def identity(sampler: str) -> str:
    """Return the name of a sampler, or of one in a file the SHA-256 of its content."""
    path = Path(sampler)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.suffix == ".safetensors" else sampler


def sample(
    shards: expint.study.Shards,
    denoiser: Denoiser,
    shape: Sequence[int],
    sampler: Any,
    steps: int | None,
    frechet: bool,
    as_json: bool,
) -> None:
    """Make the shards of this rank, and report.

    Raises
    ------
    click.ClickException
        If the run of a shard failed, after the others are made.
    """
    rank = expint.study.Rank.of_environment()
    stochastic = bool(getattr(sampler, "stochastic", False))

    def images(seeds: list[int]) -> dict[str, np.ndarray]:
        noise = require("torch").cat([study.normal_noise(1, shape, seed) for seed in seeds])
        run = trajectory(denoiser, noise, sampler=sampler, steps=steps, rng=seeds if stochastic else None)
        if not run.success:
            raise ArithmeticError(run.message)
        return {"images": to_numpy(run.y_end)}

    made = shards.make(images, rank, None if as_json else lambda path: click.echo(f"made {path}", err=True))
    missing = shards.missing()
    facts: dict[str, Any] = {
        **shards.about,
        "rank": rank.number,
        "ranks": rank.of,
        "files_made": len(made),
        "files": len(shards),
        "files_missing": len(missing),
        "samples": len(shards.seeds),
    }
    if frechet and missing:
        raise click.ClickException(
            f"expected all files for the Fréchet distance, received {len(missing)} missing; run again when the other "
            "ranks are done, and nothing is sampled twice"
        )
    if frechet:
        facts["frechet_distance"] = models.frechet_distance(shards.arrays()["images"])
    if as_json:
        write_json(facts)
    else:
        click.echo("\n".join(f"{key.replace('_', ' '):17} {value}" for key, value in facts.items()))
