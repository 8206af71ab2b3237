"""The catalogue: found by name, declared orders proved and measured, sources cited."""

import re
import subprocess
import sys
from fractions import Fraction
from math import factorial

import mpmath
import pytest

from expint.derive.kinds.adams import Adams
from expint.derive.kinds.lawson import lawson
from expint.derive.kinds.lie_group import LieGroupMethod
from expint.derive.kinds.presentation import uniform_step
from expint.derive.kinds.rosenbrock import Linearised
from expint.derive.kinds.splitting import Splitting
from expint.derive.kinds.tableau import Tableau
from expint.derive.orders.classical import ElementaryWeights
from expint.derive.orders.conditions import check_orders
from expint.derive.orders.scheme import scheme_of_recipe, scheme_of_tableau
from expint.derive.orders.trees import rooted_trees
from expint.methods import method, method_names
from expint.methods.butcher import CLASSICAL
from expint.methods.citations import bibtex, citation_keys, label

# Methods that linearise are measured in test_rosenbrock.py, splittings in test_splitting.py, Magnus in test_magnus.py
OTHER = Linearised | Splitting | LieGroupMethod
CATALOGUE = [entry for entry in map(method, method_names()) if not isinstance(entry, OTHER)]
TABLEAUX = [entry for entry in CATALOGUE if isinstance(entry, Tableau)]

# stages, classical order, stiff order strong and weak, computed numerically by others before this checker existed
PUBLISHED = {
    "exponential-euler": (1, 1, 1, 1),
    "etd2rk": (2, 2, 2, 2),
    "etd2rk-weak": (2, 2, 1, 2),
    "etd3rk": (3, 3, 2, 2),
    "etd2cf3": (3, 3, 2, 3),
    "hochbruck-ostermann3": (3, 3, 2, 3),
    "cox-matthews4": (4, 4, 2, 2),
    "krogstad4": (4, 4, 3, 3),
    "strehmel-weiner4": (4, 4, 3, 3),
    "friedli4": (4, 4, 3, 3),
    "minchev4": (4, 4, 2, 2),
    "ehle-lawson": (4, 2, 2, 2),
    "hochbruck-ostermann4": (5, 4, 3, 4),
    "cfree4": (4, 4, 1, 2),
    "rkmk2e": (2, 2, 1, 2),
    "rkmk4t": (4, 4, 1, 2),
    "generalised-lawson41": (4, 4, 1, 2),
    "lawson-euler": (1, 1, 0, 0),
    "lawson-rk4": (4, 4, 0, 0),
    "etd5rkf": (6, 5, 1, 1),
    "luan-ostermann5": (8, 5, 4, 5),
    "zoto-bowman32": (4, 3, 2, 3),
    "zoto-bowman43": (5, 4, 3, 4),
    "etd34": (4, 4, 3, 3),
}


@pytest.mark.parametrize("tableau", TABLEAUX, ids=lambda tableau: tableau.name)
def test_declared_orders_are_the_proved_ones(tableau):
    declared = (tableau.declared_order, tableau.declared_stiff_order, tableau.declared_weak_stiff_order)
    report = check_orders(tableau)
    assert (report.order, report.stiff_order, report.weak_stiff_order) == declared
    assert tableau.declared_embedded_order == (report.embedded.order if report.embedded else None)


@pytest.mark.parametrize("entry", [entry for entry in CATALOGUE if entry.order >= 6], ids=lambda entry: entry.name)
def test_no_method_has_a_higher_order_than_its_own_where_proofs_go_no_further(entry):
    if isinstance(entry, Tableau):
        scheme = scheme_of_tableau(entry, entry.b)
    else:
        step = uniform_step(entry.history)
        scheme = scheme_of_recipe(entry.recipe(step), step.history)
    weights = ElementaryWeights(scheme, entry.order + 1)
    assert any(weights.residual(tree) for tree in rooted_trees(entry.order + 1))
    assert entry.stiff_order <= entry.weak_stiff_order <= entry.order


@pytest.mark.parametrize("name", PUBLISHED)
def test_orders_agree_with_those_found_numerically_in_the_literature(name):
    entry = method(name)
    assert (entry.stages, entry.order, entry.stiff_order, entry.weak_stiff_order) == PUBLISHED[name]


def coefficients_at(tableau, z):
    """All coefficients of a tableau at a number z, by hypergeometric functions."""
    known = {}

    def value(function):
        total = mpmath.mpf(0)
        for (k, c), r in function:
            if (k, c) not in known:
                argument = mpmath.mpf(c.numerator) / c.denominator * z
                known[k, c] = mpmath.hyp1f1(1, k + 1, argument) / factorial(k) if k else mpmath.exp(argument)
            total += known[k, c] * r.numerator / r.denominator
        return total

    return [[value(entry) for entry in row] for row in (*tableau.a, tableau.b)]


