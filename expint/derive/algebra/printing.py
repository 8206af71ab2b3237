"""φ-sums and tables of them as text, LaTeX and Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

__all__ = ["latex_array", "latex_number", "latex_phisum", "markdown_table", "text_number", "text_phisum"]

LONG_DENOMINATOR = 10**9

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def text_phisum(terms: Mapping[tuple[int, Any], Any]) -> str:
    """Return Σ r φ_k(c z) as plain text, for example ``-φ₂ + 4φ₃(z/2)``."""
    return _join(((r, _text_phi(k, c)) for (k, c), r in terms.items()), _text_factor)


def latex_phisum(terms: Mapping[tuple[int, Any], Any], argument: str = "z") -> str:
    """Return Σ r φ_k(c z) in LaTeX."""
    return _join(((r, _latex_phi(k, c, argument)) for (k, c), r in terms.items()), _latex_factor)


def latex_number(value: Any) -> str:
    """Return an exact number in LaTeX; where the exact form is long, its first digits."""
    if hasattr(value, "free_symbols"):
        import sympy

        return str(sympy.latex(value))
    if _is_long(value):
        return _digits(value) + r"\ldots"
    sign, size = ("-" if value < 0 else ""), abs(Fraction(value))
    if size.denominator == 1:
        return f"{sign}{size.numerator}"
    return rf"{sign}\tfrac{{{size.numerator}}}{{{size.denominator}}}"


def text_number(value: Any) -> str:
    """Return an exact number as plain text; where the exact form is long, its first digits."""
    return str(value) if hasattr(value, "free_symbols") or not _is_long(value) else _digits(value) + "…"


def _is_long(value: Any) -> bool:
    """Whether a number is irrational, or a fraction that nobody wants to read."""
    return not isinstance(value, int | Fraction) or value.denominator >= LONG_DENOMINATOR


def _digits(value: Any) -> str:
    return f"{float(value):.12g}"


def latex_array(rows: Sequence[Sequence[str]], columns: str) -> str:
    """Return a LaTeX array; a row that is empty becomes a horizontal line."""
    lines = [" & ".join(row) + r" \\" if row else r"\hline" for row in rows]
    return "\n".join([rf"\begin{{array}}{{{columns}}}", *lines, r"\end{array}"])


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _join(parts: Iterable[tuple[Any, str]], write: Callable[[Any, str], str]) -> str:
    """Join (factor, function) pairs with signs; ``write`` puts a positive factor before its function."""
    text = ""
    for factor, function in parts:
        negative = factor.could_extract_minus_sign() if hasattr(factor, "could_extract_minus_sign") else factor < 0
        size = -factor if negative else factor
        body = function if size == 1 and function else write(size, function)
        if text:
            text += f" - {body}" if negative else f" + {body}"
        else:
            text = f"-{body}" if negative else body
    return text or "0"


def _text_factor(size: Any, function: str) -> str:
    simple = isinstance(size, Fraction) and size.denominator == 1
    number = text_number(size)
    return f"{number}{function}" if simple or not function else f"({number}){function}"


def _latex_factor(size: Any, function: str) -> str:
    number = latex_number(size)
    if getattr(size, "is_Add", False) and function:
        return rf"\left({number}\right){function}"
    gap = " " if number[-1].isalpha() and function[:1].isalpha() else ""  # \kappa e^{z}, not \kappae^{z}
    return f"{number}{gap}{function}"


def _text_phi(k: int, c: Any) -> str:
    if c == 0:
        return ""
    name = "φ" + str(k).translate(_SUBSCRIPTS) if k else "e^"
    if c == 1:
        return name if k else "e^z"
    return f"{name}({_text_argument(c)})"


def _text_argument(c: Any) -> str:
    if isinstance(c, Fraction) and not _is_long(c):
        numerator = {1: "z", -1: "-z"}.get(c.numerator, f"{c.numerator}z")
        return f"{numerator}/{c.denominator}" if c.denominator != 1 else numerator
    return f"({text_number(c)})z"


def _latex_phi(k: int, c: Any, argument: str) -> str:
    if c == 0:
        return ""
    inner = _latex_argument(c, argument)
    return rf"e^{{{inner}}}" if k == 0 else rf"\varphi_{{{k}}}({inner})"


def _latex_argument(c: Any, argument: str) -> str:
    """Return c z as the papers write it inside a function: z, z/2, 3z/4, c_2 z, (1 - c_2) z."""
    if isinstance(c, Fraction) and not _is_long(c):
        numerator = {1: argument, -1: f"-{argument}"}.get(c.numerator, f"{c.numerator}{argument}")
        return numerator if c.denominator == 1 else f"{numerator}/{c.denominator}"
    return f"({latex_number(c)}) {argument}" if getattr(c, "is_Add", False) else f"{latex_number(c)} {argument}"
