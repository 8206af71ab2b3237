"""Every method and every sampler knows its source; the project says how to cite it."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import diffusion
import expint

ROOT = Path(__file__).parent.parent


def check(bibtex: str) -> None:
    """Each entry has a key, balanced braces, and the fields without which it is no source."""
    entries = re.split(r"\n(?=@)", bibtex.strip())
    assert entries
    for entry in entries:
        assert re.match(r"@\w+\{[a-z_0-9]+,\n", entry), entry
        assert entry.count("{") == entry.count("}"), entry
        for name in ("author", "title", "year"):
            assert re.search(rf"\b{name} = {{.+}}", entry), (name, entry)


@pytest.mark.parametrize("name", expint.method_names())
def test_every_method_cites_its_source(name: str) -> None:
    check(expint.method(name).cite())


@pytest.mark.parametrize("name", diffusion.sampler_names())
def test_every_sampler_cites_its_source(name: str) -> None:
    check(diffusion.sampler(name).cite())


def test_the_citation_file_names_the_version_and_the_licence() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == expint.__version__
    assert (citation["license"], citation["type"]) == ("MIT", "software")
    assert {"message", "title", "authors"} <= set(citation)


def test_the_licence_of_the_shipped_images_is_part_of_the_distribution() -> None:
    facts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert facts["license"] == "MIT AND CC-BY-4.0"
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in facts["license-files"]]
    assert any("CC BY 4.0" in text and "10.24432/C50P49" in text for text in texts)
