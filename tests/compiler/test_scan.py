"""Loops in the graph: their meaning, their derivatives, their text, and the passes inside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from chainrule.compiler.autodiff import backward
from chainrule.compiler.errors import FileError, LoopError, ShapeError
from chainrule.compiler.ir import OPS, Graph, Node, const, evaluate, leaf, substitute, walk
from chainrule.compiler.ops.elementary import tanh
from chainrule.compiler.ops.linear import matmul
from chainrule.compiler.ops.reduce import sum as total
from chainrule.compiler.ops.scan import SCAN, Body, looped, scan, step
from chainrule.compiler.ops.steps import with_steps
from chainrule.compiler.passes.merge import Merge
from chainrule.compiler.pipeline import derive, lower
from chainrule.compiler.text import parse, show
from chainrule.compiler.types import TensorType, symbol, value

Arrays = Mapping[Node, Any]
BATCH, TIME = symbol("batch"), symbol("time")


def tensor(name: str, *shape: Any, role: Any = "input") -> Node:
    return leaf(name, TensorType("float64", shape), role)


def recurrent(reverse: bool = False) -> Graph:
    """A recurrent network with its first gradients, and those of the sum of their squares."""
    h0, xs = tensor("h0", BATCH, 3), tensor("xs", TIME, BATCH, 2)
    w, u, b = tensor("w", 2, 3), tensor("u", 3, 3), tensor("b", 3)
    h, x = tensor("h", BATCH, 3, role="placeholder"), tensor("x", BATCH, 2, role="placeholder")
    new = tanh(matmul(x, w) + matmul(h, u) * b + b)
    last, ys = scan([h, x], [new, new * h], [h0], [xs], TIME, reverse)
    leaves = (h0, xs, w, u, b)
    loss = total(ys * ys, axes=(0, 1, 2)) + total(last, axes=(0, 1))
    first = backward(loss, leaves, const(1, "float64"))
    squares = const(0, "float64")
    for x in leaves:
        squares = squares + total(first[x] * first[x], axes=tuple(range(x.type.ndim)))
    second = backward(squares, leaves, const(1, "float64"))
    outputs = [("loss", loss), ("squares", squares)]
    outputs += [(f"d_{x.attr('name')}", first[x]) for x in leaves]
    outputs += [(f"dd_{x.attr('name')}", second[x]) for x in leaves]
    return Graph("recurrent", inputs=leaves, outputs=tuple(outputs))


def drawn(graph: Graph, batch: int, time: int) -> tuple[Arrays, dict[str, int]]:
    random, sizes = np.random.default_rng(0), {"batch": batch, "time": time}
    shapes = {x: [value(dim, sizes) for dim in x.shape] for x in graph.inputs}
    return {x: random.normal(size=shape) / 2 for x, shape in shapes.items()}, sizes


def loops(graph: Graph) -> int:
    return len({node.op.family(node) for node in graph.nodes() if node.op is SCAN})


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("time", [0, 1, 4])
def test_a_loop_is_what_python_would_do(reverse: bool, time: int) -> None:
    graph = recurrent(reverse)
    values, sizes = drawn(graph, 2, time)
    h, xs, w, u, b = values.values()
    loss = 0.0
    for t in reversed(range(time)) if reverse else range(time):
        old, h = h, np.tanh(xs[t] @ w + (h @ u) * b + b)
        loss += np.sum((h * old) ** 2)
    np.testing.assert_allclose(evaluate(graph.roots[:1], values, sizes)[0], loss + np.sum(h))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("order", [0, 1])
def test_derivatives_are_slopes(reverse: bool, order: int) -> None:
    graph = recurrent(reverse)
    values, sizes = drawn(graph, 2, 3)
    random, by = np.random.default_rng(1), 1e-6
    results = evaluate(graph.roots, values, sizes)
    count = len(graph.inputs)
    gradients = results[2 + order * count : 2 + (order + 1) * count]
    way = {x: random.normal(size=np.shape(values[x])) for x in graph.inputs}
    above, below = (
        evaluate([graph.roots[order]], {x: values[x] + s * way[x] for x in values}, sizes)[0]
        for s in (by, -by)
    )
    slope = sum(np.sum(g * way[x]) for g, x in zip(gradients, graph.inputs, strict=True))
    np.testing.assert_allclose(slope, (above - below) / (2 * by), rtol=1e-7)


@pytest.mark.parametrize("target", ["numpy", "cpu"])
def test_passes_reach_into_the_steps_and_keep_the_value(target: str) -> None:
    graph = recurrent()
    after = lower(derive(graph), target)
    for time in (0, 1, 3):
        values, sizes = drawn(graph, 2, time)
        pairs = zip(
            evaluate(graph.roots, values, sizes), evaluate(after.roots, values, sizes), strict=True
        )
        for before, found in pairs:
            np.testing.assert_allclose(found, before, rtol=1e-11, atol=1e-11)


def test_text_has_the_steps() -> None:
    graph = recurrent()
    for shown in (show(graph), show(derive(graph))):
        assert "step#0(" in shown
        assert show(parse(shown)) == shown


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("results", "result", "expected results"),
        ("body=step#0", "body=step#9", "step#9 is not defined"),
        ("body=step#0", "body=7", "graph text, line"),
        ("condition=none", "condition=1", "graph text, line"),
        (" index=0", " index=-1", "no result -1"),
        (" index=0", " index=9", "graph text, line"),
        ("step#0(%h: f64[batch, 3]", "step#0(%h: f64[batch, 4]", "matmul|contract|broadcast"),
    ],
)
def test_text_that_is_no_loop_is_refused(old: str, new: str, message: str) -> None:
    text = show(recurrent())
    assert old in text
    with pytest.raises(FileError, match=message):
        parse(text.replace(old, new))


def test_a_step_without_an_end_is_refused() -> None:
    text = show(recurrent())
    head = text[: text.index("  results")]
    with pytest.raises(FileError, match="does not end"):
        parse(head)


def test_equal_loops_are_one_node() -> None:
    xs = tensor("xs", 5)

    def running() -> Node:
        c, x = tensor("c", role="placeholder"), tensor("x", role="placeholder")
        return scan([c, x], [c + x], [const(0, "float64")], [xs], 5, False)[0]

    assert running() is running()


def test_what_a_gradient_needs_is_stacked_by_the_loop_that_is_there() -> None:
    graph = recurrent()
    first = Graph("first", inputs=graph.inputs, outputs=graph.outputs[:1] + graph.outputs[2:7])
    assert loops(first) == 3
    assert loops(Merge()(first)) == 2


def test_what_nobody_wants_is_left_out() -> None:
    xs, k = tensor("xs", 5), tensor("k")
    a, b, x = (tensor(name, role="placeholder") for name in "abx")
    results = scan([a, b, x], [a + x, b * k, a * a], [k, k], [xs], 5, False)
    graph = Merge()(Graph("sums", inputs=(xs, k), outputs=(("y", results[0]),)))
    (node,) = (node for node in graph.nodes() if node.op is SCAN)
    assert node.operands == (k, xs)
    assert len(node.attr("body").outputs) == 1


def test_numbers_go_into_the_step() -> None:
    xs, k = tensor("xs", 5), const(3, "float64")
    c, x, own = (tensor(name, role="placeholder") for name in "cxk")
    body = Body((c, x, own), (c + x * own,))
    (result,) = looped(body, [const(0, "float64")], [xs], [k], 5, False)
    graph = Merge()(Graph("sums", inputs=(xs,), outputs=(("y", result),)))
    (node,) = (node for node in graph.nodes() if node.op is SCAN)
    assert xs in node.operands
    assert k not in node.operands
    assert evaluate(graph.roots, {xs: np.arange(5.0)})[0] == 30


def test_sums_of_products_over_the_steps_are_one_product_behind_the_loop() -> None:
    graph = derive(recurrent())
    gradient = dict(graph.outputs)["d_w"]
    assert gradient.op.name == "contract"
    assert gradient.operands[0] is graph.inputs[1]


def halving(strict: str = "while_loop") -> tuple[Graph, Node]:
    """Halve x while it is above k, for 8 steps at most: a loop with a condition."""
    x, k = tensor("x"), tensor("k")
    c = tensor("c", role="placeholder")
    above = OPS["greater"](c, k)
    half, steps = scan([c], [c * 0.5], [x], [], 8, False, above, strict)
    slope = backward(half, [x], const(1, "float64"))[x]
    outputs = (("half", half), ("steps", steps), ("slope", slope))
    return Graph("halving", inputs=(x, k), outputs=outputs), half


@pytest.mark.parametrize("x", [0.3, 1.0, 3.0, 100.0])
def test_a_loop_ends_where_its_condition_no_longer_holds(x: float) -> None:
    graph, _ = halving()
    values = dict(zip(graph.inputs, np.array([x, 1.0]), strict=True))
    count = max(0, int(np.ceil(np.log2(x))))
    for changed in (graph, derive(graph), Merge()(graph), lower(derive(graph), "cpu")):
        assert evaluate(changed.roots, values) == [x / 2**count, count, 0.5**count]
    assert show(parse(show(graph))) == show(graph)


def test_at_its_bound_it_is_a_fault_or_ends() -> None:
    graph, half = halving()
    values = dict(zip(graph.inputs, np.array([1e9, 1.0]), strict=True))
    with pytest.raises(LoopError, match="still going after 8 steps"):
        evaluate([half], values)
    graph, half = halving(strict="")
    values = dict(zip(graph.inputs, np.array([1e9, 1.0]), strict=True))
    assert evaluate(graph.roots, values) == [1e9 / 256, 8, 1 / 256]


def test_stacks_are_zero_behind_the_end() -> None:
    x, c = tensor("x"), tensor("c", role="placeholder")
    low = OPS["less"](c, const(10, "float64"))
    _, stack, steps = scan([c], [c * 2, c], [x], [], 6, False, low)
    assert evaluate([stack], {x: np.array(2.0)})[0].tolist() == [2, 4, 8, 0, 0, 0]
    body = Body(stack.attr("body").inputs, stack.attr("body").outputs)
    back = looped(body, [x], [], [], 6, True, steps=steps)
    assert evaluate(back, {x: np.array(2.0)})[1].tolist() == [8, 4, 2, 0, 0, 0]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"length": None}, "without an end"),
        ({"strict": "while_loop"}, "without an end"),
        ({"steps": const(2, "float64")}, "number of steps is f64"),
        ({"condition": (0,)}, "the condition is f64"),
        ({"condition": (1,), "length": None}, "a stack of unknown size"),
        ({"condition": (1,), "reverse": True}, "a loop without sequences"),
        ({"condition": (1,), "steps": const(2, "int64")}, "a loop without sequences"),
    ],
)
def test_a_loop_has_one_end(how: dict[str, Any], message: str) -> None:
    c = tensor("c", role="placeholder")
    body = step([c], [c, OPS["isnan"](c)])
    chosen = tuple(body.outputs[i] for i in how.pop("condition", ()))
    how = {"length": 5, "reverse": False, **how}
    if chosen:
        how["condition"] = Body(body.inputs, chosen)
    with pytest.raises(ShapeError, match=message):
        looped(body, [tensor("x")], [], [], **how)


def test_a_carry_keeps_its_type() -> None:
    c, x = tensor("c", role="placeholder"), tensor("x", 3, role="placeholder")
    with pytest.raises(ShapeError, match="a carry is"):
        scan([c, x], [c + x], [const(0, "float64")], [tensor("xs", 5, 3)], 5, False)


def test_a_sequence_has_an_element_for_every_step() -> None:
    c, x = tensor("c", role="placeholder"), tensor("x", role="placeholder")
    with pytest.raises(ShapeError, match="operand 1"):
        scan([c, x], [c + x], [const(0, "float64")], [tensor("xs", 4)], 5, False)


def test_equal_steps_are_looked_at_once_however_deep_they_are_nested() -> None:
    """Three results at each of 20 depths: 3 to the power of 20 ways down."""
    number = TensorType("float64")
    starts = [leaf("x", number, "input") for _ in range(3)]
    results = [a * b for a, b in zip(starts, starts[1:] + starts[:1], strict=True)]
    for _ in range(20):
        carries = [leaf("c", number, "placeholder") for _ in starts]
        inner = substitute(results, dict(zip(starts, carries, strict=True)))
        results = list(scan(carries, inner, starts, [], 2, False))
    assert len(list(with_steps(walk(results)))) < 20 * 20
