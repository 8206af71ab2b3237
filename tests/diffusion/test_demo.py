"""What the demonstration claims of the shipped network."""

import pytest

torch = pytest.importorskip("torch")

from benchmarks.demo import compare, table  # noqa: E402  (needs torch)


def test_deis_in_ten_calls_beats_ddim_in_ten_and_matches_ddim_in_twenty():
    rows = compare(images=150, seeds=(0,))
    by = {(row["sampler"], row["calls"]): row for row in rows}
    assert by["deis-tab3", 10]["frechet"] < 0.75 * by["ddim", 10]["frechet"]
    assert by["deis-tab3", 10]["frechet"] <= by["ddim", 20]["frechet"]
    assert by["deis-tab3", 10]["error"] < 0.5 * by["ddim", 20]["error"]
    assert "deis-tab3" in table(rows)