def one_step(tableau, spectrum, nonlinear, y, h):
    """One step from t = 0, as the definition of the method reads."""
    c = [mpmath.mpf(node.numerator) / node.denominator for node in (*tableau.c, Fraction(1))]
    coefficients = [coefficients_at(tableau, h * eigenvalue) for eigenvalue in spectrum]
    slopes = []
    for i, node in enumerate(c):
        point = [
            mpmath.exp(node * h * eigenvalue) * start
            + h * sum(weight * slope[n] for weight, slope in zip(coefficients[n][i], slopes))
            for n, (eigenvalue, start) in enumerate(zip(spectrum, y))
        ]
        if i < tableau.stages:
            slopes.append(nonlinear(node * h, point))
    return point


def measured_local_order(tableau):
    """The slope of the error of one step between h = 1/1000 and half of it."""
    # the spectrum is real, imaginary and complex; the exact solution is manufactured and not autonomous
    spectrum = [mpmath.mpf("-4.6"), mpmath.mpc(0, "1.4"), mpmath.mpc("-0.8", "2")]

    def solution(t):
        return [mpmath.cos(t) + t / 3, mpmath.exp(t / 2) - t * t, mpmath.sin(2 * t) + 1]

    def derivative(t):
        return [-mpmath.sin(t) + mpmath.mpf(1) / 3, mpmath.exp(t / 2) / 2 - 2 * t, 2 * mpmath.cos(2 * t)]

    def coupling(y):
        return [y[1] * y[2] + y[0] ** 3 / 2, y[0] * y[2] - y[1] ** 2, y[0] * y[1] * y[2] + y[2]]

    def nonlinear(t, y):
        exact = solution(t)
        rows = zip(coupling(y), coupling(exact), derivative(t), spectrum, exact)
        return [own - other + slope - eigenvalue * u for own, other, slope, eigenvalue, u in rows]

    with mpmath.workdps(40):
        errors = []
        for h in (mpmath.mpf(1) / 1000, mpmath.mpf(1) / 2000):
            step = one_step(tableau, spectrum, nonlinear, solution(mpmath.mpf(0)), h)
            errors.append(mpmath.norm([own - exact for own, exact in zip(step, solution(h))]))
        return float(mpmath.log(errors[0] / errors[1], 2))


@pytest.mark.parametrize("tableau", [entry for entry in TABLEAUX if entry.order < 6], ids=lambda tableau: tableau.name)
def test_measured_local_order_is_the_declared_one(tableau):
    assert measured_local_order(tableau) == pytest.approx(tableau.order + 1, abs=0.15)


@pytest.mark.parametrize("tableau", [entry for entry in TABLEAUX if entry.embedded], ids=lambda tableau: tableau.name)
def test_measured_order_of_the_embedded_solution_is_the_declared_one(tableau):
    c, a = tableau.c, tableau.a
    if len(tableau.embedded) > tableau.stages:
        c, a = (*c, 1), (*a, tableau.b)
    lower = Tableau(name="embedded", c=c, a=a, b=tableau.embedded)
    assert measured_local_order(lower) == pytest.approx(tableau.declared_embedded_order + 1, abs=0.15)


@pytest.mark.parametrize("butcher", CLASSICAL, ids=lambda butcher: butcher.name)
def test_lawson_form_without_l_is_the_classical_method(butcher):
    tableau = lawson(butcher)
    assert tuple(tuple(entry.at_zero() for entry in row) for row in tableau.a) == butcher.a
    assert tuple(weight.at_zero() for weight in tableau.b) == butcher.b
    assert tableau.c == butcher.c


def test_names_are_found_in_any_spelling():
    assert method("Lawson RK4") is method("lawson_rk4") is method("lawson4")
    assert method("ETDRK4") is method("cox-matthews4")
    assert method("hochost4") is method("Hochbruck-Ostermann4")
    assert method("krogstad").name == "krogstad4"
    assert method("Nørsett–Euler") is method("exponential-euler")
    assert method("Strehmel–Weiner₄") is method("strehmel-weiner4")


ELSEWHERE = """
    norsett-euler etd1 etd2rk etdrk2 etd3rk etd2cf3 hochost3 etdrk4 etdrk4-b krogstad strehmel-weiner friedli
    minchev ehle-lawson hochost4 cfree4 rkmk2e rkmk4t lawson-euler lawson2a lawson2b lawson4 if4 if34 if45dp
    lawson-dverk lawson-lsrk3 lawson-lsrk45 lawson-tsit5 etd5rkf expRK5s8 expRK4s6 expRK5s10 erk32zb erk43zb etd34
    etd35 abnorsett1
    abnorsett6 ablawson2 ablawson4 eglm332 eglm433 pec322 pec423 pec524 pec625 pec726 pecec332 pecec433 pecec534
    pecec635 pecec736 genlawson41 genlawson45 modgenlawson41 modgenlawson45 epi2 epi3 epi4 exprb2 exprb32
    exprb42 exprb43 pexprb43 exprb53s3 exprb54s4 epirk4s3 epirk4s3a epirk4s3b epirk5p1 epirk5p2 epirk5s3 exp4
    lie-trotter strang yoshida4 blanes-moan-s6 blanes-moan-s10
"""


