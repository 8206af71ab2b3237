"""The documentation site is built with warnings as errors, and its reference has every public name."""

import importlib
import inspect
import sys
import zlib
from pathlib import Path

import pytest

import diffusion
import expint
from tests.test_docs import PUBLIC

pytest.importorskip("sphinx", reason="the site needs the extra docs")
pytest.importorskip("myst_nb", reason="the site needs the extra docs")

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "docs" / "site"))
build, reference, plain_docstrings = map(importlib.import_module, ("build", "reference", "plain_docstrings"))
sys.path.remove(str(ROOT / "docs" / "site"))


def entries(html: Path) -> set[str]:
    """The names to which the inventory of a site leads."""
    packed = (html / "objects.inv").read_bytes().split(b"\n", 4)[4]
    return {line.split(" ")[0] for line in zlib.decompress(packed).decode().splitlines()}


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_has_every_page_and_public_name(tmp_path: Path) -> None:
    done = build.build(tmp_path)  # notebooks are run by test_notebooks, and by `make docs`
    assert done.returncode == 0, done.stdout + done.stderr
    html = tmp_path / "html"
    pages = [*(ROOT / "docs").rglob("*.md"), *(ROOT / "notebooks").glob("[0-9]*.py")]
    pages = [path for path in pages if path.parent != build.SITE]
    assert len(pages) > 40
    for page in pages:
        assert (html / page.relative_to(ROOT)).with_suffix(".html").is_file(), page
    front = (html / "index.html").read_text(encoding="utf-8")
    for page in pages:
        assert f'href="{page.relative_to(ROOT).with_suffix(".html").as_posix()}"' in front, f"no way leads to {page}"
    found = entries(html)
    assert not {name.replace(".process.", ".") for name in PUBLIC} - found
    assert not {f"{name}.{own}" for name in reference.FACES for own in reference.public(name)} - found


def test_the_reference_has_a_page_for_every_module_that_the_packages_show() -> None:
    shown = {
        f"{package.__name__}.{name}"
        for package in (expint, diffusion)
        for name in package.__all__
        if inspect.ismodule(getattr(package, name))
    }
    assert len(shown) > 8
    assert not shown - set(reference.FACES)
    for name in (face.__name__.replace(".process.", ".") for face, _ in PUBLIC.values()):
        assert name in reference.FACES


def test_every_page_belongs_to_one_section() -> None:
    sections = build.sections()
    listed = [page for pages in sections.values() for page in pages]
    assert len(listed) == len(set(listed))
    assert all(sections.values())
    named = [name for names in build.SECTIONS.values() for name in names]
    assert all("*" in name or name in listed for name in named), "a section names a page that is not there"


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("|u|² and *args", r"\|u\|² and \*args"),
        ("``a|b`` and `c*d`, a_ is one", r"``a|b`` and `c*d`, a\_ is one"),
        ("*Construction of formulas*, 1977", "*Construction of formulas*, 1977"),
    ],
)
def test_signs_of_mathematics_are_no_markup(said: str, read: str) -> None:
    assert plain_docstrings.escaped(said) == read
