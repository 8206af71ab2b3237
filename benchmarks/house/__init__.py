"""The house in figures beside the old one: files, lines, circles of imports, loops over steps, and who knows what.

    python -m benchmarks.house [ROOT] [--old REVISION]

``ROOT`` is another checkout. The figures of the old house, before the rooms of today, are recorded; with ``--old`` they
are measured again on a revision in the history of this one. ``tests/test_house.py`` holds the laws to these figures.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PACKAGES = ("expint", "diffusion")
COMBINERS = {"combine", "_combine", "combiner", "linear_combination", "row", "Row"}
"""What takes the columns of a row."""

STEPS_ARE_MADE_BY = {"advance", "attempt"}
"""The methods of steppers; they take the memory, N and times, at least four arguments."""

LOOPS = (ast.For, ast.AsyncFor, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)

SAY_OTHERWISE = {"AttributeError", "ImportError", "SystemExit", "AdaptiveFailure", "TuningInterrupted"}
"""Errors with words of their own: of the language, an install line, or how a run ended."""


class Function(NamedTuple):
    """A function or method and its lines of code, without docstring, comments and blank lines."""

    file: Path
    name: str
    line: int
    code: int


def files(root: Path = ROOT) -> list[Path]:
    """Return the source files of both packages."""
    return [path for package in PACKAGES for path in sorted((root / package).rglob("*.py"))]


def parsed(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def module_name(path: Path, root: Path = ROOT) -> str:
    """Return the dotted name of a file."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def code_lines(path: Path) -> set[int]:
    """Return the lines of a file that hold code: no blank line, comment or docstring."""
    text = path.read_text(encoding="utf-8")
    lines = {i for i, line in enumerate(text.split("\n"), 1) if line.strip() and not line.strip().startswith("#")}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return lines


def functions(path: Path) -> Iterator[Function]:
    """Yield the functions of a file with their lines of code, those of nested functions included."""
    code = code_lines(path)
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            own = code & set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
            yield Function(path, node.name, node.lineno, len(own))


def imported(path: Path, root: Path = ROOT) -> Iterator[str]:
    """Yield the names that a file imports from the packages, those inside functions and for type checks included."""
    package = module_name(path, root).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def graph(root: Path = ROOT) -> dict[str, set[str]]:
    """Return {module: modules that it imports}; what a package's face hands on counts as the face."""
    modules = {module_name(path, root): path for path in files(root)}
    arrows: dict[str, set[str]] = {}
    for name, path in modules.items():
        arrows[name] = set()
        for full in imported(path, root):
            target = full if full in modules else full.rpartition(".")[0]
            if target in modules and target != name and not name.startswith(f"{target}."):
                arrows[name].add(target)
    return arrows


def circles(root: Path = ROOT) -> list[list[str]]:
    """Return the groups of files that import each other in a loop (Tarjan 1972); faces of packages are left out."""
    arrows = graph(root)
    faces = {module_name(path, root) for path in files(root) if path.name == "__init__.py"}
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in sorted(arrows[name] - faces):
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            group = [stack.pop()]
            while group[-1] != name:
                group.append(stack.pop())
            if len(group) > 1:
                found.append(sorted(group))

    sys.setrecursionlimit(10_000)
    for name in sorted(set(arrows) - faces):
        if name not in index:
            visit(name)
    return found


@cache
def kinds(root: Path = ROOT) -> frozenset[str]:
    """Return the classes that a method can be of, read off ``expint/derive/kinds``: those with a recipe, and mixins."""
    classes = [
        node
        for path in sorted((root / "expint" / "derive" / "kinds").glob("*.py"))
        for node in parsed(path).body
        if isinstance(node, ast.ClassDef) and "Protocol" not in {getattr(base, "id", "") for base in node.bases}
    ]
    bases = {node.name: {base.id for base in node.bases if isinstance(base, ast.Name)} for node in classes}
    found = {
        node.name
        for node in classes
        if any(isinstance(own, ast.FunctionDef) and own.name == "recipe" for own in node.body)
    }
    while more := {base for name in found for base in bases[name] if base in bases} - found:
        found |= more
    while more := {name for name in bases if bases[name] & found} - found:
        found |= more
    return frozenset(found)


def asked_for_kinds(path: Path) -> list[int]:
    """Return the lines that ask of which kind a method is: by ``isinstance``, by its type, or by a pattern."""
    found = []
    for node in ast.walk(parsed(path)):
        called = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
        if called in {"isinstance", "issubclass"}:
            asked = _names(node.args[1])
        elif isinstance(node, ast.Compare) and getattr(getattr(node.left, "func", None), "id", "") == "type":
            asked = set().union(*map(_names, node.comparators))
        elif isinstance(node, ast.MatchClass):
            asked = _names(node.cls)
        else:
            continue
        if asked & kinds():
            found.append(node.lineno)
    return found


def _names(node: ast.AST) -> set[str]:
    """Return the names and attributes in an expression."""
    named = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
    return named | {inner.attr for inner in ast.walk(node) if isinstance(inner, ast.Attribute)}


