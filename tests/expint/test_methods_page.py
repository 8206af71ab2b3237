"""METHODS.md: in step with the catalogue."""

from pathlib import Path

import pytest

from expint.methods import method_names
from expint.methods.page import methods_page


@pytest.fixture(scope="module")
def page():
    return methods_page()


def test_the_page_in_the_repository_is_the_generated_one(page):
    stored = Path(__file__).parents[2] / "METHODS.md"
    assert stored.read_text(encoding="utf-8") == page, "write it again: python -m expint.methods.page"


def test_every_method_has_its_row(page):
    for name in method_names():
        assert page.count(f"\n| `{name}` |") == 1, name


def test_rows_have_as_many_cells_as_headers(page):
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert {row.count(" | ") for row in rows} == {8}
