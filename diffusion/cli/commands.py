"""The commands of ``diffusion``: sample, samplers, compare; tune has a file of its own."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import click
import numpy as np

import expint
import expint.study
from diffusion import models, study
from diffusion.cli import sharded
from diffusion.cli.tuning import tune
from diffusion.models.frechet import classifier
from diffusion.process.vp import VP
from diffusion.sample import trajectory
from diffusion.samplers.catalogue import sampler as find_sampler
from diffusion.samplers.catalogue import sampler_names
from diffusion.samplers.fitted import load_sampler
from expint.backend import to_numpy
from expint.cli import (
    PICTURES,
    Commands,
    Folder,
    Known,
    Numbers,
    out_file,
    refusing,
    report,
    save_figure,
    shown,
    write_json,
)
from expint.files import whole_file

__all__ = ["commands"]

SHAPE = (1, 8, 8)
"""Of the shipped models, which are of 8×8 digits."""

FILE = ".safetensors"


def found_or_loaded(name: str) -> Any:
    """Return the sampler of a name, or that in a file."""
    return load_sampler(name) if name.endswith(FILE) else find_sampler(name)


SAMPLER = Known("sampler", found_or_loaded)
MODEL = Known("model", study.named_model)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(expint.__version__)
def commands() -> None:
    """Diffusion samplers as exponential integrators."""


commands.add_command(tune)


@commands.command()
@click.option("--model", type=MODEL, default="digits", help="A shipped model: digits or ideal-digits.")
@click.option("--sampler", type=SAMPLER, default="auto", help="Name of a sampler, or a file of `diffusion tune`.")
@click.option("--steps", type=int, help="Number of steps; 10, or those of a sampler from a file.")
@click.option("--count", type=click.IntRange(min=1), default=64, help="Number of samples.")
@click.option("--label", type=click.IntRange(0, 9), help="Which digit to draw; any by default.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Seed of all noise.")
@click.option(
    "--seeds",
    type=sharded.SeedRange(),
    is_eager=True,
    help="In place of --count and --seed: a sample for each seed of a range, such as 0-49999, as files in the folder "
    "--out. Ranks (RANK and WORLD_SIZE, or Slurm's) share them; a run that was stopped goes on.",
)
@click.option("--shard", type=click.IntRange(min=1), default=256, help="Samples in a file, with --seeds.")
@click.option(
    "--out",
    callback=out_file((*PICTURES, ".npz"), folder_with="seeds"),
    help="Picture (.png, .pdf, .svg) or samples (.npz); a folder with --seeds.",
)
@click.option("--frechet", is_flag=True, help="Report the Fréchet distance to real digits.")
@click.option("--json", "as_json", is_flag=True, help="Report as JSON.")
def sample(
    model: str,
    sampler: str,
    steps: int | None,
    count: int,
    label: int | None,
    seed: int,
    seeds: range | None,
    shard: int,
    out: Path | None,
    frechet: bool,
    as_json: bool,
) -> None:
    """Sample images from a shipped model."""
    with refusing():
        if label is not None and model != "digits":
            raise ValueError(f"expected a label only with the model digits, received {model!r}; leave --label out")
        denoiser = models.digits(label) if label is not None else study.named_model(model)()
        sharded.refuse_contradictions(out)
        if frechet:
            _check_enough(count if seeds is None else len(seeds))
        if seeds is not None:
            chosen = found_or_loaded(sampler)
            steps = 10 if steps is None and not sampler.endswith(FILE) else steps
            about = {"model": model, "label": label, "sampler": sharded.identity(sampler), "steps": steps}
            shards = expint.study.Shards(str(out), seeds, shard, about)
            sharded.sample(shards, denoiser, SHAPE, chosen, steps, frechet, as_json)
            return
        noise = study.normal_noise(count, SHAPE, seed)
        steps = 10 if steps is None and not sampler.endswith(FILE) else steps
        chosen = found_or_loaded(sampler)
        rng = seed if getattr(chosen, "stochastic", False) else None
        run = trajectory(denoiser, noise, sampler=chosen, steps=steps, rng=rng, progress=shown(as_json))
        images = to_numpy(run.y_end)
        facts: dict[str, Any] = {
            "model": model,
            "sampler": run.method,
            "status": run.status.name.lower(),
            "message": run.message,
            "calls": run.calls,
            "samples": count,
            "seed": seed,
        }
        if frechet:
            facts["frechet_distance"] = models.frechet_distance(images)
        if out is not None:
            _write(images, out, f"{run.method}, {run.calls} calls")
    if as_json:
        write_json(facts)
    else:
        click.echo("\n".join(f"{key.replace('_', ' '):17} {value}" for key, value in facts.items()))
    if not run.success:
        raise click.ClickException(run.message)


@commands.command()
@click.argument("name", type=SAMPLER, required=False)
@click.option("--cite", is_flag=True, help="The source as BibTeX.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def samplers(name: str | None, cite: bool, as_json: bool) -> None:
    """List the samplers with their clocks, or show one."""
    if cite and name is None:
        raise click.UsageError("expected the name of a sampler with --cite, received none")
    facts = [_facts(entry) for entry in ([name] if name else [*sampler_names(), *sampler_names(stochastic=True)])]
    if as_json:
        write_json(facts[0] if name else facts)
    elif name is None:
        click.echo(f"{'sampler':32}{'method':34}{'L constant in':15}history in")
        for row in facts:
            click.echo(f"{row['name']:32}{row['method']:34}{row['gauge']:15}{row['history']}")
    else:
        if not cite:
            click.echo("\n".join(f"{key:8} {value}" for key, value in facts[0].items()) + "\n")
        click.echo(find_sampler(name).cite())


@commands.command()
@click.option("--model", type=MODEL, default="digits", help="A shipped model: digits or ideal-digits.")
@click.option("--sampler", "chosen", type=SAMPLER, multiple=True, required=True, help="A sampler; several are fine.")
@click.option("--steps", type=Numbers(int), default="5,10,20", help="Numbers of steps.")
@click.option("--measure", type=click.Choice(list(study.MEASURES)), default="error", help="What is measured.")
@click.option("--count", type=click.IntRange(min=1), default=64, help="Number of samples.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Seed of the noise.")
@click.option("--cache", type=Folder(), help="A folder that keeps results; studies resume from it.")
@click.option("--format", "form", type=click.Choice(["markdown", "latex", "json"]), default="markdown")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--out", callback=out_file(PICTURES), help="Plot of the measure over network calls.")
def compare(
    model: str,
    chosen: tuple[str, ...],
    steps: list[int],
    measure: str,
    count: int,
    seed: int,
    cache: str | None,
    form: str,
    as_json: bool,
    out: Path | None,
) -> None:
    """Compare samplers: error or Fréchet distance over numbers of steps."""
    form = "json" if as_json else form
    with refusing():
        noise = study.normal_noise(count, SHAPE, seed)
        shows = shown(form == "json")
        try:
            found = study.run([model], chosen, steps, noise, measure=measure, cache=cache, progress=shows)
        except expint.study.StudyInterrupted as stopped:
            found, out = stopped.study, None
        report(found, form, out)


def _check_enough(count: int) -> None:
    """Refuse too few samples for a covariance of the features before they are drawn."""
    size = classifier().head.in_features
    if count <= size:
        raise ValueError(f"expected more than {size} samples for --frechet, received {count}; draw a thousand or more")


def _write(images: np.ndarray, out: Path, title: str) -> None:
    if out.suffix == ".npz":
        with whole_file(out) as file:
            np.savez(file, allow_pickle=False, images=images)
        return
    from diffusion.plot import image_grid

    save_figure(functools.partial(image_grid, images, title=title), out)


def _facts(name: str) -> dict[str, Any]:
    entry: Any = find_sampler(name)
    found = entry.for_run(10, VP.linear())  # a rule's gauge and clocks are the same for any run
    history = found.interpolate_in or found.gauge.clock.name
    return {
        "name": found.name,
        "method": found.method.name if found is entry else "pec, order by steps",
        "gauge": found.gauge.name,
        "history": history if isinstance(history, str) else history.name,
    }
