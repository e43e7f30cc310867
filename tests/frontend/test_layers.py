"""Layers: shapes, sharing, names, and what they say when they do not fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.errors import ChainruleError
from chainrule.compiler.ir import evaluate
from chainrule.frontend.network import network


def build(*outputs: cr.Tensor, inputs: list[cr.Tensor]) -> Any:
    return network(inputs, list(outputs), "model")


def wrong_type(value: Any) -> Any:
    """What a type checker would not let through."""
    return value


SHAPES: tuple[tuple[Callable[[], Any], tuple[int, ...], str], ...] = (
    (lambda: cr.Dense(5), (3,), "(batch, 5)"),
    (lambda: cr.Dense(5, use_bias=False), (2, 3), "(batch, 2, 5)"),
    (lambda: cr.Activation("softmax"), (3,), "(batch, 3)"),
    (lambda: cr.Flatten(), (2, 3, 4), "(batch, 24)"),
    (lambda: cr.Reshape((4, -1)), (2, 6), "(batch, 4, 3)"),
    (lambda: cr.Dropout(0.3), (3,), "(batch, 3)"),
)


@pytest.mark.parametrize(("layer", "given", "expected"), SHAPES)
def test_output_shapes(layer: Callable[[], Any], given: tuple[int, ...], expected: str) -> None:
    shape = layer()(cr.Input(given)).shape
    assert f"({', '.join(map(str, shape))})" == expected


def test_merging_layers_add_multiply_and_join() -> None:
    a, b = cr.Input((2,), name="a"), cr.Input((2,), name="b")
    joined = cr.Concatenate()([cr.Add()([a, b]), cr.Multiply()([a, b])])
    net = build(joined, inputs=[a, b])
    left, right = net.graph.inputs
    values = {left: np.array([[1.0, 2.0]], "f"), right: np.array([[3.0, 5.0]], "f")}
    (found,) = evaluate([net.graph.roots[0]], values)
    np.testing.assert_array_equal(found, [[4, 7, 3, 10]])


def test_parameters_are_numbered_and_results_named_as_people_write_them() -> None:
    x = cr.Input((3,))
    y = cr.Dense(2)(cr.Dense(4, activation="tanh")(x))
    graph = build(y, inputs=[x]).graph
    assert [p.attr("name") for p in graph.params] == ["W1", "b1", "W2", "b2"]
    assert sorted(graph.names.values()) == ["h1", "y", "z1"]
    assert [str(p.type) for p in graph.params] == ["f32[3, 4]", "f32[4]", "f32[4, 2]", "f32[2]"]


def test_a_named_layer_names_its_parameters() -> None:
    x = cr.Input((3,))
    graph = build(cr.Dense(2, name="head")(cr.Dense(4)(x)), inputs=[x]).graph
    assert [p.attr("name") for p in graph.params] == ["W1", "b1", "W_head", "b_head"]


def test_a_shared_layer_has_its_parameters_once() -> None:
    a, b = cr.Input((3,), name="a"), cr.Input((3,), name="b")
    shared = cr.Dense(4)
    net = build(cr.Add()([shared(a), shared(b)]), inputs=[a, b])
    assert [p.attr("name") for p in net.graph.params] == ["W1", "b1"]
    assert [row.parameters for row in net.rows if row.parameters] == [("W1", "b1")] * 2


def test_inputs_without_names_are_numbered() -> None:
    a, b = cr.Input((3,)), cr.Input((3,))
    net = build(cr.Add()([a, b]), inputs=[a, b])
    assert [x.attr("name") for x in net.graph.inputs] == ["x1", "x2"]


def test_dropout_layers_draw_different_numbers_whatever_was_built_before() -> None:
    def streams() -> list[int]:
        x = cr.Input((3,))
        net = build(cr.Dropout(0.5)(cr.Dropout(0.5)(x)), inputs=[x])
        return [n.attr("stream") for n in net.graph.nodes() if n.op.name == "dropout"]

    assert streams() == streams() == [0, 1]


def test_outside_training_dropout_is_not_there() -> None:
    x = cr.Input((3,))
    net = build(cr.Dropout(0.5)(x), inputs=[x])
    plain = net.inference
    assert plain.roots == plain.inputs
    assert not plain.state


def test_where_a_layer_was_written_is_kept() -> None:
    layer = cr.Dense(2)
    x = cr.Input((3,))
    y = layer(x)
    assert y.node.where is not None
    assert layer.where is not None
    assert y.node.where.line == layer.where.line
    assert y.node.where.layer == "Dense(2)"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: cr.Dense(0), "expected a positive integer"),
        (lambda: cr.Dense(wrong_type(2.5)), "expected a positive integer"),
        (lambda: cr.Dense(2, activation="rleu"), "did you mean 'relu'?"),
        (lambda: cr.Dense(2, kernel_initializer="glorot"), "did you mean"),
        (lambda: cr.Dense(2)(cr.Input(())), "the last axis must be the neuron's inputs"),
        (lambda: cr.Dense(2)(wrong_type(np.zeros((2, 3)))), "expected a tensor"),
        (lambda: cr.Dense(2)([cr.Input((3,)), cr.Input((3,))]), "takes one tensor"),
        (lambda: cr.Dropout(1.0), "expected a probability"),
        (lambda: cr.Concatenate(axis=0)([cr.Input((3,)), cr.Input((3,))]), "the batch"),
        (lambda: cr.Add()([cr.Input((3,)), cr.Input((4,))]), "do not broadcast"),
        (lambda: cr.Reshape((5, -1))(cr.Input((3, 4))), "reshape"),
        (lambda: cr.Input((3,), name="x); import os"), "a plain identifier|identifier|letters"),
        (lambda: cr.Input((3,), name="lambda"), "letters"),
        (lambda: cr.Dense(3, name="__class__"), "letters"),
        (lambda: cr.Layer(lambda x, w: w, 3), "expected|PerInput|operand"),
    ],
)
def test_what_does_not_fit_is_said_in_three_lines(wrong: Callable[[], Any], says: str) -> None:
    with pytest.raises(ChainruleError, match=says) as caught:
        wrong()
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("test_layers.py:")
    assert len(lines) <= 3


def test_a_shape_error_points_at_the_layer_that_was_written_wrong() -> None:
    first = cr.Dense(4)
    shared = cr.Dense(3)
    x = cr.Input((5,))
    shared(first(x))
    with pytest.raises(ChainruleError, match="shared by inputs of different sizes") as caught:
        shared(x)
    assert (caught.value.where, shared.where) != (None, None)
    assert str(caught.value.where) == str(shared.where)
