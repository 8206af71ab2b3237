"""The command line of diffusion: samples, pictures, comparisons, errors of one sentence with the nearest choice."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

import diffusion
import diffusion.study
import expint.study
from diffusion.cli.commands import commands


def call(*arguments: str) -> Result:
    return CliRunner().invoke(commands, list(arguments))


def test_help_names_every_command() -> None:
    result = call("--help")
    assert result.exit_code == 0
    assert all(f"  {name} " in result.output for name in ("sample", "samplers", "compare", "tune"))


def test_samples_are_those_of_the_library(tmp_path: Path) -> None:
    out = tmp_path / "digits.npz"
    result = call("sample", "--steps", "4", "--count", "2", "--seed", "3", "--label", "7", "--out", str(out), "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["calls"] == 4
    noise = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(3))
    expected = diffusion.trajectory(diffusion.models.digits(7), noise, steps=4).y_end
    with np.load(out, allow_pickle=False) as saved:
        assert np.array_equal(saved["images"], expected.numpy())


def test_pictures_are_written(tmp_path: Path) -> None:
    out = tmp_path / "digits.png"
    result = call("sample", "--sampler", "ddim", "--steps", "2", "--count", "4", "--out", str(out))
    assert result.exit_code == 0, result.output
    assert out.read_bytes().startswith(b"\x89PNG")


def test_a_stochastic_sampler_gives_the_same_samples_for_the_same_seed(tmp_path: Path) -> None:
    images = []
    for name, seed in (("one", "3"), ("two", "3"), ("three", "4")):
        out = str(tmp_path / f"{name}.npz")
        options = ["--model", "ideal-digits", "--steps", "3", "--count", "2", "--seed", seed, "--out", out]
        result = call("sample", "--sampler", "dpmpp-2m-sde", *options)
        assert result.exit_code == 0, result.output
        images.append(np.load(out)["images"])
    assert np.array_equal(images[0], images[1])
    assert not np.array_equal(images[0], images[2])


@pytest.mark.parametrize("name", [*diffusion.sampler_names(), *diffusion.sampler_names(stochastic=True)])
def test_every_sampler_is_shown_with_its_source(name: str) -> None:
    result = call("samplers", name)
    assert result.exit_code == 0
    assert "@inproceedings{" in result.output


def test_samplers_are_listed() -> None:
    names = [*diffusion.sampler_names(), *diffusion.sampler_names(stochastic=True)]
    assert len(call("samplers").output.splitlines()) == len(names) + 1
    assert [entry["name"] for entry in json.loads(call("samplers", "--json").output)] == names


def test_a_comparison_is_a_study(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: dict[str, object] = {}

    def run(models: list[str], samplers: tuple[str, ...], steps: list[int], noise: torch.Tensor, **options: object):
        seen.update(options, models=models, samplers=samplers, steps=steps, shape=tuple(noise.shape))
        return expint.study.Study((expint.study.Cell("digits", "ddim", 5, 0.1, 5, 5),), "steps")

    monkeypatch.setattr(diffusion.study, "run", run)
    out = tmp_path / "plot.png"
    result = call(
        "compare", "--sampler", "ddim", "--steps", "5,10", "--measure", "frechet", "--count", "3", "--out", str(out)
    )
    assert result.exit_code == 0, result.output
    assert (seen["models"], seen["steps"], seen["shape"], seen["measure"]) == (
        ["digits"],
        [5, 10],
        (3, 1, 8, 8),
        "frechet",
    )
    assert "| ddim | 1.00e-01 |" in result.output
    assert out.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["smaple"], "did you mean sample?"),
        (["sample", "--sampler", "deis-tab9"], "did you mean 'deis-tab3'"),
        (["sample", "--model", "digit"], "did you mean 'digits'"),
        (["sample", "--steps", "0"], "an integer ≥ 1, received 0"),
        (["sample", "--steps", "-2"], "an integer ≥ 1, received -2"),
        (["sample", "--label", "11"], "0<=x<=9"),
        (["sample", "--label", "1", "--model", "ideal-digits"], "leave --label out"),
        (["sample", "--out", "x.gpn"], "try .png"),
        (["samplers", "--cite"], "expected the name of a sampler"),
        (["compare", "--sampler", "ddim", "--steps", "5,x"], "integers such as 5,10,20"),
        (["compare", "--sampler", "ddim", "--measure", "fid"], "'fid'"),
    ],
)
def test_arguments_that_make_no_sense_exit_with_two_and_a_sentence(arguments: list[str], message: str) -> None:
    result = call(*arguments)
    assert result.exit_code == 2
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("Error: ")
    assert message in last


BAD = [
    ["sample", "--steps", "1000000000"],
    ["sample", "--steps", "1e3"],
    ["sample", "--count", "1000000000000"],
    ["sample", "--seed", "9" * 30],
    ["sample", "--sampler", ""],
    ["sample", "--sampler", "names"],
    ["sample", "--model", "store"],
    ["sample", "--out", "."],
    ["sample", "--out", "folder.png"],
    ["sample", "--out", "nowhere/x.png"],
    ["samplers", "x" * 10_000],
    ["compare", "--sampler", "ddim", "--steps", "0"],
    ["compare", "--sampler", "ddim", "--steps", "5,5"],
    ["compare", "--sampler", "ddim", "--steps", "9" * 5000],
    ["compare", "--sampler", "ddim", "--sampler", "ddim", "--steps", "5"],
    ["compare", "--sampler", "ddim", "--steps", "5", "--count", "1000000000000"],
    ["compare", "--sampler", "ddim", "--steps", "5", "--cache", "file"],
]


@pytest.mark.parametrize("arguments", BAD, ids=lambda words: " ".join(words)[:60])
def test_bad_calls_end_with_a_sentence_and_without_a_traceback(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.png").mkdir()
    result = call(*arguments)
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code in (1, 2)
    sentence = result.stderr.strip().splitlines()[-1]
    assert sentence.startswith("Error: ")
    assert "please report" not in sentence
    assert len(sentence) < 2000


def test_python_m_diffusion_is_the_command_line() -> None:
    done = subprocess.run([sys.executable, "-m", "diffusion", "samplers"], capture_output=True, text=True, check=True)
    assert "deis-tab3" in done.stdout


def test_a_tuned_sampler_is_written_and_sampled_from(tmp_path: Path) -> None:
    out = tmp_path / "one.safetensors"
    asked = ("--steps", "1", "--count", "8", "--teacher", "4", "--by", "closed-form", "--what", "rows", "--seed", "3")
    result = call("tune", *asked, "--out", str(out), "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert facts["calls"] == 1
    assert facts["after"] <= facts["before"]
    sampled = call("sample", "--sampler", str(out), "--count", "2", "--json")
    assert sampled.exit_code == 0, sampled.output
    assert json.loads(sampled.stdout)["calls"] == 1
    starts = torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(3))
    same = diffusion.tune(diffusion.models.digits(), starts, steps=1, teacher=4, by="closed-form", what="rows", seed=3)
    assert np.array_equal(same.D, diffusion.load_sampler(out).D)


def test_an_interrupted_tuning_writes_the_best_so_far(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    report = diffusion.Report("error", 2.0, 1.0, None, 9, (4, 4), {"interrupted": True, "stages": [], "decided": "x"})
    best = diffusion.FittedSampler("best", diffusion.VP.linear(), [1.0, 0.0], c=[0.0], D=[[1.0]], report=report)

    def interrupted(*_: object, **__: object) -> None:
        raise diffusion.TuningInterrupted(best)

    monkeypatch.setattr("diffusion.cli.tuning.tuned_to", interrupted)
    result = call("tune", "--out", str(tmp_path / "best.safetensors"))
    assert result.exit_code == 1
    assert "interrupted; the best so far is in" in result.output
    assert diffusion.load_sampler(tmp_path / "best.safetensors").name == "best"


def test_a_tuning_that_makes_no_sense_is_refused_in_a_sentence(tmp_path: Path) -> None:
    result = call("tune", "--count", "4", "--out", str(tmp_path / "x.safetensors"))
    assert result.exit_code != 0
    assert "expected at least 8 starts" in result.output
    assert not (tmp_path / "x.safetensors").exists()
