"""Build the documentation site: ``python docs/site/build.py [--execute] [out/site]``.

The sources are gathered in one folder that is cut like the repository, so that links between pages are the same in
both: the pages of docs/, METHODS.md, CHANGELOG.md, CONTRIBUTING.md, the notebooks, and the reference, which is written
here. A page that is new in docs/ is found by itself. Warnings are errors.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import jupytext
import reference

ROOT = Path(__file__).resolve().parent.parent.parent
SITE = ROOT / "docs" / "site"

SECTIONS = {
    "Five-minute starts": ("start/pde", "start/lecturer", "start/diffusion"),
    "Choose": ("choose_a_method", "operators", "defaults", "samplers", "equal_samplers", "grids"),
    "How to": (),  # every page of docs/ that no other section names
    "Other programs": ("hosts/*",),
    "Evidence": ("museum", "reports", "benchmarks", "tolerances"),
    "The house": ("design", "glossary", "extending", "plugins", "support", "faq", "citations"),
}
"""The pages of docs/ by section; an asterisk stands for all of a folder."""

KERNEL = {
    "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}

REPOSITORY = ("METHODS", "CHANGELOG", "CONTRIBUTING")


def sections() -> dict[str, list[str]]:
    """Return the pages of docs/ by section; those that stand in none are the how-to pages."""
    docs = ROOT / "docs"
    found = sorted(path.relative_to(docs).with_suffix("").as_posix() for path in docs.rglob("*.md"))
    pages = [name for name in found if not name.startswith("site/")]
    chosen = {
        title: [
            page for name in names for page in pages if Path(page).match(name) and page.count("/") == name.count("/")
        ]
        for title, names in SECTIONS.items()
    }
    named = {page for own in chosen.values() for page in own}
    chosen["How to"] = [page for page in pages if page not in named]
    return chosen


def toctree(caption: str, names: Iterable[str]) -> str:
    """Return a table of contents in MyST."""
    return "\n".join(["```{toctree}", ":hidden:", ":maxdepth: 1", f":caption: {caption}", "", *names, "```", ""])


def gather(source: Path) -> None:
    """Write all that Sphinx reads into a folder."""
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(ROOT / "docs", source / "docs", ignore=shutil.ignore_patterns("site", "__pycache__"))
    for name in REPOSITORY:
        shutil.copy(ROOT / f"{name}.md", source)
    notebooks = sorted((ROOT / "notebooks").glob("[0-9]*.py"))
    for folder in ("notebooks", "reference"):
        (source / folder).mkdir()
    for path in notebooks:
        notebook = jupytext.read(path)
        notebook.metadata.update(KERNEL)
        jupytext.write(notebook, source / "notebooks" / f"{path.stem}.ipynb")
    for name, text in reference.pages().items():
        (source / "reference" / f"{name}.rst").write_text(text, encoding="utf-8")
    shown = [toctree(title, [f"docs/{page}" for page in pages]) for title, pages in sections().items()]
    shown.insert(1, toctree("Tutorials", [f"notebooks/{path.stem}" for path in notebooks]))
    shown.append(toctree("Reference", [*(f"reference/{name}" for name in reference.FACES), *REPOSITORY]))
    front = (SITE / "index.md").read_text(encoding="utf-8")
    (source / "index.md").write_text("\n".join([front, *shown]), encoding="utf-8")


def build(out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Build the site in ``out/html`` and return what Sphinx said; options are handed to it."""
    gather(out / "source")
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-W", "--keep-going", "-q", "-E", "-c", str(SITE)]
    command += [*options, "-d", str(out / "doctrees"), str(out / "source"), str(out / "html")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def main() -> int:
    """Build the site and print what Sphinx said."""
    given = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    given.add_argument("out", nargs="?", type=Path, default=ROOT / "out" / "site")
    given.add_argument(
        "--execute", action="store_true", help="run the notebooks, so that tutorials show their pictures"
    )
    asked = given.parse_args()
    done = build(asked.out.resolve(), *(["-D", "nb_execution_mode=force"] if asked.execute else []))
    said = done.stdout + done.stderr
    sys.stdout.write(said or f"written: {asked.out / 'html' / 'index.html'}\n")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
