"""The notebooks run, claim by claim, and draw pictures; the suite runs them with fewer points and steps."""

import os
import runpy
from pathlib import Path

import matplotlib as mpl
import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("[0-9]*.py"))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_draws(notebook: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    monkeypatch.setenv("EXPINT_QUICK", "1")
    pictures = os.environ.get("EXPINT_PICTURES")  # a folder in which to keep them, for looking at
    plt.close("all")
    try:
        runpy.run_path(str(notebook), run_name="__notebook__")
        assert plt.get_fignums(), "expected a notebook to draw"
        for number in plt.get_fignums():
            figure = plt.figure(number)
            figure.canvas.draw()  # what cannot be drawn fails here
            if pictures:
                figure.savefig(Path(pictures) / f"{notebook.stem}_{number}.png", dpi=80)
    finally:
        plt.close("all")


def test_there_is_a_notebook_for_each_story() -> None:
    numbers = [path.stem.partition("_")[0] for path in NOTEBOOKS]
    assert numbers[:9] == [f"0{n}" for n in range(1, 10)]
    assert all(number.isdigit() and len(number) == 2 for number in numbers)
    assert len(set(numbers)) == len(numbers)
    assert {"11", "12", "13", "15"} <= set(numbers)
    for notebook in NOTEBOOKS:
        text = notebook.read_text(encoding="utf-8")
        assert text.startswith("# %% [markdown]\n# # "), notebook
        assert "assert " in text, notebook
