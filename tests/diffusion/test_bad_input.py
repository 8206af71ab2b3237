"""Bad input to the doors of diffusion is answered there: what was expected, what was received."""

import numpy as np
import pytest
import torch

import diffusion
from tests import bad_calls

NETWORK = diffusion.Denoiser(lambda x, t: 0.1 * x, schedule=diffusion.VP.linear())
DOORS = {
    "sample": lambda x: diffusion.sample(NETWORK, x, steps=4),
    "trajectory": lambda x: diffusion.trajectory(NETWORK, x, steps=4),
    "encode": lambda x: diffusion.encode(NETWORK, x, steps=4),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("state", "message"),
    [
        (torch.ones(2, 3, device="meta"), "dense array or tensor with values, received .*meta"),
        (torch.eye(3).to_sparse(), "dense array or tensor with values, received"),
        (np.zeros((0, 3)), r"at least one sample.*received shape \(0, 3\)"),
        (np.zeros((3, 0)), r"one number in each, received shape \(3, 0\)"),
        (np.broadcast_to(np.float32(1), (10**14, 2)), "fit into the .* GiB of this machine, received a request for"),
        (torch.ones(1).expand(10**14), "fit into the .* GiB of this machine, received a request for"),
    ],
    ids=["meta", "sparse", "no samples", "no numbers", "a huge array", "a huge tensor"],
)
def test_states_that_cannot_be_run_are_refused(door, state, message):
    with pytest.raises((TypeError, ValueError), match=message):
        DOORS[door](state)


@pytest.mark.parametrize("sampler", ["auto", "ddim", "deis-tab3", "dpmpp-2m@diffusers"])
def test_steps_without_bound_are_refused_at_once(sampler):
    with pytest.raises(ValueError, match=r"expected .*received"):
        diffusion.sample(NETWORK, np.ones((2, 3)), sampler=sampler, steps=10**9)


@pytest.mark.parametrize(
    "word",
    [
        *("diffusion.sample", "diffusion.trajectory", "diffusion.encode", "diffusion.Denoiser", "diffusion.guidance"),
        *("diffusion.singlestep", "diffusion.VP.linear", "diffusion.VP.cosine", "diffusion.VE", "diffusion.EDM"),
        "diffusion.FlowMatching",
    ],
)
def test_odd_arguments_of_every_kind_are_answered_at_the_door(word):
    wrong = {str(call[:4]): bad_calls.answer(call) for call in bad_calls.sample(60, (word,))}
    assert {call: found for call, found in wrong.items() if found} == {}
