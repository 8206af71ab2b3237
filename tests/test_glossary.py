"""The house tells its words: the glossary names what exists, and every public class is in it."""

import inspect
import re
from functools import reduce
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import diffusion
import expint
from tests.test_docs import PUBLIC

TEXT = (Path(__file__).parents[1] / "docs" / "glossary.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in TEXT.split("\n") if line.startswith("| ")]
WORDS = [row[0] for row in ROWS if row[0] != "word"]
NAMES = sorted(set(re.findall(r"`((?:expint|diffusion)\.[\w.]+)`", TEXT)))


def named(dotted: str) -> Any:
    """The object of a dotted name, whose longest prefix that is a module is imported."""
    parts = dotted.split(".")
    for size in range(len(parts), 0, -1):
        try:
            module = import_module(".".join(parts[:size]))
        except ModuleNotFoundError:
            continue
        return reduce(getattr, parts[size:], module)
    raise AssertionError(dotted)


@pytest.mark.parametrize("name", NAMES)
def test_what_the_glossary_names_exists(name: str) -> None:
    assert named(name) is not None


def test_every_word_stands_once_and_has_a_meaning() -> None:
    assert len(set(WORDS)) == len(WORDS)
    assert all(len(row) == 3 and row[1] for row in ROWS)


@pytest.mark.parametrize("package", [expint, diffusion], ids=lambda package: package.__name__)
def test_every_public_class_is_in_the_glossary(package: Any) -> None:
    classes = [name for name in package.__all__ if inspect.isclass(getattr(package, name))]
    listed = {name.rpartition(".")[2] for name in NAMES}
    assert not [name for name in classes if name not in listed]


OTHERS = {"slopes?": "value of N", "ladders?|rungs?": "quantised steps", "edges?": "breakpoint"}
"""Words of this code that public text leaves to names, in backticks, and the glossary's words for them."""

SLOPES = "study neumann curves order_triangle linear_quadratic with_reversed_ Statistics grids plot"
"""Where a slope is one: the order that a fit finds, a derivative in space, a path."""

PAGES = [Path(__file__).parents[1] / "METHODS.md", Path(__file__).parents[1] / "docs" / "museum.md"]


def prose(text: str) -> str:
    """The sentences of a docstring: no examples, names in backticks, formulas, or lines of parameters."""
    text = re.sub(r"``?[^`]*``?", "", re.sub(r"^\s*(>>>|\.\.\.).*\n", "", text, flags=re.MULTILINE))
    return "\n".join(line for line in text.split("\n") if not re.fullmatch(r"\s*\w+(, \w+)*", line))


def public_text() -> dict[str, str]:
    found = {path.name: path.read_text(encoding="utf-8") for path in PAGES}
    for name, (_, value) in PUBLIC.items():
        own = {name: value} | (
            {f"{name}.{k}": v for k, v in vars(value).items() if k[0] != "_"} if inspect.isclass(value) else {}
        )
        found |= {key: text for key, v in own.items() if isinstance(text := getattr(v, "__doc__", None), str)}
    return found


def test_public_text_takes_the_words_of_the_glossary() -> None:
    assert set(OTHERS.values()) <= {*WORDS}
    wrong = [
        f"{name}: {line.strip()}"
        for name, text in public_text().items()
        if not any(own in name for own in SLOPES.split())
        for line in prose(text).split("\n")
        if re.search(rf"\b({'|'.join(OTHERS)})\b", line)
    ]
    assert wrong == []
