"""Tensors that exist only while a function is traced, used somewhere else, are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.errors import ShapeError, UsageError

F64 = "float64"
S, X = cr.tensor("s", (), F64), cr.tensor("x", (3,), F64)
IMAGE = cr.Input((5, 4))


def held(keep: list[cr.Tensor], x: cr.Tensor) -> cr.Tensor:
    keep.append(x)
    return x


def after_scan(keep: list[cr.Tensor]) -> cr.Tensor:
    cr.scan(lambda c, x: (c + x, held(keep, c)), S, X)
    return keep[-1] * 2


def in_another_loop(keep: list[cr.Tensor]) -> cr.Tensor:
    cr.scan(lambda c, x: (c + x, held(keep, 2 * x)), S, X)
    last: cr.Tensor = cr.scan(lambda c, x: (c + keep[-1], None), S, X)[0]
    return last


def after_while(keep: list[cr.Tensor]) -> cr.Tensor:
    last: cr.Tensor = cr.while_loop(lambda c: c > 0, lambda c: held(keep, c) - 1, S)
    return last + keep[-1]


def after_root(keep: list[cr.Tensor]) -> cr.Tensor:
    root: cr.Tensor = cr.root(lambda z: held(keep, z) ** 2 - S, 1.0)
    return cr.grad(root, S) * keep[0]


@pytest.mark.parametrize("made", [after_scan, in_another_loop, after_while, after_root])
def test_of_a_loop_outside_of_it(made: Callable[[list[cr.Tensor]], cr.Tensor]) -> None:
    with pytest.raises(UsageError, match=r"(?s)outside of the function.* has a value only there"):
        cr.function([S, X], made([]))


def test_of_a_loop_in_a_model() -> None:
    keep: list[cr.Tensor] = []
    cr.map(lambda x: held(keep, x), IMAGE)
    with pytest.raises(UsageError, match="an output uses 'x' outside of the function"):
        cr.Model(IMAGE, IMAGE + keep[0])


def test_of_no_operand_of_a_branch_in_the_other() -> None:
    """What depends on nothing but what is outside may be used anywhere."""
    keep: list[cr.Tensor] = []
    y = cr.cond(S > 0, lambda: held(keep, 2 * S) / 2, lambda: keep[0])
    f = cr.function([S], [y, keep[0], cr.jvp(y**2, S, 1.0)], "numpy")
    assert [float(v) for v in f(-1.5)] == [-3.0, -3.0, -12.0]


@pytest.mark.parametrize(
    ("output", "type"),
    [
        (cr.sum(IMAGE), r"f32\[\]"),
        (IMAGE[0], r"f32\[5, 4\]"),
        (cr.map(cr.tanh, IMAGE, axis=1), r"f32\[5, batch, 4\]"),
    ],
)
def test_an_output_of_a_model_has_an_axis_of_samples_in_front(output: Any, type: str) -> None:
    with pytest.raises(ShapeError, match=rf"an output of a model is {type}\n.* samples, batch"):
        cr.Model(IMAGE, output)


def test_numbers_take_the_dtype_of_the_carry_that_they_follow() -> None:
    """The second one becomes float64 since the first does, which one trial does not show."""

    def step(c: Any) -> Any:
        return cr.cos(c[1]) * S, 0.5 * c[0], c[2] + 1

    (_, scanned, count), _ = cr.scan(lambda c, _: (step(c), None), (0.1, 0.2, 0), length=60)
    looped = cr.while_loop(lambda c: c[2] < 60, step, (0.1, 0.2, 0))
    fixed = cr.fixed_point(lambda c: step((*c, 0))[:2], (0.1, 0.2))
    root = cr.root(lambda c: (c[0] - cr.cos(c[1]) * S, c[1] - 0.5 * c[0]), (0.1, 0.2))
    f = cr.function([S], [scanned, looped[1], fixed[1], root[1], count], "numpy")
    *found, steps = f(0.7)
    assert [v.dtype.name for v in found] == [F64] * 4
    assert int(steps) == 60
    np.testing.assert_allclose(found, found[3], rtol=1e-12)


@pytest.mark.parametrize("target", ["numpy", "cpu"])
def test_a_carry_is_no_variable_outside_of_its_loop(target: str) -> None:
    found: list[cr.Tensor] = []

    def step(c: cr.Tensor, x: cr.Tensor) -> tuple[cr.Tensor, cr.Tensor]:
        found.append(c)
        return c + x, c

    x = cr.tensor("x", (5,))
    cr.scan(step, 0.0, x)
    with pytest.raises(UsageError, match="uses 'c' outside of the function that was given it"):
        cr.function([x], cr.grad(found[-1] ** 2, found[-1]), target=target)
