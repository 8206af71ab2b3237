"""What a gradient costs in torch, recorded and by the adjoint: evaluations, products, numbers kept, and time.

A network and a stiff symbol, fixed steps; the gradient by y_0, the network and the symbol. Numbers kept are those that
torch saves for the way back, in units of a state; processor times in units of the run without a gradient, the best of
several. Last come the times less those of the products alone.
Run: ``python -m benchmarks.gradients``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import NamedTuple

import torch

import expint
from benchmarks import parser

__all__ = ["Cost", "cost"]

SIZE = 64
"""So many unknowns has a trajectory."""

NETWORKS = {"small": (1, 256), "large": (32, 1024)}
"""By name how many trajectories run together, and the width of the network."""


class Cost(NamedTuple):
    """What a gradient costs: evaluations, products with its transposed Jacobian, states kept, and seconds."""

    evaluations: int
    products: int
    kept: float
    whole: float
    products_alone: float


class Field(torch.nn.Module):
    """A network that counts its calls, and how often one is gone back through."""

    def __init__(self, width: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        layers = torch.nn.Linear(SIZE, width), torch.nn.Tanh(), torch.nn.Linear(width, SIZE)
        self.layers = torch.nn.Sequential(*layers).double()
        self.calls = self.products = 0

    def forward(self, y: torch.Tensor) -> torch.Tensor:
        """Return the value."""
        self.calls += 1
        value: torch.Tensor = self.layers(y)
        if value.requires_grad:
            value.register_hook(self._count)
        return value

    def _count(self, gradient: torch.Tensor) -> None:
        del gradient
        self.products += 1


def cost(size: str, method: str, steps: int, way: str | None, repeats: int = 1) -> Cost:
    """Return the cost of a run of a method with one of the networks, and of its gradient if there is a ``way``."""
    best, (batch, width) = Cost(0, 0, 0.0, *[float("inf")] * 2), NETWORKS[size]
    for _ in range(repeats):
        net, kept = Field(width), dict[int, int]()
        y0 = torch.linspace(-1, 1, batch * SIZE, dtype=torch.float64).reshape(batch, SIZE)
        symbol = -torch.logspace(0, 4, SIZE, dtype=torch.float64)
        for learned in (y0, symbol):
            learned.requires_grad_(way is not None)

        def pack(tensor: torch.Tensor, kept: dict[int, int] = kept) -> torch.Tensor:
            kept[tensor.data_ptr()] = tensor.numel()
            return tensor

        options = {"linear": symbol, "method": method, "step": 1 / steps, "gradient": way}
        start = time.process_time()
        with torch.set_grad_enabled(way is not None), torch.autograd.graph.saved_tensors_hooks(pack, lambda own: own):
            run = expint.solve_ivp(lambda _, y, net=net: net(y), (0, 1), y0, **options)
        if way is not None:
            (run.y_end**2).sum().backward()
        whole = min(best.whole, time.process_time() - start)
        alone = min(best.products_alone, _alone(y0.detach(), width, net.products))
        best = Cost(net.calls, net.products, sum(kept.values()) / y0.numel(), whole, alone)
    return best


def _alone(y: torch.Tensor, width: int, products: int) -> float:
    """Return the seconds that so many products with the transposed Jacobian take, without the evaluations."""
    net, y, spent = Field(width), y.clone().requires_grad_(), 0.0
    for _ in range(products):
        value = net.layers(y)
        start = time.process_time()
        torch.autograd.grad(value, [y, *net.layers.parameters()], torch.ones_like(value))
        spent += time.process_time() - start
    return spent


def main(arguments: Sequence[str] = ()) -> None:
    """Print the table."""
    given = parser("benchmarks.gradients", __doc__).parse_args(arguments)
    print(
        "| N | method | steps | gradient | evaluations | products | states kept | time / run | … less products / run |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    repeats = 1 if given.quick else 3
    for size in ("small",) if given.quick else NETWORKS:
        for method in ("adams3",) if given.quick else ("adams3", "krogstad4"):
            for steps in (16, 32) if given.quick else (64, 256, 1024):
                plain = cost(size, method, steps, None, repeats)
                for way in ("through", "adjoint"):
                    own = cost(size, method, steps, way, repeats)
                    print(
                        f"| {size} | {method} | {steps} | {way} | {own.evaluations} | {own.products} | {own.kept:.0f} "
                        f"| {own.whole / plain.whole:.1f} | {(own.whole - own.products_alone) / plain.whole:.1f} |"
                    )


if __name__ == "__main__":
    main(sys.argv[1:])
