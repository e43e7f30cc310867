"""The derivatives that are written down are those that SymPy takes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

import chainrule as cr
from chainrule.compiler import derivatives
from chainrule.compiler.ir import Node, make
from chainrule.compiler.ops.base import Scalar
from chainrule.compiler.ops.elementary import tanh
from chainrule.compiler.passes.fold import Fold
from chainrule.compiler.symbolic import placeholders, taken
from chainrule.compiler.text import show_row
from chainrule.compiler.text_parser import parse_row
from chainrule.frontend.formulas.kinds import table


def rows() -> dict[str, Scalar]:
    """The rows of all activations whose derivative nobody declares."""
    found = {}
    for name in table("activation"):
        row = cr.activation(name)(cr.tensor("x", (2, 3))).node.op
        if isinstance(row, Scalar) and row.formula is not None and row.grads is None:
            found[name] = row
    return found


def declared(row: Scalar) -> Scalar:
    """The row with the derivatives that SymPy takes."""

    def grads(out: Node, *operands: Node) -> tuple[Node | None, ...]:
        return taken(row, out)

    return replace(row, grads=grads)


def test_the_file_is_what_sympy_says(request: pytest.FixtureRequest) -> None:
    text = derivatives.write({row: declared(row) for row in rows().values()})
    if request.config.getoption("update_golden"):
        derivatives.FILE.write_text(text, encoding="utf-8")
    assert text == derivatives.FILE.read_text(encoding="utf-8"), "--update-golden writes it anew"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", rows())
def test_in_every_dtype(name: str, dtype: str) -> None:
    row = rows()[name]
    leaves = placeholders(row, dtype)
    node = make(row, tuple(leaves))
    written = derivatives.known(row)
    assert written is not None
    assert written.grads is not None
    # SymPy's numbers have their last digits in the dtype asked for; lowering rounds all of them.
    rounded = [
        [None if x is None else Fold(rounds=True).node(x) for x in found]
        for found in (written.grads(node, *leaves), taken(row, node))
    ]
    assert rounded[0] == rounded[1]


def test_another_formula_is_not_written_down() -> None:
    assert derivatives.known(Scalar("gelu", formula=lambda x: x * tanh(x))) is None


def test_a_row_reads_back() -> None:
    row = Scalar("twice", formula=lambda x: 2 * tanh(x), grads=lambda out, x: (2 - out * out / 2,))
    assert show_row(parse_row(show_row(row))) == show_row(row)


def test_no_sympy_for_what_is_written_down() -> None:
    code = """
import sys
import chainrule as cr
x = cr.tensor("x", (3,))
slope = cr.grad(cr.sum(cr.gelu(x)), x)
cr.function(x, slope, target="numpy").source()
print("sympy" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
