"""What is done before a loop, and what in its steps: matrices that are transposed, and sums."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.pipeline import derive, lower
from chainrule.compiler.targets import target


def text(f: Any) -> str:
    return str(target("cpu").emit(lower(derive(f._request), "cpu"), "0" * 32).source)


def network(length: Any = 5, uses: bool = False) -> tuple[list[Any], list[Any]]:
    """A recurrent network's last state and sum of inputs' products, and their gradients."""
    x, w, u, b = (
        cr.tensor(name, shape)
        for name, shape in (("x", (length, "n", 3)), ("w", (3, 4)), ("u", (4, 4)), ("b", (4,)))
    )
    inputs = x @ w + b
    h = cr.zeros((x.shape[1], 4))
    last, _ = cr.scan(lambda h, x: (cr.tanh(h @ u + x), None), h, inputs)
    total = cr.sum(last * last) + (cr.sum(cr.exp(inputs)) if uses else 0)
    return [x, w, u, b], [last, *cr.grad(total, [w, u, b])]


def test_the_matrix_of_a_loop_backwards_is_transposed_once() -> None:
    found = text(cr.function(*network()))
    assert "matmul_nt" not in found
    assert "    transposed(u, u_transposed)" in found


def test_for_a_single_step_it_is_not() -> None:
    assert "u_transposed" not in text(cr.function(*network(1)))


def test_a_bias_is_added_in_the_steps() -> None:
    found = text(cr.function(*network()))
    assert re.search(r"h_u\[.*\] \+ \(x_2\[i, j\] \+ b_2\[j\]\)", found)


def test_a_bias_gets_its_gradient_from_all_threads() -> None:
    model = cr.Sequential([cr.Input((5, 3)), cr.LSTM(64), cr.Dense(1)])
    model.compile("mse")
    kernels = model.source("cpu", "train").split("@kernel")
    (kernel,) = (x for x in kernels if "dL_db1_parts[panel, k] + " in x)
    assert "for first in prange(0, 5, 1):" in kernel


def test_a_sum_that_others_need_is_there_before() -> None:
    found = text(cr.function(*network(uses=True)))
    assert "+ b[k]" in found


@pytest.mark.parametrize("uses", [False, True])
@pytest.mark.parametrize(("length", "rows"), [(1, 7), (5, 1), (5, 0), (8, 33)])
def test_values_are_those_of_numpy(length: int, rows: int, uses: bool) -> None:
    inputs, asked = network("time", uses)
    random = np.random.default_rng(0)
    shapes = [(length, rows, 3), (3, 4), (4, 4), (4,)]
    given = [random.normal(size=shape).astype("float32") for shape in shapes]
    expected = cr.function(inputs, asked, target="numpy")(*given)
    for came, right in zip(cr.function(inputs, asked)(*given), expected, strict=True):
        np.testing.assert_allclose(came, right, 1e-4, 1e-4)


def test_what_is_the_same_in_all_steps_is_drawn_once() -> None:
    x = cr.Input((6, 3))
    model = cr.Model(x, cr.Dense(1)(cr.LSTM(4, dropout=0.5, recurrent_dropout=0.5)(x)))
    model.compile("mse")
    kernels = model.source("cpu", "train").split("@kernel")
    drawing = [kernel for kernel in kernels if "philox_uniform_f32(" in kernel]
    assert drawing
    assert not any("for k in" in kernel for kernel in drawing)


@pytest.mark.parametrize("reset_after", [False, True])
def test_products_in_a_row_are_computed_once(reset_after: bool) -> None:
    x = cr.Input((6, 3))
    model = cr.Model(x, cr.GRU(4, reset_after=reset_after)(x))
    model.compile("mse")
    text = model.source("cpu", "train")
    back = text[text.index("d_h <- ") :]
    products = back[: back.index("@program")].count("matmul(")
    assert products <= 1
    assert "matmul_nt" not in text
