"""Names that other programs have: answered by the sampler that is meant."""

import re
from pathlib import Path

import pytest

import diffusion
from diffusion.samplers.elsewhere import GRIDS, names_elsewhere

PAGE = Path(__file__).parents[2] / "docs" / "hosts" / "diffusers.md"


@pytest.mark.parametrize("name", names_elsewhere())
def test_a_foreign_name_is_answered_by_a_sampler_there_is(name):
    found = names_elsewhere()[name]
    assert diffusion.sampler(found.name).name == found.name
    try:
        diffusion.sampler(name)
    except ValueError as refused:
        assert f"{found.name!r}" in str(refused)  # noqa: PT017  # some are refused


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("euler_a", "take 'euler-ancestral'"),
        ("sample_dpmpp_2m_sde_gpu", "take 'dpmpp-2m-sde'"),
        ("DPM++ 2M Karras", r"take 'dpmpp-2m' and grid='karras'"),
        ("DPM++ 3M SDE Exponential", "take 'dpmpp-3m-sde' and grid='exponential'"),
        ("DPM2 a Karras", "take 'dpm2-ancestral' and grid='karras'"),
        ("UniPCMultistepScheduler", "take 'unipc2-bh2@diffusers'"),
        ("EulerAncestralDiscreteScheduler", "take 'euler-ancestral'"),
        ("Heun Karras", r"take 'edm-heun' and grid='karras'"),
        ("unipc3 simple", r"take 'unipc3' and grid='simple'"),
        ("res_multistep", "take 'dpmpp-2m'"),
        ("euler_sde_of_mine", "'euler' solves the ODE without noise"),
    ],
)
def test_what_users_type_is_answered(name, answer):
    with pytest.raises(ValueError, match=answer):
        diffusion.sampler(name)


def test_the_grids_that_are_named_are_there():
    assert {name for name in GRIDS if GRIDS[name] == repr(name)} == set(diffusion.grids.NAMED)
    schedule = diffusion.VP.from_betas([1e-4 + 2e-5 * i for i in range(1000)])
    assert len(eval(GRIDS["lu"], {"diffusion": diffusion, "steps": 5, "schedule": schedule})) == 6


def test_the_page_tells_every_one_of_these_names():
    text = PAGE.read_text(encoding="utf-8")
    told = set(re.findall(r"`([^`\n]+)`", text))
    assert not [name for name, found in names_elsewhere().items() if name not in told or found.name not in told]
