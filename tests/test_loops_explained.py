"""`loops()`: what loops store for their gradients, and what is computed again; and `explain`."""

from __future__ import annotations

from typing import Any

import chainrule as cr
from chainrule import _build
from chainrule.compiler.explain.loops import Loop
from chainrule.compiler.types import value


def lstm(checkpoint: int | None, length: Any = "time") -> Any:
    x = cr.Input((length, 8))
    model = cr.Model(x, cr.Dense(1)(cr.LSTM(16, checkpoint=checkpoint)(x)))
    model.compile("mse")
    return model


def test_without_a_budget_every_step_is_stored() -> None:
    found = lstm(None).loops(batch=4)
    ahead, back = found.loops
    formulas = {x.formula for x in ahead.stored}
    assert {"h", "c", "tanh(x[:, 32:48] + (h U1)[:, 32:48])"} <= formulas
    assert (ahead.reverse_of, back.reverse_of) == (-1, 0)
    assert not back.recompute
    text = str(found)
    assert text.startswith("train: loops store ")
    assert "\nloop 1: time steps   test_loops_explained.py:" in text
    assert "LSTM(16)\n    stores " in text
    assert "    stores h: 256 time bytes\n" in text
    assert "\nloop 2: time steps, back through loop 1" in text


def test_with_a_budget_carries_are_stored_and_the_rest_is_computed_again() -> None:
    ahead, _, rest_back, back = lstm(10).loops().loops
    assert {x.formula for x in ahead.stored} == {"c", "h"}
    assert [str(x.type) for x in ahead.stored] == ["f32[10, batch, 16]"] * 2
    assert ahead.inside[0].stored == ()
    assert (rest_back.reverse_of, back.reverse_of) == (1, 0)
    assert rest_back.recompute
    assert back.recompute
    again, way_back = back.inside
    assert way_back.reverse_of == 0
    assert {"h", "c"} < {x.formula for x in again.stored}
    assert str(again.stored[0].type.shape[0]) == "((time) // 10)"


def test_what_is_said_is_what_the_program_has_room_for() -> None:
    sizes = {"batch": 4, "time": 1000}
    for checkpoint in (None, 10, 31):
        model = lstm(checkpoint)
        said = value(model.loops().size, sizes)
        program = _build.program(model._request("train"), "cpu")
        width = {"float32": 4, "float64": 8, "int64": 8, "bool": 1}
        scratch = sum(
            value(b.type.size, sizes) * width[b.type.dtype] for b in program.of("scratch")
        )
        # Beside what loops store there are the batch, twice, and small things: what the steps are
        # given of it lies where gradients lie later.
        given = 4 * 1000 * (8 + 8) * 4
        assert abs(scratch - said - given) < 40_000
        assert said > 130_000


def test_cheap_values_that_are_computed_again_are_named() -> None:
    x, w = cr.tensor("x", ("n",)), cr.tensor("w", ())
    last, _ = cr.scan(lambda c, x: (cr.tanh(c * (x + w)), None), 0.0, x)
    f = cr.function([x, w], cr.grad(last, w))
    ahead, back = f.loops().loops
    assert {x.formula for x in ahead.stored} == {"c", "tanh(c * (x + w))"}
    assert back.again == ("x + w",)
    assert "    computes x + w again" in str(f.loops())
    assert str(f.loops(n=1000)).startswith("function: loops store 8,000 bytes\n")


def test_no_loops() -> None:
    x = cr.tensor("x", ("n",))
    assert str(cr.function(x, x + 1).loops()) == "function has no loops"


def test_loops_that_end_early_and_loops_in_branches() -> None:
    x = cr.tensor("x", (3,))

    def grown(bound: int | None) -> str:
        y = cr.while_loop(lambda c: cr.sum(c) < 9, lambda c: c + cr.exp(-c), x, max_steps=bound)
        return str(cr.function(x, y if bound is None else cr.grad(cr.sum(y), x)).loops())

    assert "loop 1: until a condition fails" in grown(None)
    assert "loop 1: at most 50 steps" in grown(50)
    assert "loop 2: at most 50 steps, back through loop 1" in grown(50)

    def branch() -> Any:
        return cr.scan(lambda c, _: (cr.tanh(c), None), x, length=5)[0]

    y = cr.cond(cr.sum(x) > 0, branch, lambda: x)
    said = str(cr.function(x, cr.grad(cr.sum(y), x)).loops())
    assert "loop 1: 5 steps" in said
    assert "    stores tanh(c): 60 bytes" in said


def test_loops_in_loops_are_told_apart() -> None:
    x = cr.tensor("x", ("n", "m"))

    def row(c: Any, row: Any) -> Any:
        return cr.scan(lambda d, x: (cr.sin(d * x), None), c, row)[0], None

    last, _ = cr.scan(row, 1.0, x)
    found = cr.function(x, cr.grad(last, x)).loops()

    def numbers(loops: tuple[Loop, ...]) -> Any:
        return [numbers(loop.inside) for loop in loops]

    assert numbers(found.loops) == [[[]], [[]]]
    assert "    loop 1.1: m steps" in str(found)


def test_a_gradient_through_a_loop_is_explained() -> None:
    model = lstm(None, 5)
    for name in ("dL_dW1", "dL_dU1", "dL_dW2"):
        said = str(model.explain(name))
        assert said.startswith(f"How {name.replace('_d', '/d')} came about")
        assert "the chain rule" in said
    assert "LSTM(16)" in str(model.explain("W1"))
