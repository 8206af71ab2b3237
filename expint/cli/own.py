"""Problems of the command line: by name, or from a script of the user."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import click

import expint.study
from expint.problem import SemilinearProblem

__all__ = ["ProblemOrScript"]


class ProblemOrScript(click.ParamType):
    """A name of ``expint.problems``, or a script such as my_problem.py, or my_problem.py:name; it is run.

    A script has a problem, or a function that returns one, of that name, which is ``problem`` if none is said; or one
    problem alone.
    """

    name = "problem"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return what makes the problem."""
        if not isinstance(value, str):
            return value
        try:
            script, _, name = value.rpartition(":") if ".py:" in value else (value, "", "")
            return _in_script(Path(script), name) if script.endswith(".py") else expint.study.named_problem(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _in_script(path: Path, name: str) -> Callable[..., SemilinearProblem]:
    module = _run(path)
    problems = {key: own for key, own in vars(module).items() if isinstance(own, SemilinearProblem)}
    found = getattr(module, name or "problem", None)
    if found is None and not name and len(problems) == 1:
        (found,) = problems.values()
    if isinstance(found, SemilinearProblem):
        return lambda **settings: _refuse(settings, found, str(path))
    if not callable(found):
        known = [key for key, own in vars(module).items() if callable(own) and own.__module__ == module.__name__]
        raise ValueError(
            f"expected {path} to have a problem or a function that returns one, called {name or 'problem'!r}, received "
            f"{', '.join([*problems, *known]) or 'a script without'}; name it, as {path}:name"
        )
    return lambda **settings: _made(found, settings, str(path))


def _refuse(settings: dict[str, Any], problem: SemilinearProblem, path: str) -> SemilinearProblem:
    if settings:
        raise ValueError(
            f"expected a function that takes parameters for --set, received a problem that is made in {path}; write "
            "def problem(…) there"
        )
    return problem


def _made(maker: Callable[..., Any], settings: dict[str, Any], path: str) -> SemilinearProblem:
    made = maker(**settings)
    if not isinstance(made, SemilinearProblem):
        raise TypeError(
            f"expected the function of {path} to return an expint.SemilinearProblem, received {type(made).__name__}"
        )
    return made


def _run(path: Path) -> ModuleType:
    """Run a script as Python does, with what lies beside it importable, and return its module."""
    if not path.is_file():
        raise ValueError(f"expected a script with a problem, received {str(path)!r}, which is no file")
    name = f"script_{path.stem}"  # which hides no module
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None  # it ends in .py
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.absolute().parent))
    sys.modules[name] = module  # where classes made in it look for it
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # whatever it raises
        sys.modules.pop(name, None)
        raise ValueError(
            f"expected a script that runs, received {str(path)!r}, which raised {type(error).__name__}: {error}"
        ) from error
    return module
