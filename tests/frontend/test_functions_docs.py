"""docs/functions.md is made from the functions themselves; `--update-golden` writes it again."""

from __future__ import annotations

import importlib
import inspect
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import chainrule as cr
from chainrule.compiler.explain.formulas import text
from chainrule.compiler.ir import OPS, Node
from chainrule.compiler.ops.base import Scalar

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "functions.md"
MODULES = (
    "tensor",
    "functions.elementwise",
    "functions.reductions",
    "functions.statistics",
    "functions.linear",
    "functions.linalg",
    "functions.shaping",
    "functions.arranging",
    "functions.convolution",
    "functions.attention",
    "functions.creation",
    "functions.random",
    "functions.indexing",
    "functions.gathering",
    "functions.ordering",
    "derivatives.gradients",
    "functions.loops",
    "functions.control",
    "derivatives.matrices",
    "derivatives.series",
    "derivatives.implicit",
    "derivatives.custom",
)
HEAD = """# Functions

Names and meanings follow the [Python array API standard](https://data-apis.org/array-api/latest/)
where it has the function. Each takes tensors, NumPy arrays (which become constants) and Python
numbers (which take the other operand's dtype), and gives a tensor; `help(cr.exp)` tells the rest.

This page is made from the functions' own tables and docstrings, by
`tests/frontend/test_functions_docs.py`.
"""


def functions(module: str) -> Iterator[tuple[str, Callable[..., Any]]]:
    if module in ("functions.linalg", "functions.random"):
        # What is also a function of `cr` is told there.
        folder = module.removeprefix("functions.")
        home = getattr(cr, folder)
        for name in home.__all__:
            if not hasattr(cr, name):
                yield f"{folder}.{name}", getattr(home, name)
        return
    home = f"chainrule.frontend.{module}"
    face: Any = cr
    for name in face.__all__:
        if face._HOMES.get(name) == home and inspect.isfunction(getattr(cr, name)):
            yield name, getattr(cr, name)


def signature(name: str, function: Callable[..., Any]) -> str:
    """The call, without types."""
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in inspect.signature(function).parameters.values()
    ]
    plain = inspect.Signature(parameters)
    return f"{name}{plain}".replace("/, ", "").replace(", /", "").replace("*, ", "")


def summary(function: Callable[..., Any]) -> str:
    assert function.__doc__ is not None
    return function.__doc__.partition("\n\n")[0].replace("\n", " ").strip().replace("|", "\\|")


def slopes(name: str) -> str:
    """The derivatives of an elementwise function, one for each operand."""
    row = OPS.get(name)
    if not isinstance(row, Scalar) or row.kind not in ("float", "number"):
        return ""
    letters = {"atan2": "yx"}.get(name, "xy")[: row.arity]
    xs = [cr.tensor(letter, (), "float64").node for letter in letters]
    names: dict[Node, str] = dict(zip(xs, letters, strict=True))
    shown = ("0" if d is None else text(d, names) for d in row.derivatives(row(*xs)))
    return ", ".join(f"`{formula}`" for formula in shown).replace("|", "\\|")


def page() -> str:
    parts = [HEAD]
    for module in MODULES:
        title = importlib.import_module(f"chainrule.frontend.{module}").__doc__
        assert title is not None
        first = title.partition("\n\n")[0].replace("\n", " ").strip()
        name = module.rpartition(".")[2]
        parts.append(f"## {name.capitalize()}\n\n{first}\n")
        if module == "functions.elementwise":
            rows = ["| function | is | derivatives |", "| --- | --- | --- |"]
        else:
            rows = ["| function | is |", "| --- | --- |"]
        for name, function in functions(module):
            cells = [f"`{signature(name, function)}`", summary(function)]
            if module == "functions.elementwise":
                cells.append(slopes(name))
            rows.append(f"| {' | '.join(cells)} |".replace("|  |", "| |"))
        parts.append("\n".join(rows) + "\n")
    return "\n".join(parts)


def test_the_page_is_current(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("update_golden"):
        PAGE.write_text(page())
    assert PAGE.read_text() == page(), "run pytest with --update-golden"


@pytest.mark.parametrize("module", MODULES)
def test_docstrings_say_what_why_and_show_it(module: str) -> None:
    for name, function in functions(module):
        document = inspect.getdoc(function)
        assert document is not None, name
        first, _, rest = document.partition("\n\n")
        assert first.endswith("."), name
        assert len(first.splitlines()) == 1, name
        for part in ("Args:", "Returns:", "Example:\n    >>> import chainrule as cr"):
            assert part in rest, (name, part)
