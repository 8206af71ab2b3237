"""The command ``diffusion tune``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from diffusion import models, study
from diffusion.samplers.fitted import FittedSampler
from diffusion.tuning.tune import SEARCHES, WAYS, WHAT, TuningInterrupted
from diffusion.tuning.tune import tune as tuned_to
from expint.cli import Known, out_file, refusing, shown, write_json

__all__ = ["tune"]


@click.command()
@click.option("--model", type=Known("model", study.named_model), default="digits", help="digits or ideal-digits.")
@click.option("--steps", type=int, default=6, help="Number of network calls.")
@click.option("--what", type=click.Choice(WHAT), default="plan", help="What is fitted: times, weights, or both.")
@click.option("--by", type=click.Choice(WAYS), default="differences", help="How weights are fitted.")
@click.option("--search", type=click.Choice(SEARCHES), default="differences", help="How times are found.")
@click.option("--count", type=click.IntRange(min=1), default=64, help="Number of starts, half of them to decide.")
@click.option("--label", type=click.IntRange(0, 9), help="Of which digit; any by default.")
@click.option("--teacher", type=int, default=50, help="Network calls of the solve that is aimed at.")
@click.option("--iterations", type=int, default=40, help="The most iterations of a stage.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Seed of the starts and of their division.")
@click.option("--out", callback=out_file((".safetensors",)), required=True, help="Where the sampler is written.")
@click.option("--json", "as_json", is_flag=True, help="Report as JSON.")
def tune(model: str, label: int | None, count: int, seed: int, out: Path, as_json: bool, **options: Any) -> None:
    """Fit a sampler of few network calls to a shipped model, and write it to a file."""
    with refusing():
        if label is not None and model != "digits":
            raise ValueError(f"expected a label only with the model digits, received {model!r}; leave --label out")
        denoiser = models.digits(label) if label is not None else study.named_model(model)()
        noise = study.normal_noise(count, (1, 8, 8), seed)
        try:
            found = tuned_to(denoiser, noise, seed=seed, progress=shown(as_json), **options)
        except TuningInterrupted as stopped:
            if stopped.sampler is None:
                raise
            found = stopped.sampler
        found.save(out)
    _report(found, out, as_json)
    if found.report is not None and found.report.details["interrupted"]:
        raise click.ClickException(f"interrupted; the best so far is in {out}")


def _report(found: FittedSampler, out: Path, as_json: bool) -> None:
    assert found.report is not None  # tuned samplers have one
    report = found.report
    facts = {
        "sampler": found.name,
        "calls": found.calls,
        "quantity": report.quantity,
        "before": report.before,
        "after": report.after,
        "spread": report.spread,
        "network calls spent": report.calls,
        "starts": list(report.starts),
        **report.details,
        "file": str(out),
    }
    if as_json:
        write_json(facts)
        return
    click.echo(f"{report}\n")
    for name, median, mean in report.details["stages"]:
        click.echo(f"{name:50} median {median:.2e}  mean {mean:.2e}")
    click.echo(f"\nkept: {report.details['decided']}; written to {out}")
