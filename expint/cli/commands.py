"""The commands of ``expint``: solve, problems, methods, study."""

from __future__ import annotations

import functools
import inspect
from pathlib import Path
from typing import Any

import click
import numpy as np

import expint
import expint.study
from expint.backend import to_numpy
from expint.cli import picture, running
from expint.cli.common import (
    PICTURES,
    Commands,
    Folder,
    Known,
    Numbers,
    Setting,
    out_file,
    refusing,
    report,
    save_figure,
    shown,
    write_json,
)
from expint.cli.own import ProblemOrScript
from expint.files import whole_file
from expint.study.table import distinct

__all__ = ["commands"]

METHOD = Known("method", expint.method)
METHOD_OR_AUTO = Known("method", lambda name: name == "auto" or expint.method(name))
PROBLEM = Known("problem", expint.study.named_problem)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(expint.__version__)
def commands() -> None:
    """Exponential integrators for stiff problems y' = L y + N(t, y)."""


@commands.command()
@click.argument("problem", type=ProblemOrScript())
@click.option("--method", type=METHOD_OR_AUTO, default="auto", help="Name of a method, or auto; see `expint methods`.")
@click.option("--step", type=float, help="A fixed step size.")
@click.option("--rtol", type=float, help="Relative tolerance, for methods with an error estimate; 1e-6 by default.")
@click.option("--atol", type=float, help="Absolute tolerance.")
@click.option("--t-end", type=float, help="End of the interval; that of the problem by default.")
@click.option("--set", "settings", type=Setting(), multiple=True, help="A parameter of the problem, such as n=64.")
@click.option(
    "--out",
    callback=out_file((*PICTURES, ".npz", ".nc")),
    help="Picture (.png, .pdf, .svg): space–time in 1-D, the last state in 2-D, lines without grid. Or states: .npz at "
    "the end, .nc (NetCDF) as the run goes.",
)
@click.option("--checkpoint", callback=out_file((".npz",)), help="A file from which a run that was stopped goes on.")
@click.option("--checkpoint-every", type=float, help="After so many seconds; 60 by default.")
@click.option("--resume", type=click.Path(dir_okay=False, exists=True), help="Go on from such a file.")
@click.option("--json", "as_json", is_flag=True, help="Report as JSON.")
def solve(
    problem: Any,
    settings: tuple[tuple[str, Any], ...],
    out: Path | None,
    as_json: bool,
    resume: str | None,
    **options: Any,
) -> None:
    """Solve PROBLEM, one of those in expint.problems, or of a script of yours, my_problem.py, which is run.

    A script has a SemilinearProblem called `problem`, or a function of this name that returns one, with parameters for
    --set; my_problem.py:name means another name.
    """
    with refusing():
        made = problem(**dict(settings))
        if out is not None and out.suffix.lower() in PICTURES:
            picture.try_out(made)
        with np.errstate(all="ignore"):  # what overflows is in the status
            solution = running.solved(made, options, out, resume, shown(as_json))
        facts: dict[str, Any] = {
            "problem": made.name,
            "method": solution.method,
            "status": solution.status.name.lower(),
            "message": solution.message,
            "t": float(solution.t[-1]) if len(solution.t) else made.t_span[0],
            "steps": solution.stats.steps,
            "rejected": solution.stats.rejected,
            "nonlinear_evaluations": solution.calls,
        }
        if made.exact is not None and solution.success:
            exact = to_numpy(made.exact(float(solution.t[-1])))
            facts["relative_error"] = expint.study.relative_error(made, to_numpy(solution.y_end), exact)
    if as_json:
        write_json(facts)
    else:
        click.echo("\n".join(f"{key.replace('_', ' '):22} {_text(value)}" for key, value in facts.items()))
    with refusing():
        _write(solution, made, out)
    if not solution.success:
        raise click.ClickException(solution.message)


@commands.command()
@click.argument("name", type=PROBLEM, required=False)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def problems(name: str | None, as_json: bool) -> None:
    """List the problems, or show one: equation, parameters, source."""
    with refusing():
        found = [_problem_facts(entry) for entry in ([name] if name else expint.problems.names())]
    if as_json:
        write_json(found[0] if name else found)
    elif name is None:
        click.echo(f"{'problem':32}equation")
        for row in found:
            click.echo(f"{row['name']:32}{row['equation'] or row['summary']}")
    else:
        click.echo("\n".join(f"{key:11} {_text(value)}" for key, value in found[0].items()))


