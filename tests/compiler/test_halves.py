"""Products by halves of the sum: which they are, and what is stored of them."""

from __future__ import annotations

from typing import Any

import pytest

import chainrule as cr
from chainrule.compiler.ir import Graph, Node, leaf
from chainrule.compiler.ops import linear
from chainrule.compiler.ops.elementary import tanh
from chainrule.compiler.ops.shape import transpose
from chainrule.compiler.passes.halves import HALVES
from chainrule.compiler.passes.loops import Schedule
from chainrule.compiler.passes.lower import Lower
from chainrule.compiler.passes.scalars import PARTS
from chainrule.compiler.passes.schedule import schedule
from chainrule.compiler.passes.wholes import Routine
from chainrule.compiler.targets.cpu import TARGET
from chainrule.compiler.types import TensorType, symbol

BATCH = symbol("batch")


def step(
    k: int = 784,
    n: int = 128,
    m: Any = BATCH,
    dtype: str = "float32",
    updated: bool = True,
    transposed: bool = False,
    wanted: bool = False,
) -> tuple[Schedule, Node]:
    """A layer, and a step of its weight; and the product in the layer."""
    x = leaf("x", TensorType(dtype, (m, k)), "input")
    w = leaf("w", TensorType(dtype, (n, k) if transposed else (k, n)), "param")
    z = linear.matmul(x, transpose(w, axes=(1, 0)) if transposed else w)
    h = tanh(z)
    gradient = linear.matmul(transpose(x, axes=(1, 0)), h)
    new = w - (transpose(gradient, axes=(1, 0)) if transposed else gradient)
    outputs = (("h", h), *([("z", z)] if wanted else []))
    updates = ((w, new),) if updated else ()
    outputs += () if updated else (("g", gradient),)
    graph = Graph("g", (x,), (w,), (), outputs, updates)
    lowered = Lower(TARGET.spells)(graph)
    (made,) = (x for x in lowered.nodes() if x.op is linear.CONTRACT and x.shape == (m, n))
    return schedule(lowered), made


def in_halves(planned: Schedule) -> bool:
    cores = [kernel.core for kernel in planned.kernels]
    return any(isinstance(core, Routine) and core.kind == HALVES for core in cores)


def test_only_the_halves_are_stored() -> None:
    planned, z = step()
    assert in_halves(planned)
    assert z not in planned.stored
    (parts,) = (x for x in planned.stored if x.op is PARTS)
    assert parts.operands == (z,)
    assert parts.shape == (2, BATCH, 128)


def test_a_product_that_is_wanted_is_stored_too() -> None:
    planned, z = step(wanted=True)
    assert in_halves(planned)
    assert z in planned.stored


def test_what_follows_has_panels_of_its_own() -> None:
    planned, _ = step()
    halves, behind, *_ = planned.kernels
    assert isinstance(halves.core, Routine)
    assert not halves.body
    assert behind.core is None
    assert behind.panel is not None


@pytest.mark.parametrize(
    "other",
    [
        {"updated": False},
        {"transposed": True},
        {"k": 510},  # a sum that is short
        {"k": 785},  # without halves
        {"n": 40},  # a small weight
        {"n": 400},  # a large one
        {"n": 200, "dtype": "float64"},  # so is this
        {"m": 8},  # few rows
    ],
)
def test_other_products_are_computed_whole(other: dict[str, Any]) -> None:
    planned, _ = step(**other)
    assert not in_halves(planned)


def test_the_text_says_what_the_halves_are() -> None:
    model = cr.Sequential([cr.Input((512,)), cr.Dense(64, "relu"), cr.Dense(3)])
    model.compile("sparse_categorical_crossentropy_from_logits", cr.SGD(0.1))
    text = model.source("cpu", "train")
    assert (
        "x W1 = x_W1_parts[0] + x_W1_parts[1]\n"
        "@kernel\n"
        "def k1_x_W1_parts(x, W1, x_W1_parts):\n"
        "    matmul_halves(x, W1, x_W1_parts)\n\n\n"
    ) in text
    assert "z1_ij = x_W1_parts[0, i, j] + x_W1_parts[1, i, j] + b1[j]\n" in text