def builds_columns(path: Path) -> list[int]:
    """Return the lines that give what combines columns a row made there, as ``(y, *values)`` or ``[y] + values``.

    A row that has a name first is found by the assignments of its function.
    """
    found = []
    for function in [node for node in ast.walk(parsed(path)) if isinstance(node, ast.FunctionDef | ast.Module)]:
        assigned = {
            target.id: node.value
            for node in ast.walk(function)
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and _called(call) in COMBINERS:
                given = [assigned.get(own.id, own) if isinstance(own, ast.Name) else own for own in call.args]
                found += [call.lineno for own in given if _is_made_up(own)]
    return sorted(set(found))


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _is_made_up(row: ast.AST) -> bool:
    """Whether an expression puts something before the entries of a sequence."""
    if isinstance(row, ast.BinOp) and isinstance(row.op, ast.Add):
        return isinstance(row.left, ast.Tuple | ast.List)
    several = isinstance(row, ast.Tuple | ast.List) and len(row.elts) > 1
    return several and any(isinstance(entry, ast.Starred) for entry in row.elts)  # type: ignore[attr-defined]  # rows have entries


def loops_over_steps(path: Path) -> dict[str, int]:
    """Return the functions with a loop that advances a state: {name: line of the outermost loop}.

    Within the loop a step is accepted, or asked of a stepper.
    """
    found: dict[str, int] = {}
    for function in ast.walk(parsed(path)):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            makers = STEPS_ARE_MADE_BY | _renamed(function)
            for loop in [node for node in ast.walk(function) if isinstance(node, LOOPS)]:
                calls = [node for node in ast.walk(loop) if isinstance(node, ast.Call)]
                statement = isinstance(loop, ast.stmt)  # a list of what was accepted is made by no steps
                accepted = statement and any(_called(call) == "Accepted" for call in calls)
                asked = any(_called(call) in makers and len(call.args) >= 4 for call in calls)
                if accepted or asked:
                    found.setdefault(function.name, loop.lineno)
    return found


def _renamed(function: ast.AST) -> set[str]:
    """Return the names that a function gives to methods that make steps."""
    given = [node for node in ast.walk(function) if isinstance(node, ast.Assign)]
    return {
        target.id
        for node in given
        for target in node.targets
        if isinstance(target, ast.Name) and getattr(node.value, "attr", "") in STEPS_ARE_MADE_BY
    }


def behind_the_faces(root: Path = ROOT, paths: Sequence[Path] | None = None) -> dict[str, set[str]]:
    """Return {submodule of expint: files of diffusion that reach it}; faces of rooms and single files are left out.

    A file reaches what it imports, what it names as an attribute of ``expint``, and what it names in a text.
    """
    faces = {module_name(path, root) for path in files(root) if path.name == "__init__.py"}
    found: dict[str, set[str]] = {}
    modules = {module_name(path, root) for path in files(root)}
    for path in sorted((root / "diffusion").rglob("*.py")) if paths is None else paths:
        for full in reached(path):
            parts = full.split(".")
            target = next((own for n in range(len(parts), 0, -1) if (own := ".".join(parts[:n])) in modules), "")
            if target.startswith("expint.") and target.count(".") > 1 and target not in faces:
                found.setdefault(target, set()).add(path.stem)
    return found


def reached(path: Path) -> Iterator[str]:
    """Yield the dotted names that a file imports, or writes as attributes of a name or as a text."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Attribute):
            yield ast.unparse(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def silent_raises(path: Path) -> list[int]:
    """Return the lines that make an error in words without saying what was expected and what was received.

    Errors are looked at where they are raised and where a function returns them. Those that pass on what another error
    says, ``raise … from error``, and those in ``SAY_OTHERWISE`` are left out.
    """
    text = path.read_text(encoding="utf-8").split("\n")
    found = []
    for node in ast.walk(parsed(path)):
        made = node.exc if isinstance(node, ast.Raise) else node.value if isinstance(node, ast.Return) else None
        if not isinstance(made, ast.Call) or not isinstance(made.func, ast.Name) or made.func.id in SAY_OTHERWISE:
            continue
        if made.func.id.lstrip("_")[0].islower():
            continue  # a function that returns the error is looked at itself
        said = "\n".join(text[node.lineno - 1 : node.end_lineno])
        literal = any(isinstance(inner, ast.Constant | ast.JoinedStr) for inner in ast.walk(made))
        error = isinstance(node, ast.Raise) or made.func.id.endswith(("Error", "Failure"))
        cause = getattr(node, "cause", None)
        passed_on = isinstance(cause, ast.Name) and "{" + cause.id + "}" in said
        if error and literal and not passed_on and not ("expected" in said and "received" in said):
            found.append(node.lineno)
    return found


def hidden_bases(path: Path) -> list[int]:
    """Return the lines of classes whose bases, or whose header, tell the type checker to look away."""
    text = path.read_text(encoding="utf-8").split("\n")
    return [
        node.lineno
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ClassDef)
        and any(
            "type: ignore" in line
            for line in text[node.lineno - 1 : node.body[0].lineno - 1] or [text[node.lineno - 1]]
        )
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """Print the figures of a checkout, this one by default, beside those of the old house."""
    from benchmarks.house.figures import show  # which reads the source by what is above

    show(argv)
