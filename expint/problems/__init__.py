"""Semilinear problems with the parameters of the literature; each function returns a ``SemilinearProblem``.

``names()`` lists them and ``make(name)`` makes one; ``reference(name)`` is the stored solution of those without an
exact one, to be compared with ``sample(problem, y)``.
"""

import inspect
from typing import Any

from expint.arguments import seen, text
from expint.plugins import load as plugin
from expint.plugins import names as plugin_names
from expint.problem import SemilinearProblem
from expint.problems.advection_diffusion_reaction import advection_diffusion_reaction
from expint.problems.allen_cahn import allen_cahn, allen_cahn_chebyshev
from expint.problems.brusselator import brusselator
from expint.problems.burgers import burgers, burgers_shock
from expint.problems.hochbruck_ostermann import hochbruck_ostermann
from expint.problems.kawahara import kawahara
from expint.problems.korteweg_de_vries import korteweg_de_vries, two_solitons
from expint.problems.kuramoto_sivashinsky import kuramoto_sivashinsky
from expint.problems.manufactured import hypertest, paratest, schroedinger_type
from expint.problems.navier_stokes import double_shear_layer, kolmogorov_flow, taylor_green
from expint.problems.nonlinear_schroedinger import schroedinger_breather, schroedinger_potential, schroedinger_soliton
from expint.problems.pattern import (
    cahn_hilliard,
    ginzburg_landau,
    ginzburg_landau_plane,
    nikolaevskiy,
    swift_hohenberg,
)
from expint.problems.reaction_diffusion import fitzhugh_nagumo, gray_scott, gray_scott_plane, schnakenberg
from expint.problems.reference import Reference, reference, sample
from expint.problems.scalar import prescribed_spectrum, riccati
from expint.problems.sine_gordon import sine_gordon
from expint.problems.stiff_odes import hires, prothero_robinson, robertson, van_der_pol

_MAKERS = {
    maker.__name__: maker
    for maker in (
        advection_diffusion_reaction,
        allen_cahn,
        allen_cahn_chebyshev,
        brusselator,
        burgers,
        burgers_shock,
        cahn_hilliard,
        double_shear_layer,
        fitzhugh_nagumo,
        ginzburg_landau,
        ginzburg_landau_plane,
        gray_scott,
        gray_scott_plane,
        hires,
        hochbruck_ostermann,
        hypertest,
        kawahara,
        kolmogorov_flow,
        korteweg_de_vries,
        kuramoto_sivashinsky,
        nikolaevskiy,
        paratest,
        prescribed_spectrum,
        prothero_robinson,
        riccati,
        robertson,
        schnakenberg,
        schroedinger_breather,
        schroedinger_potential,
        schroedinger_soliton,
        schroedinger_type,
        sine_gordon,
        swift_hohenberg,
        taylor_green,
        two_solitons,
        van_der_pol,
    )
}

__all__ = ["Reference", "make", "names", "reference", "sample", *_MAKERS]


def names() -> list[str]:
    """Return the names of all problems, with those that other packages add.

    Examples
    --------
    >>> import expint
    >>> "burgers" in expint.problems.names()
    True
    """
    return sorted({*_MAKERS, *plugin_names("expint.problems")})


def make(name: str, **parameters: Any) -> SemilinearProblem:
    """Return the problem ``name``, with its default parameters where none are given.

    Other packages add problems by the entry points ``expint.problems``.

    Raises
    ------
    ImportError
        If the package that adds the name does not load.
    ValueError
        If there is no problem of that name.
    TypeError
        If the name is no text, or the problem has no such parameter.

    Examples
    --------
    >>> import expint
    >>> problem = expint.problems.make("kuramoto_sivashinsky", n=64)
    >>> problem.t_span, problem.y0.shape
    ((0.0, 150.0), (33,))
    """
    maker = _MAKERS.get(text("the name of a problem", name, "burgers"))
    if maker is None:
        maker = plugin("expint.problems", name, str, callable)
    if maker is None:
        raise ValueError(f"expected the name of a problem, received {seen(name)}; there are {', '.join(names())}")
    known = inspect.signature(maker).parameters
    unknown = [key for key in parameters if key not in known]
    if unknown:
        there = ", ".join(known) or "none"
        raise TypeError(
            f"expected parameters of {name} ({there}), received the unexpected keyword argument {unknown[0]!r}"
        )
    problem: SemilinearProblem = maker(**parameters)
    return problem