@commands.command()
@click.argument("name", type=METHOD, required=False)
@click.option("--latex", is_flag=True, help="The tableau in LaTeX.")
@click.option("--orders", is_flag=True, help="The orders proved, and the conditions that fail.")
@click.option("--cite", is_flag=True, help="The source as BibTeX.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def methods(name: str | None, latex: bool, orders: bool, cite: bool, as_json: bool) -> None:
    """List the methods, or show one: tableau, orders, source."""
    asked = {"latex": latex, "orders": orders, "cite": cite}
    if name is None and any(asked.values()):
        raise click.UsageError("expected the name of a method with --latex, --orders or --cite, received none")
    found: list[Any] = [expint.method(entry) for entry in ([name] if name else expint.method_names())]
    if as_json:
        facts = [_facts(method) for method in found]
        write_json({**facts[0], "bibtex": found[0].cite()} if name else facts)
    elif name is None:
        click.echo(f"{'method':34}{'order':>6}{'stiff':>6}{'slopes':>7}")
        for row in map(_facts, found):
            click.echo(f"{row['name']:34}{row['order']:6}{row['stiff_order']:6}{row['stages']:7}")
    elif any(asked.values()):
        click.echo("\n\n".join(_answer(found[0], question) for question, wanted in asked.items() if wanted))
    else:
        click.echo("\n".join(f"{key.replace('_', ' '):18} {_text(value)}" for key, value in _facts(found[0]).items()))
        click.echo("\n\n".join(["", found[0].markdown(), found[0].cite()]))


@commands.command()
@click.argument("problems", type=PROBLEM, nargs=-1, required=True)
@click.option(
    "--method", "chosen", type=METHOD, multiple=True, required=True, help="Name of a method; several are fine."
)
@click.option("--steps", type=Numbers(), help="Step sizes, such as 0.1,0.05,0.025.")
@click.option("--tolerances", type=Numbers(), help="Relative tolerances, such as 1e-4,1e-6.")
@click.option("--set", "settings", type=Setting(), multiple=True, help="A parameter of the problems, such as n=64.")
@click.option("--cache", type=Folder(), help="A folder that keeps results; studies resume from it.")
@click.option("--format", "form", type=click.Choice(["markdown", "latex", "json"]), default="markdown")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--out", callback=out_file(PICTURES), help="Plot; a panel for each problem.")
def study(
    problems: tuple[str, ...],
    chosen: tuple[str, ...],
    steps: list[float] | None,
    tolerances: list[float] | None,
    settings: tuple[tuple[str, Any], ...],
    cache: str | None,
    form: str,
    as_json: bool,
    out: Path | None,
) -> None:
    """Solve PROBLEMS by methods with step sizes or tolerances, side by side; errors and fitted orders."""
    form = "json" if as_json else form
    with refusing():
        distinct(problems, "problems")
        made = {name: functools.partial(expint.study.named_problem(name), **dict(settings)) for name in problems}
        for problem in made.values() if settings else ():
            problem()  # says at once what it does not take
        try:
            found = expint.study.run(
                made,
                chosen,
                steps=steps,
                tolerances=tolerances,
                cache=cache,
                progress=shown(form == "json"),
            )
        except expint.study.StudyInterrupted as stopped:
            found, out = stopped.study, None
        report(found, form, out)


def _write(solution: expint.Solution, problem: expint.SemilinearProblem, out: Path | None) -> None:
    if out is None or out.suffix.lower() == ".nc" or not len(solution.t):
        return
    if out.suffix.lower() == ".npz":
        grid = {} if problem.x is None else {"x": to_numpy(problem.x)}
        with whole_file(out) as file:
            np.savez(file, allow_pickle=False, t=solution.t, u=picture.values(solution, problem), **grid)
        return
    save_figure(lambda: picture.draw(solution, problem), out)


def _facts(method: Any) -> dict[str, Any]:
    names = ("name", "order", "stiff_order", "weak_stiff_order", "stages", "error_order")
    return {name: getattr(method, name) for name in names}


def _problem_facts(name: str) -> dict[str, Any]:
    """Return what a problem is; one that has to be given parameters first says its summary only."""
    maker = expint.study.named_problem(name)
    own = inspect.signature(maker).parameters.values()
    facts = {"name": maker.__name__, "summary": (maker.__doc__ or "").strip().split("\n")[0]}
    said = ", ".join(p.name if p.default is p.empty else f"{p.name}={p.default}" for p in own if p.name != "like")
    if any(p.default is p.empty for p in own):
        return {**facts, "equation": "", "parameters": said, "source": ""}
    made = maker()
    shape = "×".join(map(str, made.y0.shape)) or "scalar"
    span = f"{made.t_span[0]:g} … {made.t_span[1]:g}"
    return {**facts, "equation": made.equation, "parameters": said, "source": made.source, "state": shape, "t": span}


def _answer(method: Any, question: str) -> str:
    return method.orders.markdown() if question == "orders" else str(getattr(method, question)())


def _text(value: Any) -> str:
    if value is None:
        return "none"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
