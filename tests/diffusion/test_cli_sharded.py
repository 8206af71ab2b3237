"""``diffusion sample --seeds``: the images of the library, whatever the split."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

import diffusion
from diffusion.cli.commands import commands

OPTIONS = ["--model", "ideal-digits", "--steps", "2", "--seeds", "5-13", "--shard", "4", "--json"]


def call(*arguments: str, **environment: str) -> Result:
    return CliRunner(env=environment).invoke(commands, ["sample", *arguments])


def images(folder: Path) -> np.ndarray:
    return np.concatenate([np.load(path)["images"] for path in sorted(folder.iterdir())])


@pytest.mark.parametrize("sampler", ["deis-tab3", "dpmpp-2m-sde"])
def test_every_split_over_ranks_draws_the_images_of_the_library(sampler: str, tmp_path: Path) -> None:
    one, many = tmp_path / "one", tmp_path / "many"
    assert call(*OPTIONS, "--sampler", sampler, "--out", str(one)).exit_code == 0
    for rank in ("2", "0", "1"):
        names = {"SLURM_PROCID": rank, "SLURM_NTASKS": "3"}
        result = call(*OPTIONS, "--sampler", sampler, "--out", str(many), **names)
        assert (json.loads(result.stdout)["rank"], json.loads(result.stdout)["ranks"]) == (int(rank), 3)
    assert {path.name: path.read_bytes() for path in one.iterdir()} == {p.name: p.read_bytes() for p in many.iterdir()}
    seeds = range(5, 14)
    noise = torch.cat([torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(seed)) for seed in seeds])
    rng = list(seeds) if sampler == "dpmpp-2m-sde" else None
    expected = diffusion.sample(diffusion.study.named_model("ideal-digits")(), noise, sampler=sampler, steps=2, rng=rng)
    np.testing.assert_allclose(images(one), expected, atol=1e-5)


def test_the_distance_waits_for_all_ranks(tmp_path: Path) -> None:
    drawn = ["--seeds", "0-19", "--shard", "5", "--steps", "2", "--json"]
    options = [*drawn, "--sampler", "ddim", "--frechet", "--out", str(tmp_path)]
    early = call(*options, RANK="0", WORLD_SIZE="2")
    assert early.exit_code == 1
    assert "run again when the other ranks are done" in early.stderr
    late = call(*options, RANK="1", WORLD_SIZE="2")
    assert json.loads(late.stdout)["frechet_distance"] == diffusion.models.frechet_distance(images(tmp_path))
    again = json.loads(call(*options).stdout)
    assert again["files_made"] == 0
    assert again["frechet_distance"] == json.loads(late.stdout)["frechet_distance"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seeds", "9-3", "--out", "x"], "expected first-last with first ≤ last"),
        (["--seeds", "-3", "--out", "x"], "expected first-last"),
        (["--seeds", "0-" + "9" * 40, "--out", "x"], "expected first-last"),
        (["--seeds", "0-3"], "add --out FOLDER"),
        (["--seeds", "0-3", "--out", "file"], "expected the path of a folder"),
        (["--seeds", "0-3", "--out", "x", "--count", "3"], "received --count"),
        (["--out", "x", "--seeds", "0-3", "--seed", "3"], "received --seed;"),
        (["--seeds", "0-15", "--out", "x", "--frechet"], "expected more than 16 samples for --frechet, received 16"),
        (["--count", "16", "--frechet"], "expected more than 16 samples for --frechet, received 16"),
        (["--shard", "3"], "expected --seeds beside --shard"),
    ],
)
def test_what_contradicts_seeds_exits_with_two_before_anything_is_made(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    result = call(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_other_settings_in_the_same_folder_are_refused(tmp_path: Path) -> None:
    assert call(*OPTIONS, "--sampler", "ddim", "--out", str(tmp_path)).exit_code == 0
    before = images(tmp_path)
    result = call(*OPTIONS, "--sampler", "deis-tab1", "--out", str(tmp_path))
    assert result.exit_code == 2
    assert "take another folder" in result.stderr
    assert np.array_equal(before, images(tmp_path))
