"""Networks under torch.compile, driven from outside by our scheduler and from inside by ``sample``."""

import numpy as np
import pytest
import torch

import diffusion
from diffusion.training import perceptron

VP = diffusion.VP.from_betas(np.linspace(1e-4, 2e-2, 1000))
SAMPLERS = ["unipc3", "dpmpp-3m", "edm-heun", "krogstad4-data", "euler-ancestral", "auto"]


@pytest.fixture
def network():
    torch.manual_seed(0)
    torch.compiler.reset()
    return perceptron(3, width=8, depth=1).double().requires_grad_(False)


def counted(network):
    """Compile a network; each graph that is made for it is put down. None needs a compiler of C."""
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    return torch.compile(network, backend=backend, fullgraph=True, dynamic=False), graphs


@torch.no_grad()
def pushed(network, name, steps):
    scheduling = pytest.importorskip("diffusion.adapters.diffusers")
    scheduler = scheduling.Scheduler.from_config({"beta_schedule": "linear"}, sampler=name)
    scheduler.set_timesteps(steps)
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    for t in scheduler.timesteps:
        output = network(x, t.double().expand(4) / 1000)
        x = scheduler.step(output, t, x, generator=generator, return_dict=False)[0]
    return x


@torch.no_grad()
def sampled(network, name, steps):
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return diffusion.sample(diffusion.Denoiser(network, "noise", VP), x, sampler=name, steps=steps, rng=_rng(name))


def _rng(name):
    return 3 if name in diffusion.sampler_names(stochastic=True) else None


@pytest.mark.filterwarnings("ignore::diffusion.OffScaleWarning")  # of weights as they come
@pytest.mark.parametrize("run", [pushed, sampled])
def test_one_graph_serves_all_samplers_and_numbers_of_steps_and_gives_the_run_without(network, run):
    compiled, graphs = counted(network)
    for name in SAMPLERS:
        for steps in (3, 7):
            assert torch.equal(run(compiled, name, steps), run(network, name, steps))
    assert len(graphs) == 1


@pytest.mark.filterwarnings("ignore::diffusion.OffScaleWarning")
@pytest.mark.parametrize("run", [pushed, sampled])
def test_a_network_compiled_ahead_of_time_gives_the_run_without(network, run):
    compiled = torch.compile(network, backend="aot_eager")
    torch.testing.assert_close(run(compiled, "unipc3", 6), run(network, "unipc3", 6), rtol=0, atol=1e-12)
