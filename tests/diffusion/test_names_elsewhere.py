"""Names that other programs have: answered by the sampler that is meant."""

import re

import pytest

import diffusion
from benchmarks import foreign_names
from diffusion.samplers.elsewhere import GRIDS, names_elsewhere


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


def test_the_table_of_the_page_is_the_one_that_is_made():
    assert foreign_names.table() in foreign_names.PAGE.read_text(encoding="utf-8")


COMFYUI = re.findall(
    r"\S+",
    """
euler euler_cfg_pp euler_ancestral euler_ancestral_cfg_pp heun heunpp2 exp_heun_2_x0 exp_heun_2_x0_sde dpm_2
dpm_2_ancestral lms dpm_fast dpm_adaptive dpmpp_2s_ancestral dpmpp_2s_ancestral_cfg_pp dpmpp_sde dpmpp_sde_gpu
dpmpp_2m dpmpp_2m_cfg_pp dpmpp_2m_sde dpmpp_2m_sde_gpu dpmpp_2m_sde_heun dpmpp_2m_sde_heun_gpu dpmpp_3m_sde
dpmpp_3m_sde_gpu ddpm lcm ipndm ipndm_v deis res_multistep res_multistep_cfg_pp res_multistep_ancestral
res_multistep_ancestral_cfg_pp gradient_estimation gradient_estimation_cfg_pp er_sde seeds_2 seeds_3 sa_solver
sa_solver_pece ddim uni_pc uni_pc_bh2
""",
)
AUTOMATIC1111 = [
    *("DPM++ 2M", "DPM++ SDE", "DPM++ 2M SDE", "DPM++ 2M SDE Heun", "DPM++ 2S a", "DPM++ 3M SDE", "Euler a", "Euler"),
    *("LMS", "Heun", "DPM2", "DPM2 a", "DPM fast", "DPM adaptive", "Restart", "DDIM", "DDIM CFG++", "PLMS", "UniPC"),
    *("UniPC bh2", "LCM", "DPM++ 2M Karras", "DPM++ SDE Karras", "DPM++ 2M SDE Exponential", "LMS Karras"),
]
TH_DEIS = ["t_ab", "rho_ab", "rho_rk", "ipndm"]
OF_NO_SUCH_PROCESS = re.compile(
    "Amused|BlockRefinement|CMStochastic|DiscreteDDIM|EntropyBound|FlowMap|Helios|MiniMax|Piflow|RFD4|SCM|VQ"
)


def of_diffusers():
    diffusers = pytest.importorskip("diffusers")
    found = [name for name in dir(diffusers) if name.endswith("Scheduler") and not name.startswith("Flax")]
    return [name for name in found if not OF_NO_SUCH_PROCESS.search(name)]


def test_every_name_of_the_lists_of_other_programs_is_a_sampler_or_answered_by_one():
    ours = {*diffusion.sampler_names(), *diffusion.sampler_names(stochastic=True)}
    ours |= {found.name for found in names_elsewhere().values()}  # each is one, see above
    answers = {name: answer(name) for name in [*COMFYUI, *AUTOMATIC1111, *TH_DEIS, *of_diffusers()]}
    assert not {name: found for name, found in answers.items() if found not in ours}


def answer(name):
    """The sampler of a name, or the one that the refusal says to take."""
    try:
        return diffusion.sampler(name).name
    except ValueError as refused:
        named = re.search("take '([^']+)'", str(refused))
        return named[1] if named else str(refused)
