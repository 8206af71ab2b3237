"""The sources of the methods, as BibTeX."""

import difflib
from typing import NamedTuple

__all__ = ["bibtex", "citation_keys", "label"]


class _Entry(NamedTuple):
    kind: str
    author: str
    title: str
    where: str  # the remaining fields, as BibTeX
    year: int


_ENTRIES: dict[str, _Entry] = {
    "berland_owren_skaflestad2005": _Entry(
        "article",
        "Berland, Håvard and Owren, Brynjulf and Skaflestad, Bård",
        "B-series and order conditions for exponential integrators",
        "journal = {SIAM Journal on Numerical Analysis}, volume = {43}, number = {4}, pages = {1715--1727}",
        2005,
    ),
    "berland_skaflestad_wright2007": _Entry(
        "article",
        "Berland, Håvard and Skaflestad, Bård and Wright, Will M.",
        "{EXPINT} -- a {MATLAB} package for exponential integrators",
        "journal = {ACM Transactions on Mathematical Software}, volume = {33}, number = {1}, pages = {4}",
        2007,
    ),
    "blanes_casas_oteo_ros2009": _Entry(
        "article",
        "Blanes, Sergio and Casas, Fernando and Oteo, José-Angel and Ros, José",
        "The {Magnus} expansion and some of its applications",
        "journal = {Physics Reports}, volume = {470}, number = {5--6}, pages = {151--238}",
        2009,
    ),
    "blanes_moan2002": _Entry(
        "article",
        "Blanes, Sergio and Moan, Per Christian",
        "Practical symplectic partitioned {Runge--Kutta} and {Runge--Kutta--Nyström} methods",
        "journal = {Journal of Computational and Applied Mathematics}, volume = {142}, number = {2}, "
        "pages = {313--330}",
        2002,
    ),
    "blanes_moan2006": _Entry(
        "article",
        "Blanes, Sergio and Moan, Per Christian",
        "Fourth- and sixth-order commutator-free {Magnus} integrators for linear and non-linear dynamical systems",
        "journal = {Applied Numerical Mathematics}, volume = {56}, number = {12}, pages = {1519--1537}",
        2006,
    ),
    "bogacki_shampine1989": _Entry(
        "article",
        "Bogacki, Przemysław and Shampine, Lawrence F.",
        "A 3(2) pair of {Runge--Kutta} formulas",
        "journal = {Applied Mathematics Letters}, volume = {2}, number = {4}, pages = {321--325}",
        1989,
    ),
    "butcher1964": _Entry(
        "article",
        "Butcher, John C.",
        "On {Runge--Kutta} processes of high order",
        "journal = {Journal of the Australian Mathematical Society}, volume = {4}, number = {2}, pages = {179--194}",
        1964,
    ),
    "carpenter_kennedy1994": _Entry(
        "techreport",
        "Carpenter, Mark H. and Kennedy, Christopher A.",
        "Fourth-order {2N}-storage {Runge--Kutta} schemes",
        "institution = {NASA Langley Research Center}, number = {NASA-TM-109112}",
        1994,
    ),
    "cash_karp1990": _Entry(
        "article",
        "Cash, Jeff R. and Karp, Alan H.",
        "A variable order {Runge--Kutta} method for initial value problems with rapidly varying right-hand sides",
        "journal = {ACM Transactions on Mathematical Software}, volume = {16}, number = {3}, pages = {201--222}",
        1990,
    ),
    "celledoni_marthinsen_owren2003": _Entry(
        "article",
        "Celledoni, Elena and Marthinsen, Arne and Owren, Brynjulf",
        "Commutator-free {Lie} group methods",
        "journal = {Future Generation Computer Systems}, volume = {19}, number = {3}, pages = {341--352}",
        2003,
    ),
    "cox_matthews2002": _Entry(
        "article",
        "Cox, Stephen M. and Matthews, Paul C.",
        "Exponential time differencing for stiff systems",
        "journal = {Journal of Computational Physics}, volume = {176}, number = {2}, pages = {430--455}",
        2002,
    ),
    "dormand_prince1980": _Entry(
        "article",
        "Dormand, John R. and Prince, Peter J.",
        "A family of embedded {Runge--Kutta} formulae",
        "journal = {Journal of Computational and Applied Mathematics}, volume = {6}, number = {1}, pages = {19--26}",
        1980,
    ),
    "ehle_lawson1975": _Entry(
        "article",
        "Ehle, Byron L. and Lawson, J. Douglas",
        "Generalized {Runge--Kutta} processes for stiff initial-value problems",
        "journal = {IMA Journal of Applied Mathematics}, volume = {16}, number = {1}, pages = {11--21}",
        1975,
    ),
    "expint": _Entry(
        "software",
        "developers, The expint",
        "expint: exponential integrators, derived exactly",
        "note = {The derivation is in notebooks/derive_pair.py}",
        2026,
    ),
    "fehlberg1969": _Entry(
        "techreport",
        "Fehlberg, Erwin",
        "Low-order classical {Runge--Kutta} formulas with stepsize control and their application to some heat transfer "
        "problems",
        "institution = {NASA}, number = {TR R-315}",
        1969,
    ),
    "friedli1978": _Entry(
        "incollection",
        "Friedli, Armin",
        "Verallgemeinerte {Runge--Kutta} {Verfahren} zur {Lösung} steifer {Differentialgleichungssysteme}",
        "booktitle = {Numerical Treatment of Differential Equations}, series = {Lecture Notes in Mathematics}, "
        "volume = {631}, pages = {35--50}, publisher = {Springer}",
        1978,
    ),
    "heun1900": _Entry(
        "article",
        "Heun, Karl",
        "Neue {Methoden} zur approximativen {Integration} der {Differentialgleichungen} einer unabhängigen "
        "{Veränderlichen}",
        "journal = {Zeitschrift für Mathematik und Physik}, volume = {45}, pages = {23--38}",
        1900,
    ),
    "hochbruck_ostermann2005": _Entry(
        "article",
        "Hochbruck, Marlis and Ostermann, Alexander",
        "Explicit exponential {Runge--Kutta} methods for semilinear parabolic problems",
        "journal = {SIAM Journal on Numerical Analysis}, volume = {43}, number = {3}, pages = {1069--1090}",
        2005,
    ),
    "hochbruck2010": _Entry(
        "article",
        "Hochbruck, Marlis and Ostermann, Alexander",
        "Exponential integrators",
        "journal = {Acta Numerica}, volume = {19}, pages = {209--286}",
        2010,
    ),
    "hochbruck_ostermann2011": _Entry(
        "article",
        "Hochbruck, Marlis and Ostermann, Alexander",
        "Exponential multistep methods of {Adams}-type",
        "journal = {BIT Numerical Mathematics}, volume = {51}, number = {4}, pages = {889--908}",
        2011,
    ),
    "hochbruck_lubich_selhofer1998": _Entry(
        "article",
        "Hochbruck, Marlis and Lubich, Christian and Selhofer, Hubert",
        "Exponential integrators for large systems of differential equations",
        "journal = {SIAM Journal on Scientific Computing}, volume = {19}, number = {5}, pages = {1552--1574}",
        1998,
    ),
    "hochbruck_ostermann_schweitzer2009": _Entry(
        "article",
        "Hochbruck, Marlis and Ostermann, Alexander and Schweitzer, Julia",
        "Exponential {Rosenbrock}-type methods",
        "journal = {SIAM Journal on Numerical Analysis}, volume = {47}, number = {1}, pages = {786--803}",
        2009,
    ),
    "iserles_norsett1999": _Entry(
        "article",
        "Iserles, Arieh and Nørsett, Syvert P.",
        "On the solution of linear differential equations in {Lie} groups",
        "journal = {Philosophical Transactions of the Royal Society A}, volume = {357}, number = {1754}, "
        "pages = {983--1019}",
        1999,
    ),
    "krogstad2005": _Entry(
        "article",
        "Krogstad, Stein",
        "Generalized integrating factor methods for stiff {PDEs}",
        "journal = {Journal of Computational Physics}, volume = {203}, number = {1}, pages = {72--88}",
        2005,
    ),
    "ketcheson2008": _Entry(
        "article",
        "Ketcheson, David I.",
        "Highly efficient strong stability-preserving {Runge--Kutta} methods with low-storage implementations",
        "journal = {SIAM Journal on Scientific Computing}, volume = {30}, number = {4}, pages = {2113--2136}",
        2008,
    ),
    "kutta1901": _Entry(
        "article",
        "Kutta, Wilhelm",
        "Beitrag zur näherungsweisen {Integration} totaler {Differentialgleichungen}",
        "journal = {Zeitschrift für Mathematik und Physik}, volume = {46}, pages = {435--453}",
        1901,
    ),
    "lawson1967": _Entry(
        "article",
        "Lawson, J. Douglas",
        "Generalized {Runge--Kutta} processes for stable systems with large {Lipschitz} constants",
        "journal = {SIAM Journal on Numerical Analysis}, volume = {4}, number = {3}, pages = {372--380}",
        1967,
    ),
    "luan2021": _Entry(
        "article",
        "Luan, Vu Thai",
        "Efficient exponential {Runge--Kutta} methods of high order: construction and implementation",
        "journal = {BIT Numerical Mathematics}, volume = {61}, number = {2}, pages = {535--560}",
        2021,
    ),
    "luan_alhsmy2024": _Entry(
        "article",
        "Luan, Vu Thai and Alhsmy, Trky",
        "Sixth-order exponential {Runge--Kutta} methods for stiff systems",
        "journal = {Applied Mathematics Letters}, volume = {153}, pages = {109036}",
        2024,
    ),
    "luan_ostermann2014": _Entry(
        "article",
        "Luan, Vu Thai and Ostermann, Alexander",
        "Explicit exponential {Runge--Kutta} methods of high order for parabolic problems",
        "journal = {Journal of Computational and Applied Mathematics}, volume = {256}, pages = {168--179}",
        2014,
    ),
    "luan_ostermann2014b": _Entry(
        "article",
        "Luan, Vu Thai and Ostermann, Alexander",
        "Exponential {Rosenbrock} methods of order five: construction, analysis and numerical comparisons",
        "journal = {Journal of Computational and Applied Mathematics}, volume = {255}, pages = {417--431}",
        2014,
    ),
    "luan_ostermann2016": _Entry(
        "article",
        "Luan, Vu Thai and Ostermann, Alexander",
        "Parallel exponential {Rosenbrock} methods",
        "journal = {Computers \\& Mathematics with Applications}, volume = {71}, number = {5}, pages = {1137--1150}",
        2016,
    ),
    "luan2017": _Entry(
        "article",
        "Luan, Vu Thai",
        "Fourth-order two-stage explicit exponential integrators for time-dependent {PDEs}",
        "journal = {Applied Numerical Mathematics}, volume = {112}, pages = {91--103}",
        2017,
    ),
    "merson1957": _Entry(
        "inproceedings",
        "Merson, Robert H.",
        "An operational method for the study of integration processes",
        "booktitle = {Proceedings of a Symposium on Data Processing}, pages = {1--25}, "
        "organization = {Weapons Research Establishment, Salisbury}",
        1957,
    ),
    "michels2017": _Entry(
        "article",
        "Michels, Dominik L. and Luan, Vu Thai and Tokman, Mayya",
        "A stiffly accurate integrator for elastodynamic problems",
        "journal = {ACM Transactions on Graphics}, volume = {36}, number = {4}, pages = {116:1--116:14}",
        2017,
    ),
    "minchev2004": _Entry(
        "phdthesis",
        "Minchev, Borislav V.",
        "Exponential integrators for semilinear problems",
        "school = {University of Bergen}",
        2004,
    ),
    "munthe_kaas1999": _Entry(
        "article",
        "Munthe-Kaas, Hans",
        "High order {Runge--Kutta} methods on manifolds",
        "journal = {Applied Numerical Mathematics}, volume = {29}, number = {1}, pages = {115--127}",
        1999,
    ),
    "norsett1969": _Entry(
        "incollection",
        "Nørsett, Syvert P.",
        "An {A}-stable modification of the {Adams--Bashforth} methods",
        "booktitle = {Conference on the Numerical Solution of Differential Equations}, "
        "series = {Lecture Notes in Mathematics}, volume = {109}, pages = {214--219}, publisher = {Springer}",
        1969,
    ),
    "nystrom1925": _Entry(
        "article",
        "Nyström, Evert Johannes",
        "Über die numerische {Integration} von {Differentialgleichungen}",
        "journal = {Acta Societatis Scientiarum Fennicae}, volume = {50}, number = {13}, pages = {1--54}",
        1925,
    ),
    "ostermann2006": _Entry(
        "article",
        "Ostermann, Alexander and Thalhammer, Mechthild and Wright, William M.",
        "A class of explicit exponential general linear methods",
        "journal = {BIT Numerical Mathematics}, volume = {46}, number = {2}, pages = {409--431}",
        2006,
    ),
    "pope1963": _Entry(
        "article",
        "Pope, David A.",
        "An exponential method of numerical integration of ordinary differential equations",
        "journal = {Communications of the ACM}, volume = {6}, number = {8}, pages = {491--493}",
        1963,
    ),
    "rainwater_tokman2016": _Entry(
        "article",
        "Rainwater, Greg and Tokman, Mayya",
        "A new approach to constructing efficient stiffly accurate {EPIRK} methods",
        "journal = {Journal of Computational Physics}, volume = {323}, pages = {283--309}",
        2016,
    ),
    "ralston1962": _Entry(
        "article",
        "Ralston, Anthony",
        "{Runge--Kutta} methods with minimum error bounds",
        "journal = {Mathematics of Computation}, volume = {16}, number = {80}, pages = {431--437}",
        1962,
    ),
    "shu_osher1988": _Entry(
        "article",
        "Shu, Chi-Wang and Osher, Stanley",
        "Efficient implementation of essentially non-oscillatory shock-capturing schemes",
        "journal = {Journal of Computational Physics}, volume = {77}, number = {2}, pages = {439--471}",
        1988,
    ),
    "strehmel_weiner1992": _Entry(
        "book",
        "Strehmel, Karl and Weiner, Rüdiger",
        "Linear-implizite {Runge--Kutta}-{Methoden} und ihre {Anwendung}",
        "publisher = {Teubner}, address = {Stuttgart}",
        1992,
    ),
    "strang1968": _Entry(
        "article",
        "Strang, Gilbert",
        "On the construction and comparison of difference schemes",
        "journal = {SIAM Journal on Numerical Analysis}, volume = {5}, number = {3}, pages = {506--517}",
        1968,
    ),
    "suzuki1990": _Entry(
        "article",
        "Suzuki, Masuo",
        "Fractal decomposition of exponential operators with applications to many-body theories and {Monte} {Carlo} "
        "simulations",
        "journal = {Physics Letters A}, volume = {146}, number = {6}, pages = {319--323}",
        1990,
    ),
    "tokman_loffeld_tranquilli2012": _Entry(
        "article",
        "Tokman, Mayya and Loffeld, John and Tranquilli, Paul",
        "New adaptive exponential propagation iterative methods of {Runge--Kutta} type",
        "journal = {SIAM Journal on Scientific Computing}, volume = {34}, number = {5}, pages = {A2650--A2669}",
        2012,
    ),
    "tokman2006": _Entry(
        "article",
        "Tokman, Mayya",
        "Efficient integration of large stiff systems of {ODEs} with exponential propagation iterative ({EPI}) methods",
        "journal = {Journal of Computational Physics}, volume = {213}, number = {2}, pages = {748--776}",
        2006,
    ),
    "tsitouras2011": _Entry(
        "article",
        "Tsitouras, Charalampos",
        "{Runge--Kutta} pairs of order 5(4) satisfying only the first column simplifying assumption",
        "journal = {Computers \\& Mathematics with Applications}, volume = {62}, number = {2}, pages = {770--775}",
        2011,
    ),
    "verner1978": _Entry(
        "article",
        "Verner, James H.",
        "Explicit {Runge--Kutta} methods with estimates of the local truncation error",
        "journal = {SIAM Journal on Numerical Analysis}, volume = {15}, number = {4}, pages = {772--790}",
        1978,
    ),
    "whalen_brio_moloney2015": _Entry(
        "article",
        "Whalen, Patrick and Brio, Moysey and Moloney, Jerome V.",
        "Exponential time-differencing with embedded {Runge--Kutta} adaptive step control",
        "journal = {Journal of Computational Physics}, volume = {280}, pages = {579--601}",
        2015,
    ),
    "williamson1980": _Entry(
        "article",
        "Williamson, John H.",
        "Low-storage {Runge--Kutta} schemes",
        "journal = {Journal of Computational Physics}, volume = {35}, number = {1}, pages = {48--56}",
        1980,
    ),
    "yoshida1990": _Entry(
        "article",
        "Yoshida, Haruo",
        "Construction of higher order symplectic integrators",
        "journal = {Physics Letters A}, volume = {150}, number = {5--7}, pages = {262--268}",
        1990,
    ),
    "zoto_bowman2023": _Entry(
        "misc",
        "Zoto, Thoma and Bowman, John C.",
        "Robust exponential {Runge--Kutta} embedded pairs",
        "eprint = {2303.12139}, archivePrefix = {arXiv}",
        2023,
    ),
}


def citation_keys() -> list[str]:
    """Return the keys of all sources, sorted."""
    return sorted(_ENTRIES)


def bibtex(key: str) -> str:
    """Return the BibTeX entry of a source, in Unicode.

    Raises
    ------
    ValueError
        If the key is unknown.
    """
    kind, author, title, where, year = _entry(key)
    fields = [f"author = {{{author}}}", f"title = {{{title}}}", where, f"year = {{{year}}}"]
    return f"@{kind}{{{key},\n  " + ",\n  ".join(fields) + "\n}"


def label(key: str) -> str:
    """Return a source as it is named in running text, such as "Cox and Matthews (2002)".

    Raises
    ------
    ValueError
        If the key is unknown.
    """
    entry = _entry(key)
    *others, last = [author.split(",")[0] for author in entry.author.split(" and ")]
    return f"{', '.join(others)} and {last} ({entry.year})" if others else f"{last} ({entry.year})"


def _entry(key: str) -> _Entry:
    if key not in _ENTRIES:
        near = difflib.get_close_matches(key, _ENTRIES, n=3, cutoff=0.4)
        hint = f"; nearest: {', '.join(near)}" if near else ""
        raise ValueError(f"expected the key of a source, received {key!r}{hint}")
    return _ENTRIES[key]