@pytest.mark.parametrize("name", ELSEWHERE.split())
def test_the_names_that_papers_and_other_libraries_use_are_known(name):
    assert method(name).name in method_names() or name in ("pec726", "pecec736")  # of order 7, which is not listed


@pytest.mark.parametrize("name", ["adams5", "etd-ab5", "ab-norsett5", "AB5", "exponential_adams5"])
def test_adams_of_any_order_is_found_by_number(name):
    assert method(name) == Adams(5)


@pytest.mark.parametrize(
    ("name", "stages"), [("pec4", 1), ("pece4", 2), ("PEC423", 2), ("pecece4", 3), ("PECEC433", 3)]
)
def test_predictor_corrector_pairs_are_found_by_order(name, stages):
    pair = method(name)
    report = check_orders(pair)
    assert (report.order, report.stiff_order) == (pair.order, pair.stiff_order) == (4, 4)
    assert pair.stages == stages


def test_every_listed_name_is_the_name_of_its_method():
    names = method_names()
    assert names == sorted(names)
    assert len(names) == len(set(names)) >= 50
    assert all(method(name).name == name for name in names)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("krogstadt", r"received 'krogstadt'; did you mean krogstad4"),
        ("cox matthew", r"did you mean cox-matthews4"),
        ("adams", r"did you mean adams"),
        ("#?!", r"expint.method_names\(\) lists them all"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest_ones(name, message):
    with pytest.raises(ValueError, match=message):
        method(name)


def test_order_zero_of_a_family_is_refused():
    with pytest.raises(ValueError, match="q to be an integer ≥ 1, received 0"):
        method("adams0")


def test_every_method_cites_a_known_source():
    for tableau in map(method, method_names()):
        if not isinstance(tableau, Tableau):
            continue
        assert tableau.reference in citation_keys(), tableau.name
        assert tableau.cite().startswith("@")
    for butcher in CLASSICAL:
        assert butcher.reference in citation_keys(), butcher.name


@pytest.mark.parametrize("name", [4, None, 2.0])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(TypeError, match="expected the name of a method, a string, received"):
        method(name)


def test_bibtex_is_balanced_and_unknown_keys_are_refused():
    for key in citation_keys():
        entry = bibtex(key)
        assert entry.count("{") == entry.count("}")
        assert f"{{{key}," in entry
    with pytest.raises(ValueError, match="received 'krogstad2006'; nearest: krogstad2005"):
        bibtex("krogstad2006")


def test_sources_are_named_as_in_running_text():
    assert label("lawson1967") == "Lawson (1967)"
    assert label("cox_matthews2002") == "Cox and Matthews (2002)"
    assert label("whalen_brio_moloney2015") == "Whalen, Brio and Moloney (2015)"


def test_lookup_does_not_import_sympy():
    code = "import sys; from expint.methods import method; method('krogstad4'); sys.exit('sympy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


COMMANDS = {"Bigl", "Bigr", "begin", "end", "exp", "hline", "ldots", "psi", "sum", "tau", "text", "tfrac", "varphi"}
WITHOUT_CONSTANT = {"magnus2"}  # which lacks words and trees in the next order


@pytest.mark.parametrize("name", method_names())
def test_every_method_prints_itself_its_orders_and_its_source(name):
    entry = method(name)
    latex, markdown = entry.latex(), entry.markdown()
    assert latex.startswith(r"\begin{array}{")
    columns = latex.split("{")[2].split("}")[0].replace("|", "")
    assert {line.count("&") + 1 for line in latex.splitlines()[1:-1] if "hline" not in line} == {len(columns)}
    assert latex.count("{") == latex.count("}")
    assert len({line.count(" | ") for line in markdown.splitlines()}) == 1
    assert markdown.splitlines()[1].startswith("| --- |")
    assert entry._repr_latex_() == f"$${latex}$$"
    assert str(entry) == f"{name}\n{markdown}"
    assert repr(entry)
    assert entry.cite().startswith("@")
    assert set(re.findall(r"\\([a-zA-Z]+)", latex)) <= COMMANDS
    if entry.order <= 6:  # higher orders take longer, and METHODS.md has them
        report = entry.orders
        assert (report.order, report.stiff_order, report.weak_stiff_order) == (
            entry.order,
            entry.stiff_order,
            entry.weak_stiff_order,
        )
        assert report.markdown().startswith(f"**{name}**")
        assert report.latex().startswith(r"\begin{array}{lcl}")
        assert report._repr_latex_() == f"$${report.latex()}$$"
        assert set(re.findall(r"\\([a-zA-Z]+)", report.latex())) <= COMMANDS
        assert report.violated_weak or report.weak_stiff_order == report.max_order
        assert (report.error_constant is not None) == (report.max_order > report.order) or name in WITHOUT_CONSTANT
