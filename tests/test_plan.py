"""`plan()`: what memory a program uses is what the device allocates, and why."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import _build
from chainrule.compiler.errors import UnknownNameError, UsageError
from chainrule.compiler.explain.plan import Plan
from chainrule.compiler.types import Dim, value
from chainrule.runtime.devices.cpu.binding import empty

SIZES = {"batch": 24}


def dense() -> cr.Model:
    model = cr.Sequential(
        [cr.Input((20,)), cr.Dense(16, activation="gelu"), cr.LayerNormalization(), cr.Dense(3)]
    )
    model.compile("sparse_categorical_crossentropy_from_logits", "adam")
    return model


def recurrent() -> cr.Model:
    model = cr.Sequential([cr.Input((9, 4)), cr.GRU(8), cr.Dense(1)])
    model.compile("mse", "sgd")
    return model


def convolutional() -> cr.Model:
    hidden = [cr.Conv2D(3, 3, activation="tanh"), cr.Conv2D(2, 3, activation="tanh")]
    model = cr.Sequential([cr.Input((8, 8, 1)), *hidden, cr.Flatten(), cr.Dense(1)])
    model.compile("mse", "sgd")
    return model


MODELS = [dense, recurrent, convolutional]


def number(size: Dim) -> int:
    return value(size, SIZES)


@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize("what", ["train", "evaluate", "predict"])
def test_sizes_are_those_that_the_device_allocates(make: Any, what: str) -> None:
    model = make()
    plan = model.plan(what)
    program = _build.program(model._request(what), "cpu")
    for parts, roles in (
        (plan.parameters, ("param",)),
        (plan.state, ("state",)),
        (plan.outputs, ("output",)),
        (plan.data, ("input", "setting")),
        (plan.scratch, ("scratch",)),
    ):
        buffers = program.of(*roles)
        assert [x.name for x in parts] == [x.name for x in buffers]
        for part, buffer in zip(parts, buffers, strict=True):
            assert number(part.size) == empty(buffer, SIZES).nbytes
    held = (*plan.data, *plan.parameters, *plan.state, *plan.outputs, *plan.scratch)
    assert number(plan.size) == sum(number(x.size) for x in held)


@pytest.mark.parametrize("make", MODELS)
def test_tensors_that_share_a_buffer_are_not_needed_at_once(make: Any) -> None:
    model = make()
    plan = model.plan()
    program = _build.program(model._request("train"), "cpu")
    places: dict[str, list[int]] = {}
    for place, kernel in enumerate(program.kernels):
        places.setdefault(kernel.name, []).append(place)
    shared = [buffer for buffer in plan.scratch if len(buffer.tensors) > 1]
    assert shared
    for buffer in shared:
        for tensor in buffer.tensors:
            assert number(tensor.size) <= number(buffer.size)
            assert f"    {tensor.name} = view({buffer.name}, " in program.source
        ends = [(places[x.first], places[x.last]) for x in buffer.tensors]
        for (_, last), (first, _) in itertools.pairwise(ends):
            assert min(last) < max(first)
    assert number(plan.saved) > 0


def test_what_is_stored_and_what_is_computed_again() -> None:
    model = dense()
    plan = model.plan(batch=24)
    source = model.source()
    stored = [x for x in plan.choices if x.stored]
    again = [x for x in plan.choices if not x.stored]
    assert stored
    for choice in stored:
        assert f"{choice.formula} = view(" in source
        assert number(choice.flops) >= 8 * number(choice.type.size)
    assert "z1" in {choice.formula for choice in again}
    for choice in again:
        assert f" {choice.formula} = view(" not in source
        assert number(choice.times) > number(choice.type.size)
        assert number(choice.flops) > 0
    text = str(plan)
    assert "\nstored:\n" in text
    assert "\n    z1: 384 operations save 1,536 bytes\n" in text


def test_sizes_that_are_not_given_stay_symbols() -> None:
    model = dense()
    open_, known = str(model.plan()), str(model.plan(batch=24))
    assert "80 batch" in open_
    assert "batch" not in known.replace("x_batch", "").replace("t_batch", "")
    assert "x f32[24, 20]" in known
    assert repr(model.plan()) == open_


def test_a_plan_of_a_function() -> None:
    x, w = cr.tensor("x", ("n", 4)), cr.tensor("w", (4,))
    loss = cr.sum(cr.tanh(x @ w))
    plan = cr.function([x, w], [loss, cr.grad(loss, w)]).plan(n=10)
    assert isinstance(plan, Plan)
    assert [held.name for held in plan.data] == ["x", "w"]
    assert not plan.parameters
    assert "parameters" not in str(plan)


def test_a_program_without_kernels_between() -> None:
    x = cr.tensor("x", (3,))
    text = str(cr.function(x, x + 1).plan())
    assert (
        text
        == "function: 24 bytes\n\ndata: 12 bytes\n    x f32[3]\n\noutputs: 12 bytes\n    y f32[3]"
    )


def test_other_targets_are_told() -> None:
    model = cr.Sequential([cr.Input((3,)), cr.Dense(1)])
    model.compile("mse", "sgd", target="numpy")
    with pytest.raises(UsageError, match="target numpy") as error:
        model.plan()
    assert len(str(error.value).splitlines()) == 3
    with pytest.raises(UnknownNameError):
        dense().plan("training")


def test_a_plan_compiles_nothing_and_draws_nothing() -> None:
    model = dense()
    model.plan(batch=2)
    assert not model._programs
    assert "W1" not in model._arrays


@pytest.mark.parametrize("what", ["plan", "loops"])
@pytest.mark.parametrize("wrong", [-1, 1.5, True, "2", None])
def test_a_size_that_is_none(what: str, wrong: Any) -> None:
    x = cr.tensor("x", ("n", 4))
    for owner, name in ((recurrent(), "batch"), (cr.function(x, cr.exp(x)), "n")):
        with pytest.raises(UsageError) as error:
            getattr(owner, what)(**{name: wrong})
        expected = [f"a size cannot be {wrong!r}", f"expected {name} of 0 or more"]
        for line, part in zip(str(error.value).splitlines(), expected, strict=False):
            assert part in line
        assert "test_plan.py" in str(error.value)


@pytest.mark.parametrize("what", ["plan", "loops"])
def test_a_size_of_another_name(what: str) -> None:
    with pytest.raises(UnknownNameError, match="no size 'bach'") as error:
        getattr(recurrent(), what)(bach=3)
    assert str(error.value).endswith("did you mean 'batch'?")
    x = cr.tensor("x", (3,))
    with pytest.raises(UnknownNameError, match="no size 'n'"):
        getattr(cr.function(x, x + 1), what)(n=3)


def test_a_size_may_be_an_integer_of_numpy() -> None:
    size: Any = np.int32(24)
    assert str(dense().plan(batch=size)) == str(dense().plan(batch=24))
